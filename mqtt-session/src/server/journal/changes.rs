//! A batch of encoded entries.

use alloc::vec::Vec;
use core::fmt;

use crate::record::{Seq, broker::Entry};

/// What has changed since the last one: to be made durable all at once or not at all. A plain value; nothing borrows the broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Changes {
    upto: Seq,
    bytes: Vec<u8>,
    /// Where each key ends and where each value; they are the same where there is no entry any more.
    ends: Vec<(usize, usize)>,
}

impl Changes {
    pub(super) const fn new(upto: Seq) -> Self {
        Self {
            upto,
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, key: &[u8], entry: &Entry<'_>) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        entry.append_value(&mut self.bytes);
        self.ends.push((key_end, self.bytes.len()));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push((self.bytes.len(), self.bytes.len()));
    }

    /// Its name, for [`handle_persisted`](super::super::Broker::handle_persisted).
    pub const fn upto(&self) -> Seq {
        self.upto
    }

    /// Each key with its value, `None` if there is to be none; a key comes once. Neither is ever empty.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + '_ {
        let starts = [0].into_iter().chain(self.ends.iter().map(|&(_, end)| end));
        starts.zip(&self.ends).map(|(start, &(key_end, end))| {
            let key = self.bytes.get(start..key_end).unwrap_or_default();
            let value = self.bytes.get(key_end..end).filter(|value| !value.is_empty());
            (key, value)
        })
    }

    /// How many entries it puts or removes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Nothing is different after all, but somebody waits to be told that it is safe.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self.iter() {
            let entry = value.map(|value| Entry::decode(key, value));
            map.entry(&crate::record::broker::Key::decode(key), &entry);
        }
        map.finish()
    }
}
