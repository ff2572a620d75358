//! The clock of the adapters: the one place where the machines' time meets the computer's.

use core::time::Duration;
use std::time::SystemTime;

use mqtt_session::Instant;

/// A clock that starts at Unix time and goes on by the computer's monotonic clock, so that a change of the wall clock
/// changes nothing, and the instants in a session's records mean the same after a restart.
///
/// A plain value: all copies show the same time. A second [`new`](Self::new) may differ from the first by as much as the
/// wall clock was set meanwhile.
#[derive(Copy, Clone, Debug)]
pub struct Clock {
    /// The monotonic clock, when this one was made.
    start: std::time::Instant,
    /// Unix time at that moment.
    unix: Instant,
}

/// Further away than anything is waited for, and still a moment that every system's clock can name.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

impl Clock {
    /// A clock set by the wall clock. If that stands before 1970, it starts at zero.
    #[must_use]
    pub fn new() -> Self {
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            start: std::time::Instant::now(),
            unix: Instant::ZERO + since_1970,
        }
    }

    /// What time it is, rounded down to whole microseconds: no deadline seems to have passed before it has.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.at(std::time::Instant::now())
    }

    /// What this clock shows at that moment of the monotonic clock, rounded down; its start for any moment before that.
    #[must_use]
    pub fn at(&self, moment: std::time::Instant) -> Instant {
        self.unix + moment.saturating_duration_since(self.start)
    }

    /// The moment at which this clock shows `at`, never an earlier one: who sleeps until then is not early. A moment before the clock's start
    /// becomes its start, and one that is more than thirty years away is thirty years away.
    #[must_use]
    pub fn deadline(&self, at: Instant) -> std::time::Instant {
        let wait = at.saturating_duration_since(self.unix).min(FAR);
        let mut moment = self.start + wait;
        // A monotonic clock may tick in steps that are no whole microseconds.
        if wait < FAR && self.at(moment) < at {
            moment += Duration::from_micros(1);
        }
        moment
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_rounds_down_and_a_deadline_rounds_up() {
        let clock = Clock::new();
        for micros in [0, 1, 999, 1_000_001, 86_400_000_000] {
            let at = clock.unix + Duration::from_micros(micros);
            assert_eq!(clock.at(clock.deadline(at)), at);
            assert!(clock.at(clock.deadline(at) - Duration::from_nanos(1)) < at || micros == 0);
        }
        let later = clock.start + Duration::from_nanos(1_999);
        assert_eq!(clock.at(later), clock.unix + Duration::from_micros(1));
    }

    #[test]
    fn time_begins_at_unix_time_and_never_goes_back() {
        let clock = Clock::new();
        let year_2020 = Instant::from_secs(1_577_836_800);
        let mut last = clock.now();
        assert!(last > year_2020);
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn moments_that_no_system_clock_can_name_are_far_away_instead() {
        let clock = Clock::new();
        assert!(clock.deadline(Instant::MAX) >= clock.start + FAR);
        assert_eq!(clock.deadline(Instant::ZERO), clock.start);
    }
}
