//! What the machine has to say, on its way to the transport.

use std::io;

use mqtt_session::{Body, Client, Instant, Token, storage::Storage};

/// Where the bytes of payloads come from that were published as [`Payload::External`](mqtt_session::Payload::External).
pub(super) type PayloadSource = Box<dyn FnMut(Token, u32, &mut [u8]) -> io::Result<usize> + Send>;

/// Packets that fit are gathered in so many bytes, so that many of them are one write; larger ones go out from where they
/// lie.
const GATHERED: usize = 8 << 10;

/// Bytes that the machine has given and the transport has not taken.
pub(super) struct Outgoing {
    bytes: Box<[u8]>,
    written: usize,
    filled: usize,
    pub(super) source: Option<PayloadSource>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; GATHERED].into(),
            written: 0,
            filled: 0,
            source: None,
        }
    }

    /// The transport is gone, and what it did not take with it.
    pub(super) const fn clear(&mut self) {
        (self.written, self.filled) = (0, 0);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.written == self.filled
    }

    /// Takes out of the machine what fits.
    pub(super) fn gather<S: Storage>(&mut self, machine: &mut Client<S>, now: Instant) {
        if self.is_empty() {
            self.clear();
        }
        self.filled += machine.take_transmit(now, self.bytes.get_mut(self.filled..).unwrap_or_default());
    }

    /// What to write next, in two parts, of which the second is empty if the first is what was gathered; nothing if both
    /// are.
    ///
    /// # Errors
    /// An external payload has no source, or its source failed.
    pub(super) fn next<'a, S: Storage>(
        &'a mut self,
        machine: &'a mut Client<S>,
        now: Instant,
    ) -> io::Result<[&'a [u8]; 2]> {
        self.gather(machine, now);
        if self.is_empty() {
            self.fetch(machine, now)?;
        }
        if self.is_empty() {
            return Ok(match machine.poll_transmit() {
                Some(transmit) => match transmit.body {
                    Body::Bytes(body) => [transmit.head, body],
                    // `fetch` has put the beginning of any other body beside the head.
                    Body::External { .. } | _ => [transmit.head, &[]],
                },
                None => [&[]; 2],
            });
        }
        Ok([self.bytes.get(self.written..self.filled).unwrap_or_default(), &[]])
    }

    /// If an external payload comes next, gets as much of it as there is room for.
    fn fetch<S: Storage>(&mut self, machine: &mut Client<S>, now: Instant) -> io::Result<()> {
        let Some(transmit) = machine.poll_transmit() else {
            return Ok(());
        };
        let (token, offset, len) = match transmit.body {
            Body::Bytes(_) => return Ok(()),
            Body::External { token, offset, len } => (token, offset, len),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let head = transmit.head.len();
        if head >= self.bytes.len() {
            // It goes out from where it lies, and the payload after it.
            return Ok(());
        }
        let (start, room) = self.bytes.split_at_mut(head);
        start.copy_from_slice(transmit.head);
        let wanted = room.len().min(len as usize);
        if let Some(room) = room.get_mut(..wanted).filter(|room| !room.is_empty()) {
            let source = self.source.as_mut().ok_or(io::ErrorKind::Unsupported)?;
            match source(token, offset, room)?.min(wanted) {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.filled = head + n,
            }
        } else {
            self.filled = head;
        }
        machine.handle_written(now, self.filled);
        Ok(())
    }

    /// So many bytes of what [`next`](Self::next) gave are written.
    pub(super) fn written<S: Storage>(&mut self, machine: &mut Client<S>, now: Instant, n: usize) {
        if self.is_empty() {
            machine.handle_written(now, n);
        } else {
            self.written = self.written.saturating_add(n).min(self.filled);
        }
    }
}
