//! Where a row stands with the journal, and the queue of rows whose record is owed.

use super::NONE;

/// What the journal has of one row.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Trail {
    /// The number of its latest record; in bytes, so that it fits between others.
    seq: [u8; 2],
    flags: u8,
}

/// A record is owed: it stands in the queue.
const OWED: u8 = 1;
/// Its latest record is not known to be persisted.
const OPEN: u8 = 2;
/// The journal has a record that says that it is there.
const RECORDED: u8 = 4;

impl Trail {
    /// Nothing is recorded, nothing is owed.
    pub(crate) const NONE: Self = Self {
        seq: [0; 2],
        flags: 0,
    };

    /// It was read from a journal.
    pub(crate) const RESTORED: Self = Self {
        flags: RECORDED,
        ..Self::NONE
    };

    /// What of it stays when the row is used for something else: its place in the queue.
    pub(crate) const fn cleared(self) -> Self {
        Self {
            flags: self.flags & OWED,
            ..self
        }
    }

    /// A record is owed.
    pub(crate) const fn is_owed(self) -> bool {
        self.flags & OWED != 0
    }

    /// A record is owed, of something that stands in no queue.
    pub(crate) const fn owe(&mut self) {
        self.flags |= OWED;
    }

    /// The journal has a record that says that the row's thing is there.
    pub(crate) const fn is_recorded(self) -> bool {
        self.flags & RECORDED != 0
    }

    /// Its row stays in use until the journal has been told more.
    pub(crate) const fn is_kept(self) -> bool {
        self.flags & (OWED | RECORDED) != 0
    }

    /// Its record was polled, with this number.
    pub(crate) const fn given(&mut self, seq: u16, recorded: bool) {
        self.seq = seq.to_ne_bytes();
        self.flags = self.flags & OWED | OPEN | if recorded { RECORDED } else { 0 };
    }

    /// All that is to be recorded of it is persisted, if everything up to this number is.
    pub(crate) const fn is_settled(self, persisted: u16) -> bool {
        !self.is_owed() && !self.is_open(persisted)
    }

    const fn is_open(self, persisted: u16) -> bool {
        self.flags & OPEN != 0 && (persisted.wrapping_sub(u16::from_ne_bytes(self.seq)) as i16) < 0
    }

    /// Forgets the number of a record that is persisted, before there are so many others that it would be mistaken for a
    /// newer one.
    pub(crate) const fn sweep(&mut self, persisted: u16) {
        if !self.is_open(persisted) {
            self.flags &= !OPEN;
        }
    }
}

/// A table whose rows have trails.
pub(crate) trait Trails {
    fn trail_mut(&mut self, index: u16) -> &mut Trail;
    /// The row behind this one in the queue.
    fn next_mut(&mut self, index: u16) -> &mut u16;
}

/// Rows in the order in which their records came to be owed.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Queue {
    head: u16,
    tail: u16,
}

impl Queue {
    pub(crate) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    pub(crate) const fn is_empty(self) -> bool {
        self.head == NONE
    }

    /// The row that comes out next.
    pub(crate) fn first(self) -> Option<u16> {
        (self.head != NONE).then_some(self.head)
    }

    /// A record is owed of this row: it joins the queue, if it does not stand there.
    pub(crate) fn push(&mut self, rows: &mut impl Trails, index: u16) {
        let trail = rows.trail_mut(index);
        if trail.is_owed() {
            return;
        }
        trail.flags |= OWED;
        *rows.next_mut(index) = NONE;
        if self.tail == NONE {
            self.head = index;
        } else {
            *rows.next_mut(self.tail) = index;
        }
        self.tail = index;
    }

    pub(crate) fn pop(&mut self, rows: &mut impl Trails) -> Option<u16> {
        let first = self.head;
        if first == NONE {
            return None;
        }
        rows.trail_mut(first).flags &= !OWED;
        self.head = *rows.next_mut(first);
        if self.head == NONE {
            self.tail = NONE;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    struct Table([(Trail, u16); 4]);

    impl Trails for Table {
        fn trail_mut(&mut self, index: u16) -> &mut Trail {
            &mut self.0[usize::from(index)].0
        }
        fn next_mut(&mut self, index: u16) -> &mut u16 {
            &mut self.0[usize::from(index)].1
        }
    }

    #[test]
    fn rows_come_out_once_in_the_order_they_went_in() {
        let mut table = Table([(Trail::NONE, 0); 4]);
        let mut queue = Queue::EMPTY;
        for index in [2, 0, 2, 3, 0, 2] {
            queue.push(&mut table, index);
        }
        assert_eq!(queue.pop(&mut table), Some(2));
        queue.push(&mut table, 2);
        let rest: Vec<u16> = core::iter::from_fn(|| queue.pop(&mut table)).collect();
        assert_eq!(rest, [0, 3, 2]);
        assert!(queue.is_empty());
    }

    /// As the client does it: at most 2¹⁴ records are open, and there is a sweep whenever 2¹⁴ more are persisted.
    #[test]
    fn a_record_is_persisted_once_and_stays_so_however_many_follow() {
        for first in [0_u16, 1, 16_383, 16_384, 40_000, 65_530, 65_535] {
            let mut trail = Trail::NONE;
            trail.given(first, true);
            assert!(!trail.is_settled(first.wrapping_sub(1)));
            assert!(!trail.is_settled(first.wrapping_sub(1 << 14)));
            let mut persisted = first.wrapping_sub(1);
            for step in [1, 16_383, 16_384, 16_384, 9_000, 16_384, 16_384, 16_384, 16_384] {
                let before = persisted;
                persisted = persisted.wrapping_add(step);
                assert!(trail.is_settled(persisted), "{first} at {persisted}");
                if before >> 14 != persisted >> 14 {
                    trail.sweep(persisted);
                }
            }
        }
    }
}
