//! MQTT client on blocking std sockets and threads, and the [`Clock`] that other adapters reuse.
#![allow(
    clippy::disallowed_types,
    reason = "this is the adapter that knows the computer's clock"
)]

mod clock;

pub use clock::Clock;
