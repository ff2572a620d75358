//! `run --update`: expectations that do not hold are written as they were seen, and nothing else changes.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::path::Path;

use mqtt_conformance::run;
use mqtt_conformance::target::broker::{BrokerTarget, BrokerUnderTest};
use mqtt_conformance::target::{Target, in_memory};
use mqtt_conformance::trace::Trace;
use mqtt_conformance::update::{Update, update};

use crate::with_head;

fn updated(text: &str) -> Update {
    update("t", text, &mut in_memory()).unwrap_or_else(|e| panic!("{e}"))
}

/// The lines behind the opening, before and after.
fn become_(test: &str, version: &str, opening: &str, before: &str, after: &str) {
    let whole = |lines: &str| with_head(test, version, &format!("{opening}{lines}\n"));
    let update = updated(&whole(before));
    assert_eq!(update.after, whole(after), "{:?}", update.left);
    assert_eq!(update.left, None, "{before}");
    let again = updated(&update.after);
    assert!(
        !again.is_changed() && again.left.is_none(),
        "twice is once: {before}"
    );
}

const BROKER: &str = "a -> CONNECT client_id=\"a\" clean_start=1\na <- CONNACK ..\n";

#[test]
fn a_line_that_is_out_of_date_is_written_as_it_was_seen() {
    for (before, after) in [
        // A code.
        (
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x80",
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x10",
        ),
        // A code that was left out.
        (
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7   # nobody gets it",
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x10 # nobody gets it",
        ),
        // A field, with captures, alternatives and a comment that stays in its column.
        (
            "a -> SUBSCRIBE id=7 filters=[{\"t\" qos=1}]\na <- SUBACK id=8|9 codes=[0x80] ..        # granted",
            "a -> SUBSCRIBE id=7 filters=[{\"t\" qos=1}]\na <- SUBACK id=7 codes=[1] ..             # granted",
        ),
        // What fits stays as it was written.
        (
            "a -> SUBSCRIBE id=7 filters=[{\"t\" qos=1}]\na <- SUBACK id=$i codes=[0x2] ..",
            "a -> SUBSCRIBE id=7 filters=[{\"t\" qos=1}]\na <- SUBACK id=$i codes=[1] ..",
        ),
        // Another packet.
        (
            "a -> PUBLISH topic=\"t\" qos=2 id=0x7\na <- PUBACK id=0x7 ..",
            "a -> PUBLISH topic=\"t\" qos=2 id=0x7\na <- PUBREC id=0x7 code=0x10 ..",
        ),
        // The end of the stream in place of a packet, and a packet in place of the end.
        ("a -> DISCONNECT\na <- PINGRESP", "a -> DISCONNECT\na <- close"),
        (
            "a -> PINGREQ\nmaybe a <- PUBACK ..\na <- close",
            "a -> PINGREQ\nmaybe a <- PUBACK ..\na <- PINGRESP",
        ),
        // Codes of a refusal.
        (
            "a -> hex c1 00 ! bad 0x81\na refused 0x93|0x94",
            "a -> hex c1 00 ! bad 0x81\na refused 0x81",
        ),
        (
            "a -> PINGREQ\na refused in 0s..1s",
            "a -> PINGREQ\na <- PINGRESP in 0s..1s",
        ),
        // Bytes.
        ("a -> PINGREQ\na <- hex d0 01", "a -> PINGREQ\na <- hex d0 00"),
        (
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x10 = 40 02 00 07",
            "a -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x10 = 40 03 00 07 10",
        ),
        // In blocks.
        (
            "a -> PINGREQ\na -> PUBLISH topic=\"t\" qos=1 id=7\nany-order {\n  a <- PUBACK id=8 ..\n  a <- PINGRESP\n}",
            "a -> PINGREQ\na -> PUBLISH topic=\"t\" qos=1 id=7\nany-order {\n  a <- PUBACK id=7 ..\n  a <- PINGRESP\n}",
        ),
        (
            "a -> PINGREQ\neither {\n  a <- PUBACK id=8 ..\n} or {\n  a refused\n}",
            "a -> PINGREQ\neither {\n  a <- PINGRESP ..\n} or {\n  a refused\n}",
        ),
        // Several lines.
        (
            "a -> PINGREQ\na <- PUBACK id=1\na -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=1",
            "a -> PINGREQ\na <- PINGRESP\na -> PUBLISH topic=\"t\" qos=1 id=7\na <- PUBACK id=7 code=0x10",
        ),
    ] {
        become_("broker", "5", BROKER, before, after);
    }
}

#[test]
fn properties_that_came_are_added_and_those_that_did_not_go() {
    let subscribe = "a -> SUBSCRIBE id=1 filters=[{\"t\"}] subscription_identifier=9\na <- SUBACK id=1 codes=[0]\na -> PUBLISH topic=\"t\" payload=\"m\" user_property=(\"k\" \"v\") user_property=(\"k\" \"w\")\n";
    for (before, after) in [
        (
            "a <- PUBLISH topic=\"t\" payload=\"m\" subscription_identifier=9",
            "a <- PUBLISH topic=\"t\" payload=\"m\" subscription_identifier=9 user_property=(\"k\" \"v\") user_property=(\"k\" \"w\")",
        ),
        (
            "a <- PUBLISH topic=\"t\" content_type=\"c\" payload=\"m\" ..",
            "a <- PUBLISH topic=\"t\" payload=\"m\" ..",
        ),
        (
            "a <- PUBLISH topic=\"t\" !subscription_identifier ..",
            "a <- PUBLISH topic=\"t\" subscription_identifier=9 ..",
        ),
        (
            "a <- PUBLISH user_property=(\"k\" \"v\") topic=* ..",
            "a <- PUBLISH user_property=(\"k\" \"v\") user_property=(\"k\" \"w\") topic=* ..",
        ),
    ] {
        let lines = |line: &str| format!("{subscribe}{line}");
        become_("broker", "5", BROKER, &lines(before), &lines(after));
    }
}

#[test]
fn events_and_what_a_client_sends_are_written_as_they_were_seen() {
    let opening = "do connect client_id=\"c\" clean_start=1\n";
    for (before, after) in [
        (
            "-> CONNECT client_id=\"d\" clean_start=1 ..\n<- CONNACK\nevent Connected session_present=1",
            "-> CONNECT client_id=\"c\" clean_start=1 ..\n<- CONNACK\nevent Connected session_present=0",
        ),
        (
            "-> CONNECT ..\n<- CONNACK reason_string=\"r\"\nevent Closed by=server ..",
            "-> CONNECT ..\n<- CONNACK reason_string=\"r\"\nevent Connected ..",
        ),
        (
            "-> CONNECT ..\ncut\nevent Connected session_present=1   # no",
            "-> CONNECT ..\ncut\nevent Closed by=\"transport\" refused=0 # no",
        ),
        (
            "-> CONNECT ..\n<- CONNACK\nevent Connected ..\ndo publish topic=\"t\" qos=1 as p\n-> PUBLISH topic=\"t\" qos=2 id=$i\n<- PUBACK id=$i code=0x10\nevent Completed token=$p code=0 ..",
            "-> CONNECT ..\n<- CONNACK\nevent Connected ..\ndo publish topic=\"t\" qos=1 as p\n-> PUBLISH topic=\"t\" qos=1 id=$i\n<- PUBACK id=$i code=0x10\nevent Completed token=$p code=0x10 ..",
        ),
        (
            "-> CONNECT ..\n<- CONNACK\nevent Connected ..\n<- hex d1 00 ! bad 0x81\n-> DISCONNECT code=0x82\n-> close\nevent Closed by=client ..",
            "-> CONNECT ..\n<- CONNACK\nevent Connected ..\n<- hex d1 00 ! bad 0x81\n-> DISCONNECT code=0x81\n-> close\nevent Closed by=client ..",
        ),
    ] {
        become_("client", "5", opening, before, after);
    }
}

#[test]
fn between_two_of_ours_the_packet_of_that_type_is_the_one_that_was_meant() {
    let opening = "do connect client_id=\"c\" clean_start=1 keep_alive=4\nevent Connected ..\n";
    become_(
        "pair",
        "5",
        opening,
        "do publish topic=\"t\" qos=2 as p\n-> PUBLISH qos=1 dup=0 ..\nevent Completed token=$p ..",
        "do publish topic=\"t\" qos=2 as p\n-> PUBLISH qos=2 dup=0 ..\nevent Completed token=$p ..",
    );
}

#[test]
fn ends_of_lines_and_blanks_stay_as_they_are() {
    let before = "title: t\r\ntest: broker\r\nversion: 5\r\n\r\n->  CONNECT   client_id=\"a\"  clean_start=1\r\n\t<-  CONNACK  code=0x87   ..\t# tab\r\n-> PINGREQ  \r\n<- PINGRESP";
    let after = before.replace("code=0x87   ..\t#", "code=0   ..    #");
    let update = updated(before);
    assert_eq!(update.left, None);
    assert_eq!(update.after, after);
}

#[test]
fn a_trace_that_passes_stays_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut targets = in_memory();
    for file in run::find(&[folder]).expect("the traces are there") {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let name = file.display().to_string();
        let update = update(&name, &text, &mut targets).unwrap_or_else(|e| panic!("{e}"));
        assert!(
            !update.is_changed() && update.left.is_none(),
            "{name}: {:?}",
            update.left
        );
    }
}

#[test]
fn what_cannot_be_mended_by_writing_an_expectation_is_left_and_told() {
    for (lines, left) in [
        // Nothing came: there is nothing to write.
        (
            "a <- PINGRESP",
            "6: expected a <- PINGRESP\n    seen     nothing within 0ns",
        ),
        ("a -> PINGREQ\na quiet 1s", "7: expected quiet"),
        ("a -> PINGREQ", "6: `PINGRESP` came"),
        ("a -> PINGREQ\na <- PINGRESP in 1s..2s", "7: "),
    ] {
        let text = with_head("broker", "5", &format!("{BROKER}{lines}\n"));
        let update = updated(&text);
        assert_eq!(update.after, text);
        let found = update.left.unwrap_or_default();
        assert!(found.starts_with(left), "{found}");
    }
}

#[test]
fn a_trace_whose_versions_do_not_agree_is_left_as_it_is() {
    let text = with_head(
        "broker",
        "3.1.1 5",
        "-> CONNECT client_id=\"a\" clean_start=1\n<- CONNACK code=0 ..\n-> hex c1 00 ! bad 0x81\n<- PINGRESP\n",
    );
    let update = updated(&text);
    assert_eq!(update.after, text);
    let left = update.left.unwrap_or_default();
    assert!(left.contains("do not agree"), "{left}");
}

#[test]
fn stimuli_are_untouched_whatever_is_expected_of_them() {
    // Every expectation of every short trace of a broker replaced by one that is wrong.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/broker/subscribe");
    let mut targets = in_memory();
    let mut written = 0;
    for file in run::find(&[folder]).expect("the traces are there") {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let wrong: String = text
            .lines()
            .map(|line| format!("{}\n", line.replace("<- SUBACK id=", "<- SUBACK id=9")))
            .collect();
        let Ok(update) = update("t", &wrong, &mut targets) else {
            continue;
        };
        written += usize::from(update.is_changed());
        for (before, after) in wrong.lines().zip(update.after.lines()) {
            assert!(before == after || before.contains("<-"), "{before}\n{after}");
        }
        assert_eq!(wrong.lines().count(), update.after.lines().count());
        if update.left.is_none() {
            assert!(Trace::parse("t", &update.after).is_ok());
        }
    }
    assert!(written > 10, "{written}");
}

#[test]
fn the_difference_is_shown_as_a_unified_diff() {
    let text = with_head(
        "broker",
        "5",
        &format!("{BROKER}a -> PINGREQ\na <- PUBACK id=1\n"),
    );
    let diff = updated(&text).diff(Path::new("x.trace"));
    let wanted = "--- x.trace\n+++ x.trace\n@@ -4,4 +4,4 @@\n a -> CONNECT client_id=\"a\" clean_start=1\n a <- CONNACK ..\n a -> PINGREQ\n-a <- PUBACK id=1\n+a <- PINGRESP\n";
    assert_eq!(diff, wanted);
    assert_eq!(
        updated(&with_head("broker", "5", BROKER)).diff(Path::new("x")),
        ""
    );
}

fn program(arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
        .args(arguments)
        .output()
        .expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_program_writes_the_file_unless_it_is_a_dry_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.trace");
    let file = path.display().to_string();
    let before = with_head(
        "broker",
        "5",
        &format!("{BROKER}a -> PINGREQ\na <- PUBACK id=1\n"),
    );
    std::fs::write(&path, &before).expect("it can be written");
    let text = || std::fs::read_to_string(&path).expect("it can be read");

    let (code, said) = program(&["run", "--update", "--dry-run", &file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("-a <- PUBACK id=1\n+a <- PINGRESP\n"), "{said}");
    assert!(
        said.ends_with("1 traces would be written anew, 0 still fail\n"),
        "{said}"
    );
    assert_eq!(text(), before);

    let (code, said) = program(&["run", "--update", &file]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(text(), before.replace("PUBACK id=1", "PINGRESP"));

    let (code, said) = program(&["run", "--update", &file]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "0 traces written anew, 0 still fail\n")
    );

    std::fs::write(
        &path,
        with_head("broker", "5", "a -> CONNECT\na <- CONNACK ..\na <- PINGRESP\n"),
    )
    .expect("it can be written");
    let (code, said) = program(&["run", "--update", &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("0 traces written anew, 1 still fail\n"), "{said}");

    let (code, said) = program(&["run", "--dry-run", &file]);
    assert_eq!(code, Some(2), "{said}");
}

/// Greets everybody with a client id that nobody else got.
struct Assigns {
    to_write: Vec<u8>,
}

impl BrokerUnderTest for Assigns {
    fn open(&mut self, _: Duration, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn handle_input(&mut self, _: Duration, _: usize, _: &[u8]) {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let id = format!("{:08}", LAST.fetch_add(1, Ordering::Relaxed));
        self.to_write = [&b"\x20\x0e\0\0\x0b\x12\0\x08"[..], id.as_bytes()].concat();
    }

    fn handle_disconnect(&mut self, _: Duration, _: usize) {}

    fn poll_transmit(&mut self, _: Duration, _: usize) -> Option<Vec<u8>> {
        Some(core::mem::take(&mut self.to_write))
    }

    fn wants_close(&self, _: usize) -> bool {
        false
    }
}

#[test]
fn what_comes_out_otherwise_each_time_is_left_as_it_is() {
    let target = BrokerTarget::new("assigns", |_| Ok(Assigns { to_write: Vec::new() }));
    let lines = "-> CONNECT client_id=\"\" clean_start=1\n<- CONNACK assigned_client_identifier=\"mine\"\n";
    let text = with_head("broker", "5", lines);
    let update = update("t", &text, &mut [Box::new(target) as Box<dyn Target>]).expect("a trace");
    assert!(!update.is_changed());
    let left = update.left.expect("it still fails");
    assert!(left.contains("what comes is another each time"), "{left}");
}
