//! Where a text is no profile.

use core::fmt;
use std::io;

use crate::trace::ast::Position;

/// A text that is no profile: where and why. Prints as `file:line:column: why`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileError {
    /// The file.
    pub file: String,
    /// The place, if the file could be read.
    pub at: Option<Position>,
    /// What is wrong, in words; one line.
    pub why: String,
}

impl ProfileError {
    pub(super) fn new(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            file: file.to_owned(),
            at: Some(Position {
                line: count(before.matches('\n').count()).saturating_add(1),
                column: count(before[line_start..].chars().count()).saturating_add(1),
            }),
            why: error.message().replace('\n', ", "),
        }
    }

    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        Self {
            file: file.to_owned(),
            at: None,
            why: error.to_string(),
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}:{at}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

impl core::error::Error for ProfileError {}
