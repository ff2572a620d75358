//! `mqtt pub`.

use crate::{
    process::{Broker, Process, VERSIONS, error, run, run_with_input},
    scripted::{CONNACK, CONNACK_5, server},
};

#[test]
fn every_version_and_qos_delivers() {
    let broker = Broker::start();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}");
            let mut sub = Process::subscriber(&broker, &["-V", version, "-q", qos, "-t", &topic, "-C", "1"]);
            broker.publish(&["-V", version, "-q", qos, "-t", &topic, "-m", "hello, world"]);
            assert_eq!(sub.out.drain(), ["hello, world"], "{topic}");
            assert_eq!(sub.status(), 0);
        }
    }
}

#[test]
fn every_line_is_a_message_and_their_order_is_kept() {
    let broker = Broker::start();
    // More than the machine has room for at a time, with an empty line and without a newline at the end.
    let lines: Vec<String> = (0..3_000)
        .map(|n| {
            if n == 7 {
                String::new()
            } else {
                format!("line {n}")
            }
        })
        .collect();
    for qos in ["0", "1", "2"] {
        let mut sub = Process::subscriber(&broker, &["-q", qos, "-t", "lines", "-C", "3000"]);
        let args = [
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &broker.port(),
            "-q",
            qos,
            "-t",
            "lines",
            "-l",
        ];
        let output = run_with_input(&args, lines.join("\n").as_bytes());
        assert!(output.status.success(), "{}", error(&output));
        let heard = sub.out.drain();
        if heard != lines {
            let first = heard.iter().zip(&lines).position(|(heard, line)| heard != line);
            let near = first.unwrap_or_else(|| heard.len().min(lines.len()));
            panic!(
                "QoS {qos}: {} lines, and from number {near} on {:?}; the subscriber said {:?}",
                heard.len(),
                heard.iter().skip(near).take(5).collect::<Vec<_>>(),
                sub.err.drain().iter().rev().take(5).collect::<Vec<_>>(),
            );
        }
        assert_eq!(sub.status(), 0);
    }
}

#[test]
fn a_line_is_sent_when_it_is_there_and_not_at_the_end() {
    use std::io::Write as _;
    let broker = Broker::start();
    let sub = Process::subscriber(&broker, &["-t", "now"]);
    let mut publisher =
        crate::process::mqtt(&["pub", "-h", "127.0.0.1", "-p", &broker.port(), "-t", "now", "-l"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
    let mut stdin = publisher.stdin.take().unwrap();
    for text in ["first", "second"] {
        writeln!(stdin, "{text}").unwrap();
        assert_eq!(sub.out.next().as_deref(), Some(text));
    }
    drop(stdin);
    assert!(publisher.wait().unwrap().success());
}

#[test]
fn a_payload_is_bytes_and_may_be_long() {
    let broker = Broker::start();
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = std::env::temp_dir().join(format!("mqtt-cli-payload-{}", std::process::id()));
    std::fs::write(&path, &payload).unwrap();
    for (source, input) in [
        (&["-s"][..], &payload[..]),
        (&["-f", path.to_str().unwrap()], &[]),
    ] {
        let port = broker.port();
        let publish = [
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-t",
            "bytes",
            "-q",
            "1",
            "-r",
        ];
        let output = run_with_input(&[&publish[..], source].concat(), input);
        assert!(output.status.success(), "{}", error(&output));
        let output = run(&[
            "sub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-t",
            "bytes",
            "-N",
            "-C",
            "1",
        ]);
        assert!(output.stdout == payload, "{source:?}");
        broker.publish(&["-t", "bytes", "-n", "-r", "-q", "1"]);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn properties_arrive() {
    let broker = Broker::start();
    let sub = Process::subscriber(
        &broker,
        &[
            "-V",
            "5",
            "-t",
            "p",
            "-D",
            "SUBSCRIBE",
            "subscription-identifier",
            "7",
        ],
    );
    broker.publish(&[
        "-V",
        "5",
        "-t",
        "p",
        "-m",
        "x",
        "-D",
        "PUBLISH",
        "content-type",
        "text/plain",
        "-D",
        "PUBLISH",
        "user-property",
        "a b",
        "c",
    ]);
    let line = sub.err.wait_for("<- PUBLISH");
    for part in [
        "content_type=\"text/plain\"",
        "user_property=(\"a b\" \"c\")",
        "subscription_identifier=7",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_url_is_as_good_as_options() {
    let broker = Broker::start();
    let url = format!("mqtt://{}/by/url", broker.address);
    let mut sub = Process::start(&["sub", "--url", &url, "-d", "-C", "1"]);
    sub.err.wait_for("<- SUBACK");
    crate::process::succeed(&["pub", "--url", &url, "-m", "x"]);
    assert_eq!(sub.out.drain(), ["x"]);
    assert_eq!(sub.status(), 0);
}

/// The command line of a publisher, its status, and what it says.
fn fails(args: &[&str], input: &[u8]) -> (i32, String) {
    let output = run_with_input(args, input);
    assert!(output.stdout.is_empty());
    let said = error(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code().unwrap(), said.trim_end().into())
}

#[test]
fn a_refused_connection_is_named_and_its_number_is_the_status() {
    let at = |answer: &[u8], version: &str| {
        let port = server(&[answer]);
        fails(
            &[
                "pub",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-V",
                version,
                "-t",
                "a",
                "-m",
                "x",
            ],
            b"",
        )
    };
    assert_eq!(
        at(&[0x20, 2, 0, 5], "311"),
        (
            5,
            "mqtt pub: connection refused: Not authorized (0x87); the message was not sent".into()
        )
    );
    assert_eq!(at(&[0x20, 2, 0, 2], "31").0, 2);
    let (status, said) = at(b"\x20\x0a\x00\x87\x07\x1f\x00\x04nope", "5");
    assert_eq!(
        (status, said.as_str()),
        (
            0x87,
            "mqtt pub: connection refused: Not authorized (0x87); reason: nope; the message was not sent"
        )
    );
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let (status, said) = fails(
        &["pub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "x"],
        b"",
    );
    assert_eq!(status, 1);
    assert!(
        said.starts_with(&format!("mqtt pub: cannot connect to 127.0.0.1:{port}: ")),
        "{said}"
    );
}

#[test]
fn what_was_not_acknowledged_when_the_link_was_lost_is_said() {
    for (qos, answers) in [("1", 1), ("2", 1), ("2", 2)] {
        // CONNACK, and for the third PUBREC; then the end.
        let port = server(&[&[CONNACK, &[0x50, 2, 0, 1]][..answers], &[b""]].concat());
        let (status, said) = fails(
            &[
                "pub",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-q",
                qos,
                "-t",
                "a",
                "-m",
                "x",
            ],
            b"",
        );
        assert_eq!(status, 1);
        assert!(said.ends_with("; the message was not acknowledged"), "{said}");
        assert!(said.starts_with("mqtt pub: connection lost: "), "{said}");
    }
}

#[test]
fn lines_that_were_not_acknowledged_are_named_by_number() {
    // The second of three is acknowledged.
    let port = server(&[CONNACK, b"", &[0x40, 2, 0, 2], b""]);
    let args = ["pub", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "a", "-l"];
    let (status, said) = fails(&args, b"one\ntwo\nthree\n");
    assert_eq!(status, 1);
    assert!(said.ends_with("; not acknowledged: line 1, 3"), "{said}");
}

#[test]
fn a_refused_message_is_said_with_its_reason() {
    let port = server(&[CONNACK_5, &[0x40, 3, 0, 1, 0x87], b""]);
    let args = [
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-V",
        "5",
        "-q",
        "1",
        "-t",
        "a",
        "-l",
    ];
    assert_eq!(
        fails(&args, b"one\n"),
        (
            0x87,
            "mqtt pub: line 1 of stdin: refused by the server: Not authorized (0x87)".into()
        )
    );
}

#[test]
fn what_the_server_cannot_do_is_said_before_it_is_sent() {
    // Maximum QoS 0.
    let port = server(&[b"\x20\x05\x00\x00\x02\x24\x00", b""]);
    let (status, said) = fails(
        &[
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "5",
            "-q",
            "1",
            "-t",
            "a",
            "-m",
            "x",
        ],
        b"",
    );
    assert_eq!(
        (status, said.as_str()),
        (
            1,
            "mqtt pub: the message: not supported on this connection: this QoS"
        )
    );
}

#[test]
fn a_server_that_breaks_a_rule_is_told_which() {
    // PINGRESP instead of CONNACK.
    let port = server(&[&[0xD0, 0], b""]);
    let (status, said) = fails(
        &[
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "5",
            "-t",
            "a",
            "-m",
            "x",
        ],
        b"",
    );
    assert_eq!(status, 1);
    assert!(said.contains("(5/MQTT-3.2.0-1)"), "{said}");
}

#[test]
fn a_time_limit_ends_with_27_and_says_what_is_missing() {
    let port = server(&[CONNACK, b"", b"", b""]);
    let args = [
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-q",
        "1",
        "-t",
        "a",
        "-m",
        "x",
        "-W",
        "0.2",
    ];
    assert_eq!(
        fails(&args, b""),
        (27, "mqtt pub: timed out; the message was not acknowledged".into())
    );
}

#[test]
fn quiet_says_nothing_and_fails_all_the_same() {
    let port = server(&[&[0x20, 2, 0, 5]]);
    let output = run(&[
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-t",
        "a",
        "-m",
        "x",
        "--quiet",
    ]);
    assert_eq!((output.status.code(), error(&output).as_str()), (Some(5), ""));
}

#[test]
fn debug_shows_packets_without_the_password() {
    let broker = Broker::start();
    let port = broker.port();
    let output = run(&[
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-i",
        "me",
        "-u",
        "u",
        "-P",
        "secret",
        "-q",
        "1",
        "-t",
        "a",
        "-m",
        "x",
        "-d",
    ]);
    assert_eq!(
        error(&output).lines().collect::<Vec<_>>(),
        [
            "-> CONNECT client_id=\"me\" clean_start=1 keep_alive=60 user_name=\"u\" password=***",
            "<- CONNACK session_present=0 code=0",
            "-> PUBLISH topic=\"a\" qos=1 id=1 payload=\"x\"",
            "<- PUBACK id=1",
            "-> DISCONNECT",
        ]
    );
}
