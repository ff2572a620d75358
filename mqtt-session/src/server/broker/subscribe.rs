//! SUBSCRIBE and UNSUBSCRIBE (3.8, 3.10).

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mqtt_proto::{
    PacketType, ReasonCode, TopicFilter, Version,
    packet::{RetainHandling, Subscribe, Subscription, Unsubscribe},
    topic::level_count,
};

use super::{Broker, Verdict, decide::Ruling};
use crate::{
    Instant,
    flow::rules,
    server::{
        ConnId, Ended, Explained, Pool, Reply,
        pool::RealmKey,
        question::Kind,
        route::{Routes, SessionKey, Subscribed},
        session::RetainedPull,
    },
};

impl Broker {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        conn: ConnId,
        subscribe: &Subscribe<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        let (version, key) = self.link(conn).map(|link| (link.version, link.session))?;
        let key = key?;
        let id = subscribe.properties.subscription_identifiers().next();
        let offer = self.offer(conn);
        if id.is_some() && !offer.subscription_ids_available {
            self.violation(now, conn, &rules::SUBSCRIPTION_ID_UNAVAILABLE);
            return None;
        }
        let is_shared = |s: Subscription<'_>| shared(s.filter, version).is_some();
        if !offer.shared_available && subscribe.filters.iter().any(is_shared) {
            self.violation(now, conn, &rules::SHARED_UNAVAILABLE);
            return None;
        }
        if verdict.is_none() && offer.asks.subscribe {
            return Some(Kind::Subscribe);
        }
        // 5/MQTT-3.8.4-5, 5/MQTT-3.8.4-6, 3.1.1/MQTT-3.8.4-4, 3.1.1/MQTT-3.8.4-5: one code for each, in order
        // (5/MQTT-3.9.3-1, 3.1.1/MQTT-3.9.3-1, 3.1/3.9-2), what is granted or why not (5/MQTT-3.8.4-7).
        let codes: Vec<u8> = subscribe
            .filters
            .iter()
            .enumerate()
            .map(|(at, mut subscription)| {
                let ruling = verdict.as_ref().map(|v| v.ruling(at, PacketType::SubAck));
                let granted = match ruling.unwrap_or(Ruling::AsAsked) {
                    Ruling::Refused(code) => Err(code),
                    ruling @ (Ruling::AsAsked | Ruling::AtMost(_)) => {
                        if let Ruling::AtMost(qos) = ruling {
                            subscription.options.qos = subscription.options.qos.min(qos);
                        }
                        self.subscribe_one(conn, key, version, id.and_then(NonZeroU32::new), subscription)
                    }
                };
                match granted {
                    Ok(code) => code.0,
                    // 3.1 has no code for a refusal (3.1/3.8-5, 3.1/3.9-1); 3.1.1 has one.
                    Err(_) if version == Version::V31 => u8::from(subscription.options.qos),
                    Err(_) if version == Version::V311 => ReasonCode::UNSPECIFIED_ERROR.0,
                    Err(code) => code.0,
                }
            })
            .collect();
        // 5/MQTT-3.8.4-1, 5/MQTT-3.8.4-2, 3.1.1/MQTT-3.8.4-1, 3.1.1/MQTT-3.8.4-2, 3.1/3.8-2
        let reply = Reply::SubAck(subscribe.packet_id, codes.into());
        let remarks = verdict.map(Verdict::into_remarks).unwrap_or_default();
        self.owe(conn, Explained::wrap(reply, remarks));
        None
    }

    pub(super) fn subscribe_one(
        &mut self,
        conn: ConnId,
        key: SessionKey,
        version: Version,
        id: Option<NonZeroU32>,
        subscription: Subscription<'_>,
    ) -> Result<ReasonCode, ReasonCode> {
        let Subscription { filter, options } = subscription;
        let offer = self.offer(conn);
        // 5/MQTT-3.2.2-10: what cannot be granted is granted lower.
        let (wildcards, qos) = (offer.wildcard_available, options.qos.min(offer.maximum_qos));
        let (group, topics) = parts(filter, version);
        if level_count(topics.as_str()) > self.config.limits.topic_levels {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        // 3.1.1/MQTT-3.8.3-2
        if topics.has_wildcard() && !wildcards {
            return Err(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        let session = self
            .sessions
            .get_mut(key.0 as usize)
            .ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        let grant = &session.grant;
        let realm = RealmKey::of(grant.pool, topics.as_str());
        if realm == RealmKey::Sys && !grant.sees_sys {
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
        if session.filters.get(filter.as_str()).is_none() {
            let limits = &self.config.limits;
            let bytes = self
                .subscription_bytes
                .saturating_add(Routes::subscription_bytes(filter.as_str()));
            if session.filters.len() >= grant.limits.subscriptions
                || self.subscriptions >= limits.subscriptions
                || bytes > limits.subscription_bytes
            {
                return Err(ReasonCode::QUOTA_EXCEEDED);
            }
            self.subscriptions += 1;
            self.subscription_bytes = bytes;
        }
        let mut log = self.journal.log(session.owner);
        session.subscribe(filter.as_str(), &mut log);
        let dollar = version == Version::V31;
        if realm == RealmKey::Sys {
            // Before it is there itself, so that it gets what there is as retained messages.
            self.begin_sys(self.now);
        }
        // 5/MQTT-3.8.4-4, 3.1.1/MQTT-3.8.4-3: what waits already is not touched when a subscription is replaced.
        let how = Subscribed::new(options, qos, dollar, id);
        let new = self
            .realms
            .get_mut(realm)
            .is_some_and(|realm| realm.routes.subscribe(key, topics.as_str(), group, how));
        if realm == RealmKey::Sys && new {
            self.sys.subscribed();
        }
        let (kept, until) = match realm {
            RealmKey::Sys => (self.sys.retained.count(), self.sys.retained.last()),
            RealmKey::Pool(pool) => (self.retained.count_in(pool), self.retained.last()),
        };
        let wants_retained = match options.retain_handling {
            RetainHandling::Send => true,       // 5/MQTT-3.3.1-9, 3.1.1/MQTT-3.3.1-6
            RetainHandling::SendIfNew => new,   // 5/MQTT-3.3.1-10
            RetainHandling::DoNotSend => false, // 5/MQTT-3.3.1-11
        };
        let session = self.sessions.get_mut(key.0 as usize);
        let session = session.ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        let mut log = self.journal.log(session.owner);
        // A shared subscription brings none (5.0, 4.8.2).
        if wants_retained && group.is_none() && kept > 0 {
            let pull = RetainedPull {
                qos,
                dollar,
                id,
                until,
                after: None,
            };
            session.pull(filter.as_str(), pull, &mut log);
        } else if !new {
            session.pull_as(filter.as_str(), how, &mut log);
        }
        Ok(ReasonCode(qos.into()))
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Instant,
        conn: ConnId,
        unsubscribe: &Unsubscribe<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        let (version, key) = self.link(conn).map(|link| (link.version, link.session))?;
        let key = key?;
        if verdict.is_none() && self.offer(conn).asks.unsubscribe {
            return Some(Kind::Unsubscribe);
        }
        // UNSUBACK of 3.x cannot say that nothing was done, and nobody has decided that it should not be.
        if verdict.as_ref().is_some_and(Verdict::is_late) && !version.has_properties() {
            self.end_link(now, conn, Ended::Undecided, Some(Reply::Close));
            return None;
        }
        // 5/MQTT-3.10.4-6, 3.1.1/MQTT-3.10.4-6, 3.1/3.10-2: one after the other.
        let codes: Box<[u8]> = unsubscribe
            .filters
            .iter()
            .enumerate()
            .map(|(at, filter)| {
                let ruling = verdict.as_ref().map(|v| v.ruling(at, PacketType::UnsubAck));
                if let Some(Ruling::Refused(code)) = ruling {
                    return code.0;
                }
                // 5/MQTT-3.10.4-1, 3.1.1/MQTT-3.10.4-1: exactly the same text.
                let existed = self.forget_filter(key, filter);
                let code = if existed {
                    ReasonCode::SUCCESS
                } else {
                    ReasonCode::NO_SUBSCRIPTION_EXISTED
                };
                code.0
            })
            .collect();
        // 5/MQTT-3.10.4-4, 5/MQTT-3.10.4-5, 5/MQTT-3.11.3-1, 3.1.1/MQTT-3.10.4-4, 3.1.1/MQTT-3.10.4-5, 3.1/3.11-1
        let reply = Reply::UnsubAck(unsubscribe.packet_id, codes);
        let remarks = verdict.map(Verdict::into_remarks).unwrap_or_default();
        self.owe(conn, Explained::wrap(reply, remarks));
        None
    }

    pub(super) fn forget_filter(&mut self, key: SessionKey, filter: TopicFilter<'_>) -> bool {
        // 5/MQTT-3.10.4-2, 3.1.1/MQTT-3.10.4-2: nothing new comes by it. 5/MQTT-3.10.4-3, 3.1.1/MQTT-3.10.4-3: what waits
        // or is under way still comes.
        let Some(session) = self.sessions.get_mut(key.0 as usize) else {
            return false;
        };
        if session.unsubscribe(filter.as_str(), &mut self.journal.log(session.owner)) {
            self.subscriptions = self.subscriptions.saturating_sub(1);
            self.subscription_bytes = self
                .subscription_bytes
                .saturating_sub(Routes::subscription_bytes(filter.as_str()));
        }
        let pool = session.grant.pool;
        self.forget_route(pool, key, filter)
    }

    /// Takes a subscription out of the routes; false if there was none.
    pub(super) fn forget_route(&mut self, pool: Pool, key: SessionKey, filter: TopicFilter<'_>) -> bool {
        // A client of 3.x and one of 5.0 mean different things by `$share/`, and a session may have known both.
        let mut leave = |topics: TopicFilter<'_>, group| {
            let realm = RealmKey::of(pool, topics.as_str());
            let left = self
                .realms
                .get_mut(realm)
                .is_some_and(|realm| realm.routes.unsubscribe(key, topics.as_str(), group));
            if left && realm == RealmKey::Sys {
                self.sys.unsubscribed();
            }
            left
        };
        let direct = leave(filter, None);
        let shared = filter
            .share()
            .is_some_and(|share| leave(share.filter(), Some(share.group())));
        direct || shared
    }
}

/// Group and filter, if this is a shared subscription in this version.
pub(super) fn shared<'f>(filter: TopicFilter<'f>, version: Version) -> Option<(&'f str, TopicFilter<'f>)> {
    if version != Version::V5 {
        return None;
    }
    filter.share().map(|share| (share.group(), share.filter()))
}

/// The group, if there is one, and which topics are asked for.
fn parts<'f>(filter: TopicFilter<'f>, version: Version) -> (Option<&'f str>, TopicFilter<'f>) {
    match shared(filter, version) {
        Some((group, topics)) => (Some(group), topics),
        None => (None, filter),
    }
}
