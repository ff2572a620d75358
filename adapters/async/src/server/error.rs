//! Why a server did not start, or has stopped.

use core::{error::Error, fmt};
use std::io;

/// A server has stopped, and not because it was told to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The store has failed. Nothing that was withheld for it was ever sent: whatever a client was told is safe, and
    /// it will send again what it was not told.
    Store(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the store has failed: {error}"),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
        }
    }
}
