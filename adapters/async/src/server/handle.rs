//! What the rest of a program holds of a server that runs.

use core::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicU8, Ordering},
    task::{Context, Poll},
};
use std::sync::{Arc, mpsc};

use async_channel::{Receiver, Sender, TrySendError};
use futures_channel::oneshot;
use mqtt_proto::ReasonCode;
use mqtt_session::{
    Instant,
    server::{ConnId, Decision, Holdings, Metrics, Pool, Server as Machine, Ticket},
};

use crate::ready::ReadyList;

/// Commands that may wait for the next turn.
const WAITING: usize = 1_024;

/// What is to be done at the start of a turn.
pub(super) type Command = Box<dyn FnOnce(&mut Machine, Instant) + Send>;

/// Commands for a server that runs, from any thread or task; as many copies as wanted.
///
/// A command is a closure that is given the machine at the start of a turn: [`with`](Self::with). Everything that
/// [`Machine`](mqtt_session::server::Server) can do is done so; what is done often has a method. The queue of commands is bounded: waiting
/// for room is the caller's, never the server's. When the server has stopped, every call says so.
#[derive(Clone)]
pub struct ServerHandle {
    commands: Sender<Command>,
    ready: Arc<ReadyList>,
}

/// Ends with what a command returns, or with [`CommandError::Stopped`].
#[derive(Debug)]
pub struct CommandResult<R>(oneshot::Receiver<R>);

impl<R> Future for CommandResult<R> {
    type Output = Result<R, CommandError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| CommandError::Stopped)
    }
}

/// Why a command was not carried out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The server has stopped, or is gone.
    Stopped,
    /// Too many commands wait.
    Full,
}

impl ServerHandle {
    /// Calls `f` with the machine and the time at the start of the server's next turn; gives what it returns.
    ///
    /// `f` is as fast as a turn has to be: while it runs, no connection is served. It leaves alone what is the loop's:
    /// `open`, `handle_input`, `poll_ready` and `poll_transmit` of connections that it did not open itself.
    ///
    /// Dropping the future takes nothing back once the command is in the queue.
    ///
    /// A message from inside, on a [local connection](mqtt_session::server::Broker::open_local) that was opened the same way:
    ///
    /// ```
    /// use mqtt_async::{CommandError, ServerHandle};
    /// use mqtt_proto::{Properties, QoS, TopicName, packet::{Publish, PublishHead}};
    /// use mqtt_session::server::{ConnId, NotPublished};
    ///
    /// async fn tell(server: &ServerHandle, inside: ConnId, text: String) -> Result<Result<usize, NotPublished>, CommandError> {
    ///     server.with(move |machine, now| {
    ///         let topic = TopicName::new("site/notices").map_err(|_| NotPublished::Closed)?;
    ///         let head = PublishHead {
    ///             dup: false,
    ///             qos: QoS::AtMostOnce,
    ///             retain: true,
    ///             topic,
    ///             packet_id: None,
    ///             properties: Properties::EMPTY,
    ///         };
    ///         machine.broker_mut().publish_local(now, inside, &Publish { head, payload: text.as_bytes() })
    ///     }).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CommandError::Stopped`]; then `f` was not called.
    pub async fn with<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Machine, Instant) -> R + Send + 'static,
    ) -> Result<R, CommandError> {
        let (command, result) = pair(f);
        self.commands
            .send(command)
            .await
            .map_err(|_| CommandError::Stopped)?;
        self.ready.wake();
        CommandResult(result).await
    }

    /// As [`with`](Self::with), if there is room; whether to wait for the result is the caller's choice.
    ///
    /// # Errors
    /// [`CommandError::Full`] and [`CommandError::Stopped`]; the future ends with the latter if the server stops before.
    pub fn try_with<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Machine, Instant) -> R + Send + 'static,
    ) -> Result<CommandResult<R>, CommandError> {
        let (command, result) = pair(f);
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => CommandError::Full,
            TrySendError::Closed(_) => CommandError::Stopped,
        })?;
        self.ready.wake();
        Ok(CommandResult(result))
    }

    /// As [`with`](Self::with), for a thread that may block. Not for the thread that runs the server: it would wait for itself.
    ///
    /// # Errors
    /// [`CommandError::Stopped`].
    pub fn with_blocking<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Machine, Instant) -> R + Send + 'static,
    ) -> Result<R, CommandError> {
        let (done, result) = mpsc::sync_channel(1);
        let command: Command = Box::new(move |machine, now| {
            let _ = done.send(f(machine, now));
        });
        self.commands
            .send_blocking(command)
            .map_err(|_| CommandError::Stopped)?;
        self.ready.wake();
        result.recv().map_err(|_| CommandError::Stopped)
    }

    /// Ends a connection with this code, in words if its version has any: [`Machine::disconnect`](mqtt_session::server::Server::disconnect). Nothing
    /// happens if it is gone.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn disconnect(&self, conn: ConnId, code: ReasonCode) -> Result<(), CommandError> {
        self.with(move |machine, now| machine.disconnect(now, conn, code))
            .await
    }

    /// Ends a connection without a word: [`Broker::kill`](mqtt_session::server::Broker::kill).
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn kill(&self, conn: ConnId) -> Result<(), CommandError> {
        self.with(move |machine, now| machine.broker_mut().kill(now, conn))
            .await
    }

    /// The connection that this client is on; `None` if it has no session, or is away.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn find(&self, pool: Pool, client_id: &str) -> Result<Option<ConnId>, CommandError> {
        let client_id = String::from(client_id);
        self.with(move |machine, _| {
            let session = machine.broker().find_session(pool, &client_id);
            session.and_then(|session| session.conn())
        })
        .await
    }

    /// What the server has done so far.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn metrics(&self) -> Result<Metrics, CommandError> {
        self.with(|machine, now| machine.metrics(now)).await
    }

    /// The answer to a question that the [policy](crate::Policy) left for later. One that comes too late is ignored and counted.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn decide(&self, ticket: Ticket, decision: Decision) -> Result<(), CommandError> {
        self.with(move |machine, now| machine.handle_decision(now, ticket, decision))
            .await
    }

    /// What the broker holds.
    ///
    /// # Errors
    /// See [`with`](Self::with).
    pub async fn holdings(&self) -> Result<Holdings, CommandError> {
        self.with(|machine, _| machine.broker().holdings()).await
    }
}

fn pair<R: Send + 'static>(
    f: impl FnOnce(&mut Machine, Instant) -> R + Send + 'static,
) -> (Command, oneshot::Receiver<R>) {
    let (done, result) = oneshot::channel();
    let command = move |machine: &mut Machine, now| {
        // Whoever does not want to know has dropped its end.
        let _ = done.send(f(machine, now));
    };
    (Box::new(command), result)
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("stopped", &self.commands.is_closed())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the server has stopped",
            Self::Full => "too many commands wait for the server",
        })
    }
}

impl core::error::Error for CommandError {}

/// The server's end of its handles.
pub(super) struct Commands {
    sender: Sender<Command>,
    receiver: Receiver<Command>,
}

impl Commands {
    pub(super) fn new() -> Self {
        let (sender, receiver) = async_channel::bounded(WAITING);
        Self { sender, receiver }
    }

    pub(super) fn handle(&self, ready: &Arc<ReadyList>) -> ServerHandle {
        ServerHandle {
            commands: self.sender.clone(),
            ready: Arc::clone(ready),
        }
    }

    pub(super) fn next(&self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// The server has stopped: whoever waits is told so, and so is whoever asks later.
    pub(super) fn stop(&mut self) {
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
        *self = Self::new();
    }
}

/// Ends a server from anywhere.
#[derive(Clone, Debug)]
pub struct ServerStop {
    pub(super) wanted: Arc<AtomicU8>,
    pub(super) ready: Arc<ReadyList>,
}

/// How a server is to stop.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    InOrder,
    Now,
}

impl ServerStop {
    pub(super) fn new(ready: &Arc<ReadyList>) -> Self {
        Self {
            wanted: Arc::default(),
            ready: Arc::clone(ready),
        }
    }

    /// The server stops in order, and its [`run`](super::Server::run) returns: no connection is accepted any more; every client is
    /// told (DISCONNECT with 0x8B in 5.0) and given [`set_stop_timeout`](super::Server::set_stop_timeout) to take what it is owed; what is
    /// durable is safe. More calls change nothing.
    pub fn stop(&self) {
        let _ = self
            .wanted
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
        self.ready.wake();
    }

    /// The server closes all its connections without a word, also when it was stopping already. What is durable is safe all the same when
    /// [`run`](super::Server::run) returns.
    pub fn stop_now(&self) {
        self.wanted.store(2, Ordering::Release);
        self.ready.wake();
    }

    pub(super) fn take(&self) -> Option<Stopping> {
        match self.wanted.swap(0, Ordering::AcqRel) {
            0 => None,
            1 => Some(Stopping::InOrder),
            _ => Some(Stopping::Now),
        }
    }
}
