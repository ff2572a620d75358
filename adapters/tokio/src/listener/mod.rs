//! What a server listens on: `polled` on Unix, where a [`Poller`](crate::Poller) waits for its sockets; `by_tokio` elsewhere, where
//! tokio waits for each.

#[cfg(not(unix))]
mod by_tokio;
#[cfg(unix)]
mod polled;

#[cfg(not(unix))]
pub use by_tokio::{Listener, Poller, Socket};
#[cfg(unix)]
pub use polled::{Listener, Socket, listen_unix};
