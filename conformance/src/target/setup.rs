//! What a trace asks of its target: `requires:` and `config:`.

use core::time::Duration;

use mqtt_proto::QoS;
use mqtt_session::client::{Acknowledge, Config, Offline, OnSessionLost, UnknownSession};
use mqtt_session::server::{DropPolicy, Limits, ServerConfig};
use mqtt_session::storage::HeapLimits;

use super::judge::Judge;
use crate::fields::{Bindings, Val, resolve_value};
use crate::trace::Trace;
use crate::trace::ast::{Atom, Field};

/// What a target may or may not be able to do; the words of `requires:`.
pub const FEATURES: &[&str] = &[
    "anonymous",
    "empty-client-id",
    "enhanced-authentication",
    "long-topics",
    "message-expiry",
    "qos-1",
    "qos-2",
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
    "connect_timeout",
    "connections",
    "drop_policy",
    "max_in_flight",
    "maximum_packet_size",
    "maximum_qos",
    "queue_bytes",
    "queue_messages",
    "queue_qos_0_while_away",
    "reason_string",
    "receive_maximum",
    "moved_client_id",
    "refused_client_id",
    "refused_code",
    "refused_password",
    "refused_topic",
    "refused_user_name",
    "response_information",
    "retain_available",
    "retained_bytes",
    "retained_messages",
    "server_keep_alive",
    "session_expiry_interval",
    "sessions",
    "shared_subscription_available",
    "subscription_identifier_available",
    "subscriptions",
    "topic_aliases_to_client",
    "topic_levels",
    "user_property",
    "wildcard_subscription_available",
];

/// The words of `config:` that set up a client.
pub const CLIENT_SETTINGS: &[&str] = &[
    "acknowledge",
    "bytes",
    "connect_timeout",
    "maximum_packet_size",
    "offline",
    "on_session_lost",
    "ping_timeout",
    "receive_maximum",
    "resend_after",
    "slots",
    "unknown_session",
];

/// What our own server cannot do yet; the client can do all of it.
pub const OURS_LACKS: &[&str] = &[];

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
}

impl<'t> Setting<'t> {
    pub(super) fn of(field: &'t Field) -> Option<Self> {
        if let [Atom::Name(word)] = &field.value.atoms[..] {
            return Some(Self::Word(word));
        }
        match resolve_value(&field.value, mqtt_proto::Version::V5, &Bindings::new()) {
            Ok(Val::Int(number)) => Some(Self::Number(number)),
            _ => None,
        }
    }
}

/// Our server as the trace wants it.
pub(super) fn server(trace: &Trace) -> Result<ServerConfig, String> {
    let mut config = ServerConfig::default();
    for field in &trace.head.config {
        let taken = Setting::of(field).and_then(|setting| set_server(&mut config, &field.name, &setting));
        if taken.is_none() && !Judge::default().take(field) {
            return Err(format!("its setting {field} is none that this target has"));
        }
    }
    Ok(config)
}

/// The names are those of the properties of CONNACK, where there is one.
fn set_server(config: &mut ServerConfig, name: &str, setting: &Setting<'_>) -> Option<()> {
    match *setting {
        Setting::Number(n) => {
            let (small, flag, size) = (u16::try_from(n).ok(), n != 0, usize::try_from(n).ok());
            if let Some(limit) = whole_limit(&mut config.limits, name) {
                *limit = size?;
                return Some(());
            }
            let offer = config.offer_mut(0);
            let client = &mut offer.grant.limits;
            match name {
                "queue_qos_0_while_away" => config.queue_qos_0_while_away = flag,
                "maximum_qos" => offer.maximum_qos = QoS::from_u8(u8::try_from(n).ok()?)?,
                "retain_available" => offer.retain_available = flag,
                "wildcard_subscription_available" => offer.wildcard_available = flag,
                "subscription_identifier_available" => offer.subscription_ids_available = flag,
                "shared_subscription_available" => offer.shared_available = flag,
                "receive_maximum" => offer.receive_maximum = small?,
                "maximum_packet_size" => offer.max_packet_size = u32::try_from(n).ok()?,
                "topic_aliases_to_client" => offer.topic_aliases_to_client = small?,
                "server_keep_alive" => offer.keep_alive_max = Some(small?),
                "connect_timeout" => offer.connect_timeout = Duration::from_secs(n),
                "session_expiry_interval" => client.session_expiry_max = u32::try_from(n).ok()?,
                "max_in_flight" => client.max_in_flight = small?,
                "queue_messages" => client.queue_messages = size?,
                "queue_bytes" => client.queue_bytes = size?,
                "subscriptions" => client.subscriptions = size?,
                _ => return None,
            }
        }
        Setting::Word(word) => {
            match name {
                "response_information" => {
                    config.offer_mut(0).response_information = Some(word.into());
                    return Some(());
                }
                "drop_policy" => {}
                _ => return None,
            }
            config.drop_policy = match word {
                "newest" => DropPolicy::Newest,
                "oldest" => DropPolicy::Oldest,
                "disconnect" => DropPolicy::Disconnect,
                _ => return None,
            };
        }
    }
    Some(())
}

/// A limit of the whole server.
fn whole_limit<'c>(limits: &'c mut Limits, name: &str) -> Option<&'c mut usize> {
    Some(match name {
        "connections" => &mut limits.connections,
        "sessions" => &mut limits.sessions,
        "retained_messages" => &mut limits.retained_messages,
        "retained_bytes" => &mut limits.retained_bytes,
        "topic_levels" => &mut limits.topic_levels,
        _ => return None,
    })
}

/// What a client is made with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewClient {
    pub(super) config: Config,
    pub(super) limits: HeapLimits,
}

/// Our client as the trace wants it.
pub(super) fn client(trace: &Trace) -> Result<NewClient, String> {
    let mut new = NewClient::default();
    for field in &trace.head.config {
        let taken = Setting::of(field).and_then(|setting| set_client(&mut new, &field.name, &setting));
        if taken.is_none() {
            return Err(format!("its setting {field} is none that this target has"));
        }
    }
    Ok(new)
}

/// The names are those of the properties of CONNECT, where there is one.
fn set_client(new: &mut NewClient, name: &str, setting: &Setting<'_>) -> Option<()> {
    let NewClient { config, limits } = new;
    match *setting {
        Setting::Number(n) => match name {
            "receive_maximum" => limits.arrivals = u16::try_from(n).ok()?,
            "maximum_packet_size" => config.receive_buffer = u32::try_from(n).ok()?,
            "slots" => limits.slots = u16::try_from(n).ok()?,
            "bytes" => limits.bytes = usize::try_from(n).ok()?,
            "connect_timeout" => config.connect_timeout = Duration::from_secs(n),
            "ping_timeout" => config.ping_timeout = Duration::from_secs(n),
            "resend_after" => config.resend_after = Some(Duration::from_secs(n)),
            _ => return None,
        },
        Setting::Word(word) => match (name, word) {
            ("acknowledge", "automatic") => config.acknowledge = Acknowledge::Automatic,
            ("acknowledge", "manual") => config.acknowledge = Acknowledge::Manual,
            ("offline", "accept") => config.offline = Offline::Accept,
            ("offline", "refuse") => config.offline = Offline::Refuse,
            ("on_session_lost", "abort") => config.on_session_lost = OnSessionLost::Abort,
            ("on_session_lost", "send_again") => config.on_session_lost = OnSessionLost::SendAgainAsNew,
            ("unknown_session", "as_version_says") => config.unknown_session = UnknownSession::AsVersionSays,
            ("unknown_session", "accept") => config.unknown_session = UnknownSession::Accept,
            _ => return None,
        },
    }
    Some(())
}
