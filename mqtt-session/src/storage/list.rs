//! Doubly linked lists through the slots of a table: order, without a second allocation and without moving anything.

/// No index.
pub(crate) const NONE: u16 = u16::MAX;

/// A node's neighbours.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Links {
    prev: u16,
    next: u16,
}

impl Links {
    pub(crate) const LOOSE: Self = Self {
        prev: NONE,
        next: NONE,
    };

    pub(crate) const fn next(self) -> u16 {
        self.next
    }
}

/// A table whose rows can be linked.
pub(crate) trait Nodes {
    fn links(&self, index: u16) -> Links;
    fn links_mut(&mut self, index: u16) -> &mut Links;
}

/// First and last of a list.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct List {
    head: u16,
    tail: u16,
}

impl List {
    pub(crate) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    pub(crate) const fn is_empty(self) -> bool {
        self.head == NONE
    }

    /// The first index, or [`NONE`].
    pub(crate) const fn first(self) -> u16 {
        self.head
    }

    pub(crate) fn push_back(&mut self, nodes: &mut impl Nodes, index: u16) {
        *nodes.links_mut(index) = Links {
            prev: self.tail,
            next: NONE,
        };
        if self.tail == NONE {
            self.head = index;
        } else {
            nodes.links_mut(self.tail).next = index;
        }
        self.tail = index;
    }

    pub(crate) fn remove(&mut self, nodes: &mut impl Nodes, index: u16) {
        let Links { prev, next } = nodes.links(index);
        if prev == NONE {
            self.head = next;
        } else {
            nodes.links_mut(prev).next = next;
        }
        if next == NONE {
            self.tail = prev;
        } else {
            nodes.links_mut(next).prev = prev;
        }
        *nodes.links_mut(index) = Links::LOOSE;
    }

    pub(crate) fn pop_front(&mut self, nodes: &mut impl Nodes) -> Option<u16> {
        let first = self.head;
        if first == NONE {
            return None;
        }
        self.remove(nodes, first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    struct Table([Links; 4]);

    impl Nodes for Table {
        fn links(&self, index: u16) -> Links {
            self.0[usize::from(index)]
        }
        fn links_mut(&mut self, index: u16) -> &mut Links {
            &mut self.0[usize::from(index)]
        }
    }

    fn walk(list: List, table: &Table) -> Vec<u16> {
        let mut at = list.first();
        core::iter::from_fn(|| {
            let here = at;
            (here != NONE).then(|| {
                at = table.links(here).next();
                here
            })
        })
        .collect()
    }

    #[test]
    fn order_is_kept_whatever_is_removed() {
        for out in 0..4 {
            let mut table = Table([Links::LOOSE; 4]);
            let mut list = List::EMPTY;
            for i in [2, 0, 3, 1] {
                list.push_back(&mut table, i);
            }
            list.remove(&mut table, out);
            let left: Vec<u16> = [2, 0, 3, 1].into_iter().filter(|&i| i != out).collect();
            assert_eq!(walk(list, &table), left);
            list.push_back(&mut table, out);
            assert_eq!(walk(list, &table).last(), Some(&out));
            while list.pop_front(&mut table).is_some() {}
            assert!(list.is_empty());
        }
    }
}
