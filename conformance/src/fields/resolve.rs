//! The fields that a line says to send.

use core::fmt;

use mqtt_proto::Version;

use super::table::Place;
use super::{Bindings, Fields, Val};
use crate::trace::ast::{Atom, Field, Group, PacketPattern, Position, Value};

/// A packet that does not say all of what is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// Where.
    pub at: Position,
    /// What is open.
    pub what: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not one value that could be sent", self.what)
    }
}

impl core::error::Error for Unresolved {}

/// The fields to send: captures by what they are bound to, and without the fields that this version does not have.
///
/// # Errors
///
/// The pattern leaves something open, or has a capture that is not bound.
pub fn resolve(pattern: &PacketPattern, version: Version, bindings: &Bindings) -> Result<Fields, Unresolved> {
    if pattern.open {
        return Err(Unresolved {
            at: pattern.at,
            what: "`..`".to_owned(),
        });
    }
    if let Some(name) = pattern.absent.first() {
        return Err(Unresolved {
            at: name.at,
            what: format!("`!{}`", name.text),
        });
    }
    let packet_type = pattern.packet_type;
    let list = fields(Place::Packet(packet_type), &pattern.fields, version, bindings)?;
    Ok(Fields { packet_type, list })
}

fn fields(
    place: Place,
    written: &[Field],
    version: Version,
    bindings: &Bindings,
) -> Result<Vec<(&'static str, Val)>, Unresolved> {
    let mut list = Vec::new();
    for field in written {
        let Some(spec) = place.field(&field.name) else {
            return Err(Unresolved {
                at: field.at,
                what: format!("the unknown field `{}`", field.name),
            });
        };
        if spec.is_in(version) {
            list.push((spec.name, value(&field.value, version, bindings)?));
        }
    }
    Ok(list)
}

/// The value that is written, with captures by what they are bound to.
///
/// # Errors
///
/// It is open, or has a capture that is not bound.
pub fn resolve_value(written: &Value, version: Version, bindings: &Bindings) -> Result<Val, Unresolved> {
    value(written, version, bindings)
}

fn value(written: &Value, version: Version, bindings: &Bindings) -> Result<Val, Unresolved> {
    let open = |what: String| Err(Unresolved { at: written.at, what });
    let [atom] = &written.atoms[..] else {
        return open("a choice with `|`".to_owned());
    };
    Ok(match atom {
        Atom::Int(number) => Val::Int(*number),
        Atom::Text(text, times) => Val::Data(text.as_bytes().repeat(*times)),
        Atom::Hex(bytes, times) => Val::Data(bytes.repeat(*times)),
        Atom::Pair(name, value) => Val::Pair(name.clone(), value.clone()),
        Atom::List(values) => Val::List(
            values
                .iter()
                .map(|one| value(one, version, bindings))
                .collect::<Result<_, _>>()?,
        ),
        Atom::Group(group) => self::group(group, written.at, version, bindings)?,
        Atom::Capture(name) => match bindings.get(name) {
            Some(value) => value.clone(),
            None => return open(format!("the unbound capture `${name}`")),
        },
        Atom::Range(from, to) => return open(format!("the range `{from}..{to}`")),
        Atom::Any => return open("`*`".to_owned()),
        Atom::Name(name) => return open(format!("the word `{name}`")),
    })
}

fn group(group: &Group, at: Position, version: Version, bindings: &Bindings) -> Result<Val, Unresolved> {
    if let Some(name) = group.absent.first() {
        return Err(Unresolved {
            at,
            what: format!("`!{}`", name.text),
        });
    }
    let place = if group.text.is_some() {
        Place::Subscription
    } else {
        Place::Will
    };
    Ok(Val::Group {
        text: group.text.as_ref().map(|text| text.as_bytes().to_vec()),
        list: fields(place, &group.fields, version, bindings)?,
    })
}
