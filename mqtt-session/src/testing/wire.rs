//! One direction of a link: bytes in order, with what can go wrong.

use alloc::{collections::VecDeque, vec::Vec};

/// A direction.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are two")]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What goes wrong on a wire, or how narrow it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// How many bytes can be under way; a writer with more has to wait. Default: no limit.
    pub capacity: usize,
    /// How many bytes arrive in one turn. Default: no limit.
    pub piece: usize,
    /// After so many more bytes have arrived, the link is lost. Default: never.
    pub cut_after: Option<usize>,
    /// Nothing arrives.
    pub stalled: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            capacity: usize::MAX,
            piece: usize::MAX,
            cut_after: None,
            stalled: false,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) faults: Faults,
    under_way: VecDeque<u8>,
    arrived: VecDeque<u8>,
}

impl Wire {
    pub(super) fn room(&self) -> usize {
        self.faults
            .capacity
            .saturating_sub(self.under_way.len() + self.arrived.len())
    }

    /// Takes as many bytes as there is room for.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        self.under_way.extend(bytes.iter().take(n));
        n
    }

    /// Lets bytes arrive.
    pub(super) fn carry(&mut self) -> bool {
        if self.faults.stalled {
            return false;
        }
        let mut n = self.under_way.len().min(self.faults.piece);
        if let Some(left) = &mut self.faults.cut_after {
            n = n.min(*left);
            *left -= n;
        }
        self.arrived.extend(self.under_way.drain(..n));
        n > 0
    }

    pub(super) fn is_cut(&self) -> bool {
        self.faults.cut_after == Some(0) && self.arrived.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.arrived.is_empty()
    }

    pub(super) fn pull(&mut self, into: &mut Vec<u8>) {
        into.extend(self.arrived.drain(..));
    }

    pub(super) fn pull_into(&mut self, room: &mut [u8]) -> usize {
        let n = room.len().min(self.arrived.len());
        for (place, byte) in room.iter_mut().zip(self.arrived.drain(..n)) {
            *place = byte;
        }
        n
    }

    /// The link is gone; the next one is cut only if it is said again.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.arrived.clear();
        self.faults.cut_after = None;
    }
}
