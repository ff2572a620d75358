//! The clock of a run, which begins at zero, and that of our machines.

use core::time::Duration;

use mqtt_session::Instant;

/// Deadlines may lie before the start.
const START: Instant = Instant::from_secs(1_000_000);

pub(super) fn instant(now: Duration) -> Instant {
    START + now
}

pub(super) fn since_start(at: Instant) -> Duration {
    at.saturating_duration_since(START)
}
