//! Publishing: a message goes into the outbox, connected or not.
//!
//! What is kept of it is a PUBLISH that fits any version, so that the version of a later connection does not matter,
//! behind the moments that concern it (`expiry`):
//!
//! ```text
//! | moments | room for the fixed header, 5 | topic | packet id, if QoS > 0 | properties with their length | payload, if copied |
//! | alias, if there is one | room for a head with it |
//! ```
//!
//! A 3.x connection is sent what stands before the properties and the payload; the fixed header is written, to the
//! right, when the packet is sent. The head of a message with an alias is made behind it, for the link it is sent on.

use core::{num::NonZeroU16, ops::Range};

use mqtt_proto::{
    PacketId, PacketType, Properties, QoS, Sender, TopicName, Version, packet::PublishHead,
    property::PropertyPlace,
};

use super::{
    Client, Offline, WhenFull,
    alias::{self, Form},
    expiry::Moments,
    link::Feature,
};
use crate::{
    Instant, NotTaken, Payload, Refused, Token, Unsupported,
    flow::Outgoing,
    storage::{Kind, NONE, Stage, Storage},
};

/// What is to be published, but for its payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Where.
    pub topic: TopicName<'a>,
    /// At which quality of service.
    pub qos: QoS,
    /// Whether the server keeps it as the topic's retained message (3.3.1.3).
    pub retain: bool,
    /// Message properties (5.0). On a connection of 3.x they are refused; if it was accepted before such a connection was made,
    /// it is sent without them.
    ///
    /// A Message Expiry Interval runs from the moment the message is accepted: what is sent, also when it is sent again,
    /// carries what is left of it, and what has not begun to leave when it is over is dropped
    /// ([`AbortReason::Expired`](super::AbortReason::Expired)), whatever the version.
    ///
    /// Topic Alias is none of them: it is `alias`.
    pub properties: Properties<'a>,
    /// If nothing of the message has left by then, it is dropped
    /// ([`AbortReason::Expired`](super::AbortReason::Expired)). A moment that has passed is a deadline too.
    pub deadline: Option<Instant>,
    /// A number to use instead of the topic (5.0, 3.3.2.3.4), between 1 and the Topic Alias Maximum of CONNACK. The topic is
    /// always given, and kept: the machine leaves it out where this link's server was told before what the number stands
    /// for, tells it where it was not, and leaves the alias out where the server does not take it, as in 3.x. So an alias
    /// saves bytes on the wire and changes nothing else; it costs the room of one more head while the message is kept.
    pub alias: Option<NonZeroU16>,
}

impl<'a> Publish<'a> {
    /// A message without RETAIN, properties, deadline and alias.
    pub const fn new(topic: TopicName<'a>, qos: QoS) -> Self {
        Self {
            topic,
            qos,
            retain: false,
            properties: Properties::EMPTY,
            deadline: None,
            alias: None,
        }
    }
}

/// Room for the longest fixed header.
pub(super) const HEADER: usize = 5;

impl<S: Storage> Client<S> {
    /// Accepts a message: it is sent when its turn comes, now or on a later connection, and ends as
    /// [`Completed`](crate::Event::Completed) or [`Aborted`](crate::Event::Aborted) with the token that is returned.
    ///
    /// # Errors
    /// The payload comes back, with [`Refused::Slots`] or [`Refused::Bytes`] if the outbox is full and
    /// [`when_full`](super::Config::when_full) makes no room,
    /// [`Refused::NotConnected`] if publishing offline is turned off, [`Refused::TooLarge`] if the server or
    /// the storage can never take it, [`Refused::Unsupported`] if the server cannot do it, [`Refused::Invalid`] if no
    /// PUBLISH may look like this.
    pub fn publish<'p>(
        &mut self,
        now: Instant,
        message: &Publish<'_>,
        payload: impl Into<Payload<'p>>,
    ) -> Result<Token, NotTaken<Payload<'p>>> {
        self.advance(now);
        let payload = payload.into();
        match self.accept(message, &payload) {
            Ok(index) => {
                self.keep_payload(index, payload);
                Ok(self.storage.slot(index).token)
            }
            Err(why) => Err(NotTaken { given: payload, why }),
        }
    }

    fn accept(&mut self, message: &Publish<'_>, payload: &Payload<'_>) -> Result<u16, Refused> {
        self.check_not_draining()?;
        self.check_server_takes(message)?;
        let measured = Measured::new(message, payload)?;
        if let Some(connection) = self.connected() {
            let id_len = if message.qos > QoS::AtMostOnce { 2 } else { 0 };
            let size = match connection.version {
                Version::V5 => measured.encoded + payload.len(),
                Version::V31 | Version::V311 => {
                    packet_len(2 + message.topic.as_str().len() + id_len, payload.len())
                }
            };
            if size as u64 > u64::from(connection.server.packet_size) {
                return Err(Refused::TooLarge);
            }
        }
        let moments = Moments::new(self.now, message);
        let (own, shared) = measured.room::<S>(payload, &moments);
        let alias = measured.alias_room(&moments);
        self.make_room(own.saturating_add(alias).saturating_add(shared), true)?;
        let index = self.place(&measured, payload, &moments, self.next_token)?;
        self.take_token();
        if message.qos > QoS::AtMostOnce {
            self.note_slot(index);
        }
        Ok(index)
    }

    /// Puts a message into a slot, at the end of its list; its payload is to follow.
    pub(super) fn place(
        &mut self,
        measured: &Measured<'_>,
        payload: &Payload<'_>,
        moments: &Moments,
        token: Token,
    ) -> Result<u16, Refused> {
        let Measured {
            ref head,
            header,
            payload_len,
            ..
        } = *measured;
        let (own, shared) = measured.room::<S>(payload, moments);
        let head_len = measured.head_len(moments);
        let index = self.free_slot().ok_or(Refused::Slots)?;
        self.storage.slot_mut(index).kind = Kind::Publish;
        if let Err(why) = self
            .storage
            .allocate(index, own + measured.alias_room(moments), shared)
        {
            self.storage.slot_mut(index).kind = Kind::Free;
            return Err(why);
        }
        let room = self
            .storage
            .bytes_mut(index)
            .get_mut(moments.len() + HEADER - header..)
            .unwrap_or_default();
        let first = match head.encode(Version::V5, payload_len, room) {
            Ok(bytes) => bytes.first().copied().unwrap_or_default(),
            Err(error) => {
                self.storage.release(index);
                self.storage.slot_mut(index).kind = Kind::Free;
                return Err(error.into());
            }
        };
        if let Some(alias) = measured.alias {
            self.keep_alias(index, own, alias);
        }
        moments.keep(&mut self.storage, index);
        let slot = self.storage.slot_mut(index);
        slot.stage = Stage::Queued;
        slot.token = token;
        slot.qos = head.qos;
        slot.first = first;
        slot.external = matches!(payload, Payload::External(_));
        slot.head_len = head_len as u32;
        slot.payload_len = payload_len;
        if head.qos == QoS::AtMostOnce {
            self.occupy(index, |outbox| &mut outbox.plain);
        } else {
            self.occupy(index, |outbox| &mut outbox.messages);
            for cursor in [&mut self.outbox.next_message, &mut self.outbox.unprepared] {
                if *cursor == NONE {
                    *cursor = index;
                }
            }
        }
        self.watch(index);
        Ok(index)
    }

    fn check_server_takes(&self, message: &Publish<'_>) -> Result<(), Refused> {
        if message.properties.topic_alias().is_some() || message.topic.is_empty() {
            // An alias holds for one connection, but a message is kept for any: the topic is needed, and the alias beside
            // it.
            return Err(Refused::Unsupported(Unsupported::TopicAlias));
        }
        let Some(connection) = self.connected() else {
            return if self.config.offline == Offline::Refuse || self.config.when_full == WhenFull::KeepNothing
            {
                Err(Refused::NotConnected)
            } else {
                Ok(())
            };
        };
        if !connection.version.has_properties() && !message.properties.is_empty() {
            return Err(Refused::Unsupported(Unsupported::Properties));
        }
        if message.qos > connection.server.qos {
            return Err(Refused::Unsupported(Unsupported::QoS)); // 5/MQTT-3.2.2-11
        }
        if message.retain && !connection.server.available.has(Feature::Retain) {
            return Err(Refused::Unsupported(Unsupported::Retain)); // 5/MQTT-3.2.2-14
        }
        Ok(())
    }

    pub(super) fn keep_payload(&mut self, index: u16, payload: Payload<'_>) {
        let at = self.storage.slot(index).head_len as usize;
        let copy = match &payload {
            Payload::Copy(bytes) => *bytes,
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) if !S::SHARES => bytes,
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) => {
                self.storage.share(index, bytes.clone());
                return;
            }
            Payload::External(_) => return,
        };
        if let Some(room) = self.storage.bytes_mut(index).get_mut(at..at + copy.len()) {
            room.copy_from_slice(copy);
        }
    }

    /// The payload, copied or shared; none if it is external.
    pub(super) fn payload(&self, index: u16) -> &[u8] {
        let slot = self.storage.slot(index);
        let shared = self.storage.shared(index);
        if slot.external || !shared.is_empty() {
            return shared;
        }
        let (at, len) = (slot.head_len as usize, slot.payload_len as usize);
        self.storage.bytes(index).get(at..at + len).unwrap_or_default()
    }

    /// The properties that were given, but for what is left of a Message Expiry Interval.
    pub(super) fn properties(&self, index: u16) -> Properties<'_> {
        let (from, to) = (
            self.head_end(index, Version::V311),
            self.head_end(index, Version::V5),
        );
        let section = self.storage.bytes(index).get(from..to).unwrap_or_default();
        let len = section
            .iter()
            .position(|byte| byte & 0x80 == 0)
            .map_or(0, |at| at + 1);
        let place = PropertyPlace::Packet(PacketType::Publish);
        Properties::from_wire(place, section.get(len..).unwrap_or_default()).unwrap_or(Properties::EMPTY)
    }

    /// The whole length of the PUBLISH in this slot, without an alias, on a connection of that version.
    pub(super) fn packet_len(&self, index: u16, version: Version) -> u32 {
        let slot = self.storage.slot(index);
        let middle = self.head_end(index, version) - HEADER - slot.front();
        packet_len(middle, slot.payload_len as usize) as u32
    }

    /// Where the part of the block before the payload ends in that version.
    pub(super) fn head_end(&self, index: u16, version: Version) -> usize {
        match version {
            Version::V5 => self.storage.slot(index).head_len as usize,
            Version::V31 | Version::V311 => {
                self.id_at(index)
                    + if self.storage.slot(index).qos > QoS::AtMostOnce {
                        2
                    } else {
                        0
                    }
            }
        }
    }

    /// Where the packet id stands, if there is one.
    pub(super) fn id_at(&self, index: u16) -> usize {
        self.topic_at(index).1
    }

    /// Where the topic begins and ends.
    pub(super) fn topic_at(&self, index: u16) -> (usize, usize) {
        let at = self.storage.slot(index).front() + HEADER;
        let len = match self.storage.bytes(index).get(at..) {
            Some([a, b, ..]) => usize::from(u16::from_be_bytes([*a, *b])),
            _ => 0,
        };
        (at + 2, at + 2 + len)
    }

    /// Writes fixed header, packet id, what is left of the expiry, and the alias if there is one, for this connection; tells
    /// where the packet begins and its head ends, from where its form puts the head.
    pub(super) fn address(&mut self, index: u16, version: Version) -> (Range<usize>, Form) {
        self.count_down(index, version);
        let head_end = self.head_end(index, version);
        let id_at = self.id_at(index);
        let slot = self.storage.slot(index);
        // 5/MQTT-3.3.1-1, 3.1.1/MQTT-3.3.1-1: a PUBLISH that is sent again has DUP set.
        let dup = slot.transmitted && slot.flow().is_some_and(|at| at != Outgoing::AwaitingPubComp);
        let first = slot.first | if dup { 0x08 } else { 0 };
        let at = slot.front() + HEADER;
        let remaining = head_end - at + slot.payload_len as usize;
        let id = slot.id;
        let block = self.storage.bytes_mut(index);
        if let (Some(id), Some(place)) = (id, block.get_mut(id_at..id_at + 2)) {
            place.copy_from_slice(&id.get().to_be_bytes());
        }
        if version.has_properties() {
            if let Some(addressed) = self.address_with_alias(index, first) {
                return addressed;
            }
        }
        let start = write_header(self.storage.bytes_mut(index), at, first, remaining);
        (start.unwrap_or_default()..head_end, Form::Plain)
    }
}

/// Writes a fixed header that ends at `end`, and tells where it begins.
pub(super) fn write_header(block: &mut [u8], end: usize, first: u8, remaining: usize) -> Option<usize> {
    let start = end.checked_sub(1 + varint_len(remaining))?;
    let mut rest = remaining;
    for (n, place) in block.get_mut(start..end)?.iter_mut().enumerate() {
        *place = if n == 0 {
            first
        } else {
            let low = (rest & 0x7F) as u8;
            rest >>= 7;
            if rest > 0 { low | 0x80 } else { low }
        };
    }
    Some(start)
}

/// A message as the PUBLISH of 5.0 that is kept of it: that says all that 3.x says, and more.
pub(super) struct Measured<'a> {
    head: PublishHead<'a>,
    /// Bytes before the payload, and how many of them are the fixed header.
    encoded: usize,
    header: usize,
    payload_len: u32,
    alias: Option<NonZeroU16>,
}

impl<'a> Measured<'a> {
    pub(super) fn new(message: &Publish<'a>, payload: &Payload<'_>) -> Result<Self, Refused> {
        let payload_len = u32::try_from(payload.len()).map_err(|_| Refused::TooLarge)?;
        let head = PublishHead {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: message.topic,
            // It takes a packet id when it is sent; until then any stands for it.
            packet_id: (message.qos > QoS::AtMostOnce).then_some(PacketId::MIN),
            properties: message.properties,
        };
        let encoded = head.encoded_len_from(Version::V5, Sender::Client, payload_len)?;
        Ok(Self {
            head,
            encoded,
            header: fixed_header_len(encoded, payload.len()),
            payload_len,
            alias: message.alias,
        })
    }

    /// Bytes at the end of the block for an alias, if there is one.
    const fn alias_room(&self, moments: &Moments) -> usize {
        match self.alias {
            Some(_) => alias::room(self.head_len(moments)),
            None => 0,
        }
    }

    /// Bytes of the block before the payload.
    const fn head_len(&self, moments: &Moments) -> usize {
        moments.len() + HEADER + self.encoded - self.header
    }

    /// Bytes of the block, and of a payload that is shared.
    fn room<S: Storage>(&self, payload: &Payload<'_>, moments: &Moments) -> (usize, usize) {
        let head_len = self.head_len(moments);
        match payload {
            Payload::Copy(bytes) => (head_len.saturating_add(bytes.len()), 0),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) if S::SHARES => (head_len, bytes.len()),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) => (head_len.saturating_add(bytes.len()), 0),
            Payload::External(_) => (head_len, 0),
        }
    }
}

/// How many bytes a variable byte integer takes (1.5.5, in 3.x 2.2.3).
pub(super) const fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// The length of a packet from that of what stands between fixed header and payload.
pub(super) const fn packet_len(middle: usize, payload: usize) -> usize {
    1 + varint_len(middle + payload) + middle + payload
}

/// The length of the fixed header of a PUBLISH whose head, fixed header included, has `encoded` bytes.
const fn fixed_header_len(encoded: usize, payload: usize) -> usize {
    let mut header = 2;
    while header < HEADER && 1 + varint_len(encoded - header + payload) != header {
        header += 1;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_header_is_as_long_as_its_remaining_length_needs() {
        for remaining in [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000, 0xFFF_FFFF] {
            for middle in [0, 1, 7, 200] {
                let Some(payload) = usize::checked_sub(remaining, middle) else {
                    continue;
                };
                let header = 1 + varint_len(remaining);
                assert_eq!(
                    fixed_header_len(header + middle, payload),
                    header,
                    "{remaining} {middle}"
                );
                assert_eq!(packet_len(middle, payload), header + remaining);
            }
        }
    }
}
