//! What the machine has to say, on its way to the transport.

use std::io;

use mqtt_session::{Body, Client, Instant, Token, storage::Storage};

use crate::Transport;

/// Where the bytes of payloads come from that were published as [`Payload::External`](mqtt_session::Payload::External).
pub(crate) type PayloadSource = Box<dyn FnMut(Token, u32, &mut [u8]) -> io::Result<usize> + Send>;

/// Small packets are gathered here, so that many of them are one write; large ones go out from where they lie.
pub(crate) struct Output {
    bytes: Box<[u8]>,
    written: usize,
    filled: usize,
    pub(crate) source: Option<PayloadSource>,
    /// Nothing more can be written.
    pub(crate) broken: Option<io::Error>,
}

const GATHERED: usize = 4 << 10;

impl Output {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; GATHERED].into(),
            written: 0,
            filled: 0,
            source: None,
            broken: None,
        }
    }

    /// The transport is gone.
    pub(crate) fn clear(&mut self) {
        (self.written, self.filled) = (0, 0);
        self.broken = None;
    }

    pub(crate) fn has_output<S: Storage>(&self, machine: &mut Client<S>) -> bool {
        self.broken.is_none() && (self.written < self.filled || machine.poll_transmit().is_some())
    }

    /// Takes out of the machine what fits.
    pub(crate) fn stage<S: Storage>(&mut self, machine: &mut Client<S>, now: Instant) {
        if self.written == self.filled {
            (self.written, self.filled) = (0, 0);
        }
        self.filled += machine.take_transmit(now, self.bytes.get_mut(self.filled..).unwrap_or_default());
    }

    /// Writes until nothing is left, or no more is possible. Tells whether anything was written.
    pub(crate) fn write<S: Storage, T: Transport>(
        &mut self,
        machine: &mut Client<S>,
        transport: &mut T,
        now: Instant,
    ) -> bool {
        let mut moved = false;
        while self.broken.is_none() {
            self.stage(machine, now);
            match self.write_some(machine, transport, now) {
                Ok(Some(0)) => self.broken = Some(io::ErrorKind::WriteZero.into()),
                Ok(Some(_)) => moved = true,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_temporary(&error) => break,
                Err(error) => self.broken = Some(error),
            }
        }
        moved
    }

    /// Writes once; `None` if there is nothing to write.
    fn write_some<S: Storage, T: Transport>(
        &mut self,
        machine: &mut Client<S>,
        transport: &mut T,
        now: Instant,
    ) -> io::Result<Option<usize>> {
        if self.written == self.filled {
            let Some(transmit) = machine.poll_transmit() else {
                return Ok(None);
            };
            match transmit.body {
                Body::Bytes(body) => {
                    let n = transport.write(transmit.head, body)?;
                    machine.handle_written(now, n);
                    return Ok(Some(n));
                }
                Body::External { token, offset, len } => {
                    let (head, rest) = self.bytes.split_at_mut(transmit.head.len().min(self.bytes.len()));
                    head.copy_from_slice(transmit.head.get(..head.len()).unwrap_or_default());
                    let room = rest.len().min(len as usize);
                    let rest = rest.get_mut(..room).unwrap_or_default();
                    let source = self.source.as_mut().ok_or(io::ErrorKind::Unsupported)?;
                    let n = if rest.is_empty() {
                        0
                    } else {
                        source(token, offset, rest)?.min(rest.len())
                    };
                    if n == 0 && !rest.is_empty() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    (self.written, self.filled) = (0, head.len() + n);
                    machine.handle_written(now, self.filled);
                }
                _ => return Err(io::ErrorKind::Unsupported.into()),
            }
        }
        let n = transport.write(self.bytes.get(self.written..self.filled).unwrap_or_default(), &[])?;
        self.written += n;
        Ok(Some(n))
    }
}

/// Not now, but perhaps later.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
