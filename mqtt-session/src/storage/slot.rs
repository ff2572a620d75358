//! The rows of a client's tables.

use mqtt_proto::{PacketId, QoS, ReasonCode};

use super::{list::Links, trail::Trail};
use crate::{
    Token,
    client::AbortReason,
    flow::{Incoming, Outgoing},
};

/// Memory for one operation that is under way. Opaque; [`Slot::EMPTY`] fills the memory of a
/// [`Borrowed`](super::Borrowed).
#[derive(Clone, Debug)]
pub struct Slot {
    pub(crate) links: Links,
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    pub(crate) token: Token,
    pub(crate) id: Option<PacketId>,
    /// First byte of the packet, DUP not set.
    pub(crate) first: u8,
    pub(crate) qos: QoS,
    /// Some byte of the packet has left, on this link or an earlier one.
    pub(crate) transmitted: bool,
    /// It stands in this link's window.
    pub(crate) charged: bool,
    /// The payload is the caller's ([`Payload::External`](crate::Payload::External)).
    pub(crate) external: bool,
    /// Its block holds the caller's deadline.
    pub(crate) deadline: bool,
    /// Its block holds the end of its Message Expiry Interval.
    pub(crate) expires: bool,
    /// Filters of a SUBSCRIBE or UNSUBSCRIBE; the topic alias of a binding; of a message whose record is owed, the next such
    /// slot.
    pub(crate) filters: u16,
    /// Bytes of the block before the payload.
    pub(crate) head_len: u32,
    pub(crate) payload_len: u32,
    /// On a heap, unused.
    pub(super) span: Span,
    pub(crate) trail: Trail,
}

/// Where in an arena a block lies.
#[derive(Copy, Clone, Debug)]
pub(super) struct Span {
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) const EMPTY: Self = Self { offset: 0, len: 0 };

    pub(super) const fn end(self) -> u32 {
        self.offset + self.len
    }
}

/// What a slot is used for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Free,
    Publish,
    Subscribe,
    Unsubscribe,
    /// A PUBACK or PUBREC with properties, kept for an arrival slot.
    Answer,
    /// A topic, and the alias that this link's server was told for it.
    Binding,
    /// Nothing but a packet id that must not be used until the session ends.
    Retired,
    /// Nothing but a message's end, which was told and is still to be recorded.
    Over,
}

impl Kind {
    /// It may fill the memory up to where the reserve for other packets begins.
    pub(super) const fn is_message(self) -> bool {
        matches!(self, Self::Publish | Self::Answer | Self::Binding)
    }
}

/// How far an operation is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To be sent, for the first time as far as the peer knows.
    Queued,
    /// SUBSCRIBE or UNSUBSCRIBE was sent.
    Requested,
    /// A message was sent at some time; `owed`: its PUBLISH or PUBREL is to be sent on this link.
    Flow { at: Outgoing, owed: bool },
    /// It has ended, and the event that says so is owed.
    Ended(End),
}

/// An end that the input does not tell.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Written,
    Aborted(AbortReason),
}

impl Slot {
    /// Memory that is not used.
    pub const EMPTY: Self = Self {
        links: Links::LOOSE,
        kind: Kind::Free,
        stage: Stage::Queued,
        token: Token::FIRST,
        id: None,
        first: 0,
        qos: QoS::AtMostOnce,
        transmitted: false,
        charged: false,
        external: false,
        deadline: false,
        expires: false,
        filters: 0,
        head_len: 0,
        payload_len: 0,
        span: Span::EMPTY,
        trail: Trail::NONE,
    };

    pub(crate) const fn flow(&self) -> Option<Outgoing> {
        match self.stage {
            Stage::Flow { at, .. } => Some(at),
            Stage::Queued | Stage::Requested | Stage::Ended(_) => None,
        }
    }
}

/// Memory for one message of QoS 1 or 2 that came in and is not finished. Opaque; [`ArrivalSlot::EMPTY`] fills the
/// memory of a [`Borrowed`](super::Borrowed).
#[derive(Clone, Debug)]
pub struct ArrivalSlot {
    pub(crate) links: Links,
    /// The id of the message, as long as a packet with that id means this message.
    pub(crate) id: Option<PacketId>,
    /// The id to answer with.
    pub(crate) answers: PacketId,
    pub(crate) generation: u16,
    pub(crate) stage: Incoming,
    /// The answer that the application gave.
    pub(crate) answer: Option<ReasonCode>,
    /// The slot with the answer's packet, if it has properties; or `NONE`.
    pub(crate) answer_slot: u16,
    /// The next arrival slot whose record is owed.
    pub(crate) next_owed: u16,
    pub(crate) trail: Trail,
}

impl ArrivalSlot {
    /// Memory that is not used.
    pub const EMPTY: Self = Self {
        links: Links::LOOSE,
        id: None,
        answers: PacketId::MIN,
        generation: 0,
        stage: Incoming::OwesPubAck,
        answer: None,
        answer_slot: super::NONE,
        next_owed: super::NONE,
        trail: Trail::NONE,
    };
}
