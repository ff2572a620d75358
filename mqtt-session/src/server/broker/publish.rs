//! Messages on their way in: from a client to the queues of those who are subscribed.

use mqtt_proto::{
    PacketId, PacketType, QoS, ReasonCode, Version,
    packet::{Ack, Publish},
    topic::level_count,
};

use super::{Broker, Link, Verdict};
use crate::{
    Instant,
    flow::{Incoming, OnPubRel, OnPublish, rules},
    server::{
        ConnId, DropCause, Ended, Explained, Pool, Remarks, Reply,
        decision::refusing,
        message::Message,
        pool::{RealmKey, is_sys},
        question::Kind,
        rate::Meter,
        retained::{Quota, Stored},
        route::{Match, Room, SessionKey},
        session::{Queued, Waiting},
    },
};

/// Where a message comes from, as far as it matters to where it goes.
#[derive(Copy, Clone, Debug)]
pub(in crate::server) struct Origin {
    pub(in crate::server) pool: Pool,
    /// For No Local (`5/MQTT-3.8.3-3`).
    pub(in crate::server) session: SessionKey,
    /// How much may be retained in its pool.
    pub(in crate::server) retained: Quota,
}

impl Broker {
    /// PUBLISH. Only a new message is asked about: a repeated one was decided when it came first.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        conn: ConnId,
        publish: &Publish<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        let head = &publish.head;
        let offer = self.offer(conn);
        let is_asked = verdict.is_none() && offer.asks.publish;
        if head.qos > offer.maximum_qos {
            self.violation(now, conn, &rules::QOS_ABOVE_MAXIMUM);
            return None;
        }
        if head.retain && !offer.retain_available {
            self.violation(now, conn, &rules::RETAIN_UNAVAILABLE);
            return None;
        }
        let Some(id) = head.packet_id else {
            if is_asked {
                return Some(Kind::Publish);
            }
            self.accept_if(now, conn, publish, verdict);
            return None;
        };
        let (link, session) = self.session_of(conn)?;
        let stage = match Incoming::on_publish(session.received.get(&id).copied(), head.qos, head.dup) {
            OnPublish::Deliver(Some(stage)) => stage,
            OnPublish::Deliver(None) | OnPublish::Repeat => return None,
            OnPublish::PubRecAgain => {
                self.owe(conn, Reply::PubRec(id, ReasonCode::SUCCESS));
                return None;
            }
            OnPublish::IdInUse if link.version == Version::V5 => {
                // Its exchange goes on; this message is refused.
                self.owe(conn, ack(head.qos, id, ReasonCode::PACKET_IDENTIFIER_IN_USE));
                return None;
            }
            OnPublish::IdInUse => {
                self.violation(now, conn, &rules::ID_IN_USE_BY_CLIENT);
                return None;
            }
        };
        if !link.incoming.has_room() {
            self.violation(now, conn, &rules::RECEIVE_MAXIMUM_BY_CLIENT);
            return None;
        }
        if is_asked {
            return Some(Kind::Publish);
        }
        // 3.x cannot refuse, and nobody has: it is not taken over (3.1.1/MQTT-3.3.5-2).
        if verdict.as_ref().is_some_and(Verdict::is_late) && !link.version.has_properties() {
            self.events.drop_messages(DropCause::NotAllowed, 1);
            self.end_link(now, conn, Ended::Undecided, Some(Reply::Close));
            return None;
        }
        // 3.1/3.3-1: what is refused is acknowledged all the same, in 3.x as if it were not.
        let (code, remarks) = self.accept_if(now, conn, publish, verdict);
        // Of what is refused nothing is remembered: should the refusal be lost, a repeat is refused again.
        if let Some((link, session, _, mut log)) = self.parts_of(conn).filter(|_| !code.is_failure()) {
            link.incoming.take();
            session.receive(id, stage, &mut log);
        }
        self.owe(conn, Explained::wrap(ack(head.qos, id, code), remarks));
        None
    }

    /// Takes a message over, unless it was decided that it is not to be; says how it went.
    fn accept_if(
        &mut self,
        now: Instant,
        conn: ConnId,
        publish: &Publish<'_>,
        verdict: Option<Verdict>,
    ) -> (ReasonCode, Remarks) {
        match verdict.and_then(Verdict::into_refusal) {
            None => (self.accept(now, conn, publish), Remarks::NONE),
            Some(refusal) => {
                self.events.drop_messages(DropCause::NotAllowed, 1);
                let code = refusing(refusal.code, PacketType::PubAck, Version::V5);
                (code, refusal.remarks)
            }
        }
    }

    /// Takes a message over from its publisher (`5/MQTT-4.5.0-1`, `3.1.1/MQTT-4.5.0-1`); says how it went.
    fn accept(&mut self, now: Instant, conn: ConnId, publish: &Publish<'_>) -> ReasonCode {
        let head = &publish.head;
        let topic = head.topic.as_str();
        if level_count(topic) > self.config.limits.topic_levels {
            self.events.drop_messages(DropCause::TopicLevels, 1);
            return ReasonCode::TOPIC_NAME_INVALID;
        }
        if is_sys(topic) {
            self.events.drop_messages(DropCause::NotAllowed, 1);
            return ReasonCode::NOT_AUTHORIZED;
        }
        let key = self.link(conn).and_then(|link| link.session);
        let Some(origin) = key.and_then(|key| Some(self.session(key)?.origin(key))) else {
            return ReasonCode::UNSPECIFIED_ERROR;
        };
        if !self.keeps_rate(now, conn, publish) {
            self.events.drop_messages(DropCause::Rate, 1);
            return ReasonCode::QUOTA_EXCEEDED;
        }
        let reached = self.spread(origin, topic, (head.retain, publish.payload.is_empty()), || {
            Message::new(now, head, publish.payload)
        });
        if reached == 0 {
            ReasonCode::NO_MATCHING_SUBSCRIBERS
        } else {
            ReasonCode::SUCCESS
        }
    }

    /// The client may publish this now, or is made to wait after it.
    pub(super) fn keeps_rate(&mut self, now: Instant, conn: ConnId, publish: &Publish<'_>) -> bool {
        let Some((link, session)) = self.session_of(conn) else {
            return true;
        };
        let rate = session.grant.limits.rate;
        if !rate.is_limited() {
            return true;
        }
        let head = &publish.head;
        let properties: usize = head
            .properties
            .iter()
            .map(|property| property.encoded_len())
            .sum();
        let bytes = publish.payload.len() + head.topic.as_str().len() + properties;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let meter = session
            .rare()
            .meter
            .get_or_insert_with(|| Meter::full(&rate, now));
        if meter.admits(&rate, now, bytes) {
            meter.take(&rate, bytes);
            return true;
        }
        if head.qos == QoS::AtMostOnce || link.version == Version::V5 {
            return false;
        }
        // An answer that refuses there is none in 3.x.
        meter.take(&rate, bytes);
        let at = meter.ready_at(&rate);
        session.rare().resumes_at = Some(at);
        if let Some(key) = link.session {
            self.arm(key);
        }
        true
    }

    /// A client that was too fast may be read again.
    pub(super) fn end_throttle(&mut self, key: SessionKey) {
        let Some(session) = self.session(key) else { return };
        session.rare().resumes_at = None;
        session.tidy();
        if let Some(conn) = session.conn {
            self.wake(conn);
        }
    }

    /// Stores a message if it is to be retained, and queues it for every subscription that matches. `message` makes it,
    /// and is asked only if somebody keeps it. Says how many it went to.
    pub(super) fn spread(
        &mut self,
        origin: Origin,
        topic: &str,
        (retain, is_empty): (bool, bool),
        message: impl FnOnce() -> Message,
    ) -> usize {
        let mut matches = core::mem::take(&mut self.matches);
        let Self {
            realms,
            sessions,
            links,
            ..
        } = self;
        let room = |key: SessionKey| {
            let Some(session) = sessions.get(key.0 as usize) else {
                return Room::None;
            };
            let window = session
                .conn
                .and_then(|conn| links.get(conn.index()))
                .map(|link: &Link| link.outgoing);
            match window {
                _ if session.is_full() => Room::None,
                None => Room::Away,
                Some(window) if session.may_begin(&window) && session.queue.is_empty() => Room::Now,
                Some(_) => Room::Later,
            }
        };
        // 5/MQTT-3.3.2-3, 3.1.1/MQTT-3.3.2-3
        if let Some(realm) = realms.get_mut(RealmKey::Pool(origin.pool)) {
            realm
                .routes
                .route(topic, Some(origin.session), room, &mut matches);
        }
        // 3.1/2.1-6; whatever its QoS (3.1.1/MQTT-3.3.1-7), and not without RETAIN (5/MQTT-3.3.1-8, 3.1.1/MQTT-3.3.1-12).
        let keep = retain && !is_empty;
        if retain && is_empty {
            // 5/MQTT-3.3.1-6, 5/MQTT-3.3.1-7, 3.1.1/MQTT-3.3.1-10, 3.1.1/MQTT-3.3.1-11, 3.1/2.1-9
            self.retained.remove(origin.pool, topic, &mut self.journal);
        }
        let reached = matches.len();
        if keep || reached > 0 {
            let mut message = message();
            self.journal.number(&mut message);
            if keep {
                match self.retained.store(
                    origin.pool,
                    topic,
                    message.clone(),
                    origin.retained,
                    &mut self.journal,
                ) {
                    Stored::Kept { evicted } => {
                        self.events.drop_messages(DropCause::RetainedEvicted, evicted);
                    }
                    Stored::Refused => self.events.drop_messages(DropCause::RetainedFull, 1),
                }
            }
            // 5/MQTT-4.6.0-6, 3.1.1/MQTT-4.6.0-5, 3.1.1/MQTT-4.6.0-6: each queue is in the order of arrival.
            for found in matches.drain(..) {
                self.enqueue(found, &message);
            }
        }
        self.matches = matches;
        reached
    }

    /// Puts a message into the queue of one session.
    pub(super) fn enqueue(&mut self, found: Match, message: &Message) {
        let key = found.session;
        let Some(session) = self.sessions.get_mut(key.0 as usize) else {
            return;
        };
        let waiting = Waiting::new(message.clone(), found);
        if session.conn.is_none() && waiting.qos == QoS::AtMostOnce && !self.config.queue_qos_0_while_away {
            self.events.drop_messages(DropCause::Away, 1);
            return;
        }
        let limits = &session.grant.limits;
        let mut log = self.journal.log(session.owner);
        // 3.1.1/MQTT-3.1.2-5, 3.1/3.1-18: also while its client is away.
        match session.queue.push(
            waiting,
            (limits.queue_messages, limits.queue_bytes),
            self.config.drop_policy,
            &mut self.backlog,
            &mut log,
        ) {
            Queued::Waits => {}
            Queued::Displaced(count) => self.events.drop_messages(DropCause::QueueFull, count),
            Queued::Dropped => self.events.drop_messages(DropCause::QueueFull, 1),
            Queued::Disconnect => {
                self.events.drop_messages(DropCause::QueueFull, 1);
                self.overflowed.push_back(key);
            }
        }
        if let Some(conn) = session.conn {
            self.wake(conn);
        }
    }

    /// PUBREL.
    pub(super) fn release(&mut self, now: Instant, conn: ConnId, ack: Ack<'_>) {
        let id = ack.packet_id;
        let Some((link, session, _, mut log)) = self.parts_of(conn) else {
            return;
        };
        let code = match Incoming::on_pubrel(session.received.get(&id).copied()) {
            OnPubRel::Complete => {
                session.complete(id, &mut log);
                link.incoming.give_back();
                ReasonCode::SUCCESS
            }
            OnPubRel::CompleteUnknown => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            OnPubRel::Violation(rule) => return self.violation(now, conn, rule),
        };
        self.owe(conn, Reply::PubComp(id, code));
    }

    /// A PUBACK or PUBREC is on its way: the exchange ends, or goes on.
    pub(super) fn answered(&mut self, conn: ConnId, id: PacketId, code: ReasonCode) {
        let Some((link, session, _, mut log)) = self.parts_of(conn) else {
            return;
        };
        // What is refused is not what the exchange with this id is about, if there is one.
        if code.is_failure() {
            return;
        }
        let Some(stage) = session.received.get_mut(&id) else {
            return;
        };
        match stage.on_answered(false) {
            Some(next) => *stage = next,
            None => {
                session.complete(id, &mut log);
                link.incoming.give_back();
            }
        }
    }
}

/// The answer to a message of QoS 1 or 2 (`5/MQTT-3.3.4-1`, `3.1.1/MQTT-3.3.4-1`, `3.1/3.3-3`).
fn ack(qos: QoS, id: PacketId, code: ReasonCode) -> Reply {
    if qos == QoS::ExactlyOnce {
        Reply::PubRec(id, code)
    } else {
        Reply::PubAck(id, code)
    }
}
