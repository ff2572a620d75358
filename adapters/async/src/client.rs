//! The inline form: one value, driven by whoever waits for its next event.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io::{self, IoSlice};

use mqtt_session::{
    Config, ConnectOptions, Event, Instant, Refused,
    client::{Client as Machine, Found, OwnedEvent},
    storage::{Heap, Storage},
};
use mqtt_std::{commands, driver::Driver};

use crate::{Link, Timer, operation::Operations};

/// Writes in a row, before the link is read again.
const WRITES: usize = 16;
/// Reads in a row without an event, before other tasks get their turn.
pub(crate) const TURNS: usize = 32;
/// A caller that takes longer than this over an event has its answers written before it gets the next one.
const LINGER: Duration = Duration::from_millis(1);

/// An MQTT client on a link of type `L` with a timer of type `T`.
///
/// [`attach`](Self::attach) gives it a transport and sends CONNECT. From then on [`next`](Self::next) does everything
/// there is to do, reading, writing, keep-alive, until there is an event. The commands are plain functions that take
/// effect at once or refuse: none waits, so they can be called between any two events. What they cause to be sent is
/// sent while `next` is awaited.
///
/// The session outlives its transport. After [`Event::Closed`] another `attach` continues it.
pub struct Client<L, T, S: Storage = Heap> {
    pub(crate) driver: Driver<S>,
    link: Option<L>,
    /// The link may hold back what was written.
    unflushed: bool,
    timer: T,
    /// When output was last written.
    written: Instant,
    pub(crate) operations: Operations,
}

impl<L: Link, T: Timer, S: Storage> Client<L, T, S> {
    /// A client that has never been connected. Its receive buffer has
    /// [`config.receive_buffer`](Config::receive_buffer) bytes.
    pub fn new(config: Config, storage: S) -> Self {
        Self::with_machine(Machine::new(config, storage))
    }

    /// A client with a session that exists. A connection that the machine may have is lost.
    pub fn with_machine(machine: Machine<S>) -> Self {
        let driver = Driver::with_machine(machine);
        Self {
            link: None,
            unflushed: false,
            timer: T::default(),
            written: driver.now(),
            operations: Operations::default(),
            driver,
        }
    }

    /// The session without what drives it. A connection that there may be is lost.
    pub fn into_machine(self) -> Machine<S> {
        self.driver.into_machine()
    }

    /// Takes a transport that is connected, and sends CONNECT on it. [`Event::Connected`] or [`Event::Closed`] follows.
    ///
    /// # Errors
    /// [`Refused::AlreadyConnected`] until the [`Event::Closed`] of the last transport was taken, and what
    /// [`Machine::connect`] refuses. The transport is dropped then.
    pub fn attach(&mut self, transport: impl Into<L>, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.driver.attach(options)?;
        self.set_link(transport.into());
        Ok(())
    }

    pub(crate) fn set_link(&mut self, link: L) {
        self.link = Some(link);
        self.unflushed = false;
    }

    /// Takes the transport away without a word, as if it had been lost; [`Event::Closed`] follows.
    pub fn detach(&mut self) -> Option<L> {
        self.driver.lost(None);
        self.link.take()
    }

    /// Waits for the next event, and meanwhile does everything else: reads, writes, keeps alive.
    ///
    /// May be dropped at any time; nothing is lost, and the next call goes on where this one was.
    ///
    /// # Errors
    /// There is no transport. The end of a connection is the event [`Event::Closed`]; the first call after it gives the
    /// transport's error if it had one ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the server closed it without a
    /// word), further ones [`NotConnected`](io::ErrorKind::NotConnected).
    pub async fn next(&mut self) -> io::Result<Event<'_>> {
        let found = poll_fn(|cx| self.poll_found(cx)).await?;
        Ok(self.driver.view(found))
    }

    /// [`next`](Self::next) for those who poll.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event<'_>>> {
        let found = ready!(self.poll_found(cx))?;
        Poll::Ready(Ok(self.driver.view(found)))
    }

    /// [`next`](Self::next) with an event that owns its bytes.
    ///
    /// # Errors
    /// As `next`.
    pub async fn next_owned(&mut self) -> io::Result<OwnedEvent> {
        poll_fn(|cx| self.poll_next_owned(cx)).await
    }

    /// [`next_owned`](Self::next_owned) for those who poll.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next_owned(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedEvent>> {
        let found = ready!(self.poll_found(cx))?;
        Poll::Ready(Ok(self.driver.own(found)))
    }

    commands!(driver);

    /// `false`: reads no more, so that no more messages come, until told `true`. Writes and deadlines go on, and the server's
    /// silence is not taken for its end.
    pub fn set_reading(&mut self, reading: bool) {
        self.driver.set_reading(reading);
    }

    /// The next event, and how many bytes were consumed with it.
    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Found, usize)>> {
        self.catch_up(cx);
        for _ in 0..TURNS {
            if let Some(found) = self.driver.next_event() {
                return Poll::Ready(Ok(found));
            }
            if self.link.is_none() {
                let error = self.driver.take_error();
                return Poll::Ready(Err(error.unwrap_or_else(|| io::ErrorKind::NotConnected.into())));
            }
            if !self.turn(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes first, for a caller that has been away for long.
    pub(crate) fn catch_up(&mut self, cx: &mut Context<'_>) {
        if self.driver.clock().now() > self.written + LINGER {
            self.write(cx);
        }
    }

    /// Reads, writes and waits. `true`: something has happened; otherwise this task will be woken.
    pub(crate) fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        // All are polled, whatever the others do: that is what wakes this task for each of them.
        self.driver.look();
        let written = self.write(cx);
        let read = self.read(cx);
        let closed = self.close(cx, read);
        written | read | closed || self.wait(cx)
    }

    /// Writes what there is to write. `true`: something has happened.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        self.written = self.driver.clock().now();
        let Some(link) = &mut self.link else { return false };
        for turn in 0..WRITES {
            let written = match self.driver.transmit() {
                Some([part, []] | [[], part]) => link.poll_write(cx, part),
                Some(parts) => link.poll_write_vectored(cx, &parts.map(IoSlice::new)),
                None if self.unflushed => match link.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.unflushed = false;
                        return turn > 0;
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => return turn > 0,
                },
                None => return turn > 0,
            };
            match written {
                Poll::Ready(Ok(n)) => {
                    self.driver.written(n);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => {
                    self.driver.write_failed(error);
                    self.unflushed = false;
                    return true;
                }
                Poll::Pending => return turn > 0,
            }
        }
        true
    }

    /// Reads once. `true`: something has happened.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(link) = &mut self.link else { return false };
        let room = self.driver.room();
        if room.is_empty() {
            return false;
        }
        match link.poll_read(cx, room) {
            Poll::Ready(Ok(0)) => self.lost(Some(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(n)) => self.driver.received(n),
            Poll::Ready(Err(error)) => self.lost(Some(error)),
            Poll::Pending => return false,
        }
        true
    }

    /// Closes the link when all is said; gives it up when that takes too long.
    fn close(&mut self, cx: &mut Context<'_>, read: bool) -> bool {
        let Some(link) = &mut self.link else { return false };
        let gone = self.driver.must_close()
            // Not before nothing comes: the server's last words may be in the link, and say why.
            || (self.driver.write_has_failed() && !read)
            || (self.driver.wants_close() && !self.unflushed && link.poll_close(cx).is_ready());
        if gone {
            self.lost(None);
        }
        gone
    }

    /// Waits for what is due. `true`: something is.
    fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        let (now, next) = (self.driver.now(), self.driver.poll_timeout());
        next.is_some_and(|at| {
            at <= now
                || self
                    .timer
                    .poll_until(cx, self.driver.clock().deadline(at))
                    .is_ready()
        })
    }

    fn lost(&mut self, error: Option<io::Error>) {
        self.link = None;
        self.driver.lost(error);
    }
}

impl<L, T, S: Storage> fmt::Debug for Client<L, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
