//! Requests that wait for their answers.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use core::fmt;

use mqtt_proto::ReasonCode;

use crate::{Instant, Token, client::AbortReason};

/// Names a request. Not used again within one [`Requests`](super::Requests).
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// The number: 1 for the first request. It is the second half of its Correlation Data.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A request that has ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unanswered<T> {
    /// Which one.
    pub id: RequestId,
    /// What was kept with it.
    pub value: T,
    /// Why.
    pub why: Why,
}

/// Why a request has ended without an answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// No answer came in time.
    TimedOut,
    /// The server did not take it, or says that nobody is subscribed to its topic (0x10, 5.0, 3.4.2.1).
    Refused(ReasonCode),
    /// The client has aborted the message.
    NotSent(AbortReason),
    /// The connection has ended ([`OnClosed::Abort`](super::OnClosed)).
    ConnectionClosed,
    /// The version of the connection has no Correlation Data.
    NoCorrelation,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Refused(code) => write!(f, "not taken by the server: {code:?}"),
            Self::NotSent(why) => write!(f, "not sent: {why:?}"),
            Self::ConnectionClosed => f.write_str("the connection has ended"),
            Self::NoCorrelation => f.write_str("no correlation data in this version"),
        }
    }
}

impl core::error::Error for Why {}

/// All requests that wait, and those that have ended without an answer and were not told yet.
#[derive(Clone, Debug)]
pub(super) struct Pending<T> {
    waiting: BTreeMap<RequestId, Waiting<T>>,
    by_deadline: BTreeSet<(Instant, RequestId)>,
    /// Of those whose message is not finished.
    by_token: BTreeMap<Token, RequestId>,
    ended: VecDeque<Unanswered<T>>,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    value: T,
    topic: Arc<str>,
    token: Option<Token>,
    deadline: Instant,
}

impl<T> Pending<T> {
    pub(super) const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            by_token: BTreeMap::new(),
            ended: VecDeque::new(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// With those that were not told.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.ended.len()
    }

    pub(super) fn add(
        &mut self,
        id: RequestId,
        topic: Arc<str>,
        token: Option<Token>,
        deadline: Instant,
        value: T,
    ) {
        self.by_deadline.insert((deadline, id));
        if let Some(token) = token {
            self.by_token.insert(token, id);
        }
        let waiting = Waiting {
            value,
            topic,
            token,
            deadline,
        };
        self.waiting.insert(id, waiting);
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&T> {
        self.waiting.get(&id).map(|waiting| &waiting.value)
    }

    /// It is waited for an answer to this request, at this topic.
    pub(super) fn awaits(&self, id: RequestId, topic: &str) -> bool {
        self.waiting
            .get(&id)
            .is_some_and(|waiting| &*waiting.topic == topic)
    }

    /// The request is over: what was kept with it.
    pub(super) fn take(&mut self, id: RequestId) -> Option<T> {
        let Waiting {
            value,
            token,
            deadline,
            ..
        } = self.waiting.remove(&id)?;
        self.by_deadline.remove(&(deadline, id));
        if let Some(token) = token {
            // A later request may have the token by now, if there were 2^32 operations between them.
            if self.by_token.get(&token) == Some(&id) {
                self.by_token.remove(&token);
            }
        }
        Some(value)
    }

    pub(super) fn end(&mut self, id: RequestId, why: Why) {
        if let Some(value) = self.take(id) {
            self.ended.push_back(Unanswered { id, value, why });
        }
    }

    pub(super) fn end_all(&mut self, why: Why) {
        while let Some((&id, _)) = self.waiting.first_key_value() {
            self.end(id, why);
        }
    }

    /// The message with this token is finished: that of this request.
    pub(super) fn finished(&mut self, token: Token) -> Option<RequestId> {
        let id = self.by_token.remove(&token)?;
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.token = None;
        }
        Some(id)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|&(at, _)| at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.by_deadline.first() {
            if at > now {
                break;
            }
            self.end(id, Why::TimedOut);
        }
    }

    pub(super) fn next_ended(&mut self) -> Option<Unanswered<T>> {
        self.ended.pop_front()
    }
}
