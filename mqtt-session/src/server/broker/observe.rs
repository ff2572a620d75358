//! What can be seen of the broker from outside: metrics, its greatest sessions, and `$SYS`.

use alloc::{format, vec::Vec};
use core::cmp::Reverse;

use mqtt_proto::{Properties, QoS, TopicName, packet::PublishHead};

use super::Broker;
use crate::{
    Instant,
    server::{
        ConnId, Metrics, Pool, PoolMetrics, Request, SessionInfo, TopBy, Traffic,
        message::Message,
        pool::RealmKey,
        route::{Room, SessionKey},
        sys,
    },
};

impl Broker {
    /// Everything that is counted, as it is now. The time matters to the averages and the uptime alone. The cost grows with
    /// the number of pools, not with that of sessions.
    pub fn metrics(&self, now: Instant) -> Metrics {
        let now = self.now.max(now);
        let holdings = self.holdings();
        let drops = self.events.totals();
        let mut metrics = Metrics {
            uptime: now.saturating_duration_since(self.started.unwrap_or(now)),
            connections: holdings.connections,
            handshakes: self.handshakes,
            sessions: holdings.sessions,
            connected: self.connected,
            connected_maximum: self.connected_maximum,
            pools: self.pool_metrics(),
            subscriptions: holdings.subscriptions,
            subscription_bytes: self.subscription_bytes,
            queued_messages: holdings.queued_messages,
            queued_bytes: holdings.queued_bytes,
            in_flight: holdings.in_flight,
            retained_messages: holdings.retained_messages,
            retained_bytes: holdings.retained_bytes,
            total: self.totals,
            questions: self.question_counts(),
            drops,
            ..Metrics::default()
        };
        let mut averages = self.averages.clone();
        averages.look(now, &self.totals, metrics.dropped_in_all());
        metrics.load = averages.load();
        metrics
    }

    fn pool_metrics(&self) -> Vec<PoolMetrics> {
        let mut pools: Vec<PoolMetrics> = self
            .realms
            .pools()
            .map(|(pool, realm)| PoolMetrics {
                pool,
                sessions: realm.sessions,
                connected: realm.connected,
                ..PoolMetrics::default()
            })
            .collect();
        for (pool, messages, bytes) in self.retained.pools() {
            let at = pools.binary_search_by_key(&pool, |metrics| metrics.pool);
            let at = at.unwrap_or_else(|at| {
                pools.insert(
                    at,
                    PoolMetrics {
                        pool,
                        ..PoolMetrics::default()
                    },
                );
                at
            });
            if let Some(metrics) = pools.get_mut(at) {
                metrics.retained_messages = messages;
                metrics.retained_bytes = bytes;
            }
        }
        pools
    }

    /// The `n` sessions that have most, the greatest first; those that have nothing are left out. It looks at all.
    pub fn top_sessions(&self, by: TopBy, n: usize) -> Vec<SessionInfo<'_>> {
        let figure = |info: SessionInfo<'_>| match by {
            TopBy::QueuedMessages => info.queue_messages() as u64,
            TopBy::QueuedBytes => info.queue_bytes() as u64,
            TopBy::Packets => info.packets(),
        };
        let mut figures: Vec<(u64, SessionInfo<'_>)> = self
            .sessions()
            .map(|info| (figure(info), info))
            .filter(|(figure, _)| *figure > 0)
            .collect();
        let order = |(figure, info): &(u64, SessionInfo<'_>)| (Reverse(*figure), info.key);
        if n > 0 && figures.len() > n {
            figures.select_nth_unstable_by_key(n - 1, order);
        }
        figures.truncate(n);
        figures.sort_by_key(order);
        figures.into_iter().map(|(_, info)| info).collect()
    }

    /// What went over the wires and only those who have them can count. [`Server`](crate::server::Server) tells it by
    /// itself.
    pub fn handle_traffic(&mut self, traffic: Traffic) {
        self.totals.bytes_in += traffic.bytes_in;
        self.totals.bytes_out += traffic.bytes_out;
        self.totals.packets_in += traffic.pings;
        self.totals.packets_out += traffic.pings;
    }

    /// Somebody subscribes to `$SYS`: from the first on, it is there.
    pub(super) fn begin_sys(&mut self, now: Instant) {
        if !self.sys.is_wanted() {
            self.publish_sys(now);
        }
    }

    /// When `$SYS` is published next.
    pub(super) fn sys_deadline(&self) -> Option<Instant> {
        let wanted = self.config.sys_interval.is_some() && self.sys.is_wanted();
        wanted.then_some(self.sys.due)
    }

    /// Publishes `$SYS`, if its time has come and somebody wants it.
    pub(super) fn keep_sys(&mut self, now: Instant) {
        if self.sys.is_wanted() && self.sys.due <= now {
            self.publish_sys(now);
        }
    }

    fn publish_sys(&mut self, now: Instant) {
        let Some(interval) = self.config.sys_interval else {
            return;
        };
        // No time at all would never end.
        self.sys.due = now + interval.max(core::time::Duration::from_millis(1));
        let metrics = self.metrics(now);
        sys::report(&metrics, |name, value| {
            let topic = format!("$SYS/broker/{name}");
            let head = PublishHead {
                dup: false,
                qos: QoS::AtMostOnce,
                retain: true,
                topic: TopicName::new(&topic).unwrap_or(TopicName::EMPTY),
                packet_id: None,
                properties: Properties::EMPTY,
            };
            let message = Message::new(now, &head, value.as_bytes());
            if self.sys.store(&topic, &message) {
                self.spread_sys(&topic, &message);
            }
        });
    }

    fn spread_sys(&mut self, topic: &str, message: &Message) {
        let mut matches = core::mem::take(&mut self.matches);
        let Self {
            realms,
            sessions,
            config,
            ..
        } = self;
        let is_away = |key: SessionKey| sessions.get(key.0 as usize).is_none_or(|s| s.conn.is_none());
        let room = |key| if is_away(key) { Room::Away } else { Room::Now };
        if let Some(realm) = realms.get_mut(RealmKey::Sys) {
            realm.routes.route(topic, None, room, &mut matches);
        }
        // Those who are away miss nothing: it would be old when they come, and is not counted as dropped.
        matches.retain(|found| config.queue_qos_0_while_away || !is_away(found.session));
        for found in matches.drain(..) {
            self.enqueue(found, message);
        }
        self.matches = matches;
    }

    /// Something came from this client.
    pub(super) fn count_request(&mut self, conn: ConnId, request: &Request<'_>) {
        if !request.is_packet() {
            return;
        }
        self.totals.packets_in += 1;
        if let Request::Publish(publish) = request {
            self.totals.message_in(publish.head.qos, publish.payload.len());
        }
        if let Some((_, session)) = self.session_of(conn) {
            session.packets = session.packets.saturating_add(1);
        }
    }

    /// A packet goes to this client.
    pub(super) fn count_reply(&mut self, conn: ConnId) {
        self.totals.packets_out += 1;
        if let Some((_, session)) = self.session_of(conn) {
            session.packets = session.packets.saturating_add(1);
        }
    }

    /// The client of a session in this pool has come.
    pub(super) fn count_attach(&mut self, pool: Pool) {
        self.realms.attach(pool);
        self.connected += 1;
        self.connected_maximum = self.connected_maximum.max(self.connected);
    }

    /// The client of a session in this pool has gone.
    pub(super) fn count_detach(&mut self, pool: Pool) {
        self.realms.detach(pool);
        self.connected = self.connected.saturating_sub(1);
    }
}
