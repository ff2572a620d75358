//! What a client tells its caller.

use core::time::Duration;

use mqtt_proto::{
    PacketId, PacketType, Properties, QoS, ReasonCode, Statement, TopicName, packet::ReasonCodes,
    property::PropertyPlace,
};

use super::Authenticate;
use crate::{AckToken, Token, flow::Cause};

/// Something that happened. Borrows from the bytes that were given to
/// [`handle_input`](crate::Client::handle_input), not from the client: commands are legal while it lives.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// The server has accepted the connection (3.2).
    Connected(Connected<'b>),
    /// The server asks for the next step of an authentication (4.12): [`authenticate`](crate::Client::authenticate) answers.
    Authenticate(Authenticate<'b>),
    /// A message has arrived (3.3).
    Message(Message<'b>),
    /// A message that is larger than the receive buffer has begun to arrive ([`Oversize::Stream`](super::Oversize)). Its
    /// data follows, then its end; no other message comes in between.
    MessageStart(MessageStart<'b>),
    /// Bytes of the payload of that message.
    MessageData {
        /// Where in the payload they begin.
        offset: u32,
        /// The bytes; not empty.
        bytes: &'b [u8],
    },
    /// The end of that message: all of it has come, with the duty to acknowledge it in manual mode at QoS 1 and 2; or the
    /// connection ended first, and what came of it is to be forgotten.
    MessageEnd(Result<Option<AckToken>, Broken>),
    /// An operation has ended, with an answer where there is one. Nothing more is told of its token.
    Completed {
        /// Which one.
        token: Token,
        /// How.
        outcome: Outcome<'b>,
    },
    /// An operation has ended without an answer. Nothing more is told of its token.
    Aborted {
        /// Which one.
        token: Token,
        /// Why.
        why: AbortReason,
    },
    /// The connection has ended, or was refused; the last event of a connection. Write what
    /// [`poll_transmit`](crate::Client::poll_transmit) still has, then close the transport.
    Closed(Closed<'b>),
}

/// What CONNACK said.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected<'b> {
    /// The server has the session: what was in flight goes on. A CONNACK of 3.1 does not tell; there it is true if this
    /// client has a session and did not ask for a new one.
    pub session_present: bool,
    /// The properties of CONNACK; empty in 3.x.
    pub properties: Properties<'b>,
}

/// A message that has arrived.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'b> {
    /// Where it was published. Empty if the server has sent a topic alias instead, which it may only if CONNECT allowed
    /// it: then [`Client::topic`](crate::Client::topic) knows.
    pub topic: TopicName<'b>,
    /// What was published.
    pub payload: &'b [u8],
    /// At which QoS it came.
    pub qos: QoS,
    /// It was retained (3.3.1.3).
    pub retain: bool,
    /// It may have come before (3.3.1.1).
    pub dup: bool,
    /// The packet id; none at QoS 0.
    pub packet_id: Option<PacketId>,
    /// Its properties; empty in 3.x.
    pub properties: Properties<'b>,
    /// In manual mode, the duty to acknowledge it. None at QoS 0, and in automatic mode.
    pub ack: Option<AckToken>,
}

/// The beginning of a message that comes in pieces.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageStart<'b> {
    /// Where it was published. Empty if the server has sent a topic alias instead, which it may only if CONNECT allowed
    /// it: then [`Client::topic_of_start`](crate::Client::topic_of_start) knows.
    pub topic: TopicName<'b>,
    /// Bytes that its payload will have; promised by the server, so nothing should be allocated from it.
    pub payload_len: u32,
    /// At which QoS it came.
    pub qos: QoS,
    /// It was retained (3.3.1.3).
    pub retain: bool,
    /// It may have come before (3.3.1.1).
    pub dup: bool,
    /// The packet id; none at QoS 0.
    pub packet_id: Option<PacketId>,
    /// Its properties; empty in 3.x.
    pub properties: Properties<'b>,
}

/// The connection ended inside a message. At QoS 1 and 2 it comes again, from its start, when the session is resumed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Broken;

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the connection ended inside a message")
    }
}

impl core::error::Error for Broken {}

/// How an operation ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'b> {
    /// A QoS 0 message has left the machine; nothing more can be known.
    Written,
    /// PUBACK, PUBCOMP, or a PUBREC that refuses.
    Acknowledged {
        /// Its reason code; below 0x80 the server has the message. A PUBCOMP is always a success: the server took the
        /// message with PUBREC.
        code: ReasonCode,
        /// Its properties.
        properties: Properties<'b>,
    },
    /// SUBACK.
    Subscribed {
        /// One code for each filter: the granted QoS, or a failure.
        codes: ReasonCodes<'b>,
        /// Its properties.
        properties: Properties<'b>,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// One code for each filter; empty in 3.x.
        codes: ReasonCodes<'b>,
        /// Its properties.
        properties: Properties<'b>,
    },
    /// AUTH with 0x00: a re-authentication was accepted.
    Authenticated {
        /// Its properties, Authentication Data among them.
        properties: Properties<'b>,
    },
    /// PINGRESP.
    Ponged {
        /// From PINGREQ written to PINGRESP read.
        round_trip: Duration,
    },
}

/// Why an operation ended without an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AbortReason {
    /// The connection ended; a subscribe, an unsubscribe or a ping ends with it.
    ConnectionLost,
    /// The server has lost the session: whether the message arrived is not known.
    SessionLost,
    /// The server of this connection takes no packet of this size, no such QoS, or no retained messages. What was sent
    /// before keeps its packet id out of use until the session ends.
    NoLongerAccepted,
    /// It had not been sent when its deadline came, or when its Message Expiry Interval was over.
    Expired,
    /// It had waited for [`max_age`](super::Config::max_age) without being sent.
    DroppedForAge,
    /// The outbox was full, and it made room for something newer, as [`when_full`](super::Config::when_full) says.
    DroppedForNewer,
    /// The connection ended before it was sent, and [`WhenFull::KeepNothing`](super::WhenFull) keeps it for no other.
    DroppedWithLink,
    /// It was withdrawn by [`cancel`](crate::Client::cancel).
    Cancelled,
}

/// How a connection ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed<'b> {
    /// Who ended it.
    pub by: ClosedBy,
    /// It was never opened: the server's CONNACK refused it.
    pub refused: bool,
    /// The reason code that was received or sent, or would be sent if the version had one; none if the transport ended or
    /// the connection was aborted.
    pub code: Option<ReasonCode>,
    /// The statement that the server broke, if it did.
    pub statement: Option<Statement>,
    /// Why. It tells a fault from the application's own wish: [`Cause::Disconnected`], [`Cause::Aborted`].
    pub cause: Cause,
    /// The properties of the server's CONNACK or DISCONNECT.
    pub properties: Properties<'b>,
}

/// Who ended a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ClosedBy {
    /// This client: `disconnect`, `abort`, a time-out, or an answer to a violation.
    Client,
    /// The server, with a CONNACK that refuses or a DISCONNECT.
    Server,
    /// The transport ended without a word.
    Transport,
}

/// An [`Event`] without its bytes: a plain value that can be kept while the buffer is used otherwise.
///
/// [`Event::detach`] makes it, [`Found::view`] gives the event back. This is what lets an `async fn` without an
/// allocator return an event that borrows from a buffer of its own.
#[derive(Debug)]
pub struct Found {
    event: Event<'static>,
    spans: [Span; 3],
}

#[derive(Copy, Clone, Debug, Default)]
struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Where `part` lies in `whole`, of which it is a piece; empty for anything else.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
        match at {
            Some(at) if !part.is_empty() && at + part.len() <= whole.len() => Self {
                at: at as u32,
                len: part.len() as u32,
            },
            _ => Self::default(),
        }
    }

    fn get(self, whole: &[u8]) -> &[u8] {
        let at = self.at as usize;
        whole.get(at..at + self.len as usize).unwrap_or_default()
    }
}

/// The bytes that an event borrows: properties, then topic or codes, then payload; and where its properties stood.
struct Parts<'b>([&'b [u8]; 3], PacketType);

impl<'b> Event<'b> {
    /// Lets go of the bytes. `rx` is what was given to `handle_input`.
    pub fn detach(self, rx: &[u8]) -> Found {
        let spans = self.parts().0.map(|part| Span::of(part, rx));
        Found {
            event: self.with([&[]; 3]),
            spans,
        }
    }

    fn parts(&self) -> Parts<'b> {
        const NO: &[u8] = &[];
        match self {
            Self::Connected(connected) => {
                Parts([connected.properties.as_wire(), NO, NO], PacketType::ConnAck)
            }
            Self::Authenticate(authenticate) => {
                Parts([authenticate.properties.as_wire(), NO, NO], PacketType::Auth)
            }
            Self::Message(m) => Parts(
                [m.properties.as_wire(), m.topic.as_str().as_bytes(), m.payload],
                PacketType::Publish,
            ),
            Self::MessageStart(m) => Parts(
                [m.properties.as_wire(), m.topic.as_str().as_bytes(), NO],
                PacketType::Publish,
            ),
            Self::MessageData { bytes, .. } => Parts([NO, NO, bytes], PacketType::Publish),
            Self::MessageEnd(_) => Parts([NO; 3], PacketType::Publish),
            Self::Completed { outcome, .. } => match outcome {
                Outcome::Acknowledged { properties, .. } => {
                    Parts([properties.as_wire(), NO, NO], PacketType::PubAck)
                }
                Outcome::Subscribed { codes, properties } => {
                    Parts([properties.as_wire(), codes.as_wire(), NO], PacketType::SubAck)
                }
                Outcome::Unsubscribed { codes, properties } => {
                    Parts([properties.as_wire(), codes.as_wire(), NO], PacketType::UnsubAck)
                }
                Outcome::Authenticated { properties } => {
                    Parts([properties.as_wire(), NO, NO], PacketType::Auth)
                }
                Outcome::Written | Outcome::Ponged { .. } => Parts([NO; 3], PacketType::PubAck),
            },
            Self::Closed(closed) => {
                let packet = if closed.refused {
                    PacketType::ConnAck
                } else {
                    PacketType::Disconnect
                };
                Parts([closed.properties.as_wire(), NO, NO], packet)
            }
            Self::Aborted { .. } => Parts([NO; 3], PacketType::PubAck),
        }
    }

    /// The same event on other bytes.
    fn with<'x>(self, [wire, middle, payload]: [&'x [u8]; 3]) -> Event<'x> {
        let place = PropertyPlace::Packet(self.parts().1);
        let properties = Properties::from_wire(place, wire).unwrap_or(Properties::EMPTY);
        match self {
            Self::Connected(Connected { session_present, .. }) => Event::Connected(Connected {
                session_present,
                properties,
            }),
            Self::Authenticate(_) => Event::Authenticate(Authenticate { properties }),
            Self::Message(Message {
                qos,
                retain,
                dup,
                packet_id,
                ack,
                ..
            }) => Event::Message(Message {
                topic: topic(middle),
                payload,
                qos,
                retain,
                dup,
                packet_id,
                properties,
                ack,
            }),
            Self::MessageStart(start) => Event::MessageStart(MessageStart {
                topic: topic(middle),
                payload_len: start.payload_len,
                qos: start.qos,
                retain: start.retain,
                dup: start.dup,
                packet_id: start.packet_id,
                properties,
            }),
            Self::MessageData { offset, .. } => Event::MessageData {
                offset,
                bytes: payload,
            },
            Self::MessageEnd(end) => Event::MessageEnd(end),
            Self::Completed { token, outcome } => Event::Completed {
                token,
                outcome: match outcome {
                    Outcome::Written => Outcome::Written,
                    Outcome::Acknowledged { code, .. } => Outcome::Acknowledged { code, properties },
                    Outcome::Subscribed { codes, .. } => Outcome::Subscribed {
                        codes: codes.on(middle),
                        properties,
                    },
                    Outcome::Unsubscribed { codes, .. } => Outcome::Unsubscribed {
                        codes: codes.on(middle),
                        properties,
                    },
                    Outcome::Ponged { round_trip } => Outcome::Ponged { round_trip },
                    Outcome::Authenticated { .. } => Outcome::Authenticated { properties },
                },
            },
            Self::Aborted { token, why } => Event::Aborted { token, why },
            Self::Closed(Closed {
                by,
                refused,
                code,
                statement,
                cause,
                ..
            }) => Event::Closed(Closed {
                by,
                refused,
                code,
                statement,
                cause,
                properties,
            }),
        }
    }
}

/// The topic in bytes that were a topic when they were taken.
fn topic(bytes: &[u8]) -> TopicName<'_> {
    let topic = core::str::from_utf8(bytes)
        .ok()
        .and_then(|topic| TopicName::new(topic).ok());
    topic.unwrap_or(TopicName::EMPTY)
}

impl Found {
    /// The event again; `rx` holds the same bytes at the same places as when it was detached. (On other bytes its texts
    /// and payload are other ones, or empty.)
    pub fn view(self, rx: &[u8]) -> Event<'_> {
        let slices = self.spans.map(|span| span.get(rx));
        self.event.with(slices)
    }
}
