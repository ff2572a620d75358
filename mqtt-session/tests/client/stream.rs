//! Messages that are larger than the receive buffer.

use mqtt_proto::{Packet, QoS, ReasonCode, Version, packet::Ack};
use mqtt_session::{
    Config, Event,
    client::{Acknowledge, Broken, MessageStart, Oversize},
    storage::{Fixed, Heap, Storage},
};

use crate::peer::{Peer, id};

fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.receive_buffer = 64;
    config.oversize = Oversize::Stream;
    config
}

/// A PUBLISH of topic `t` whose payload has this many bytes, each its offset.
fn message(version: Version, qos: QoS, dup: bool, len: usize) -> Vec<u8> {
    let mut config = Config::DEFAULT;
    config.receive_buffer = 1 << 20;
    let mut peer = Peer::with(version, config, Heap::new());
    let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
    peer.send_publish(qos, (qos > QoS::AtMostOnce).then_some(7), dup, &payload);
    peer.rx.filled().to_vec()
}

/// Gives bytes to the client as its buffer has room for them, `piece` at a time, and tells what happened.
fn feed<S: Storage>(peer: &mut Peer<S>, mut bytes: &[u8], piece: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut payload: Vec<u8> = Vec::new();
    while !bytes.is_empty() {
        let room = peer.rx.spare().len().min(piece).min(bytes.len());
        assert!(room > 0, "the buffer is full, and nothing is taken from it");
        let (now, later) = bytes.split_at(room);
        peer.send_bytes(now);
        bytes = later;
        while let Some(what) = peer.next(|event| {
            event.map(|event| match event {
                Event::MessageStart(MessageStart {
                    topic, payload_len, ..
                }) => {
                    format!("start {} {payload_len}", topic.as_str())
                }
                Event::MessageData { offset, bytes } => {
                    assert_eq!(offset as usize, payload.len(), "no gap and no overlap");
                    payload.extend_from_slice(bytes);
                    String::new()
                }
                Event::MessageEnd(Ok(ack)) => format!("end, to acknowledge: {}", ack.is_some()),
                Event::MessageEnd(Err(Broken)) => "broken".to_owned(),
                other => crate::peer::short(&other),
            })
        }) {
            seen.extend(Some(what).filter(|what| !what.is_empty()));
        }
    }
    assert!(payload.iter().enumerate().all(|(n, &byte)| byte == n as u8));
    seen.push(format!("{} bytes", payload.len()));
    seen
}

#[test]
fn a_message_of_100_kib_passes_through_a_buffer_of_64_bytes_in_any_pieces() {
    for version in Version::ALL {
        for (qos, answer) in [
            (QoS::AtMostOnce, None),
            (QoS::AtLeastOnce, Some("PUBACK #7")),
            (QoS::ExactlyOnce, Some("PUBREC #7")),
        ] {
            for piece in [1, 7, 64] {
                let mut peer = Peer::with(version, config(), Fixed::<2, 128>::new());
                peer.connect(true, false);
                let bytes = message(version, qos, false, 100 << 10);
                let (last, most) = bytes.split_last().unwrap();
                let mut seen = feed(&mut peer, most, piece);
                assert!(
                    peer.sent().is_empty(),
                    "it is acknowledged at its end, and not before"
                );
                seen.extend(peer.send_and_hear(&[*last]));
                assert_eq!(seen[0], "start t 102400");
                assert_eq!(seen.last().unwrap(), "end");
                assert_eq!(
                    peer.sent(),
                    answer.map(str::to_owned).into_iter().collect::<Vec<_>>()
                );
            }
        }
    }
}

#[test]
fn small_messages_come_whole_and_large_ones_do_not_disturb_them() {
    let mut peer = Peer::with(Version::V5, config(), Heap::new());
    peer.connect(true, false);
    let mut bytes = message(Version::V5, QoS::AtMostOnce, false, 3);
    bytes.extend(message(Version::V5, QoS::AtMostOnce, false, 300));
    bytes.extend(message(Version::V5, QoS::AtMostOnce, false, 3));
    let seen = feed(&mut peer, &bytes, 64);
    let small = "message \0\u{1}\u{2}";
    assert_eq!(
        seen,
        [
            small,
            "start t 300",
            "end, to acknowledge: false",
            small,
            "300 bytes"
        ]
    );
}

/// 5/MQTT-4.3.3-10: a QoS 2 message that was acknowledged is not told again, large or small.
#[test]
fn a_large_qos_2_message_that_comes_again_is_passed_over_and_answered_again() {
    let mut peer = Peer::with(Version::V5, config(), Heap::new());
    peer.connect(false, false);
    feed(&mut peer, &message(Version::V5, QoS::ExactlyOnce, false, 200), 64);
    assert_eq!(peer.sent(), ["PUBREC #7"]);
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(
        feed(&mut peer, &message(Version::V5, QoS::ExactlyOnce, true, 200), 64),
        ["0 bytes"]
    );
    assert_eq!(peer.sent(), ["PUBREC #7"]);
    peer.send(&Packet::PubRel(Ack::new(id(7), ReasonCode::SUCCESS)));
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent(), ["PUBCOMP #7"]);
}

#[test]
fn a_lost_link_breaks_the_message_before_closed_and_it_comes_again_whole() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let bytes = message(Version::V5, qos, false, 200);
        for cut in 0..bytes.len() {
            let mut peer = Peer::with(Version::V5, config(), Heap::new());
            peer.connect(false, false);
            let begun = feed(&mut peer, &bytes[..cut], 64)
                .iter()
                .any(|what| what.starts_with("start"));
            peer.cut();
            let ends = peer.events();
            let broken: &[&str] = if begun {
                &["broken", "closed Transport"]
            } else {
                &["closed Transport"]
            };
            assert_eq!(ends, broken, "cut at {cut}");
            peer.connect(false, true);
            assert!(peer.sent().is_empty(), "nothing was taken that could be answered");
            let again = feed(&mut peer, &message(Version::V5, qos, true, 200), 64);
            assert_eq!(again, ["start t 200", "end, to acknowledge: false", "200 bytes"]);
            assert_eq!(peer.sent().len(), 1);
        }
    }
}

#[test]
fn the_duty_to_acknowledge_comes_with_the_end() {
    let mut config = config();
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V311, config, Heap::new());
    peer.connect(true, false);
    let seen = feed(
        &mut peer,
        &message(Version::V311, QoS::AtLeastOnce, false, 100),
        64,
    );
    assert_eq!(seen, ["start t 100", "end, to acknowledge: true", "100 bytes"]);
    assert!(peer.sent().is_empty());
}

#[test]
fn a_head_that_does_not_fit_the_buffer_closes_and_says_how_large_it_is() {
    let mut config = config();
    config.receive_buffer = 16;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    peer.connect(true, false);
    let mut bytes = vec![0x30, 60, 0, 40];
    bytes.resize(16, b't');
    peer.send_bytes(&bytes);
    let seen = peer.next(|event| match event {
        Some(Event::Closed(closed)) => format!("{:?} {}", closed.code.unwrap(), closed.cause),
        other => panic!("{other:?}"),
    });
    assert!(
        seen.starts_with("0x95") && seen.contains("larger than the receive buffer: "),
        "{seen}"
    );
    assert_eq!(peer.sent(), ["DISCONNECT 0x95"]);
}

#[test]
fn other_packets_that_are_too_large_are_refused_all_the_same() {
    let mut peer = Peer::with(Version::V5, config(), Heap::new());
    peer.connect(true, false);
    peer.send_bytes(&[0x90, 100]);
    assert_eq!(peer.events(), ["closed Client 0x95 5/MQTT-3.1.2-24"]);
}

#[test]
fn an_event_in_pieces_survives_being_detached() {
    let mut peer = Peer::with(Version::V5, config(), Heap::new());
    peer.connect(true, false);
    peer.send_bytes(&message(Version::V5, QoS::AtMostOnce, false, 100)[..40]);
    for _ in 0..2 {
        let rx = peer.rx.filled();
        let handled = peer.client.handle_input(peer.now, rx);
        let event = handled.event.unwrap();
        let before = format!("{event:?}");
        assert_eq!(format!("{:?}", event.detach(rx).view(rx)), before);
        peer.rx.consume(handled.consumed);
    }
}

/// 5/MQTT-3.2.0-1, 3.1.1/MQTT-3.2.0-1: its beginning is as early as the whole of a small one.
#[test]
fn a_large_message_before_connack_closes() {
    for (version, end) in [
        (Version::V31, "closed Client 0x82"),
        (Version::V311, "closed Client 0x82 3.1.1/MQTT-3.2.0-1"),
        (Version::V5, "closed Client 0x82 5/MQTT-3.2.0-1"),
    ] {
        let mut peer = Peer::with(version, config(), Heap::new());
        let connect = crate::peer::options(version, true);
        peer.client.connect(peer.now, &connect).unwrap();
        peer.sent();
        let message = message(version, QoS::AtLeastOnce, false, 200);
        assert_eq!(peer.send_and_hear(&message[..10]), [end]);
    }
}
