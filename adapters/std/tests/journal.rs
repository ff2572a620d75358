//! A client that keeps a journal, and one that is made of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "tests"
)]

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use adapter_suite::{Broker, Cut, Direction, Tap, When, kept, options, subscription, topic};
use mqtt_proto::{PacketType, Properties, QoS, Version};
use mqtt_session::{Config, Event, Publish, Record, Token, client::ClosedBy, record::Records, storage::Heap};
use mqtt_std::{Client, Tcp, driver::Journal};

const LONG: Duration = Duration::from_secs(60);

/// What is safe, and what is only appended.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

impl Journal for Memory {
    fn append(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut bytes = vec![0; record.encoded_len()];
        record.encode(&mut bytes).unwrap();
        self.0.lock().unwrap().1.extend(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let (safe, appended) = &mut *self.0.lock().unwrap();
        safe.append(appended);
        Ok(())
    }
}

fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.journal = true;
    config
}

fn until_closed(client: &mut Client) -> ClosedBy {
    loop {
        match client.next_timeout(LONG).unwrap() {
            Some(Event::Closed(closed)) => return closed.by,
            Some(_) => {}
            None => panic!("nothing comes"),
        }
    }
}

fn watcher(at: SocketAddr) -> Client {
    let mut watcher = Client::connect(at, &options(Version::V5, "watcher")).unwrap();
    assert!(matches!(watcher.next().unwrap(), Some(Event::Connected(_))));
    let filters = [subscription("safe", QoS::ExactlyOnce)];
    watcher.subscribe(&filters, Properties::EMPTY).unwrap();
    assert!(matches!(watcher.next().unwrap(), Some(Event::Completed { .. })));
    watcher
}

fn completed(client: &mut Client, token: Token) {
    loop {
        match client.next_timeout(LONG).unwrap() {
            Some(Event::Completed { token: of, .. }) if of == token => return,
            Some(Event::Connected(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_that_is_made_of_the_journal_of_another_goes_on_with_its_messages_and_tokens() {
    let broker = Broker::start();
    let message = Publish::new(topic("safe"), QoS::ExactlyOnce);
    for (direction, packet) in [
        (Direction::ToBroker, PacketType::Publish),
        (Direction::ToClient, PacketType::PubRec),
        (Direction::ToBroker, PacketType::PubRel),
        (Direction::ToClient, PacketType::PubComp),
    ] {
        let mut watcher = watcher(broker.address());
        let when = When::Before;
        let tap = Tap::new(
            broker.address(),
            Some(Cut {
                direction,
                packet,
                when,
            }),
        );
        let memory = Memory::default();
        let mut client = Client::new(config(), Heap::new()).unwrap();
        client.set_journal(memory.clone());
        let token = client.publish(&message, "once").unwrap();
        client
            .attach_tcp(tap.address(), &kept(Version::V5, "dies"))
            .unwrap();
        assert_eq!(until_closed(&mut client), ClosedBy::Transport);
        // The process dies; what was appended and not synced is gone.
        drop(client);
        let (safe, _) = memory.0.lock().unwrap().clone();
        let records = Records::new(&safe);
        let now = mqtt_std::Clock::new().now();
        let machine = mqtt_session::Client::restore(config(), Heap::new(), now, records).unwrap();
        let mut client = Client::with_machine(Tcp::new().unwrap(), machine);
        client.set_journal(memory);
        client
            .attach_tcp(broker.address(), &kept(Version::V5, "dies"))
            .unwrap();
        completed(&mut client, token);
        let mark = client.publish(&message, "mark").unwrap();
        completed(&mut client, mark);
        for expected in ["once", "mark"] {
            match watcher.next_timeout(LONG).unwrap() {
                Some(Event::Message(message)) => {
                    assert_eq!(message.payload, expected.as_bytes(), "{packet:?}")
                }
                other => panic!("{other:?}"),
            }
        }
        drop(client);
        let mut last = Client::connect(broker.address(), &options(Version::V5, "dies")).unwrap();
        assert!(matches!(last.next().unwrap(), Some(Event::Connected(_))));
    }
}

struct Full;

impl Journal for Full {
    fn append(&mut self, _: &Record<'_>) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn nothing_is_sent_that_depends_on_a_record_which_could_not_be_kept_and_it_is_told() {
    let broker = Broker::start();
    for full in [true, false] {
        let tap = Tap::new(broker.address(), None);
        let mut client = Client::new(config(), Heap::new()).unwrap();
        if full {
            client.set_journal(Full);
        }
        let message = Publish::new(topic("safe"), QoS::ExactlyOnce);
        client.publish(&message, "never").unwrap();
        for again in [false, true] {
            client
                .attach_tcp(tap.address(), &kept(Version::V5, "full"))
                .unwrap();
            assert_eq!(until_closed(&mut client), ClosedBy::Transport);
            let why = client.transport_error().unwrap();
            let expected = match (full, again) {
                (true, false) => io::ErrorKind::StorageFull,
                (true, true) => io::ErrorKind::Other,
                (false, _) => io::ErrorKind::Unsupported,
            };
            assert_eq!(why.kind(), expected, "{why}");
        }
        assert_eq!(tap.seen(Direction::ToBroker, PacketType::Publish), 0);
    }
}
