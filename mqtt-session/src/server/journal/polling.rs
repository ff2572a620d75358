//! Entries as they are: of what has changed, and of everything.

use alloc::vec::Vec;

use mqtt_proto::{TopicFilter, TopicName};

use super::{Batch, Changes};
use crate::{
    Instant,
    record::{
        Seq,
        broker::{
            Away, Entry, KeptDelivery, KeptGrant, KeptPull, KeptSession, KeptSubscription, KeptWill, Key,
        },
    },
    server::{
        Broker, Pool,
        message::Message,
        route::{GroupFilter, SessionKey, Subscribed, SubscriptionIds},
        session::Session,
    },
};

impl Broker {
    /// Everything that has changed since this was called last, or [`snapshot`](Self::snapshot) was: put it into a store, all
    /// at once or not at all, and say so with [`handle_persisted`](Self::handle_persisted). What depends on it is withheld
    /// until then. `None` if there is nothing, and always without [`ServerConfig::durable`](crate::server::ServerConfig::durable).
    ///
    /// Several may be under way; they have to reach the store in order. One call for each turn of a loop, after all input
    /// was handled and all output polled once, makes few batches of many changes.
    pub fn poll_changes(&mut self) -> Option<Changes> {
        let state = self.journal.0.as_deref_mut()?;
        state.touched = false;
        if state.changed.is_empty() && !state.awaited {
            return None;
        }
        let changed = core::mem::take(&mut state.changed);
        let upto = state.close();
        let mut changes = Changes::new(upto);
        for key in changed.keys() {
            let entry = Key::decode(key).and_then(|key| self.entry(key));
            match entry {
                Some(entry) => changes.put(key, &entry),
                None => changes.remove(key),
            }
        }
        Some(changes)
    }

    /// Everything that is durable, as one batch: for a store that is empty, or emptied in the same breath. It stands for
    /// all changes that were not polled, too. Empty without [`ServerConfig::durable`](crate::server::ServerConfig::durable).
    pub fn snapshot(&mut self) -> Changes {
        let mut changes = Changes::new(Seq::new(0));
        let Some(state) = self.journal.0.as_deref_mut() else {
            return changes;
        };
        state.touched = false;
        state.changed.clear();
        changes = Changes::new(state.close());
        let mut keys = Vec::new();
        self.each_key(|key| keys.push(key.encode()));
        // A message has many holders.
        keys.sort_unstable();
        keys.dedup();
        for key in &keys {
            if let Some(entry) = Key::decode(key).and_then(|key| self.entry(key)) {
                changes.put(key, &entry);
            }
        }
        changes
    }

    /// All changes up to and with these are safe: what was withheld because of them may be sent.
    pub fn handle_persisted(&mut self, now: Instant, upto: Seq) {
        self.clock(now);
        let waiting = self.journal.persisted(upto);
        self.wake_withheld(waiting);
    }

    /// The key of every entry there is, some more than once.
    fn each_key(&self, mut each: impl FnMut(Key<'_>)) {
        each(Key::Counters);
        for (pool, message) in self.retained.iter() {
            let topic = message.topic().as_str();
            each(Key::Retained { pool, topic });
            each(Key::Message(message.number()));
        }
        for (_, session) in &self.sessions {
            let owner = session.owner;
            each(Key::Session(owner.number()));
            if !owner.is_stored() {
                continue;
            }
            session.each_key(owner.number(), &mut |key, message| {
                each(key);
                if let Some(message) = message {
                    each(Key::Message(message.number()));
                }
            });
        }
    }

    /// What stands under a key at the moment.
    fn entry<'a>(&'a self, key: Key<'a>) -> Option<Entry<'a>> {
        let stored = |number: u64| {
            let key = self.journal.session_key(number)?;
            let session = self.sessions.get(key.0 as usize)?;
            session.owner.is_stored().then_some((key, session))
        };
        Some(match key {
            Key::Counters if self.invented == 0 => return None,
            Key::Counters => Entry::Counters {
                invented: self.invented,
            },
            Key::Session(number) => {
                let key = self.journal.session_key(number)?;
                let session = self.sessions.get(key.0 as usize)?;
                self.session_entry(number, session)?
            }
            Key::Subscription { session, filter } => {
                let (key, kept) = stored(session)?;
                kept.filters.get(filter)?;
                self.subscription_entry(session, key, kept, filter)?
            }
            Key::Message(message) => Entry::Message {
                message,
                kept: self.journal.0.as_deref()?.messages.get(&message)?.0.kept(),
            },
            Key::Waiting { session, place } => {
                let (_, kept) = stored(session)?;
                let waiting = kept.queue.at(place)?;
                Entry::Waiting {
                    session,
                    place,
                    message: waiting.message.number(),
                    qos: waiting.qos,
                    how: delivery(waiting.retain, &waiting.ids, waiting.group.as_ref()),
                }
            }
            Key::InFlight { session, order } => {
                let (_, kept) = stored(session)?;
                let exchange = kept.in_flight.at(order)?;
                Entry::InFlight {
                    session,
                    order,
                    id: exchange.id,
                    stage: exchange.stage,
                    message: exchange.message.as_ref().map(|message| message.number()),
                    how: delivery(exchange.retain, &exchange.ids, exchange.group.as_ref()),
                }
            }
            Key::Received { session, id } => {
                let (_, kept) = stored(session)?;
                kept.received.get(&id).filter(|stage| stage.outlives_link())?;
                Entry::Received { session, id }
            }
            Key::Pull { session, filter } => {
                let (_, kept) = stored(session)?;
                let pull = kept.rare.as_ref()?.retained.get(filter)?;
                Entry::Pull {
                    session,
                    filter,
                    kept: KeptPull {
                        qos: pull.qos,
                        dollar: pull.dollar,
                        id: pull.id,
                        until: pull.until.number(),
                        after: pull.after.as_deref(),
                    },
                }
            }
            Key::Retained { pool, topic } => {
                let (message, serial) = self.retained.get(pool, topic)?;
                Entry::Retained {
                    pool,
                    topic: TopicName::new(topic).ok()?,
                    serial: serial.number(),
                    message: message.number(),
                }
            }
        })
    }

    fn session_entry<'a>(&self, number: u64, session: &'a Session) -> Option<Entry<'a>> {
        let will = session.rare.as_ref().and_then(|rare| rare.will.as_ref());
        // Of what is not kept, only a will outlives the process.
        if !session.owner.is_stored() && will.is_none() {
            return None;
        }
        Some(Entry::Session {
            session: number,
            kept: KeptSession {
                client_id: &session.client_id,
                grant: match self.listener_of(&session.grant) {
                    Some(listener) => KeptGrant::OfListener(listener),
                    None => KeptGrant::Own((*session.grant).clone()),
                },
                expiry: session.expiry,
                away: session.conn.is_none().then(|| Away {
                    expires_at: session.expires_at,
                    will_at: session.will_at(),
                }),
                will: will.map(|will| KeptWill {
                    delay: will.delay,
                    expiry: will.expiry,
                    message: will.message.kept(),
                }),
            },
        })
    }

    fn subscription_entry<'a>(
        &self,
        number: u64,
        key: SessionKey,
        session: &Session,
        filter: &'a str,
    ) -> Option<Entry<'a>> {
        let share = TopicFilter::new(filter).ok()?.share();
        let pool: Pool = session.grant.pool;
        let found = |filter: &str, group| self.subscribed(pool, key, filter, group).map(kept_subscription);
        let direct = found(filter, None);
        let shared = share.and_then(|share| found(share.filter().as_str(), Some(share.group())));
        Some(Entry::Subscription {
            session: number,
            filter,
            direct,
            shared,
        })
    }
}

impl Session {
    /// The keys of what it holds, each with the message that its entry speaks of.
    pub(super) fn each_key(&self, session: u64, each: &mut impl FnMut(Key<'_>, Option<&Message>)) {
        for (filter, ()) in self.filters.iter() {
            each(Key::Subscription { session, filter }, None);
        }
        for waiting in self.queue.kept() {
            let place = waiting.place();
            each(Key::Waiting { session, place }, Some(&waiting.message));
        }
        for exchange in self.in_flight.iter() {
            let order = exchange.order;
            each(Key::InFlight { session, order }, exchange.message.as_ref());
        }
        for (&id, stage) in self.received.iter() {
            if stage.outlives_link() {
                each(Key::Received { session, id }, None);
            }
        }
        for filter in self.rare.iter().flat_map(|rare| rare.retained.keys()) {
            each(Key::Pull { session, filter }, None);
        }
    }
}

impl super::State {
    /// What changes from now on belongs to another batch.
    fn close(&mut self) -> Seq {
        self.awaited = false;
        self.polled = Batch(self.polled.0 + 1);
        self.polled.seq()
    }
}

fn kept_subscription(how: Subscribed) -> KeptSubscription {
    KeptSubscription {
        qos: how.qos,
        no_local: how.no_local,
        retain_as_published: how.retain_as_published,
        dollar: how.dollar,
        id: how.id,
    }
}

fn delivery<'a>(retain: bool, ids: &SubscriptionIds, group: Option<&'a GroupFilter>) -> KeptDelivery<'a> {
    KeptDelivery {
        retain,
        ids: ids.iter().collect(),
        group: group.map(|group| &***group),
    }
}
