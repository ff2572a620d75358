//! The traces of this crate, and what is reported of traces that do not hold.

mod our_server;

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mqtt_conformance::profile::Profile;
use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::target::codec;
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{Outcome, Target, in_memory};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;
use our_server::with_server;

fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let files = run::find(&[folder]).expect("the traces are there");
    assert!(files.len() >= 60, "{files:?}");
    files
}

#[test]
fn codec_client_and_broker_do_what_every_trace_says() {
    let report = run::run(&all(), &Plan::default(), &in_memory);
    assert!(report.is_good(), "\n{report}");
}

#[test]
fn our_server_on_tokio_does_what_every_trace_of_a_broker_says() {
    let mut plan = Plan::default();
    plan.jobs = 32;
    // Patience costs time only where a trace fails.
    let mut profile = Profile::new("ours");
    (profile.patience, profile.slack) = (Duration::from_secs(5), Duration::from_millis(500));
    let report = with_server(|address| {
        let broker = LiveBroker::at(address).expect("it listens").with_profile(profile);
        run::run(&all(), &plan, &|| {
            vec![Box::new(broker.clone()) as Box<dyn Target>]
        })
    });
    assert!(report.is_good(), "\n{report}");
}

/// What the codec target says of these lines.
fn verdicts(lines: &str) -> Vec<String> {
    let text = format!("title: t\ntest: codec\nversion: 5\n{lines}\n");
    let trace = Trace::parse("t", &text).unwrap_or_else(|e| panic!("{e}"));
    match codec::ours().run(&trace, Version::V5) {
        Outcome::Failed(failures) => failures
            .into_iter()
            .map(|f| format!("{} {}", f.at, f.why()))
            .collect(),
        Outcome::Passed { .. } | Outcome::NotApplicable(_) => Vec::new(),
    }
}

#[test]
fn a_line_that_the_codec_does_not_fulfil_is_reported_with_the_difference() {
    for (lines, why) in [
        ("-> PINGREQ = c0 01", "4:1 encoded as c0 00, expected c0 01"),
        (
            "\n-> PUBLISH topic=\"a/+\"",
            "5:1 topic: wildcard in a topic name (at byte 2); write the packet as `hex`",
        ),
        ("-> PUBLISH topic=\"a\" qos=1", "4:1 cannot be encoded: "),
        (
            "<- SUBSCRIBE id=1 filters=[{\"a\" qos=1}]",
            "4:1 the packet 82 07 00 01 00 00 01 61 01 is refused: ",
        ),
        ("-> hex c0 00 ! bad 0x81", "4:1 accepted, but should not be"),
        ("-> hex c0 00 ! incomplete 4", "4:1 accepted, but should not be"),
        ("-> hex c0", "4:1 incomplete: 2 bytes are wanted"),
        (
            "-> hex 30 05 00 ! incomplete 8",
            "4:1 7 bytes are wanted, 8 expected",
        ),
        ("-> hex c1 00", "4:1 refused: PINGREQ at 0: "),
        (
            "-> hex c1 00 ! bad 0x82",
            "4:1 refused with 0x81, expected 0x82: ",
        ),
        (
            "-> hex c1 00 ! bad 0x81 5/MQTT-3.3.1-2",
            "4:1 refused, but not for 5/MQTT-3.3.1-2: ",
        ),
        (
            "-> hex c0 00 c1 00 ! bad 0x81 5/MQTT-2.1.3-1 at 0",
            "4:1 refused at byte 2, expected 0: ",
        ),
    ] {
        let found = verdicts(lines);
        assert!(
            found.len() == 1 && found[0].starts_with(why),
            "{lines}\n{found:?}\n{why}"
        );
    }
    assert_eq!(
        verdicts("-> hex c0 00 c1 00 ! bad 0x80|0x81 5/MQTT-2.1.3-1 at 2"),
        [""; 0]
    );
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn the_program_fails_with_one_precise_line_for_bad_input() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("can be written");
        path.display().to_string()
    };
    let head = "title: t\ntest: codec\nversion: 5\n";

    let good = file("good.trace", &format!("{head}-> PINGREQ = c000\n"));
    let output = program(&["run", &good]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("codec: 1 passed (1 lines), 0 failed"));

    let wrong = file("wrong.trace", &format!("{head}-> PINGREQ = c001\n"));
    let output = program(&["run", &good, &wrong]);
    assert_eq!(output.status.code(), Some(1));
    let wanted = format!("{wrong}:4:1: [codec, MQTT 5] encoded as c0 00, expected c0 01\n");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&wanted));

    let unreadable = file("unreadable.trace", &format!("{head}-> PINGRQ\n"));
    let output = program(&["run", &unreadable]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with(&format!("{unreadable}:4:4: found `PINGRQ`"))
    );

    let missing = folder.join("missing.trace").display().to_string();
    let output = program(&["run", &missing]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains(&missing) && error.lines().count() == 1, "{error}");

    let text = "title: t\ntest: broker\nversion: 5\nconfig: maximum_qos=9\nquiet 1s\n";
    let open = file("open.trace", text);
    // Nobody listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = format!("tcp://{}", port.expect("a free port"));
    for (arguments, wanted) in [
        (&["run", "--target", &nobody, &good][..], "Connection refused"),
        (
            &["run", "--target", "nonsense", &good],
            "`nonsense` is none of memory, codec, client, broker, pair and tcp://HOST:PORT",
        ),
        (
            &["run", "--only", "5/MQTT-3.3.1-2", &good],
            "no trace covers 5/MQTT-3.3.1-2",
        ),
        (&["run", "--only", "5/MQTT-99.1.1-1", &good], "5/MQTT-99.1.1-1"),
        (
            &["run", "--target", "localhost:1883", &good],
            "for a broker at localhost:1883 write tcp://localhost:1883",
        ),
        (
            &["run", "--target", "tcp://localhost", &good],
            "the address needs a port",
        ),
        (
            &["run", "--target", "ws://localhost:80", &good],
            "ws:// is not known",
        ),
        (
            &["run", "--target", "broker", "--slack", "1s", &good],
            "--slack is for --target tcp://HOST:PORT",
        ),
        (&["run", &open], "no trace is applicable"),
        (
            &["run", "--target", "client", &open],
            "the traces given say nothing about what is tested, the client in memory",
        ),
        (&["run", "--target", &nobody, "--without", "aliases"], "'aliases'"),
        (
            &["run", "--target", &nobody, "--patience", "fast"],
            "`fast` is not a time",
        ),
    ] {
        let output = program(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {error}");
        assert!(error.contains(wanted), "{arguments:?} {error}");
    }
}

#[test]
fn a_live_broker_that_does_otherwise_is_reported() {
    // A listener that accepts and says nothing is a broker that breaks nearly every rule.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/broker/keep-alive/timeout.trace");
    let trace = trace.display().to_string();
    let output = program(&["run", "--target", &address, "--patience", "50ms", &trace]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("expected    <- CONNACK"), "{report}");
    assert!(report.contains("seen        nothing within 50ms"), "{report}");
    assert!(
        report.contains("live broker: 0 passed (0 lines), 3 failed, 0 not applicable"),
        "{report}"
    );
}
