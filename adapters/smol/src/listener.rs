//! What a server listens on.

use core::task::{Context, Poll, ready};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
};

use async_io::Async;
use mqtt_async::{Accept, Link};
use mqtt_session::server::Peer;

use crate::Io;

/// A listener of any kind, from one of the standard library. Connections over TCP send without delay; those of Unix
/// sockets have no address ([`Peer::address`]).
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    /// There may be another connection without the reactor saying so.
    ready: bool,
}

#[derive(Debug)]
enum Kind {
    Tcp(Async<TcpListener>),
    #[cfg(unix)]
    Unix(Async<UnixListener>),
}

/// A connection from a [`Listener`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// Over TCP.
    Tcp(Io<Async<TcpStream>>),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(Io<Async<UnixStream>>),
}

impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    /// Registers it with the reactor, and makes it non-blocking.
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        Ok(Self {
            kind: Kind::Tcp(Async::new(listener)?),
            ready: true,
        })
    }
}

#[cfg(unix)]
impl TryFrom<UnixListener> for Listener {
    type Error = io::Error;

    /// Registers it with the reactor, and makes it non-blocking.
    fn try_from(listener: UnixListener) -> io::Result<Self> {
        Ok(Self {
            kind: Kind::Unix(Async::new(listener)?),
            ready: true,
        })
    }
}

impl Kind {
    fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.get_ref().accept()?;
                // Answers are small and wait for nothing: gathering them would only delay them. A stream that cannot is
                // fine.
                let _ = stream.set_nodelay(true);
                Ok((Socket::Tcp(Io(Async::new(stream)?)), Peer::at(address)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.get_ref().accept()?;
                Ok((Socket::Unix(Io(Async::new(stream)?)), Peer::default()))
            }
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(listener) => listener.poll_readable(cx),
            #[cfg(unix)]
            Self::Unix(listener) => listener.poll_readable(cx),
        }
    }
}

impl Accept for Listener {
    type Link = Socket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        loop {
            if !self.ready {
                ready!(self.kind.poll_readable(cx))?;
                self.ready = true;
            }
            match self.kind.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                accepted => return Poll::Ready(accepted),
            }
        }
    }
}

impl Link for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(link) => link.poll_read(cx, room),
            #[cfg(unix)]
            Self::Unix(link) => link.poll_read(cx, room),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(link) => link.poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(link) => link.poll_write(cx, bytes),
        }
    }

    // That of `Async` does not tell the peer.
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(link) => Poll::Ready(link.0.get_ref().shutdown(Shutdown::Write)),
            #[cfg(unix)]
            Self::Unix(link) => Poll::Ready(link.0.get_ref().shutdown(Shutdown::Write)),
        }
    }
}
