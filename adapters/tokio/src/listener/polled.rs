//! Listeners and sockets that a [`Poller`] waits for.

use core::task::{Context, Poll, ready};
use std::{
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
    path::Path,
};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpStream, UnixStream},
};
use mqtt_async::{Accept, Link};
use mqtt_session::server::Peer;
use tokio::net::{TcpListener, UnixListener};

use crate::poller::{Poller, Registered};

/// A listener, for TCP or a Unix socket. Connections over TCP send without delay; those of Unix sockets have no address
/// ([`Peer::address`]).
///
/// It has a [`Poller`] of its own, unless that is what it was [made by](Poller::listen).
#[derive(Debug)]
pub struct Listener {
    poller: Poller,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not polled yet.
    New(Door),
    Registered(Registered<Door>),
    /// The system would not give it.
    Lost(io::ErrorKind),
}

#[derive(Debug)]
enum Door {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

/// A connection from a [`Listener`].
#[derive(Debug)]
pub struct Socket(Registered<Stream>);

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Poller {
    /// A listener that this poller waits for, and for its connections: tokio's, or one that was not polled yet.
    pub fn listen(&self, listener: impl Into<Listener>) -> Listener {
        let mut listener = listener.into();
        if matches!(listener.state, State::New(_)) {
            listener.poller = self.clone();
        }
        listener
    }
}

impl Listener {
    fn new(door: io::Result<Door>) -> Self {
        Self {
            poller: Poller::new(),
            state: door.map_or_else(|error| State::Lost(error.kind()), State::New),
        }
    }

    /// The listener, with its poller waiting for it.
    fn registered(&mut self) -> io::Result<&Registered<Door>> {
        if let State::New(_) = self.state {
            let lost = State::Lost(io::ErrorKind::NotConnected);
            if let State::New(door) = core::mem::replace(&mut self.state, lost) {
                match self.poller.register(door, Interest::READABLE) {
                    Ok(registered) => self.state = State::Registered(registered),
                    Err((error, door)) => {
                        self.state = State::New(door);
                        return Err(error);
                    }
                }
            }
        }
        match &self.state {
            State::Registered(registered) => Ok(registered),
            State::Lost(kind) => Err((*kind).into()),
            State::New(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        let door = listener.into_std().map(mio::net::TcpListener::from_std);
        Self::new(door.map(Door::Tcp))
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        let door = listener.into_std().map(mio::net::UnixListener::from_std);
        Self::new(door.map(Door::Unix))
    }
}

/// A listener on a Unix socket. A file that an earlier process has left there, on which nobody listens any more, is
/// replaced; the file stays when the listener is dropped.
///
/// # Errors
/// Somebody listens there, or there is a file of another kind, or none may be made.
///
/// # Panics
/// Outside of a runtime.
pub fn listen_unix(path: impl AsRef<Path>) -> io::Result<UnixListener> {
    use std::{fs, os::unix::fs::FileTypeExt as _};
    let path = path.as_ref();
    match UnixListener::bind(path) {
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => {
            let is_left = fs::symlink_metadata(path)?.file_type().is_socket()
                && matches!(
                    std::os::unix::net::UnixStream::connect(path),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused
                );
            if !is_left {
                return Err(taken);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}

impl Accept for Listener {
    type Link = Socket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        let (stream, peer) = ready!(self.registered()?.poll_take(cx, Door::accept))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poller.register(stream, both).map_err(|(error, _)| error)?;
        Poll::Ready(Ok((Socket(registered), peer)))
    }
}

impl Door {
    fn accept(&self) -> io::Result<(Stream, Peer)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                // Answers are small and wait for nothing: gathering them would only delay them. A stream that cannot is fine.
                let _ = stream.set_nodelay(true);
                (Stream::Tcp(stream), Peer::at(address))
            }
            Self::Unix(listener) => (Stream::Unix(listener.accept()?.0), Peer::default()),
        })
    }
}

impl Link for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, |stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, |stream| stream.write_vectored(parts))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = match self.0.socket() {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        Poll::Ready(match closed {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            closed => closed,
        })
    }
}

macro_rules! either {
    ($enum:ident, $self:expr, $socket:ident => $do:expr) => {
        match $self {
            $enum::Tcp($socket) => $do,
            $enum::Unix($socket) => $do,
        }
    };
}

macro_rules! source {
    ($enum:ident) => {
        impl Source for $enum {
            fn register(&mut self, by: &Registry, token: Token, interest: Interest) -> io::Result<()> {
                either!($enum, self, socket => socket.register(by, token, interest))
            }

            fn reregister(&mut self, by: &Registry, token: Token, interest: Interest) -> io::Result<()> {
                either!($enum, self, socket => socket.reregister(by, token, interest))
            }

            fn deregister(&mut self, by: &Registry) -> io::Result<()> {
                either!($enum, self, socket => socket.deregister(by))
            }
        }
    };
}

source!(Door);
source!(Stream);

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.read(room))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.write(bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(Stream, self, socket => socket.write_vectored(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_connection_is_small() {
        let size = size_of::<Socket>();
        println!("Socket: {size} bytes");
        // Mio keeps more where it checks itself.
        assert!(size <= if cfg!(debug_assertions) { 40 } else { 24 });
    }
}
