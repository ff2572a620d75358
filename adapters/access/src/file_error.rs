//! What is wrong with a file, and where.

use core::{error::Error, fmt};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A file of passwords or rules that cannot be used. Displayed as `FILE:LINE: what`, in one line.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    line: Option<usize>,
    what: What,
}

#[derive(Debug)]
enum What {
    Said(String),
    Io(io::Error),
}

impl FileError {
    pub(crate) fn at(path: &Path, error: LineError) -> Self {
        Self {
            path: path.into(),
            line: Some(error.line),
            what: What::Said(error.what),
        }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.into(),
            line: None,
            what: What::Io(error),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line, the first of which is 1; `None`, if the file could not be read or written at all.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        match &self.what {
            What::Said(what) => write!(f, " {what}"),
            What::Io(error) => write!(f, " {error}"),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.what {
            What::Said(_) => None,
            What::Io(error) => Some(error),
        }
    }
}

/// What is wrong with a line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl LineError {
    pub(crate) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }

    /// The line, the first of which is 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// What is wrong with it.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Error for LineError {}

/// Texts that are read are UTF-8.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|error| FileError::io(path, error))
}
