use mqtt_proto::{
    Packet, Properties, Property, TopicFilter,
    packet::{Connect, RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions},
};
use mqtt_session::server::{DropCause, ServerEvent};

use crate::net::*;

const SUBACK: &str = "SUBACK id=900 codes=[0]";

fn new(net: &mut Net, filter: &str) -> Vec<String> {
    let end = net.client(V5, "new");
    let mut said = net.subscribe_with(end, filter, SubscriptionOptions::default(), None);
    assert_eq!(said.remove(0), SUBACK);
    said
}

#[test]
fn the_last_retained_message_of_each_topic_goes_to_a_new_subscription_5_mqtt_3_3_1_5_and_9() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    net.retain(from, "a/1", "old");
    net.retain(from, "a/1", "one");
    net.retain(from, "a/2", "two");
    net.retain(from, "b", "three");
    net.say(from, "a/1", "not retained"); // 5/MQTT-3.3.1-8
    let told = |t, p| format!(r#"PUBLISH topic="{t}" retain=1 payload="{p}""#);
    assert_eq!(new(&mut net, "a/+"), [told("a/1", "one"), told("a/2", "two")]);
    assert_eq!(
        new(&mut net, "#"),
        [told("a/1", "one"), told("a/2", "two"), told("b", "three")]
    );
    assert_eq!(new(&mut net, "c/#"), [""; 0]);
}

#[test]
fn an_empty_retained_message_deletes_and_is_passed_on_5_mqtt_3_3_1_6_and_7() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    net.retain(from, "a", "x");
    net.subscribe(from, "b", Q0);
    let said = net.subscribe_with(from, "a", SubscriptionOptions::default(), None);
    assert_eq!(said.len(), 2);
    net.retain(from, "a", "");
    assert_eq!(net.recv(from), [r#"PUBLISH topic="a""#]);
    assert_eq!(new(&mut net, "#"), [""; 0]);
    assert_eq!(net.server.broker().holdings().retained_bytes, 0);
}

#[test]
fn retain_handling_says_which_subscriptions_bring_retained_messages_5_mqtt_3_3_1_9_to_11() {
    for (retain_handling, first, second) in [
        (RetainHandling::Send, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.retain(end, "t", "x");
        let options = SubscriptionOptions {
            retain_handling,
            ..Default::default()
        };
        assert_eq!(net.subscribe_with(end, "t", options, None).len(), 1 + first);
        assert_eq!(net.subscribe_with(end, "t", options, None).len(), 1 + second);
    }
}

#[test]
fn retain_as_published_keeps_the_flag_of_live_messages_5_mqtt_3_3_1_12_and_13() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    for (retain_as_published, wanted) in [(false, ""), (true, "retain=1 ")] {
        let end = net.client(V5, "a");
        let options = SubscriptionOptions {
            retain_as_published,
            ..Default::default()
        };
        net.subscribe_with(end, "t", options, None);
        net.retain(from, "t", "x");
        assert_eq!(
            net.recv(end),
            [format!(r#"PUBLISH topic="t" {wanted}payload="x""#)]
        );
        net.retain(from, "t", "");
    }
}

#[test]
fn retained_messages_come_as_the_client_takes_them_and_need_no_queue() {
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.queue_messages = 2);
    let from = net.client(V5, "p");
    for n in 0..100 {
        let mut message = message("t", Q1, 1, "x");
        let name = format!("t/{n:02}");
        message.head.topic = topic(&name);
        message.head.retain = true;
        net.publish(from, message);
        let _ = net.recv(from);
    }
    let list = [Property::ReceiveMaximum(10)];
    let (end, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, "a")
    });
    let mut said = net.subscribe_with(end, "t/#", SubscriptionOptions::new(Q1), Some(3));
    said.remove(0);
    for round in 0..10_u16 {
        assert_eq!(said.len(), 10, "round {round}");
        for (n, told) in said.iter().enumerate() {
            let n = usize::from(round) * 10 + n;
            let id = n + 1;
            assert_eq!(
                *told,
                format!(
                    r#"PUBLISH topic="t/{n:02}" qos=1 retain=1 id={id} subscription_identifier=3 payload="x""#
                )
            );
            net.puback(end, u16::try_from(id).unwrap());
        }
        said = net.recv(end);
    }
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_message_retained_after_the_subscription_comes_once_as_a_live_one() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.retain(end, "t", "old");
    let filters = [Subscription {
        filter: TopicFilter::new("#").unwrap(),
        options: SubscriptionOptions::default(),
    }];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&filters),
    };
    net.send(end, Packet::Subscribe(subscribe));
    net.retain(end, "t", "new");
    assert_eq!(
        net.recv(end),
        ["SUBACK id=1 codes=[0]", r#"PUBLISH topic="t" payload="new""#]
    );
}

#[test]
fn a_retained_message_expires_5_mqtt_3_3_2_5() {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    let list = [Property::MessageExpiryInterval(10)];
    let mut message = message("t", Q0, 0, "x");
    message.head.retain = true;
    message.head.properties = Properties::new(&list);
    net.publish(from, message);
    net.pass_secs(4);
    assert_eq!(
        new(&mut net, "t"),
        [r#"PUBLISH topic="t" retain=1 message_expiry_interval=6 payload="x""#]
    );
    net.pass_secs(6);
    assert_eq!(new(&mut net, "t"), [""; 0]);
    assert_eq!(net.server.broker().holdings().retained_messages, 0);
}

#[test]
fn retained_messages_above_the_limit_are_passed_on_and_not_kept() {
    let mut net = Net::with(|config| config.limits.retained_messages = 1);
    let end = net.client(V5, "p");
    net.subscribe(end, "#", Q0);
    net.retain(end, "a", "1");
    net.retain(end, "b", "2");
    assert_eq!(net.recv(end).len(), 2);
    assert_eq!(net.server.broker().holdings().retained_messages, 1);
    assert!(net.events().contains(&ServerEvent::Dropped {
        cause: DropCause::RetainedFull,
        count: 1
    }));
}

#[test]
fn without_retained_messages_connack_says_so_and_retain_ends_the_connection_5_mqtt_3_2_2_14() {
    let mut net = Net::with(|config| config.offer_mut(0).retain_available = false);
    let (end, said) = net.client_with(connect(V5, "a"));
    assert!(said.contains("retain_available=0"));
    net.retain(end, "t", "x");
    assert_eq!(net.recv(end), ["DISCONNECT code=0x9a", "close"]);

    let end = net.open(V5);
    let with = mqtt_proto::packet::Will {
        retain: true,
        ..will("w", b"x")
    };
    net.send(
        end,
        Packet::Connect(Connect {
            will: Some(with),
            ..connect(V5, "b")
        }),
    );
    assert_eq!(
        net.recv(end),
        ["CONNACK session_present=0 code=0x9a", "close"],
        "5/MQTT-3.2.2-13"
    );
}

#[test]
fn a_long_search_for_retained_messages_gives_others_their_turn_and_comes_to_its_end() {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    for n in 0..10_000 {
        net.retain(from, &format!("a/{n}"), "x");
    }
    net.retain(from, "b/c/last", "found");
    while net.server.poll_ready().is_some() {}
    let end = net.client(V5, "s");
    assert_eq!(
        net.subscribe_with(end, "+/+/last", SubscriptionOptions::new(Q0), None),
        ["SUBACK id=900 codes=[0]"],
        "not at once"
    );
    let mut turns = 0;
    loop {
        assert_eq!(net.server.poll_ready(), Some(end.id), "it is not forgotten");
        let said = net.recv(end);
        turns += 1;
        if !said.is_empty() {
            assert_eq!(said, ["PUBLISH topic=\"b/c/last\" retain=1 payload=\"found\""]);
            break;
        }
    }
    assert!((5..20).contains(&turns), "{turns}");
    assert_eq!(net.recv(end), [""; 0]);
    assert_eq!(net.server.poll_ready(), None);
}

#[test]
fn many_filters_in_one_subscribe_bring_their_retained_messages_once_each() {
    // Work for each filter that grows with the others would not come to an end here.
    const COUNT: usize = 60_000;
    let mut net = Net::new();
    let from = net.client(V5, "p");
    for name in ["7", "59999"] {
        net.retain(from, name, name);
    }
    let end = net.client(V311, "s");
    let names: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
    let filters: Vec<_> = names
        .iter()
        .map(|name| Subscription {
            filter: TopicFilter::new(name).unwrap(),
            options: SubscriptionOptions::new(Q0),
        })
        .collect();
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&filters),
    };
    for _ in 0..2 {
        net.send(end, Packet::Subscribe(subscribe));
    }
    let said = net.recv(end);
    assert_eq!(said.len(), 4, "two SUBACKs, two messages");
    assert!(said[2].contains("payload=\"59999\"") && said[3].contains("payload=\"7\""));
}

#[test]
fn a_retained_message_comes_with_the_lower_of_its_qos_and_the_granted_one() {
    for (published, granted) in [(Q0, Q2), (Q1, Q2), (Q2, Q2), (Q2, Q1), (Q1, Q0)] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        let mut kept = message("t", published, u16::from(published != Q0), "x");
        kept.head.retain = true;
        net.publish(end, kept);
        net.recv(end);
        let said = net.subscribe_with(end, "t", SubscriptionOptions::new(granted), None);
        let qos = u8::from(published.min(granted));
        assert_eq!(said[1].contains("qos="), qos > 0, "{said:?}");
        assert!(qos == 0 || said[1].contains(&format!("qos={qos}")), "{said:?}");
    }
}

#[test]
fn a_wildcard_in_front_brings_no_retained_dollar_topic_but_in_3_1_5_mqtt_4_7_2_1() {
    for (version, filter, brings) in [
        (V5, "#", false),
        (V5, "+/a", false),
        (V5, "$x/+", true),
        (V311, "#", false),
        (V31, "#", true),
        (V31, "+/a", true),
    ] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.retain(end, "$x/a", "x");
        let said = net.subscribe_with(end, filter, SubscriptionOptions::new(Q0), None);
        assert_eq!(said.len(), 1 + usize::from(brings), "{filter}: {said:?}");
    }
}

#[test]
fn what_was_retained_comes_before_what_is_published_after_the_subscription() {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    let to = net.client(V5, "s");
    net.retain(from, "a/1", "kept");
    net.retain(from, "a/2", "kept");
    let filters = [Subscription {
        filter: TopicFilter::new("a/+").unwrap(),
        options: SubscriptionOptions::new(Q0),
    }];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&filters),
    };
    net.send(to, Packet::Subscribe(subscribe));
    net.say(from, "a/2", "live");
    assert_eq!(
        net.recv(to),
        [
            "SUBACK id=1 codes=[0]",
            r#"PUBLISH topic="a/1" retain=1 payload="kept""#,
            r#"PUBLISH topic="a/2" retain=1 payload="kept""#,
            r#"PUBLISH topic="a/2" payload="live""#
        ]
    );
}

/// Retained messages of QoS 1 under `a/1` to `a/3`, and a client that takes one at a time.
fn three_retained_and_one_at_a_time() -> (Net, End) {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    for n in 1..=3 {
        let mut kept = message("a", Q1, n, "x");
        let name = format!("a/{n}");
        kept.head.topic = topic(&name);
        kept.head.retain = true;
        net.publish(from, kept);
    }
    let list = [Property::ReceiveMaximum(1)];
    let (to, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    (net, to)
}

#[test]
fn unsubscribe_ends_the_retained_messages_that_were_not_sent_yet_5_0_3_10_4() {
    let (mut net, to) = three_retained_and_one_at_a_time();
    let said = net.subscribe_with(to, "a/+", SubscriptionOptions::new(Q1), None);
    assert_eq!(said.len(), 2, "SUBACK, and the one that the window has room for");
    assert_eq!(net.unsubscribe(to, "a/+"), ["UNSUBACK id=901 codes=[0]"]);
    net.puback(to, 1);
    assert_eq!(net.recv(to), [""; 0]);
}

#[test]
fn what_is_still_to_be_sent_of_retained_messages_is_sent_as_the_subscription_is_now_5_mqtt_3_8_4_3() {
    let (mut net, to) = three_retained_and_one_at_a_time();
    net.subscribe_with(to, "a/+", SubscriptionOptions::new(Q1), Some(1));
    let again = SubscriptionOptions {
        retain_handling: RetainHandling::DoNotSend,
        ..SubscriptionOptions::new(Q0)
    };
    let said = net.subscribe_with(to, "a/+", again, Some(2));
    let rest: Vec<_> = said
        .iter()
        .filter(|packet| packet.starts_with("PUBLISH"))
        .collect();
    assert_eq!(rest.len(), 2, "of QoS 0, for which there is room: {said:?}");
    for packet in rest {
        assert!(
            packet.contains("subscription_identifier=2") && !packet.contains("qos="),
            "{packet}"
        );
    }
}
