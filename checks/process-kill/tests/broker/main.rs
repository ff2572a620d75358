//! The process of `mqtt broker --data DIR` is killed with SIGKILL, again and again, at moments that a seed decides, while clients
//! publish and take messages of QoS 1 and 2, and started again with the same directory. The clients are ours, live on, and
//! connect again by themselves.
//!
//! `KILL_ROUNDS` (10) is how many processes there are, `KILL_SEED` decides when they die; `.ci/run` has 50.
//!
//! As with clients (`tests/kill`), this shows what a killed process leaves; what a loss of power may leave is shown of the store
//! (`adapters/store/tests`), and that nothing is told too early, in memory (`mqtt-session/tests/pairs`).
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

#[path = "../kill/figures.rs"]
mod figures;
mod process;
mod publisher;
mod retained;
mod rounds;
mod subscriber;
mod wills;

use core::time::Duration;

/// How long anything may take that has to come. Nothing waits this long that does not fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the wills go.
const WILLS: &str = "wills";

/// Below this, retained messages.
const RETAINED: &str = "retained";

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_of_qos_2_comes_twice_when_the_broker_is_killed() {
    if cfg!(unix) {
        rounds::run();
    } else {
        println!("SKIPPED: processes are killed on Unix only");
    }
}
