//! From the command line to a client that is connected, and to the end of its connection.

use core::future::pending;
use std::io;

use mqtt_proto::{Properties, ReasonCode};
use mqtt_session::{
    Config,
    client::{ClosedBy, OwnedClosed, OwnedEvent, UnknownSession},
    flow::Cause,
    storage::{Heap, HeapLimits},
};
use tokio::net::TcpStream;

use crate::{args::Connect, failure::Failure, tap::Tap};

/// A client with the server it belongs to.
pub(crate) struct Connection<'a> {
    connect: &'a Connect,
    pub(crate) client: mqtt_tokio::Client<Tap<TcpStream>>,
}

impl<'a> Connection<'a> {
    /// Not connected yet. What `-D` said of the receiver's limits goes before what is given here.
    pub(crate) fn new(connect: &'a Connect, mut config: Config, mut limits: HeapLimits) -> Self {
        // This process may be the second one of a session of which it knows nothing.
        config.unknown_session = UnknownSession::Accept;
        if let Some(bytes) = connect.maximum_packet_size() {
            config.receive_buffer = bytes;
        }
        limits.arrivals = connect.receive_maximum().unwrap_or(limits.arrivals);
        Self {
            connect,
            client: mqtt_tokio::Client::new(config, Heap::with_limits(limits)),
        }
    }

    /// Connects, and waits until the server has accepted it.
    pub(crate) async fn open(&mut self) -> Result<(), Failure> {
        let address = &self.connect.address;
        let stream = mqtt_tokio::connect_tcp((address.host.as_str(), address.port))
            .await
            .map_err(|error| {
                Failure::new(format!(
                    "cannot connect to {}:{}: {error}",
                    address.host, address.port
                ))
            })?;
        let stream = Tap::new(stream, self.connect.debug.then_some(self.connect.version));
        self.connect
            .with_options(|options| self.client.attach(stream, options))?
            .map_err(|why| Failure::new(why.to_string()))?;
        match self.next().await? {
            OwnedEvent::Connected(_) => Ok(()),
            // Nothing was asked for, and nothing comes before CONNACK.
            other => Err(Failure::new(format!(
                "not what a connection begins with: {other:?}"
            ))),
        }
    }

    /// The next event. The end of the connection is a failure. May be dropped, and nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<OwnedEvent, Failure> {
        let event = match self.client.next_owned().await {
            Ok(event) => event,
            Err(error) => return Err(lost(&error)),
        };
        match event {
            OwnedEvent::Closed(closed) => {
                let failure = self.describe(&closed);
                match self.client.next().await {
                    Err(error) if closed.by == ClosedBy::Transport => Err(lost(&error)),
                    _ => Err(failure),
                }
            }
            other => Ok(other),
        }
    }

    /// Ends the connection in order, if there is one.
    ///
    /// Fails if it came to another end before DISCONNECT was written.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        if !self.client.is_connected() {
            return Ok(());
        }
        self.connect
            .with_disconnect(|last| self.client.disconnect(last))?
            .map_err(|why| Failure::new(why.to_string()))?;
        loop {
            match self.client.next_owned().await {
                Ok(event) => {
                    if let OwnedEvent::Closed(closed) = event {
                        return match closed.by {
                            ClosedBy::Client => Ok(()),
                            _ => Err(self.describe(&closed)),
                        };
                    }
                }
                Err(error) => return Err(lost(&error)),
            }
        }
    }

    fn describe(&self, closed: &OwnedClosed) -> Failure {
        let version = self.connect.version;
        let failure = match (closed.by, closed.code) {
            (ClosedBy::Server, Some(code)) if closed.refused => {
                Failure::refused("connection refused", code, version)
            }
            (ClosedBy::Server, Some(ReasonCode::NORMAL_DISCONNECTION) | None) => {
                Failure::new("the server ended the connection")
            }
            (ClosedBy::Server, Some(code)) => {
                Failure::refused("the server ended the connection", code, version)
            }
            _ => match (closed.statement, closed.cause) {
                (Some(statement), Cause::Rule(rule)) => {
                    Failure::new(format!("{} ({statement})", rule.text()))
                }
                (_, cause) => Failure::new(cause.to_string()),
            },
        };
        failure.and(&explained(closed.properties.view()))
    }
}

/// What the server adds in words.
pub(crate) fn explained(properties: Properties<'_>) -> String {
    let reason = properties.reason_string().map(|text| format!("reason: {text}"));
    let server = properties
        .server_reference()
        .map(|server| format!("another server: {server}"));
    reason.into_iter().chain(server).collect::<Vec<_>>().join("; ")
}

fn lost(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::new("connection lost: the server closed it without a word"),
        _ => Failure::new(format!("connection lost: {error}")),
    }
}

/// What ends a command from outside.
pub(crate) enum Stop {
    /// `-W`.
    TimedOut,
    /// Ctrl-C, or being told to terminate.
    Interrupted,
}

/// Waits for `-W` or a signal, whichever comes first.
pub(crate) async fn stopped(connect: &Connect) -> Stop {
    let timeout = async {
        match connect.timeout {
            Some(span) => tokio::time::sleep(span).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = timeout => Stop::TimedOut,
        () = interrupted() => Stop::Interrupted,
    }
}

/// Waits for Ctrl-C, or on Unix for SIGTERM.
pub(crate) async fn interrupted() {
    let ctrl_c = async {
        // Without the handler, the signal ends the program by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminate => {}
    }
}
