//! What the broker logs, and how.
//!
//! Lines are written by a thread of its own: a log that nobody reads loses lines, but never holds clients up.

use core::time::Duration;
use std::{collections::BTreeMap, io};

use mqtt_proto::ReasonCode;
use mqtt_session::server::{DropCause, Ended, ServerEvent};
use tracing::{debug, field::display, info, level_filters::LevelFilter, warn};
use tracing_appender::non_blocking::WorkerGuard;

use crate::{
    config::{Log, LogFormat, LogLevel},
    failure::{Failure, Named},
};

/// Drops of one cause are logged together, once in this time.
pub(crate) const GATHERED: Duration = Duration::from_secs(1);

/// Sets up the log. When what this gives is dropped, what was logged is written.
pub(crate) fn start(log: Log) -> Result<WorkerGuard, Failure> {
    let (writer, guard) = tracing_appender::non_blocking(io::stderr());
    let lines = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_max_level(filter(log.level))
        .with_target(false)
        .with_ansi(false);
    let set = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| Failure::new(format!("cannot log: {error}")))?;
    Ok(guard)
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Logs what happens in a server. Drops are counted, to be logged together: there may be a million in a second.
#[derive(Debug, Default)]
pub(crate) struct Events {
    dropped: BTreeMap<DropCause, u64>,
}

impl Events {
    pub(crate) fn log(&mut self, event: ServerEvent) {
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
                        info!(%conn, address, client_id, code = %Named(code), "disconnected by the client");
                    }
                    Ended::Violation(rule) => {
                        warn!(%conn, address, client_id, %rule, "the client broke a rule");
                    }
                    // These are our owner's own deeds.
                    Ended::Refused(
                        code @ (ReasonCode::SERVER_SHUTTING_DOWN | ReasonCode::ADMINISTRATIVE_ACTION),
                    ) => info!(%conn, address, client_id, code = %Named(code), "disconnected"),
                    Ended::Refused(code) => {
                        warn!(%conn, address, client_id, code = %Named(code), "refused");
                    }
                    Ended::Undecided => warn!(%conn, address, client_id, "not decided in time"),
                    Ended::Lost => info!(%conn, address, client_id, "connection lost"),
                    Ended::NoConnect => info!(%conn, address, "no CONNECT in time"),
                    Ended::TakenOver => info!(%conn, address, client_id, "taken over"),
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
    pub(crate) fn flush(&mut self) {
        for (cause, count) in core::mem::take(&mut self.dropped) {
            warn!(?cause, count, "messages dropped");
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.flush();
    }
}
