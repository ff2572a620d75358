//! What a client needs of a transport.

use core::time::Duration;
use std::{
    io::{self, IoSlice, Read, Write},
    thread,
};

/// Two directions of bytes, and a way to wait for them.
pub trait Transport {
    /// One connection of such a transport.
    type Stream;

    /// Uses this connection from now on.
    ///
    /// # Errors
    /// The connection cannot be used.
    fn open(&mut self, stream: Self::Stream) -> io::Result<()>;

    /// Reads into `out`, which is not empty; 0: the peer has ended its direction.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) and [`TimedOut`](io::ErrorKind::TimedOut) mean that nothing is there at
    /// present; any other error ends the connection.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize>;

    /// Writes of `head`, then of `body`; both are not empty together.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) and [`TimedOut`](io::ErrorKind::TimedOut) mean that there is no room at
    /// present; any other error ends the connection.
    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize>;

    /// Waits until what is asked for may be possible, but no longer than `timeout`; too early is harmless.
    ///
    /// # Errors
    /// Waiting itself is not possible.
    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Woken>;

    /// Ends the connection. What was written still arrives.
    fn close(&mut self);
}

/// What is waited for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interest {
    /// That bytes can be read.
    pub read: bool,
    /// That bytes can be written.
    pub write: bool,
}

impl Interest {
    pub(crate) const fn new(read: bool, write: bool) -> Self {
        Self { read, write }
    }
}

/// Why a wait has ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "whoever implements a transport makes these"
)]
pub enum Woken {
    /// The transport may be ready, or the time is over.
    Early,
    /// Another thread asks for attention.
    Notified,
}

/// Any `Read + Write` as a transport, whose reads wait by themselves, for as long as *it* was told to.
///
/// Set a read time-out before ([`TcpStream::set_read_timeout`](std::net::TcpStream::set_read_timeout), or that of the
/// socket below a TLS stream): it is how late a deadline may be noticed, such as that of a keep-alive, and how late
/// [`next_timeout`](crate::Client::next_timeout) may return. Without one, nothing happens while nothing comes. A read
/// must give what there is, without waiting for more, and fail with `WouldBlock` or `TimedOut` if nothing came, having lost nothing.
/// Here reading waits for writing, and the stream cannot be woken by a [`Notifier`](crate::Notifier): for TCP there is [`Tcp`](crate::Tcp).
#[derive(Debug)]
pub struct ReadTimeouts<T> {
    stream: Option<T>,
}

impl<T> ReadTimeouts<T> {
    /// Without a connection yet.
    pub const fn new() -> Self {
        Self { stream: None }
    }

    /// The connection, while there is one.
    pub const fn stream(&self) -> Option<&T> {
        self.stream.as_ref()
    }
}

impl<T> Default for ReadTimeouts<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// How long to sleep at a time when there is nothing to wait on.
const NAP: Duration = Duration::from_millis(10);

impl<T: Read + Write> Transport for ReadTimeouts<T> {
    type Stream = T;

    fn open(&mut self, stream: T) -> io::Result<()> {
        self.stream = Some(stream);
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stream.as_mut().map_or(Ok(0), |stream| stream.read(out))
    }

    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let n = write_both(stream, head, body)?;
        // Streams with a buffer of their own, such as TLS, would keep it.
        stream.flush()?;
        Ok(n)
    }

    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Woken> {
        // The next read waits.
        if !interest.read {
            #[allow(clippy::disallowed_methods, reason = "there is nothing to wait on")]
            thread::sleep(timeout.unwrap_or(NAP).min(NAP));
        }
        Ok(Woken::Early)
    }

    fn close(&mut self) {
        self.stream = None;
    }
}

pub(crate) fn write_both(stream: &mut impl Write, head: &[u8], body: &[u8]) -> io::Result<usize> {
    match (head, body) {
        (bytes, []) | ([], bytes) => stream.write(bytes),
        (head, body) => stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]),
    }
}
