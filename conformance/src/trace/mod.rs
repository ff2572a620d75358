//! The trace language: a conversation on the wire, one thing a line.
//!
//! - [`ast`]: what a trace is.
//! - `syntax`: text to trace, with nom; [`Trace::parse`] is its door.
//! - `check`: what the grammar cannot say: field names, completeness of what is sent, properties where there are none.
//! - [`TraceError`]: where a text is no trace, what was expected, and a hint.
//!
#![doc = include_str!("../../LANGUAGE.md")]

pub mod ast;
mod check;
mod error;
mod syntax;

use core::time::Duration;
use std::path::Path;

use mqtt_proto::Version;

pub(crate) use syntax::extent;

pub use ast::{Head, Line, Step, Test};
pub use error::TraceError;
pub(crate) use error::nearest;

/// A trace: its head and its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What is tested.
    pub head: Head,
    /// What happens.
    pub lines: Vec<Line>,
    /// The text that it was read from.
    pub source: String,
}

impl Trace {
    /// Reads a trace. `file` is the name for errors.
    ///
    /// # Errors
    ///
    /// The first place where the text is no trace.
    pub fn parse(file: &str, text: &str) -> Result<Self, TraceError> {
        let trace = syntax::trace(text).map_err(|fault| fault.in_file(file))?;
        check::trace(&trace).map_err(|fault| fault.in_file(file))?;
        Ok(trace)
    }

    /// The first place where a client id or topic of a broker's trace does not begin with the trace's own name, which is the
    /// first level of its first client id. [`Trace::read`] refuses such a trace: on a live broker it would meet others.
    ///
    /// # Errors
    ///
    /// That place.
    pub fn check_names(&self, file: &str) -> Result<(), TraceError> {
        check::own_name(self).map_err(|fault| fault.in_file(file))
    }

    /// What is done to the broker, in whatever branch.
    pub fn acts(&self) -> impl Iterator<Item = &ast::BrokerAct> {
        fn collect<'t>(lines: &'t [Line], acts: &mut Vec<&'t ast::BrokerAct>) {
            for line in lines {
                match &line.step {
                    Step::Broker(act) => acts.push(act),
                    Step::AnyOrder(lines) => collect(lines, acts),
                    Step::Either(branches) => branches.iter().for_each(|lines| collect(lines, acts)),
                    Step::Wire(_)
                    | Step::Cut(_)
                    | Step::Refused { .. }
                    | Step::Quiet { .. }
                    | Step::Do(_)
                    | Step::Event(_)
                    | Step::Wait(_) => {}
                }
            }
        }
        let mut acts = Vec::new();
        collect(&self.lines, &mut acts);
        acts.into_iter()
    }

    /// The line of the text at this place, without the blanks around it.
    #[must_use]
    pub fn line(&self, at: ast::Position) -> &str {
        let before = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
        self.source.lines().nth(before).unwrap_or_default().trim()
    }

    /// The word that begins at this place.
    fn word_at(&self, at: ast::Position) -> &str {
        let line = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
        let text = self.source.lines().nth(line).unwrap_or_default();
        let source = syntax::Source { line: at.line, text };
        source.word_at(at)
    }

    /// Where this word stands in a line, behind this place and outside of strings and comments.
    fn token_after(&self, at: ast::Position, token: &str) -> Option<ast::Position> {
        let line = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
        let text = self.source.lines().nth(line)?;
        syntax::tokens(text)
            .filter(|(column, _)| *column >= at.column)
            .find(|(_, word)| *word == token)
            .map(|(column, _)| ast::Position { column, ..at })
    }

    /// Reads the trace in a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or [`Trace::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let trace = Self::parse(&name, &text)?;
                trace.check_names(&name)?;
                Ok(trace)
            }
            Err(error) => Err(TraceError::unreadable(&name, &error)),
        }
    }
}

/// Reads one event as a program prints it: values where a trace has captures.
pub(crate) fn parse_event(text: &str) -> Result<ast::Event, TraceError> {
    let source = format!("title: t\ntest: client\nversion: 5\n{text}\n");
    let trace = syntax::trace(&source).map_err(|fault| fault.in_file("output"))?;
    match trace.lines.into_iter().next().map(|line| line.step) {
        Some(Step::Event(event)) => Ok(event),
        _ => Err(TraceError::unreadable(
            "output",
            &std::io::Error::other("this is no event"),
        )),
    }
}

/// Reads a time as traces and profiles write it: `500ms`, `2s`.
///
/// # Errors
///
/// The text is none, in words, or one of more than 2^64 microseconds.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    syntax::one_time(text).ok_or_else(|| format!("`{text}` is not a time such as 500ms or 2s"))
}

/// Reads a version as traces and profiles write it: `3.1`, `3.1.1` or `5`, for which profiles may have `5.0`.
///
/// # Errors
///
/// The text is none, in words.
pub fn parse_version(text: &str) -> Result<Version, String> {
    let word = if text == "5.0" { "5" } else { text };
    version(word).ok_or_else(|| format!("`{text}` is no version: 3.1, 3.1.1 or 5"))
}

fn version(word: &str) -> Option<Version> {
    Version::ALL
        .into_iter()
        .find(|version| version.to_string() == word)
}

/// Reads one packet in the notation, such as a log shows it: `PUBLISH topic="a" qos=1 id=7`.
///
/// # Errors
///
/// The text is not one packet.
pub fn parse_packet(text: &str) -> Result<ast::PacketPattern, TraceError> {
    let pattern = syntax::one_packet(text).map_err(|fault| fault.in_file("packet"))?;
    check::packet(&pattern).map_err(|fault| fault.in_file("packet"))?;
    Ok(pattern)
}
