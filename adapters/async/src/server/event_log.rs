//! What a server's machine tells, as events of `tracing`.

use std::collections::BTreeMap;

use mqtt_proto::ReasonCode;
use mqtt_session::server::{DropCause, Ended, ServerEvent};
use tracing::{debug, field::display, info, warn};

/// Writes the [events](ServerEvent) of a server to `tracing`: what [`run`](super::Server::run) gives, is given to [`log`](Self::log).
///
/// Drops are counted, to be logged together: there may be a million in a second. [`flush`](Self::flush) logs them, and so does dropping
/// this.
///
/// Levels: a client that broke a rule or was refused, and messages dropped, are warnings; clients that come and go are `info`; the
/// rest is `debug`.
#[derive(Debug, Default)]
pub struct EventLog {
    dropped: BTreeMap<DropCause, u64>,
}

impl EventLog {
    /// Logs one event, or counts it.
    pub fn log(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Connected {
                conn,
                address,
                client_id,
                version,
                session_present,
                ..
            } => {
                let address = address.map(display);
                info!(%conn, address, client_id = &*client_id, %version, session_present, "connected");
            }
            ServerEvent::Disconnected {
                conn,
                address,
                client_id,
                why,
                ..
            } => {
                let (address, client_id) = (address.map(display), client_id.as_deref());
                match why {
                    Ended::ByClient(code) => {
                        info!(%conn, address, client_id, code = %format_args!("{code:#}"), "disconnected by the client");
                    }
                    Ended::Violation(rule) => {
                        warn!(%conn, address, client_id, %rule, "the client broke a rule");
                    }
                    // These are our owner's own deeds.
                    Ended::Refused(
                        code @ (ReasonCode::SERVER_SHUTTING_DOWN | ReasonCode::ADMINISTRATIVE_ACTION),
                    ) => info!(%conn, address, client_id, code = %format_args!("{code:#}"), "disconnected"),
                    Ended::Refused(code) => {
                        warn!(%conn, address, client_id, code = %format_args!("{code:#}"), "refused");
                    }
                    Ended::Undecided => warn!(%conn, address, client_id, "not decided in time"),
                    Ended::Lost => info!(%conn, address, client_id, "connection lost"),
                    Ended::NoConnect => info!(%conn, address, "no CONNECT in time"),
                    Ended::TakenOver => info!(%conn, address, client_id, "taken over"),
                    Ended::Killed => info!(%conn, address, client_id, "closed without a word"),
                    other => info!(%conn, address, client_id, why = ?other, "disconnected"),
                }
            }
            ServerEvent::SessionEnded { client_id } => debug!(client_id = &*client_id, "session ended"),
            ServerEvent::Dropped { cause, count } => self.drop_messages(cause, count),
            ServerEvent::Missed { count } => warn!(count, "events that were not logged"),
            other => debug!(event = ?other, "event"),
        }
    }

    fn drop_messages(&mut self, cause: DropCause, count: u64) {
        let sum = self.dropped.entry(cause).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Logs the drops so far: to be called every now and then.
    pub fn flush(&mut self) {
        for (cause, count) in core::mem::take(&mut self.dropped) {
            warn!(?cause, count, "messages dropped");
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.flush();
    }
}
