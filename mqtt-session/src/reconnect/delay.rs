//! How long to wait, drawn with a seed.

use core::time::Duration;

/// Where a delay lies, in microseconds, both ends included; `low` is not above `high`.
#[derive(Copy, Clone, Debug)]
pub(super) struct Bounds {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl Bounds {
    /// Uniformly drawn: what lies outside of the bounds was cut off before, not moved to their ends, where all clients
    /// would meet.
    pub(super) fn draw(self, random: &mut SplitMix64) -> Duration {
        let width = u128::from(self.high.saturating_sub(self.low)) + 1;
        // The upper half of a product of 64 bits with 64 bits is below the second factor.
        let offset = (u128::from(random.next()) * width) >> 64;
        Duration::from_micros(self.low.saturating_add(offset as u64))
    }

    pub(super) const fn as_durations(self) -> (Duration, Duration) {
        (Duration::from_micros(self.low), Duration::from_micros(self.high))
    }

    /// So many percent of a number, at most the largest one.
    pub(super) fn percent(of: u64, percent: u64) -> u64 {
        u64::try_from(u128::from(of) * u128::from(percent) / 100).unwrap_or(u64::MAX)
    }
}

/// The generator of that name: a counter and a mixing function. Enough to spread clients, and nothing secret hangs on
/// it.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published first outputs of the generator for this seed.
    #[test]
    fn the_generator_is_the_known_one() {
        let mut random = SplitMix64::new(1_234_567);
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(known, [random.next(), random.next(), random.next()]);
    }

    #[test]
    fn both_ends_of_the_bounds_are_drawn_and_nothing_outside() {
        let mut random = SplitMix64::new(1);
        let mut seen = [0_u32; 4];
        for _ in 0..400 {
            let delay = Bounds { low: 5, high: 8 }.draw(&mut random);
            seen[delay.as_micros() as usize - 5] += 1;
        }
        assert!(seen.iter().all(|&n| n > 50), "{seen:?}");
        let whole = Bounds {
            low: 0,
            high: u64::MAX,
        };
        assert_ne!(whole.draw(&mut random), whole.draw(&mut random));
        let point = Bounds { low: 7, high: 7 };
        assert_eq!(point.draw(&mut random), Duration::from_micros(7));
    }
}
