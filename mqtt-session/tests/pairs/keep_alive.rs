//! The end of a link as both sides see it: keep-alive, and the will.

use core::time::Duration;

use mqtt_proto::{
    Properties, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Connect, Disconnect, Subscription, SubscriptionOptions, Will},
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

/// A watcher of wills, and a client with a will; both connected.
fn mortal(version: Version) -> (Net, usize, usize) {
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
    (net, watcher, c)
}

fn wills(net: &mut Net, watcher: usize) -> usize {
    let gone = |e: &OwnedEvent| matches!(e, OwnedEvent::Message(m) if m.payload == "gone");
    net.take_events(watcher).iter().filter(|e| gone(e)).count()
}

/// 5/MQTT-3.1.2-22, 3.1.1/MQTT-3.1.2-24
#[test]
fn a_link_that_swallows_everything_is_noticed_at_both_ends_and_the_will_is_published() {
    for version in Version::ALL {
        let (mut net, watcher, c) = mortal(version);
        for way in [Way::Up, Way::Down] {
            net.faults(c, way).stalled = true;
        }
        net.advance(Duration::from_secs(60));
        let closed = |e: &OwnedEvent| matches!(e, OwnedEvent::Closed(c) if c.by != ClosedBy::Server);
        assert!(net.take_events(c).iter().any(closed), "the client has noticed");
        assert_eq!(wills(&mut net, watcher), 1);
    }
}

/// 5/MQTT-3.1.2-8, 3.1.1/MQTT-3.1.2-8
#[test]
fn the_will_is_published_after_abort_and_not_after_disconnect() {
    for version in Version::ALL {
        for abort in [true, false] {
            let (mut net, watcher, c) = mortal(version);
            let now = net.now();
            if abort {
                net.client(c).abort(now);
            } else {
                let last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
                net.client(c).disconnect(now, &last).unwrap();
            }
            net.settle();
            let events = net.take_events(c);
            assert!(
                matches!(&events[..], [OwnedEvent::Closed(closed)] if closed.by == ClosedBy::Client),
                "{events:?}"
            );
            assert_eq!(wills(&mut net, watcher), usize::from(abort));
        }
    }
}
