//! What the owner of a server sees of sessions: views, nothing is copied.

use core::num::NonZeroU32;

use mqtt_proto::{QoS, Version};

use super::{Broker, ConnId, Delivery, Grant, Message, Peer, Pool, session::Session};
use crate::Instant;

/// One session, connected or kept: see [`Broker::sessions`].
#[derive(Copy, Clone, Debug)]
pub struct SessionInfo<'b> {
    pub(super) broker: &'b Broker,
    pub(super) key: super::route::SessionKey,
    pub(super) session: &'b Session,
}

/// One subscription of a session.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionInfo<'b> {
    /// The filter as the client wrote it, `$share/group/` included.
    pub filter: &'b str,
    /// The QoS that was granted.
    pub qos: QoS,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Subscription Identifier.
    pub identifier: Option<NonZeroU32>,
}

/// What a client is told when a subscription of it was taken away: MQTT has no packet for that.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "it is told or it is not")]
pub enum Revoked {
    /// Nothing.
    Silently,
    /// DISCONNECT 0x98 (Administrative action), in 3.x the connection is closed: when it subscribes again, the answer tells.
    Disconnect,
}

impl<'b> SessionInfo<'b> {
    /// What the client calls itself, or is called by us; the name of a local connection.
    pub fn client_id(&self) -> &'b str {
        &self.session.client_id
    }

    /// Where it is known by that name.
    pub fn pool(&self) -> Pool {
        self.session.grant.pool
    }

    /// The owner's own number: [`Grant::context`].
    pub fn context(&self) -> u64 {
        self.session.grant.context
    }

    /// What it may do.
    pub fn grant(&self) -> &'b Grant {
        &self.session.grant
    }

    /// The connection that it is bound to; `None` while its client is away.
    pub fn conn(&self) -> Option<ConnId> {
        self.session.conn
    }

    /// Where that connection comes from.
    pub fn peer(&self) -> Option<Peer> {
        self.broker.peer(self.session.conn?)
    }

    /// The version that is spoken on it; 5.0 on a local one.
    pub fn version(&self) -> Option<Version> {
        self.broker.version_on(self.session.conn?)
    }

    /// It is that of a [local connection](Broker::open_local).
    pub fn is_local(&self) -> bool {
        self.session.conn.is_some_and(|conn| self.broker.is_local(conn))
    }

    /// Its subscriptions, ordered by filter. Local connections have identifiers of their own.
    pub fn subscriptions(&self) -> impl Iterator<Item = SubscriptionInfo<'b>> + use<'b> {
        let Self { broker, key, session } = *self;
        session
            .filters
            .iter()
            .filter_map(move |(filter, _)| broker.subscription(key, filter))
    }

    /// How many they are.
    pub fn subscription_count(&self) -> usize {
        self.session.filters.len()
    }

    /// What waits for the client, in the order in which it will go out, as far as its window lets it. Retained messages of
    /// new subscriptions are not among it: they are looked up when their turn has come.
    pub fn queue(&self) -> impl Iterator<Item = &'b Message> + use<'b> {
        self.session.queue.iter().map(|waiting| &waiting.message)
    }

    /// How many messages that is.
    pub fn queue_messages(&self) -> usize {
        self.session.queue.len()
    }

    /// Bytes of them, as the limit counts them.
    pub fn queue_bytes(&self) -> usize {
        self.session.queue.bytes()
    }

    /// Messages of QoS 1 and 2 that were sent to the client and are not finished.
    pub fn in_flight(&self) -> usize {
        self.session.in_flight.len()
    }

    /// Packets both ways since the session began; PINGREQ, PINGRESP and the CONNECTs are not counted.
    pub fn packets(&self) -> u64 {
        self.session.packets
    }

    /// Messages of QoS 1 and 2 that came from the client and are not finished.
    pub fn receiving(&self) -> usize {
        self.session.received.len()
    }

    /// Seconds that the session is kept after its connection; `u32::MAX` is for ever.
    pub fn session_expiry(&self) -> u32 {
        self.session.expiry
    }

    /// When it ends if its client stays away; `None` while it is connected, or if it is kept for ever.
    pub fn expires_at(&self) -> Option<Instant> {
        self.session.expires_at
    }

    /// Its will, if it has one.
    pub fn will(&self) -> Option<&'b Message> {
        let rare = self.session.rare.as_deref()?;
        rare.will.as_ref().map(|will| &will.message)
    }

    /// When the will is published, its connection being gone.
    pub fn will_at(&self) -> Option<Instant> {
        self.session.will_at()
    }
}

/// What was taken out of a queue: see [`Broker::take_queue`].
#[derive(Debug)]
pub struct TakenQueue<'b> {
    pub(super) broker: &'b mut Broker,
    pub(super) key: Option<super::route::SessionKey>,
}

impl Iterator for TakenQueue<'_> {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        self.broker.take_waiting(self.key?)
    }
}
