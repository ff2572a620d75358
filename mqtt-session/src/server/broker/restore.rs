//! A broker made from the entries that another one wrote.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::fmt;

use mqtt_proto::{PacketId, QoS, TopicFilter};

use super::Broker;
use crate::{
    Instant,
    flow::{Incoming, Outgoing},
    record::broker::{Away, Entry, EntryError, KeptDelivery, KeptGrant, KeptSubscription, KeptWill, Key},
    server::{
        Grant, Pool, ServerConfig,
        journal::Owner,
        message::Message,
        pool::RealmKey,
        retained::Serial,
        route::{GroupFilter, Routes, SessionKey, Subscribed, SubscriptionIds},
        session::{Backlog, Exchange, RetainedPull, Session, Waiting, Will},
    },
};

/// Levels of a topic or filter, at most; searches go down the levels by recursion.
const LEVELS_MAX: usize = 1_024;

/// Reads entries, in any order, for a broker. What [`Broker::restore`] does, for stores that are read by a callback.
///
/// ```
/// use mqtt_session::{Instant, server::{Broker, Restore, Server, ServerConfig}};
///
/// let mut config = ServerConfig::default();
/// config.durable = true;
/// let now = Instant::from_secs(1);
/// let store = Broker::new(config.clone()).snapshot();
///
/// let mut restore = Restore::new(config);
/// for (key, value) in store.iter() {
///     restore.read(key, value.unwrap_or_default())?;
/// }
/// let server = Server::from(restore.finish(now)?);
/// # Ok::<(), mqtt_session::server::RestoreError>(())
/// ```
#[derive(Debug)]
pub struct Restore {
    broker: Broker,
    sessions: BTreeMap<u64, (Session, Option<Away>)>,
    subscriptions: BTreeMap<(u64, Box<str>), [Option<KeptSubscription>; 2]>,
    messages: BTreeMap<u64, Message>,
    waiting: BTreeMap<(u64, u64), (u64, QoS, Delivery)>,
    in_flight: BTreeMap<(u64, u64), UnderWay>,
    received: BTreeSet<(u64, PacketId)>,
    pulls: BTreeMap<(u64, Box<str>), RetainedPull>,
    retained: BTreeMap<(Pool, u64), (Box<str>, u64)>,
    /// Each group's filter once.
    groups: BTreeMap<Box<str>, GroupFilter>,
}

/// What an [`Entry::InFlight`] says beside its key.
type UnderWay = (PacketId, Outgoing, Option<u64>, Delivery);

/// A [`KeptDelivery`] that borrows nothing.
#[derive(Debug)]
struct Delivery {
    retain: bool,
    ids: SubscriptionIds,
    group: Option<GroupFilter>,
}

/// Entries do not make a broker. The store is not what a broker left: none of this comes of a crash, because changes are
/// made durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Bytes are no entry.
    #[non_exhaustive]
    Entry {
        /// The bytes of its key.
        key: Box<[u8]>,
        /// What is wrong.
        error: EntryError,
    },
    /// An entry speaks of a session or a message that is not there.
    #[non_exhaustive]
    Missing {
        /// The bytes of its key.
        key: Box<[u8]>,
    },
    /// An entry cannot be true beside the others: two sessions of one client, two messages with one packet id, a topic that
    /// is not its message's; or has more levels than any.
    #[non_exhaustive]
    Impossible {
        /// The bytes of its key.
        key: Box<[u8]>,
    },
}

impl RestoreError {
    fn missing(key: Key<'_>) -> Self {
        Self::Missing {
            key: key.encode().into(),
        }
    }

    fn impossible(key: Key<'_>) -> Self {
        Self::Impossible {
            key: key.encode().into(),
        }
    }

    /// The bytes of the key of the entry that is wrong.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Entry { key, .. } | Self::Missing { key } | Self::Impossible { key } => key,
        }
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Key::decode(self.key()) {
            Some(key) => write!(f, "{key:?}: ")?,
            None => write!(f, "{:02x?}: ", self.key())?,
        }
        match self {
            Self::Entry { error, .. } => error.fmt(f),
            Self::Missing { .. } => f.write_str("what it speaks of is not there"),
            Self::Impossible { .. } => f.write_str("it cannot be true beside the others"),
        }
    }
}

impl core::error::Error for RestoreError {}

impl Restore {
    /// For a broker with this configuration.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            broker: Broker::new(config),
            sessions: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            received: BTreeSet::new(),
            pulls: BTreeMap::new(),
            retained: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`RestoreError::Entry`]; it was passed over.
    pub fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        let entry = Entry::decode(key, value).map_err(|error| RestoreError::Entry {
            key: key.into(),
            error,
        })?;
        match entry {
            Entry::Counters { invented } => self.broker.invented = invented,
            Entry::Session { session, kept } => {
                let grant = self.broker.granted(kept.grant);
                let owner = if self.broker.journal.is_on() {
                    Owner::restored(session)
                } else {
                    Owner::default()
                };
                let mut made = Session::new(kept.client_id.into(), grant, owner);
                made.expiry = kept.expiry;
                if let Some(will) = kept.will {
                    made.rare().will = Some(restored_will(&will));
                }
                self.sessions.insert(session, (made, kept.away));
            }
            Entry::Subscription {
                session,
                filter,
                direct,
                shared,
            } => {
                self.subscriptions
                    .insert((session, filter.into()), [direct, shared]);
            }
            Entry::Message { message, kept } => {
                let mut made = Message::of(&kept);
                made.set_number(message);
                self.messages.insert(message, made);
            }
            Entry::Waiting {
                session,
                place,
                message,
                qos,
                how,
            } => {
                let how = self.own(how);
                self.waiting.insert((session, place), (message, qos, how));
            }
            Entry::InFlight {
                session,
                order,
                id,
                stage,
                message,
                how,
            } => {
                let how = self.own(how);
                self.in_flight.insert((session, order), (id, stage, message, how));
            }
            Entry::Received { session, id } => {
                self.received.insert((session, id));
            }
            Entry::Pull {
                session,
                filter,
                kept,
            } => {
                let pull = RetainedPull {
                    qos: kept.qos,
                    dollar: kept.dollar,
                    id: kept.id,
                    until: Serial::from_number(kept.until),
                    after: kept.after.map(Into::into),
                };
                self.pulls.insert((session, filter.into()), pull);
            }
            Entry::Retained {
                pool,
                topic,
                serial,
                message,
            } => {
                self.retained
                    .insert((pool, serial), (topic.as_str().into(), message));
            }
        }
        Ok(())
    }

    fn own(&mut self, how: KeptDelivery<'_>) -> Delivery {
        let group = how.group.map(|text| {
            if let Some(group) = self.groups.get(text) {
                return group.clone();
            }
            let group = GroupFilter::new(text.into());
            self.groups.insert(text.into(), group.clone());
            group
        });
        Delivery {
            retain: how.retain,
            ids: how.ids.into_iter().collect(),
            group,
        }
    }

    /// The broker, as the last entries left it. Clients that were connected then lost their connections `now`: their wills
    /// are published and their sessions end when that is due.
    ///
    /// # Errors
    /// [`RestoreError::Missing`], [`RestoreError::Impossible`].
    pub fn finish(mut self, now: Instant) -> Result<Broker, RestoreError> {
        self.broker.clock(now);
        self.subscribe()?;
        self.fill()?;
        self.retain()?;
        let away = self.settle_in()?;
        let mut broker = self.broker;
        // Messages that nobody holds: there are none where batches were atomic, and none stay.
        for &message in self.messages.keys() {
            broker.journal.orphan(message);
        }
        for (key, away) in away {
            broker.resume(now, key, away);
        }
        broker.settle(now);
        Ok(broker)
    }

    fn session(&mut self, number: u64, key: Key<'_>) -> Result<(&mut Session, &mut Backlog), RestoreError> {
        match self.sessions.get_mut(&number) {
            Some((session, _)) => Ok((session, &mut self.broker.backlog)),
            None => Err(RestoreError::missing(key)),
        }
    }

    fn message(&self, number: u64, key: Key<'_>) -> Result<Message, RestoreError> {
        match self.messages.get(&number) {
            Some(message) => Ok(message.clone()),
            None => Err(RestoreError::missing(key)),
        }
    }

    /// What sessions subscribe.
    fn subscribe(&mut self) -> Result<(), RestoreError> {
        for (session, filter) in self.subscriptions.keys() {
            let (session, filter) = (*session, &**filter);
            let key = Key::Subscription { session, filter };
            if filter.split('/').count() > LEVELS_MAX {
                return Err(RestoreError::impossible(key));
            }
            let Some((kept, _)) = self.sessions.get_mut(&session) else {
                return Err(RestoreError::missing(key));
            };
            kept.filters.insert(filter.into(), ());
        }
        let pulls = core::mem::take(&mut self.pulls);
        for ((number, filter), pull) in pulls {
            let key = Key::Pull {
                session: number,
                filter: &filter,
            };
            let (session, _) = self.session(number, key)?;
            if session.filters.get(&*filter).is_none() {
                return Err(RestoreError::missing(key));
            }
            let (realm, until) = (RealmKey::of(session.grant.pool, &filter), pull.until);
            session.rare().retained.insert(filter, pull);
            if realm != RealmKey::Sys {
                self.broker.retained.raise(until);
            }
        }
        Ok(())
    }

    /// Queues, what is in flight, and what was received.
    fn fill(&mut self) -> Result<(), RestoreError> {
        for ((session, place), (message, qos, how)) in core::mem::take(&mut self.waiting) {
            let key = Key::Waiting { session, place };
            let message = self.message(message, key)?;
            let waiting = Waiting::restored((place, message), qos, how.retain, how.ids, how.group);
            let (session, backlog) = self.session(session, key)?;
            session.queue.restore(waiting, backlog);
        }
        let mut ids = BTreeSet::new();
        for ((session, order), (id, stage, message, how)) in core::mem::take(&mut self.in_flight) {
            let key = Key::InFlight { session, order };
            if !ids.insert((session, id)) {
                return Err(RestoreError::impossible(key));
            }
            let message = message.map(|message| self.message(message, key)).transpose()?;
            let exchange = Exchange {
                id,
                stage,
                message,
                ids: how.ids,
                group: how.group,
                retain: how.retain,
                order,
            };
            let (session, backlog) = self.session(session, key)?;
            session.in_flight.restore(exchange, backlog);
        }
        for (session, id) in core::mem::take(&mut self.received) {
            let (session, _) = self.session(session, Key::Received { session, id })?;
            session.received.insert(id, Incoming::AwaitingPubRel);
        }
        Ok(())
    }

    /// Retained messages, as they were stored one after the other (`3.1/2.1-11`).
    fn retain(&mut self) -> Result<(), RestoreError> {
        for ((pool, serial), (topic, message)) in core::mem::take(&mut self.retained) {
            let topic = &*topic;
            let key = Key::Retained { pool, topic };
            let message = self.message(message, key)?;
            let levels = topic.split('/').count();
            if message.topic().as_str() != topic || levels > LEVELS_MAX {
                return Err(RestoreError::impossible(key));
            }
            self.broker.journal.restored_retained(&message);
            let serial = Serial::from_number(serial);
            if !self.broker.retained.put(pool, topic, message, serial) {
                return Err(RestoreError::impossible(key));
            }
        }
        Ok(())
    }

    /// Gives sessions their places, and their subscriptions to the routes. Says which there are, and since when they are on
    /// their own.
    fn settle_in(&mut self) -> Result<Vec<(SessionKey, Option<Away>)>, RestoreError> {
        let mut away = Vec::with_capacity(self.sessions.len());
        let mut keys = BTreeMap::new();
        for (number, (session, since)) in core::mem::take(&mut self.sessions) {
            let Some(key) = self.broker.restore_session(session) else {
                return Err(RestoreError::impossible(Key::Session(number)));
            };
            keys.insert(number, key);
            away.push((key, since));
        }
        for ((number, filter), [direct, shared]) in core::mem::take(&mut self.subscriptions) {
            // It was there when the filter was given to it.
            let Some(&key) = keys.get(&number) else { continue };
            self.broker.restore_routes(key, &filter, direct, shared);
        }
        Ok(away)
    }
}

fn restored_will(will: &KeptWill<'_>) -> Will {
    Will {
        message: Message::of(&will.message),
        delay: will.delay,
        expiry: will.expiry,
    }
}

impl Broker {
    /// A broker that goes on where another one was when it polled its last changes that reached the store; with all entries
    /// of the store, in any order. Clients that were connected then lost their connections `now`: their wills are published
    /// and their sessions end when that is due. `now` counts as the one before did: moments in the entries are absolute.
    ///
    /// Limits of the configuration are for what is to come: what is there stays.
    ///
    /// # Errors
    /// [`RestoreError`]: the entries are not what a broker left.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: ServerConfig,
        now: Instant,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RestoreError> {
        let mut restore = Restore::new(config);
        for (key, value) in entries {
            restore.read(key.as_ref(), value.as_ref())?;
        }
        restore.finish(now)
    }

    fn granted(&self, grant: KeptGrant) -> Arc<Grant> {
        match grant {
            KeptGrant::OfListener(listener) => self.grant_of(listener),
            KeptGrant::Own(grant) => Arc::new(grant),
        }
    }

    /// `None` if there is one of this client already.
    fn restore_session(&mut self, session: Session) -> Option<SessionKey> {
        let pool = session.grant.pool;
        let name = (pool, session.client_id.clone());
        if self.by_client.contains_key(&name) {
            return None;
        }
        let key = SessionKey(u32::try_from(self.sessions.vacant_key()).ok()?);
        self.journal.restored_session(key, &session);
        for (filter, ()) in session.filters.iter() {
            self.subscriptions += 1;
            self.subscription_bytes += Routes::subscription_bytes(filter);
        }
        self.sessions.insert(session);
        self.by_client.insert(name, key);
        self.realms.add_session(pool);
        Some(key)
    }

    fn restore_routes(
        &mut self,
        key: SessionKey,
        filter: &str,
        direct: Option<KeptSubscription>,
        shared: Option<KeptSubscription>,
    ) {
        let Some(session) = self.sessions.get(key.0 as usize) else {
            return;
        };
        let pool = session.grant.pool;
        let mut put = |filter: &str, group, how: KeptSubscription| {
            let place = RealmKey::of(pool, filter);
            if let Some(realm) = self.realms.get_mut(place) {
                let new = realm.routes.subscribe(key, filter, group, how.into());
                if new && place == RealmKey::Sys {
                    self.sys.subscribed();
                }
            }
        };
        if let Some(how) = direct {
            put(filter, None, how);
        }
        let share = TopicFilter::new(filter).ok().and_then(TopicFilter::share);
        if let (Some(how), Some(share)) = (shared, share) {
            put(share.filter().as_str(), Some(share.group()), how);
        }
    }

    /// A session is on its own since then, or since now.
    fn resume(&mut self, now: Instant, key: SessionKey, away: Option<Away>) {
        let Some(away) = away else {
            return self.leave(now, key);
        };
        let Some(session) = self.session(key) else { return };
        session.expires_at = away.expires_at;
        if let Some(rare) = session.rare.as_mut() {
            rare.will_at = away.will_at;
        }
        session.tidy();
        self.arm(key);
    }
}

impl From<KeptSubscription> for Subscribed {
    fn from(kept: KeptSubscription) -> Self {
        Self {
            qos: kept.qos,
            no_local: kept.no_local,
            retain_as_published: kept.retain_as_published,
            dollar: kept.dollar,
            id: kept.id,
        }
    }
}
