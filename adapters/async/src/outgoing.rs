//! From the machine to the link: small packets gathered, large ones written from where they lie.

use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use mqtt_session::{Body, Instant, client::Client, storage::Storage};

use crate::Link;

/// Packets up to this size are copied together; larger ones are written without a copy.
const GATHER: usize = 8 << 10;

/// Bytes that the machine has given and the link has not taken.
#[derive(Debug)]
pub(crate) struct Outgoing {
    gathered: Box<[u8]>,
    start: usize,
    end: usize,
    unflushed: bool,
}

impl Outgoing {
    pub(crate) fn new() -> Self {
        Self {
            gathered: vec![0; GATHER].into(),
            start: 0,
            end: 0,
            unflushed: false,
        }
    }

    /// The link is gone, and what it did not take with it.
    pub(crate) const fn clear(&mut self) {
        (self.start, self.end, self.unflushed) = (0, 0, false);
    }

    /// One write. `true`: it was made; `false`: there is nothing to write, and all of it is flushed.
    pub(crate) fn poll_write<S: Storage>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        machine: &mut Client<S>,
        link: &mut impl Link,
    ) -> Poll<io::Result<bool>> {
        if self.start == self.end {
            self.start = 0;
            self.end = machine.take_transmit(now, &mut self.gathered);
        }
        if self.start < self.end {
            let written = ready!(link.poll_write(cx, &self.gathered[self.start..self.end]))?;
            self.start = (self.start + some(written)?).min(self.end);
            self.unflushed = true;
            return Poll::Ready(Ok(true));
        }
        let Some(transmit) = machine.poll_transmit() else {
            if self.unflushed {
                ready!(link.poll_flush(cx))?;
                self.unflushed = false;
            }
            return Poll::Ready(Ok(false));
        };
        let Body::Bytes(body) = transmit.body else {
            // `Client::publish` takes no such payload.
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "external payload",
            )));
        };
        let parts = [IoSlice::new(transmit.head), IoSlice::new(body)];
        let written = ready!(link.poll_write_vectored(cx, &parts))?;
        machine.handle_written(now, some(written)?);
        self.unflushed = true;
        Poll::Ready(Ok(true))
    }
}

fn some(written: usize) -> io::Result<usize> {
    if written == 0 {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(written)
    }
}
