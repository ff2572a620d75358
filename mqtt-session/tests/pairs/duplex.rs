//! Both ends publish more than the link can hold.

use core::time::Duration;

use mqtt_proto::{
    Properties, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Publish,
    client::OwnedEvent,
    storage::Heap,
    testing::{Net, Way},
};

const PIECE: usize = 16 << 10;
const PIECES: usize = (4 << 20) / PIECE;

/// Writing all before reading would stop here for ever: each end waits for the other to read.
#[test]
fn both_ends_publish_4_mib_at_once_over_a_link_of_4_kib_without_dead_lock_or_spinning() {
    for version in Version::ALL {
        let mut net: Net = Net::new(Default::default());
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        for way in [Way::Up, Way::Down] {
            net.faults(c, way).capacity = 4 << 10;
        }
        net.connect(c, &Connect::new(version, "c")).unwrap();
        net.settle();
        let now = net.now();
        // What it publishes comes back to it: both directions are as full as they can be.
        let own = Subscription {
            filter: TopicFilter::new("t").unwrap(),
            options: SubscriptionOptions::new(QoS::AtLeastOnce),
        };
        net.client(c).subscribe(now, &[own], Properties::EMPTY).unwrap();
        net.settle();
        net.take_events(c);
        let message = Publish::new(TopicName::new("t").unwrap(), QoS::AtLeastOnce);
        for n in 0..PIECES {
            net.client(c)
                .publish(now, &message, &*vec![n as u8; PIECE])
                .unwrap();
        }
        let before = net.turns();
        net.settle();
        let turns = net.turns() - before;
        let events = net.take_events(c);
        let came: Vec<u8> = events
            .iter()
            .filter_map(|e| match e {
                OwnedEvent::Message(m) => Some(m.payload[0]),
                _ => None,
            })
            .collect();
        assert_eq!(
            came,
            (0..PIECES).map(|n| n as u8).collect::<Vec<_>>(),
            "{version}: all of it, in order"
        );
        let ended = events
            .iter()
            .filter(|e| matches!(e, OwnedEvent::Completed { .. }))
            .count();
        assert_eq!(ended, PIECES);
        // 8 MiB in pieces of 4 KiB, and acknowledgements.
        assert!(turns < 8 * (8 << 20) / (4 << 10), "{version}: {turns} turns");
    }
}

#[test]
fn a_stalled_server_makes_nobody_spin_and_loses_nothing() {
    let mut net: Net = Net::new(Default::default());
    let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
    net.connect(
        c,
        &Connect {
            keep_alive: 0,
            ..Connect::new(Version::V5, "c")
        },
    )
    .unwrap();
    net.settle();
    net.faults(c, Way::Up).capacity = 100;
    net.faults(c, Way::Up).stalled = true;
    let now = net.now();
    let message = Publish::new(TopicName::new("t").unwrap(), QoS::AtLeastOnce);
    for _ in 0..10 {
        net.client(c).publish(now, &message, &[0; 50]).unwrap();
    }
    let before = net.turns();
    net.advance(Duration::from_secs(1_000));
    assert!(net.turns() - before < 20, "{} turns", net.turns() - before);
    net.faults(c, Way::Up).stalled = false;
    net.take_events(c);
    net.settle();
    let ended = net
        .take_events(c)
        .iter()
        .filter(|e| matches!(e, OwnedEvent::Completed { .. }))
        .count();
    assert_eq!(ended, 10);
}
