//! Where the parts of a line begin and end, in bytes of its text.

use core::ops::Range;

use super::fault::Source;
use super::{token, value};
use crate::trace::ast::{Field, Name, Position};

/// Where this column begins.
pub(crate) fn start(text: &str, at: Position) -> usize {
    let before = at.column.saturating_sub(1) as usize;
    text.char_indices().nth(before).map_or(text.len(), |(i, _)| i)
}

fn read<T>(text: &str, from: usize, parse: impl Fn(&str) -> Option<(usize, T)>) -> Range<usize> {
    let rest = text.get(from..).unwrap_or_default();
    let left = parse(rest).map_or(rest.len(), |(left, _)| left);
    from..from + rest.len() - left
}

/// `name=value`
pub(crate) fn field(text: &str, field: &Field) -> Range<usize> {
    read(text, start(text, field.at), |rest| {
        let source = Source { line: 1, text };
        let (left, found) = value::field(source, rest).ok()?;
        Some((left.len(), found))
    })
}

/// Its value.
pub(crate) fn value_of(text: &str, one: &Field) -> Range<usize> {
    start(text, one.value.at)..field(text, one).end
}

/// `!name`
pub(crate) fn absent(text: &str, name: &Name) -> Range<usize> {
    let from = start(text, name.at);
    from.saturating_sub(1)..from + name.text.len()
}

/// Bytes in hex that begin here.
pub(crate) fn bytes(text: &str, from: usize) -> Range<usize> {
    read(text, from, |rest| {
        let (left, found) = token::bytes(rest).ok()?;
        Some((left.len(), found))
    })
}

/// Codes that begin here; empty if none do.
pub(crate) fn codes(text: &str, from: usize) -> Range<usize> {
    match token::codes(&text[from..]) {
        Ok((left, _)) => from..text.len() - left.len(),
        Err(_) => from..from,
    }
}

/// Behind the blanks that begin here.
pub(crate) fn blanks(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    from + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// The word that stands here, behind blanks, if it is this one.
pub(crate) fn word(text: &str, from: usize, wanted: &str) -> Option<Range<usize>> {
    let from = blanks(text, from);
    let rest = text[from..].strip_prefix(wanted)?;
    let ends = rest.chars().next().is_none_or(|c| c == ' ' || c == '\t');
    ends.then(|| from..from + wanted.len())
}

/// Where its comment begins, or its end, without the blanks before.
pub(crate) fn code(text: &str) -> usize {
    let last = super::tokens(text).last();
    last.map_or(0, |(column, word)| {
        start(text, Position { line: 1, column }) + word.len()
    })
}
