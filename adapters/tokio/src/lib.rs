//! MQTT client and server on tokio.
//!
//! The client comes in two forms. [`Client`] is inline: `client.next().await` drives everything. [`spawn`] gives it
//! a task of its own, with a [`Handle`] for commands and [`Events`] to take. [`serve`] is a server.
//!
//! ```no_run
//! use mqtt_session::{Config, ConnectOptions, Event, Publish, storage::Heap};
//! use mqtt_tokio::{Client, connect_tcp};
//!
//! # async fn run(options: ConnectOptions<'_>, message: Publish<'_>) -> Result<(), Box<dyn core::error::Error>> {
//! let mut client = Client::new(Config::DEFAULT, Heap::new());
//! client.attach(connect_tcp("localhost:1883").await?, &options)?;
//! loop {
//!     match client.next().await? {
//!         Event::Connected(_) => drop(client.publish(&message, "hello")),
//!         Event::Completed { .. } => break,
//!         Event::Closed(closed) => return Err(closed.cause.to_string().into()),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Either form can connect again by itself, as a policy says, and bring subscriptions back: [`Reconnecting`].
//!
//! ```no_run
//! use mqtt_session::{Config, Publish, client::OwnedEvent, reconnect::Policy, storage::Heap};
//! use mqtt_tokio::{Client, News, Options, TaskConfig, spawn_reconnecting, tcp};
//!
//! # async fn fetch_token() -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
//! # async fn run(reading: Publish<'_>) -> Result<(), Box<dyn core::error::Error>> {
//! let client = Client::new(Config::DEFAULT, Heap::new()).reconnecting(
//!     Policy::DEFAULT,
//!     Options::new("thermostat"),
//!     |attempt, mut options: Options| async move {
//!         options.password = Some(fetch_token().await?); // asked before every attempt
//!         tcp("broker.example:1883")(attempt, options).await
//!     },
//! );
//! let (handle, mut news, _task) = spawn_reconnecting(client, TaskConfig::DEFAULT);
//! let operation = handle.publish(&reading, "21.5").await?; // taken, connected or not
//! println!("{:?}", operation.await?); // the server's answer, over as many connections as it takes
//! while let Some(news) = news.next().await {
//!     match news {
//!         News::Event(OwnedEvent::Message(message)) => println!("{}", message.topic),
//!         News::Waiting(waiting) => println!("{}; again in {:?}", waiting.because, waiting.wait),
//!         News::Stopped(stopped) => println!("no more: {}", stopped.because),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
#![allow(clippy::disallowed_types, reason = "an adapter knows what time it is")]

mod link;
mod listener;
#[cfg(unix)]
mod poller;

use core::pin::Pin;
use std::io;

pub use link::{Io, Timer};
#[cfg(not(unix))]
pub use listener::Poller;
#[cfg(unix)]
pub use listener::listen_unix;
pub use listener::{Listener, Socket};
#[cfg(feature = "tracing")]
pub use mqtt_async::EventLog;
pub use mqtt_async::{
    AllowAll, Attempt, CommandError, CommandResult, ConnectError, Connector, Events, Handle, HandleError,
    News, Operation, OperationError, Options, Policy, ServerError, ServerHandle, ServerStop, StartError,
    Stop, Stopped, Store, TaskConfig, Verdict, Waiting, Will,
};
use mqtt_session::{
    client::OwnedEvent,
    server::{ServerConfig, ServerEvent},
    storage::{Heap, Storage},
};
#[cfg(unix)]
pub use poller::Poller;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, ToSocketAddrs},
    task::JoinHandle,
};

/// The inline form: see [`mqtt_async::Client`].
pub type Client<T = TcpStream, S = Heap> = mqtt_async::Client<Io<T>, Timer, S>;

/// The inline form that connects by itself: see [`mqtt_async::Reconnecting`].
pub type Reconnecting<C, T = TcpStream, S = Heap> = mqtt_async::Reconnecting<C, Io<T>, Timer, S>;

/// The server: see [`mqtt_async::Server`]. Run it under [`tokio::task::unconstrained`], or with [`serve`].
pub type Server<A = Listener> = mqtt_async::Server<A, Timer>;

/// A TCP connection that sends without delay.
///
/// # Errors
/// There is none at any of the addresses.
pub async fn connect_tcp(to: impl ToSocketAddrs) -> io::Result<TcpStream> {
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

/// A task that drives a client. It gives the client back with its session, and why it has no connection any more.
pub type ClientTask<T, S> = JoinHandle<(Client<T, S>, io::Error)>;

/// Gives a client a task of its own. The task ends with the connection: see [`mqtt_async::Client::into_task`].
///
/// # Panics
/// Outside of a runtime.
pub fn spawn<T, S>(client: Client<T, S>, config: TaskConfig) -> (Handle, Events, ClientTask<T, S>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Storage + Send + 'static,
{
    let (handle, events, task) = client.into_task(config);
    (handle, events, tokio::spawn(task))
}

/// A task that drives a client that connects by itself. It gives the client back when that has stopped.
pub type ReconnectingTask<C, T, S> = JoinHandle<Reconnecting<C, T, S>>;

/// Gives a client that connects by itself a task of its own. The task ends when the client has stopped: see
/// [`mqtt_async::Reconnecting::into_task`].
///
/// # Panics
/// Outside of a runtime.
pub fn spawn_reconnecting<C, T, S>(
    client: Reconnecting<C, T, S>,
    config: TaskConfig,
) -> (Handle, Events<News<OwnedEvent>>, ReconnectingTask<C, T, S>)
where
    C: Connector<Io<T>, Opening: Send> + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Storage + Send + 'static,
{
    let (handle, events, task) = client.into_task(config);
    (handle, events, tokio::spawn(task))
}

/// A server on these listeners, and what stops it. The future serves until then, and tells what happens. For more than this, with
/// a [`ServerHandle`] or a [`Store`], there is [`Server`].
pub fn serve(
    config: ServerConfig,
    listeners: impl IntoIterator<Item = impl Into<Listener>>,
    on_event: impl FnMut(ServerEvent) + Send,
) -> (ServerStop, impl Future<Output = Result<(), ServerError>> + Send) {
    let mut server = Server::new(config);
    let poller = Poller::new();
    for listener in listeners {
        server.listen(poller.listen(listener));
    }
    let stop = server.stopper();
    // A turn is bounded by itself; tokio's budget would cut it in pieces.
    let run = tokio::task::unconstrained(async move { server.run(on_event).await });
    (stop, run)
}
