//! An ordered map that owns no memory while empty and no tree while it has one entry.
//!
//! Most sessions have one subscription, most levels of a topic tree one child, most filters one subscriber: a
//! `BTreeMap` reserves room for eleven entries with the first.

use alloc::collections::{BTreeMap, btree_map};
use core::{borrow::Borrow, mem};

#[derive(Clone, Debug, Default)]
pub(crate) enum SmallMap<K, V> {
    #[default]
    Empty,
    One(K, V),
    Many(BTreeMap<K, V>),
}

impl<K: Ord, V> SmallMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(..) => 1,
            Self::Many(map) => map.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Empty => None,
            Self::One(k, v) => (Borrow::<Q>::borrow(k) == key).then_some(v),
            Self::Many(map) => map.get(key),
        }
    }

    #[cfg(feature = "server")]
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Empty => None,
            Self::One(k, v) => (Borrow::<Q>::borrow(k) == key).then_some(v),
            Self::Many(map) => map.get_mut(key),
        }
    }

    /// Puts a value in; gives back the one it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match mem::take(self) {
            Self::Empty => {
                *self = Self::One(key, value);
                None
            }
            Self::One(k, v) if k == key => {
                *self = Self::One(key, value);
                Some(v)
            }
            Self::One(k, v) => {
                *self = Self::Many(BTreeMap::from([(k, v), (key, value)]));
                None
            }
            Self::Many(mut map) => {
                let old = map.insert(key, value);
                *self = Self::Many(map);
                old
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Empty => None,
            Self::One(k, _) => {
                if Borrow::<Q>::borrow(k) != key {
                    return None;
                }
                match mem::take(self) {
                    Self::One(_, v) => Some(v),
                    Self::Empty | Self::Many(_) => None,
                }
            }
            Self::Many(map) => {
                let old = map.remove(key);
                if map.len() == 1 {
                    if let Some((k, v)) = map.pop_first() {
                        *self = Self::One(k, v);
                    }
                }
                old
            }
        }
    }

    #[cfg(feature = "server")]
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        match self {
            Self::Empty => {}
            Self::One(k, v) => {
                if !keep(k, v) {
                    *self = Self::Empty;
                }
            }
            Self::Many(map) => {
                map.retain(keep);
                if map.is_empty() {
                    *self = Self::Empty;
                }
            }
        }
    }

    /// All entries in order of their keys.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        match self {
            Self::Empty => Iter::One(None),
            Self::One(k, v) => Iter::One(Some((k, v))),
            Self::Many(map) => Iter::Many(map.range::<K, _>(..)),
        }
    }

    /// The entries from this key on.
    #[cfg(feature = "server")]
    pub(crate) fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Empty => Iter::One(None),
            Self::One(k, v) => Iter::One((Borrow::<Q>::borrow(k) >= key).then_some((k, v))),
            Self::Many(map) => {
                Iter::Many(map.range::<Q, _>((core::ops::Bound::Included(key), core::ops::Bound::Unbounded)))
            }
        }
    }
}

#[derive(Debug)]
pub(crate) enum Iter<'a, K, V> {
    One(Option<(&'a K, &'a V)>),
    Many(btree_map::Range<'a, K, V>),
}

impl<K, V> Default for Iter<'_, K, V> {
    fn default() -> Self {
        Self::One(None)
    }
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::One(entry) => Self::One(*entry),
            Self::Many(range) => Self::Many(range.clone()),
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(entry) => entry.take(),
            Self::Many(range) => range.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn it_behaves_as_a_btree_map_at_every_size() {
        let mut small = SmallMap::default();
        let mut model = BTreeMap::new();
        let mut seed = 1_u32;
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (seed >> 24) % 5;
            if seed & 0x1_0000 == 0 {
                assert_eq!(small.insert(key, seed), model.insert(key, seed));
            } else {
                assert_eq!(small.remove(&key), model.remove(&key));
            }
            assert_eq!(small.len(), model.len());
            assert_eq!(small.get(&key), model.get(&key));
            assert_eq!(small.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
            assert_eq!(
                small.iter_from(&2).collect::<Vec<_>>(),
                model.range(2..).collect::<Vec<_>>()
            );
        }
    }
}
