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
#![allow(clippy::disallowed_types, reason = "an adapter knows what time it is")]

mod io;

use std::io::Result;

pub use io::{Io, Listener, Timer};
pub use mqtt_async::{Events, Handle, HandleError, Operation, OperationError, ServerStop, TaskConfig};
use mqtt_session::{
    server::{ServerConfig, ServerEvent},
    storage::{Heap, Storage},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    task::JoinHandle,
};

/// The inline form: see [`mqtt_async::Client`].
pub type Client<T = TcpStream, S = Heap> = mqtt_async::Client<Io<T>, Timer, S>;

/// The server: see [`mqtt_async::Server`]. Run it under [`tokio::task::unconstrained`], or with [`serve`].
pub type Server<A = Listener> = mqtt_async::Server<A, Timer>;

/// A TCP connection that sends without delay.
///
/// # Errors
/// There is none at any of the addresses.
pub async fn connect_tcp(to: impl ToSocketAddrs) -> Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A task that drives a client. It gives the client back with its session, and why it has no connection any more.
pub type ClientTask<T, S> = JoinHandle<(Client<T, S>, std::io::Error)>;

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

/// A server on these listeners, and what stops it. The future serves until then, and tells what happens.
pub fn serve(
    config: ServerConfig,
    listeners: impl IntoIterator<Item = TcpListener>,
    on_event: impl FnMut(ServerEvent) + Send,
) -> (ServerStop, impl Future<Output = ()> + Send) {
    let mut server = Server::new(config);
    for listener in listeners {
        server.listen(Listener(listener));
    }
    let stop = server.stopper();
    // A turn is bounded by itself; tokio's budget would cut it in pieces.
    let run = tokio::task::unconstrained(async move { server.run(on_event).await });
    (stop, run)
}
