//! Keep-alive from both sides of one link.

use core::time::Duration;

use mqtt_proto::{
    Properties, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Will},
    packet::{Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config,
    client::{ClosedBy, OwnedEvent},
    storage::Heap,
    testing::{Net, Way},
};

#[test]
fn a_link_on_which_nobody_has_anything_to_say_lives_for_a_day() {
    for version in Version::ALL {
        let mut net: Net = Net::new(Default::default());
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.connect(
            c,
            &Connect {
                keep_alive: 30,
                ..Connect::new(version, "c")
            },
        )
        .unwrap();
        net.advance(Duration::from_secs(86_400));
        assert!(net.client(c).is_connected());
        assert_eq!(net.take_events(c).len(), 1, "connected, and nothing since");
        // One PINGREQ and PINGRESP every 30 seconds, each a handful of turns.
        assert!(net.turns() < 86_400 / 30 * 8, "{} turns", net.turns());
    }
}

/// 5/MQTT-3.1.2-22, 3.1.1/MQTT-3.1.2-24
#[test]
fn a_link_that_swallows_everything_is_noticed_at_both_ends_and_the_will_is_published() {
    for version in Version::ALL {
        let mut net: Net = Net::new(Default::default());
        let watcher = net.add(Client::new(Config::DEFAULT, Heap::new()));
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.connect(watcher, &Connect::new(version, "watcher")).unwrap();
        net.settle();
        let filter = TopicFilter::new("will").unwrap();
        let now = net.now();
        let options = SubscriptionOptions::new(QoS::AtMostOnce);
        net.client(watcher)
            .subscribe(now, &[Subscription { filter, options }], Properties::EMPTY)
            .unwrap();
        let topic = TopicName::new("will").unwrap();
        let will = Will {
            topic,
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        };
        net.connect(
            c,
            &Connect {
                keep_alive: 10,
                will: Some(will),
                ..Connect::new(version, "c")
            },
        )
        .unwrap();
        net.settle();
        net.take_events(c);
        net.take_events(watcher);
        for way in [Way::Up, Way::Down] {
            net.faults(c, way).stalled = true;
        }
        net.advance(Duration::from_secs(60));
        let closed = |e: &OwnedEvent| matches!(e, OwnedEvent::Closed(c) if c.by != ClosedBy::Server);
        assert!(net.take_events(c).iter().any(closed), "the client has noticed");
        let gone = |e: &OwnedEvent| matches!(e, OwnedEvent::Message(m) if m.payload == "gone");
        assert_eq!(net.take_events(watcher).iter().filter(|e| gone(e)).count(), 1);
    }
}
