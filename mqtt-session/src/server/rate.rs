//! How fast a client may publish: token buckets.

use core::time::Duration;

use crate::Instant;

/// How fast a client may publish; of each kind as much as its bucket holds, and no limit without one.
///
/// A PUBLISH is taken if both buckets hold enough for it; one with more bytes than the burst is taken when the bucket is
/// full, and leaves a debt. What is not taken: QoS 0 is dropped; QoS 1 and 2 are answered with 0x97 (Quota exceeded) in
/// 5.0. 3.1 and 3.1.1 have no such answer: there QoS 1 and 2 are taken and leave a debt, and the client is not read until
/// that is paid off. Where publishes are asked about, only those count that were allowed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rate {
    /// PUBLISH packets.
    pub messages: Option<Bucket>,
    /// Bytes of their topics, properties and payloads.
    pub bytes: Option<Bucket>,
}

impl Rate {
    /// As fast as it can.
    pub const UNLIMITED: Self = Self {
        messages: None,
        bytes: None,
    };

    pub(crate) const fn is_limited(&self) -> bool {
        self.messages.is_some() || self.bytes.is_some()
    }
}

/// A token bucket: it is full at first, each use takes some out, and time fills it again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "it is a bucket by these two numbers")]
pub struct Bucket {
    /// How many may be used in a second in the long run. 0 counts as 1.
    pub per_second: u32,
    /// How many may be used at once after a quiet time. 0 counts as 1.
    pub burst: u32,
}

/// Levels are in millionths, because so much comes in with each microsecond.
const ONE: i64 = 1_000_000;

impl Bucket {
    const fn per_second(self) -> u64 {
        // `max` is not const.
        if self.per_second == 0 {
            1
        } else {
            self.per_second as u64
        }
    }

    fn full(self) -> i64 {
        i64::from(self.burst.max(1)) * ONE
    }

    /// What must be there for so many to be taken.
    fn needed(self, cost: u32) -> i64 {
        i64::from(cost.min(self.burst.max(1))) * ONE
    }

    fn filled(self, level: i64, over: Duration) -> i64 {
        let micros = u64::try_from(over.as_micros()).unwrap_or(u64::MAX);
        let more = micros.saturating_mul(self.per_second());
        level
            .saturating_add(i64::try_from(more).unwrap_or(i64::MAX))
            .min(self.full())
    }

    /// How long until something can be taken again.
    fn wait(self, level: i64) -> Duration {
        let missing = u64::try_from(ONE.saturating_sub(level)).unwrap_or(0);
        Duration::from_micros(missing.div_ceil(self.per_second()))
    }
}

/// What is in the buckets of one client.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    /// In millionths; less than nothing is a debt.
    messages: i64,
    bytes: i64,
    at: Instant,
}

impl Meter {
    /// Of a client that was quiet until now.
    pub(crate) fn full(rate: &Rate, now: Instant) -> Self {
        Self {
            messages: rate.messages.map_or(0, Bucket::full),
            bytes: rate.bytes.map_or(0, Bucket::full),
            at: now,
        }
    }

    /// Time has filled the buckets.
    fn fill(&mut self, rate: &Rate, now: Instant) {
        let over = now.saturating_duration_since(self.at);
        for (bucket, level) in self.levels(rate) {
            *level = bucket.filled(*level, over);
        }
        self.at = self.at.max(now);
    }

    fn levels(&mut self, rate: &Rate) -> impl Iterator<Item = (Bucket, &mut i64)> {
        let Self { messages, bytes, .. } = self;
        let messages = rate.messages.map(|bucket| (bucket, messages));
        let bytes = rate.bytes.map(|bucket| (bucket, bytes));
        messages.into_iter().chain(bytes)
    }

    /// There is enough for one message of so many bytes.
    pub(crate) fn admits(&mut self, rate: &Rate, now: Instant, bytes: u32) -> bool {
        self.fill(rate, now);
        rate.messages
            .is_none_or(|bucket| self.messages >= bucket.needed(1))
            && rate.bytes.is_none_or(|bucket| self.bytes >= bucket.needed(bytes))
    }

    /// One message of so many bytes is taken, whatever is there for it.
    pub(crate) fn take(&mut self, rate: &Rate, bytes: u32) {
        // Where there is no bucket there is no debt either, should there be one some day.
        if rate.messages.is_some() {
            self.messages = self.messages.saturating_sub(ONE);
        }
        if rate.bytes.is_some() {
            self.bytes = self.bytes.saturating_sub(i64::from(bytes).saturating_mul(ONE));
        }
    }

    /// When there is something in all buckets again.
    pub(crate) fn ready_at(&mut self, rate: &Rate) -> Instant {
        let wait = self
            .levels(rate)
            .map(|(bucket, level)| bucket.wait(*level))
            .max()
            .unwrap_or_default();
        self.at + wait
    }

    /// As good as none.
    pub(crate) fn is_full(&mut self, rate: &Rate, now: Instant) -> bool {
        self.fill(rate, now);
        self.levels(rate).all(|(bucket, level)| *level >= bucket.full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn bucket(per_second: u32, burst: u32) -> Option<Bucket> {
        Some(Bucket { per_second, burst })
    }

    /// How many of the messages that are offered at these moments, in milliseconds, are taken.
    fn taken(rate: &Rate, bytes: u32, at: impl IntoIterator<Item = u64>) -> usize {
        let mut meter = Meter::full(rate, Instant::ZERO);
        at.into_iter()
            .filter(|&ms| {
                let admits = meter.admits(rate, Instant::from_millis(ms), bytes);
                if admits {
                    meter.take(rate, bytes);
                }
                admits
            })
            .count()
    }

    #[test]
    fn a_burst_is_taken_at_once_and_not_one_more() {
        let rate = Rate {
            messages: bucket(10, 5),
            bytes: None,
        };
        for (offered, expected) in [(4, 4), (5, 5), (6, 5)] {
            assert_eq!(taken(&rate, 100, (0..offered).map(|_| 0)), expected);
        }
        assert_eq!(taken(&rate, 100, [0, 0, 0, 0, 0, 99]), 5);
        assert_eq!(taken(&rate, 100, [0, 0, 0, 0, 0, 100, 100]), 6);
    }

    #[test]
    fn in_the_long_run_it_is_the_rate_whatever_is_offered() {
        let rate = Rate {
            messages: bucket(7, 3),
            bytes: bucket(1_000, 2_000),
        };
        for (bytes, expected) in [(1, 703), (100, 703), (1_000, 102), (5_000, 21)] {
            let count = taken(&rate, bytes, 0..100_001);
            assert!(count.abs_diff(expected) <= 1, "{bytes} bytes: {count}");
        }
    }

    #[test]
    fn a_quiet_time_fills_no_more_than_the_burst() {
        let rate = Rate {
            messages: bucket(u32::MAX, 3),
            bytes: None,
        };
        let hour = 3_600_000;
        assert_eq!(taken(&rate, 1, [hour; 9]), 3);
        let rate = Rate {
            messages: bucket(0, 0),
            bytes: bucket(0, 0),
        };
        assert_eq!(
            taken(&rate, 1, [0, 0, 999, 1_000, 1_999, 2_000]),
            3,
            "0 counts as 1"
        );
    }

    #[test]
    fn a_debt_is_paid_off_exactly_when_it_says() {
        let rate = Rate {
            messages: bucket(2, 1),
            bytes: bucket(10, 10),
        };
        let now = Instant::from_secs(100);
        let mut meter = Meter::full(&rate, now);
        meter.take(&rate, 1);
        meter.take(&rate, 30);
        let ready = meter.ready_at(&rate);
        assert_eq!(
            ready,
            now + Duration::from_millis(2_200),
            "21 bytes and one to take"
        );
        let before = Instant::from_micros(ready.as_micros() - 1);
        assert!(!meter.admits(&rate, before, 1));
        assert!(meter.admits(&rate, ready, 1));
        assert!(!meter.is_full(&rate, now + Duration::from_secs(3)));
        assert!(meter.is_full(&rate, now + Duration::from_secs(4)));
        // Time that goes backwards gives and takes nothing.
        assert!(meter.is_full(&rate, now));
    }
}
