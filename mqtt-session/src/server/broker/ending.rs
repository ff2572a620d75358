//! The ends of connections and sessions, and what they leave behind: wills, and messages of shared subscriptions.

use core::time::Duration;

use mqtt_proto::{ReasonCode, TopicFilter, packet::Disconnect};

use super::{Broker, Phase};
use crate::{
    Instant,
    flow::{Outgoing, rules},
    server::{
        ConnId, DropCause, DropPolicy, Ended, Pool, Reply, ServerEvent,
        journal::Log,
        message::Message,
        pool::RealmKey,
        route::{GroupFilter, Room, Routes, SessionKey},
    },
};

impl Broker {
    /// DISCONNECT (3.14).
    pub(super) fn disconnect(&mut self, now: Instant, conn: ConnId, disconnect: &Disconnect<'_>) {
        let Some((link, session)) = self.session_of(conn) else {
            return;
        };
        let max = session.grant.limits.session_expiry_max;
        let asked = disconnect.properties.session_expiry_interval();
        if let Some(asked) = asked.filter(|&asked| asked != session.expiry) {
            // 5.0, 3.14.2.2.2: what began as a session of this connection alone stays one.
            if session.expiry == 0 && max > 0 {
                return self.violation(now, conn, &rules::SESSION_EXPIRY_RAISED);
            }
            session.expiry = asked.min(max);
        }
        if disconnect.code == ReasonCode::NORMAL_DISCONNECTION {
            // 5/MQTT-3.14.4-3, 5/MQTT-3.1.2-10, 3.1.1/MQTT-3.14.4-3, 3.1.1/MQTT-3.1.2-10, 3.1/3.14-3
            session.take_will();
            session.tidy();
        }
        // The client has closed (5.0, 3.14.4, 3.1/3.14-2): there is nobody to take what is owed.
        link.forget_owed();
        self.end_link(now, conn, Ended::ByClient(disconnect.code), Some(Reply::Close));
    }

    /// The transport is gone, and so is the connection's place.
    pub(super) fn lost(&mut self, now: Instant, conn: ConnId) {
        if let Some(link) = self.link_mut(conn).filter(|link| link.is_asking()) {
            // What was sent before DISCONNECT was sent by a client that did all it had to.
            if let Some(inbox) = link.inbox.as_deref_mut().filter(|inbox| inbox.ends) {
                inbox.gone = true;
                link.forget_owed();
                return;
            }
        }
        self.end_link(now, conn, Ended::Lost, None);
        self.forget_link(conn);
    }

    /// The connection's place is free.
    fn forget_link(&mut self, conn: ConnId) {
        if self.link(conn).is_some() {
            self.links.try_remove(conn.index());
            self.locals.remove(&conn.index);
        }
    }

    /// The connection is over; `last` is still sent, behind what is owed. Its session, if it had one, is on its own.
    pub(super) fn end_link(&mut self, now: Instant, conn: ConnId, why: Ended, last: Option<Reply>) {
        let Some(link) = self.link_mut(conn) else { return };
        if link.phase == Phase::Over {
            return;
        }
        // On a local one there is nobody to take a packet.
        let last = last.filter(|_| link.phase != Phase::Local);
        let key = link.session.take();
        let gone = link.is_gone();
        let address = link.peer.address();
        if matches!(why, Ended::Violation(_)) {
            self.totals.violations += 1;
        } else if key.is_none() && matches!(why, Ended::Refused(_) | Ended::Undecided) {
            self.totals.refused += 1;
        }
        self.set_phase(conn, Phase::Over);
        self.drop_inbox(conn);
        if let Some(last) = last {
            self.owe(conn, last);
        }
        if gone {
            self.forget_link(conn);
        }
        let client_id = key
            .and_then(|key| self.session(key))
            .map(|session| session.client_id.clone());
        self.events.push(ServerEvent::Disconnected {
            conn,
            address,
            client_id,
            why,
        });
        if let Some(key) = key {
            self.detach(now, key);
        }
    }

    /// The session has no connection any more.
    fn detach(&mut self, now: Instant, key: SessionKey) {
        if let Some(session) = self.sessions.get(key.0 as usize) {
            self.count_detach(session.grant.pool);
        }
        self.leave(now, key);
    }

    /// The session is on its own from now on.
    pub(super) fn leave(&mut self, now: Instant, key: SessionKey) {
        let keep_qos_0 = self.config.queue_qos_0_while_away;
        let Some(session) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        session.unbind();
        if !keep_qos_0 {
            self.events
                .drop_messages(DropCause::Away, session.queue.drop_qos_0(&mut self.backlog));
        }
        // 5/MQTT-4.1.0-2, 3.1.1/MQTT-3.1.2-6, 3.1/3.1-17; not before the connection is over (5/MQTT-4.1.0-1,
        // 3.1.1/MQTT-4.1.0-1, 3.1.1/MQTT-4.1.0-2).
        if session.expiry == 0 {
            return self.end_session(now, key);
        }
        if session.expiry != u32::MAX {
            session.expires_at = Some(now + Duration::from_secs(session.expiry.into()));
        }
        // 5/MQTT-3.1.2-8, 3.1.1/MQTT-3.1.2-8, 3.1/3.1-11: at once, or after its delay, but not after the session.
        let ends = session.expires_at;
        if let Some(rare) = session.rare.as_mut() {
            rare.will_at = rare.will.as_ref().map(|will| {
                let at = now + Duration::from_secs(will.delay.into());
                ends.map_or(at, |ends| at.min(ends))
            });
        }
        if session.will_at().is_some_and(|at| at <= now) {
            self.release_will(now, key);
        }
        self.arm(key);
        self.note(key);
    }

    /// Hands the will of a session over to be published.
    fn release_will(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.session(key) else { return };
        let will = session.take_will();
        session.tidy();
        if let Some(will) = will {
            let origin = session.origin(key);
            self.wills
                .push_back((origin, will.message.starting(now, will.expiry)));
            self.note(key);
        }
    }

    /// Discards a session and all that it holds. Its will, if it has one, is published now (5.0, 3.1.3.2.2).
    pub(super) fn end_session(&mut self, now: Instant, key: SessionKey) {
        // 3.1.1/MQTT-3.1.2-7: what it retained stays.
        self.release_will(now, key);
        let Some(mut session) = self.sessions.try_remove(key.0 as usize) else {
            return;
        };
        self.journal.end_session(&session);
        // With that all is said.
        let log = &mut Log::off();
        let pool = session.grant.pool;
        // A local connection may be called as a client is.
        let name = (pool, session.client_id.clone());
        if self.by_client.get(&name) == Some(&key) {
            self.by_client.remove(&name);
        }
        self.deadlines.set(key, &mut session.armed, None);
        for (filter, ()) in session.filters.iter() {
            self.subscriptions = self.subscriptions.saturating_sub(1);
            self.subscription_bytes = self
                .subscription_bytes
                .saturating_sub(Routes::subscription_bytes(filter));
            if let Ok(filter) = TopicFilter::new(filter) {
                self.forget_route(pool, key, filter);
            }
        }
        // 5.0, 4.8.2: QoS 1 goes to another member of the group, begun or not; QoS 2 only if it was not begun
        // (5/MQTT-4.8.2-5).
        for exchange in session.in_flight.iter() {
            if let (Outgoing::AwaitingPubAck, Some(group), Some(message)) =
                (exchange.stage, &exchange.group, &exchange.message)
            {
                self.hand_over(pool, group, message);
            }
        }
        session.in_flight.forget(&mut self.backlog);
        let mut dropped = 0;
        while let Some(waiting) = session.queue.pop(true, &mut self.backlog, log) {
            let handed_over = waiting
                .group
                .as_ref()
                .is_some_and(|group| self.hand_over(pool, group, &waiting.message));
            dropped += u64::from(!handed_over);
        }
        self.realms.remove_session(pool);
        self.events.drop_messages(DropCause::SessionEnded, dropped);
        self.events.push(ServerEvent::SessionEnded {
            client_id: session.client_id,
        });
    }

    /// Gives a message of a shared subscription to another member of its group; false if there is none.
    fn hand_over(&mut self, pool: Pool, group: &GroupFilter, message: &Message) -> bool {
        let Some(share) = TopicFilter::new(group).ok().and_then(TopicFilter::share) else {
            return false;
        };
        let topics = share.filter().as_str();
        let Self { realms, sessions, .. } = self;
        // The first that is there takes it: whoever looks at all for each message of a long queue keeps others waiting.
        let room = |key: SessionKey| match sessions.get(key.0 as usize) {
            Some(session) if session.is_full() => Room::None,
            Some(session) if session.conn.is_some() => Room::Now,
            Some(_) => Room::Away,
            None => Room::None,
        };
        let found = realms
            .get_mut(RealmKey::of(pool, topics))
            .and_then(|realm| realm.routes.route_to_group(topics, share.group(), room));
        let Some(found) = found else { return false };
        self.enqueue(found, message);
        true
    }

    /// The time has come for what [`poll_timeout`](Self::poll_timeout) gave: wills, sessions, retained messages.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock(now);
        while let Some(key) = self.deadlines.pop_due(now) {
            if let Some(session) = self.session(key) {
                session.armed = Default::default();
                self.pass_time(now, key);
            }
        }
        self.expire_questions(now);
        let expired = self.retained.expire(now, &mut self.journal);
        self.events.drop_messages(DropCause::Expired, expired);
        self.keep_sys(now);
        self.settle(now);
    }

    /// Does what is due in a session.
    pub(super) fn pass_time(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.session(key) else { return };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let (resumes, expires) = (is_due(session.resumes_at()), is_due(session.expires_at));
        let will = is_due(session.will_at());
        if resumes {
            self.end_throttle(key);
        }
        if expires {
            self.totals.sessions_expired += 1;
            return self.end_session(now, key);
        }
        if will {
            self.release_will(now, key);
        }
        self.arm(key);
    }

    pub(super) fn arm(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        let at = [session.expires_at, session.will_at(), session.resumes_at()]
            .into_iter()
            .flatten()
            .min();
        self.deadlines.set(key, &mut session.armed, at);
    }

    /// Does what was put off: wills are published, clients whose queue ran over are disconnected.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            if let Some((origin, message)) = self.wills.pop_front() {
                self.totals.wills += 1;
                let topic = message.topic();
                let flags = (message.retain(), message.payload().is_empty());
                self.spread(origin, topic.as_str(), flags, || message.clone());
            } else if let Some(key) = self.overflowed.pop_front() {
                debug_assert_eq!(self.config.drop_policy, DropPolicy::Disconnect);
                if let Some(conn) = self.session(key).and_then(|session| session.conn) {
                    let code = ReasonCode::QUOTA_EXCEEDED;
                    self.end_link(now, conn, Ended::Refused(code), Some(Reply::Disconnect(code)));
                }
            } else {
                return;
            }
        }
    }
}
