//! Text to trace.
//!
//! Every line is read by itself (`line`); then blocks are put together here.
//!
//! - `token`: words, numbers, strings, bytes, durations.
//! - `value`: values and fields.
//! - `packet`: packets.
//! - `line`: steps and head lines.
//! - [`extent`]: where the parts of a line begin and end, for whoever writes it anew.

pub(crate) mod extent;
mod fault;
mod head;
mod line;
mod packet;
mod token;
mod value;

use core::time::Duration;

use super::Trace;
use super::ast::{Line, PacketPattern, Position, Step};
use super::error::Misfit;
pub(super) use fault::Source;
use fault::whole;
use line::LineKind;

/// Blocks within each other. Nobody writes so many; a text that does must not use up the stack.
const MAX_BLOCKS: usize = 16;

/// Brackets within each other: a list of groups has two.
const MAX_BRACKETS: usize = 8;

/// Reads a trace.
pub(super) fn trace(text: &str) -> Result<Trace, Misfit> {
    let mut head = head::Builder::default();
    let mut open: Vec<Block> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut end = Position { line: 1, column: 1 };
    for (number, line) in (1..).zip(text.lines()) {
        let source = Source {
            line: number,
            text: line,
        };
        let at = source.first();
        end = Position {
            line: number + 1,
            column: 1,
        };
        let misfit = |expected: &str| Misfit::new(at, source.word_at(at), expected);
        let kind = whole(source, line::line)?;
        if matches!(kind, LineKind::AnyOrder | LineKind::Either) && open.len() == MAX_BLOCKS {
            return Err(misfit(&format!("at most {MAX_BLOCKS} blocks within each other")));
        }
        match kind {
            LineKind::Blank => {}
            LineKind::Head(part) => {
                if !(lines.is_empty() && open.is_empty()) {
                    return Err(misfit("a step").hint("the head stands before the first step"));
                }
                head.add(at, part)?;
            }
            LineKind::Step(line) => lines.push(*line),
            LineKind::AnyOrder => open.push(Block {
                at,
                outside: core::mem::take(&mut lines),
                either: None,
            }),
            LineKind::Either => {
                open.push(Block {
                    at,
                    outside: core::mem::take(&mut lines),
                    either: Some(Vec::new()),
                });
            }
            LineKind::Or => match open.last_mut() {
                Some(Block {
                    either: Some(branches),
                    ..
                }) => branches.push(core::mem::take(&mut lines)),
                _ => return Err(misfit("`or` only inside an `either {` block")),
            },
            LineKind::Close => {
                let Some(block) = open.pop() else {
                    return Err(misfit("a step").hint("no block is open here"));
                };
                lines = block.close(lines)?;
            }
        }
    }
    if let Some(block) = open.pop() {
        return Err(
            Misfit::new(end, "", "`}`").hint(format!("the block opened at {} is not closed", block.at))
        );
    }
    Ok(Trace {
        head: head.finish(end)?,
        lines,
        source: text.to_owned(),
    })
}

/// The words of a line with their columns, up to its comment; what stands in quotes belongs to its word.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (None, false, false);
    for (column, (at, c)) in (1..).zip(text.char_indices()) {
        if !quoted && (c.is_whitespace() || c == '#') {
            if let Some((column, from)) = start.take() {
                words.push((column, &text[from..at]));
            }
            if c == '#' {
                return words.into_iter();
            }
            continue;
        }
        start.get_or_insert((column, at));
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    if let Some((column, from)) = start {
        words.push((column, &text[from..]));
    }
    words.into_iter()
}

/// What begins with one bracket too many within others.
fn too_deep(text: &str) -> Option<&str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '#' if !quoted => return None,
            '[' | '{' | '(' if !quoted => depth += 1,
            ']' | '}' | ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if depth > MAX_BRACKETS {
            return Some(&text[at..]);
        }
    }
    None
}

/// Reads one packet.
pub(super) fn one_packet(text: &str) -> Result<PacketPattern, Misfit> {
    whole(Source { line: 1, text }, |source, input| {
        let (rest, ()) = token::blanks(input)?;
        let (rest, packet) = packet::packet(source, rest)?;
        Ok((line::end(rest)?.0, packet))
    })
}

/// A time that is the whole text.
pub(super) fn one_time(text: &str) -> Option<Duration> {
    token::duration(text)
        .ok()
        .and_then(|(rest, time)| rest.is_empty().then_some(time))
}

/// A block that is being read.
struct Block {
    at: Position,
    /// The lines before it.
    outside: Vec<Line>,
    /// The finished branches, if it is an `either`.
    either: Option<Vec<Vec<Line>>>,
}

impl Block {
    fn close(self, inside: Vec<Line>) -> Result<Vec<Line>, Misfit> {
        let name = if self.either.is_some() {
            "either"
        } else {
            "any-order"
        };
        let empty = Misfit::new(self.at, name, "a step in each block");
        let step = match self.either {
            None if inside.is_empty() => return Err(empty),
            None => Step::AnyOrder(inside),
            Some(mut branches) => {
                branches.push(inside);
                if branches.iter().any(Vec::is_empty) {
                    return Err(empty);
                }
                if branches.len() < 2 {
                    return Err(Misfit::new(
                        self.at,
                        "either",
                        "`} or {` before the end of an `either` block",
                    ));
                }
                Step::Either(branches)
            }
        };
        let mut lines = self.outside;
        lines.push(Line {
            at: self.at,
            maybe: false,
            step,
        });
        Ok(lines)
    }
}

#[cfg(test)]
mod tests;
