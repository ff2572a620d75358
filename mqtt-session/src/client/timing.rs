//! Deadlines: CONNACK, keep-alive, PINGRESP.

use core::time::Duration;

use super::{
    Client,
    link::{Connection, Link},
};
use crate::{Instant, flow::rules, storage::Storage};

/// Something that happens at a moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Event,
    ConnAck,
    Drained,
    LastWords,
    PingResp,
    KeepAlive,
}

impl<S: Storage> Client<S> {
    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest. A moment that has passed means now; early
    /// is harmless. Bytes that wait to be written are no reason: ask [`poll_transmit`](Self::poll_transmit).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_due().map(|(at, _)| at)
    }

    /// What [`poll_timeout`](Self::poll_timeout) waits for, in words.
    pub fn timeout_reason(&self) -> &'static str {
        match self.next_due() {
            None => "nothing",
            Some((_, Due::Event)) => "an event is waiting",
            Some((_, Due::ConnAck)) => "CONNACK is due",
            Some((_, Due::Drained)) => "the time to drain ends",
            Some((_, Due::LastWords)) => "the last packet is due to be written",
            Some((_, Due::PingResp)) => "PINGRESP is due",
            Some((_, Due::KeepAlive)) => "a PINGREQ is due",
        }
    }

    /// When the next PINGREQ is due if nothing is sent or received until then; none without keep-alive or connection.
    pub fn keep_alive_deadline(&self) -> Option<Instant> {
        self.link.connected().and_then(Connection::ping_due)
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        if self.has_event() {
            return Some((self.now, Due::Event));
        }
        match &self.link {
            Link::Idle => None,
            Link::Connecting(connection) => {
                let drained = connection.drain_until.map(|at| (at, Due::Drained));
                [Some((connection.deadline, Due::ConnAck)), drained]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Link::Closing(connection) => Some((connection.deadline, Due::LastWords)),
            Link::Closed(connection) => self
                .output
                .has_last_words()
                .then_some((connection.deadline, Due::LastWords)),
            Link::Connected(connection) => {
                // Whatever comes meanwhile is a sign of life: the answer may be behind it, in the server's buffers.
                let heard = connection.ping.unanswered.filter(|_| !connection.paused);
                let heard = heard.map(|at| at.max(connection.last_received));
                let answer = heard.map(|at| (at + self.config.ping_timeout, Due::PingResp));
                let ping = connection.ping_due().map(|at| (at, Due::KeepAlive));
                let drained = connection.drain_until.map(|at| (at, Due::Drained));
                [answer, ping, drained].into_iter().flatten().min()
            }
        }
    }

    /// Does what is due.
    pub(super) fn handle_deadlines(&mut self) {
        let Some((at, due)) = self.next_due() else { return };
        if at > self.now {
            return;
        }
        let Some(connection) = self.link.connection_mut() else {
            return;
        };
        let version = connection.version;
        match due {
            Due::Event => {}
            Due::ConnAck => self.violated(rules::NO_CONNACK.broken(version)),
            Due::Drained => self.drained(),
            Due::LastWords => self.give_last_words_up(),
            // A link that does not answer gets no last words: they would wait in its buffers for ever.
            Due::PingResp => {
                self.violated(rules::NO_PINGRESP.broken(version));
                self.output.disconnect = None;
            }
            Due::KeepAlive => connection.ping.owed = true,
        }
    }
}

impl Connection {
    /// 5/MQTT-3.1.2-20, 3.1.1/MQTT-3.1.2-23: something must be sent within the keep-alive period. A PINGREQ goes out as
    /// well when nothing has come for so long, or else a link that is only half open would not be noticed.
    fn ping_due(&self) -> Option<Instant> {
        if self.keep_alive == 0 || self.ping.owed {
            return None;
        }
        // Also while an answer is awaited: the server counts what it hears, not what it has answered.
        let quiet_since = if self.paused || self.ping.unanswered.is_some() {
            self.last_sent
        } else {
            self.last_sent.min(self.last_received)
        };
        Some(quiet_since + Duration::from_secs(self.keep_alive.into()))
    }
}
