//! The lines between the runner and a program that is driven by calls: calls one way, answers and events the other.

use mqtt_proto::{PacketType, Version};

use crate::expect::shown;
use crate::fields::table::{Kind, Place};
use crate::fields::{Bindings, Val, resolve_value};
use crate::play::call::{Call, packet_type};
use crate::play::inbox::Happened;
use crate::trace::ast::{Atom, Command};
use crate::trace::parse_event;

/// What a program answers to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is under way, and this is its token.
    Done(Option<u64>),
    /// It is not done, because it may not be.
    Refused(String),
    /// The program has nothing like it.
    Cannot(String),
}

/// A line that a program has printed.
#[derive(Debug)]
pub(super) enum Said {
    Answer(Answer),
    Event(Happened),
    /// Nothing to the runner.
    Other,
}

/// A call as a line. `address` stands in `connect` alone.
pub(super) fn call(call: &Call, version: Version, address: Option<(&str, u16)>) -> String {
    let mut line = name(call.command).to_owned();
    if let Some((host, port)) = address {
        line.push_str(&format!(
            " host={} port={port} version={}",
            shown(&Val::text(host)),
            shown(&Val::text(&version.to_string()))
        ));
    }
    for value in &call.values {
        line.push_str(&format!(" {}", shown(value)));
    }
    for (name, value) in &call.fields {
        line.push_str(&format!(" {name}={}", shown(value)));
    }
    line
}

/// The word of a call.
pub(super) fn name(command: Command) -> &'static str {
    match command {
        Command::Connect => "connect",
        Command::Publish => "publish",
        Command::Subscribe => "subscribe",
        Command::Unsubscribe => "unsubscribe",
        Command::Ack => "ack",
        Command::Authenticate => "authenticate",
        Command::Ping => "ping",
        Command::Disconnect => "disconnect",
    }
}

/// The packet whose fields are the arguments of a call.
pub(super) fn place(command: Command) -> Place {
    Place::Packet(packet_type(command))
}

/// Reads a line of standard output.
///
/// # Errors
///
/// It begins as an answer or an event and is none: why, in words.
pub(super) fn said(line: &[u8]) -> Result<Said, String> {
    let Ok(text) = core::str::from_utf8(line) else {
        return Ok(Said::Other);
    };
    let text = text.trim_end();
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        "ok" if rest.is_empty() => Said::Answer(Answer::Done(None)),
        "ok" => match rest.trim().parse() {
            Ok(token) => Said::Answer(Answer::Done(Some(token))),
            Err(_) => {
                return Err(format!(
                    "`{text}`: after `ok` comes the number of a token, or nothing"
                ));
            }
        },
        "refused" => Said::Answer(Answer::Refused(rest.to_owned())),
        "cannot" => Said::Answer(Answer::Cannot(rest.to_owned())),
        "event" => Said::Event(event(text)?),
        _ => Said::Other,
    })
}

/// Reads an event in the notation of traces. `ack=7` is what `as` binds.
fn event(text: &str) -> Result<Happened, String> {
    let event = parse_event(text).map_err(|e| format!("`{text}` is no event: {e}"))?;
    let unknown = |what: &str| format!("`{text}`: no event has `{what}`");
    let name = EVENTS.iter().find(|name| **name == event.name.text);
    let name = name.ok_or_else(|| unknown(&event.name.text))?;
    let (mut list, mut gives) = (Vec::new(), None);
    for field in &event.fields {
        let value = match &field.value.atoms[..] {
            [Atom::Name(word)] => Val::text(word),
            _ => resolve_value(&field.value, Version::V5, &Bindings::new())
                .map_err(|e| format!("`{text}`: {e}"))?,
        };
        if field.name == "ack" {
            gives = Some(value);
        } else {
            list.push((
                field_name(&field.name).ok_or_else(|| unknown(&field.name))?,
                value,
            ));
        }
    }
    Ok(Happened { name, list, gives })
}

/// The events of the language.
pub(super) const EVENTS: &[&str] = &[
    "Aborted",
    "Authenticate",
    "Closed",
    "Completed",
    "Connected",
    "Message",
];

/// What events say beside the fields of packets.
const WORDS: &[&str] = &["by", "outcome", "refused", "statement", "status", "token", "why"];

fn field_name(name: &str) -> Option<&'static str> {
    use PacketType::{Auth, ConnAck, Disconnect, PubAck, Publish, SubAck};
    let of_packets = [Publish, ConnAck, PubAck, SubAck, Disconnect, Auth]
        .into_iter()
        .find_map(|packet| Place::Packet(packet).field(name));
    let words = || WORDS.iter().copied().find(|word| *word == name);
    of_packets.map(|spec| spec.name).or_else(words)
}

/// Reads a message by a template such as `{topic} {payload}`; `None` if the line does not look like it.
pub(super) fn message(template: &str, line: &[u8]) -> Option<Happened> {
    let mut list = Vec::new();
    let (mut template, mut line) = (template, line);
    while let Some((before, rest)) = template.split_once('{') {
        let (name, after) = rest.split_once('}')?;
        line = line.strip_prefix(before.as_bytes())?;
        let end = after.split('{').next().unwrap_or(after).as_bytes();
        let len = if end.is_empty() {
            line.len()
        } else {
            line.windows(end.len()).position(|window| window == end)?
        };
        let (value, left) = line.split_at(len);
        let spec = Place::Packet(PacketType::Publish).field(name)?;
        let value = if let Kind::Int(..) = spec.kind {
            Val::Int(core::str::from_utf8(value).ok()?.parse().ok()?)
        } else {
            Val::Data(value.to_vec())
        };
        list.push((spec.name, value));
        (template, line) = (after, left);
    }
    (template.as_bytes() == line).then_some(Happened {
        name: "Message",
        list,
        gives: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_from_a_line_by_its_template() {
        let found = message("{topic} {qos}: {payload}.", b"a/b 1: hello: you.").unwrap();
        let wanted = [
            ("topic", Val::text("a/b")),
            ("qos", Val::Int(1)),
            ("payload", Val::text("hello: you")),
        ];
        assert_eq!(found.list, wanted);
        assert!(message("{topic} {qos}", b"a x").is_none(), "no number");
        assert!(message("{topic} {payload}", b"nothing").is_none(), "no blank");
        assert!(message("{nobody}", b"x").is_none(), "no field");
    }

    #[test]
    fn answers_and_events_are_told_from_what_else_a_program_prints() {
        assert!(matches!(said(b"ok"), Ok(Said::Answer(Answer::Done(None)))));
        assert!(matches!(said(b"ok 7\r"), Ok(Said::Answer(Answer::Done(Some(7))))));
        assert!(
            matches!(said(b"refused too large"), Ok(Said::Answer(Answer::Refused(why))) if why == "too large")
        );
        assert!(matches!(
            said(b"cannot authenticate"),
            Ok(Said::Answer(Answer::Cannot(_)))
        ));
        assert!(matches!(said(b"okay"), Ok(Said::Other)));
        assert!(matches!(said(&[0xff, 0xfe]), Ok(Said::Other)));
        let Ok(Said::Event(event)) = said(br#"event Message topic="a" qos=1 payload=x"00ff" ack=3"#) else {
            panic!("no event");
        };
        assert_eq!(event.name, "Message");
        assert_eq!(event.list.len(), 3);
        assert_eq!(event.gives, Some(Val::Int(3)));
        for wrong in [
            "ok seven",
            "event",
            "event Nothing",
            "event Message nonsense=1",
            "event Message topic=",
        ] {
            assert!(said(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
