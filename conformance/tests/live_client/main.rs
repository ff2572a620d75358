//! Client programs of all kinds as targets: this file is the tests and the programs.
//!
//! - `by_hand`: a client that is started by hand. `manual`: what LIVE-CLIENTS.md shows. `stopping`: a runner that is told to end.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "the programs that are tested have threads, and wait"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "any other outcome is a failure of the test"
)]

mod by_hand;
mod manual;
mod stopping;

use core::time::Duration;
use std::ffi::OsString;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

use mqtt_conformance::profile::Profile;
use mqtt_conformance::target::process::LiveClient;
use mqtt_conformance::target::{Outcome, Target};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;

const SESSION: &str = r#"do connect client_id="fake" clean_start=1 keep_alive=0
-> CONNECT client_id="fake" clean_start=1 keep_alive=0
<- CONNACK session_present=0 code=0
event Connected session_present=0 ..
do publish topic="t" qos=0 payload="x" as p
-> PUBLISH topic="t" payload="x"
event Completed token=$p ..
<- PUBLISH topic="t" payload="y"
event Message topic="t" payload="y" ..
"#;

const CALLS: &str = r#"
[client]
drive = "calls"
starts_within = "30s"
[client.events]
Connected = ["session_present"]
Message = ["topic", "payload"]
Completed = ["token"]
"#;

const ARGUMENTS: &str = r#"
[client]
drive = "arguments"
starts_within = "30s"
start = ["{host}:{port}"]
message = "got {payload}"
[client.version]
"3.1.1" = []
[client.connect]
client_id = ["id={value}"]
"clean_start=1" = []
[client.publish]
topic = ["topic={value}"]
payload = ["payload={value}"]
[client.events]
Message = ["payload"]
Closed = ["status"]
"#;

/// Runs lines of a trace against a program of this file.
fn run(program: &str, profile: &str, lines: &str) -> Outcome {
    let text = format!("title: t\ntest: client\nversion: 3.1.1\n\n{lines}");
    let trace = Trace::parse("test", &text).expect("the lines are a trace");
    let profile = format!("name = \"fake\"\npatience = \"3s\"\n{profile}");
    let profile = Profile::parse("fake.toml", &profile).unwrap_or_else(|e| panic!("{e}"));
    let me = std::env::current_exe().expect("this test has a file");
    // What follows are the arguments of the command line.
    let script = format!(
        "FAKE={program} WORDS=\"$*\" exec {} --ignored --exact fake_client --nocapture",
        me.display()
    );
    let command = ["sh", "-c", &script, "sh"].map(OsString::from).to_vec();
    LiveClient::new(command, profile).run(&trace, Version::V311)
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(failures) => failures.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_is_called_line_by_line_passes_what_it_keeps() {
    assert_eq!(run("calls", CALLS, SESSION), Outcome::Passed { checked: 9 });
}

#[test]
fn a_program_that_is_told_by_arguments_passes_what_it_keeps_without_the_events_that_it_does_not_tell() {
    assert_eq!(
        run("arguments", ARGUMENTS, SESSION),
        Outcome::Passed { checked: 7 }
    );
}

#[test]
fn what_a_program_sends_instead_is_a_failure() {
    let lines = SESSION.replace("-> PUBLISH topic=\"t\"", "-> PUBLISH topic=\"other\"");
    let why = failure(run("calls", CALLS, &lines));
    assert!(why.contains("topic: expected \"other\", found \"t\""), "{why}");
}

#[test]
fn an_event_that_no_line_names_is_a_failure() {
    let lines = SESSION.replace("event Message topic=\"t\" payload=\"y\" ..\n", "quiet 500ms\n");
    let why = failure(run("calls", CALLS, &lines));
    assert!(why.contains("event Message"), "{why}");
}

#[test]
fn what_no_argument_says_is_not_applicable() {
    let with_user = SESSION.replace("keep_alive=0", "keep_alive=0 user_name=\"u\"");
    let twice = format!("{SESSION}do publish topic=\"t\" payload=\"z\"\n");
    let another = format!("{SESSION}do unsubscribe filter=\"t\"\n");
    for (lines, reason) in [
        (with_user, "user_name"),
        (twice, "one thing"),
        (another, "unsubscribe"),
    ] {
        match run("arguments", ARGUMENTS, &lines) {
            Outcome::NotApplicable(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[test]
fn what_a_program_says_it_cannot_is_not_applicable() {
    let lines = SESSION.replace("do publish topic=\"t\" qos=0", "do publish topic=\"t\" qos=2");
    match run("calls", CALLS, &lines) {
        Outcome::NotApplicable(why) => assert_eq!(why, "the client cannot publish: no QoS 2"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_crashes_fails_with_its_last_words() {
    let until_it_is_sent = SESSION.split("<- PUBLISH").next().expect("the lines before");
    let lines = format!("{until_it_is_sent}-> close\n+ 5s\n");
    let why = failure(run("crash", ARGUMENTS, &lines));
    assert!(why.contains("crashed with signal"), "{why}");
    assert!(why.contains("I am undone"), "{why}");
}

#[test]
fn a_program_that_never_connects_fails() {
    let profile = ARGUMENTS.replace("30s", "1s");
    let why = failure(run("silent", &profile, SESSION));
    assert!(why.contains("-> CONNECT"), "{why}");
}

#[test]
fn a_program_that_ends_before_it_connects_fails_with_its_status() {
    let why = failure(run("leaves", ARGUMENTS, SESSION));
    assert!(why.contains("exit status: 3"), "{why}");
}

#[test]
fn a_program_that_does_not_exist_fails() {
    let trace = Trace::parse(
        "test",
        &format!("title: t\ntest: client\nversion: 3.1.1\n\n{SESSION}"),
    )
    .unwrap();
    let profile = Profile::parse("fake.toml", &format!("name = \"fake\"\n{CALLS}")).unwrap();
    let mut client = LiveClient::new(vec!["/nowhere/at/all".into()], profile);
    let why = failure(client.run(&trace, Version::V311));
    assert!(why.contains("cannot be started"), "{why}");
}

#[test]
fn a_program_that_floods_the_link_or_its_output_is_stopped() {
    for program in ["flood-link", "flood-output"] {
        let lines = "do connect client_id=\"fake\" clean_start=1\n-> CONNECT client_id=\"fake\" clean_start=1\n+ 60s\n";
        let why = failure(run(program, ARGUMENTS, lines));
        assert!(why.contains("floods"), "{program}: {why:.2000}");
    }
}

/// What it leaves unread must not stop the runner, nor what it answers without being asked fill its memory.
#[test]
fn a_program_that_does_not_read_or_answers_without_end_is_given_up() {
    let calls = CALLS.replace("30s", "2s");
    let payload =
        "do publish topic=\"t\" payload=\"x\"*60000 qos=0\n-> PUBLISH topic=\"t\" payload=\"x\"*60000\n";
    let deaf = format!(
        "{}{}",
        "do connect client_id=\"fake\" clean_start=1 keep_alive=0\n-> CONNECT ..\n<- CONNACK session_present=0 code=0\n",
        payload.repeat(6)
    );
    let why = failure(run("deaf", &calls, &deaf));
    assert!(why.contains("does not answer"), "{why:.2000}");
    let why = failure(run("flood-answers", &calls, &format!("{SESSION}+ 30s\n")));
    assert!(why.contains("floods"), "{why:.2000}");
}

#[test]
fn the_exit_status_is_an_event_where_the_profile_says_so() {
    let lines = "do connect client_id=\"fake\" clean_start=1\n-> CONNECT client_id=\"fake\" clean_start=1\n<- CONNACK session_present=0 code=0x87\n-> close\nevent Closed status=7 ..\n";
    let lines = lines.replace("status=7 ", "");
    assert_eq!(run("refused", ARGUMENTS, &lines), Outcome::Passed { checked: 6 });
    let profile = ARGUMENTS.replace("Closed = [\"status\"]\n", "");
    assert_eq!(run("refused", &profile, &lines), Outcome::Passed { checked: 5 });
}

#[test]
fn a_profile_comes_with_the_program_for_each_of_these_commands() {
    for (command, name) in [
        (&["mosquitto_sub"][..], "mosquitto_sub"),
        (&["/usr/bin/mosquitto_pub", "-d"], "mosquitto_pub"),
        (&["python3", "conformance/drivers/paho.py"], "paho-mqtt"),
    ] {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let profile = Profile::for_command(&command).expect("it has a profile");
        assert!(profile.name.starts_with(name), "{}", profile.name);
    }
    assert!(Profile::for_command(&["cat".into()]).is_none());
}

/// The programs.
#[test]
#[ignore = "the other tests start it"]
fn fake_client() {
    let words: Vec<String> = std::env::var("WORDS")
        .unwrap_or_default()
        .split(' ')
        .map(String::from)
        .collect();
    match std::env::var("FAKE").as_deref() {
        Ok("calls") => called(),
        Ok("silent") => std::thread::sleep(Duration::from_secs(60)),
        Ok("leaves") => std::process::exit(3),
        Ok("flood-output") => {
            let _link = connected(&words[0]);
            loop {
                println!("and another thing");
            }
        }
        Ok("deaf") => {
            let mut call = String::new();
            let _ = std::io::stdin().read_line(&mut call);
            println!("\nok");
            let port = call
                .split(" port=")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            let _link = connected(&format!("127.0.0.1:{}", port.expect("a port")));
            std::thread::sleep(Duration::from_secs(60));
        }
        Ok("flood-answers") => {
            println!();
            loop {
                println!("ok");
            }
        }
        Ok("flood-link") => {
            let mut link = connected(&words[0]);
            loop {
                // PINGREQ
                link.write_all(&[0xc0, 0].repeat(1000)).expect("it is read");
            }
        }
        Ok("refused") => {
            read_packet(&mut connected(&words[0]));
            std::process::exit(7);
        }
        Ok(kind) => {
            let mut link = connected(&words[0]);
            read_packet(&mut link);
            link.write_all(b"\x30\x04\x00\x01tx").expect("it is read");
            if kind == "crash" {
                eprintln!("I am undone");
                std::process::abort();
            }
            let message = read_packet(&mut link);
            println!("\ngot {}", message.last().map_or(' ', |byte| char::from(*byte)));
            std::thread::sleep(Duration::from_secs(60));
        }
        Err(_) => {}
    }
}

/// Connects as `fake` with Clean Session and without a keep alive.
fn connected(address: &str) -> TcpStream {
    let mut link = TcpStream::connect(address).expect("somebody listens");
    link.write_all(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04fake")
        .expect("it is read");
    link
}

fn read_packet(link: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 2];
    link.read_exact(&mut packet).expect("a packet comes");
    let mut rest = vec![0; usize::from(packet[1])];
    link.read_exact(&mut rest).expect("a packet comes");
    packet.extend(rest);
    packet
}

fn called() {
    let mut link: Option<TcpStream> = None;
    println!();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines are text");
        if line.starts_with("connect ") {
            let port = line
                .split(" port=")
                .nth(1)
                .and_then(|rest| rest.split(' ').next())
                .expect("a port");
            let mut stream = connected(&format!("127.0.0.1:{port}"));
            link = Some(stream.try_clone().expect("a link can be shared"));
            println!("ok");
            std::thread::spawn(move || {
                read_packet(&mut stream);
                println!("event Connected session_present=0 session_expiry_interval=3");
                let message = read_packet(&mut stream);
                let payload = message.last().copied().unwrap_or_default();
                println!("event Message topic=\"t\" payload=x\"{payload:02x}\"");
            });
        } else if line.contains("qos=2") {
            println!("cannot no QoS 2");
        } else if let (true, Some(link)) = (line.starts_with("publish "), &mut link) {
            link.write_all(b"\x30\x04\x00\x01tx").expect("it is read");
            println!("ok 7\nevent Completed token=7");
        } else {
            println!("refused I do not know how");
        }
    }
}
