//! Which slot has which packet id, in constant time, with memory for the ids in use and not for all there are.

use alloc::{boxed::Box, vec::Vec};

use mqtt_proto::PacketId;

const PAGE: usize = 256;

/// 256 ids that follow each other.
#[derive(Clone)]
struct Page {
    /// Index of the row plus one; 0 stands for none.
    slots: Box<[u16; PAGE]>,
    used: u16,
}

/// A table in pages: a page exists while one of its ids is in use.
#[derive(Clone)]
pub(super) struct IdIndex {
    pages: Vec<Option<Page>>,
}

impl IdIndex {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    const fn place(id: PacketId) -> (usize, usize) {
        let id = id.get() as usize;
        (id / PAGE, id % PAGE)
    }

    pub(super) fn get(&self, id: PacketId) -> Option<u16> {
        let (page, at) = Self::place(id);
        self.pages.get(page)?.as_ref()?.slots[at].checked_sub(1)
    }

    pub(super) fn insert(&mut self, id: PacketId, slot: u16) {
        let (page, at) = Self::place(id);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page = self.pages[page].get_or_insert_with(|| Page {
            slots: Box::new([0; PAGE]),
            used: 0,
        });
        if page.slots[at] == 0 {
            page.used += 1;
        }
        page.slots[at] = slot + 1;
    }

    pub(super) fn remove(&mut self, id: PacketId) {
        let (at_page, at) = Self::place(id);
        let Some(Some(page)) = self.pages.get_mut(at_page) else {
            return;
        };
        if page.slots[at] != 0 {
            page.slots[at] = 0;
            page.used -= 1;
        }
        if page.used == 0 {
            self.pages[at_page] = None;
            while let Some(None) = self.pages.last() {
                self.pages.pop();
            }
            if self.pages.is_empty() {
                self.pages = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ids_at_once_and_nothing_left_behind() {
        let mut index = IdIndex::new();
        for n in 1..=u16::MAX {
            let id = PacketId::new(n).unwrap();
            assert_eq!(index.get(id), None);
            index.insert(id, n - 1);
        }
        for n in (1..=u16::MAX).rev() {
            let id = PacketId::new(n).unwrap();
            assert_eq!(index.get(id), Some(n - 1));
            index.remove(id);
            index.remove(id);
            assert_eq!(index.get(id), None);
        }
        assert_eq!(index.pages.capacity(), 0);
    }
}
