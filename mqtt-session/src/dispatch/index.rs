//! Patterns, found by topic and by Subscription Identifier.

use alloc::collections::BTreeMap;
use core::num::NonZeroU32;

use mqtt_proto::topic::{Captures, OwnedPattern, Pattern, level_count};
use mqtt_proto::{TopicFilter, TopicName};
use slab::Slab;

use super::Registration;
use crate::level_tree::{LevelTree, Vacant, small_map::SmallMap};

/// All patterns, by number; numbers of removed ones are used again.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) tree: LevelTree<Here>,
    routes: Slab<Route>,
    pub(super) by_identifier: BTreeMap<u32, SmallMap<u64, u32>>,
    /// How many have no identifier.
    pub(super) plain: usize,
    /// Bytes of all patterns.
    text: usize,
    last: u64,
}

/// One pattern.
#[derive(Clone, Debug)]
struct Route {
    pattern: OwnedPattern,
    identifier: Option<NonZeroU32>,
    serial: u64,
}

/// The patterns of one filter, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Here(pub(super) SmallMap<u64, Place>);

#[derive(Copy, Clone, Debug)]
pub(super) struct Place {
    pub(super) route: u32,
    /// It has no identifier.
    pub(super) plain: bool,
}

impl Vacant for Here {
    fn is_vacant(&self) -> bool {
        self.0.is_empty()
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            tree: LevelTree::new(),
            routes: Slab::new(),
            by_identifier: BTreeMap::new(),
            plain: 0,
            text: 0,
            last: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Memory for so many patterns, so many bytes of text and so many nodes, about. The text stands in the nodes too.
    const fn memory(routes: usize, text: usize, nodes: usize) -> usize {
        (size_of::<Route>() + size_of::<(u32, SmallMap<u64, u32>)>())
            .saturating_mul(routes)
            .saturating_add(text.saturating_mul(2))
            .saturating_add(LevelTree::<Here>::NODE_BYTES.saturating_mul(nodes))
    }

    pub(super) fn bytes(&self) -> usize {
        Self::memory(self.routes.len(), self.text, self.tree.len())
    }

    /// How much [`bytes`](Self::bytes) grows with this pattern.
    pub(super) fn cost(&self, pattern: Pattern<'_>) -> usize {
        Self::memory(1, pattern.as_str().len(), self.tree.missing(pattern.levels()))
    }

    /// The cost of a pattern when there is no other.
    pub(super) fn cost_alone(pattern: Pattern<'_>) -> usize {
        Self::memory(1, pattern.as_str().len(), level_count(pattern.as_str()))
    }

    pub(super) fn insert(&mut self, pattern: Pattern<'_>, identifier: Option<NonZeroU32>) -> Registration {
        self.last += 1;
        let serial = self.last;
        let route = self.routes.insert(Route {
            pattern: pattern.into(),
            identifier,
            serial,
        }) as u32;
        self.text += pattern.as_str().len();
        let plain = identifier.is_none();
        if let Some(here) = self.tree.entry(pattern.levels()) {
            here.0.insert(serial, Place { route, plain });
        }
        match identifier {
            Some(id) => {
                let same = self.by_identifier.entry(id.get()).or_default();
                same.insert(serial, route);
            }
            None => self.plain += 1,
        }
        Registration { route, serial }
    }

    /// False if it is not there any more.
    pub(super) fn remove(&mut self, Registration { route, serial }: Registration) -> bool {
        let is_it = |it: &Route| it.serial == serial;
        if !self.routes.get(route as usize).is_some_and(is_it) {
            return false;
        }
        let Some(gone) = self.routes.try_remove(route as usize) else {
            return false;
        };
        let pattern = gone.pattern.view();
        self.text = self.text.saturating_sub(pattern.as_str().len());
        self.tree.change(pattern.levels(), |here| here.0.remove(&serial));
        match gone.identifier.map(NonZeroU32::get) {
            Some(id) => {
                if let Some(same) = self.by_identifier.get_mut(&id) {
                    same.remove(&serial);
                    if same.is_empty() {
                        self.by_identifier.remove(&id);
                    }
                }
            }
            None => self.plain = self.plain.saturating_sub(1),
        }
        true
    }

    pub(super) fn get(
        &self,
        Registration { route, serial }: Registration,
    ) -> Option<(Pattern<'_>, Option<u32>)> {
        let found = self.routes.get(route as usize)?;
        let identifier = found.identifier.map(NonZeroU32::get);
        (found.serial == serial).then_some((found.pattern.view(), identifier))
    }

    pub(super) fn captures<'t>(&self, route: u32, topic: TopicName<'t>) -> Option<Captures<'_, 't>> {
        self.routes.get(route as usize)?.pattern.view().captures(topic)
    }

    /// All of one filter, oldest first.
    pub(super) fn of_filter<'f>(
        &self,
        filter: TopicFilter<'f>,
    ) -> impl Iterator<Item = Registration> + use<'_, 'f> {
        let share = filter.share();
        let group = share.map(|share| share.group());
        let topics = share.map_or(filter, |share| share.filter());
        let here = self.tree.get(topics.levels());
        here.into_iter()
            .flat_map(|here| here.0.iter())
            .map(|(&serial, place)| Registration {
                route: place.route,
                serial,
            })
            .filter(move |&one| self.get(one).is_some_and(|(pattern, _)| pattern.group() == group))
    }
}
