//! A broker and all its connections in one future.
//!
//! A turn: commands from [handles](ServerHandle); what was accepted; for each connection that was woken at most two reads into one
//! buffer that all share; what the [policy](Policy) says to what clients ask; then one write for each connection that has something to
//! be written, so that all that a turn gathers for it leaves at once; then what has changed goes to the [store](Store), if there is one;
//! then the next deadline. No connection has a task, a lock, a channel or a buffer of its own.
//!
//! | file | what it is |
//! |---|---|
//! | `turn` | accepting, reading, writing |
//! | `closing` | links whose connections are over |
//! | `handle` | commands from elsewhere, and the end |
//! | `policy` | who may do what |
//! | `trace`, `event_log` | what is logged |
//! | `store`, `commit` | where durable state is kept, and the thread that keeps it |

mod closing;
mod commit;
mod error;
#[cfg(feature = "tracing")]
mod event_log;
mod handle;
mod policy;
mod store;
mod trace;
mod turn;

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{io, sync::Arc};

use mqtt_session::{
    Instant,
    server::{ConnId, Restore, Server as Machine, ServerConfig, ServerEvent, driver::Driver},
};
use mqtt_std::Clock;

use crate::{
    Accept, Timer,
    ready::{ConnWaker, ReadyList},
};
use closing::Lingering;
use commit::Commits;
pub use error::{ServerError, StartError};
#[cfg(feature = "tracing")]
pub use event_log::EventLog;
pub use handle::{CommandError, CommandResult, ServerHandle, ServerStop};
use handle::{Commands, Stopping};
pub use policy::{AllowAll, Policy, Verdict};
pub use store::Store;

/// The buffer that all reads share.
const SCRATCH: usize = 64 << 10;
/// How long clients may take to take their last bytes when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same after the store has failed.
const FAILED_TIMEOUT: Duration = Duration::from_millis(500);

/// An MQTT server on listeners of type `A`, with a timer of type `T`. [`run`](Self::run) is the whole of it.
pub struct Server<A: Accept, T> {
    driver: Driver,
    listeners: Vec<(u16, A)>,
    wires: Vec<Option<Wire<A::Link>>>,
    /// How many of them there are.
    open: usize,
    lingering: Lingering<A::Link>,
    ready: Arc<ReadyList>,
    scratch: Vec<u8>,
    clock: Clock,
    timer: T,
    accept_after: Option<Instant>,
    /// `None`: all is allowed.
    policy: Option<Box<dyn Policy + Send>>,
    inside: Option<Inside>,
    commits: Option<Commits>,
    failed: Option<io::Error>,
    commands: Commands,
    stop: ServerStop,
    stop_timeout: Duration,
    /// It is stopping, and this is how long that may take.
    stopping: Option<Instant>,
}

/// What takes the deliveries of local connections.
type Inside = Box<dyn FnMut(&mut Machine, Instant, ConnId) + Send>;

struct Wire<L> {
    id: ConnId,
    link: L,
    waker: Arc<ConnWaker>,
    /// Not read, because the server did not want it: nothing will wake it.
    unread: bool,
    blocked: bool,
    unflushed: bool,
}

impl<L> Wire<L> {
    /// Its waker, for polling its link: made anew each time, as a stored one would cost every idle connection 16 bytes.
    fn task(&self) -> Waker {
        Arc::clone(&self.waker).into()
    }
}

impl<A: Accept, T: Timer> Server<A, T> {
    /// A server without listeners, of which nothing outlives the process: without a store,
    /// [`ServerConfig::durable`] would only make clients wait for ever, and counts as no.
    pub fn new(mut config: ServerConfig) -> Self {
        config.durable = false;
        Self::around(Driver::new(config), Clock::new())
    }

    /// A server without listeners that goes on where this store says, and keeps in it whatever has to outlive the process
    /// ([`ServerConfig::durable`]): sessions with their subscriptions, queues and exchanges, retained messages, and wills. What a
    /// client is told is safe before it is told.
    ///
    /// Commits are made on a thread of their own, one at a time; what changes meanwhile is the next one. That thread ends, and the
    /// store is closed, when the server is dropped, which waits for a commit that is being made.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn with_store(
        mut config: ServerConfig,
        mut store: impl Store + Send + 'static,
    ) -> Result<Self, StartError> {
        config.durable = true;
        let clock = Clock::new();
        let mut restore = Restore::new(config);
        let mut read = Ok(());
        store
            .load(&mut |key, value| {
                if read.is_ok() {
                    read = restore.read(key, value);
                }
            })
            .map_err(StartError::Store)?;
        let broker = read
            .and_then(|()| restore.finish(clock.now()))
            .map_err(StartError::Restore)?;
        let mut this = Self::around(Driver::from(Machine::from(broker)), clock);
        this.commits = Some(Commits::start(store, &this.ready).map_err(StartError::Store)?);
        Ok(this)
    }

    fn around(driver: Driver, clock: Clock) -> Self {
        let ready = ReadyList::new();
        Self {
            driver,
            listeners: Vec::new(),
            wires: Vec::new(),
            open: 0,
            lingering: Lingering::new(),
            scratch: vec![0; SCRATCH],
            clock,
            timer: T::default(),
            accept_after: None,
            policy: None,
            inside: None,
            commits: None,
            failed: None,
            commands: Commands::new(),
            stop: ServerStop::new(&ready),
            stop_timeout: STOP_TIMEOUT,
            stopping: None,
            ready,
        }
    }

    /// Accepts connections from this listener, too. Its number, which stands in [`Peer::listener`](mqtt_session::server::Peer::listener), is
    /// how many were given before it.
    pub fn listen(&mut self, listener: A) {
        let number = u16::try_from(self.listeners.len()).unwrap_or(u16::MAX);
        self.listen_as(number, listener);
    }

    /// Accepts connections from this listener, too, and gives them this number as their
    /// [`Peer::listener`](mqtt_session::server::Peer::listener), by which the configuration tells what they are offered. Several listeners may have one.
    pub fn listen_as(&mut self, number: u16, listener: A) {
        self.listeners.push((number, listener));
    }

    /// Who decides what clients ask, where the configuration says that it is to be asked. Default: [`AllowAll`].
    pub fn set_policy(&mut self, policy: impl Policy + Send + 'static) {
        self.policy = Some(Box::new(policy));
    }

    /// Who takes what is delivered to local connections
    /// ([`Broker::open_local`](mqtt_session::server::Broker::open_local)): called in each turn for each that has something to be taken. It
    /// may do whatever a [command](ServerHandle::with) may. Without one, deliveries wait until a command takes them.
    pub fn set_inside(&mut self, inside: impl FnMut(&mut Machine, Instant, ConnId) + Send + 'static) {
        self.inside = Some(Box::new(inside));
    }

    /// How long a stop in order may take: clients that have not taken their last bytes by then are cut off. Default: 5 s.
    pub const fn set_stop_timeout(&mut self, timeout: Duration) {
        self.stop_timeout = timeout;
    }

    /// What ends it.
    pub fn stopper(&self) -> ServerStop {
        self.stop.clone()
    }

    /// What the rest of the program tells it. Commands wait for [`run`](Self::run); when that returns, handles that
    /// were given before are good for nothing any more.
    pub fn handle(&self) -> ServerHandle {
        self.commands.handle(&self.ready)
    }

    /// The machine, to look at.
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Serves until [`ServerStop::stop`], and tells what happens. Afterwards all connections and listeners are closed, and what is
    /// durable is safe; sessions are kept, and with new listeners it may be run again.
    ///
    /// May be dropped at any time; running again goes on where it was.
    ///
    /// # Errors
    /// [`ServerError`]: the store has failed. The server has stopped as if it had been told to, but what was not safe is in memory
    /// only, and stays so: make a new one from what the store has.
    pub async fn run(&mut self, mut on_event: impl FnMut(ServerEvent)) -> Result<(), ServerError> {
        poll_fn(|cx| self.poll_run(cx, &mut on_event)).await
    }

    /// [`run`](Self::run) for those who poll.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn poll_run(
        &mut self,
        cx: &mut Context<'_>,
        on_event: &mut impl FnMut(ServerEvent),
    ) -> Poll<Result<(), ServerError>> {
        self.ready.register(cx.waker());
        let now = self.clock.now();
        if let Some(how) = self.stop.take() {
            self.begin_stop(now, how);
        }
        self.persisted(now);
        self.turn(cx, now);
        self.persist();
        while let Some(event) = self.driver.poll_event() {
            on_event(event);
        }
        let is_busy = self.commits.as_ref().is_some_and(Commits::is_busy);
        if self.stopping.is_none() || self.open > 0 || !self.lingering.is_empty() || is_busy {
            return Poll::Pending;
        }
        self.commands.stop();
        self.stopping = None;
        Poll::Ready(match self.failed.take() {
            Some(error) => Err(ServerError::Store(error)),
            None => Ok(()),
        })
    }

    /// Lets go what waited for a commit.
    fn persisted(&mut self, now: Instant) {
        match self.commits.as_mut().and_then(Commits::poll) {
            None => {}
            Some(Ok(upto)) => self.driver.handle_persisted(now, upto),
            Some(Err(error)) => {
                trace::store_failed(&error);
                self.failed = Some(error);
                self.begin_stop(now, Stopping::InOrder);
                // What waits for the store waits for ever, and with it whatever its client would be told behind it.
                self.stopping = self.stopping.map(|until| until.min(now + FAILED_TIMEOUT));
            }
        }
    }

    /// Gives what has changed to the store, if it has time.
    fn persist(&mut self) {
        if let Some(commits) = self.commits.as_mut().filter(|commits| commits.is_idle()) {
            if let Some(changes) = self.driver.poll_changes() {
                commits.commit(changes);
            }
        }
    }

    fn begin_stop(&mut self, now: Instant, how: Stopping) {
        self.listeners.clear();
        self.accept_after = None;
        match how {
            Stopping::InOrder if self.stopping.is_some() => {}
            Stopping::InOrder => {
                self.stopping = Some(now + self.stop_timeout);
                trace::stopping(self.open);
                self.driver.shutdown(now);
            }
            Stopping::Now => self.stopping = Some(now),
        }
    }

    /// Cuts off who is left when the time for stopping is over; says when that is.
    fn cut_off(&mut self, now: Instant) -> Option<Instant> {
        let until = self.stopping?;
        if until > now {
            return Some(until);
        }
        self.lingering.clear();
        trace::cut_off(self.open);
        for index in 0..self.wires.len() {
            self.close(now, index);
        }
        None
    }
}

impl<A: Accept, T> fmt::Debug for Server<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("driver", &self.driver)
            .field("listeners", &self.listeners.len())
            .field("stopping", &self.stopping.is_some())
            .finish_non_exhaustive()
    }
}
