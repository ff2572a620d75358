//! Where in the storage the operations are that a journal speaks of.

use crate::{
    Token,
    storage::{Kind, Storage},
};

/// Finds slots by their tokens while a client is being restored. A journal may speak of 65,534 messages, in any order, so
/// that looking through all slots for each would take minutes; a map serves while records are read. Without an allocator
/// slots are few.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    #[cfg(feature = "alloc")]
    slots: alloc::collections::BTreeMap<Token, u16>,
}

impl Places {
    /// The operation with this token is in this slot, and stays there.
    #[cfg(feature = "alloc")]
    pub(super) fn note(&mut self, token: Token, index: u16) {
        self.slots.insert(token, index);
    }

    /// It is over.
    #[cfg(feature = "alloc")]
    pub(super) fn forget(&mut self, token: Token) {
        self.slots.remove(&token);
    }

    /// The slot of this operation, if it has one.
    pub(super) fn find<S: Storage>(&self, storage: &S, token: Token) -> Option<u16> {
        #[cfg(feature = "alloc")]
        let mut places = self.slots.get(&token).copied().into_iter();
        #[cfg(not(feature = "alloc"))]
        let mut places = 1..=storage.slots();
        places.find(|&index| {
            let slot = storage.slot(index);
            slot.token == token && matches!(slot.kind, Kind::Publish | Kind::Retired)
        })
    }
}
