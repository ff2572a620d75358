//! Listeners and sockets that are registered with tokio, one by one.

use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use mqtt_async::{Accept, Link};
use mqtt_session::server::Peer;
use tokio::net::{TcpListener, TcpStream};

use crate::Io;

/// Where tokio waits for each socket, nothing.
#[derive(Clone, Debug, Default)]
pub struct Poller(());

/// A listener. Connections send without delay.
#[derive(Debug)]
pub struct Listener(TcpListener);

/// A connection from a [`Listener`].
#[derive(Debug)]
pub struct Socket(Io<TcpStream>);

impl Poller {
    /// As on Unix.
    pub fn new() -> Self {
        Self::default()
    }

    /// As on Unix, but that tokio knows of each connection.
    pub fn listen(&self, listener: impl Into<Listener>) -> Listener {
        listener.into()
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Accept for Listener {
    type Link = Socket;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        let (stream, address) = ready!(self.0.poll_accept(cx))?;
        // Answers are small and wait for nothing: gathering them would only delay them. A stream that cannot is fine.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((Socket(Io(stream)), Peer::at(address))))
    }
}

impl Link for Socket {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored(cx, parts)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}
