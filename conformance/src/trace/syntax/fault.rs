//! Parsing a line with nom, and the error that says where it failed.

use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Parser};

use crate::trace::ast::Position;
use crate::trace::error::{Misfit, nearest};

/// What a parser of a part of a line gives.
pub(super) type Parsed<'a, T> = IResult<&'a str, T, Fault<'a>>;

/// A place in a line that does not fit. `rest` is the line from there on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault<'a> {
    pub(super) rest: &'a str,
    pub(super) expected: Vec<String>,
    pub(super) hint: Option<String>,
}

impl<'a> Fault<'a> {
    pub(super) fn new(rest: &'a str, expected: impl Into<String>) -> Self {
        Self {
            rest,
            expected: vec![expected.into()],
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the known word that is most like the one found as a hint, if one is.
    pub(super) fn nearest<'n>(mut self, word: &str, known: impl IntoIterator<Item = &'n str>) -> Self {
        self.hint = nearest(word, known).or(self.hint);
        self
    }

    /// No other way of reading the line is tried.
    pub(super) fn fail<T>(self) -> Parsed<'a, T> {
        Err(Err::Failure(self))
    }

    /// Other ways may be tried.
    pub(super) fn soft<T>(self) -> Parsed<'a, T> {
        Err(Err::Error(self))
    }
}

impl<'a> ParseError<&'a str> for Fault<'a> {
    fn from_error_kind(rest: &'a str, _: ErrorKind) -> Self {
        Self {
            rest,
            expected: Vec::new(),
            hint: None,
        }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }

    /// Of two ways that failed, the one that came further says what was expected.
    fn or(mut self, mut other: Self) -> Self {
        match self.rest.len().cmp(&other.rest.len()) {
            core::cmp::Ordering::Less => self,
            core::cmp::Ordering::Greater => other,
            core::cmp::Ordering::Equal => {
                self.expected.append(&mut other.expected);
                self.hint = self.hint.or(other.hint);
                self
            }
        }
    }
}

/// Names what a parser reads, for errors at its start.
pub(super) fn expecting<'a, T>(
    what: &'static str,
    mut parser: impl Parser<&'a str, Output = T, Error = Fault<'a>>,
) -> impl FnMut(&'a str) -> Parsed<'a, T> {
    move |input| {
        parser.parse(input).map_err(|e| {
            let is_final = matches!(e, Err::Failure(_));
            e.map(|fault| {
                // A plain parser of nom says nothing of its own.
                let unnamed = fault.expected.is_empty();
                let at_start = fault.rest.len() == input.len() && fault.hint.is_none() && !is_final;
                if unnamed || at_start {
                    Fault::new(input, what)
                } else {
                    fault
                }
            })
        })
    }
}

/// One line of a file.
#[derive(Clone, Copy)]
pub(in crate::trace) struct Source<'a> {
    pub(in crate::trace) line: u32,
    pub(in crate::trace) text: &'a str,
}

impl<'a> Source<'a> {
    /// Where this rest of the line begins.
    pub(super) fn position(self, rest: &str) -> Position {
        let before = self.text.len().saturating_sub(rest.len());
        let column = self.text.get(..before).map_or(0, |text| text.chars().count());
        Position {
            line: self.line,
            column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// Where the first word begins.
    pub(super) fn first(self) -> Position {
        self.position(self.text.trim_start())
    }

    /// The word that begins there.
    pub(in crate::trace) fn word_at(self, at: Position) -> &'a str {
        let skip = at.column.saturating_sub(1) as usize;
        let start = self
            .text
            .char_indices()
            .nth(skip)
            .map_or(self.text.len(), |(i, _)| i);
        word(&self.text[start..])
    }
}

/// The word a text begins with.
fn word(text: &str) -> &str {
    text.split([' ', '\t', '\r', '\n']).next().unwrap_or("")
}

/// Reads a whole line; the parser gets a way to tell places.
pub(super) fn whole<'a, T>(
    source: Source<'a>,
    parser: impl Fn(Source<'a>, &'a str) -> Parsed<'a, T>,
) -> Result<T, Misfit> {
    let text = source.text.trim_end();
    let source = Source { text, ..source };
    let parsed = match super::too_deep(text) {
        Some(rest) => {
            let most = super::MAX_BRACKETS;
            Fault::new(rest, format!("at most {most} brackets within each other")).fail()
        }
        None => parser(source, text),
    };
    let fault = match parsed {
        Ok(("", value)) => return Ok(value),
        Ok((rest, _)) => Fault::new(rest, "the end of the line or a `#` comment"),
        Err(Err::Error(fault) | Err::Failure(fault)) => fault,
        // Parsers here are of the `complete` kind: they never ask for more.
        Err(Err::Incomplete(_)) => Fault::new("", "more of the line"),
    };
    let mut expected = fault.expected;
    expected.dedup();
    let expected = if expected.is_empty() {
        "something else".to_owned()
    } else {
        expected.join(" or ")
    };
    let mut misfit = Misfit::new(source.position(fault.rest), word(fault.rest), expected);
    misfit.hint = fault.hint;
    Err(misfit)
}
