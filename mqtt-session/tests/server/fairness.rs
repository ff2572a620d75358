//! Work that one client causes is done in turns, and what is due is done whenever it is looked at.

use mqtt_proto::{
    Packet, Properties, Property,
    packet::{Connect, SubscriptionOptions, Will},
};
use mqtt_session::{
    server::{DropCause, ServerEvent},
    testing::Store,
};

use crate::net::*;

/// How often a connection gets its turn until it has nothing more to do, and what it was sent.
fn turns(net: &mut Net, end: End) -> (usize, Vec<String>) {
    let (mut turns, mut said) = (0, Vec::new());
    while let Some(conn) = net.server.poll_ready() {
        if conn == end.id {
            said.extend(net.recv(end));
            turns += 1;
        }
    }
    (turns, said)
}

/// A server with so many retained messages, and who has published them.
fn with_retained(count: usize, payload: &str) -> (Net, End) {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    for n in 0..count {
        net.retain(from, &format!("a/{n}"), payload);
    }
    while net.server.poll_ready().is_some() {}
    (net, from)
}

fn small(net: &mut Net, client_id: &str) -> End {
    let list = [
        Property::MaximumPacketSize(40),
        Property::ReceiveMaximum(1),
        Property::SessionExpiryInterval(100),
    ];
    let (end, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, client_id)
    });
    end
}

#[test]
fn retained_messages_that_are_too_large_for_a_client_do_not_keep_others_waiting() {
    let (mut net, _) = with_retained(10_000, &"x".repeat(50));
    let end = small(&mut net, "s");
    assert_eq!(
        net.subscribe_with(end, "#", SubscriptionOptions::new(Q0), None),
        ["SUBACK id=900 codes=[0]"]
    );
    let (count, said) = turns(&mut net, end);
    assert_eq!(said, [""; 0]);
    assert!((5..20).contains(&count), "{count}");
    assert_eq!(net.server.metrics(net.now).dropped(DropCause::TooLarge), 10_000);
}

#[test]
fn retained_messages_that_are_newer_than_a_subscription_do_not_keep_others_waiting() {
    let (mut net, from) = with_retained(5_000, "x");
    for n in 0..2 {
        let name = n.to_string();
        let mut first = message(&name, Q1, 1, "first");
        first.head.retain = true;
        net.publish(from, first);
        drop(net.recv(from));
    }
    let end = small(&mut net, "s");
    let said = net.subscribe_with(end, "#", SubscriptionOptions::new(Q1), None);
    assert_eq!(said.len(), 2, "and there it waits: {said:?}");
    for n in 0..5_000 {
        net.retain(from, &format!("a/{n}"), "y");
        net.server
            .broker_mut()
            .take_queue(Default::default(), "s")
            .for_each(drop);
    }
    while net.server.poll_ready().is_some() {}
    net.puback(end, 1);
    let (count, said) = turns(&mut net, end);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!((3..12).contains(&count), "{count}");
}

#[test]
fn expired_messages_that_waited_do_not_keep_others_waiting() {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    let list = [Property::MessageExpiryInterval(1)];
    for _ in 0..5_000 {
        let mut message = message("t", Q0, 0, "x");
        message.head.properties = Properties::new(&list);
        net.publish(from, message);
    }
    net.say(from, "t", "last");
    while net.server.poll_ready().is_some() {}
    net.pass_secs(2);
    // So that it has something to do.
    net.say(from, "t", "really");
    let (count, said) = turns(&mut net, to);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!((4..10).contains(&count), "{count}");
}

#[test]
fn a_session_whose_time_has_passed_is_over_even_if_nobody_has_called_for_it_5_mqtt_4_1_0_2() {
    let mut net = Net::new();
    let watcher = net.client(V5, "w");
    net.subscribe(watcher, "will", Q0);
    let properties = [Property::WillDelayInterval(50)];
    for (after, present, wills) in [(49, true, 0), (50, true, 1), (99, true, 1), (100, false, 1)] {
        let list = [Property::SessionExpiryInterval(100)];
        let connect = Connect {
            clean_start: false,
            properties: Properties::new(&list),
            will: Some(Will {
                properties: Properties::new(&properties),
                ..will("will", b"gone")
            }),
            ..connect(V5, "s")
        };
        let (end, _) = net.client_with(connect);
        net.cut(end);
        // Time passes, and the first that is heard of it is a packet.
        net.now = net.now + core::time::Duration::from_secs(after);
        let (end, said) = net.client_with(connect);
        assert_eq!(said.contains("session_present=1"), present, "{after}: {said}");
        assert_eq!(net.recv(watcher).len(), wills, "{after}");
        net.disconnect(end, mqtt_proto::ReasonCode::SUCCESS);
        net.pass_secs(200);
        assert_eq!(net.recv(watcher), [""; 0]);
    }
    assert_eq!(net.server.metrics(net.now).total.sessions_expired, 4 + 1);
    assert!(
        net.events()
            .iter()
            .any(|event| matches!(event, ServerEvent::SessionEnded { .. }))
    );
}

#[test]
fn bytes_under_way_to_a_client_that_answers_nothing_are_limited_as_those_that_wait() {
    for qos in [Q1, Q2] {
        let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_bytes = 10_000);
        let from = net.client(V5, "p");
        let (to, _) = net.keeper(V5, "s");
        net.subscribe(to, "t", Q2);
        let payload = "x".repeat(1_000);
        for n in 1..=100 {
            net.publish(from, message("t", qos, n, &payload));
            let _ = net.server.take_transmit(net.now, to.id, &mut [0; 4_096]);
        }
        let metrics = net.server.metrics(net.now);
        assert!((9..=10).contains(&metrics.in_flight), "{}", metrics.in_flight);
        assert!(
            (8..=10).contains(&metrics.queued_messages),
            "{}",
            metrics.queued_messages
        );
        assert_eq!(
            metrics.dropped(DropCause::QueueFull),
            (100 - metrics.in_flight - metrics.queued_messages) as u64
        );
        // QoS 0 is not held back by what is under way, and an answer makes room.
        while net.server.poll_ready().is_some() {}
        for (n, rest) in [(1, 1), (2, 1)] {
            if qos == Q1 {
                net.puback(to, n);
            } else {
                net.pubrec(to, n);
            }
            let mut room = [0; 4_096];
            let before = net.server.metrics(net.now).queued_messages;
            assert!(net.server.take_transmit(net.now, to.id, &mut room) > 1_000);
            assert_eq!(before - net.server.metrics(net.now).queued_messages, rest);
        }
    }
}

#[test]
fn one_message_is_under_way_however_large_it_is() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_bytes = 100);
    let from = net.client(V5, "p");
    let mut retained = message("t", Q1, 1, "");
    let payload = "x".repeat(150);
    retained.head.retain = true;
    retained.payload = payload.as_bytes();
    net.publish(from, retained);
    let to = net.client(V5, "s");
    let said = net.subscribe_with(to, "t", SubscriptionOptions::new(Q1), None);
    assert_eq!(said.len(), 2, "{said:?}");
    net.publish(from, message("t", Q1, 2, "small"));
    assert_eq!(net.recv(to), [""; 0]);
    net.puback(to, 1);
    assert_eq!(net.recv(to).len(), 1);
}

#[test]
fn messages_that_were_withheld_are_counted_as_the_others_are() {
    let mut net = Net::with(|config| config.durable = true);
    let mut store = Store::default();
    let from = net.open(V5);
    net.send(from, Packet::Connect(connect(V5, "p")));
    let list = [Property::SessionExpiryInterval(100)];
    let to = net.open(V5);
    net.send(
        to,
        Packet::Connect(Connect {
            properties: Properties::new(&list),
            ..connect(V5, "s")
        }),
    );
    store.turn(&mut net.server, net.now);
    assert_eq!(net.recv(to).len(), 1);
    assert_eq!(
        net.subscribe_with(to, "t", SubscriptionOptions::new(Q1), None),
        [""; 0],
        "it is withheld"
    );
    store.turn(&mut net.server, net.now);
    assert_eq!(net.recv(to).len(), 1);
    net.publish(from, message("t", Q1, 1, "345"));
    assert_eq!(net.recv(to), [""; 0], "it is withheld");
    store.turn(&mut net.server, net.now);
    assert_eq!(net.recv(to).len(), 1);
    let total = net.server.metrics(net.now).total;
    assert_eq!((total.messages_out, total.payload_bytes_out), ([0, 1, 0], 3));
}
