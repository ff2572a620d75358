//! Deadlines: CONNACK, keep-alive, PINGRESP, messages that wait too long.

use core::time::Duration;

use super::{
    Client,
    link::{Connection, Fact, Link},
};
use crate::{Instant, flow::rules, storage::Storage};

/// Something that happens at a moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Event,
    Expiry,
    ConnAck,
    Drained,
    LastWords,
    Resend,
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
            Some((_, Due::Expiry)) => "a message that waits may expire",
            Some((_, Due::ConnAck)) => "CONNACK is due",
            Some((_, Due::Drained)) => "the time to drain ends",
            Some((_, Due::LastWords)) => "the last packet is due to be written",
            Some((_, Due::Resend)) => "answers are due: what has none is sent again",
            Some((_, Due::PingResp)) => "PINGRESP is due",
            Some((_, Due::KeepAlive)) => "a PINGREQ is due",
        }
    }

    /// When the next PINGREQ is due if nothing is sent or received until then; none without keep-alive or connection.
    pub fn keep_alive_deadline(&self) -> Option<Instant> {
        self.connected()
            .and_then(|connection| connection.ping_due(self.is_deaf(connection)))
    }

    /// The server cannot be heard now, and so its silence says nothing: the caller does not read, or what has come waits in
    /// its buffer for the caller's acknowledgements or records. (If it waits for something to be written, every byte that
    /// the transport takes is a sign of life.)
    fn is_deaf(&self, connection: &Connection) -> bool {
        connection.facts.has(Fact::Paused) || self.arrivals.stalled || self.waits_for_record()
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        if self.has_event() {
            return Some((self.now, Due::Event));
        }
        let expiry = self.look_at().map(|at| (at, Due::Expiry));
        [expiry, self.link_due()].into_iter().flatten().min()
    }

    fn link_due(&self) -> Option<(Instant, Due)> {
        let connection = self.connection.as_ref()?;
        match connection.state {
            Link::Idle | Link::Ending => None,
            Link::Connecting => {
                let drained = connection.drain_until.get().map(|at| (at, Due::Drained));
                [Some((connection.deadline, Due::ConnAck)), drained]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Link::Closing => Some((connection.deadline, Due::LastWords)),
            Link::Closed => self
                .output
                .has_last_words()
                .then_some((connection.deadline, Due::LastWords)),
            Link::Connected => {
                let deaf = self.is_deaf(connection);
                // Whatever comes meanwhile is a sign of life: the answer may be behind it, in the server's buffers. As
                // long as PINGREQ itself waits, so is every byte that the transport takes.
                let pings =
                    connection.facts.has(Fact::PingOwed) || connection.facts.has(Fact::PingUnanswered);
                let silent = (pings && !deaf).then(|| {
                    let heard = connection.ping_since.max(connection.last_received);
                    (heard + self.config.ping_timeout, Due::PingResp)
                });
                let ping = if connection.facts.has(Fact::PingOwed) {
                    None
                } else {
                    connection.ping_due(deaf).map(|at| (at, Due::KeepAlive))
                };
                let drained = connection.drain_until.get().map(|at| (at, Due::Drained));
                let resend = connection.resend_due(self.config.resend_after).filter(|_| !deaf);
                let resend = resend.map(|at| (at, Due::Resend));
                [silent, ping, drained, resend].into_iter().flatten().min()
            }
        }
    }

    /// Does all that is due.
    pub(super) fn handle_deadlines(&mut self) {
        while let Some((at, due)) = self.next_due() {
            if at > self.now || due == Due::Event {
                return;
            }
            self.handle_deadline(due);
        }
    }

    fn handle_deadline(&mut self, due: Due) {
        if due == Due::Expiry {
            return self.drop_overdue();
        }
        let Some(connection) = &mut self.connection else {
            return;
        };
        let version = connection.version;
        match due {
            Due::Event | Due::Expiry => {}
            // 3.1/3.1-25
            Due::ConnAck => self.timed_out(rules::NO_CONNACK.broken(version)),
            Due::Drained => self.drained(),
            Due::LastWords => self.give_last_words_up(),
            Due::Resend => self.resend_unanswered(),
            // 3.1/3.1-22
            Due::PingResp => self.timed_out(rules::NO_PINGRESP.broken(version)),
            Due::KeepAlive => connection.owe_ping(self.now),
        }
    }
}

impl Connection {
    /// A PINGREQ is to be written.
    pub(super) fn owe_ping(&mut self, now: Instant) {
        if !self.facts.has(Fact::PingOwed) {
            self.facts.set(Fact::PingOwed, true);
            self.note_progress(now);
        }
    }

    /// The transport has taken a byte.
    pub(super) fn note_progress(&mut self, now: Instant) {
        if !self.facts.has(Fact::PingUnanswered) {
            self.ping_since = now;
        }
    }

    pub(super) fn ping_written(&mut self, now: Instant) {
        self.note_progress(now);
        self.facts.set(Fact::PingOwed, false);
        self.facts.set(Fact::PingUnanswered, true);
    }

    /// PINGRESP has come: when the PINGREQ that it answers was written.
    pub(super) fn ping_answered(&mut self, now: Instant) -> Option<Instant> {
        let answered = self.facts.take(Fact::PingUnanswered);
        answered.then(|| core::mem::replace(&mut self.ping_since, now))
    }

    /// 5/MQTT-3.1.2-20, 3.1.1/MQTT-3.1.2-23, 3.1/3.1-21: something must be sent within the keep-alive period. A
    /// PINGREQ goes out as well when nothing has come for so long, or else a link that is only half open would not be noticed.
    fn ping_due(&self, deaf: bool) -> Option<Instant> {
        if self.keep_alive == 0 {
            return None;
        }
        // Also while an answer is awaited: the server counts what it hears, not what it has answered.
        let quiet_since = if deaf || self.facts.has(Fact::PingUnanswered) {
            self.last_sent
        } else {
            self.last_sent.min(self.last_received)
        };
        Some(quiet_since + Duration::from_secs(self.keep_alive.into()))
    }
}
