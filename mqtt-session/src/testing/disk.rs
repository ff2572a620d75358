//! What a client's journal is written to, with a process that can die.

use alloc::{vec, vec::Vec};

use crate::{Client, Instant, Record, Seq, record::Records, storage::Storage};

/// A medium that takes records, and makes them safe at once or when it is told to.
#[derive(Debug, Default)]
pub struct Disk {
    /// The frames, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many of them outlive the process for certain.
    persisted: usize,
    /// The record that was written last, while its client does not know that it is safe.
    latest: Option<Seq>,
    held: bool,
    wanted: bool,
}

impl Disk {
    /// Held: what is written is not safe until [`sync`](Self::sync) is called. Default: it is safe at once.
    pub const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// What is written until the client's next turn is made safe then.
    pub const fn sync(&mut self) {
        self.wanted = true;
    }

    /// How many records are written.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Nothing is written.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many of them are safe.
    pub const fn persisted(&self) -> usize {
        self.persisted
    }

    /// The first so many records, or all there are.
    pub fn records(&self, count: usize) -> Records<'_> {
        let end = count
            .min(self.len())
            .checked_sub(1)
            .map_or(0, |last| self.ends[last]);
        Records::new(&self.bytes[..end])
    }

    /// Writes what a client has to record, and syncs if that is due. Tells whether anything happened.
    pub(super) fn turn<S: Storage>(&mut self, client: &mut Client<S>, now: Instant) -> bool {
        let mut happened = false;
        while let Some((seq, record)) = client.poll_record() {
            happened = true;
            self.latest = Some(seq);
            self.write(&record);
        }
        if !self.held || self.wanted {
            self.wanted = false;
            if let Some(latest) = self.latest.take() {
                happened = true;
                self.persisted = self.len();
                client.handle_persisted(now, latest);
            }
        }
        happened
    }

    /// Puts a snapshot in the place of all that is written, and makes it safe.
    pub(super) fn compact<S: Storage>(&mut self, client: &mut Client<S>, now: Instant) {
        self.turn(client, now);
        (self.bytes, self.ends) = (Vec::new(), Vec::new());
        for record in client.snapshot() {
            self.write(&record);
        }
        self.persisted = self.len();
        if let Some(latest) = self.latest.take() {
            client.handle_persisted(now, latest);
        }
    }

    /// The process has died, and of what was not safe some was lost.
    pub(super) fn cut(&mut self, keep: usize) {
        self.ends.truncate(keep.max(self.persisted));
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        self.persisted = self.len();
        self.latest = None;
    }

    fn write(&mut self, record: &Record<'_>) {
        let mut frame = vec![0; record.encoded_len()];
        record.encode(&mut frame);
        self.bytes.extend_from_slice(&frame);
        self.ends.push(self.bytes.len());
    }
}
