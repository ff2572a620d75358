use core::time::Duration;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode,
    packet::{Ack, Connect},
};
use mqtt_session::server::{DropCause, ServerEvent};

use crate::net::*;

#[test]
fn delivery_has_the_lower_of_publish_qos_and_granted_qos_5_mqtt_3_8_4_8() {
    for version in [V31, V311, V5] {
        for sent in [Q0, Q1, Q2] {
            for granted in [Q0, Q1, Q2] {
                let mut net = Net::new();
                let to = net.client(version, "s");
                let from = net.client(version, "p");
                net.subscribe(to, "a/+", granted);
                net.publish(from, message("a/b", sent, if sent == Q0 { 0 } else { 7 }, "x"));
                let wanted = match sent.min(granted) {
                    Q0 => r#"PUBLISH topic="a/b" payload="x""#,
                    Q1 => r#"PUBLISH topic="a/b" qos=1 id=1 payload="x""#,
                    Q2 => r#"PUBLISH topic="a/b" qos=2 id=1 payload="x""#,
                };
                assert_eq!(net.recv(to), [wanted]);
                let answer: &[&str] = match sent {
                    Q0 => &[],
                    Q1 => &["PUBACK id=7"],
                    Q2 => &["PUBREC id=7"],
                };
                assert_eq!(net.recv(from), answer, "5/MQTT-3.3.4-1");
            }
        }
    }
}

#[test]
fn nobody_subscribed_is_told_in_5_0_only() {
    for (version, wanted) in [(V311, "PUBACK id=7"), (V5, "PUBACK id=7 code=0x10")] {
        let mut net = Net::new();
        let from = net.client(version, "p");
        net.publish(from, message("a/b", Q1, 7, "x"));
        assert_eq!(net.recv(from), [wanted]);
    }
}

#[test]
fn a_qos_2_message_is_passed_on_once_until_pubrel_and_its_id_is_new_after_pubcomp_5_mqtt_4_3_3_10_to_12() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let to = net.client(version, "s");
        let from = net.client(version, "p");
        net.subscribe(to, "t", Q0);
        for round in 1..3 {
            net.publish(from, message("t", Q2, 5, "x"));
            assert_eq!(net.recv(from), ["PUBREC id=5"]);
            let mut repeat = message("t", Q2, 5, "x");
            repeat.head.dup = true;
            net.publish(from, repeat);
            assert_eq!(net.recv(from), ["PUBREC id=5"]);
            net.pubrel(from, 5);
            assert_eq!(net.recv(from), ["PUBCOMP id=5"]);
            assert_eq!(net.recv(to).len(), 1, "round {round}");
        }
        net.pubrel(from, 5);
        let code = if version == V5 { " code=0x92" } else { "" };
        assert_eq!(net.recv(from), [format!("PUBCOMP id=5{code}")]);
    }
}

#[test]
fn a_repeat_before_the_pubrec_left_is_answered_once_and_not_passed_on() {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    let from = net.client(V5, "p");
    net.subscribe(to, "t", Q0);
    net.publish(from, message("t", Q2, 5, "x"));
    net.publish(from, message("t", Q2, 5, "x"));
    assert_eq!(net.recv(from), ["PUBREC id=5"]);
    assert_eq!(net.recv(to).len(), 1);
}

#[test]
fn the_exchange_with_a_subscriber_runs_through_all_four_packets_5_mqtt_4_3_3_4() {
    let mut net = Net::new();
    let to = net.client(V311, "s");
    net.subscribe(to, "t", Q2);
    net.publish(to, message("t", Q2, 5, "x"));
    assert_eq!(
        net.recv(to),
        ["PUBREC id=5", r#"PUBLISH topic="t" qos=2 id=1 payload="x""#]
    );
    net.pubrec(to, 1);
    assert_eq!(net.recv(to), ["PUBREL id=1"]);
    net.pubcomp(to, 1);
    net.pubrel(to, 5);
    assert_eq!(net.recv(to), ["PUBCOMP id=5"]);
    net.pubrec(to, 1);
    assert_eq!(
        net.recv(to),
        ["PUBREL id=1"],
        "the exchange is over, so the id is unknown"
    );
}

#[test]
fn at_a_full_window_only_messages_wait_and_qos_0_does_not_5_mqtt_4_9_0_2_and_3() {
    let mut net = Net::new();
    let list = [Property::ReceiveMaximum(2)];
    let (to, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    let from = net.client(V5, "p");
    net.subscribe(to, "#", Q2);
    for n in 1..=4 {
        net.publish(from, message("t", Q1, n, &n.to_string()));
    }
    net.say(from, "t", "zero");
    net.send(to, Packet::PingReq);
    let told = |n, id| format!(r#"PUBLISH topic="t" qos=1 id={id} payload="{n}""#);
    assert_eq!(
        net.recv(to),
        [
            "PINGRESP".to_string(),
            told(1, 1),
            told(2, 2),
            r#"PUBLISH topic="t" payload="zero""#.into()
        ]
    );
    net.puback(to, 2);
    assert_eq!(net.recv(to), [told(3, 3)]);
    net.puback(to, 1);
    net.puback(to, 3);
    assert_eq!(net.recv(to), [told(4, 4)]);
}

#[test]
fn a_refused_message_is_over_and_gives_its_place_back_5_mqtt_4_4_0_2() {
    let mut net = Net::new();
    let list = [Property::ReceiveMaximum(1)];
    let (to, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    net.subscribe(to, "#", Q2);
    for n in 1..=2 {
        net.publish(to, message("t", Q2, n, "x"));
    }
    let _ = net.recv(to);
    net.send(to, Packet::PubRec(Ack::new(id(1), ReasonCode::QUOTA_EXCEEDED)));
    assert_eq!(net.recv(to), [r#"PUBLISH topic="t" qos=2 id=2 payload="x""#]);
}

#[test]
fn more_messages_than_receive_maximum_end_the_connection_with_0x93_5_mqtt_3_3_4_7() {
    let mut net = Net::with(|config| config.offer_mut(0).receive_maximum = 2);
    let from = net.client(V5, "p");
    for n in 1..=2 {
        net.publish(from, message("t", Q2, n, "x"));
    }
    assert_eq!(net.recv(from).len(), 2);
    net.publish(from, message("t", Q2, 3, "x"));
    assert_eq!(net.recv(from), ["DISCONNECT code=0x93", "close"]);

    let from = net.client(V5, "q");
    for n in 1..=9 {
        net.publish(from, message("t", Q2, n, "x"));
        let _ = net.recv(from);
        net.pubrel(from, n);
        assert_eq!(
            net.recv(from),
            [format!("PUBCOMP id={n}")],
            "a finished one gives its place back"
        );
    }
}

#[test]
fn properties_reach_a_subscriber_of_5_0_as_they_were_and_3_x_gets_none_5_mqtt_3_3_2_15_to_20() {
    let mut net = Net::new();
    let new = net.client(V5, "new");
    let old = net.client(V311, "old");
    net.subscribe(new, "t", Q0);
    net.subscribe(old, "t", Q0);
    let list = [
        Property::UserProperty("b", "1"),
        Property::PayloadFormatIndicator(1),
        Property::ContentType("text"),
        Property::ResponseTopic("r"),
        Property::UserProperty("a", "2"),
        Property::CorrelationData(b"c"),
        Property::UserProperty("b", "3"),
    ];
    let mut sent = message("t", Q0, 0, "x");
    sent.head.properties = Properties::new(&list);
    net.publish(new, sent);
    assert_eq!(net.recv(new), [Packet::Publish(sent).to_string()]);
    assert_eq!(net.recv(old), [r#"PUBLISH topic="t" payload="x""#]);
    net.say(old, "t", "y");
    assert_eq!(net.recv(new), [r#"PUBLISH topic="t" payload="y""#]);
}

#[test]
fn expiry_is_counted_down_and_an_expired_message_is_not_sent_5_mqtt_3_3_2_5_and_6() {
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.subscribe(to, "t", Q1);
    net.cut(to);
    let from = net.client(V5, "p");
    for (n, seconds) in [(1, 10), (2, 30), (3, 0)] {
        let list = [Property::MessageExpiryInterval(seconds)];
        let mut message = message("t", Q1, n, "x");
        message.head.properties = Properties::new(&list);
        net.publish(from, message);
    }
    net.pass_secs(12);
    let _ = net.events();
    let (to, _) = net.keeper(V5, "s");
    assert_eq!(
        net.recv(to),
        [r#"PUBLISH topic="t" qos=1 id=1 message_expiry_interval=18 payload="x""#]
    );
    assert!(net.events().contains(&ServerEvent::Dropped {
        cause: DropCause::Expired,
        count: 2
    }));
}

#[test]
fn a_message_above_the_clients_packet_size_is_dropped_and_does_not_stall_5_mqtt_3_1_2_24_and_25() {
    let mut net = Net::new();
    let list = [Property::MaximumPacketSize(64), Property::ReceiveMaximum(1)];
    let (to, _) = net.client_with(Connect {
        properties: Properties::new(&list),
        ..connect(V5, "s")
    });
    let from = net.client(V5, "p");
    net.subscribe(to, "t", Q1);
    // Fixed header 2, topic 3, id 2, properties 1: 56 bytes of payload fill 64.
    for (n, len) in [(1, 56), (2, 57), (3, 1)] {
        net.publish(from, message("t", Q1, n, &"x".repeat(len)));
    }
    assert_eq!(net.recv(to), [r#"PUBLISH topic="t" qos=1 id=1 payload="x"*56"#]);
    net.puback(to, 1);
    assert_eq!(net.recv(to), [r#"PUBLISH topic="t" qos=1 id=2 payload="x""#]);
    assert!(net.events().contains(&ServerEvent::Dropped {
        cause: DropCause::TooLarge,
        count: 1
    }));
}

#[test]
fn messages_of_one_topic_arrive_in_order_and_ids_go_round_5_mqtt_4_6_0_5() {
    let mut net = Net::new();
    let to = net.client(V311, "s");
    let from = net.client(V311, "p");
    net.subscribe(to, "t", Q1);
    for n in 0..70_000_u32 {
        net.say(from, "t", "");
        net.publish(from, message("t", Q1, 1, &n.to_string()));
        let _ = net.recv(from);
        let id = n % 65_535 + 1;
        assert_eq!(
            net.recv(to),
            [
                r#"PUBLISH topic="t""#.to_string(),
                format!(r#"PUBLISH topic="t" qos=1 id={id} payload="{n}""#)
            ]
        );
        net.puback(to, u16::try_from(id).unwrap());
    }
}

#[test]
fn an_id_held_for_a_whole_round_is_not_given_again_5_mqtt_2_2_1_4() {
    let mut net = Net::new();
    let to = net.client(V311, "s");
    net.subscribe(to, "t", Q1);
    let mut seen = 0;
    for n in 0..66_000_u32 {
        net.publish(to, message("t", Q1, 1, "x"));
        let said = net.recv(to);
        let id: u16 = said[1]
            .split("id=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        if n == 0 || n == 5 {
            assert_eq!(u32::from(id), n + 1);
            continue; // Ids 1 and 6 are never acknowledged.
        }
        assert!(id != 1 && id != 6, "message {n}");
        net.puback(to, id);
        seen += 1;
    }
    assert_eq!(seen, 65_998);
}

#[test]
fn a_message_is_sent_until_its_expiry_and_not_at_its_exact_moment_5_mqtt_3_3_2_5() {
    for (waited, is_sent) in [
        (Duration::from_secs(10) - Duration::from_micros(1), true),
        (Duration::from_secs(10), false),
        (Duration::from_secs(10) + Duration::from_micros(1), false),
    ] {
        let mut net = Net::new();
        let (to, _) = net.keeper(V5, "s");
        net.subscribe(to, "t", Q1);
        net.cut(to);
        let from = net.client(V5, "p");
        let list = [Property::MessageExpiryInterval(10)];
        let mut message = message("t", Q1, 1, "x");
        message.head.properties = Properties::new(&list);
        net.publish(from, message);
        net.pass(waited);
        let (to, _) = net.keeper(V5, "s");
        let told = r#"PUBLISH topic="t" qos=1 id=1 message_expiry_interval=1 payload="x""#;
        assert_eq!(net.recv(to), [told][..usize::from(is_sent)], "{waited:?}");
    }
}

#[test]
fn pubrel_for_a_pubrec_of_an_unknown_id_says_so_in_5_0_and_a_refusing_one_gets_none() {
    for (version, code) in [(V31, ""), (V311, ""), (V5, " code=0x92")] {
        let mut net = Net::new();
        let to = net.client(version, "s");
        net.pubrec(to, 7);
        assert_eq!(net.recv(to), [format!("PUBREL id=7{code}")]);
    }
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.send(to, Packet::PubRec(Ack::new(id(7), ReasonCode::QUOTA_EXCEEDED)));
    assert_eq!(net.recv(to), [""; 0], "5/MQTT-4.4.0-2");
}

#[test]
fn a_message_keeps_no_property_that_belongs_to_one_connection_or_has_done_its_work() {
    use mqtt_session::{Instant, server::Message};
    let list = [
        Property::TopicAlias(1),
        Property::UserProperty("a", "1"),
        Property::SubscriptionIdentifier(2),
        Property::MessageExpiryInterval(3),
        Property::WillDelayInterval(4),
        Property::ContentType("text"),
    ];
    let mut publish = message("t", Q1, 1, "x");
    publish.head.properties = Properties::new(&list);
    let kept = Message::new(Instant::from_secs(1), &publish.head, publish.payload);
    assert_eq!(
        kept.properties().iter().collect::<Vec<_>>(),
        [Property::UserProperty("a", "1"), Property::ContentType("text")]
    );
    assert_eq!(kept.expiry_left(Instant::from_secs(2)), Some(2));
}
