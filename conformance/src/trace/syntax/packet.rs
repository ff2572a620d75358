//! Packets.

use mqtt_proto::PacketType;
use nom::Parser;
use nom::character::complete::char;
use nom::combinator::cut;
use nom::sequence::preceded;

use super::fault::{Fault, Parsed, Source, expecting};
use super::token::{blanks, boundary, bytes, name};
use super::value::{Part, part};
use crate::trace::ast::{Field, Name, PacketPattern};
use crate::trace::error::nearest;

/// `PUBLISH topic="a" qos=1 id=$m !content_type ..`
pub(super) fn packet<'a>(source: Source<'a>, input: &'a str) -> Parsed<'a, PacketPattern> {
    let (rest, packet_type) = packet_type(input)?;
    let (rest, fields) = fields(source, rest)?;
    let (rest, bytes) = encoding(rest)?;
    let at = source.position(input);
    let Fields { fields, absent, open } = fields;
    Ok((
        rest,
        PacketPattern {
            at,
            packet_type,
            fields,
            absent,
            open,
            bytes,
        },
    ))
}

fn packet_type(input: &str) -> Parsed<'_, PacketType> {
    let (rest, word) = expecting("the name of a packet", name)(input)?;
    match PacketType::ALL.into_iter().find(|t| t.name() == word) {
        Some(packet_type) => Ok((rest, packet_type)),
        None => {
            let mut fault = Fault::new(input, "the name of a packet, `hex` or `close`");
            fault.hint = nearest(word, PacketType::ALL.iter().map(|t| t.name()));
            fault.fail()
        }
    }
}

/// The fields of a packet or an event.
pub(super) struct Fields {
    pub(super) fields: Vec<Field>,
    pub(super) absent: Vec<Name>,
    pub(super) open: bool,
}

/// Fields, then `..`; ends before what is no field.
pub(super) fn fields<'a>(source: Source<'a>, mut rest: &'a str) -> Parsed<'a, Fields> {
    let mut found = Fields {
        fields: Vec::new(),
        absent: Vec::new(),
        open: false,
    };
    loop {
        let (next, ()) = blanks(rest)?;
        if let Some(after) = next.strip_prefix("..") {
            boundary(after)?;
            found.open = true;
            return Ok((after, found));
        }
        match part(source, next) {
            Ok((after, part)) => {
                match part {
                    Part::Field(field) => found.fields.push(field),
                    Part::Absent(name) => found.absent.push(name),
                }
                rest = after;
            }
            Err(nom::Err::Error(_)) => return Ok((rest, found)),
            Err(failure) => return Err(failure),
        }
    }
}

/// `= 32 0f 00`
fn encoding(input: &str) -> Parsed<'_, Option<Vec<u8>>> {
    let (rest, ()) = blanks(input)?;
    if !rest.starts_with('=') {
        return Ok((input, None));
    }
    let (rest, bytes) = preceded((char('='), blanks), cut(bytes)).parse(rest)?;
    Ok((rest, Some(bytes)))
}
