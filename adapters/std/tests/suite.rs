//! The behaviours of all adapters, over TCP and over a stream with read time-outs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use adapter_suite::Driver;
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, storage::Heap};
use mqtt_std::{Client, ConnectError, ReadTimeouts, Tcp, Transport};

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

    adapter_suite::obeys!(0);

    fn cut(&mut self) {
        self.0.detach();
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        self.0.next_timeout(timeout).unwrap().map(OwnedEvent::from)
    }
}

mod over_tcp {
    adapter_suite::behaviours!(super::Over<super::Tcp>);
}

mod over_read_timeouts {
    adapter_suite::behaviours!(super::Over<super::ReadTimeouts<super::TcpStream>>);
}
