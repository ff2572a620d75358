//! What the server has counted: totals, what is there now, and how fast it goes.

use alloc::vec::Vec;
use core::time::Duration;

use mqtt_proto::QoS;

use super::{DropCause, Pool, QuestionCounts};
use crate::Instant;

/// A snapshot of everything that is counted. Totals are since the broker was made.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Since the first call with a time.
    pub uptime: Duration,
    /// Connections, those included that are over and not closed.
    pub connections: usize,
    /// Those of them whose client was not accepted yet.
    pub handshakes: usize,
    /// Sessions, connected or kept; those of local connections among them.
    pub sessions: usize,
    /// Sessions whose client is connected, or whose connection is a local one.
    pub connected: usize,
    /// The most that ever were connected at a time.
    pub connected_maximum: usize,
    /// Pools that have sessions or retained messages, in order.
    pub pools: Vec<PoolMetrics>,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// What they count against [`Limits::subscription_bytes`](super::Limits::subscription_bytes).
    pub subscription_bytes: usize,
    /// Messages that wait for sessions; one that waits in several queues counts in each.
    pub queued_messages: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Messages of QoS 1 and 2 on their way to clients.
    pub in_flight: usize,
    /// Retained messages, those of `$SYS` not counted.
    pub retained_messages: usize,
    /// What they count against [`Limits::retained_bytes`](super::Limits::retained_bytes).
    pub retained_bytes: usize,
    /// The totals.
    pub total: Totals,
    /// What was asked of the owner, and what became of it.
    pub questions: QuestionCounts,
    /// Messages that were dropped, by [`DropCause::ALL`]; see [`dropped`](Self::dropped).
    pub drops: [u64; DropCause::ALL.len()],
    /// How fast some of the totals grow.
    pub load: Load,
}

impl Metrics {
    /// Messages that were dropped for this cause.
    pub fn dropped(&self, cause: DropCause) -> u64 {
        self.drops.get(cause as usize).copied().unwrap_or_default()
    }

    /// Messages that were dropped, whatever the cause.
    pub fn dropped_in_all(&self) -> u64 {
        self.drops.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// What belongs to one pool.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Which.
    pub pool: Pool,
    /// Sessions, connected or kept.
    pub sessions: usize,
    /// Sessions whose client is connected.
    pub connected: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// What they count against [`Limits::retained_bytes`](super::Limits::retained_bytes).
    pub retained_bytes: usize,
}

/// What only grows.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections that were opened.
    pub opened: u64,
    /// Clients that were accepted.
    pub connects: u64,
    /// Clients that were refused.
    pub refused: u64,
    /// Connections that a rule ended which the client broke.
    pub violations: u64,
    /// Sessions that expired while their clients were away.
    pub sessions_expired: u64,
    /// Wills that were published.
    pub wills: u64,
    /// Packets from clients. Those that break a rule of their form are not counted.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients, as [`Broker::handle_traffic`](super::Broker::handle_traffic) was told.
    pub bytes_in: u64,
    /// Bytes to clients, as [`Broker::handle_traffic`](super::Broker::handle_traffic) was told.
    pub bytes_out: u64,
    /// PUBLISH packets from clients, by QoS; repeats included.
    pub messages_in: [u64; 3],
    /// PUBLISH packets to clients, by QoS; repeats included.
    pub messages_out: [u64; 3],
    /// Messages that local connections published.
    pub inside_in: u64,
    /// Messages that local connections took.
    pub inside_out: u64,
    /// Bytes of the payloads from clients.
    pub payload_bytes_in: u64,
    /// Bytes of the payloads to clients.
    pub payload_bytes_out: u64,
}

impl Totals {
    pub(crate) fn message_in(&mut self, qos: QoS, payload: usize) {
        if let Some(n) = self.messages_in.get_mut(usize::from(u8::from(qos))) {
            *n += 1;
        }
        self.payload_bytes_in += payload as u64;
    }

    pub(crate) fn message_out(&mut self, qos: QoS, payload: usize) {
        if let Some(n) = self.messages_out.get_mut(usize::from(u8::from(qos))) {
            *n += 1;
        }
        self.payload_bytes_out += payload as u64;
    }
}

/// What went over a wire and the broker does not see.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by whoever has the wires")]
pub struct Traffic {
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// PINGREQs; each is answered.
    pub pings: u64,
}

/// How much in a minute, on an average that forgets older times.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Average {
    /// Over about one minute.
    pub one_minute: f64,
    /// Over about five minutes.
    pub five_minutes: f64,
    /// Over about fifteen minutes.
    pub fifteen_minutes: f64,
}

impl Average {
    pub(crate) fn spans(&self) -> [(&'static str, f64); 3] {
        [
            ("1min", self.one_minute),
            ("5min", self.five_minutes),
            ("15min", self.fifteen_minutes),
        ]
    }
}

/// How much there is in a minute of what is counted.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Load {
    /// Connections that are opened.
    pub opened: Average,
    /// Clients that are accepted.
    pub connects: Average,
    /// Packets from clients.
    pub packets_in: Average,
    /// Packets to clients.
    pub packets_out: Average,
    /// Bytes from clients.
    pub bytes_in: Average,
    /// Bytes to clients.
    pub bytes_out: Average,
    /// PUBLISH packets from clients.
    pub messages_in: Average,
    /// PUBLISH packets to clients.
    pub messages_out: Average,
    /// Messages that are dropped.
    pub drops: Average,
}

/// How often it is looked how far the totals have come.
const STEP: u64 = 5_000_000;

/// What is left of an average of one, five and fifteen minutes after a step: e to the power of -5/60, -5/300, -5/900.
const KEPT: [f64; 3] = [
    0.920_044_414_629_323,
    0.983_471_453_821_617,
    0.994_459_848_001_238,
];

const STEPS_PER_MINUTE: f64 = 12.0;

/// Averages over the totals. They are brought up to date by whatever happens first after a step has passed: in between
/// nothing has happened, so no timer is needed.
#[derive(Clone, Debug)]
pub(crate) struct Averages {
    /// When it was looked last; a step has passed then.
    at: Instant,
    seen: [u64; 9],
    load: [[f64; 3]; 9],
}

impl Averages {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            at: now,
            seen: [0; 9],
            load: [[0.0; 3]; 9],
        }
    }

    pub(crate) const fn is_due(&self, now: Instant) -> bool {
        now.as_micros() - self.at.as_micros() >= STEP
    }

    /// The totals have come this far, and nothing has been added since the last step passed.
    pub(crate) fn look(&mut self, now: Instant, totals: &Totals, drops: u64) {
        let steps = now.as_micros().saturating_sub(self.at.as_micros()) / STEP;
        if steps == 0 {
            return;
        }
        self.at = Instant::from_micros(self.at.as_micros() + steps * STEP);
        #[allow(clippy::cast_precision_loss, reason = "averages")]
        for ((total, seen), load) in counted(totals, drops)
            .into_iter()
            .zip(&mut self.seen)
            .zip(&mut self.load)
        {
            // All of it was in the first of these steps: whatever comes after a step looks here first.
            let rate = total.saturating_sub(*seen) as f64 * STEPS_PER_MINUTE;
            *seen = total;
            for (average, kept) in load.iter_mut().zip(KEPT) {
                *average = (rate + (*average - rate) * kept) * power(kept, steps - 1);
            }
        }
    }

    pub(crate) fn load(&self) -> Load {
        let [
            opened,
            connects,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            drops,
        ] = self
            .load
            .map(|[one_minute, five_minutes, fifteen_minutes]| Average {
                one_minute,
                five_minutes,
                fifteen_minutes,
            });
        Load {
            opened,
            connects,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            messages_in,
            messages_out,
            drops,
        }
    }
}

fn counted(totals: &Totals, drops: u64) -> [u64; 9] {
    let sum = |by_qos: [u64; 3]| by_qos.iter().sum();
    [
        totals.opened,
        totals.connects,
        totals.packets_in,
        totals.packets_out,
        totals.bytes_in,
        totals.bytes_out,
        sum(totals.messages_in),
        sum(totals.messages_out),
        drops,
    ]
}

/// By squaring: without std there is no other.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut result = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    result
}

/// By what [`Broker::top_sessions`](super::Broker::top_sessions) puts sessions in order.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopBy {
    /// Messages that wait.
    QueuedMessages,
    /// Bytes of the messages that wait.
    QueuedBytes,
    /// Packets, both ways.
    Packets,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(connects: u64) -> Totals {
        Totals {
            connects,
            ..Totals::default()
        }
    }

    #[test]
    fn a_steady_rate_becomes_the_average_the_sooner_the_shorter_its_span() {
        let mut averages = Averages::new(Instant::from_secs(1_000));
        for step in 1..=180 {
            averages.look(Instant::from_secs(1_000 + 5 * step), &totals(10 * step), 0);
            if step == 12 {
                let load = averages.load().connects;
                // 1 - 1/e of 120 a minute
                assert!((load.one_minute - 75.85).abs() < 0.01, "{load:?}");
                assert!(load.five_minutes < 22.0 && load.fifteen_minutes < 8.0);
            }
        }
        let load = averages.load().connects;
        assert!((load.one_minute - 120.0).abs() < 0.01, "{load:?}");
        assert!((load.fifteen_minutes - 75.85).abs() < 0.01, "{load:?}");
        assert_eq!(averages.load().drops, Average::default());
    }

    #[test]
    fn it_makes_no_difference_how_seldom_it_is_looked_while_nothing_happens() {
        let mut often = Averages::new(Instant::ZERO);
        let mut seldom = often.clone();
        for second in 1..=500 {
            often.look(Instant::from_secs(second), &totals(7), 1);
        }
        seldom.look(Instant::from_secs(503), &totals(7), 1);
        let (often, seldom) = (often.load(), seldom.load());
        assert!((often.connects.five_minutes - seldom.connects.five_minutes).abs() < 1e-9);
        assert!(often.connects.five_minutes > 0.0 && often.drops.one_minute > 0.0);
    }
}
