//! What may stand where, and what is bound before it is used.

use mqtt_conformance::trace::Trace;

use super::errors;
use crate::with_head;

#[test]
fn a_block_is_opened_closed_and_full() {
    let cases = [
        (
            "any-order {\n<- PINGRESP",
            "f:6:1: the line ends, expected `}`; the block opened at 4:1 is not closed",
        ),
        (
            "either {\n<- PINGRESP\n}",
            "f:4:1: found `either`, expected `} or {` before the end of an `either` block",
        ),
        (
            "either {\n<- PINGRESP\n} or {\n}",
            "f:4:1: found `either`, expected a step in each block",
        ),
        (
            "any-order {\n}",
            "f:4:1: found `any-order`, expected a step in each block",
        ),
        ("}", "f:4:1: found `}`, expected a step; no block is open here"),
        (
            "any-order {\n<- PINGRESP\n} or {\n<- PINGRESP\n}",
            "f:6:1: found `}`, expected `or` only inside an `either {` block",
        ),
        (
            "any-order {\n-> PINGREQ\n}",
            "f:5:1: found `->`, expected an expectation; `any-order` holds expectations only",
        ),
        (
            "any-order {\n<- PINGRESP\nquiet 1s\n}",
            "f:6:1: found `quiet`, expected an expectation; `any-order` holds expectations only",
        ),
        (
            "-> PINGREQ\ntitle: late",
            "f:5:1: found `title:`, expected a step; the head stands before the first step",
        ),
        (
            "any-order {\ncovers: 5/MQTT-3.3.1-2\n}",
            "f:5:1: found `covers:`, expected a step; the head stands before the first step",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn nothing_is_nested_without_end() {
    let lists = format!("-> PUBLISH topic={}", "[".repeat(100_000));
    let blocks = "any-order {\n".repeat(100_000);
    let cases = [
        (
            lists.as_str(),
            "f:4:26: found `[`, expected at most 8 brackets within each other",
        ),
        (
            blocks.as_str(),
            "f:20:1: found `any-order`, expected at most 16 blocks within each other",
        ),
    ];
    for (lines, wanted) in cases {
        let error = Trace::parse("f", &with_head("broker", "5", lines)).unwrap_err();
        let text = error.to_string().replace(&"[".repeat(99_992), "[");
        assert_eq!(text, wanted);
    }
}

#[test]
fn what_the_runner_sends_says_all() {
    let cases = [
        (
            r#"-> PUBLISH topic="a" .."#,
            "f:4:22: found `..`, expected a complete packet; the runner sends this: it must say all",
        ),
        (
            r#"-> PUBLISH topic="a" !retain"#,
            "f:4:23: found `!retain`, expected a complete packet; the runner sends this: it must say all",
        ),
        (
            "-> PUBLISH topic=*",
            "f:4:18: found `*`, expected one value; the runner sends this: it must say all",
        ),
        (
            r#"-> PUBLISH topic="a" qos=0|1"#,
            "f:4:26: found `0|1`, expected one value; the runner sends this: it must say all",
        ),
        (
            r#"-> PUBLISH topic="a" id=1..2"#,
            "f:4:25: found `1..2`, expected one value; the runner sends this: it must say all",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" qos=*}]"#,
            "f:4:37: found `*`, expected one value; the runner sends this: it must say all",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" !qos}]"#,
            "f:4:28: found `!`, expected one value; the runner sends this: it must say all",
        ),
        (
            "-> PUBLISH topic=$t",
            "f:4:18: found `$t`, expected a capture that an earlier line binds",
        ),
        (
            "<- PUBLISH id=$message ..\n-> PUBACK id=$mesage",
            "f:5:14: found `$mesage`, expected a capture that an earlier line binds; did you mean `message`?",
        ),
        (
            "-> PINGREQ in 1s..2s",
            "f:4:12: found `in`, expected `in` behind an expectation only; the runner sends this line: write `+` before it",
        ),
        (
            "maybe -> PINGREQ",
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
        ),
        (
            "maybe cut",
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
        ),
        (
            "maybe quiet 1s",
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
        ),
        (
            "maybe + 1s",
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
        ),
        (
            "-> PINGREQ cut *\n-> PINGREQ cut *",
            "f:5:12: found `cut`, expected one `cut *` in a trace; line 4 has one",
        ),
        (
            "-> close cut 1",
            "f:4:10: found `cut`, expected the end of the line; the stream has ended here",
        ),
        (
            "-> close split 1",
            "f:4:10: found `split`, expected the end of the line; the end of a stream has no pieces",
        ),
        (
            "<- PINGRESP split 1",
            "f:4:13: found `split`, expected `split` behind what the runner sends only; how the side under test writes is its own affair",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn a_capture_keeps_its_kind() {
    let cases = [
        (
            "<- PUBLISH id=$m payload=$m ..",
            "f:4:26: found `$m`, expected text; line 4 binds $m to a number",
        ),
        (
            "<- PUBLISH id=$m ..\n-> PUBLISH topic=$m",
            "f:5:18: found `$m`, expected text; line 4 binds $m to a number",
        ),
        (
            "<- CONNACK user_property=$p reason_string=$r ..\n-> PUBLISH topic=\"t\" payload=$p",
            "f:5:30: found `$p`, expected text; line 4 binds $p to a pair",
        ),
        (
            "either {\n<- PUBLISH id=$m ..\n} or {\n<- PUBLISH id=$n ..\n}\n-> PUBACK id=$m",
            "f:9:14: found `$m`, expected a capture that an earlier line binds; line 5 binds it, but other branches of that `either` do not",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn a_call_has_the_arguments_that_it_takes() {
    let cases = [
        (
            r#"do publish "t""#,
            r#"f:4:12: found `"t"`, expected an argument `name=value`; `do publish` takes the fields of PUBLISH"#,
        ),
        (
            r#"do publish topic="t" topic="u""#,
            "f:4:22: found `topic`, expected `topic` once",
        ),
        (
            "do publish topic=*",
            "f:4:18: found `*`, expected one value; the runner sends this: it must say all",
        ),
        (
            r#"do publish topic="t" qos=0|1"#,
            "f:4:26: found `0|1`, expected one value; the runner sends this: it must say all",
        ),
        (
            "do publish topic=$t",
            "f:4:18: found `$t`, expected a capture that an earlier line binds",
        ),
        (
            "do ack",
            "f:4:1: found `do`, expected one `$m`, the duty to acknowledge a message; `event Message .. as m` binds it",
        ),
        (
            "do ack 7",
            "f:4:8: found `7`, expected one `$m`, the duty to acknowledge a message; `event Message .. as m` binds it",
        ),
        (
            "do ack $m",
            "f:4:8: found `$m`, expected a capture that an earlier line binds",
        ),
        (
            "do ping as p\ndo ack $p",
            "f:5:8: found `$p`, expected the duty to acknowledge a message; line 4 binds $p to the token of a call",
        ),
        (
            "do ping as p\nevent Completed token=$q ..",
            "f:5:23: found `$q`, expected a capture that an earlier line binds",
        ),
        (
            "event Completed token=7 ..",
            "f:4:23: found `7`, expected the token of a call, such as `$p`; `do publish .. as p` binds it",
        ),
        ("event Aborted why=7", "f:4:19: found `7`, expected a word"),
        (
            "do connect as c",
            "f:4:12: found `as`, expected the end of the line; `do connect` has no token: what comes of it are other events",
        ),
        (
            "event Connected as c",
            "f:4:17: found `as`, expected the end of the line; only Message and MessageEnd give something: the duty to acknowledge",
        ),
        (
            r#"do publish topic="t" id=1"#,
            "f:4:22: found `id`, expected an argument of `do publish`; there are: topic, qos, retain, payload, payload_format_indicator, message_expiry_interval, content_type, response_topic, correlation_data, subscription_identifier, topic_alias, user_property",
        ),
        (
            "event Message qos=3",
            "f:4:19: found `3`, expected a number from 0 to 2",
        ),
        (
            "event Message qos=1 qos=1",
            "f:4:21: found `qos`, expected `qos` once",
        ),
        (
            "event Message qos=1 !qos",
            "f:4:22: found `!qos`, expected a field either with a value or absent",
        ),
        (
            "event Message as m\nevent Completed token=$m",
            "f:5:23: found `$m`, expected the token of a call; line 4 binds $m to the duty to acknowledge a message",
        ),
        ("do ping as", "f:4:11: the line ends, expected a name"),
        (
            "broker restart",
            "f:4:1: found `broker`, expected broker in a broker or pair trace only",
        ),
        (
            "<- PINGRESP in 1s..2s",
            "f:4:13: found `in`, expected `in` behind an expectation only; the runner sends this line: write `+` before it",
        ),
        (
            "-> PINGREQ split 1",
            "f:4:12: found `split`, expected `split` behind what the runner sends only; how the side under test writes is its own affair",
        ),
        (
            "maybe <- PINGRESP",
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
        ),
        (
            "maybe do ping",
            "f:4:1: found `maybe`, expected `maybe` before a call with `refused=` only; it says that the call is refused, or taken",
        ),
    ];
    errors("client", "5", &cases);
}

#[test]
fn a_trace_says_what_its_versions_have() {
    let cases = [
        (
            "-> DISCONNECT code=4",
            "f:4:15: found `code`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            r#"-> CONNECT client_id="a" session_expiry_interval=1"#,
            "f:4:26: found `session_expiry_interval`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            "<- CONNACK !server_keep_alive ..",
            "f:4:13: found `!server_keep_alive`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            r#"-> CONNECT will={topic="t" will_delay_interval=1}"#,
            "f:4:28: found `will_delay_interval`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" no_local=1}]"#,
            "f:4:33: found `no_local`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            "-> AUTH code=0x18",
            "f:4:4: found `AUTH`, expected a packet that MQTT 3.1.1 has; this trace is not run for 5; write the packet as `hex`",
        ),
        (
            "covers: 5/MQTT-3.3.1-2",
            "f:4:9: found `5/MQTT-3.3.1-2`, expected a statement of a version that the trace is run for; that is 3.1 and 3.1.1",
        ),
        (
            "-> hex c1 00 ! bad 0x81 5/MQTT-2.1.3-1",
            "f:4:25: found `5/MQTT-2.1.3-1`, expected a statement of a version that the trace is run for; that is 3.1 and 3.1.1",
        ),
    ];
    errors("broker", "3.1 3.1.1", &cases);
}

#[test]
fn a_call_says_what_its_versions_have() {
    let cases = [
        (
            r#"do publish topic="t" topic_alias=1"#,
            "f:4:22: found `topic_alias`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
        (
            r#"event Closed reason_string="r" .."#,
            "f:4:14: found `reason_string`, expected a field that MQTT 3.1.1 has; this trace is not run for 5",
        ),
    ];
    errors("client", "3.1.1", &cases);
}

#[test]
fn connections_have_names_or_there_is_one() {
    let cases = [
        (
            "-> PINGREQ\nx <- PINGRESP",
            "f:5:1: found `x`, expected either all connections with a name, or the only one without",
        ),
        (
            "x -> PINGREQ\n<- PINGRESP",
            "f:5:1: found `<-`, expected either all connections with a name, or the only one without",
        ),
        (
            "x -> PINGREQ\nquiet 1s",
            "f:5:1: found `quiet`, expected either all connections with a name, or the only one without",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn a_trace_does_what_its_test_can_do() {
    let cases = [
        (
            "do ping",
            "f:4:1: found `do`, expected do in a client or pair trace only",
        ),
        (
            "event Closed ..",
            "f:4:1: found `event`, expected event in a client or pair trace only",
        ),
        (
            "-> PINGREQ ! bad 0x81",
            "f:4:12: found `!`, expected a verdict on `hex` bytes only; a packet that can be written by its fields is a good one",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn a_codec_trace_has_packets_and_bytes_only() {
    let cases = [
        (
            "+ 1s",
            "f:4:1: found `+`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "quiet 1s",
            "f:4:1: found `quiet`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "all quiet 1s",
            "f:4:1: found `quiet`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "cut",
            "f:4:1: found `cut`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "refused",
            "f:4:1: found `refused`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "-> close",
            "f:4:1: found `close`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "do ping",
            "f:4:1: found `do`, expected do in a client or pair trace only",
        ),
        (
            "event Closed ..",
            "f:4:1: found `event`, expected event in a client or pair trace only",
        ),
        (
            "broker restart",
            "f:4:1: found `broker`, expected broker in a broker or pair trace only",
        ),
        (
            "any-order {\n<- PINGRESP\n}",
            "f:4:1: found `any-order`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "either {\n<- PINGRESP\n} or {\n<- PINGRESP\n}",
            "f:4:1: found `either`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "<- PINGRESP in 1s..2s",
            "f:4:13: found `in`, expected a packet or bytes: the codec knows nothing else; time does not pass in a codec trace",
        ),
        (
            "-> PINGREQ split 1",
            "f:4:12: found `split`, expected a packet or bytes: the codec knows nothing else; the codec is given every part of a packet anyway",
        ),
        (
            "-> PINGREQ cut 1",
            "f:4:12: found `cut`, expected a packet or bytes: the codec knows nothing else; there is no link in a codec trace",
        ),
        (
            "<- CONNACK ..",
            "f:4:12: found `..`, expected a complete packet; the codec is given this packet: it must say all",
        ),
        (
            "maybe <- PINGRESP",
            "f:4:1: found `maybe`, expected a packet or bytes: the codec knows nothing else",
        ),
        (
            "config: acknowlege=manual",
            "f:4:9: found `acknowlege`, expected a setting; did you mean `acknowledge`?",
        ),
    ];
    errors("codec", "5", &cases);
}

#[test]
fn a_pair_is_only_watched() {
    let cases = [
        (
            "-> PINGREQ split 1",
            "f:4:12: found `split`, expected `split` behind what the runner sends only; how the side under test writes is its own affair",
        ),
        (
            "maybe -> PINGREQ cut *\n<- PINGRESP cut *",
            "f:5:13: found `cut`, expected one `cut *` in a trace; line 4 has one",
        ),
    ];
    errors("pair", "5", &cases);
}
