//! Over `embedded-io`, without waiting: for main loops and super loops.

use core::fmt;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use mqtt_session::{ConnectOptions, Event, Instant, ReceiveBuffer, client::Found, storage::Storage};

use crate::{
    Error, PayloadSource,
    commands::commands,
    outgoing::{NoPayload, Outgoing},
    session::Session,
};

/// One connection of a session, over `embedded-io`. It reads, writes and keeps time in [`poll_once`](Self::poll_once),
/// and only there. Dropped, it leaves the session without a connection, ready for another one.
pub struct Client<'a, 'b, S: Storage, T: ErrorType> {
    session: Session<'a, S, T::Error>,
    stream: T,
    rx: ReceiveBuffer<&'b mut [u8]>,
    tx: Outgoing<'b>,
    source: Option<PayloadSource<'a>>,
}

impl<'a, 'b, S: Storage, T: Read + ReadReady + Write + WriteReady> Client<'a, 'b, S, T> {
    /// Opens a connection on a transport that is ready: CONNECT is what is written first, and the answer to it the first
    /// event. `rx` must hold the largest packet to be taken, which is what
    /// [`Config::receive_buffer`](mqtt_session::Config::receive_buffer) says; `tx` gathers small packets, and large ones
    /// go through it in pieces. Eight bytes are the least for each.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`], [`Error::EventsWaiting`] or [`Error::Refused`]; the session is as it was before.
    pub fn connect(
        session: &'a mut mqtt_session::Client<S>,
        stream: T,
        rx: &'b mut [u8],
        tx: &'b mut [u8],
        now: Instant,
        options: &ConnectOptions<'_>,
    ) -> Result<Self, Error<T::Error>> {
        let (rx, tx) = (ReceiveBuffer::new(rx), Outgoing::new(tx));
        Ok(Self {
            session: Session::connect(session, now, &rx, &tx, options)?,
            stream,
            rx,
            tx,
            source: None,
        })
    }

    /// Gives the next event, if there is one, having read at most once and written at most once, neither of which waits.
    /// `None`: nothing can be told now. Then something else may be done, until the transport is ready or
    /// [`poll_timeout`](Self::poll_timeout).
    ///
    /// # Errors
    /// The connection has ended, and all its events were told, [`Event::Closed`] the last of them: [`Error::Closed`] if
    /// it ended in order, or what was wrong with the transport.
    pub fn poll_once(&mut self, now: Instant) -> Result<Option<Event<'_>>, Error<T::Error>> {
        let found = self.find(now)?;
        // With its topic also if the server sent an alias.
        Ok(found.map(|(found, consumed)| self.session.machine.resolve(found.view(self.rx.before(consumed)))))
    }

    /// When to call [`poll_once`](Self::poll_once) at the latest, even if the transport is silent.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }

    fn find(&mut self, now: Instant) -> Result<Option<(Found, usize)>, Error<T::Error>> {
        if let Some(found) = self.take_event()? {
            return Ok(Some(found));
        }
        self.read();
        self.session.now = now;
        // Also when there is something to tell: however much comes, what is to be said is not kept waiting.
        self.write();
        self.take_event()
    }

    fn take_event(&mut self) -> Result<Option<(Found, usize)>, Error<T::Error>> {
        self.session
            .take_event(Some(&mut self.rx), !self.tx.rest().is_empty())
    }

    fn read(&mut self) {
        if !self.session.reads() {
            return;
        }
        match self.stream.read_ready() {
            Ok(false) => {}
            Ok(true) => match self.stream.read(self.rx.spare()) {
                Ok(0) => self.session.lose(Error::Closed),
                Ok(n) => self.rx.commit(n),
                Err(error) => self.session.lose(Error::Read(error)),
            },
            Err(error) => self.session.lose(Error::Read(error)),
        }
    }

    fn write(&mut self) {
        if !self.session.writes() {
            return;
        }
        if self.tx.rest().is_empty() {
            let filled = self
                .tx
                .fill(self.session.machine, self.session.now, self.source.as_mut());
            if let Err(NoPayload) = filled {
                self.session.lose(Error::NoPayload);
            }
        }
        if let Err(error) = self.write_some() {
            self.session.lose(error);
        }
    }

    fn write_some(&mut self) -> Result<(), Error<T::Error>> {
        if self.tx.rest().is_empty() || !self.stream.write_ready().map_err(Error::Write)? {
            return Ok(());
        }
        match self.stream.write(self.tx.rest()).map_err(Error::Write)? {
            0 => return Err(Error::WriteZero),
            n => self.tx.advance(n),
        }
        if self.tx.rest().is_empty() && self.tx.last {
            // Transports with a buffer of their own, such as TLS, would keep it.
            self.stream.flush().map_err(Error::Write)?;
        }
        Ok(())
    }

    commands!();
}

impl<S: Storage, T: ErrorType> fmt::Debug for Client<'_, '_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("machine", &self.session.machine)
            .finish_non_exhaustive()
    }
}

/// A stream that cannot tell whether it takes bytes now: it is asked to, and may wait. Meanwhile nothing is read, so
/// two peers that both do this can wait for each other for ever.
#[derive(Debug)]
pub struct WritesMayWait<T>(pub T);

impl<T: ErrorType> ErrorType for WritesMayWait<T> {
    type Error = T::Error;
}

impl<T: Read> Read for WritesMayWait<T> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, T::Error> {
        self.0.read(out)
    }
}

impl<T: ReadReady> ReadReady for WritesMayWait<T> {
    fn read_ready(&mut self) -> Result<bool, T::Error> {
        self.0.read_ready()
    }
}

impl<T: Write> Write for WritesMayWait<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<(), T::Error> {
        self.0.flush()
    }
}

impl<T: ErrorType> WriteReady for WritesMayWait<T> {
    fn write_ready(&mut self) -> Result<bool, T::Error> {
        Ok(true)
    }
}
