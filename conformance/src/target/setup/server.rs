//! Our server as a trace wants it.

use core::time::Duration;

use mqtt_proto::QoS;
use mqtt_session::server::{Bucket, ClientLimits, DropPolicy, Limits, Rate, RetainedPolicy, ServerConfig};

use super::Setting;
use crate::target::judge::Judge;
use crate::trace::Trace;
use crate::trace::ast::BrokerAct;

/// Our server as the trace wants it.
pub(in crate::target) fn server(trace: &Trace) -> Result<ServerConfig, String> {
    let mut config = ServerConfig::default();
    // What is stopped and started again has to go on where it was.
    config.durable = trace.acts().any(|act| !matches!(act, BrokerAct::Deny(_)));
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
            if let Some(limit) = client_limit(&mut config.offer_mut(0).grant.limits, name) {
                *limit = size?;
                return Some(());
            }
            if let Some((bucket, what)) = bucket(&mut config.offer_mut(0).grant.limits.rate, name) {
                *what(bucket.get_or_insert(Bucket {
                    per_second: u32::try_from(n).ok()?,
                    burst: u32::try_from(n).ok()?,
                })) = u32::try_from(n).ok()?;
                return Some(());
            }
            let time = Duration::from_secs(n);
            let offer = config.offer_mut(0);
            let client = &mut offer.grant.limits;
            match name {
                "seed" => config.seed = n,
                "queue_qos_0_while_away" => config.queue_qos_0_while_away = flag,
                "durable" => config.durable = flag,
                "sys_interval" => config.sys_interval = (n > 0).then_some(time),
                "decision_timeout" => config.limits.decision_timeout = time,
                "sees_sys" => offer.grant.sees_sys = flag,
                "topic_alias_maximum" => offer.topic_alias_maximum = small?,
                "maximum_qos" => offer.maximum_qos = QoS::from_u8(u8::try_from(n).ok()?)?,
                "retain_available" => offer.retain_available = flag,
                "wildcard_subscription_available" => offer.wildcard_available = flag,
                "subscription_identifier_available" => offer.subscription_ids_available = flag,
                "shared_subscription_available" => offer.shared_available = flag,
                "receive_maximum" => offer.receive_maximum = small?,
                "maximum_packet_size" => offer.max_packet_size = u32::try_from(n).ok()?,
                "topic_aliases_to_client" => offer.topic_aliases_to_client = small?,
                "server_keep_alive" => offer.keep_alive_max = Some(small?),
                "connect_timeout" => offer.connect_timeout = time,
                "session_expiry_interval" => client.session_expiry_max = u32::try_from(n).ok()?,
                "max_in_flight" => client.max_in_flight = small?,
                _ => return None,
            }
        }
        Setting::Word(word) => match (name, word) {
            ("response_information", word) => {
                config.offer_mut(0).response_information = Some(word.into());
            }
            ("drop_policy", "newest") => config.drop_policy = DropPolicy::Newest,
            ("drop_policy", "oldest") => config.drop_policy = DropPolicy::Oldest,
            ("drop_policy", "disconnect") => config.drop_policy = DropPolicy::Disconnect,
            ("retained_policy", "refuse_new") => config.retained_policy = RetainedPolicy::RefuseNew,
            ("retained_policy", "evict_oldest") => config.retained_policy = RetainedPolicy::EvictOldest,
            ("retained_policy", "evict_soonest_to_expire") => {
                config.retained_policy = RetainedPolicy::EvictSoonestToExpire;
            }
            _ => return None,
        },
        Setting::Text(ref text) => {
            if name != "response_information" {
                return None;
            }
            config.offer_mut(0).response_information = Some(text.as_str().into());
        }
    }
    Some(())
}

/// A limit of the whole server.
fn whole_limit<'c>(limits: &'c mut Limits, name: &str) -> Option<&'c mut usize> {
    Some(match name {
        "connections" => &mut limits.connections,
        "events" => &mut limits.events,
        "handshakes" => &mut limits.handshakes,
        "inbox_bytes" => &mut limits.inbox_bytes,
        "subscription_bytes" => &mut limits.subscription_bytes,
        "subscriptions_of_all" => &mut limits.subscriptions,
        "sessions" => &mut limits.sessions,
        "retained_messages" => &mut limits.retained_messages,
        "retained_bytes" => &mut limits.retained_bytes,
        "topic_levels" => &mut limits.topic_levels,
        _ => return None,
    })
}

/// A limit of each client. Where the whole server has one of that name, this one begins with `client`.
fn client_limit<'c>(limits: &'c mut ClientLimits, name: &str) -> Option<&'c mut usize> {
    Some(match name {
        "client_retained_messages" => &mut limits.retained_messages,
        "client_retained_bytes" => &mut limits.retained_bytes,
        "queue_messages" => &mut limits.queue_messages,
        "queue_bytes" => &mut limits.queue_bytes,
        "subscriptions" => &mut limits.subscriptions,
        _ => return None,
    })
}

/// Which number of a bucket.
type Part = fn(&mut Bucket) -> &mut u32;

/// How much a second, and how much at once, which is as much if it is not said.
fn bucket<'c>(rate: &'c mut Rate, name: &str) -> Option<(&'c mut Option<Bucket>, Part)> {
    let (per_second, burst): (Part, Part) = (|bucket| &mut bucket.per_second, |bucket| &mut bucket.burst);
    Some(match name {
        "rate_messages" => (&mut rate.messages, per_second),
        "rate_messages_burst" => (&mut rate.messages, burst),
        "rate_bytes" => (&mut rate.bytes, per_second),
        "rate_bytes_burst" => (&mut rate.bytes, burst),
        _ => return None,
    })
}
