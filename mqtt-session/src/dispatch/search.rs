//! Which patterns a message goes to, and in which order.

use mqtt_proto::topic::Captures;
use mqtt_proto::{Properties, TopicName};

use super::index::{Here, Index, Place};
use crate::level_tree::{Matching, Reached, small_map};

/// So many different identifiers of one message are looked up; with more, it is searched for by its topic alone. That
/// bounds what a server can cause by listing them.
const MAX_IDENTIFIERS: usize = 16;

/// A search for a message: first by its identifiers, then by its topic.
#[derive(Clone, Debug)]
pub(super) struct Search<'d, 't> {
    index: &'d Index,
    topic: TopicName<'t>,
    identifiers: Known,
    /// Patterns of the identifier that was looked up last.
    of_identifier: small_map::Iter<'d, u64, u32>,
    /// An identifier has led to a pattern that matches.
    found: bool,
    nodes: Matching<'d, 't, Here>,
    /// Patterns of the node that was reached last.
    of_node: small_map::Iter<'d, u64, Place>,
    /// Wildcards on the first level match `$`.
    dollar: bool,
}

/// The identifiers of a message that lead somewhere, each once, in their order.
#[derive(Clone, Debug)]
struct Known {
    list: [u32; MAX_IDENTIFIERS],
    next: usize,
    end: usize,
}

impl Known {
    fn of(index: &Index, properties: Properties<'_>) -> Self {
        let mut known = Self {
            list: [0; MAX_IDENTIFIERS],
            next: 0,
            end: 0,
        };
        if index.by_identifier.is_empty() {
            return known;
        }
        for id in properties.subscription_identifiers() {
            // One identifier may stand there for several subscriptions (5.0, 3.3.4).
            let seen = known.list.iter().take(known.end).any(|&other| other == id);
            if seen || !index.by_identifier.contains_key(&id) {
                continue;
            }
            let Some(place) = known.list.get_mut(known.end) else {
                known.end = 0;
                break;
            };
            *place = id;
            known.end += 1;
        }
        known
    }

    fn take(&mut self) -> Option<u32> {
        let id = self.list.get(..self.end)?.get(self.next)?;
        self.next += 1;
        Some(*id)
    }
}

impl<'d, 't> Search<'d, 't> {
    pub(super) fn new(
        index: &'d Index,
        topic: TopicName<'t>,
        properties: Properties<'_>,
        dollar: bool,
    ) -> Self {
        Self {
            index,
            topic,
            identifiers: Known::of(index, properties),
            of_identifier: small_map::Iter::default(),
            found: false,
            nodes: index.tree.matching_filters(topic.as_str()),
            of_node: small_map::Iter::default(),
            dollar,
        }
    }

    fn next_by_identifier(&mut self) -> Option<(u32, Captures<'d, 't>)> {
        loop {
            for (_, &route) in self.of_identifier.by_ref() {
                // The server knows best who gets it, but the identifier may be one of an earlier time.
                if let Some(captures) = self.index.captures(route, self.topic) {
                    self.found = true;
                    return Some((route, captures));
                }
            }
            let id = self.identifiers.take()?;
            self.of_identifier = self.index.by_identifier.get(&id)?.iter();
        }
    }

    fn next_by_topic(&mut self) -> Option<(u32, Captures<'d, 't>)> {
        // Whoever has an identifier was found by it. The others may be meant too, by the same copy of the message.
        let plain_only = self.found;
        if plain_only && self.index.plain == 0 {
            return None;
        }
        loop {
            for (_, place) in self.of_node.by_ref() {
                if plain_only && !place.plain {
                    continue;
                }
                if let Some(captures) = self.index.captures(place.route, self.topic) {
                    return Some((place.route, captures));
                }
            }
            let Reached { node, dollar } = self.nodes.next()?;
            // 5/MQTT-4.7.2-1, 3.1.1/MQTT-4.7.2-1
            if dollar && !self.dollar {
                continue;
            }
            self.of_node = self.index.tree.value_at(node)?.0.iter();
        }
    }
}

/// The number of a pattern, and what its wildcards stand for.
impl<'d, 't> Iterator for Search<'d, 't> {
    type Item = (u32, Captures<'d, 't>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_by_identifier().or_else(|| self.next_by_topic())
    }
}
