//! PUBLISH (3.3), whole or head before payload.

use super::codec::{check_body_len, check_header, header_len, room, write_header};
use crate::{
    DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, PacketId, PacketType, Properties, PropertyId,
    QoS, Sender, TopicName, Version,
    property::{PropertyPlace, Seen},
    rules::{Broken, Site},
    wire::{self, Count, Header, HeaderStatus, Reader, Sink, Writer},
};

const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Publish);

/// A message on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Everything before the payload.
    pub head: PublishHead<'a>,
    /// The payload; may be empty.
    pub payload: &'a [u8],
}

/// Everything of a PUBLISH before its payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// This may be a repeat of an earlier PUBLISH; never with QoS 0 (`5/MQTT-3.3.1-2`).
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// To a server: keep as the topic's retained message. To a client: see section 3.3.1.3.
    pub retain: bool,
    /// Where it goes. [`TopicName::EMPTY`] stands for "see Topic Alias" (5.0 only).
    pub topic: TopicName<'a>,
    /// There exactly when `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// Message properties; empty in 3.x.
    pub properties: Properties<'a>,
}

/// What is known of a PUBLISH that may not all be there.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is no third case")]
pub enum HeadStatus<'a> {
    /// Its head is not all there: at least so many bytes, counted from the start of the packet, are needed to go on.
    /// Always more than there are.
    Need(usize),
    /// Its head.
    Head {
        /// Everything before the payload.
        head: PublishHead<'a>,
        /// Bytes before the payload, with the fixed header.
        head_len: usize,
        /// Bytes of the payload, all of which follow the head.
        payload_len: usize,
    },
}

impl<'a> Publish<'a> {
    pub(super) fn decode(r: &mut Reader<'a>, first: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            head: PublishHead::read(r, first)?,
            // May be empty (3.1/3.3-4).
            payload: r.take_rest(),
        })
    }

    /// Whether the payload is the UTF-8 text that its Payload Format Indicator claims. A receiver may check that, and answer
    /// with [`ReasonCode::PAYLOAD_FORMAT_INVALID`](crate::ReasonCode::PAYLOAD_FORMAT_INVALID) (5.0 section 3.3.2.3.2).
    #[must_use]
    pub fn payload_format_holds(&self) -> bool {
        self.head.properties.payload_format_indicator() != Some(1)
            || core::str::from_utf8(self.payload).is_ok()
    }
}

impl<'a> PublishHead<'a> {
    /// Decodes the head of a PUBLISH when `buf` begins with one, be the payload there, in part or not at all.
    ///
    /// # Errors
    ///
    /// The packet breaks a rule, as [`Packet::decode`](crate::Packet::decode) would say; or it is no PUBLISH
    /// ([`DecodeErrorKind::NotPublish`]).
    pub fn decode(version: Version, from: Sender, buf: &'a [u8]) -> Result<HeadStatus<'a>, DecodeError> {
        let site = Site {
            version,
            packet: None,
            from,
            will: false,
        };
        let header = match Header::parse(buf, site)? {
            HeaderStatus::Need(needed) => return Ok(HeadStatus::Need(needed)),
            HeaderStatus::Header(header) => header,
        };
        let site = Site {
            packet: Some(header.packet),
            ..site
        };
        if !matches!(header.packet, PacketType::Publish) {
            return Err(site.broken(DecodeErrorKind::NotPublish).at(0));
        }
        check_header(site, &header)?;
        let packet = buf.get(..header.total()).unwrap_or(buf);
        let needed = head_extent(version, &header, packet);
        if needed > packet.len() {
            return Ok(HeadStatus::Need(needed));
        }
        let mut r = Reader::new(site, packet, header.len);
        let head = Self::read(&mut r, header.first)?;
        let head_len = r.offset();
        Ok(HeadStatus::Head {
            head,
            head_len,
            payload_len: header.total().saturating_sub(head_len),
        })
    }

    /// Bytes of the head, with the fixed header of a packet whose payload has so many bytes.
    ///
    /// # Errors
    ///
    /// The packet cannot be written: see [`EncodeErrorKind`].
    pub fn encoded_len(&self, version: Version, payload_len: u32) -> Result<usize, EncodeError> {
        self.encoded_len_from(version, Sender::Any, payload_len)
    }

    /// The same, of a packet that this side is to send: a Subscription Identifier is right from a server only.
    ///
    /// # Errors
    ///
    /// The packet cannot be written: see [`EncodeErrorKind`].
    pub fn encoded_len_from(
        &self,
        version: Version,
        from: Sender,
        payload_len: u32,
    ) -> Result<usize, EncodeError> {
        let site = Site {
            from,
            ..Self::site(version)
        };
        let (head, body) = self.measure(site, payload_len)?;
        Ok(header_len(body).saturating_add(head))
    }

    /// Writes the head of a packet whose payload has so many bytes, which the caller writes behind it.
    ///
    /// # Errors
    ///
    /// The packet cannot be written: see [`EncodeErrorKind`]. Nothing was written then.
    pub fn encode<'o>(
        &self,
        version: Version,
        payload_len: u32,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], EncodeError> {
        let site = Self::site(version);
        let (head, body) = self.measure(site, payload_len)?;
        let out = room(out, header_len(body).saturating_add(head), site)?;
        let mut writer = Writer::new(out);
        write_header((PacketType::Publish as u8) << 4 | self.flags(), body, &mut writer);
        self.write(site, &mut writer);
        debug_assert_eq!(writer.free(), 0, "a head is as long as it was measured");
        Ok(out)
    }

    const fn site(version: Version) -> Site {
        Site::encoder(version, PacketType::Publish)
    }

    /// Bytes of the head without the fixed header, and the Remaining Length.
    fn measure(&self, site: Site, payload_len: u32) -> Result<(usize, usize), EncodeError> {
        self.check(site)?;
        let mut count = Count::default();
        self.write(site, &mut count);
        let payload_len = usize::try_from(payload_len).unwrap_or(usize::MAX);
        Ok((
            count.0,
            check_body_len(count.0.saturating_add(payload_len), site)?,
        ))
    }

    fn read(r: &mut Reader<'a>, first: u8) -> Result<Self, DecodeError> {
        let dup = first & 0x08 != 0;
        let qos = QoS::from_u8(first >> 1 & 0x03).ok_or_else(|| r.broken(DecodeErrorKind::PublishQoS, 0))?;
        check_dup(dup, qos, r.site).map_err(|broken| broken.at(0))?;
        let topic_at = r.offset();
        let topic = r.topic_name()?;
        // 3.1/2.4-1
        let packet_id = if matches!(qos, QoS::AtMostOnce) {
            None
        } else {
            Some(r.packet_id()?)
        };
        let (properties, seen) = r.properties(PLACE)?;
        check_topic(topic, seen, r.site).map_err(|broken| broken.at(topic_at))?;
        Ok(Self {
            dup,
            qos,
            retain: first & 0x01 != 0,
            topic,
            packet_id,
            properties,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        check_dup(self.dup, self.qos, site)?;
        match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, None) | (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(_)) => {}
            (QoS::AtMostOnce, Some(_)) => return Err(site.encode_error(EncodeErrorKind::PacketIdExtra)),
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => {
                return Err(site.encode_error(EncodeErrorKind::PacketIdMissing));
            }
        }
        Ok(check_topic(
            self.topic,
            self.properties.check(PLACE, site)?,
            site,
        )?)
    }

    /// The low four bits of the first byte.
    pub(super) fn flags(&self) -> u8 {
        u8::from(self.dup) << 3 | u8::from(self.qos) << 1 | u8::from(self.retain)
    }

    /// Everything between fixed header and payload.
    #[inline]
    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.text(self.topic.as_str());
        if let Some(id) = self.packet_id {
            sink.u16(id.get());
        }
        self.properties.write(site, sink);
    }
}

/// DUP says nothing about a message that is sent once (`5/MQTT-3.3.1-2`, `3.1.1/MQTT-3.3.1-2`).
fn check_dup(dup: bool, qos: QoS, site: Site) -> Result<(), Broken> {
    if dup && matches!(qos, QoS::AtMostOnce) {
        return site.refuse(DecodeErrorKind::DupQoS0);
    }
    Ok(())
}

/// A topic name may be left out where there is a Topic Alias (5.0 section 3.3.2.3.4).
fn check_topic(topic: TopicName<'_>, seen: Seen, site: Site) -> Result<(), Broken> {
    if topic.is_empty() && !seen.has(PropertyId::TopicAlias) {
        return Err(site.broken(DecodeErrorKind::TopicEmpty));
    }
    Ok(())
}

/// So many bytes of a packet must be there for its head to be read or refused, as far as those that are there tell.
fn head_extent(version: Version, header: &Header, packet: &[u8]) -> usize {
    let total = header.total();
    let topic_at = header.len.saturating_add(2);
    let Some(topic_len) = packet.get(header.len..topic_at) else {
        return topic_at.min(total);
    };
    let topic_len = wire::u16(topic_len).map_or(0, |(_, len)| usize::from(len));
    let topic_end = topic_at.saturating_add(topic_len);
    if topic_end > total {
        return topic_at;
    }
    let id_end = topic_end.saturating_add(if header.first & 0x06 == 0 { 0 } else { 2 });
    if id_end > total {
        return topic_end;
    }
    if !version.has_properties() {
        return id_end;
    }
    let rest = packet.get(id_end..).unwrap_or_default();
    match wire::varint(rest) {
        Ok((properties, (len, _))) => {
            let properties_at = packet.len().saturating_sub(properties.len());
            let end = properties_at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            if end > total { properties_at } else { end }
        }
        // Four bytes tell that there is a fifth one.
        Err(_) => id_end
            .saturating_add(rest.len().saturating_add(1).min(4))
            .min(total),
    }
}
