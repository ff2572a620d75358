//! A row for every error that a trace can have: the lines behind the head, and the whole text.
//!
//! The head has three lines, so the first of these is line 4 of the file `f`.

use mqtt_conformance::trace::Trace;

use crate::with_head;

fn errors(test: &str, version: &str, cases: &[(&str, &str)]) {
    for (lines, wanted) in cases {
        match Trace::parse("f", &with_head(test, version, lines)) {
            Err(error) => assert_eq!(error.to_string(), *wanted, "{lines}"),
            Ok(trace) => panic!("{lines} is read as {trace:?}"),
        }
    }
}

#[test]
fn a_head_says_each_thing_once_and_all_that_is_needed() {
    for (text, wanted) in [
        ("", "f:1:1: the line ends, expected a `title:` line in the head"),
        (
            "title: a\n",
            "f:2:1: the line ends, expected a `test:` line in the head",
        ),
        (
            "title: a\ntest: codec\n",
            "f:3:1: the line ends, expected a `version:` line in the head",
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
            "title: a\ntest: brocker\n",
            "f:2:7: found `brocker`, expected `codec`, `client`, `broker` or `pair`; did you mean `broker`?",
        ),
        (
            "title: a\nversion: 4\n",
            "f:2:10: found `4`, expected `3.1`, `3.1.1` or `5`",
        ),
        (
            "title: a\nversion: 5 5.0\n",
            "f:2:12: found `5.0`, expected `3.1`, `3.1.1` or `5`",
        ),
        (
            "title:\n",
            "f:1:7: the line ends, expected the claim of the trace in one sentence",
        ),
    ] {
        assert_eq!(Trace::parse("f", text).unwrap_err().to_string(), wanted);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_trace() {
    let path = std::path::Path::new("no/such/file.trace");
    let error = Trace::read(path).unwrap_err().to_string();
    assert!(error.starts_with("no/such/file.trace: "), "{error}");
}

#[test]
fn topics_of_a_brokers_trace_begin_with_its_own_name() {
    let misfit = |lines: &str| {
        let text = with_head("broker", "5", lines);
        let trace = Trace::parse("f", &text).unwrap_or_else(|e| panic!("{e}"));
        trace.check_names("f").err().map(|error| error.to_string())
    };
    let connect = "-> CONNECT client_id=\"own/a\" clean_start=1\n";
    for (line, at, what) in [
        (
            r#"-> PUBLISH topic="other/t""#,
            r#"5:18: found `"other/t"`"#,
            "a topic",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"own/t"} {"t"}]"#,
            r#"5:38: found `"t"`"#,
            "a topic",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"$share/g/t"}]"#,
            r#"5:28: found `"$share/g/t"`"#,
            "a topic",
        ),
        (
            r#"-> UNSUBSCRIBE id=1 filters=["t"]"#,
            r#"5:30: found `"t"`"#,
            "a topic",
        ),
        (
            r#"-> CONNECT client_id="other/a""#,
            r#"5:22: found `"other/a"`"#,
            "a client id",
        ),
        (
            r#"-> CONNECT client_id="own/b" will={topic="t"}"#,
            r#"5:42: found `"t"`"#,
            "a topic",
        ),
        (
            "any-order {\n<- PUBLISH topic=\"t\"\n}",
            r#"6:18: found `"t"`"#,
            "a topic",
        ),
    ] {
        let wanted = format!(
            "f:{at}, expected {what} that begins with `own`, as the first client id does; on a live broker traces must not meet"
        );
        assert_eq!(misfit(&format!("{connect}{line}\n")), Some(wanted), "{line}");
    }
    for line in [
        r#"-> PUBLISH topic="own/t""#,
        r#"-> PUBLISH topic="own""#,
        r#"-> PUBLISH topic="/own/t""#,
        r#"-> PUBLISH topic="$own/t""#,
        r#"-> PUBLISH topic="""#,
        r##"-> SUBSCRIBE id=1 filters=[{"#"} {"+/t"} {"$share/g/own/t"} {"$SYS/#"}]"##,
        r#"-> CONNECT client_id="""#,
        r#"-> CONNECT client_id="abc""#,
        // Not live, so it meets nobody.
        "config: maximum_qos=1\n-> PUBLISH topic=\"other\"",
    ] {
        let lines = match line.strip_prefix("config: maximum_qos=1\n") {
            Some(rest) => format!("config: maximum_qos=1\n{connect}{rest}\n"),
            None => format!("{connect}{line}\n"),
        };
        assert_eq!(misfit(&lines), None, "{line}");
    }
}

#[test]
fn what_is_misspelt_is_told_with_the_nearest_name() {
    let cases = [
        (
            r#"-> PUBLIS topic="a""#,
            "f:4:4: found `PUBLIS`, expected the name of a packet, `hex` or `close`; did you mean `PUBLISH`?",
        ),
        (
            r#"-> publish topic="a""#,
            "f:4:4: found `publish`, expected the name of a packet, `hex` or `close`; did you mean `PUBLISH`?",
        ),
        (
            r#"-> PUBLISH topik="a""#,
            "f:4:12: found `topik`, expected a field of PUBLISH; did you mean `topic`?",
        ),
        (
            r#"-> PUBLISH colour="a""#,
            "f:4:12: found `colour`, expected a field of PUBLISH; there are: topic, qos, dup, retain, id, payload, payload_format_indicator, message_expiry_interval, content_type, response_topic, correlation_data, subscription_identifier, topic_alias, user_property",
        ),
        (
            "-> PINGREQ id=1",
            "f:4:12: found `id`, expected a field of PINGREQ; there is none",
        ),
        (
            r#"-> CONNECT will={topik="a"}"#,
            "f:4:18: found `topik`, expected a field of a will; did you mean `topic`?",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" no_locl=1}]"#,
            "f:4:33: found `no_locl`, expected a field of a subscription; did you mean `no_local`?",
        ),
        (
            "quite 5s",
            "f:4:7: found `5s`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `quite` is taken as the name of a connection: did you mean `quiet`?",
        ),
        (
            "a quite 5s",
            "f:4:3: found `quite`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; did you mean `quiet`?",
        ),
        (
            "refuzed 0x81",
            "f:4:9: found `0x81`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `refuzed` is taken as the name of a connection: did you mean `refused`?",
        ),
        (
            "brocker restart",
            "f:4:9: found `restart`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `brocker` is taken as the name of a connection: did you mean `broker`?",
        ),
        (
            "broker restrat",
            "f:4:8: found `restrat`, expected `restart`, `crash` or `deny`; did you mean `restart`?",
        ),
        (
            "broker deny",
            "f:4:12: the line ends, expected a field `name=value`",
        ),
        (
            "broker deny topic",
            "f:4:13: found `topic`, expected a field `name=value`",
        ),
        (
            r#"broker deny topik="t""#,
            "f:4:13: found `topik`, expected what `broker deny` refuses; did you mean `topic`?",
        ),
        (
            "broker deny colour=1",
            "f:4:13: found `colour`, expected what `broker deny` refuses; there are: topic, filter, client_id",
        ),
        (
            "broker deny topic=7",
            "f:4:19: found `7`, expected text in quotes",
        ),
        (
            "broker deny topic=$t",
            "f:4:19: found `$t`, expected a capture that an earlier line binds",
        ),
        (
            "-> PINGREQ splitt 1",
            "f:4:12: found `splitt`, expected a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment; did you mean `split`?",
        ),
        (
            "-> hex c0 00 ! bat 0x81",
            "f:4:16: found `bat`, expected `bad` or `incomplete`; did you mean `bad`?",
        ),
        (
            "-> hex c1 00 ! bad 0x81 5/MQTT-3.3.1-22",
            "f:4:25: found `5/MQTT-3.3.1-22`, expected a statement or section of 3.1, 3.1.1 or 5; did you mean `5/MQTT-3.3.1-2`?",
        ),
        (
            "eitherr {",
            "f:4:9: found `{`, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `eitherr` is taken as the name of a connection: did you mean `either`?",
        ),
        (
            "hello",
            "f:4:6: the line ends, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `hello` is taken as the name of a connection",
        ),
        (
            "colour: red",
            "f:4:1: found `colour:`, expected `title`, `test`, `version`, `covers`, `errors`, `requires` or `config` before `:`",
        ),
        (
            "titel: again",
            "f:4:1: found `titel:`, expected `title`, `test`, `version`, `covers`, `errors`, `requires` or `config` before `:`; did you mean `title`?",
        ),
        (
            "errors: rule-conect",
            "f:4:9: found `rule-conect`, expected the id of a row of spec/mqtt-errors.tsv; did you mean `rule-connect`?",
        ),
        (
            "requires: shard",
            "f:4:11: found `shard`, expected the name of a feature; did you mean `shared`?",
        ),
        (
            "requires: retain shard",
            "f:4:18: found `shard`, expected the name of a feature; did you mean `shared`?",
        ),
        (
            "config: maximum_qso=1",
            "f:4:9: found `maximum_qso`, expected a setting of a broker; did you mean `maximum_qos`?",
        ),
        (
            "config: retain_available=0 maximum_qso=1",
            "f:4:28: found `maximum_qso`, expected a setting of a broker; did you mean `maximum_qos`?",
        ),
        (
            "covers: 5/MQTT-3.3.1-99",
            "f:4:9: found `5/MQTT-3.3.1-99`, expected a statement or section of 3.1, 3.1.1 or 5; did you mean `5/MQTT-3.3.1-9`?",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn what_is_misspelt_in_a_client_trace_is_told_with_the_nearest_name() {
    let cases = [
        (
            r#"do publsh topic="t""#,
            "f:4:4: found `publsh`, expected `connect`, `publish`, `subscribe`, `unsubscribe`, `ack`, `authenticate`, `ping` or `disconnect`; did you mean `publish`?",
        ),
        (
            r#"do publish topik="t""#,
            "f:4:12: found `topik`, expected an argument of `do publish`; did you mean `topic`?",
        ),
        (
            r#"do subscribe filter="t" qso=1"#,
            "f:4:25: found `qso`, expected an argument of `do subscribe`; did you mean `qos`?",
        ),
        (
            r#"do ping topic="t""#,
            "f:4:9: found `topic`, expected an argument of `do ping`; there is none",
        ),
        (
            "event Conected ..",
            "f:4:7: found `Conected`, expected the name of an event; did you mean `Connected`?",
        ),
        (
            "event Opened",
            "f:4:7: found `Opened`, expected the name of an event; there are: Connected, Authenticate, Message, MessageStart, MessageData, MessageEnd, Completed, Aborted, Closed",
        ),
        (
            r#"event Message topik="t""#,
            "f:4:15: found `topik`, expected a field of the event Message; did you mean `topic`?",
        ),
        (
            "event MessageData colour=1",
            "f:4:19: found `colour`, expected a field of the event MessageData; there are: offset, payload",
        ),
        (
            "event Closed by=sever ..",
            "f:4:17: found `sever`, expected `client` or `server` or `transport`; did you mean `server`?",
        ),
        (
            "event Completed outcome=acknowleged ..",
            "f:4:25: found `acknowleged`, expected `written` or `acknowledged` or `subscribed` or `unsubscribed` or `authenticated` or `ponged`; did you mean `acknowledged`?",
        ),
        (
            "config: acknowlege=manual",
            "f:4:9: found `acknowlege`, expected a setting of a client; did you mean `acknowledge`?",
        ),
    ];
    errors("client", "3.1.1 5", &cases);
}

#[test]
fn a_value_is_one_of_its_kind() {
    let cases = [
        ("-> PUBLISH topic=a", "f:4:18: found `a`, expected text in quotes"),
        (
            "-> PUBLISH qos=3",
            "f:4:16: found `3`, expected a number from 0 to 2",
        ),
        (
            r#"-> PUBLISH topic=x"6162""#,
            r#"f:4:18: found `x"6162"`, expected text in quotes"#,
        ),
        (
            "-> PUBLISH payload=5",
            r#"f:4:20: found `5`, expected "text" or x"hex""#,
        ),
        (
            r#"-> CONNECT client_id="ü" clean_start=2"#,
            "f:4:38: found `2`, expected 0 or 1",
        ),
        (
            "-> CONNECT keep_alive=65536",
            "f:4:23: found `65536`, expected a number from 0 to 65535",
        ),
        (
            "<- SUBACK id=1 codes=1",
            "f:4:22: found `1`, expected a list of codes `[0 0x80]`",
        ),
        (
            "<- SUBACK id=1 codes=[256]",
            "f:4:23: found `256`, expected a number from 0 to 255",
        ),
        (
            r#"<- SUBACK id=1 codes=["a"]"#,
            r#"f:4:23: found `"a"`, expected a number from 0 to 255"#,
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=["a"]"#,
            r#"f:4:28: found `"a"`, expected a filter with options `{"a/+" qos=1}`"#,
        ),
        (
            r#"-> SUBSCRIBE id=1 filters="a""#,
            r#"f:4:27: found `"a"`, expected a list of filters with options `[{"a/+" qos=1}]`"#,
        ),
        (
            "-> UNSUBSCRIBE id=1 filters=[1]",
            "f:4:30: found `1`, expected text in quotes",
        ),
        (
            r#"-> CONNECT will="w""#,
            r#"f:4:17: found `"w"`, expected a will `{topic="a" payload="b"}`"#,
        ),
        (
            r#"-> CONNECT user_property="a""#,
            r#"f:4:26: found `"a"`, expected a pair `("name" "value")`"#,
        ),
        (
            "<- PUBLISH qos=1..3 ..",
            "f:4:16: found `1..3`, expected a number from 0 to 2",
        ),
        (
            r#"-> CONNECT client_id="a" password=***"#,
            "f:4:35: found `***`, expected a value; this one was masked when it was printed; print the packet with its secrets",
        ),
        (
            r#"-> CONNECT client_id="a" client_id="b""#,
            "f:4:26: found `client_id`, expected `client_id` once",
        ),
        (
            "<- CONNACK code=0 !code",
            "f:4:20: found `!code`, expected a field either with a value or absent",
        ),
        (
            "<- CONNACK !code !code",
            "f:4:19: found `!code`, expected a field either with a value or absent",
        ),
    ];
    errors("broker", "5", &cases);
}

#[test]
fn a_word_is_written_as_the_grammar_says() {
    let cases = [
        (
            r#"-> PUBLISH topic="a"#,
            r#"f:4:18: found `"a`, expected a string that ends on its line; the closing `"` is missing"#,
        ),
        (
            r#"-> PUBLISH topic="\q""#,
            r#"f:4:20: found `q"`, expected an escape: `\"`, `\\`, `\n`, `\t`, `\x7f` or `\u{20ac}`"#,
        ),
        (
            r#"-> PUBLISH topic="\xff""#,
            r#"f:4:20: found `xff"`, expected `\x00` to `\x7f`; write a character as `\u{..}`, and bytes as `x".."`"#,
        ),
        (
            r#"-> PUBLISH topic="\u{d800}""#,
            r#"f:4:20: found `u{d800}"`, expected a Unicode scalar value"#,
        ),
        (
            r#"-> PUBLISH topic="a"b"#,
            "f:4:21: found `b`, expected a blank after the value",
        ),
        (
            r#"-> PUBLISH payload=x"0""#,
            r#"f:4:20: found `x"0"`, expected an even number of hex digits"#,
        ),
        (
            r#"-> PUBLISH payload=x"0g""#,
            r#"f:4:23: found `g"`, expected hex digits, then `"`"#,
        ),
        (
            r#"-> PUBLISH payload="aa"*268435460"#,
            r#"f:4:20: found `"aa"*268435460`, expected at most 268435460 bytes"#,
        ),
        (
            "-> PUBLISH topic=",
            r#"f:4:18: the line ends, expected a value: a number, "text", x"hex", `*`, `$name`, a list `[..]`, a group `{..}`, a pair `(..)` or a word"#,
        ),
        ("-> PUBLISH id=0x", "f:4:15: found `0x`, expected a number"),
        (
            "-> PUBLISH id=99999999999999999999",
            "f:4:15: found `99999999999999999999`, expected a number below 2^64",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" qos=1}"#,
            "f:4:39: the line ends, expected a value or `]`",
        ),
        (
            r#"-> SUBSCRIBE id=1 filters=[{"a" qos}]"#,
            "f:4:33: found `qos}]`, expected a field `name=value`, `!name` or `}`",
        ),
        (
            r#"-> CONNECT user_property=("a")"#,
            "f:4:30: found `)`, expected a string",
        ),
        (
            "-> PINGREQ qos",
            "f:4:12: found `qos`, expected a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment",
        ),
        (
            "-> PINGREQ .. ..",
            "f:4:15: found `..`, expected a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment; `..` stands once, behind the fields",
        ),
        (
            "<- PINGRESP .. qos=1",
            "f:4:16: found `qos=1`, expected a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment; fields stand before `..` and before `= bytes`",
        ),
        (
            "-> PINGREQ = c0 0",
            "f:4:17: found `0`, expected an even number of hex digits",
        ),
        (
            "-> PINGREQ = ",
            "f:4:13: the line ends, expected bytes such as `32 0f 00`",
        ),
        (
            "-> hex",
            "f:4:7: the line ends, expected bytes such as `32 0f 00`",
        ),
        (
            "-> hex c0 0g",
            "f:4:11: found `0g`, expected a field `name=value`, `!name`, `..`, `= bytes`, `in`, `split`, `cut`, `! bad`, `! incomplete` or a comment",
        ),
        (
            "-> hex c0 00 ! wrong",
            "f:4:16: found `wrong`, expected `bad` or `incomplete`",
        ),
        (
            "-> hex c0 00 ! bad",
            "f:4:19: the line ends, expected reason codes such as `0x81|0x82`",
        ),
        (
            "-> hex c0 00 ! bad 256",
            "f:4:20: found `256`, expected a reason code from 0 to 0xff",
        ),
        (
            "-> hex c0 00 ! incomplete",
            "f:4:26: the line ends, expected a number",
        ),
        (
            "-> hex c1 00 ! bad 0x81 at",
            "f:4:27: the line ends, expected a number",
        ),
        (
            "<- PINGRESP in 2s..1s",
            "f:4:16: found `2s..1s`, expected a span whose end is not before its start",
        ),
        ("<- PINGRESP in 2s", "f:4:18: the line ends, expected `..`"),
        (
            "<- PINGRESP in 1s..2s in 1s..2s",
            "f:4:23: found `in`, expected each suffix once",
        ),
        ("-> PINGREQ split", "f:4:17: the line ends, expected a number"),
        (
            "-> PINGREQ cut",
            "f:4:15: the line ends, expected a number of bytes or `*`",
        ),
        (
            "quiet 5m",
            "f:4:7: found `5m`, expected a duration such as `500ms` or `2s`",
        ),
        (
            "quiet",
            "f:4:6: the line ends, expected a duration such as `500ms` or `2s`",
        ),
        (
            "quiet 99999999999999999999s",
            "f:4:7: found `99999999999999999999s`, expected a shorter duration",
        ),
        (
            "+ 5",
            "f:4:3: found `5`, expected a duration such as `500ms` or `2s`",
        ),
        ("all cut", "f:4:5: found `cut`, expected `quiet`"),
        (
            "-> ",
            "f:4:3: the line ends, expected `hex` or `close` or the name of a packet",
        ),
        (
            "a",
            "f:4:2: the line ends, expected `->`, `<-`, `cut`, `refused`, `quiet`, `do` or `event`; `a` is taken as the name of a connection",
        ),
        (
            "refused 0x81|",
            "f:4:13: found `|`, expected the end of the line or a `#` comment",
        ),
        ("either", "f:4:7: the line ends, expected `{`"),
        ("either x", "f:4:8: found `x`, expected `{`"),
    ];
    errors("broker", "5", &cases);
}

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
            "f:4:1: found `maybe`, expected `maybe` before an expectation only; this line is none: the runner does it",
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
