//! Why there is no connection.

use core::fmt;
use std::io;

use mqtt_session::Refused;

/// A connection could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no transport.
    Io(io::Error),
    /// The machine does not take these options, or is not done with the last connection.
    Refused(Refused),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "no transport: {error}"),
            Self::Refused(refused) => write!(f, "connect refused: {refused}"),
        }
    }
}

impl core::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Io(error) => error,
            Self::Refused(refused) => refused,
        })
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Refused> for ConnectError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
