use mqtt_proto::PacketType;

use crate::trace::Trace;
use crate::trace::ast::{Atom, CutAfter, Item, Step, Test, Verdict};

/// A head with what the test is about as its lines.
fn with_head(test: &str, version: &str, lines: &str) -> String {
    format!("title: t\ntest: {test}\nversion: {version}\n{lines}")
}

#[test]
fn a_trace_of_every_construct_is_read() {
    let text = r##"
# a comment, then the head
title:    everything   # not part of it
test:     pair
version:  3.1.1 5
covers:   3.1.1/MQTT-4.4.0-1 5/MQTT-4.4.0-1
covers:   5/2.1.2
requires: will-delay retain
config:   maximum_qos=1 name="x"

a do connect client_id="a#b" clean_start=0 as c
a event Connected session_present=0 !server_keep_alive .. as e
a -> CONNECT client_id="x" will={topic="w" payload="p"*3 !retain} user_property=("k" "\"\n\u{20ac}\x41") ..
maybe a <- PUBLISH topic="t" qos=0|1 id=$m payload=x"00fF" message_expiry_interval=58..60 in 500ms..3s
a -> SUBSCRIBE id=0x10 filters=[{"a/+" qos=1 no_local=1} {"b"}] = 82 0f00 ff cut *
a <- SUBACK id=$m codes=[1 0 0x80|*] split 1 2 3 cut 7 in 0s..10us
b <- hex c0 80 00 ! bad 0x81|130 3.1.1/2.2.3 5/MQTT-1.5.5-1 at 1
b -> hex 320f000361 ! incomplete 17
b -> close
a cut
a refused 0x81|0x87 in 1s..2s
a refused
all quiet 1s
a quiet 10us
+ 2500ms
+2s
broker restart
broker crash
broker deny client_id="x" code=0x87
any-order {
  a <- PINGRESP          # one

  either {
    b <- PINGRESP
  } or {
    b <- PINGRESP ..
  } or {
    b cut
  }
}
b do ack $m code=0
"##;
    let trace = Trace::parse("all", text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(trace.head.title, "everything");
    assert_eq!(trace.head.test, Test::Pair);
    assert_eq!(
        (
            trace.head.covers.len(),
            trace.head.requires.len(),
            trace.head.config.len()
        ),
        (3, 2, 2)
    );
    assert_eq!(trace.lines.len(), 21);
    assert_eq!((trace.lines[3].maybe, trace.lines[3].at.line), (true, 14));
    let wire = |i: usize| {
        let Step::Wire(wire) = &trace.lines[i].step else {
            panic!("{:?}", trace.lines[i])
        };
        wire
    };
    let packet = |i: usize| {
        let Item::Packet(pattern) = &wire(i).item else {
            panic!("{:?}", trace.lines[i])
        };
        pattern
    };
    assert_eq!(packet(2).packet_type, PacketType::Connect);
    assert!(packet(2).open);
    assert_eq!(
        packet(2).fields[2].value.atoms,
        [Atom::Pair("k".to_owned(), "\"\n\u{20ac}A".to_owned())]
    );
    assert_eq!(packet(3).fields[1].value.atoms, [Atom::Int(0), Atom::Int(1)]);
    assert_eq!(packet(3).fields[3].value.atoms, [Atom::Hex(vec![0, 255], 1)]);
    assert_eq!(packet(3).fields[4].value.atoms, [Atom::Range(58, 60)]);
    assert_eq!(packet(4).bytes.as_deref(), Some(&[0x82, 0x0f, 0x00, 0xff][..]));
    assert_eq!(wire(4).cut, Some(CutAfter::Every));
    assert_eq!(
        (&wire(5).split[..], wire(5).cut),
        (&[1, 2, 3][..], Some(CutAfter::Bytes(7)))
    );
    let Some(Verdict::Bad {
        codes,
        statements,
        at,
    }) = &wire(6).verdict
    else {
        panic!()
    };
    assert_eq!(
        (&codes[..], statements.len(), *at),
        (&[0x81, 130][..], 2, Some(1))
    );
    assert_eq!(wire(7).verdict, Some(Verdict::Incomplete(17)));
    let Step::AnyOrder(lines) = &trace.lines[19].step else {
        panic!()
    };
    let Step::Either(branches) = &lines[1].step else {
        panic!()
    };
    assert_eq!(branches.len(), 3);
}

/// The text, and the whole error.
#[test]
fn an_error_names_place_token_expectation_and_hint() {
    let cases = [
        (
            "-> PUBLIS topic=\"a\"",
            "4:4: found `PUBLIS`, expected the name of a packet, `hex` or `close`; did you mean `PUBLISH`?",
        ),
        (
            "-> PUBLISH topik=\"a\"",
            "4:12: found `topik`, expected a field of PUBLISH; did you mean `topic`?",
        ),
        ("-> PUBLISH topic=a", "4:18: found `a`, expected text in quotes"),
        (
            "-> PUBLISH qos=3",
            "4:16: found `3`, expected a number from 0 to 2",
        ),
        (
            "-> PUBLISH topic=\"a",
            "4:18: found `\"a`, expected a string that ends on its line; the closing `\"` is missing",
        ),
        (
            "-> PUBLISH topic=\"\\q\"",
            "4:20: found `q\"`, expected an escape: `\\\"`, `\\\\`, `\\n`, `\\t`, `\\x7f` or `\\u{20ac}`",
        ),
        (
            "-> PUBLISH topic=\"\\xff\"",
            "4:20: found `xff\"`, expected `\\x00` to `\\x7f`; write a character as `\\u{..}`, and bytes as `x\"..\"`",
        ),
        (
            "-> CONNECT client_id=\"ü\" clean_start=2",
            "4:38: found `2`, expected 0 or 1",
        ),
        (
            "-> CONNECT client_id=\"a\" password=***",
            "4:35: found `***`, expected a value; this one was masked when it was printed; print the packet with its secrets",
        ),
        (
            "-> CONNECT client_id=\"a\" client_id=\"b\"",
            "4:26: found `client_id`, expected `client_id` once",
        ),
        (
            "-> SUBSCRIBE id=1 filters=[\"a\"]",
            "4:28: found `\"a\"`, expected a filter with options `{\"a/+\" qos=1}`",
        ),
        (
            "-> SUBSCRIBE id=1 filters=[{\"a\" qos=1}",
            "the line ends, expected a value or `]`",
        ),
        (
            "-> PINGREQ qos",
            "4:12: found `qos`, expected a field `name=value`",
        ),
        (
            "-> PINGREQ in 2s..1s",
            "4:15: found `2s..1s`, expected a span whose end is not before its start",
        ),
        (
            "-> PINGREQ = c0 0",
            "4:17: found `0`, expected an even number of hex digits",
        ),
        (
            "-> hex c0 00 ! wrong",
            "4:16: found `wrong`, expected `bad` or `incomplete`",
        ),
        (
            "-> hex c0 00 ! bad 0x81 5/MQTT-9.9.9-9",
            "4:25: found `5/MQTT-9.9.9-9`, expected a statement or section of 3.1, 3.1.1 or 5; no standard has this one",
        ),
        (
            "-> PUBLISH topic=\"a\" ..",
            "4:4: found `..`, expected a complete packet; the runner sends this packet: it must say all",
        ),
        (
            "-> PUBLISH topic=$t",
            "4:18: found `$t`, expected a capture that an earlier line binds",
        ),
        (
            "-> PUBLISH topic=\"a\" qos=0|1",
            "4:26: found `0|1`, expected one value; the runner sends this packet: it must say all",
        ),
        (
            "-> PINGREQ\nx <- PINGRESP",
            "5:1: found `x`, expected either all connections with a name, or the only one without",
        ),
        (
            "do ping",
            "4:1: found `do`, expected do in a client or pair trace only",
        ),
        (
            "quite 5s",
            "4:7: found `5s`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `quite` is taken as the name of a connection: did you mean `quiet`?",
        ),
        (
            "quiet 5m",
            "4:7: found `5m`, expected a duration such as `500ms` or `2s`",
        ),
        (
            "any-order {\n<- PINGRESP",
            "6:1: the line ends, expected `}`; the block opened at 4:1 is not closed",
        ),
        (
            "either {\n<- PINGRESP\n}",
            "4:1: found `either`, expected `} or {`",
        ),
        ("}", "4:1: found `}`, expected a step; no block is open here"),
        (
            "-> PINGREQ\ntitle: late",
            "5:1: found `title:`, expected a step; the head stands before the first step",
        ),
        (
            "covers: 3.1.1/2.2.3",
            "4:9: found `3.1.1/2.2.3`, expected a statement of a version that the trace is run for",
        ),
        ("colour: red", "4:1: found `colour:`, expected `title`, `test`"),
    ];
    for (lines, wanted) in cases {
        let error = match Trace::parse("f", &with_head("broker", "5", lines)) {
            Err(error) => error.to_string(),
            Ok(trace) => panic!("{lines} is read as {trace:?}"),
        };
        assert!(error.starts_with("f:"), "{error}");
        assert!(error.contains(wanted), "{lines}\n {error}\n {wanted}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn a_head_says_each_thing_once_and_all_that_is_needed() {
    for (text, wanted) in [
        ("", "expected a `title:` line in the head"),
        ("title: a\n", "expected a `test:` line in the head"),
        (
            "title: a\ntest: codec\n",
            "expected a `version:` line in the head",
        ),
        (
            "title: a\ntitle: b\n",
            "f:2:1: found `title`, expected one `title:` line",
        ),
        (
            "title: a\ntest: server\n",
            "f:2:7: found `server`, expected `codec`, `client`, `broker` or `pair`",
        ),
        (
            "title: a\nversion: 4\n",
            "f:2:10: found `4`, expected `3.1`, `3.1.1` or `5`",
        ),
        (
            "title:\n",
            "f:1:7: the line ends, expected the claim of the trace in one sentence",
        ),
    ] {
        let error = Trace::parse("f", text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
}

#[test]
fn a_property_in_a_trace_of_old_versions_alone_is_an_error() {
    let lines = "-> DISCONNECT code=4\n";
    assert!(Trace::parse("f", &with_head("broker", "3.1.1 5", lines)).is_ok());
    let error = Trace::parse("f", &with_head("broker", "3.1 3.1.1", lines))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "f:4:15: found `code`, expected a field that MQTT 3.1.1 has; this trace is not run for 5"
    );
}
