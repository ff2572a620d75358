//! A look into the outbox, and taking things back out of it.

use mqtt_proto::{QoS, TopicName};

use super::{AbortReason, Client, room::Walk};
use crate::{
    Instant, Refused, Token,
    flow::Outgoing,
    storage::{NONE, Storage},
};

/// How full the outbox is: publishes that were accepted and have not ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct OutboxState {
    /// Messages of which nothing has been sent.
    pub queued: u16,
    /// Messages that were sent and are not acknowledged, or are being written.
    pub in_flight: u16,
    /// Operations of all kinds that there may be at one time.
    pub slots: u16,
    /// Bytes in use: packets and shared payloads of these messages and of all other operations.
    pub bytes: usize,
    /// Bytes that may be in use for a message to be taken.
    pub byte_limit: usize,
    /// When the oldest of these messages was accepted of which the bytes are still held. (They are given back with
    /// PUBREC.)
    pub oldest: Option<Instant>,
}

/// A publish that was accepted and has not ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxMessage<'a> {
    /// Its name.
    pub token: Token,
    /// Where it goes; none once it is the server's ([`OutboxStage::Released`]), for then its bytes are given back.
    pub topic: Option<TopicName<'a>>,
    /// Its quality of service.
    pub qos: QoS,
    /// RETAIN is set.
    pub retain: bool,
    /// Bytes of its payload; not known once it is the server's.
    pub payload_len: Option<u32>,
    /// How far it is.
    pub stage: OutboxStage,
    /// When it was accepted; not known once it is the server's.
    pub accepted: Option<Instant>,
    /// When it is dropped if nothing of it has left by then: its deadline, the end of its Message Expiry Interval, or the
    /// age that is allowed, whichever comes first.
    pub last_moment: Option<Instant>,
}

/// How far a publish is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OutboxStage {
    /// Nothing of it has been sent: it can be withdrawn.
    Queued,
    /// It is being written, or was sent and is not acknowledged.
    InFlight,
    /// QoS 2: the server has taken it (PUBREC), and only PUBREL or PUBCOMP is missing.
    Released,
}

/// The publishes of a client that have not ended: see [`Client::outbox_messages`].
#[derive(Clone, Debug)]
pub struct OutboxMessages<'a, S: Storage> {
    client: &'a Client<S>,
    released: u16,
    walk: Walk,
}

impl<'a, S: Storage> Iterator for OutboxMessages<'a, S> {
    type Item = OutboxMessage<'a>;

    fn next(&mut self) -> Option<OutboxMessage<'a>> {
        let storage = &self.client.storage;
        let index = match self.released {
            NONE => self.walk.next(storage)?,
            index => {
                self.released = storage.slot(index).links.next();
                index
            }
        };
        Some(self.client.outbox_message(index))
    }
}

impl<S: Storage> core::iter::FusedIterator for OutboxMessages<'_, S> {}

impl<S: Storage> Client<S> {
    /// How full the outbox is. Counts, so it takes a step for each message.
    pub fn outbox(&self) -> OutboxState {
        let (mut queued, mut in_flight) = (0, 0);
        let mut oldest: Option<Instant> = None;
        for message in self.outbox_messages() {
            match message.stage {
                OutboxStage::Queued => queued += 1,
                OutboxStage::InFlight | OutboxStage::Released => in_flight += 1,
            }
            oldest = match (oldest, message.accepted) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        OutboxState {
            queued,
            in_flight,
            slots: self.storage.slot_limit(),
            bytes: self.storage.bytes_used(),
            byte_limit: self.storage.byte_limit(true),
            oldest,
        }
    }

    /// Every publish that was accepted and has not ended: those that the server has taken over, in the order of their
    /// PUBRECs, then the others, oldest first.
    pub fn outbox_messages(&self) -> OutboxMessages<'_, S> {
        OutboxMessages {
            client: self,
            released: self.outbox.releases.first(),
            walk: Walk::new(self.outbox.plain.first(), self.outbox.messages.first()),
        }
    }

    fn outbox_message(&self, index: u16) -> OutboxMessage<'_> {
        let slot = self.storage.slot(index);
        let queued = self.has_not_left(index);
        let released = slot.flow() == Some(Outgoing::AwaitingPubComp);
        let stage = match (queued, released) {
            (true, _) => OutboxStage::Queued,
            (false, true) => OutboxStage::Released,
            (false, false) => OutboxStage::InFlight,
        };
        OutboxMessage {
            token: slot.token,
            topic: self.topic_of(index).filter(|_| !released),
            qos: slot.qos(),
            retain: slot.retain(),
            payload_len: (!released).then(|| self.payload_len(index) as u32),
            stage,
            accepted: self.accepted_at(index).filter(|_| !released),
            last_moment: self.last_moment(index).map(|(at, _)| at).filter(|_| queued),
        }
    }

    pub(super) fn topic_of(&self, index: u16) -> Option<TopicName<'_>> {
        let (start, end) = self.topic_at(index);
        let topic = self.storage.bytes(index).get(start..end)?;
        TopicName::new(core::str::from_utf8(topic).ok()?).ok()
    }

    /// Withdraws a message of which nothing has been sent: it ends as [`Aborted`](crate::Event::Aborted) with
    /// [`AbortReason::Cancelled`]. Looks for it, so it takes a step for each message that waits.
    ///
    /// # Errors
    /// [`Refused::Transmitted`] if some of it has left, or is about to: the server may have it.
    /// [`Refused::NoSuchMessage`] if the token is of another operation, or of one that has ended.
    pub fn cancel(&mut self, now: Instant, token: Token) -> Result<(), Refused> {
        self.advance(now);
        let mut all = self.outbox_messages();
        let mut walk = all.walk;
        let found = core::iter::from_fn(|| walk.next(&self.storage))
            .find(|&index| self.storage.slot(index).token == token);
        match found {
            Some(index) if self.has_not_left(index) => {
                self.drop_message(index, AbortReason::Cancelled);
                Ok(())
            }
            Some(_) => Err(Refused::Transmitted),
            None if all.any(|message| message.token == token) => Err(Refused::Transmitted),
            None => Err(Refused::NoSuchMessage),
        }
    }
}
