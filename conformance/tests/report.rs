//! What the program prints of runs, in every form, and with which status it ends.
//!
//! `UPDATE=1 cargo test -p mqtt-conformance --test report` writes `tests/report/report.md` anew.

mod our_server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, net};

use mqtt_proto::{Statement, Version};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report")
}

struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

/// `run` with these options, in the folder of these traces.
fn run_in(folder: &Path, options: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .current_dir(folder)
        .arg("run")
        .args(options)
        .output()
        .expect("the program starts");
    Ended {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn run(options: &[&str]) -> Ended {
    run_in(&folder(), options)
}

/// Our server, as a `--target`.
fn with_broker<T>(with: impl FnOnce(&str) -> T) -> T {
    our_server::with_server(|address| with(&format!("tcp://{address}")))
}

/// `run` against our server, as a profile says that knows one failure and lists one that is none.
fn run_live(options: &[&str]) -> Ended {
    with_broker(|target| {
        let mut all = vec![
            "--target",
            target,
            "--profile",
            "profile.toml",
            "--patience",
            "5s",
        ];
        all.extend(options);
        run(&all)
    })
}

#[test]
fn all_traces_in_memory_give_the_totals_and_why_some_statements_are_not_covered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let Ended { status, out, err } = run_in(root, &[]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    // Of the totals: version, role, all, and all that are covered.
    let totals: Vec<Vec<&str>> = out
        .lines()
        .filter_map(|line| line.strip_prefix("MQTT "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let rules = Statement::all().filter(|one| one.is_numbered() && one.version() == Version::V31);
    for (version, role, all) in [
        ("3.1", "any", rules.count()),
        ("3.1.1", "client", 41),
        ("3.1.1", "server", 94),
        ("3.1.1", "codec", 33),
        ("3.1.1", "any", 141),
        ("5", "client", 87),
        ("5", "server", 175),
        ("5", "codec", 49),
        ("5", "any", 251),
    ] {
        let line = totals.iter().find(|line| line[..2] == [version, role]);
        let line = line.unwrap_or_else(|| panic!("{version} {role}\n{out}"));
        let number = |at: usize| line[at].parse::<usize>().expect("a number");
        let [passed, failed, not_covered] = [number(3), number(4), number(8)];
        assert_eq!(number(2), all, "{line:?}");
        assert_eq!(failed, 0, "{line:?}");
        assert_eq!(passed + not_covered, all, "{line:?}");
        assert!(passed * 10 >= all * 8, "{line:?}");
        // All that are not covered have a reason.
        let explained = line.get(9).copied().unwrap_or("(0)");
        assert_eq!(explained, format!("({not_covered})"), "{line:?}");
        assert!(out.contains("not covered: "), "{out}");
    }
    assert!(
        out.contains("broker in memory: ") && out.contains(" 0 failed"),
        "{out}"
    );
}

#[test]
fn a_failure_has_expected_and_seen_and_the_exchange_decoded_and_in_hex() {
    let Ended { status, out, err } = run(&["--target", "broker", "fails.trace"]);
    assert_eq!(status, Some(1));
    assert_eq!(err, "mqtt-conformance: 1 run failed\n");
    let wanted = [
        "fails.trace:9:1: [broker in memory, MQTT 5] id: expected 8, found 7",
        "    expected    <- PUBACK id=8 ..",
        "                   40 03 00 08 10 ..",
        "    seen        <- PUBACK id=7 code=0x10",
        "                   40 03 00 07 10",
        "    differs     id: expected 8, found 7",
        "    exchange",
        "        0.000s  -> CONNECT client_id=\"fails\" clean_start=1 keep_alive=0",
        "                   10 12 00 04 4d 51 54 54 05 02 00 00 00 00 05 66 61 69 6c 73",
    ];
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..wanted.len()], wanted);
    // The arrows of expected, seen and the exchange stand in one column.
    let arrows: BTreeSet<usize> = lines
        .iter()
        .filter_map(|line| line.find("-> ").or_else(|| line.find("<- ")))
        .collect();
    assert_eq!(arrows, [16].into());
    let sum = "broker in memory: 0 passed (0 lines), 1 failed, 0 not applicable";
    assert!(lines.contains(&sum), "{out}");
}

#[test]
fn a_failure_of_the_codec_has_both_packets_in_hex() {
    let Ended { status, out, .. } = run(&["--target", "codec", "encoded.trace"]);
    assert_eq!(status, Some(1));
    let wanted = [
        "encoded.trace:6:1: [codec, MQTT 5] encoded as c0 00, expected c0 01",
        "    expected    -> PINGREQ = c0 01",
        "                   c0 01",
        "    seen        -> PINGREQ",
        "                   c0 00",
        "encoded.trace:7:1: [codec, MQTT 5] accepted, but should not be",
        "    expected    -> hex c0 00 ! bad 0x81",
    ];
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..wanted.len()], wanted, "{out}");
}

#[test]
fn markdown_has_every_part_of_the_report() {
    let (status, found) = with_broker(|target| {
        let mut options = vec![
            "--target",
            target,
            "--profile",
            "profile.toml",
            "--format",
            "markdown",
        ];
        for statement in [
            "5/MQTT-3.12.4-1",
            "5/MQTT-4.3.2-4",
            "5/MQTT-3.8.4-1",
            "5/MQTT-4.8.2-1",
            "5/MQTT-3.1.4-5",
        ] {
            options.extend(["--only", statement]);
        }
        options.extend([
            "passes.trace",
            "fails.trace",
            "known.trace",
            "fixed.trace",
            "lacks.trace",
        ]);
        let ended = run(&options);
        (ended.status, ended.out)
    });
    assert_eq!(status, Some(1), "{found}");
    // Real time differs from run to run.
    let still = |line: &str| match line.split_once("s  ") {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => format!("        0.000s  {rest}"),
        _ => line.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
    };
    let found: String = found.lines().map(|line| still(line) + "\n").collect();
    let path = folder().join("report.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &found).expect("it can be written");
    }
    let wanted = fs::read_to_string(&path).expect("it can be read");
    assert_eq!(found, wanted, "UPDATE=1 writes it anew");
}

/// The paths of all that is in a value: `runs[].title`.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| paths(value, &format!("{path}[]"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whoever reads the reports of a check relies on the names.
#[test]
fn json_has_the_names_that_the_readme_promises_and_no_others() {
    let Ended { status, out, err } = run_live(&[
        "--format",
        "json",
        "passes.trace",
        "fails.trace",
        "known.trace",
        "lacks.trace",
        "unreadable.txt",
    ]);
    assert_eq!(status, Some(2), "a file is no trace");
    assert!(err.contains("a file is no trace"), "{err}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let mut found = BTreeSet::new();
    paths(&report, "", &mut found);

    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the README can be read");
    let (_, section) = readme.split_once("### JSON\n").expect("a section on JSON");
    let section = section.split("\n### ").next().unwrap_or_default();
    let promised: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| Some(line.split_once("` |")?.0.to_owned()))
        .collect();
    assert_eq!(found, promised);

    assert_eq!(report["schema"], 1);
    assert_eq!(report["profile"], "a broker without shared subscriptions");
    let of = |list: &str, key: &str, value: &str| {
        let list = report[list].as_array().expect("an array");
        let found = list.iter().find(|one| one[key] == value);
        found.unwrap_or_else(|| panic!("no {key} {value}")).clone()
    };
    for (trace, status) in [
        ("passes", "passed"),
        ("fails", "failed"),
        ("known", "known"),
        ("lacks", "not-applicable"),
    ] {
        assert_eq!(of("runs", "trace", trace)["status"], status);
    }
    let failure = &of("runs", "trace", "fails")["failures"][0];
    assert_eq!((&failure["line"], &failure["column"]), (&9.into(), &1.into()));
    let compared = &failure["compared"][0];
    assert_eq!(compared["expected"][0]["text"], "<- PUBACK id=8 ..");
    assert_eq!(compared["expected"][0]["hex"], "40 03 00 08 10");
    assert_eq!(compared["seen"]["text"], "PUBACK id=7 code=0x10");
    assert_eq!(compared["seen"]["hex"], "40 03 00 07 10");
    assert_eq!(
        failure["exchange"][0]["hex"].as_str().map(|hex| &hex[..5]),
        Some("10 12")
    );
    // A trace that passed and one that fails as is known: the finding counts.
    let statement = of("statements", "statement", "5/MQTT-3.12.4-1");
    assert_eq!(statement["status"], "known");
    assert_eq!(statement["passed"][0], "passes");
    assert_eq!(statement["known"][0], "known");
    // What the finding does not name is not broken by it.
    assert_eq!(
        of("statements", "statement", "5/MQTT-3.1.4-5")["status"],
        "not-covered"
    );
    assert_eq!(
        of("statements", "statement", "5/MQTT-4.8.2-1")["status"],
        "not-applicable"
    );
    assert_eq!(
        of("statements", "statement", "5/MQTT-6.0.0-1")["status"],
        "not-covered"
    );
    assert!(of("statements", "statement", "5/MQTT-6.0.0-1")["reason"].is_string());
    let totals = report["totals"].as_array().expect("an array");
    let mut of_server = totals.iter().filter(|total| total["role"] == "server");
    let total = of_server.find(|total| total["mqtt"] == "3.1.1").expect("a total");
    assert_eq!(total["statements"], 94);
}

#[test]
fn the_exit_status_is_one_for_what_fail_on_names_and_for_nothing_else() {
    let status = |options: &[&str]| {
        let ended = run_live(options);
        (ended.status, ended.err)
    };
    let only = |statement: &'static str, word: &'static str, trace: &'static str| {
        status(&["--only", statement, "--fail-on", word, trace])
    };
    let cases: [(&str, &str, &str, &str); 5] = [
        ("failed", "5/MQTT-4.3.2-4", "fails.trace", "1 run failed"),
        (
            "known",
            "5/MQTT-3.12.4-1",
            "known.trace",
            "1 run failed as is known",
        ),
        (
            "fixed",
            "5/MQTT-3.8.4-1",
            "fixed.trace",
            "1 run passed that is known to fail",
        ),
        (
            "not-applicable",
            "5/MQTT-4.8.2-1",
            "lacks.trace",
            "1 statement is not applicable",
        ),
        (
            "not-covered",
            "5/MQTT-3.1.4-5",
            "known.trace",
            "1 statement is not covered, without a reason",
        ),
    ];
    for (word, statement, trace, why) in cases {
        if word == "not-applicable" {
            // Alone nothing would have been run at all.
            let both = [
                "--fail-on",
                word,
                "--only",
                statement,
                "--only",
                "5/MQTT-3.12.4-1",
            ];
            let with_one = |word: &str| {
                let mut options = both.to_vec();
                options[1] = word;
                options.extend([trace, "passes.trace"]);
                status(&options)
            };
            assert_eq!(with_one(word), (Some(1), format!("mqtt-conformance: {why}\n")));
            assert_eq!(with_one("failed"), (Some(0), String::new()));
            continue;
        }
        assert_eq!(
            only(statement, word, trace),
            (Some(1), format!("mqtt-conformance: {why}\n")),
            "{word}"
        );
        assert_eq!(
            only(statement, "never", trace),
            (Some(0), String::new()),
            "{word}"
        );
        // It is that word which did it: all others leave it alone.
        let others: Vec<&str> = cases
            .iter()
            .map(|(other, ..)| *other)
            .filter(|other| *other != word)
            .collect();
        // A known failure shows nothing else that the trace covers.
        let goes_with =
            |other: &str| matches!((word, other), ("known", "not-covered") | ("not-covered", "known"));
        let others = others.into_iter().filter(|other| !goes_with(other));
        let others = others.collect::<Vec<_>>().join(",");
        assert_eq!(
            status(&["--only", statement, "--fail-on", &others, trace]).0,
            Some(0),
            "{word}"
        );
    }
    // What has a reason may stay uncovered.
    let (code, why) = status(&[
        "--only",
        "5/MQTT-3.12.4-1",
        "--fail-on",
        "not-covered",
        "passes.trace",
    ]);
    assert_eq!((code, why.as_str()), (Some(0), ""));
    let wrong = run(&["--fail-on", "broken", "passes.trace"]);
    assert_eq!(wrong.status, Some(2));
    assert!(
        wrong.err.contains("`broken` is none of failed, known"),
        "{}",
        wrong.err
    );
}

#[test]
fn text_says_what_is_known_and_what_of_it_is_fixed() {
    let Ended { status, out, err } = run_live(&["known.trace", "fixed.trace"]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    for wanted in [
        "known.trace: [live broker, MQTT 5] known: PINGREQ is answered by PINGRESP (5/MQTT-3.12.4-1)\n",
        "fixed.trace: [live broker, MQTT 5] fixed: no SUBSCRIBE is answered (5/MQTT-3.8.4-1)\n",
    ] {
        assert!(out.contains(wanted), "{wanted}\n{out}");
    }
    assert!(!out.contains("exchange"), "{out}");
    let verbose = run_live(&["-v", "known.trace"]).out;
    assert!(verbose.contains("exchange\n"), "{verbose}");
    let statement = "5/MQTT-3.12.4-1        server  known           known\n";
    assert!(verbose.contains(statement), "{verbose}");
}

#[test]
fn a_report_in_a_file_leaves_the_text_to_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    for (format, begins) in [
        ("json", "{\n  \"schema\": 1,"),
        ("markdown", "# Conformance\n"),
        ("text", "broker in memory: 1 passed"),
    ] {
        let path = folder.path().join(format);
        let name = path.display().to_string();
        let ended = run(&[
            "--target",
            "broker",
            "--format",
            format,
            "--output",
            &name,
            "passes.trace",
        ]);
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
        assert!(
            ended.out.starts_with("broker in memory: 1 passed"),
            "{}",
            ended.out
        );
        let written = fs::read_to_string(&path).expect("it was written");
        assert!(written.starts_with(begins), "{format}\n{written}");
    }
    let nowhere = folder.path().join("nowhere/report.json").display().to_string();
    let ended = run(&["--output", &nowhere, "passes.trace"]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains(&nowhere), "{}", ended.err);
}

#[test]
fn what_says_nothing_about_a_broker_is_not_run_against_a_live_one() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    // For a client, for both ends, and for a codec without bytes that a broker must refuse.
    let others = ["client/connect", "pair", "codec/packets-5.trace"]
        .map(|name| traces.join(name).display().to_string());
    with_broker(|target| {
        for other in &others {
            let ended = run(&["--target", target, other]);
            assert_eq!(ended.status, Some(2), "{}", ended.out);
            let why = "the traces given say nothing about what is tested, the live broker";
            assert!(ended.err.contains(why), "{}", ended.err);
        }
        let [client, pair, codec] = others.each_ref();
        let ended = run(&["--target", target, client, pair, codec, "passes.trace"]);
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        assert!(ended.out.contains("live broker: 1 passed"), "{}", ended.out);
        assert!(ended.out.contains("0 failed, 0 not applicable"), "{}", ended.out);
    });
}

#[test]
fn one_machine_in_memory_can_be_tested_alone() {
    for (target, sum) in [
        ("codec", "codec: 1 passed"),
        ("broker", "broker in memory: 1 passed"),
        ("memory", "broker in memory: 1 passed"),
    ] {
        let ended = run(&["--target", target, "passes.trace"]);
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        assert!(ended.out.contains(sum), "{}", ended.out);
        let others = ended.out.lines().filter(|line| line.contains(" lines), "));
        assert_eq!(others.count(), if target == "memory" { 2 } else { 1 });
    }
    for target in ["client", "pair"] {
        let ended = run(&["--target", target, "passes.trace"]);
        assert_eq!(ended.status, Some(2), "{}", ended.out);
        let why = "the traces given say nothing about what is tested";
        assert!(ended.err.contains(why), "{}", ended.err);
    }
    // A port where nobody listens.
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    assert_eq!(run(&["--target", &target, "passes.trace"]).status, Some(2));
}

#[test]
fn without_paths_the_traces_that_came_with_the_program_are_run_wherever_that_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let only = ["--only", "5/MQTT-3.3.1-2", "--target", "codec", "-v"];
    let elsewhere = run_in(folder.path(), &only);
    assert_eq!(elsewhere.status, Some(0), "{}", elsewhere.err);
    // Those of a folder `traces` come before them.
    fs::create_dir(folder.path().join("traces")).expect("a folder in it");
    let here = run_in(folder.path(), &only);
    assert_eq!(
        (here.status, &here.err[..]),
        (Some(2), "mqtt-conformance: no .trace file in what was given\n")
    );
}

#[test]
fn as_many_threads_run_as_there_are_traces_and_at_least_one() {
    let ended = run(&["--jobs", "4000000000", "passes.trace"]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let ended = run(&["--jobs", "0", "passes.trace"]);
    assert_eq!(ended.status, Some(2));
    assert!(ended.err.contains("0 is not in 1.."), "{}", ended.err);
}

#[test]
fn a_profile_of_another_kind_of_target_is_refused() {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/mosquitto_sub.toml");
    let profile = profile.to_str().expect("UTF-8");
    let ended = run(&[
        "--target",
        "tcp://127.0.0.1:1",
        "--profile",
        profile,
        "passes.trace",
    ]);
    let wanted = "mqtt-conformance: the profile of mosquitto_sub 2.0.11 is that of a client program\n";
    assert_eq!((ended.status, &ended.err[..]), (Some(2), wanted));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .current_dir(folder())
        .args(["run", "-v", "passes.trace"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), &said[..]), (Some(0), ""));
}
