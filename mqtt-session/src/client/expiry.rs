//! Messages that wait too long: deadlines, Message Expiry Intervals, and the age that is allowed.
//!
//! All three concern only messages of which nothing has been sent; what has begun to leave is carried to its end
//! (`5/MQTT-4.3.3-7`). The moments stand in front of the message's bytes, in seven bytes each:
//!
//! ```text
//! | accepted at | deadline, if there is one | end of the Message Expiry Interval, if there is one |
//! ```
//!
//! When a message is about to leave, they are looked at exactly. Before that, a moment is kept for all of them before
//! which nothing can be due; when it comes, they are looked through. Tables of more than 64 slots are looked through once a
//! second at most, so that there an end may be told up to a second late.

use core::time::Duration;

use mqtt_proto::{Property, Version};

use super::{AbortReason, Client, Publish, config::Millis};
use crate::{
    Instant,
    flow::expiry_left,
    storage::{Mark, Slot, Storage},
};

/// Bytes of one moment.
const MOMENT: usize = 7;

/// Tables of this size are small enough to be looked through whenever something may be due.
const SMALL: u16 = 64;

/// The moments that a message is accepted with.
#[derive(Copy, Clone)]
pub(super) struct Moments {
    accepted: Instant,
    deadline: Option<Instant>,
    expiry: Option<Instant>,
}

impl Moments {
    pub(super) fn new(now: Instant, message: &Publish<'_>) -> Self {
        let interval = message.properties.message_expiry_interval();
        Self {
            accepted: now,
            deadline: message.deadline,
            expiry: interval.map(|seconds| now + Duration::from_secs(seconds.into())),
        }
    }

    /// Those that were recorded.
    pub(super) const fn recorded(
        accepted: Instant,
        deadline: Option<Instant>,
        expiry: Option<Instant>,
    ) -> Self {
        Self {
            accepted,
            deadline,
            expiry,
        }
    }

    /// How many bytes they take.
    pub(super) const fn len(&self) -> usize {
        moments_len(self.deadline.is_some(), self.expiry.is_some())
    }

    /// Writes them to the start of a slot's block.
    pub(super) fn keep(&self, storage: &mut impl Storage, index: u16) {
        let slot = storage.slot_mut(index);
        slot.marks.set(Mark::Deadline, self.deadline.is_some());
        slot.marks.set(Mark::Expires, self.expiry.is_some());
        let all = [Some(self.accepted), self.deadline, self.expiry];
        let places = storage.bytes_mut(index).chunks_exact_mut(MOMENT);
        for (moment, place) in all.into_iter().flatten().zip(places) {
            // Seven bytes of microseconds are 2,283 years; what is later never comes.
            let micros = moment.as_micros().min((1 << (8 * MOMENT)) - 1);
            let [_, bytes @ ..] = micros.to_be_bytes();
            place.copy_from_slice(&bytes);
        }
    }
}

const fn moments_len(deadline: bool, expiry: bool) -> usize {
    MOMENT * (1 + deadline as usize + expiry as usize)
}

impl Slot {
    /// Bytes of moments in front of a message.
    pub(super) const fn moments_len(&self) -> usize {
        moments_len(self.marks.has(Mark::Deadline), self.marks.has(Mark::Expires))
    }
}

/// The moment at this place of a block.
fn moment(block: &[u8], place: usize) -> Option<Instant> {
    let bytes = block.get(place * MOMENT..)?.first_chunk::<MOMENT>()?;
    let micros = bytes
        .iter()
        .fold(0, |micros, &byte| micros << 8 | u64::from(byte));
    Some(if micros == (1 << (8 * MOMENT)) - 1 {
        Instant::MAX
    } else {
        Instant::from_micros(micros)
    })
}

impl<S: Storage> Client<S> {
    /// When a message was accepted; not known once its bytes are given back.
    pub(super) fn accepted_at(&self, index: u16) -> Option<Instant> {
        moment(self.storage.bytes(index), 0)
    }

    /// When the Message Expiry Interval of a message is over, if it has one.
    pub(super) fn expires_at(&self, index: u16) -> Option<Instant> {
        let marks = self.storage.slot(index).marks;
        if !marks.has(Mark::Expires) {
            return None;
        }
        moment(
            self.storage.bytes(index),
            1 + usize::from(marks.has(Mark::Deadline)),
        )
    }

    /// The deadline that the caller gave a message.
    pub(super) fn deadline_of(&self, index: u16) -> Option<Instant> {
        if !self.storage.slot(index).marks.has(Mark::Deadline) {
            return None;
        }
        moment(self.storage.bytes(index), 1)
    }

    /// From when on a message may no longer begin to leave, and why.
    pub(super) fn last_moment(&self, index: u16) -> Option<(Instant, AbortReason)> {
        let marks = self.storage.slot(index).marks;
        let max_age = self.config.max_age;
        let ages = max_age != Millis::LONGEST;
        // Most messages may wait for ever.
        if !ages && !marks.has(Mark::Deadline) && !marks.has(Mark::Expires) {
            return None;
        }
        let expired = |at| (at, AbortReason::Expired);
        let accepted = if ages { self.accepted_at(index) } else { None };
        [
            self.deadline_of(index).map(expired),
            self.expires_at(index).map(expired),
            accepted.map(|at| (at + max_age, AbortReason::DroppedForAge)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|&(at, _)| at)
    }

    /// A message has begun to wait: nothing is overlooked.
    pub(super) fn watch(&mut self, index: u16) {
        if let Some((at, _)) = self.last_moment(index) {
            let at = at.max(self.next_look());
            self.outbox.look_at = self.outbox.look_at.min(at);
        }
    }

    /// Before then the outbox is not looked through.
    fn next_look(&self) -> Instant {
        if self.storage.slots() <= SMALL {
            self.now
        } else {
            self.now + Duration::from_secs(1)
        }
    }

    /// When a message that waits may be due to be dropped; never later than it is, but for a second in large tables.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let at = self.outbox.look_at;
        (at != Instant::MAX && !self.waiting().is_at_end()).then_some(at)
    }

    /// Drops every message whose last moment has come, and finds the next moment to look.
    pub(super) fn drop_overdue(&mut self) {
        let mut next = Instant::MAX;
        let mut walk = self.waiting();
        while let Some(index) = walk.next(&self.storage) {
            if self.drop_if_overdue(index) || !self.has_not_left(index) {
                continue;
            }
            if let Some((at, _)) = self.last_moment(index) {
                next = next.min(at.max(self.next_look()));
            }
        }
        self.outbox.look_at = next;
    }

    /// Drops a message if its last moment has come, unless some of it has left or is about to.
    pub(super) fn drop_if_overdue(&mut self, index: u16) -> bool {
        match self.last_moment(index) {
            Some((at, why)) if at <= self.now && self.has_not_left(index) => {
                self.drop_message(index, why);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Writes what is left of the Message Expiry Interval into a message that is about to leave, also one that is sent
    /// again: its last receiver has waited for all of that time (`5/MQTT-3.3.2-6` asks it of a server).
    pub(super) fn count_down(&mut self, index: u16, version: Version) {
        let Some(at) = self.expires_at(index).filter(|_| version.has_properties()) else {
            return;
        };
        let left = expiry_left(at, self.now).to_be_bytes();
        let place = self.interval_at(index);
        let block = self.storage.bytes_mut(index);
        if let Some(value) = place.and_then(|at| block.get_mut(at..)?.first_chunk_mut()) {
            *value = left;
        }
    }

    /// Where in its block the value of a message's Message Expiry Interval stands.
    fn interval_at(&self, index: u16) -> Option<usize> {
        let mut at = self.properties_at(index).start;
        for property in self.properties(index) {
            if let Property::MessageExpiryInterval(_) = property {
                return Some(at + 1);
            }
            at += property.encoded_len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_exact_and_what_is_too_far_away_never_comes() {
        let micros = |n| Instant::from_micros(n);
        for (given, kept) in [
            (micros(0), micros(0)),
            (micros(1_700_000_000_123_456), micros(1_700_000_000_123_456)),
            (micros((1 << 56) - 2), micros((1 << 56) - 2)),
            (micros((1 << 56) - 1), Instant::MAX),
            (Instant::MAX, Instant::MAX),
        ] {
            let mut storage = crate::storage::Fixed::<1, 64>::new();
            storage_with(&mut storage, given);
            assert_eq!(moment(bytes_of(&storage), 0), Some(kept));
            assert_eq!(moment(bytes_of(&storage), 1), Some(kept));
        }
    }

    fn storage_with(storage: &mut impl Storage, at: Instant) {
        let moments = Moments {
            accepted: at,
            deadline: Some(at),
            expiry: None,
        };
        assert!(storage.allocate(1, moments.len(), 0).is_ok());
        moments.keep(storage, 1);
    }

    fn bytes_of(storage: &impl Storage) -> &[u8] {
        storage.bytes(1)
    }
}
