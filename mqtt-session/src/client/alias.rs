//! Topic aliases (5.0, 3.3.2.3.4): topics by number, both ways. All of it ends with the link (`5/MQTT-3.3.2-7`).
//!
//! - *In* (on `Heap`): a table of the topics that the server has given numbers to.
//! - *Out*: a message is kept with its full topic, and its alias beside it. Only when the packet is made for a link is it
//!   decided what that link is sent: the topic alone, the topic with the alias, or, if the server was told on this link
//!   what the alias stands for, the alias alone. What it was told is remembered in slots of [`Kind::Binding`]; they make
//!   way for whatever else needs room, and then the topic is told again.

use core::{num::NonZeroU16, ops::Range};

use mqtt_proto::{TopicName, Version, packet::PublishHead};

use super::{
    Client, Event, Message, MessageStart, Slots,
    block::{HEADER, packet_len, varint_len, write_header},
};
use crate::{
    Refused,
    flow::{Violation, rules},
    storage::{Kind, Mark, Storage},
};
#[cfg(feature = "alloc")]
use crate::{flow::AliasFault, storage::KnownAliases};

/// What a message with an alias needs beside its head and payload: the alias, and room for a head with it.
pub(super) const fn room(head_len: usize) -> usize {
    // The alias itself; three bytes more in the head, and perhaps one for the length of its properties.
    2 + head_len + PROPERTY + 1
}

/// Bytes of the property Topic Alias.
const PROPERTY: usize = 3;

/// How a PUBLISH is sent on this link.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Its topic, no alias.
    Plain,
    /// Topic and alias: the server learns what that stands for.
    Binds,
    /// The alias alone.
    Bound,
}

impl<S: Storage> Client<S> {
    /// The topic of a message: its own or, if the server has sent an alias instead, the one that the alias stands for. It
    /// is known until the next call of [`handle_input`](Self::handle_input) or
    /// [`handle_disconnect`](Self::handle_disconnect).
    ///
    /// A message has an alias only if Topic Alias Maximum in CONNECT allowed it.
    pub fn topic<'t>(&'t self, message: &Message<'t>) -> TopicName<'t> {
        self.resolved(message.topic, message.properties.topic_alias())
    }

    /// The same for a message that comes in pieces.
    pub fn topic_of_start<'t>(&'t self, start: &MessageStart<'t>) -> TopicName<'t> {
        self.resolved(start.topic, start.properties.topic_alias())
    }

    /// The event with its topic in place, if it is a message whose topic the server has sent as an alias; any other as it is.
    /// As [`topic`](Self::topic), to be called before the next input.
    pub fn resolve<'e>(&'e self, mut event: Event<'e>) -> Event<'e> {
        if let Event::Message(message) = &mut event {
            message.topic = self.resolved(message.topic, message.properties.topic_alias());
        }
        if let Event::MessageStart(start) = &mut event {
            start.topic = self.resolved(start.topic, start.properties.topic_alias());
        }
        event
    }

    #[cfg(feature = "alloc")]
    fn resolved<'t>(&'t self, topic: TopicName<'t>, alias: Option<u16>) -> TopicName<'t> {
        if !topic.is_empty() {
            return topic;
        }
        let known = self.storage.aliases();
        known
            .zip(alias)
            .and_then(|(known, alias)| known.topics.topic(alias))
            .unwrap_or(topic)
    }

    #[cfg(not(feature = "alloc"))]
    fn resolved<'t>(&'t self, topic: TopicName<'t>, _: Option<u16>) -> TopicName<'t> {
        topic
    }

    /// CONNECT announces this maximum, which is 0 where the storage keeps no aliases.
    #[cfg_attr(
        not(feature = "alloc"),
        allow(
            clippy::needless_pass_by_ref_mut,
            reason = "no table to change without an allocator"
        )
    )]
    pub(super) fn take_aliases(&mut self, maximum: u16) {
        #[cfg(feature = "alloc")]
        if let Some(known) = self.storage.aliases_mut() {
            known.maximum = maximum;
        }
        debug_assert!(maximum == 0 || S::KEEPS_ALIASES, "announced what is not kept");
    }

    /// Takes note of what the server calls a topic; also if the message itself is passed over.
    #[cfg_attr(
        not(feature = "alloc"),
        allow(
            clippy::needless_pass_by_ref_mut,
            reason = "no table to change without an allocator"
        )
    )]
    pub(super) fn note_alias(&mut self, version: Version, head: &PublishHead<'_>) -> Result<(), Violation> {
        #[cfg(feature = "alloc")]
        if let Some(known) = self.storage.aliases_mut() {
            return known
                .topics
                .note(head, known.maximum)
                .map_err(|fault| match fault {
                    AliasFault::AboveMaximum => rules::ALIAS_ABOVE_MAXIMUM_BY_SERVER.broken(version),
                    AliasFault::Unknown => rules::ALIAS_UNKNOWN.broken(version),
                });
        }
        match head.properties.topic_alias() {
            // None was announced, so none is right (5/MQTT-3.1.2-27).
            Some(_) => Err(rules::ALIAS_ABOVE_MAXIMUM_BY_SERVER.broken(version)),
            None => Ok(()),
        }
    }

    /// The link ends, and with it all aliases.
    pub(super) fn forget_aliases(&mut self) {
        #[cfg(feature = "alloc")]
        if let Some(known) = self.storage.aliases_mut() {
            *known = KnownAliases::default();
        }
        while self.drop_binding() {}
    }

    /// From where on in its block the head of a message in this form is.
    pub(super) fn head_base(&self, index: u16, form: Form) -> usize {
        match form {
            Form::Plain => 0,
            Form::Binds | Form::Bound => self.payload_end(index) + 2,
        }
    }

    /// The alias of a message, if it has one, and where it stands in its block.
    pub(super) fn alias_of(&self, index: u16) -> Option<(NonZeroU16, usize)> {
        if !self.storage.slot(index).marks.has(Mark::Aliased) {
            return None;
        }
        let at = self.payload_end(index);
        match self.storage.bytes(index).get(at..at + 2) {
            Some(&[high, low]) => NonZeroU16::new(u16::from_be_bytes([high, low])).map(|alias| (alias, at)),
            _ => None,
        }
    }

    /// Keeps the alias of a message, for which there is [`room`].
    pub(super) fn keep_alias(&mut self, index: u16, at: usize, alias: NonZeroU16) {
        if let Some(place) = self.storage.bytes_mut(index).get_mut(at..at + 2) {
            place.copy_from_slice(&alias.get().to_be_bytes());
        }
    }

    /// The head of a message with its alias, if it has one that this server takes; the block has what is sent without.
    pub(super) fn address_with_alias(&mut self, index: u16, first: u8) -> Option<(Range<usize>, Form)> {
        let server = self.connected()?.server;
        let (alias, at) = self.alias_of(index)?;
        // 5/MQTT-3.2.2-17, 5/MQTT-3.2.2-18, 5/MQTT-3.3.2-9
        if alias.get() > server.alias_maximum {
            return None;
        }
        let bound = self
            .bound(alias)
            .is_some_and(|known| known == self.topic_bytes(index));
        let (topic_at, id_at) = self.topic_at(index);
        let properties_at = self.head_end(index, Version::V311);
        let properties = self.properties_at(index);
        let topic = if bound { 0 } else { id_at - topic_at };
        let length = properties.len() + PROPERTY;
        let middle = 2 + topic + (properties_at - id_at) + varint_len(length) + length;
        let payload_len = self.payload_len(index);
        // Without the alias it fits, or it would not have been taken.
        if packet_len(middle, payload_len) as u64 > u64::from(server.packet_size) {
            return None;
        }
        let block = self.storage.bytes_mut(index);
        let start = write_header(block, at + 2 + HEADER, first, middle + payload_len)?;
        let mut end = at + 2 + HEADER;
        let mut put = |block: &mut [u8], from: Range<usize>| {
            let len = from.len();
            if from.end <= block.len() && end + len <= block.len() {
                block.copy_within(from, end);
                end += len;
            }
        };
        put(block, topic_at - 2..topic_at + topic);
        put(block, id_at..properties_at);
        if bound {
            // No topic.
            block.get_mut(at + 2 + HEADER..)?.get_mut(..2)?.fill(0);
        }
        let mut rest = length;
        while rest > 0 {
            let low = (rest & 0x7F) as u8;
            rest >>= 7;
            *block.get_mut(end)? = if rest > 0 { low | 0x80 } else { low };
            end += 1;
        }
        let [high, low] = alias.get().to_be_bytes();
        block.get_mut(end..end + PROPERTY)?.copy_from_slice(&[
            mqtt_proto::PropertyId::TopicAlias as u8,
            high,
            low,
        ]);
        end += PROPERTY;
        let len = properties.len();
        block.copy_within(properties, end);
        let form = if bound { Form::Bound } else { Form::Binds };
        let base = self.head_base(index, form);
        Some((start - base..end + len - base, form))
    }

    /// What the server was told on this link that an alias stands for.
    fn bound(&self, alias: NonZeroU16) -> Option<&[u8]> {
        self.storage
            .find_binding(alias)
            .map(|index| self.storage.bytes(index))
    }

    fn topic_bytes(&self, index: u16) -> &[u8] {
        let (begin, end) = self.topic_at(index);
        self.storage.bytes(index).get(begin..end).unwrap_or_default()
    }

    /// The server has been sent what the alias of this message stands for: that is remembered, if there is room.
    pub(super) fn bind(&mut self, message: u16) {
        let Some((alias, _)) = self.alias_of(message) else {
            return;
        };
        if let Some(old) = self.storage.find_binding(alias) {
            self.free_binding(old);
        }
        let (begin, end) = self.topic_at(message);
        let Some(index) = self.free_slot() else { return };
        self.storage.slot_mut(index).kind = Kind::Binding;
        if self.allocate(index, end - begin, 0).is_err() {
            self.storage.slot_mut(index).kind = Kind::Free;
            return;
        }
        let (block, topic) = self.storage.pair(message, index);
        if let Some(bytes) = block.get(begin..end) {
            topic.copy_from_slice(bytes);
        }
        self.storage.set_binding(index, Some(alias));
        self.occupy(index, |outbox| &mut outbox.bindings);
    }

    /// Forgets what was told longest ago, to make room. False: there is nothing.
    pub(super) fn drop_binding(&mut self) -> bool {
        let oldest = self.outbox.bindings.first();
        let found = oldest != crate::storage::NONE;
        if found {
            self.free_binding(oldest);
        }
        found
    }

    fn free_binding(&mut self, index: u16) {
        self.outbox.bindings.remove(&mut Slots(&mut self.storage), index);
        self.storage.set_binding(index, None);
        self.free(index);
    }

    /// Memory for a slot's packet. What the server was told of aliases makes way for it.
    pub(super) fn allocate(&mut self, index: u16, len: usize, shared: usize) -> Result<(), Refused> {
        loop {
            match self.storage.allocate(index, len, shared) {
                Err(Refused::Bytes) if self.drop_binding() => {}
                other => return other,
            }
        }
    }
}
