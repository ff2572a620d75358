//! What a trace asks of its target: `requires:` and `config:`.
//!
//! - `server`, `client`: our machines as their settings say.

mod client;
mod server;
#[cfg(test)]
mod tests;

use mqtt_proto::Version;

use crate::fields::{Bindings, Val, resolve_value};
use crate::trace::Trace;
use crate::trace::ast::{Atom, Field};

pub(super) use client::{NewClient, client};
pub(super) use server::server;

/// What a target may or may not be able to do; the words of `requires:`.
pub const FEATURES: &[&str] = &[
    "anonymous",
    "automatic-topic-alias",
    "connack-timeout",
    // What must outlive a loss of power outlives it.
    "crash",
    "empty-client-id",
    "enhanced-authentication",
    "long-topics",
    "message-expiry",
    "pingresp-timeout",
    "qos-1",
    "qos-2",
    // Sessions and retained messages outlive the broker's process, if it is stopped in order.
    "restart",
    "retain",
    "server-keep-alive",
    "session-expiry",
    "shared",
    "subscription-identifiers",
    "topic-alias",
    "topic-alias-to-client",
    "wildcards",
    "will-delay",
];

/// The words of `config:` that set up a broker.
pub const SERVER_SETTINGS: &[&str] = &[
    "authentication_data",
    "authentication_method",
    "client_retained_bytes",
    "client_retained_messages",
    "connect_timeout",
    "connections",
    "decision_timeout",
    "drop_policy",
    "durable",
    "events",
    "handshakes",
    "inbox_bytes",
    "max_in_flight",
    "maximum_packet_size",
    "maximum_qos",
    "moved_client_id",
    "queue_bytes",
    "queue_messages",
    "queue_qos_0_while_away",
    "rate_bytes",
    "rate_bytes_burst",
    "rate_messages",
    "rate_messages_burst",
    "reason_string",
    "receive_maximum",
    "refused_client_id",
    "refused_code",
    "refused_password",
    "refused_topic",
    "refused_user_name",
    "response_information",
    "retain_available",
    "retained_bytes",
    "retained_messages",
    "retained_policy",
    "sees_sys",
    "seed",
    "server_keep_alive",
    "session_expiry_interval",
    "sessions",
    "shared_subscription_available",
    "subscription_bytes",
    "subscription_identifier_available",
    "subscriptions",
    "subscriptions_of_all",
    "sys_interval",
    "topic_alias_maximum",
    "topic_aliases_to_client",
    "topic_levels",
    "user_property",
    "wildcard_subscription_available",
];

/// The words of `config:` that set up a client.
pub const CLIENT_SETTINGS: &[&str] = &[
    "acknowledge",
    "bytes",
    "close_timeout",
    "connect_timeout",
    "max_age",
    "maximum_packet_size",
    "offline",
    "on_session_lost",
    "oversize",
    "ping_timeout",
    "receive_maximum",
    "resend_after",
    "slots",
    "unknown_session",
    "when_full",
];

/// Why this target cannot be asked: it lacks something that the trace requires.
pub(crate) fn lacks(trace: &Trace, lacking: &[impl AsRef<str>]) -> Option<String> {
    trace.head.requires.iter().find_map(|word| {
        let lacks = lacking.iter().any(|one| one.as_ref() == word);
        lacks.then(|| format!("it requires {word}, which this target cannot do"))
    })
}

/// One entry of `config:`.
pub(super) enum Setting<'t> {
    Number(u64),
    Word(&'t str),
    Text(String),
}

impl<'t> Setting<'t> {
    pub(super) fn of(field: &'t Field) -> Option<Self> {
        if let [Atom::Name(word)] = &field.value.atoms[..] {
            return Some(Self::Word(word));
        }
        match resolve_value(&field.value, Version::V5, &Bindings::new()) {
            Ok(Val::Int(number)) => Some(Self::Number(number)),
            Ok(Val::Data(text)) => String::from_utf8(text).ok().map(Self::Text),
            _ => None,
        }
    }
}
