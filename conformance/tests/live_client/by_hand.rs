//! `listen`: a client that somebody starts by hand. The hands are those of this test.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use mqtt_conformance::target::Outcome;
use mqtt_conformance::target::process::Listen;
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;

use super::{connected, failure, read_packet};

const HELLO: &str = "do connect client_id=\"fake\" clean_start=1 keep_alive=0
-> CONNECT client_id=\"fake\" clean_start=1 keep_alive=0
<- CONNACK session_present=0 code=0
event Connected session_present=0
";

fn trace(test: &str, lines: &str) -> Trace {
    let text = format!("title: Hello\ntest: {test}\nversion: 3.1.1\n\n{lines}");
    Trace::parse("test", &text).expect("the lines are a trace")
}

/// Plays it, and has this done with the port, and with what is said after the first line.
fn play(trace: &Trace, client: impl FnOnce(u16, Receiver<String>) + Send) -> (Vec<String>, Outcome) {
    let mut listen = Listen::at((Ipv4Addr::LOCALHOST, 0).into());
    listen.patience = Duration::from_secs(5);
    let (says, said) = channel::<String>();
    let all = std::sync::Mutex::new(Vec::new());
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            let first = said.recv().expect("it says where it waits");
            let port = first
                .split("127.0.0.1:")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            client(port.and_then(|port| port.parse().ok()).expect("a port"), said);
        });
        let say = |line: &str| {
            all.lock().expect("nobody panics").push(line.to_owned());
            let _ = says.send(line.to_owned());
        };
        listen.play(trace, &say).expect("it can be played")
    });
    (all.into_inner().expect("nobody panics"), outcome)
}

#[test]
fn a_client_that_does_what_it_is_told_passes_with_each_line_said_as_it_comes() {
    let lines = format!("{HELLO}either {{\n  -> PINGREQ\n}} or {{\n  -> DISCONNECT\n}}\nquiet 10ms\n");
    let (said, outcome) = play(&trace("client", &lines), |port, said| {
        // As people do: when it is said.
        next_call(&said);
        let mut link = connected(&format!("127.0.0.1:{port}"));
        assert_eq!(read_packet(&mut link), b"\x20\x02\x00\x00");
        while !said
            .recv_timeout(Duration::from_secs(10))
            .expect("it is said")
            .contains("DISCONNECT")
        {}
        link.write_all(&[0xc0, 0]).expect("it is read");
        // It stays until the trace is over.
        let _ = link.read(&mut [0]);
    });
    assert_eq!(outcome, Outcome::Passed { checked: 6 });
    assert!(said[0].starts_with("Hello: waiting on 127.0.0.1:"), "{said:?}");
    assert!(said[0].ends_with(" for a client of MQTT 3.1.1"), "{said:?}");
    assert_eq!(
        &said[1..],
        [
            "       let the client do: connect client_id=\"fake\" clean_start=1 keep_alive=0",
            "   6  awaited: -> CONNECT client_id=\"fake\" clean_start=1 keep_alive=0",
            "   7  done: <- CONNACK session_present=0 code=0",
            "   9  awaited: either {",
            "  10  awaited: -> PINGREQ",
            "  12  awaited: -> DISCONNECT",
            "  14  waiting: quiet 10ms",
        ]
    );
}

#[test]
fn a_client_that_does_something_else_fails_with_what_it_did() {
    let lines = HELLO.replace("\"fake\"", "\"other\"");
    let (_, outcome) = play(&trace("client", &lines), |port, _| {
        let _ = connected(&format!("127.0.0.1:{port}")).read(&mut [0]);
    });
    let why = failure(outcome);
    assert!(why.contains("expected \"other\", found \"fake\""), "{why}");
}

#[test]
fn a_client_that_never_comes_fails_after_the_patience() {
    let mut listen = Listen::at((Ipv4Addr::LOCALHOST, 0).into());
    listen.patience = Duration::from_millis(200);
    let outcome = listen
        .play(&trace("client", HELLO), &|_| {})
        .expect("it can be played");
    let why = failure(outcome);
    assert!(why.contains("-> CONNECT"), "{why}");
}

/// Each of the bytes comes on a link of its own, and the port is the same for all.
#[test]
fn the_bytes_of_a_codec_trace_are_refused_one_link_after_the_other() {
    let trace = trace("codec", "<- hex d1 00 ! bad 0x81\n<- hex c0 00 ! bad 0x81\n");
    let (said, outcome) = play(&trace, |port, said| {
        for _ in 0..2 {
            let told = next_call(&said);
            let id = told.split('"').nth(1).expect("a client id").as_bytes();
            let mut link = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens");
            let len = u8::try_from(id.len()).expect("it is short");
            let head = [
                &[0x10, 12 + len],
                &b"\x00\x04MQTT\x04\x02\x00\x00\x00"[..],
                &[len],
            ]
            .concat();
            link.write_all(&[&head, id].concat()).expect("it is read");
            assert_eq!(read_packet(&mut link), b"\x20\x02\x00\x00");
            // Whatever comes now is none of a server's packets.
            let _ = link.read(&mut [0; 64]);
        }
    });
    assert!(matches!(outcome, Outcome::Passed { .. }), "{outcome:?}");
    let awaited = said.iter().filter(|line| line.ends_with("awaited: -> CONNECT"));
    assert_eq!(awaited.count(), 2, "{said:?}");
    let refused = said
        .iter()
        .filter(|line| line.ends_with("awaited: refused: the client closes"));
    assert_eq!(refused.count(), 2, "{said:?}");
}

/// What the client is to do next.
fn next_call(said: &Receiver<String>) -> String {
    loop {
        let line = said.recv_timeout(Duration::from_secs(10)).expect("it is said");
        if let Some((_, call)) = line.split_once("let the client do: ") {
            return call.to_owned();
        }
    }
}

#[test]
fn what_cannot_be_played_is_said_before_anybody_is_awaited() {
    let two = "a do connect client_id=\"a\" clean_start=1
b do connect client_id=\"b\" clean_start=1
a -> CONNECT ..
b -> CONNECT ..
";
    let broker = "-> CONNECT client_id=\"a\" clean_start=1\n<- CONNACK ..\n";
    let mut listen = Listen::at((Ipv4Addr::LOCALHOST, 0).into());
    for (trace, reason) in [
        (
            trace("client", two),
            "the trace has connections at the same time, `a` and `b`: one client by hand has one",
        ),
        (trace("broker", broker), "the trace is none that tests a client"),
        (
            trace("codec", "-> hex c1 00 ! bad 0x81\n"),
            "the trace is none that tests a client",
        ),
    ] {
        let why = listen.play(&trace, &|line| panic!("{line}")).expect_err(reason);
        assert_eq!(why, reason);
    }
    listen.version = Some(Version::V5);
    let why = listen.play(&trace("client", HELLO), &|line| panic!("{line}"));
    assert_eq!(why, Err("the trace is none of MQTT 5".to_owned()));
}

#[test]
fn a_port_that_is_taken_is_an_error_with_its_number() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let why = Listen::at(address).play(&trace("client", HELLO), &|line| panic!("{line}"));
    let why = why.expect_err("it is taken");
    let start = format!("port {} of 127.0.0.1 cannot be listened on: ", address.port());
    assert!(why.starts_with(&start), "{why}");
}

/// For a device: the program itself, with its exit status.
#[test]
fn the_command_listens_on_all_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hello.trace");
    std::fs::write(&file, trace("client", HELLO).source).expect("it is written");
    let mut runner = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args([
            "listen",
            "--address",
            "0.0.0.0",
            "--port",
            "0",
            "--patience",
            "5s",
        ])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = BufReader::new(runner.stdout.take().expect("a pipe")).lines();
    let first = said.next().expect("it says where it waits").expect("text");
    let port = first
        .split("0.0.0.0:")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let mut link = connected(&format!("127.0.0.1:{}", port.expect("a port")));
    assert_eq!(read_packet(&mut link), b"\x20\x02\x00\x00");
    let last = said.map(|line| line.expect("text")).last();
    assert_eq!(last.as_deref(), Some("passed, 3 lines"));
    assert!(runner.wait().expect("it ends").success());
}
