//! Profiles: every key, the place of every error, and what a profile makes of traces.

#![allow(clippy::wildcard_enum_match_arm, reason = "most steps have no names in them")]

mod live;
#[path = "../our_server/mod.rs"]
mod our_server;

use core::time::Duration;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use mqtt_conformance::profile::Profile;
use mqtt_conformance::trace::Trace;
use mqtt_conformance::trace::ast::{Item, Step};
use mqtt_proto::Version;

const ALL: &str = r##"
name = "a broker 1.0"
versions = ["3.1.1", "5.0"]
lacks = ["shared", "retain"]
patience = "2s"
slack = "500us"
jobs = 3

[broker]
namespace = "tests/a/"
client_ids = "tests-"
user_name = "u"
password = "p"
password_env = "MQTT_PASSWORD"
restart = ["sh", "-c", "restart"]
crash = ["crash"]
deny = ["deny", "it"]
allow = ["allow"]
start_within = "5s"
[broker.limits]
maximum_packet_size = 1
receive_maximum = 2
topic_alias_maximum = 3
maximum_qos = 1
keep_alive = 5
session_expiry_interval = 6
message_expiry_interval = 7
client_id_len = 8
topic_len = 9
topic_levels = 10
filters = 11
connections = 12

[client]

[[known]]
statement = "5/MQTT-3.8.3-4"
traces = ["broker/subscribe/shared-*", "broker/x"]
versions = ["5"]
what = "one"
text = "3.8.3.1: MUST"
[[known]]
statement = ["3.1.1/MQTT-3.3.1-2", "5/3.12.1"]
what = "two"
"##;

fn parse(text: &str) -> Profile {
    Profile::parse("p", text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_key_is_read() {
    let profile = parse(ALL);
    assert_eq!(profile.name, "a broker 1.0");
    assert_eq!(profile.versions, [Version::V311, Version::V5]);
    assert_eq!(profile.lacks, ["shared", "retain"]);
    assert_eq!(profile.patience, Duration::from_secs(2));
    assert_eq!(profile.slack, Duration::from_micros(500));
    assert_eq!(profile.jobs, Some(3));

    let broker = &profile.broker;
    let words = |command: &Option<_>| command.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        (&broker.namespace[..], &broker.client_ids[..]),
        ("tests/a/", "tests-")
    );
    assert_eq!(broker.user_name.as_deref(), Some("u"));
    assert_eq!(broker.password.as_deref(), Some("p"));
    assert_eq!(broker.password_env.as_deref(), Some("MQTT_PASSWORD"));
    assert_eq!(words(&broker.restart), "sh -c restart");
    assert_eq!(words(&broker.crash), "crash");
    assert_eq!(words(&broker.deny), "deny it");
    assert_eq!(words(&broker.allow), "allow");
    assert_eq!(broker.start_within, Duration::from_secs(5));

    let limits = &broker.limits;
    let numbers = [
        limits.maximum_packet_size,
        limits.receive_maximum,
        limits.topic_alias_maximum,
        limits.maximum_qos,
        limits.keep_alive,
        limits.session_expiry_interval,
        limits.message_expiry_interval,
        limits.client_id_len,
        limits.topic_len,
        limits.topic_levels,
        limits.filters,
        limits.connections,
    ];
    assert_eq!(numbers, [1, 2, 3, 1, 5, 6, 7, 8, 9, 10, 11, 12].map(Some));
    // No number of ALL stands under a key that this test does not know: they are all the fields there are.
    assert_eq!(
        format!("{limits:?}").matches("Some(").count(),
        numbers.len(),
        "{limits:?}"
    );

    let [one, two] = &profile.known[..] else {
        panic!("{:?}", profile.known)
    };
    assert_eq!((&one.what[..], &two.what[..]), ("one", "two"));
    assert_eq!((one.statement.len(), two.statement.len()), (1, 2));
    assert_eq!(one.text.as_deref(), Some("3.8.3.1: MUST"));
    assert!(two.traces.is_empty() && two.versions.is_none() && two.text.is_none());
}

/// The keys of a table and of all tables in it, with their paths.
fn keys(table: &toml::Table, path: &str, all: &mut BTreeSet<String>) {
    for (name, value) in table {
        let path = format!("{path}/{name}");
        match value {
            toml::Value::Table(table) => keys(table, &path, all),
            toml::Value::Array(list) => {
                for table in list.iter().filter_map(toml::Value::as_table) {
                    keys(table, &path, all);
                }
            }
            _ => {}
        }
        all.insert(path);
    }
}

#[test]
fn the_readme_shows_every_key_in_a_profile_that_is_one() {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## A profile\n").nth(1).expect("the section");
    let example = section
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = example.expect("an example");
    parse(example);
    let of = |text: &str| {
        let mut all = BTreeSet::new();
        keys(&text.parse().expect("it is TOML"), "", &mut all);
        all
    };
    let (shown, all) = (of(example), of(ALL));
    let missing: Vec<_> = all.difference(&shown).collect();
    assert!(missing.is_empty(), "{missing:?}");

    // A key that is none is told which there are.
    for (table, path, least) in [
        ("", "", 10),
        ("[broker]", "/broker", 11),
        ("[broker.limits]", "/broker/limits", 12),
        ("[[known]]", "/known", 4),
        ("[measured]", "/measured", 3),
    ] {
        let text = format!("{table}\nnone = 1");
        let error = Profile::parse("p", &text).expect_err(&text).why;
        let names: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(names.len() >= least, "{error}");
        for name in names {
            assert!(
                shown.contains(&format!("{path}/{name}")),
                "{path}/{name} is not in the readme"
            );
        }
    }
}

#[test]
fn what_is_left_out_has_a_default() {
    assert_eq!(parse("name = \"n\""), Profile::new("n"));
    let profile = Profile::new("n");
    assert_eq!(profile.versions, Version::ALL);
    assert_eq!(profile.patience, Duration::from_secs(1));
    assert_eq!(profile.slack, Duration::from_millis(300));
    assert_eq!(profile.broker.start_within, Duration::from_secs(30));
}

#[test]
fn an_error_has_the_place_of_what_is_wrong() {
    for (text, wanted) in [
        ("", "p:1:1: missing field `name`"),
        ("nam = \"n\"", "p:1:1: unknown field `nam`, expected "),
        ("name = \"n\"\n  jobs = 0", "p:2:10: at least 1"),
        ("name = \"n\"\nname = \"m\"", "p:2:1: duplicate key"),
        ("name = 3", "p:1:8: invalid type: integer `3`, expected a string"),
        (
            "name = \"n\"\nversions = [\"3.1.1\", \"é\"]",
            "p:2:22: `é` is no version: 3.1, 3.1.1 or 5",
        ),
        (
            "name = \"é\"\nlacks = [\"shard\"]",
            "p:2:10: `shard` is no word of `requires:`; did you mean `shared`?",
        ),
        (
            "name = \"n\"\npatience = \"fast\"",
            "p:2:12: `fast` is not a time such as 500ms or 2s",
        ),
        // As long as this no clock runs.
        (
            "name = \"n\"\npatience = \"18446744073709551615s\"",
            "p:2:12: `18446744073709551615s` is not a time such as 500ms or 2s",
        ),
        (
            "name = \"n\"\n[broker]\nnamespace = \"a/+/\"",
            "p:3:13: `a/+/` has a wildcard",
        ),
        (
            "name = \"n\"\n[broker]\nnamespace = \"$a/\"",
            "p:3:13: `$a/` begins with `$`",
        ),
        (
            "name = \"n\"\n[broker]\nnamespace = \"a\"",
            "p:3:13: `a` does not end with `/`",
        ),
        (
            "name = \"n\"\n[broker]\nrestrat = []",
            "p:3:1: unknown field `restrat`",
        ),
        (
            "name = \"n\"\n[broker]\nrestart = []",
            "p:3:11: a command begins with a program",
        ),
        (
            "name = \"n\"\n[broker]\nlimits = { maximum_qos = 1, qos = 1 }",
            "p:3:29: unknown field `qos`",
        ),
        (
            "name = \"n\"\n[broker.limits]\nfilters = -1",
            "p:3:11: invalid value: integer `-1`",
        ),
        (
            "name = \"n\"\n[[known]]\nwhat = \"w\"",
            "p:2:1: missing field `statement`",
        ),
        (
            "name = \"n\"\n[[known]]\nwhat = \"w\"\nstatement = [\"5/MQTT-3.8.3-4\", \"5/MQTT-99.1.1-1\"]",
            "p:4:32: `5/MQTT-99.1.1-1` is no statement",
        ),
        (
            "name = \"n\"\n[[known]]\nwhat = \"w\"\nstatement = []",
            "p:4:13: a finding breaks a statement at least",
        ),
        ("name = \"n", "p:1:10: "),
    ] {
        let error = Profile::parse("p", text).expect_err(text).to_string();
        assert!(error.starts_with(wanted), "{text}\n{error}\n{wanted}");
        assert!(!error.contains('\n'), "{error}");
    }
    let nowhere = Profile::read(Path::new("no/such.toml")).expect_err("it is not there");
    assert!(nowhere.to_string().starts_with("no/such.toml: "), "{nowhere}");
}

#[test]
fn a_run_is_known_by_its_trace_and_version() {
    let profile = parse(ALL);
    let what = |trace, version| profile.known(trace, version).map(|known| &known.what[..]);
    assert_eq!(what("broker/subscribe/shared-no-local", Version::V5), Some("one"));
    assert_eq!(what("broker/x", Version::V5), Some("one"));
    assert_eq!(what("broker/x", Version::V311), None);
    assert_eq!(what("broker/xy", Version::V5), None);
    assert_eq!(what("a/broker/subscribe/shared-no-local", Version::V5), None);
}

fn trace(version: &str, lines: &str) -> Trace {
    let text = format!("title: t\ntest: broker\nversion: {version}\n{lines}\n");
    Trace::parse("t", &text).unwrap_or_else(|e| panic!("{lines}\n{e}"))
}

/// The packets of a trace, as they would be written.
fn packets(trace: &Trace) -> Vec<String> {
    let mut all = Vec::new();
    for line in &trace.lines {
        match &line.step {
            Step::Wire(wire) => {
                if let Item::Packet(packet) = &wire.item {
                    let fields: Vec<String> = packet.fields.iter().map(ToString::to_string).collect();
                    all.push(format!("{} {}", packet.packet_type.name(), fields.join(" ")));
                }
            }
            Step::Either(branches) => {
                for lines in branches {
                    let lines = lines.clone();
                    all.extend(packets(&Trace {
                        lines,
                        ..trace.clone()
                    }));
                }
            }
            other => all.push(format!("{other:?}")),
        }
    }
    all
}

const RENAMING: &str = "name = \"n\"\n[broker]\nnamespace = \"tests/\"\nclient_ids = \"id-\"\nuser_name = \"u\"\npassword = \"p\"";

#[test]
fn names_and_credentials_are_put_into_what_is_sent_and_what_is_expected() {
    let lines = r#"
a -> CONNECT client_id="a" will={topic="w" payload="x" response_topic="r"}
a <- CONNACK ..
a -> SUBSCRIBE id=1 filters=[{"t/+" qos=1} {"$share/g/s/#"} {"$SYS/broker/#"} {"$share//x"}]
a <- SUBACK ..
a -> UNSUBSCRIBE id=2 filters=["t/+" "$share/g/s/#"]
b -> CONNECT client_id="" user_name="mine"
a -> PUBLISH topic="x"*3 topic_alias=1 payload="topic" = 30 0d 00 03 78 78 78 03 23 00 01 74 6f 70 69 63
a -> PUBLISH topic="" topic_alias=1
either {
  a <- PUBLISH topic="t/1"|"t/2"|$t ..
} or {
  a <- PUBLISH topic=* ..
}
"#;
    let wanted = [
        r#"CONNECT client_id="id-a" will={topic="tests/w" payload="x" response_topic="tests/r"} user_name="u" password="p""#,
        "CONNACK ",
        r#"SUBSCRIBE id=1 filters=[{"tests/t/+" qos=1} {"$share/g/tests/s/#"} {"$SYS/broker/#"} {"$share//x"}]"#,
        "SUBACK ",
        r#"UNSUBSCRIBE id=2 filters=["tests/t/+" "$share/g/tests/s/#"]"#,
        r#"CONNECT client_id="" user_name="mine""#,
        r#"PUBLISH topic="tests/xxx" topic_alias=1 payload="topic""#,
        r#"PUBLISH topic="" topic_alias=1"#,
        r#"PUBLISH topic="tests/t/1"|"tests/t/2"|$t"#,
        "PUBLISH topic=*",
    ];
    let trace = trace("5", lines);
    let renamed = parse(RENAMING).apply(&trace, Version::V5).unwrap();
    assert_eq!(packets(&renamed), wanted);
    // What was said of the encoding is said of other bytes.
    assert!(renamed.lines.iter().all(|line| match &line.step {
        Step::Wire(wire) => !matches!(&wire.item, Item::Packet(packet) if packet.bytes.is_some()),
        _ => true,
    }));
    assert_eq!(
        renamed.source, trace.source,
        "failures show the line as it is written"
    );

    // Nothing is changed for those that want nothing.
    assert!(matches!(
        Profile::new("n").apply(&trace, Version::V5),
        Ok(Cow::Borrowed(_))
    ));
}

#[test]
fn a_password_alone_is_put_into_connect_of_5_only() {
    let profile = parse("name = \"n\"\n[broker]\npassword = \"p\"");
    let trace = trace("3.1.1 5", "-> CONNECT client_id=\"a\"");
    let of = |version| packets(&profile.apply(&trace, version).unwrap());
    assert_eq!(of(Version::V311), [r#"CONNECT client_id="a""#]);
    assert_eq!(of(Version::V5), [r#"CONNECT client_id="a" password="p""#]);
}

#[test]
fn a_password_that_is_not_in_the_environment_makes_nothing_applicable() {
    let profile =
        parse("name = \"n\"\n[broker]\nuser_name = \"u\"\npassword_env = \"MQTT_CONFORMANCE_NOT_THERE\"");
    let trace = trace("5", "-> CONNECT client_id=\"a\"");
    let why = profile.apply(&trace, Version::V5).unwrap_err();
    assert_eq!(
        why,
        "no password in the environment variable MQTT_CONFORMANCE_NOT_THERE"
    );
}

/// What applies to these lines, or why not.
fn applies(profile: &str, lines: &str) -> String {
    let trace = trace("5", lines);
    match parse(profile).apply(&trace, Version::V5) {
        Ok(_) => "yes".to_owned(),
        Err(why) => why,
    }
}

#[test]
fn bytes_that_are_right_and_would_have_to_be_others_are_not_applicable() {
    for (lines, wanted) in [
        ("-> hex c0 00", "yes"),
        ("-> hex 30 05 00 02 61 2b 00", "yes"),
        (
            "-> hex c0 00 30 04 00 01 61 00",
            "line 4: its bytes are a PUBLISH with a topic, which the profile would have to change",
        ),
        (
            "-> hex 82 07 00 01 00 00 01 61 00",
            "line 4: its bytes are a SUBSCRIBE with filters, which the profile would have to change",
        ),
        (
            "-> hex 10 0e 00 04 4d 51 54 54 05 02 00 00 00 00 01 61",
            "line 4: its bytes are a CONNECT with a client id, which the profile would have to change",
        ),
        (
            "-> hex 10 0d 00 04 4d 51 54 54 05 02 00 00 00 00 00",
            "line 4: its bytes are a CONNECT with no credentials, which the profile would have to change",
        ),
        (
            "-> CONNECT client_id=\"a\"\n<- hex 30 04 00 01 61 00",
            "line 5: its bytes are a PUBLISH with a topic, which the profile would have to change",
        ),
        (
            "-> PUBLISH topic=\"$a/b\"",
            "line 4: `$a/b` begins with `$`, which means nothing behind the namespace tests/",
        ),
        (
            "-> PUBLISH topic=\"x\"*65530",
            "line 4: with what the profile puts before it a name has 65536 bytes, and no more than 65535 can be sent",
        ),
        ("-> PUBLISH topic=\"x\"*65529", "yes"),
    ] {
        assert_eq!(applies(RENAMING, lines), wanted, "{lines}");
        assert_eq!(applies("name = \"n\"", lines), "yes", "{lines}");
    }
}

#[test]
fn a_trace_that_needs_more_than_the_limits_is_not_applicable() {
    let three = "-> PUBLISH topic=\"t\" qos=1 id=1\n-> PUBLISH topic=\"t\" qos=2 id=2\n";
    let answered = "<- PUBACK id=1\n-> PUBLISH topic=\"t\" qos=1 id=1\n";
    let branches =
        "either {\n  <- PUBACK id=1\n} or {\n  <- PUBREC id=2\n}\n-> PUBLISH topic=\"t\" qos=1 id=3\n";
    let connect = "-> CONNECT client_id=\"abc\" keep_alive=60 session_expiry_interval=100";
    let filters = "-> SUBSCRIBE id=1 filters=[{\"a/b\" qos=2} {\"c\" qos=0}]";
    for (limit, lines, wanted) in [
        (
            "maximum_packet_size = 6",
            "-> PUBLISH topic=\"t\" payload=\"m\"",
            "line 4: it needs maximum_packet_size 7, and this target has 6",
        ),
        (
            "maximum_packet_size = 7",
            "-> PUBLISH topic=\"t\" payload=\"m\"",
            "yes",
        ),
        (
            "maximum_packet_size = 3",
            "<- PUBLISH id=$i ..\n-> PUBACK id=$i",
            "line 5: it needs maximum_packet_size 4, and this target has 3",
        ),
        (
            "maximum_packet_size = 2",
            "-> hex c0 00 c0 00",
            "line 4: it needs maximum_packet_size 4, and this target has 2",
        ),
        (
            "receive_maximum = 1",
            three,
            "line 5: it needs receive_maximum 2, and this target has 1",
        ),
        ("receive_maximum = 2", &format!("{three}{answered}"), "yes"),
        (
            "receive_maximum = 2",
            &format!("{three}{branches}"),
            "line 11: it needs receive_maximum 3, and this target has 2",
        ),
        (
            "receive_maximum = 2",
            &format!("{three}cut\n-> CONNECT client_id=\"a\"\n{three}"),
            "yes",
        ),
        (
            "topic_alias_maximum = 1",
            "-> PUBLISH topic=\"t\" topic_alias=2",
            "line 4: it needs topic_alias_maximum 2, and this target has 1",
        ),
        (
            "maximum_qos = 1",
            "-> PUBLISH topic=\"t\" qos=2 id=1",
            "line 4: it needs maximum_qos 2, and this target has 1",
        ),
        (
            "maximum_qos = 1",
            filters,
            "line 4: it needs maximum_qos 2, and this target has 1",
        ),
        (
            "maximum_qos = 0",
            "-> CONNECT client_id=\"a\" will={topic=\"w\" qos=1 payload=\"\"}",
            "line 4: it needs maximum_qos 1, and this target has 0",
        ),
        (
            "keep_alive = 59",
            connect,
            "line 4: it needs keep_alive 60, and this target has 59",
        ),
        ("keep_alive = 60", connect, "yes"),
        (
            "keep_alive = 4",
            "-> CONNECT client_id=\"a\" keep_alive=0\n+ 6s",
            "yes",
        ),
        (
            "keep_alive = 4",
            "-> CONNECT client_id=\"a\" keep_alive=0\n+ 4s\nquiet 3s",
            "line 4: it is silent for 7s without a Keep Alive, and this target has 4 s",
        ),
        (
            "session_expiry_interval = 99",
            connect,
            "line 4: it needs session_expiry_interval 100, and this target has 99",
        ),
        (
            "session_expiry_interval = 99",
            "-> DISCONNECT session_expiry_interval=100",
            "line 4: it needs session_expiry_interval 100, and this target has 99",
        ),
        (
            "message_expiry_interval = 1",
            "-> PUBLISH topic=\"t\" message_expiry_interval=2",
            "line 4: it needs message_expiry_interval 2, and this target has 1",
        ),
        (
            "client_id_len = 2",
            connect,
            "line 4: it needs client_id_len 3, and this target has 2",
        ),
        (
            "topic_len = 2",
            filters,
            "line 4: it needs topic_len 3, and this target has 2",
        ),
        (
            "topic_len = 2",
            "-> PUBLISH topic=\"x\"*3",
            "line 4: it needs topic_len 3, and this target has 2",
        ),
        (
            "topic_levels = 1",
            filters,
            "line 4: it needs topic_levels 2, and this target has 1",
        ),
        (
            "filters = 1",
            filters,
            "line 4: it needs filters 2, and this target has 1",
        ),
        (
            "filters = 1",
            "-> UNSUBSCRIBE id=1 filters=[\"a\" \"b\"]",
            "line 4: it needs filters 2, and this target has 1",
        ),
        (
            "connections = 1",
            "a -> CONNECT client_id=\"a\"\na cut\nb -> CONNECT client_id=\"b\"",
            "yes",
        ),
        (
            "connections = 1",
            "a -> CONNECT client_id=\"a\"\nb -> CONNECT client_id=\"b\"",
            "line 5: it needs connections 2, and this target has 1",
        ),
    ] {
        let profile = format!("name = \"n\"\n[broker.limits]\n{limit}");
        assert_eq!(applies(&profile, lines), wanted, "{limit}\n{lines}");
    }
    // What the profile puts before a name counts.
    let long = "name = \"n\"\n[broker]\nclient_ids = \"1234567890\"\nlimits = { client_id_len = 12 }";
    assert_eq!(
        applies(long, connect),
        "line 4: it needs client_id_len 13, and this target has 12"
    );
}

#[test]
fn a_trace_for_other_versions_or_abilities_is_not_applicable() {
    let profile = parse("name = \"old one\"\nversions = [\"3.1\"]\nlacks = [\"retain\"]");
    let of_5 = trace("5", "-> PINGREQ");
    let why = profile.apply(&of_5, Version::V5).unwrap_err();
    assert_eq!(why, "old one does not speak MQTT 5");
    let text = "title: t\ntest: broker\nversion: 3.1\nrequires: retain\n-> PINGREQ\n";
    let retain = Trace::parse("t", text).unwrap();
    let why = profile.apply(&retain, Version::V31).unwrap_err();
    assert_eq!(why, "it requires retain, which this target cannot do");
}
