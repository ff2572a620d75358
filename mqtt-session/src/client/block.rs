//! What is kept of a message: a PUBLISH that fits any version, so that the version of a later connection does not matter,
//! behind the moments that concern it (`expiry`):
//!
//! ```text
//! | moments | length of an external payload, 4 | room for the fixed header, 5 | topic | packet id, if QoS > 0 |
//! | properties with their length | payload, if copied | alias, if there is one | room for a head with it |
//! ```
//!
//! A 3.x connection is sent what stands before the properties and the payload; the fixed header is written, to the
//! right, when the packet is sent. The head of a message with an alias is made behind it, for the link it is sent on.
//! Where what begins is read from the block itself, so that a slot need not know it.

use core::{num::NonZeroU16, ops::Range};

use mqtt_proto::{
    PacketId, PacketType, Properties, QoS, Sender, Version, packet::PublishHead, property::PropertyPlace,
};

use super::{
    Client, Publish,
    alias::{self, Form},
    expiry::Moments,
    output::Current,
};
use crate::{
    Payload, Refused,
    flow::Outgoing,
    storage::{Mark, Slot, Storage},
};

/// Room for the longest fixed header.
pub(super) const HEADER: usize = 5;

impl<S: Storage> Client<S> {
    /// Bytes of the block for a message, an alias aside, and of its payload if that will be shared.
    pub(super) fn room_for(
        measured: &Measured<'_>,
        payload: &Payload<'_>,
        moments: &Moments,
    ) -> (usize, usize) {
        let head_len = measured.head_len(moments);
        match payload {
            Payload::Copy(bytes) => (head_len.saturating_add(bytes.len()), 0),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) if S::SHARES => (head_len, bytes.len()),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) => (head_len.saturating_add(bytes.len()), 0),
            Payload::External(_) => (head_len, 0),
        }
    }

    /// Puts the payload into its place.
    pub(super) fn keep_payload(&mut self, index: u16, payload: Payload<'_>) {
        match payload {
            Payload::Copy(bytes) => self.keep_bytes(index, bytes),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) if S::SHARES => self.storage.share(index, bytes),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) => self.keep_bytes(index, &bytes),
            Payload::External(_) => {}
        }
    }

    fn keep_bytes(&mut self, index: u16, payload: &[u8]) {
        let at = self.head_end(index, Version::V5);
        if let Some(room) = self.storage.bytes_mut(index).get_mut(at..at + payload.len()) {
            room.copy_from_slice(payload);
        }
    }

    /// The payload, copied or shared; none if it is external.
    pub(super) fn payload(&self, index: u16) -> &[u8] {
        self.payload_behind(index, self.head_end(index, Version::V5))
    }

    /// The same for a message whose head ends there.
    fn payload_behind(&self, index: u16, head_end: usize) -> &[u8] {
        let shared = self.storage.shared(index);
        if !shared.is_empty() {
            return shared;
        }
        let copied = head_end..self.payload_end(index);
        self.storage.bytes(index).get(copied).unwrap_or_default()
    }

    /// Bytes of the payload, wherever it is; 0 once the block is given back.
    pub(super) fn payload_len(&self, index: u16) -> usize {
        self.payload_len_behind(index, self.head_end(index, Version::V5))
    }

    fn payload_len_behind(&self, index: u16, head_end: usize) -> usize {
        if self.storage.slot(index).marks.has(Mark::External) {
            let at = self.storage.slot(index).front() - EXTERNAL;
            let len = self.storage.bytes(index).get(at..);
            let len = len.and_then(|len| len.first_chunk()).copied();
            return u32::from_be_bytes(len.unwrap_or_default()) as usize;
        }
        self.payload_behind(index, head_end).len()
    }

    /// Where a copied payload ends, or the head if none is copied; and the alias begins, if there is one.
    pub(super) fn payload_end(&self, index: u16) -> usize {
        let len = self.storage.bytes(index).len();
        let alias = if self.storage.slot(index).marks.has(Mark::Aliased) {
            alias::room(self.head_end(index, Version::V5))
        } else {
            0
        };
        len.saturating_sub(alias)
    }

    /// The properties that were given, but for what is left of a Message Expiry Interval.
    pub(super) fn properties(&self, index: u16) -> Properties<'_> {
        let place = PropertyPlace::Packet(PacketType::Publish);
        let bytes = self.storage.bytes(index).get(self.properties_at(index));
        Properties::from_wire(place, bytes.unwrap_or_default()).unwrap_or(Properties::EMPTY)
    }

    /// The whole length of the PUBLISH in this slot, without an alias, on a connection of that version.
    pub(super) fn packet_len(&self, index: u16, version: Version) -> u32 {
        let slot = self.storage.slot(index);
        let middle = self.head_end(index, version) - HEADER - slot.front();
        packet_len(middle, self.payload_len(index)) as u32
    }

    /// Where the part of the block before the payload ends in that version.
    pub(super) fn head_end(&self, index: u16, version: Version) -> usize {
        match version {
            Version::V5 => self.properties_at(index).end,
            Version::V31 | Version::V311 => {
                let id_len = match self.storage.slot(index).qos() {
                    QoS::AtMostOnce => 0,
                    QoS::AtLeastOnce | QoS::ExactlyOnce => 2,
                };
                self.id_at(index) + id_len
            }
        }
    }

    /// Where the properties stand, behind their length.
    pub(super) fn properties_at(&self, index: u16) -> Range<usize> {
        let mut at = self.head_end(index, Version::V311);
        let section = self.storage.bytes(index).get(at..).unwrap_or_default();
        let mut len = 0;
        for (n, byte) in section.iter().enumerate().take(4) {
            at += 1;
            len |= usize::from(byte & 0x7F) << (7 * n);
            if byte & 0x80 == 0 {
                break;
            }
        }
        at..at + len
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

    /// Writes fixed header, packet id, what is left of the expiry, and the alias if there is one, for this connection: the
    /// packet is ready to be written.
    pub(super) fn address(&mut self, index: u16, version: Version) -> Current {
        self.count_down(index, version);
        let whole = self.head_end(index, Version::V5);
        let head_end = match version {
            Version::V5 => whole,
            Version::V31 | Version::V311 => self.head_end(index, version),
        };
        let payload_len = self.payload_len_behind(index, whole);
        let id_at = self.id_at(index);
        let slot = self.storage.slot(index);
        // 5/MQTT-3.3.1-1, 3.1.1/MQTT-3.3.1-1: a PUBLISH that is sent again has DUP set.
        // 3.1/2.1-4
        let dup = slot.marks.has(Mark::Transmitted)
            && slot.flow().is_some_and(|at| at != Outgoing::AwaitingPubComp);
        let first = slot.first | if dup { 0x08 } else { 0 };
        let at = slot.front() + HEADER;
        let remaining = head_end - at + payload_len;
        let id = slot.id;
        let block = self.storage.bytes_mut(index);
        if let (Some(id), Some(place)) = (id, block.get_mut(id_at..id_at + 2)) {
            place.copy_from_slice(&id.get().to_be_bytes());
        }
        if version.has_properties() {
            if let Some((head, form)) = self.address_with_alias(index, first) {
                return Current::message(index, head, payload_len, form);
            }
        }
        let start = write_header(self.storage.bytes_mut(index), at, first, remaining);
        let head = start.unwrap_or_default()..head_end;
        Current::message(index, head, payload_len, Form::Plain)
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

/// Bytes that say how long an external payload is.
const EXTERNAL: usize = 4;

/// Bytes in front of a message's PUBLISH, from those of its moments.
const fn front_len(moments: usize, external: bool) -> usize {
    moments + if external { EXTERNAL } else { 0 }
}

impl Slot {
    /// Bytes in front of a message's PUBLISH.
    pub(super) const fn front(&self) -> usize {
        front_len(self.moments_len(), self.marks.has(Mark::External))
    }
}

/// A message as the PUBLISH of 5.0 that is kept of it: that says all that 3.x says, and more.
pub(super) struct Measured<'a> {
    pub(super) head: PublishHead<'a>,
    /// Bytes before the payload, and how many of them are the fixed header.
    pub(super) encoded: usize,
    header: usize,
    pub(super) payload_len: u32,
    pub(super) alias: Option<NonZeroU16>,
    external: bool,
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
            external: matches!(payload, Payload::External(_)),
        })
    }

    /// Bytes at the end of the block for an alias, if there is one.
    pub(super) const fn alias_room(&self, moments: &Moments) -> usize {
        match self.alias {
            Some(_) => alias::room(self.head_len(moments)),
            None => 0,
        }
    }

    /// Bytes of the block before the payload.
    const fn head_len(&self, moments: &Moments) -> usize {
        self.head_at(moments) + self.encoded
    }

    /// Where in the block the encoded head begins.
    const fn head_at(&self, moments: &Moments) -> usize {
        front_len(moments.len(), self.external) + HEADER - self.header
    }

    /// Writes all of it but the payload into a slot's block, and what is true of it into the slot.
    pub(super) fn write<S: Storage>(
        &self,
        moments: &Moments,
        storage: &mut S,
        index: u16,
    ) -> Result<(), Refused> {
        let room = storage.bytes_mut(index);
        let head = room.get_mut(self.head_at(moments)..).unwrap_or_default();
        let written = self.head.encode(Version::V5, self.payload_len, head)?;
        let first = written.first().copied().unwrap_or_default();
        if self.external {
            let at = moments.len();
            if let Some(len) = room.get_mut(at..).and_then(|room| room.first_chunk_mut()) {
                *len = self.payload_len.to_be_bytes();
            }
        }
        let slot = storage.slot_mut(index);
        slot.first = first;
        slot.marks.set(Mark::External, self.external);
        slot.marks.set(Mark::Aliased, self.alias.is_some());
        moments.keep(storage, index);
        Ok(())
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
    use core::time::Duration;

    use mqtt_proto::{Property, TopicName};

    use super::*;
    use crate::{
        Config, Instant,
        storage::{Fixed, Heap},
    };

    const LONG: &str = "a text that makes the length of the properties one of two bytes: ......................................";

    /// A block says of itself where everything is, whatever is in it.
    #[test]
    fn every_part_of_a_message_is_found_in_its_block() {
        let properties = [
            &[][..],
            &[Property::MessageExpiryInterval(7)],
            &[Property::UserProperty("k", LONG), Property::ContentType("t")],
        ];
        let bytes = std::vec![7; 300];
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for list in properties {
                for deadline in [None, Some(Instant::from_secs(9))] {
                    for alias in [None, NonZeroU16::new(3)] {
                        let topic = TopicName::new("a/b").unwrap();
                        let mut message = Publish::new(topic, qos);
                        message.properties = Properties::new(list);
                        (message.deadline, message.alias) = (deadline, alias);
                        for len in [0, 1, 200] {
                            let payload = &bytes[..len];
                            found(Heap::new(), &message, Payload::Copy(payload));
                            found(Fixed::<1, 1024>::new(), &message, Payload::Copy(payload));
                            #[cfg(feature = "bytes")]
                            found(
                                Heap::new(),
                                &message,
                                Payload::Shared(bytes::Bytes::copy_from_slice(payload)),
                            );
                        }
                        found(Heap::new(), &message, Payload::External(70_000));
                        found(Fixed::<1, 1024>::new(), &message, Payload::External(70_000));
                    }
                }
            }
        }
    }

    fn found(storage: impl Storage, message: &Publish<'_>, payload: Payload<'_>) {
        let now = Instant::from_secs(5);
        let (len, external) = (payload.len(), matches!(payload, Payload::External(_)));
        let copied = match &payload {
            Payload::Copy(bytes) => std::vec::Vec::from(*bytes),
            #[cfg(feature = "bytes")]
            Payload::Shared(bytes) => bytes.to_vec(),
            Payload::External(_) => std::vec::Vec::new(),
        };
        let mut client = Client::new(Config::DEFAULT, storage);
        client.publish(now, message, payload).unwrap();
        let index = 1;
        let slot = client.storage.slot(index);
        assert_eq!((slot.qos(), slot.retain()), (message.qos, message.retain));
        assert_eq!(slot.marks.has(Mark::External), external);
        assert_eq!(client.payload_len(index), len);
        assert_eq!(client.payload(index), copied);
        assert_eq!(client.properties(index), message.properties);
        assert_eq!(client.deadline_of(index), message.deadline);
        let expiry = message.properties.message_expiry_interval();
        let expiry = expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
        assert_eq!(client.expires_at(index), expiry);
        let (begin, end) = client.topic_at(index);
        assert_eq!(
            &client.storage.bytes(index)[begin..end],
            message.topic.as_str().as_bytes()
        );
        assert_eq!(client.alias_of(index).map(|(alias, _)| alias), message.alias);
        for version in Version::ALL {
            let packet = client.address(index, version);
            assert_eq!(packet.len, client.packet_len(index, version), "{version}");
        }
    }

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
