//! The six shapes of traffic, and what they cost the loop that was chosen.

use mqtt_proto::QoS::{self, AtLeastOnce, AtMostOnce};

/// Who publishes to whom, and how fast.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    /// The subscriber of a publisher has its number and nobody else's messages; otherwise all have one topic.
    pub(crate) pairs: bool,
    pub(crate) qos: QoS,
    pub(crate) pace: Pace,
    /// Microseconds of CPU time for a delivered message: of the prototype whose shape the server's loop has, and of mosquitto in the
    /// same hour, on a machine that was otherwise idle.
    pub(crate) prototype: f64,
    pub(crate) mosquitto: f64,
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum Pace {
    /// As fast as the broker is: a publisher sends so many messages at once when the last ones have all arrived. With these
    /// numbers, a message costs as many system calls as it did in the prototypes.
    Batches(u64),
    /// So many messages a second, one at a time, from each publisher in turn.
    Quiet(u64),
}

impl Shape {
    /// Subscribers that get what one publishes.
    pub(crate) const fn fan(&self) -> u64 {
        if self.pairs { 1 } else { self.subscribers as u64 }
    }
}

const PAIRS: Shape = Shape {
    name: "pairs, QoS 0",
    publishers: 50,
    subscribers: 50,
    pairs: true,
    qos: AtMostOnce,
    pace: Pace::Batches(20),
    prototype: 0.33,
    mosquitto: 8.58,
};

pub(crate) const SHAPES: [Shape; 6] = [
    Shape {
        name: "fan-in, QoS 0",
        publishers: 100,
        subscribers: 1,
        pairs: false,
        pace: Pace::Batches(100),
        prototype: 0.11,
        mosquitto: 7.33,
        ..PAIRS
    },
    Shape {
        name: "fan-out, QoS 0",
        publishers: 1,
        subscribers: 100,
        pairs: false,
        prototype: 0.15,
        mosquitto: 5.78,
        ..PAIRS
    },
    PAIRS,
    Shape {
        name: "pairs, QoS 1",
        qos: AtLeastOnce,
        prototype: 0.61,
        mosquitto: 15.2,
        ..PAIRS
    },
    Shape {
        name: "quiet, QoS 0",
        pace: Pace::Quiet(5_000),
        prototype: 12.7,
        mosquitto: 16.7,
        ..PAIRS
    },
    Shape {
        name: "quiet, QoS 1",
        qos: AtLeastOnce,
        pace: Pace::Quiet(5_000),
        prototype: 19.5,
        mosquitto: 25.6,
        ..PAIRS
    },
];
