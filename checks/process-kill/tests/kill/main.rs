//! A client's process is killed with SIGKILL, again and again, at moments that a seed decides, and started again with the
//! same journal, a file that is synced. The broker is ours, and everything that passes between the two is recorded.
//!
//! `KILL_ROUNDS` (10) is how many processes there are in each test, `KILL_SEED` decides when they die; `.ci/run` has 50.
//!
//! What this cannot show is what a loss of power does: a killed process takes nothing of what it had written with it, synced
//! or not. That nothing is called safe too early is shown in memory, where what was not synced is lost
//! (`mqtt-session/tests/pairs/crashes.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    reason = "tests, of what has processes, threads and clocks"
)]
#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "there it is skipped"))]

mod figures;
mod life;
mod outgoing;
mod peer;
mod publisher;
mod subscriber;
mod wire;

use mqtt_proto::Version;

fn unless_skipped(test: impl FnOnce()) {
    if cfg!(unix) {
        test();
    } else {
        println!("SKIPPED: processes are killed on Unix only");
    }
}

#[test]
fn no_accepted_message_is_lost_and_none_of_qos_2_is_on_the_wire_twice_when_the_process_is_killed() {
    unless_skipped(|| publisher::killed(Version::V5));
}

#[test]
fn the_same_in_3_1_1() {
    unless_skipped(|| publisher::killed(Version::V311));
}

#[test]
fn no_message_is_lost_and_none_of_qos_2_is_taken_after_it_was_acknowledged_when_the_process_is_killed() {
    unless_skipped(|| subscriber::killed(Version::V5));
}

#[test]
fn messages_are_taken_the_same_in_3_1_1() {
    unless_skipped(|| subscriber::killed(Version::V311));
}
