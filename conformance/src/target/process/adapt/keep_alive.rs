//! A keep alive instead of none, for a program that cannot do without.

use mqtt_proto::PacketType;

use super::look::number;
use crate::trace::ast::{Atom, Command, Field, Item, Line, Position, Step, Value, Wire};

/// Whether the value is this number.
fn is(field: &Field, name: &str, number: u64) -> bool {
    field.name == name && matches!(field.value.atoms[..], [Atom::Int(n)] if n == number)
}

/// The keep alive of each `do connect`.
pub(super) fn connects(lines: &[Line]) -> impl Iterator<Item = u64> + '_ {
    lines.iter().filter_map(|line| match &line.step {
        Step::Do(call) if call.command == Command::Connect => Some(number(&call.fields, "keep_alive")),
        _ => None,
    })
}

/// Asks for this keep alive instead of none, and expects it.
pub(super) fn keep_alive(lines: &mut [Line], seconds: u16) -> Result<(), String> {
    let set = |at: Position, fields: &mut Vec<Field>, open: bool| {
        let value = Value {
            at,
            atoms: vec![Atom::Int(seconds.into())],
        };
        match fields.iter_mut().find(|field| field.name == "keep_alive") {
            Some(field) if is(field, "keep_alive", 0) => field.value = value,
            Some(_) => {}
            None if open => {}
            None => fields.push(Field {
                at,
                name: "keep_alive".to_owned(),
                value,
            }),
        }
    };
    for line in lines {
        match &mut line.step {
            Step::Do(call) if call.command == Command::Connect => set(line.at, &mut call.fields, false),
            Step::Wire(Wire {
                item: Item::Packet(packet),
                ..
            }) if packet.packet_type == PacketType::Connect => {
                if packet.bytes.is_some() {
                    return Err(format!(
                        "line {}: the client cannot do without a keep alive, and has other bytes",
                        line.at.line
                    ));
                }
                set(packet.at, &mut packet.fields, packet.open);
            }
            _ => {}
        }
    }
    Ok(())
}
