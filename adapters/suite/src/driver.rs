//! The faces that a behaviour sees of an adapter.

use core::time::Duration;
use std::net::SocketAddr;

use mqtt_proto::{TopicFilter, packet::Subscription};
use mqtt_session::{
    AckToken, Config, ConnectOptions, Publish, Refused, Token, client::OwnedEvent, reconnect::Policy,
};
use mqtt_tokio::{Attempt, News, Options};

/// The commands of all clients.
pub trait Obeys {
    /// As of the client.
    ///
    /// # Errors
    /// The client refused.
    fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused>;

    /// As of the client, without properties.
    ///
    /// # Errors
    /// The client refused.
    fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<Token, Refused>;

    /// As of the client, without properties.
    ///
    /// # Errors
    /// The client refused.
    fn unsubscribe(&mut self, filters: &[TopicFilter<'_>]) -> Result<Token, Refused>;

    /// As of the client.
    ///
    /// # Errors
    /// The client refused.
    fn ping(&mut self) -> Result<Token, Refused>;

    /// Takes a message, with success.
    ///
    /// # Errors
    /// The client refused.
    fn acknowledge(&mut self, ack: AckToken) -> Result<(), Refused>;

    /// A normal disconnection, without properties.
    ///
    /// # Errors
    /// The client refused.
    fn disconnect(&mut self) -> Result<(), Refused>;

    /// As of the client.
    fn abort(&mut self);
}

/// A client over some adapter, as blocking functions. The session lives as long as the value; transports come and go.
pub trait Driver: Obeys + Sized {
    /// A client that was never connected.
    fn new(config: Config) -> Self;

    /// Opens a TCP connection (and panics if there is none), and sends CONNECT with the first `next_event`.
    ///
    /// # Errors
    /// The client refused.
    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused>;

    /// Ends the TCP connection without a DISCONNECT.
    fn cut(&mut self);

    /// Drives the client until an event comes; `None` if none came for so long, or if there is no transport and nothing
    /// left to tell.
    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent>;
}

/// What a client that reconnects calls before each attempt: it may change the options, and tells where to connect to.
pub type Hook = Box<dyn FnMut(&Attempt, &mut Options) -> SocketAddr + Send>;

/// A client that connects by itself over TCP, as blocking functions.
pub trait Reconnects: Obeys + Sized {
    /// A client that has begun to connect.
    fn new(config: Config, policy: Policy, options: Options, hook: Hook) -> Self;

    /// As of the client.
    ///
    /// # Errors
    /// The client refused.
    fn shutdown(&mut self, within: Duration) -> Result<(), Refused>;

    /// As of the client.
    fn start(&mut self);

    /// As of the client.
    fn is_stopped(&self) -> bool;

    /// Drives the client until there is news; `None` if none came for so long, or if it has stopped.
    fn next_news(&mut self, timeout: Duration) -> Option<News<OwnedEvent>>;
}

/// The commands of a face whose client lies in this field.
#[macro_export]
macro_rules! obeys {
    ([$($generics:tt)*] $face:ty, $field:tt) => {
        impl<$($generics)*> $crate::Obeys for $face {
        fn publish(
            &mut self,
            message: &::mqtt_session::Publish<'_>,
            payload: &[u8],
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$field
                .publish(message, payload)
                .map_err(|not_taken| not_taken.why)
        }

        fn subscribe(
            &mut self,
            filters: &[::mqtt_proto::packet::Subscription<'_>],
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$field
                .subscribe(filters, ::mqtt_proto::Properties::EMPTY)
        }

        fn unsubscribe(
            &mut self,
            filters: &[::mqtt_proto::TopicFilter<'_>],
        ) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$field
                .unsubscribe(filters, ::mqtt_proto::Properties::EMPTY)
        }

        fn ping(&mut self) -> Result<::mqtt_session::Token, ::mqtt_session::Refused> {
            self.$field.ping()
        }

        fn acknowledge(&mut self, ack: ::mqtt_session::AckToken) -> Result<(), ::mqtt_session::Refused> {
            self.$field
                .acknowledge(ack, &::mqtt_session::client::Ack::SUCCESS)
                .map_err(|not_taken| not_taken.why)
        }

        fn disconnect(&mut self) -> Result<(), ::mqtt_session::Refused> {
            let last = ::mqtt_proto::packet::Disconnect::new(::mqtt_proto::ReasonCode::NORMAL_DISCONNECTION);
            self.$field.disconnect(&last)
        }

        fn abort(&mut self) {
            self.$field.abort();
        }
        }
    };
}

/// The rest of a face that [`Reconnects`], whose client lies in this field.
#[macro_export]
macro_rules! reconnects {
    ($field:tt) => {
        fn shutdown(&mut self, within: ::core::time::Duration) -> Result<(), ::mqtt_session::Refused> {
            self.$field.shutdown(within)
        }

        fn start(&mut self) {
            self.$field.start();
        }

        fn is_stopped(&self) -> bool {
            self.$field.is_stopped()
        }
    };
}
