//! Connections without a wire: what the owner of a broker publishes and subscribes to itself.

use alloc::{string::ToString, sync::Arc};

use mqtt_proto::{
    PacketId, QoS, ReasonCode, TopicFilter, Version,
    packet::{Publish, PublishHead, Subscription, SubscriptionOptions},
    topic::Pattern,
    topic::level_count,
};

use super::{Broker, Link, Origin, Phase, deliver::DROPS_AT_ONCE, subscribe::shared};
use crate::{
    Instant,
    flow::Window,
    server::{
        ConnId, Delivery, DropCause, Ended, LocalDelivery, LocalOptions, LocalSubscription, NotPublished,
        Overloaded, Peer, ServerEvent,
        journal::Owner,
        local::Patterns,
        message::Message,
        pool::{RealmKey, is_sys},
        route::SessionKey,
        session::Session,
    },
};

/// What is kept of a local connection beside its link and its session.
#[derive(Clone, Debug)]
pub(super) struct Local {
    patterns: Patterns,
    drop_when_full: bool,
}

impl Broker {
    /// Opens a connection without a wire, for what the owner of the broker publishes and subscribes to itself. It has a
    /// session like any client's, with a bounded queue, takes part in shared subscriptions, and stands in all listings. It
    /// has no will, nobody is asked about what it does, and its session ends with it, so nothing of that is durable. Close it
    /// with [`close_local`](Self::close_local).
    ///
    /// It can be ended as any: by [`kill`](Self::kill), at a shutdown, or when its queue runs over and
    /// [`DropPolicy::Disconnect`](crate::server::DropPolicy::Disconnect) holds. An event tells, and all it asks for from then on is refused.
    ///
    /// # Errors
    ///
    /// There are as many connections or sessions as the limit allows; nothing has changed.
    pub fn open_local(&mut self, now: Instant, options: LocalOptions) -> Result<ConnId, Overloaded> {
        self.clock(now);
        let limits = &self.config.limits;
        if self.links.len() >= limits.connections || self.sessions.len() >= limits.sessions {
            return Err(Overloaded);
        }
        let key = SessionKey(u32::try_from(self.sessions.vacant_key()).map_err(|_| Overloaded)?);
        let conn = self.new_link(Peer {
            listener: options.listener,
            ..Peer::default()
        })?;
        let grant = options.grant.map_or_else(|| self.default_grant(conn), Arc::new);
        if let Some(link) = self.link_mut(conn) {
            link.phase = Phase::Local;
            link.session = Some(key);
            // What is taken is done: nothing is ever under way.
            link.outgoing = Window::new(u16::MAX);
        }
        self.realms.add_session(grant.pool);
        self.count_attach(grant.pool);
        // It ends with the process at the latest, so nothing of it is recorded.
        let mut session = Session::new(options.name.clone(), grant, Owner::default());
        session.conn = Some(conn);
        self.sessions.insert(session);
        let local = Local {
            patterns: Patterns::default(),
            drop_when_full: options.drop_when_full,
        };
        self.locals.insert(conn.index, local);
        self.events.push(ServerEvent::Connected {
            conn,
            address: None,
            client_id: options.name,
            version: Version::V5,
            session_present: false,
        });
        Ok(conn)
    }

    /// Closes a local connection. What waits in its queue is dropped, but for messages of shared subscriptions, which go to
    /// another member (5.0, 4.8.2). Other ids are ignored.
    pub fn close_local(&mut self, now: Instant, conn: ConnId) {
        let now = self.clock(now);
        if self.is_local(conn) {
            let why = Ended::ByClient(ReasonCode::NORMAL_DISCONNECTION);
            self.end_link(now, conn, why, None);
            self.lost(now, conn);
            self.settle(now);
        }
    }

    /// It is a local connection, and was not closed.
    pub fn is_local(&self, conn: ConnId) -> bool {
        self.link(conn).is_some() && self.locals.contains_key(&conn.index)
    }

    /// Publishes on a local connection; says how many subscribers the message goes to. Packet id and DUP are not looked at.
    /// `$SYS` is the server's own. What is durable of the message is so when the next changes have been persisted.
    ///
    /// It is refused as overloaded
    /// - while the [rate](crate::server::ClientLimits::rate) of its grant is used up;
    /// - while a subscriber that is connected has no room for it in its queue: it reads more slowly than is published, and a
    ///   wire would hold its publisher back here. That concerns QoS 1 and 2, and not those who were opened with
    ///   [`LocalOptions::drop_when_full`]; the queues of clients that are away do not count, because no waiting helps, nor
    ///   those of shared subscriptions, where another member takes the message.
    ///
    /// # Errors
    ///
    /// See [`NotPublished`]; nothing has changed.
    pub fn publish_local(
        &mut self,
        now: Instant,
        conn: ConnId,
        publish: &Publish<'_>,
    ) -> Result<usize, NotPublished> {
        let now = self.clock(now);
        let session = self
            .local_session(conn)
            .and_then(|key| Some((key, self.sessions.get(key.0 as usize)?)));
        let (key, session) = session.ok_or(NotPublished::Closed)?;
        let origin = session.origin(key);
        let qos = publish.head.qos;
        let head = PublishHead {
            dup: false,
            packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
            ..publish.head
        };
        let offer = self.offer(conn);
        if qos > offer.maximum_qos {
            return Err(NotPublished::Refused(ReasonCode::QOS_NOT_SUPPORTED));
        }
        if head.retain && !offer.retain_available {
            return Err(NotPublished::Refused(ReasonCode::RETAIN_NOT_SUPPORTED));
        }
        if head.topic.is_empty() || level_count(head.topic.as_str()) > self.config.limits.topic_levels {
            return Err(NotPublished::Refused(ReasonCode::TOPIC_NAME_INVALID));
        }
        if is_sys(head.topic.as_str()) {
            return Err(NotPublished::Refused(ReasonCode::NOT_AUTHORIZED));
        }
        let payload_len = u32::try_from(publish.payload.len()).unwrap_or(u32::MAX);
        head.encoded_len(Version::V5, payload_len)
            .map_err(NotPublished::Invalid)?;
        let drops = |local: &Local| local.drop_when_full;
        let refuses = qos != QoS::AtMostOnce && !self.locals.get(&conn.index).is_some_and(drops);
        if refuses && self.finds_no_room(&head, publish.payload.len(), origin) {
            return Err(NotPublished::Overloaded);
        }
        if !self.keeps_rate(now, conn, publish) {
            return Err(NotPublished::Overloaded);
        }
        self.totals.inside_in += 1;
        let flags = (head.retain, publish.payload.is_empty());
        let topic = head.topic.as_str();
        let reached = self.spread(origin, topic, flags, || Message::new(now, &head, publish.payload));
        self.settle(now);
        Ok(reached)
    }

    /// A connected subscriber, of its own and not of a group, has no room for this message now but may have later.
    fn finds_no_room(&self, head: &PublishHead<'_>, payload_len: usize, origin: Origin) -> bool {
        let size = Message::size_of(head, payload_len);
        let is_full = |key: SessionKey| {
            self.sessions
                .get(key.0 as usize)
                .filter(|session| session.conn.is_some())
                .is_some_and(|session| {
                    let limits = &session.grant.limits;
                    let (count, bytes) = (limits.queue_messages, limits.queue_bytes);
                    count > 0 && size <= bytes && !session.queue.has_room(count, bytes, size)
                })
        };
        self.realms.get(RealmKey::Pool(origin.pool)).is_some_and(|realm| {
            realm
                .routes
                .any_direct(head.topic.as_str(), Some(origin.session), is_full)
        })
    }

    /// Subscribes on a local connection. A [`Pattern`] is a filter whose wildcards may have names; `$share/group/` may stand
    /// before it. The same filter again, with whatever names, replaces the one before, and keeps its number.
    ///
    /// # Errors
    ///
    /// The code that a SUBACK would have; nothing has changed.
    pub fn subscribe_local(
        &mut self,
        now: Instant,
        conn: ConnId,
        pattern: Pattern<'_>,
        options: SubscriptionOptions,
    ) -> Result<LocalSubscription, ReasonCode> {
        self.clock(now);
        let key = self.local_session(conn).ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        let text = pattern.filter().to_string();
        let filter = TopicFilter::new(&text).map_err(|_| ReasonCode::TOPIC_FILTER_INVALID)?;
        if shared(filter, Version::V5).is_some() {
            if !self.offer(conn).shared_available {
                return Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
            }
            if options.no_local {
                return Err(ReasonCode::PROTOCOL_ERROR); // 5/MQTT-3.8.3-4
            }
        }
        let number = self
            .locals
            .get(&conn.index)
            .and_then(|local| local.patterns.number(&text))
            .ok_or(ReasonCode::QUOTA_EXCEEDED)?;
        let subscription = Subscription { filter, options };
        self.subscribe_one(conn, key, Version::V5, Some(number), subscription)?;
        if let Some(local) = self.locals.get_mut(&conn.index) {
            local.patterns.insert(&text, number, pattern.into());
        }
        // Retained messages may be there.
        self.wake(conn);
        Ok(LocalSubscription(number))
    }

    /// Ends a subscription; false if there is none. Messages that wait already come all the same.
    pub fn unsubscribe_local(&mut self, conn: ConnId, subscription: LocalSubscription) -> bool {
        let Some(key) = self.local_session(conn) else {
            return false;
        };
        let local = self.locals.get_mut(&conn.index);
        let Some(filter) = local.and_then(|local| local.patterns.remove(subscription.0)) else {
            return false;
        };
        TopicFilter::new(&filter).is_ok_and(|filter| self.forget_filter(key, filter))
    }

    /// A subscription was taken away.
    pub(super) fn forget_pattern(&mut self, conn: ConnId, filter: &str) {
        if self.is_local(conn) {
            if let Some(local) = self.locals.get_mut(&conn.index) {
                local.patterns.remove_filter(filter);
            }
        }
    }

    /// A local connection that has messages to take. Each is given once until it has some again.
    pub fn poll_local(&mut self) -> Option<ConnId> {
        loop {
            let conn = self.ready_locals.pop_front()?;
            if let Some(link) = self.link_mut(conn) {
                link.listed = false;
                return Some(conn);
            }
        }
    }

    /// The next message for a local connection, in the order in which other clients get theirs.
    pub fn poll_delivery(&mut self, now: Instant, conn: ConnId) -> Option<LocalDelivery<'_>> {
        let now = self.clock(now);
        let delivery = self.take_delivery(now, conn)?;
        let local = self.locals.get(&conn.index)?;
        Some(LocalDelivery::new(delivery, &local.patterns))
    }

    fn take_delivery(&mut self, now: Instant, conn: ConnId) -> Option<Delivery> {
        let key = self.local_session(conn)?;
        for _ in 0..DROPS_AT_ONCE {
            let session = self.sessions.get_mut(key.0 as usize)?;
            let waiting = if session.has_retained_pulls() {
                self.next_retained(conn)?
            } else {
                let log = &mut self.journal.log(session.owner);
                session.queue.pop(true, &mut self.backlog, log)?
            };
            // 5/MQTT-3.3.2-5
            if waiting.message.expires_at() > now {
                self.totals.inside_out += 1;
                return Some(waiting.into_delivery());
            }
            self.events.drop_messages(DropCause::Expired, 1);
        }
        self.wake(conn);
        None
    }

    /// The session of a local connection that is open.
    fn local_session(&self, conn: ConnId) -> Option<SessionKey> {
        let is_open = |link: &&Link| link.phase == Phase::Local;
        self.link(conn).filter(is_open)?.session
    }
}
