//! The behaviours of all adapters, over TCP and over a stream with read time-outs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use adapter_suite::{Driver, Hook, Reconnects};
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, reconnect::Policy, storage::Heap};
use mqtt_std::{Attempt, Client, ConnectError, News, Options, ReadTimeouts, Reconnecting, Tcp, Transport};

/// A transport over TCP.
trait OverTcp: Transport<Stream = TcpStream> {
    fn new() -> Self;
    /// Set on every connection.
    const READ_TIMEOUT: Option<Duration>;
}

impl OverTcp for Tcp {
    fn new() -> Self {
        Self::new().unwrap()
    }
    const READ_TIMEOUT: Option<Duration> = None;
}

impl OverTcp for ReadTimeouts<TcpStream> {
    fn new() -> Self {
        Self::new()
    }
    const READ_TIMEOUT: Option<Duration> = Some(Duration::from_millis(1));
}

struct Over<T: Transport>(Client<T>);

adapter_suite::obeys!([T: OverTcp] Over<T>, 0);

impl<T: OverTcp> Driver for Over<T> {
    fn new(config: Config) -> Self {
        Self(Client::with_transport(T::new(), config, Heap::new()))
    }

    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(T::READ_TIMEOUT).unwrap();
        stream.set_nodelay(true).unwrap();
        self.0.attach(stream, options).map_err(|error| match error {
            ConnectError::Refused(refused) => refused,
            other => panic!("{other}"),
        })
    }

    fn cut(&mut self) {
        self.0.detach();
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        self.0
            .next_timeout(timeout)
            .unwrap()
            .map(|event| OwnedEvent::try_from(event).unwrap())
    }
}

mod over_tcp {
    adapter_suite::behaviours!(super::Over<super::Tcp>);
}

mod over_read_timeouts {
    adapter_suite::behaviours!(super::Over<super::ReadTimeouts<super::TcpStream>>);
}

/// A client that connects by itself, over a transport that is TCP.
struct Again<T: Transport>(Reconnecting<Connect<T>, T>);

type Connect<T> = Box<dyn FnMut(&Attempt, &mut Options) -> io::Result<<T as Transport>::Stream> + Send>;

adapter_suite::obeys!([T: OverTcp] Again<T>, 0);

impl<T: OverTcp> Reconnects for Again<T> {
    fn new(config: Config, policy: Policy, options: Options, mut hook: Hook) -> Self {
        let connect: Connect<T> = Box::new(move |attempt, options| {
            let stream = TcpStream::connect(hook(attempt, options))?;
            stream.set_read_timeout(T::READ_TIMEOUT)?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let client = Client::with_transport(T::new(), config, Heap::new());
        Self(client.reconnecting(policy, options, connect).with_seed(7))
    }

    adapter_suite::reconnects!(0);

    fn next_news(&mut self, timeout: Duration) -> Option<News<OwnedEvent>> {
        let news = self.0.next_timeout(timeout).unwrap();
        news.map(|news| news.map(|event| OwnedEvent::try_from(event).unwrap()))
    }
}

mod reconnecting_over_tcp {
    adapter_suite::reconnecting!(super::Again<super::Tcp>);
}

mod reconnecting_over_read_timeouts {
    adapter_suite::reconnecting!(super::Again<super::ReadTimeouts<super::TcpStream>>);
}
