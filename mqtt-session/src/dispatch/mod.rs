//! Messages to those who asked for them: a tree of patterns, with a value at each.
//!
//! A [`Dispatcher`] holds a value for each [`Pattern`], a topic filter whose wildcards may have names: a function, a
//! channel, the number of a widget. A message that arrives leads to all values whose pattern matches its topic, together
//! with what the named wildcards stand for. The search is that of the broker; it allocates nothing, needs the same
//! memory however many levels a topic has, and its cost does not depend on patterns that do not match.
//!
//! ```
//! use mqtt_proto::{Properties, TopicName, Version, topic::Pattern};
//! use mqtt_session::dispatch::{Dispatcher, Limits};
//!
//! let mut dispatcher = Dispatcher::new(Limits::new(Version::V5));
//! dispatcher.insert(Pattern::new("site/+room/temp/#rest")?, "thermometer")?;
//! dispatcher.insert(Pattern::new("site/#")?, "log")?;
//!
//! // `while let Some(event)`, and there `Event::Message(message)`:
//! let topic = TopicName::new("site/attic/temp/raw/1")?; // Client::topic(&message)
//! let properties = Properties::EMPTY; // message.properties
//! let mut told = Vec::new();
//! for (handler, captures) in dispatcher.matches(topic, properties) {
//!     told.push((*handler, captures.get("room"), captures.get("rest")));
//! }
//! assert_eq!(told, [("thermometer", Some("attic"), Some("raw/1")), ("log", None, None)]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Order
//!
//! The most particular first, so that `next()` is the one to take if only one shall have the message: where two patterns
//! differ first, the one with a text there comes before the one with `+`, that before `#`, and a pattern before itself
//! with `/#` behind it. Values of the same filter come in the order in which they were inserted.
//!
//! # Subscription Identifiers
//!
//! A value may be inserted with the Subscription Identifier of its subscription (5.0, 3.8.2.1.2). A message that names
//! identifiers then goes to their values without a search, in the order in which it names them, and after that to
//! values without identifier whose patterns match. So where a server sends a copy for each of several overlapping
//! subscriptions, as it may (5.0, 3.3.4), each value gets its own copy, if all of them have identifiers; without them,
//! each value gets each copy.
//!
//! Identifiers make it faster and exact; they are never the only way. Where a message names none, as always in 3.x, or
//! none of those that it names leads to a pattern that matches (the subscription may be of an earlier run of the
//! program), its topic alone decides. So it does for more than 16 different ones in one message.
//!
//! # Shared subscriptions
//!
//! `$share/group/site/+room` is found by what stands behind the group, because that is what topics look like.
//!
//! # Together with the registry
//!
//! [`Dispatcher::subscribe`] makes the SUBSCRIBE that belongs to a pattern and registers the value only if it was taken.
//! The [registry](crate::registry) hears of it in the same place:
//!
//! ```
//! use mqtt_proto::{QoS, Version, packet::{Connect, SubscriptionOptions}, topic::Pattern};
//! use mqtt_session::{Client, Config, Refused, storage::Heap, testing::Net};
//! use mqtt_session::{dispatch::{Dispatcher, Limits}, registry::Registry};
//!
//! let mut net = Net::new(Default::default());
//! let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
//! net.connect(c, &Connect::new(Version::V5, "me"))?;
//! net.settle();
//!
//! let (mut dispatcher, mut registry) = (Dispatcher::new(Limits::new(Version::V5)), Registry::new());
//! let (pattern, options) = (Pattern::new("site/+room")?, SubscriptionOptions::new(QoS::AtLeastOnce));
//! let identifier = dispatcher.unused_identifier(); // or None: on connections of 3.x, or by choice
//! let now = net.now();
//! let (registration, token) = dispatcher.subscribe(pattern, options, identifier, "handler", |wanted, properties| {
//!     let token = net.client(c).subscribe(now, wanted, properties)?;
//!     registry.handle_subscribe(token, wanted, properties);
//!     Ok::<_, Refused>(token)
//! })?;
//! // SUBACK for this token with a failure, or the registry's event `Refused` with this filter: nothing will come.
//! // dispatcher.remove(registration);
//! # assert_eq!(dispatcher.get(registration), Some(&"handler"));
//! # net.settle();
//! # net.take_events(c).iter().for_each(|event| { registry.handle_owned_event(event); });
//! # assert_eq!(registry.held().next().map(|held| (held.subscription.filter.as_str(), held.identifier)), Some(("site/+", identifier)));
//! # let _ = token;
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! A restored subscription keeps its identifier, so nothing has to be registered again.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | values and limits |
//! | `index` | patterns by topic and by identifier |
//! | `search` | which patterns a message goes to |

mod index;
mod search;

use alloc::{string::ToString, vec::Vec};
use core::num::NonZeroU32;

use mqtt_proto::packet::{Subscribe, Subscription, SubscriptionOptions, Subscriptions};
use mqtt_proto::topic::{Captures, Pattern};
use mqtt_proto::{Packet, PacketId, Properties, Property, QoS, TopicFilter, TopicName, Version};

use crate::{NotTaken, Refused};
use index::Index;
use search::Search;

/// The largest Subscription Identifier: what a variable byte integer can say (5.0, 3.8.2.1.2).
const MAX_IDENTIFIER: u32 = mqtt_proto::MAX_REMAINING_LENGTH;

/// Values by pattern, and by Subscription Identifier. See the [module](self).
#[derive(Clone, Debug)]
pub struct Dispatcher<T> {
    index: Index,
    /// By the numbers of the index.
    values: Vec<Option<T>>,
    limits: Limits,
    last_identifier: u32,
}

/// How much a [`Dispatcher`] holds, and whose rules it matches by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// In 3.1 a wildcard on the first level of a pattern matches topics that begin with `$`, later not
    /// (`5/MQTT-4.7.2-1`, `3.1.1/MQTT-4.7.2-1`). A server that names a Subscription Identifier is believed.
    pub version: Version,
    /// Registrations. Default: 65,536.
    pub registrations: usize,
    /// Bytes of memory for patterns and their tree, about; values not counted. A level that no other pattern has costs
    /// some 100 bytes. Default: 16 MiB.
    pub bytes: usize,
}

impl Limits {
    /// The defaults.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            registrations: 65_536,
            bytes: 16 * 1024 * 1024,
        }
    }
}

/// Names a pattern with its value, until it is removed. Not used again within one dispatcher.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration {
    route: u32,
    serial: u64,
}

impl<T> Dispatcher<T> {
    /// Without any value.
    pub fn new(limits: Limits) -> Self {
        Self {
            index: Index::new(),
            values: Vec::new(),
            limits,
            last_identifier: 0,
        }
    }

    /// Registers a value. The same pattern may have several.
    ///
    /// # Errors
    /// The value comes back, with [`Refused::Slots`] or [`Refused::Bytes`] if a limit is reached, and
    /// [`Refused::TooLarge`] if this pattern alone is above it.
    pub fn insert(&mut self, pattern: Pattern<'_>, value: T) -> Result<Registration, NotTaken<T>> {
        self.register(pattern, None, value)
    }

    /// Registers a value, with the Subscription Identifier that its subscription has. Several may have the same one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), and [`Refused::Invalid`] if no subscription has such an identifier: it is 1 to
    /// 268,435,455 (5.0, 3.8.2.1.2).
    pub fn insert_with_identifier(
        &mut self,
        pattern: Pattern<'_>,
        identifier: u32,
        value: T,
    ) -> Result<Registration, NotTaken<T>> {
        self.register(pattern, Some(identifier), value)
    }

    /// Subscribes by `subscribe`, and registers the value if that was taken: see the [module](self#together-with-the-registry).
    /// The properties that it is given hold the Subscription Identifier, if there is one.
    ///
    /// # Errors
    /// The value comes back, with what [`insert_with_identifier`](Self::insert_with_identifier) or `subscribe` says; then
    /// nothing is registered.
    pub fn subscribe<R, E: From<Refused>>(
        &mut self,
        pattern: Pattern<'_>,
        options: SubscriptionOptions,
        identifier: Option<u32>,
        value: T,
        subscribe: impl FnOnce(&[Subscription<'_>], Properties<'_>) -> Result<R, E>,
    ) -> Result<(Registration, R), NotTaken<T, E>> {
        let ask = || {
            let identifier = self.admit(pattern, identifier)?;
            let text = pattern.filter().to_string();
            let filter = TopicFilter::new(&text).map_err(Refused::from)?;
            let property = identifier.map(|id| Property::SubscriptionIdentifier(id.get()));
            let wanted = [Subscription { filter, options }];
            let answer = subscribe(&wanted, Properties::new(property.as_slice()))?;
            Ok((identifier, answer))
        };
        match ask() {
            Ok((identifier, answer)) => Ok((self.put(pattern, identifier, value), answer)),
            Err(why) => Err(NotTaken::new(value, why)),
        }
    }

    /// A Subscription Identifier that no value has here; another one at each call, until all have been used. None in the
    /// case that no identifier is left.
    pub fn unused_identifier(&mut self) -> Option<u32> {
        let used = &self.index.by_identifier;
        if used.len() >= MAX_IDENTIFIER as usize {
            return None;
        }
        loop {
            self.last_identifier = self.last_identifier % MAX_IDENTIFIER + 1;
            if !used.contains_key(&self.last_identifier) {
                return Some(self.last_identifier);
            }
        }
    }

    fn register(
        &mut self,
        pattern: Pattern<'_>,
        identifier: Option<u32>,
        value: T,
    ) -> Result<Registration, NotTaken<T>> {
        match self.admit(pattern, identifier) {
            Ok(identifier) => Ok(self.put(pattern, identifier, value)),
            Err(why) => Err(NotTaken::new(value, why)),
        }
    }

    /// There is room for it, and there may be such an identifier.
    fn admit(&self, pattern: Pattern<'_>, identifier: Option<u32>) -> Result<Option<NonZeroU32>, Refused> {
        let identifier = identifier.map_or(Ok(None), check_identifier)?;
        if self.index.len() >= self.limits.registrations.min(u32::MAX as usize) {
            return Err(Refused::Slots);
        }
        if Index::cost_alone(pattern) > self.limits.bytes {
            return Err(Refused::TooLarge);
        }
        if self.index.bytes().saturating_add(self.index.cost(pattern)) > self.limits.bytes {
            return Err(Refused::Bytes);
        }
        Ok(identifier)
    }

    fn put(&mut self, pattern: Pattern<'_>, identifier: Option<NonZeroU32>, value: T) -> Registration {
        let registration = self.index.insert(pattern, identifier);
        let at = registration.route as usize;
        if self.values.len() <= at {
            self.values.resize_with(at + 1, || None);
        }
        if let Some(place) = self.values.get_mut(at) {
            *place = Some(value);
        }
        registration
    }

    /// Takes a value out; none if it was taken out before.
    pub fn remove(&mut self, registration: Registration) -> Option<T> {
        if !self.index.remove(registration) {
            return None;
        }
        self.values.get_mut(registration.route as usize)?.take()
    }

    /// The values that a message goes to, with what the named wildcards of their patterns stand for. See the
    /// [module](self) for their order.
    ///
    /// `topic` is what [`Client::topic`](crate::Client::topic) makes of the message, where topic aliases are in use: to an empty name nothing is
    /// found. `properties` are those of the message; only its Subscription Identifiers are looked at.
    pub fn matches<'d, 't>(&'d self, topic: TopicName<'t>, properties: Properties<'_>) -> Matches<'d, 't, T> {
        Matches {
            search: Search::new(&self.index, topic, properties, self.dollar()),
            values: &self.values,
        }
    }

    /// Calls `each` with each value of [`matches`](Self::matches), which it may change; says how many there were.
    pub fn dispatch<'t>(
        &mut self,
        topic: TopicName<'t>,
        properties: Properties<'_>,
        mut each: impl FnMut(&mut T, Captures<'_, 't>),
    ) -> usize {
        let mut count = 0;
        for (route, captures) in Search::new(&self.index, topic, properties, self.dollar()) {
            if let Some(Some(value)) = self.values.get_mut(route as usize) {
                each(value, captures);
                count += 1;
            }
        }
        count
    }

    const fn dollar(&self) -> bool {
        matches!(self.limits.version, Version::V31)
    }

    /// A value.
    pub fn get(&self, registration: Registration) -> Option<&T> {
        self.index.get(registration)?;
        self.values.get(registration.route as usize)?.as_ref()
    }

    /// A value.
    pub fn get_mut(&mut self, registration: Registration) -> Option<&mut T> {
        self.index.get(registration)?;
        self.values.get_mut(registration.route as usize)?.as_mut()
    }

    /// The pattern of a value.
    pub fn pattern(&self, registration: Registration) -> Option<Pattern<'_>> {
        self.index.get(registration).map(|(pattern, _)| pattern)
    }

    /// The Subscription Identifier of a value.
    pub fn identifier(&self, registration: Registration) -> Option<u32> {
        self.index.get(registration)?.1
    }

    /// What is registered for exactly this filter, `$share/group/` included, oldest first. When there is nothing any
    /// more, nobody needs the subscription.
    pub fn of_filter<'f>(
        &self,
        filter: TopicFilter<'f>,
    ) -> impl Iterator<Item = Registration> + use<'_, 'f, T> {
        self.index.of_filter(filter)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// There is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory of patterns and their tree, as it is [limited](Limits::bytes).
    pub fn bytes(&self) -> usize {
        self.index.bytes()
    }
}

/// A SUBSCRIBE may have this Subscription Identifier: the codec knows.
fn check_identifier(identifier: u32) -> Result<Option<NonZeroU32>, Refused> {
    let property = [Property::SubscriptionIdentifier(identifier)];
    let filter = TopicFilter::new("#")?;
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::new(&property),
        filters: Subscriptions::new(&[Subscription { filter, options }]),
    })
    .encoded_len(Version::V5)?;
    Ok(NonZeroU32::new(identifier))
}

/// The values that a message goes to: see [`Dispatcher::matches`].
#[derive(Debug)]
pub struct Matches<'d, 't, T> {
    search: Search<'d, 't>,
    values: &'d [Option<T>],
}

impl<'d, 't, T> Iterator for Matches<'d, 't, T> {
    type Item = (&'d T, Captures<'d, 't>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (route, captures) = self.search.next()?;
            if let Some(Some(value)) = self.values.get(route as usize) {
                return Some((value, captures));
            }
        }
    }
}

impl<T> Clone for Matches<'_, '_, T> {
    fn clone(&self) -> Self {
        Self {
            search: self.search.clone(),
            values: self.values,
        }
    }
}

impl<T> core::iter::FusedIterator for Matches<'_, '_, T> {}
