use mqtt_proto::{Frame, Packet, Properties, Property, frame_len, packet::SubscriptionOptions};
use mqtt_session::server::{DropCause, DropPolicy, Ended, Message, Peer, RetainedPolicy, ServerEvent};

use crate::net::*;

fn payloads(said: &[String]) -> Vec<&str> {
    said.iter()
        .map(|s| s.split("payload=\"").nth(1).unwrap().trim_end_matches('"'))
        .collect()
}

#[test]
fn a_full_queue_drops_by_policy_and_counts() {
    let cases = [
        (DropPolicy::Newest, vec!["1", "2", "3"]),
        (DropPolicy::Oldest, vec!["3", "4", "5"]),
    ];
    for (policy, left) in cases {
        let mut net = Net::with(|config| {
            config.offer_mut(0).grant.limits.queue_messages = 3;
            config.drop_policy = policy;
        });
        let (to, _) = net.keeper(V311, "s");
        net.subscribe(to, "t", Q1);
        net.cut(to);
        let from = net.client(V311, "p");
        for n in 1..=5_u16 {
            net.publish(from, message("t", Q1, n, &n.to_string()));
        }
        assert_eq!(net.recv(from).len(), 5, "the publisher is not held up");
        assert!(net.events().contains(&ServerEvent::Dropped {
            cause: DropCause::QueueFull,
            count: 2
        }));
        let (to, _) = net.keeper(V311, "s");
        assert_eq!(payloads(&net.recv(to)), left, "{policy:?}");
    }
}

#[test]
fn a_full_queue_may_cost_the_client_its_connection() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).grant.limits.queue_messages = 3;
        config.drop_policy = DropPolicy::Disconnect;
    });
    let slow = net.client(V5, "s");
    net.subscribe(slow, "t", Q0);
    let from = net.client(V5, "p");
    for _ in 0..4 {
        net.say(from, "t", "x");
    }
    assert_eq!(net.recv(slow), ["DISCONNECT code=0x97", "close"]);
    assert!(net.events().iter().any(|event| matches!(
        event,
        ServerEvent::Disconnected { why: Ended::Refused(code), .. } if code.0 == 0x97
    )));
}

#[test]
fn clients_that_lose_their_connection_by_each_others_wills_end_one_after_the_other() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).grant.limits.queue_messages = 1;
        config.drop_policy = DropPolicy::Disconnect;
    });
    let ends: Vec<End> = (0..200)
        .map(|n| {
            let name = format!("c{n}");
            let (end, _) = net.client_with(mqtt_proto::packet::Connect {
                will: Some(mqtt_proto::packet::Will {
                    qos: Q0,
                    ..will("w", b"x")
                }),
                ..connect(V5, &name)
            });
            net.subscribe(end, "w", Q0);
            end
        })
        .collect();
    let from = net.client(V5, "p");
    net.say(from, "w", "1");
    net.say(from, "w", "2");
    for end in ends {
        assert_eq!(net.recv(end).last().unwrap(), "close");
    }
}

#[test]
fn bytes_of_a_queue_are_limited_too() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_bytes = 1_000);
    let (to, _) = net.keeper(V311, "s");
    net.subscribe(to, "t", Q1);
    net.cut(to);
    let from = net.client(V311, "p");
    for n in 1..=10 {
        net.publish(from, message("t", Q1, n, &"x".repeat(175)));
    }
    let (to, _) = net.keeper(V311, "s");
    assert_eq!(net.recv(to).len(), 5, "each is a block of 200 bytes");
}

#[test]
fn one_qos_0_subscriber_that_does_not_read_holds_up_nobody() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 10);
    let slow = net.client(V5, "slow");
    let fast = net.client(V5, "fast");
    let from = net.client(V5, "p");
    net.subscribe(slow, "t", Q0);
    net.subscribe(fast, "t", Q0);
    for n in 0..1_000 {
        net.say(from, "t", &n.to_string());
        assert_eq!(net.recv(fast).len(), 1);
    }
    assert_eq!(net.recv(slow).len(), 10);
}

#[test]
fn a_client_that_takes_no_answers_is_not_read_any_more_until_it_does() {
    let mut net = Net::new();
    let end = net.client(V311, "a");
    let ping = encode(V311, Packet::PingReq);
    let subscribe = [0x82, 0x06, 0x00, 0x01, 0x00, 0x01, b't', 0x00];
    for flood in [ping.repeat(5_000), subscribe.repeat(5_000)] {
        let packet = if flood[0] == 0xC0 { 2 } else { subscribe.len() };
        let mut taken = net.server.handle_input(net.now, end.id, &flood);
        assert!(taken < flood.len());
        assert!(!net.server.wants_input(end.id));
        let mut answers = 0;
        while taken < flood.len() {
            answers += net.recv(end).len();
            assert!(net.server.wants_input(end.id));
            taken += net.server.handle_input(net.now, end.id, &flood[taken..]);
        }
        answers += net.recv(end).len();
        assert_eq!(answers, flood.len() / packet);
    }
}

#[test]
fn keep_alive_does_not_run_while_the_client_is_not_read() {
    let mut net = Net::new();
    let (end, _) = net.client_with(mqtt_proto::packet::Connect {
        keep_alive: 1,
        ..connect(V311, "a")
    });
    let subscribe = [0x82, 0x06, 0x00, 0x01, 0x00, 0x01, b't', 0x00];
    assert!(net.server.handle_input(net.now, end.id, &subscribe.repeat(5_000)) < 40_000);
    net.pass_secs(100);
    assert!(net.recv(end).iter().all(|said| said.starts_with("SUBACK")));
}

#[test]
fn subscriptions_and_levels_are_limited_and_refused_one_by_one() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).grant.limits.subscriptions = 1;
        config.limits.topic_levels = 3;
    });
    let end = net.client(V5, "a");
    let options = SubscriptionOptions::new(Q0);
    assert_eq!(
        net.subscribe_with(end, "a/b/c/d", options, None),
        ["SUBACK id=900 codes=[0x8f]"]
    );
    assert_eq!(
        net.subscribe_with(end, "a/b/c", options, None),
        ["SUBACK id=900 codes=[0]"]
    );
    assert_eq!(
        net.subscribe_with(end, "b", options, None),
        ["SUBACK id=900 codes=[0x97]"]
    );
    assert_eq!(
        net.subscribe_with(end, "a/b/c", options, None),
        ["SUBACK id=900 codes=[0]"],
        "it has this one"
    );
    net.publish(end, message("a/b/c/d", Q1, 1, "x"));
    assert_eq!(net.recv(end), ["PUBACK id=1 code=0x90"]);
    net.publish(end, message("a/b/c", Q1, 1, "x"));
    assert_eq!(net.recv(end)[0], "PUBACK id=1");
}

#[test]
fn a_packet_above_the_limit_ends_the_connection_as_soon_as_its_length_is_known_5_mqtt_3_2_2_15() {
    let mut net = Net::with(|config| config.offer_mut(0).max_packet_size = 100);
    let end = net.client(V5, "a");
    net.raw(end, &[0x30, 0x7F]);
    assert_eq!(net.recv(end), ["DISCONNECT code=0x95", "close"]);
    let end = net.client(V311, "a");
    net.raw(end, &[0x30, 0x63]);
    assert_eq!(net.recv(end), ["close"]);
    let end = net.client(V311, "a");
    net.raw(end, &[0x30, 0x62]);
    assert_eq!(net.recv(end), [""; 0]);
}

#[test]
fn events_that_nobody_polls_are_limited_and_counted() {
    let mut net = Net::with(|config| config.limits.events = 5);
    for _ in 0..10 {
        let end = net.client(V311, "a");
        net.cut(end);
    }
    let events = net.events();
    assert_eq!(events[0], ServerEvent::Missed { count: 25 });
    assert_eq!(events.len(), 6);
}

#[test]
fn many_codes_in_few_answers_count_too() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    let filter = mqtt_proto::TopicFilter::new("t").unwrap();
    let filters = vec![filter; 40_000];
    let unsubscribe = encode(
        V5,
        Packet::Unsubscribe(mqtt_proto::packet::Unsubscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            filters: mqtt_proto::packet::Filters::new(&filters),
        }),
    );
    let flood = unsubscribe.repeat(5);
    assert_eq!(
        net.server.handle_input(net.now, end.id, &flood),
        2 * unsubscribe.len()
    );
    assert!(!net.server.wants_input(end.id));
    assert_eq!(net.recv(end).len(), 2);
    assert!(net.server.wants_input(end.id));
}

/// Of all packets, not of messages alone.
#[test]
fn no_packet_is_larger_than_the_client_takes_5_mqtt_3_1_2_24() {
    for max in 1..40 {
        let mut net = Net::new();
        let end = net.open(V5);
        let list = [Property::MaximumPacketSize(max)];
        let anonymous = mqtt_proto::packet::Connect {
            properties: Properties::new(&list),
            ..connect(V5, "")
        };
        let subscribe = [
            &[0x82, 0x27, 0x00, 0x07, 0x00][..],
            &[0x00, 0x01, b't', 0x00].repeat(9),
        ]
        .concat();
        let unsubscribe = [&[0xA2, 0x09, 0x00, 0x08, 0x00][..], &[0x00, 0x01, b't'].repeat(2)].concat();
        net.send(end, Packet::Connect(anonymous));
        net.raw(end, &subscribe);
        net.raw(end, &unsubscribe);
        net.send(end, Packet::PingReq);
        let mut out = [0; 1024];
        let mut n = net.server.take_transmit(net.now, end.id, &mut out);
        let mut rest = &out[..];
        let mut said = Vec::new();
        while n > 0 {
            let Ok(Frame::Len(len)) = frame_len(&rest[..n], u32::MAX) else {
                panic!("{rest:02x?}")
            };
            assert!(len <= max as usize, "{len} for {max}");
            said.extend(decode(V5, &rest[..len]));
            (rest, n) = (&rest[len..], n - len);
        }
        let accepted = said.first().is_some_and(|said| said.contains("code=0 "));
        assert_eq!(accepted, !net.server.wants_close(end.id), "{max}: {said:?}");
        assert_eq!(
            said.last().is_some_and(|last| last == "PINGRESP"),
            accepted,
            "{max}: {said:?}"
        );
    }
}

#[test]
fn limits_at_their_extremes_neither_break_the_protocol_nor_the_server() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).receive_maximum = 0;
        config.offer_mut(0).grant.limits.max_in_flight = 0;
        config.limits.topic_levels = usize::MAX;
        config.limits.events = 0;
        config.offer_mut(0).connect_timeout = core::time::Duration::MAX;
    });
    let (end, said) = net.client_with(connect(V5, "a"));
    assert!(said.contains("receive_maximum=1"), "{said}");
    net.subscribe(end, "#", Q1);
    for n in 1..=2 {
        net.publish(end, message("t", Q1, n, "x"));
        assert_eq!(net.recv(end).len(), 2, "PUBACK and the message");
        net.puback(end, n);
    }
    // As deep as a topic can be.
    let deep = "/".repeat(65_535);
    net.retain(end, &deep, "x");
    net.retain(end, &"/".repeat(1_023), "x");
    assert_eq!(net.recv(end).len(), 1);
    net.subscribe(end, "t", Q0);
    let said = net.subscribe_with(end, "#", SubscriptionOptions::new(Q0), None);
    assert_eq!(said.len(), 2, "SUBACK and the one that was kept");

    let mut net = Net::with(|config| config.offer_mut(0).max_packet_size = 0);
    let end = net.open(V5);
    net.raw(end, &encode(V5, Packet::Connect(connect(V5, "a"))));
    assert_eq!(net.recv(end).last().unwrap(), "close");
}

#[test]
fn a_server_may_end_a_connection_with_any_code_and_it_is_told_one_that_may_be_told() {
    let mut net = Net::new();
    for code in 0..=255 {
        let end = net.client(V5, "a");
        net.server
            .disconnect(net.now, end.id, mqtt_proto::ReasonCode(code));
        let said = net.recv(end);
        assert!(said[0].starts_with("DISCONNECT"), "{code}: {said:?}");
        net.cut(end);
    }
}

#[test]
fn identifiers_of_many_overlapping_subscriptions_count_as_bytes_of_the_queue() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_bytes = 10_000);
    let slow = net.client(V5, "s");
    for n in 0..500_u32 {
        // Both levels in all their forms, and what follows them.
        let filter = format!("+/{}#", "+/".repeat(n as usize % 100));
        net.subscribe_with(slow, &filter, SubscriptionOptions::new(Q0), Some(n + 1));
    }
    let from = net.client(V5, "p");
    for _ in 0..100 {
        net.say(from, &["x"; 110].join("/"), "");
    }
    let received = net.recv(slow).len();
    assert!((1..20).contains(&received), "{received} of 640 bytes each");
}

#[test]
fn connections_whose_client_is_not_accepted_yet_are_limited_apart() {
    let mut net = Net::with(|config| {
        config.limits.handshakes = 2;
        config.limits.connections = 4;
    });
    let (one, two) = (net.open(V5), net.open(V311));
    let refused = |net: &mut Net| net.server.open(net.now, Peer::default()).is_err();
    assert!(refused(&mut net), "one above");
    net.send(one, Packet::Connect(connect(V5, "one")));
    let three = net.open(V5);
    assert!(refused(&mut net));
    net.cut(two);
    let four = net.open(V5);
    assert!(refused(&mut net));
    // A refusal ends it as well, before the transport is closed.
    net.raw(three, b"GET ");
    let five = net.open(V5);
    assert!(refused(&mut net));
    net.pass_secs(11);
    assert_eq!(
        (net.recv(four), net.recv(five)),
        (vec!["close".into()], vec!["close".into()])
    );
    assert!(refused(&mut net), "four are open");
    net.cut(three);
    net.open(V5);
}

#[test]
fn subscriptions_of_all_and_the_bytes_of_their_filters_are_limited() {
    let level = {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.subscribe(end, "x", Q0);
        net.server.metrics(net.now).subscription_bytes - 1
    };
    let mut net = Net::with(|config| {
        config.limits.subscriptions = 3;
        config.limits.subscription_bytes = 10 + 3 * level;
    });
    let (one, _) = net.keeper(V5, "one");
    let two = net.client(V5, "two");
    let granted = |net: &mut Net, end, filter: &str| {
        let options = SubscriptionOptions::new(Q0);
        let said = net.subscribe_with(end, filter, options, None);
        assert!(net.server.broker().holdings().subscriptions <= 3);
        said == ["SUBACK id=900 codes=[0]"]
    };
    assert!(granted(&mut net, one, "a") && granted(&mut net, two, "a"));
    assert!(!granted(&mut net, one, "123456789"), "eleven bytes");
    assert!(granted(&mut net, one, "12345678"), "ten bytes");
    assert!(granted(&mut net, one, "12345678"), "it is there");
    assert!(!granted(&mut net, two, "b"), "one above");
    net.unsubscribe(one, "12345678");
    assert!(granted(&mut net, two, "b"));
    assert!(!granted(&mut net, two, "c"));
    // What a session had is free when it ends, not when its client goes.
    net.cut(one);
    assert!(!granted(&mut net, two, "c"));
    net.pass_secs(101);
    assert!(granted(&mut net, two, "c"));
    net.cut(two);
    assert_eq!(net.server.broker().holdings().subscriptions, 0);
}

#[test]
fn what_a_client_may_retain_is_its_grants() {
    for (max, kept) in [(1, 1), (2, 2), (3, 2)] {
        let mut net = Net::with(|config| {
            config.offer_mut(0).grant.limits.retained_messages = max;
            config.limits.retained_messages = 2;
        });
        let end = net.client(V5, "a");
        for topic in ["a", "b", "c"] {
            net.retain(end, topic, "x");
        }
        assert_eq!(net.server.broker().holdings().retained_messages, kept);
        assert!(net.events().contains(&ServerEvent::Dropped {
            cause: DropCause::RetainedFull,
            count: 3 - kept as u64
        }));
    }
}

#[test]
fn retained_messages_that_make_room_are_counted() {
    let mut net = Net::with(|config| {
        config.limits.retained_messages = 2;
        config.retained_policy = RetainedPolicy::EvictOldest;
    });
    let end = net.client(V5, "a");
    for topic in ["a", "b", "c"] {
        net.retain(end, topic, "x");
    }
    assert!(net.events().contains(&ServerEvent::Dropped {
        cause: DropCause::RetainedEvicted,
        count: 1
    }));
    let said = net.subscribe_with(end, "#", SubscriptionOptions::new(Q0), None);
    assert_eq!(said.len(), 3, "SUBACK and the last two: {said:?}");
}

#[test]
fn bytes_of_qos_0_that_is_dropped_when_its_client_goes_have_room_for_others() {
    let size = {
        let publish = message("t", Q1, 1, "12345");
        Message::new(mqtt_session::Instant::ZERO, &publish.head, publish.payload).size()
    };
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_bytes = 2 * size);
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    let from = net.client(V5, "p");
    net.say(from, "t", "12345");
    net.cut(to);
    for n in 1..=2 {
        net.publish(from, message("t", Q1, n, "12345"));
    }
    let (to, _) = net.keeper(V5, "s");
    assert_eq!(payloads(&net.recv(to)), ["12345"; 2]);
}

#[test]
fn a_message_that_could_never_fit_displaces_nothing() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).grant.limits.queue_bytes = 200;
        config.drop_policy = DropPolicy::Oldest;
    });
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    net.cut(to);
    let from = net.client(V5, "p");
    net.publish(from, message("t", Q1, 1, "small"));
    net.publish(from, message("t", Q1, 2, &"x".repeat(200)));
    assert!(net.events().contains(&ServerEvent::Dropped {
        cause: DropCause::QueueFull,
        count: 1
    }));
    let (to, _) = net.keeper(V5, "s");
    assert_eq!(payloads(&net.recv(to)), ["small"]);
}

#[test]
fn many_short_levels_count_as_what_they_cost_and_not_as_what_they_say() {
    let deep = ["x"; 100].join("/");
    let mut net = Net::with(|config| {
        config.limits.subscription_bytes = 5_000;
        config.limits.retained_bytes = 5_000;
    });
    let (end, _) = net.keeper(V5, "a");
    let options = SubscriptionOptions::new(Q0);
    let said = net.subscribe_with(end, &deep, options, None);
    assert_eq!(said, ["SUBACK id=900 codes=[0x97]"], "{} bytes", deep.len());
    assert_eq!(
        net.subscribe_with(end, "x/x", options, None),
        ["SUBACK id=900 codes=[0]"]
    );
    net.retain(end, &deep, "on");
    net.retain(end, "y", "on");
    let now = net.server.metrics(net.now);
    assert_eq!((now.retained_messages, now.dropped_in_all()), (1, 1));
}
