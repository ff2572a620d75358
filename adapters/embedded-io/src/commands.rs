//! What either client can be told to do. Nothing here waits: a command is taken or refused, and takes effect when the
//! client is driven next.

macro_rules! commands {
    () => {
        /// Publishes a message. Ends as [`Completed`](mqtt_session::Event::Completed) or
        /// [`Aborted`](mqtt_session::Event::Aborted) with this token, on this connection or a later one.
        ///
        /// # Errors
        /// The payload comes back, with the reason: see [`mqtt_session::Client::publish`].
        pub fn publish<'p>(
            &mut self,
            message: &mqtt_session::Publish<'_>,
            payload: impl Into<mqtt_session::Payload<'p>>,
        ) -> Result<mqtt_session::Token, mqtt_session::NotTaken<mqtt_session::Payload<'p>>> {
            self.session
                .machine
                .publish(self.session.now, message, payload)
        }

        /// Withdraws a message of which nothing has been sent.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::cancel`].
        pub fn cancel(&mut self, token: mqtt_session::Token) -> Result<(), mqtt_session::Refused> {
            self.session.machine.cancel(self.session.now, token)
        }

        /// Asks for subscriptions.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::subscribe`].
        pub fn subscribe(
            &mut self,
            filters: &[mqtt_proto::packet::Subscription<'_>],
            properties: mqtt_proto::Properties<'_>,
        ) -> Result<mqtt_session::Token, mqtt_session::Refused> {
            self.session
                .machine
                .subscribe(self.session.now, filters, properties)
        }

        /// Gives subscriptions up.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::unsubscribe`].
        pub fn unsubscribe(
            &mut self,
            filters: &[mqtt_proto::TopicFilter<'_>],
            properties: mqtt_proto::Properties<'_>,
        ) -> Result<mqtt_session::Token, mqtt_session::Refused> {
            self.session
                .machine
                .unsubscribe(self.session.now, filters, properties)
        }

        /// Asks for a sign of life.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::ping`].
        pub fn ping(&mut self) -> Result<mqtt_session::Token, mqtt_session::Refused> {
            self.session.machine.ping(self.session.now)
        }

        /// Answers [`Event::Authenticate`](mqtt_session::Event::Authenticate).
        ///
        /// # Errors
        /// See [`mqtt_session::Client::authenticate`].
        pub fn authenticate(
            &mut self,
            properties: mqtt_proto::Properties<'_>,
        ) -> Result<(), mqtt_session::Refused> {
            self.session
                .machine
                .authenticate(self.session.now, properties)
        }

        /// Begins to authenticate anew.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::reauthenticate`].
        pub fn reauthenticate(
            &mut self,
            properties: mqtt_proto::Properties<'_>,
        ) -> Result<mqtt_session::Token, mqtt_session::Refused> {
            self.session
                .machine
                .reauthenticate(self.session.now, properties)
        }

        /// Ends the connection in order when nothing is under way any more, at the latest at that moment.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::shutdown`].
        pub fn shutdown(&mut self, drain_until: mqtt_session::Instant) -> Result<(), mqtt_session::Refused> {
            self.session.machine.shutdown(self.session.now, drain_until)
        }

        /// Acknowledges a message, in manual mode.
        ///
        /// # Errors
        /// The token comes back, with the reason: see [`mqtt_session::Client::acknowledge`].
        pub fn acknowledge(
            &mut self,
            ack: mqtt_session::AckToken,
            answer: &mqtt_session::client::Ack<'_>,
        ) -> Result<(), mqtt_session::NotTaken<mqtt_session::AckToken>> {
            self.session
                .machine
                .acknowledge(self.session.now, ack, answer)
        }

        /// Ends the connection in order; [`Closed`](mqtt_session::Event::Closed) follows when DISCONNECT is written, or
        /// [`close_timeout`](mqtt_session::Config::close_timeout) later if the transport does not take it.
        ///
        /// # Errors
        /// See [`mqtt_session::Client::disconnect`].
        pub fn disconnect(
            &mut self,
            last: &mqtt_proto::packet::Disconnect<'_>,
        ) -> Result<(), mqtt_session::Refused> {
            self.session.machine.disconnect(self.session.now, last)
        }

        /// Gives the connection up without a word to the server, which will publish the will. Nothing more is written;
        /// [`Closed`](mqtt_session::Event::Closed) follows. See [`mqtt_session::Client::abort`].
        pub fn abort(&mut self) {
            self.session.abort();
        }

        /// Says where the bytes of external payloads come from. Without a source, a publish of one ends the connection.
        pub fn set_payload_source(&mut self, source: PayloadSource<'a>) {
            self.source = Some(source);
        }

        /// The session, to be asked about its state.
        pub const fn session(&self) -> &mqtt_session::Client<S> {
            self.session.machine
        }
    };
}

pub(crate) use commands;
