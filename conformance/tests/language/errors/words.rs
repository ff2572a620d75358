//! What is misspelt, values and words.

use super::errors;

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
