//! What a server asks its owner before it does what a client wants. The table of what comes meanwhile stands at [`Question`];
//! `tests/server/deciding` has it as data, with a test for each row.

use alloc::collections::BTreeMap;
use core::{fmt, num::NonZeroU64};

use mqtt_proto::{
    Version,
    packet::{Auth, Connect, Publish, Subscribe, Unsubscribe},
};

use super::{ConnId, Grant, Peer};
use crate::Instant;

/// The number of a question. No two questions of a server have the same, so a decision that comes too late is known as such.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(NonZeroU64);

impl Ticket {
    /// As a number, for a place that takes nothing else.
    pub const fn into_raw(self) -> u64 {
        self.0.get()
    }

    /// The ticket that [`into_raw`](Self::into_raw) made this number of. A number that is no ticket's becomes one that was
    /// never given.
    pub const fn from_raw(raw: u64) -> Self {
        match NonZeroU64::new(raw) {
            Some(number) => Self(number),
            None => Self(NonZeroU64::MAX),
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.0)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An open question, as it can be looked at until it is decided.
///
/// A request that [`Asks`](super::Asks) names becomes a *question*: its packet is held back, and the connection goes on when
/// [`handle_decision`](super::Server::handle_decision) answers, at once or later, or when
/// [`Limits::decision_timeout`](super::Limits::decision_timeout) has passed. There is at most one open question on each
/// connection. What comes on it meanwhile:
///
/// | in question | comes | then |
/// |---|---|---|
/// | connect | a CONNECT with the same client id, elsewhere | the client that is connected stays; of all that wait the last *allowed* one has the session, the others get 0x8E |
/// | connect | packets of the same client | wait, and are done after CONNACK; without effect if it is refused |
/// | connect with Authentication Method | anything but AUTH and DISCONNECT, or AUTH before its turn | protocol error |
/// | connect, no decision in time | | CONNACK 0x88 |
/// | publish | the session is taken over, or discarded | no acknowledgement, no message |
/// | publish, no decision in time | | 0x83; in 3.x the connection is closed, at QoS 0 the message dropped |
/// | subscribe | the link is lost | nothing is subscribed |
/// | subscribe, no decision in time | | 0x80 for each filter |
/// | unsubscribe, no decision in time | | 0x83 for each filter; in 3.x the connection is closed |
/// | re-authentication | the link is lost | nothing |
/// | re-authentication, no decision in time, or no AUTH of the client | | DISCONNECT 0x87 |
/// | anything | packets | wait in order, and are done after it |
/// | anything | more bytes than [`Limits::inbox_bytes`](super::Limits::inbox_bytes) | the client is not read; a [`Broker`](super::Broker) that is given more ends the connection with 0x97 |
/// | anything | PINGREQ | PINGRESP at once; before CONNACK, right after it |
/// | anything | silence | is not the client's fault |
/// | anything | a violation, or the server ends the connection | at once; nothing of what waits is done |
/// | anything | DISCONNECT, then the end of the transport | DISCONNECT waits; what is before it is done, if it is allowed |
/// | anything | the end of the transport | nothing of what waits is done |
/// | anything | a decision for a link that is gone, a second one, one that is late | ignored and counted |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question<'q> {
    /// What its decision has to name.
    pub ticket: Ticket,
    /// The connection.
    pub conn: ConnId,
    /// Where it comes from.
    pub peer: Peer,
    /// The version that its client speaks.
    pub version: Version,
    /// What the client is called; before it is accepted, what it calls itself, which may be nothing.
    pub client_id: &'q str,
    /// What it was granted; before it is accepted, what those are granted who come through its listener.
    pub grant: &'q Grant,
    /// When it is too late.
    pub deadline: Instant,
    /// What it wants.
    pub asked: Asked<'q>,
}

/// What a client wants.
#[derive(Copy, Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Asked<'q> {
    /// To connect. Credentials, will and Authentication Method are part of it: a will that is let in here is published
    /// without another question.
    Connect(Connect<'q>),
    /// To publish. The topic is there: aliases are resolved.
    Publish(Publish<'q>),
    /// To subscribe to one or more filters.
    Subscribe(Subscribe<'q>),
    /// To unsubscribe.
    Unsubscribe(Unsubscribe<'q>),
    /// To go on with the authentication that [`Decision::Continue`](super::Decision::Continue) asked it to.
    Auth {
        /// Its Authentication Data, and what else it says.
        auth: Auth<'q>,
        /// The CONNECT it belongs to; `None` in a re-authentication.
        connect: Option<Connect<'q>>,
    },
    /// To authenticate anew while it is connected (5.0, 4.12.1).
    Reauthenticate(Auth<'q>),
}

/// How many questions there were, and what became of them.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuestionCounts {
    /// Asked so far.
    pub asked: u64,
    /// Decided in time.
    pub decided: u64,
    /// Not decided in time.
    pub expired: u64,
    /// Gone before they were decided: the connection was.
    pub abandoned: u64,
    /// Decisions that no open question waited for.
    pub ignored: u64,
}

/// What an entry waits for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Auth,
    Reauthenticate,
    /// Not a question: the client was sent AUTH on an open connection and is to answer.
    Client,
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Open {
    pub(crate) conn: ConnId,
    pub(crate) kind: Kind,
    pub(crate) deadline: Instant,
}

/// What is open, by number. All wait equally long, so this is the order of the deadlines, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Questions {
    last: u64,
    /// The last one that was polled.
    polled: u64,
    open: BTreeMap<u64, Open>,
    counts: QuestionCounts,
}

impl Questions {
    pub(crate) fn open(&mut self, open: Open) -> Ticket {
        self.last = self.last.saturating_add(1);
        self.counts.asked += u64::from(open.kind != Kind::Client);
        self.open.insert(self.last, open);
        Ticket::from_raw(self.last)
    }

    /// The next question that was not polled yet.
    pub(crate) fn poll(&mut self) -> Option<Ticket> {
        let from = self.polled.saturating_add(1);
        let (&number, _) = self
            .open
            .range(from..)
            .find(|(_, open)| open.kind != Kind::Client)?;
        self.polled = number;
        Some(Ticket::from_raw(number))
    }

    /// An open question.
    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Open> {
        self.open
            .get(&ticket.into_raw())
            .filter(|open| open.kind != Kind::Client)
    }

    /// Takes out what a decision is for; one for nothing is counted.
    pub(crate) fn decide(&mut self, ticket: Ticket) -> Option<Open> {
        let Some(open) = self.get(ticket).copied() else {
            self.counts.ignored += 1;
            return None;
        };
        self.open.remove(&ticket.into_raw());
        self.counts.decided += 1;
        Some(open)
    }

    /// Takes out one whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Open> {
        let entry = self
            .open
            .first_entry()
            .filter(|entry| entry.get().deadline <= now)?;
        let open = entry.remove();
        self.counts.expired += u64::from(open.kind != Kind::Client);
        Some(open)
    }

    /// Nobody waits for it any more.
    pub(crate) fn close(&mut self, ticket: Ticket) {
        if let Some(open) = self.open.remove(&ticket.into_raw()) {
            self.counts.abandoned += u64::from(open.kind != Kind::Client);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.first_key_value().map(|(_, open)| open.deadline)
    }

    pub(crate) const fn counts(&self) -> QuestionCounts {
        self.counts
    }
}
