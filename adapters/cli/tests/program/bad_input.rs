//! What is wrong on the command line: one line on stderr, nothing on stdout, a status that is not 0.

use crate::process::{error, run};

#[test]
fn one_precise_line_and_a_status() {
    for (args, said) in [
        (
            &["pub", "-t", "a/+", "-m", "x"][..],
            "mqtt pub: invalid value 'a/+' for '--topic <TOPIC>': wildcard in a topic name (at byte 2); see --help",
        ),
        (
            &["sub", "-t", "a#"],
            "mqtt sub: invalid value 'a#' for '--topic <FILTER>': '#' stands alone in the last level (at byte 1); see --help",
        ),
        (
            &["pub", "-t", "a", "-m", "x", "-D", "PUBLISH", "content-type", "t"],
            "mqtt pub: -D needs MQTT 5.0: add -V mqttv5",
        ),
        (
            &["pub", "-t", "a", "-f", "/nowhere/at/all"],
            "mqtt pub: cannot read /nowhere/at/all: No such file or directory (os error 2)",
        ),
        (
            &["sup"],
            "mqtt: unrecognized subcommand 'sup' (a similar subcommand exists: 'sub'); see --help",
        ),
    ] {
        let output = run(args);
        assert_eq!(
            (output.status.code(), error(&output).as_str()),
            (Some(1), &*format!("{said}\n"))
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_is_no_error_and_h_is_the_host() {
    for args in [
        &["--help"][..],
        &["pub", "--help"],
        &["sub", "--help"],
        &["--version"],
    ] {
        let output = run(args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
        assert_eq!(error(&output), "");
    }
    let help = String::from_utf8(run(&["pub", "--help"]).stdout).unwrap();
    assert!(help.contains("-h, --host <HOST>"), "{help}");
}
