//! The client that drives itself inside `next`.

use core::{fmt, time::Duration};
use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
};

use mqtt_session::{
    Config, ConnectOptions, Event, Instant,
    client::Found,
    storage::{Heap, Storage},
};

use crate::{ConnectError, Interest, Notifier, Tcp, Transport, Woken, commands, driver::Driver};

/// An MQTT client that reads, writes and keeps time whenever [`next`](Self::next) is called, and only then.
///
/// Commands never wait: they are taken, or [refused](mqtt_session::Refused). They take effect on the wire in the next call of `next`. Reading never
/// waits for writing, nor writing for reading (over [`Tcp`]).
///
/// A client outlives its connections: after [`Event::Closed`] and a `None`, [`attach`](Self::attach) another one, and what
/// is under way goes on there.
pub struct Client<T: Transport = Tcp, S: Storage = Heap> {
    pub(crate) driver: Driver<S>,
    pub(crate) transport: T,
}

/// What a turn of the loop came to.
pub(crate) enum Turn {
    /// Something has happened, or may have.
    Again,
    /// The caller wants to be told that the time is over, or that another thread asks for attention.
    Return,
}

impl Client {
    /// Connects over TCP, with the default [`Config`] and memory on the heap. Waits until the TCP connection stands, no longer than
    /// [`Config::connect_timeout`] for each address; the answer to CONNECT is the first event.
    ///
    /// # Errors
    /// No address could be reached, or the options are refused.
    pub fn connect(address: impl ToSocketAddrs, options: &ConnectOptions<'_>) -> Result<Self, ConnectError> {
        let mut client = Self::new(Config::DEFAULT, Heap::new())?;
        client.attach_tcp(address, options)?;
        Ok(client)
    }
}

impl<S: Storage> Client<Tcp, S> {
    /// A client for TCP that was never connected.
    ///
    /// # Errors
    /// The system has no poller to give.
    pub fn new(config: Config, storage: S) -> io::Result<Self> {
        Ok(Self::with_transport(Tcp::new()?, config, storage))
    }

    /// Opens a connection over TCP, the first or, after the end of the last one, another. Waits until the TCP connection stands, no longer than
    /// [`Config::connect_timeout`] for each address.
    ///
    /// # Errors
    /// No address could be reached, or the options are refused; nothing has changed.
    pub fn attach_tcp(
        &mut self,
        address: impl ToSocketAddrs,
        options: &ConnectOptions<'_>,
    ) -> Result<(), ConnectError> {
        self.driver.check_idle()?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in address.to_socket_addrs()? {
            // 5/MQTT-4.2.0-1, 3.1.1/MQTT-7.1.2-1
            match TcpStream::connect_timeout(&address, self.driver.machine().config().connect_timeout) {
                Ok(stream) => return self.attach(stream, options),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// For other threads: interrupts [`next`](Self::next).
    pub fn notifier(&self) -> Notifier {
        self.transport.notifier()
    }
}

impl<T: Transport, S: Storage> Client<T, S> {
    /// A client over any transport that was never connected. Allocates a receive buffer of
    /// [`Config::receive_buffer`] bytes.
    pub fn with_transport(transport: T, config: Config, storage: S) -> Self {
        Self::with_machine(transport, mqtt_session::Client::new(config, storage))
    }

    /// A client with a session that exists, such as one that was restored. A connection that it may have is lost.
    pub fn with_machine(transport: T, machine: mqtt_session::Client<S>) -> Self {
        Self {
            driver: Driver::with_machine(machine),
            transport,
        }
    }

    /// Opens a connection on a stream that is ready: CONNECT is what is written first.
    ///
    /// # Errors
    /// The options are refused, with [`Refused::AlreadyConnected`](mqtt_session::Refused::AlreadyConnected) also while events of the last connection wait in [`next`](Self::next); or the
    /// transport does not take the stream. The client is as it was before.
    pub fn attach(&mut self, stream: T::Stream, options: &ConnectOptions<'_>) -> Result<(), ConnectError> {
        self.driver.check_idle()?;
        self.transport.open(stream)?;
        if let Err(refused) = self.driver.attach(options) {
            self.transport.close();
            return Err(refused.into());
        }
        Ok(())
    }

    /// Gives the transport up, without a word to the server, which will publish the will. Events follow, the last of them
    /// [`Event::Closed`], unless that was told before.
    pub fn detach(&mut self) {
        self.end(None);
    }

    /// Waits for the next event. `None`: a [`Notifier`] was used, or there is no connection and nothing more to tell.
    ///
    /// The last event of a connection is [`Event::Closed`]. Before it is told, what the server still has to get is
    /// written, which takes up to [`Config::close_timeout`] if the server does not take it; then the transport is closed.
    ///
    /// # Errors
    /// Waiting is not possible. The end of a connection is no error: it is [`Event::Closed`], and
    /// [`transport_error`](Self::transport_error) says more.
    #[allow(clippy::should_implement_trait, reason = "the event borrows from the client")]
    pub fn next(&mut self) -> io::Result<Option<Event<'_>>> {
        let found = self.find(None)?;
        Ok(found.map(|found| self.driver.view(found)))
    }

    /// The same, but `None` also when nothing happened for so long. Zero: does what can be done without waiting.
    ///
    /// # Errors
    /// As of [`next`](Self::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<Event<'_>>> {
        let until = self.driver.clock().now() + timeout;
        let found = self.find(Some(until))?;
        Ok(found.map(|found| self.driver.view(found)))
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// Why the last connection ended, if it was the transport that failed;
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the server closed it without a word.
    pub const fn transport_error(&self) -> Option<&io::Error> {
        self.driver.error()
    }

    commands!(driver);

    /// The next event, and how many bytes were consumed with it.
    fn find(&mut self, until: Option<Instant>) -> io::Result<Option<(Found, usize)>> {
        loop {
            if let Some(found) = self.driver.next_event() {
                return Ok(Some(found));
            }
            if !self.driver.is_open() {
                return Ok(None);
            }
            if let Turn::Return = self.turn(until)? {
                return Ok(None);
            }
        }
    }

    /// Reads and writes what can be; waits if that is nothing.
    pub(crate) fn turn(&mut self, until: Option<Instant>) -> io::Result<Turn> {
        let read = self.read();
        self.driver.look();
        // Also when there is something to tell: however much comes, what is to be said is not kept waiting.
        let mut moved = self.write() | read;
        // Not before nothing comes: the server's last words may be in the socket, and say why.
        if self.driver.wants_close() || (!moved && self.driver.write_has_failed()) {
            self.end(None);
            moved = true;
        }
        let now = self.driver.now();
        if moved || self.driver.poll_timeout().is_some_and(|at| at <= now) {
            return Ok(Turn::Again);
        }
        if until.is_some_and(|until| until <= now) {
            return Ok(Turn::Return);
        }
        let deadline = [until, self.driver.poll_timeout()].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_duration_since(self.driver.clock().now()));
        let interest = Interest::new(self.driver.wants_input(), self.driver.has_output());
        Ok(match self.transport.wait(interest, timeout)? {
            Woken::Notified => Turn::Return,
            Woken::Early => Turn::Again,
        })
    }

    /// Writes until nothing is left, or no more is possible. Tells whether anything was written.
    fn write(&mut self) -> bool {
        let mut moved = false;
        while let Some([head, body]) = self.driver.transmit() {
            match self.transport.write(head, body) {
                Ok(n) => {
                    self.driver.written(n);
                    moved |= n > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_temporary(&error) => break,
                Err(error) => self.driver.write_failed(error),
            }
        }
        moved
    }

    /// Reads once, if something is wanted. Tells whether anything happened.
    fn read(&mut self) -> bool {
        let room = self.driver.room();
        if room.is_empty() {
            return false;
        }
        match self.transport.read(room) {
            Ok(0) => self.end(Some(io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => self.driver.received(n),
            Err(error) if is_temporary(&error) => return false,
            Err(error) => self.end(Some(error)),
        }
        true
    }

    pub(crate) fn end(&mut self, error: Option<io::Error>) {
        if self.driver.is_open() {
            self.transport.close();
            self.driver.lost(error);
        }
    }
}

/// Not now, but perhaps later.
fn is_temporary(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl<T: Transport + fmt::Debug, S: Storage> fmt::Debug for Client<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("driver", &self.driver)
            .field("transport", &self.transport)
            .finish()
    }
}

const _: () = {
    const fn check<X: Send + Sync + Unpin>() {}
    check::<Notifier>();
    const fn movable<X: Send + Unpin>() {}
    movable::<Client<Tcp, Heap>>();
};
