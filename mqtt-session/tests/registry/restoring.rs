//! What is asked for again, in which packets, and what is told of it.

use std::time::Duration;

use mqtt_proto::{Properties, Property, QoS, ReasonCode, TopicName, Version, packet::SubscriptionOptions};
use mqtt_session::{
    Publish, Refused, Unsupported,
    client::OwnedEvent,
    registry::{Limits, NotRestored, Registry, RegistryEvent},
    server::ServerConfig,
    testing::Way,
};

use crate::world::{World, set, subscription};

#[test]
fn subscriptions_come_back_when_the_server_has_lost_the_session() {
    for version in Version::ALL {
        let mut world = World::connected(version);
        let all = [
            subscription("a", QoS::AtLeastOnce),
            subscription("b/+", QoS::AtMostOnce),
            subscription("c", QoS::ExactlyOnce),
        ];
        world.subscribe(&all, Properties::EMPTY);
        world.settle();
        world.unsubscribe("c");
        world.settle();
        assert_eq!(world.held(), set(&["a", "b/+"]));
        world.connect_without_session();
        // A CONNACK of 3.1 does not tell: the client goes on with a session that the server has lost.
        if version == Version::V31 {
            assert!(matches!(
                world.told[..],
                [RegistryEvent::Connected {
                    session_present: true,
                    kept: 2,
                    to_restore: 0
                }]
            ));
            continue;
        }
        assert_eq!(
            world.told,
            [
                RegistryEvent::Connected {
                    session_present: false,
                    kept: 0,
                    to_restore: 2
                },
                RegistryEvent::Restored {
                    restored: 2,
                    refused: 0
                },
            ],
            "{version}"
        );
        assert_eq!(world.arrived(["a", "b/1", "c"]), set(&["a", "b/1"]), "{version}");
        assert!(world.registry.held().all(|held| held.on_server));
    }
}

#[test]
fn nothing_is_asked_for_again_while_the_server_has_the_session() {
    for version in Version::ALL {
        let mut world = World::connected(version);
        world.subscribe(
            &[
                subscription("a", QoS::AtLeastOnce),
                subscription("b", QoS::AtLeastOnce),
            ],
            Properties::EMPTY,
        );
        world.settle();
        world.connect();
        let kept = RegistryEvent::Connected {
            session_present: true,
            kept: 2,
            to_restore: 0,
        };
        assert_eq!((world.told.as_slice(), world.batches), (&[kept][..], 0));
        assert_eq!(world.arrived(["a", "b"]), set(&["a", "b"]), "{version}");
    }
}

/// The server says Session Present and means the session that it began when it answered a CONNECT whose CONNACK was lost.
#[test]
fn subscriptions_come_back_when_the_connack_that_told_of_the_loss_was_lost() {
    for version in [Version::V311, Version::V5] {
        let mut world = World::connected(version);
        let held = [
            subscription("a", QoS::AtLeastOnce),
            subscription("b", QoS::AtLeastOnce),
        ];
        world.subscribe(&held, Properties::EMPTY);
        world.settle();
        world.lose_session();
        world.begin();
        world.net.faults(world.c, Way::Down).cut_after = Some(0);
        world.settle();
        assert!(!world.net.is_linked(world.c), "CONNACK is lost");
        *world.net.faults(world.c, Way::Down) = Default::default();
        world.connect();
        let unsure = RegistryEvent::Connected {
            session_present: true,
            kept: 0,
            to_restore: 2,
        };
        let restored = RegistryEvent::Restored {
            restored: 2,
            refused: 0,
        };
        assert_eq!(world.told, [unsure, restored], "{version}");
        assert_eq!(world.arrived(["a", "b"]), set(&["a", "b"]), "{version}");
    }
}

/// What may be there all the same is not told twice.
#[test]
fn retained_messages_of_a_subscription_that_was_there_do_not_come_again() {
    let mut world = World::connected(Version::V5);
    world.retain("a");
    world.subscribe(&[subscription("a", QoS::AtLeastOnce)], Properties::EMPTY);
    world.settle();
    assert_eq!(world.came, ["a"]);
    world.begin();
    world.net.faults(world.c, Way::Down).cut_after = Some(0);
    world.settle();
    *world.net.faults(world.c, Way::Down) = Default::default();
    world.connect();
    assert_eq!((world.came.as_slice(), world.batches), (&["a".to_owned()][..], 1));
}

#[test]
fn a_connection_with_nothing_held_is_told_too() {
    let mut world = World::new(Version::V5, ServerConfig::default());
    world.connect();
    assert_eq!(
        world.told,
        [RegistryEvent::Connected {
            session_present: false,
            kept: 0,
            to_restore: 0
        }]
    );
}

/// The session of the second connection is there on the third, but the second was lost before all was restored.
#[test]
fn what_an_interrupted_restoration_left_out_is_restored_on_the_next_connection() {
    let filters: Vec<String> = (0..10).map(|n| format!("t/{n}")).collect();
    // Turns of the network after which the link is lost: from before CONNACK to after the last SUBACK.
    let mut interrupted = 0;
    for turns in 0..12 {
        let mut world = World::connected(Version::V5);
        world.filters = 2;
        let all: Vec<_> = filters
            .iter()
            .map(|f| subscription(f, QoS::AtLeastOnce))
            .collect();
        world.subscribe(&all, Properties::EMPTY);
        world.settle();
        world.net.cut(world.c);
        world.net.advance(Duration::from_secs(20));
        world.begin();
        for turn in 0..turns {
            world.net.turn();
            world.hear();
            // One packet a turn, so that the link can be lost between them.
            if turn > 0 {
                let now = world.net.now();
                if let Some(batch) = world.registry.poll_restore(&world.limits) {
                    let client = world.net.client(world.c);
                    if let Ok(token) = client.subscribe(now, batch.subscriptions(), batch.properties()) {
                        world.registry.handle_restoring(token);
                    }
                }
            }
        }
        world.net.cut(world.c);
        world.hear();
        let done = world
            .told
            .iter()
            .filter(|e| matches!(e, RegistryEvent::Restored { .. }))
            .count();
        let missing = world.registry.held().filter(|held| !held.on_server).count();
        assert_eq!(
            done == 1,
            missing == 0 && turns > 1,
            "{turns}: {missing} missing, {:?}",
            world.told
        );
        interrupted += usize::from(missing > 0 && missing < 10);
        world.connect();
        assert_eq!(
            world.arrived(filters.iter().map(String::as_str)).len(),
            10,
            "{turns}: {:?}",
            world.told
        );
        assert!(world.registry.held().all(|held| held.on_server));
    }
    assert!(interrupted > 2, "the link was lost in the middle");
}

#[test]
fn packets_are_no_larger_than_the_server_takes_and_have_no_more_filters_than_wanted() {
    let names: Vec<String> = (0..100).map(|n| format!("{}/{n}", "x".repeat(n))).collect();
    for (size, filters, least) in [(150, 64, 30), (1_000_000, 7, 15), (1_000_000, 64, 2)] {
        let mut config = ServerConfig::default();
        config.offer_mut(0).max_packet_size = size;
        let mut world = World::new(Version::V5, config);
        world.filters = filters;
        world.connect();
        for name in &names {
            world.subscribe(&[subscription(name, QoS::AtLeastOnce)], Properties::EMPTY);
            world.settle();
        }
        world.connect_without_session();
        assert_eq!(
            world.told.last(),
            Some(&RegistryEvent::Restored {
                restored: 100,
                refused: 0
            })
        );
        assert!(
            world.batches >= least && world.batches < 100,
            "{} packets",
            world.batches
        );
        assert_eq!(world.arrived(names.iter().map(String::as_str)).len(), 100);
    }
}

#[test]
fn each_packet_is_as_full_as_its_limit_lets_it_be() {
    let mut registry = Registry::new();
    for n in 10..30 {
        registry.hold(&subscription(&format!("t/{n}"), QoS::AtMostOnce), None);
    }
    registry.handle_connected(false);
    let mut limits = Limits::new(Version::V311);
    // Two bytes of fixed header, from 128 bytes on three; two of packet id, seven for each filter.
    for (size, want) in [(11, 1), (17, 1), (18, 2), (144, 19), (145, 20), (u32::MAX, 20)] {
        limits.packet_size = size;
        let batch = registry.poll_restore(&limits).unwrap();
        assert_eq!(batch.subscriptions().len(), want, "{size}");
    }
}

#[test]
fn subscription_identifiers_and_options_come_back_as_they_were() {
    let mut world = World::connected(Version::V5);
    let mut special = subscription("a", QoS::ExactlyOnce);
    special.options.no_local = true;
    special.options.retain_as_published = true;
    world.subscribe(
        &[special],
        Properties::new(&[Property::SubscriptionIdentifier(7)]),
    );
    world.subscribe(
        &[subscription("b", QoS::AtMostOnce)],
        Properties::new(&[Property::SubscriptionIdentifier(8)]),
    );
    world.subscribe(
        &[subscription("c", QoS::AtMostOnce)],
        Properties::new(&[Property::SubscriptionIdentifier(7)]),
    );
    world.subscribe(&[subscription("d", QoS::AtMostOnce)], Properties::EMPTY);
    world.settle();
    let before: Vec<_> = world.registry.held().map(|h| format!("{h:?}")).collect();
    world.connect_without_session();
    let after: Vec<_> = world.registry.held().map(|h| format!("{h:?}")).collect();
    assert_eq!(before, after);
    assert_eq!(world.batches, 3, "a packet for each identifier, and one for none");
    let now = world.net.now();
    let message = Publish::new(TopicName::new("a").unwrap(), QoS::AtLeastOnce);
    world
        .net
        .client(world.publisher)
        .publish(now, &message, "x")
        .unwrap();
    world.net.settle();
    let ids: Vec<u32> = world
        .net
        .take_events(world.c)
        .iter()
        .flat_map(|event| match event {
            OwnedEvent::Message(m) => m.properties.view().subscription_identifiers().collect::<Vec<_>>(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(ids, [7]);
}

#[test]
fn a_filter_that_the_server_refuses_is_told_and_held_no_longer() {
    let mut config = ServerConfig::default();
    config.offer_mut(0).grant.limits.subscriptions = 2;
    let mut world = World::new(Version::V5, config);
    world.connect();
    for filter in ["a", "b", "c"] {
        world
            .registry
            .hold(&subscription(filter, QoS::AtLeastOnce), Some(3));
    }
    world.told.clear();
    world.connect_without_session();
    let refused = RegistryEvent::Refused {
        filter: "c".into(),
        options: SubscriptionOptions::new(QoS::AtLeastOnce),
        identifier: Some(3),
        why: NotRestored::Code(ReasonCode::QUOTA_EXCEEDED),
    };
    assert_eq!(
        world.told[1..],
        [
            refused,
            RegistryEvent::Restored {
                restored: 2,
                refused: 1
            }
        ]
    );
    assert_eq!(world.held(), set(&["a", "b"]));
}

#[test]
fn filters_that_this_connection_cannot_carry_are_found_among_those_that_it_can() {
    let mut config = ServerConfig::default();
    config.offer_mut(0).wildcard_available = false;
    config.offer_mut(0).max_packet_size = 200;
    let mut world = World::new(Version::V5, config);
    let long = "l".repeat(300);
    let names = ["a", "b/+", "c", "d/#", "e", "f", long.as_str()];
    for filter in names {
        world.registry.hold(&subscription(filter, QoS::AtLeastOnce), None);
    }
    world.connect();
    let refused: Vec<_> = world
        .told
        .iter()
        .filter_map(|event| match event {
            RegistryEvent::Refused { filter, why, .. } => Some((filter.as_str(), *why)),
            _ => None,
        })
        .collect();
    let wildcard = NotRestored::NotTaken(Refused::Unsupported(Unsupported::WildcardSubscription));
    assert_eq!(refused.len(), 3);
    for refusal in [
        ("b/+", wildcard),
        ("d/#", wildcard),
        (long.as_str(), NotRestored::NotTaken(Refused::TooLarge)),
    ] {
        assert!(refused.contains(&refusal), "{refusal:?} in {refused:?}");
    }
    assert_eq!(
        world.told.last(),
        Some(&RegistryEvent::Restored {
            restored: 4,
            refused: 3
        })
    );
    assert_eq!(world.arrived(["a", "c", "e", "f"]).len(), 4);
}

#[test]
fn what_3_1_1_cannot_say_is_not_left_out_in_silence_after_a_fall_back() {
    let mut registry = Registry::new();
    let mut special = subscription("special", QoS::AtLeastOnce);
    special.options.no_local = true;
    registry.hold(&special, None);
    registry.hold(&subscription("numbered", QoS::AtLeastOnce), Some(1));
    registry.hold(&subscription("plain", QoS::AtLeastOnce), None);
    registry.handle_connected(false);
    let batch = registry.poll_restore(&Limits::new(Version::V311)).unwrap();
    assert_eq!(batch.subscriptions(), [subscription("plain", QoS::AtLeastOnce)]);
    assert_eq!(
        registry.held().count(),
        2,
        "the numbered one is not looked at yet"
    );
    assert!(matches!(
        registry.poll_event(),
        Some(RegistryEvent::Connected { to_restore: 3, .. })
    ));
    assert!(
        matches!(registry.poll_event(), Some(RegistryEvent::Refused { filter, .. }) if filter == "special")
    );
}

#[test]
fn a_lower_qos_than_before_is_told() {
    let mut world = World::connected(Version::V5);
    world.subscribe(&[subscription("a", QoS::ExactlyOnce)], Properties::EMPTY);
    world.settle();
    // A server that grants less now, written out.
    let mut registry = world.registry.clone();
    registry.handle_connected(false);
    assert!(registry.poll_restore(&world.limits).is_some());
    let now = world.net.now();
    let token = world.net.client(world.c).ping(now).unwrap();
    registry.handle_restoring(token);
    assert!(registry.handle_codes(token, [ReasonCode::GRANTED_QOS_1]));
    let told: Vec<_> = std::iter::from_fn(|| registry.poll_event()).collect();
    assert_eq!(
        told[1..],
        [
            RegistryEvent::Lowered {
                filter: "a".into(),
                granted: QoS::AtLeastOnce
            },
            RegistryEvent::Restored {
                restored: 1,
                refused: 0
            },
        ]
    );
    assert_eq!(registry.held().next().unwrap().granted, QoS::AtLeastOnce);
}
