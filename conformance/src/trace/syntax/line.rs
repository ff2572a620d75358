//! Lines.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::char;
use nom::combinator::{cut, map, opt, value};
use nom::sequence::preceded;

use super::fault::{Fault, Parsed, Source, expecting};
use super::head::{HeadLine, head};
use super::packet::{Fields, fields, packet};
use super::token::{blanks, bytes, codes, count, duration, keyword, name, span, statement};
use super::value;
use crate::trace::ast::{
    BrokerAct, Command, Conn, CutAfter, Direction, Do, Event, Item, Line, Quiet, Span, Step, Verdict, Wire,
};
use crate::trace::error::nearest;

/// A line by itself.
pub(super) enum LineKind {
    Blank,
    Head(HeadLine),
    Step(Box<Line>),
    AnyOrder,
    Either,
    Or,
    Close,
}

/// Words that are no names of connections.
const RESERVED: [&str; 18] = [
    "maybe",
    "hex",
    "close",
    "cut",
    "refused",
    "quiet",
    "all",
    "do",
    "event",
    "broker",
    "in",
    "split",
    "as",
    "either",
    "or",
    "any-order",
    "restart",
    "crash",
];

/// Reads a line.
pub(super) fn line<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, LineKind> {
    let (input, ()) = blanks(input)?;
    if input.is_empty() || input.starts_with('#') {
        return Ok(("", LineKind::Blank));
    }
    let open = |i| (blanks, expecting("`{`", char('{'))).parse(i);
    let (rest, kind) = alt((
        map(|i| head(source, i), LineKind::Head),
        map((keyword("any-order"), cut(open)), |_| LineKind::AnyOrder),
        map((keyword("either"), cut(open)), |_| LineKind::Either),
        map((char('}'), blanks, keyword("or"), cut(open)), |_| LineKind::Or),
        map(char('}'), |_| LineKind::Close),
        map(|i| step(source, i), |line| LineKind::Step(Box::new(line))),
    ))
    .parse(input)?;
    Ok((end(rest)?.0, kind))
}

/// Passes over blanks and a comment.
pub(super) fn end(input: &str) -> Parsed<'_, ()> {
    let (rest, ()) = blanks(input)?;
    Ok((if rest.starts_with('#') { "" } else { rest }, ()))
}

fn step<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Line> {
    let at = source.position(input);
    let (rest, maybe) = map(opt((keyword("maybe"), blanks)), |found| found.is_some()).parse(input)?;
    let (rest, step) = if rest.starts_with('+') {
        let (rest, time) = cut(preceded((char('+'), blanks), duration)).parse(rest)?;
        (rest, Step::Wait(time))
    } else if let Ok((rest, ())) = keyword("broker")(rest) {
        cut(|i| broker(source, i)).parse(rest)?
    } else if let Ok((after, ())) = keyword("all")(rest) {
        let (rest, time) = cut((blanks, keyword("quiet"), blanks, duration))
            .map(|found| found.3)
            .parse(after)?;
        (rest, Step::Quiet { on: Quiet::All, time })
    } else {
        let (rest, conn) = connection(rest)?;
        action(source, conn, rest)?
    };
    Ok((rest, Line { at, maybe, step }))
}

/// The name of a connection, if one stands there.
fn connection(input: &str) -> Parsed<'_, Conn> {
    match name(input) {
        Ok((rest, word)) if !RESERVED.contains(&word) => {
            let (rest, ()) = blanks(rest)?;
            Ok((rest, Some(word.to_owned())))
        }
        _ => Ok((input, None)),
    }
}

/// What happens on a connection.
fn action<'a>(source: Source<'a>, conn: Conn, input: &'a str) -> Parsed<'a, Step> {
    if input.starts_with("->") || input.starts_with("<-") {
        return wire(source, conn, input);
    }
    let word = name(input).map_or("", |(_, word)| word);
    let (rest, _) = name(input).unwrap_or((input, ""));
    match word {
        "cut" => Ok((rest, Step::Cut(conn))),
        "refused" => refused(conn, rest),
        "quiet" => {
            let (rest, time) = cut(preceded(blanks, duration)).parse(rest)?;
            Ok((
                rest,
                Step::Quiet {
                    on: Quiet::Conn(conn),
                    time,
                },
            ))
        }
        "do" => cut(|i| call(source, conn.clone(), i)).parse(rest),
        "event" => cut(|i| event(source, conn.clone(), i)).parse(rest),
        _ => {
            let mut fault = Fault::new(input, "`->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`");
            const WORDS: [&str; 8] = [
                "cut",
                "refused",
                "quiet",
                "event",
                "maybe",
                "broker",
                "either",
                "any-order",
            ];
            fault.hint = nearest(word, WORDS);
            match &conn {
                _ if fault.hint.is_some() => {}
                None => {
                    fault.expected =
                        vec!["a head line, a step, `any-order {`, `either {` or a `#` comment".to_owned()];
                }
                Some(conn) => {
                    let taken = format!("`{conn}` is taken as the name of a connection");
                    fault.hint = Some(match nearest(conn, WORDS) {
                        Some(nearest) => format!("{taken}: {nearest}"),
                        None => taken,
                    });
                }
            }
            fault.fail()
        }
    }
}

fn wire<'a>(source: Source<'a>, conn: Conn, input: &'a str) -> Parsed<'a, Step> {
    let (rest, direction) = alt((
        value(Direction::ToServer, tag("->")),
        value(Direction::ToClient, tag("<-")),
    ))
    .parse(input)?;
    let (rest, ()) = blanks(rest)?;
    let (mut rest, item) = cut(alt((
        map(preceded((keyword("hex"), blanks), cut(bytes)), Item::Hex),
        map(keyword("close"), |()| Item::Close),
        map(|i| packet(source, i), Item::Packet),
    )))
    .parse(rest)?;
    let mut wire = Wire {
        conn,
        direction,
        item,
        within: None,
        split: Vec::new(),
        cut: None,
        verdict: None,
    };
    loop {
        let (next, ()) = blanks(rest)?;
        if next.is_empty() || next.starts_with('#') {
            return Ok((next, Step::Wire(wire)));
        }
        let once = |there: bool| {
            if there {
                Fault::new(next, "each suffix once").fail()
            } else {
                Ok(("", ()))
            }
        };
        let (after, suffix) = suffix(next)?;
        match suffix {
            Suffix::In(span) => {
                once(wire.within.is_some())?;
                wire.within = Some(span);
            }
            Suffix::Split(sizes) => {
                once(!wire.split.is_empty())?;
                wire.split = sizes;
            }
            Suffix::Cut(after) => {
                once(wire.cut.is_some())?;
                wire.cut = Some(after);
            }
            Suffix::Verdict(verdict) => {
                once(wire.verdict.is_some())?;
                wire.verdict = Some(verdict);
            }
        }
        rest = after;
    }
}

enum Suffix {
    In(Span),
    Split(Vec<usize>),
    Cut(CutAfter),
    Verdict(Verdict),
}

fn suffix(input: &str) -> Parsed<'_, Suffix> {
    let sizes = |input| {
        let (mut rest, first) = count(input)?;
        let mut sizes = vec![first];
        while let Ok((after, size)) = preceded(blanks, count).parse(rest) {
            sizes.push(size);
            rest = after;
        }
        Ok((rest, sizes))
    };
    let cut_after = alt((value(CutAfter::Every, char('*')), map(count, CutAfter::Bytes)));
    let found = alt((
        map(preceded((keyword("in"), blanks), cut(span)), Suffix::In),
        map(preceded((keyword("split"), blanks), cut(sizes)), Suffix::Split),
        map(
            preceded(
                (keyword("cut"), blanks),
                cut(expecting("a number of bytes or `*`", cut_after)),
            ),
            Suffix::Cut,
        ),
        map(preceded((char('!'), blanks), cut(verdict)), Suffix::Verdict),
    ))
    .parse(input);
    match found {
        Err(nom::Err::Error(_)) => {
            let mut fault = Fault::new(
                input,
                "a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment",
            );
            if input.starts_with("..") {
                fault.hint = Some("`..` stands once, behind the fields".to_owned());
            } else if name(input).is_ok_and(|(rest, _)| rest.starts_with('=')) {
                fault.hint = Some("fields stand before `..` and before `= bytes`".to_owned());
            } else if let Ok((_, word)) = name(input) {
                fault = fault.nearest(word, ["in", "split", "cut"]);
            }
            fault.fail()
        }
        found => found,
    }
}

fn verdict(input: &str) -> Parsed<'_, Verdict> {
    if let Ok((rest, ())) = keyword("incomplete")(input) {
        let (rest, length) = cut(preceded(blanks, count)).parse(rest)?;
        return Ok((rest, Verdict::Incomplete(length)));
    }
    let Ok((rest, ())) = keyword("bad")(input) else {
        let word = name(input).map_or("", |(_, word)| word);
        return Fault::new(input, "`bad` or `incomplete`")
            .nearest(word, ["bad", "incomplete"])
            .fail();
    };
    let (mut rest, codes) = preceded(blanks, codes).parse(rest)?;
    let mut statements = Vec::new();
    loop {
        let (next, ()) = blanks(rest)?;
        match statement(next) {
            Ok((after, statement)) => {
                statements.push(statement);
                rest = after;
            }
            Err(nom::Err::Error(_)) => break,
            Err(failure) => return Err(failure),
        }
    }
    let (rest, at) = opt(preceded((blanks, keyword("at"), blanks), cut(count))).parse(rest)?;
    Ok((
        rest,
        Verdict::Bad {
            codes,
            statements,
            at,
        },
    ))
}

fn refused(conn: Conn, rest: &str) -> Parsed<'_, Step> {
    let (rest, codes) = opt(preceded(blanks, codes)).parse(rest)?;
    let (rest, within) = opt(preceded((blanks, keyword("in"), blanks), cut(span))).parse(rest)?;
    Ok((
        rest,
        Step::Refused {
            conn,
            codes: codes.unwrap_or_default(),
            within,
        },
    ))
}

fn call<'a>(source: Source<'a>, conn: Conn, input: &'a str) -> Parsed<'a, Step> {
    let (at, ()) = blanks(input)?;
    let (mut rest, word) = expecting("a command", name)(at)?;
    let Some((_, command)) = Command::ALL.into_iter().find(|(name, _)| *name == word) else {
        return Fault::new(
            at,
            "`connect`, `publish`, `subscribe`, `unsubscribe`, `ack`, `authenticate`, `ping` or `disconnect`",
        )
        .nearest(word, Command::ALL.map(|(name, _)| name))
        .fail();
    };
    let mut call = Do {
        conn,
        command,
        values: Vec::new(),
        fields: Vec::new(),
        result: None,
    };
    loop {
        (rest, call.result) = result(rest)?;
        let (next, ()) = blanks(rest)?;
        if call.result.is_some() || next.is_empty() || next.starts_with('#') {
            return Ok((next, Step::Do(call)));
        }
        rest = match value::field(source, next) {
            Ok((after, field)) => {
                call.fields.push(field);
                after
            }
            Err(nom::Err::Error(_)) => {
                let (after, value) = value::value(source, next)?;
                call.values.push(value);
                after
            }
            Err(failure) => return Err(failure),
        };
    }
}

fn event<'a>(source: Source<'a>, conn: Conn, input: &'a str) -> Parsed<'a, Step> {
    let (rest, name) = preceded(
        blanks,
        expecting("the name of an event", |i| value::name_at(source, i)),
    )
    .parse(input)?;
    let (rest, Fields { fields, absent, open }) = fields(source, rest)?;
    let (rest, result) = result(rest)?;
    Ok((
        rest,
        Step::Event(Event {
            conn,
            name,
            fields,
            absent,
            open,
            result,
        }),
    ))
}

/// `as name`
fn result(input: &str) -> Parsed<'_, Option<String>> {
    let (rest, found) = opt(preceded((blanks, keyword("as"), blanks), cut(name))).parse(input)?;
    Ok((rest, found.map(str::to_owned)))
}

fn broker<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, Step> {
    let (at, ()) = blanks(input)?;
    let (mut rest, word) = expecting("`restart`, `crash` or `deny`", name)(at)?;
    match word {
        "restart" => Ok((rest, Step::Broker(BrokerAct::Restart))),
        "crash" => Ok((rest, Step::Broker(BrokerAct::Crash))),
        "deny" => {
            let mut fields = Vec::new();
            loop {
                let (next, ()) = blanks(rest)?;
                let ends = next.is_empty() || next.starts_with('#');
                if ends && !fields.is_empty() {
                    return Ok((next, Step::Broker(BrokerAct::Deny(fields))));
                }
                let (after, field) = expecting("a field `name=value`", |i| value::field(source, i))(next)?;
                fields.push(field);
                rest = after;
            }
        }
        _ => Fault::new(at, "`restart`, `crash` or `deny`")
            .nearest(word, ["restart", "crash", "deny"])
            .fail(),
    }
}
