//! What the asynchronous MQTT adapters share.
//!
//! Everything here is written over [`Link`], [`Timer`] and [`Accept`], which say in terms of `core::task` what a
//! runtime has to offer, around the [driver](mqtt_std::driver) that blocking clients are made of too. An adapter implements the three for the types of its runtime, and that is all of it.
//!
//! | file | what it is |
//! |---|---|
//! | `link` | what a runtime has to offer |
//! | `client` | the inline form: `client.next().await` drives everything |
//! | `reconnecting` | the same, connecting again by itself |
//! | `task`, `handle`, `command`, `operation` | the spawned form |
//! | `server` | one future for a broker and all its connections |
//! | `ready` | which of them were woken |
#![allow(clippy::disallowed_types, reason = "an adapter knows what time it is")]

mod client;
mod command;
mod handle;
mod link;
mod operation;
#[cfg(feature = "server")]
mod ready;
mod reconnecting;
#[cfg(feature = "server")]
mod server;
mod task;

pub use client::Client;
pub use handle::{Events, Handle, HandleError};
#[cfg(feature = "server")]
pub use link::Accept;
pub use link::{Link, Timer};
pub use mqtt_std::{Attempt, ConnectError, News, Options, Stop, Stopped, Waiting, Will};
pub use operation::{Operation, OperationError};
pub use reconnecting::{Connector, Reconnecting};
#[cfg(all(feature = "server", feature = "tracing"))]
pub use server::EventLog;
#[cfg(feature = "server")]
pub use server::{
    AllowAll, CommandError, CommandResult, Policy, Server, ServerError, ServerHandle, ServerStop, StartError,
    Store, Verdict,
};
pub use task::TaskConfig;
