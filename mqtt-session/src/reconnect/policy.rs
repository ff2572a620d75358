//! What the caller decides about reconnecting.

use core::{num::NonZeroU32, time::Duration};

use mqtt_proto::{ReasonCode, Version};

use super::{Verdict, delay::Bounds};

/// How a [`Reconnect`](super::Reconnect) decides. A plain value; start from [`Policy::DEFAULT`].
///
/// The n-th delay in a row is `minimum` × `growth`ⁿ⁻¹, at most `maximum`; it is then drawn from the range of `jitter`
/// around that, as far as this lies between the two.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Policy {
    /// No attempt follows an end sooner; below 1 ms counts as 1 ms, so that no setting makes a loop without rest.
    /// Default 1 s.
    pub minimum: Duration,
    /// No attempt waits longer; counts as `minimum` if it is less. Default 2 min.
    pub maximum: Duration,
    /// By how much a delay is longer than the last one, in percent of that; below 100 counts as 100. Default 200: twice
    /// as long.
    pub growth_percent: u16,
    /// How far a delay may lie from its place, in percent of that; above 100 counts as 100. Default 50.
    pub jitter_percent: u8,
    /// A connection that lasted so long was a good one: after it delays, attempts and referrals are counted from the
    /// beginning. One that ends earlier counts as a failed attempt. Default 1 min.
    pub stable_after: Duration,
    /// After so many attempts without a stable connection, stop. The first one counts. Default: never.
    pub max_attempts: Option<NonZeroU32>,
    /// The version to begin with. Default 5.0.
    pub version: Version,
    /// If a server does not speak 5.0, go on with 3.1.1: it says 0x84, or answers in a way that is no CONNACK of 5.0,
    /// as servers of 3.x do. Stays so until the server changes or [`start`](super::Reconnect::start) follows a stop.
    /// Default: no.
    pub fall_back: bool,
    /// How many referrals in a row are followed (0x9C, 0x9D with a Server Reference; 5.0, 4.11). Then 0x9D stops,
    /// and 0x9C waits as [`Verdict::RetryLate`] says before it may be followed again. Default 0: whoever follows one
    /// gives credentials to a server that another server has named.
    pub referrals: u8,
    /// Verdicts in place of those in [`VERDICTS`](super::VERDICTS), for refusals and ends alike. A code that is listed
    /// here is neither a reason to fall back nor a referral.
    pub overrides: &'static [(ReasonCode, Verdict)],
}

impl Policy {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        minimum: Duration::from_secs(1),
        maximum: Duration::from_secs(120),
        growth_percent: 200,
        jitter_percent: 50,
        stable_after: Duration::from_secs(60),
        max_attempts: None,
        version: Version::V5,
        fall_back: false,
        referrals: 0,
        overrides: &[],
    };

    /// Between which durations the n-th delay in a row lies, both included; the first is 1.
    pub fn delay_bounds(&self, n: u32) -> (Duration, Duration) {
        self.bounds(n).as_durations()
    }

    pub(super) fn bounds(&self, n: u32) -> Bounds {
        let (minimum, maximum) = self.extremes();
        let mut delay = minimum;
        if self.growth_percent > 100 {
            for _ in 1..n {
                delay = Bounds::percent(delay, self.growth_percent.into());
                if delay >= maximum {
                    break;
                }
            }
        }
        self.around(delay.min(maximum))
    }

    /// Of the longest delay.
    pub(super) fn longest(&self) -> Bounds {
        self.around(self.extremes().1)
    }

    /// Minimum and maximum in microseconds.
    fn extremes(&self) -> (u64, u64) {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let minimum = micros(self.minimum).max(1_000);
        (minimum, micros(self.maximum).max(minimum))
    }

    fn around(&self, delay: u64) -> Bounds {
        let (minimum, maximum) = self.extremes();
        let jitter = Bounds::percent(delay, self.jitter_percent.min(100).into());
        Bounds {
            low: delay.saturating_sub(jitter).max(minimum),
            high: delay.saturating_add(jitter).min(maximum),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}
