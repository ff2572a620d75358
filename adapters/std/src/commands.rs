//! What a client can be told to do. Nothing here waits: a command is taken or refused, and takes effect in `next`.

use core::fmt;
use std::io;

use mqtt_proto::{
    Properties, TopicFilter,
    packet::{Disconnect, Subscription},
};
use mqtt_session::{
    AckToken, NotTaken, Payload, Publish, Refused, Token,
    client::Ack,
    storage::{Heap, Storage},
};

use crate::{Client, Tcp, Transport};

impl<T: Transport, S: Storage> Client<T, S> {
    /// Publishes a message, now or on a later connection. Ends as [`Completed`](mqtt_session::Event::Completed) or
    /// [`Aborted`](mqtt_session::Event::Aborted) with this token.
    ///
    /// # Errors
    /// The payload comes back, with the reason: see [`mqtt_session::Client::publish`].
    pub fn publish<'p>(
        &mut self,
        message: &Publish<'_>,
        payload: impl Into<Payload<'p>>,
    ) -> Result<Token, NotTaken<Payload<'p>>> {
        self.machine.publish(self.now, message, payload)
    }

    /// Asks for subscriptions.
    ///
    /// # Errors
    /// See [`mqtt_session::Client::subscribe`].
    pub fn subscribe(
        &mut self,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.machine.subscribe(self.now, filters, properties)
    }

    /// Gives subscriptions up.
    ///
    /// # Errors
    /// See [`mqtt_session::Client::unsubscribe`].
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.machine.unsubscribe(self.now, filters, properties)
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// See [`mqtt_session::Client::ping`].
    pub fn ping(&mut self) -> Result<Token, Refused> {
        self.machine.ping(self.now)
    }

    /// Acknowledges a message, in manual mode.
    ///
    /// # Errors
    /// The token comes back, with the reason: see [`mqtt_session::Client::acknowledge`].
    pub fn acknowledge(&mut self, ack: AckToken, answer: &Ack<'_>) -> Result<(), NotTaken<AckToken>> {
        self.machine.acknowledge(self.now, ack, answer)
    }

    /// Ends the connection in order; [`Closed`](mqtt_session::Event::Closed) follows when DISCONNECT is written.
    ///
    /// # Errors
    /// See [`mqtt_session::Client::disconnect`].
    pub fn disconnect(&mut self, last: &Disconnect<'_>) -> Result<(), Refused> {
        self.machine.disconnect(self.now, last)
    }

    /// Says where the bytes of payloads come from that are published as [`Payload::External`]: called with the token
    /// of the publish, an offset into its payload, and room for at least one byte, it gives the number of bytes it put
    /// there. An error or 0 ends the connection, as does an external payload without a source.
    pub fn set_payload_source(
        &mut self,
        source: impl FnMut(Token, u32, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) {
        self.output.source = Some(Box::new(source));
    }

    /// The machine inside, to be asked about its state.
    pub const fn machine(&self) -> &mqtt_session::Client<S> {
        &self.machine
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// Why the last connection ended, if it was the transport that failed.
    pub const fn transport_error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

/// A connection could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no transport.
    Io(io::Error),
    /// The machine does not take these options, or is not done with the last connection.
    Refused(Refused),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "no transport: {error}"),
            Self::Refused(refused) => write!(f, "connect refused: {refused}"),
        }
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Refused(refused) => refused,
        })
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refused> for ConnectError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<T: Transport + fmt::Debug, S: Storage> fmt::Debug for Client<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("machine", &self.machine)
            .field("transport", &self.transport)
            .field("open", &self.open)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn check<X: Send + Sync + Unpin>() {}
    check::<crate::Notifier>();
    const fn movable<X: Send + Unpin>() {}
    movable::<Client<Tcp, Heap>>();
};
