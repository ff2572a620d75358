//! SUBSCRIBE, UNSUBSCRIBE and PINGREQ: requests that need a connection and end with it.

use mqtt_proto::{
    Packet, PacketId, Properties, Sender, TopicFilter,
    packet::{Filters, Subscribe, Subscription, Subscriptions, Unsubscribe},
};

use super::{
    Client,
    link::{Connection, Fact, Feature},
};
use crate::{
    Instant, Refused, Token, Unsupported,
    flow::next_free_id,
    storage::{Kind, NONE, Stage, Storage},
};

impl<S: Storage> Client<S> {
    /// Asks for subscriptions. Ends as [`Outcome::Subscribed`](super::Outcome::Subscribed) with one code for each
    /// filter, or as aborted with the connection.
    ///
    /// # Errors
    /// [`Refused::NotConnected`] before CONNACK; [`Refused::Slots`] or [`Refused::Bytes`] if there is no room now;
    /// [`Refused::TooLarge`], [`Refused::Unsupported`], or [`Refused::Invalid`] if the server cannot take it, or no
    /// SUBSCRIBE may look like this, as without a filter.
    pub fn subscribe(
        &mut self,
        now: Instant,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.advance(now);
        let connection = self.connected().ok_or(Refused::NotConnected)?;
        check_server_takes(connection, filters, properties)?;
        let packet = |packet_id| {
            Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: Subscriptions::new(filters),
            })
        };
        self.request(Kind::Subscribe, filters.len(), packet)
    }

    /// Gives subscriptions up. Ends as [`Outcome::Unsubscribed`](super::Outcome::Unsubscribed), or as aborted with
    /// the connection.
    ///
    /// # Errors
    /// As of [`subscribe`](Self::subscribe).
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        filters: &[TopicFilter<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, Refused> {
        self.advance(now);
        let packet = |packet_id| {
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                properties,
                filters: Filters::new(filters),
            })
        };
        self.request(Kind::Unsubscribe, filters.len(), packet)
    }

    /// Asks for a sign of life. Ends as [`Outcome::Ponged`](super::Outcome::Ponged), or as aborted with the
    /// connection, which ends if no answer comes in time.
    ///
    /// # Errors
    /// [`Refused::NotConnected`] before CONNACK; [`Refused::Slots`] while an earlier ping of the caller's is under way.
    pub fn ping(&mut self, now: Instant) -> Result<Token, Refused> {
        self.advance(now);
        self.connected().ok_or(Refused::NotConnected)?;
        if self.output.ping.is_some() {
            return Err(Refused::Slots);
        }
        let (token, now) = (self.take_token(), self.now);
        self.output.ping = Some(token);
        if let Some(connection) = &mut self.connection {
            // The answer to a PINGREQ that is under way serves as well.
            if !connection.facts.has(Fact::PingUnanswered) {
                connection.owe_ping(now);
            }
        }
        Ok(token)
    }

    fn request<'x>(
        &mut self,
        kind: Kind,
        filters: usize,
        packet: impl Fn(PacketId) -> Packet<'x>,
    ) -> Result<Token, Refused> {
        self.check_not_draining()?;
        let connection = self.connected().ok_or(Refused::NotConnected)?;
        let (version, limit) = (connection.version, connection.server.packet_size);
        let id = self.next_id().ok_or(Refused::Slots)?;
        let packet = packet(id);
        let len = packet.encoded_len_from(version, Sender::Client)?;
        if len as u64 > u64::from(limit) {
            return Err(Refused::TooLarge);
        }
        let filters = u16::try_from(filters).map_err(|_| Refused::TooLarge)?;
        let index = self.free_slot().ok_or(Refused::Slots)?;
        self.storage.slot_mut(index).kind = kind;
        let kept = self.allocate(index, len, 0).and_then(|()| {
            match packet.encode(version, self.storage.bytes_mut(index)) {
                Ok(_) => Ok(()),
                Err(error) => {
                    self.storage.release(index);
                    Err(error.into())
                }
            }
        });
        if let Err(why) = kept {
            self.storage.slot_mut(index).kind = Kind::Free;
            return Err(why);
        }
        let token = self.take_token();
        let slot = self.storage.slot_mut(index);
        slot.stage = Stage::Queued;
        slot.token = token;
        slot.filters = filters;
        self.storage.set_id(index, Some(id));
        self.last_id = Some(id);
        self.occupy(index, |outbox| &mut outbox.requests);
        if self.outbox.next_request == NONE {
            self.outbox.next_request = index;
        }
        Ok(token)
    }

    /// A packet id that nothing uses (`5/MQTT-2.2.1-3`, `3.1.1/MQTT-2.3.1-2`).
    pub(super) fn next_id(&self) -> Option<PacketId> {
        next_free_id(self.last_id, |id| self.storage.find_id(id).is_some())
    }
}

/// What the server said in CONNACK that it cannot do, and what the version cannot.
fn check_server_takes(
    connection: &Connection,
    filters: &[Subscription<'_>],
    properties: Properties<'_>,
) -> Result<(), Refused> {
    let server = connection.server;
    if !server.available.has(Feature::SubscriptionIds)
        && properties.subscription_identifiers().next().is_some()
    {
        return Err(Refused::Unsupported(Unsupported::SubscriptionIdentifier));
    }
    for subscription in filters {
        let filter = subscription.filter;
        if !server.available.has(Feature::Wildcards) && filter.has_wildcard() {
            return Err(Refused::Unsupported(Unsupported::WildcardSubscription));
        }
        // In 3.x `$share/…` is a filter like any other.
        if !server.available.has(Feature::SharedSubscriptions)
            && connection.version.has_properties()
            && filter.share().is_some()
        {
            return Err(Refused::Unsupported(Unsupported::SharedSubscription));
        }
    }
    Ok(())
}
