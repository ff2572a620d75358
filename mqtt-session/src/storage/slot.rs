//! The rows of a client's tables.

use mqtt_proto::{PacketId, PacketType, QoS, ReasonCode};

use super::{list::Links, trail::Trail};
use crate::{
    Token,
    client::AbortReason,
    flags::flags,
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
    /// First byte of a PUBLISH: QoS and RETAIN, DUP not set.
    pub(crate) first: u8,
    pub(crate) marks: Marks,
    /// Filters of a SUBSCRIBE or UNSUBSCRIBE; the topic alias of a binding; of a message whose record is owed, the next such
    /// slot.
    pub(crate) filters: u16,
    /// On a heap, unused.
    pub(super) span: Span,
    pub(crate) trail: Trail,
}

flags! {
    /// What is true of an operation.
    pub(crate) struct Marks(u8) of
    enum Mark {
        /// Some byte of the packet has left, on this link or an earlier one.
        Transmitted,
        /// It stands in this link's window.
        Charged,
        /// The payload is the caller's ([`Payload::External`](crate::Payload::External)).
        External,
        /// Its block holds the caller's deadline.
        Deadline,
        /// Its block holds the end of its Message Expiry Interval.
        Expires,
        /// Its block holds an alias.
        Aliased,
    }
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
        marks: Marks::NONE,
        filters: 0,
        span: Span::EMPTY,
        trail: Trail::NONE,
    };

    /// The quality of service of a message.
    pub(crate) const fn qos(&self) -> QoS {
        match QoS::from_u8(self.first >> 1 & 3) {
            Some(qos) => qos,
            None => QoS::AtMostOnce,
        }
    }

    /// RETAIN of a message.
    pub(crate) const fn retain(&self) -> bool {
        self.first & 1 == 1
    }

    /// Makes it a message of QoS 2 of which nothing else is known.
    pub(crate) const fn set_exactly_once(&mut self) {
        self.first = (PacketType::Publish as u8) << 4 | (QoS::ExactlyOnce as u8) << 1;
    }

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
    /// The id to answer with.
    pub(crate) answers: PacketId,
    pub(crate) generation: u16,
    pub(crate) stage: Incoming,
    /// If it is `Answered`.
    answer: ReasonCode,
    marks: ArrivalMarks,
    /// The slot with the answer's packet, if it has properties; or `NONE`.
    pub(crate) answer_slot: u16,
    /// The next arrival slot whose record is owed.
    pub(crate) next_owed: u16,
    pub(crate) trail: Trail,
}

flags! {
    /// What is true of a message that came in.
    struct ArrivalMarks(u8) of
    enum ArrivalMark {
        /// A packet with its id means this message.
        Found,
        /// The application has answered it.
        Answered,
    }
}

impl ArrivalSlot {
    /// Memory that is not used.
    pub const EMPTY: Self = Self {
        links: Links::LOOSE,
        answers: PacketId::MIN,
        generation: 0,
        stage: Incoming::OwesPubAck,
        answer: ReasonCode::SUCCESS,
        marks: ArrivalMarks::NONE,
        answer_slot: super::NONE,
        next_owed: super::NONE,
        trail: Trail::NONE,
    };

    /// It is not used any more; what stays is its place among those whose record is owed.
    pub(crate) const fn clear(&mut self) {
        *self = Self {
            trail: self.trail.cleared(),
            next_owed: self.next_owed,
            ..Self::EMPTY
        };
    }

    /// The id of the message, as long as a packet with that id means this message.
    pub(crate) const fn id(&self) -> Option<PacketId> {
        if self.marks.has(ArrivalMark::Found) {
            Some(self.answers)
        } else {
            None
        }
    }

    /// From now on a packet with this id means this message, or none does.
    pub(super) const fn set_id(&mut self, id: Option<PacketId>) {
        self.marks.set(ArrivalMark::Found, id.is_some());
        if let Some(id) = id {
            self.answers = id;
        }
    }

    /// The answer that the application gave.
    pub(crate) const fn answer(&self) -> Option<ReasonCode> {
        if self.marks.has(ArrivalMark::Answered) {
            Some(self.answer)
        } else {
            None
        }
    }

    /// Nothing is to be answered any more.
    pub(crate) const fn forget_answer(&mut self) {
        self.marks.set(ArrivalMark::Answered, false);
    }

    pub(crate) const fn set_answer(&mut self, code: ReasonCode) {
        self.marks.set(ArrivalMark::Answered, true);
        self.answer = code;
    }
}
