//! What a server's durable state is put into, with a process that can die.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use crate::{
    Instant, Seq,
    server::{Changes, Server},
};

/// All entries of a store.
pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store that takes batches whole, and makes them safe at once or when it is told to.
#[derive(Clone, Debug, Default)]
pub struct Store {
    safe: Entries,
    /// Batches that a process that dies may lose: the last ones.
    unsafe_yet: VecDeque<Changes>,
    /// The batch that was written last, while its server does not know that it is safe.
    latest: Option<Seq>,
    held: bool,
    wanted: bool,
}

impl Store {
    /// Held: what is written is not safe until [`sync`](Self::sync) is called. Default: it is safe at once.
    pub const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// What is written until the server's next turn is made safe then.
    pub const fn sync(&mut self) {
        self.wanted = true;
    }

    /// How many batches are written and not safe.
    pub fn pending(&self) -> usize {
        self.unsafe_yet.len()
    }

    /// What is safe.
    pub const fn safe(&self) -> &Entries {
        &self.safe
    }

    /// What is there with the first so many batches of those that are not safe.
    pub fn entries(&self, count: usize) -> Entries {
        let mut entries = self.safe.clone();
        for changes in self.unsafe_yet.iter().take(count) {
            apply(&mut entries, changes);
        }
        entries
    }

    /// All that is written.
    pub fn all(&self) -> Entries {
        self.entries(usize::MAX)
    }

    /// Writes what a server has changed, and syncs if that is due. Tells whether anything happened.
    pub fn turn(&mut self, server: &mut Server, now: Instant) -> bool {
        let mut happened = false;
        if let Some(changes) = server.poll_changes() {
            happened = true;
            self.latest = Some(changes.upto());
            self.unsafe_yet.push_back(changes);
        }
        if !self.held || self.wanted {
            self.wanted = false;
            for changes in self.unsafe_yet.drain(..) {
                apply(&mut self.safe, &changes);
            }
            if let Some(latest) = self.latest.take() {
                happened = true;
                server.handle_persisted(now, latest);
            }
        }
        happened
    }

    /// The process has died: of what was not safe, so many batches are there all the same.
    pub fn cut(&mut self, keep: usize) {
        self.safe = self.entries(keep);
        self.unsafe_yet.clear();
        self.latest = None;
    }
}

fn apply(entries: &mut Entries, changes: &Changes) {
    for (key, value) in changes.iter() {
        match value {
            Some(value) => {
                entries.insert(key.to_vec(), value.to_vec());
            }
            None => {
                entries.remove(key);
            }
        }
    }
}
