//! Where a client keeps what is under way. One machine, three kinds of memory:
//!
//! | | slots and bytes | for |
//! |---|---|---|
//! | `Heap` | grow up to limits; payloads may be shared | hosts |
//! | [`Fixed`] | arrays inside the value | devices, tests |
//! | [`Borrowed`] | the caller's memory, sizes chosen at run time | devices |
//!
//! What a client does is counted if its storage counts: `Heap` does, [`Fixed::counting`] and [`Borrowed::counting`] do.
//!
//! A *slot* is one operation (a publish, a subscribe, an unsubscribe), an *arrival slot* one message of QoS 1 or 2 that
//! came in and is not finished. Arrival slots are a number of their own, so that what is published here can never keep
//! an acknowledgement from being read.
//!
//! # What it takes
//!
//! At most, on machines of 64 bits:
//!
//! | | bytes |
//! |---|---|
//! | `Client<Borrowed>`, beside the memory it borrows | 400 |
//! | `Client<Fixed<8, 512>>`, all of it | 1228 |
//! | `Client<Heap>`, idle, with its allocations | 1024 |
//! | [`Slot`], beside the bytes of its packet | 28 |
//! | [`ArrivalSlot`] | 18 |
//! | [`Event`](crate::Event) | 72 |
//!
//! A message that arrives makes the client allocate nothing, whatever its size and QoS. A publish allocates one block
//! on `Heap`, for all of the message or, if its payload is shared, for its head; in the other two nothing. Tables
//! of `Heap` double when there are more things under way than ever before, and a server's new topic alias is kept on the
//! heap.

mod arena;
#[cfg(feature = "alloc")]
mod heap;
mod list;
mod slot;
mod trail;

pub use arena::{Borrowed, Fixed};
#[cfg(feature = "alloc")]
pub use heap::{Heap, HeapLimits};
pub(crate) use list::{Links, List, NONE, Nodes};
pub use slot::{ArrivalSlot, Slot};
pub(crate) use slot::{End, Kind, Mark, Stage};
pub(crate) use trail::{Queue, Trail, Trails};

/// What the server calls topics on a link, and up to which number it may.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default)]
pub struct KnownAliases {
    pub(crate) maximum: u16,
    pub(crate) topics: crate::flow::Aliases,
}

/// Memory of a [`Client`](crate::Client): `Heap`, [`Fixed`] or [`Borrowed`].
pub trait Storage: sealed::Store {}

impl<T: sealed::Store> Storage for T {}

/// Whether a [`Fixed`] or [`Borrowed`] counts: [`Counters`](crate::client::Counters) do, `()` does not.
pub trait Count: sealed::Count {}

impl<T: sealed::Count> Count for T {}

pub(crate) mod sealed {
    use core::{fmt, num::NonZeroU16};

    use mqtt_proto::PacketId;

    #[cfg(feature = "alloc")]
    use super::KnownAliases;
    use super::{ArrivalSlot, Slot};
    use crate::{Refused, client::Counters};

    /// Counters, or none.
    pub trait Count: fmt::Debug {
        fn counters(&self) -> Option<&Counters>;
        fn counters_mut(&mut self) -> Option<&mut Counters>;
    }

    impl Count for () {
        fn counters(&self) -> Option<&Counters> {
            None
        }
        fn counters_mut(&mut self) -> Option<&mut Counters> {
            None
        }
    }

    impl Count for Counters {
        fn counters(&self) -> Option<&Counters> {
            Some(self)
        }
        fn counters_mut(&mut self) -> Option<&mut Counters> {
            Some(self)
        }
    }

    /// The index of the block for CONNECT, AUTH and DISCONNECT, which has no slot; slots follow it.
    pub(crate) const CONTROL: u16 = 0;

    /// Slots by index, each with a block of bytes.
    pub trait Store: fmt::Debug {
        /// How many slots there are now, the one for control not counted.
        fn slots(&self) -> u16;
        /// Adds a free slot, and tells whether there was room for it.
        fn grow_slots(&mut self) -> bool;
        fn slot(&self, index: u16) -> &Slot;
        fn slot_mut(&mut self, index: u16) -> &mut Slot;

        /// How many messages may have arrived and be unfinished at one time: the Receive Maximum to announce.
        fn arrival_limit(&self) -> u16;
        /// How many arrival slots there are now.
        fn arrivals(&self) -> u16;
        /// Adds a free arrival slot, and tells whether there was room for it.
        fn grow_arrivals(&mut self) -> bool;
        fn arrival(&self, index: u16) -> &ArrivalSlot;
        fn arrival_mut(&mut self, index: u16) -> &mut ArrivalSlot;

        /// The arrival slot whose message has this packet id and is not completing.
        fn find_arrival(&self, id: PacketId) -> Option<u16>;
        /// Gives the arrival slot an id, or takes it out of sight of `find_arrival`.
        fn set_arrival_id(&mut self, index: u16, id: Option<PacketId>);

        /// The slot that has this packet id.
        fn find_id(&self, id: PacketId) -> Option<u16>;
        /// Gives the slot an id or takes it away.
        fn set_id(&mut self, index: u16, id: Option<PacketId>);

        /// What the server calls topics can be kept.
        const KEEPS_ALIASES: bool = false;
        #[cfg(feature = "alloc")]
        fn aliases(&self) -> Option<&KnownAliases> {
            None
        }
        #[cfg(feature = "alloc")]
        fn aliases_mut(&mut self) -> Option<&mut KnownAliases> {
            None
        }

        /// The slot that holds the topic of this alias.
        fn find_binding(&self, alias: NonZeroU16) -> Option<u16>;
        /// Makes the slot, a [`Kind::Binding`](super::Kind::Binding), that of this alias, or of none.
        fn set_binding(&mut self, index: u16, alias: Option<NonZeroU16>);

        /// A payload can be shared instead of copied.
        const SHARES: bool;
        /// How many slots there may be.
        fn slot_limit(&self) -> u16;
        /// How many bytes all blocks may have together: for one more message or acknowledgement, or for other packets.
        fn byte_limit(&self, message: bool) -> usize;
        /// How many bytes all blocks have together, shared ones included.
        fn bytes_used(&self) -> usize;
        /// How many of them the slot would give back.
        fn block_len(&self, index: u16) -> usize;
        /// Gives the slot, which has none, a block of `len` bytes, zeroed or not; `shared` more will be shared.
        fn allocate(&mut self, index: u16, len: usize, shared: usize) -> Result<(), Refused>;
        /// Makes the block for control longer, or makes it; what is in it stays in front.
        fn extend_control(&mut self, by: usize) -> Result<(), Refused>;
        /// Keeps so many bytes of the block for control, which has them.
        fn truncate_control(&mut self, len: usize);
        /// Takes the slot's block back, if it has one.
        fn release(&mut self, index: u16);
        fn bytes(&self, index: u16) -> &[u8];
        fn bytes_mut(&mut self, index: u16) -> &mut [u8];
        /// The blocks of two slots, neither that for control: one to read and another one to write.
        fn pair(&mut self, read: u16, write: u16) -> (&[u8], &mut [u8]);
        /// Makes the slot share a payload that was counted when its block was allocated.
        #[cfg(feature = "bytes")]
        fn share(&mut self, index: u16, payload: bytes::Bytes);
        /// The payload that the slot shares.
        fn shared(&self, index: u16) -> &[u8];

        fn counters(&self) -> Option<&Counters>;
        fn counters_mut(&mut self) -> Option<&mut Counters>;
    }
}
