//! What becomes of a feature for clients of other versions: the table of `docs/versions.md`, row by row.

use std::collections::BTreeMap;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode, Version,
    packet::{Connect, Disconnect, RetainHandling, SubscriptionOptions, Will},
};

use mqtt_session::server::{Bucket, Decision, Refusal, Remarks};

use crate::net::*;

const TABLE: &str = include_str!("../../../docs/versions.md");

/// What a client of this version is sent.
type Scenario = fn(Version) -> Vec<String>;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("properties of a message", properties),
    (
        "properties of a retained message",
        properties_of_a_retained_message,
    ),
    ("properties of a will", properties_of_a_will),
    ("what is left of an expiry", expiry_left),
    ("a message that expired in the queue", expired),
    ("a topic alias of the publisher", alias_of_the_publisher),
    (
        "the third message of one topic, topic aliases taken where there are",
        alias_to_the_client,
    ),
    ("a subscription with an identifier", subscription_id),
    (
        "a session whose subscription has an identifier, resumed",
        resumed_subscription_id,
    ),
    (
        "retained and live, with Retain As Published where there is",
        retain_as_published,
    ),
    (
        "the same SUBSCRIBE again, Retain Handling 1 where there is",
        retain_handling,
    ),
    ("an own message, No Local where there is", no_local),
    ("`$share/g/t`, a message to `t`", share),
    ("`$share/g/t`, a message to `$share/g/t`", share_as_a_filter),
    ("`#`, a message to `$x`", dollar),
    ("a message above Maximum Packet Size, where there is", too_large),
    (
        "three messages, Receive Maximum 1 where there is",
        receive_maximum,
    ),
    ("PUBLISH that nobody is subscribed to", nobody),
    ("PUBLISH that is refused", refused_publish),
    ("PUBLISH of QoS 2 that is refused", refused_publish_2),
    ("PUBLISH with an id in use", id_in_use),
    ("PUBREL with an unknown id", unknown_pubrel),
    ("SUBSCRIBE that is refused", refused_subscribe),
    ("SUBSCRIBE with QoS 2 to a server with Maximum QoS 1", lower_qos),
    ("UNSUBSCRIBE without subscription", unsubscribe),
    ("CONNECT that is accepted", accepted),
    ("CONNECT to a session that is kept", kept),
    ("CONNECT without client id", no_client_id),
    ("CONNECT with 24 characters of client id", long_client_id),
    ("CONNECT when there are too many sessions", too_many_sessions),
    ("CONNECT with a will that may not be retained", refused_will),
    (
        "CONNECT with a longer Keep Alive than the server allows",
        keep_alive,
    ),
    ("a second CONNECT", second_connect),
    ("taken over by another client", taken_over),
    ("the server shuts down", shutdown),
    (
        "more messages at once than the server's Receive Maximum",
        above_receive_maximum,
    ),
    (
        "the will of a client that was lost, with Will Delay where there is: at once",
        will_at_once,
    ),
    (
        "the will of a client that says DISCONNECT, with code 0x04 where there is",
        disconnect_with_will,
    ),
    (
        "a session of a client that was lost, after 200 seconds",
        session_after_a_while,
    ),
    ("PUBLISH to `$SYS`, which is the server's own", sys),
    ("two PUBLISH where one is allowed in a second", too_fast),
    ("SUBSCRIBE that a rule does not allow", not_allowed),
    (
        "CONNECT that a rule does not allow, with words about it",
        refused_with_words,
    ),
    ("CONNECT that is sent to another server", redirected),
    ("disconnected by the owner of the server", kicked),
    ("to a client of 5.0 from one of this version", to_5_0),
];

/// Rows by their first cell, each with what is sent in 5.0, 3.1.1 and 3.1.
fn rows() -> BTreeMap<&'static str, [&'static str; 3]> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[name, v5, v311, v31] = &cells[..] else {
            panic!("four cells: {line}")
        };
        assert!(rows.insert(name, [v5, v311, v31]).is_none(), "twice: {name}");
    }
    rows
}

fn cell(packets: &[String]) -> String {
    if packets.is_empty() {
        return "nothing".into();
    }
    let quoted: Vec<String> = packets.iter().map(|packet| format!("`{packet}`")).collect();
    quoted.join(", ")
}

#[test]
fn every_row_of_the_table_of_versions_is_what_a_client_of_each_version_is_sent() {
    let mut rows = rows();
    let mut wrong = Vec::new();
    for (name, scenario) in SCENARIOS {
        let is = [V5, V311, V31].map(|version| cell(&scenario(version)));
        let row = format!("| {name} | {} |", is.join(" | "));
        match rows.remove(name) {
            Some(wanted) if wanted == [&*is[0], &*is[1], &*is[2]] => {}
            Some(_) => wrong.push(format!("is not so: {row}")),
            None => wrong.push(format!("has no row: {row}")),
        }
    }
    wrong.extend(rows.keys().map(|name| format!("has no scenario: {name}")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// These properties for a client of 5.0, none for others.
fn only_5<'a>(version: Version, list: &'a [Property<'a>]) -> Properties<'a> {
    if version == V5 {
        Properties::new(list)
    } else {
        Properties::EMPTY
    }
}

/// A subscriber of this version and a publisher of 5.0.
fn two(version: Version) -> (Net, End, End) {
    let mut net = Net::new();
    let to = net.client(version, "s");
    let from = net.client(V5, "p");
    (net, to, from)
}

/// A subscriber with these properties where it can have them.
fn subscriber<'a>(version: Version, list: &'a [Property<'a>]) -> (Net, End, End) {
    let mut net = Net::new();
    let to = net
        .client_with(Connect {
            properties: only_5(version, list),
            ..connect(version, "s")
        })
        .0;
    let from = net.client(V5, "p");
    (net, to, from)
}

const ALL_OF_A_MESSAGE: &[Property<'_>] = &[
    Property::PayloadFormatIndicator(1),
    Property::ContentType("text"),
    Property::ResponseTopic("r"),
    Property::CorrelationData(b"c"),
    Property::UserProperty("k", "v"),
];

fn properties(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "t", Q0);
    let mut one = message("t", Q0, 0, "x");
    one.head.properties = Properties::new(ALL_OF_A_MESSAGE);
    net.publish(from, one);
    net.recv(to)
}

fn properties_of_a_retained_message(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    let mut one = message("t", Q0, 0, "x");
    one.head.retain = true;
    one.head.properties = Properties::new(&[Property::UserProperty("k", "v")]);
    net.publish(from, one);
    net.subscribe_with(to, "t", SubscriptionOptions::new(Q0), None)
        .split_off(1)
}

fn properties_of_a_will(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let to = net.client(version, "s");
    net.subscribe(to, "t", Q0);
    let list = [Property::UserProperty("k", "v")];
    let will = Will {
        properties: Properties::new(&list),
        ..will("t", b"gone")
    };
    let from = net.client_with(Connect {
        will: Some(will),
        ..connect(V5, "p")
    });
    net.cut(from.0);
    net.recv(to)
}

fn expiring(net: &mut Net, from: End) {
    let list = [Property::MessageExpiryInterval(10)];
    let mut one = message("t", Q0, 0, "x");
    one.head.properties = Properties::new(&list);
    net.publish(from, one);
}

fn expiry_left(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "t", Q0);
    expiring(&mut net, from);
    net.pass_secs(3);
    net.recv(to)
}

fn expired(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "t", Q0);
    expiring(&mut net, from);
    net.pass_secs(10);
    net.recv(to)
}

fn alias_of_the_publisher(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "t", Q0);
    let list = [Property::TopicAlias(1)];
    let mut one = message("t", Q0, 0, "x");
    one.head.properties = Properties::new(&list);
    net.publish(from, one);
    net.recv(to)
}

fn alias_to_the_client(version: Version) -> Vec<String> {
    let (mut net, to, from) = subscriber(version, &[Property::TopicAliasMaximum(1)]);
    net.subscribe(to, "topic", Q0);
    for _ in 0..3 {
        net.say(from, "topic", "x");
    }
    net.recv(to).split_off(2)
}

fn subscription_id(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    let id = (version == V5).then_some(7);
    net.subscribe_with(to, "t", SubscriptionOptions::new(Q0), id);
    net.say(from, "t", "x");
    net.recv(to)
}

fn resumed_subscription_id(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let (to, _) = net.keeper(V5, "s");
    net.subscribe_with(to, "t", SubscriptionOptions::new(Q0), Some(7));
    net.cut(to);
    let (to, present) = net.keeper(version, "s");
    assert!(present || version == V31);
    let from = net.client(V5, "p");
    net.say(from, "t", "x");
    net.recv(to)
}

fn retain_as_published(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    let mut options = SubscriptionOptions::new(Q0);
    options.retain_as_published = version == V5;
    net.retain(from, "t", "old");
    let mut said = net.subscribe_with(to, "t", options, None).split_off(1);
    net.retain(from, "t", "new");
    said.extend(net.recv(to));
    said
}

fn retain_handling(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    let mut options = SubscriptionOptions::new(Q0);
    if version == V5 {
        options.retain_handling = RetainHandling::SendIfNew;
    }
    net.subscribe_with(to, "t", options, None);
    net.retain(from, "t", "x");
    net.recv(to);
    net.subscribe_with(to, "t", options, None)
}

fn no_local(version: Version) -> Vec<String> {
    let (mut net, to, _) = two(version);
    let mut options = SubscriptionOptions::new(Q0);
    options.no_local = version == V5;
    net.subscribe_with(to, "t", options, None);
    net.say(to, "t", "x");
    net.recv(to)
}

fn shared_and(version: Version, name: &str) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "$share/g/t", Q0);
    net.say(from, name, "x");
    net.recv(to)
}

fn share(version: Version) -> Vec<String> {
    shared_and(version, "t")
}

fn share_as_a_filter(version: Version) -> Vec<String> {
    shared_and(version, "$share/g/t")
}

fn dollar(version: Version) -> Vec<String> {
    let (mut net, to, from) = two(version);
    net.subscribe(to, "#", Q0);
    net.say(from, "$x", "x");
    net.recv(to)
}

fn too_large(version: Version) -> Vec<String> {
    let (mut net, to, from) = subscriber(version, &[Property::MaximumPacketSize(30)]);
    net.subscribe(to, "t", Q0);
    net.say(from, "t", "more than thirty bytes, as one can see");
    net.recv(to)
}

fn receive_maximum(version: Version) -> Vec<String> {
    let (mut net, to, from) = subscriber(version, &[Property::ReceiveMaximum(1)]);
    net.subscribe(to, "t", Q1);
    for n in 1..4 {
        net.publish(from, message("t", Q1, n, ""));
    }
    net.recv(to)
}

fn nobody(version: Version) -> Vec<String> {
    let (mut net, from, _) = two(version);
    net.publish(from, message("t", Q1, 1, "x"));
    net.recv(from)
}

fn refused(version: Version, qos: mqtt_proto::QoS) -> Vec<String> {
    let mut net = Net::with(|config| config.limits.topic_levels = 2);
    let from = net.client(version, "p");
    net.publish(from, message("a/b/c", qos, 1, "x"));
    net.recv(from)
}

fn refused_publish(version: Version) -> Vec<String> {
    refused(version, Q1)
}

fn refused_publish_2(version: Version) -> Vec<String> {
    refused(version, Q2)
}

fn id_in_use(version: Version) -> Vec<String> {
    let (mut net, from, _) = two(version);
    net.publish(from, message("t", Q2, 1, "x"));
    net.recv(from);
    net.publish(from, message("t", Q1, 1, "x"));
    net.recv(from)
}

fn unknown_pubrel(version: Version) -> Vec<String> {
    let (mut net, from, _) = two(version);
    net.pubrel(from, 5);
    net.recv(from)
}

fn refused_subscribe(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.limits.topic_levels = 2);
    let to = net.client(version, "s");
    net.subscribe_with(to, "a/b/c", SubscriptionOptions::new(Q1), None)
}

fn lower_qos(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).maximum_qos = Q1);
    let to = net.client(version, "s");
    net.subscribe_with(to, "t", SubscriptionOptions::new(Q2), None)
}

fn unsubscribe(version: Version) -> Vec<String> {
    let (mut net, to, _) = two(version);
    net.unsubscribe(to, "t")
}

fn tried(net: &mut Net, connect: Connect<'_>) -> Vec<String> {
    let end = net.open(connect.version);
    net.send(end, Packet::Connect(connect));
    net.recv(end)
}

fn accepted(version: Version) -> Vec<String> {
    tried(&mut Net::new(), connect(version, "c"))
}

fn kept(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let (end, _) = net.keeper(version, "c");
    net.cut(end);
    let again = Connect {
        clean_start: false,
        ..connect(version, "c")
    };
    tried(&mut net, again)
}

/// By hand in 3.1, whose encoder takes no such id.
fn called(version: Version, client_id: &str) -> Vec<String> {
    let mut net = Net::new();
    if version != V31 {
        return tried(&mut net, connect(version, client_id));
    }
    let len = u8::try_from(client_id.len()).unwrap();
    let mut bytes = vec![0x10, 14 + len];
    bytes.extend_from_slice(b"\x00\x06MQIsdp\x03\x02\x00\x00\x00");
    bytes.push(len);
    bytes.extend_from_slice(client_id.as_bytes());
    let end = net.open(version);
    net.raw(end, &bytes);
    net.recv(end)
}

fn no_client_id(version: Version) -> Vec<String> {
    called(version, "")
}

fn long_client_id(version: Version) -> Vec<String> {
    called(version, "abcdefghijklmnopqrstuvwx")
}

fn too_many_sessions(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.limits.sessions = 1);
    net.client(V5, "other");
    tried(&mut net, connect(version, "c"))
}

fn refused_will(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).retain_available = false);
    let mut will = will("t", b"gone");
    will.retain = true;
    let with_will = Connect {
        will: Some(will),
        ..connect(version, "c")
    };
    tried(&mut net, with_will)
}

fn keep_alive(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).keep_alive_max = Some(60));
    let patient = Connect {
        keep_alive: 100,
        ..connect(version, "c")
    };
    tried(&mut net, patient)
}

fn second_connect(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let end = net.client(version, "c");
    net.send(end, Packet::Connect(connect(version, "c")));
    net.recv(end)
}

fn taken_over(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let end = net.client(version, "c");
    net.client(V5, "c");
    net.recv(end)
}

fn shutdown(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let end = net.client(version, "c");
    net.server.shutdown(net.now);
    net.recv(end)
}

fn above_receive_maximum(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).receive_maximum = 1);
    let from = net.client(version, "p");
    for n in 1..3 {
        net.publish(from, message("t", Q2, n, "x"));
    }
    net.recv(from)
}

/// What a subscriber of 5.0 sees of the will of a client of this version.
fn will_of(version: Version, end: impl FnOnce(&mut Net, End)) -> Vec<String> {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.subscribe(to, "t", Q0);
    let (of_will, of_connect) = (
        [Property::WillDelayInterval(5)],
        [Property::SessionExpiryInterval(100)],
    );
    let will = Will {
        properties: only_5(version, &of_will),
        ..will("t", b"gone")
    };
    let from = net.client_with(Connect {
        clean_start: false,
        will: Some(will),
        properties: only_5(version, &of_connect),
        ..connect(version, "p")
    });
    end(&mut net, from.0);
    net.recv(to)
}

fn will_at_once(version: Version) -> Vec<String> {
    will_of(version, Net::cut)
}

fn disconnect_with_will(version: Version) -> Vec<String> {
    will_of(version, |net, end| {
        let code = if version == V5 {
            ReasonCode::DISCONNECT_WITH_WILL_MESSAGE
        } else {
            ReasonCode::NORMAL_DISCONNECTION
        };
        net.send(end, Packet::Disconnect(Disconnect::new(code)));
        net.pass_secs(5);
    })
}

fn session_after_a_while(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let (end, _) = net.keeper(version, "c");
    net.cut(end);
    net.pass_secs(200);
    let kept = net.server.broker().holdings().sessions;
    vec![format!("{kept} sessions kept")]
}

fn to_5_0(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    let from = net.client(version, "p");
    net.subscribe_with(to, "t", SubscriptionOptions::new(Q2), Some(7));
    let list = [
        Property::UserProperty("k", "v"),
        Property::MessageExpiryInterval(9),
    ];
    let mut one = message("t", Q1, 1, "x");
    one.head.properties = only_5(version, &list);
    net.publish(from, one);
    net.recv(to)
}

fn sys(version: Version) -> Vec<String> {
    let (mut net, from, _) = two(version);
    net.publish(from, message("$SYS/x", Q1, 1, "x"));
    net.recv(from)
}

fn too_fast(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| {
        config.offer_mut(0).grant.limits.rate.messages = Some(Bucket {
            per_second: 1,
            burst: 1,
        });
    });
    let from = net.client(version, "p");
    for n in 1..3 {
        net.publish(from, message("t", Q1, n, "x"));
    }
    net.recv(from)
}

/// Gives this answer to all questions.
fn decide(net: &mut Net, decision: &Decision) {
    while let Some(ticket) = net.server.poll_question() {
        net.server.handle_decision(net.now, ticket, decision.clone());
    }
}

fn not_allowed(version: Version) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).asks.subscribe = true);
    let to = net.client(version, "s");
    assert_eq!(
        net.subscribe_with(to, "t", SubscriptionOptions::new(Q1), None),
        [""; 0]
    );
    decide(&mut net, &Decision::Deny(ReasonCode::NOT_AUTHORIZED));
    net.recv(to)
}

fn asked_to_connect(version: Version, decision: &Decision) -> Vec<String> {
    let mut net = Net::with(|config| config.offer_mut(0).asks.connect = true);
    let end = net.open(version);
    net.send(end, Packet::Connect(connect(version, "c")));
    decide(&mut net, decision);
    net.recv(end)
}

fn refused_with_words(version: Version) -> Vec<String> {
    let mut refusal = Refusal::new(ReasonCode::BANNED);
    refusal.remarks = Remarks::reason("because");
    asked_to_connect(version, &Decision::Refuse(Box::new(refusal)))
}

fn redirected(version: Version) -> Vec<String> {
    let refusal = Refusal::redirect(ReasonCode::USE_ANOTHER_SERVER, "other:1883");
    asked_to_connect(version, &Decision::Refuse(Box::new(refusal)))
}

fn kicked(version: Version) -> Vec<String> {
    let mut net = Net::new();
    let end = net.client(version, "c");
    let code = ReasonCode::ADMINISTRATIVE_ACTION;
    net.server.broker_mut().disconnect_client(net.now, end.id, code);
    net.recv(end)
}
