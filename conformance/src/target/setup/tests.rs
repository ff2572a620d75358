use std::collections::BTreeSet;

use mqtt_session::server::ServerConfig;

use super::*;

/// The fields of what `{:#?}` prints, by their path. `{` opens one that has fields of its own; what stands in a list is
/// one of many.
fn fields(of: &str) -> BTreeSet<String> {
    let mut path: Vec<String> = Vec::new();
    let mut found = BTreeSet::new();
    for line in of.lines() {
        let line = line.trim();
        if let Some((name, value)) = line.split_once(": ") {
            path.push(name.to_owned());
            // `Some(..)` and the like are values.
            if !value.ends_with(['{', '[']) {
                found.insert(path.join("."));
            }
            if !value.ends_with(['{', '[', '(']) {
                path.pop();
            }
        } else if line.ends_with(['{', '[', '(']) {
            path.push(String::new());
        } else if line.starts_with(['}', ']', ')']) {
            path.pop();
        }
    }
    let named = found.iter().map(|path| {
        let parts: Vec<&str> = path.split('.').filter(|part| !part.is_empty()).collect();
        parts.join(".")
    });
    named.collect()
}

/// Every field of a server's settings: the name in `config:`, or why it has none.
const SERVER: &[(&str, Result<&str, &str>)] = &[
    ("drop_policy", Ok("drop_policy=oldest")),
    ("durable", Ok("durable=1")),
    ("limits.connections", Ok("connections=7")),
    ("limits.decision_timeout", Ok("decision_timeout=7")),
    ("limits.events", Ok("events=7")),
    ("limits.handshakes", Ok("handshakes=7")),
    ("limits.inbox_bytes", Ok("inbox_bytes=7")),
    ("limits.retained_bytes", Ok("retained_bytes=7")),
    ("limits.retained_messages", Ok("retained_messages=7")),
    ("limits.sessions", Ok("sessions=7")),
    ("limits.subscription_bytes", Ok("subscription_bytes=7")),
    ("limits.subscriptions", Ok("subscriptions_of_all=7")),
    ("limits.topic_levels", Ok("topic_levels=7")),
    ("offers.asks.connect", Err("a judge asks for what it refuses")),
    ("offers.asks.publish", Err("a judge asks for what it refuses")),
    ("offers.asks.subscribe", Err("a judge asks for what it refuses")),
    ("offers.asks.unsubscribe", Err("a judge asks for what it refuses")),
    ("offers.connect_timeout", Ok("connect_timeout=7")),
    ("offers.grant.context", Err("only the owner of a server sees it")),
    ("offers.grant.limits.max_in_flight", Ok("max_in_flight=7")),
    ("offers.grant.limits.queue_bytes", Ok("queue_bytes=7")),
    ("offers.grant.limits.queue_messages", Ok("queue_messages=7")),
    ("offers.grant.limits.rate.bytes", Ok("rate_bytes=7")),
    ("offers.grant.limits.rate.messages", Ok("rate_messages=7")),
    (
        "offers.grant.limits.retained_bytes",
        Ok("client_retained_bytes=7"),
    ),
    (
        "offers.grant.limits.retained_messages",
        Ok("client_retained_messages=7"),
    ),
    (
        "offers.grant.limits.session_expiry_max",
        Ok("session_expiry_interval=7"),
    ),
    ("offers.grant.limits.subscriptions", Ok("subscriptions=7")),
    ("offers.grant.pool", Err("all clients of a trace are in one")),
    ("offers.grant.sees_sys", Ok("sees_sys=0")),
    ("offers.keep_alive_max", Ok("server_keep_alive=7")),
    ("offers.max_packet_size", Ok("maximum_packet_size=7")),
    ("offers.maximum_qos", Ok("maximum_qos=1")),
    ("offers.receive_maximum", Ok("receive_maximum=7")),
    ("offers.response_information", Ok("response_information=\"r\"")),
    ("offers.retain_available", Ok("retain_available=0")),
    ("offers.shared_available", Ok("shared_subscription_available=0")),
    (
        "offers.subscription_ids_available",
        Ok("subscription_identifier_available=0"),
    ),
    ("offers.topic_alias_maximum", Ok("topic_alias_maximum=7")),
    ("offers.topic_aliases_to_client", Ok("topic_aliases_to_client=7")),
    (
        "offers.wildcard_available",
        Ok("wildcard_subscription_available=0"),
    ),
    ("queue_qos_0_while_away", Ok("queue_qos_0_while_away=1")),
    ("retained_policy", Ok("retained_policy=evict_oldest")),
    ("seed", Ok("seed=7")),
    ("sys_interval", Ok("sys_interval=0")),
];

/// The same of a client.
const CLIENT: &[(&str, Result<&str, &str>)] = &[
    ("config.acknowledge", Ok("acknowledge=manual")),
    ("config.close_timeout", Ok("close_timeout=7")),
    ("config.connect_timeout", Ok("connect_timeout=7")),
    (
        "config.journal",
        Err("nothing is written: a client is not restarted"),
    ),
    ("config.max_age", Ok("max_age=7")),
    ("config.offline", Ok("offline=refuse")),
    ("config.on_session_lost", Ok("on_session_lost=send_again")),
    ("config.oversize", Ok("oversize=stream")),
    ("config.ping_timeout", Ok("ping_timeout=7")),
    ("config.receive_buffer", Ok("maximum_packet_size=7")),
    ("config.resend_after", Ok("resend_after=7")),
    ("config.unknown_session", Ok("unknown_session=accept")),
    ("config.when_full", Ok("when_full=drop_oldest")),
    ("limits.arrivals", Ok("receive_maximum=7")),
    ("limits.bytes", Ok("bytes=7")),
    ("limits.slots", Ok("slots=7")),
];

fn trace(test: &str, config: &str) -> Trace {
    let text = format!("title: t\ntest: {test}\nversion: 5\nconfig: {config}\n");
    Trace::parse("t", &text).unwrap_or_else(|e| panic!("{config}\n{e}"))
}

/// The table has every field, and each setting changes the field that it is said to, and no other.
fn is_complete(
    table: &[(&str, Result<&str, &str>)],
    test: &str,
    words: &[&str],
    others: &[&str],
    made: &dyn Fn(&Trace) -> String,
) {
    let listed: BTreeSet<String> = table.iter().map(|(field, _)| (*field).to_owned()).collect();
    let plain = made(&Trace::parse("t", &format!("title: t\ntest: {test}\nversion: 5\n")).unwrap());
    let there = fields(&plain);
    assert_eq!(
        listed, there,
        "a field has no row: give it a name in `config:`, or say why it has none"
    );
    let mut named = BTreeSet::new();
    for (field, setting) in table {
        let Ok(setting) = setting else { continue };
        named.extend(setting.split_once('=').map(|(name, _)| name));
        let changed = made(&trace(test, setting));
        let differ: Vec<_> = plain
            .lines()
            .zip(changed.lines())
            .filter(|(a, b)| a != b)
            .collect();
        let last = field.rsplit('.').next().unwrap_or_default();
        assert!(
            differ
                .first()
                .is_some_and(|(a, _)| a.trim().starts_with(&format!("{last}:"))),
            "{setting} does not set {field}: {differ:?}"
        );
    }
    named.extend(others);
    assert_eq!(
        named,
        words.iter().copied().collect(),
        "the words that the checker takes"
    );
}

#[test]
fn every_setting_of_a_server_has_a_name() {
    let made = |trace: &Trace| format!("{:#?}", server(trace).unwrap_or_else(|e| panic!("{e}")));
    let of_judge = [
        "authentication_data",
        "authentication_method",
        "reason_string",
        "moved_client_id",
        "refused_client_id",
        "refused_code",
        "refused_password",
        "refused_topic",
        "refused_user_name",
        "user_property",
        "rate_bytes_burst",
        "rate_messages_burst",
    ];
    is_complete(SERVER, "broker", SERVER_SETTINGS, &of_judge, &made);
    let rates = server(&trace("broker", "rate_messages=3 rate_messages_burst=9")).unwrap();
    let bucket = rates.offer(0).grant.limits.rate.messages.unwrap();
    assert_eq!((bucket.per_second, bucket.burst), (3, 9));
    assert_eq!(ServerConfig::default().offers.len(), 1);
}

#[test]
fn every_setting_of_a_client_has_a_name() {
    let made = |trace: &Trace| format!("{:#?}", client(trace).unwrap_or_else(|e| panic!("{e}")));
    is_complete(CLIENT, "client", CLIENT_SETTINGS, &[], &made);
}
