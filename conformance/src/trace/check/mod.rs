//! What the grammar cannot say.
//!
//! - here: the head.
//! - `lines`: the steps, in their order: what may stand where, what is bound before it is used.
//! - `values`: the fields of packets and events, and their values.
//! - `names`: client ids and topics begin with the trace's own name.

mod lines;
mod names;
mod values;

use mqtt_proto::{Statement, Version};

use super::Trace;
use super::ast::{Head, PacketPattern, Position, Test};
use super::error::{Misfit, nearest};
use crate::fields::table::Place;
use crate::statements::errors;
use crate::target::setup::{CLIENT_SETTINGS, FEATURES, SERVER_SETTINGS};
use values::unknown;

pub(super) use names::own_name;

/// Checks a whole trace.
pub(super) fn trace(trace: &Trace) -> Result<(), Misfit> {
    let head = &trace.head;
    for (at, statement) in &head.covers {
        counts(head, *at, *statement)?;
    }
    for (at, id) in &head.errors {
        if !errors::rows().any(|row| row.id == id) {
            let mut misfit = Misfit::new(*at, id, "the id of a row of spec/mqtt-errors.tsv");
            misfit.hint = nearest(id, errors::rows().map(|row| row.id));
            return Err(misfit);
        }
    }
    requires(trace)?;
    config(head)?;
    lines::all(trace)
}

/// Checks a packet by itself.
pub(super) fn packet(pattern: &PacketPattern) -> Result<(), Misfit> {
    let place = Place::Packet(pattern.packet_type);
    let owner = pattern.packet_type.name();
    values::fields(place, owner, &pattern.fields, &pattern.absent, &mut |_, _, _| {
        Ok(())
    })
}

/// A statement counts in its own version only.
fn counts(head: &Head, at: Position, statement: Statement) -> Result<(), Misfit> {
    if head.versions.contains(&statement.version()) {
        return Ok(());
    }
    let versions: Vec<String> = head.versions.iter().map(Version::to_string).collect();
    Err(Misfit::new(
        at,
        statement.to_string(),
        "a statement of a version that the trace is run for",
    )
    .hint(format!("that is {}", versions.join(" and "))))
}

/// A word that no target knows would make the trace silently not applicable everywhere.
fn requires(trace: &Trace) -> Result<(), Misfit> {
    let unknown = |word: &&String| !FEATURES.contains(&word.as_str());
    let Some(word) = trace.head.requires.iter().find(unknown) else {
        return Ok(());
    };
    let at = (1..)
        .zip(trace.source.lines())
        .filter(|(_, text)| text.trim_start().starts_with("requires"))
        .find_map(|(line, _)| trace.token_after(Position { line, column: 1 }, word))
        .unwrap_or_default();
    let mut misfit = Misfit::new(at, word, "the name of a feature");
    misfit.hint = nearest(word, FEATURES.iter().copied())
        .or_else(|| Some(format!("there are: {}", FEATURES.join(", "))));
    Err(misfit)
}

/// So would a setting that no target has.
fn config(head: &Head) -> Result<(), Misfit> {
    let (expected, known) = match head.test {
        Test::Client => ("a setting of a client", vec![CLIENT_SETTINGS]),
        Test::Broker | Test::Pair => ("a setting of a broker", vec![SERVER_SETTINGS]),
        Test::Codec => ("a setting", vec![SERVER_SETTINGS, CLIENT_SETTINGS]),
    };
    let known = known.concat();
    match head
        .config
        .iter()
        .find(|field| !known.contains(&field.name.as_str()))
    {
        Some(field) => Err(unknown(field.at, &field.name, expected, known)),
        None => Ok(()),
    }
}
