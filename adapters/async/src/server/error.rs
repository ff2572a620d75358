//! Why a server did not start, or has stopped.

use core::{error::Error, fmt};
use std::io;

use mqtt_session::server::RestoreError;

/// A server has stopped, and not because it was told to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The store has failed. Nothing that was withheld for it was ever sent: whatever a client was told is safe, and
    /// it will send again what it was not told.
    Store(io::Error),
}

/// A server could not go on where its store says.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be read, or its thread not be started.
    Store(io::Error),
    /// What is in it is not what a broker has put there.
    Restore(RestoreError),
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

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the store cannot be read: {error}"),
            Self::Restore(error) => write!(f, "what is in the store cannot be used: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Restore(error) => Some(error),
        }
    }
}
