//! What a delivered message costs the broker: parsing, routing, queues, windows, encoding; no system calls.
//!
//! Four shapes, as a server's loop makes them: all that has come is read, then each connection with something to write is
//! written once. Payloads have 64 bytes. The best of many rounds is printed, beside the budget: within twice of what the
//! kernel takes for the same message when it is carried over loopback.
//!
//! ```text
//! cargo run --release -- [shape] [rounds]
//! ```

use std::time::{Duration, Instant as Moment};

use mqtt_proto::{
    Packet, PacketId, Properties, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{
        Ack, Connect, Publish, PublishHead, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
    },
};
use mqtt_session::{
    Instant,
    server::{
        ConnId, Peer, ServerConfig,
        driver::{Driver, Flushed, Written},
    },
};

const NOW: Instant = Instant::from_secs(1);
const PAYLOAD: [u8; 64] = [b'x'; 64];

/// A shape of traffic.
struct Shape {
    name: &'static str,
    publishers: usize,
    subscribers: usize,
    /// Publisher and subscriber of the same number have a topic of their own; otherwise there is one topic.
    pairs: bool,
    qos: QoS,
    /// Messages of each publisher in a turn.
    batch: usize,
    /// Microseconds of user time.
    budget: f64,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "fanin-0",
        publishers: 100,
        subscribers: 1,
        pairs: false,
        qos: QoS::AtMostOnce,
        batch: 10,
        budget: 0.9,
    },
    Shape {
        name: "fanout-0",
        publishers: 1,
        subscribers: 100,
        pairs: false,
        qos: QoS::AtMostOnce,
        batch: 10,
        budget: 0.17,
    },
    Shape {
        name: "pair-0",
        publishers: 50,
        subscribers: 50,
        pairs: true,
        qos: QoS::AtMostOnce,
        batch: 10,
        budget: 1.4,
    },
    Shape {
        name: "pair-1",
        publishers: 50,
        subscribers: 50,
        pairs: true,
        qos: QoS::AtLeastOnce,
        batch: 10,
        budget: 1.9,
    },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next();
    let rounds: usize = arguments
        .next()
        .map_or(2_000, |rounds| rounds.parse().expect("a number of rounds"));
    println!("{:<10} {:>8} {:>8} {:>8}", "shape", "us/msg", "budget", "ratio");
    for shape in &SHAPES {
        if wanted.as_deref().is_some_and(|wanted| wanted != shape.name) {
            continue;
        }
        let cost = run(shape, rounds);
        println!(
            "{:<10} {cost:>8.3} {:>8.2} {:>8.2}",
            shape.name,
            shape.budget,
            cost / shape.budget
        );
    }
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = vec![0; packet.encoded_len(Version::V311).expect("a packet")];
    packet.encode(Version::V311, &mut out).expect("a packet");
    out
}

fn client(driver: &mut Driver, name: &str) -> ConnId {
    let conn = driver.open(NOW, Peer::default()).expect("room");
    let mut connect = Connect::new(Version::V311, name);
    connect.keep_alive = 60;
    driver.received(NOW, conn, &bytes(&Packet::Connect(connect)));
    conn
}

/// Writes what is to be written; gives how many bytes of how many connections.
fn flush(driver: &mut Driver) -> (usize, usize) {
    let (mut written, mut connections) = (0, 0);
    while let Some(conn) = driver.take_dirty() {
        let flushed = driver.flush(NOW, conn, |out| {
            written += out.len();
            Written::Bytes(out.len())
        });
        assert_eq!(flushed, Flushed::Done);
        connections += 1;
    }
    (written, connections)
}

/// The best time of a round, for one delivered message, in microseconds.
fn run(shape: &Shape, rounds: usize) -> f64 {
    let mut driver = Driver::new(ServerConfig::default());
    let topic = |number: usize| {
        format!(
            "sensors/room/{}/temperature",
            if shape.pairs { number } else { 0 }
        )
    };
    let publishers: Vec<ConnId> = (0..shape.publishers)
        .map(|n| client(&mut driver, &format!("p{n}")))
        .collect();
    let subscribers: Vec<ConnId> = (0..shape.subscribers)
        .map(|n| client(&mut driver, &format!("s{n}")))
        .collect();
    for (number, &conn) in subscribers.iter().enumerate() {
        let filter = topic(number);
        let list = [Subscription {
            filter: TopicFilter::new(&filter).expect("a filter"),
            options: SubscriptionOptions::new(shape.qos),
        }];
        let subscribe = Subscribe {
            packet_id: PacketId::MIN,
            properties: Properties::EMPTY,
            filters: Subscriptions::new(&list),
        };
        driver.received(NOW, conn, &bytes(&Packet::Subscribe(subscribe)));
    }
    flush(&mut driver);
    let packet_id = (shape.qos != QoS::AtMostOnce).then_some(PacketId::MIN);
    let input: Vec<Vec<u8>> = (0..shape.publishers)
        .map(|number| {
            let topic = topic(number);
            let publish = |id: u16| {
                bytes(&Packet::Publish(Publish {
                    head: PublishHead {
                        dup: false,
                        qos: shape.qos,
                        retain: false,
                        topic: TopicName::new(&topic).expect("a topic"),
                        packet_id: packet_id.and(PacketId::new(id)),
                        properties: Properties::EMPTY,
                    },
                    payload: &PAYLOAD,
                }))
            };
            (1..=shape.batch as u16).flat_map(publish).collect()
        })
        .collect();
    let delivered = if shape.pairs {
        shape.publishers * shape.batch
    } else {
        shape.publishers * shape.batch * shape.subscribers
    };
    // Ids are given in a ring: what a subscriber acknowledges next is known.
    let mut next_id = 1_u16;
    let mut acks = Vec::new();
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        acks.clear();
        if shape.qos != QoS::AtMostOnce {
            for _ in 0..shape.batch {
                let id = PacketId::new(next_id).expect("not 0");
                acks.extend(bytes(&Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS))));
                next_id = next_id.checked_add(1).unwrap_or(1);
            }
        }
        let start = Moment::now();
        for (conn, input) in publishers.iter().zip(&input) {
            assert!(driver.received(NOW, *conn, input));
        }
        let (written, _) = flush(&mut driver);
        if !acks.is_empty() {
            for conn in &subscribers {
                assert!(driver.received(NOW, *conn, &acks));
            }
            flush(&mut driver);
        }
        best = best.min(start.elapsed());
        assert!(
            written >= delivered * PAYLOAD.len(),
            "all was delivered: {written} bytes"
        );
    }
    best.as_secs_f64() * 1e6 / delivered as f64
}
