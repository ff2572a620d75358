//! `LIVE-CLIENTS.md`: its driver and its profile are run as they stand there. Python 3 is needed.

use std::ffi::OsString;

use mqtt_conformance::profile::Profile;
use mqtt_conformance::target::process::LiveClient;
use mqtt_conformance::target::{Outcome, Target};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;

use super::failure;

const MANUAL: &str = include_str!("../../LIVE-CLIENTS.md");

/// The first block of this language after a heading.
fn block(language: &str) -> &'static str {
    let section = MANUAL
        .split("## The smallest driver")
        .nth(1)
        .expect("the section");
    let start = format!("```{language}\n");
    let block = section.split(&start).nth(1).expect("a block");
    block.split("\n```").next().unwrap_or_default()
}

fn run(lines: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let driver = folder.path().join("driver.py");
    std::fs::write(&driver, block("python")).expect("it is written");
    std::fs::write(
        folder.path().join("imaginary.py"),
        include_str!("imaginary/imaginary.py"),
    )
    .expect("it is written");
    let profile = format!("patience = \"5s\"\n{}", block("toml"));
    let profile = Profile::parse("profile.toml", &profile).unwrap_or_else(|e| panic!("{e}"));
    let text = format!("title: t\ntest: client\nversion: 3.1.1\n\n{lines}");
    let trace = Trace::parse("test", &text).expect("the lines are a trace");
    let command: Vec<OsString> = vec!["python3".into(), driver.into()];
    LiveClient::new(command, profile).run(&trace, Version::V311)
}

const SESSION: &str = r#"do connect client_id="fake" clean_start=1 keep_alive=0
-> CONNECT client_id="fake" clean_start=1 keep_alive=0
<- CONNACK session_present=0 code=0
event Connected session_present=0
do publish topic="t" qos=1 payload="x" as p
-> PUBLISH topic="t" qos=1 id=$id payload="x"
<- PUBACK id=$id
event Completed token=$p
<- PUBLISH topic="t" payload="y"
event Message topic="t" payload="y"
do disconnect
-> DISCONNECT
-> close
event Closed by=client
"#;

#[test]
fn the_smallest_driver_does_what_the_manual_says() {
    assert_eq!(run(SESSION), Outcome::Passed { checked: 14 });
    let why = failure(run(
        &SESSION.replace("-> PUBLISH topic=\"t\"", "-> PUBLISH topic=\"u\"")
    ));
    assert!(why.contains("topic: expected \"u\", found \"t\""), "{why}");
}

#[test]
fn what_the_smallest_driver_does_not_know_is_not_applicable() {
    for (ours, other) in [
        (
            "do publish topic=\"t\" qos=1 payload=\"x\"",
            "do publish topic=\"t\" qos=1 payload=\"\\\"\"",
        ),
        (
            "do publish topic=\"t\" qos=1 payload=\"x\"",
            "do publish topic=\"t\" qos=1 payload=\"x\" retain=1",
        ),
        (
            "do publish topic=\"t\" qos=1 payload=\"x\"",
            "do subscribe filter=\"t\"",
        ),
    ] {
        match run(&SESSION.replace(ours, other)) {
            Outcome::NotApplicable(why) => assert!(why.contains("the client cannot"), "{why}"),
            outcome => panic!("{other}: {outcome:?}"),
        }
    }
}
