//! What a server tells its owner.

use alloc::{collections::VecDeque, sync::Arc};
use core::net::SocketAddr;

use mqtt_proto::{ReasonCode, Version};

use super::ConnId;
use crate::flow::rules::Violation;

/// Something happened that the owner of the server may want to know. Nothing depends on its being looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A client was accepted; its CONNACK is on its way.
    Connected {
        /// On this connection.
        conn: ConnId,
        /// From here, if its transport has addresses.
        address: Option<SocketAddr>,
        /// As it called itself, or as it is called by us (Assigned Client Identifier).
        client_id: Arc<str>,
        /// The version it speaks.
        version: Version,
        /// It came back to a session that was kept.
        session_present: bool,
    },
    /// A connection is over; its session may be kept.
    Disconnected {
        /// The connection that was.
        conn: ConnId,
        /// From here, if its transport has addresses.
        address: Option<SocketAddr>,
        /// `None` if no client had been accepted on it.
        client_id: Option<Arc<str>>,
        /// Why.
        why: Ended,
    },
    /// A session was discarded: it expired, or its client began a new one.
    SessionEnded {
        /// Whose.
        client_id: Arc<str>,
    },
    /// Messages were dropped since the last such event of this cause.
    Dropped {
        /// Why.
        cause: DropCause,
        /// How many.
        count: u64,
    },
    /// Events were forgotten, because nobody polled them.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client sent DISCONNECT with this code.
    ByClient(ReasonCode),
    /// The transport was lost without a DISCONNECT.
    Lost,
    /// No CONNECT came in time.
    NoConnect,
    /// The client broke a rule.
    Violation(Violation),
    /// The client was refused with this code, or disconnected with it.
    Refused(ReasonCode),
    /// The same client connected again.
    TakenOver,
    /// The owner of the server killed it.
    Killed,
    /// Nobody decided in time whether it may.
    Undecided,
}

/// Why a message was dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum DropCause {
    /// The queue of a session was full.
    QueueFull,
    /// The message expired before its delivery began (`5/MQTT-3.3.2-5`).
    Expired,
    /// It is larger than the client's Maximum Packet Size (`5/MQTT-3.1.2-25`).
    TooLarge,
    /// QoS 0, and the client was away.
    Away,
    /// It was to be retained, and there was no room; it was delivered all the same.
    RetainedFull,
    /// The session it was queued in ended.
    SessionEnded,
    /// Its topic has more levels than the limit.
    TopicLevels,
    /// It was retained, and had to make room for another.
    RetainedEvicted,
    /// Its client may not publish it: it was decided so, nobody decided in time, or its topic is in `$SYS`, which is the
    /// server's own.
    NotAllowed,
    /// Its client publishes faster than it may.
    Rate,
}

impl DropCause {
    /// All causes.
    pub const ALL: [Self; 10] = [
        Self::QueueFull,
        Self::Expired,
        Self::TooLarge,
        Self::Away,
        Self::RetainedFull,
        Self::SessionEnded,
        Self::TopicLevels,
        Self::RetainedEvicted,
        Self::NotAllowed,
        Self::Rate,
    ];
}

/// Events that wait, at most so many, and drops counted by cause.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: VecDeque<ServerEvent>,
    max: usize,
    missed: u64,
    /// Not told yet.
    dropped: [u64; DropCause::ALL.len()],
    /// In all.
    totals: [u64; DropCause::ALL.len()],
}

impl Events {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            max,
            missed: 0,
            dropped: [0; DropCause::ALL.len()],
            totals: [0; DropCause::ALL.len()],
        }
    }

    pub(crate) fn push(&mut self, event: ServerEvent) {
        if self.queue.len() >= self.max {
            self.queue.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        if self.max > 0 {
            self.queue.push_back(event);
        }
    }

    pub(crate) fn drop_messages(&mut self, cause: DropCause, count: u64) {
        for counts in [&mut self.dropped, &mut self.totals] {
            if let Some(dropped) = counts.get_mut(cause as usize) {
                *dropped = dropped.saturating_add(count);
            }
        }
    }

    /// Messages that were dropped so far, by cause.
    pub(crate) const fn totals(&self) -> [u64; DropCause::ALL.len()] {
        self.totals
    }

    pub(crate) fn poll(&mut self) -> Option<ServerEvent> {
        if self.missed > 0 {
            return Some(ServerEvent::Missed {
                count: core::mem::take(&mut self.missed),
            });
        }
        if let Some(event) = self.queue.pop_front() {
            if self.queue.is_empty() {
                self.queue = VecDeque::new();
            }
            return Some(event);
        }
        let (cause, count) = DropCause::ALL
            .into_iter()
            .zip(&mut self.dropped)
            .find(|(_, count)| **count > 0)?;
        Some(ServerEvent::Dropped {
            cause,
            count: core::mem::take(count),
        })
    }
}
