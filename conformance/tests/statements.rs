//! Every statement that binds a client or the codec is shown by a trace or a test, or has a reason why not.

use std::path::Path;
use std::process::{Command, Output};

use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::statements::{Shown, Who};
use mqtt_conformance::target::in_memory;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is a member of the workspace")
}

#[test]
fn every_statement_of_client_and_codec_is_shown_or_has_a_reason() {
    let files = run::find(&[workspace().join("conformance/traces")]).expect("the traces are there");
    let report = run::run(&files, &Plan::default(), &in_memory);
    for who in [Who::Client, Who::Codec] {
        let shown = Shown::find(who, &report, workspace()).expect("the tests are there");
        assert!(shown.faults().is_empty(), "{shown:#}");
    }
}

/// Statements that are not shown by what has run are missing, but for those with a reason.
#[test]
fn a_trace_that_did_not_run_shows_nothing() {
    let trace = workspace().join("conformance/traces/client/connect/empty-client-id.trace");
    let plan = Plan::default();
    let report = run::run(&[trace], &plan, &in_memory);
    let shown = Shown::find(Who::Client, &report, workspace()).expect("the tests are there");
    let missing = |label: &str| {
        let fault = format!("{label} is shown by no trace, and has no reason");
        shown.faults().contains(&fault)
    };
    assert!(!missing("3.1.1/MQTT-3.1.3-7"), "this trace shows it");
    assert!(missing("3.1.1/MQTT-3.14.4-2"), "another one shows it");
    assert!(!missing("5/MQTT-6.0.0-1"), "it has a reason");
}

fn statements(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .current_dir(workspace())
        .arg("statements")
        .args(arguments)
        .output()
        .expect("the program starts")
}

#[test]
fn the_program_says_what_shows_each_statement() {
    let output = statements(&["--who", "client"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for wanted in [
        "3.1.1/MQTT-3.1.3-7     client/connect/empty-client-id.trace\n",
        "mqtt-session/tests/client/answers.rs::answers_with_properties_give_their_slot_back",
        "5, client: 87 statements, ",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let quiet = statements(&["--who", "codec", "--quiet"]);
    assert_eq!(quiet.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&quiet.stdout).lines().count(), 3);
    for (arguments, wanted) in [
        (&["--who", "broker"][..], "none of client, server, codec"),
        (&["--who", "client", "--workspace", "/nowhere"], "/nowhere"),
    ] {
        let output = statements(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(wanted));
    }
}
