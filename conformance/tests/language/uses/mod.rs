//! The table "One file, several uses" of `LANGUAGE.md`: a test for every cell.

mod broker;
mod client;
mod codec;
mod live_broker;
mod live_client;
mod pair;

use mqtt_conformance::target::{Outcome, Target};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;

use crate::with_head;

fn trace(test: &str, version: Version, lines: &str) -> Trace {
    let text = with_head(test, &version.to_string(), &format!("{lines}\n"));
    Trace::parse("t", &text).unwrap_or_else(|e| panic!("{lines}\n{e}"))
}

/// What comes of these lines, if they are run against the target at all.
fn outcome(target: &mut dyn Target, test: &str, lines: &str) -> Option<Outcome> {
    outcome_in(Version::V5, target, test, lines)
}

fn outcome_in(version: Version, target: &mut dyn Target, test: &str, lines: &str) -> Option<Outcome> {
    let trace = trace(test, version, lines);
    target.takes(&trace).then(|| target.run(&trace, version))
}

fn passes(target: &mut dyn Target, test: &str, lines: &str) {
    let outcome = outcome(target, test, lines);
    assert!(
        matches!(outcome, Some(Outcome::Passed { .. })),
        "{lines}\n{outcome:?}"
    );
}

/// It fails at this line, counted from the first that the test writes.
fn fails(target: &mut dyn Target, test: &str, at: u32, lines: &str) {
    match outcome(target, test, lines) {
        Some(Outcome::Failed(failures)) => {
            assert_eq!(failures[0].at.line, at + 3, "{lines}\n{}", failures[0])
        }
        other => panic!("{lines}\n{other:?}"),
    }
}

fn says_nothing_of(target: &mut dyn Target, test: &str, lines: &str) {
    let outcome = outcome(target, test, lines);
    assert!(
        matches!(outcome, None | Some(Outcome::NotApplicable(_))),
        "{lines}\n{outcome:?}"
    );
}

fn is_no_trace(test: &str, lines: &str) {
    assert!(
        Trace::parse("t", &with_head(test, "5", lines)).is_err(),
        "{lines}"
    );
}

/// A broker's trace: a client connects, then these lines.
fn connected(lines: &str) -> String {
    format!("-> CONNECT client_id=\"a\" clean_start=1\n<- CONNACK session_present=0 code=0 ..\n{lines}")
}

/// A client's trace: it is connected, then these lines.
fn calling(lines: &str) -> String {
    format!(
        "do connect client_id=\"c\" clean_start=1\n-> CONNECT ..\n<- CONNACK\nevent Connected session_present=0 ..\n{lines}"
    )
}

#[test]
fn every_cell_has_a_test() {
    let table = include_str!("../../../LANGUAGE.md");
    let table = table
        .split("## One file, several uses")
        .nth(1)
        .expect("the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("| line"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let files = [
        include_str!("codec.rs"),
        include_str!("client.rs"),
        include_str!("broker.rs"),
        include_str!("live_broker.rs"),
        include_str!("live_client.rs"),
        include_str!("pair.rs"),
    ];
    assert_eq!(
        rows[0],
        [
            "line",
            "codec",
            "client",
            "broker",
            "live broker",
            "live client",
            "pair"
        ]
    );
    let names: Vec<&str> = rows[2..]
        .iter()
        .map(|row| {
            assert_eq!(row.len(), rows[0].len(), "{row:?}");
            let name = row[0].rsplit("(`").next().expect("a name");
            name.trim_end_matches("`)")
        })
        .collect();
    assert_eq!(names.len(), 9);
    for (column, file) in rows[0][1..].iter().zip(files) {
        for name in &names {
            assert!(
                file.contains(&format!("#[test]\nfn {name}()")),
                "{column}::{name} is missing"
            );
        }
    }
}
