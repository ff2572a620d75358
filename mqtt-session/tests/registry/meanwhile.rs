//! What the application asks for, and what becomes of it beside a restoration.

use std::time::Duration;

use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Connect};
use mqtt_session::{
    Client, Config, Instant, Refused,
    registry::{Limits, Registry, RegistryEvent},
    server::ServerConfig,
    storage::Heap,
};

use crate::world::{World, set, subscription};

#[test]
fn only_what_the_server_has_accepted_is_held() {
    let mut config = ServerConfig::default();
    config.offer_mut(0).grant.limits.subscriptions = 2;
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
