//! Values and fields.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::char;
use nom::combinator::{cut, map, opt, peek};
use nom::multi::separated_list1;
use nom::sequence::{preceded, terminated};

use super::fault::{Fault, Parsed, Source, expecting};
use super::token::{MAX_BYTES, blanks, boundary, count, hexstring, int, name, string};
use crate::trace::ast::{Atom, Field, Group, Name, Value};

/// `1|2`
pub(super) fn value<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Value> {
    let (rest, atoms) = separated_list1(char('|'), |i| atom(source, i)).parse(input)?;
    let Ok((rest, ())) = boundary(rest) else {
        return Fault::new(rest, "a blank after the value").fail();
    };
    Ok((
        rest,
        Value {
            at: source.position(input),
            atoms,
        },
    ))
}

fn atom<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Atom> {
    if input.starts_with("***") {
        return Fault::new(input, "a value")
            .hint("this one was masked when it was printed; print the packet with its secrets")
            .fail();
    }
    expecting(
        "a value: a number, \"text\", x\"hex\", `*`, `$name`, a list `[..]`, a group `{..}`, a pair `(..)` or a word",
        alt((
            map((int, opt(preceded(tag(".."), int))), |(from, to)| match to {
                Some(to) => Atom::Range(from, to),
                None => Atom::Int(from),
            }),
            |i| repeated(i, hexstring, Vec::len, Atom::Hex),
            |i| repeated(i, string, String::len, Atom::Text),
            map(char('*'), |_| Atom::Any),
            map(preceded(char('$'), cut(name)), |name| {
                Atom::Capture(name.to_owned())
            }),
            map(|i| list(source, i), Atom::List),
            map(|i| group(source, i), Atom::Group),
            pair,
            map(name, |name| Atom::Name(name.to_owned())),
        )),
    )(input)
}

/// `"x"*300`
fn repeated<'a, T>(
    input: &'a str,
    parser: impl Parser<&'a str, Output = T, Error = Fault<'a>>,
    len: impl Fn(&T) -> usize,
    make: impl Fn(T, usize) -> Atom,
) -> Parsed<'a, Atom> {
    let (rest, (what, times)) = (parser, opt(preceded(char('*'), cut(count)))).parse(input)?;
    let times = times.unwrap_or(1);
    if len(&what)
        .checked_mul(times)
        .is_none_or(|total| total > MAX_BYTES)
    {
        return Fault::new(input, format!("at most {MAX_BYTES} bytes")).fail();
    }
    Ok((rest, make(what, times)))
}

/// `[1 0]`
fn list<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Vec<Value>> {
    let (mut rest, _) = char('[').parse(input)?;
    let mut values = Vec::new();
    loop {
        (rest, ()) = blanks(rest)?;
        if let Some(rest) = rest.strip_prefix(']') {
            return Ok((rest, values));
        }
        let (after, next) = cut(expecting("a value or `]`", |i| value(source, i))).parse(rest)?;
        values.push(next);
        rest = after;
    }
}

/// `{"filter" qos=1 !no_local}`
fn group<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Group> {
    let (rest, _) = char('{').parse(input)?;
    let (rest, ()) = blanks(rest)?;
    let (mut rest, text) = opt(terminated(string, cut(boundary))).parse(rest)?;
    let mut group = Group {
        text,
        ..Group::default()
    };
    loop {
        (rest, ()) = blanks(rest)?;
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((rest, group));
        }
        let (after, part) = cut(expecting("a field `name=value`, `!name` or `}`", |i| {
            part(source, i)
        }))
        .parse(rest)?;
        match part {
            Part::Field(field) => group.fields.push(field),
            Part::Absent(name) => group.absent.push(name),
        }
        rest = after;
    }
}

/// `("name" "value")`
fn pair(input: &str) -> Parsed<'_, Atom> {
    let (rest, _) = char('(').parse(input)?;
    cut(map(
        (
            blanks,
            string,
            blanks,
            string,
            blanks,
            expecting("`)`", char(')')),
        ),
        |((), name, (), value, (), _)| Atom::Pair(name, value),
    ))
    .parse(rest)
}

/// What a field list is made of.
pub(super) enum Part {
    Field(Field),
    Absent(Name),
}

/// `name=value` or `!name`
pub(super) fn part<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Part> {
    alt((
        map(|i| field(source, i), Part::Field),
        map(
            preceded((char('!'), peek(name)), |i| name_at(source, i)),
            Part::Absent,
        ),
    ))
    .parse(input)
}

/// `name=value`
pub(super) fn field<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Field> {
    let (rest, name) = terminated(name, char('=')).parse(input)?;
    let (rest, value) = cut(|i| value(source, i)).parse(rest)?;
    Ok((
        rest,
        Field {
            at: source.position(input),
            name: name.to_owned(),
            value,
        },
    ))
}

/// A name with its place.
pub(super) fn name_at<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Name> {
    map(name, |text| Name {
        at: source.position(input),
        text: text.to_owned(),
    })
    .parse(input)
}
