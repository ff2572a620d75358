//! Client ids and topics of a trace begin with its own name.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not named has no topics")]

use mqtt_proto::PacketType;

use crate::trace::Trace;
use crate::trace::ast::{Atom, Field, Group, Item, Line, Step, Test, Value};
use crate::trace::error::Misfit;

/// Checks that what is published and subscribed to begins with the first level of the trace's first client id, so that traces
/// do not meet on a live broker.
///
/// Left alone are traces with `config:`, which no live broker runs; client ids without a `/` that do not begin so, which do
/// not meet those of others as long as they are their own; filters that begin with a wildcard, whose traces run alone;
/// what begins with `$`; and captures.
pub(in crate::trace) fn own_name(trace: &Trace) -> Result<(), Misfit> {
    if trace.head.test != Test::Broker || !trace.head.config.is_empty() {
        return Ok(());
    }
    let mut all = Vec::new();
    collect(&trace.lines, &mut all);
    let name = all.iter().find(|name| name.is_client && !name.text.is_empty());
    let Some(own) = name.map(|name| name.text.split('/').next().unwrap_or_default()) else {
        return Ok(());
    };
    for name in &all {
        let text = match name
            .text
            .strip_prefix("$share/")
            .and_then(|rest| rest.split_once('/'))
        {
            Some((_, filter)) => filter,
            None => name.text,
        };
        let free =
            text.is_empty() || text.starts_with(['+', '#', '$']) || (name.is_client && !text.contains('/'));
        // An empty first level is one of its own (5/MQTT-4.7.3-4), and a byte order mark is kept (5/MQTT-1.5.4-3).
        let fits = text.trim_start_matches(['/', '\u{feff}', '+']).starts_with(own);
        if !(free || fits) {
            let what = if name.is_client { "a client id" } else { "a topic" };
            return Err(Misfit::new(
                name.value.at,
                format!("{:?}", name.text),
                format!("{what} that begins with `{own}`, as the first client id does"),
            )
            .hint("on a live broker traces must not meet"));
        }
    }
    Ok(())
}

struct Name<'t> {
    text: &'t str,
    value: &'t Value,
    is_client: bool,
}

fn collect<'t>(lines: &'t [Line], all: &mut Vec<Name<'t>>) {
    for line in lines {
        match &line.step {
            Step::Wire(wire) => {
                if let Item::Packet(packet) = &wire.item {
                    let mut add = |is_client: bool, field: &'t Field| texts(is_client, &field.value, all);
                    for field in &packet.fields {
                        match (packet.packet_type, field.name.as_str()) {
                            (PacketType::Connect, "client_id") => add(true, field),
                            (PacketType::Publish, "topic")
                            | (PacketType::Subscribe | PacketType::Unsubscribe, "filters") => {
                                add(false, field)
                            }
                            (PacketType::Connect, "will") => {
                                for atom in &field.value.atoms {
                                    let Atom::Group(will) = atom else { continue };
                                    let topic = will.fields.iter().find(|field| field.name == "topic");
                                    topic.into_iter().for_each(|field| add(false, field));
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
            Step::AnyOrder(lines) => collect(lines, all),
            Step::Either(branches) => branches.iter().for_each(|lines| collect(lines, all)),
            _ => {}
        }
    }
}

/// The texts of a value; of a list, those of its items; of a subscription, its filter.
fn texts<'t>(is_client: bool, value: &'t Value, all: &mut Vec<Name<'t>>) {
    for atom in &value.atoms {
        match atom {
            Atom::Text(text, _) | Atom::Group(Group { text: Some(text), .. }) => all.push(Name {
                text,
                value,
                is_client,
            }),
            Atom::List(list) => list.iter().for_each(|value| texts(is_client, value, all)),
            _ => {}
        }
    }
}
