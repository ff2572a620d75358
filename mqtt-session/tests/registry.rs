//! Subscriptions that come back when the server has lost them.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "a test has std, and looks at what it asks for"
)]

use std::{collections::BTreeSet, time::Duration};

use mqtt_proto::{
    Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Instant, Publish, Refused, Unsupported,
    client::OwnedEvent,
    registry::{Limits, NotRestored, Registry, RegistryEvent},
    server::ServerConfig,
    storage::Heap,
    testing::Net,
};
use proptest::prelude::*;

/// A client with a registry, another that publishes, and the server.
struct World {
    net: Net,
    c: usize,
    publisher: usize,
    registry: Registry,
    version: Version,
    filters: u16,
    limits: Limits,
    /// Topics of the messages that came.
    came: Vec<String>,
    /// What the registry told.
    told: Vec<RegistryEvent>,
    /// SUBSCRIBEs of the registry's that ended with an answer.
    batches: usize,
}

/// Seconds that a session outlives its connection.
const KEPT: &[Property<'static>] = &[Property::SessionExpiryInterval(10)];

fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(qos),
    }
}

impl World {
    fn new(version: Version, config: ServerConfig) -> Self {
        let mut net = Net::new(config);
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        let publisher = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.connect(
            publisher,
            &Connect {
                keep_alive: 0,
                ..Connect::new(Version::V5, "p")
            },
        )
        .unwrap();
        net.settle();
        Self {
            net,
            c,
            publisher,
            registry: Registry::new(),
            version,
            filters: 64,
            limits: Limits::new(version),
            came: Vec::new(),
            told: Vec::new(),
            batches: 0,
        }
    }

    fn connected(version: Version) -> Self {
        let mut world = Self::new(version, ServerConfig::default());
        world.connect();
        world.told.clear();
        world
    }

    /// CONNECT that asks for the session of before; nothing is read yet.
    fn begin(&mut self) {
        let options = Connect {
            clean_start: false,
            keep_alive: 0,
            properties: match self.version {
                Version::V5 => Properties::new(KEPT),
                Version::V31 | Version::V311 => Properties::EMPTY,
            },
            ..Connect::new(self.version, "c")
        };
        self.net.connect(self.c, &options).unwrap();
    }

    fn connect(&mut self) {
        self.begin();
        self.settle();
    }

    /// Connects anew after the server has lost the session: it has expired, or was ended by another client with its id.
    fn connect_without_session(&mut self) {
        match self.version {
            Version::V5 => {
                self.net.cut(self.c);
                self.net.advance(Duration::from_secs(20));
            }
            Version::V31 | Version::V311 => {
                let thief = self.net.add(Client::new(Config::DEFAULT, Heap::new()));
                self.net.connect(thief, &Connect::new(self.version, "c")).unwrap();
                self.net.settle();
                self.net.cut(thief);
            }
        }
        self.connect();
    }

    fn subscribe(&mut self, filters: &[Subscription<'_>], properties: Properties<'_>) {
        let now = self.net.now();
        if let Ok(token) = self.net.client(self.c).subscribe(now, filters, properties) {
            self.registry.handle_subscribe(token, filters, properties);
        }
    }

    fn unsubscribe(&mut self, filter: &str) {
        let now = self.net.now();
        let filters = [TopicFilter::new(filter).unwrap()];
        let sent = self
            .net
            .client(self.c)
            .unsubscribe(now, &filters, Properties::EMPTY);
        if let Ok(token) = sent {
            self.registry.handle_unsubscribe(token, &filters);
        }
    }

    /// Gives the registry what has happened.
    fn hear(&mut self) {
        for event in self.net.take_events(self.c) {
            match &event {
                OwnedEvent::Connected(connected) => {
                    self.limits = Limits::of(self.version, connected.properties.view());
                    self.limits.filters = self.filters;
                }
                OwnedEvent::Message(message) => self.came.push(message.topic.clone()),
                _ => {}
            }
            let own = self.registry.handle_owned_event(&event);
            self.batches += usize::from(own && matches!(event, OwnedEvent::Completed { .. }));
        }
        self.told
            .extend(std::iter::from_fn(|| self.registry.poll_event()));
    }

    /// Asks for what is missing, as much as the client takes.
    fn restore(&mut self) {
        let now = self.net.now();
        while let Some(batch) = self.registry.poll_restore(&self.limits) {
            let client = self.net.client(self.c);
            match client.subscribe(now, batch.subscriptions(), batch.properties()) {
                Ok(token) => self.registry.handle_restoring(token),
                Err(why) if self.registry.handle_not_taken(why) => {}
                Err(_) => break,
            }
        }
        self.told
            .extend(std::iter::from_fn(|| self.registry.poll_event()));
    }

    /// Until nothing happens any more.
    fn settle(&mut self) {
        loop {
            self.hear();
            self.restore();
            if !self.net.turn() {
                break;
            }
        }
        self.hear();
    }

    /// Publishes to topics and gives those that arrived.
    fn arrived<'t>(&mut self, topics: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
        self.came.clear();
        let now = self.net.now();
        for topic in topics {
            let message = Publish::new(TopicName::new(topic).unwrap(), QoS::AtLeastOnce);
            self.net
                .client(self.publisher)
                .publish(now, &message, "x")
                .unwrap();
        }
        self.settle();
        self.came.drain(..).collect()
    }

    fn held(&self) -> BTreeSet<String> {
        let held = self.registry.held();
        held.map(|held| held.subscription.filter.as_str().to_owned())
            .collect()
    }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

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
        config.limits.max_packet_size = size;
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
    config.limits.subscriptions_per_session = 2;
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
    config.wildcard_available = false;
    config.limits.max_packet_size = 200;
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

#[test]
fn only_what_the_server_has_accepted_is_held() {
    let mut config = ServerConfig::default();
    config.limits.subscriptions_per_session = 2;
    let mut world = World::new(Version::V5, config);
    world.connect();
    let all = ["a", "b", "c"].map(|filter| subscription(filter, QoS::AtLeastOnce));
    world.subscribe(&all, Properties::EMPTY);
    assert_eq!(world.registry.len(), 0, "not before SUBACK");
    world.settle();
    assert_eq!(world.held(), set(&["a", "b"]));
    // A link that is lost before the answer: the application is told that its request is aborted.
    world.unsubscribe("a");
    world.subscribe(&[subscription("d", QoS::AtLeastOnce)], Properties::EMPTY);
    world.net.cut(world.c);
    world.hear();
    assert_eq!(world.held(), set(&["a", "b"]));
}

#[test]
fn a_request_that_was_made_before_anybody_heard_of_its_connection_counts() {
    let mut world = World::new(Version::V5, ServerConfig::default());
    for filter in ["a", "b"] {
        // The end of the connection before, and the beginning of this one, are events that wait.
        world.begin();
        world.net.settle();
        world.subscribe(&[subscription(filter, QoS::AtLeastOnce)], Properties::EMPTY);
        world.net.settle();
    }
    world.settle();
    assert_eq!(world.held(), set(&["a", "b"]));
    assert_eq!(world.arrived(["a", "b"]), set(&["a", "b"]));
}

#[test]
fn answers_count_in_the_order_of_the_requests_whatever_the_order_they_come_in() {
    let mut world = World::connected(Version::V5);
    let now = world.net.now();
    let filters = [subscription("a", QoS::AtLeastOnce)];
    let client = world.net.client(world.c);
    let first = client.subscribe(now, &filters, Properties::EMPTY).unwrap();
    let second = client
        .unsubscribe(now, &[filters[0].filter], Properties::EMPTY)
        .unwrap();
    let mut registry = Registry::new();
    registry.handle_subscribe(first, &filters, Properties::EMPTY);
    registry.handle_unsubscribe(second, &[filters[0].filter]);
    assert!(!registry.handle_codes(second, [ReasonCode::SUCCESS]));
    assert!(!registry.handle_codes(first, [ReasonCode::GRANTED_QOS_1]));
    assert!(registry.is_empty(), "unsubscribed after it was subscribed");
    assert!(
        !registry.handle_codes(first, [ReasonCode::GRANTED_QOS_1]),
        "answered once"
    );
    assert!(registry.is_empty());
}

#[test]
fn what_the_application_asks_for_meanwhile_is_newer_than_what_is_restored() {
    let mut world = World::connected(Version::V5);
    for filter in ["gone", "changed", "same"] {
        world.subscribe(&[subscription(filter, QoS::AtMostOnce)], Properties::EMPTY);
    }
    world.settle();
    world.net.cut(world.c);
    world.net.advance(Duration::from_secs(20));
    world.begin();
    world.net.settle();
    world.hear();
    // Before anything was restored.
    world.unsubscribe("gone");
    world.subscribe(&[subscription("changed", QoS::ExactlyOnce)], Properties::EMPTY);
    world.settle();
    assert_eq!(world.held(), set(&["changed", "same"]));
    let changed = world.registry.held().next().unwrap();
    assert_eq!(
        (changed.subscription.options.qos, changed.granted),
        (QoS::ExactlyOnce, QoS::ExactlyOnce)
    );
    assert_eq!(
        world.arrived(["gone", "changed", "same"]),
        set(&["changed", "same"])
    );
}

#[test]
fn what_the_application_wanted_instead_and_did_not_get_is_restored_after_all() {
    let mut world = World::connected(Version::V5);
    let now = world.net.now();
    let [a, b] = ["a", "b"].map(|filter| subscription(filter, QoS::AtLeastOnce));
    let client = world.net.client(world.c);
    let subscribing = client.subscribe(now, &[a], Properties::EMPTY).unwrap();
    let unsubscribing = client.unsubscribe(now, &[b.filter], Properties::EMPTY).unwrap();
    let mut registry = Registry::new();
    registry.hold(&a, None);
    registry.hold(&b, None);
    registry.handle_connected(false);
    registry.handle_subscribe(subscribing, &[a], Properties::EMPTY);
    registry.handle_unsubscribe(unsubscribing, &[b.filter]);
    let limits = Limits::new(Version::V5);
    assert!(registry.poll_restore(&limits).is_none());
    registry.handle_codes(subscribing, [ReasonCode::UNSPECIFIED_ERROR]);
    assert_eq!(registry.poll_restore(&limits).unwrap().subscriptions(), [a]);
    registry.handle_codes(unsubscribing, [ReasonCode::UNSPECIFIED_ERROR]);
    assert_eq!(registry.poll_restore(&limits).unwrap().subscriptions(), [a, b]);
}

#[test]
fn a_client_without_room_is_asked_again_when_it_has_some() {
    let mut registry = Registry::new();
    registry.hold(&subscription("a", QoS::AtMostOnce), None);
    registry.hold(&subscription("b", QoS::AtMostOnce), None);
    registry.handle_connected(false);
    let limits = Limits::new(Version::V5);
    for why in [Refused::Slots, Refused::Bytes, Refused::NotConnected] {
        assert_eq!(registry.poll_restore(&limits).unwrap().subscriptions().len(), 2);
        assert!(!registry.handle_not_taken(why));
    }
    assert_eq!(registry.poll_restore(&limits).unwrap().subscriptions().len(), 2);
    registry.handle_closed();
    assert!(registry.poll_restore(&limits).is_none(), "there is no connection");
    assert_eq!(registry.len(), 2);
}

fn write_all(client: &mut Client<Heap>) {
    while let Some(n) = client.poll_transmit().map(|transmit| transmit.head.len()) {
        client.handle_written(Instant::ZERO, n);
    }
}

#[test]
fn borrowed_events_say_the_same() {
    let mut registry = Registry::new();
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    let now = Instant::ZERO;
    client.connect(now, &Connect::new(Version::V311, "c")).unwrap();
    write_all(&mut client);
    let connected = client.handle_input(now, &[0x20, 2, 0, 0]).event.unwrap();
    assert!(!registry.handle_event(&connected));
    assert!(matches!(
        registry.poll_event(),
        Some(RegistryEvent::Connected { .. })
    ));
    let filters = [subscription("a", QoS::AtLeastOnce)];
    let token = client.subscribe(now, &filters, Properties::EMPTY).unwrap();
    registry.handle_subscribe(token, &filters, Properties::EMPTY);
    write_all(&mut client);
    let answered = client.handle_input(now, &[0x90, 3, 0, 1, 1]).event.unwrap();
    assert!(!registry.handle_event(&answered));
    assert_eq!(registry.len(), 1);
    let token = client
        .unsubscribe(now, &[filters[0].filter], Properties::EMPTY)
        .unwrap();
    registry.handle_unsubscribe(token, &[filters[0].filter]);
    write_all(&mut client);
    let answered = client.handle_input(now, &[0xB0, 2, 0, 2]).event.unwrap();
    assert!(!registry.handle_event(&answered));
    assert!(registry.is_empty(), "UNSUBACK of 3.x has no codes");
}

#[derive(Clone, Debug)]
enum Op {
    Subscribe(Vec<u8>, u8),
    Unsubscribe(u8),
    Turns(u8),
    Cut,
    Expire,
    Connect,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (prop::collection::vec(0..8_u8, 1..4), 0..3_u8).prop_map(|(f, q)| Op::Subscribe(f, q)),
        2 => (0..8_u8).prop_map(Op::Unsubscribe),
        3 => (0..6_u8).prop_map(Op::Turns),
        1 => Just(Op::Cut),
        1 => Just(Op::Expire),
        2 => Just(Op::Connect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Requests, lost links and lost sessions in any order: at rest on a connection, what is held is what arrives. Filters
    /// of requests that were aborted are left out, because whether the server has handled them nobody knows.
    #[test]
    fn at_rest_the_server_has_what_is_held(
        ops in prop::collection::vec(any_op(), 1..40), v5 in any::<bool>(), filters in 1..4_u16,
    ) {
        let mut world = World::connected(if v5 { Version::V5 } else { Version::V311 });
        world.filters = filters;
        world.limits.filters = filters;
        let topics: Vec<String> = (0..8).map(|n| format!("t/{n}")).collect();
        let mut unsure = BTreeSet::new();
        let mut open: Vec<(mqtt_session::Token, Vec<String>)> = Vec::new();
        for op in ops {
            let now = world.net.now();
            match op {
                Op::Subscribe(which, qos) => {
                    let all: Vec<_> = which
                        .iter()
                        .map(|&n| subscription(&topics[usize::from(n)], QoS::from_u8(qos).unwrap()))
                        .collect();
                    if let Ok(token) = world.net.client(world.c).subscribe(now, &all, Properties::EMPTY) {
                        world.registry.handle_subscribe(token, &all, Properties::EMPTY);
                        open.push((token, which.iter().map(|&n| topics[usize::from(n)].clone()).collect()));
                    }
                }
                Op::Unsubscribe(n) => {
                    let topic = topics[usize::from(n)].clone();
                    let all = [TopicFilter::new(&topic).unwrap()];
                    if let Ok(token) = world.net.client(world.c).unsubscribe(now, &all, Properties::EMPTY) {
                        world.registry.handle_unsubscribe(token, &all);
                        open.push((token, vec![topic.clone()]));
                    }
                }
                Op::Turns(n) => {
                    for _ in 0..n {
                        world.net.turn();
                    }
                }
                Op::Cut => world.net.cut(world.c),
                Op::Expire => {
                    world.net.cut(world.c);
                    world.net.advance(Duration::from_secs(20));
                }
                Op::Connect => world.begin(),
            }
            for event in world.net.take_events(world.c) {
                match &event {
                    OwnedEvent::Aborted { token, .. } => {
                        let of = open.iter().filter(|(one, _)| one == token);
                        unsure.extend(of.flat_map(|(_, filters)| filters.clone()));
                    }
                    OwnedEvent::Connected(connected) => {
                        // With the session all doubt is gone.
                        if !connected.session_present {
                            unsure.clear();
                        }
                        world.limits = Limits::of(world.version, connected.properties.view());
                        world.limits.filters = filters;
                    }
                    _ => {}
                }
                world.registry.handle_owned_event(&event);
            }
            world.restore();
        }
        world.begin();
        for event in world.net.take_events(world.c) {
            if let OwnedEvent::Aborted { token, .. } = &event {
                let of = open.iter().filter(|(one, _)| one == token);
                unsure.extend(of.flat_map(|(_, filters)| filters.clone()));
            }
            world.registry.handle_owned_event(&event);
        }
        world.settle();
        let mut held = world.held();
        let mut arrived = world.arrived(topics.iter().map(String::as_str));
        held.retain(|filter| !unsure.contains(filter));
        arrived.retain(|filter| !unsure.contains(filter));
        prop_assert_eq!(held, arrived, "{:?}", world.told);
        prop_assert!(world.registry.held().all(|held| held.on_server));
    }
}
