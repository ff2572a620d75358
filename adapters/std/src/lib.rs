//! MQTT client on blocking std sockets and threads, and the [`Clock`] that other adapters reuse.
#![allow(
    clippy::disallowed_types,
    reason = "this is the adapter that knows the computer's clock"
)]

mod client;
mod clock;
mod commands;
mod output;
mod tcp;
mod transport;

pub use client::Client;
pub use clock::Clock;
pub use commands::ConnectError;
pub use tcp::{Notifier, Tcp};
pub use transport::{Interest, ReadTimeouts, Transport, Woken};
