//! Slots and bytes in memory of a fixed size: inside the value ([`Fixed`]) or lent by the caller ([`Borrowed`]).

use core::{fmt, num::NonZeroU16};

use mqtt_proto::PacketId;

use super::{
    ArrivalSlot, Count, Slot,
    sealed::{CONTROL, Store},
    slot::{Kind, Span},
};
use crate::{Refused, client::Counters};

/// Memory inside the value: `SLOTS` operations, as many arriving messages, and `BYTES` bytes for their packets.
///
/// A quarter of the bytes, 128 at most, is kept free for CONNECT, SUBSCRIBE and UNSUBSCRIBE. A CONNECT that is longer, as with
/// a large will, needs an outbox that is not full, or one whose policy makes room
/// ([`when_full`](crate::Config::when_full)).
#[derive(Clone)]
pub struct Fixed<const SLOTS: usize, const BYTES: usize, C = ()>(
    Arena<[Slot; SLOTS], [ArrivalSlot; SLOTS], [u8; BYTES]>,
    C,
);

impl<const SLOTS: usize, const BYTES: usize> Fixed<SLOTS, BYTES> {
    /// Empty memory.
    pub const fn new() -> Self {
        Self(Self::EMPTY, ())
    }
}

impl<const SLOTS: usize, const BYTES: usize> Fixed<SLOTS, BYTES, Counters> {
    /// Empty memory that counts: see [`Client::counters`](crate::Client::counters).
    pub const fn counting() -> Self {
        Self(Self::EMPTY, Counters::ZERO)
    }
}

impl<const SLOTS: usize, const BYTES: usize, C> Fixed<SLOTS, BYTES, C> {
    const EMPTY: Arena<[Slot; SLOTS], [ArrivalSlot; SLOTS], [u8; BYTES]> = {
        assert!(SLOTS > 0 && SLOTS < u16::MAX as usize && BYTES < u32::MAX as usize);
        Arena::new(
            [const { Slot::EMPTY }; SLOTS],
            [const { ArrivalSlot::EMPTY }; SLOTS],
            [0; BYTES],
        )
    };
}

impl<const SLOTS: usize, const BYTES: usize> Default for Fixed<SLOTS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// The caller's memory, static or not: what is lent decides how much fits.
///
/// A quarter of the bytes, 128 at most, is kept free for CONNECT, SUBSCRIBE and UNSUBSCRIBE.
pub struct Borrowed<'a, C = ()>(Arena<&'a mut [Slot], &'a mut [ArrivalSlot], &'a mut [u8]>, C);

impl<'a> Borrowed<'a> {
    /// Uses this memory; what was in it is gone. More than 65,534 slots of a kind, or 4 GiB of bytes, are not used.
    pub fn new(slots: &'a mut [Slot], arrivals: &'a mut [ArrivalSlot], bytes: &'a mut [u8]) -> Self {
        Self::with(slots, arrivals, bytes, ())
    }
}

impl<'a> Borrowed<'a, Counters> {
    /// The same, and counts: see [`Client::counters`](crate::Client::counters).
    pub fn counting(slots: &'a mut [Slot], arrivals: &'a mut [ArrivalSlot], bytes: &'a mut [u8]) -> Self {
        Self::with(slots, arrivals, bytes, Counters::ZERO)
    }
}

impl<'a, C> Borrowed<'a, C> {
    fn with(slots: &'a mut [Slot], arrivals: &'a mut [ArrivalSlot], bytes: &'a mut [u8], count: C) -> Self {
        const LIMIT: usize = u16::MAX as usize - 1;
        let slots = slots.split_at_mut(slots.len().min(LIMIT)).0;
        let arrivals = arrivals.split_at_mut(arrivals.len().min(LIMIT)).0;
        let bytes = bytes.split_at_mut(bytes.len().min(u32::MAX as usize)).0;
        slots.fill(Slot::EMPTY);
        arrivals.fill(ArrivalSlot::EMPTY);
        Self(Arena::new(slots, arrivals, bytes), count)
    }
}

#[derive(Clone)]
struct Arena<S, A, B> {
    slots: S,
    arrivals: A,
    bytes: B,
    control: Span,
    /// Where the last block ends.
    end: u32,
    /// Bytes in blocks.
    used: u32,
}

impl<S, A, B> Arena<S, A, B> {
    const fn new(slots: S, arrivals: A, bytes: B) -> Self {
        Self {
            slots,
            arrivals,
            bytes,
            control: Span::EMPTY,
            end: 0,
            used: 0,
        }
    }
}

impl<S, A, B> Arena<S, A, B>
where
    S: AsRef<[Slot]> + AsMut<[Slot]>,
    A: AsRef<[ArrivalSlot]> + AsMut<[ArrivalSlot]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
{
    fn slot(&self, index: u16) -> &Slot {
        &self.slots.as_ref()[usize::from(index) - 1]
    }

    fn slot_mut(&mut self, index: u16) -> &mut Slot {
        &mut self.slots.as_mut()[usize::from(index) - 1]
    }

    fn span(&self, index: u16) -> Span {
        match index {
            CONTROL => self.control,
            _ => self.slot(index).span,
        }
    }

    fn span_mut(&mut self, index: u16) -> &mut Span {
        match index {
            CONTROL => &mut self.control,
            _ => &mut self.slot_mut(index).span,
        }
    }

    fn count(&self) -> u16 {
        self.slots.as_ref().len() as u16
    }

    fn byte_limit(&self, message: bool) -> usize {
        let size = self.bytes.as_ref().len();
        if message { size - (size / 4).min(128) } else { size }
    }

    fn allocate(&mut self, index: u16, len: usize) -> Result<(), Refused> {
        let size = self.bytes.as_ref().len();
        let limit = self.byte_limit(index != CONTROL && self.slot(index).kind.is_message());
        if len > limit {
            return Err(Refused::TooLarge);
        }
        if self.used as usize + len > limit {
            return Err(Refused::Bytes);
        }
        if self.end as usize + len > size {
            self.compact();
        }
        let offset = self.end;
        self.end += len as u32;
        self.used += len as u32;
        let len = len as u32;
        *self.span_mut(index) = Span { offset, len };
        Ok(())
    }

    fn extend_control(&mut self, by: usize) -> Result<(), Refused> {
        let size = self.bytes.as_ref().len();
        let old = self.control;
        if old.len as usize + by > size {
            return Err(Refused::TooLarge);
        }
        if self.used as usize + by > size {
            return Err(Refused::Bytes);
        }
        if old.len == 0 {
            return self.allocate(CONTROL, by);
        }
        if old.end() != self.end || self.end as usize + by > size {
            self.compact();
            self.move_control_behind_the_others();
        }
        self.control.len += by as u32;
        self.used += by as u32;
        self.end += by as u32;
        Ok(())
    }

    /// Blocks have no gaps between them, and none that is not empty changes but for its place.
    fn move_control_behind_the_others(&mut self) {
        let Span { offset, len } = self.control;
        let moved = self.block(CONTROL).start..self.end as usize;
        self.bytes.as_mut()[moved].rotate_left(len as usize);
        for index in 1..=self.count() {
            let span = self.span_mut(index);
            if span.len > 0 && span.offset > offset {
                span.offset -= len;
            }
        }
        self.control.offset = self.end - len;
    }

    fn truncate_control(&mut self, len: usize) {
        let Span { offset, len: old } = self.control;
        let len = old.min(len as u32);
        if len == 0 {
            return self.release(CONTROL);
        }
        if offset + old == self.end {
            self.end = offset + len;
        }
        self.used -= old - len;
        self.control.len = len;
    }

    fn release(&mut self, index: u16) {
        let span = core::mem::replace(self.span_mut(index), Span::EMPTY);
        self.used -= span.len;
        if self.used == 0 {
            self.end = 0;
        } else if span.len > 0 && span.end() == self.end {
            self.end = span.offset;
        }
    }

    /// Moves all blocks to the front, in their order. There are few slots, so looking for the next one each time is
    /// cheaper than keeping them sorted.
    fn compact(&mut self) {
        let mut to = 0;
        let mut from = 0;
        let mut moved = 0;
        while moved < self.used {
            let next = (CONTROL..=self.count())
                .filter(|&i| self.span(i).len > 0 && self.span(i).offset >= from)
                .min_by_key(|&i| self.span(i).offset);
            let Some(index) = next else { break };
            let block = self.block(index);
            let Span { len, .. } = self.span(index);
            from = self.span(index).end();
            self.bytes.as_mut().copy_within(block, to as usize);
            self.span_mut(index).offset = to;
            to += len;
            moved += len;
        }
        self.end = to;
    }

    fn pair(&mut self, read: u16, write: u16) -> (&[u8], &mut [u8]) {
        let (read, write) = (self.block(read), self.block(write));
        let bytes = self.bytes.as_mut();
        // Blocks that are not empty have no byte in common.
        if read.is_empty() {
            (&[], &mut bytes[write])
        } else if read.start < write.start {
            let (low, high) = bytes.split_at_mut(write.start);
            (&low[read], &mut high[..write.len()])
        } else {
            let (low, high) = bytes.split_at_mut(read.start);
            (&high[..read.len()], low.get_mut(write).unwrap_or_default())
        }
    }

    fn block(&self, index: u16) -> core::ops::Range<usize> {
        let span = self.span(index);
        span.offset as usize..span.end() as usize
    }
}

/// Both kinds of memory are an arena.
macro_rules! store {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Store for $type {
            fn slots(&self) -> u16 {
                self.0.count()
            }
            fn grow_slots(&mut self) -> bool {
                false
            }
            fn slot(&self, index: u16) -> &Slot {
                self.0.slot(index)
            }
            fn slot_mut(&mut self, index: u16) -> &mut Slot {
                self.0.slot_mut(index)
            }
            fn arrival_limit(&self) -> u16 {
                self.arrivals()
            }
            fn arrivals(&self) -> u16 {
                let arrivals: &[ArrivalSlot] = self.0.arrivals.as_ref();
                arrivals.len() as u16
            }
            fn grow_arrivals(&mut self) -> bool {
                false
            }
            fn arrival(&self, index: u16) -> &ArrivalSlot {
                &self.0.arrivals[usize::from(index)]
            }
            fn arrival_mut(&mut self, index: u16) -> &mut ArrivalSlot {
                &mut self.0.arrivals[usize::from(index)]
            }
            fn find_arrival(&self, id: PacketId) -> Option<u16> {
                (0..self.arrivals()).find(|&index| self.arrival(index).id() == Some(id))
            }
            fn set_arrival_id(&mut self, index: u16, id: Option<PacketId>) {
                self.arrival_mut(index).set_id(id);
            }
            fn find_id(&self, id: PacketId) -> Option<u16> {
                (1..=self.slots()).find(|&index| self.slot(index).id == Some(id))
            }
            fn set_id(&mut self, index: u16, id: Option<PacketId>) {
                self.slot_mut(index).id = id;
            }
            fn find_binding(&self, alias: NonZeroU16) -> Option<u16> {
                (1..=self.slots()).find(|&index| {
                    let slot = self.slot(index);
                    slot.kind == Kind::Binding && slot.filters == alias.get()
                })
            }
            fn set_binding(&mut self, index: u16, alias: Option<NonZeroU16>) {
                self.slot_mut(index).filters = alias.map_or(0, NonZeroU16::get);
            }
            const SHARES: bool = false;
            fn slot_limit(&self) -> u16 {
                self.slots()
            }
            fn byte_limit(&self, message: bool) -> usize {
                self.0.byte_limit(message)
            }
            fn bytes_used(&self) -> usize {
                self.0.used as usize
            }
            fn block_len(&self, index: u16) -> usize {
                self.0.span(index).len as usize
            }
            fn allocate(&mut self, index: u16, len: usize, _: usize) -> Result<(), Refused> {
                self.0.allocate(index, len)
            }
            fn extend_control(&mut self, by: usize) -> Result<(), Refused> {
                self.0.extend_control(by)
            }
            fn truncate_control(&mut self, len: usize) {
                self.0.truncate_control(len);
            }
            fn release(&mut self, index: u16) {
                self.0.release(index);
            }
            fn bytes(&self, index: u16) -> &[u8] {
                &self.0.bytes[self.0.block(index)]
            }
            fn bytes_mut(&mut self, index: u16) -> &mut [u8] {
                let block = self.0.block(index);
                &mut self.0.bytes[block]
            }
            fn pair(&mut self, read: u16, write: u16) -> (&[u8], &mut [u8]) {
                self.0.pair(read, write)
            }
            #[cfg(feature = "bytes")]
            fn share(&mut self, _: u16, _: bytes::Bytes) {}
            fn shared(&self, _: u16) -> &[u8] {
                &[]
            }
            fn counters(&self) -> Option<&Counters> {
                self.1.counters()
            }
            fn counters_mut(&mut self) -> Option<&mut Counters> {
                self.1.counters_mut()
            }
        }

        impl<$($generics)*> fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Memory")
                    .field("slots", &self.slots())
                    .field("arrivals", &self.arrivals())
                    .field("bytes", &self.0.bytes.len())
                    .field("used", &self.0.used)
                    .finish()
            }
        }
    };
}

store! { [const SLOTS: usize, const BYTES: usize, C: Count] Fixed<SLOTS, BYTES, C> }
store! { [C: Count] Borrowed<'_, C> }

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;
    use crate::storage::{Kind, sealed::Store};

    /// Blocks keep what is in them whatever happens to the others, and there is room as long as the sum says so.
    #[test]
    fn blocks_come_go_and_move_and_that_for_control_grows_and_shrinks() {
        let mut memory = Fixed::<3, 64>::new();
        for index in 1..=3 {
            memory.slot_mut(index).kind = Kind::Subscribe;
        }
        let mut model: [Vec<u8>; 4] = Default::default();
        let mut state = 1_u32;
        let mut refused = 0;
        for step in 0..20_000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (index, len) = ((state >> 30) as usize, (state >> 16) as usize % 24 + 1);
            let used: usize = model.iter().map(Vec::len).sum();
            let block = &mut model[index];
            let before = block.len();
            let at = index as u16;
            let grown = if index == usize::from(CONTROL) && state >> 29 & 1 == 0 {
                block.truncate(len);
                memory.truncate_control(len);
                continue;
            } else if index == usize::from(CONTROL) {
                memory.extend_control(len)
            } else if before > 0 {
                block.clear();
                memory.release(at);
                continue;
            } else {
                memory.allocate(at, len, 0)
            };
            assert_eq!(grown.is_ok(), used + len <= 64, "step {step}");
            if grown.is_err() {
                refused += 1;
                continue;
            }
            let new = vec![step as u8; len];
            memory.bytes_mut(at)[before..].copy_from_slice(&new);
            block.extend(new);
            for (at, block) in model.iter().enumerate() {
                assert_eq!(memory.bytes(at as u16), block, "step {step}");
            }
            assert_eq!(memory.bytes_used(), used + len);
        }
        assert!(refused > 100);
    }
}
