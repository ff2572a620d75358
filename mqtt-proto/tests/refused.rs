//! What an encoder refuses, and what the versions differ in.

use mqtt_proto::{
    DecodeErrorKind, EncodeErrorKind, Packet, PacketId, Properties, Property, PropertyId, QoS, ReasonCode,
    Sender, TopicFilter, TopicName, Version,
    packet::{
        Ack, Auth, ConnAck, Connect, Disconnect, Filters, Publish, PublishHead, ReasonCodes, RetainHandling,
        SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
    },
};

use EncodeErrorKind::{FieldTooLong, NotInVersion, PacketIdExtra, PacketIdMissing, Refused};
use Version::{V5, V31, V311};

const ID: PacketId = PacketId::MIN;

fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        client_id: "c",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

fn will(topic: TopicName<'_>) -> Will<'_> {
    Will {
        topic,
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
    }
}

fn head() -> PublishHead<'static> {
    PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TopicName::new("a").unwrap(),
        packet_id: None,
        properties: Properties::EMPTY,
    }
}

fn publish(head: PublishHead<'_>) -> Packet<'_> {
    Packet::Publish(Publish { head, payload: b"" })
}

/// Neither `encode` nor `encoded_len` takes it, for this reason and by this statement.
fn refused(version: Version, packet: Packet<'_>, kind: EncodeErrorKind, statement: &str) {
    let mut out = [0xAA; 256];
    let at = format!("{version} {packet:?}");
    let error = packet.encode(version, &mut out).map(<[u8]>::len).expect_err(&at);
    assert_eq!(error.kind(), kind, "{at}");
    assert_eq!(error.packet_type(), packet.packet_type(), "{at}");
    assert_eq!(
        error.statement().map(|s| s.to_string()).unwrap_or_default(),
        statement,
        "{at}"
    );
    assert_eq!(packet.encoded_len(version), Err(error), "{at}");
    assert!(out.iter().all(|b| *b == 0xAA), "{at}: nothing is written");
}

#[test]
fn what_a_version_has_no_place_for_is_not_left_out_in_silence() {
    let list = [Property::UserProperty("k", "v")];
    let properties = Properties::new(&list);
    let filter = TopicFilter::new("a").unwrap();
    let options = |change: fn(&mut SubscriptionOptions)| {
        let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
        change(&mut options);
        [Subscription { filter, options }]
    };
    for version in [V31, V311] {
        let not = NotInVersion(version);
        let with_will = Will {
            properties,
            ..will(TopicName::new("w").unwrap())
        };
        refused(
            version,
            Packet::Connect(Connect {
                properties,
                ..connect(version)
            }),
            not,
            "",
        );
        refused(
            version,
            Packet::Connect(Connect {
                will: Some(with_will),
                ..connect(version)
            }),
            not,
            "",
        );
        let publish = Publish {
            head: PublishHead { properties, ..head() },
            payload: b"",
        };
        refused(version, Packet::Publish(publish), not, "");
        refused(
            version,
            Packet::PubAck(Ack {
                properties,
                ..Ack::new(ID, ReasonCode::SUCCESS)
            }),
            not,
            "",
        );
        refused(
            version,
            Packet::PubRec(Ack::new(ID, ReasonCode::QUOTA_EXCEEDED)),
            not,
            "",
        );
        refused(
            version,
            Packet::Disconnect(Disconnect::new(ReasonCode::SERVER_BUSY)),
            not,
            "",
        );
        refused(
            version,
            Packet::Auth(Auth {
                code: ReasonCode::SUCCESS,
                properties,
            }),
            not,
            "",
        );
        let codes = ReasonCodes::new(&[0]);
        refused(
            version,
            Packet::UnsubAck(UnsubAck {
                packet_id: ID,
                properties: Properties::EMPTY,
                codes,
            }),
            not,
            "",
        );
        for list in [
            options(|o| o.no_local = true),
            options(|o| o.retain_as_published = true),
            options(|o| o.retain_handling = RetainHandling::SendIfNew),
        ] {
            let filters = Subscriptions::new(&list);
            let subscribe = Subscribe {
                packet_id: ID,
                properties: Properties::EMPTY,
                filters,
            };
            refused(version, Packet::Subscribe(subscribe), not, "");
        }
    }
    let connack = ConnAck {
        session_present: true,
        code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    };
    refused(V31, Packet::ConnAck(connack), NotInVersion(V31), "");
}

#[test]
fn a_packet_that_a_receiver_must_refuse_is_not_written() {
    use DecodeErrorKind as K;
    let none = Properties::EMPTY;
    let dup = publish(PublishHead { dup: true, ..head() });
    refused(V311, dup, Refused(K::DupQoS0), "3.1.1/MQTT-3.3.1-2");
    refused(V5, dup, Refused(K::DupQoS0), "5/MQTT-3.3.1-2");
    let with_id = publish(PublishHead {
        packet_id: Some(ID),
        ..head()
    });
    refused(V5, with_id, PacketIdExtra, "5/MQTT-2.2.1-2");
    let without_id = publish(PublishHead {
        qos: QoS::ExactlyOnce,
        ..head()
    });
    refused(V311, without_id, PacketIdMissing, "3.1.1/MQTT-2.3.1-1");
    let no_topic = publish(PublishHead {
        topic: TopicName::EMPTY,
        ..head()
    });
    refused(V311, no_topic, Refused(K::TopicEmpty), "3.1.1/MQTT-4.7.3-1");
    refused(V5, no_topic, Refused(K::TopicEmpty), "5/3.3.2.1");

    for (property, kind, statement) in [
        (
            Property::TopicAlias(0),
            Refused(K::TopicAliasZero),
            "5/MQTT-3.3.2-8",
        ),
        (
            Property::ResponseTopic("+"),
            Refused(K::ResponseTopicWildcard),
            "5/MQTT-3.3.2-14",
        ),
        (Property::ContentType("a\0"), Refused(K::Nul), "5/MQTT-1.5.4-2"),
        (
            Property::UserProperty("", "\0"),
            Refused(K::StringPair),
            "5/MQTT-1.5.7-1",
        ),
        (Property::CorrelationData(&[0; 65_536]), FieldTooLong, "5/1.5.4"),
        (
            Property::PayloadFormatIndicator(2),
            Refused(K::PropertyBool(PropertyId::PayloadFormatIndicator)),
            "5/3.3.2.3.2",
        ),
        (
            Property::SubscriptionIdentifier(0),
            Refused(K::PropertyZero(PropertyId::SubscriptionIdentifier)),
            "5/3.3.2.3.8",
        ),
        (
            Property::SubscriptionIdentifier(268_435_456),
            EncodeErrorKind::ValueTooLarge(PropertyId::SubscriptionIdentifier),
            "5/1.5.5",
        ),
        (
            Property::ReceiveMaximum(1),
            Refused(K::PropertyNotAllowed(PropertyId::ReceiveMaximum)),
            "5/2.2.2.2",
        ),
    ] {
        let list = [property];
        refused(
            V5,
            publish(PublishHead {
                properties: Properties::new(&list),
                ..head()
            }),
            kind,
            statement,
        );
    }
    let twice = [
        Property::MessageExpiryInterval(0),
        Property::MessageExpiryInterval(0),
    ];
    let twice = publish(PublishHead {
        properties: Properties::new(&twice),
        ..head()
    });
    refused(
        V5,
        twice,
        Refused(K::PropertyRepeated(PropertyId::MessageExpiryInterval)),
        "5/3.3.2.3.3",
    );

    let password = Connect {
        password: Some(b"p"),
        ..connect(V311)
    };
    refused(
        V311,
        Packet::Connect(password),
        Refused(K::PasswordWithoutUserName),
        "3.1.1/MQTT-3.1.2-22",
    );
    let no_id = Connect {
        client_id: "",
        clean_start: false,
        ..connect(V311)
    };
    refused(
        V311,
        Packet::Connect(no_id),
        Refused(K::ClientIdEmptyPersistent),
        "3.1.1/MQTT-3.1.3-8",
    );
    let no_topic = Connect {
        will: Some(will(TopicName::EMPTY)),
        ..connect(V5)
    };
    refused(
        V5,
        Packet::Connect(no_topic),
        Refused(K::TopicEmpty),
        "5/MQTT-4.7.3-1",
    );
    let data = [Property::AuthenticationData(b"")];
    let data = Connect {
        properties: Properties::new(&data),
        ..connect(V5)
    };
    refused(
        V5,
        Packet::Connect(data),
        Refused(K::AuthDataWithoutMethod),
        "5/3.1.2.11.10",
    );
    let nul = Connect {
        user_name: Some("\0"),
        ..connect(V5)
    };
    refused(V5, Packet::Connect(nul), Refused(K::Nul), "5/MQTT-1.5.4-2");

    let present = ConnAck {
        session_present: true,
        code: ReasonCode::BANNED,
        properties: none,
    };
    refused(
        V5,
        Packet::ConnAck(present),
        Refused(K::SessionPresentRefused),
        "5/MQTT-3.2.2-6",
    );
    // 3.x has no return code for it.
    let banned = ConnAck {
        session_present: false,
        ..present
    };
    refused(
        V311,
        Packet::ConnAck(banned),
        Refused(K::ReasonCodeUnknown),
        "3.1.1/3.2.2.3",
    );
    refused(
        V31,
        Packet::ConnAck(banned),
        Refused(K::ReasonCodeUnknown),
        "3.1/3.2",
    );
    let odd = Packet::PubComp(Ack::new(ID, ReasonCode::QUOTA_EXCEEDED));
    refused(V5, odd, Refused(K::ReasonCodeUnknown), "5/MQTT-3.7.2-1");
    let auth = Auth {
        code: ReasonCode::SUCCESS,
        properties: none,
    };
    refused(
        V5,
        Packet::Auth(auth),
        Refused(K::AuthMethodMissing),
        "5/3.15.2.2.2",
    );

    let suback = |codes| {
        Packet::SubAck(SubAck {
            packet_id: ID,
            properties: none,
            codes: ReasonCodes::new(codes),
        })
    };
    refused(
        V311,
        suback(&[]),
        Refused(K::ReasonCodesEmpty),
        "3.1.1/MQTT-3.8.4-5",
    );
    refused(
        V311,
        suback(&[0, 0x87]),
        Refused(K::ReasonCodeUnknown),
        "3.1.1/MQTT-3.9.3-2",
    );
    refused(V31, suback(&[0x80]), Refused(K::ReasonCodeUnknown), "3.1/3.9");

    let subscribe = Subscribe {
        packet_id: ID,
        properties: none,
        filters: Subscriptions::new(&[]),
    };
    refused(
        V311,
        Packet::Subscribe(subscribe),
        Refused(K::FiltersEmpty),
        "3.1.1/MQTT-3.8.3-3",
    );
    let unsubscribe = Unsubscribe {
        packet_id: ID,
        properties: none,
        filters: Filters::new(&[]),
    };
    refused(
        V5,
        Packet::Unsubscribe(unsubscribe),
        Refused(K::FiltersEmpty),
        "5/MQTT-3.10.3-2",
    );
    let mut options = SubscriptionOptions::new(QoS::AtMostOnce);
    options.no_local = true;
    let list = [Subscription {
        filter: TopicFilter::new("$share/g/a").unwrap(),
        options,
    }];
    let subscribe = Subscribe {
        filters: Subscriptions::new(&list),
        ..subscribe
    };
    refused(
        V5,
        Packet::Subscribe(subscribe),
        Refused(K::SharedNoLocal),
        "5/MQTT-3.8.3-4",
    );
    let list = [TopicFilter::new("$share/g").unwrap()];
    let unsubscribe = Unsubscribe {
        filters: Filters::new(&list),
        ..unsubscribe
    };
    refused(
        V5,
        Packet::Unsubscribe(unsubscribe),
        Refused(K::ShareMalformed),
        "5/MQTT-4.8.2-2",
    );
    assert!(
        Packet::Unsubscribe(unsubscribe).encoded_len(V311).is_ok(),
        "an ordinary filter in 3.x"
    );
}

#[test]
fn no_packet_is_longer_than_its_length_can_say() {
    // After the topic, 268,435,452 bytes of payload are left.
    let head = head();
    assert_eq!(head.encoded_len(V311, 268_435_452), Ok(5 + 3));
    let error = head.encoded_len(V311, 268_435_453).unwrap_err();
    assert_eq!(error.kind(), EncodeErrorKind::PacketTooLarge);
    assert_eq!(
        error.to_string(),
        "PUBLISH: more than 268435455 bytes (3.1.1/2.2.3)"
    );
    let mut out = [0; 16];
    assert_eq!(
        head.encode(V311, 268_435_452, &mut out).unwrap(),
        [0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a']
    );
}

#[test]
fn a_client_id_of_3_1_has_1_to_23_characters() {
    let packet = |client_id| {
        Packet::Connect(Connect {
            client_id,
            ..connect(V31)
        })
    };
    let twenty_three = "é".repeat(23);
    assert!(packet(&twenty_three).encoded_len(V31).is_ok());
    let long = "x".repeat(24);
    refused(
        V31,
        packet(&long),
        Refused(DecodeErrorKind::ClientIdTooLong),
        "3.1/3.1",
    );
    refused(
        V31,
        packet(""),
        Refused(DecodeErrorKind::ClientIdEmpty),
        "3.1/3.1",
    );

    let mut out = [0; 64];
    let packet = Packet::Connect(Connect {
        client_id: &long,
        ..connect(V311)
    });
    let mut bytes = packet.encode(V311, &mut out).unwrap().to_vec();
    bytes.splice(1..9, [0x26, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3]);
    let error = Packet::decode(V31, Sender::Client, &bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CONNECT at 14: client identifier of more than 23 characters (3.1/3.1)"
    );
    assert_eq!(error.reason_code().return_code(), Some(2));
}

#[test]
fn password_and_will_of_3_1_are_texts() {
    let password = Connect {
        user_name: Some("u"),
        password: Some(&[0xFF]),
        ..connect(V31)
    };
    refused(
        V31,
        Packet::Connect(password),
        Refused(DecodeErrorKind::NotText),
        "3.1/3.1",
    );
    let payload = Will {
        payload: &[0xFF],
        ..will(TopicName::new("w").unwrap())
    };
    let payload = Connect {
        will: Some(payload),
        ..connect(V31)
    };
    refused(
        V31,
        Packet::Connect(payload),
        Refused(DecodeErrorKind::NotText),
        "3.1/3.1",
    );
    for version in [V311, V5] {
        assert!(
            Packet::Connect(Connect { version, ..password })
                .encoded_len(version)
                .is_ok()
        );
        assert!(
            Packet::Connect(Connect { version, ..payload })
                .encoded_len(version)
                .is_ok()
        );
    }
}

#[test]
fn a_connect_is_of_its_own_version_whatever_is_asked_for() {
    for own in Version::ALL {
        let packet = Packet::Connect(connect(own));
        for asked in Version::ALL {
            let mut out = [0; 64];
            let bytes = packet.encode(asked, &mut out).unwrap();
            assert_eq!(Packet::decode(asked, Sender::Client, bytes), Ok(packet));
        }
    }
}

#[test]
fn what_only_the_other_side_may_send_has_no_length_from_this_side() {
    let ack = Packet::PubAck(Ack::new(ID, ReasonCode::NO_MATCHING_SUBSCRIBERS));
    let leaves = Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE));
    let list = [Property::SubscriptionIdentifier(1)];
    let head = PublishHead {
        properties: Properties::new(&list),
        ..head()
    };
    let publish = Packet::Publish(Publish { head, payload: b"" });
    let cases = [
        (ack, Sender::Server, DecodeErrorKind::ReasonCodeSender),
        (leaves, Sender::Client, DecodeErrorKind::ReasonCodeSender),
        (publish, Sender::Server, DecodeErrorKind::SubscriptionIdFromClient),
        (Packet::PingReq, Sender::Client, DecodeErrorKind::WrongDirection),
        (Packet::PingResp, Sender::Server, DecodeErrorKind::WrongDirection),
    ];
    for (packet, right, kind) in cases {
        let len = packet.encoded_len(V5);
        assert!(len.is_ok(), "{packet}");
        for from in [Sender::Client, Sender::Server, Sender::Any] {
            let from_this = packet.encoded_len_from(V5, from);
            if from == right || from == Sender::Any {
                assert_eq!(from_this, len, "{packet}");
            } else {
                assert_eq!(from_this.map_err(|e| e.kind()), Err(Refused(kind)), "{packet}");
            }
        }
    }
    let from_client = head.encoded_len_from(V5, Sender::Client, 0).map_err(|e| e.kind());
    assert_eq!(
        from_client,
        Err(Refused(DecodeErrorKind::SubscriptionIdFromClient))
    );
}
