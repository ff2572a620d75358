//! What a server listens on.

use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
#[cfg(unix)]
use std::path::Path;

use mqtt_async::{Accept, Link};
use mqtt_session::server::Peer;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::Io;

/// A listener of any kind. Connections over TCP send without delay; those of Unix sockets have no address
/// ([`Peer::address`]).
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a file.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A connection from a [`Listener`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// Over TCP.
    Tcp(Io<TcpStream>),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(Io<UnixStream>),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
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
#[cfg(unix)]
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
        Poll::Ready(Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = ready!(listener.poll_accept(cx))?;
                // Answers are small and wait for nothing: gathering them would only delay them. A stream that cannot is
                // fine.
                let _ = stream.set_nodelay(true);
                (Socket::Tcp(Io(stream)), Peer::at(address))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                (Socket::Unix(Io(stream)), Peer::default())
            }
        }))
    }
}

macro_rules! either {
    ($self:expr, $link:ident => $do:expr) => {
        match $self {
            Socket::Tcp($link) => $do,
            #[cfg(unix)]
            Socket::Unix($link) => $do,
        }
    };
}

impl Link for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(self, link => link.poll_read(cx, room))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, link => link.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, link => link.poll_write_vectored(cx, parts))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, link => link.poll_flush(cx))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, link => link.poll_close(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_hardly_more_for_being_of_any_kind() {
        let (socket, stream) = (size_of::<Socket>(), size_of::<TcpStream>());
        println!("Socket: {socket} bytes, TcpStream: {stream}");
        assert!(socket <= stream + 8);
    }
}
