//! A million subscriptions and a million retained messages in one broker: what each costs, and that what does not match
//! costs nothing. Figures are printed; tests claim the rule by counting nodes.
//!
//! `cargo run --release -p mqtt-session --features server --example scale -- [filters] [retained messages]`
//!
//! Memory is what the process grows by, so what comes second reuses what came first: for its figure, let the first be 0.
#![allow(
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it measures"
)]

use std::time::Instant as Clock;

use mqtt_proto::{
    PacketId, Properties, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Publish, PublishHead, Subscribe, Subscription, SubscriptionOptions, Subscriptions},
};
use mqtt_session::{
    Instant,
    server::{Broker, ConnId, Peer, Reply, Request, ServerConfig},
};

const CLIENTS: usize = 1_000;
const NOW: Instant = Instant::from_secs(1_000);

/// Resident memory in bytes, where the system tells it.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4_096
}

fn client(broker: &mut Broker, id: &str) -> ConnId {
    let conn = broker.open(Peer::default()).unwrap();
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        client_id: id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    };
    let _ = broker.handle_request(NOW, conn, Request::Connect(connect));
    drain(broker, conn);
    conn
}

/// Takes everything that a client is sent; says how many messages.
fn drain(broker: &mut Broker, conn: ConnId) -> usize {
    let mut messages = 0;
    while let Some(reply) = broker.poll_reply(NOW, conn) {
        messages += usize::from(matches!(reply, Reply::Deliver(_)));
    }
    messages
}

fn subscribe(broker: &mut Broker, conn: ConnId, filters: &[&str]) {
    let list: Vec<Subscription<'_>> = filters
        .iter()
        .map(|filter| Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options: SubscriptionOptions::new(QoS::AtMostOnce),
        })
        .collect();
    let subscribe = Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&list),
    };
    let _ = broker.handle_request(NOW, conn, Request::Subscribe(subscribe));
}

fn publish(broker: &mut Broker, conn: ConnId, topic: &str, retain: bool) {
    let head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain,
        topic: TopicName::new(topic).unwrap(),
        packet_id: None,
        properties: Properties::EMPTY,
    };
    let payload = &[b'x'; 64];
    let _ = broker.handle_request(NOW, conn, Request::Publish(Publish { head, payload }));
}

/// Nanoseconds of one of so many.
fn each(count: usize, mut run: impl FnMut(usize)) -> u128 {
    let start = Clock::now();
    for n in 0..count {
        run(n);
    }
    start.elapsed().as_nanos() / count.max(1) as u128
}

fn report(what: &str, nanos: u128) {
    println!("{what:<60} {nanos:>9} ns");
}

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().unwrap());
    let filters: usize = args.next().unwrap_or(1_000_000);
    let retained: usize = args.next().unwrap_or(1_000_000);
    let mut broker = Broker::new(ServerConfig::default());
    let publisher = client(&mut broker, "publisher");
    let clients: Vec<ConnId> = (0..CLIENTS)
        .map(|n| client(&mut broker, &format!("client {n}")))
        .collect();
    subscribe(
        &mut broker,
        clients[0],
        &["site/+/room/+/temperature", "site/1/#"],
    );
    drain(&mut broker, clients[0]);

    let routing = |broker: &mut Broker, when: &str| {
        for (topic, expected) in [
            ("site/1/room/2/temperature", 1),
            ("plant/1/room/2/temperature", 0),
        ] {
            let mut delivered = 0;
            let nanos = each(200_000, |_| {
                publish(broker, publisher, topic, false);
                delivered += drain(broker, clients[0]);
            });
            assert_eq!(delivered, expected * 200_000);
            report(&format!("a message to {expected} of {when} filters"), nanos);
        }
    };
    routing(&mut broker, "3");
    let before = resident();
    let nanos = each(filters, |n| {
        // A third each: of one device; of a level in the middle; of a wildcard below.
        let filter = match n % 3 {
            0 => format!("site/{}/room/{n}/humidity", n % 500),
            1 => format!("site/+/room/{n}/light"),
            _ => format!("line/{}/{n}/#", n % 500),
        };
        let conn = clients[n % CLIENTS];
        subscribe(&mut broker, conn, &[&filter]);
        drain(&mut broker, conn);
    });
    report("a subscription", nanos);
    let bytes = resident().saturating_sub(before);
    println!(
        "{:<60} {:>9} B",
        "memory of a subscription",
        bytes / filters.max(1)
    );
    routing(&mut broker, &filters.to_string());
    for conn in clients {
        let _ = broker.handle_request(NOW, conn, Request::Lost);
    }
    assert_eq!(broker.holdings().subscriptions, 0);

    let before = resident();
    let nanos = each(retained, |n| {
        publish(
            &mut broker,
            publisher,
            &format!("site/{}/room/{n}/temperature", n % 500),
            true,
        );
    });
    assert_eq!(broker.holdings().retained_messages, retained);
    report("a retained message", nanos);
    let bytes = resident().saturating_sub(before);
    println!(
        "{:<60} {:>9} B",
        "memory of a retained message of 64 bytes and about 30 of topic",
        bytes / retained.max(1)
    );
    let reader = client(&mut broker, "reader");
    let mut find = |what: &str, filter: &str, count: usize| {
        let mut found = 0;
        let nanos = each(1, |_| {
            subscribe(&mut broker, reader, &[filter]);
            // A search that takes long is interrupted for others, and goes on when it is polled again.
            loop {
                found += drain(&mut broker, reader);
                if broker.poll_ready().is_none() {
                    break;
                }
            }
        });
        assert_eq!(found, count, "{filter}");
        report(&format!("{what}: {count} found"), nanos);
    };
    find(
        "retained messages of one topic",
        "site/7/room/7/temperature",
        usize::from(retained > 7),
    );
    find(
        "retained messages of a site",
        "site/7/#",
        retained.saturating_sub(7).div_ceil(500),
    );
    find(
        "retained messages of one room anywhere",
        "site/+/room/7/temperature",
        usize::from(retained > 7),
    );
    find("all retained messages", "#", retained);
    let metrics = each(1_000, |_| {
        assert_eq!(broker.metrics(NOW).retained_messages, retained);
    });
    report("a metrics snapshot", metrics);
}
