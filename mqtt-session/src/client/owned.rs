//! Events that own their bytes, to be sent on to other tasks and threads.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use bytes::Bytes;
use mqtt_proto::{PacketId, PacketType, Properties, QoS, ReasonCode, Statement, property::PropertyPlace};

use super::{
    AbortReason, Authenticate, Broken, Client, Closed, ClosedBy, Connected, Event, Message, MessageStart,
    Outcome,
};
use crate::{AckToken, Token, flow::Cause, storage::Storage};

/// An [`Event`] with bytes of its own.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedEvent {
    /// See [`Event::Connected`].
    Connected(OwnedConnected),
    /// See [`Event::Authenticate`].
    Authenticate(OwnedAuthenticate),
    /// See [`Event::Message`].
    Message(OwnedMessage),
    /// See [`Event::MessageStart`].
    MessageStart(OwnedMessageStart),
    /// See [`Event::MessageData`].
    MessageData {
        /// Where in the payload they begin.
        offset: u32,
        /// The bytes.
        bytes: Bytes,
    },
    /// See [`Event::MessageEnd`].
    MessageEnd(Result<Option<AckToken>, Broken>),
    /// See [`Event::Completed`].
    Completed {
        /// Which operation.
        token: Token,
        /// How it ended.
        outcome: OwnedOutcome,
    },
    /// See [`Event::Aborted`].
    Aborted {
        /// Which operation.
        token: Token,
        /// Why.
        why: AbortReason,
    },
    /// See [`Event::Closed`].
    Closed(OwnedClosed),
}

/// Properties with bytes of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedProperties {
    packet: PacketType,
    wire: Bytes,
}

/// See [`Authenticate`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedAuthenticate {
    /// Its properties.
    pub properties: OwnedProperties,
}

/// See [`Connected`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedConnected {
    /// The server has the session: what was in flight goes on.
    pub session_present: bool,
    /// The properties of CONNACK.
    pub properties: OwnedProperties,
}

/// See [`Message`].
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// Where it was published.
    pub topic: String,
    /// What was published.
    pub payload: Bytes,
    /// At which QoS it came.
    pub qos: QoS,
    /// It was retained.
    pub retain: bool,
    /// It may have come before.
    pub dup: bool,
    /// The packet id; none at QoS 0.
    pub packet_id: Option<PacketId>,
    /// Its properties.
    pub properties: OwnedProperties,
    /// In manual mode, the duty to acknowledge it.
    pub ack: Option<AckToken>,
}

/// See [`MessageStart`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessageStart {
    /// Where it was published.
    pub topic: String,
    /// Bytes that its payload will have; promised by the server.
    pub payload_len: u32,
    /// At which QoS it came.
    pub qos: QoS,
    /// It was retained.
    pub retain: bool,
    /// It may have come before.
    pub dup: bool,
    /// The packet id; none at QoS 0.
    pub packet_id: Option<PacketId>,
    /// Its properties.
    pub properties: OwnedProperties,
}

/// See [`Outcome`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedOutcome {
    /// A QoS 0 message has left the machine.
    Written,
    /// PUBACK, PUBCOMP, or a PUBREC that refuses.
    Acknowledged {
        /// Its reason code.
        code: ReasonCode,
        /// Its properties.
        properties: OwnedProperties,
    },
    /// SUBACK.
    Subscribed {
        /// One code for each filter.
        codes: Vec<ReasonCode>,
        /// Its properties.
        properties: OwnedProperties,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// One code for each filter; empty in 3.x.
        codes: Vec<ReasonCode>,
        /// Its properties.
        properties: OwnedProperties,
    },
    /// AUTH with 0x00.
    Authenticated {
        /// Its properties.
        properties: OwnedProperties,
    },
    /// PINGRESP.
    Ponged {
        /// From PINGREQ written to PINGRESP read.
        round_trip: Duration,
    },
}

/// See [`Closed`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedClosed {
    /// Who ended the connection.
    pub by: ClosedBy,
    /// It was never opened.
    pub refused: bool,
    /// The reason code, if there was one.
    pub code: Option<ReasonCode>,
    /// The statement that the server broke, if it did.
    pub statement: Option<Statement>,
    /// Why.
    pub cause: Cause,
    /// The properties of the server's CONNACK or DISCONNECT.
    pub properties: OwnedProperties,
}

impl OwnedProperties {
    fn new(packet: PacketType, properties: Properties<'_>) -> Self {
        Self {
            packet,
            wire: Bytes::copy_from_slice(properties.as_wire()),
        }
    }

    /// The properties.
    pub fn view(&self) -> Properties<'_> {
        Properties::from_wire(PropertyPlace::Packet(self.packet), &self.wire).unwrap_or(Properties::EMPTY)
    }
}

/// A message cannot own its topic, because it came with an alias instead, and only the client that took it knows for
/// what: [`Client::own`] or [`Client::resolve`] it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unresolved;

impl core::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the topic of this message is an alias that was not resolved")
    }
}

impl core::error::Error for Unresolved {}

impl<S: Storage> Client<S> {
    /// The event with bytes of its own, and with its topic if the server has sent an alias instead. As
    /// [`topic`](Self::topic), to be called before the next input.
    pub fn own(&self, event: Event<'_>) -> OwnedEvent {
        OwnedEvent::new(self.resolve(event))
    }
}

/// For events whose topics are in place, as adapters give them.
impl TryFrom<Event<'_>> for OwnedEvent {
    type Error = Unresolved;

    fn try_from(event: Event<'_>) -> Result<Self, Unresolved> {
        let unresolved = match &event {
            Event::Message(message) => message.topic.is_empty(),
            Event::MessageStart(start) => start.topic.is_empty(),
            Event::Connected(_)
            | Event::Authenticate(_)
            | Event::MessageData { .. }
            | Event::MessageEnd(_)
            | Event::Completed { .. }
            | Event::Aborted { .. }
            | Event::Closed(_) => false,
        };
        if unresolved {
            return Err(Unresolved);
        }
        Ok(Self::new(event))
    }
}

impl OwnedEvent {
    fn new(event: Event<'_>) -> Self {
        match event {
            Event::Connected(Connected {
                session_present,
                properties,
            }) => Self::Connected(OwnedConnected {
                session_present,
                properties: OwnedProperties::new(PacketType::ConnAck, properties),
            }),
            Event::Authenticate(Authenticate { properties }) => Self::Authenticate(OwnedAuthenticate {
                properties: OwnedProperties::new(PacketType::Auth, properties),
            }),
            Event::Message(Message {
                topic,
                payload,
                qos,
                retain,
                dup,
                packet_id,
                properties,
                ack,
            }) => Self::Message(OwnedMessage {
                topic: topic.as_str().into(),
                payload: Bytes::copy_from_slice(payload),
                qos,
                retain,
                dup,
                packet_id,
                properties: OwnedProperties::new(PacketType::Publish, properties),
                ack,
            }),
            Event::Completed { token, outcome } => Self::Completed {
                token,
                outcome: outcome.into(),
            },
            Event::MessageStart(MessageStart {
                topic,
                payload_len,
                qos,
                retain,
                dup,
                packet_id,
                properties,
            }) => Self::MessageStart(OwnedMessageStart {
                topic: topic.as_str().into(),
                payload_len,
                qos,
                retain,
                dup,
                packet_id,
                properties: OwnedProperties::new(PacketType::Publish, properties),
            }),
            Event::MessageData { offset, bytes } => Self::MessageData {
                offset,
                bytes: Bytes::copy_from_slice(bytes),
            },
            Event::MessageEnd(end) => Self::MessageEnd(end),
            Event::Aborted { token, why } => Self::Aborted { token, why },
            Event::Closed(Closed {
                by,
                refused,
                code,
                statement,
                cause,
                properties,
            }) => {
                let packet = if refused {
                    PacketType::ConnAck
                } else {
                    PacketType::Disconnect
                };
                let properties = OwnedProperties::new(packet, properties);
                Self::Closed(OwnedClosed {
                    by,
                    refused,
                    code,
                    statement,
                    cause,
                    properties,
                })
            }
        }
    }
}

impl From<Outcome<'_>> for OwnedOutcome {
    fn from(outcome: Outcome<'_>) -> Self {
        match outcome {
            Outcome::Written => Self::Written,
            Outcome::Acknowledged { code, properties } => Self::Acknowledged {
                code,
                properties: OwnedProperties::new(PacketType::PubAck, properties),
            },
            Outcome::Subscribed { codes, properties } => Self::Subscribed {
                codes: codes.iter().collect(),
                properties: OwnedProperties::new(PacketType::SubAck, properties),
            },
            Outcome::Unsubscribed { codes, properties } => Self::Unsubscribed {
                codes: codes.iter().collect(),
                properties: OwnedProperties::new(PacketType::UnsubAck, properties),
            },
            Outcome::Authenticated { properties } => Self::Authenticated {
                properties: OwnedProperties::new(PacketType::Auth, properties),
            },
            Outcome::Ponged { round_trip } => Self::Ponged { round_trip },
        }
    }
}
