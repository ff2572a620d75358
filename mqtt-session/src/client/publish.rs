//! Publishing: a message goes into the outbox, connected or not. What is kept of it: `block`.

use core::num::NonZeroU16;

use mqtt_proto::{Properties, QoS, TopicName, Version};

use super::{
    Client, Offline, WhenFull,
    block::{Measured, packet_len},
    expiry::Moments,
    link::Feature,
};
use crate::{
    Instant, NotTaken, Payload, Refused, Token, Unsupported,
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
        let (own, shared) = Self::room_for(&measured, payload, &moments);
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
        let (own, shared) = Self::room_for(measured, payload, moments);
        let index = self.free_slot().ok_or(Refused::Slots)?;
        self.storage.slot_mut(index).kind = Kind::Publish;
        if let Err(why) = self
            .storage
            .allocate(index, own + measured.alias_room(moments), shared)
        {
            self.storage.slot_mut(index).kind = Kind::Free;
            return Err(why);
        }
        if let Err(why) = measured.write(moments, &mut self.storage, index) {
            self.storage.release(index);
            self.storage.slot_mut(index).kind = Kind::Free;
            return Err(why);
        }
        if let Some(alias) = measured.alias {
            self.keep_alias(index, own, alias);
        }
        let slot = self.storage.slot_mut(index);
        slot.stage = Stage::Queued;
        slot.token = token;
        if measured.head.qos == QoS::AtMostOnce {
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
}
