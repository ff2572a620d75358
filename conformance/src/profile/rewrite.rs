//! A trace with the names and credentials that a broker wants.
//!
//! The trace is changed, not what goes over the wire: expectations change with what is sent, and a failure shows the exchange as
//! it was. Captures stay: what they are bound to has the new names already.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "most packets have no names in them"
)]

use std::borrow::Cow;

use mqtt_proto::packet::Packet;
use mqtt_proto::{Frame, PacketType, Sender, Version, frame_len};

use super::Broker;
use super::broker::Credentials;
use crate::trace::Trace;
use crate::trace::ast::{
    Atom, BrokerAct, Direction, Field, Item, Line, PacketPattern, Position, Step, Value, Wire,
};

/// The fields whose text is a topic, in whatever packet or will they stand.
const TOPICS: [&str; 2] = ["topic", "response_topic"];

impl Broker {
    /// The trace as this broker wants it.
    ///
    /// # Errors
    ///
    /// Why it cannot be changed, in words.
    pub(super) fn rewrite<'t>(&self, trace: &'t Trace, version: Version) -> Result<Cow<'t, Trace>, String> {
        let credentials = self.credentials()?;
        let rewriter = Rewriter {
            namespace: &self.namespace,
            client_ids: &self.client_ids,
            credentials,
            version,
        };
        if rewriter.changes_nothing() {
            return Ok(Cow::Borrowed(trace));
        }
        let mut trace = trace.clone();
        rewriter.lines(&mut trace.lines)?;
        Ok(Cow::Owned(trace))
    }
}

struct Rewriter<'p> {
    namespace: &'p str,
    client_ids: &'p str,
    credentials: Credentials,
    version: Version,
}

impl Rewriter<'_> {
    fn changes_nothing(&self) -> bool {
        self.namespace.is_empty() && self.client_ids.is_empty() && self.credentials == Credentials::default()
    }

    fn lines(&self, lines: &mut [Line]) -> Result<(), String> {
        for line in lines {
            let at = line.at;
            match &mut line.step {
                Step::Wire(wire) => self.wire(at, wire)?,
                Step::AnyOrder(lines) => self.lines(lines)?,
                Step::Either(branches) => branches.iter_mut().try_for_each(|lines| self.lines(lines))?,
                Step::Broker(BrokerAct::Deny(fields)) => {
                    for field in fields {
                        match &field.name[..] {
                            "topic" | "filter" => self.topics(&mut field.value)?,
                            "client_id" => self.client_id(&mut field.value)?,
                            _ => {}
                        }
                    }
                }
                Step::Broker(BrokerAct::Restart | BrokerAct::Crash)
                | Step::Cut(_)
                | Step::Refused { .. }
                | Step::Quiet { .. }
                | Step::Do(_)
                | Step::Event(_)
                | Step::Wait(_) => {}
            }
        }
        Ok(())
    }

    fn wire(&self, at: Position, wire: &mut Wire) -> Result<(), String> {
        match &mut wire.item {
            Item::Packet(packet) => self.packet(wire.direction, packet),
            Item::Hex(bytes) => self.is_untouched(at, wire.direction, bytes),
            Item::Close => Ok(()),
        }
    }

    fn packet(&self, direction: Direction, packet: &mut PacketPattern) -> Result<(), String> {
        let before = packet.fields.clone();
        self.fields(&mut packet.fields)?;
        if packet.packet_type == PacketType::Connect {
            for field in packet.fields.iter_mut().filter(|field| field.name == "client_id") {
                self.client_id(&mut field.value)?;
            }
            if direction == Direction::ToServer {
                self.identify(packet);
            }
        }
        if packet.fields != before {
            packet.bytes = None;
        }
        Ok(())
    }

    /// Puts the credentials in.
    fn identify(&self, packet: &mut PacketPattern) {
        let has = |name: &str| packet.fields.iter().any(|field| field.name == name);
        if has("user_name") || has("password") {
            return;
        }
        let given = [
            ("user_name", self.credentials.user_name.as_deref()),
            ("password", self.credentials.password_in(self.version)),
        ];
        let at = packet.at;
        let new = given.into_iter().filter_map(|(name, value)| {
            let value = Value {
                at,
                atoms: vec![Atom::Text(value?.to_owned(), 1)],
            };
            let name = name.to_owned();
            Some(Field { at, name, value })
        });
        packet.fields.extend(new);
    }

    fn fields(&self, fields: &mut [Field]) -> Result<(), String> {
        for field in fields {
            if TOPICS.contains(&&field.name[..]) || field.name == "filters" {
                self.topics(&mut field.value)?;
            } else {
                for atom in &mut field.value.atoms {
                    if let Atom::Group(will) = atom {
                        self.fields(&mut will.fields)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Topics, filters, and lists of filters with or without options.
    fn topics(&self, value: &mut Value) -> Result<(), String> {
        let line = value.at.line;
        for atom in &mut value.atoms {
            match atom {
                Atom::Text(text, times) => {
                    *text = self.topic(line, &text.repeat(*times))?;
                    *times = 1;
                }
                Atom::Group(group) => {
                    if let Some(text) = &mut group.text {
                        *text = self.topic(line, text)?;
                    }
                }
                Atom::List(list) => list.iter_mut().try_for_each(|value| self.topics(value))?,
                Atom::Int(_)
                | Atom::Range(..)
                | Atom::Hex(..)
                | Atom::Any
                | Atom::Capture(_)
                | Atom::Name(_)
                | Atom::Pair(..) => {}
            }
        }
        Ok(())
    }

    fn topic(&self, line: u32, topic: &str) -> Result<String, String> {
        let namespace = self.namespace;
        if namespace.is_empty() || topic.is_empty() {
            return Ok(topic.to_owned());
        }
        if let Some(rest) = topic.strip_prefix("$share/") {
            return Ok(match rest.split_once('/') {
                // Without a group or a filter it is refused, which it would not be as another one.
                Some((group, filter)) if !group.is_empty() && !filter.is_empty() => {
                    fits(line, format!("$share/{group}/{namespace}{filter}"))?
                }
                _ => topic.to_owned(),
            });
        }
        if topic == "$SYS" || topic.starts_with("$SYS/") {
            return Ok(topic.to_owned());
        }
        if topic.starts_with('$') {
            return Err(format!(
                "line {line}: `{topic}` begins with `$`, which means nothing behind the namespace {namespace}"
            ));
        }
        fits(line, format!("{namespace}{topic}"))
    }

    fn client_id(&self, value: &mut Value) -> Result<(), String> {
        let line = value.at.line;
        for atom in &mut value.atoms {
            if let Atom::Text(text, times) = atom {
                let whole = text.repeat(*times);
                if !whole.is_empty() {
                    (*text, *times) = (fits(line, format!("{}{whole}", self.client_ids))?, 1);
                }
            }
        }
        Ok(())
    }

    /// Bytes stay as they are. Those that are right and would have to be others cannot be played.
    fn is_untouched(&self, at: Position, direction: Direction, bytes: &[u8]) -> Result<(), String> {
        let sender = match direction {
            Direction::ToServer => Sender::Client,
            Direction::ToClient => Sender::Server,
        };
        let mut rest = bytes;
        while let Ok(Frame::Len(len)) = frame_len(rest, u32::MAX) {
            let Some((frame, after)) = rest.split_at_checked(len) else {
                break;
            };
            let Ok(packet) = Packet::decode(self.version, sender, frame) else {
                break;
            };
            if let Some(what) = self.concerns(&packet) {
                return Err(format!(
                    "line {}: its bytes are a {} with {what}, which the profile would have to change",
                    at.line,
                    packet.packet_type().name()
                ));
            }
            rest = after;
        }
        Ok(())
    }

    /// What in a packet would have to be changed.
    fn concerns(&self, packet: &Packet<'_>) -> Option<&'static str> {
        let has_namespace = !self.namespace.is_empty();
        match packet {
            Packet::Publish(publish) => {
                (has_namespace && !publish.head.topic.as_str().is_empty()).then_some("a topic")
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => has_namespace.then_some("filters"),
            Packet::Connect(connect) => {
                if has_namespace && connect.will.is_some() {
                    Some("a will")
                } else if !self.client_ids.is_empty() && !connect.client_id.is_empty() {
                    Some("a client id")
                } else {
                    let has_none = connect.user_name.is_none() && connect.password.is_none();
                    (has_none && self.credentials != Credentials::default()).then_some("no credentials")
                }
            }
            _ => None,
        }
    }
}

/// A string has two bytes for its length (1.5.4; in 3.1.1 1.5.3).
fn fits(line: u32, name: String) -> Result<String, String> {
    if name.len() > usize::from(u16::MAX) {
        return Err(format!(
            "line {line}: with what the profile puts before it a name has {} bytes, and no more than 65535 can be sent",
            name.len()
        ));
    }
    Ok(name)
}
