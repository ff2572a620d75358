//! Words, numbers, strings, bytes, durations.

use core::time::Duration;

use mqtt_proto::Statement;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{cut, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::{delimited, pair, preceded, separated_pair};

use super::fault::{Fault, Parsed, expecting};
use crate::trace::ast::Span;

/// Blanks, at least one unless the line ends or a bracket closes here.
pub(super) fn blanks(input: &str) -> Parsed<'_, ()> {
    value((), take_while(|c| c == ' ' || c == '\t')).parse(input)
}

/// What may stand behind a word, a number or a string.
pub(super) fn boundary(input: &str) -> Parsed<'_, ()> {
    match input.chars().next() {
        None | Some(' ' | '\t' | ']' | '}' | ')' | '|') => Ok((input, ())),
        Some(_) => Fault::new(input, "a blank").soft(),
    }
}

/// A letter, then letters, digits, `_` and `-`.
pub(super) fn name(input: &str) -> Parsed<'_, &str> {
    expecting(
        "a name",
        recognize(pair(
            satisfy(|c| c.is_ascii_alphabetic()),
            take_while(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
        )),
    )(input)
}

/// Exactly this word.
pub(super) fn keyword<'a>(word: &'static str) -> impl FnMut(&'a str) -> Parsed<'a, ()> {
    move |input| match verify(name, |found: &str| found == word).parse(input) {
        Ok((rest, _)) => Ok((rest, ())),
        Err(_) => Fault::new(input, format!("`{word}`")).soft(),
    }
}

/// A number, decimal or in hex with `0x`.
pub(super) fn int(input: &str) -> Parsed<'_, u64> {
    let (rest, (radix, digits)) = expecting(
        "a number",
        alt((
            map(
                preceded(tag("0x"), cut(take_while1(|c: char| c.is_ascii_hexdigit()))),
                |digits| (16, digits),
            ),
            map(take_while1(|c: char| c.is_ascii_digit()), |digits| (10, digits)),
        )),
    )(input)?;
    match u64::from_str_radix(digits, radix) {
        Ok(number) => Ok((rest, number)),
        Err(_) => Fault::new(input, "a number below 2^64").fail(),
    }
}

/// A number that counts bytes.
pub(super) fn count(input: &str) -> Parsed<'_, usize> {
    let (rest, number) = int(input)?;
    match usize::try_from(number) {
        Ok(number) if number <= MAX_BYTES => Ok((rest, number)),
        _ => Fault::new(input, format!("a number of bytes up to {MAX_BYTES}")).fail(),
    }
}

/// No packet is longer (5.0 section 2.1.4).
pub(super) const MAX_BYTES: usize = 268_435_460;

/// A reason code.
fn code(input: &str) -> Parsed<'_, u8> {
    let (rest, number) = int(input)?;
    match u8::try_from(number) {
        Ok(code) => Ok((rest, code)),
        Err(_) => Fault::new(input, "a reason code from 0 to 0xff").fail(),
    }
}

/// `0x81|0x82`
pub(super) fn codes(input: &str) -> Parsed<'_, Vec<u8>> {
    expecting(
        "reason codes such as `0x81|0x82`",
        separated_list1(char('|'), code),
    )(input)
}

/// `5/MQTT-3.3.1-2`
pub(super) fn statement(input: &str) -> Parsed<'_, Statement> {
    let (rest, label) = expecting(
        "a statement such as `5/MQTT-3.3.1-2`",
        recognize((
            char_in("35"),
            take_while(|c: char| c.is_ascii_digit() || c == '.'),
            char('/'),
            take_while1(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-'),
        )),
    )(input)?;
    match label.parse() {
        Ok(statement) => Ok((rest, statement)),
        Err(_) => {
            let version = label.split('/').next().unwrap_or_default();
            let of_version: Vec<String> = Statement::all()
                .filter(|statement| statement.version().to_string() == version)
                .map(|statement| statement.to_string())
                .collect();
            Fault::new(input, "a statement or section of 3.1, 3.1.1 or 5")
                .hint("no standard has this one")
                .nearest(label, of_version.iter().map(String::as_str))
                .fail()
        }
    }
}

fn char_in<'a>(set: &'static str) -> impl FnMut(&'a str) -> Parsed<'a, char> {
    move |input| satisfy(|c| set.contains(c)).parse(input)
}

/// `500ms`
pub(super) fn duration(input: &str) -> Parsed<'_, Duration> {
    let digits = take_while1(|c: char| c.is_ascii_digit());
    let unit = alt((
        value(1, tag("us")),
        value(1_000, tag("ms")),
        value(1_000_000_u64, tag("s")),
    ));
    let (rest, (digits, unit)) =
        expecting("a duration such as `500ms` or `2s`", (digits, unit)).parse(input)?;
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
    {
        Some(micros) => Ok((rest, Duration::from_micros(micros))),
        None => Fault::new(input, "a shorter duration").fail(),
    }
}

/// `500ms..2s`
pub(super) fn span(input: &str) -> Parsed<'_, Span> {
    let (rest, (from, to)) = expecting(
        "a span such as `500ms..2s`",
        separated_pair(duration, expecting("`..`", tag("..")), duration),
    )(input)?;
    if from > to {
        return Fault::new(input, "a span whose end is not before its start").fail();
    }
    Ok((rest, Span { from, to }))
}

/// `"text"` with escapes.
pub(super) fn string(input: &str) -> Parsed<'_, String> {
    let (inside, _) = expecting("a string", char('"'))(input)?;
    let piece = alt((
        map(take_while1(|c| c != '"' && c != '\\'), Piece::Plain),
        map(preceded(char('\\'), cut(escape)), Piece::Escaped),
    ));
    let (rest, text) = fold_many0(piece, String::new, |mut text, piece| {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Escaped(c) => text.push(c),
        }
        text
    })
    .parse(inside)?;
    match rest.strip_prefix('"') {
        Some(rest) => Ok((rest, text)),
        None => Fault::new(input, "a string that ends on its line")
            .hint("the closing `\"` is missing")
            .fail(),
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Escaped(char),
}

fn escape(input: &str) -> Parsed<'_, char> {
    let hex = |c: char| c.is_ascii_hexdigit();
    let numbered = alt((
        preceded(char('x'), take_while_m_n(2, 2, hex)),
        delimited(tag("u{"), take_while_m_n(1, 6, hex), char('}')),
    ));
    let by_number = map(numbered, |digits| {
        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
    });
    let by_letter = alt((
        value('"', char('"')),
        value('\\', char('\\')),
        value('\n', char('n')),
        value('\t', char('t')),
    ));
    let (rest, found) = expecting(
        "an escape: `\\\"`, `\\\\`, `\\n`, `\\t`, `\\x7f` or `\\u{20ac}`",
        alt((map(by_letter, Some), by_number)),
    )(input)?;
    match found {
        // Above 0x7f it would not be plain whether a byte or a character is meant.
        Some(c) if input.starts_with('x') && !c.is_ascii() => Fault::new(input, "`\\x00` to `\\x7f`")
            .hint("write a character as `\\u{..}`, and bytes as `x\"..\"`")
            .fail(),
        Some(c) => Ok((rest, c)),
        None => Fault::new(input, "a Unicode scalar value").fail(),
    }
}

/// `x"00ff"`
pub(super) fn hexstring(input: &str) -> Parsed<'_, Vec<u8>> {
    let (inside, _) = tag("x\"").parse(input)?;
    let (rest, digits) = take_while(|c: char| c.is_ascii_hexdigit()).parse(inside)?;
    let Some(rest) = rest.strip_prefix('"') else {
        return Fault::new(rest, "hex digits, then `\"`").fail();
    };
    if digits.len() % 2 == 1 {
        return Fault::new(input, "an even number of hex digits").fail();
    }
    Ok((rest, from_hex(digits)))
}

/// `32 0f 00`, with or without blanks: words of hex digits to the end, or to a word that is something else.
pub(super) fn bytes(input: &str) -> Parsed<'_, Vec<u8>> {
    let (mut rest, digits) = expecting("bytes such as `32 0f 00`", hex_word)(input)?;
    let mut bytes = from_hex(digits);
    loop {
        let (next, ()) = blanks(rest)?;
        let (after, digits) = match hex_word(next) {
            Ok(word) => word,
            Err(nom::Err::Error(_)) => return Ok((rest, bytes)),
            Err(failure) => return Err(failure),
        };
        bytes.append(&mut from_hex(digits));
        rest = after;
    }
}

fn hex_word(input: &str) -> Parsed<'_, &str> {
    let (rest, word) = recognize(pair(
        take_while1(|c: char| c.is_ascii_alphanumeric()),
        opt(boundary),
    ))
    .parse(input)?;
    if boundary(rest).is_err() || !word.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Fault::new(input, "bytes such as `32 0f 00`").soft();
    }
    if word.len() % 2 == 1 {
        return Fault::new(input, "an even number of hex digits").fail();
    }
    Ok((rest, word))
}

/// Bytes of an even number of hex digits.
fn from_hex(digits: &str) -> Vec<u8> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
            .unwrap_or(0)
    };
    digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
