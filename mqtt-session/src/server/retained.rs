//! Retained messages: the last one of each topic (3.3.1.3), found by filter through a tree.

use alloc::{boxed::Box, collections::BTreeMap, string::ToString};

use super::{Pool, RetainedPolicy, journal::Journal, message::Message};
use crate::{
    Instant,
    level_tree::{LevelTree, Search, Vacant},
};

/// When a message was stored, among all others: what is stored after a subscription reaches it as an ordinary message.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u64);

impl Serial {
    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Retained {
    /// Pools that have some.
    stores: BTreeMap<Pool, Store>,
    /// Where the messages are that expire, soonest first.
    expiring: BTreeMap<(Instant, Serial), Place>,
    /// Where all are, oldest first; kept only if the oldest are to make room.
    by_age: BTreeMap<Serial, Place>,
    count: usize,
    bytes: usize,
    last: Serial,
    max: Quota,
    policy: RetainedPolicy,
}

/// The messages of one pool.
#[derive(Clone, Debug)]
struct Store {
    tree: LevelTree<Slot>,
    count: usize,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Place {
    pool: Pool,
    topic: Box<str>,
}

#[derive(Clone, Debug, Default)]
struct Slot(Option<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    message: Message,
    serial: Serial,
}

/// How much may be kept.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Quota {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Quota {
    pub(crate) const UNLIMITED: Self = Self {
        messages: usize::MAX,
        bytes: usize::MAX,
    };

    /// There is room for one more of this size.
    const fn admits(self, count: usize, bytes: usize, size: usize) -> bool {
        count < self.messages && bytes.saturating_add(size) <= self.bytes
    }
}

/// What became of a message that was to be retained.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is kept; so many others made room for it.
    Kept { evicted: u64 },
    /// It is not kept.
    Refused,
}

impl Vacant for Slot {
    fn is_vacant(&self) -> bool {
        self.0.is_none()
    }
}

/// What a retained message counts against the limits of bytes: itself, and its place in the tree.
fn kept_bytes(topic: &str, message: &Message) -> usize {
    message
        .size()
        .saturating_add(LevelTree::<Slot>::path_bytes(topic))
}

impl Retained {
    pub(crate) fn new(max: Quota, policy: RetainedPolicy) -> Self {
        Self {
            stores: BTreeMap::new(),
            expiring: BTreeMap::new(),
            by_age: BTreeMap::new(),
            count: 0,
            bytes: 0,
            last: Serial(0),
            max,
            policy,
        }
    }

    /// In all pools.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// In all pools.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// In this pool.
    pub(crate) fn count_in(&self, pool: Pool) -> usize {
        self.stores.get(&pool).map_or(0, |store| store.count)
    }

    /// In this pool.
    pub(crate) fn bytes_in(&self, pool: Pool) -> usize {
        self.stores.get(&pool).map_or(0, |store| store.bytes)
    }

    /// Pools that have some, in order: how many, and their bytes.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (Pool, usize, usize)> {
        self.stores
            .iter()
            .map(|(pool, store)| (*pool, store.count, store.bytes))
    }

    /// The serial number of the newest message.
    pub(crate) fn last(&self) -> Serial {
        self.last
    }

    /// Keeps this message in place of the topic's old one (`5/MQTT-3.3.1-5`, `3.1.1/MQTT-3.3.1-5`), if its pool has not
    /// used up `quota`. If it is refused the old one is gone all the same, because it is not the topic's last message
    /// any more.
    pub(crate) fn store(
        &mut self,
        pool: Pool,
        topic: &str,
        message: Message,
        quota: Quota,
        journal: &mut Journal,
    ) -> Stored {
        self.remove(pool, topic, journal);
        let size = kept_bytes(topic, &message);
        if !quota.admits(self.count_in(pool), self.bytes_in(pool), size) {
            return Stored::Refused;
        }
        let Some(evicted) = self.make_room(size, message.expires_at(), journal) else {
            return Stored::Refused;
        };
        let serial = Serial(self.last.0.wrapping_add(1));
        if !self.put(pool, topic, message.clone(), serial) {
            return Stored::Refused;
        }
        journal.retained(pool, topic, &message);
        Stored::Kept { evicted }
    }

    /// Puts a message where there is none: a new one, or one that was kept. False if that cannot be.
    pub(crate) fn put(&mut self, pool: Pool, topic: &str, message: Message, serial: Serial) -> bool {
        let size = kept_bytes(topic, &message);
        let store = self.stores.entry(pool).or_insert_with(|| Store {
            tree: LevelTree::new(),
            count: 0,
            bytes: 0,
        });
        let Some(slot) = store.tree.entry(topic.split('/')).filter(|slot| slot.is_vacant()) else {
            return false;
        };
        self.last = self.last.max(serial);
        let place = || Place {
            pool,
            topic: topic.into(),
        };
        if message.expires_at() != Instant::MAX {
            self.expiring.insert((message.expires_at(), serial), place());
        }
        if self.policy == RetainedPolicy::EvictOldest {
            self.by_age.insert(serial, place());
        }
        slot.0 = Some(Kept { message, serial });
        store.count += 1;
        store.bytes += size;
        self.count += 1;
        self.bytes += size;
        true
    }

    /// What is stored from now on is newer than this.
    pub(crate) fn raise(&mut self, serial: Serial) {
        self.last = self.last.max(serial);
    }

    /// The message of this topic, and when it was stored.
    pub(crate) fn get(&self, pool: Pool, topic: &str) -> Option<(&Message, Serial)> {
        let kept = self.stores.get(&pool)?.tree.get(topic.split('/'))?.0.as_ref()?;
        Some((&kept.message, kept.serial))
    }

    /// Every message with its pool, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pool, &Message)> {
        self.stores.iter().flat_map(|(&pool, store)| {
            let kept = store.tree.values().filter_map(|slot| slot.0.as_ref());
            kept.map(move |kept| (pool, &kept.message))
        })
    }

    /// Evicts what the policy gives for a message of this size; says how many. `None` if that is not enough: then
    /// nothing was evicted that could not have made room.
    fn make_room(&mut self, size: usize, expires_at: Instant, journal: &mut Journal) -> Option<u64> {
        if !self.max.admits(0, 0, size) {
            return None;
        }
        let mut evicted = 0;
        while !self.max.admits(self.count, self.bytes, size) {
            let place = match self.policy {
                RetainedPolicy::RefuseNew => None,
                RetainedPolicy::EvictOldest => self.by_age.values().next(),
                // Not for one that would be the next to go.
                RetainedPolicy::EvictSoonestToExpire => self
                    .expiring
                    .iter()
                    .next()
                    .filter(|((at, _), _)| *at < expires_at)
                    .map(|(_, place)| place),
            };
            let Place { pool, topic } = place?.clone();
            self.remove(pool, &topic, journal);
            evicted += 1;
        }
        Some(evicted)
    }

    /// Forgets the message of this topic, if there is one (`5/MQTT-3.3.1-6`, `3.1.1/MQTT-3.3.1-10`).
    pub(crate) fn remove(&mut self, pool: Pool, topic: &str, journal: &mut Journal) {
        let Some(store) = self.stores.get_mut(&pool) else {
            return;
        };
        if store.tree.get(topic.split('/')).is_none_or(Vacant::is_vacant) {
            return;
        }
        if let Some(Kept { message, serial }) = store
            .tree
            .change(topic.split('/'), |slot| slot.0.take())
            .flatten()
        {
            let size = kept_bytes(topic, &message);
            store.count = store.count.saturating_sub(1);
            store.bytes = store.bytes.saturating_sub(size);
            if store.count == 0 {
                self.stores.remove(&pool);
            }
            self.count = self.count.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(size);
            self.expiring.remove(&(message.expires_at(), serial));
            self.by_age.remove(&serial);
            journal.forgotten(pool, topic, &message);
        }
    }

    /// The first message of the pool after this topic that the filter matches and that was stored by then, if it is
    /// found within so many steps.
    pub(crate) fn next(
        &self,
        pool: Pool,
        filter: &str,
        after: Option<&str>,
        dollar: bool,
        until: Serial,
        steps: &mut usize,
    ) -> Search<Message> {
        let Some(store) = self.stores.get(&pool) else {
            return Search::Done;
        };
        let mut after = after.map(ToString::to_string);
        loop {
            match store
                .tree
                .next_matching_name(filter, after.as_deref(), dollar, steps)
            {
                Search::Found(topic, Slot(Some(kept))) if kept.serial <= until => {
                    return Search::Found(topic, kept.message.clone());
                }
                // However many have been stored since.
                Search::Found(topic, _) if *steps == 0 => return Search::Paused(topic),
                Search::Found(topic, _) => {
                    *steps -= 1;
                    after = Some(topic);
                }
                Search::Paused(path) => return Search::Paused(path),
                Search::Done => return Search::Done,
            }
        }
    }

    /// When the next message expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.expiring.keys().next().map(|&(at, _)| at)
    }

    /// Forgets what has expired; says how many they were.
    pub(crate) fn expire(&mut self, now: Instant, journal: &mut Journal) -> u64 {
        let mut expired = 0;
        while self.deadline().is_some_and(|at| at <= now) {
            let Some((_, place)) = self.expiring.pop_first() else {
                break;
            };
            self.remove(place.pool, &place.topic, journal);
            expired += 1;
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{Properties, Property, QoS, TopicName, packet::PublishHead};

    use super::*;

    const POOL: Pool = Pool::DEFAULT;
    const KEPT: Stored = Stored::Kept { evicted: 0 };

    fn message(topic: &str, payload: &[u8], properties: Properties<'_>) -> Message {
        let head = PublishHead {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: true,
            topic: TopicName::new(topic).unwrap(),
            packet_id: None,
            properties,
        };
        Message::new(Instant::from_secs(10), &head, payload)
    }

    fn retained(messages: usize, bytes: usize, policy: RetainedPolicy) -> Retained {
        Retained::new(Quota { messages, bytes }, policy)
    }

    fn next(retained: &Retained, filter: &str, after: Option<&str>, until: Serial) -> Search<Message> {
        retained.next(POOL, filter, after, false, until, &mut usize::MAX.clone())
    }

    fn store(retained: &mut Retained, topic: &str, payload: &[u8]) -> Stored {
        let message = message(topic, payload, Properties::EMPTY);
        retained.store(POOL, topic, message, Quota::UNLIMITED, &mut Journal::default())
    }

    fn store_for(retained: &mut Retained, topic: &str, seconds: u32) -> Stored {
        let expiring = [Property::MessageExpiryInterval(seconds)];
        let message = message(topic, b"1", Properties::new(&expiring));
        retained.store(POOL, topic, message, Quota::UNLIMITED, &mut Journal::default())
    }

    fn topics(retained: &Retained) -> std::vec::Vec<std::string::String> {
        let mut topics = std::vec::Vec::new();
        while let Search::Found(topic, _) = next(
            retained,
            "#",
            topics.last().map(std::string::String::as_str),
            retained.last(),
        ) {
            topics.push(topic.to_string());
        }
        topics
    }

    #[test]
    fn a_topic_keeps_its_last_message_only_5_mqtt_3_3_1_5() {
        let mut retained = retained(10, 1_000, RetainedPolicy::RefuseNew);
        assert_eq!(store(&mut retained, "a", b"1"), KEPT);
        assert_eq!(store(&mut retained, "a", b"22"), KEPT);
        assert_eq!(retained.count(), 1);
        let Search::Found(topic, found) = next(&retained, "#", None, retained.last()) else {
            panic!("it is there")
        };
        assert_eq!((&*topic, found.payload()), ("a", &b"22"[..]));
        retained.remove(POOL, "a", &mut Journal::default());
        assert_eq!((retained.count(), retained.bytes()), (0, 0));
        assert!(retained.stores.is_empty() && retained.by_age.is_empty());
    }

    #[test]
    fn what_is_stored_after_a_subscription_is_not_replayed_to_it() {
        let mut retained = retained(10, 1_000, RetainedPolicy::RefuseNew);
        store(&mut retained, "a", b"1");
        let until = retained.last();
        store(&mut retained, "b", b"2");
        let first = next(&retained, "#", None, until);
        assert!(matches!(first, Search::Found(topic, _) if topic == "a"));
        assert_eq!(next(&retained, "#", Some("a"), until), Search::Done);
    }

    #[test]
    fn count_and_bytes_are_limited_and_freed() {
        let mut retained = retained(2, 1_000, RetainedPolicy::RefuseNew);
        assert_eq!(store(&mut retained, "a", b"1"), KEPT);
        assert_eq!(store(&mut retained, "b", b"1"), KEPT);
        assert_eq!(store(&mut retained, "c", b"1"), Stored::Refused);
        assert_eq!(store(&mut retained, "a", b"replaces"), KEPT);
        assert_eq!(store(&mut retained, "a", &[0; 1_000]), Stored::Refused);
        assert_eq!(
            topics(&retained),
            ["b"],
            "the message that had to go is not the last one of its topic any more"
        );
        assert_eq!(store(&mut retained, "c", b"1"), KEPT);
    }

    #[test]
    fn bytes_are_kept_up_to_the_limit_and_not_one_above() {
        let size = kept_bytes("a", &message("a", &[0; 100], Properties::EMPTY));
        for (max, fits) in [(size - 1, false), (size, true), (size + 1, true)] {
            let mut retained = retained(10, max, RetainedPolicy::RefuseNew);
            assert_eq!(store(&mut retained, "a", &[0; 100]) == KEPT, fits, "{max}");
            assert_eq!(store(&mut retained, "b", &[0; 100]), Stored::Refused);
        }
    }

    #[test]
    fn the_oldest_make_room_if_they_are_to() {
        let mut retained = retained(3, 1_000, RetainedPolicy::EvictOldest);
        for topic in ["a", "b", "c"] {
            assert_eq!(store(&mut retained, topic, b"1"), KEPT);
        }
        // Written again, it is young again.
        assert_eq!(store(&mut retained, "a", b"2"), KEPT);
        assert_eq!(store(&mut retained, "d", b"1"), Stored::Kept { evicted: 1 });
        assert_eq!(topics(&retained), ["a", "c", "d"]);
        // Bytes make room too, as many messages as it takes, but none for what could never be kept.
        assert_eq!(store(&mut retained, "e", &[0; 5_000]), Stored::Refused);
        assert_eq!(topics(&retained), ["a", "c", "d"]);
        let all = 1_000 - kept_bytes("e", &message("e", b"", Properties::EMPTY));
        assert_eq!(
            store(&mut retained, "e", &[0; 1_000][..all]),
            Stored::Kept { evicted: 3 }
        );
        assert_eq!((topics(&retained).len(), retained.by_age.len()), (1, 1));
    }

    #[test]
    fn those_that_expire_soonest_make_room_if_they_are_to_and_those_that_never_do_stay() {
        let mut retained = retained(3, 1_000, RetainedPolicy::EvictSoonestToExpire);
        assert_eq!(store(&mut retained, "ever", b"1"), KEPT);
        assert_eq!(store_for(&mut retained, "late", 50), KEPT);
        assert_eq!(store_for(&mut retained, "soon", 5), KEPT);
        assert_eq!(store_for(&mut retained, "sooner", 4), Stored::Refused);
        assert_eq!(store_for(&mut retained, "later", 60), Stored::Kept { evicted: 1 });
        assert_eq!(topics(&retained), ["ever", "late", "later"]);
        assert_eq!(store(&mut retained, "a", b"1"), Stored::Kept { evicted: 1 });
        assert_eq!(store(&mut retained, "b", b"1"), Stored::Kept { evicted: 1 });
        assert_eq!(store(&mut retained, "c", b"1"), Stored::Refused);
        assert_eq!(topics(&retained), ["a", "b", "ever"]);
    }

    #[test]
    fn pools_have_their_own_messages_and_their_own_quota_within_that_of_all() {
        let mut retained = retained(3, 1_000, RetainedPolicy::RefuseNew);
        let quota = Quota {
            messages: 1,
            bytes: 1_000,
        };
        let message = |topic| message(topic, b"1", Properties::EMPTY);
        for pool in [Pool(1), Pool(2)] {
            assert_eq!(
                retained.store(pool, "a", message("a"), quota, &mut Journal::default()),
                KEPT
            );
            assert_eq!(
                retained.store(pool, "b", message("b"), quota, &mut Journal::default()),
                Stored::Refused
            );
            assert_eq!(
                retained.store(pool, "a", message("a"), quota, &mut Journal::default()),
                KEPT
            );
        }
        assert_eq!((retained.count(), retained.count_in(Pool(1))), (2, 1));
        assert_eq!(topics(&retained), [""; 0], "the default pool has none");
        let all = (POOL, Pool(1), Quota::UNLIMITED);
        assert_eq!(
            retained.store(all.0, "a", message("a"), all.2, &mut Journal::default()),
            KEPT
        );
        assert_eq!(
            retained.store(all.1, "b", message("b"), all.2, &mut Journal::default()),
            Stored::Refused
        );
        retained.remove(Pool(1), "a", &mut Journal::default());
        assert_eq!(retained.count_in(Pool(2)), 1);
        assert_eq!(
            retained.store(all.0, "b", message("b"), all.2, &mut Journal::default()),
            KEPT
        );
    }

    #[test]
    fn expired_messages_are_forgotten_in_time() {
        let mut retained = retained(10, 1_000, RetainedPolicy::EvictOldest);
        store_for(&mut retained, "a", 5);
        assert_eq!(retained.deadline(), Some(Instant::from_secs(15)));
        assert_eq!(
            retained.expire(Instant::from_secs(14), &mut Journal::default()),
            0
        );
        assert_eq!(
            retained.expire(Instant::from_secs(15), &mut Journal::default()),
            1
        );
        assert_eq!((retained.count(), retained.deadline()), (0, None));
        assert!(retained.by_age.is_empty());
    }
}
