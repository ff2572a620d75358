//! A socket of a poller.

use core::{
    fmt,
    task::{Context, Poll, ready},
};
use std::{
    io::{self, Read},
    sync::Arc,
};

use mio::{Interest, event::Source};

use super::{Shared, notes::Readable};

/// A socket that is registered with a poller until it is dropped.
pub(crate) struct Registered<S: Source> {
    shared: Arc<Shared>,
    key: u32,
    /// It could not be written when that was last tried.
    blocked: bool,
    socket: S,
}

impl<S: Source> Registered<S> {
    /// Gives the socket back if the system does not let it.
    pub(super) fn new(
        shared: &Arc<Shared>,
        mut socket: S,
        interest: Interest,
    ) -> Result<Self, (io::Error, S)> {
        match shared.register(&mut socket, interest) {
            Ok(key) => Ok(Self {
                shared: Arc::clone(shared),
                key,
                blocked: false,
                socket,
            }),
            Err(error) => Err((error, socket)),
        }
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    const fn key(&self) -> usize {
        self.key as usize
    }

    /// Takes something from the socket when it can be read: a connection of a listener.
    pub(crate) fn poll_take<T>(
        &self,
        cx: &Context<'_>,
        mut take: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let Readable { closed } = ready!(self.shared.notes().poll_readable(self.key(), cx))?;
            match take(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                taken => {
                    // There may be more, also after an error.
                    self.shared.notes().still_readable(self.key(), closed);
                    return Poll::Ready(taken);
                }
            }
        }
    }

    /// Reads, if there is something.
    pub(crate) fn poll_read(&mut self, cx: &Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>
    where
        S: Read,
    {
        loop {
            let Readable { closed } = ready!(self.shared.notes().poll_readable(self.key(), cx))?;
            match self.socket.read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.shared.notes().still_readable(self.key(), closed);
                }
                read => {
                    // After a short read there is nothing left, and what comes next is a change; but the end has come already.
                    if closed || read.as_ref().is_ok_and(|&n| n == room.len()) {
                        self.shared.notes().still_readable(self.key(), closed);
                    }
                    return Poll::Ready(read);
                }
            }
        }
    }

    /// Writes, if there is room.
    pub(crate) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        mut write: impl FnMut(&mut S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.blocked {
                ready!(self.shared.notes().poll_writable(self.key(), cx))?;
                self.blocked = false;
            }
            match write(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl<S: Source> Drop for Registered<S> {
    fn drop(&mut self) {
        let key = self.key();
        self.shared.deregister(&mut self.socket, key);
    }
}

impl<S: Source + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}
