//! A runner that cannot fail is worth nothing: what it reports of traces that do not hold.

use core::time::Duration;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use mqtt_conformance::report::{Report, Run};
use mqtt_conformance::run;
use mqtt_conformance::target::broker;
use mqtt_conformance::target::client;
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::pair;
use mqtt_conformance::target::{Outcome, Target};
use mqtt_conformance::trace::ast::{Direction, Item, Step};
use mqtt_conformance::trace::{Test, Trace, parse_packet};
use mqtt_proto::{PacketType, Version};

/// The first line that the test writes.
const FIRST: u32 = 6;

fn outcome(target: &mut dyn Target, test: &str, opening: &str, lines: &str) -> Outcome {
    let text = format!("title: t\ntest: {test}\nversion: 5\n{opening}\n{lines}\n");
    let trace = Trace::parse("t", &text).unwrap_or_else(|e| panic!("{lines}\n{e}"));
    target.run(&trace, Version::V5)
}

/// Of each trace the line that fails, counted from the first that the test writes, and the whole report.
fn reports(target: &mut dyn Target, test: &str, opening: &str, cases: &[(&str, &str)]) {
    for (lines, wanted) in cases {
        let found = match outcome(target, test, opening, lines) {
            Outcome::Passed { .. } => "passed".to_owned(),
            Outcome::NotApplicable(why) => format!("not applicable: {why}"),
            Outcome::Failed(failures) => failures
                .iter()
                .map(|failure| format!("{}: {}", failure.at.line + 1 - FIRST, failure.why()))
                .collect(),
        };
        assert_eq!(found, *wanted, "\n{lines}");
    }
}

const CLIENTS: &str = "a -> CONNECT client_id=\"a\" clean_start=1 keep_alive=2\na <- CONNACK ..";

#[test]
fn a_broker_that_does_otherwise_is_reported() {
    let cases = [
        ("a -> PINGREQ\na <- PINGRESP\na quiet 1s", "passed"),
        (
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=8 ..",
            "2: expected a <- PUBACK id=8 ..\n    seen     `PUBACK id=7 code=0x10`\n    id: expected 8, found 7",
        ),
        (
            "a -> PINGREQ\na <- PUBACK id=8 ..   # a comment",
            "2: expected a <- PUBACK id=8 ..\n    seen     `PINGRESP`\n    expected PUBACK, found PINGRESP",
        ),
        (
            "a <- PINGRESP",
            "1: expected a <- PINGRESP\n    seen     nothing within 0ns",
        ),
        (
            "a <- PINGRESP in 0s..1s",
            "1: expected a <- PINGRESP in 0s..1s\n    seen     nothing within 1s",
        ),
        (
            "a -> PINGREQ\na <- PINGRESP in 1s..2s",
            "2: expected a <- PINGRESP in 1s..2s\n    seen     already after 0ns",
        ),
        (
            "a -> PINGREQ\n+ 1s\na <- PINGRESP in 500ms..2s",
            "3: expected a <- PINGRESP in 500ms..2s\n    seen     already after 0ns",
        ),
        ("a -> PINGREQ\na quiet 1s", "2: expected quiet, seen `PINGRESP`"),
        ("a -> PINGREQ\nall quiet 1s", "2: expected quiet, seen `PINGRESP`"),
        ("all quiet 10s", "1: expected quiet, seen `DISCONNECT code=0x8d`"),
        (
            "a -> PINGREQ",
            "1: `PINGRESP` came on `a` and no line has read it at the end of the trace",
        ),
        (
            "a -> hex c1 00",
            "1: `DISCONNECT code=0x81` came on `a` and no line has read it at the end of the trace",
        ),
        ("a -> hex c1 00\na refused", "passed"),
        (
            "a -> hex c1 00\na refused 0x93",
            "2: expected a refused 0x93\n    seen     `DISCONNECT code=0x81`\n    the code is 0x81",
        ),
        (
            "a -> PINGREQ\na refused",
            "2: expected a refused\n    seen     `PINGRESP`",
        ),
        (
            "a refused 0x8d in 0s..2s",
            "1: expected a refused 0x8d in 0s..2s\n    seen     nothing within 2s",
        ),
        ("a refused 0x8d in 0s..3s", "passed"),
        (
            "a -> hex c1 00\na -> PINGREQ",
            "2: the stream has ended, and no line says so",
        ),
        ("a -> hex c1 00\na refused\na -> PINGREQ\na refused", "passed"),
        (
            "a -> PINGREQ\na <- close",
            "2: expected a <- close\n    seen     `PINGRESP`\n    the stream goes on",
        ),
        (
            "a -> PINGREQ\na -> close",
            "2: `PINGRESP` came and no line has read it before the stream was closed",
        ),
        ("a cut\na cut", "2: there is no connection to cut"),
        ("a -> PINGREQ\nmaybe a <- PUBACK ..\na <- PINGRESP", "passed"),
        (
            "a -> PINGREQ\nmaybe a <- PUBACK ..",
            "2: `PINGRESP` came on `a` and no line has read it at the end of the trace",
        ),
        (
            "a -> PINGREQ\na <- hex d0 01",
            "2: expected a <- hex d0 01\n    seen     `PINGRESP`\n    found d0 00",
        ),
        (
            "a -> PINGREQ\nany-order {\n  a <- PINGRESP\n  a <- PINGRESP\n}",
            "4: expected a <- PINGRESP\n    seen     nothing",
        ),
        (
            "a -> PINGREQ\neither {\n  a <- PUBACK id=1\n} or {\n  a refused\n}",
            "2: none of these fits\n    expected a <- PUBACK id=1\n    seen     `PINGRESP`\n    expected PUBACK, found PINGRESP\n    expected a refused\n    seen     `PINGRESP`",
        ),
        (
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=$i ..\na -> PUBLISH topic=\"t\" qos=1 id=8\na <- PUBACK id=$i ..",
            "4: expected a <- PUBACK id=$i ..\n    seen     `PUBACK id=8 code=0x10`\n    id: expected $i, which is 7, found 8",
        ),
        ("a -> PUBLISH topic=\"t\" qos=1 id=7 cut *\na quiet 1s", "passed"),
        (
            "a -> PINGREQ cut *\na -> PINGREQ\na <- PINGRESP",
            "3: expected a <- PINGRESP\n    seen     the end of the stream\n    expected PINGRESP, found the end of the stream\n    with `cut *` after 1 bytes",
        ),
        (
            "a -> PINGREQ cut 3",
            "1: the packet has 2 bytes: it cannot be cut after 3",
        ),
        ("broker restart", "passed"),
        (
            "broker restart\na <- PINGRESP",
            "2: expected a <- PINGRESP\n    seen     nothing within 0ns",
        ),
        (
            "broker crash\na -> PINGREQ\na <- PINGRESP",
            "3: expected a <- PINGRESP\n    seen     the end of the stream\n    expected PINGRESP, found the end of the stream",
        ),
        (
            "broker deny topic=\"t\"\na -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7",
            "3: expected a <- PUBACK id=7\n    seen     `PUBACK id=7 code=0x87`\n    code: expected 0, found 135",
        ),
    ];
    reports(&mut broker::ours(), "broker", CLIENTS, &cases);
}

#[test]
fn what_comes_early_on_another_connection_waits_for_its_line() {
    let opening = "a -> CONNECT client_id=\"a\" clean_start=1\na <- CONNACK ..";
    let lines = "b -> CONNECT client_id=\"b\" clean_start=1\nb <- CONNACK ..\nb -> SUBSCRIBE id=1 filters=[{\"t\"}]\nb <- SUBACK id=1 codes=[0]\na -> PUBLISH topic=\"t\" qos=1 id=1\na <- PUBACK id=1 ..\nb <- PUBLISH topic=\"t\"\n";
    let cases = [
        (lines.to_owned(), "passed"),
        (
            lines.replace(
                "a <- PUBACK id=1 ..\nb <- PUBLISH topic=\"t\"",
                "b <- PUBLISH topic=\"t\"\na <- PUBACK id=1 ..",
            ),
            "passed",
        ),
        (
            lines.replace("b <- PUBLISH topic=\"t\"", "b quiet 1s"),
            "7: expected quiet, seen `PUBLISH topic=\"t\"`",
        ),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(lines, wanted)| (lines.as_str(), *wanted))
        .collect();
    reports(&mut broker::ours(), "broker", opening, &cases);
}

const SERVER: &str = "do connect client_id=\"c\" clean_start=1\n-> CONNECT client_id=\"c\" clean_start=1 ..";

#[test]
fn a_client_that_does_otherwise_is_reported() {
    let cases = [
        ("<- CONNACK\nevent Connected ..", "passed"),
        (
            "<- CONNACK",
            "1: `event Connected session_present=0` came and no line has read it at the end of the trace",
        ),
        (
            "<- CONNACK\nevent Connected session_present=1 ..",
            "2: expected event Connected session_present=1 ..\n    seen     `event Connected session_present=0`\n    session_present: expected 1, found 0",
        ),
        (
            "<- CONNACK reason_string=\"r\"\nevent Connected",
            "2: expected event Connected\n    seen     `event Connected session_present=0 reason_string=\"r\"`\n    reason_string: expected absent, found \"r\"",
        ),
        (
            "event Connected ..",
            "1: expected event Connected ..\n    seen     nothing within 0ns",
        ),
        (
            "do publish topic=\"t\" qos=1 refused=Slots",
            "1: expected the call to be refused as Slots, but it was taken",
        ),
        ("do ping refused=NotConnected", "passed"),
        (
            "do ping refused=Slots",
            "1: the call was refused as NotConnected: not connected",
        ),
        (
            "do ping",
            "1: the call was refused as NotConnected: not connected",
        ),
        ("maybe do ping refused=NotConnected", "passed"),
        (
            "maybe do ping refused=Slots",
            "1: the call was refused as NotConnected: not connected",
        ),
        (
            "<- CONNACK\nevent Connected ..\nmaybe do ping refused=NotConnected as p\n-> PINGREQ\n<- PINGRESP\nevent Completed token=$p ..",
            "passed",
        ),
        (
            "do ping as p\n",
            "1: the call was refused as NotConnected: not connected",
        ),
        (
            "<- CONNACK\nevent Connected ..\ndo publish topic=\"t\" qos=1 as p\n-> PUBLISH topic=\"t\" qos=1 id=$i\n<- PUBACK id=$i\nevent Completed token=$p ..",
            "passed",
        ),
        (
            "<- CONNACK\nevent Connected ..\ndo publish topic=\"t\" qos=1 as p\n-> PUBLISH topic=\"t\" qos=2 id=$i",
            "4: expected -> PUBLISH topic=\"t\" qos=2 id=$i\n    seen     `PUBLISH topic=\"t\" qos=1 id=1`\n    qos: expected 2, found 1",
        ),
        (
            "<- CONNACK\nevent Connected ..\n<- hex d1 00\nrefused 0x81\nevent Closed by=client ..",
            "passed",
        ),
        (
            "<- CONNACK\nevent Connected ..\n<- PINGRESP\nrefused",
            "4: expected refused\n    seen     nothing within 0ns",
        ),
        (
            "cut\nevent Closed by=client ..",
            "2: expected event Closed by=client ..\n    seen     `event Closed by=\"transport\" refused=0`\n    by: expected client, found \"transport\"",
        ),
        (
            "cut\nevent Closed by=transport ..\n<- CONNACK",
            "3: the client has no link: it is not connected, or has closed",
        ),
    ];
    reports(&mut client::ours(), "client", SERVER, &cases);
}

#[test]
fn a_pair_that_does_otherwise_is_reported() {
    let opening = "do connect client_id=\"c\" clean_start=1 keep_alive=4\nevent Connected ..";
    let cases = [
        (
            "do publish topic=\"t\" qos=2 as p\n-> PUBREL ..\nevent Completed token=$p ..",
            "passed",
        ),
        (
            "do publish topic=\"t\" qos=2 as p\n<- PUBACK ..\nevent Completed token=$p ..",
            "2: expected <- PUBACK ..\n    seen     nothing within 0ns",
        ),
        (
            "do publish topic=\"t\" qos=2 as p\n-> PUBLISH dup=1 ..",
            "2: expected -> PUBLISH dup=1 ..\n    seen     nothing within 0ns",
        ),
        (
            "do publish topic=\"t\" as p",
            "1: `event Completed token=1 outcome=\"written\"` came and no line has read it at the end of the trace",
        ),
        ("quiet 3s", "passed"),
        (
            "quiet 5s",
            "1: expected quiet, but something was sent: see the last line of the exchange",
        ),
        (
            "-> PINGREQ in 1s..3s",
            "1: expected -> PINGREQ in 1s..3s\n    seen     nothing within 3s",
        ),
        (
            "-> PINGREQ in 1s..4s\ncut\nevent Closed by=client ..",
            "3: expected event Closed by=client ..\n    seen     `event Closed by=\"transport\" refused=0`\n    by: expected client, found \"transport\"",
        ),
    ];
    reports(&mut pair::ours(), "pair", opening, &cases);
}

#[test]
fn a_failure_is_reported_with_its_place_and_the_exchange() {
    let text = "title: t\ntest: broker\nversion: 5\n-> CONNECT client_id=\"a\" keep_alive=4 clean_start=1\n<- CONNACK ..\n+ 1500ms\n-> hex c0 00\n<- PINGRESP\n-> PUBLISH topic=\"t\" qos=1 id=7 payload=\"x\"\n<- PUBACK id=7\n";
    let trace = Trace::parse("t", text).unwrap();
    let mut report = Report::default();
    let outcome = broker::ours().run(&trace, Version::V5);
    let took = Duration::ZERO;
    let run = Run::new(
        Path::new("f.trace"),
        &trace,
        Version::V5,
        &broker::ours(),
        outcome,
        took,
    );
    report.add(run);
    assert!(!report.is_good());
    let wanted = "f.trace:10:1: [broker in memory, MQTT 5] code: expected 0, found 16
    expected    <- PUBACK id=7
                   40 02 00 07
    seen        <- PUBACK id=7 code=0x10
                   40 03 00 07 10
    differs     code: expected 0, found 16
    exchange
        0.000s  -> CONNECT client_id=\"a\" clean_start=1 keep_alive=4
                   10 0e 00 04 4d 51 54 54 05 02 00 04 00 00 01 61
        0.000s  <- CONNACK session_present=0 code=0 receive_maximum=1024 maximum_packet_size=16777216
                   20 0e 00 00
        1.500s  -> hex c0 00
        1.500s  <- PINGRESP
                   d0 00
        1.500s  -> PUBLISH topic=\"t\" qos=1 id=7 payload=\"x\"
                   32 07 00 01 74 00 07 00 78
        1.500s  <- PUBACK id=7 code=0x10
                   40 03 00 07 10";
    let found = report.failures().join("\n");
    // What the server announces is its own matter.
    let cut = |text: &str| {
        let lines = text.lines().map(|line| {
            let line = line.split(" receive_maximum").next().unwrap_or_default();
            let is_connack = line.trim_start().starts_with("20 ");
            line.chars()
                .take(if is_connack { 30 } else { usize::MAX })
                .collect::<String>()
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(cut(&found), cut(wanted));
}

/// Each expectation of each trace counts: with another packet in its place the trace fails.
#[test]
fn no_expectation_of_a_trace_can_be_changed_unnoticed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let other = |than: Option<PacketType>| {
        let text = if than == Some(PacketType::PingResp) {
            "PUBACK .."
        } else {
            "PINGRESP"
        };
        Item::Packet(parse_packet(text).unwrap())
    };
    let mut changed = 0;
    for file in run::find(&[folder]).unwrap() {
        let trace = Trace::read(&file).unwrap_or_else(|e| panic!("{e}"));
        let version = trace.head.versions[0];
        if trace.head.test != Test::Broker
            || !matches!(broker::ours().run(&trace, version), Outcome::Passed { .. })
        {
            continue;
        }
        for (i, line) in trace.lines.iter().enumerate() {
            let Step::Wire(wire) = &line.step else { continue };
            if wire.direction != Direction::ToClient || line.maybe {
                continue;
            }
            let mut broken = trace.clone();
            if let Step::Wire(wire) = &mut broken.lines[i].step {
                let of = match &wire.item {
                    Item::Packet(packet) => Some(packet.packet_type),
                    Item::Hex(_) | Item::Close => None,
                };
                wire.item = other(of);
            }
            let outcome = broker::ours().run(&broken, version);
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{}:{}: {outcome:?}",
                file.display(),
                line.at
            );
            changed += 1;
        }
    }
    assert!(changed > 500, "only {changed}");
}

#[allow(clippy::disallowed_methods, reason = "such a broker sends whatever is read")]
#[test]
fn a_live_broker_that_sends_without_end_is_stopped_listening_to() {
    let flood = |bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || while stream.write_all(bytes).is_ok() {});
            }
        });
        address
    };
    let cases = [
        // Packets without end; one packet whose end never comes.
        flood(b"\xd0\0\xd0\0"),
        flood(b"\x30\xff\xff\xff\x7f"),
    ];
    for address in cases {
        let mut broker = LiveBroker::at(address).expect("it listens");
        // The trace itself asks for nothing that would end: it is quiet for an hour.
        let lines = "-> CONNECT client_id=\"a\" clean_start=1\n+ 3600s";
        let Outcome::Failed(failures) = outcome(&mut broker, "broker", "", lines) else {
            panic!("it is no failure");
        };
        assert_eq!(
            failures[0].headline,
            "the broker floods: more than 262144 bytes in one trace"
        );
    }
}
