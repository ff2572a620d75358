//! Who gets a message: subscriptions in a tree of filters.
//!
//! - the [`LevelTree`] of filters, which clients dispatch by too; retained messages stand in one the other way round.
//! - [`last`]: the name that was routed last.
//! - [`share`]: groups of a shared subscription, of which one member gets a message.
//!
//! [`Routes::route`] finds the subscriptions that match a name and merges those of one session into one delivery: its
//! QoS is the highest granted (`5/MQTT-3.3.4-2`), and it lists the identifiers of all (`5/MQTT-3.3.4-4`).

mod last;
mod share;

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::num::NonZeroU32;

use mqtt_proto::{QoS, packet::SubscriptionOptions};

use crate::level_tree::{LevelTree, Reached, Vacant, small_map::SmallMap};
use last::Last;
use share::Group;
pub(crate) use share::Room;

/// The place of a session in the broker.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionKey(pub(crate) u32);

/// How a session is subscribed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// Wildcards on the first level match `$` too: a subscription of a 3.1 client.
    pub(crate) dollar: bool,
    pub(crate) id: Option<NonZeroU32>,
}

impl Subscribed {
    pub(crate) fn new(options: SubscriptionOptions, qos: QoS, dollar: bool, id: Option<NonZeroU32>) -> Self {
        let SubscriptionOptions {
            no_local,
            retain_as_published,
            ..
        } = options;
        Self {
            qos,
            no_local,
            retain_as_published,
            dollar,
            id,
        }
    }

    /// Its session gets a message of this publisher; `dollar`: a wildcard would stand for a level that begins with `$`.
    fn wants(&self, session: SessionKey, dollar: bool, from: Option<SessionKey>) -> bool {
        // 5/MQTT-4.7.2-1, 3.1.1/MQTT-4.7.2-1; 5/MQTT-3.8.3-3
        (!dollar || self.dollar) && !(self.no_local && from == Some(session))
    }
}

/// `$share/group/filter`, in eight bytes of whoever refers to it.
#[allow(
    clippy::redundant_allocation,
    reason = "a thin pointer, for what few queue entries have"
)]
pub(crate) type GroupFilter = Arc<Box<str>>;

/// One delivery that a message leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) session: SessionKey,
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) ids: SubscriptionIds,
    /// The whole filter of the shared subscription it comes from.
    pub(crate) group: Option<GroupFilter>,
}

/// The identifiers of the subscriptions that a delivery comes from; almost always none or one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscriptionIds {
    first: Option<NonZeroU32>,
    #[allow(clippy::box_collection, reason = "eight bytes for what is almost never there")]
    more: Option<Box<Vec<NonZeroU32>>>,
}

impl FromIterator<NonZeroU32> for SubscriptionIds {
    fn from_iter<I: IntoIterator<Item = NonZeroU32>>(ids: I) -> Self {
        let mut all = Self::default();
        for id in ids {
            all.add(Self::one(Some(id)));
        }
        all
    }
}

impl SubscriptionIds {
    pub(crate) const fn one(id: Option<NonZeroU32>) -> Self {
        Self {
            first: id,
            more: None,
        }
    }

    fn add(&mut self, ids: Self) {
        for id in ids.iter() {
            if self.first.is_none() {
                self.first = Some(id);
            } else {
                self.more.get_or_insert_default().push(id);
            }
        }
    }

    /// Bytes of memory beside the value itself.
    pub(crate) fn more_bytes(&self) -> usize {
        self.more.as_ref().map_or(0, |more| size_of_val(more.as_slice()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = NonZeroU32> + '_ {
        self.first
            .into_iter()
            .chain(self.more.iter().flat_map(|more| more.iter().copied()))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Routes {
    tree: LevelTree<Subscribers>,
    /// Where a message has found groups, kept between messages for its memory.
    grouped: Vec<Reached>,
    last: Last,
}

#[derive(Clone, Debug, Default)]
struct Subscribers {
    direct: SmallMap<SessionKey, Subscribed>,
    #[allow(clippy::box_collection, reason = "eight bytes in each node for what few have")]
    groups: Option<Box<BTreeMap<Box<str>, Group>>>,
}

impl Vacant for Subscribers {
    fn is_vacant(&self) -> bool {
        self.direct.is_empty() && self.groups.is_none()
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            tree: LevelTree::new(),
            grouped: Vec::new(),
            last: Last::default(),
        }
    }

    /// What a subscription to this filter counts against [`Limits::subscription_bytes`](crate::server::Limits::subscription_bytes).
    pub(crate) fn subscription_bytes(filter: &str) -> usize {
        LevelTree::<Subscribers>::path_bytes(filter)
    }

    /// Adds a subscription; in `group`, to a filter without `$share/group/`. True if the session had none with this
    /// filter; otherwise the old one is replaced (`5/MQTT-3.8.4-3`, `3.1.1/MQTT-3.8.4-3`).
    pub(crate) fn subscribe(
        &mut self,
        session: SessionKey,
        filter: &str,
        group: Option<&str>,
        how: Subscribed,
    ) -> bool {
        self.last.forget();
        let Some(subscribers) = self.tree.entry(filter.split('/')) else {
            return false;
        };
        match group {
            None => subscribers.direct.insert(session, how).is_none(),
            Some(name) => {
                let groups = subscribers.groups.get_or_insert_default();
                match groups.get_mut(name) {
                    Some(group) => group.join(session, how),
                    None => groups
                        .entry(name.into())
                        .or_insert_with(|| Group::new(name, filter))
                        .join(session, how),
                }
            }
        }
    }

    /// Removes a subscription; false if there was none.
    pub(crate) fn unsubscribe(&mut self, session: SessionKey, filter: &str, group: Option<&str>) -> bool {
        self.last.forget();
        let leave = |subscribers: &mut Subscribers| {
            let Some(name) = group else {
                return subscribers.direct.remove(&session).is_some();
            };
            let Some(groups) = &mut subscribers.groups else {
                return false;
            };
            let Some(group) = groups.get_mut(name) else {
                return false;
            };
            let left = group.leave(session);
            if group.is_empty() {
                groups.remove(name);
            }
            if groups.is_empty() {
                subscribers.groups = None;
            }
            left
        };
        self.tree.change(filter.split('/'), leave).unwrap_or(false)
    }

    /// How a session is subscribed to this filter, if it is.
    pub(crate) fn find(&self, session: SessionKey, filter: &str, group: Option<&str>) -> Option<Subscribed> {
        let subscribers = self.tree.get(filter.split('/'))?;
        match group {
            None => subscribers.direct.get(&session).copied(),
            Some(name) => subscribers.groups.as_ref()?.get(name)?.member(session),
        }
    }

    /// A message with this name goes to a session of which this is true, by a subscription of its own.
    pub(crate) fn any_direct(
        &self,
        name: &str,
        from: Option<SessionKey>,
        is: impl Fn(SessionKey) -> bool,
    ) -> bool {
        self.tree
            .matching_filters(name)
            .filter_map(|reached| Some((self.tree.value_at(reached.node)?, reached.dollar)))
            .flat_map(|(subscribers, dollar)| subscribers.direct.iter().map(move |one| (one, dollar)))
            .any(|((&session, how), dollar)| how.wants(session, dollar, from) && is(session))
    }

    /// Appends a delivery for each session that is subscribed to this name, and one for each group. `from` is the
    /// publisher, for No Local (`5/MQTT-3.8.3-3`).
    pub(crate) fn route(
        &mut self,
        name: &str,
        from: Option<SessionKey>,
        room: impl Fn(SessionKey) -> Room,
        deliveries: &mut Vec<Match>,
    ) {
        if self.last.repeat(name, from, deliveries) {
            return;
        }
        let start = deliveries.len();
        self.grouped.clear();
        let mut sources = 0_usize;
        for reached @ Reached { node, dollar } in self.tree.matching_filters(name) {
            let Some(subscribers) = self.tree.value_at(node) else {
                continue;
            };
            if subscribers.groups.is_some() {
                self.grouped.push(reached);
            }
            sources += usize::from(!subscribers.direct.is_empty());
            for (&session, how) in subscribers.direct.iter() {
                if how.wants(session, dollar, from) {
                    deliveries.push(Match {
                        session,
                        qos: how.qos,
                        retain_as_published: how.retain_as_published,
                        ids: SubscriptionIds::one(how.id),
                        group: None,
                    });
                }
            }
        }
        if sources > 1 {
            merge(deliveries, start);
        }
        if self.grouped.is_empty() {
            self.last
                .remember(name, from, deliveries.get(start..).unwrap_or_default());
            return;
        }
        self.last.forget();
        for &Reached { node, dollar } in &self.grouped {
            let Some(groups) = self.tree.value_of(node).and_then(|s| s.groups.as_mut()) else {
                continue;
            };
            for group in groups.values_mut() {
                deliveries.extend(group.choose(dollar, &room));
            }
        }
    }

    /// The member of a group that takes a message which another member can no longer take.
    pub(crate) fn route_to_group(
        &mut self,
        filter: &str,
        group: &str,
        room: impl Fn(SessionKey) -> Room,
    ) -> Option<Match> {
        self.tree
            .change(filter.split('/'), |s| {
                s.groups.as_mut()?.get_mut(group)?.choose(false, &room)
            })
            .flatten()
    }

    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.tree.len()
    }
}

/// Makes one delivery of all that go to one session. Sorted by session, so the order does not depend on the tree.
fn merge(deliveries: &mut Vec<Match>, start: usize) {
    // 5/MQTT-3.3.4-3, 3.1.1/MQTT-3.3.5-1: with the highest QoS and the identifiers of all; so no copy has but one of several
    // (5/MQTT-3.3.4-5).
    let Some(new) = deliveries.get_mut(start..) else {
        return;
    };
    new.sort_by_key(|found| found.session);
    deliveries.dedup_by(|found, kept| {
        if found.session != kept.session || found.group.is_some() || kept.group.is_some() {
            return false;
        }
        kept.qos = kept.qos.max(found.qos);
        kept.retain_as_published |= found.retain_as_published;
        kept.ids.add(core::mem::take(&mut found.ids));
        true
    });
}

#[cfg(test)]
mod tests;
