//! The client that drives itself inside `next`.

use core::time::Duration;
use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
};

use mqtt_session::{
    Config, ConnectOptions, Event, Instant, ReceiveBuffer, Refused,
    client::Found,
    storage::{Heap, Storage},
};

use crate::{
    Clock, ConnectError, Interest, Notifier, Tcp, Transport, Woken,
    output::{Output, is_temporary},
};

/// Room for any fixed header, whatever the configuration says.
const SMALLEST: u32 = 5;

/// An MQTT client that reads, writes and keeps time whenever [`next`](Self::next) is called, and only then.
///
/// Commands never wait: they are taken, or [refused](Refused). They take effect on the wire in the next call of `next`. Reading never
/// waits for writing, nor writing for reading (over [`Tcp`]).
///
/// A client outlives its connections: after [`Event::Closed`] and a `None`, [`attach`](Self::attach) another one, and what
/// is under way goes on there.
pub struct Client<T: Transport = Tcp, S: Storage = Heap> {
    pub(crate) machine: mqtt_session::Client<S>,
    pub(crate) transport: T,
    clock: Clock,
    /// The time of the last look at the transport. The machine is told no later one before the next look: a deadline
    /// must not seem missed while the answer lies in the socket and only this thread was away.
    pub(crate) now: Instant,
    rx: ReceiveBuffer<Box<[u8]>>,
    pub(crate) output: Output,
    /// There is a transport.
    pub(crate) open: bool,
    /// Why the last connection ended, if the transport knows.
    pub(crate) error: Option<io::Error>,
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
        self.check_idle()?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.machine.config().connect_timeout) {
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
        let clock = Clock::new();
        Self {
            machine: mqtt_session::Client::new(config, storage),
            transport,
            clock,
            now: clock.now(),
            rx: ReceiveBuffer::new(vec![0; config.receive_buffer.max(SMALLEST) as usize].into()),
            output: Output::new(),
            open: false,
            error: None,
        }
    }

    /// Opens a connection on a stream that is ready: CONNECT is what is written first.
    ///
    /// # Errors
    /// The options are refused, with [`Refused::AlreadyConnected`] also while events of the last connection wait in [`next`](Self::next); or the
    /// transport does not take the stream. The client is as it was before.
    pub fn attach(&mut self, stream: T::Stream, options: &ConnectOptions<'_>) -> Result<(), ConnectError> {
        self.check_idle()?;
        self.transport.open(stream)?;
        self.now = self.clock.now();
        if let Err(refused) = self.machine.connect(self.now, options) {
            self.transport.close();
            return Err(ConnectError::Refused(refused));
        }
        self.rx.clear();
        self.output.clear();
        self.open = true;
        self.error = None;
        Ok(())
    }

    /// Gives the transport up, without a word to the server, which will publish the will. Events follow, the last of them
    /// [`Event::Closed`], unless that was told before.
    pub fn detach(&mut self) {
        if self.open {
            self.end(None);
        }
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
        self.drive(None)
    }

    /// The same, but `None` also when nothing happened for so long. Zero: does what can be done without waiting.
    ///
    /// # Errors
    /// As of [`next`](Self::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<Event<'_>>> {
        let until = self.clock.now() + timeout;
        self.drive(Some(until))
    }

    fn drive(&mut self, until: Option<Instant>) -> io::Result<Option<Event<'_>>> {
        Ok(self
            .find(until)?
            .map(|(found, consumed)| found.view(self.rx.before(consumed))))
    }

    /// The next event, and how many bytes were consumed with it.
    fn find(&mut self, until: Option<Instant>) -> io::Result<Option<(Found, usize)>> {
        loop {
            if let Some((found, consumed, closed)) = self.take_event() {
                if closed && self.open {
                    self.say_last_words()?;
                }
                return Ok(Some((found, consumed)));
            }
            if !self.open {
                return Ok(None);
            }
            let mut moved = self.read();
            self.now = self.clock.now();
            // Also when there is something to tell: however much comes, what is to be said is not kept waiting.
            moved |= self.write();
            if moved || self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                continue;
            }
            if let Some(error) = self.output.broken.take() {
                // Only now: the server's last words were in the socket, and may have said why.
                self.end(Some(error));
                continue;
            }
            if until.is_some_and(|until| until <= self.now) {
                return Ok(None);
            }
            let deadline = [until, self.machine.poll_timeout()].into_iter().flatten().min();
            let timeout = deadline.map(|at| at.saturating_duration_since(self.clock.now()));
            let interest = Interest::new(self.machine.wants_input(), self.has_output());
            if self.transport.wait(interest, timeout)? == Woken::Notified {
                return Ok(None);
            }
        }
    }

    /// Writes what is left, then closes the transport.
    fn say_last_words(&mut self) -> io::Result<()> {
        let until = self.now + self.machine.config().close_timeout;
        loop {
            self.write();
            self.now = self.clock.now();
            if !self.has_output() || until <= self.now {
                let error = self.output.broken.take();
                self.end(error);
                return Ok(());
            }
            let left = until.saturating_duration_since(self.now);
            self.transport.wait(Interest::new(false, true), Some(left))?;
        }
    }

    /// An event that can be told without IO, how many bytes were consumed with it, and whether it is the last.
    fn take_event(&mut self) -> Option<(Found, usize, bool)> {
        // Whatever fits is taken out of the machine first, so that commands given at every event find room.
        if self.open {
            self.output.stage(&mut self.machine, self.now);
        }
        let rx = self.rx.filled();
        let handled = self.machine.handle_input(self.now, rx);
        let consumed = handled.consumed;
        let closed = matches!(handled.event, Some(Event::Closed(_)));
        let found = handled.event.map(|event| event.detach(rx));
        self.rx.consume(consumed);
        Some((found?, consumed, closed))
    }

    fn has_output(&mut self) -> bool {
        self.output.has_output(&mut self.machine)
    }

    fn write(&mut self) -> bool {
        self.output
            .write(&mut self.machine, &mut self.transport, self.now)
    }

    /// Reads once, if something is wanted. Tells whether anything happened.
    fn read(&mut self) -> bool {
        if !self.machine.wants_input() {
            return false;
        }
        let room = self.rx.spare();
        if room.is_empty() {
            return false;
        }
        match self.transport.read(room) {
            Ok(0) => self.end(None),
            Ok(n) => self.rx.commit(n),
            Err(error) if is_temporary(&error) => return false,
            Err(error) => self.end(Some(error)),
        }
        true
    }

    fn end(&mut self, error: Option<io::Error>) {
        self.transport.close();
        self.machine.handle_disconnect(self.now);
        self.open = false;
        self.error = error;
    }

    fn check_idle(&self) -> Result<(), Refused> {
        // Without a link the machine has no deadline but that of a waiting event.
        if self.open || self.machine.poll_timeout().is_some() {
            return Err(Refused::AlreadyConnected);
        }
        Ok(())
    }
}
