//! Reading never waits for writing, nor writing for reading.

use core::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};
use std::sync::Arc;

use mqtt_proto::{Packet, Properties, QoS, Version, packet};
use mqtt_session::{Config, Event, client::OwnedEvent, storage::Heap};
use mqtt_tokio::{Client, TaskConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pipes::{self, Counted, Pipe};

const WIDTH: usize = 4 << 10;
const PATIENCE: Duration = Duration::from_secs(60);
const TOTAL: usize = 4 << 20;
const PIECE: usize = 32 << 10;

/// Connects over a narrow link, and subscribes.
async fn subscribed(address: &pipes::Address, topic: &str) -> Client<Pipe> {
    let mut client = pipes::connected(address.connect(WIDTH), topic).await;
    let token = client
        .subscribe(&[pipes::filter(topic)], Properties::EMPTY)
        .unwrap();
    pipes::completed(&mut client, token).await;
    client
}

/// Publishes 4 MiB to `to`, and takes 4 MiB, as fast as it goes.
async fn exchange(mut client: Client<Pipe>, to: &str, qos: QoS) {
    for _ in 0..TOTAL / PIECE {
        client.publish(&pipes::message(to, qos), &[7; PIECE][..]).unwrap();
    }
    let (mut sent, mut received) = (0, 0);
    while (sent, received) != (TOTAL, TOTAL) {
        match client.next().await.unwrap() {
            Event::Message(message) => received += message.payload.len(),
            Event::Completed { .. } => sent += PIECE,
            Event::Connected(_) if received == 0 => {}
            other => panic!("{other:?} after {sent} sent, {received} received"),
        }
    }
}

#[tokio::test]
async fn both_ends_publish_more_than_the_link_holds_without_a_dead_lock_or_a_spin() {
    for qos in QoS::ALL {
        let (mut server, address) = pipes::server();
        let stop = server.stopper();
        let serve = Counted::new(async move { server.run(|_| ()).await.unwrap() });
        let clients = async {
            let up = subscribed(&address, "up").await;
            let down = subscribed(&address, "down").await;
            let up = Counted::new(exchange(up, "down", qos));
            let down = Counted::new(exchange(down, "up", qos));
            let (((), up), ((), down)) = tokio::join!(up, down);
            stop.stop();
            (up, down)
        };
        let (((), served), (up, down)) =
            tokio::time::timeout(PATIENCE, async { tokio::join!(serve, clients) })
                .await
                .unwrap();
        // A poll for each time a pipe is full or empty, not one for each moment.
        let pipes_full = 2 * TOTAL / WIDTH;
        for polls in [served / 2, up, down] {
            assert!(
                polls < 3 * pipes_full,
                "{qos:?}: {polls} polls for {pipes_full} pipes full"
            );
        }
    }
}

/// `count` QoS 0 messages as a server sends them, of so many bytes each.
fn messages(count: usize, payload: usize) -> Vec<u8> {
    let message = Packet::Publish(packet::Publish {
        head: packet::PublishHead {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: adapter_suite::topic("down"),
            packet_id: None,
            properties: Properties::EMPTY,
        },
        payload: &vec![7; payload],
    });
    let mut bytes = vec![0; message.encoded_len(Version::V311).unwrap()];
    message.encode(Version::V311, &mut bytes).unwrap();
    bytes.repeat(count)
}

#[tokio::test]
async fn a_client_reads_while_a_server_that_writes_first_takes_nothing() {
    let (here, mut there) = tokio::io::duplex(WIDTH);
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    client.attach(here, &pipes::options("polite")).unwrap();
    let server = async {
        there.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        there.write_all(&messages(TOTAL / PIECE, PIECE)).await.unwrap();
        // Only now does it read.
        let mut read = 0;
        let mut room = vec![0; PIECE];
        while read < TOTAL {
            read += there.read(&mut room).await.unwrap();
        }
    };
    let work = async { tokio::join!(server, exchange(client, "up", QoS::AtMostOnce)) };
    let _ = tokio::time::timeout(PATIENCE, work).await.unwrap();
}

#[tokio::test]
async fn a_full_channel_of_events_stops_reading_and_nothing_else() {
    const COUNT: usize = 100;
    let (here, there) = tokio::io::duplex(WIDTH);
    let (mut from_client, mut to_client) = tokio::io::split(there);
    let mut config = Config::DEFAULT;
    config.receive_buffer = 64 << 10;
    config.ping_timeout = Duration::from_millis(100);
    let mut options = pipes::options("patient");
    options.keep_alive = 1;
    let mut client = Client::new(config, Heap::new());
    client.attach(here, &options).unwrap();
    let mut channels = TaskConfig::DEFAULT;
    channels.events = 1;
    let (handle, mut events, _task) = mqtt_tokio::spawn(client, channels);

    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    tokio::spawn(async move {
        let mut bytes = vec![0x20, 2, 0, 0];
        bytes.extend(messages(COUNT, PIECE));
        while counted.load(Relaxed) < bytes.len() {
            let n = to_client.write(&bytes[counted.load(Relaxed)..]).await.unwrap();
            counted.fetch_add(n, Relaxed);
        }
        // The link stays open.
        core::future::pending::<()>().await;
    });
    // Longer than keep-alive and the patience for PINGRESP together: that it does not come is the client's own doing.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let room = (64 << 10) + WIDTH + 3 * PIECE;
    let taken = written.load(Relaxed);
    assert!(
        taken < room,
        "{taken} bytes were taken while nobody wanted what is in them"
    );

    let operation = handle
        .publish(&pipes::message("up", QoS::AtMostOnce), "out")
        .await
        .unwrap();
    operation.await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\0\x02upout") {
        bytes.push(from_client.read_u8().await.unwrap());
    }
    assert!(
        bytes.windows(2).any(|packet| packet == [0xC0, 0]),
        "it has kept its own side alive"
    );

    assert!(matches!(events.next().await, Some(OwnedEvent::Connected(_))));
    for n in 0..COUNT {
        match tokio::time::timeout(PATIENCE, events.next()).await.unwrap() {
            Some(OwnedEvent::Message(message)) => assert_eq!(message.payload.len(), PIECE),
            other => panic!("{other:?} for message {n}"),
        }
    }
}

#[tokio::test]
async fn a_writer_that_is_stalled_waits_without_spinning() {
    let (here, mut there) = tokio::io::duplex(WIDTH);
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    client.attach(here, &pipes::options("stalled")).unwrap();
    there.write_all(&[0x20, 2, 0, 0]).await.unwrap();
    assert!(matches!(client.next().await.unwrap(), Event::Connected(_)));
    client
        .publish(&pipes::message("a", QoS::AtLeastOnce), &vec![1; 1 << 20][..])
        .unwrap();

    let mut next = Counted::new(client.next());
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut next).await;
    assert!(waited.is_err(), "nothing can have happened");
    assert!(next.polls <= 4, "{} polls while nothing happened", next.polls);
    drop(next);

    // It reads all the same: here a message of QoS 1, whose answer waits behind the payload.
    there.write_all(b"\x32\x06\0\x01b\0\x09!").await.unwrap();
    match client.next().await.unwrap() {
        Event::Message(message) => assert_eq!((message.topic.as_str(), message.payload), ("b", &b"!"[..])),
        other => panic!("{other:?}"),
    }
    // And goes on where it was when there is room.
    let reader = async {
        let mut bytes = vec![0; (1 << 20) + 64];
        let mut read = 0;
        while !bytes[..read].ends_with(&[0x40, 2, 0, 9]) {
            read += there.read(&mut bytes[read..]).await.unwrap();
        }
        read
    };
    tokio::select! {
        read = reader => assert!(read > 1 << 20),
        event = client.next() => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn a_server_link_that_takes_nothing_stops_neither_the_others_nor_the_server() {
    let (mut server, address) = pipes::server();
    let stop = server.stopper();
    let serve = Counted::new(async move { server.run(|_| ()).await.unwrap() });
    let clients = async {
        let mut deaf = pipes::connected(address.connect(256), "deaf").await;
        let mut good = pipes::connected(address.connect(WIDTH), "good").await;
        for client in [&mut deaf, &mut good] {
            let token = client
                .subscribe(&[pipes::filter("all")], Properties::EMPTY)
                .unwrap();
            pipes::completed(client, token).await;
        }
        for n in 0..100 {
            good.publish(&pipes::message("all", QoS::AtMostOnce), &[n; 4_000][..])
                .unwrap();
        }
        let mut received = 0;
        while received < 100 {
            received += usize::from(matches!(good.next().await.unwrap(), Event::Message(_)));
        }
        // All of them wait for the one that did not read.
        for n in 0..100 {
            match deaf.next().await.unwrap() {
                Event::Message(message) => assert_eq!(message.payload, [n; 4_000]),
                other => panic!("{other:?}"),
            }
        }
        stop.stop();
    };
    let (((), polls), ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(serve, clients) })
        .await
        .unwrap();
    assert!(polls < 10_000, "{polls} polls");
}
