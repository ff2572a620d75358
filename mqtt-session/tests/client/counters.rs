//! What a client counts is what crossed the wire and what was told.

use core::time::Duration;

use mqtt_proto::{
    Packet, PacketType, Properties, QoS, ReasonCode, TopicFilter, Version,
    packet::{Ack, ReasonCodes, SubAck, UnsubAck},
};
use mqtt_session::{
    AckToken, Config, Event,
    client::{AbortReason, Ack as Answer, Acknowledge, Counters, Oversize},
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, Slot, Storage},
};

use crate::peer::{Peer, id};

fn counters<S: Storage>(peer: &Peer<S>) -> Counters {
    *peer.client.counters().expect("this memory counts")
}

fn ms(n: u64) -> Option<Duration> {
    Some(Duration::from_millis(n))
}

/// Everything that a client of 5.0 sends and receives, but AUTH; in pieces of any size.
fn everything<S: Storage>(mut peer: Peer<S>, piece: usize) -> Peer<S> {
    peer.connect(true, false);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        peer.publish(qos, "message");
        peer.sent_by(piece);
    }
    peer.puback(1);
    peer.pubrec(2);
    peer.events();
    peer.sent_by(piece);
    peer.pubcomp(2);
    peer.subscribe("a");
    peer.sent_by(piece);
    peer.send(&Packet::SubAck(SubAck {
        packet_id: id(3),
        properties: Properties::EMPTY,
        codes: ReasonCodes::new(&[2]),
    }));
    peer.client
        .unsubscribe(peer.now, &[TopicFilter::new("a").unwrap()], Properties::EMPTY)
        .unwrap();
    peer.sent_by(piece);
    peer.send(&Packet::UnsubAck(UnsubAck {
        packet_id: id(4),
        properties: Properties::EMPTY,
        codes: ReasonCodes::new(&[0]),
    }));
    peer.client.ping(peer.now).unwrap();
    peer.sent_by(piece);
    peer.send(&Packet::PingResp);
    peer.events();
    peer.send_publish(QoS::AtMostOnce, None, false, b"message");
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"message");
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, b"message");
    peer.events();
    peer.sent_by(piece);
    peer.send(&Packet::PubRel(Ack::new(id(2), ReasonCode::SUCCESS)));
    peer.events();
    peer.sent_by(piece);
    peer.send_bytes(&[0xE0, 0]);
    assert_eq!(peer.events(), ["closed Server 0x00"]);
    // What comes after the end is not taken.
    peer.send_publish(QoS::AtMostOnce, None, false, b"late");
    assert!(peer.events().is_empty());
    peer
}

#[test]
fn each_packet_is_counted_once_in_whatever_pieces_it_leaves() {
    for piece in [1, 3, 1000] {
        let counters = counters(&everything(Peer::new(Version::V5), piece));
        let one = [
            PacketType::Connect,
            PacketType::PubAck,
            PacketType::PubRec,
            PacketType::PubRel,
            PacketType::PubComp,
            PacketType::Subscribe,
            PacketType::Unsubscribe,
            PacketType::PingReq,
        ];
        for packet in PacketType::ALL {
            let expected = if packet == PacketType::Publish {
                3
            } else {
                u64::from(one.contains(&packet))
            };
            assert_eq!(counters.packets_out(packet), expected, "{packet} out");
        }
        let one = [
            PacketType::ConnAck,
            PacketType::PubAck,
            PacketType::PubRec,
            PacketType::PubRel,
            PacketType::PubComp,
            PacketType::SubAck,
            PacketType::UnsubAck,
            PacketType::PingResp,
            PacketType::Disconnect,
        ];
        for packet in PacketType::ALL {
            let expected = if packet == PacketType::Publish {
                3
            } else {
                u64::from(one.contains(&packet))
            };
            assert_eq!(counters.packets_in(packet), expected, "{packet} in");
        }
        // CONNECT 24; PUBLISH 13, 15, 15; PUBREL 4; SUBSCRIBE 9; UNSUBSCRIBE 8; PINGREQ 2; PUBACK, PUBREC, PUBCOMP 4.
        assert_eq!(counters.bytes_out, 24 + 13 + 15 + 15 + 4 + 9 + 8 + 2 + 12);
        // CONNACK 5; PUBACK, PUBREC, PUBCOMP 4; SUBACK, UNSUBACK 6; PINGRESP 2; PUBLISH 13, 15, 15; PUBREL 4; DISCONNECT 2.
        assert_eq!(counters.bytes_in, 5 + 12 + 12 + 2 + 13 + 15 + 15 + 4 + 2);
        assert_eq!((counters.connections, counters.retransmissions), (1, 0));
    }
}

#[test]
fn each_memory_counts_the_same_or_not_at_all() {
    let on_heap = counters(&everything(Peer::new(Version::V5), 7));
    let config = Config::DEFAULT;
    let fixed = Peer::with(Version::V5, config, Fixed::<4, 256, _>::counting());
    assert_eq!(counters(&everything(fixed, 7)).to_string(), on_heap.to_string());
    let (mut slots, mut arrivals, mut bytes) = ([Slot::EMPTY; 4], [ArrivalSlot::EMPTY; 4], [0; 256]);
    let lent = Borrowed::counting(&mut slots, &mut arrivals, &mut bytes);
    let lent = everything(Peer::with(Version::V5, config, lent), 7);
    assert_eq!(counters(&lent).bytes_out, on_heap.bytes_out);
    let plain = everything(Peer::with(Version::V5, config, Fixed::<4, 256>::new()), 7);
    assert!(plain.client.counters().is_none());
}

#[test]
fn what_is_counted_is_said_on_one_line_without_what_is_0() {
    let mut peer = Peer::connected(Version::V311);
    assert_eq!(
        counters(&peer).to_string(),
        "in 4 bytes, CONNACK 1; out 15 bytes, CONNECT 1; connections 1"
    );
    peer.publish(QoS::AtLeastOnce, "x");
    peer.sent();
    peer.wait(Duration::from_micros(1_500));
    peer.puback(1);
    peer.events();
    peer.subscribe("a");
    peer.cut();
    peer.events();
    assert_eq!(
        counters(&peer).to_string(),
        "in 8 bytes, CONNACK 1, PUBACK 1; out 23 bytes, CONNECT 1, PUBLISH 1; connections 1, aborted ConnectionLost 1; \
         acks last 1.5ms, smoothed 1.5ms, from 1.5ms to 1.5ms, of 1"
    );
}

#[test]
fn one_message_at_a_time_is_timed_from_its_last_byte_to_its_first_answer() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::ExactlyOnce, "first");
    peer.sent_bytes(3);
    peer.wait(Duration::from_millis(100));
    peer.sent();
    peer.wait(Duration::from_millis(10));
    // While the first is timed, the others are not.
    peer.publish(QoS::AtLeastOnce, "second");
    peer.sent();
    peer.wait(Duration::from_millis(10));
    peer.puback(2);
    peer.events();
    assert_eq!(counters(&peer).acks.count, 0);
    peer.pubrec(1);
    peer.events();
    assert_eq!(counters(&peer).acks.last(), ms(20));
    peer.sent();
    peer.wait(Duration::from_millis(500));
    peer.pubcomp(1);
    peer.events();
    assert_eq!(counters(&peer).acks.count, 1, "PUBCOMP answers PUBREL");
    peer.publish(QoS::AtLeastOnce, "third");
    peer.sent();
    peer.wait(Duration::from_millis(4));
    peer.puback(3);
    peer.events();
    let acks = counters(&peer).acks;
    assert_eq!((acks.last(), acks.min(), acks.max()), (ms(4), ms(4), ms(20)));
    assert_eq!(acks.smoothed(), ms(18));
}

/// Karn's rule: the answer to a message that was sent twice could be to either.
#[test]
fn a_message_that_was_sent_again_is_not_timed() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut peer = Peer::connected(Version::V5);
        peer.publish(qos, "first");
        peer.sent();
        peer.cut();
        peer.events();
        peer.wait(Duration::from_secs(60));
        peer.connect(false, true);
        assert_eq!(peer.sent(), ["PUBLISH #1 dup first"]);
        peer.wait(Duration::from_secs(1));
        if qos == QoS::AtLeastOnce {
            peer.puback(1);
        } else {
            peer.pubrec(1);
        }
        peer.events();
        assert_eq!(counters(&peer).acks.count, 0);
        assert_eq!(counters(&peer).retransmissions, 1);
        // And it does not keep the next one from being timed.
        peer.publish(QoS::AtLeastOnce, "second");
        peer.sent();
        peer.wait(Duration::from_millis(3));
        peer.puback(2);
        peer.events();
        assert_eq!(counters(&peer).acks.last(), ms(3));
    }
}

#[test]
fn a_pubrel_that_is_sent_again_is_counted() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::ExactlyOnce, "x");
    peer.sent();
    peer.pubrec(1);
    peer.events();
    assert_eq!(peer.sent(), ["PUBREL #1"]);
    assert_eq!(counters(&peer).retransmissions, 0);
    peer.pubrec(1);
    peer.events();
    assert_eq!(peer.sent(), ["PUBREL #1"]);
    assert_eq!(counters(&peer).retransmissions, 1);
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(peer.sent(), ["PUBREL #1"]);
    assert_eq!(counters(&peer).retransmissions, 2);
    assert_eq!(counters(&peer).packets_out(PacketType::PubRel), 3);
}

#[test]
fn pings_are_timed_whoever_asked_for_them_also_while_nobody_reads() {
    let mut peer = Peer::connected(Version::V5);
    peer.client.ping(peer.now).unwrap();
    peer.sent();
    peer.wait(Duration::from_millis(7));
    peer.client.handle_paused(peer.now, true);
    peer.wait(Duration::from_millis(30));
    peer.client.handle_paused(peer.now, false);
    peer.wait(Duration::from_millis(3));
    peer.send(&Packet::PingResp);
    let told = peer.next(|event| match event {
        Some(Event::Completed {
            outcome: mqtt_session::client::Outcome::Ponged { round_trip },
            ..
        }) => Some(round_trip),
        other => panic!("{other:?}"),
    });
    assert_eq!((told, counters(&peer).pings.last()), (ms(40), ms(40)));
}

#[test]
fn stale_tokens_and_answers_to_nothing_are_counted_and_change_nothing() {
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    peer.connect(false, false);
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"m");
    let token: AckToken = peer.next(|event| match event {
        Some(Event::Message(message)) => message.ack.unwrap(),
        other => panic!("{other:?}"),
    });
    peer.cut();
    peer.events();
    peer.client
        .acknowledge(peer.now, token, &Answer::SUCCESS)
        .unwrap();
    assert_eq!(counters(&peer).stale_tokens, 1);
    peer.connect(false, true);
    peer.puback(9);
    peer.pubcomp(9);
    peer.send(&Packet::PubRec(Ack::new(id(9), ReasonCode::QUOTA_EXCEEDED)));
    peer.send(&Packet::PingResp);
    for packet in [
        Packet::SubAck(SubAck {
            packet_id: id(9),
            properties: Properties::EMPTY,
            codes: ReasonCodes::new(&[0]),
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id: id(9),
            properties: Properties::EMPTY,
            codes: ReasonCodes::new(&[0]),
        }),
    ] {
        peer.send(&packet);
    }
    assert!(peer.events().is_empty());
    assert!(peer.sent().is_empty());
    assert_eq!(counters(&peer).ignored_answers, 6);
}

#[test]
fn what_ended_without_an_answer_is_counted_by_its_reason() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::ExactlyOnce, "x");
    peer.subscribe("a");
    peer.client.ping(peer.now).unwrap();
    peer.sent();
    peer.cut();
    assert_eq!(
        counters(&peer).aborted(AbortReason::ConnectionLost),
        0,
        "not told yet"
    );
    peer.events();
    assert_eq!(counters(&peer).aborted(AbortReason::ConnectionLost), 2);
    peer.connect(false, false);
    peer.events();
    assert_eq!(counters(&peer).aborted(AbortReason::SessionLost), 1);
    assert_eq!(counters(&peer).connections, 2);
}

/// The bytes of a message in pieces count as they come, and the message at its end.
#[test]
fn a_message_in_pieces_is_one_packet() {
    let mut config = Config::DEFAULT;
    config.receive_buffer = 64;
    config.oversize = Oversize::Stream;
    let mut peer = Peer::with(Version::V311, config, Heap::new());
    peer.connect(true, false);
    let before = counters(&peer);
    peer.send_bytes(&[0x30, 103, 0, 1, b't']);
    for _ in 0..2 {
        peer.send_bytes(&[b'x'; 40]);
        peer.events();
        assert_eq!(counters(&peer).packets_in(PacketType::Publish), 0);
    }
    assert_eq!(counters(&peer).bytes_in - before.bytes_in, 85);
    peer.send_bytes(&[b'x'; 20]);
    assert_eq!(peer.events(), ["data 80", "end"]);
    assert_eq!(counters(&peer).packets_in(PacketType::Publish), 1);
    assert_eq!(counters(&peer).bytes_in - before.bytes_in, 105);
}
