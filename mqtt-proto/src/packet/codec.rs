//! From bytes to packets and back: the fixed header, and the one dispatch to the types.

use super::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};
use crate::{
    DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, PacketType, Sender, Version,
    property::PropertyPlace,
    rules::Site,
    wire::{Count, Header, HeaderStatus, MAX_REMAINING_LENGTH, Reader, Sink, Writer, varint_len},
};

impl<'a> Packet<'a> {
    /// Decodes one packet; `frame` holds it and nothing else (see [`frame_len`](crate::frame_len)). Allocates nothing.
    ///
    /// A CONNECT tells its own version, which then stands in it; `version` is not looked at. Control characters and U+FEFF in texts
    /// are accepted and kept. Whether a payload is what its Payload Format Indicator claims is not checked:
    /// see [`Publish::payload_format_holds`].
    ///
    /// # Errors
    ///
    /// The packet breaks a rule that it alone can break, in this version and from this sender.
    pub fn decode(version: Version, from: Sender, frame: &'a [u8]) -> Result<Self, DecodeError> {
        let site = Site {
            version,
            packet: None,
            from,
            will: false,
        };
        let header = match Header::parse(frame, site)? {
            HeaderStatus::Header(header) => header,
            HeaderStatus::Need(_) => {
                let packet = frame.first().and_then(|first| PacketType::from_u8(first >> 4));
                return Err(Site { packet, ..site }
                    .broken(DecodeErrorKind::LengthShort)
                    .at(frame.len()));
            }
        };
        let mut reader = Reader::new(
            Site {
                packet: Some(header.packet),
                ..site
            },
            frame,
            header.len,
        );
        let r = &mut reader;
        if matches!(header.packet, PacketType::Connect) {
            r.site.version = connect_version(*r).unwrap_or(version);
        }
        check_header(r.site, &header)?;
        if frame.len() < header.total() {
            return Err(r.broken(DecodeErrorKind::LengthShort, frame.len()));
        }
        if frame.len() > header.total() {
            return Err(r.broken(DecodeErrorKind::LengthLong, header.total()));
        }
        let place = PropertyPlace::Packet(header.packet);
        let packet = match header.packet {
            PacketType::Publish => return Ok(Self::Publish(Publish::decode(r, header.first)?)),
            PacketType::Connect => {
                Connect::decode_version(r)?;
                Self::Connect(Connect::decode(r)?)
            }
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(r)?),
            PacketType::PubAck => Self::PubAck(Ack::decode(r, place)?),
            PacketType::PubRec => Self::PubRec(Ack::decode(r, place)?),
            PacketType::PubRel => Self::PubRel(Ack::decode(r, place)?),
            PacketType::PubComp => Self::PubComp(Ack::decode(r, place)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(r)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(r)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(r)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(r)?),
            PacketType::PingReq => Self::PingReq,
            PacketType::PingResp => Self::PingResp,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(r)?),
            PacketType::Auth => Self::Auth(Auth::decode(r)?),
        };
        r.end()?;
        Ok(packet)
    }

    /// Bytes of this packet in this version; a CONNECT is of its own version.
    ///
    /// # Errors
    ///
    /// It cannot be written: see [`EncodeErrorKind`].
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.encoded_len_from(version, Sender::Any)
    }

    /// The same, of a packet that this side is to send: packets, codes and properties that only the other side may send
    /// are refused too. [`encode`](Self::encode) does not know who writes.
    ///
    /// # Errors
    ///
    /// It cannot be written: see [`EncodeErrorKind`].
    pub fn encoded_len_from(&self, version: Version, from: Sender) -> Result<usize, EncodeError> {
        let site = Site {
            from,
            ..self.site(version)
        };
        let body = self.measure(site)?;
        if !self.packet_type().is_sent_by(from, site.version) {
            return Err(site.broken(DecodeErrorKind::WrongDirection).into());
        }
        Ok(total(body))
    }

    /// Writes this packet to the start of `out`, and gives back what was written; a CONNECT is written in its own version.
    /// What is written, [`decode`](Self::decode) takes and gives back as it was.
    ///
    /// # Errors
    ///
    /// It cannot be written: see [`EncodeErrorKind`]. Nothing was written then.
    pub fn encode<'o>(&self, version: Version, out: &'o mut [u8]) -> Result<&'o [u8], EncodeError> {
        let site = self.site(version);
        let body = self.measure(site)?;
        let out = room(out, total(body), site)?;
        let mut writer = Writer::new(out);
        write_header(self.first_byte(), body, &mut writer);
        self.write(site, &mut writer);
        debug_assert_eq!(writer.free(), 0, "a packet is as long as it was measured");
        Ok(out)
    }

    const fn site(&self, version: Version) -> Site {
        let version = if let Self::Connect(connect) = self {
            connect.version
        } else {
            version
        };
        Site::encoder(version, self.packet_type())
    }

    fn first_byte(&self) -> u8 {
        // 3.1/2.6-1: what is not used is 0.
        let packet = self.packet_type();
        let flags = if let Self::Publish(publish) = self {
            publish.head.flags()
        } else {
            packet.header_flags()
        };
        (packet as u8) << 4 | flags
    }

    /// Checks the packet, and counts its bytes after the fixed header.
    fn measure(&self, site: Site) -> Result<usize, EncodeError> {
        let place = PropertyPlace::Packet(self.packet_type());
        match self {
            Self::Publish(publish) => publish.head.check(site)?,
            Self::Connect(connect) => connect.check(site)?,
            Self::ConnAck(connack) => connack.check(site)?,
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.check(place, site)?
            }
            Self::Subscribe(subscribe) => subscribe.check(site)?,
            Self::SubAck(suback) => suback.check(site)?,
            Self::Unsubscribe(unsubscribe) => unsubscribe.check(site)?,
            Self::UnsubAck(unsuback) => unsuback.check(site)?,
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => disconnect.check(site)?,
            Self::Auth(auth) => auth.check(site)?,
        }
        let mut count = Count::default();
        self.write(site, &mut count);
        check_body_len(count.0, site)
    }

    /// Everything after the fixed header.
    #[inline]
    fn write(&self, site: Site, sink: &mut impl Sink) {
        match self {
            Self::Publish(publish) => {
                publish.head.write(site, sink);
                sink.put(publish.payload);
            }
            Self::Connect(connect) => connect.write(site, sink),
            Self::ConnAck(connack) => connack.write(site, sink),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.write(site, sink)
            }
            Self::Subscribe(subscribe) => subscribe.write(site, sink),
            Self::SubAck(suback) => suback.write(site, sink),
            Self::Unsubscribe(unsubscribe) => unsubscribe.write(site, sink),
            Self::UnsubAck(unsuback) => unsuback.write(site, sink),
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => disconnect.write(site, sink),
            Self::Auth(auth) => auth.write(site, sink),
        }
    }
}

/// The version that a CONNECT tells, if it is one we know: it decides on the fixed header too. The reader is a copy.
fn connect_version(mut r: Reader<'_>) -> Option<Version> {
    Connect::decode_version(&mut r).ok()
}

/// The rules about the fixed header that depend on version and sender.
pub(super) fn check_header(site: Site, header: &Header) -> Result<(), DecodeError> {
    let packet = header.packet;
    let refuse = |kind, offset| site.refuse(kind).map_err(|broken| broken.at(offset));
    if matches!(packet, PacketType::Auth) {
        refuse(DecodeErrorKind::ReservedType, 0)?;
    }
    if !packet.is_sent_by(site.from, site.version) {
        refuse(DecodeErrorKind::WrongDirection, 0)?;
    }
    if !matches!(packet, PacketType::Publish) {
        // 3.1 has DUP, QoS and RETAIN in all types (3.1/2.1-2). A resend sets DUP, RETAIN is not used, and QoS is 1 where
        // it means something.
        let used = if matches!(site.version, Version::V31) {
            0x06
        } else {
            0x0F
        };
        if (header.first ^ packet.header_flags()) & used != 0 {
            refuse(DecodeErrorKind::HeaderFlags, 0)?;
        }
    }
    if !header.minimal {
        refuse(DecodeErrorKind::VarintNotMinimal, 1)?;
    }
    if fixed_len(packet, site.version).is_some_and(|len| len != header.body) {
        refuse(DecodeErrorKind::LengthFixed, 1)?;
    }
    Ok(())
}

/// The Remaining Length of the types that have but one.
const fn fixed_len(packet: PacketType, version: Version) -> Option<usize> {
    match packet {
        PacketType::PingReq | PacketType::PingResp => Some(0),
        _ if version.has_properties() => None,
        PacketType::ConnAck
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubRel
        | PacketType::PubComp
        | PacketType::UnsubAck => Some(2),
        PacketType::Disconnect => Some(0),
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::Auth => None,
    }
}

/// A Remaining Length that can be written.
pub(super) fn check_body_len(body: usize, site: Site) -> Result<usize, EncodeError> {
    if u32::try_from(body).is_ok_and(|len| len <= MAX_REMAINING_LENGTH) {
        Ok(body)
    } else {
        Err(site.encode_error(EncodeErrorKind::PacketTooLarge))
    }
}

/// Bytes of a packet with so many after its fixed header.
const fn total(body: usize) -> usize {
    header_len(body).saturating_add(body)
}

/// Bytes of the fixed header before so many others.
pub(super) const fn header_len(body: usize) -> usize {
    varint_len(body).saturating_add(1)
}

pub(super) fn write_header(first: u8, body: usize, writer: &mut Writer<'_>) {
    writer.u8(first);
    writer.varint(u32::try_from(body).unwrap_or(u32::MAX));
}

/// The first so many bytes of the buffer.
pub(super) fn room(out: &mut [u8], needed: usize, site: Site) -> Result<&mut [u8], EncodeError> {
    out.get_mut(..needed)
        .ok_or_else(|| site.encode_error(EncodeErrorKind::BufferTooSmall { needed }))
}
