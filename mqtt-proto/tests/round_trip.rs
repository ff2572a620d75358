//! What is valid comes through the codec as it was; what is not is refused without a panic.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the types that have no second dress"
)]

use mqtt_proto::{
    AnyPacket, EncodeErrorKind, Frame, Packet, PacketType, Properties, Sender, Version, frame_len,
    packet::{HeadStatus, PublishHead},
    strategies,
};
use proptest::{collection::vec, prelude::*};

/// Bytes that are often nearly a packet.
fn nearly_a_packet() -> impl Strategy<Value = Vec<u8>> {
    (
        strategies::any_packet(),
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(any, changes, end)| {
            let mut bytes = any.to_bytes().unwrap();
            bytes.truncate(4096);
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            // Half of them keep their length.
            if end.index(2) == 1 {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        })
}

/// Where the head of a PUBLISH is read from a prefix, it says what reading the whole says.
fn head_agrees(version: Version, from: Sender, whole: &[u8]) -> Result<(), TestCaseError> {
    let decoded = Packet::decode(version, from, whole);
    let mut wanted = 0;
    for end in (0..whole.len().min(200)).chain([whole.len()]) {
        match (PublishHead::decode(version, from, &whole[..end]), decoded) {
            (Ok(HeadStatus::Need(needed)), _) => {
                prop_assert!(
                    end < needed && needed <= whole.len(),
                    "{needed} of {} at {end}",
                    whole.len()
                );
                prop_assert!(needed >= wanted, "never takes a demand back");
                wanted = needed;
            }
            (
                Ok(HeadStatus::Head {
                    head,
                    head_len,
                    payload_len,
                }),
                Ok(Packet::Publish(publish)),
            ) => {
                prop_assert!(end >= wanted && end >= head_len);
                prop_assert_eq!(head, publish.head);
                prop_assert_eq!(
                    (head_len + payload_len, payload_len),
                    (whole.len(), publish.payload.len())
                );
            }
            (Err(head), Err(whole)) => prop_assert_eq!(head, whole, "at {}", end),
            (head, whole) => prop_assert!(false, "{head:?} but {whole:?} at {end}"),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_decodes_to_the_same(any in strategies::any_packet()) {
        let (version, from) = (any.version(), any.from());
        let bytes = any.to_bytes()?;
        prop_assert_eq!(frame_len(&bytes, u32::MAX), Ok(Frame::Len(bytes.len())));
        let decoded = Packet::decode(version, from, &bytes)?;
        any.with(|packet| {
            prop_assert_eq!(packet, decoded);
            prop_assert_eq!(packet.encoded_len(version), Ok(bytes.len()));
            Ok(())
        })?;
        // Views on bytes encode as lists do.
        let mut again = vec![0; bytes.len()];
        prop_assert_eq!(decoded.encode(version, &mut again), Ok(&bytes[..]));
    }

    #[test]
    fn a_buffer_that_is_too_small_is_told_what_is_needed(any in strategies::any_packet(), at in any::<prop::sample::Index>()) {
        let needed = any.to_bytes()?.len();
        let mut small = vec![0xAA; at.index(needed)];
        let kind = any.with(|packet| packet.encode(any.version(), &mut small).map(<[u8]>::len).map_err(|e| e.kind()));
        prop_assert_eq!(kind, Err(EncodeErrorKind::BufferTooSmall { needed }));
        prop_assert!(small.iter().all(|b| *b == 0xAA), "nothing is written");
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..64), version in strategies::version(), from in strategies::sender()) {
        let _ = frame_len(&bytes, 1000);
        let _ = Packet::decode(version, from, &bytes).map_err(|e| e.to_string());
        let _ = PublishHead::decode(version, from, &bytes);
    }

    #[test]
    fn what_is_decoded_encodes_to_what_decodes_to_it(bytes in nearly_a_packet(), version in strategies::version(), from in strategies::sender()) {
        match Packet::decode(version, from, &bytes) {
            Ok(packet) => {
                let mut out = vec![0; 5000];
                let again = packet.encode(version, &mut out)?;
                prop_assert!(again.len() <= bytes.len(), "never longer than what came");
                prop_assert_eq!(Packet::decode(version, from, again), Ok(packet));
            }
            Err(error) => {
                prop_assert!(error.offset() <= bytes.len());
                prop_assert!(error.reason_code().is_failure());
                prop_assert!(error.statement().is_none_or(|s| s.version() == version || error.packet_type() == Some(PacketType::Connect)));
            }
        }
    }

    #[test]
    fn whatever_can_be_encoded_can_be_decoded(any in strategies::any_packet(), version in strategies::version()) {
        // A packet of one version in the dress of another, and properties where they may not stand.
        let check = |packet: Packet<'_>| {
            let mut out = vec![0; 300_000];
            if let Ok(bytes) = packet.encode(version, &mut out) {
                prop_assert_eq!(Packet::decode(version, Sender::Any, bytes), Ok(packet));
            }
            Ok(())
        };
        any.with(|packet| {
            check(packet)?;
            match packet {
                Packet::Connect(mut connect) => {
                    connect.version = version;
                    check(Packet::Connect(connect))?;
                    let mut swapped = connect;
                    if let Some(will) = &mut swapped.will {
                        core::mem::swap(&mut will.properties, &mut swapped.properties);
                    }
                    check(Packet::Connect(swapped))
                }
                Packet::Publish(publish) => {
                    let mut bare = publish;
                    bare.head.properties = Properties::EMPTY;
                    check(Packet::Publish(bare))?;
                    bare.head.packet_id = None;
                    check(Packet::Publish(bare))?;
                    bare.head.dup = true;
                    check(Packet::Publish(bare))
                }
                Packet::PubRel(ack) => {
                    check(Packet::PubAck(ack))?;
                    check(Packet::Disconnect(mqtt_proto::packet::Disconnect { code: ack.code, properties: ack.properties }))?;
                    check(Packet::Auth(mqtt_proto::packet::Auth { code: ack.code, properties: ack.properties }))
                }
                Packet::UnsubAck(unsuback) => check(Packet::SubAck(mqtt_proto::packet::SubAck {
                    packet_id: unsuback.packet_id,
                    properties: unsuback.properties,
                    codes: unsuback.codes,
                })),
                _ => Ok(()),
            }
        })?;
    }

    #[test]
    fn every_prefix_of_a_packet_is_incomplete(any in strategies::any_packet(), at in any::<prop::sample::Index>()) {
        let bytes = any.to_bytes()?;
        let end = at.index(bytes.len());
        let Frame::Need(needed) = frame_len(&bytes[..end], u32::MAX)? else { panic!("complete") };
        prop_assert!(end < needed && needed <= bytes.len());
        prop_assert!(Packet::decode(any.version(), any.from(), &bytes[..end]).is_err());
    }

    #[test]
    fn the_head_of_a_publish_is_the_same_from_any_prefix(bytes in vec(any::<u8>(), 0..256), version in strategies::version(), from in strategies::sender()) {
        let any = AnyPacket::draw(version, from, Some(PacketType::Publish), &bytes);
        head_agrees(version, from, &any.to_bytes()?)?;
    }

    #[test]
    fn the_head_of_a_broken_publish_is_refused_alike_from_any_prefix(
        bytes in vec(any::<u8>(), 0..256),
        changes in vec((0usize..24, any::<u8>()), 0..3),
        version in strategies::version(),
        from in strategies::sender(),
    ) {
        let mut bytes = AnyPacket::draw(version, from, Some(PacketType::Publish), &bytes).to_bytes()?;
        for (index, byte) in changes {
            if let Some(place) = bytes.get_mut(index + 1) {
                *place = byte;
            }
        }
        // As many bytes as the length now says, if the header can still be read.
        match frame_len(&bytes, 5000) {
            Ok(Frame::Need(needed)) if needed > bytes.len() => bytes.resize(needed, 0x61),
            Ok(Frame::Len(len)) => bytes.truncate(len),
            _ => return Ok(()),
        }
        if let Ok(Frame::Len(len)) = frame_len(&bytes, 5000) {
            bytes.truncate(len);
            head_agrees(version, from, &bytes)?;
        }
    }
}
