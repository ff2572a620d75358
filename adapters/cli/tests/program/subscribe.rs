//! `mqtt sub`.

use std::io::{BufRead as _, BufReader, Read as _};

use crate::{
    process::{Broker, Process, VERSIONS, error, run},
    scripted::{CONNACK, CONNACK_5, server},
};

#[test]
fn retained_messages_are_kept_cleared_and_left_out_on_demand() {
    let broker = Broker::start();
    for version in VERSIONS {
        broker.publish(&["-V", version, "-t", "kept", "-m", version, "-r", "-q", "1"]);
        assert_eq!(
            broker.subscribe(&["-V", version, "-t", "kept", "-C", "1"]),
            [version]
        );
        assert_eq!(
            broker.subscribe(&["-V", version, "-t", "+", "-v", "-C", "1"]),
            [format!("kept {version}")]
        );
        let mut fresh = Process::subscriber(&broker, &["-V", version, "-t", "kept", "-R", "-C", "1"]);
        broker.publish(&["-t", "kept", "-m", "live"]);
        assert_eq!(fresh.out.drain(), ["live"]);
        assert_eq!(fresh.status(), 0);
        broker.publish(&["-V", version, "-t", "kept", "-n", "-r", "-q", "1"]);
    }
    let mut sub = Process::subscriber(&broker, &["-t", "kept", "-C", "1"]);
    broker.publish(&["-t", "kept", "-m", "the first"]);
    assert_eq!(sub.out.drain(), ["the first"]);
    assert_eq!(sub.status(), 0);
}

#[test]
fn the_will_of_a_program_that_is_killed_is_published_and_of_one_that_ends_is_not() {
    let broker = Broker::start();
    for version in VERSIONS {
        let sub = Process::subscriber(&broker, &["-V", version, "-t", "will/#", "-v", "-q", "1"]);
        let will = [
            "--will-topic",
            "will/a",
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
        ];
        let ends = [&["-V", version, "-t", "other", "-E"][..], &will].concat();
        broker.subscribe(&ends);
        let mut dies = Process::subscriber(&broker, &[&["-V", version, "-t", "other"][..], &will].concat());
        dies.kill();
        assert_eq!(sub.out.next().as_deref(), Some("will/a gone"));
        broker.publish(&["-t", "will/end", "-m", "x"]);
        assert_eq!(sub.out.next().as_deref(), Some("will/end x"), "one will, not two");
    }
}

#[test]
fn a_kept_session_collects_messages_for_the_next_process() {
    let broker = Broker::start();
    for version in VERSIONS {
        let session = ["-V", version, "-c", "-i", version, "-q", "2"];
        broker.subscribe(&[&session[..], &["-t", "away/#", "-E"]].concat());
        for qos in ["1", "2"] {
            broker.publish(&["-t", "away/x", "-q", qos, "-m", qos]);
        }
        // The first one only: the second stays for the process after that.
        for text in ["1", "2"] {
            assert_eq!(
                broker.subscribe(&[&session[..], &["-t", "none", "-C", "1"]].concat()),
                [text],
                "{version}"
            );
        }
        // Clean start ends the session.
        broker.subscribe(&["-V", version, "-i", version, "-t", "none", "-E"]);
        broker.publish(&["-t", "away/x", "-q", "1", "-m", "3"]);
        let args = ["-t", "fresh", "-C", "1"];
        let mut fresh = Process::subscriber(&broker, &[&session[..], &args].concat());
        broker.publish(&["-t", "fresh", "-m", "4", "-q", "1"]);
        assert_eq!(fresh.out.drain(), ["4"], "{version}");
        assert_eq!(fresh.status(), 0);
    }
}

#[test]
fn it_ends_after_its_count_or_its_time() {
    let broker = Broker::start();
    let mut sub = Process::subscriber(&broker, &["-t", "a", "-C", "2", "-W", "15"]);
    for text in ["1", "2"] {
        broker.publish(&["-t", "a", "-m", text]);
    }
    assert_eq!(sub.out.drain(), ["1", "2"]);
    assert_eq!(sub.status(), 0);
    let port = broker.port();
    for count in [&["-C", "1"][..], &[]] {
        let output = run(&[
            &["sub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-W", "0.2"],
            count,
        ]
        .concat());
        assert_eq!(
            (output.status.code(), error(&output).as_str()),
            (Some(27), "mqtt sub: timed out\n")
        );
    }
}

#[test]
fn several_filters_make_one_subscription_each() {
    let broker = Broker::start();
    let sub = Process::subscriber(&broker, &["-t", "a/+", "-t", "b", "-T", "a/no", "-v", "-q", "1"]);
    for topic in ["a/no", "a/yes", "c", "b"] {
        broker.publish(&["-t", topic, "-m", "x", "-q", "1"]);
    }
    assert_eq!(sub.out.next().as_deref(), Some("a/yes x"));
    assert_eq!(sub.out.next().as_deref(), Some("b x"));
}

#[test]
fn a_subscription_of_a_session_can_be_given_up() {
    let broker = Broker::start();
    let session = ["-c", "-i", "s", "-q", "1"];
    broker.subscribe(&[&session[..], &["-t", "a", "-t", "b", "-E"]].concat());
    broker.subscribe(&[&session[..], &["-U", "a", "-E"]].concat());
    broker.publish(&["-t", "a", "-m", "x", "-q", "1"]);
    broker.publish(&["-t", "b", "-m", "y", "-q", "1"]);
    assert_eq!(
        broker.subscribe(&[&session[..], &["-t", "none", "-C", "1", "-v"]].concat()),
        ["b y"]
    );
}

#[test]
fn an_interrupt_is_an_orderly_end() {
    let broker = Broker::start();
    for signal in ["INT", "TERM"] {
        let mut sub = Process::subscriber(&broker, &["-t", "a"]);
        sub.signal(signal);
        sub.err.wait_for("-> DISCONNECT");
        assert_eq!(sub.status(), 0, "{signal}");
    }
}

#[test]
fn a_reader_that_has_had_enough_ends_it_quietly_and_loses_nothing() {
    let broker = Broker::start();
    let session = ["-c", "-i", "pipe", "-q", "1", "-t", "pipe"];
    let (mut sub, stdout) = Process::subscriber_and_pipe(&broker, &session);
    let mut stdout = BufReader::new(stdout);
    for text in ["1", "2"] {
        broker.publish(&["-t", "pipe", "-m", text, "-q", "1"]);
    }
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "1\n");
    sub.err.wait_for("-> PUBACK id=2");
    // Now it is closed, as `head` does it. 2 was lost in the pipe, as with any program.
    drop(stdout);
    // A program that another test starts in this moment holds all pipes of this process until it runs: so long nothing is closed.
    let mut text = 3;
    let said = loop {
        broker.publish(&["-t", "pipe", "-m", &text.to_string(), "-q", "1"]);
        sub.err.wait_for("<- PUBLISH");
        let line = sub.err.next();
        if line != Some(format!("-> PUBACK id={text}")) {
            break line;
        }
        text += 1;
    };
    assert_eq!(
        (said.as_deref(), sub.err.drain()),
        (Some("-> DISCONNECT"), vec![]),
        "neither acknowledged nor complained about"
    );
    assert_eq!(sub.status(), 0);
    assert_eq!(
        broker.subscribe(&[&session[..], &["-C", "1"]].concat()),
        [text.to_string()]
    );
}

#[test]
fn a_reader_that_is_slow_does_not_end_the_connection() {
    let broker = Broker::start();
    let (mut sub, mut stdout) =
        Process::subscriber_and_pipe(&broker, &["-t", "slow", "-q", "1", "-k", "1", "-C", "2", "-N"]);
    // More than a pipe holds.
    let long = "x".repeat(100_000);
    let path = std::env::temp_dir().join(format!("mqtt-cli-long-{}", std::process::id()));
    std::fs::write(&path, &long).unwrap();
    broker.publish(&["-t", "slow", "-f", path.to_str().unwrap(), "-q", "1"]);
    std::fs::remove_file(path).unwrap();
    sub.err.wait_for("<- PUBLISH");
    // It does not acknowledge what nobody has read, and takes nothing more; but it is not silent, or the server would
    // think that it is gone.
    for _ in 0..3 {
        assert_eq!(sub.err.next().as_deref(), Some("-> PINGREQ"));
    }
    broker.publish(&["-t", "slow", "-m", "end", "-q", "1"]);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert!(text == format!("{long}end"), "{}", text.len());
    assert_eq!(sub.status(), 0);
}

#[test]
fn a_connection_that_is_refused_lost_or_ended_is_said() {
    let at = |answers: &[&[u8]], version: &str| {
        let port = server(answers);
        let output = run(&["sub", "-h", "127.0.0.1", "-p", &port, "-V", version, "-t", "a"]);
        (output.status.code().unwrap(), error(&output))
    };
    assert_eq!(
        at(&[&[0x20, 2, 0, 4]], "311"),
        (
            4,
            "mqtt sub: connection refused: Bad User Name or Password (0x86)\n".into()
        )
    );
    let (status, said) = at(&[CONNACK, &[0x90, 3, 0, 1, 0]], "311");
    assert_eq!(status, 1);
    assert!(said.starts_with("mqtt sub: connection lost: "), "{said}");
    assert_eq!(
        at(&[CONNACK_5, &[0xE0, 1, 0x8E]], "5"),
        (
            0x8E,
            "mqtt sub: the server ended the connection: Session taken over (0x8e)\n".into()
        )
    );
}

#[test]
fn a_refused_subscription_is_said() {
    let port = server(&[CONNACK, &[0x90, 3, 0, 1, 0x80], b""]);
    let output = run(&["sub", "-h", "127.0.0.1", "-p", &port, "-t", "a"]);
    assert_eq!(
        error(&output),
        "mqtt sub: subscription to 'a' refused: Unspecified error (0x80)\n"
    );
    assert!(!output.status.success());
    // One of two: the other one goes on.
    let message = b"\x90\x04\x00\x01\x80\x00\x30\x04\x00\x01bx";
    let port = server(&[CONNACK, message, b""]);
    let output = run(&[
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-t",
        "a",
        "-t",
        "b",
        "-C",
        "1",
    ]);
    assert_eq!(
        error(&output),
        "mqtt sub: subscription to 'a' refused: Unspecified error (0x80)\n"
    );
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), &b"x\n"[..])
    );
}

#[test]
fn a_server_of_3_1_1_may_send_any_number_of_messages_of_qos_2_before_it_goes_on_with_one() {
    const MESSAGES: u16 = 3000;
    // It knows of no Receive Maximum, and PUBREL may come when all are sent.
    let mut burst = vec![0x90, 3, 0, 1, 2];
    for id in 1..=MESSAGES {
        let [high, low] = id.to_be_bytes();
        burst.extend([0x34, 6, 0, 1, b'a', high, low, b'm']);
    }
    let mut answers = vec![CONNACK, &burst[..]];
    answers.resize(2 + usize::from(MESSAGES), b"");
    let port = server(&answers);
    let output = run(&[
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-q",
        "2",
        "-t",
        "a",
        "-C",
        "3000",
    ]);
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(output.stdout, b"m\n".repeat(usize::from(MESSAGES)));
}
