//! What is asked of a broker that is not ours: what the standard obliges a server to, and no more.

use core::time::Duration;

use mqtt_conformance::target::broker::{BrokerTarget, BrokerUnderTest};
use mqtt_conformance::target::{Outcome, Target};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Version;

/// A broker that answers each packet by what is listed for its first byte, and never closes.
struct Lenient {
    answers: Vec<(u8, Vec<u8>)>,
    to_write: Vec<(usize, Vec<u8>)>,
}

impl BrokerUnderTest for Lenient {
    fn open(&mut self, _: Duration, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn handle_input(&mut self, _: Duration, conn: usize, bytes: &[u8]) {
        let answer = self
            .answers
            .iter()
            .find(|(first, _)| bytes.first() == Some(first));
        let answers = answer.map(|(_, answer)| (conn, answer.clone()));
        self.to_write.extend(answers);
    }

    fn handle_disconnect(&mut self, _: Duration, conn: usize) {
        self.to_write.retain(|(other, _)| *other != conn);
    }

    fn poll_transmit(&mut self, _: Duration, conn: usize) -> Option<Vec<u8>> {
        let at = self.to_write.iter().position(|(other, _)| *other == conn)?;
        Some(self.to_write.remove(at).1)
    }

    fn wants_close(&self, _: usize) -> bool {
        false
    }
}

const GREETING: (u8, &[u8]) = (0x10, &[0x20, 2, 0, 0]);
const GREETING_5: (u8, &[u8]) = (0x10, &[0x20, 3, 0, 0, 0]);

#[derive(Debug, PartialEq)]
enum Judged {
    Passed,
    Failed,
    NotApplicable,
}

use Judged::{Failed, NotApplicable, Passed};

/// What is said of such a broker, if all is asked of it, and if what it must do is.
fn judged(version: Version, lines: &str, answers: &[(u8, &[u8])]) -> [Judged; 2] {
    let text = format!("title: t\ntest: codec\nversion: {version}\n{lines}\n");
    let trace = Trace::parse("t", &text).unwrap();
    let answers: Vec<_> = answers
        .iter()
        .map(|(first, answer)| (*first, answer.to_vec()))
        .collect();
    let broker = || {
        let answers = answers.clone();
        BrokerTarget::new("lenient", move |_| {
            let (answers, to_write) = (answers.clone(), Vec::new());
            Ok(Lenient { answers, to_write })
        })
    };
    [broker(), broker().closing_only_where_it_must()].map(|mut broker| match broker.run(&trace, version) {
        Outcome::Passed { .. } => Passed,
        Outcome::Failed(_) => Failed,
        Outcome::NotApplicable(_) => NotApplicable,
    })
}

#[test]
fn a_malformed_filter_may_be_refused_for_itself_and_not_granted() {
    let filter = "-> hex 82 07 00 01 00 02 61 23 00 ! bad 0x81|0x8f 3.1.1/MQTT-4.7.1-2";
    for (code, expected) in [(0x80, [Failed, Passed]), (0x00, [Failed, Failed])] {
        let answers = [GREETING, (0x82, &[0x90, 3, 0, 1, code][..])];
        assert_eq!(judged(Version::V311, filter, &answers), expected, "{code}");
    }
    let filter = "-> hex 82 08 00 01 00 00 02 61 23 00 ! bad 0x81|0x8f 5/MQTT-4.7.1-1";
    for (code, expected) in [
        (0x80, [Failed, Passed]),
        (0x8f, [Failed, Passed]),
        (0x00, [Failed, Failed]),
    ] {
        let answers = [GREETING_5, (0x82, &[0x90, 4, 0, 1, 0, code][..])];
        assert_eq!(judged(Version::V5, filter, &answers), expected, "{code}");
    }
}

#[test]
fn a_wrong_code_for_an_id_that_is_not_under_way_may_be_answered_by_0x92_and_not_by_0() {
    let pubrel = "-> hex 62 03 00 01 80 ! bad 0x82|0x81 5/MQTT-3.6.2-1";
    for (code, expected) in [(0x92, [Failed, Passed]), (0x00, [Failed, Failed])] {
        let answers = [GREETING_5, (0x62, &[0x70, 3, 0, 1, code][..])];
        assert_eq!(judged(Version::V5, pubrel, &answers), expected, "{code}");
    }
}

#[test]
fn behind_connack_2_a_server_of_3_1_may_leave_the_connection_open_and_one_of_3_1_1_may_not() {
    let old = "-> hex 10 0e 00 06 4d 51 49 73 64 70 03 02 00 3c 00 00 ! bad 0x85 3.1/3.1";
    let new = "-> hex 10 0c 00 04 4d 51 54 54 04 00 00 3c 00 00 ! bad 0x85 3.1.1/MQTT-3.1.3-8";
    let refusal = [(0x10, &[0x20, 2, 0, 2][..])];
    assert_eq!(judged(Version::V31, old, &refusal), [Passed, Passed]);
    assert_eq!(judged(Version::V311, new, &refusal), [Failed, Failed]);
    // Accepted is not refused.
    assert_eq!(judged(Version::V31, old, &[GREETING]), [Failed, Failed]);
}

#[test]
fn a_server_of_3_1_need_not_close_for_what_is_no_connect_and_one_of_3_1_1_must() {
    let pong = "-> hex d0 00 ! bad 0x81|0x82";
    assert_eq!(judged(Version::V31, pong, &[GREETING]), [Failed, NotApplicable]);
    assert_eq!(judged(Version::V311, pong, &[GREETING]), [Failed, Failed]);
}

#[test]
fn another_protocol_name_is_not_asked_of_a_server_of_3_1_1() {
    let name = "-> hex 10 0d 00 04 4d 51 54 58 04 02 00 3c 00 01 61 ! bad 0x84 3.1.1/MQTT-3.1.2-1";
    assert_eq!(judged(Version::V311, name, &[GREETING]), [Failed, NotApplicable]);
}
