//! What a client can be told to do. Nothing here waits: a command is taken or refused, and takes effect when the client
//! is driven next.

use core::time::Duration;
use std::io;

use mqtt_proto::{
    Properties, TopicFilter,
    packet::{Disconnect, Subscription},
};
use mqtt_session::{
    AckToken, Client, NotTaken, Payload, Publish, Refused, Token, client::Ack, storage::Storage,
};

use super::{Driver, Journal, journal::Records, supervision::Supervision};

impl<S: Storage> Driver<S> {
    /// See [`Client::publish`].
    ///
    /// # Errors
    /// The payload comes back, with the reason.
    pub fn publish<'p>(
        &mut self,
        message: &Publish<'_>,
        payload: impl Into<Payload<'p>>,
    ) -> Result<Token, NotTaken<Payload<'p>>> {
        // Also between two connections that shutting down may take.
        let draining = |supervision: &Supervision| supervision.drain_until.is_some();
        if self.supervision.as_deref().is_some_and(draining) {
            return Err(NotTaken::new(payload.into(), Refused::ShuttingDown));
        }
        self.machine.publish(self.now, message, payload)
    }

    /// See [`Client::cancel`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn cancel(&mut self, token: Token) -> Result<(), Refused> {
        self.machine.cancel(self.now, token)
    }

    /// See [`Client::subscribe`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn subscribe(
        &mut self,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        let token = self.machine.subscribe(self.now, filters, properties)?;
        if let Some(supervision) = &mut self.supervision {
            supervision.subscribed(token, filters, properties);
        }
        Ok(token)
    }

    /// See [`Client::unsubscribe`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        let token = self.machine.unsubscribe(self.now, filters, properties)?;
        if let Some(supervision) = &mut self.supervision {
            supervision.unsubscribed(token, filters);
        }
        Ok(token)
    }

    /// See [`Client::ping`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn ping(&mut self) -> Result<Token, Refused> {
        self.machine.ping(self.now)
    }

    /// See [`Client::authenticate`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn authenticate(&mut self, properties: Properties<'_>) -> Result<(), Refused> {
        self.machine.authenticate(self.now, properties)
    }

    /// See [`Client::reauthenticate`].
    ///
    /// # Errors
    /// As of the machine.
    pub fn reauthenticate(&mut self, properties: Properties<'_>) -> Result<Token, Refused> {
        self.machine.reauthenticate(self.now, properties)
    }

    /// See [`Client::acknowledge`].
    ///
    /// # Errors
    /// The token comes back, with the reason.
    pub fn acknowledge(&mut self, ack: AckToken, answer: &Ack<'_>) -> Result<(), NotTaken<AckToken>> {
        self.machine.acknowledge(self.now, ack, answer)
    }

    /// See [`Client::disconnect`]. A client that reconnects does so no more; without a connection, it stops at once.
    ///
    /// # Errors
    /// As of the machine. [`Refused::NotConnected`] from a client that reconnects if it has stopped, or does so already.
    pub fn disconnect(&mut self, last: &Disconnect<'_>) -> Result<(), Refused> {
        let told = self.machine.disconnect(self.now, last);
        let Some(supervision) = &mut self.supervision else {
            return told;
        };
        match told {
            Err(Refused::NotConnected) if !supervision.is_stopping() => self.abort(),
            Err(why) => return Err(why),
            Ok(()) => supervision.stop(self.link),
        }
        Ok(())
    }

    /// See [`Client::shutdown`]. A client that reconnects goes on with that, until nothing is under way or the time is
    /// over.
    ///
    /// # Errors
    /// As of the machine; from a client that reconnects [`Refused::NotConnected`] only if it has stopped, or does so
    /// already.
    pub fn shutdown(&mut self, within: Duration) -> Result<(), Refused> {
        let until = self.clock.now() + within;
        let told = self.machine.shutdown(self.now, until);
        match &mut self.supervision {
            None => told,
            Some(supervision) if supervision.is_stopping() => Err(Refused::NotConnected),
            Some(supervision) => {
                supervision.drain_until = Some(until);
                Ok(())
            }
        }
    }

    /// See [`Client::abort`]; the transport is to be closed when the client is driven next, whatever is left to write. A
    /// client that reconnects does so no more.
    pub fn abort(&mut self) {
        self.machine.abort(self.now);
        if let Some(supervision) = &mut self.supervision {
            supervision.stop(self.link);
        }
        self.aborted = true;
    }

    /// See [`commands!`](crate::commands).
    pub fn set_payload_source(
        &mut self,
        source: impl FnMut(Token, u32, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) {
        self.tx.source = Some(Box::new(source));
    }

    /// See [`commands!`](crate::commands).
    pub fn set_journal(&mut self, journal: impl Journal + Send + 'static) {
        self.records = Records::Kept(Box::new(journal));
    }

    /// The session.
    pub const fn machine(&self) -> &Client<S> {
        &self.machine
    }
}

/// Gives a client the commands of the [`Driver`] that it has in this field, in an `impl` with a storage `S`. For adapters.
#[macro_export]
macro_rules! commands {
    ($($driver:ident).+) => {
        /// Publishes a message, now or on a later connection. Ends as [`Completed`](mqtt_session::Event::Completed) or
        /// [`Aborted`](mqtt_session::Event::Aborted) with this token.
        ///
        /// # Errors
        /// The payload comes back, with the reason: see [`mqtt_session::Client::publish`].
        pub fn publish<'p>(
            &mut self,
            message: &::mqtt_session::Publish<'_>,
            payload: impl Into<::mqtt_session::Payload<'p>>,
        ) -> Result<::mqtt_session::Token, ::mqtt_session::NotTaken<::mqtt_session::Payload<'p>>> {
            self.$($driver).+.publish(message, payload)
        }

        /// Withdraws a message of which nothing has been sent; what there is, [`machine`](Self::machine) tells.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::cancel`].
        pub fn cancel(&mut self, token: ::mqtt_session::Token) -> Result<(), ::mqtt_session::Refused> {
            self.$($driver).+.cancel(token)
        }

        /// Asks for subscriptions.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::subscribe`].
        pub fn subscribe(
            &mut self,
            filters: &[::mqtt_proto::packet::Subscription<'_>],
            properties: ::mqtt_proto::Properties<'_>,
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$($driver).+.subscribe(filters, properties)
        }

        /// Gives subscriptions up.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::unsubscribe`].
        pub fn unsubscribe(
            &mut self,
            filters: &[::mqtt_proto::TopicFilter<'_>],
            properties: ::mqtt_proto::Properties<'_>,
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$($driver).+.unsubscribe(filters, properties)
        }

        /// Asks for a sign of life.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::ping`].
        pub fn ping(&mut self) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$($driver).+.ping()
        }

        /// Answers [`Event::Authenticate`](mqtt_session::Event::Authenticate).
        ///
        /// # Errors
        /// See [`mqtt_session::Client::authenticate`].
        pub fn authenticate(
            &mut self,
            properties: ::mqtt_proto::Properties<'_>,
        ) -> Result<(), ::mqtt_session::Refused> {
            self.$($driver).+.authenticate(properties)
        }

        /// Begins to authenticate anew.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::reauthenticate`].
        pub fn reauthenticate(
            &mut self,
            properties: ::mqtt_proto::Properties<'_>,
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$($driver).+.reauthenticate(properties)
        }

        /// Acknowledges a message, in manual mode.
        ///
        /// # Errors
        /// The token comes back, with the reason: see [`mqtt_session::Client::acknowledge`].
        pub fn acknowledge(
            &mut self,
            ack: ::mqtt_session::AckToken,
            answer: &::mqtt_session::client::Ack<'_>,
        ) -> Result<(), ::mqtt_session::NotTaken<::mqtt_session::AckToken>> {
            self.$($driver).+.acknowledge(ack, answer)
        }

        /// Ends the connection in order, now. [`Closed`](mqtt_session::Event::Closed) follows when DISCONNECT is written,
        /// or could not be for as long as [`Config::close_timeout`](mqtt_session::Config::close_timeout).
        ///
        /// # Errors
        /// See [`mqtt_session::Client::disconnect`].
        pub fn disconnect(
            &mut self,
            last: &::mqtt_proto::packet::Disconnect<'_>,
        ) -> Result<(), ::mqtt_session::Refused> {
            self.$($driver).+.disconnect(last)
        }

        /// Ends the connection in order when no operation is under way any more, at the latest after so long: see
        /// [`mqtt_session::Client::shutdown`]. [`Closed`](mqtt_session::Event::Closed) follows.
        ///
        /// # Errors
        /// As of the machine.
        pub fn shutdown(&mut self, within: ::core::time::Duration) -> Result<(), ::mqtt_session::Refused> {
            self.$($driver).+.shutdown(within)
        }

        /// Gives the connection up without a word to the server, which will publish the will.
        /// [`Closed`](mqtt_session::Event::Closed) follows, if there is a connection.
        pub fn abort(&mut self) {
            self.$($driver).+.abort();
        }

        /// Says where the bytes of payloads come from that are published as
        /// [`Payload::External`](mqtt_session::Payload::External): called with the token of the publish, an offset into its
        /// payload, and room for at least one byte, it gives the number of bytes it put there. It is called while the
        /// client is driven, and should not take long. An error or 0 ends the connection, as does an external payload
        /// without a source.
        pub fn set_payload_source(
            &mut self,
            source: impl FnMut(::mqtt_session::Token, u32, &mut [u8]) -> ::std::io::Result<usize> + Send + 'static,
        ) {
            self.$($driver).+.set_payload_source(source);
        }

        /// Says where records are kept safe, if [`Config::journal`](mqtt_session::Config::journal) is on. With that and
        /// without a journal, every connection ends at once.
        pub fn set_journal(&mut self, journal: impl $crate::driver::Journal + Send + 'static) {
            self.$($driver).+.set_journal(journal);
        }

        /// The session, to be asked about its state: what is in the outbox, counters, deadlines.
        pub const fn machine(&self) -> &::mqtt_session::Client<S> {
            self.$($driver).+.machine()
        }

        /// CONNACK has come, and nothing has ended the connection since.
        pub const fn is_connected(&self) -> bool {
            self.$($driver).+.machine().is_connected()
        }
    };
}
