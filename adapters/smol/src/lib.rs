//! MQTT client and server on futures-io streams: smol, async-std, and whatever else speaks `AsyncRead` and `AsyncWrite`.
//!
//! The client comes in two forms. [`Client`] is inline: `client.next().await` drives everything. Its
//! [`into_task`](mqtt_async::Client::into_task) gives a future for any executor, with a [`Handle`] for commands and
//! [`Events`] to take.
//!
//! Either can connect again by itself, as a policy says, and bring subscriptions back:
//! `client.reconnecting(Policy::DEFAULT, Options::new("thermostat"), tcp("broker.example:1883"))` is a [`Reconnecting`].
//!
//! [`Server`] is a server on [`Listener`]s.
//!
//! Timers are those of `async-io`, which need no runtime. Who has others implements [`mqtt_async::Timer`], and uses
//! [`mqtt_async::Client`] with [`Io`].
//!
//! ```no_run
//! use mqtt_session::{Config, ConnectOptions, Event, Publish, storage::Heap};
//! use mqtt_smol::{Client, TaskConfig, connect_tcp};
//!
//! # async fn run(options: ConnectOptions<'_>, message: Publish<'_>) -> Result<(), Box<dyn core::error::Error>> {
//! let mut client = Client::new(Config::DEFAULT, Heap::new());
//! client.attach(connect_tcp("localhost:1883").await?, &options)?;
//! while !matches!(client.next().await?, Event::Connected(_)) {}
//!
//! let (handle, _events, task) = client.into_task(TaskConfig::DEFAULT);
//! let task = smol::spawn(task);
//! let outcome = handle.publish(&message, "hello").await?.await?;
//! println!("{outcome:?}");
//! drop(handle);
//! task.await;
//! # Ok(()) }
//! ```
#![allow(clippy::disallowed_types, reason = "an adapter knows what time it is")]

mod listener;

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    io::{self, IoSlice},
    time::Instant,
};

use async_net::{AsyncToSocketAddrs, TcpStream};
use futures_io::{AsyncRead, AsyncWrite};
pub use listener::{Listener, Socket};
#[cfg(feature = "tracing")]
pub use mqtt_async::EventLog;
use mqtt_async::Link;
pub use mqtt_async::{
    AllowAll, Attempt, CommandError, CommandResult, ConnectError, Connector, Events, Handle, HandleError,
    News, Operation, OperationError, Options, Policy, ServerError, ServerHandle, ServerStop, StartError,
    Stop, Stopped, Store, TaskConfig, Verdict, Waiting, Will,
};
use mqtt_session::storage::Heap;

/// The inline form: see [`mqtt_async::Client`].
pub type Client<T = TcpStream, S = Heap> = mqtt_async::Client<Io<T>, Timer, S>;

/// The inline form that connects by itself: see [`mqtt_async::Reconnecting`].
pub type Reconnecting<C, T = TcpStream, S = Heap> = mqtt_async::Reconnecting<C, Io<T>, Timer, S>;

/// The server: see [`mqtt_async::Server`].
pub type Server<A = Listener> = mqtt_async::Server<A, Timer>;

/// A TCP connection that sends without delay, over `async-io`.
///
/// # Errors
/// There is none at any of the addresses.
pub async fn connect_tcp(to: impl AsyncToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What a [`tcp`] connector gives.
pub type Opening = Pin<Box<dyn Future<Output = io::Result<(TcpStream, Options)>> + Send>>;

/// A [`Connector`] to this server, `host:port`, over TCP; or to those that a Server Reference names, if the policy lets
/// the client follow it.
pub fn tcp(server: &str) -> impl FnMut(Attempt, Options) -> Opening + Send + use<> {
    let server = String::from(server);
    move |attempt, options| {
        let server = server.clone();
        Box::pin(async move {
            let mut last = io::ErrorKind::AddrNotAvailable.into();
            for server in attempt.servers(&server) {
                match connect_tcp(server).await {
                    Ok(stream) => return Ok((stream, options)),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }
}

/// Any byte stream of futures-io as a [`Link`].
#[derive(Debug)]
pub struct Io<T>(pub T);

impl<T: AsyncRead + AsyncWrite + Unpin> From<T> for Io<T> {
    fn from(stream: T) -> Self {
        Self(stream)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Link for Io<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// One timer of `async-io`, made when it is first needed and then set anew.
#[derive(Debug, Default)]
pub struct Timer(Option<(Instant, async_io::Timer)>);

impl mqtt_async::Timer for Timer {
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let (at, timer) = self
            .0
            .get_or_insert_with(|| (deadline, async_io::Timer::at(deadline)));
        if *at != deadline {
            *at = deadline;
            timer.set_at(deadline);
        }
        let rung = Pin::new(timer).poll(cx).map(drop);
        if rung.is_ready() {
            // It rings once.
            self.0 = None;
        }
        rung
    }
}
