//! What lines with `event` compare: the events of a client as named fields.

use mqtt_session::Event;
use mqtt_session::client::{ClosedBy, Outcome};

use crate::fields::{Val, codes, properties};
use crate::play::inbox::Happened;

type List = Vec<(&'static str, Val)>;

/// The name of an event and what it says. `as` binds the duty to acknowledge a message.
pub(super) fn happened(event: Event<'_>) -> Happened {
    let mut list = List::new();
    let mut gives = None;
    let name = match event {
        Event::Connected(connected) => {
            list.push(("session_present", flag(connected.session_present)));
            properties(&mut list, &connected.properties);
            "Connected"
        }
        Event::Authenticate(authenticate) => {
            properties(&mut list, &authenticate.properties);
            "Authenticate"
        }
        Event::Message(message) => {
            list.push(("topic", Val::text(message.topic.as_str())));
            list.push(("qos", Val::Int(message.qos as u64)));
            list.push(("dup", flag(message.dup)));
            list.push(("retain", flag(message.retain)));
            let id = message.packet_id.map(|id| Val::Int(id.get().into()));
            list.extend(id.map(|id| ("id", id)));
            properties(&mut list, &message.properties);
            list.push(("payload", Val::Data(message.payload.to_vec())));
            gives = message.ack.map(|token| Val::Int(token.into_raw()));
            "Message"
        }
        Event::MessageStart(start) => {
            list.push(("topic", Val::text(start.topic.as_str())));
            list.push(("qos", Val::Int(start.qos as u64)));
            list.push(("dup", flag(start.dup)));
            list.push(("retain", flag(start.retain)));
            let id = start.packet_id.map(|id| Val::Int(id.get().into()));
            list.extend(id.map(|id| ("id", id)));
            properties(&mut list, &start.properties);
            list.push(("payload_len", Val::Int(start.payload_len.into())));
            "MessageStart"
        }
        Event::MessageData { offset, bytes } => {
            list.push(("offset", Val::Int(offset.into())));
            list.push(("payload", Val::Data(bytes.to_vec())));
            "MessageData"
        }
        Event::MessageEnd(end) => {
            list.push(("broken", flag(end.is_err())));
            gives = end.ok().flatten().map(|token| Val::Int(token.into_raw()));
            "MessageEnd"
        }
        Event::Completed { token, outcome } => {
            list.push(("token", Val::Int(token.get().into())));
            completed(&mut list, &outcome);
            "Completed"
        }
        Event::Aborted { token, why } => {
            list.push(("token", Val::Int(token.get().into())));
            list.push(("why", Val::text(&format!("{why:?}"))));
            "Aborted"
        }
        Event::Closed(closed) => {
            let by = match closed.by {
                ClosedBy::Client => "client",
                ClosedBy::Server => "server",
                ClosedBy::Transport => "transport",
                _ => "someone",
            };
            list.push(("by", Val::text(by)));
            list.push(("refused", flag(closed.refused)));
            list.extend(closed.code.map(|code| ("code", Val::Int(code.0.into()))));
            let statement = closed
                .statement
                .map(|statement| Val::text(&statement.to_string()));
            list.extend(statement.map(|statement| ("statement", statement)));
            properties(&mut list, &closed.properties);
            "Closed"
        }
        _ => "Unknown",
    };
    Happened { name, list, gives }
}

fn completed(list: &mut List, outcome: &Outcome<'_>) {
    let (name, all) = match outcome {
        Outcome::Written => ("written", None),
        Outcome::Acknowledged { code, properties } => {
            list.push(("code", Val::Int(code.0.into())));
            ("acknowledged", Some(properties))
        }
        Outcome::Subscribed {
            codes: all,
            properties,
        } => {
            list.push(codes(*all));
            ("subscribed", Some(properties))
        }
        Outcome::Unsubscribed {
            codes: all,
            properties,
        } => {
            list.push(codes(*all));
            ("unsubscribed", Some(properties))
        }
        Outcome::Authenticated { properties } => ("authenticated", Some(properties)),
        Outcome::Ponged { .. } => ("ponged", None),
        _ => ("unknown", None),
    };
    if let Some(all) = all {
        properties(list, all);
    }
    list.push(("outcome", Val::text(name)));
}

fn flag(flag: bool) -> Val {
    Val::Int(flag.into())
}
