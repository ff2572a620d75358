//! The codec of `mqtt-proto`.

use mqtt_proto::packet::Packet;
use mqtt_proto::{DecodeError, Frame, Sender, Version, frame_len};

use super::{CodecUnderTest, Decoded, Read, Refused};
use crate::fields::{Fields, encode};

pub(super) struct OurCodec;

impl CodecUnderTest for OurCodec {
    fn read(&mut self, version: Version, from: Sender, bytes: &[u8]) -> Read {
        let len = match frame_len(bytes, u32::MAX) {
            Ok(Frame::Len(len)) => len,
            Ok(Frame::Need(need)) => return Read::Incomplete(Some(need)),
            Err(error) => return Read::Refused(refused(&error.for_peer(version, from))),
        };
        match Packet::decode(version, from, &bytes[..len]) {
            Err(error) => Read::Refused(refused(&error)),
            Ok(packet) => Read::Packet(
                Decoded::of(len)
                    .encoded_again(encode(&packet, version))
                    .saying(Fields::of(&packet))
                    .printed(packet.with_secrets().to_string()),
            ),
        }
    }
}

fn refused(error: &DecodeError) -> Refused {
    Refused::new(error.to_string())
        .with_code(error.reason_code())
        .with_statement(error.statement())
        .with_offset(error.offset())
}
