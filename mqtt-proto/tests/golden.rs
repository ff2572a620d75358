//! Every packet type in every version: the bytes written down by hand, and the fields they stand for.

use mqtt_proto::{
    Frame, Packet, PacketId, PacketType, Properties, Property, QoS, ReasonCode, Sender, TopicFilter,
    TopicName, Version, frame_len,
    packet::{
        Ack, Auth, ConnAck, Connect, Disconnect, Filters, HeadStatus, Publish, PublishHead, ReasonCodes,
        RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck,
        Unsubscribe, Will,
    },
};

use Version::{V5, V31, V311};

const X3: &[Version] = &[V31, V311];
const ALL: &[Version] = &[V31, V311, V5];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn name(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

/// Bytes and fields are the same thing, whole and as far as they go.
fn same(versions: &[Version], bytes: &str, packet: Packet<'_>) {
    let bytes = hex(bytes);
    for &version in versions {
        let at = format!("{version} {packet:?}");
        assert_eq!(Packet::decode(version, Sender::Any, &bytes), Ok(packet), "{at}");
        let mut out = [0xAA; 512];
        assert_eq!(packet.encode(version, &mut out), Ok(&bytes[..]), "{at}");
        assert_eq!(packet.encoded_len(version), Ok(bytes.len()), "{at}");
        let mut small = vec![0; bytes.len() - 1];
        assert!(packet.encode(version, &mut small).is_err(), "{at}");

        assert_eq!(frame_len(&bytes, 512), Ok(Frame::Len(bytes.len())), "{at}");
        for end in 0..bytes.len() {
            let Ok(Frame::Need(needed)) = frame_len(&bytes[..end], 512) else {
                panic!("{at}, cut at {end}")
            };
            assert!(end < needed && needed <= bytes.len(), "{at}, cut at {end}");
            assert!(
                Packet::decode(version, Sender::Any, &bytes[..end]).is_err(),
                "{at}, cut at {end}"
            );
        }

        let Packet::Publish(publish) = packet else {
            continue;
        };
        let mut head = [0xAA; 512];
        let payload_len = u32::try_from(publish.payload.len()).unwrap();
        let head_bytes = &bytes[..bytes.len() - publish.payload.len()];
        assert_eq!(
            publish.head.encode(version, payload_len, &mut head),
            Ok(head_bytes),
            "{at}"
        );
        assert_eq!(
            publish.head.encoded_len(version, payload_len),
            Ok(head_bytes.len()),
            "{at}"
        );
        for end in 0..=bytes.len() {
            match PublishHead::decode(version, Sender::Any, &bytes[..end]) {
                Ok(HeadStatus::Need(needed)) => {
                    assert!(end < needed && needed <= head_bytes.len(), "{at}, cut at {end}");
                }
                Ok(HeadStatus::Head {
                    head,
                    head_len,
                    payload_len,
                }) => {
                    assert_eq!(
                        (head, head_len, payload_len),
                        (publish.head, head_bytes.len(), publish.payload.len()),
                        "{at}, cut at {end}"
                    );
                }
                Err(error) => panic!("{at}, cut at {end}: {error}"),
            }
        }
    }
}

#[test]
fn connect() {
    let mut connect = Connect {
        version: V311,
        clean_start: true,
        keep_alive: 60,
        client_id: "c",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    };
    same(
        ALL,
        "10 0D 0004 4D515454 04 02 003C 0001 63",
        Packet::Connect(connect),
    );
    connect.version = V31;
    same(
        ALL,
        "10 0F 0006 4D5149736470 03 02 003C 0001 63",
        Packet::Connect(connect),
    );
    connect.version = V5;
    same(
        ALL,
        "10 0E 0004 4D515454 05 02 003C 00 0001 63",
        Packet::Connect(connect),
    );

    // All parts in their order: client id, will properties, will topic, will payload, user name, password.
    let will_properties = [Property::WillDelayInterval(5)];
    let properties = [
        Property::SessionExpiryInterval(16),
        Property::ReceiveMaximum(20),
        Property::MaximumPacketSize(256),
        Property::TopicAliasMaximum(3),
        Property::RequestResponseInformation(1),
        Property::RequestProblemInformation(0),
        Property::UserProperty("k", "v"),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[0, 0xFF]),
    ];
    connect.clean_start = false;
    connect.will = Some(Will {
        topic: name("w"),
        payload: &[0xFF, 0x00],
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: Properties::new(&will_properties),
    });
    connect.user_name = Some("u");
    connect.password = Some(&[0xC0]);
    connect.properties = Properties::new(&properties);
    same(
        ALL,
        "10 45 0004 4D515454 05 F4 003C
         24 11 00000010 21 0014 27 00000100 22 0003 19 01 17 00 26 0001 6B 0001 76 15 0001 6D 16 0002 00FF
         0001 63 05 18 00000005 0001 77 0002 FF00 0001 75 0001 C0",
        Packet::Connect(connect),
    );
    connect.version = V311;
    connect.properties = Properties::EMPTY;
    connect.will = connect.will.map(|will| Will {
        properties: Properties::EMPTY,
        ..will
    });
    same(
        ALL,
        "10 1A 0004 4D515454 04 F4 003C 0001 63 0001 77 0002 FF00 0001 75 0001 C0",
        Packet::Connect(connect),
    );
    connect.version = V31;
    connect.will = connect.will.map(|will| Will {
        payload: b"ok",
        qos: QoS::AtLeastOnce,
        ..will
    });
    connect.password = Some(b"p");
    same(
        ALL,
        "10 1C 0006 4D5149736470 03 EC 003C 0001 63 0001 77 0002 6F6B 0001 75 0001 70",
        Packet::Connect(connect),
    );
}

#[test]
fn connack() {
    let mut connack = ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    };
    same(X3, "20 02 00 00", Packet::ConnAck(connack));
    same(&[V5], "20 03 00 00 00", Packet::ConnAck(connack));
    for (number, code) in [
        (1, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
        (2, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
        (3, ReasonCode::SERVER_UNAVAILABLE),
        (4, ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        (5, ReasonCode::NOT_AUTHORIZED),
    ] {
        connack.code = code;
        same(X3, &format!("20 02 00 0{number}"), Packet::ConnAck(connack));
        same(
            &[V5],
            &format!("20 03 00 {:02x} 00", code.0),
            Packet::ConnAck(connack),
        );
    }
    connack.code = ReasonCode::SUCCESS;
    connack.session_present = true;
    same(&[V311], "20 02 01 00", Packet::ConnAck(connack));
    let properties = [
        Property::SessionExpiryInterval(u32::MAX),
        Property::ReceiveMaximum(u16::MAX),
        Property::MaximumQoS(1),
        Property::RetainAvailable(0),
        Property::MaximumPacketSize(u32::MAX),
        Property::AssignedClientIdentifier("a"),
        Property::TopicAliasMaximum(0),
        Property::ReasonString("r"),
        Property::UserProperty("", ""),
        Property::UserProperty("", ""),
        Property::WildcardSubscriptionAvailable(1),
        Property::SubscriptionIdentifierAvailable(0),
        Property::SharedSubscriptionAvailable(1),
        Property::ServerKeepAlive(0),
        Property::ResponseInformation("i"),
        Property::ServerReference("s t"),
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[]),
    ];
    connack.properties = Properties::new(&properties);
    same(
        &[V5],
        "20 43 01 00 40 11 FFFFFFFF 21 FFFF 24 01 25 00 27 FFFFFFFF 12 0001 61 22 0000 1F 0001 72 26 0000 0000
         26 0000 0000 28 01 29 00 2A 01 13 0000 1A 0001 69 1C 0003 732074 15 0001 6D 16 0000",
        Packet::ConnAck(connack),
    );
}

#[test]
fn publish() {
    let mut head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: name("a/b"),
        packet_id: None,
        properties: Properties::EMPTY,
    };
    same(
        X3,
        "30 07 0003 612F62 6869",
        Packet::Publish(Publish { head, payload: b"hi" }),
    );
    same(
        &[V5],
        "30 08 0003 612F62 00 6869",
        Packet::Publish(Publish { head, payload: b"hi" }),
    );
    same(
        X3,
        "30 05 0003 612F62",
        Packet::Publish(Publish { head, payload: b"" }),
    );
    head = PublishHead {
        dup: true,
        qos: QoS::AtLeastOnce,
        retain: true,
        packet_id: Some(id(10)),
        ..head
    };
    same(
        X3,
        "3B 08 0003 612F62 000A 00",
        Packet::Publish(Publish { head, payload: &[0] }),
    );
    head = PublishHead {
        dup: false,
        qos: QoS::ExactlyOnce,
        packet_id: Some(id(0xFFFF)),
        ..head
    };
    same(
        &[V5],
        "35 09 0003 612F62 FFFF 00 FF",
        Packet::Publish(Publish {
            head,
            payload: &[0xFF],
        }),
    );

    // Several subscription identifiers, message expiry 0, an alias in place of the name.
    let properties = [
        Property::PayloadFormatIndicator(1),
        Property::MessageExpiryInterval(0),
        Property::TopicAlias(1),
        Property::ResponseTopic("r"),
        Property::CorrelationData(&[0]),
        Property::UserProperty("\u{feff}", "\u{1}"),
        Property::SubscriptionIdentifier(1),
        Property::SubscriptionIdentifier(268_435_455),
        Property::ContentType("t"),
    ];
    let head = PublishHead {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::EMPTY,
        packet_id: None,
        properties: Properties::new(&properties),
        ..head
    };
    let publish = Publish {
        head,
        payload: "\u{fc}".as_bytes(),
    };
    assert!(publish.payload_format_holds());
    assert!(
        !Publish {
            payload: &[0xFC],
            ..publish
        }
        .payload_format_holds()
    );
    same(
        &[V5],
        "30 2B 0000 26 01 01 02 00000000 23 0001 08 0001 72 09 0001 00 26 0003 EFBBBF 0001 01 0B 01 0B FFFFFF7F
         03 0001 74 C3BC",
        Packet::Publish(publish),
    );
}

#[test]
fn the_four_answers() {
    let answers = [
        (PacketType::PubAck, 0x40, ReasonCode::NO_MATCHING_SUBSCRIBERS),
        (PacketType::PubRec, 0x50, ReasonCode::QUOTA_EXCEEDED),
        (PacketType::PubRel, 0x62, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
        (PacketType::PubComp, 0x70, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
    ];
    let properties = [Property::ReasonString("r"), Property::UserProperty("k", "")];
    for (packet_type, first, code) in answers {
        let short = Ack::new(id(0x1234), ReasonCode::SUCCESS);
        same(ALL, &format!("{first:02x} 02 1234"), answer(packet_type, short));
        let failed = Ack::new(id(1), code);
        same(
            &[V5],
            &format!("{first:02x} 03 0001 {:02x}", code.0),
            answer(packet_type, failed),
        );
        let full = Ack {
            properties: Properties::new(&properties),
            ..failed
        };
        let bytes = format!("{first:02x} 0E 0001 {:02x} 0A 1F 0001 72 26 0001 6B 0000", code.0);
        same(&[V5], &bytes, answer(packet_type, full));
        let fine = Ack {
            code: ReasonCode::SUCCESS,
            ..full
        };
        let bytes = format!("{first:02x} 0E 0001 00 0A 1F 0001 72 26 0001 6B 0000");
        same(&[V5], &bytes, answer(packet_type, fine));
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the types that are no answers")]
fn answer(packet_type: PacketType, ack: Ack<'_>) -> Packet<'_> {
    match packet_type {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        other => panic!("{other} is no answer"),
    }
}

#[test]
fn subscribe_and_suback() {
    let list = [
        Subscription {
            filter: filter("a/+"),
            options: SubscriptionOptions::new(QoS::AtLeastOnce),
        },
        Subscription {
            filter: filter("#"),
            options: SubscriptionOptions::new(QoS::ExactlyOnce),
        },
    ];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&list),
    };
    same(
        X3,
        "82 0C 0001 0003 612F2B 01 0001 23 02",
        Packet::Subscribe(subscribe),
    );
    let list = [
        Subscription {
            filter: filter("$share/g/#"),
            options: SubscriptionOptions {
                qos: QoS::AtMostOnce,
                no_local: false,
                retain_as_published: true,
                retain_handling: RetainHandling::DoNotSend,
            },
        },
        Subscription {
            filter: filter("a"),
            options: SubscriptionOptions {
                qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: false,
                retain_handling: RetainHandling::SendIfNew,
            },
        },
    ];
    let properties = [
        Property::SubscriptionIdentifier(128),
        Property::UserProperty("k", "v"),
    ];
    let subscribe = Subscribe {
        packet_id: id(2),
        properties: Properties::new(&properties),
        filters: Subscriptions::new(&list),
    };
    same(
        &[V5],
        "82 1E 0002 0A 0B 8001 26 0001 6B 0001 76 000A 2473686172652F672F23 28 0001 61 16",
        Packet::Subscribe(subscribe),
    );
    // An ordinary filter in 3.x.
    let list = [Subscription {
        filter: filter("$share/g"),
        options: SubscriptionOptions::default(),
    }];
    let subscribe = Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&list),
    };
    same(
        X3,
        "82 0D 0001 0008 24736861 72652F67 00",
        Packet::Subscribe(subscribe),
    );

    let mut suback = SubAck {
        packet_id: id(7),
        properties: Properties::EMPTY,
        codes: ReasonCodes::new(&[0, 1, 2]),
    };
    same(X3, "90 05 0007 00 01 02", Packet::SubAck(suback));
    suback.codes = ReasonCodes::new(&[2, 0x80]);
    same(&[V311], "90 04 0007 02 80", Packet::SubAck(suback));
    let properties = [Property::ReasonString("")];
    suback.properties = Properties::new(&properties);
    suback.codes = ReasonCodes::new(&[0, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]);
    same(
        &[V5],
        "90 10 0007 03 1F 0000 00 80 83 87 8F 91 97 9E A1 A2",
        Packet::SubAck(suback),
    );
}

#[test]
fn unsubscribe_and_unsuback() {
    let list = [filter("a/+"), filter("b")];
    let unsubscribe = Unsubscribe {
        packet_id: id(0xCAFE),
        properties: Properties::EMPTY,
        filters: Filters::new(&list),
    };
    same(
        X3,
        "A2 0A CAFE 0003 612F2B 0001 62",
        Packet::Unsubscribe(unsubscribe),
    );
    same(
        &[V5],
        "A2 0B CAFE 00 0003 612F2B 0001 62",
        Packet::Unsubscribe(unsubscribe),
    );
    let unsuback = UnsubAck {
        packet_id: id(0xCAFE),
        properties: Properties::EMPTY,
        codes: ReasonCodes::EMPTY,
    };
    same(X3, "B0 02 CAFE", Packet::UnsubAck(unsuback));
    let unsuback = UnsubAck {
        codes: ReasonCodes::new(&[0, 0x11]),
        ..unsuback
    };
    same(&[V5], "B0 05 CAFE 00 00 11", Packet::UnsubAck(unsuback));
}

#[test]
fn ping_disconnect_and_auth() {
    same(ALL, "C0 00", Packet::PingReq);
    same(ALL, "D0 00", Packet::PingResp);
    same(
        ALL,
        "E0 00",
        Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)),
    );
    same(
        &[V5],
        "E0 01 04",
        Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE)),
    );
    let properties = [Property::SessionExpiryInterval(1), Property::ServerReference("s")];
    let disconnect = Disconnect {
        code: ReasonCode::SERVER_MOVED,
        properties: Properties::new(&properties),
    };
    same(
        &[V5],
        "E0 0B 9D 09 11 00000001 1C 0001 73",
        Packet::Disconnect(disconnect),
    );
    let properties = [
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(&[1, 0]),
    ];
    let auth = Auth {
        code: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: Properties::new(&properties),
    };
    same(&[V5], "F0 0B 18 09 15 0001 6D 16 0002 0100", Packet::Auth(auth));
}
