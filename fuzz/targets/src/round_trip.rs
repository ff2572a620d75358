//! Packets to bytes and back.
//!
//! The first byte, modulo 3, chooses: 0 packets that decode from a stream (as [`decode`](crate::decode) does), 1 packets with
//! fields that were drawn, be they right or not, 2 a packet that is known to be right.

use mqtt_proto::{AnyPacket, Packet, Sender, Version};

use crate::{
    choices::Choices,
    decode::{SENDERS, each_frame},
    drafts, encoded, version,
};

/// Encodes what decodes, and decodes what encodes.
///
/// # Panics
/// If one is not the other's inverse.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.byte() % 3 {
        0 => each_frame(choices.rest(), |version, from, frame| {
            if let Ok(packet) = Packet::decode(version, from, frame) {
                let bytes = encoded(&packet, version).expect("what decodes can be encoded");
                assert!(
                    bytes.len() <= frame.len(),
                    "what is written is as short as can be"
                );
                encodes_as(&packet, version, from, &bytes);
            }
        }),
        1 => {
            let version = version(choices.byte());
            while !choices.is_empty() {
                drafts::with_packet(&mut choices, version, |packet| {
                    if let Some(bytes) = encoded(packet, version) {
                        encodes_as(packet, version, Sender::Any, &bytes);
                    }
                });
            }
        }
        _ => {
            let first = choices.byte();
            let (version, from) = (version(first), SENDERS[usize::from(first / 3) % 3]);
            let any = AnyPacket::draw(version, from, None, choices.rest());
            let bytes = any.to_bytes().expect("a packet that is right can be encoded");
            any.with(|packet| encodes_as(&packet, version, from, &bytes));
        }
    }
}

fn encodes_as(packet: &Packet<'_>, version: Version, from: Sender, bytes: &[u8]) {
    let again =
        Packet::decode(version, from, bytes).unwrap_or_else(|e| panic!("{packet} as {bytes:02x?}: {e}"));
    assert_eq!(again, *packet);
    assert_eq!(encoded(&again, version).as_deref(), Some(bytes), "{packet}");
    let mut exact = vec![0; bytes.len()];
    assert!(packet.encode(version, &mut exact).is_ok());
    let mut short = vec![0xEE; bytes.len() - 1];
    assert!(packet.encode(version, &mut short).is_err());
    assert!(
        short.iter().all(|&byte| byte == 0xEE),
        "nothing is written if it does not fit"
    );
    if let Packet::Publish(publish) = packet {
        let payload_len = u32::try_from(publish.payload.len()).expect("a packet has less than 4 GiB");
        let head_len = bytes.len() - publish.payload.len();
        assert_eq!(publish.head.encoded_len(version, payload_len), Ok(head_len));
        assert_eq!(
            publish.head.encode(version, payload_len, &mut exact),
            Ok(&bytes[..head_len])
        );
    }
}
