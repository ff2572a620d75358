//! Slots and bytes on the heap, up to limits.

mod index;

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, num::NonZeroU16};

use mqtt_proto::PacketId;

use super::{
    ArrivalSlot, Kind, KnownAliases, NONE, Slot,
    sealed::{CONTROL, Store},
};
use crate::{Refused, client::Counters};
use index::{Chained, Index};

/// How far a [`Heap`] may grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct HeapLimits {
    /// Operations at one time, accepted and not ended; 65,534 at most.
    pub slots: u16,
    /// Messages of QoS 1 and 2 that have arrived and are not finished; the Receive Maximum that is announced. Servers of 3.1 and
    /// 3.1.1 are told of none: one that sends more messages of QoS 2 before its PUBRELs is a violation, so leave room for
    /// all ids there.
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
    control: Box<[u8]>,
    slots: Vec<Row>,
    arrivals: Vec<ArrivalRow>,
    ids: Index,
    arrival_ids: Index,
    aliases: KnownAliases,
    used: usize,
    counters: Counters,
}

#[derive(Clone)]
struct Row {
    block: Block,
    slot: Slot,
    chain: u16,
}

impl Row {
    /// The topic alias of a binding.
    fn alias(&self) -> Option<u16> {
        let alias = self.slot.filters;
        (self.slot.kind == Kind::Binding && alias > 0).then_some(alias)
    }

    /// What the row is found by: a packet id or an alias, which are numbers of one kind.
    fn number(&self) -> Option<u16> {
        self.slot.id.map(PacketId::get).or_else(|| self.alias())
    }
}

#[derive(Clone)]
struct ArrivalRow {
    slot: ArrivalSlot,
    chain: u16,
}

/// The bytes of one packet.
#[derive(Clone, Default)]
struct Block {
    own: Box<[u8]>,
    #[cfg(feature = "bytes")]
    shared: bytes::Bytes,
}

impl Heap {
    /// Empty memory with the default limits.
    pub fn new() -> Self {
        Self::with_limits(HeapLimits::DEFAULT)
    }

    /// Empty memory with these limits.
    pub fn with_limits(limits: HeapLimits) -> Self {
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
            control: Box::default(),
            slots: Vec::new(),
            arrivals: Vec::new(),
            ids: Index::default(),
            arrival_ids: Index::default(),
            aliases: KnownAliases::default(),
            used: 0,
            counters: Counters::ZERO,
        }
    }

    fn row(&self, index: u16) -> &Row {
        &self.slots[usize::from(index) - 1]
    }

    fn row_mut(&mut self, index: u16) -> &mut Row {
        &mut self.slots[usize::from(index) - 1]
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

/// Room for one more row, which doubles: a client with one message at a time has one.
fn reserve<T>(rows: &mut Vec<T>) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact(rows.len().max(1));
    }
}

impl Chained for Row {
    fn chain(&self) -> u16 {
        self.chain
    }
    fn chain_mut(&mut self) -> &mut u16 {
        &mut self.chain
    }
}

impl Chained for ArrivalRow {
    fn chain(&self) -> u16 {
        self.chain
    }
    fn chain_mut(&mut self) -> &mut u16 {
        &mut self.chain
    }
}

impl Block {
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
    const KEEPS_ALIASES: bool = true;

    fn aliases(&self) -> Option<&KnownAliases> {
        Some(&self.aliases)
    }

    fn aliases_mut(&mut self) -> Option<&mut KnownAliases> {
        Some(&mut self.aliases)
    }

    fn slots(&self) -> u16 {
        self.slots.len() as u16
    }

    fn grow_slots(&mut self) -> bool {
        let room = self.slots() < self.limits.slots;
        if room {
            reserve(&mut self.slots);
            self.slots.push(Row {
                block: Block::default(),
                slot: Slot::EMPTY,
                chain: NONE,
            });
        }
        room
    }

    fn slot(&self, index: u16) -> &Slot {
        &self.row(index).slot
    }

    fn slot_mut(&mut self, index: u16) -> &mut Slot {
        &mut self.row_mut(index).slot
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
            reserve(&mut self.arrivals);
            self.arrivals.push(ArrivalRow {
                slot: ArrivalSlot::EMPTY,
                chain: NONE,
            });
        }
        room
    }

    fn arrival(&self, index: u16) -> &ArrivalSlot {
        &self.arrivals[usize::from(index)].slot
    }

    fn arrival_mut(&mut self, index: u16) -> &mut ArrivalSlot {
        &mut self.arrivals[usize::from(index)].slot
    }

    fn find_arrival(&self, id: PacketId) -> Option<u16> {
        self.arrival_ids
            .find(&self.arrivals, id.get(), |row| row.slot.id() == Some(id))
    }

    fn set_arrival_id(&mut self, index: u16, id: Option<PacketId>) {
        if let Some(old) = self.arrival(index).id() {
            self.arrival_mut(index).set_id(None);
            self.arrival_ids.remove(&mut self.arrivals, old.get(), index);
        }
        if let Some(new) = id {
            self.arrival_ids
                .insert(&mut self.arrivals, new.get(), index, |row| {
                    row.slot.id().map(PacketId::get)
                });
        }
        self.arrival_mut(index).set_id(id);
    }

    fn find_id(&self, id: PacketId) -> Option<u16> {
        let row = self
            .ids
            .find(&self.slots, id.get(), |row| row.slot.id == Some(id))?;
        Some(row + 1)
    }

    fn set_id(&mut self, index: u16, id: Option<PacketId>) {
        if let Some(old) = self.slot_mut(index).id.take() {
            self.ids.remove(&mut self.slots, old.get(), index - 1);
        }
        if let Some(new) = id {
            self.ids
                .insert(&mut self.slots, new.get(), index - 1, Row::number);
        }
        self.slot_mut(index).id = id;
    }

    fn find_binding(&self, alias: NonZeroU16) -> Option<u16> {
        let row = self
            .ids
            .find(&self.slots, alias.get(), |row| row.alias() == Some(alias.get()))?;
        Some(row + 1)
    }

    fn set_binding(&mut self, index: u16, alias: Option<NonZeroU16>) {
        let old = core::mem::take(&mut self.slot_mut(index).filters);
        if old > 0 {
            self.ids.remove(&mut self.slots, old, index - 1);
        }
        if let Some(new) = alias {
            self.ids
                .insert(&mut self.slots, new.get(), index - 1, Row::number);
        }
        self.slot_mut(index).filters = alias.map_or(0, NonZeroU16::get);
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
        self.row(index).block.len()
    }

    fn allocate(&mut self, index: u16, len: usize, shared: usize) -> Result<(), Refused> {
        if index == CONTROL {
            self.control = alloc::vec![0; len].into();
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
        self.row_mut(index).block.own = alloc::vec![0; len].into();
        Ok(())
    }

    fn extend_control(&mut self, by: usize) -> Result<(), Refused> {
        let mut block = core::mem::take(&mut self.control).into_vec();
        block.resize(block.len() + by, 0);
        self.control = block.into();
        Ok(())
    }

    fn truncate_control(&mut self, len: usize) {
        let mut block = core::mem::take(&mut self.control).into_vec();
        block.truncate(len);
        self.control = block.into();
    }

    fn release(&mut self, index: u16) {
        if index == CONTROL {
            self.control = Box::default();
            return;
        }
        let block = core::mem::take(&mut self.row_mut(index).block);
        self.used -= block.len();
    }

    fn bytes(&self, index: u16) -> &[u8] {
        match index {
            CONTROL => &self.control,
            _ => &self.row(index).block.own,
        }
    }

    fn bytes_mut(&mut self, index: u16) -> &mut [u8] {
        match index {
            CONTROL => &mut self.control,
            _ => &mut self.row_mut(index).block.own,
        }
    }

    fn pair(&mut self, read: u16, write: u16) -> (&[u8], &mut [u8]) {
        let at = |index: u16| usize::from(index) - 1;
        match (read, write) {
            _ if read == write => (&[], self.bytes_mut(write)),
            _ if read < write => {
                let (low, high) = self.slots.split_at_mut(at(write));
                (&low[at(read)].block.own, &mut high[0].block.own)
            }
            _ => {
                let (low, high) = self.slots.split_at_mut(at(read));
                (&high[0].block.own, &mut low[at(write)].block.own)
            }
        }
    }

    #[cfg(feature = "bytes")]
    fn share(&mut self, index: u16, payload: bytes::Bytes) {
        self.row_mut(index).block.shared = payload;
    }

    #[cfg(feature = "bytes")]
    fn shared(&self, index: u16) -> &[u8] {
        &self.row(index).block.shared
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
