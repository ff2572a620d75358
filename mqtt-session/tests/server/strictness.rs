use mqtt_proto::{Packet, ReasonCode, Version, packet::Ack};
use mqtt_session::server::{Ended, ServerEvent};

use crate::net::*;

/// What a broken rule is answered with on an open connection.
fn told(version: Version, code: &str) -> Vec<String> {
    if version == V5 {
        vec![format!("DISCONNECT code={code}"), "close".into()]
    } else {
        vec!["close".into()]
    }
}

#[test]
fn malformed_bytes_end_the_connection_with_their_code_5_mqtt_4_13_1_1() {
    let cases: [(&[u8], &str); 6] = [
        (&[0x00, 0x00], "0x81"),
        (&[0xC1, 0x00], "0x81"),
        (&[0x36, 0x04, 0x00, 0x01, b'a', 0x00], "0x81"),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "0x81"),
        (&[0xD0, 0x00], "0x82"),
        (&[0x82, 0x02, 0x00, 0x01], "0x82"),
    ];
    for version in [V311, V5] {
        for (bytes, code) in cases {
            let mut net = Net::new();
            let end = net.client(version, "a");
            if version == V5 && bytes[0] == 0x82 {
                net.raw(end, &[0x82, 0x03, 0x00, 0x01, 0x00]);
            } else {
                net.raw(end, bytes);
            }
            assert_eq!(net.recv(end), told(version, code), "{bytes:02x?}");
            assert!(net.events().iter().any(|event| matches!(
                event,
                ServerEvent::Disconnected { why: Ended::Violation(violation), .. } if violation.statement.is_some()
            )));
        }
    }
}

/// Unknown protocol level, unknown protocol name, reserved flag: as a first packet each has its own answer.
#[test]
fn a_second_connect_is_a_protocol_error_whatever_stands_in_it_5_mqtt_3_1_0_2_3_1_1_mqtt_3_1_0_2() {
    let wrong: [&[u8]; 3] = [
        b"\x10\x0e\x00\x04MQTT\x09\x02\x00\x00\x00\x00\x01a",
        b"\x10\x0e\x00\x04MQTX\x05\x02\x00\x00\x00\x00\x01a",
        b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01a",
    ];
    for version in [V311, V5] {
        for bytes in wrong {
            let mut net = Net::new();
            let end = net.client(version, "a");
            net.raw(end, bytes);
            assert_eq!(net.recv(end), told(version, "0x82"), "{bytes:02x?}");
        }
    }
}

#[test]
fn what_came_before_malformed_bytes_counts_and_is_answered() {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.subscribe(to, "t", Q0);
    let end = net.client(V5, "a");
    let mut bytes = encode(V5, Packet::Publish(message("t", Q1, 1, "x")));
    bytes.extend([0x00, 0x00]);
    bytes.extend(encode(V5, Packet::Publish(message("t", Q1, 2, "y"))));
    net.raw(end, &bytes);
    assert_eq!(net.recv(end), ["PUBACK id=1", "DISCONNECT code=0x81", "close"]);
    assert_eq!(net.recv(to), [r#"PUBLISH topic="t" payload="x""#]);
}

#[test]
fn a_connection_that_does_not_begin_with_connect_is_closed_in_silence_5_mqtt_3_1_0_1_5_mqtt_3_14_0_1() {
    for bytes in [&[0xC0, 0x00][..], &[0xE0, 0x00], b"GET / HTTP/1.1\r\n", &[0x00]] {
        let mut net = Net::new();
        let end = net.open(V5);
        net.raw(end, &bytes[..1]);
        assert_eq!(net.recv(end), ["close"]);
    }
}

#[test]
fn a_malformed_connect_gets_connack_in_5_0_and_silence_in_3_x_5_mqtt_3_1_4_1_3_1_1_mqtt_3_1_4_1() {
    // Connect flag bit 0 is set.
    let v5 = b"\x10\x0e\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01a";
    let v311 = b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x00\x00\x01a";
    let mut net = Net::new();
    let end = net.open(V5);
    net.raw(end, v5);
    assert_eq!(net.recv(end), ["CONNACK session_present=0 code=0x81", "close"]);
    let end = net.open(V311);
    net.raw(end, v311);
    assert_eq!(net.recv(end), ["close"]);
}

#[test]
fn an_unknown_level_gets_return_code_1_and_an_unknown_name_nothing_3_1_1_mqtt_3_1_2_1_and_2() {
    let mut net = Net::new();
    let end = net.open(V311);
    net.raw(end, b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x00\x00\x01a");
    assert_eq!(net.recv(end), ["CONNACK session_present=0 code=0x84", "close"]);
    let end = net.open(V311);
    net.raw(end, b"\x10\x0d\x00\x04XQTT\x04\x02\x00\x00\x00\x01a");
    assert_eq!(net.recv(end), ["close"]);
}

#[test]
fn a_second_connect_ends_the_connection_with_0x82_5_mqtt_3_1_0_2() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.send(end, Packet::Connect(connect(version, "a")));
        assert_eq!(net.recv(end), told(version, "0x82"));
    }
    let mut net = Net::new();
    let end = net.open(V5);
    net.raw(end, &encode(V5, Packet::Connect(connect(V5, "a"))).repeat(2));
    let said = net.recv(end);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("CONNACK"));
}

#[test]
fn answers_that_do_not_fit_their_message_end_the_connection_5_mqtt_3_3_4_1() {
    for version in [V311, V5] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.subscribe(end, "t", Q1);
        net.publish(end, message("t", Q1, 1, "x"));
        let _ = net.recv(end);
        net.send(end, Packet::PubRec(Ack::new(id(1), ReasonCode::SUCCESS)));
        assert_eq!(net.recv(end), told(version, "0x82"));
    }
}

#[test]
fn another_message_under_an_id_in_use_is_refused_in_5_0_and_ends_the_connection_in_3_x() {
    for version in [V311, V5] {
        let mut net = Net::new();
        let end = net.client(version, "a");
        net.publish(end, message("t", Q2, 1, "x"));
        let _ = net.recv(end);
        net.publish(end, message("t", Q1, 1, "y"));
        let wanted: &[&str] = if version == V5 {
            &["PUBACK id=1 code=0x91"]
        } else {
            &["close"]
        };
        assert_eq!(net.recv(end), wanted);
        if version == V5 {
            net.pubrel(end, 1);
            assert_eq!(net.recv(end), ["PUBCOMP id=1"], "the first exchange goes on");
        }
    }
}

#[test]
fn an_alias_stands_for_its_last_topic_on_its_own_connection_5_mqtt_3_3_2_7_and_9_and_12() {
    use mqtt_proto::{Properties, Property, TopicName};
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.subscribe(to, "#", Q0);
    let publish = |net: &mut Net, end: End, name: &str, alias: u16| {
        let list = [Property::TopicAlias(alias)];
        let mut message = message("t", Q0, 0, "x");
        message.head.topic = TopicName::new(name).unwrap_or(TopicName::EMPTY);
        message.head.properties = Properties::new(&list);
        net.publish(end, message);
    };
    let told = |name: &str| vec![format!(r#"PUBLISH topic="{name}" payload="x""#)];
    let end = net.client(V5, "a");
    for (name, alias, wanted) in [
        ("a", 16, "a"),
        ("", 16, "a"),
        ("b", 1, "b"),
        ("c", 16, "c"),
        ("", 16, "c"),
        ("", 1, "b"),
    ] {
        publish(&mut net, end, name, alias);
        assert_eq!(net.recv(to), told(wanted), "{name:?} {alias}");
    }
    publish(&mut net, end, "", 2);
    assert_eq!(
        net.recv(end),
        ["DISCONNECT code=0x82", "close"],
        "it has no topic"
    );
    let end = net.client(V5, "a");
    publish(&mut net, end, "", 1);
    assert_eq!(
        net.recv(end),
        ["DISCONNECT code=0x82", "close"],
        "it was another connection's"
    );
    let end = net.client(V5, "a");
    publish(&mut net, end, "a", 17);
    assert_eq!(net.recv(end), ["DISCONNECT code=0x94", "close"]);
    assert_eq!(net.recv(to), [""; 0]);
}

#[test]
fn auth_without_a_method_is_a_protocol_error_5_mqtt_4_12_0_7() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    // AUTH 0x18 with Authentication Method "m".
    net.raw(end, &[0xF0, 0x06, 0x18, 0x04, 0x15, 0x00, 0x01, b'm']);
    assert_eq!(net.recv(end), ["DISCONNECT code=0x82", "close"]);
}

#[test]
fn nothing_is_sent_before_connack_5_mqtt_3_2_0_1() {
    let mut net = Net::new();
    let (end, _) = net.keeper(V5, "a");
    net.subscribe(end, "t", Q1);
    net.cut(end);
    let from = net.client(V5, "p");
    net.publish(from, message("t", Q1, 1, "x"));
    let end = net.open(V5);
    let mut bytes = encode(V5, Packet::PingReq);
    let list = [mqtt_proto::Property::SessionExpiryInterval(100)];
    let properties = mqtt_proto::Properties::new(&list);
    let connect = mqtt_proto::packet::Connect {
        clean_start: false,
        properties,
        ..connect(V5, "a")
    };
    bytes.splice(0..0, encode(V5, Packet::Connect(connect)));
    net.raw(end, &bytes);
    let said = net.recv(end);
    assert!(said[0].starts_with("CONNACK session_present=1"));
    assert_eq!(
        said[1..],
        ["PINGRESP", r#"PUBLISH topic="t" qos=1 id=1 payload="x""#]
    );
}

#[test]
fn a_refusal_on_its_way_says_nothing_of_the_message_that_took_its_id_since() {
    let mut net = Net::with(|config| config.limits.topic_levels = 1);
    let from = net.client(V5, "p");
    net.publish(from, message("too/deep", Q2, 1, "x"));
    net.publish(from, message("t", Q2, 1, "x"));
    assert_eq!(net.recv_first(from), "PUBREC id=1 code=0x90");
    // The other PUBREC is still to come, and answers this one too.
    let mut again = message("t", Q2, 1, "x");
    again.head.dup = true;
    net.publish(from, again);
    assert_eq!(net.recv(from), ["PUBREC id=1 code=0x10"]);
}

#[test]
fn no_local_on_a_shared_subscription_ends_the_connection_5_mqtt_3_8_3_4() {
    // SUBSCRIBE id=1 to a filter with QoS 1 and No Local: an encoder of this crate would refuse it.
    let subscribe = |filter: &str| {
        let mut bytes = vec![0x82, 6 + filter.len() as u8, 0x00, 0x01, 0x00];
        bytes.extend_from_slice(&[0x00, filter.len() as u8]);
        bytes.extend_from_slice(filter.as_bytes());
        bytes.push(0x05);
        bytes
    };
    for (filter, is_allowed) in [("$share/g/t", false), ("t", true)] {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.raw(end, &subscribe(filter));
        if is_allowed {
            assert_eq!(net.recv(end), ["SUBACK id=1 codes=[1]"]);
        } else {
            assert_eq!(net.recv(end), told(V5, "0x82"));
        }
    }
}
