//! QoS 0, 1 and 2, both ways.

use mqtt_proto::{QoS, ReasonCode, Version};
use mqtt_session::{
    Config, Event,
    client::{Ack, Acknowledge, Outcome},
    storage::{Fixed, Heap},
};

use crate::peer::Peer;

#[test]
fn a_message_of_each_qos_ends_once() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        let zero = peer.publish(QoS::AtMostOnce, "zero");
        let one = peer.publish(QoS::AtLeastOnce, "one");
        let two = peer.publish(QoS::ExactlyOnce, "two");
        assert_eq!(peer.sent(), ["PUBLISH zero", "PUBLISH #1 one", "PUBLISH #2 two"]);
        assert_eq!(peer.events(), [format!("written {zero}")]);
        peer.pubrec(2);
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PUBREL #2"]);
        peer.puback(1);
        peer.pubcomp(2);
        assert_eq!(
            peer.events(),
            [format!("acknowledged {one}"), format!("acknowledged {two}")]
        );
        assert!(peer.client.is_idle());
    }
}

#[test]
fn the_same_on_memory_of_a_fixed_size_in_pieces_of_any_size() {
    for piece in 1..12 {
        let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<4, 256>::new());
        peer.connect(true, false);
        for (qos, payload) in [
            (QoS::AtMostOnce, "a"),
            (QoS::AtLeastOnce, "b"),
            (QoS::ExactlyOnce, "c"),
        ] {
            peer.publish(qos, payload);
        }
        assert_eq!(peer.sent_by(piece), ["PUBLISH a", "PUBLISH #1 b", "PUBLISH #2 c"]);
        peer.puback(1);
        peer.pubrec(2);
        assert_eq!(peer.events(), ["written 1", "acknowledged 2"]);
        assert_eq!(peer.sent_by(piece), ["PUBREL #2"]);
        peer.pubcomp(2);
        assert_eq!(peer.events(), ["acknowledged 3"]);
        assert!(peer.client.is_idle());
    }
}

/// 5/MQTT-4.3.3-10, 3.1.1/MQTT-4.3.3-2
#[test]
fn a_qos_2_message_that_comes_again_is_told_once_and_answered_again() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"m");
        assert_eq!(peer.events(), ["message m"]);
        assert_eq!(peer.sent(), ["PUBREC #7"]);
        peer.cut();
        assert_eq!(peer.events(), ["closed Transport"]);
        peer.connect(false, true);
        peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"m");
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PUBREC #7"]);
        peer.send(&mqtt_proto::Packet::PubRel(mqtt_proto::packet::Ack::new(
            crate::peer::id(7),
            ReasonCode::SUCCESS,
        )));
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PUBCOMP #7"]);
        peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"new");
        assert_eq!(
            peer.events(),
            ["message new"],
            "after PUBCOMP the id is a new message (5/MQTT-4.3.3-12)"
        );
    }
}

/// 5/MQTT-4.6.0-2, 5/MQTT-4.6.0-3
#[test]
fn answers_leave_in_the_order_of_the_messages_whatever_the_order_of_the_tokens() {
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    peer.connect(true, false);
    let mut tokens = Vec::new();
    for (qos, n) in [
        (QoS::AtLeastOnce, 1),
        (QoS::ExactlyOnce, 2),
        (QoS::AtLeastOnce, 3),
        (QoS::ExactlyOnce, 4),
    ] {
        peer.send_publish(qos, Some(n), false, b"");
        tokens.push(peer.next(|event| match event {
            Some(Event::Message(message)) => message.ack.unwrap(),
            other => panic!("{other:?}"),
        }));
    }
    assert!(peer.sent().is_empty(), "nothing is acknowledged by itself");
    let mut tokens = tokens.into_iter();
    let (one, two) = (tokens.next().unwrap(), tokens.next().unwrap());
    for token in tokens {
        peer.client.acknowledge(peer.now, token, &Ack::SUCCESS).unwrap();
        assert!(peer.sent().is_empty(), "its elder is not answered yet");
    }
    peer.client.acknowledge(peer.now, two, &Ack::SUCCESS).unwrap();
    assert_eq!(
        peer.sent(),
        ["PUBREC #2", "PUBREC #4"],
        "PUBACK and PUBREC are two orders"
    );
    peer.client
        .acknowledge(peer.now, one, &Ack::new(ReasonCode::QUOTA_EXCEEDED))
        .unwrap();
    assert_eq!(peer.sent(), ["PUBACK #1 0x97", "PUBACK #3"]);
}

#[test]
fn a_stale_token_changes_nothing() {
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V311, config, Heap::new());
    peer.connect(false, false);
    let take = |peer: &mut Peer| {
        peer.next(|event| match event {
            Some(Event::Message(message)) => message.ack.unwrap(),
            other => panic!("{other:?}"),
        })
    };
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"");
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, b"");
    let (one, two) = (take(&mut peer), take(&mut peer));
    peer.cut();
    assert_eq!(peer.events(), ["closed Transport"]);
    peer.connect(false, true);
    peer.client.acknowledge(peer.now, one, &Ack::SUCCESS).unwrap();
    assert!(peer.sent().is_empty(), "the link of the QoS 1 message is gone");
    peer.client.acknowledge(peer.now, two, &Ack::SUCCESS).unwrap();
    assert_eq!(
        peer.sent(),
        ["PUBREC #2"],
        "a QoS 2 message is part of the session"
    );
}

#[test]
fn an_answer_of_the_wrong_kind_closes() {
    for (version, statement) in [
        (Version::V311, "3.1.1/MQTT-3.3.4-1"),
        (Version::V5, "5/MQTT-3.3.4-1"),
    ] {
        let mut peer = Peer::connected(version);
        peer.publish(QoS::AtLeastOnce, "x");
        peer.sent();
        peer.pubrec(1);
        assert_eq!(peer.events(), [format!("closed Client 0x82 {statement}")]);
        let last: &[&str] = if version == Version::V5 {
            &["DISCONNECT 0x82"]
        } else {
            &[]
        };
        assert_eq!(
            peer.sent(),
            last,
            "3.x has no such word, and its DISCONNECT would drop the will"
        );
    }
}

#[test]
fn a_pubrec_for_an_unknown_id_is_released() {
    for (version, code) in [(Version::V311, ""), (Version::V5, " 0x92")] {
        let mut peer = Peer::connected(version);
        peer.pubrec(9);
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), [format!("PUBREL #9{code}")]);
    }
}

/// 5/MQTT-4.9.0-2, 5/MQTT-4.9.0-3
#[test]
fn no_more_messages_are_under_way_than_receive_maximum_and_other_packets_pass() {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, true))
        .unwrap();
    peer.sent();
    peer.send(&mqtt_proto::Packet::ConnAck(mqtt_proto::packet::ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: mqtt_proto::Properties::new(&[mqtt_proto::Property::ReceiveMaximum(2)]),
    }));
    peer.events();
    for payload in ["a", "b", "c"] {
        peer.publish(QoS::ExactlyOnce, payload);
    }
    peer.publish(QoS::AtMostOnce, "z");
    peer.subscribe("f");
    assert_eq!(
        peer.sent(),
        ["SUBSCRIBE #1", "PUBLISH #2 a", "PUBLISH #3 b", "PUBLISH z"]
    );
    peer.pubrec(2);
    peer.events();
    assert_eq!(peer.sent(), ["PUBREL #2"], "PUBREC gives no room");
    peer.pubcomp(2);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #4 c"]);
}

/// The PUBCOMP was lost with its link: the server has forgotten the message, because it had taken it.
#[test]
fn a_pubcomp_that_knows_nothing_of_the_message_ends_it_well() {
    let mut peer = Peer::connected(Version::V5);
    let token = peer.publish(QoS::ExactlyOnce, "x");
    peer.sent();
    peer.pubrec(1);
    peer.events();
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(peer.sent(), ["PUBREL #1"]);
    peer.send(&mqtt_proto::Packet::PubComp(mqtt_proto::packet::Ack::new(
        crate::peer::id(1),
        ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
    )));
    let seen = peer.next(|event| match event {
        Some(Event::Completed {
            token,
            outcome: Outcome::Acknowledged { code, .. },
        }) => (token.get(), code),
        other => panic!("{other:?}"),
    });
    assert_eq!(seen, (token, ReasonCode::SUCCESS));
}

/// 5/MQTT-4.6.0-4, 5/MQTT-4.3.3-4
#[test]
fn pubrels_that_wait_leave_in_the_order_of_the_pubrecs() {
    let mut peer = Peer::connected(Version::V311);
    for _ in 0..3 {
        peer.publish(QoS::ExactlyOnce, "x");
    }
    peer.sent();
    for n in [2, 1, 3] {
        peer.pubrec(n);
    }
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent(), ["PUBREL #2", "PUBREL #1", "PUBREL #3"]);
}

/// A PUBREC that comes again is answered again, after those that are owed already.
#[test]
fn a_pubrec_that_comes_again_before_its_pubrel_has_left_is_answered_once() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        let tokens: Vec<u32> = (0..3).map(|_| peer.publish(QoS::ExactlyOnce, "x")).collect();
        assert_eq!(peer.sent().len(), 3);
        for n in [2, 1] {
            peer.pubrec(n);
        }
        assert!(peer.events().is_empty());
        // The first one is chosen when the others come, and one comes again.
        assert!(peer.client.poll_transmit().is_some());
        for n in [3, 2] {
            peer.pubrec(n);
        }
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PUBREL #1", "PUBREL #3", "PUBREL #2"]);
        for (n, token) in [(3, tokens[2]), (2, tokens[1]), (1, tokens[0])] {
            peer.pubcomp(n);
            assert_eq!(peer.events(), [format!("acknowledged {token}")]);
        }
        assert!(peer.client.is_idle());
    }
}

/// In 3.x a message for which there is no row waits in the buffer, until any answer makes one.
#[test]
fn a_message_that_waits_is_taken_when_a_pubcomp_has_made_room() {
    let mut peer = Peer::with(Version::V311, Config::DEFAULT, Fixed::<1, 256>::new());
    peer.connect(true, false);
    peer.send_publish(QoS::ExactlyOnce, Some(1), false, b"one");
    assert_eq!(peer.events(), ["message one"]);
    assert_eq!(peer.sent(), ["PUBREC #1"]);
    peer.send_bytes(&[0x62, 2, 0, 1]);
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, b"two");
    assert!(peer.events().is_empty());
    assert!(!peer.client.wants_input());
    assert_eq!(peer.sent(), ["PUBCOMP #1"]);
    assert!(peer.client.wants_input());
    assert_eq!(peer.events(), ["message two"]);
}
