//! Why a store cannot be opened.

use core::{error::Error, fmt};
use std::{io, path::PathBuf};

/// A directory that cannot serve as a [`Database`](crate::Database).
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// What is in it was written by a version of this crate that this one does not know.
    Format {
        /// The directory.
        directory: PathBuf,
        /// The number of the format that was found; `None` if there is none where it should be.
        found: Option<u32>,
    },
    /// The directory or the file in it cannot be used.
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system or the database says.
        source: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { directory } => {
                write!(f, "{}: another process uses this store", directory.display())
            }
            Self::Format {
                directory,
                found: Some(found),
            } => write!(
                f,
                "{}: the store is of format {found}, and only {} is known here",
                directory.display(),
                crate::FORMAT
            ),
            Self::Format {
                directory,
                found: None,
            } => write!(
                f,
                "{}: there is a database, but not that of a broker",
                directory.display()
            ),
            Self::Io { directory, source } => write!(f, "{}: {source}", directory.display()),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::InUse { .. } | Self::Format { .. } => None,
        }
    }
}
