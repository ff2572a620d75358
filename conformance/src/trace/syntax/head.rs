//! The head of a trace.

use mqtt_proto::{Statement, Version};
use nom::Parser;
use nom::combinator::cut;

use super::fault::{Fault, Parsed, Source, expecting};
use super::token::{blanks, boundary, name, statement};
use super::value::field;
use crate::trace::ast::{Field, Head, Position, Test};
use crate::trace::error::Misfit;

/// A line of the head.
pub(super) enum HeadLine {
    Title(String),
    Test(Test),
    Versions(Vec<Version>),
    Covers(Vec<(Position, Statement)>),
    Errors(Vec<(Position, String)>),
    Requires(Vec<String>),
    Config(Vec<Field>),
}

impl HeadLine {
    fn key(&self) -> &'static str {
        match self {
            Self::Title(_) => "title",
            Self::Test(_) => "test",
            Self::Versions(_) => "version",
            Self::Covers(_) => "covers",
            Self::Errors(_) => "errors",
            Self::Requires(_) => "requires",
            Self::Config(_) => "config",
        }
    }
}

/// `key: words`; fails softly if the line is of another kind.
pub(super) fn head<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, HeadLine> {
    let (rest, key) = name(input)?;
    let Some(rest) = rest.strip_prefix(':') else {
        return Fault::new(input, "a head line `key: ..`").soft();
    };
    let (rest, ()) = blanks(rest)?;
    match key {
        "title" => title(rest),
        "test" => cut(test).parse(rest),
        "version" => words(rest, version).map(|(rest, found)| (rest, HeadLine::Versions(found))),
        "covers" => words(rest, |i| {
            let (after, statement) = statement(i)?;
            Ok((after, (source.position(i), statement)))
        })
        .map(|(rest, found)| (rest, HeadLine::Covers(found))),
        "errors" => words(rest, |i| {
            let (after, id) = name(i)?;
            Ok((after, (source.position(i), id.to_owned())))
        })
        .map(|(rest, found)| (rest, HeadLine::Errors(found))),
        "requires" => words(rest, name).map(|(rest, found)| {
            (
                rest,
                HeadLine::Requires(found.into_iter().map(str::to_owned).collect()),
            )
        }),
        "config" => words(rest, |i| field(source, i)).map(|(rest, found)| (rest, HeadLine::Config(found))),
        _ => Fault::new(
            input,
            "`title`, `test`, `version`, `covers`, `errors`, `requires` or `config` before `:`",
        )
        .nearest(key, ["title", "test", "version", "covers", "requires", "config"])
        .fail(),
    }
}

fn title(input: &str) -> Parsed<'_, HeadLine> {
    let end = input.find('#').unwrap_or(input.len());
    let (text, rest) = input.split_at(end);
    let text = text.trim_end();
    if text.is_empty() {
        return Fault::new(input, "the claim of the trace in one sentence").fail();
    }
    Ok((rest, HeadLine::Title(text.to_owned())))
}

fn test(input: &str) -> Parsed<'_, HeadLine> {
    let what = "`codec`, `client`, `broker` or `pair`";
    let (rest, word) = expecting(what, name)(input)?;
    let test = match word {
        "codec" => Test::Codec,
        "client" => Test::Client,
        "broker" => Test::Broker,
        "pair" => Test::Pair,
        _ => {
            return Fault::new(input, what)
                .nearest(word, ["codec", "client", "broker", "pair"])
                .fail();
        }
    };
    Ok((rest, HeadLine::Test(test)))
}

fn version(input: &str) -> Parsed<'_, Version> {
    let end = input.find([' ', '\t', '#']).unwrap_or(input.len());
    let (word, rest) = input.split_at(end);
    match crate::trace::version(word) {
        Some(version) => Ok((rest, version)),
        None => Fault::new(input, "`3.1`, `3.1.1` or `5`").soft(),
    }
}

/// One or more, up to the end of the line or a comment.
fn words<'a, T>(mut rest: &'a str, mut one: impl FnMut(&'a str) -> Parsed<'a, T>) -> Parsed<'a, Vec<T>> {
    let mut found = Vec::new();
    loop {
        let (after, value) = cut(&mut one).parse(rest)?;
        cut(boundary).parse(after)?;
        found.push(value);
        (rest, ()) = blanks(after)?;
        if rest.is_empty() || rest.starts_with('#') {
            return Ok((rest, found));
        }
    }
}

/// Collects the lines of a head.
#[derive(Default)]
pub(super) struct Builder {
    title: Option<String>,
    test: Option<Test>,
    versions: Option<Vec<Version>>,
    covers: Vec<(Position, Statement)>,
    errors: Vec<(Position, String)>,
    requires: Vec<String>,
    config: Vec<Field>,
}

impl Builder {
    pub(super) fn add(&mut self, at: Position, line: HeadLine) -> Result<(), Misfit> {
        let key = line.key();
        let again = match line {
            HeadLine::Title(title) => self.title.replace(title).is_some(),
            HeadLine::Test(test) => self.test.replace(test).is_some(),
            HeadLine::Versions(versions) => self.versions.replace(versions).is_some(),
            HeadLine::Covers(mut covers) => {
                self.covers.append(&mut covers);
                false
            }
            HeadLine::Errors(mut errors) => {
                self.errors.append(&mut errors);
                false
            }
            HeadLine::Requires(mut requires) => {
                self.requires.append(&mut requires);
                false
            }
            HeadLine::Config(mut config) => {
                self.config.append(&mut config);
                false
            }
        };
        if again {
            return Err(Misfit::new(at, key, format!("one `{key}:` line")));
        }
        Ok(())
    }

    pub(super) fn finish(self, end: Position) -> Result<Head, Misfit> {
        let missing = |key: &str| Misfit::new(end, "", format!("a `{key}:` line in the head"));
        Ok(Head {
            title: self.title.ok_or_else(|| missing("title"))?,
            test: self.test.ok_or_else(|| missing("test"))?,
            versions: self.versions.ok_or_else(|| missing("version"))?,
            covers: self.covers,
            errors: self.errors,
            requires: self.requires,
            config: self.config,
        })
    }
}
