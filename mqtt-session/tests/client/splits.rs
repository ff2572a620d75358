//! Splitting or merging reads in any way gives the same events.

use mqtt_proto::{Packet, QoS, ReasonCode, Version, packet::Ack};
use proptest::prelude::*;

use crate::peer::{Peer, id, options, short};

/// What a server says after CONNECT, in a row.
fn conversation(version: Version) -> Vec<u8> {
    let mut peer = Peer::new(version);
    peer.send_bytes(if version == Version::V5 {
        &[0x20, 3, 0, 0, 0]
    } else {
        &[0x20, 2, 0, 0]
    });
    peer.send_publish(QoS::AtMostOnce, None, false, b"zero");
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"one");
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, &[b'x'; 200]);
    peer.puback(9);
    peer.pubrec(8);
    peer.send_publish(QoS::ExactlyOnce, Some(2), true, &[b'x'; 200]);
    peer.send_bytes(&[0xD0, 0]);
    peer.send(&Packet::PubRel(Ack::new(id(77), ReasonCode::SUCCESS)));
    peer.send_publish(QoS::AtLeastOnce, Some(3), false, b"");
    peer.send_bytes(&[0x36, 5, 0, 1, b't', 0, 1]);
    peer.rx.filled().to_vec()
}

fn replay(version: Version, bytes: &[u8], pieces: &[usize], detached: bool) -> Vec<String> {
    let mut peer = Peer::new(version);
    peer.client.connect(peer.now, &options(version, true)).unwrap();
    peer.sent();
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut pieces = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(pieces.next().unwrap().clamp(1, rest.len()));
        rest = after;
        peer.send_bytes(piece);
        loop {
            let rx = peer.rx.filled();
            let handled = peer.client.handle_input(peer.now, rx);
            let Some(event) = handled.event else {
                peer.rx.consume(handled.consumed);
                break;
            };
            seen.push(if detached {
                short(&event.detach(rx).view(rx))
            } else {
                short(&event)
            });
            peer.rx.consume(handled.consumed);
        }
        // What is owed is written meanwhile: the ring of answers is small.
        seen.extend(peer.sent());
    }
    seen
}

fn events_only(mut seen: Vec<String>) -> (Vec<String>, Vec<String>) {
    let sent = seen
        .iter()
        .filter(|s| s.starts_with(char::is_uppercase))
        .cloned()
        .collect();
    seen.retain(|s| s.starts_with(char::is_lowercase));
    (seen, sent)
}

#[test]
fn one_cut_at_every_byte() {
    for version in Version::ALL {
        let bytes = conversation(version);
        let whole = events_only(replay(version, &bytes, &[], false));
        assert!(whole.0.len() >= 6, "{whole:?}");
        for at in 1..bytes.len() {
            assert_eq!(
                events_only(replay(version, &bytes, &[at], false)).0,
                whole.0,
                "{version} cut at {at}"
            );
        }
    }
}

#[test]
fn byte_by_byte_and_detached() {
    for version in Version::ALL {
        let bytes = conversation(version);
        let whole = events_only(replay(version, &bytes, &[], false));
        let single = vec![1; bytes.len()];
        for detached in [false, true] {
            assert_eq!(events_only(replay(version, &bytes, &single, detached)).0, whole.0);
        }
    }
}

proptest! {
    #[test]
    fn any_pieces(pieces in proptest::collection::vec(1usize..60, 0..40)) {
        for version in Version::ALL {
            let bytes = conversation(version);
            let whole = events_only(replay(version, &bytes, &[], false));
            prop_assert_eq!(events_only(replay(version, &bytes, &pieces, true)).0, whole.0);
        }
    }

    #[test]
    fn any_bytes_never_panic(version in 0usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..300), pieces in proptest::collection::vec(1usize..60, 0..10)) {
        let version = Version::ALL[version];
        let mut all = if version == Version::V5 { vec![0x20, 3, 0, 0, 0] } else { vec![0x20, 2, 0, 0] };
        all.extend(bytes);
        replay(version, &all, &pieces, false);
    }
}
