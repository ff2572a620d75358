//! Room in the outbox: what waits there, and what of it goes when it is full.

use super::{AbortReason, Client, WhenFull};
use crate::{
    Refused,
    storage::{End, Mark, NONE, Stage, Storage},
};

/// A walk through the publishes that wait to be sent, oldest first. Those that were sent before and wait to be sent again
/// are among them. What it has passed may be dropped meanwhile.
#[derive(Copy, Clone, Debug)]
pub(super) struct Walk {
    plain: u16,
    message: u16,
}

impl Walk {
    pub(super) const fn new(plain: u16, message: u16) -> Self {
        Self { plain, message }
    }

    pub(super) const fn is_at_end(self) -> bool {
        self.plain == NONE && self.message == NONE
    }

    pub(super) fn next<S: Storage>(&mut self, storage: &S) -> Option<u16> {
        let place = match (self.plain, self.message) {
            (NONE, NONE) => return None,
            (_, NONE) => &mut self.plain,
            (NONE, _) => &mut self.message,
            (plain, message) => {
                let (a, b) = (storage.slot(plain).token, storage.slot(message).token);
                if a.is_older_than(b) {
                    &mut self.plain
                } else {
                    &mut self.message
                }
            }
        };
        let index = *place;
        *place = storage.slot(index).links.next();
        Some(index)
    }
}

impl<S: Storage> Client<S> {
    /// What waits to be sent, oldest first.
    pub(super) const fn waiting(&self) -> Walk {
        Walk::new(self.outbox.plain.first(), self.outbox.next_message)
    }

    /// Of a publish that waits, nothing has left or is about to: it may be dropped.
    pub(super) fn has_not_left(&self, index: u16) -> bool {
        let slot = self.storage.slot(index);
        slot.stage == Stage::Queued && !slot.marks.has(Mark::Transmitted) && !self.output.is_writing(index)
    }

    /// Sees to it that there is room for a message, slot and bytes, or for the bytes of another packet, by dropping what the
    /// policy gives away. If that cannot be enough, nothing is dropped.
    pub(super) fn make_room(&mut self, bytes: usize, message: bool) -> Result<(), Refused> {
        let limit = self.storage.byte_limit(message);
        if bytes > limit {
            return Err(Refused::TooLarge);
        }
        let lacking = |client: &Self| {
            let used = client.storage.bytes_used();
            used.saturating_add(bytes).saturating_sub(limit)
        };
        while lacking(self) > 0 && self.drop_binding() {}
        let mut lacking = lacking(self);
        let mut lacks_slot = message && self.free_slot().is_none();
        if lacking == 0 && !lacks_slot {
            if message {
                self.keep_slot_for_end();
            }
            return Ok(());
        }
        let why = if lacks_slot {
            Refused::Slots
        } else {
            Refused::Bytes
        };
        let walk = match self.config.when_full {
            WhenFull::Refuse | WhenFull::KeepNothing => return Err(why),
            WhenFull::DropOldest => self.waiting(),
            WhenFull::DropQoS0 => Walk::new(self.outbox.plain.first(), NONE),
        };
        let end = End::Aborted(AbortReason::DroppedForNewer);
        let mut enough = walk;
        let mut count = 0_u16;
        while lacking > 0 || lacks_slot {
            let index = enough.next(&self.storage).ok_or(why)?;
            if !self.has_not_left(index) {
                continue;
            }
            if lacks_slot {
                // Its end must leave the slot at once, behind those that are owed already.
                let slot = self.storage.slot(index);
                let token = slot.token;
                if slot.trail.is_kept()
                    || !self.outbox.ended.is_empty()
                    || !self.outbox.ends.takes(token, end)
                {
                    return Err(why);
                }
                lacks_slot = false;
            }
            lacking = lacking.saturating_sub(self.storage.block_len(index));
            count += 1;
        }
        let mut dropped = walk;
        while count > 0 {
            let Some(index) = dropped.next(&self.storage) else {
                break;
            };
            if self.has_not_left(index) {
                self.drop_message(index, AbortReason::DroppedForNewer);
                count -= 1;
            }
        }
        Ok(())
    }

    /// The last slot is about to be taken. With a journal, what is dropped keeps its slot until its record was polled: so it
    /// is dropped now, or else the next message would find no slot. What the server was told of an alias goes before it.
    fn keep_slot_for_end(&mut self) {
        if !self.config.journal || self.config.when_full != WhenFull::DropOldest {
            return;
        }
        let free = self.outbox.free.first();
        let is_last = free != NONE && self.storage.slot(free).links.next() == NONE;
        if !is_last || self.storage.slots() < self.storage.slot_limit() {
            return;
        }
        if self.drop_binding() {
            return;
        }
        let mut walk = self.waiting();
        let oldest = core::iter::from_fn(|| walk.next(&self.storage)).find(|&index| self.has_not_left(index));
        if let Some(index) = oldest.filter(|&index| self.storage.slot(index).trail.is_kept()) {
            self.drop_message(index, AbortReason::DroppedForNewer);
        }
    }

    /// Ends a publish of which nothing has left.
    pub(super) fn drop_message(&mut self, index: u16, why: AbortReason) {
        if self.storage.slot(index).qos() > mqtt_proto::QoS::AtMostOnce {
            self.pass_by(index);
            self.unlink(index, |outbox| &mut outbox.messages);
        } else {
            self.unlink(index, |outbox| &mut outbox.plain);
        }
        self.end(index, End::Aborted(why));
    }

    /// A connection ends: what was not sent goes with it, if nothing is to be kept for another one.
    pub(super) fn keep_nothing(&mut self) {
        if self.config.when_full != WhenFull::KeepNothing {
            return;
        }
        let mut walk = self.waiting();
        while let Some(index) = walk.next(&self.storage) {
            // Half a message of QoS 0 is none: it could only be sent anew.
            if self.storage.slot(index).stage == Stage::Queued {
                self.output.abandon(index);
                self.storage.set_id(index, None);
                self.drop_message(index, AbortReason::DroppedWithLink);
            }
        }
    }
}
