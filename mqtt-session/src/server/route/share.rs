//! Groups of a shared subscription (5.0, 4.8.2).

use alloc::{format, sync::Arc};

use super::{GroupFilter, Match, SessionKey, Subscribed, SubscriptionIds};
use crate::level_tree::small_map::SmallMap;

/// How fit a member is to take a message, the fittest last.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Its queue is full.
    None,
    /// Its session is kept, but the client is away.
    Away,
    /// It is connected and behind.
    Later,
    /// It is connected and may be sent a message at once.
    Now,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// `$share/group/filter`.
    filter: GroupFilter,
    members: SmallMap<SessionKey, Subscribed>,
    /// Who had the last message.
    last: Option<SessionKey>,
}

impl Group {
    pub(crate) fn new(name: &str, filter: &str) -> Self {
        Self {
            filter: Arc::new(format!("$share/{name}/{filter}").into()),
            members: SmallMap::Empty,
            last: None,
        }
    }

    /// True if it was not a member.
    pub(crate) fn join(&mut self, session: SessionKey, how: Subscribed) -> bool {
        self.members.insert(session, how).is_none()
    }

    /// False if it was not a member.
    pub(crate) fn leave(&mut self, session: SessionKey) -> bool {
        self.members.remove(&session).is_some()
    }

    /// How this session is a member, if it is.
    pub(crate) fn member(&self, session: SessionKey) -> Option<Subscribed> {
        self.members.get(&session).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member after the one that had the last message, of those with the most room.
    pub(crate) fn choose(&mut self, dollar: bool, room: &impl Fn(SessionKey) -> Room) -> Option<Match> {
        let next = self
            .last
            .map_or(SessionKey(0), |SessionKey(last)| SessionKey(last.wrapping_add(1)));
        let round = self
            .members
            .iter_from(&next)
            .chain(self.members.iter().take_while(|(key, _)| **key < next));
        let mut best: Option<(Room, SessionKey, Subscribed)> = None;
        for (&session, &how) in round {
            if dollar && !how.dollar {
                continue;
            }
            let room = room(session);
            if best.is_none_or(|(best, ..)| best < room) {
                best = Some((room, session, how));
            }
            if room == Room::Now {
                break;
            }
        }
        let (_, session, how) = best?;
        self.last = Some(session);
        Some(Match {
            session,
            // 5/MQTT-4.8.2-3
            qos: how.qos,
            retain_as_published: how.retain_as_published,
            ids: SubscriptionIds::one(how.id),
            group: Some(self.filter.clone()),
        })
    }
}
