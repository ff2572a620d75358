//! What a runtime has to offer: a byte stream and an alarm.

use core::task::{Context, Poll};
use std::io::{self, IoSlice};

/// A connected byte stream. All methods are as those of `AsyncRead` and `AsyncWrite` in any runtime: `Pending` means
/// that the task will be woken, and that nothing was read or written.
///
/// Reading and writing wake the task that polled last, each on its own.
pub trait Link {
    /// Reads into `room`, which is not empty. 0 bytes: the peer has closed.
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `bytes`, which are not empty.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes from several slices in order, of which one is not empty.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = parts.iter().find(|part| !part.is_empty());
        self.poll_write(cx, first.map_or(&[], |part| part))
    }

    /// Sends on what the stream holds back, if it is one that does.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more will come.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }
}

/// An alarm clock for one task.
pub trait Timer: Default {
    /// Ready at this moment or after it. Each call sets the alarm anew; the last one counts.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: std::time::Instant) -> Poll<()>;
}

/// Something that gives new links: a listener.
#[cfg(feature = "server")]
pub trait Accept {
    /// What it gives.
    type Link: Link;

    /// The next connection, and where it comes from. An error concerns one connection, or a shortage of
    /// something; the listener goes on after it.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Link, mqtt_session::server::Peer)>>;
}
