//! What a client has done so far, in numbers.

use core::{fmt, time::Duration};

use mqtt_proto::PacketType;

use super::AbortReason;
use crate::{Instant, Token};

/// What a client has done since it was made, over all its connections. A plain value: copy it to compare two moments.
///
/// A counter that is full stays full: bytes and packets at 2⁶⁴−1, all others at 2³²−1. Counting takes a fixed number of
/// additions for each packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Bytes of packets that were taken, also of those that are not complete. What broke a rule, or came after the end of
    /// a connection, was not taken.
    pub bytes_in: u64,
    /// Bytes that were written.
    pub bytes_out: u64,
    received: [u64; PLACES],
    sent: [u64; PLACES],
    aborted: [u32; REASONS.len()],
    /// Connections that the server accepted.
    pub connections: u32,
    /// Packets sent again: PUBLISH with DUP, and PUBREL.
    pub retransmissions: u32,
    /// [`AckToken`](crate::AckToken)s given back whose message was gone, or answered already.
    pub stale_tokens: u32,
    /// Answers of the server to nothing that was asked: PUBACK, PUBREC that refuses, PUBCOMP, SUBACK, UNSUBACK, PINGRESP.
    pub ignored_answers: u32,
    /// From PINGREQ written to PINGRESP read.
    pub pings: RoundTrips,
    /// From PUBLISH written to PUBACK or PUBREC read, both ends included: one message at a time is timed, and none that was
    /// sent again, because its answer could be to either.
    pub acks: RoundTrips,
    /// The message that is being timed, and when it was written.
    timed: Option<(Token, Instant)>,
}

/// How long answers took. Not measured: `None`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct RoundTrips {
    /// How many were measured.
    pub count: u32,
    last: u32,
    min: u32,
    max: u32,
    smoothed: u32,
}

/// A client sends one packet of each pair of a request and its answer, and receives the other.
const PLACES: usize = 11;

/// Where the count of a type of packets stands, by its number.
const fn place(packet: u8) -> usize {
    match packet & 0xF {
        0..3 => 0,
        n @ 3..8 => n as usize - 2,
        8 | 9 => 6,
        10 | 11 => 7,
        12 | 13 => 8,
        14 => 9,
        _ => 10,
    }
}

/// A client sends packets of this type.
const fn is_sent(packet: PacketType) -> bool {
    !matches!(
        packet,
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp
    )
}

/// A server sends packets of this type.
const fn is_received(packet: PacketType) -> bool {
    !matches!(
        packet,
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq
    )
}

/// All reasons, each with a place of its own; a new one is added here.
macro_rules! reasons {
    ($($reason:ident),* $(,)?) => {
        const REASONS: &[AbortReason] = &[$(AbortReason::$reason),*];

        /// Where the count of a reason stands. Does not compile if one is missing above.
        fn reason_place(why: AbortReason) -> Option<usize> {
            match why {
                $(AbortReason::$reason)|* => REASONS.iter().position(|reason| *reason == why),
            }
        }
    };
}

reasons!(
    ConnectionLost,
    SessionLost,
    NoLongerAccepted,
    Expired,
    DroppedForAge,
    DroppedForNewer,
    DroppedWithLink,
    Cancelled,
);

impl Counters {
    /// Nothing has happened.
    pub const ZERO: Self = Self {
        bytes_in: 0,
        bytes_out: 0,
        received: [0; PLACES],
        sent: [0; PLACES],
        aborted: [0; REASONS.len()],
        connections: 0,
        retransmissions: 0,
        stale_tokens: 0,
        ignored_answers: 0,
        pings: RoundTrips::NONE,
        acks: RoundTrips::NONE,
        timed: None,
    };

    /// Whole packets of this type that were taken; a message in pieces counts when it has come to its end.
    pub fn packets_in(&self, packet: PacketType) -> u64 {
        let count = self.received.get(place(packet as u8));
        count.copied().filter(|_| is_received(packet)).unwrap_or(0)
    }

    /// Packets of this type that were written to their end.
    pub fn packets_out(&self, packet: PacketType) -> u64 {
        let count = self.sent.get(place(packet as u8));
        count.copied().filter(|_| is_sent(packet)).unwrap_or(0)
    }

    /// Operations that ended without an answer: how often [`Aborted`](super::Event::Aborted) was told with this reason.
    pub fn aborted(&self, why: AbortReason) -> u32 {
        let count = reason_place(why).and_then(|place| self.aborted.get(place));
        count.copied().unwrap_or(0)
    }

    pub(super) fn take_bytes(&mut self, n: usize) {
        self.bytes_in = self.bytes_in.saturating_add(n as u64);
    }

    /// A packet with this first byte was taken.
    pub(super) fn take_packet(&mut self, first: u8) {
        add(&mut self.received, place(first >> 4));
    }

    pub(super) fn write_bytes(&mut self, n: u32) {
        self.bytes_out = self.bytes_out.saturating_add(n.into());
    }

    /// A packet with this first byte was written to its end; with the token of the operation, if it is a message that is to
    /// be answered.
    pub(super) fn write_packet(&mut self, now: Instant, first: u8, message: Option<Token>) {
        add(&mut self.sent, place(first >> 4));
        let Some(token) = message else { return };
        let again = first & 0x08 != 0;
        if again {
            more(&mut self.retransmissions);
            self.timed = self.timed.filter(|(timed, _)| *timed != token);
        } else if self.timed.is_none() {
            self.timed = Some((token, now));
        }
    }

    /// A message was answered for the first time.
    pub(super) fn answered(&mut self, now: Instant, token: Token) {
        if let Some((timed, since)) = self.timed {
            if timed == token {
                self.acks.measure(now.saturating_duration_since(since));
                self.timed = None;
            }
        }
    }

    /// The link has ended: whatever is sent on the next is sent again.
    pub(super) fn forget_link(&mut self) {
        self.timed = None;
    }

    pub(super) fn abort(&mut self, why: AbortReason) {
        if let Some(count) = reason_place(why).and_then(|place| self.aborted.get_mut(place)) {
            more(count);
        }
    }
}

/// One more of what is counted in 32 bits.
pub(super) fn more(count: &mut u32) {
    *count = count.saturating_add(1);
}

fn add(counts: &mut [u64; PLACES], place: usize) {
    if let Some(count) = counts.get_mut(place) {
        *count = count.saturating_add(1);
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::ZERO
    }
}

impl RoundTrips {
    const NONE: Self = Self {
        count: 0,
        last: 0,
        min: u32::MAX,
        max: 0,
        smoothed: 0,
    };

    /// The last one. All are in microseconds, and one of more than 71 minutes counts as that.
    pub fn last(&self) -> Option<Duration> {
        self.get(self.last)
    }

    /// The shortest.
    pub fn min(&self) -> Option<Duration> {
        self.get(self.min)
    }

    /// The longest.
    pub fn max(&self) -> Option<Duration> {
        self.get(self.max)
    }

    /// An average in which each counts an eighth, and what was before it the rest, as TCP does it (RFC 6298).
    pub fn smoothed(&self) -> Option<Duration> {
        self.get(self.smoothed)
    }

    fn get(&self, micros: u32) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_micros(micros.into()))
    }

    pub(super) fn measure(&mut self, span: Duration) {
        let span = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        self.smoothed = if self.count == 0 {
            span
        } else {
            // Rounded, and never above the larger of the two.
            ((u64::from(self.smoothed) * 7 + u64::from(span) + 4) / 8) as u32
        };
        self.last = span;
        self.min = self.min.min(span);
        self.max = self.max.max(span);
        more(&mut self.count);
    }
}

/// On one line, without what is 0.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {} bytes", self.bytes_in)?;
        for packet in PacketType::ALL {
            show(f, &packet, self.packets_in(packet))?;
        }
        write!(f, "; out {} bytes", self.bytes_out)?;
        for packet in PacketType::ALL {
            show(f, &packet, self.packets_out(packet))?;
        }
        write!(f, "; connections {}", self.connections)?;
        show(f, &"sent again", self.retransmissions)?;
        show(f, &"stale tokens", self.stale_tokens)?;
        show(f, &"ignored answers", self.ignored_answers)?;
        for why in REASONS {
            show(f, &format_args!("aborted {why:?}"), self.aborted(*why))?;
        }
        for (name, trips) in [("pings", self.pings), ("acks", self.acks)] {
            if trips.count > 0 {
                write!(f, "; {name} {trips}")?;
            }
        }
        Ok(())
    }
}

fn show(f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display, count: impl Into<u64>) -> fmt::Result {
    match count.into() {
        0 => Ok(()),
        count => write!(f, ", {name} {count}"),
    }
}

/// As in `last 2ms, smoothed 2.5ms, from 1ms to 9ms, of 12`.
impl fmt::Display for RoundTrips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(last), Some(smoothed), Some(min), Some(max)) =
            (self.last(), self.smoothed(), self.min(), self.max())
        else {
            return f.write_str("not measured");
        };
        let count = self.count;
        write!(
            f,
            "last {last:?}, smoothed {smoothed:?}, from {min:?} to {max:?}, of {count}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sends_has_a_place_for_each_type_and_what_it_receives_too() {
        for kept in [is_sent, is_received] {
            let mut places = [0; PLACES];
            for packet in PacketType::ALL.into_iter().filter(|packet| kept(*packet)) {
                places[place(packet as u8)] += 1;
            }
            assert_eq!(places, [1; PLACES]);
        }
    }

    #[test]
    fn every_reason_is_counted_by_itself() {
        for why in REASONS {
            let mut counters = Counters::ZERO;
            counters.abort(*why);
            let counts = REASONS.iter().map(|other| counters.aborted(*other));
            assert!(counts.eq(REASONS.iter().map(|other| u32::from(other == why))));
        }
    }

    #[test]
    fn a_full_counter_stays_full() {
        let mut counters = Counters::ZERO;
        counters.bytes_in = u64::MAX - 1;
        counters.take_bytes(3);
        assert_eq!(counters.bytes_in, u64::MAX);
        counters.sent = [u64::MAX; PLACES];
        counters.write_packet(Instant::ZERO, 0xC0, None);
        assert_eq!(counters.packets_out(PacketType::PingReq), u64::MAX);
        counters.stale_tokens = u32::MAX;
        more(&mut counters.stale_tokens);
        assert_eq!(counters.stale_tokens, u32::MAX);
    }

    #[test]
    fn round_trips_are_smoothed_and_stay_between_the_shortest_and_the_longest() {
        let mut trips = RoundTrips::NONE;
        assert_eq!((trips.last(), trips.smoothed()), (None, None));
        for micros in [800, 1_600, 0, 123_456_789, 7, u64::MAX] {
            trips.measure(Duration::from_micros(micros));
            assert!(trips.min() <= trips.smoothed() && trips.smoothed() <= trips.max());
        }
        assert_eq!(trips.min(), Some(Duration::ZERO));
        assert_eq!(trips.last(), Some(Duration::from_micros(u32::MAX.into())));
        let mut trips = RoundTrips::NONE;
        trips.measure(Duration::from_micros(800));
        trips.measure(Duration::from_micros(1_600));
        assert_eq!(trips.smoothed(), Some(Duration::from_micros(900)));
        for _ in 0..200 {
            trips.measure(Duration::from_micros(5_000));
        }
        assert!(trips.smoothed() >= Some(Duration::from_micros(4_995)), "{trips}");
    }
}
