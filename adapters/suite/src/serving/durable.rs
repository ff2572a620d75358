//! The behaviours of servers with a store.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use mqtt_proto::{PacketType, ReasonCode};
use mqtt_tokio::Store;

use super::{Peer, Running, SUBSCRIBE, Serve, Setup, disconnect, start};

/// Entries in memory, with whatever the store of a test is to do to a commit first.
struct Memory {
    entries: Arc<Mutex<Entries>>,
    before: Box<dyn FnMut() -> io::Result<()> + Send>,
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

impl Store for Memory {
    fn load(&mut self, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        let entries = self.entries.lock().expect("no panic");
        entries.iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn commit<'c>(
        &mut self,
        changes: &mut dyn Iterator<Item = (&'c [u8], Option<&'c [u8]>)>,
    ) -> io::Result<()> {
        (self.before)()?;
        let mut entries = self.entries.lock().expect("no panic");
        for (key, value) in changes {
            match value {
                Some(value) => drop(entries.insert(key.to_vec(), value.to_vec())),
                None => drop(entries.remove(key)),
            }
        }
        Ok(())
    }
}

fn durable(entries: &Arc<Mutex<Entries>>, before: impl FnMut() -> io::Result<()> + Send + 'static) -> Setup {
    Setup {
        store: Some(Box::new(Memory {
            entries: Arc::clone(entries),
            before: Box::new(before),
        })),
        ..Setup::default()
    }
}

/// QoS 1, to topic `t`, with packet id 2.
const PUBLISH_1: &[u8] = b"\x32\x08\x00\x01t\x00\x02\x00hi";

fn subscriber_that_is_kept(server: &Running) {
    let mut subscriber = server.kept("subscriber");
    let subscribe = b"\x82\x07\x00\x01\x00\x00\x01t\x01";
    subscriber.stream.write_all(subscribe).expect("a connection");
    assert_eq!(subscriber.packet(), Some((PacketType::SubAck, None)));
}

/// Whatever the configuration says.
pub fn without_a_store_nothing_waits_for_one(serve: Serve) {
    let mut setup = Setup::default();
    setup.config.durable = true;
    let server = start(serve, setup);
    subscriber_that_is_kept(&server);
    let mut publisher = server.client("publisher");
    publisher.stream.write_all(PUBLISH_1).expect("a connection");
    assert_eq!(publisher.packet(), Some((PacketType::PubAck, None)));
    server.stop.stop_now();
    server.join();
}

/// A session with its subscription and queue outlives the server's memory, whatever kind of end that had.
pub fn what_was_acknowledged_is_there_in_the_next_server(serve: Serve) {
    let entries = Arc::default();
    let server = start(serve, durable(&entries, || Ok(())));
    subscriber_that_is_kept(&server);
    let mut publisher = server.client("publisher");
    publisher.stream.write_all(PUBLISH_1).expect("a connection");
    assert_eq!(publisher.packet(), Some((PacketType::PubAck, None)));
    // What a crash at this moment would have left.
    let crashed = Arc::new(Mutex::new(Entries::clone(&entries.lock().expect("no panic"))));
    server.stop.stop_now();
    server.join();
    for entries in [crashed, entries] {
        let server = start(serve, durable(&entries, || Ok(())));
        let mut subscriber = server.kept("subscriber");
        assert_eq!(subscriber.packet(), Some((PacketType::Publish, None)));
        drop(subscriber);
        server.stop.stop_now();
        server.join();
    }
}

/// A server with a subscriber that is away and a publisher, whose next commits wait for this lock.
fn held(serve: Serve, entries: &Arc<Mutex<Entries>>) -> (Running, Peer<TcpStream>, Arc<Mutex<()>>) {
    let gate: Arc<Mutex<()>> = Arc::default();
    let lock = Arc::clone(&gate);
    let before = move || {
        drop(lock.lock().expect("no panic"));
        Ok(())
    };
    let server = start(serve, durable(entries, before));
    subscriber_that_is_kept(&server);
    let publisher = server.client("publisher");
    (server, publisher, gate)
}

impl Peer<TcpStream> {
    fn pings(&mut self) {
        self.stream.write_all(b"\xC0\x00").expect("a connection");
        assert_eq!(self.packet(), Some((PacketType::PingResp, None)));
    }
}

/// PUBACK waits for the store; who waits for nothing of it does not.
pub fn an_acknowledgement_waits_for_its_commit_and_nothing_else_does(serve: Serve) {
    let (server, mut publisher, gate) = held(serve, &Arc::default());
    let mut other = server.client("other");
    other.stream.write_all(SUBSCRIBE).expect("a connection");
    assert_eq!(other.packet(), Some((PacketType::SubAck, None)));
    let closed = gate.lock().expect("no panic");
    publisher.stream.write_all(PUBLISH_1).expect("a connection");
    publisher.pings();
    assert_eq!(other.packet(), Some((PacketType::Publish, None)), "at QoS 0");
    publisher.pings();
    drop(closed);
    assert_eq!(publisher.packet(), Some((PacketType::PubAck, None)));
    server.stop.stop_now();
    server.join();
}

/// Everything that the server knows is in the store when it has ended, also what had to wait for a commit before it.
pub fn when_a_server_has_stopped_all_that_is_durable_is_safe(serve: Serve) {
    let entries = Arc::default();
    let (server, mut publisher, gate) = held(serve, &entries);
    let closed = gate.lock().expect("no panic");
    for id in 1..=3 {
        let publish = [b"\x32\x08\x00\x01t\x00", &[id, 0][..], b"hi"].concat();
        publisher.stream.write_all(&publish).expect("a connection");
        publisher.pings();
    }
    server.stop.stop();
    drop(closed);
    for _ in 0..3 {
        assert_eq!(publisher.packet(), Some((PacketType::PubAck, None)));
    }
    assert_eq!(
        publisher.last_packet(),
        disconnect(ReasonCode::SERVER_SHUTTING_DOWN)
    );
    drop(publisher);
    server.join();
    let server = start(serve, durable(&entries, || Ok(())));
    let mut subscriber = server.kept("subscriber");
    for _ in 0..3 {
        assert_eq!(subscriber.packet(), Some((PacketType::Publish, None)));
    }
    drop(subscriber);
    server.stop.stop_now();
    server.join();
}

/// The client hears nothing that is not true, and the owner of the server why it has ended.
pub fn when_the_store_fails_nothing_that_waited_for_it_is_sent_and_the_server_ends(serve: Serve) {
    fails(
        serve,
        || Err(io::Error::other("the disk is gone")),
        "the disk is gone",
    );
}

/// A panic is no different.
pub fn a_store_that_panics_has_failed(serve: Serve) {
    fails(
        serve,
        || panic!("this is a part of the test"),
        "the store has panicked",
    );
}

fn fails(serve: Serve, how: fn() -> io::Result<()>, says: &str) {
    let failing = Arc::new(AtomicBool::new(false));
    let fail = Arc::clone(&failing);
    let before = move || if fail.load(Relaxed) { how() } else { Ok(()) };
    let server = start(serve, durable(&Arc::default(), before));
    subscriber_that_is_kept(&server);
    let mut publisher = server.client("publisher");
    let mut other = server.client("other");
    failing.store(true, Relaxed);
    publisher.stream.write_all(PUBLISH_1).expect("a connection");
    assert_eq!(other.packet(), Some(disconnect(ReasonCode::SERVER_SHUTTING_DOWN)));
    // What it would be told stands behind what it must not be told.
    assert_eq!(publisher.packet(), None);
    drop((publisher, other));
    let error = server.end().0.expect_err("the store has failed");
    assert_eq!(error.to_string(), format!("the store has failed: {says}"));
}
