//! Answers that come early, late or wrong.

use mqtt_proto::{Packet, Properties, Property, QoS, ReasonCode, Version, packet::Ack};
use mqtt_session::{Config, NotTaken, Payload, Refused, storage::Fixed};

use crate::peer::{Peer, id, options, topic};

/// A server may refuse a message before it has seen its end, or answer late what it got on an earlier link.
#[test]
fn an_answer_waits_until_what_it_answers_is_written() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        let token = peer.publish(QoS::AtLeastOnce, "long");
        peer.sent_bytes(4);
        peer.puback(1);
        assert!(peer.events().is_empty());
        assert!(!peer.client.wants_input());
        peer.sent_bytes(usize::MAX);
        assert!(peer.client.wants_input());
        assert_eq!(peer.events(), [format!("acknowledged {token}")]);

        let token = peer.subscribe("a");
        peer.sent_bytes(4);
        let code: &[u8] = if version == Version::V5 {
            &[0x90, 4, 0, 2, 0, 0]
        } else {
            &[0x90, 3, 0, 2, 0]
        };
        peer.send_bytes(code);
        assert!(peer.events().is_empty());
        peer.sent_bytes(usize::MAX);
        assert_eq!(peer.events(), [format!("subscribed {token}")]);
        assert!(peer.client.is_idle());
    }
}

/// Asking what to write is not writing it.
#[test]
fn a_late_answer_ends_a_message_that_was_chosen_to_be_sent_again() {
    let mut peer = Peer::connected(Version::V5);
    let one = peer.publish(QoS::AtLeastOnce, "one");
    let two = peer.publish(QoS::ExactlyOnce, "two");
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert!(peer.client.poll_transmit().is_some());
    peer.puback(1);
    assert_eq!(peer.events(), [format!("acknowledged {one}")]);
    assert!(peer.client.poll_transmit().is_some());
    peer.pubrec(2);
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent(), ["PUBREL #2"]);
    peer.pubcomp(2);
    assert_eq!(peer.events(), [format!("acknowledged {two}")]);
}

/// An answer to a message that was never sent is an answer to nothing.
#[test]
fn an_answer_to_a_message_that_was_only_chosen_is_passed_over() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::AtLeastOnce, "x");
    assert!(peer.client.poll_transmit().is_some());
    peer.puback(1);
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent(), ["PUBLISH #2 x"]);
}

/// A message that closes the connection was not told, and must not count as told when it comes again as it should be.
#[test]
fn a_message_that_breaks_a_rule_is_not_remembered() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x34, 10, 0, 1, b't', 0, 7, 3, 0x23, 0, 1, b'x']);
    assert_eq!(peer.events(), ["closed Client 0x94 5/MQTT-3.3.2-11"]);
    peer.cut();
    peer.connect(false, true);
    peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"x");
    assert_eq!(peer.events(), ["message x"]);
}

/// 5/MQTT-3.1.2-29
#[test]
fn problem_information_that_was_not_asked_for_closes() {
    let ack = |properties| Ack {
        packet_id: id(1),
        code: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    };
    let reason = ack(&[Property::ReasonString("why")]);
    for packet in [
        Packet::PubAck(reason),
        Packet::PubRec(reason),
        Packet::PubRel(reason),
        Packet::PubComp(reason),
    ] {
        for asked in [0, 1] {
            let mut peer = Peer::new(Version::V5);
            let mut connect = options(Version::V5, true);
            let list = [Property::RequestProblemInformation(asked)];
            connect.properties = Properties::new(&list);
            peer.client.connect(peer.now, &connect).unwrap();
            peer.sent();
            peer.send_bytes(&[0x20, 3, 0, 0, 0]);
            peer.events();
            peer.send(&packet);
            let events = peer.events();
            if asked == 0 {
                assert_eq!(events, ["closed Client 0x82 5/MQTT-3.1.2-29"], "{packet}");
            } else {
                assert!(events.is_empty(), "{packet}");
            }
        }
    }
}

/// 5/MQTT-3.8.4-6, 3.1.1/MQTT-3.8.4-5, 5/3.11.3
#[test]
fn another_number_of_codes_than_filters_closes() {
    let cases: [(Version, bool, &[u8], &str); 5] = [
        (Version::V311, true, &[0x90, 4, 0, 1, 0, 0], " 3.1.1/MQTT-3.8.4-5"),
        (Version::V31, true, &[0x90, 4, 0, 1, 0, 0], ""),
        (Version::V5, true, &[0x90, 5, 0, 1, 0, 0, 0], " 5/MQTT-3.8.4-6"),
        (Version::V5, false, &[0xB0, 5, 0, 1, 0, 0, 0], " 5/3.11.3"),
        (Version::V311, false, &[0xB0, 2, 0, 1], "unsubscribed"),
    ];
    for (version, subscribe, bytes, seen) in cases {
        let mut peer = Peer::connected(version);
        if subscribe {
            peer.subscribe("a");
        } else {
            let filter = mqtt_proto::TopicFilter::new("a").unwrap();
            peer.client
                .unsubscribe(peer.now, &[filter], Properties::EMPTY)
                .unwrap();
        }
        peer.sent();
        peer.send_bytes(bytes);
        let events = peer.events().join(",");
        assert!(events.contains(seen), "{events}");
        assert_eq!(events.contains("closed"), seen != "unsubscribed", "{events}");
    }
}

/// 268,435,455 bytes after the fixed header is what the protocol can say.
#[test]
fn a_payload_that_no_packet_can_hold_is_too_large() {
    let mut peer = Peer::with(Version::V311, Config::DEFAULT, Fixed::<2, 256>::new());
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    // Topic 3, packet id 2, and a byte for the properties that a 5.0 connection would need.
    let most = 268_435_455 - 6;
    for len in [most + 1, 268_435_455, 268_435_456, u32::MAX - 1, u32::MAX] {
        let refused = peer.client.publish(peer.now, &message, Payload::External(len));
        assert_eq!(
            refused,
            Err(NotTaken::new(Payload::External(len), Refused::TooLarge))
        );
    }
    peer.client
        .publish(peer.now, &message, Payload::External(most))
        .unwrap();
    peer.connect(true, false);
    let transmit = peer.client.poll_transmit().unwrap();
    assert_eq!(transmit.len(), 5 + 5 + most as usize);
    assert_eq!(transmit.head[..5], [0x32, 0xFE, 0xFF, 0xFF, 0x7F]);
    peer.client.handle_written(peer.now, 100);
    assert_eq!(
        peer.client.poll_transmit().unwrap().len(),
        5 + 5 + most as usize - 100
    );
    peer.client.handle_written(peer.now, usize::MAX);
    assert!(peer.client.poll_transmit().is_none());
}

/// 5/MQTT-3.4.2-2, 5/MQTT-3.5.2-2: properties go out if they fit, and leave no trace in a storage that is small.
#[test]
fn answers_with_properties_give_their_slot_back() {
    let mut config = Config::DEFAULT;
    config.acknowledge = mqtt_session::client::Acknowledge::Manual;
    let mut peer = Peer::with(Version::V5, config, Fixed::<1, 256>::new());
    peer.connect(false, false);
    let list = [Property::ReasonString("done")];
    let answer = mqtt_session::client::Ack {
        properties: Properties::new(&list),
        ..mqtt_session::client::Ack::SUCCESS
    };
    for n in 1..9 {
        let qos = if n % 2 == 0 {
            QoS::ExactlyOnce
        } else {
            QoS::AtLeastOnce
        };
        peer.send_publish(qos, Some(n), false, b"x");
        let ack = peer.next(|event| match event {
            Some(mqtt_session::Event::Message(m)) => m.ack,
            _ => None,
        });
        peer.client.acknowledge(peer.now, ack.unwrap(), &answer).unwrap();
        let written = peer.client.poll_transmit().unwrap().len();
        assert_eq!(written, 2 + 2 + 1 + 1 + 3 + 4, "with its Reason String");
        match n {
            // A link that is lost with an answer frees it too.
            7 => {
                peer.cut();
                peer.events();
                peer.connect(false, true);
            }
            _ => assert_eq!(peer.sent().len(), 1),
        }
        if qos == QoS::ExactlyOnce {
            peer.send(&Packet::PubRel(Ack::new(id(n), ReasonCode::SUCCESS)));
            assert!(peer.events().is_empty());
            assert_eq!(peer.sent(), [format!("PUBCOMP #{n}")]);
        }
    }
}

/// 5/MQTT-4.3.3-11: each PUBREL is answered. When no more answers can be remembered, input waits.
#[test]
fn answers_to_unknown_ids_are_bounded_and_none_is_lost() {
    let mut peer = Peer::connected(Version::V311);
    for n in 1..=6 {
        peer.send(&Packet::PubRel(Ack::new(id(n), ReasonCode::SUCCESS)));
    }
    assert!(peer.events().is_empty());
    assert!(!peer.client.wants_input());
    assert_eq!(peer.rx.filled().len(), 2 * 4, "two wait in the buffer");
    let mut sent = peer.sent();
    assert!(peer.client.wants_input());
    assert!(peer.events().is_empty());
    sent.extend(peer.sent());
    assert_eq!(sent, (1..=6).map(|n| format!("PUBCOMP #{n}")).collect::<Vec<_>>());
}
