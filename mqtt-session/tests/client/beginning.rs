//! The beginning of a connection: CONNECT, CONNACK, and whose session it is.

use mqtt_proto::{
    Properties, Property, QoS, ReasonCode, Version,
    packet::{Ack, Connect},
};
use mqtt_session::{
    Client, Config, Instant, Refused, Unsupported,
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, HeapLimits, Slot},
};

use crate::peer::{Peer, id, options};

fn connack(version: Version, session_present: bool) -> &'static [u8] {
    match (version, session_present) {
        (Version::V5, false) => &[0x20, 3, 0, 0, 0],
        (Version::V5, true) => &[0x20, 3, 1, 0, 0],
        (_, false) => &[0x20, 2, 0, 0],
        (_, true) => &[0x20, 2, 1, 0],
    }
}

/// 5/MQTT-3.1.0-1, 3.1.1/MQTT-3.1.0-1: whatever the server says early, CONNECT is whole before anything follows.
#[test]
fn connack_before_connect_is_written_waits_for_it() {
    for version in Version::ALL {
        for begun in [0, 5] {
            let mut peer = Peer::new(version);
            peer.publish(QoS::AtLeastOnce, "x");
            peer.client.connect(peer.now, &options(version, true)).unwrap();
            assert!(peer.client.poll_transmit().is_some());
            let mut first = peer.client.clone();
            peer.send_bytes(connack(version, false));
            assert!(peer.events().is_empty());
            assert!(!peer.client.wants_input());
            // The peer of the tests looks at whole packets: what is begun is begun on a copy.
            let n = begun.min(first.poll_transmit().unwrap().len());
            first.handle_written(peer.now, n);
            assert!(
                first
                    .handle_input(peer.now, connack(version, false))
                    .event
                    .is_none()
            );
            assert_eq!(peer.sent(), ["CONNECT"]);
            assert!(peer.client.wants_input());
            assert_eq!(peer.events(), ["connected false"]);
            assert_eq!(peer.sent(), ["PUBLISH #1 x"]);
        }
    }
}

#[test]
fn a_refusal_before_connect_is_written_is_taken_and_ends_the_writing() {
    let mut peer = Peer::new(Version::V311);
    peer.client
        .connect(peer.now, &options(Version::V311, true))
        .unwrap();
    peer.sent_bytes(4);
    peer.send_bytes(&[0x20, 2, 0, 3]);
    assert_eq!(peer.events(), ["closed Server 0x88"]);
    assert!(peer.client.poll_transmit().is_none());
}

/// Receive Maximum cannot be 0 (5/3.1.2.11.3), so that a client that can take no message at all cannot say so.
#[test]
fn a_storage_without_rows_for_messages_connects_to_nobody() {
    let now = Instant::ZERO;
    let connect = options(Version::V311, true);
    let limits = HeapLimits {
        slots: 0,
        arrivals: 0,
        bytes: 0,
    };
    let mut client = Client::new(Config::DEFAULT, Heap::with_limits(limits));
    assert_eq!(client.connect(now, &connect), Err(Refused::Slots));
    let mut client = Client::new(Config::DEFAULT, Borrowed::new(&mut [], &mut [], &mut []));
    assert_eq!(client.connect(now, &connect), Err(Refused::Slots));
    let (mut rows, mut bytes) = ([ArrivalSlot::EMPTY], [0; 64]);
    let mut client = Client::new(Config::DEFAULT, Borrowed::new(&mut [], &mut rows, &mut bytes));
    assert_eq!(client.connect(now, &connect), Ok(()));
    let (mut slots, mut rows) = ([Slot::EMPTY], [ArrivalSlot::EMPTY]);
    let mut client = Client::new(Config::DEFAULT, Borrowed::new(&mut slots, &mut rows, &mut []));
    assert_eq!(client.connect(now, &connect), Err(Refused::TooLarge));
    let mut client = Client::new(Config::DEFAULT, Fixed::<1, 8>::new());
    assert_eq!(client.connect(now, &connect), Err(Refused::TooLarge));
}

/// 5/MQTT-3.2.2-2, 3.1.1/MQTT-3.2.2-1
#[test]
fn session_present_after_a_clean_start_closes() {
    for (version, statement) in [
        (Version::V311, "3.1.1/MQTT-3.2.2-1"),
        (Version::V5, "5/MQTT-3.2.2-2"),
    ] {
        let mut peer = Peer::connected(version);
        peer.cut();
        peer.events();
        peer.client.connect(peer.now, &options(version, true)).unwrap();
        peer.sent();
        peer.send_bytes(connack(version, true));
        assert_eq!(peer.events(), [format!("closed Client 0x82 {statement}")]);
    }
}

/// The server has the session that CONNECT asked for, though its answer was lost: it is no stranger's (5/MQTT-3.2.2-4).
#[test]
fn a_session_whose_connack_was_lost_is_known() {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(false, true);
}

/// 5/MQTT-3.1.2-4, 3.1.1/MQTT-3.1.2-6: a clean start ends the session at both ends, whether its CONNACK arrives or not.
#[test]
fn a_clean_start_whose_connack_was_lost_ended_the_old_session() {
    for version in [Version::V311, Version::V5] {
        for reached in [true, false] {
            let mut peer = Peer::connected(version);
            let old = peer.publish(QoS::ExactlyOnce, "old");
            peer.sent();
            peer.cut();
            peer.events();
            let mut clean = options(version, false);
            clean.clean_start = true;
            peer.client.connect(peer.now, &clean).unwrap();
            assert!(peer.client.poll_transmit().is_some());
            if reached {
                peer.sent();
            }
            peer.cut();
            peer.events();
            // The server has a session: the old one, or the one of the clean start.
            peer.connect(false, true);
            if reached {
                assert_eq!(peer.events(), [format!("aborted {old} SessionLost")]);
                assert!(peer.sent().is_empty());
            } else {
                assert!(peer.events().is_empty());
                assert_eq!(peer.sent(), ["PUBLISH #1 dup old"]);
            }
        }
    }
}

/// 3.1.1 lets a client go on with a session it does not know; what it kept from another one has no part in it.
#[test]
fn a_session_that_is_unknown_but_tolerated_begins_with_nothing() {
    let mut peer = Peer::new(Version::V311);
    peer.connect(true, false);
    let old = peer.publish(QoS::AtLeastOnce, "old");
    peer.sent();
    peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"first");
    assert_eq!(peer.events(), ["message first"]);
    assert_eq!(peer.sent(), ["PUBREC #7"]);
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(peer.events(), [format!("aborted {old} SessionLost")]);
    assert!(peer.sent().is_empty());
    peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"another");
    assert_eq!(peer.events(), ["message another"]);
}

/// 5/3.1.2.11.2: the old session ended with its link, so that the one of which the server tells is that of the attempt whose
/// CONNACK was lost; the standard lets a client that is not sure send again, ours is sure.
#[test]
fn what_was_sent_in_a_session_that_has_ended_is_aborted_in_one_whose_connack_was_lost() {
    let mut peer = Peer::new(Version::V5);
    let for_the_link_alone = Connect {
        properties: Properties::EMPTY,
        ..options(Version::V5, false)
    };
    peer.client.connect(peer.now, &for_the_link_alone).unwrap();
    peer.sent();
    peer.send_bytes(connack(Version::V5, false));
    assert_eq!(peer.events(), ["connected false"]);
    let old = peer.publish(QoS::AtLeastOnce, "old");
    peer.sent();
    peer.cut();
    peer.events();
    peer.client
        .connect(peer.now, &options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(peer.events(), [format!("aborted {old} SessionLost")]);
    assert!(peer.sent().is_empty());
}

/// 5/MQTT-3.2.2-5: also when the client had asked for the session to end.
#[test]
fn a_session_of_a_connection_only_is_over_with_it() {
    let mut peer = Peer::new(Version::V5);
    peer.connect(true, false);
    let old = peer.publish(QoS::AtLeastOnce, "old");
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(false, false);
    assert_eq!(peer.events(), [format!("aborted {old} SessionLost")]);
    peer.send(&mqtt_proto::Packet::PubAck(Ack::new(id(1), ReasonCode::SUCCESS)));
    assert!(peer.events().is_empty());
}

/// What is promised to the server must be there: 5/MQTT-3.1.2-24, 5/MQTT-3.3.4-9.
#[test]
fn decoded_options_must_not_promise_more_than_there_is() {
    let unsupported = Err(Refused::Unsupported(Unsupported::Properties));
    for (maximum, size, taken) in [(2, 100, Ok(())), (3, 100, unsupported), (2, 65_537, unsupported)] {
        let list = [
            Property::ReceiveMaximum(maximum),
            Property::MaximumPacketSize(size),
        ];
        let mut connect = options(Version::V5, true);
        connect.properties = Properties::new(&list);
        let packet = mqtt_proto::Packet::Connect(connect);
        let mut bytes = [0; 64];
        let wire = packet.encode(Version::V5, &mut bytes).unwrap();
        let decoded = mqtt_proto::Packet::decode(Version::V5, mqtt_proto::Sender::Client, wire).unwrap();
        let mqtt_proto::Packet::Connect(connect) = decoded else {
            panic!("{decoded}")
        };
        let mut client = Client::new(Config::DEFAULT, Fixed::<2, 256>::new());
        assert_eq!(client.connect(Instant::ZERO, &connect), taken);
    }
}

#[test]
fn a_connect_that_never_left_gives_its_bytes_back() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<1, 128>::new());
    for begun in 0..20 {
        peer.client
            .connect(peer.now, &options(Version::V5, true))
            .unwrap();
        peer.sent_bytes(begun);
        peer.cut();
        assert_eq!(peer.events(), ["closed Transport"]);
    }
    peer.connect(true, false);
}
