//! The inline form: one value, driven by whoever waits for its next event.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io;

use mqtt_proto::{
    Properties, TopicFilter,
    packet::{Disconnect, Subscription},
};
use mqtt_session::{
    AckToken, Config, ConnectOptions, Event, Instant, NotTaken, Payload, Publish, ReceiveBuffer, Refused,
    Token, Unsupported,
    client::{Ack, Client as Machine, Found},
    storage::{Heap, Storage},
};
use mqtt_std::Clock;

use crate::{Link, Timer, operation::Operations, outgoing::Outgoing};

/// Writes in a row, before the link is read again.
const WRITES: usize = 16;
/// Reads in a row without an event, before other tasks get their turn.
const TURNS: usize = 32;
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
    machine: Machine<S>,
    rx: ReceiveBuffer<Vec<u8>>,
    tx: Outgoing,
    link: Option<L>,
    timer: T,
    clock: Clock,
    /// From `attach` until `Closed` was handed out.
    open: bool,
    reading: bool,
    /// `Closed`, which is handed out when the last words are written.
    ending: Option<(Found, usize)>,
    /// Then the link is closed, whether everything was written or not.
    end_by: Option<Instant>,
    write_error: Option<io::Error>,
    error: Option<io::Error>,
    /// When the link was last looked at. The machine is told no later time: an answer that lies in the link while this
    /// task is away must not seem to be missing.
    now: Instant,
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
    pub fn with_machine(mut machine: Machine<S>) -> Self {
        let clock = Clock::new();
        machine.handle_disconnect(clock.now());
        Self {
            rx: ReceiveBuffer::new(vec![0; machine.config().receive_buffer as usize]),
            tx: Outgoing::new(),
            link: None,
            timer: T::default(),
            open: false,
            reading: true,
            ending: None,
            end_by: None,
            write_error: None,
            error: None,
            now: clock.now(),
            written: clock.now(),
            operations: Operations::default(),
            machine,
            clock,
        }
    }

    /// The session without what drives it. A connection that there may be is lost.
    pub fn into_machine(mut self) -> Machine<S> {
        self.machine.handle_disconnect(self.clock.now());
        self.machine
    }

    /// The session.
    pub const fn machine(&self) -> &Machine<S> {
        &self.machine
    }

    /// CONNACK has come, and nothing has ended the connection since.
    pub const fn is_connected(&self) -> bool {
        self.machine.is_connected()
    }

    /// Takes a transport that is connected, and sends CONNECT on it. [`Event::Connected`] or [`Event::Closed`] follows.
    ///
    /// # Errors
    /// [`Refused::AlreadyConnected`] until the [`Event::Closed`] of the last transport was taken, and what
    /// [`Machine::connect`] refuses. The transport is dropped then.
    pub fn attach(&mut self, transport: impl Into<L>, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        if self.open {
            return Err(Refused::AlreadyConnected);
        }
        self.now = self.clock.now();
        self.machine.connect(self.now, options)?;
        self.rx.clear();
        self.tx.clear();
        (self.end_by, self.write_error, self.error) = (None, None, None);
        self.open = true;
        self.link = Some(transport.into());
        if !self.reading {
            self.machine.handle_paused(self.now, true);
        }
        Ok(())
    }

    /// Takes the transport away without a word, as if it had been lost; [`Event::Closed`] follows.
    pub fn detach(&mut self) -> Option<L> {
        let link = self.link.take();
        self.lost(None);
        link
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
        let (found, consumed) = poll_fn(|cx| self.poll_found(cx)).await?;
        Ok(found.view(self.rx.before(consumed)))
    }

    /// [`next`](Self::next) for those who poll.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event<'_>>> {
        let (found, consumed) = ready!(self.poll_found(cx))?;
        Poll::Ready(Ok(found.view(self.rx.before(consumed))))
    }

    /// Publishes a message: see [`Machine::publish`].
    ///
    /// # Errors
    /// As of the machine; [`Unsupported::ExternalPayload`] for a payload that lies elsewhere.
    pub fn publish<'p>(
        &mut self,
        message: &Publish<'_>,
        payload: impl Into<Payload<'p>>,
    ) -> Result<Token, NotTaken<Payload<'p>>> {
        match payload.into() {
            given @ Payload::External(_) => Err(NotTaken::new(
                given,
                Refused::Unsupported(Unsupported::ExternalPayload),
            )),
            payload @ (Payload::Copy(_) | Payload::Shared(_) | _) => {
                self.machine.publish(self.now, message, payload)
            }
        }
    }

    /// Asks for subscriptions: see [`Machine::subscribe`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn subscribe(
        &mut self,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.machine.subscribe(self.now, filters, properties)
    }

    /// Gives subscriptions up: see [`Machine::unsubscribe`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.machine.unsubscribe(self.now, filters, properties)
    }

    /// Asks for a sign of life: see [`Machine::ping`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn ping(&mut self) -> Result<Token, Refused> {
        self.machine.ping(self.now)
    }

    /// Answers a message of QoS 1 or 2: see [`Machine::acknowledge`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn acknowledge(&mut self, ack: AckToken, answer: &Ack<'_>) -> Result<(), NotTaken<AckToken>> {
        self.machine.acknowledge(self.now, ack, answer)
    }

    /// Ends the connection in order, now: see [`Machine::disconnect`]. [`Event::Closed`] follows when DISCONNECT is
    /// written, or could not be for as long as [`Config::close_timeout`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn disconnect(&mut self, last: &Disconnect<'_>) -> Result<(), Refused> {
        self.machine.disconnect(self.now, last)
    }

    /// Ends the connection in order when no operation is under way any more, at the latest after so long: see
    /// [`Machine::shutdown`]. [`Event::Closed`] follows.
    ///
    /// # Errors
    /// As of the machine.
    pub fn shutdown(&mut self, within: Duration) -> Result<(), Refused> {
        self.machine.shutdown(self.now, self.clock.now() + within)
    }

    /// `false`: reads no more, so that no more messages come, until told `true`. Writes and deadlines go on, and the server's
    /// silence is not taken for its end.
    pub fn set_reading(&mut self, reading: bool) {
        if reading != self.reading {
            self.reading = reading;
            self.now = self.clock.now();
            self.machine.handle_paused(self.now, !reading);
        }
    }

    /// The next event, to be viewed in the received bytes before so many that were consumed.
    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Found, usize)>> {
        if self.clock.now() > self.written + LINGER {
            self.write(cx);
        }
        for _ in 0..TURNS {
            if self.ending.is_none() {
                if let Some(found) = self.handle_input() {
                    return Poll::Ready(Ok(found));
                }
            }
            if self.ending.is_some() {
                ready!(self.poll_last_words(cx));
                if let Some(closed) = self.ending.take() {
                    return Poll::Ready(Ok(closed));
                }
            }
            if self.link.is_none() {
                return Poll::Ready(Err(self
                    .error
                    .take()
                    .unwrap_or_else(|| io::ErrorKind::NotConnected.into())));
            }
            // All three are polled, whatever the others do: that is what wakes this task for each of them.
            self.now = self.clock.now();
            let written = self.write(cx);
            let read = self.read(cx);
            let due = self.wait(cx);
            if !(written || read || due) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the machine makes of the bytes and the time.
    fn handle_input(&mut self) -> Option<(Found, usize)> {
        let rx = if self.reading { self.rx.filled() } else { &[] };
        let handled = self.machine.handle_input(self.now, rx);
        let closed = matches!(handled.event, Some(Event::Closed(_)));
        let found = handled.event.map(|event| (event.detach(rx), handled.consumed));
        self.rx.consume(handled.consumed);
        if closed {
            self.ending = found;
            self.end_by = Some(self.clock.now() + self.machine.config().close_timeout);
            return None;
        }
        found
    }

    /// Writes what there is to write. `true`: something has happened.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        self.written = self.clock.now();
        let mut happened = false;
        for _ in 0..WRITES {
            let (Some(link), None) = (&mut self.link, &self.write_error) else {
                break;
            };
            match self.tx.poll_write(cx, self.now, &mut self.machine, link) {
                Poll::Ready(Ok(true)) => happened = true,
                Poll::Ready(Ok(false)) | Poll::Pending => break,
                Poll::Ready(Err(error)) => {
                    self.write_error = Some(error);
                    happened = true;
                }
            }
        }
        happened
    }

    /// Reads once. `true`: something has happened.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(link) = &mut self.link else { return false };
        let room = if self.reading && self.machine.wants_input() {
            self.rx.spare()
        } else {
            &mut []
        };
        let read = if room.is_empty() {
            Poll::Pending
        } else {
            link.poll_read(cx, room)
        };
        match read {
            Poll::Ready(Ok(0)) => {
                self.lost(Some(io::ErrorKind::UnexpectedEof.into()));
                true
            }
            Poll::Ready(Ok(n)) => {
                self.rx.commit(n);
                true
            }
            Poll::Ready(Err(error)) => {
                self.lost(Some(error));
                true
            }
            // The server's last words were read, if there were any: now the link that takes no more bytes is given up.
            Poll::Pending if self.write_error.is_some() => {
                self.lost(None);
                true
            }
            Poll::Pending => false,
        }
    }

    /// Waits for what is due. `true`: something is.
    fn wait(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now;
        let next = self.machine.poll_timeout();
        next.is_some_and(|at| at <= now || self.timer.poll_until(cx, self.clock.deadline(at)).is_ready())
    }

    /// Writes what is left after `Closed`, and closes the link; gives up when it takes too long.
    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(link) = &mut self.link {
            let step = match self.tx.poll_write(cx, self.now, &mut self.machine, link) {
                Poll::Ready(Ok(true)) => continue,
                Poll::Ready(Ok(false)) => link.poll_close(cx),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            let by = self
                .end_by
                .filter(|&by| step.is_pending() && by > self.clock.now());
            if let Some(by) = by {
                ready!(self.timer.poll_until(cx, self.clock.deadline(by)));
                continue;
            }
            self.lost(None);
        }
        self.open = false;
        Poll::Ready(())
    }

    /// The transport is gone. What it sent is kept for the event that may lie in it.
    fn lost(&mut self, error: Option<io::Error>) {
        self.machine.handle_disconnect(self.clock.now());
        self.link = None;
        self.tx.clear();
        self.end_by = None;
        self.error = self.write_error.take().or(error);
    }
}

impl<L, T, S: Storage> fmt::Debug for Client<L, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("machine", &self.machine)
            .field("open", &self.open)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}
