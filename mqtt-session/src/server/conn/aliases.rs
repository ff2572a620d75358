//! Topics that a client calls by number (5.0, 3.3.2.3.4). They end with the connection (`5/MQTT-3.3.2-7`).

use alloc::{boxed::Box, vec::Vec};

use mqtt_proto::{TopicName, packet::PublishHead};

use crate::flow::rules::{self, Rule};

/// The topics by their alias, which counts from 1. Memory only when there is one.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::box_collection,
    reason = "eight bytes in each connection for what few have"
)]
pub(super) struct Aliases(Option<Box<Vec<Option<Box<str>>>>>);

impl Aliases {
    /// Takes note of the topic of a message that has an alias beside it.
    pub(super) fn note(&mut self, head: &PublishHead<'_>, max: u16) -> Result<(), &'static Rule> {
        let Some(alias) = head.properties.topic_alias() else {
            return Ok(());
        };
        // 5/MQTT-3.3.2-9, 5/MQTT-3.3.2-12; the decoder refuses 0.
        if alias > max {
            return Err(&rules::ALIAS_ABOVE_MAXIMUM_BY_CLIENT);
        }
        if head.topic.is_empty() {
            return if self.topic(alias).is_some() {
                Ok(())
            } else {
                Err(&rules::ALIAS_UNKNOWN)
            };
        }
        let topics = self.0.get_or_insert_default();
        let place = usize::from(alias).saturating_sub(1);
        if topics.len() <= place {
            topics.resize(place + 1, None);
        }
        if let Some(topic) = topics.get_mut(place) {
            *topic = Some(head.topic.as_str().into());
        }
        Ok(())
    }

    /// The topic of a message.
    pub(super) fn resolve<'t>(&'t self, head: &PublishHead<'t>) -> TopicName<'t> {
        if !head.topic.is_empty() {
            return head.topic;
        }
        head.properties
            .topic_alias()
            .and_then(|alias| self.topic(alias))
            .unwrap_or(head.topic)
    }

    fn topic(&self, alias: u16) -> Option<TopicName<'_>> {
        let topic = self
            .0
            .as_ref()?
            .get(usize::from(alias).checked_sub(1)?)?
            .as_deref()?;
        TopicName::new(topic).ok()
    }
}
