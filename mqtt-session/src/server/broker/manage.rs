//! What the owner of a broker does to connections, sessions and retained messages. [`Broker::disconnect_client`] kicks.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

use mqtt_proto::{ReasonCode, TopicFilter};

use super::{Broker, Phase};
use crate::{
    Instant,
    server::{
        ConnId, Delivery, Ended, Grant, Pool, Reply, Revoked, SessionInfo, SubscriptionInfo, TakenQueue,
        pool::is_sys, route::SessionKey,
    },
};

impl Broker {
    /// Ends a connection without a word, as if its transport were lost: what it is owed is forgotten, a will is published,
    /// the session is kept as long as it is to be.
    pub fn kill(&mut self, now: Instant, conn: ConnId) {
        let now = self.clock(now);
        let Some(link) = self.link_mut(conn).filter(|link| link.phase != Phase::Over) else {
            return;
        };
        link.forget_owed();
        self.end_link(now, conn, Ended::Killed, Some(Reply::Close));
        self.settle(now);
    }

    /// Ends a session and all that it holds, whether its client is there or not; false if there is none. A client that is
    /// there is disconnected with 0x98 (Administrative action); a will is published (5.0, 3.1.2.5); what waits in it of
    /// shared subscriptions goes to other members.
    pub fn discard_session(&mut self, now: Instant, pool: Pool, client_id: &str) -> bool {
        let now = self.clock(now);
        let Some(key) = self.named(pool, client_id) else {
            return false;
        };
        let conn = self.session(key).and_then(|session| {
            session.expiry = 0;
            session.conn
        });
        match conn {
            Some(conn) => {
                let code = ReasonCode::ADMINISTRATIVE_ACTION;
                self.end_link(now, conn, Ended::Refused(code), Some(Reply::Disconnect(code)));
            }
            None => self.end_session(now, key),
        }
        self.settle(now);
        true
    }

    /// Takes what waits for a client out of its queue, in order, one message with each step of the iterator: what was not
    /// asked for stays. What is under way stays in any case. Nothing comes of a session that there is not.
    pub fn take_queue(&mut self, pool: Pool, client_id: &str) -> TakenQueue<'_> {
        let key = self.named(pool, client_id);
        TakenQueue { broker: self, key }
    }

    pub(in crate::server) fn take_waiting(&mut self, key: SessionKey) -> Option<Delivery> {
        let session = self.sessions.get_mut(key.0 as usize)?;
        let log = &mut self.journal.log(session.owner);
        let waiting = session.queue.pop(true, &mut self.backlog, log)?;
        Some(waiting.into_delivery())
    }

    /// Takes a subscription away from a client; false if it has none. What waits already goes out all the same.
    pub fn revoke(&mut self, pool: Pool, client_id: &str, filter: TopicFilter<'_>) -> bool {
        self.named(pool, client_id)
            .is_some_and(|key| self.revoke_from(key, filter))
    }

    fn revoke_from(&mut self, key: SessionKey, filter: TopicFilter<'_>) -> bool {
        if let Some(conn) = self.session(key).and_then(|session| session.conn) {
            self.forget_pattern(conn, filter.as_str());
        }
        self.forget_filter(key, filter)
    }

    /// Goes through all subscriptions after rules have changed, and takes away those that `keep` is against; says how many.
    /// What clients are told that lose one is `then`.
    ///
    /// ```
    /// use mqtt_session::{Instant, server::{Broker, Revoked, ServerConfig}};
    ///
    /// let mut broker = Broker::new(ServerConfig::default());
    /// // Who is in context 7 may no longer hear of the secret.
    /// let revoked = broker.review(Instant::from_secs(1), Revoked::Disconnect, |session, subscription| {
    ///     session.context() != 7 || !subscription.filter.starts_with("secret/")
    /// });
    /// assert_eq!(revoked, 0);
    /// ```
    pub fn review(
        &mut self,
        now: Instant,
        then: Revoked,
        mut keep: impl FnMut(&SessionInfo<'_>, &SubscriptionInfo<'_>) -> bool,
    ) -> usize {
        let now = self.clock(now);
        let lost = |session: SessionInfo<'_>| {
            let filters: Vec<Box<str>> = session
                .subscriptions()
                .filter(|subscription| !keep(&session, subscription))
                .map(|subscription| subscription.filter.into())
                .collect();
            (session.key, session.conn(), filters)
        };
        let all: Vec<_> = self
            .sessions()
            .map(lost)
            .filter(|(_, _, filters)| !filters.is_empty())
            .collect();
        let mut revoked = 0;
        for (key, conn, filters) in all {
            for filter in &filters {
                let gone = TopicFilter::new(filter).is_ok_and(|filter| self.revoke_from(key, filter));
                revoked += usize::from(gone);
            }
            if let (Revoked::Disconnect, Some(conn)) = (then, conn) {
                self.disconnect_client(now, conn, ReasonCode::ADMINISTRATIVE_ACTION);
            }
        }
        revoked
    }

    /// Gives a client the owner's own number ([`Grant::context`]); false if there is no such session.
    pub fn set_context(&mut self, pool: Pool, client_id: &str, context: u64) -> bool {
        self.change_grant(pool, client_id, |grant| Arc::make_mut(grant).context = context)
    }

    /// Gives a client another grant; false if there is no such session. The pool stays what it is; the number of messages
    /// under way changes with its next connection; of what there is too much now, nothing is taken away.
    pub fn set_grant(&mut self, pool: Pool, client_id: &str, grant: Grant) -> bool {
        self.change_grant(pool, client_id, |old| *old = Arc::new(Grant { pool, ..grant }))
    }

    fn change_grant(&mut self, pool: Pool, client_id: &str, change: impl FnOnce(&mut Arc<Grant>)) -> bool {
        let Some(key) = self.named(pool, client_id) else {
            return false;
        };
        let changed = self.session(key).map(|session| change(&mut session.grant));
        self.note(key);
        changed.is_some()
    }

    /// Forgets the retained messages whose topics match this filter, as [`retained`](Self::retained) finds them; says how many.
    /// Those of `$SYS` stay.
    pub fn remove_retained(&mut self, pool: Pool, filter: TopicFilter<'_>) -> usize {
        let mut removed = 0;
        if is_sys(filter.as_str()) {
            return removed;
        }
        let mut after: Option<String> = None;
        while let Some(message) = self.next_retained_of(pool, filter, after.as_deref()) {
            let topic = message.topic().as_str();
            self.retained.remove(pool, topic, &mut self.journal);
            removed += 1;
            after = Some(topic.into());
        }
        removed
    }
}
