use std::format;
use std::string::ToString;

use crate::packet::*;
use crate::{PacketId, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version};

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

#[test]
fn a_publish_prints_as_in_a_trace() {
    let properties = [
        Property::MessageExpiryInterval(60),
        Property::UserProperty("k", "v w"),
        Property::SubscriptionIdentifier(3),
        Property::SubscriptionIdentifier(4),
    ];
    let head = PublishHead {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: topic("a/b"),
        packet_id: Some(id(10)),
        properties: Properties::new(&properties[..1]),
    };
    let publish = Packet::Publish(Publish { head, payload: b"hi" });
    assert_eq!(
        publish.to_string(),
        r#"PUBLISH topic="a/b" qos=1 id=10 message_expiry_interval=60 payload="hi""#
    );

    let head = PublishHead {
        dup: true,
        retain: true,
        properties: Properties::new(&properties[1..]),
        ..head
    };
    assert_eq!(
        head.to_string(),
        r#"PUBLISH topic="a/b" qos=1 dup=1 retain=1 id=10 user_property=("k" "v w") subscription_identifier=3 subscription_identifier=4"#
    );

    let alias = [Property::TopicAlias(7)];
    let head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::EMPTY,
        packet_id: None,
        properties: Properties::new(&alias),
    };
    assert_eq!(
        Publish {
            head,
            payload: &[0, 0xff]
        }
        .to_string(),
        r#"PUBLISH topic_alias=7 payload=x"00ff""#
    );
    assert_eq!(
        Publish {
            head,
            payload: &[b'x'; 300]
        }
        .to_string(),
        r#"PUBLISH topic_alias=7 payload="x"*300"#
    );
    assert_eq!(
        Publish {
            head,
            payload: &[0xff; 32]
        }
        .to_string(),
        r#"PUBLISH topic_alias=7 payload=x"ff"*32"#
    );
}

#[test]
fn a_connect_masks_its_secrets_unless_asked() {
    let properties = [
        Property::AuthenticationMethod("M"),
        Property::AuthenticationData(b"secret"),
    ];
    let will_properties = [Property::WillDelayInterval(2)];
    let connect = Packet::Connect(Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 60,
        client_id: "me",
        will: Some(Will {
            topic: topic("w"),
            payload: b"gone",
            qos: QoS::ExactlyOnce,
            retain: true,
            properties: Properties::new(&will_properties),
        }),
        user_name: Some("u"),
        password: Some(b"hunter2"),
        properties: Properties::new(&properties),
    });
    let line = |password: &str, data: &str| {
        format!(
            "CONNECT client_id=\"me\" clean_start=1 keep_alive=60 user_name=\"u\" password={password} \
             will={{topic=\"w\" qos=2 retain=1 will_delay_interval=2 payload=\"gone\"}} \
             authentication_method=\"M\" authentication_data={data}"
        )
    };
    assert_eq!(connect.to_string(), line("***", "***"));
    assert_eq!(
        connect.with_secrets().to_string(),
        line("\"hunter2\"", "\"secret\"")
    );
    assert!(format!("{connect:#}").ends_with("*** # MQTT 5"));
    for text in [
        format!("{connect}"),
        format!("{connect:#}"),
        Properties::new(&properties).to_string(),
    ] {
        assert!(!text.contains("secret") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn lists_stand_in_brackets() {
    let filter = |text| TopicFilter::new(text).unwrap();
    let mut options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let first = Subscription {
        filter: filter("a/+"),
        options,
    };
    options.no_local = true;
    options.retain_as_published = true;
    options.retain_handling = RetainHandling::DoNotSend;
    let list = [
        first,
        Subscription {
            filter: filter("#"),
            options,
        },
    ];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&list),
    };
    assert_eq!(
        subscribe.to_string(),
        r##"SUBSCRIBE id=1 filters=[{"a/+" qos=1} {"#" qos=1 no_local=1 retain_as_published=1 retain_handling=2}]"##
    );
    let list = [filter("a"), filter("b/#")];
    let unsubscribe = Unsubscribe {
        packet_id: id(2),
        properties: Properties::EMPTY,
        filters: Filters::new(&list),
    };
    assert_eq!(unsubscribe.to_string(), r#"UNSUBSCRIBE id=2 filters=["a" "b/#"]"#);
    let ack = SubAck {
        packet_id: id(1),
        properties: Properties::EMPTY,
        codes: ReasonCodes::new(&[0, 2, 0x87]),
    };
    assert_eq!(ack.to_string(), "SUBACK id=1 codes=[0 2 0x87]");
    assert_eq!(
        format!("{ack:#}"),
        "SUBACK id=1 codes=[0 2 0x87] # Granted QoS 0, Granted QoS 2, Not authorized"
    );
    let ack = UnsubAck {
        packet_id: id(2),
        properties: Properties::EMPTY,
        codes: ReasonCodes::new(&[]),
    };
    assert_eq!(ack.to_string(), "UNSUBACK id=2");
}

#[test]
fn codes_are_numbers_and_their_names_a_comment() {
    for (packet, plain, comment) in [
        (
            Packet::PubRel(Ack::new(id(3), ReasonCode::SUCCESS)),
            "PUBREL id=3",
            " # Success",
        ),
        (
            Packet::PubRec(Ack::new(id(3), ReasonCode::NO_MATCHING_SUBSCRIBERS)),
            "PUBREC id=3 code=0x10",
            " # No matching subscribers",
        ),
        (
            Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)),
            "DISCONNECT",
            " # Normal disconnection",
        ),
        (
            Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE)),
            "DISCONNECT code=4",
            " # Disconnect with Will Message",
        ),
        (
            Packet::ConnAck(ConnAck {
                session_present: false,
                code: ReasonCode::BANNED,
                properties: Properties::EMPTY,
            }),
            "CONNACK session_present=0 code=0x8a",
            " # Banned",
        ),
        (Packet::PingReq, "PINGREQ", ""),
    ] {
        assert_eq!(packet.to_string(), plain);
        assert_eq!(format!("{packet:#}"), format!("{plain}{comment}"));
    }
}

#[test]
fn text_stays_on_its_line_and_hides_nothing() {
    let cases = [
        ("plain ü 日", "\"plain ü 日\""),
        ("a\"b\\c", r#""a\"b\\c""#),
        ("\n\t\r\0\u{7f}", r#""\n\t\u{d}\u{0}\u{7f}""#),
        ("\u{202e}\u{feff}\u{2028}", r#""\u{202e}\u{feff}\u{2028}""#),
    ];
    for (text, shown) in cases {
        assert_eq!(super::Text(text).to_string(), shown);
        assert_eq!(super::Data(text.as_bytes()).to_string(), shown);
    }
    assert_eq!(
        super::Data(&[b'a'; 31]).to_string(),
        format!("\"{}\"", "a".repeat(31))
    );
}
