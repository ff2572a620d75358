//! Topic aliases of one connection, both ways (5.0, 3.3.2.3.4). They end with it (`5/MQTT-3.3.2-7`).

use alloc::boxed::Box;

use mqtt_proto::packet::{Connect, PublishHead};

use super::ServerConn;
use crate::{
    Instant,
    flow::{AliasFault, Aliases, GivenAliases, Naming},
    server::Delivery,
};

/// What both sides call topics by number.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnAliases {
    /// The client's.
    pub(super) taken: Aliases,
    /// Ours, if the client takes any.
    given: Option<GivenAliases>,
}

impl ServerConn {
    /// The client says how many aliases it takes.
    pub(super) fn offer_aliases(&mut self, connect: &Connect<'_>) {
        // 5/MQTT-3.1.2-26, 5/MQTT-3.1.2-27
        let asked = connect.properties.topic_alias_maximum().unwrap_or(0);
        if let Some(given) = GivenAliases::up_to(asked.min(self.max_given)) {
            self.aliases.get_or_insert_default().given = Some(given);
        }
    }

    /// Takes note of an alias that the client gives, or uses.
    pub(super) fn note_alias(&mut self, head: &PublishHead<'_>) -> Result<(), AliasFault> {
        if head.properties.topic_alias().is_none() {
            return Ok(());
        }
        let aliases = self.aliases.get_or_insert_with(Box::default);
        aliases.taken.note(head, self.max_alias)
    }

    /// The alias that this delivery is to be sent with, and whether it stands alone. The packet must be sent.
    pub(super) fn alias_for(&mut self, now: Instant, delivery: &Delivery) -> Option<(u16, bool)> {
        let given = self.aliases.as_mut()?.given.as_mut()?;
        // What is sent again was meant for another connection: it says all it can.
        if delivery.dup() {
            return None;
        }
        let topic = delivery.message().topic();
        let topic = topic.as_str();
        match given.name(topic) {
            Naming::Topic => None,
            Naming::Alias(alias) => Some((alias, true)),
            Naming::Bind => {
                // 5/MQTT-3.1.2-24: an alias beside its topic must not be what makes the packet too large.
                let max = usize::try_from(self.client_max_packet).unwrap_or(usize::MAX);
                let len = delivery.encoded_len(self.version, now, Some(u16::MAX))?;
                (len <= max).then(|| (given.bind(topic), false))
            }
        }
    }
}
