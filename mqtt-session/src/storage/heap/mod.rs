//! Slots and bytes on the heap, up to limits.

mod index;

use alloc::vec::Vec;
use core::fmt;

use mqtt_proto::PacketId;

use super::{
    ArrivalSlot, Slot,
    sealed::{CONTROL, Store},
};
use crate::{Refused, client::Counters};
use index::IdIndex;

/// How far a [`Heap`] may grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct HeapLimits {
    /// Operations at one time, accepted and not ended; 65,534 at most.
    pub slots: u16,
    /// Messages of QoS 1 and 2 that have arrived and are not finished; the Receive Maximum that is announced.
    pub arrivals: u16,
    /// Bytes of the packets of all operations, payloads included, also shared ones.
    pub bytes: usize,
}

impl HeapLimits {
    /// 65,534 operations, 65,534 arriving messages, 64 MiB.
    pub const DEFAULT: Self = Self {
        slots: u16::MAX - 1,
        arrivals: u16::MAX - 1,
        bytes: 64 << 20,
    };
}

impl Default for HeapLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Memory on the heap. Grows with what is under way, up to its limits, and gives the bytes of a packet back when the
/// packet is done; the small rows of its tables stay until it is dropped.
#[derive(Clone)]
pub struct Heap {
    limits: HeapLimits,
    control: Vec<u8>,
    slots: Vec<(Slot, Block)>,
    arrivals: Vec<ArrivalSlot>,
    ids: IdIndex,
    arrival_ids: IdIndex,
    used: usize,
    counters: Counters,
}

/// The bytes of one packet.
#[derive(Clone, Default)]
struct Block {
    own: Vec<u8>,
    #[cfg(feature = "bytes")]
    shared: bytes::Bytes,
}

impl Heap {
    /// Empty memory with the default limits.
    pub const fn new() -> Self {
        Self::with_limits(HeapLimits::DEFAULT)
    }

    /// Empty memory with these limits.
    pub const fn with_limits(limits: HeapLimits) -> Self {
        let slots = if limits.slots == u16::MAX {
            u16::MAX - 1
        } else {
            limits.slots
        };
        let arrivals = if limits.arrivals == u16::MAX {
            u16::MAX - 1
        } else {
            limits.arrivals
        };
        Self {
            limits: HeapLimits {
                slots,
                arrivals,
                bytes: limits.bytes,
            },
            control: Vec::new(),
            slots: Vec::new(),
            arrivals: Vec::new(),
            ids: IdIndex::new(),
            arrival_ids: IdIndex::new(),
            used: 0,
            counters: Counters::ZERO,
        }
    }

    fn row(&self, index: u16) -> &(Slot, Block) {
        &self.slots[usize::from(index) - 1]
    }

    fn row_mut(&mut self, index: u16) -> &mut (Slot, Block) {
        &mut self.slots[usize::from(index) - 1]
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Block {
    const EMPTY: Self = Self {
        own: Vec::new(),
        #[cfg(feature = "bytes")]
        shared: bytes::Bytes::new(),
    };

    fn len(&self) -> usize {
        #[cfg(feature = "bytes")]
        let shared = self.shared.len();
        #[cfg(not(feature = "bytes"))]
        let shared = 0;
        self.own.len() + shared
    }
}

impl Store for Heap {
    const SHARES: bool = cfg!(feature = "bytes");

    fn slots(&self) -> u16 {
        self.slots.len() as u16
    }

    fn grow_slots(&mut self) -> bool {
        let room = self.slots() < self.limits.slots;
        if room {
            self.slots.push((Slot::EMPTY, Block::EMPTY));
        }
        room
    }

    fn slot(&self, index: u16) -> &Slot {
        &self.row(index).0
    }

    fn slot_mut(&mut self, index: u16) -> &mut Slot {
        &mut self.row_mut(index).0
    }

    fn arrival_limit(&self) -> u16 {
        self.limits.arrivals
    }

    fn arrivals(&self) -> u16 {
        self.arrivals.len() as u16
    }

    fn grow_arrivals(&mut self) -> bool {
        let room = self.arrivals() < self.limits.arrivals;
        if room {
            self.arrivals.push(ArrivalSlot::EMPTY);
        }
        room
    }

    fn arrival(&self, index: u16) -> &ArrivalSlot {
        &self.arrivals[usize::from(index)]
    }

    fn arrival_mut(&mut self, index: u16) -> &mut ArrivalSlot {
        &mut self.arrivals[usize::from(index)]
    }

    fn find_arrival(&self, id: PacketId) -> Option<u16> {
        self.arrival_ids.get(id)
    }

    fn set_arrival_id(&mut self, index: u16, id: Option<PacketId>) {
        if let Some(old) = self.arrival(index).id {
            self.arrival_ids.remove(old);
        }
        if let Some(new) = id {
            self.arrival_ids.insert(new, index);
        }
        self.arrival_mut(index).id = id;
    }

    fn find_id(&self, id: PacketId) -> Option<u16> {
        self.ids.get(id)
    }

    fn set_id(&mut self, index: u16, id: Option<PacketId>) {
        if let Some(old) = self.slot(index).id {
            self.ids.remove(old);
        }
        if let Some(new) = id {
            self.ids.insert(new, index);
        }
        self.slot_mut(index).id = id;
    }

    fn slot_limit(&self) -> u16 {
        self.limits.slots
    }

    fn byte_limit(&self, message: bool) -> usize {
        // Other packets are never kept out by a full outbox: they are few and end with the link.
        if message { self.limits.bytes } else { usize::MAX }
    }

    fn bytes_used(&self) -> usize {
        self.used
    }

    fn block_len(&self, index: u16) -> usize {
        self.row(index).1.len()
    }

    fn allocate(&mut self, index: u16, len: usize, shared: usize) -> Result<(), Refused> {
        if index == CONTROL {
            self.control = alloc::vec![0; len];
            return Ok(());
        }
        let wanted = len.saturating_add(shared);
        let limit = self.byte_limit(self.slot(index).kind.is_message());
        if wanted > limit {
            return Err(Refused::TooLarge);
        }
        if wanted > limit.saturating_sub(self.used) {
            return Err(Refused::Bytes);
        }
        self.used += len + shared;
        self.row_mut(index).1.own = alloc::vec![0; len];
        Ok(())
    }

    fn release(&mut self, index: u16) {
        if index == CONTROL {
            self.control = Vec::new();
            return;
        }
        let block = core::mem::take(&mut self.row_mut(index).1);
        self.used -= block.len();
    }

    fn bytes(&self, index: u16) -> &[u8] {
        match index {
            CONTROL => &self.control,
            _ => &self.row(index).1.own,
        }
    }

    fn bytes_mut(&mut self, index: u16) -> &mut [u8] {
        match index {
            CONTROL => &mut self.control,
            _ => &mut self.row_mut(index).1.own,
        }
    }

    #[cfg(feature = "bytes")]
    fn share(&mut self, index: u16, payload: bytes::Bytes) {
        self.row_mut(index).1.shared = payload;
    }

    #[cfg(feature = "bytes")]
    fn shared(&self, index: u16) -> &[u8] {
        &self.row(index).1.shared
    }

    #[cfg(not(feature = "bytes"))]
    fn shared(&self, _: u16) -> &[u8] {
        &[]
    }

    fn counters(&self) -> Option<&Counters> {
        Some(&self.counters)
    }

    fn counters_mut(&mut self) -> Option<&mut Counters> {
        Some(&mut self.counters)
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("slots", &self.slots.len())
            .field("arrivals", &self.arrivals.len())
            .field("used", &self.used)
            .field("limits", &self.limits)
            .finish()
    }
}
