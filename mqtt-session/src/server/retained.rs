//! Retained messages: the last one of each topic (3.3.1.3), found by filter through a tree.

use alloc::{boxed::Box, collections::BTreeMap, string::ToString};

use super::message::Message;
use crate::{
    Instant,
    level_tree::{LevelTree, Search, Vacant},
};

/// When a message was stored, among all others: what is stored after a subscription reaches it as an ordinary message.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u64);

#[derive(Clone, Debug)]
pub(crate) struct Retained {
    tree: LevelTree<Slot>,
    /// Topics of the messages that expire, soonest first.
    expiring: BTreeMap<(Instant, Serial), Box<str>>,
    count: usize,
    bytes: usize,
    last: Serial,
    max_count: usize,
    max_bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot(Option<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    message: Message,
    serial: Serial,
}

impl Vacant for Slot {
    fn is_vacant(&self) -> bool {
        self.0.is_none()
    }
}

impl Retained {
    pub(crate) fn new(max_count: usize, max_bytes: usize) -> Self {
        Self {
            tree: LevelTree::new(),
            expiring: BTreeMap::new(),
            count: 0,
            bytes: 0,
            last: Serial(0),
            max_count,
            max_bytes,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The serial number of the newest message.
    pub(crate) fn last(&self) -> Serial {
        self.last
    }

    /// Keeps this message in place of the topic's old one (`5/MQTT-3.3.1-5`, `3.1.1/MQTT-3.3.1-5`). False if there is
    /// no room; the old one is gone then too, because it is not the topic's last message any more.
    pub(crate) fn store(&mut self, topic: &str, message: Message) -> bool {
        self.remove(topic);
        let size = message.size();
        if self.count >= self.max_count || self.bytes.saturating_add(size) > self.max_bytes {
            return false;
        }
        self.last = Serial(self.last.0.wrapping_add(1));
        let serial = self.last;
        if message.expires_at() != Instant::MAX {
            self.expiring.insert((message.expires_at(), serial), topic.into());
        }
        let Some(slot) = self.tree.entry(topic.split('/')) else {
            return false;
        };
        slot.0 = Some(Kept { message, serial });
        self.count += 1;
        self.bytes += size;
        true
    }

    /// Forgets the message of this topic, if there is one (`5/MQTT-3.3.1-6`, `3.1.1/MQTT-3.3.1-10`).
    pub(crate) fn remove(&mut self, topic: &str) {
        if self.tree.get(topic.split('/')).is_none_or(Vacant::is_vacant) {
            return;
        }
        if let Some(Kept { message, serial }) =
            self.tree.change(topic.split('/'), |slot| slot.0.take()).flatten()
        {
            self.count = self.count.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(message.size());
            self.expiring.remove(&(message.expires_at(), serial));
        }
    }

    /// The first message after this topic that the filter matches and that was stored by then, if it is found within so
    /// many steps.
    pub(crate) fn next(
        &self,
        filter: &str,
        after: Option<&str>,
        dollar: bool,
        until: Serial,
        steps: &mut usize,
    ) -> Search<Message> {
        let mut after = after.map(ToString::to_string);
        loop {
            match self
                .tree
                .next_matching_name(filter, after.as_deref(), dollar, steps)
            {
                Search::Found(topic, Slot(Some(kept))) if kept.serial <= until => {
                    return Search::Found(topic, kept.message.clone());
                }
                Search::Found(topic, _) => after = Some(topic),
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
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        while self.deadline().is_some_and(|at| at <= now) {
            let Some((_, topic)) = self.expiring.pop_first() else {
                break;
            };
            self.remove(&topic);
            expired += 1;
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{Properties, Property, QoS, TopicName, packet::PublishHead};

    use super::*;

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

    fn next(retained: &Retained, filter: &str, after: Option<&str>, until: Serial) -> Search<Message> {
        retained.next(filter, after, false, until, &mut usize::MAX.clone())
    }

    fn store(retained: &mut Retained, topic: &str, payload: &[u8]) -> bool {
        retained.store(topic, message(topic, payload, Properties::EMPTY))
    }

    #[test]
    fn a_topic_keeps_its_last_message_only_5_mqtt_3_3_1_5() {
        let mut retained = Retained::new(10, 1_000);
        assert!(store(&mut retained, "a", b"1"));
        assert!(store(&mut retained, "a", b"22"));
        assert_eq!(retained.count(), 1);
        let Search::Found(topic, found) = next(&retained, "#", None, retained.last()) else {
            panic!("it is there")
        };
        assert_eq!((&*topic, found.payload()), ("a", &b"22"[..]));
        retained.remove("a");
        assert_eq!(
            (retained.count(), retained.bytes(), retained.tree.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_is_stored_after_a_subscription_is_not_replayed_to_it() {
        let mut retained = Retained::new(10, 1_000);
        store(&mut retained, "a", b"1");
        let until = retained.last();
        store(&mut retained, "b", b"2");
        let first = next(&retained, "#", None, until);
        assert!(matches!(first, Search::Found(topic, _) if topic == "a"));
        assert_eq!(next(&retained, "#", Some("a"), until), Search::Done);
    }

    #[test]
    fn count_and_bytes_are_limited_and_freed() {
        let mut retained = Retained::new(2, 1_000);
        assert!(store(&mut retained, "a", b"1"));
        assert!(store(&mut retained, "b", b"1"));
        assert!(!store(&mut retained, "c", b"1"));
        assert!(store(&mut retained, "a", b"replaces"));
        assert!(!store(&mut retained, "a", &[0; 1_000]));
        assert_eq!(
            retained.count(),
            1,
            "the message that had to go is not the last one of its topic any more"
        );
        assert!(store(&mut retained, "c", b"1"));
    }

    #[test]
    fn expired_messages_are_forgotten_in_time() {
        let mut retained = Retained::new(10, 1_000);
        let expiring = [Property::MessageExpiryInterval(5)];
        retained.store("a", message("a", b"1", Properties::new(&expiring)));
        assert_eq!(retained.deadline(), Some(Instant::from_secs(15)));
        assert_eq!(retained.expire(Instant::from_secs(14)), 0);
        assert_eq!(retained.expire(Instant::from_secs(15)), 1);
        assert_eq!((retained.count(), retained.deadline()), (0, None));
    }
}
