//! TCP without blocking, and a way for other threads to interrupt the wait.

use core::time::Duration;
use std::{
    io::{self, Read},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use mio::{Events, Poll, Token, Waker};

use crate::{Interest, Transport, Woken, transport::write_both};

const STREAM: Token = Token(0);
const NOTIFIED: Token = Token(1);

/// TCP connections, one after the other, on non-blocking sockets behind the system's poller.
#[derive(Debug)]
pub struct Tcp {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    stream: Option<mio::net::TcpStream>,
    /// The poller tells of changes only: these say that the last attempt did not find the end.
    readable: bool,
    writable: bool,
}

/// Interrupts the wait of a client from another thread. Cheap to clone; works for all later connections too.
#[derive(Clone, Debug)]
pub struct Notifier {
    waker: Arc<Waker>,
}

impl Notifier {
    /// Makes [`Client::next`](crate::Client::next) return `None`, now or, if it is not waiting, as soon as it would. Several calls may
    /// count as one.
    ///
    /// # Errors
    /// The system refuses.
    pub fn notify(&self) -> io::Result<()> {
        self.waker.wake()
    }
}

impl Tcp {
    /// Without a connection yet.
    ///
    /// # Errors
    /// The system has no poller to give.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), NOTIFIED)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(8),
            waker,
            stream: None,
            readable: false,
            writable: false,
        })
    }

    /// For other threads.
    pub fn notifier(&self) -> Notifier {
        Notifier {
            waker: Arc::clone(&self.waker),
        }
    }

    /// The connection, while there is one.
    pub const fn stream(&self) -> Option<&mio::net::TcpStream> {
        self.stream.as_ref()
    }
}

impl Transport for Tcp {
    type Stream = TcpStream;

    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        self.close();
        stream.set_nonblocking(true)?;
        // What belongs together is written together.
        stream.set_nodelay(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        self.poll.registry().register(&mut stream, STREAM, both)?;
        self.stream = Some(stream);
        (self.readable, self.writable) = (true, true);
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        if !self.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = stream.read(out);
        self.readable = !would_block(&result);
        result
    }

    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if !self.writable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = write_both(stream, head, body);
        self.writable = !would_block(&result);
        result
    }

    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Woken> {
        let ready = (interest.read && self.readable) || (interest.write && self.writable);
        // Even then the poller is asked, or else a busy connection would never see a notification.
        let timeout = if ready { Some(Duration::ZERO) } else { timeout };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Woken::Early),
            result => result?,
        }
        let mut woken = Woken::Early;
        for event in &self.events {
            if event.token() == NOTIFIED {
                woken = Woken::Notified;
            } else {
                let broken = event.is_error();
                self.readable |= broken || event.is_readable() || event.is_read_closed();
                self.writable |= broken || event.is_writable() || event.is_write_closed();
            }
        }
        Ok(woken)
    }

    fn close(&mut self) {
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        // A socket that is closed with unread bytes in it resets the connection, and the last packet may be lost. Errors
        // mean that the connection is gone already.
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = [0; 1024];
        for _ in 0..64 {
            match stream.read(&mut rest) {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        let _ = self.poll.registry().deregister(&mut stream);
    }
}

fn would_block(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
