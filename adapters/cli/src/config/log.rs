//! `[log]`.

use clap::ValueEnum;

use super::{
    key::{Key, keys},
    setting::words,
};

/// What is logged, and how.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// From where on.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// From where on events are logged.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What keeps the broker from working.
    Error,
    /// What somebody should know: drops by cause, refused clients, files that cannot be read again.
    #[default]
    Warn,
    /// Clients that come and go, signals.
    Info,
    /// Sessions that end, decisions.
    Debug,
    /// Everything.
    Trace,
}

/// How lines of the log look.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object of JSON a line.
    Json,
}

words! {
    LogLevel {
        "off" => LogLevel::Off,
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
    }
    LogFormat {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
    }
}

pub(super) const KEYS: &[Key<Log>] = keys! { Log {
    /// From where on events are logged to stderr: "off", "error", "warn", "info", "debug" or "trace". Drops and refused
    /// clients are warnings; clients that come and go are "info".
    level,
    /// How lines look: "text", or "json" for one object a line.
    format,
}};
