//! Answers to packets that have no message here.

use mqtt_proto::{Packet, PacketId, ReasonCode, Version, packet};

const PLACES: usize = 4;

/// A bounded ring of answers to packets that have no message here.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    /// The answers, oldest first, and the ids they are for.
    ids: [Option<PacketId>; PLACES],
    answers: [Answerless; PLACES],
}

/// An answer to a packet that has no message here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Answerless {
    /// PUBREC for a message that was answered before.
    ReceivedBefore,
    /// PUBREL for a PUBREC that belongs to nothing.
    ReleaseUnknown,
    /// PUBCOMP for a PUBREL that belongs to nothing.
    CompleteUnknown,
    /// PUBACK for a message whose id is in use.
    QoS1IdInUse,
    /// PUBREC for a message whose id is in use.
    QoS2IdInUse,
}

impl Owed {
    pub(super) const EMPTY: Self = Self {
        ids: [None; PLACES],
        answers: [Answerless::ReceivedBefore; PLACES],
    };

    pub(super) const fn is_full(&self) -> bool {
        self.ids[PLACES - 1].is_some()
    }

    pub(super) const fn first(&self) -> Option<(Answerless, PacketId)> {
        match self.ids[0] {
            Some(id) => Some((self.answers[0], id)),
            None => None,
        }
    }

    pub(super) fn pop(&mut self) {
        self.ids[0] = None;
        self.ids.rotate_left(1);
        self.answers.rotate_left(1);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    /// There is room: no packet is taken while the ring is full.
    pub(super) fn push(&mut self, answer: Answerless, id: PacketId) {
        let mut places = self.ids.iter_mut().zip(&mut self.answers);
        if let Some((place, kept)) = places.find(|(id, _)| id.is_none()) {
            (*place, *kept) = (Some(id), answer);
        }
    }
}

impl Answerless {
    /// The packet; 3.x has no codes to tell it with.
    pub(super) fn packet(self, version: Version, id: PacketId) -> Packet<'static> {
        let code = |code| {
            if version.has_properties() {
                code
            } else {
                ReasonCode::SUCCESS
            }
        };
        let ack = |reason| packet::Ack::new(id, code(reason));
        match self {
            Self::ReceivedBefore => Packet::PubRec(ack(ReasonCode::SUCCESS)),
            Self::ReleaseUnknown => Packet::PubRel(ack(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)),
            Self::CompleteUnknown => Packet::PubComp(ack(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)),
            Self::QoS1IdInUse => Packet::PubAck(ack(ReasonCode::PACKET_IDENTIFIER_IN_USE)),
            Self::QoS2IdInUse => Packet::PubRec(ack(ReasonCode::PACKET_IDENTIFIER_IN_USE)),
        }
    }
}
