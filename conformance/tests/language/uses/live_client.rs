//! The column `live client`: a program that is driven by calls, behind TCP. It is in this file, too.

#![allow(clippy::disallowed_methods, reason = "the program has threads, and waits")]

use core::time::Duration;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

use mqtt_conformance::profile::Profile;
use mqtt_conformance::target::Outcome;
use mqtt_conformance::target::process::LiveClient;
use mqtt_proto::Version;

use super::{calling, fails, is_no_trace, outcome_in, passes, says_nothing_of};

const PROFILE: &str = r#"
name = "the program of this file"
patience = "3s"
[client]
drive = "calls"
starts_within = "30s"
[client.events]
Connected = ["session_present"]
Message = ["topic", "payload"]
Completed = ["token"]
Closed = ["by"]
"#;

fn client() -> LiveClient {
    client_of(PROFILE)
}

fn client_of(profile: &str) -> LiveClient {
    let me = std::env::current_exe().expect("this test has a file");
    let name = "uses::live_client::program".into();
    let command = vec![
        me.into_os_string(),
        "--ignored".into(),
        "--exact".into(),
        name,
        "--nocapture".into(),
    ];
    let profile = Profile::parse("program.toml", profile).unwrap_or_else(|e| panic!("{e}"));
    LiveClient::new(command, profile)
}

const PUBLISH: &str = "do publish topic=\"t\" payload=\"m\" as p\n";
const COMPLETED: &str = "event Completed token=$p ..";

#[test]
fn to_server() {
    let lines = |payload: &str| {
        calling(&format!(
            "{PUBLISH}-> PUBLISH topic=\"t\" payload=\"{payload}\"\n{COMPLETED}"
        ))
    };
    passes(&mut client(), "client", &lines("m"));
    fails(&mut client(), "client", 6, &lines("n"));
}

#[test]
fn to_client() {
    let lines = calling("<- PUBLISH topic=\"t\" payload=\"m\"\nevent Message topic=\"t\" payload=\"m\" ..");
    passes(&mut client(), "client", &lines);
    let other = lines.replace("event Message topic=\"t\"", "event Message topic=\"u\"");
    fails(&mut client(), "client", 6, &other);
}

/// The program is no such client, but it is told to subscribe as one, and nothing else is asked of it.
#[test]
fn a_client_that_hands_out_only_what_it_subscribed_to_subscribes_first() {
    let profile = PROFILE.replace(
        "[client]",
        "[client]\nhands_out_only_what_it_subscribed_to = true",
    );
    let checked = |lines: &str| match outcome_in(Version::V5, &mut client_of(&profile), "client", lines) {
        Some(Outcome::Passed { checked }) => checked,
        other => panic!("{other:?}"),
    };
    let message = "<- PUBLISH topic=\"t\" payload=\"m\"\nevent Message topic=\"t\" payload=\"m\" ..";
    let opening = checked(&calling("quiet 1ms"));
    assert_eq!(
        checked(&calling(message)),
        opening + 1 + 4,
        "do, SUBSCRIBE, SUBACK, Completed"
    );
    let itself = "do subscribe filter=\"t\"\n-> SUBSCRIBE id=$i filters=[{\"t\"}]\n<- SUBACK id=$i codes=[0]\nevent Completed ..\n";
    assert_eq!(
        checked(&calling(&format!("{itself}{message}"))),
        opening + 1 + 4,
        "it does so itself"
    );
    let limited = calling(message).replace("<- CONNACK", "<- CONNACK maximum_packet_size=9");
    let limited = outcome_in(Version::V5, &mut client_of(&profile), "client", &limited);
    assert!(matches!(limited, Some(Outcome::NotApplicable(_))), "{limited:?}");
}

#[test]
fn hex() {
    let sent = "<- hex 30 04 00 01 74 00\nevent Message topic=\"t\" payload=\"\" ..";
    passes(&mut client(), "client", &calling(sent));
    let expected = |last: &str| calling(&format!("{PUBLISH}-> hex 30 05 00 01 74 00 {last}\n{COMPLETED}"));
    passes(&mut client(), "client", &expected("6d"));
    fails(&mut client(), "client", 6, &expected("6e"));
}

#[test]
fn bad() {
    passes(&mut client(), "codec", "<- hex d1 00 ! bad 0x81");
    // A message is no reason to close: 3.1.1 would have the client do it, 5.0 only says that it should.
    let taken = "<- hex 30 03 00 01 74 ! bad 0x81";
    match outcome_in(Version::V311, &mut client(), "codec", taken) {
        Some(Outcome::Failed(_)) => {}
        other => panic!("{other:?}"),
    }
    says_nothing_of(&mut client(), "codec", "<- hex 30 04 00 01 74 00 ! bad 0x81");
    says_nothing_of(&mut client(), "codec", "-> hex c1 00 ! bad 0x81");
    // It goes on, and acknowledges what has id 0: no packet, but what 5/MQTT-2.2.1-5 asks for.
    let id_0 = "<- hex 32 06 00 01 74 00 00 00 ! bad 0x82|0x81";
    match outcome_in(Version::V311, &mut client(), "codec", id_0) {
        Some(Outcome::Failed(_)) => {}
        other => panic!("{other:?}"),
    }
    says_nothing_of(&mut client(), "codec", id_0);
}

#[test]
fn incomplete() {
    says_nothing_of(&mut client(), "codec", "<- hex 32 0f 00 03 61 ! incomplete 17");
}

#[test]
fn calls() {
    // Whatever it calls the refusal.
    passes(
        &mut client(),
        "client",
        "do publish topic=\"t\" refused=NotConnected",
    );
    fails(&mut client(), "client", 1, "do publish topic=\"t\"");
    says_nothing_of(&mut client(), "client", "do ping refused=NotConnected");
}

#[test]
fn events() {
    passes(
        &mut client(),
        "client",
        &calling("cut\nevent Closed by=transport .."),
    );
    fails(
        &mut client(),
        "client",
        6,
        &calling("cut\nevent Closed by=server .."),
    );
    fails(&mut client(), "client", 6, &calling("cut\n+ 1s"));
    // It does not tell `code`, and nothing of what was aborted.
    passes(
        &mut client(),
        "client",
        &calling("cut\nevent Closed by=transport code=0x81\nevent Aborted .."),
    );
}

#[test]
fn acts() {
    is_no_trace("client", "broker restart");
}

#[test]
fn time() {
    let connect = |seconds: u16| {
        format!(
            "do connect client_id=\"c\" clean_start=1 keep_alive={seconds}\n-> CONNECT ..\n<- CONNACK\nevent Connected ..\n"
        )
    };
    let ping = "-> PINGREQ in 0s..2s\n<- PINGRESP";
    passes(
        &mut client(),
        "client",
        &format!("{}+ 200ms\nquiet 100ms\n{ping}", connect(1)),
    );
    fails(&mut client(), "client", 5, &format!("{}quiet 3s", connect(1)));
    // Nobody waits for days.
    says_nothing_of(
        &mut client(),
        "client",
        &format!("{}quiet 59999s\n{ping}", connect(60_000)),
    );
}

/// The program.
#[test]
#[ignore = "the other tests start it"]
fn program() {
    // The line on which the harness names this test.
    println!();
    let mut link: Option<TcpStream> = None;
    let mut token = 0;
    let mut speaks_5 = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines are text");
        let field = |name: &str| {
            let after = line.split_once(&format!(" {name}="))?.1;
            Some(
                after
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .trim_matches('"')
                    .to_owned(),
            )
        };
        let number = |name: &str| field(name).and_then(|text| text.parse::<u16>().ok());
        if line.starts_with("connect ") {
            let stream = TcpStream::connect(("127.0.0.1", number("port").expect("a port")));
            let mut stream = stream.expect("somebody listens");
            let is_5 = field("version").as_deref() == Some("5");
            speaks_5 = is_5;
            let keep_alive = number("keep_alive").unwrap_or_default();
            let id = field("client_id").unwrap_or_default();
            stream
                .write_all(&connect(is_5, keep_alive, &id))
                .expect("it is read");
            println!("ok");
            let mut reading = stream.try_clone().expect("a link can be shared");
            let pings = (keep_alive > 0).then(|| stream.try_clone().expect("a link can be shared"));
            link = Some(stream);
            std::thread::spawn(move || read_all(&mut reading, is_5));
            if let Some(mut pings) = pings {
                std::thread::spawn(move || {
                    loop {
                        std::thread::sleep(Duration::from_secs(keep_alive.into()));
                        if pings.write_all(&[0xc0, 0]).is_err() {
                            return;
                        }
                    }
                });
            }
        } else if line.starts_with("publish ") {
            let Some(link) = &mut link else {
                println!("refused there is no link");
                continue;
            };
            let message = [field("topic"), field("payload")].map(Option::unwrap_or_default);
            let [topic, payload] = message.each_ref().map(|text| text.as_bytes());
            let body = [&[0, len(topic)], topic, &[0], payload].concat();
            let packet = [&[0x30, len(&body)], &body[..]].concat();
            link.write_all(&packet).expect("it is read");
            token += 1;
            println!("ok {token}\nevent Completed token={token}");
        } else if line.starts_with("subscribe ") {
            let filter = field("filter").unwrap_or_default();
            let options = [u8::try_from(number("qos").unwrap_or_default()).expect("a QoS")];
            let filter = [&[0, len(filter.as_bytes())], filter.as_bytes(), &options].concat();
            let no_properties: &[u8] = if speaks_5 { &[0] } else { &[] };
            let body = [&[0, 1], no_properties, &filter].concat();
            let packet = [&[0x82, len(&body)], &body[..]].concat();
            let link = link.as_mut().expect("it is connected");
            link.write_all(&packet).expect("it is read");
            token += 1;
            println!("ok {token}");
        } else {
            println!("cannot do that");
        }
    }
}

fn len(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("it is short")
}

/// With Clean Session or Clean Start.
fn connect(is_5: bool, keep_alive: u16, id: &str) -> Vec<u8> {
    let [high, low] = keep_alive.to_be_bytes();
    let mut body = b"\x00\x04MQTT".to_vec();
    body.extend([if is_5 { 5 } else { 4 }, 2, high, low]);
    body.extend(is_5.then_some(0));
    body.extend([0, len(id.as_bytes())]);
    body.extend(id.as_bytes());
    [&[0x10, len(&body)], &body[..]].concat()
}

/// Closes when a packet comes that it does not know.
fn read_all(link: &mut TcpStream, is_5: bool) {
    let mut answers = link.try_clone().expect("a link can be shared");
    let mut read = || {
        let mut head = [0; 2];
        link.read_exact(&mut head)?;
        let mut body = vec![0; usize::from(head[1])];
        link.read_exact(&mut body)?;
        Ok::<_, std::io::Error>((head[0], body))
    };
    let by = loop {
        match read() {
            Ok((0x20, body)) => println!("event Connected session_present={}", body[0]),
            Ok((0x30, body)) => {
                let (topic, rest) = body[2..].split_at(usize::from(body[1]));
                let payload = rest.get(usize::from(is_5)..).unwrap_or_default();
                let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
                println!(
                    "event Message topic=\"{}\" payload=x\"{hex}\" qos=0",
                    String::from_utf8_lossy(topic)
                );
            }
            Ok((0x32, body)) => {
                let id = &body[2 + usize::from(body[1])..][..2];
                let written = answers.write_all(&[&[0x40, 2], id].concat());
                written.expect("it is read");
            }
            Ok((0x90, _)) => println!("event Completed token=1"),
            Ok((0xd0, _)) => {}
            Ok(_) => break "client",
            Err(_) => break "transport",
        }
    };
    let _ = link.shutdown(std::net::Shutdown::Both);
    println!("event Closed by={by}");
}
