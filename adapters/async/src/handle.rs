//! What the rest of a program holds of a client that has a task of its own.

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_channel::{Sender, TrySendError};
use bytes::Bytes;
use futures_channel::{mpsc, oneshot};
use futures_core::Stream;
use mqtt_proto::{Properties, ReasonCode, TopicFilter, packet::Subscription};
use mqtt_session::{
    AckToken, Publish, Refused,
    client::{Counters, OutboxState, OwnedEvent},
};

use crate::{Operation, command::Command, operation::End};

/// Commands for a client that has a task of its own; as many copies as wanted.
///
/// The methods wait for room in the channel of commands, which the task empties also while nobody takes the
/// [`Events`]: a program may publish from the task that takes them. Each gives an [`Operation`], which
/// ends with the answer. When the last handle is dropped, the task ends the connection in order.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) commands: Sender<Command>,
}

/// Why a command was not passed on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// The task has ended.
    Stopped,
    /// The channel of commands is full.
    Full,
    /// No packet may look like this.
    Refused(Refused),
}

impl Handle {
    /// Publishes a message. The operation ends when a QoS 0 message was written, and when the server has a message of
    /// QoS 1 or 2.
    ///
    /// # Errors
    /// [`HandleError::Stopped`], or [`HandleError::Refused`] if no PUBLISH may look like this.
    pub async fn publish(
        &self,
        message: &Publish<'_>,
        payload: impl Into<Bytes>,
    ) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        self.send(Command::publish(message, payload.into(), reply)?, end)
            .await
    }

    /// Publishes a message if the channel of commands has room.
    ///
    /// # Errors
    /// Also [`HandleError::Full`].
    pub fn try_publish(
        &self,
        message: &Publish<'_>,
        payload: impl Into<Bytes>,
    ) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        match self
            .commands
            .try_send(Command::publish(message, payload.into(), reply)?)
        {
            Ok(()) => Ok(Operation(end)),
            Err(TrySendError::Full(_)) => Err(HandleError::Full),
            Err(TrySendError::Closed(_)) => Err(HandleError::Stopped),
        }
    }

    /// Asks for subscriptions.
    ///
    /// # Errors
    /// [`HandleError::Stopped`], or [`HandleError::Refused`] if no SUBSCRIBE may look like this.
    pub async fn subscribe(
        &self,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        self.send(Command::subscribe(filters, properties, reply)?, end)
            .await
    }

    /// Gives subscriptions up.
    ///
    /// # Errors
    /// [`HandleError::Stopped`], or [`HandleError::Refused`] if no UNSUBSCRIBE may look like this.
    pub async fn unsubscribe(
        &self,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        self.send(Command::unsubscribe(filters, properties, reply)?, end)
            .await
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn ping(&self) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        self.send(Command::Ping(reply), end).await
    }

    /// Answers [`OwnedEvent::Authenticate`]; with these properties, to which the method is added. Waits until the client has
    /// taken it.
    ///
    /// # Errors
    /// [`HandleError::Stopped`], or [`HandleError::Refused`] as of
    /// [`Client::authenticate`](mqtt_session::Client::authenticate).
    pub async fn authenticate(&self, properties: Properties<'_>) -> Result<(), HandleError> {
        let (reply, taken) = oneshot::channel();
        self.tell(Command::authenticate(properties, reply)?).await?;
        Ok(taken.await.map_err(|_| HandleError::Stopped)??)
    }

    /// Begins to authenticate anew. [`OwnedEvent::Authenticate`] follows for each step of the server's.
    ///
    /// # Errors
    /// [`HandleError::Stopped`], or [`HandleError::Refused`] if no AUTH may look like this.
    pub async fn reauthenticate(&self, properties: Properties<'_>) -> Result<Operation, HandleError> {
        let (reply, end) = oneshot::channel();
        self.send(Command::reauthenticate(properties, reply)?, end).await
    }

    /// How full the outbox is: see [`Client::outbox`](mqtt_session::Client::outbox).
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn outbox(&self) -> Result<OutboxState, HandleError> {
        let (reply, told) = oneshot::channel();
        self.tell(Command::Outbox(reply)).await?;
        told.await.map_err(|_| HandleError::Stopped)
    }

    /// What was counted, if the storage counts: see [`Client::counters`](mqtt_session::Client::counters).
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn counters(&self) -> Result<Option<Counters>, HandleError> {
        let (reply, told) = oneshot::channel();
        self.tell(Command::Counters(reply)).await?;
        told.await.map_err(|_| HandleError::Stopped)
    }

    /// Answers a message of QoS 1 or 2 in manual mode. In 3.x, which has no codes, any code means success.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn acknowledge(&self, ack: AckToken, code: ReasonCode) -> Result<(), HandleError> {
        self.tell(Command::Acknowledge(ack, code)).await
    }

    /// Ends the connection in order, without waiting for what is under way: wait for its operations before. The
    /// events end with [`OwnedEvent::Closed`]; a client that reconnects stops.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn disconnect(&self) -> Result<(), HandleError> {
        self.tell(Command::Disconnect).await
    }

    /// Ends the connection in order when no operation is under way any more, at the latest after so long. A client that
    /// reconnects goes on with that meanwhile; then it stops.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn shutdown(&self, within: Duration) -> Result<(), HandleError> {
        self.tell(Command::Shutdown(within)).await
    }

    /// Gives the connection up without a word to the server, which will publish the will. A client that reconnects stops.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn abort(&self) -> Result<(), HandleError> {
        self.tell(Command::Abort).await
    }

    /// If the client waits for the time of the next attempt to connect, it begins now, as when the network is known to be
    /// back.
    ///
    /// # Errors
    /// [`HandleError::Stopped`].
    pub async fn start(&self) -> Result<(), HandleError> {
        self.tell(Command::Start).await
    }

    async fn tell(&self, command: Command) -> Result<(), HandleError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| HandleError::Stopped)
    }

    async fn send(&self, command: Command, end: oneshot::Receiver<End>) -> Result<Operation, HandleError> {
        match self.commands.send(command).await {
            Ok(()) => Ok(Operation(end)),
            Err(_) => Err(HandleError::Stopped),
        }
    }
}

impl From<Refused> for HandleError {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the client's task has ended"),
            Self::Full => f.write_str("too many commands are waiting"),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl core::error::Error for HandleError {}

/// What happens to a client that has a task of its own: everything but the ends of its [`Operation`]s.
///
/// While nobody takes events and their channel is full, the client reads no more from its transport; it writes and
/// takes commands as before. If this is dropped, events are thrown away.
#[derive(Debug)]
pub struct Events<E = OwnedEvent>(pub(crate) mpsc::Receiver<E>);

impl<E> Events<E> {
    /// The next event; `None` when the task has ended. May be dropped at any time, and nothing is lost.
    pub async fn next(&mut self) -> Option<E> {
        core::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<E> Stream for Events<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll_next(cx)))
    }
}
