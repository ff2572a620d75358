//! A connection as the broker sees it.

use alloc::{boxed::Box, collections::VecDeque};

use mqtt_proto::Version;

use super::{inbox::Inbox, withheld::Held};
use crate::{
    Instant,
    flow::Window,
    server::{
        Delivery, Peer, Reply,
        conn_id::KeptPeer,
        journal::{Batch, Journal},
        route::SessionKey,
    },
};

/// Answers that may wait for a connection before it is asked to pause, and the codes in them.
const OWED_MAX: usize = 1_024;
const OWED_CODES_MAX: u32 = 64 * 1_024;

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// It stands in the list of those that have something to do.
    pub(super) listed: bool,
    /// Its client was asked to wait.
    pub(super) paused: bool,
    pub(super) version: Version,
    pub(super) session: Option<SessionKey>,
    /// Messages on their way to the client.
    pub(super) outgoing: Window,
    /// Messages on their way from the client.
    pub(super) incoming: Window,
    /// The client's Maximum Packet Size.
    pub(super) max_packet: u32,
    /// Answers and other control packets, if there are any. Messages wait in the session.
    owed: Option<Box<Owed>>,
    /// What is in question, if anything is, and what follows it.
    pub(super) inbox: Option<Box<Inbox>>,
    /// What of it has to wait until something is safe.
    pub(super) held: Option<Box<Held>>,
    pub(super) peer: KeptPeer,
}

/// What is owed to a client, in order.
#[derive(Clone, Debug, Default)]
struct Owed {
    replies: VecDeque<Reply>,
    /// Bytes of the codes among them.
    codes: u32,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No CONNECT was accepted yet.
    Fresh,
    /// CONNECT came, and is in question.
    Connecting,
    /// A client is there.
    Open,
    /// The owner of the broker is there: it has no wire.
    Local,
    /// What is owed is still to be sent, no more.
    Over,
}

impl Phase {
    /// No client was accepted, and none was refused.
    pub(super) const fn is_handshake(self) -> bool {
        matches!(self, Self::Fresh | Self::Connecting)
    }
}

impl Link {
    pub(super) fn new(generation: u32, peer: Peer) -> Self {
        Self {
            generation,
            phase: Phase::Fresh,
            listed: false,
            paused: false,
            version: Version::V5,
            session: None,
            outgoing: Window::new(0),
            incoming: Window::new(0),
            max_packet: u32::MAX,
            owed: None,
            inbox: None,
            held: None,
            peer: peer.into(),
        }
    }

    /// True if the journal is to be told that somebody waits.
    pub(super) fn owe(&mut self, reply: Reply) -> bool {
        let waits = self.held.as_mut().is_some_and(|held| held.owe(&reply));
        let owed = self.owed.get_or_insert_default();
        owed.codes = owed.codes.saturating_add(codes(&reply));
        owed.replies.push_back(reply);
        self.paused |= owed.replies.len() >= OWED_MAX || owed.codes >= OWED_CODES_MAX;
        waits
    }

    /// From now on answers wait for this batch of changes.
    pub(super) fn depend(&mut self, after: Batch) {
        self.held().depend(after);
    }

    /// A message has a packet id, and goes when this batch is safe. True if the journal is to be told that somebody waits.
    pub(super) fn withhold(&mut self, after: Batch, delivery: Delivery) -> bool {
        self.held().begin(after, delivery)
    }

    fn held(&mut self) -> &mut Held {
        let owed = self.owed.as_ref().map_or(0, |owed| owed.replies.len());
        self.held.get_or_insert_with(|| Box::new(Held::new(owed)))
    }

    /// Nothing may go before CONNACK (`5/MQTT-3.2.0-1`), and that waits.
    pub(super) fn awaits_connack(&self) -> bool {
        let first = self.owed.as_ref().and_then(|owed| owed.replies.front());
        matches!(first, Some(Reply::Accept(_)))
    }

    pub(super) fn take_owed(&mut self, journal: &Journal) -> Option<Reply> {
        if let Some(held) = &mut self.held {
            if is_empty(self.owed.as_deref()) || held.holds_owed(journal) {
                let begun = (self.phase == Phase::Open).then(|| held.take_begun(journal));
                return begun.flatten().map(Reply::Deliver);
            }
            held.take_owed();
        }
        let owed = self.owed.as_deref_mut()?;
        let reply = owed.replies.pop_front()?;
        owed.codes = owed.codes.saturating_sub(codes(&reply));
        // Rare replies come before a quiet time; the many small ones do not.
        if owed.replies.is_empty() && !matches!(reply, Reply::PubAck(..) | Reply::PubRec(..)) {
            self.owed = None;
        }
        Some(reply)
    }

    /// The transport is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.gone)
    }

    /// A question is open.
    pub(super) fn is_asking(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.question.is_some())
    }

    /// Nothing is owed any more.
    pub(super) fn forget_owed(&mut self) {
        self.owed = None;
        if let Some(held) = &mut self.held {
            held.forget();
        }
    }

    /// Gives memory back that is not needed now.
    pub(super) fn shrink(&mut self, journal: &Journal) {
        if self.held.as_ref().is_some_and(|held| held.is_idle(journal)) {
            self.held = None;
        }
        if is_empty(self.owed.as_deref()) {
            self.owed = None;
        }
    }

    /// Ends a pause if there is room again; says whether it did.
    pub(super) fn go_on(&mut self) -> bool {
        let goes_on = self.paused
            && !self.is_asking()
            && self
                .owed
                .as_ref()
                .is_none_or(|owed| owed.replies.len() <= OWED_MAX / 2 && owed.codes <= OWED_CODES_MAX / 2);
        self.paused &= !goes_on;
        goes_on
    }

    /// The PUBLISH is no larger than the client allows (`5/MQTT-3.1.2-24`).
    pub(super) fn fits(&self, delivery: &Delivery, now: Instant) -> bool {
        let max = usize::try_from(self.max_packet).unwrap_or(usize::MAX);
        delivery.len_bound() <= max
            || delivery
                .encoded_len(self.version, now, None)
                .is_some_and(|len| len <= max)
    }
}

fn is_empty(owed: Option<&Owed>) -> bool {
    owed.is_none_or(|owed| owed.replies.is_empty())
}

fn codes(reply: &Reply) -> u32 {
    match reply {
        Reply::SubAck(_, codes) | Reply::UnsubAck(_, codes) => u32::try_from(codes.len()).unwrap_or(u32::MAX),
        Reply::Explained(explained) => codes(&explained.reply),
        Reply::Accept(_)
        | Reply::Auth(_)
        | Reply::Refuse(_)
        | Reply::Deliver(_)
        | Reply::PubAck(..)
        | Reply::PubRec(..)
        | Reply::PubRel(..)
        | Reply::PubComp(..)
        | Reply::Disconnect(_)
        | Reply::Close => 0,
    }
}
