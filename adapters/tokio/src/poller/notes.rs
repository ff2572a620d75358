//! What is known of each socket, and who waits for it.

use core::{
    mem,
    task::{Context, Poll, Waker},
};
use std::{collections::BTreeMap, io};

use mio::event::Event;
use slab::Slab;

/// Notes on all sockets of a poller, by the keys they are registered with.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Slab<Note>,
    /// Few wait to write at any moment.
    writers: BTreeMap<usize, Waker>,
    /// Nothing will be noted any more.
    is_over: bool,
}

/// A note stands from an event until somebody acts on it: events come once for each change.
#[derive(Debug, Default)]
struct Note {
    readable: bool,
    /// The peer sends nothing more, or the socket is broken: what is read tells, and no event will come for it.
    closed: bool,
    writable: bool,
    reader: Option<Waker>,
}

/// How reading may go on.
#[derive(Copy, Clone, Debug)]
pub(super) struct Readable {
    /// Nothing more will come than what can be read now.
    pub(super) closed: bool,
}

impl Notes {
    /// A key for a new socket, of which nothing is known.
    pub(super) fn insert(&mut self) -> usize {
        self.notes.insert(Note::default())
    }

    pub(super) fn remove(&mut self, key: usize) {
        self.notes.try_remove(key);
        self.writers.remove(&key);
        if self.notes.is_empty() {
            *self = Self {
                is_over: self.is_over,
                ..Self::default()
            };
        }
    }

    /// Something has changed; gives those who wait for it.
    pub(super) fn note(&mut self, key: usize, event: &Event, woken: &mut Vec<Waker>) {
        // It may be gone, and its place taken: a note too much costs one call.
        let Some(note) = self.notes.get_mut(key) else {
            return;
        };
        let closed = event.is_read_closed() || event.is_error();
        note.closed |= closed;
        if closed || event.is_readable() {
            note.readable = true;
            woken.extend(note.reader.take());
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            note.writable = true;
            woken.extend(self.writers.remove(&key));
        }
    }

    /// No event will come any more: gives all who wait.
    pub(super) fn end(&mut self, woken: &mut Vec<Waker>) {
        self.is_over = true;
        woken.extend(self.notes.iter_mut().filter_map(|(_, note)| note.reader.take()));
        woken.extend(mem::take(&mut self.writers).into_values());
    }

    /// Takes the note that it can be read. It is taken before reading, so that none is lost that comes meanwhile; what is not true
    /// after reading is put back with [`still_readable`](Self::still_readable).
    pub(super) fn poll_readable(&mut self, key: usize, cx: &Context<'_>) -> Poll<io::Result<Readable>> {
        let Some(note) = self.notes.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotFound.into()));
        };
        if mem::take(&mut note.readable) {
            let closed = mem::take(&mut note.closed);
            return Poll::Ready(Ok(Readable { closed }));
        }
        if self.is_over {
            return Poll::Ready(Err(over()));
        }
        match &mut note.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// There is more to be read.
    pub(super) fn still_readable(&mut self, key: usize, closed: bool) {
        if let Some(note) = self.notes.get_mut(key) {
            note.readable = true;
            note.closed |= closed;
        }
    }

    /// Takes the note that it can be written, after it could not. As that may be older than the attempt, the next one may fail, too.
    pub(super) fn poll_writable(&mut self, key: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let Some(note) = self.notes.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotFound.into()));
        };
        if mem::take(&mut note.writable) {
            return Poll::Ready(Ok(()));
        }
        if self.is_over {
            return Poll::Ready(Err(over()));
        }
        self.writers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

fn over() -> io::Error {
    io::Error::other("the runtime that waited for it has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_note_is_small() {
        let size = size_of::<Option<Note>>();
        println!("note: {size} bytes");
        assert!(size <= 24);
    }
}
