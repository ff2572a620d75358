//! What a line expects, with its bytes.

use super::Player;
use super::inbox::What;
use crate::fields::encode;
use crate::fields::{Bindings, Fields, resolve_value, table::Place};
use crate::report::failure::{Compared, Decoded};
use crate::trace::ast::{Atom, Direction, Event, Item, Line, PacketPattern, Step, Value, Wire};
use mqtt_proto::Version;

/// What came instead of what a line expects.
pub(super) struct Unlike {
    pub(super) seen: Decoded,
    pub(super) differs: Vec<String>,
    /// What came, if it is a packet.
    pub(super) fields: Option<Fields>,
}

impl Unlike {
    pub(super) fn new(what: &What, differs: Vec<String>) -> Self {
        let fields = if let What::Packet { fields, .. } = what {
            fields.as_ref().ok().cloned()
        } else {
            None
        };
        Self {
            seen: what.decoded(),
            differs,
            fields,
        }
    }

    pub(super) fn in_words(text: impl Into<String>, bytes: Option<Vec<u8>>) -> Self {
        Self {
            seen: Decoded {
                bytes,
                ..Decoded::in_words(text)
            },
            differs: Vec::new(),
            fields: None,
        }
    }
}

impl Player<'_, '_> {
    /// What a line expects beside what came.
    pub(super) fn compared(&self, line: &Line, unlike: Unlike) -> Compared {
        self.all_compared(&[line], unlike)
    }

    /// What several lines expect in any order beside what came.
    pub(super) fn all_compared(&self, lines: &[&Line], unlike: Unlike) -> Compared {
        let Unlike {
            mut seen,
            differs,
            fields,
        } = unlike;
        let expected = lines.iter().map(|line| self.wanted(line, fields.as_ref()));
        let conn = lines.first().and_then(|line| match &line.step {
            Step::Wire(Wire { conn, .. }) | Step::Refused { conn, .. } | Step::Event(Event { conn, .. }) => {
                conn.as_deref()
            }
            Step::Cut(_)
            | Step::Quiet { .. }
            | Step::Do(_)
            | Step::Broker(_)
            | Step::Wait(_)
            | Step::AnyOrder(_)
            | Step::Either(_) => None,
        });
        if !seen.in_words {
            let conn = conn.map(|name| format!("{name} ")).unwrap_or_default();
            let arrow = match (&seen.bytes, self.direction()) {
                (None, _) => "",
                (Some(_), Direction::ToServer) => "-> ",
                (Some(_), Direction::ToClient) => "<- ",
            };
            seen.on = format!("{conn}{arrow}");
        }
        Compared {
            expected: expected.collect(),
            seen,
            differs,
        }
    }

    /// What a line expects: as it is written, without its comment, and its bytes.
    pub(super) fn wanted(&self, line: &Line, seen: Option<&Fields>) -> Decoded {
        let text = self.trace.line(line.at);
        let text = text.split(" #").next().unwrap_or(text).trim();
        let mut wanted = Decoded::as_written(text, None);
        if let Step::Wire(wire) = &line.step {
            match &wire.item {
                Item::Hex(bytes) => wanted.bytes = Some(bytes.clone()),
                Item::Packet(pattern) => {
                    let (bytes, is_open) = nearest(pattern, seen, self.version, &self.inbox.bindings);
                    (wanted.bytes, wanted.is_open) = (bytes, is_open);
                }
                Item::Close => {}
            }
        }
        wanted
    }
}

/// The packet of a pattern that is most like the one that was seen, and whether there are others.
fn nearest(
    pattern: &PacketPattern,
    seen: Option<&Fields>,
    version: Version,
    bindings: &Bindings,
) -> (Option<Vec<u8>>, bool) {
    if let Some(bytes) = &pattern.bytes {
        return (Some(bytes.clone()), false);
    }
    let seen = seen.filter(|seen| seen.packet_type == pattern.packet_type);
    let place = Place::Packet(pattern.packet_type);
    let mut is_open = pattern.open;
    let mut list = Vec::new();
    for (i, field) in pattern.fields.iter().enumerate() {
        let Some(spec) = place.field(&field.name).filter(|spec| spec.is_in(version)) else {
            continue;
        };
        is_open |= field.value.atoms.len() > 1;
        let value = field.value.atoms.iter().find_map(|atom| {
            let alone = Value {
                at: field.value.at,
                atoms: vec![atom.clone()],
            };
            resolve_value(&alone, version, bindings).ok()
        });
        let value = value.or_else(|| {
            is_open = true;
            let before = pattern.fields.iter().take(i);
            let nth = before.filter(|other| other.name == field.name).count();
            let mut values = seen
                .into_iter()
                .flat_map(|seen| crate::fields::values(&seen.list, spec.name));
            match (values.nth(nth), &field.value.atoms[..]) {
                (Some(value), [Atom::Any | Atom::Capture(_) | Atom::List(_) | Atom::Group(_)]) => {
                    Some(value.clone())
                }
                (_, [Atom::Range(from, _), ..]) => Some(crate::fields::Val::Int(*from)),
                _ => None,
            }
        });
        let Some(value) = value else {
            return (None, true);
        };
        list.push((spec.name, value));
    }
    if pattern.open {
        let is_named = |name: &str| {
            pattern.fields.iter().any(|field| field.name == name)
                || pattern.absent.iter().any(|absent| absent.text == name)
        };
        let rest = seen.into_iter().flat_map(|seen| &seen.list);
        list.extend(rest.filter(|(name, _)| !is_named(name)).cloned());
    }
    let fields = Fields {
        packet_type: pattern.packet_type,
        list,
    };
    let bytes = fields.with_packet(version, |packet| encode(packet, version));
    (bytes.ok().and_then(Result::ok), is_open)
}
