//! What the owner of a server says and hears on a connection without a wire: see
//! [`Broker::open_local`](super::Broker::open_local).

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc};
use core::{fmt, num::NonZeroU32};

use mqtt_proto::{
    EncodeError, QoS, ReasonCode,
    topic::{Captures, OwnedPattern},
};

use super::{Delivery, Grant, Message};

/// How a local connection is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalOptions {
    /// What it is called in listings and events. No client can take it over, or be taken over by it, whatever its id.
    pub name: Arc<str>,
    /// The listener whose [`Offer`](super::Offer) holds for it: what is not available there is refused. Default: 0.
    pub listener: u16,
    /// What it may use, and whom it can meet. Default: what that listener's clients are granted.
    pub grant: Option<Grant>,
    /// A message finds no room in a queue: it is dropped there and counted, as one of any client. Otherwise, which is the
    /// default, one of QoS 1 or 2 is refused as a whole.
    pub drop_when_full: bool,
}

impl LocalOptions {
    /// With this name, and the defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            listener: 0,
            grant: None,
            drop_when_full: false,
        }
    }
}

/// Names a subscription of one local connection. Not used again on it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalSubscription(pub(super) NonZeroU32);

/// Why a local connection could not publish. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPublished {
    /// Too much at once: ask again later. See [`Broker::publish_local`](super::Broker::publish_local).
    Overloaded,
    /// The listener does not offer it, or the topic has too many levels.
    Refused(ReasonCode),
    /// No PUBLISH can say it.
    Invalid(EncodeError),
    /// The connection is over.
    Closed,
}

impl fmt::Display for NotPublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded => f.write_str("overloaded; ask again later"),
            Self::Refused(code) => write!(f, "refused with {code}"),
            Self::Invalid(error) => write!(f, "not a message: {error}"),
            Self::Closed => f.write_str("the connection is over"),
        }
    }
}

impl core::error::Error for NotPublished {}

/// A message that a local connection takes. It is done with; nothing is to be acknowledged.
#[derive(Clone, Debug)]
pub struct LocalDelivery<'b> {
    delivery: Delivery,
    patterns: &'b Patterns,
}

impl<'b> LocalDelivery<'b> {
    pub(super) const fn new(delivery: Delivery, patterns: &'b Patterns) -> Self {
        Self { delivery, patterns }
    }

    /// The message. To keep it, clone it: that copies a pointer.
    pub const fn message(&self) -> &Message {
        self.delivery.message()
    }

    /// The lower of the QoS of the message and that of the subscription (`5/MQTT-3.8.4-8`).
    pub const fn qos(&self) -> QoS {
        self.delivery.qos()
    }

    /// It was retained when its subscription was made, or comes through one with Retain As Published.
    pub const fn retain(&self) -> bool {
        self.delivery.retain()
    }

    /// The subscriptions that it comes from, each with what its named wildcards stand for. None of one that was removed
    /// while the message waited.
    pub fn matches(&self) -> impl Iterator<Item = (LocalSubscription, Captures<'b, '_>)> {
        let topic = self.message().topic();
        let patterns = self.patterns;
        self.delivery.subscription_ids().filter_map(move |id| {
            let captures = patterns.by_number.get(&id)?.view().captures(topic)?;
            Some((LocalSubscription(id), captures))
        })
    }

    /// What this named wildcard stands for, in the first of the patterns that have it.
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.matches().find_map(|(_, captures)| captures.get(name))
    }
}

/// The patterns of one local connection, by the numbers that its subscriptions have as their identifiers.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    by_number: BTreeMap<NonZeroU32, OwnedPattern>,
    by_filter: BTreeMap<Box<str>, NonZeroU32>,
    last: u32,
}

impl Patterns {
    /// The number of this filter: the one it has, or the next.
    pub(super) fn number(&self, filter: &str) -> Option<NonZeroU32> {
        match self.by_filter.get(filter) {
            Some(&number) => Some(number),
            None => NonZeroU32::new(self.last.checked_add(1)?),
        }
    }

    pub(super) fn insert(&mut self, filter: &str, number: NonZeroU32, pattern: OwnedPattern) {
        self.last = self.last.max(number.get());
        self.by_filter.insert(filter.into(), number);
        self.by_number.insert(number, pattern);
    }

    /// The filter of this number, which is no longer subscribed.
    pub(super) fn remove(&mut self, number: NonZeroU32) -> Option<Box<str>> {
        let pattern = self.by_number.remove(&number)?;
        let filter = alloc::string::ToString::to_string(&pattern.view().filter());
        self.by_filter.remove(&*filter);
        Some(filter.into())
    }

    pub(super) fn remove_filter(&mut self, filter: &str) {
        if let Some(number) = self.by_filter.remove(filter) {
            self.by_number.remove(&number);
        }
    }
}
