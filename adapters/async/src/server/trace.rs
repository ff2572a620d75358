//! What a server does that its machine does not know, as events of `tracing`; nothing without the feature.
//!
//! What the machine knows, who connects and who breaks a rule, are [events](mqtt_session::server::ServerEvent), which
//! [`run`](super::Server::run) gives, and `event_log` logs.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nobody is told"))]

use core::time::Duration;
use std::io;

/// A batch is safe.
pub(super) fn committed(changes: usize, bytes: usize, took: Duration) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        changes,
        bytes,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "committed"
    );
}

/// Nothing is committed any more.
pub(super) fn store_failed(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "the store has failed");
}

/// A connection could not be accepted; listening goes on after a short time.
pub(super) fn not_accepted(listener: u16, error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(listener, %error, "a connection could not be accepted");
}

/// There are as many connections as the limit allows.
pub(super) fn overloaded(listener: u16) {
    #[cfg(feature = "tracing")]
    tracing::debug!(listener, "a connection was refused: there are too many");
}

/// The server stops, and this many connections are to be told.
pub(super) fn stopping(connections: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(connections, "stopping");
}

/// These connections have not taken their last bytes in time.
pub(super) fn cut_off(connections: usize) {
    #[cfg(feature = "tracing")]
    if connections > 0 {
        tracing::warn!(connections, "cut off");
    }
}
