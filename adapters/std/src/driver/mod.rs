//! A client but for its transport: what every adapter for hosts is made of.
//!
//! ```text
//! loop {
//!     next_event()                                   until there is none
//!     room() -> read into it, received(n)            if there is room; 0 bytes are the end
//!     look()                                         the time of this look at the transport
//!     transmit() -> write it, written(n)             until it has nothing
//!     if wants_close(), or write_has_failed() and nothing comes: close the transport, lost()
//!     wait until the transport is ready, no longer than poll_timeout()
//! }
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | a connection's life: bytes in and out, its end |
//! | `commands` | what a client can be told to do, once for all clients |
//! | `supervision` | connecting again by policy, and bringing subscriptions back, on request |
//! | `journal` | records made safe before what depends on them is sent |
//! | `outgoing` | small packets gathered, large ones written from where they lie, external payloads |

mod commands;
mod journal;
mod outgoing;
mod supervision;

use core::fmt;
use std::io;

use mqtt_session::{
    Client, Config, ConnectOptions, Event, Instant, ReceiveBuffer, Refused,
    client::{Found, OwnedEvent},
    storage::Storage,
};

use crate::Clock;
use journal::Records;
pub use journal::{Journal, persist};
use outgoing::Outgoing;
use supervision::Supervision;

/// Room for any fixed header, whatever the configuration says.
const SMALLEST: u32 = 5;

/// The session, its buffers and its clock. See the [module](self) for its loop.
///
/// This is for adapters; programs use the clients that are made of it.
pub struct Driver<S: Storage> {
    machine: Client<S>,
    clock: Clock,
    /// When the transport was last looked at. The machine is told no later time before the next look: a deadline must
    /// not seem missed while the answer lies in the transport and only the caller was away.
    now: Instant,
    rx: ReceiveBuffer<Box<[u8]>>,
    tx: Outgoing,
    link: Link,
    reading: bool,
    /// `Closed`, and how many bytes were consumed with it. It is told when the last words are written, because a caller
    /// who stops at it would lose the DISCONNECT, and set off its own will.
    ending: Option<(Found, usize)>,
    /// Then the transport is closed, whether everything was written or not.
    end_by: Instant,
    /// The transport is to be closed without last words.
    aborted: bool,
    /// Nothing more can be written.
    write_error: Option<io::Error>,
    error: Option<io::Error>,
    records: Records,
    /// What makes it connect again.
    supervision: Option<Box<Supervision>>,
}

/// Whether there is a transport.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Link {
    /// There is none, and the end of the last one was told.
    Idle,
    Open,
    /// There is none any more, which is to be told.
    Lost,
}

impl<S: Storage> Driver<S> {
    /// For a client that was never connected. The receive buffer has
    /// [`config.receive_buffer`](Config::receive_buffer) bytes.
    pub fn new(config: Config, storage: S) -> Self {
        Self::with_machine(Client::new(config, storage))
    }

    /// For a session that exists. A connection that the machine may have is lost.
    pub fn with_machine(mut machine: Client<S>) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        machine.handle_disconnect(now);
        let capacity = machine.config().receive_buffer.max(SMALLEST) as usize;
        Self {
            machine,
            clock,
            now,
            rx: ReceiveBuffer::new(vec![0; capacity].into()),
            tx: Outgoing::new(),
            link: Link::Idle,
            reading: true,
            ending: None,
            end_by: now,
            aborted: false,
            write_error: None,
            error: None,
            records: Records::None,
            supervision: None,
        }
    }

    /// The session without what drives it. A connection that there may be is lost.
    pub fn into_machine(mut self) -> Client<S> {
        self.machine.handle_disconnect(self.clock.now());
        self.machine
    }

    /// The clock that tells this session the time.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// When the transport was last looked at.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The transport is looked at now.
    pub fn look(&mut self) {
        self.now = self.clock.now();
    }

    /// There is a transport.
    pub fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// There is no transport, and the end of the last one was told: [`attach`](Self::attach) may be called.
    ///
    /// # Errors
    /// [`Refused::AlreadyConnected`].
    pub fn check_idle(&self) -> Result<(), Refused> {
        match self.link {
            Link::Idle => Ok(()),
            Link::Open | Link::Lost => Err(Refused::AlreadyConnected),
        }
    }

    /// A transport is ready: CONNECT is what is written first.
    ///
    /// # Errors
    /// As [`check_idle`](Self::check_idle), and as [`Client::connect`]. Nothing has changed.
    pub fn attach(&mut self, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.check_idle()?;
        self.look();
        self.machine.connect(self.now, options)?;
        self.rx.clear();
        self.tx.clear();
        (self.aborted, self.write_error, self.error) = (false, None, None);
        self.link = Link::Open;
        if !self.reading {
            self.machine.handle_paused(self.now, true);
        }
        Ok(())
    }

    /// The transport is gone; [`Event::Closed`] follows if it was not told before. What the transport has brought is
    /// kept for the event that may lie in it.
    pub fn lost(&mut self, error: Option<io::Error>) {
        if self.link != Link::Open {
            return;
        }
        self.machine.handle_disconnect(self.clock.now());
        self.link = Link::Lost;
        self.tx.clear();
        self.error = self.write_error.take().or(error);
    }

    /// Why the last connection ended, if it was the transport that failed;
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the server closed it without a word.
    pub const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// As [`error`](Self::error), once.
    pub const fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// The next event that can be told without IO, and how many bytes were consumed with it: see [`view`](Self::view).
    pub fn next_event(&mut self) -> Option<(Found, usize)> {
        if self.keep_records() && self.link == Link::Open {
            // Whatever fits is taken out of the machine first, so that commands given at every event find room.
            self.tx.gather(&mut self.machine, self.now);
        }
        while self.ending.is_none() {
            let rx = if self.reading { self.rx.filled() } else { &[] };
            let handled = self.machine.handle_input(self.now, rx);
            let consumed = handled.consumed;
            let Some(event) = handled.event else {
                self.rx.consume(consumed);
                return None;
            };
            let (mut own, closed) = (false, matches!(event, Event::Closed(_)));
            if let Some(supervision) = self.supervision.as_mut().filter(|_| !closed) {
                own = supervision.observe(self.now, &event, None);
            }
            let found = (event.detach(rx), consumed);
            self.rx.consume(consumed);
            if closed {
                self.ending = Some(found);
                self.end_by = self.now + self.machine.config().close_timeout;
                break;
            }
            if let Some(supervision) = &mut self.supervision {
                supervision.restore(self.now, &mut self.machine);
            }
            if !own {
                return Some(found);
            }
        }
        if self.link == Link::Open {
            return None;
        }
        self.take_closed()
    }

    /// The end of the connection, now that the transport is gone.
    fn take_closed(&mut self) -> Option<(Found, usize)> {
        let (mut found, consumed) = self.ending.take()?;
        self.link = Link::Idle;
        if let Some(supervision) = &mut self.supervision {
            let rx = self.rx.before(consumed);
            let closed = found.view(rx);
            supervision.observe(self.now, &closed, self.error.take());
            found = closed.detach(rx);
        }
        Some((found, consumed))
    }

    /// The event that [`next_event`](Self::next_event) gave last.
    pub fn view(&self, (found, consumed): (Found, usize)) -> Event<'_> {
        // With its topic also if the server sent an alias.
        self.machine.resolve(found.view(self.rx.before(consumed)))
    }

    /// The same with bytes of its own.
    pub fn own(&self, (found, consumed): (Found, usize)) -> OwnedEvent {
        self.machine.own(found.view(self.rx.before(consumed)))
    }

    /// `false`: read no more, so that no more messages come, until told `true`. Writes and deadlines go on, and the
    /// server's silence is not taken for its end.
    pub fn set_reading(&mut self, reading: bool) {
        if reading != self.reading {
            self.reading = reading;
            self.look();
            self.machine.handle_paused(self.now, !reading);
        }
    }

    /// What the transport brings is wanted.
    pub fn wants_input(&self) -> bool {
        self.link == Link::Open && self.reading && self.ending.is_none() && self.machine.wants_input()
    }

    /// Where to read into; empty: do not read now.
    pub fn room(&mut self) -> &mut [u8] {
        if self.wants_input() {
            self.rx.spare()
        } else {
            &mut []
        }
    }

    /// So many bytes were read into [`room`](Self::room); 0: the peer has closed its direction.
    pub fn received(&mut self, n: usize) {
        if n == 0 {
            self.lost(Some(io::ErrorKind::UnexpectedEof.into()));
        } else {
            self.rx.commit(n);
        }
    }

    /// What to write next: one part, then the other, of which one is not empty.
    pub fn transmit(&mut self) -> Option<[&[u8]; 2]> {
        if !self.keep_records() || self.link != Link::Open {
            return None;
        }
        let Self { machine, tx, now, .. } = self;
        match tx.next(machine, *now) {
            Ok([[], []]) => None,
            Ok(parts) => Some(parts),
            Err(error) => {
                self.write_error = Some(error);
                None
            }
        }
    }

    /// Makes safe what has to be before anything depends on it. `false`: nothing can be sent.
    fn keep_records(&mut self) -> bool {
        if self.write_error.is_none() {
            if let Err(error) = self.records.keep(&mut self.machine, self.now) {
                self.write_error = Some(error);
            }
        }
        self.write_error.is_none()
    }

    /// So many bytes of what [`transmit`](Self::transmit) gave were written; 0: the transport takes no more.
    pub fn written(&mut self, n: usize) {
        if n == 0 {
            self.write_failed(io::ErrorKind::WriteZero.into());
        } else {
            self.tx.written(&mut self.machine, self.now, n);
        }
    }

    /// Nothing more can be written.
    pub fn write_failed(&mut self, error: io::Error) {
        self.write_error = Some(error);
    }

    /// Nothing more can be written, but the transport may still have brought the reason: close it, and say
    /// [`lost`](Self::lost), when it brings nothing any more.
    pub fn write_has_failed(&self) -> bool {
        self.link == Link::Open && self.write_error.is_some()
    }

    /// Something is to be written.
    pub fn has_output(&mut self) -> bool {
        self.link == Link::Open
            && self.write_error.is_none()
            && !(self.tx.is_empty() && self.machine.poll_transmit().is_none())
    }

    /// Everything is said: close the transport, in order if it can be done by [`poll_timeout`](Self::poll_timeout), and
    /// say [`lost`](Self::lost).
    pub fn wants_close(&mut self) -> bool {
        self.must_close() || (self.link == Link::Open && self.ending.is_some() && !self.has_output())
    }

    /// Close the transport now, in order or not.
    pub fn must_close(&self) -> bool {
        self.link == Link::Open && (self.aborted || (self.ending.is_some() && self.end_by <= self.now))
    }

    /// When to look again at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.ending {
            Some(_) if self.link == Link::Open => Some(self.end_by),
            Some(_) => Some(self.now),
            None => {
                let waiting = self.supervision.as_ref().filter(|_| self.link == Link::Idle);
                let attempt = waiting.and_then(|supervision| supervision.poll_timeout());
                [self.machine.poll_timeout(), attempt].into_iter().flatten().min()
            }
        }
    }
}

impl<S: Storage> fmt::Debug for Driver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("machine", &self.machine)
            .field("link", &self.link)
            .field("reading", &self.reading)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
