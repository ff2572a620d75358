//! The fixed header (5.0 section 2.1, 3.x section 2.2), by hand: every packet passes here.

use super::varint;
use crate::{DecodeError, DecodeErrorKind, PacketType, Sender, Version, rules::Site};

/// The largest Remaining Length: what a packet may have after its fixed header, in bytes.
pub const MAX_REMAINING_LENGTH: u32 = 268_435_455;

/// How much of a packet is there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "there is no third case")]
pub enum Frame {
    /// Not all: at least so many bytes, counted from the start of the packet, are needed to go on. Always more than there are.
    Need(usize),
    /// A whole packet: the first so many bytes.
    Len(usize),
}

/// Finds the end of the packet that `buf` begins with. `max` is the largest packet that is taken, in bytes with its fixed
/// header: the receiver's Maximum Packet Size, or a limit of its own. Nothing is said about what stands in the packet.
///
/// A Remaining Length that is longer than needed is let through, because only 5.0 forbids it; [`Packet::decode`](crate::Packet::decode)
/// knows the version.
///
/// # Errors
///
/// No version has a packet that begins so (type 0, QoS 3, a fifth length byte), or it is larger than `max`. The errors speak of 5.0:
/// see [`DecodeError::for_peer`].
pub fn frame_len(buf: &[u8], max: u32) -> Result<Frame, DecodeError> {
    let site = Site {
        version: Version::V5,
        packet: None,
        from: Sender::Any,
        will: false,
    };
    let header = match Header::parse(buf, site)? {
        HeaderStatus::Need(needed) => return Ok(Frame::Need(needed)),
        HeaderStatus::Header(header) => header,
    };
    let total = header.total();
    if total > usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(Site {
            packet: PacketType::from_u8(header.first >> 4),
            ..site
        }
        .broken(DecodeErrorKind::TooLarge)
        .at(0));
    }
    Ok(if buf.len() < total {
        Frame::Need(total)
    } else {
        Frame::Len(total)
    })
}

/// A fixed header that can be read.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Header {
    pub(crate) first: u8,
    pub(crate) packet: PacketType,
    /// Bytes of the header itself.
    pub(crate) len: usize,
    /// Remaining Length.
    pub(crate) body: usize,
    /// The Remaining Length is as short as can be.
    pub(crate) minimal: bool,
}

pub(crate) enum HeaderStatus {
    Need(usize),
    Header(Header),
}

impl Header {
    /// Reads the header at the start of `buf`; refuses what no version has.
    pub(crate) fn parse(buf: &[u8], site: Site) -> Result<HeaderStatus, DecodeError> {
        let Some((&first, after)) = buf.split_first() else {
            return Ok(HeaderStatus::Need(2));
        };
        let Some(packet) = PacketType::from_u8(first >> 4) else {
            // 3.1/2.1-1
            return Err(site.broken(DecodeErrorKind::UnknownType).at(0));
        };
        let site = Site {
            packet: Some(packet),
            ..site
        };
        // 5/MQTT-3.3.1-4, 3.1.1/MQTT-3.3.1-4, 3.1/2.1-3
        if matches!(packet, PacketType::Publish) && first & 0x06 == 0x06 {
            return Err(site.broken(DecodeErrorKind::PublishQoS).at(0));
        }
        let (rest, (body, minimal)) = match varint(after) {
            Ok(parsed) => parsed,
            Err(nom::Err::Error(super::field::Fault::VarintTooLong)) => {
                return Err(site.broken(DecodeErrorKind::VarintTooLong).at(1));
            }
            Err(_) => return Ok(HeaderStatus::Need(buf.len().saturating_add(1).max(2))),
        };
        Ok(HeaderStatus::Header(Self {
            first,
            packet,
            len: buf.len().saturating_sub(rest.len()),
            body: usize::try_from(body).unwrap_or(usize::MAX),
            minimal,
        }))
    }

    /// Bytes of the whole packet.
    pub(crate) const fn total(&self) -> usize {
        self.len.saturating_add(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_when_its_length_is() {
        assert_eq!(frame_len(&[], 100), Ok(Frame::Need(2)));
        assert_eq!(frame_len(&[0x30], 100), Ok(Frame::Need(2)));
        assert_eq!(frame_len(&[0x30, 0x80], 1000), Ok(Frame::Need(3)));
        assert_eq!(frame_len(&[0x30, 0x80, 0x01], 1000), Ok(Frame::Need(131)));
        assert_eq!(frame_len(&[0xC0, 0x00], 100), Ok(Frame::Len(2)));
        assert_eq!(frame_len(&[0xC0, 0x00, 0xC0], 100), Ok(Frame::Len(2)));
        assert_eq!(frame_len(&[0xC0, 0x80, 0x00], 100), Ok(Frame::Len(3)));
    }

    #[test]
    fn a_packet_above_the_limit_is_refused_before_it_is_there() {
        let error = frame_len(&[0x30, 99], 100).unwrap_err();
        assert_eq!(
            std::format!("{error}"),
            "PUBLISH at 0: larger than the receiver takes (5/MQTT-3.1.2-24)"
        );
        let error = error.for_peer(Version::V5, Sender::Client);
        assert_eq!(
            std::format!("{error}"),
            "PUBLISH at 0: larger than the receiver takes (5/MQTT-3.2.2-15)"
        );
        let error = error.for_peer(Version::V311, Sender::Client);
        assert_eq!(
            std::format!("{error}"),
            "PUBLISH at 0: larger than the receiver takes"
        );
        assert_eq!(frame_len(&[0x30, 98], 100), Ok(Frame::Need(100)));
    }

    #[test]
    fn what_no_version_has_is_refused_at_once() {
        let refusal = |buf: &[u8]| frame_len(buf, u32::MAX).map_err(|e| e.kind());
        assert_eq!(refusal(&[0x00]), Err(DecodeErrorKind::UnknownType));
        assert_eq!(refusal(&[0x36]), Err(DecodeErrorKind::PublishQoS));
        assert_eq!(
            refusal(&[0x30, 0x80, 0x80, 0x80, 0x80]),
            Err(DecodeErrorKind::VarintTooLong)
        );
    }
}
