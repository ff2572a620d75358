//! What the owner of a broker sees: sessions, who is on a connection, retained messages.

use alloc::string::String;

use mqtt_proto::{TopicFilter, Version};

use super::Broker;
use crate::{
    level_tree::Search,
    server::{ConnId, Message, Pool, SessionInfo, SubscriptionInfo, pool::RealmKey, route::SessionKey},
};

impl Broker {
    /// All sessions, connected or kept, those of local connections too; in no order that means anything. There are
    /// [`Holdings::sessions`](super::Holdings::sessions).
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo<'_>> {
        self.sessions.iter().filter_map(|(key, session)| {
            Some(SessionInfo {
                broker: self,
                key: SessionKey(u32::try_from(key).ok()?),
                session,
            })
        })
    }

    /// How many sessions there are in this pool, connected or kept.
    pub fn session_count(&self, pool: Pool) -> usize {
        let realm = self.realms.get(RealmKey::Pool(pool));
        realm.map_or(0, |realm| realm.sessions)
    }

    /// The session of the client with this id. Local connections have none: [`who_is`](Self::who_is) finds theirs.
    pub fn find_session(&self, pool: Pool, client_id: &str) -> Option<SessionInfo<'_>> {
        self.info(self.named(pool, client_id)?)
    }

    /// Who is on this connection; `None` before CONNECT was accepted, and when the connection is over.
    pub fn who_is(&self, conn: ConnId) -> Option<SessionInfo<'_>> {
        self.info(self.link(conn)?.session?)
    }

    /// The retained messages whose topics match this filter, in the order of the topics. As for subscriptions of 5.0, no
    /// wildcard on the first level stands for one that begins with `$`. `$SYS` is the same for all pools.
    pub fn retained<'b>(&'b self, pool: Pool, filter: TopicFilter<'b>) -> impl Iterator<Item = Message> + 'b {
        let mut after: Option<String> = None;
        core::iter::from_fn(move || {
            let message = self.next_retained_of(pool, filter, after.as_deref())?;
            after = Some(message.topic().as_str().into());
            Some(message)
        })
    }

    /// The first of them after this topic.
    pub(super) fn next_retained_of(
        &self,
        pool: Pool,
        filter: TopicFilter<'_>,
        after: Option<&str>,
    ) -> Option<Message> {
        let (retained, pool) = match RealmKey::of(pool, filter.as_str()) {
            RealmKey::Sys => (&self.sys.retained, Pool::DEFAULT),
            RealmKey::Pool(pool) => (&self.retained, pool),
        };
        let (until, mut steps) = (retained.last(), usize::MAX);
        match retained.next(pool, filter.as_str(), after, false, until, &mut steps) {
            Search::Found(_, message) => Some(message),
            Search::Paused(_) | Search::Done => None,
        }
    }

    fn info(&self, key: SessionKey) -> Option<SessionInfo<'_>> {
        Some(SessionInfo {
            broker: self,
            key,
            session: self.sessions.get(key.0 as usize)?,
        })
    }

    /// The session of this client.
    pub(super) fn named(&self, pool: Pool, client_id: &str) -> Option<SessionKey> {
        self.by_client.get(&(pool, client_id.into())).copied()
    }

    pub(in crate::server) fn version_on(&self, conn: ConnId) -> Option<Version> {
        self.link(conn).map(|link| link.version)
    }

    /// How a session is subscribed to this filter.
    pub(in crate::server) fn subscription<'f>(
        &self,
        key: SessionKey,
        filter: &'f str,
    ) -> Option<SubscriptionInfo<'f>> {
        let pool = self.sessions.get(key.0 as usize)?.grant.pool;
        let find = |topics: &str, group| {
            let realm = self.realms.get(RealmKey::of(pool, topics))?;
            realm.routes.find(key, topics, group)
        };
        let direct = || find(filter, None);
        // A session that has known clients of 3.x and of 5.0 may have both.
        let shared = || {
            let share = TopicFilter::new(filter).ok()?.share()?;
            find(share.filter().as_str(), Some(share.group()))
        };
        let how = direct().or_else(shared)?;
        Some(SubscriptionInfo {
            filter,
            qos: how.qos,
            no_local: how.no_local,
            retain_as_published: how.retain_as_published,
            identifier: how.id,
        })
    }
}
