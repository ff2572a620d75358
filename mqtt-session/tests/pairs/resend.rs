//! Repeats on a connection of 3.x, against a server whose answers are slow: none of them is taken for a new message.

use core::time::Duration;

use mqtt_proto::{
    Properties, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Publish,
    client::{OwnedEvent, OwnedOutcome},
    storage::Heap,
    testing::{Net, Way},
};

const AFTER: Duration = Duration::from_secs(5);

fn net(version: Version) -> Net {
    let mut net = Net::new(Default::default());
    let mut config = Config::DEFAULT;
    config.resend_after = Some(AFTER);
    let c = net.add(Client::new(config, Heap::new()));
    let connect = Connect {
        keep_alive: 0,
        ..Connect::new(version, "c")
    };
    net.connect(c, &connect).unwrap();
    net.settle();
    let filter = TopicFilter::new("#").unwrap();
    let options = SubscriptionOptions::new(QoS::ExactlyOnce);
    let now = net.now();
    net.client(c)
        .subscribe(now, &[Subscription { filter, options }], Properties::EMPTY)
        .unwrap();
    net.settle();
    net.take_events(c);
    net
}

/// The answers are held up at every stage of an exchange, for as many repeats as one likes.
#[test]
fn slow_answers_lead_to_repeats_and_qos_2_arrives_once_all_the_same() {
    for version in [Version::V31, Version::V311] {
        for repeats in 1..4_u32 {
            for turns in 0..6 {
                let mut net = net(version);
                let (c, now) = (0, net.now());
                for (n, qos) in [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
                    .into_iter()
                    .enumerate()
                {
                    let message = Publish::new(TopicName::new("t").unwrap(), qos);
                    net.client(c).publish(now, &message, &[n as u8]).unwrap();
                }
                for _ in 0..turns {
                    net.turn();
                }
                net.faults(c, Way::Down).stalled = true;
                net.advance(AFTER * repeats + Duration::from_secs(1));
                net.faults(c, Way::Down).stalled = false;
                net.advance(AFTER * 2);

                let (mut told, mut ended) = ([0; 3], 0);
                for event in net.take_events(c) {
                    match event {
                        OwnedEvent::Message(message) => told[usize::from(message.payload[0])] += 1,
                        OwnedEvent::Completed { outcome, .. } => {
                            assert!(matches!(outcome, OwnedOutcome::Acknowledged { .. }));
                            ended += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(
                    (told[0], told[2], ended),
                    (1, 1, 3),
                    "{version} {repeats} {turns}"
                );
                assert!(told[1] >= 1);
                assert!(net.client(c).is_idle());
            }
        }
    }
}

#[test]
fn repeats_are_counted_and_there_are_none_in_5_0() {
    for (version, sent_again) in [(Version::V31, 6), (Version::V311, 6), (Version::V5, 0)] {
        let mut net = net(version);
        let (c, now) = (0, net.now());
        net.faults(c, Way::Down).stalled = true;
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let message = Publish::new(TopicName::new("t").unwrap(), qos);
            net.client(c).publish(now, &message, "x").unwrap();
        }
        net.advance(AFTER * 3);
        let counters = net.client(c).counters().expect("a heap counts");
        assert_eq!(counters.retransmissions, sent_again, "{version}");
    }
}
