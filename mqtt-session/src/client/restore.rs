//! A client from records: those of a journal, or of a snapshot and the journal after it.

use core::fmt;

use mqtt_proto::{PacketId, ReasonCode};

use super::{
    AbortReason, Client, Config, OnSessionLost, Publish, Session, Slots, block::Measured, expiry::Moments,
    places::Places,
};
use crate::{
    Instant, Payload, Record, Refused, Token,
    flow::{Incoming, Outgoing},
    record::{StoredMessage, StoredPayload},
    storage::{End, Kind, Mark, NONE, Stage, Storage, Trail},
};

/// Why records did not become a client.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RestoreError {
    /// The storage has too few slots for the messages that were under way. One of the size that the records come from has
    /// enough.
    Slots,
    /// The storage has too few bytes for them.
    Bytes,
    /// The storage has too few arrival slots for the messages of QoS 2 that had arrived.
    Arrivals,
    /// No client has made this record: no PUBLISH may look like this message.
    Invalid(Token),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots => f.write_str("too few slots for the recorded messages"),
            Self::Bytes => f.write_str("too few bytes for the recorded messages"),
            Self::Arrivals => f.write_str("too few slots for the recorded arrivals"),
            Self::Invalid(token) => write!(f, "the recorded message {} is none", token.get()),
        }
    }
}

impl core::error::Error for RestoreError {}

impl<S: Storage> Client<S> {
    /// The client that these records tell of, as after a lost link: connect it, with the client id that it had, and what was
    /// under way goes on. Its tokens are those that the caller knew, and new ones are above them. What ended without its
    /// event having been taken is told again.
    ///
    /// The records are those of one journal in their order, or any beginning of them that has all that were persisted.
    ///
    /// # What is promised
    ///
    /// A message of QoS 1 or 2 whose records are persisted is not lost, and a message of QoS 2 comes to the server once. A
    /// message of QoS 2 from the server is told again if the process dies after it was told and before that it was
    /// acknowledged ([`Acknowledge::Manual`](super::Acknowledge::Manual)) or its event was taken is persisted, and never
    /// after. To have its *effect* once, the effect has to be stored together with that record, in one transaction.
    ///
    /// What does not outlive the process: messages of QoS 0, requests, topic aliases, and
    /// [`AckToken`](crate::AckToken)s, whose messages come again with tokens of their own.
    ///
    /// # Errors
    /// The storage is too small, or the records are not those of a client.
    pub fn restore<'r>(
        config: Config,
        storage: S,
        now: Instant,
        records: impl IntoIterator<Item = Record<'r>>,
    ) -> Result<Self, RestoreError> {
        let mut restoring = Restoring::new(config, storage, now);
        for record in records {
            restoring.apply(&record)?;
        }
        Ok(restoring.finish())
    }
}

/// A client that is being made from records, one at a time: for those that are not all in memory at once.
#[derive(Clone, Debug)]
pub struct Restoring<S: Storage> {
    client: Client<S>,
    places: Places,
    /// A token was seen, so that others can be compared with the next one.
    begun: bool,
}

impl<S: Storage> Restoring<S> {
    /// Nothing has been read.
    pub fn new(config: Config, storage: S, now: Instant) -> Self {
        let mut client = Client::new(config, storage);
        client.now = now;
        client.arrivals.begin_generations(now);
        Self {
            client,
            places: Places::default(),
            begun: false,
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// As of [`Client::restore`]; the record is left out.
    pub fn apply(&mut self, record: &Record<'_>) -> Result<(), RestoreError> {
        match *record {
            Record::Session {
                exists,
                outdated,
                client: id,
                number,
                next,
            } => {
                if number != self.client.journal.number {
                    self.lose_session();
                }
                let client = &mut self.client;
                client.session = Session {
                    exists,
                    outdated,
                    client: id,
                };
                client.journal.restored(client.session, number);
                self.note_next(next);
            }
            Record::Message(ref message) => self.message(message)?,
            Record::Sent { token, id } => {
                if let Some(index) = self.find(token) {
                    self.sent(index, id);
                }
            }
            Record::Queued { token } => {
                if let Some(index) = self.find(token).filter(|&index| self.is_message(index)) {
                    self.client.storage.set_id(index, None);
                    let slot = self.client.storage.slot_mut(index);
                    slot.stage = Stage::Queued;
                    slot.marks.set(Mark::Transmitted, false);
                }
            }
            Record::Released { token, id } => {
                let index = self.take(token)?;
                self.client.storage.release(index);
                self.set_id(index, Some(id));
                let slot = self.client.storage.slot_mut(index);
                slot.set_exactly_once();
                slot.stage = Stage::Flow {
                    at: Outgoing::AwaitingPubComp,
                    owed: true,
                };
                self.client
                    .outbox
                    .releases
                    .push_back(&mut Slots(&mut self.client.storage), index);
            }
            Record::Aborted { token, retired, why } => {
                let index = self.take(token)?;
                self.client.storage.release(index);
                self.set_id(index, retired);
                let slot = self.client.storage.slot_mut(index);
                if retired.is_some() {
                    slot.kind = Kind::Retired;
                }
                slot.stage = Stage::Ended(End::Aborted(why));
                self.client
                    .outbox
                    .ended
                    .push_back(&mut Slots(&mut self.client.storage), index);
            }
            Record::Retired { token, id } => {
                let index = self.take(token)?;
                self.client.storage.release(index);
                self.set_id(index, Some(id));
                let slot = self.client.storage.slot_mut(index);
                slot.kind = Kind::Retired;
                slot.stage = Stage::Queued;
            }
            Record::Ended { token, .. } => {
                if let Some(index) = self.find(token) {
                    self.unlink(index);
                    self.free(index);
                }
                self.note_token(token);
            }
            Record::Received { id } => self.received(id)?,
            Record::ReceivedEnded { id } => {
                if let Some(index) = self.client.storage.find_arrival(id) {
                    self.client.free_arrival(index);
                }
            }
        }
        Ok(())
    }

    /// All records were read.
    pub fn finish(mut self) -> Client<S> {
        // What was lost with its session and is not spoken of later ends as it would have.
        let client = &mut self.client;
        let mut index = client.outbox.messages.first();
        while index != NONE {
            let slot = client.storage.slot_mut(index);
            let next = slot.links.next();
            if slot.id.is_none() && slot.flow().is_some() {
                match client.config.on_session_lost {
                    OnSessionLost::Abort => {
                        client.unlink(index, |outbox| &mut outbox.messages);
                        client.end(index, End::Aborted(AbortReason::SessionLost));
                    }
                    OnSessionLost::SendAgainAsNew => {
                        slot.stage = Stage::Queued;
                        slot.marks.set(Mark::Transmitted, false);
                        client.watch(index);
                        client.note_slot(index);
                    }
                }
            }
            index = next;
        }
        let mut index = client.outbox.releases.first();
        while index != NONE {
            let slot = client.storage.slot(index);
            let next = slot.links.next();
            if slot.id.is_none() {
                client.unlink(index, |outbox| &mut outbox.releases);
                client.end(index, End::Aborted(AbortReason::SessionLost));
            }
            index = next;
        }
        client.outbox.next_message = client.outbox.messages.first();
        client.outbox.next_release = client.outbox.releases.first();
        client.outbox.unprepared = client.outbox.messages.first();
        self.client
    }

    fn message(&mut self, message: &StoredMessage<'_>) -> Result<(), RestoreError> {
        self.note_token(message.token);
        let index = match self.find(message.token) {
            Some(index) => index,
            None => {
                let payload = match message.payload {
                    StoredPayload::Bytes(bytes) => Payload::Copy(bytes),
                    StoredPayload::External(len) => Payload::External(len),
                };
                let publish = Publish {
                    topic: message.topic,
                    qos: message.qos,
                    retain: message.retain,
                    properties: message.properties,
                    deadline: message.deadline,
                    alias: None,
                };
                let moments = Moments::recorded(message.accepted, message.deadline, message.expires);
                let index = Measured::new(&publish, &payload)
                    .and_then(|measured| self.client.place(&measured, &payload, &moments, message.token))
                    .map_err(|why| match why {
                        Refused::Slots => RestoreError::Slots,
                        Refused::Bytes | Refused::TooLarge => RestoreError::Bytes,
                        Refused::NotConnected
                        | Refused::AlreadyConnected
                        | Refused::ShuttingDown
                        | Refused::OutOfTurn
                        | Refused::Unsupported(_)
                        | Refused::Transmitted
                        | Refused::NoSuchMessage
                        | Refused::Invalid(_)
                        | Refused::InvalidTopic(_) => RestoreError::Invalid(message.token),
                    })?;
                self.client.keep_payload(index, payload);
                self.client.storage.slot_mut(index).trail = Trail::RESTORED;
                #[cfg(feature = "alloc")]
                self.places.note(message.token, index);
                index
            }
        };
        if let Some(id) = message.id {
            self.sent(index, id);
        }
        Ok(())
    }

    /// A message has got an id, and some of it may have left.
    fn sent(&mut self, index: u16, id: PacketId) {
        if !self.is_message(index) {
            return;
        }
        self.set_id(index, Some(id));
        self.client.last_id = Some(id);
        let slot = self.client.storage.slot_mut(index);
        if let Some(at) = Outgoing::sent(slot.qos()) {
            slot.stage = Stage::Flow { at, owed: true };
            slot.marks.set(Mark::Transmitted, true);
        }
    }

    fn received(&mut self, id: PacketId) -> Result<(), RestoreError> {
        if self.client.storage.find_arrival(id).is_some() {
            return Ok(());
        }
        let client = &mut self.client;
        let index = client.take_row().ok_or(RestoreError::Arrivals)?;
        let row = client.storage.arrival_mut(index);
        row.answers = id;
        row.stage = Incoming::AwaitingPubRel;
        row.set_answer(ReasonCode::SUCCESS);
        row.trail = Trail::RESTORED;
        client.storage.set_arrival_id(index, Some(id));
        Ok(())
    }

    /// All that was in flight is over. Messages stay, without an id: a later record may speak of them, or
    /// [`finish`](Self::finish) ends them.
    fn lose_session(&mut self) {
        for index in 1..=self.client.storage.slots() {
            let slot = self.client.storage.slot(index);
            let (kind, ended) = (slot.kind, matches!(slot.stage, Stage::Ended(_)));
            match kind {
                Kind::Publish => self.client.storage.set_id(index, None),
                Kind::Retired => {
                    self.client.storage.set_id(index, None);
                    if !ended {
                        self.free(index);
                    }
                }
                Kind::Free
                | Kind::Subscribe
                | Kind::Unsubscribe
                | Kind::Answer
                | Kind::Binding
                | Kind::Over => {}
            }
        }
        let client = &mut self.client;
        for index in 0..client.storage.arrivals() {
            if client.storage.arrival(index).id().is_some() {
                client.free_arrival(index);
            }
        }
    }

    /// The slot of this operation.
    fn find(&self, token: Token) -> Option<u16> {
        self.places.find(&self.client.storage, token)
    }

    /// The slot of this operation, taken off its list, or a free one.
    fn take(&mut self, token: Token) -> Result<u16, RestoreError> {
        self.note_token(token);
        if let Some(index) = self.find(token) {
            self.unlink(index);
            self.client.storage.slot_mut(index).kind = Kind::Publish;
            return Ok(index);
        }
        let index = self.client.free_slot().ok_or(RestoreError::Slots)?;
        self.client
            .outbox
            .free
            .remove(&mut Slots(&mut self.client.storage), index);
        let slot = self.client.storage.slot_mut(index);
        slot.kind = Kind::Publish;
        slot.set_exactly_once();
        slot.token = token;
        slot.trail = Trail::RESTORED;
        #[cfg(feature = "alloc")]
        self.places.note(token, index);
        Ok(index)
    }

    /// Takes a slot off the list that its stage puts it on.
    fn unlink(&mut self, index: u16) {
        let client = &mut self.client;
        let slot = client.storage.slot(index);
        match (slot.kind, slot.stage) {
            (_, Stage::Ended(_)) => client.unlink(index, |outbox| &mut outbox.ended),
            (
                Kind::Publish,
                Stage::Flow {
                    at: Outgoing::AwaitingPubComp,
                    ..
                },
            ) => client.unlink(index, |outbox| &mut outbox.releases),
            (Kind::Publish, _) => {
                client.pass_by(index);
                client.unlink(index, |outbox| &mut outbox.messages);
            }
            _ => {}
        }
    }

    fn free(&mut self, index: u16) {
        let slot = self.client.storage.slot_mut(index);
        slot.trail = Trail::NONE;
        #[cfg(feature = "alloc")]
        self.places.forget(slot.token);
        self.client.free(index);
    }

    /// It is in the list of messages.
    fn is_message(&self, index: u16) -> bool {
        let slot = self.client.storage.slot(index);
        slot.kind == Kind::Publish
            && match slot.stage {
                Stage::Queued => true,
                Stage::Flow { at, .. } => at != Outgoing::AwaitingPubComp,
                Stage::Requested | Stage::Ended(_) => false,
            }
    }

    /// Gives a slot an id. If another one has it, the records are no client's; the later one is believed.
    fn set_id(&mut self, index: u16, id: Option<PacketId>) {
        let client = &mut self.client;
        if let Some(other) = id.and_then(|id| client.storage.find_id(id)) {
            client.storage.set_id(other, None);
        }
        client.storage.set_id(index, id);
    }

    /// New tokens are above all that were.
    fn note_token(&mut self, token: Token) {
        self.note_next(token.next());
    }

    fn note_next(&mut self, next: Token) {
        if !self.begun || self.client.next_token.is_older_than(next) {
            self.client.next_token = next;
        }
        self.begun = true;
    }
}
