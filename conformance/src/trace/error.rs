//! Where a text is no trace.

use core::fmt;
use std::io;

use super::ast::Position;

/// A text that is no trace: where, what stands there, what was expected, and a hint.
///
/// Prints as `file:line:column: found .., expected ..; hint`, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    /// The file.
    pub file: String,
    /// The place, if the file could be read.
    pub at: Option<Position>,
    /// The token there; empty at the end of a line.
    pub token: String,
    /// What was expected instead.
    pub expected: String,
    /// What may help.
    pub hint: Option<String>,
}

impl TraceError {
    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        Self {
            file: file.to_owned(),
            at: None,
            token: error.to_string(),
            expected: "a trace in UTF-8".to_owned(),
            hint: None,
        }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else {
            return write!(f, "{}: {}", self.file, self.token);
        };
        write!(f, "{}:{at}: ", self.file)?;
        if self.token.is_empty() {
            f.write_str("the line ends")?;
        } else {
            write!(f, "found `{}`", self.token)?;
        }
        write!(f, ", expected {}", self.expected)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for TraceError {}

/// An error before the file's name is known.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) at: Position,
    pub(super) token: String,
    pub(super) expected: String,
    pub(super) hint: Option<String>,
}

impl Misfit {
    pub(super) fn new(at: Position, token: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            at,
            token: token.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn in_file(self, file: &str) -> TraceError {
        TraceError {
            file: file.to_owned(),
            at: Some(self.at),
            token: self.token,
            expected: self.expected,
            hint: self.hint,
        }
    }
}

/// The known name most like this one, as a hint.
pub(crate) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let lower = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        let distance = strsim::osa_distance(&lower, &other);
        let likeness = strsim::jaro_winkler(&lower, &other);
        // In a short name one slip is a large part of it.
        let slip = distance <= 1 && lower.len() > 2;
        (slip || likeness > 0.8).then_some((distance, likeness))
    };
    known
        .into_iter()
        .filter_map(|other| likeness(other).map(|likeness| (likeness, other)))
        .min_by(|((a, like), _), ((b, other), _)| a.cmp(b).then(other.total_cmp(like)))
        .map(|(_, other)| format!("did you mean `{other}`?"))
}
