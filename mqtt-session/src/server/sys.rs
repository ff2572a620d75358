//! `$SYS`: what the server publishes about itself, under the names that brokers have for it.
//!
//! All is retained, at QoS 0, and published anew every [`ServerConfig::sys_interval`](super::ServerConfig::sys_interval)
//! where it has changed; nothing is made while nobody is subscribed. `$SYS` is a place of its own: no wildcard on the
//! first level leads there (`5/MQTT-4.7.2-1`, `3.1.1/MQTT-4.7.2-1`), not even in 3.1, and no limit counts what is there.

use alloc::{format, string::String};

use super::{
    Metrics, Pool, RetainedPolicy,
    journal::Journal,
    message::Message,
    metrics::Average,
    retained::{Quota, Retained},
};
use crate::Instant;

#[derive(Clone, Debug)]
pub(crate) struct Sys {
    /// What was published last.
    pub(crate) retained: Retained,
    /// Subscriptions to `$SYS`.
    subscriptions: usize,
    /// When it is published next, if somebody is subscribed.
    pub(crate) due: Instant,
}

impl Sys {
    pub(crate) fn new() -> Self {
        Self {
            retained: empty(),
            subscriptions: 0,
            due: Instant::MAX,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.subscriptions > 0
    }

    /// If nothing was published yet, it is time: a session with this subscription was read back.
    pub(crate) fn subscribed(&mut self) {
        self.subscriptions += 1;
        if self.due == Instant::MAX {
            self.due = Instant::ZERO;
        }
    }

    /// With the last subscription go the messages.
    pub(crate) fn unsubscribed(&mut self) {
        self.subscriptions = self.subscriptions.saturating_sub(1);
        if self.subscriptions == 0 {
            self.retained = empty();
            self.due = Instant::MAX;
        }
    }

    /// Keeps this in place of what was published before; false if it is the same.
    pub(crate) fn store(&mut self, topic: &str, message: &Message) -> bool {
        let before = self.retained.get(Pool::DEFAULT, topic);
        if before.is_some_and(|(before, _)| before.payload() == message.payload()) {
            return false;
        }
        self.retained.store(
            Pool::DEFAULT,
            topic,
            message.clone(),
            Quota::UNLIMITED,
            &mut Journal::default(),
        );
        true
    }
}

fn empty() -> Retained {
    Retained::new(Quota::UNLIMITED, RetainedPolicy::RefuseNew)
}

/// Every topic behind `$SYS/broker/`, with what it says.
pub(crate) fn report(metrics: &Metrics, mut each: impl FnMut(&str, String)) {
    let Metrics { total, load, .. } = metrics;
    each(
        "version",
        concat!("mqtt-session version ", env!("CARGO_PKG_VERSION")).into(),
    );
    each("uptime", format!("{} seconds", metrics.uptime.as_secs()));
    let sum = |by_qos: [u64; 3]| by_qos.iter().sum::<u64>();
    // Each copy counts, as it does against the limits.
    let stored = metrics.retained_messages + metrics.queued_messages + metrics.in_flight;
    let counts = [
        ("clients/total", metrics.sessions as u64),
        ("clients/connected", metrics.connected as u64),
        (
            "clients/disconnected",
            metrics.sessions.saturating_sub(metrics.connected) as u64,
        ),
        ("clients/maximum", metrics.connected_maximum as u64),
        ("clients/expired", total.sessions_expired),
        ("messages/received", total.packets_in),
        ("messages/sent", total.packets_out),
        ("messages/stored", stored as u64),
        ("store/messages/count", stored as u64),
        (
            "store/messages/bytes",
            (metrics.retained_bytes + metrics.queued_bytes) as u64,
        ),
        ("subscriptions/count", metrics.subscriptions as u64),
        ("retained messages/count", metrics.retained_messages as u64),
        ("publish/messages/received", sum(total.messages_in)),
        ("publish/messages/sent", sum(total.messages_out)),
        ("publish/messages/dropped", metrics.dropped_in_all()),
        ("publish/bytes/received", total.payload_bytes_in),
        ("publish/bytes/sent", total.payload_bytes_out),
        ("bytes/received", total.bytes_in),
        ("bytes/sent", total.bytes_out),
    ];
    for (topic, count) in counts {
        each(topic, format!("{count}"));
    }
    let loads: [(&str, &Average); 9] = [
        ("messages/received", &load.packets_in),
        ("messages/sent", &load.packets_out),
        ("publish/received", &load.messages_in),
        ("publish/sent", &load.messages_out),
        ("publish/dropped", &load.drops),
        ("bytes/received", &load.bytes_in),
        ("bytes/sent", &load.bytes_out),
        ("sockets", &load.opened),
        ("connections", &load.connects),
    ];
    for (name, average) in loads {
        for (span, value) in average.spans() {
            each(&format!("load/{name}/{span}"), format!("{value:.2}"));
        }
    }
}
