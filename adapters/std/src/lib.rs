//! MQTT client on blocking std sockets and threads, and the [`Clock`] that other adapters reuse.
//!
//! ```no_run
//! use mqtt_proto::{Properties, QoS, TopicFilter, TopicName, Version};
//! use mqtt_proto::packet::{Subscription, SubscriptionOptions};
//! use mqtt_session::{ConnectOptions, Event, Publish};
//! use mqtt_std::Client;
//!
//! let options = ConnectOptions {
//!     version: Version::V5,
//!     clean_start: true,
//!     keep_alive: 30,
//!     client_id: "thermometer",
//!     will: None,
//!     user_name: None,
//!     password: None,
//!     properties: Properties::EMPTY,
//! };
//! let mut client = Client::connect("localhost:1883", &options)?;
//! while let Some(event) = client.next()? {
//!     match event {
//!         Event::Connected(_) => {
//!             let filter = TopicFilter::new("site/+/set")?;
//!             let options = SubscriptionOptions::new(QoS::AtLeastOnce);
//!             client.subscribe(&[Subscription { filter, options }], Properties::EMPTY)?;
//!         }
//!         Event::Message(message) => {
//!             println!("{}: {} bytes", message.topic.as_str(), message.payload.len());
//!             // Taken or refused at once: nothing here can wait for itself.
//!             client.publish(&Publish::new(TopicName::new("site/ack")?, QoS::AtMostOnce), "ok").map_err(|e| e.why)?;
//!         }
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Client`] over [`Tcp`] waits for both directions at once, and another thread can interrupt it with a [`Notifier`].
//! - [`Client`] over [`ReadTimeouts`] takes any `Read + Write`, such as a TLS stream over a socket with a read time-out.
//! - [`Reconnecting`] connects again by itself, as a policy says, and brings subscriptions back.
//! - [`FileJournal`] lets a session outlive its process.
//! - [`Transport`] is what either is to the client.
//! - [`driver`] is a client but for its transport, of which `mqtt-async` is made too.
#![allow(
    clippy::disallowed_types,
    reason = "this is the adapter that knows the computer's clock"
)]

mod client;
mod clock;
pub mod driver;
mod error;
mod journal;
mod news;
mod options;
mod reconnecting;
mod tcp;
mod transport;

pub use client::Client;
pub use clock::Clock;
pub use error::ConnectError;
pub use journal::{FileJournal, JournalError};
pub use news::{Attempt, News, Stop, Stopped, Waiting};
pub use options::{Options, Will};
pub use reconnecting::Reconnecting;
pub use tcp::{Notifier, Tcp};
pub use transport::{Interest, ReadTimeouts, Transport, Woken};
