//! Messages on their way out: from a session's queue to its client, and what the client answers.

use mqtt_proto::{QoS, ReasonCode, packet::Ack};

use super::Broker;
use crate::{
    Instant,
    flow::{Answer, OnAnswer, Outgoing},
    level_tree::Search,
    server::{
        ConnId, Delivery, DropCause, Pool, Reply, pool::RealmKey, route::SubscriptionIds, session::Waiting,
    },
};

/// Topics that are looked at for retained messages before others have their turn.
const SEARCH_STEPS: usize = 1_024;

/// Messages of one client that are passed over, because they have expired or are too large for it, before others have
/// their turn.
pub(super) const DROPS_AT_ONCE: usize = 1_024;

impl Broker {
    /// The next message for a client, or what is to be sent to it again.
    pub(super) fn next_delivery(&mut self, now: Instant, conn: ConnId) -> Option<Reply> {
        let reply = self.next_message(now, conn)?;
        if let Reply::Deliver(delivery) = &reply {
            self.count_delivery(delivery);
        }
        self.count_reply(conn);
        Some(reply)
    }

    pub(super) fn count_delivery(&mut self, delivery: &Delivery) {
        let payload = delivery.message().payload().len();
        self.totals.message_out(delivery.qos(), payload);
    }

    fn next_message(&mut self, now: Instant, conn: ConnId) -> Option<Reply> {
        for _ in 0..DROPS_AT_ONCE {
            let (link, session, backlog, mut log) = self.parts_of(conn)?;
            // 5/MQTT-4.3.3-13, 5/MQTT-4.3.3-7: what has begun goes on, whether its message has expired or not.
            if !session.in_flight.is_resent() {
                let reply = session.in_flight.resend(&mut link.outgoing)?;
                if let Reply::Deliver(delivery) = &reply {
                    if !link.fits(delivery, now) {
                        session
                            .in_flight
                            .end(delivery.packet_id?, &mut link.outgoing, backlog, &mut log);
                        self.events.drop_messages(DropCause::TooLarge, 1);
                        continue;
                    }
                }
                return Some(reply);
            }
            // 5/MQTT-3.3.4-10: a full window holds messages back, and nothing else comes this way.
            let waiting = if session.has_retained_pulls() {
                self.next_retained(conn)?
            } else {
                let may_begin = session.may_begin(&link.outgoing);
                session.queue.pop(may_begin, backlog, &mut log)?
            };
            // 5/MQTT-3.3.2-5
            if waiting.message.expires_at() <= now {
                self.events.drop_messages(DropCause::Expired, 1);
                continue;
            }
            let (link, session, backlog, mut log) = self.parts_of(conn)?;
            let group = waiting.group.clone();
            let mut delivery = waiting.into_delivery();
            // 5/MQTT-3.1.2-25: as if it had been delivered.
            if !link.fits(&delivery, now) {
                self.events.drop_messages(DropCause::TooLarge, 1);
                continue;
            }
            if delivery.qos != QoS::AtMostOnce {
                session
                    .in_flight
                    .begin(&mut delivery, group, &mut link.outgoing, backlog, &mut log)?;
                if let Some(after) = log.batch() {
                    if link.withhold(after, delivery) {
                        self.journal.withhold(conn);
                    }
                    continue;
                }
            }
            return Some(Reply::Deliver(delivery));
        }
        self.wake(conn);
        None
    }

    /// The next retained message of a subscription that is not through with them; `None` also when the window holds it
    /// back, or when the search takes so long that others are to have their turn before it goes on.
    pub(super) fn next_retained(&mut self, conn: ConnId) -> Option<Waiting> {
        let mut steps = SEARCH_STEPS;
        loop {
            let link = self.links.get_mut(conn.index())?;
            let session = self.sessions.get_mut(link.session?.0 as usize)?;
            let log = &mut self.journal.log(session.owner);
            let may_begin = session.may_begin(&link.outgoing);
            let pulls = &mut session.rare.as_mut()?.retained;
            let Some(mut entry) = pulls.first_entry() else {
                session.tidy();
                return session.queue.pop(may_begin, &mut self.backlog, log);
            };
            let pull = entry.get();
            let after = pull.after.as_deref();
            let pool = session.grant.pool;
            let (retained, pool) = match RealmKey::of(pool, entry.key()) {
                RealmKey::Sys => (&self.sys.retained, Pool::DEFAULT),
                RealmKey::Pool(pool) => (&self.retained, pool),
            };
            let (topic, message) =
                match retained.next(pool, entry.key(), after, pull.dollar, pull.until, &mut steps) {
                    Search::Found(topic, message) => (topic, message),
                    Search::Paused(path) => {
                        entry.get_mut().after = Some(path.into());
                        log.pulling(entry.key(), false);
                        self.wake(conn);
                        return None;
                    }
                    Search::Done => {
                        log.pulled(entry.key());
                        entry.remove();
                        continue;
                    }
                };
            let pull = entry.get_mut();
            let waiting = Waiting::retained(message, pull.qos, SubscriptionIds::one(pull.id));
            if waiting.qos != QoS::AtMostOnce && !may_begin {
                return None;
            }
            pull.after = Some(topic.into());
            log.pulling(entry.key(), false);
            return Some(waiting);
        }
    }

    /// PUBACK, PUBREC, PUBCOMP.
    pub(super) fn answer(&mut self, now: Instant, conn: ConnId, answer: Answer, ack: Ack<'_>) {
        let id = ack.packet_id;
        let Some((link, session, backlog, mut log)) = self.parts_of(conn) else {
            return;
        };
        match Outgoing::on_answer(session.in_flight.stage(id), answer, ack.code) {
            OnAnswer::Done(_) => {
                // 5/MQTT-4.8.2-6: a refused message of a shared subscription is dropped like any other.
                session.in_flight.end(id, &mut link.outgoing, backlog, &mut log);
                self.wake(conn);
            }
            OnAnswer::Release => {
                session.in_flight.release(id, &mut log);
                self.owe(conn, Reply::PubRel(id, ReasonCode::SUCCESS));
            }
            OnAnswer::ReleaseUnknown => {
                self.owe(conn, Reply::PubRel(id, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND))
            }
            OnAnswer::Ignore => {}
            OnAnswer::Violation(rule) => self.violation(now, conn, rule),
        }
    }
}
