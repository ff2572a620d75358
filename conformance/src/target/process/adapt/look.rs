//! What a line says, for those who only need a word of it.

use core::time::Duration;

use mqtt_proto::{PacketType, Version};

use crate::fields::{Bindings, Val, resolve_value};
use crate::trace::ast::{Direction, Field, Item, Line, PacketPattern, Step, Wire};

/// The time that passes at least.
pub(in crate::target::process) fn waits(lines: &[Line]) -> Duration {
    let of = |line: &Line| match &line.step {
        Step::Quiet { time, .. } | Step::Wait(time) => *time,
        Step::AnyOrder(lines) => waits(lines),
        Step::Either(branches) => branches
            .iter()
            .map(|lines| waits(lines))
            .max()
            .unwrap_or_default(),
        Step::Wire(Wire {
            within: Some(span), ..
        })
        | Step::Refused {
            within: Some(span), ..
        } => span.from,
        Step::Wire(_)
        | Step::Cut(_)
        | Step::Refused { .. }
        | Step::Do(_)
        | Step::Event(_)
        | Step::Broker(_) => Duration::ZERO,
    };
    lines.iter().map(of).sum()
}

pub(super) fn number(fields: &[Field], name: &str) -> u64 {
    let field = fields.iter().find(|field| field.name == name);
    match field.map(|field| resolve_value(&field.value, Version::V5, &Bindings::new())) {
        Some(Ok(Val::Int(number))) => number,
        _ => 0,
    }
}

/// Whether a CONNACK names anything that the server cannot do.
pub(super) fn has_limits(wire: &Wire) -> bool {
    let limits = [
        "maximum_packet_size",
        "maximum_qos",
        "receive_maximum",
        "wildcard_subscription_available",
    ];
    matches!(&wire.item, Item::Packet(packet) if packet.fields.iter().any(|field| limits.contains(&field.name.as_str())))
}

pub(super) fn text(fields: &[Field], name: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.name == name);
    field.map(|field| field.value.to_string())
}

pub(super) fn is_packet(wire: &Wire, packet_type: PacketType) -> bool {
    matches!(&wire.item, Item::Packet(packet) if packet.packet_type == packet_type)
}

/// The code of a CONNACK that is sent.
pub(super) fn says_connack(wire: &Wire) -> Option<u64> {
    match &wire.item {
        Item::Packet(PacketPattern {
            packet_type: PacketType::ConnAck,
            fields,
            ..
        }) => Some(number(fields, "code")),
        // The flags of 3.1 say nothing; in the others they are the client's to judge.
        Item::Hex(bytes) if bytes.first() == Some(&0x20) => bytes.get(3).map(|code| u64::from(*code)),
        _ => None,
    }
}

/// Whether the client is expected to end the link next.
pub(super) fn is_an_end(lines: &[Line]) -> bool {
    // It may say why first.
    let says_why = |line: &Line| {
        line.maybe && matches!(&line.step, Step::Wire(wire) if is_packet(wire, PacketType::Disconnect))
    };
    let mut rest = lines.iter();
    let next = rest.find(|line| !matches!(line.step, Step::Event(_)) && !says_why(line));
    next.is_some_and(|line| match &line.step {
        Step::Refused { .. } | Step::Cut(_) => true,
        Step::Wire(wire) => wire.direction == Direction::ToServer && matches!(wire.item, Item::Close),
        _ => false,
    })
}

/// Whether this is the last packet of what was published at this QoS.
pub(super) fn ends_publish(wire: &Wire, qos: u64) -> bool {
    match (&wire.item, qos) {
        (Item::Packet(packet), 0) => packet.packet_type == PacketType::Publish,
        (Item::Packet(packet), 1) => packet.packet_type == PacketType::PubAck,
        (Item::Packet(packet), _) => {
            packet.packet_type == PacketType::PubComp
                || (packet.packet_type == PacketType::PubRec && number(&packet.fields, "code") >= 0x80)
        }
        (Item::Hex(_) | Item::Close, _) => false,
    }
}

/// Whether a line needs a program that still runs.
pub(super) fn goes_on(step: &Step) -> bool {
    match step {
        Step::Event(_) | Step::Quiet { .. } | Step::Wait(_) | Step::Cut(_) => false,
        Step::Wire(_)
        | Step::Refused { .. }
        | Step::Do(_)
        | Step::Broker(_)
        | Step::AnyOrder(_)
        | Step::Either(_) => true,
    }
}
