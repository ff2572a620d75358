//! What the broker logs, and how.
//!
//! Lines are written by a thread of its own: a log that nobody reads loses lines, but never holds clients up.

use core::time::Duration;
use std::io;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;

use crate::{
    config::{Log, LogFormat, LogLevel},
    failure::Failure,
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
