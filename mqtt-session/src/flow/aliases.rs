//! Topics that the peer calls by number (5.0, 3.3.2.3.4). They end with the connection (`5/MQTT-3.3.2-7`).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map::Entry},
};

use mqtt_proto::{TopicName, packet::PublishHead};

/// The topics of one connection by their aliases. No memory until there is one, and then only for those there are: a peer
/// pays for what is kept with the bytes it sends. Their number is limited by the Topic Alias Maximum, and each is as long
/// as a topic in a packet can be.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::box_collection,
    reason = "eight bytes in each connection for what few have"
)]
pub struct Aliases(Option<Box<BTreeMap<u16, Box<str>>>>);

/// Why an alias cannot be taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "each is another rule")]
pub enum AliasFault {
    /// It is above the maximum that was announced.
    AboveMaximum,
    /// It stands for a topic, but was never given one on this connection.
    Unknown,
}

impl Aliases {
    /// No aliases.
    pub const EMPTY: Self = Self(None);

    /// Takes note of the topic of a message that has an alias beside it; `maximum` is the Topic Alias Maximum that was
    /// announced.
    ///
    /// # Errors
    /// The alias is not to be taken; nothing has changed.
    pub fn note(&mut self, head: &PublishHead<'_>, maximum: u16) -> Result<(), AliasFault> {
        let Some(alias) = head.properties.topic_alias() else {
            return Ok(());
        };
        // 5/MQTT-3.3.2-9, 5/MQTT-3.3.2-10, 5/MQTT-3.3.2-11, 5/MQTT-3.3.2-12; the decoder refuses 0.
        if alias > maximum {
            return Err(AliasFault::AboveMaximum);
        }
        if head.topic.is_empty() {
            return self.topic(alias).map(|_| ()).ok_or(AliasFault::Unknown);
        }
        let topic = head.topic.as_str();
        match self.0.get_or_insert_default().entry(alias) {
            Entry::Vacant(place) => {
                place.insert(topic.into());
            }
            // Told again what is known already: as servers do that do not remember.
            Entry::Occupied(place) if **place.get() == *topic => {}
            Entry::Occupied(mut place) => {
                place.insert(topic.into());
            }
        }
        Ok(())
    }

    /// The topic of a message: its own, or that of its alias. Empty only for a message that was not taken note of.
    pub fn resolve<'t>(&'t self, head: &PublishHead<'t>) -> TopicName<'t> {
        if !head.topic.is_empty() {
            return head.topic;
        }
        let alias = head.properties.topic_alias();
        alias.and_then(|alias| self.topic(alias)).unwrap_or(head.topic)
    }

    /// The topic that this alias stands for.
    pub fn topic(&self, alias: u16) -> Option<TopicName<'_>> {
        let topic = self.0.as_ref()?.get(&alias)?;
        TopicName::new(topic).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_proto::{Properties, Property, QoS};

    const MAXIMUM: u16 = 3;

    fn note(aliases: &mut Aliases, topic: &str, alias: u16) -> Result<(), AliasFault> {
        let list = [Property::TopicAlias(alias)];
        let topic = if topic.is_empty() {
            TopicName::EMPTY
        } else {
            TopicName::new(topic).unwrap()
        };
        let head = PublishHead {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: Properties::new(&list),
        };
        aliases.note(&head, MAXIMUM)
    }

    #[test]
    fn every_alias_up_to_the_maximum_is_taken_and_none_above() {
        let mut aliases = Aliases::EMPTY;
        for alias in 1..=MAXIMUM {
            assert_eq!(note(&mut aliases, "", alias), Err(AliasFault::Unknown));
            assert_eq!(note(&mut aliases, "abc", alias), Ok(()));
            assert_eq!(note(&mut aliases, "", alias), Ok(()));
        }
        assert_eq!(note(&mut aliases, "abc", 4), Err(AliasFault::AboveMaximum));
    }
}
