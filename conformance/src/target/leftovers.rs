//! What a trace leaves behind in a broker that goes on running, and how it is deleted.

use std::collections::BTreeSet;

use mqtt_proto::packet::{Connect, Packet, Publish, PublishHead};
use mqtt_proto::{PacketType, Properties, QoS, TopicName, Version};

use crate::fields::encode;
use crate::profile::Credentials;
use crate::trace::Trace;
use crate::trace::ast::{Atom, Field, Item, Line, Step};

/// The shortest DISCONNECT; it is one in every version.
pub(super) const DISCONNECT: &[u8] = &[0xe0, 0];

#[derive(Debug, Default)]
struct Leftovers {
    clients: BTreeSet<String>,
    topics: BTreeSet<String>,
}

/// What to send so that nothing is left, one connection each: every client begins a new session and ends it, and the
/// first deletes the retained messages.
pub(super) fn conversations(trace: &Trace, version: Version, credentials: &Credentials) -> Vec<Vec<u8>> {
    let mut left = Leftovers::default();
    left.lines(&trace.lines);
    let mut all = Vec::new();
    for (i, client) in left.clients.iter().enumerate() {
        let mut bytes =
            encode(&Packet::Connect(connect(version, client, credentials)), version).unwrap_or_default();
        for topic in left.topics.iter().filter(|_| i == 0) {
            let Ok(topic) = TopicName::new(topic) else {
                continue;
            };
            let head = PublishHead {
                dup: false,
                qos: QoS::AtMostOnce,
                retain: true,
                topic,
                packet_id: None,
                properties: Properties::EMPTY,
            };
            let publish = Packet::Publish(Publish { head, payload: &[] });
            bytes.extend(encode(&publish, version).unwrap_or_default());
        }
        bytes.extend_from_slice(DISCONNECT);
        all.push(bytes);
    }
    all
}

fn connect<'a>(version: Version, client_id: &'a str, credentials: &'a Credentials) -> Connect<'a> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 10,
        client_id,
        will: None,
        user_name: credentials.user_name.as_deref(),
        password: credentials.password_in(version).map(str::as_bytes),
        properties: Properties::EMPTY,
    }
}

impl Leftovers {
    fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            match &line.step {
                Step::AnyOrder(lines) => self.lines(lines),
                Step::Either(branches) => branches.iter().for_each(|lines| self.lines(lines)),
                Step::Wire(wire) => {
                    let Item::Packet(packet) = &wire.item else {
                        continue;
                    };
                    match packet.packet_type {
                        PacketType::Connect => {
                            self.clients.extend(text(&packet.fields, "client_id"));
                            let will = packet.fields.iter().find(|field| field.name == "will");
                            if let Some([Atom::Group(will)]) = will.map(|field| &field.value.atoms[..]) {
                                self.message(&will.fields);
                            }
                        }
                        PacketType::Publish => self.message(&packet.fields),
                        PacketType::ConnAck
                        | PacketType::PubAck
                        | PacketType::PubRec
                        | PacketType::PubRel
                        | PacketType::PubComp
                        | PacketType::Subscribe
                        | PacketType::SubAck
                        | PacketType::Unsubscribe
                        | PacketType::UnsubAck
                        | PacketType::PingReq
                        | PacketType::PingResp
                        | PacketType::Disconnect
                        | PacketType::Auth => {}
                    }
                }
                Step::Cut(_)
                | Step::Refused { .. }
                | Step::Quiet { .. }
                | Step::Do(_)
                | Step::Event(_)
                | Step::Broker(_)
                | Step::Wait(_) => {}
            }
        }
    }

    fn message(&mut self, fields: &[Field]) {
        let retain = fields.iter().find(|field| field.name == "retain");
        if retain.is_some_and(|field| field.value.atoms[..] == [Atom::Int(1)]) {
            self.topics.extend(text(fields, "topic"));
        }
    }
}

/// The text of a field, unless it is empty.
fn text(fields: &[Field], name: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.name == name)?;
    match &field.value.atoms[..] {
        [Atom::Text(text, times)] if !text.is_empty() => Some(text.repeat(*times)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::run;
    use crate::trace::Test;

    /// Live, traces run at the same time.
    #[test]
    fn no_two_traces_of_a_broker_share_a_client_or_a_retained_topic() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for file in run::find(&[folder]).unwrap() {
            let trace = Trace::read(&file).unwrap();
            if trace.head.test != Test::Broker {
                continue;
            }
            let mut left = Leftovers::default();
            left.lines(&trace.lines);
            let clients = left.clients.iter().map(|client| format!("the client {client}"));
            let topics = left.topics.iter().map(|topic| format!("the topic {topic}"));
            for thing in clients.chain(topics) {
                let mine = file.display().to_string();
                let owner = owners.entry(thing.clone()).or_insert_with(|| mine.clone());
                assert_eq!(*owner, mine, "{thing} is in both");
            }
        }
        assert!(owners.len() > 60);
    }

    #[test]
    fn what_is_left_is_deleted_by_new_sessions_and_empty_retained_messages() {
        let text = "title: t\ntest: broker\nversion: 3.1.1\n-> CONNECT client_id=\"b\" will={topic=\"w\" retain=1 payload=\"x\"}\n-> PUBLISH topic=\"t\" retain=1 payload=\"x\"\n-> PUBLISH topic=\"u\" payload=\"x\"\n";
        let trace = Trace::parse("t", text).unwrap();
        let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01b";
        let wanted = [
            &connect[..],
            b"\x31\x03\x00\x01t",
            b"\x31\x03\x00\x01w",
            b"\xe0\x00",
        ]
        .concat();
        assert_eq!(
            conversations(&trace, Version::V311, &Credentials::default()),
            [wanted]
        );
    }
}
