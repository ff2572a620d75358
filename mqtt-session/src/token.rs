//! Names for what is under way.

use core::{fmt, num::NonZeroU32};

use mqtt_proto::{PacketId, QoS};

/// Names an operation that the client has accepted, until it ends. Tokens are not used again within one client, unless
/// more than 2³² operations are made.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Token(NonZeroU32);

impl Token {
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);

    /// The next token; the first one follows the last.
    pub(crate) const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::FIRST,
        }
    }

    /// The token that is made so many operations later.
    pub(crate) const fn after(self, count: u16) -> Self {
        let number = (self.0.get() as u64 - 1 + count as u64) % u32::MAX as u64 + 1;
        match NonZeroU32::new(number as u32) {
            Some(number) => Self(number),
            None => Self::FIRST,
        }
    }

    /// It was made before the other one, unless 2³¹ were made between them.
    pub(crate) const fn is_older_than(self, other: Self) -> bool {
        (self.0.get().wrapping_sub(other.0.get()) as i32) < 0
    }

    /// The number, for logs and for tables of the caller's.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// From [`get`](Self::get), for tables that outlive the process as a [journal](crate::Config::journal) does; `None` for
    /// 0, which no token has.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.0)
    }
}

/// The duty to acknowledge a message of QoS 1 or 2. Can neither be copied nor cloned: it is given back once, to
/// `acknowledge`, in any order and at any time.
///
/// After a lost link the token of a QoS 1 message is stale, and giving it back changes nothing; the token of a QoS 2
/// message stays good as long as the session.
#[must_use = "a message that is never acknowledged keeps its slot, and in the end stops the client from reading"]
#[derive(PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AckToken {
    pub(crate) id: PacketId,
    pub(crate) qos: QoS,
    /// Tells apart two messages that had the same packet id one after the other.
    pub(crate) generation: u16,
}

impl AckToken {
    /// As a number, for a store or a model. Whoever keeps it must see to it that it is given back only once.
    pub const fn into_raw(self) -> u64 {
        (self.generation as u64) << 32 | (self.qos as u64) << 16 | self.id.get() as u64
    }

    /// From [`into_raw`](Self::into_raw); `None` if no token has this number.
    pub const fn from_raw(raw: u64) -> Option<Self> {
        let id = PacketId::new(raw as u16);
        let qos = QoS::from_u8((raw >> 16) as u8);
        match (id, qos, raw >> 48) {
            (Some(id), Some(qos), 0) if !matches!(qos, QoS::AtMostOnce) => Some(Self {
                id,
                qos,
                generation: (raw >> 32) as u16,
            }),
            _ => None,
        }
    }

    /// The quality of service of the message: never [`QoS::AtMostOnce`].
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// The packet id of the message.
    pub const fn packet_id(&self) -> PacketId {
        self.id
    }
}

impl fmt::Debug for AckToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AckToken({} qos {})", self.id, self.qos as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_round_without_zero() {
        let last = Token(NonZeroU32::MAX);
        assert_eq!(last.next(), Token::FIRST);
        assert_eq!(last.after(1), Token::FIRST);
        assert_eq!(last.after(0), last);
        assert_eq!(Token::FIRST.after(2), Token::FIRST.next().next());
        assert!(last.is_older_than(Token::FIRST));
    }

    #[test]
    fn an_ack_token_survives_being_a_number() {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for (id, generation) in [(1, 0), (65_535, 65_535), (7, 9)] {
                let id = PacketId::new(id).unwrap();
                let raw = AckToken { id, qos, generation }.into_raw();
                let back = AckToken::from_raw(raw).unwrap();
                assert_eq!((back.id, back.qos, back.generation), (id, qos, generation));
                assert!(AckToken::from_raw(raw | 1 << 48).is_none());
            }
        }
        assert!(AckToken::from_raw(0).is_none());
        assert!(AckToken::from_raw(1).is_none(), "QoS 0 has no token");
    }
}
