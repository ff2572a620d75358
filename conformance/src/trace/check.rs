//! What the grammar cannot say.

use std::collections::BTreeSet;

use mqtt_proto::Version;

use super::Trace;
use super::ast::{
    Atom, BrokerAct, Conn, Direction, Field, Group, Head, Item, Line, Name, PacketPattern, Position, Quiet,
    Step, Test, Value, Wire,
};
use super::error::{Misfit, nearest};
use crate::fields::table::{Kind, Place, Spec};
use crate::statements::errors;
use crate::target::setup::FEATURES;

/// Checks a whole trace.
pub(super) fn trace(trace: &Trace) -> Result<(), Misfit> {
    head(&trace.head)?;
    requires(trace)?;
    let mut checker = Checker {
        head: &trace.head,
        bound: BTreeSet::new(),
        named: None,
    };
    checker.lines(&trace.lines)
}

/// Checks a packet by itself.
pub(super) fn packet(pattern: &PacketPattern) -> Result<(), Misfit> {
    let place = Place::Packet(pattern.packet_type);
    fields(
        place,
        pattern.packet_type.name(),
        &pattern.fields,
        &pattern.absent,
    )
}

fn head(head: &Head) -> Result<(), Misfit> {
    for (at, statement) in &head.covers {
        if !head.versions.contains(&statement.version()) {
            return Err(Misfit::new(
                *at,
                statement.to_string(),
                "a statement of a version that the trace is run for",
            ));
        }
    }
    for (at, id) in &head.errors {
        if !errors::rows().any(|row| row.id == id) {
            let mut misfit = Misfit::new(*at, id, "the id of a row of spec/mqtt-errors.tsv");
            misfit.hint = nearest(id, errors::rows().map(|row| row.id));
            return Err(misfit);
        }
    }
    Ok(())
}

/// A word that no target knows would make the trace silently not applicable everywhere.
fn requires(trace: &Trace) -> Result<(), Misfit> {
    let unknown = |word: &&String| !FEATURES.contains(&word.as_str());
    let Some(word) = trace.head.requires.iter().find(unknown) else {
        return Ok(());
    };
    let lines = (1..).zip(trace.source.lines());
    let line = lines
        .filter(|(_, text)| text.trim_start().starts_with("requires"))
        .find(|(_, text)| text.contains(word.as_str()))
        .map_or(1, |(number, _)| number);
    let mut misfit = Misfit::new(Position { line, column: 1 }, word, "the name of a feature");
    misfit.hint = nearest(word, FEATURES.iter().copied())
        .or_else(|| Some(format!("there are: {}", FEATURES.join(", "))));
    Err(misfit)
}

fn fields(place: Place, owner: &str, written: &[Field], absent: &[Name]) -> Result<(), Misfit> {
    let spec = |at: Position, name: &str| -> Result<Spec, Misfit> {
        place.field(name).ok_or_else(|| {
            let mut misfit = Misfit::new(at, name, format!("a field of {owner}"));
            let names: Vec<&str> = place.all().map(|spec| spec.name).collect();
            misfit.hint = nearest(name, names.iter().copied())
                .or_else(|| Some(format!("it has: {}", names.join(", "))));
            misfit
        })
    };
    let mut seen = BTreeSet::new();
    for field in written {
        let spec = spec(field.at, &field.name)?;
        if !seen.insert(spec.name) && !spec.repeats {
            return Err(Misfit::new(
                field.at,
                &field.name,
                format!("`{}` once", field.name),
            ));
        }
        value(spec.kind, &field.value)?;
    }
    for name in absent {
        let spec = spec(name.at, &name.text)?;
        if !seen.insert(spec.name) {
            return Err(Misfit::new(
                name.at,
                format!("!{}", name.text),
                "a field either with a value or absent",
            ));
        }
    }
    Ok(())
}

fn value(kind: Kind, written: &Value) -> Result<(), Misfit> {
    let misfit = |found: &Atom| Misfit::new(written.at, found.to_string(), kind.describe());
    for atom in &written.atoms {
        match (kind, atom) {
            (_, Atom::Any | Atom::Capture(_)) => {}
            (Kind::Int(from, to), Atom::Int(number)) if (from..=to).contains(number) => {}
            (Kind::Int(from, to), Atom::Range(low, high)) if from <= *low && *low <= *high && *high <= to => {
            }
            (Kind::Text | Kind::Data, Atom::Text(..))
            | (Kind::Data, Atom::Hex(..))
            | (Kind::Pair, Atom::Pair(..)) => {}
            (Kind::Codes, Atom::List(list)) => {
                list.iter().try_for_each(|code| value(Kind::Int(0, 0xff), code))?
            }
            (Kind::Filters, Atom::List(list)) => {
                list.iter().try_for_each(|filter| value(Kind::Text, filter))?
            }
            (Kind::Subscriptions, Atom::List(list)) => list.iter().try_for_each(subscription)?,
            (
                Kind::Will,
                Atom::Group(Group {
                    text: None,
                    fields: inside,
                    absent,
                }),
            ) => {
                fields(Place::Will, "a will", inside, absent)?;
            }
            _ => return Err(misfit(atom)),
        }
    }
    Ok(())
}

fn subscription(written: &Value) -> Result<(), Misfit> {
    for atom in &written.atoms {
        match atom {
            Atom::Any | Atom::Capture(_) => {}
            Atom::Group(Group {
                text: Some(_),
                fields: inside,
                absent,
            }) => {
                fields(Place::Subscription, "a subscription", inside, absent)?;
            }
            Atom::Int(_)
            | Atom::Range(..)
            | Atom::Text(..)
            | Atom::Hex(..)
            | Atom::Name(_)
            | Atom::List(_)
            | Atom::Group(_)
            | Atom::Pair(..) => {
                return Err(Misfit::new(
                    written.at,
                    atom.to_string(),
                    "a filter with options `{\"a/+\" qos=1}`",
                ));
            }
        }
    }
    Ok(())
}

/// Checks lines in their order.
struct Checker<'t> {
    head: &'t Head,
    /// Captures that an earlier line binds.
    bound: BTreeSet<String>,
    /// Whether connections have names, once a line has told.
    named: Option<bool>,
}

impl Checker<'_> {
    fn lines(&mut self, lines: &[Line]) -> Result<(), Misfit> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, line: &Line) -> Result<(), Misfit> {
        let test = self.head.test;
        let only = |allowed: bool, what: &str, tests: &str| {
            if allowed {
                Ok(())
            } else {
                Err(Misfit::new(
                    line.at,
                    what,
                    format!("{what} in a {tests} trace only"),
                ))
            }
        };
        let calls = matches!(test, Test::Client | Test::Pair);
        let wire_only = |what: &str| {
            if test == Test::Codec {
                Err(Misfit::new(
                    line.at,
                    what,
                    "a packet or bytes: the codec knows nothing else",
                ))
            } else {
                Ok(())
            }
        };
        match &line.step {
            Step::Wire(wire) => {
                self.connection(line.at, &wire.conn)?;
                if let Item::Close = wire.item {
                    wire_only("close")?;
                }
                self.wire(line.at, wire)
            }
            Step::Cut(conn) => {
                wire_only("cut")?;
                self.connection(line.at, conn)
            }
            Step::Refused { conn, .. } => {
                wire_only("refused")?;
                self.connection(line.at, conn)
            }
            Step::Quiet { on, .. } => {
                wire_only("quiet")?;
                match on {
                    Quiet::Conn(conn) => self.connection(line.at, conn),
                    Quiet::All => Ok(()),
                }
            }
            Step::Do(call) => {
                only(calls, "do", "client or pair")?;
                self.connection(line.at, &call.conn)?;
                call.fields
                    .iter()
                    .map(|field| &field.value)
                    .chain(&call.values)
                    .try_for_each(|value| self.captures_are_bound(value))?;
                self.bound.extend(call.result.clone());
                Ok(())
            }
            Step::Event(event) => {
                only(calls, "event", "client or pair")?;
                self.connection(line.at, &event.conn)?;
                event.fields.iter().for_each(|field| self.bind(&field.value));
                self.bound.extend(event.result.clone());
                Ok(())
            }
            Step::Broker(act) => {
                only(
                    matches!(test, Test::Broker | Test::Pair),
                    "broker",
                    "broker or pair",
                )?;
                match act {
                    BrokerAct::Deny(fields) => fields
                        .iter()
                        .try_for_each(|field| self.captures_are_bound(&field.value)),
                    BrokerAct::Restart | BrokerAct::Crash => Ok(()),
                }
            }
            Step::Wait(_) => wire_only("+"),
            Step::AnyOrder(lines) => {
                wire_only("any-order")?;
                self.lines(lines)
            }
            Step::Either(branches) => {
                wire_only("either")?;
                let before = self.bound.clone();
                let mut after = before.clone();
                for branch in branches {
                    self.bound.clone_from(&before);
                    self.lines(branch)?;
                    after.append(&mut self.bound);
                }
                self.bound = after;
                Ok(())
            }
        }
    }

    fn connection(&mut self, at: Position, conn: &Conn) -> Result<(), Misfit> {
        let has_name = conn.is_some();
        if *self.named.get_or_insert(has_name) == has_name {
            return Ok(());
        }
        let found = conn.as_deref().unwrap_or("");
        Err(Misfit::new(
            at,
            found,
            "either all connections with a name, or the only one without",
        ))
    }

    fn wire(&mut self, at: Position, wire: &Wire) -> Result<(), Misfit> {
        let pattern = match (&wire.item, &wire.verdict) {
            (Item::Hex(_) | Item::Close, _) => return Ok(()),
            (Item::Packet(pattern), None) => pattern,
            (Item::Packet(_), Some(_)) => {
                return Err(Misfit::new(at, "!", "a verdict on `hex` bytes only")
                    .hint("a packet that can be written by its fields is a good one"));
            }
        };
        packet(pattern)?;
        if !self.head.versions.contains(&Version::V5) {
            self.no_properties(pattern)?;
        }
        let sent = match (self.head.test, wire.direction) {
            (Test::Codec, _) | (Test::Client, Direction::ToClient) | (Test::Broker, Direction::ToServer) => {
                true
            }
            (Test::Client, Direction::ToServer) | (Test::Broker, Direction::ToClient) | (Test::Pair, _) => {
                false
            }
        };
        if sent {
            self.is_complete(pattern)
        } else {
            pattern.fields.iter().for_each(|field| self.bind(&field.value));
            Ok(())
        }
    }

    fn no_properties(&self, pattern: &PacketPattern) -> Result<(), Misfit> {
        let place = Place::Packet(pattern.packet_type);
        let newest = self.head.versions.iter().copied().max().unwrap_or(Version::V5);
        for field in &pattern.fields {
            if place.field(&field.name).is_some_and(|spec| !spec.is_in(newest)) {
                return Err(
                    Misfit::new(field.at, &field.name, format!("a field that MQTT {newest} has"))
                        .hint("this trace is not run for 5"),
                );
            }
        }
        Ok(())
    }

    /// What the runner sends must be one packet, and no pattern for many.
    fn is_complete(&self, pattern: &PacketPattern) -> Result<(), Misfit> {
        let hint = "the runner sends this packet: it must say all";
        if pattern.open {
            return Err(Misfit::new(pattern.at, "..", "a complete packet").hint(hint));
        }
        if let Some(name) = pattern.absent.first() {
            return Err(Misfit::new(name.at, format!("!{}", name.text), "a complete packet").hint(hint));
        }
        pattern
            .fields
            .iter()
            .try_for_each(|field| self.one_value(&field.value))
    }

    fn one_value(&self, value: &Value) -> Result<(), Misfit> {
        let open = |token: String| {
            Err(Misfit::new(value.at, token, "one value")
                .hint("the runner sends this packet: it must say all"))
        };
        match &value.atoms[..] {
            [Atom::Any | Atom::Range(..)] => open(value.to_string()),
            [Atom::Capture(_)] => self.captures_are_bound(value),
            [Atom::List(list)] => list.iter().try_for_each(|value| self.one_value(value)),
            [Atom::Group(group)] if group.absent.is_empty() => group
                .fields
                .iter()
                .try_for_each(|field| self.one_value(&field.value)),
            [Atom::Group(_)] => open("!".to_owned()),
            [_] => Ok(()),
            _ => open(value.to_string()),
        }
    }

    fn captures_are_bound(&self, value: &Value) -> Result<(), Misfit> {
        for atom in &value.atoms {
            if let Atom::Capture(name) = atom {
                if !self.bound.contains(name) {
                    let mut misfit = Misfit::new(
                        value.at,
                        format!("${name}"),
                        "a capture that an earlier line binds",
                    );
                    misfit.hint = nearest(name, self.bound.iter().map(String::as_str));
                    return Err(misfit);
                }
            }
            atom.parts().try_for_each(|part| self.captures_are_bound(part))?;
        }
        Ok(())
    }

    /// Notes what an expectation binds.
    fn bind(&mut self, value: &Value) {
        for atom in &value.atoms {
            if let Atom::Capture(name) = atom {
                self.bound.insert(name.clone());
            }
            atom.parts().for_each(|part| self.bind(part));
        }
    }
}
