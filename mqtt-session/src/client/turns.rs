//! Whose turn it is to be sent.

use crate::flags::flags;

flags! {
    /// Of which classes something could be sent now.
    pub(super) struct Waiting(u8) of
    /// A kind of packet, in the order in which they go. Acknowledgements are of five kinds, each with an order of its own
    /// (`5/MQTT-4.6.0-2` to `5/MQTT-4.6.0-4`).
    enum Class {
        /// Answers to packets that have no message here.
        Owed,
        PubAck,
        PubRec,
        PubComp,
        PubRel,
        Ping,
        /// AUTH, SUBSCRIBE, UNSUBSCRIBE.
        Control,
        Message,
    }
}

impl Class {
    pub(super) const ALL: [Self; 8] = [
        Self::Owed,
        Self::PubAck,
        Self::PubRec,
        Self::PubComp,
        Self::PubRel,
        Self::Ping,
        Self::Control,
        Self::Message,
    ];

    /// Where its count stands.
    const fn shift(self) -> u32 {
        4 * self as u32
    }
}

/// How many packets of other classes have been sent in a row while one of this class was waiting: four bits for each.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Turns(u32);

impl Turns {
    pub(super) const EMPTY: Self = Self(0);

    /// How often a class is passed over: then it is its turn.
    ///
    /// Not fewer than there are other classes, or else those that have lost patience would be served in turn for ever, and
    /// the order would mean nothing.
    pub(super) const PATIENCE: u32 = 8;

    /// Some class has waited long enough.
    pub(super) const fn any_is_overdue(self) -> bool {
        self.0 & 0x8888_8888 != 0
    }

    pub(super) const fn is_overdue(self, class: Class) -> bool {
        self.0 >> class.shift() & 0xF >= Self::PATIENCE
    }

    /// A packet of this class goes; of the others, some wait.
    pub(super) fn taken(&mut self, by: Class, waiting: Waiting) {
        let others = waiting.with(by, false);
        let mut counts = 0;
        for class in Class::ALL {
            if others == Waiting::NONE {
                break;
            }
            if others.has(class) {
                let count = (self.0 >> class.shift() & 0xF) + 1;
                counts |= count.min(Self::PATIENCE) << class.shift();
            }
        }
        self.0 = counts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything waits always: the worst there is for each.
    #[test]
    fn each_class_has_its_turn_within_patience_and_one_turn_of_each_other() {
        let mut turns = Turns::EMPTY;
        let mut since = [0; Class::ALL.len()];
        let bound = Turns::PATIENCE as usize + Class::ALL.len() - 1;
        for _ in 0..10_000 {
            let overdue = Class::ALL.into_iter().find(|class| turns.is_overdue(*class));
            assert_eq!(overdue.is_some(), turns.any_is_overdue());
            let next = overdue.unwrap_or(Class::ALL[0]);
            turns.taken(next, Waiting::ALL);
            for (class, since) in Class::ALL.into_iter().zip(&mut since) {
                *since = if class == next { 0 } else { *since + 1 };
                assert!(*since < bound, "{class:?} has been passed over {since} times");
            }
        }
    }

    #[test]
    fn who_does_not_wait_is_not_passed_over() {
        let mut turns = Turns::EMPTY;
        for _ in 0..100 {
            turns.taken(Class::PubAck, Waiting::NONE);
        }
        assert!(!turns.any_is_overdue());
        for n in 0..Turns::PATIENCE {
            assert!(!turns.is_overdue(Class::Message), "{n}");
            turns.taken(Class::PubAck, Waiting::NONE.with(Class::Message, true));
        }
        assert!(turns.is_overdue(Class::Message));
        turns.taken(Class::Message, Waiting::ALL);
        assert!(!turns.is_overdue(Class::Message));
    }
}
