//! Message Expiry Interval, counted down (3.3.2.3.3).

use crate::Instant;

/// What is left of a Message Expiry Interval that ends at `expires_at`: whole seconds, rounded up, so that a message that
/// does not wait keeps its interval, and that 0 is left exactly when it has expired (`5/MQTT-3.3.2-6`).
pub fn expiry_left(expires_at: Instant, now: Instant) -> u32 {
    let left = expires_at.saturating_duration_since(now);
    let seconds = left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn an_interval_is_whole_until_a_second_has_passed_and_zero_only_when_it_is_over() {
        let start = Instant::from_micros(5);
        for seconds in [0, 1, 2, 3_600, u32::MAX] {
            let at = start + Duration::from_secs(seconds.into());
            assert_eq!(expiry_left(at, start), seconds);
            assert_eq!(expiry_left(at, start + Duration::from_micros(999_999)), seconds);
            assert_eq!(
                expiry_left(at, start + Duration::from_secs(1)),
                seconds.saturating_sub(1)
            );
            let last = at - Duration::from_micros(1);
            assert_eq!(expiry_left(at, last), u32::from(seconds > 0 || last < start));
            assert_eq!(expiry_left(at, at), 0);
            assert_eq!(expiry_left(at, Instant::MAX), 0);
        }
    }
}
