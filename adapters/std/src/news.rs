//! What a client that reconnects tells.

use std::io;

use mqtt_proto::Version;
use mqtt_session::{
    Instant, Refused,
    reconnect::{Because, StopBecause},
    registry::RegistryEvent,
};

use crate::ConnectError;

/// Something that happened to a client that reconnects; `E` is the event of its session.
///
/// ```text
/// Connecting, Event(Connected), Subscriptions(Connected), …, Event(Closed), Waiting, Connecting, …, Stopped
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum News<E> {
    /// Of the session and its connection. The ends of requests that the client makes by itself, to restore
    /// subscriptions, are not among them.
    Event(E),
    /// An attempt begins: the next thing that is called is the connector.
    Connecting(Attempt),
    /// The connection has ended, or the attempt has failed, and another one follows.
    Waiting(Waiting),
    /// No further attempt is made. The last news, unless the client is started again.
    Stopped(Stopped),
    /// What became of the subscriptions.
    Subscriptions(RegistryEvent),
}

impl<E> News<E> {
    /// The same with another event.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> News<F> {
        match self {
            Self::Event(event) => News::Event(change(event)),
            Self::Connecting(attempt) => News::Connecting(attempt),
            Self::Waiting(waiting) => News::Waiting(waiting),
            Self::Stopped(stopped) => News::Stopped(stopped),
            Self::Subscriptions(event) => News::Subscriptions(event),
        }
    }
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which one it is, counted from the start or the last stable connection; the first is 1.
    pub number: u32,
    /// The version that CONNECT will speak.
    pub version: Version,
    /// Why there has to be one.
    pub because: Because,
    /// A Server Reference (5.0, 4.11) that the policy lets the client follow: go there instead of the server that you
    /// would go to. See [`servers`](Self::servers).
    pub reference: Option<String>,
}

impl Attempt {
    /// Where to connect to, as `host:port`: what the Server Reference names, in its order, each with the port of
    /// `configured` if it names none; or `configured` itself.
    pub fn servers<'a>(&'a self, configured: &'a str) -> impl Iterator<Item = String> + use<'a> {
        let (_, port) = split(configured);
        let named = self.reference.as_deref().unwrap_or(configured);
        named.split_whitespace().map(move |server| match split(server) {
            (_, Some(_)) => server.into(),
            (host, None) => match port {
                Some(port) => format!("{host}:{port}"),
                None => host.into(),
            },
        })
    }
}

/// Host and port; a colon inside of brackets belongs to an address.
fn split(server: &str) -> (&str, Option<&str>) {
    let after = server.rfind(']').map_or(0, |at| at + 1);
    match server.get(after..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => (&server[..after + colon], server.get(after + colon + 1..)),
        None => (server, None),
    }
}

/// What a client waits for between two attempts, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// When the next attempt begins, on the client's clock, which starts at Unix time.
    pub at: Instant,
    /// How long that is from now.
    pub wait: core::time::Duration,
    /// Which one it will be.
    pub attempt: u32,
    /// Why there has to be one.
    pub because: Because,
    /// What was wrong with the transport, or with the options.
    pub error: Option<ConnectError>,
}

/// Why no further attempt is made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stopped {
    /// Why.
    pub because: Stop,
    /// What was wrong with the transport of the last attempt.
    pub error: Option<io::Error>,
}

/// Why no further attempt is made.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The policy, or the caller, wants it so.
    Policy(StopBecause),
    /// No server would take these options, and the client does not send them.
    Refused(Refused),
}

impl core::fmt::Display for Stop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Policy(because) => because.fmt(f),
            Self::Refused(why) => write!(f, "the options cannot be sent: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_servers_with_or_without_ports_and_without_one_it_is_the_configured_server() {
        let mut attempt = Attempt {
            number: 1,
            version: Version::V5,
            because: Because::Started,
            reference: Some("a.example b.example:1884  [::1] [::1]:7".into()),
        };
        let servers: Vec<_> = attempt.servers("broker.example:1883").collect();
        assert_eq!(
            servers,
            ["a.example:1883", "b.example:1884", "[::1]:1883", "[::1]:7"]
        );
        assert_eq!(attempt.servers("broker").next().as_deref(), Some("a.example"));
        attempt.reference = None;
        assert_eq!(attempt.servers("[::2]:1883").collect::<Vec<_>>(), ["[::2]:1883"]);
    }
}
