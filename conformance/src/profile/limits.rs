//! What a target takes at most, and what a trace needs, as far as its text says.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "most packets and values have no limit"
)]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{PacketType, Version};
use serde::Deserialize;

use crate::fields::encode;
use crate::fields::{Bindings, resolve};
use crate::trace::Trace;
use crate::trace::ast::{
    Atom, Conn, Direction, Field, Group, Item, Line, PacketPattern, Position, Quiet, Step, Value, Wire,
};

/// `limits`: a trace that needs more is not applicable. Named as in CONNACK, where it stands there; without a number there is no
/// limit. Holds in every version, also where CONNACK cannot say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one packet of a client, its fixed header included.
    pub maximum_packet_size: Option<u64>,
    /// Messages of QoS 1 and 2 that a client may have under way.
    pub receive_maximum: Option<u64>,
    /// Topic aliases of a client.
    pub topic_alias_maximum: Option<u64>,
    /// Of a message, a will and a subscription.
    pub maximum_qos: Option<u64>,
    /// Seconds of Keep Alive. None at all is more than any, unless the trace is over sooner than a client with this one would be
    /// cut off.
    pub keep_alive: Option<u64>,
    /// Seconds that a session of 5.0 is kept.
    pub session_expiry_interval: Option<u64>,
    /// Seconds that a message of 5.0 is kept.
    pub message_expiry_interval: Option<u64>,
    /// Bytes of a client id, with what the profile puts before it.
    pub client_id_len: Option<u64>,
    /// Bytes of a topic or filter, with the namespace.
    pub topic_len: Option<u64>,
    /// Levels of a topic or filter, with those of the namespace.
    pub topic_levels: Option<u64>,
    /// Filters in one SUBSCRIBE or UNSUBSCRIBE.
    pub filters: Option<u64>,
    /// Connections at a time.
    pub connections: Option<u64>,
}

impl Limits {
    /// The first limit that a trace passes, in words.
    pub(crate) fn are_passed_by(&self, trace: &Trace, version: Version) -> Option<String> {
        let mut bindings = Bindings::new();
        for_each_capture(&trace.lines, &mut |name| {
            bindings.insert(name.to_owned(), crate::fields::Val::Int(1));
        });
        let mut scan = Scan {
            limits: self,
            version,
            bindings,
            waits: waits(&trace.lines),
            in_flight: BTreeMap::new(),
            open: BTreeSet::new(),
            at: Position::default(),
        };
        scan.lines(&trace.lines).err()
    }
}

/// Reads a trace from its beginning, as if each line happened.
struct Scan<'l> {
    limits: &'l Limits,
    version: Version,
    /// What is not known before: packet identifiers, as a rule.
    bindings: Bindings,
    waits: Duration,
    in_flight: BTreeMap<Conn, u64>,
    open: BTreeSet<Conn>,
    at: Position,
}

/// The limit that is passed is the error.
type Within = Result<(), String>;

impl Scan<'_> {
    fn check(&self, name: &str, limit: Option<u64>, needed: u64) -> Within {
        match limit {
            Some(limit) if needed > limit => Err(format!(
                "line {}: it needs {name} {needed}, and this target has {limit}",
                self.at.line
            )),
            _ => Ok(()),
        }
    }

    fn lines(&mut self, lines: &[Line]) -> Within {
        for line in lines {
            self.at = line.at;
            match &line.step {
                Step::Wire(wire) => self.wire(wire)?,
                Step::Cut(conn) | Step::Refused { conn, .. } => self.close(conn),
                Step::AnyOrder(lines) => self.lines(lines)?,
                Step::Either(branches) => {
                    let before = self.in_flight.clone();
                    let mut after = BTreeMap::new();
                    for branch in branches {
                        self.in_flight.clone_from(&before);
                        self.lines(branch)?;
                        for (conn, count) in core::mem::take(&mut self.in_flight) {
                            let most: &mut u64 = after.entry(conn).or_default();
                            *most = count.max(*most);
                        }
                    }
                    self.in_flight = after;
                }
                Step::Broker(crate::trace::ast::BrokerAct::Deny(_))
                | Step::Quiet { .. }
                | Step::Do(_)
                | Step::Event(_)
                | Step::Wait(_) => {}
                Step::Broker(_) => {
                    self.in_flight.clear();
                    self.open.clear();
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, conn: &Conn) {
        self.in_flight.remove(conn);
        self.open.remove(conn);
    }

    fn wire(&mut self, wire: &Wire) -> Within {
        match (wire.direction, &wire.item) {
            (Direction::ToServer, Item::Packet(packet)) => self.sent(&wire.conn, packet)?,
            (Direction::ToServer, Item::Hex(bytes)) => {
                self.check(
                    "maximum_packet_size",
                    self.limits.maximum_packet_size,
                    len(bytes.len()),
                )?;
            }
            (Direction::ToClient, Item::Packet(packet)) => self.answered(&wire.conn, packet),
            (Direction::ToClient, Item::Hex(_)) => {}
            (_, Item::Close) => self.close(&wire.conn),
        }
        if wire.cut.is_some() {
            self.close(&wire.conn);
        }
        Ok(())
    }

    fn answered(&mut self, conn: &Conn, packet: &PacketPattern) {
        let ends = match packet.packet_type {
            PacketType::PubAck | PacketType::PubComp => true,
            PacketType::PubRec => number(&packet.fields, "code").is_some_and(|code| code >= 0x80),
            _ => false,
        };
        if let (true, Some(count)) = (ends, self.in_flight.get_mut(conn)) {
            *count = count.saturating_sub(1);
        }
    }

    fn sent(&mut self, conn: &Conn, packet: &PacketPattern) -> Within {
        let limits = self.limits;
        let fields = &packet.fields;
        if let Ok(resolved) = resolve(packet, self.version, &self.bindings) {
            let encoded = resolved.with_packet(self.version, |packet| encode(packet, self.version));
            if let Ok(Ok(bytes)) = encoded {
                let size = len(bytes.len());
                self.check("maximum_packet_size", limits.maximum_packet_size, size)?;
            }
        }
        match packet.packet_type {
            PacketType::Connect => {
                self.in_flight.remove(conn);
                self.open.insert(conn.clone());
                self.check("connections", limits.connections, len(self.open.len()))?;
                self.connect(fields)?;
            }
            PacketType::Publish => {
                self.message(fields)?;
                if let Some(alias) = number(fields, "topic_alias").filter(|_| self.version == Version::V5) {
                    self.check("topic_alias_maximum", limits.topic_alias_maximum, alias)?;
                }
                if number(fields, "qos").is_some_and(|qos| qos > 0) {
                    let count = self.in_flight.entry(conn.clone()).or_default();
                    *count += 1;
                    let count = *count;
                    self.check("receive_maximum", limits.receive_maximum, count)?;
                }
            }
            PacketType::Subscribe | PacketType::Unsubscribe => self.filters(fields)?,
            PacketType::Disconnect => {
                self.session_expiry(fields)?;
                self.close(conn);
            }
            _ => {}
        }
        Ok(())
    }

    fn connect(&self, fields: &[Field]) -> Within {
        let limits = self.limits;
        for id in texts(fields, "client_id") {
            self.check("client_id_len", limits.client_id_len, len(id.len()))?;
        }
        match (number(fields, "keep_alive").unwrap_or(0), limits.keep_alive) {
            (0, Some(most)) if self.waits.as_secs().saturating_mul(2) > most.saturating_mul(3) => {
                return Err(format!(
                    "line {}: it is silent for {:?} without a Keep Alive, and this target has {most} s",
                    self.at.line, self.waits
                ));
            }
            (seconds, most) => self.check("keep_alive", most, seconds)?,
        }
        self.session_expiry(fields)?;
        for will in groups(fields, "will") {
            self.message(&will.fields)?;
        }
        Ok(())
    }

    fn session_expiry(&self, fields: &[Field]) -> Within {
        let interval = number(fields, "session_expiry_interval").filter(|_| self.version == Version::V5);
        self.check(
            "session_expiry_interval",
            self.limits.session_expiry_interval,
            interval.unwrap_or(0),
        )
    }

    /// A PUBLISH or a will.
    fn message(&self, fields: &[Field]) -> Within {
        let limits = self.limits;
        let qos = number(fields, "qos").unwrap_or(0);
        self.check("maximum_qos", limits.maximum_qos, qos)?;
        let expiry = number(fields, "message_expiry_interval").filter(|_| self.version == Version::V5);
        self.check(
            "message_expiry_interval",
            limits.message_expiry_interval,
            expiry.unwrap_or(0),
        )?;
        texts(fields, "topic").try_for_each(|topic| self.topic(&topic))
    }

    fn topic(&self, topic: &str) -> Within {
        self.check("topic_len", self.limits.topic_len, len(topic.len()))?;
        let levels = len(topic.split('/').count());
        self.check("topic_levels", self.limits.topic_levels, levels)
    }

    fn filters(&self, fields: &[Field]) -> Within {
        for value in fields.iter().filter(|field| field.name == "filters") {
            for atom in &value.value.atoms {
                let Atom::List(list) = atom else { continue };
                self.check("filters", self.limits.filters, len(list.len()))?;
                for filter in list.iter().flat_map(|value| &value.atoms) {
                    match filter {
                        Atom::Text(text, times) => self.topic(&text.repeat(*times))?,
                        Atom::Group(group) => {
                            self.topic(group.text.as_deref().unwrap_or_default())?;
                            let qos = number(&group.fields, "qos").unwrap_or(0);
                            self.check("maximum_qos", self.limits.maximum_qos, qos)?;
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn number(fields: &[Field], name: &str) -> Option<u64> {
    let field = fields.iter().find(|field| field.name == name)?;
    match field.value.atoms[..] {
        [Atom::Int(number)] => Some(number),
        _ => None,
    }
}

fn texts<'f>(fields: &'f [Field], name: &'f str) -> impl Iterator<Item = String> + 'f {
    let fields = fields.iter().filter(move |field| field.name == name);
    fields
        .flat_map(|field| &field.value.atoms)
        .filter_map(|atom| match atom {
            Atom::Text(text, times) => Some(text.repeat(*times)),
            _ => None,
        })
}

fn groups<'f>(fields: &'f [Field], name: &'f str) -> impl Iterator<Item = &'f Group> {
    let fields = fields.iter().filter(move |field| field.name == name);
    fields
        .flat_map(|field| &field.value.atoms)
        .filter_map(|atom| match atom {
            Atom::Group(group) => Some(group),
            _ => None,
        })
}

/// How long the trace lasts at least.
fn waits(lines: &[Line]) -> Duration {
    let of = |line: &Line| match &line.step {
        Step::Wait(time) | Step::Quiet { time, .. } => *time,
        Step::Wire(Wire {
            within: Some(span), ..
        })
        | Step::Refused {
            within: Some(span), ..
        } => span.from,
        Step::AnyOrder(lines) => waits(lines),
        Step::Either(branches) => branches
            .iter()
            .map(|lines| waits(lines))
            .max()
            .unwrap_or_default(),
        Step::Wire(_)
        | Step::Refused { .. }
        | Step::Cut(_)
        | Step::Do(_)
        | Step::Event(_)
        | Step::Broker(_) => Duration::ZERO,
    };
    lines.iter().map(of).sum()
}

fn for_each_capture(lines: &[Line], each: &mut impl FnMut(&str)) {
    fn in_value(value: &Value, each: &mut impl FnMut(&str)) {
        for atom in &value.atoms {
            if let Atom::Capture(name) = atom {
                each(name);
            }
            atom.parts().for_each(|part| in_value(part, each));
        }
    }
    for line in lines {
        match &line.step {
            Step::Wire(Wire {
                item: Item::Packet(packet),
                ..
            }) => packet
                .fields
                .iter()
                .for_each(|field| in_value(&field.value, each)),
            Step::AnyOrder(lines) => for_each_capture(lines, each),
            Step::Either(branches) => branches.iter().for_each(|lines| for_each_capture(lines, each)),
            Step::Wire(_)
            | Step::Cut(_)
            | Step::Refused { .. }
            | Step::Quiet {
                on: Quiet::Conn(_) | Quiet::All,
                ..
            }
            | Step::Do(_)
            | Step::Event(_)
            | Step::Broker(_)
            | Step::Wait(_) => {}
        }
    }
}
