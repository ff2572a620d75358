//! Deterministic MQTT session state machines: client, server connection and broker, without IO.
//!
//! Bytes and time go in, bytes and events come out; nothing is hidden and nothing must be called in a special order.
//! Neither machine knows a clock, a socket, a runtime or a random source: they are values, and the same input gives the
//! same output.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod client;
#[cfg(feature = "alloc")]
pub mod dispatch;
mod flags;
pub mod flow;
#[cfg(feature = "alloc")]
mod level_tree;
mod payload;
mod receive_buffer;
pub mod reconnect;
pub mod record;
mod refused;
#[cfg(feature = "alloc")]
pub mod registry;
pub mod request_response;
#[cfg(feature = "server")]
pub mod server;
pub mod storage;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod token;
mod transmit;

pub use client::{Client, Config, ConnectOptions, Event, Handled, Publish};
pub use payload::Payload;
pub use receive_buffer::ReceiveBuffer;
pub use record::{Record, Seq};
pub use refused::{NotTaken, Refused, Unsupported};
pub use time::Instant;
pub use token::{AckToken, Token};
pub use transmit::{Body, Transmit};
