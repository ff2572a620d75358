//! MQTT client on [`embedded-io`](embedded_io) and [`embedded-io-async`](embedded_io_async), without `std`, without an
//! allocator, in the caller's buffers.
//!
//! | | over | wait |
//! |---|---|---|
//! | [`Client`] | split halves, [`Read`](embedded_io_async::Read) and [`Write`](embedded_io_async::Write), and a timer | `next().await` |
//! | [`blocking::Client`] | one stream, `Read + ReadReady + Write + WriteReady` | never: `poll_once(now)` |
//!
//! The session is the caller's [`mqtt_session::Client`], with storage of any kind, and outlives the connections that it is lent to. What
//! is under way on a connection that was lost goes on, on the next one.
//!
//! # Asynchronous
//!
//! ```
//! use core::pin::pin;
//! # use embedded_hal_async::delay::DelayNs;
//! # use embedded_io_async::{Read, Write};
//! use mqtt_embedded_io::{Client, Error, Link};
//! use mqtt_proto::{Properties, QoS, TopicFilter, TopicName, packet::Subscription, packet::SubscriptionOptions};
//! use mqtt_session::{Config, ConnectOptions, Event, Instant, Publish, storage::Fixed};
//!
//! async fn run<E: core::fmt::Debug>(
//!     reader: impl Read<Error = E>,
//!     writer: impl Write<Error = E>,
//!     delay: impl DelayNs,
//!     now: impl FnMut() -> Instant,
//!     options: &ConnectOptions<'_>,
//! ) -> Result<(), Error<E>> {
//!     let (mut rx, mut tx) = ([0; 256], [0; 128]);
//!     let mut config = Config::DEFAULT;
//!     config.receive_buffer = 256;
//!     let mut session = mqtt_session::Client::new(config, Fixed::<4, 256>::new());
//!
//!     let link = Link::new(&mut rx, &mut tx);
//!     let carried = pin!(link.carry(reader, writer));
//!     let mut client = Client::connect(&mut session, &link, carried, delay, now, options)?;
//!     loop {
//!         match client.next().await? {
//!             Event::Connected(_) => {
//!                 let sensor = TopicName::new("site/temp").unwrap();
//!                 client.publish(&Publish::new(sensor, QoS::AtLeastOnce), b"21.5").unwrap();
//!             }
//!             Event::Message(message) => drop(message.payload),
//!             _ => {}
//!         }
//!     }
//! }
//! ```
//!
//! # Connecting again
//!
//! A client lives as long as its connection, the session longer. What connects it again is a loop around both, and
//! [`mqtt_session::reconnect`] says when and why:
//!
//! ```
#![doc = include_str!("../docs/keep_connected.rs")]
//! # fn main() {}
//! ```
//!
//! # Cancelling
//!
//! `embedded-io-async` does not promise that a read or a write that is dropped has moved no bytes. Here neither is ever
//! dropped: both live in the future of [`Link::carry`], which the caller pins beside the client, and every `next` polls them
//! again. So `next` may be dropped at any await, in a `select` with a button or a queue, and nothing is lost; the next
//! call goes on where it was. For the same reason each of the two owns its buffer while it is under way: packets are
//! copied into `tx` before they are written, and an event borrows from `rx`, which is not read into before the next call.
//! Reading never waits for writing, nor writing for reading.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod blocking;
mod client;
mod commands;
mod error;
mod link;
mod outgoing;
mod session;

pub use client::Client;
pub use error::Error;
pub use link::Link;
pub use outgoing::PayloadSource;
