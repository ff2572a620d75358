//! A row for every error that a trace can have: the lines behind the head, and the whole text.
//!
//! - here: heads and files. `words`: spelling, values, words. `lines`: what stands where, and what is bound.
//!
//! The head has three lines, so the first of these is line 4 of the file `f`.

mod lines;
mod words;

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
