//! Records: which are owed, which are persisted, and what has to wait for them.
//!
//! A record is owed of each slot and arrival slot whose state has changed; it says the state of the moment it is polled, so
//! changes coalesce, and what ended before it was polled leaves none. Two rules make every prefix of the records a state that
//! can be gone on from:
//!
//! - A slot that has ended keeps its packet id until its last record was polled, so an id means one message at a time.
//! - The record of the session goes first. Its number says that a session was lost, and with that the ends of all that was in
//!   flight: whatever is recorded later belongs to the new session.
//!
//! Nothing is sent that depends on a record which is not persisted:
//!
//! | packet | waits for | or else, after a crash |
//! |---|---|---|
//! | CONNECT | what it makes of the session | old state would meet a new session |
//! | SUBSCRIBE, UNSUBSCRIBE | the loss of a session | messages of the new session would be taken for repeats of the old |
//! | PUBLISH, first time | the message, with its packet id | it would be sent again under another id |
//! | PUBREL | that PUBREC has come | PUBLISH would be sent again to a server that has forgotten the id |
//! | PUBREC | that the message was taken | it would be lost: the server never sends it again |
//! | PUBCOMP | that PUBREL has come | the next message with this id would be taken for a repeat, and lost |
//!
//! Packet ids are taken ahead, as many as the window allows, so that one sync lets many messages go.

use mqtt_proto::{PacketId, QoS, TopicName};

use super::{Client, Rows, Session, Slots, link::Link, owed::Answerless};
use crate::{
    Instant, Record, Seq, Token,
    flow::{Incoming, Outgoing},
    record::{StoredMessage, StoredPayload},
    storage::{End, Kind, List, Mark, NONE, Queue, Stage, Storage, Trail, Trails},
};

/// So many records may be open, polled and not persisted; a trail can tell twice as many apart.
const OPEN_LIMIT: u16 = 1 << 14;

/// What was recorded, and what of it is persisted.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    /// The number of the latest record.
    given: u16,
    /// How many records before it, and itself, are not persisted.
    open: u16,
    slots: Queue,
    arrivals: Queue,
    /// Sessions that were lost.
    pub(super) number: u16,
    /// Where the session stands with the journal; owed: something other than the next two has changed.
    session: Trail,
    /// What its latest record said.
    exists: bool,
    outdated: bool,
}

/// What there is to record of a slot.
enum Says {
    Nothing,
    /// The whole message.
    Message,
    Short(Record<'static>),
}

impl Journal {
    pub(super) const EMPTY: Self = Self {
        given: 0,
        open: 0,
        slots: Queue::EMPTY,
        arrivals: Queue::EMPTY,
        number: 0,
        session: Trail::NONE,
        exists: false,
        outdated: false,
    };

    /// As a journal says that it was.
    pub(super) const fn restored(&mut self, session: Session, number: u16) {
        self.number = number;
        (self.exists, self.outdated) = (session.exists, session.outdated);
    }

    const fn persisted(&self) -> u16 {
        self.given.wrapping_sub(self.open)
    }
}

impl Session {
    const fn record(self, number: u16, next: Token) -> Record<'static> {
        Record::Session {
            exists: self.exists,
            outdated: self.outdated,
            client: self.client,
            number,
            next,
        }
    }
}

impl<S: Storage> Trails for Slots<'_, S> {
    fn trail_mut(&mut self, index: u16) -> &mut Trail {
        &mut self.0.slot_mut(index).trail
    }
    fn next_mut(&mut self, index: u16) -> &mut u16 {
        &mut self.0.slot_mut(index).filters
    }
}

impl<S: Storage> Trails for Rows<'_, S> {
    fn trail_mut(&mut self, index: u16) -> &mut Trail {
        &mut self.0.arrival_mut(index).trail
    }
    fn next_mut(&mut self, index: u16) -> &mut u16 {
        &mut self.0.arrival_mut(index).next_owed
    }
}

impl<S: Storage> Client<S> {
    /// What is to be written to the journal next, if [`Config::journal`](super::Config::journal) is on. Ask until there is
    /// nothing, write the records in this order, make them safe, then say so with
    /// [`handle_persisted`](Self::handle_persisted): many at once, however many there are.
    ///
    /// Ask whenever [`poll_transmit`](Self::poll_transmit) is asked: after input, commands, and time. A message of QoS 1 or 2
    /// is safe when all records that were there after `publish` are persisted. Of QoS 0 there are no records.
    ///
    /// Nothing is given while 16,384 records are not persisted.
    pub fn poll_record(&mut self) -> Option<(Seq, Record<'_>)> {
        if !self.config.journal || self.journal.open >= OPEN_LIMIT {
            return None;
        }
        let seq = self.journal.given.wrapping_add(1);
        let (record, message) = if let Some(record) = self.next_session_record(seq) {
            (Some(record), None)
        } else if let Some(record) = self.next_arrival_record(seq) {
            (Some(record), None)
        } else {
            self.prepare();
            self.next_slot_record(seq)
        };
        if record.is_none() && message.is_none() {
            return None;
        }
        self.journal.given = seq;
        self.journal.open += 1;
        let message = message.map(|index| Record::Message(self.stored(index)));
        record.or(message).map(|record| (Seq::new(seq.into()), record))
    }

    /// Records up to this one are safe: what depends on them may be sent now. What was said before, or was never polled,
    /// changes nothing.
    pub fn handle_persisted(&mut self, now: Instant, upto: Seq) {
        self.advance(now);
        let before = self.journal.persisted();
        let open = self.journal.given.wrapping_sub(upto.get() as u16);
        if open >= self.journal.open {
            return;
        }
        let was_deaf = self.waits_for_record();
        self.journal.open = open;
        if was_deaf && !self.waits_for_record() {
            self.note_received();
            self.note_heard_again();
        }
        let persisted = self.journal.persisted();
        if before / OPEN_LIMIT != persisted / OPEN_LIMIT {
            self.journal.session.sweep(persisted);
            for index in 1..=self.storage.slots() {
                self.storage.slot_mut(index).trail.sweep(persisted);
            }
            for index in 0..self.storage.arrivals() {
                self.storage.arrival_mut(index).trail.sweep(persisted);
            }
        }
        // Nothing else may happen any more that would look whether everything has ended.
        self.disconnect_if_drained();
    }

    /// [`poll_record`](Self::poll_record) would give one.
    pub fn has_record(&mut self) -> bool {
        if !self.config.journal || self.journal.open >= OPEN_LIMIT {
            return false;
        }
        self.prepare();
        self.pass_over_silent();
        self.owes_session() || !self.journal.arrivals.is_empty() || !self.journal.slots.is_empty()
    }

    /// Everything is recorded and persisted, or there is no journal.
    pub(super) fn is_journal_settled(&mut self) -> bool {
        self.journal.open == 0 && !self.has_record()
    }

    /// All that the session is now, as records, for a new journal that takes the place of this one: it stands for all that
    /// was polled. What is owed and was not polled yet is still owed; reading it twice does no harm. Without
    /// [`Config::journal`](super::Config::journal) it is all there is.
    ///
    /// [`Client::restore`] makes a client of it.
    pub fn snapshot(&self) -> impl Iterator<Item = Record<'_>> {
        let session = self.session_state().record(self.journal.number, self.next_token);
        let walk = |list: List| {
            let first = Some(list.first()).filter(|&index| index != NONE);
            core::iter::successors(first, |&index| {
                Some(self.storage.slot(index).links.next()).filter(|&index| index != NONE)
            })
        };
        let rest = (1..=self.storage.slots()).filter(|&index| {
            let slot = self.storage.slot(index);
            slot.kind == Kind::Retired || matches!(slot.stage, Stage::Ended(_))
        });
        let slots = walk(self.outbox.releases)
            .chain(walk(self.outbox.messages))
            .chain(rest)
            .filter(|&index| !self.config.journal || self.storage.slot(index).trail.is_recorded())
            .filter_map(|index| match self.says(index, true) {
                Says::Nothing => None,
                Says::Message => Some(Record::Message(self.stored(index))),
                Says::Short(record) => Some(record),
            });
        let arrivals = (0..self.storage.arrivals())
            .filter(|&index| !self.config.journal || self.storage.arrival(index).trail.is_recorded())
            .filter(|&index| self.is_received(index))
            .map(|index| Record::Received {
                id: self.storage.arrival(index).answers,
            });
        core::iter::once(session).chain(slots).chain(arrivals)
    }

    /// The state of a slot has changed, and the journal has to know. Not of QoS 0 and requests.
    pub(super) fn note_slot(&mut self, index: u16) {
        if self.config.journal {
            self.journal.slots.push(&mut Slots(&mut self.storage), index);
        }
    }

    /// The same for a message that came in.
    pub(super) fn note_arrival(&mut self, index: u16) {
        if self.config.journal {
            self.journal.arrivals.push(&mut Rows(&mut self.storage), index);
        }
    }

    /// The end of the operation in this slot, which is on no list, was told: the slot is free, or will be when that is
    /// recorded.
    pub(super) fn conclude(&mut self, index: u16) {
        if self.config.journal && self.storage.slot(index).trail.is_recorded() {
            self.storage.release(index);
            let slot = self.storage.slot_mut(index);
            slot.kind = Kind::Over;
            slot.stage = Stage::Queued;
            self.note_slot(index);
        } else {
            self.free(index);
        }
    }

    /// The server has lost the session, and with it all that was in flight: that is one record, and what the arrivals
    /// owed is void.
    pub(super) fn note_session_lost(&mut self) {
        self.journal.number = self.journal.number.wrapping_add(1);
        self.note_session();
        while let Some(index) = self.journal.arrivals.pop(&mut Rows(&mut self.storage)) {
            if self.is_arrival_over(index) {
                self.free_arrival_over(index);
            }
        }
        self.outbox.unprepared = self.outbox.messages.first();
    }

    /// A message that is in the list of messages is about to leave it.
    pub(super) fn pass_by(&mut self, index: u16) {
        let next = self.storage.slot(index).links.next();
        if self.outbox.next_message == index {
            self.outbox.next_message = next;
        }
        if self.outbox.unprepared == index {
            self.outbox.unprepared = next;
        }
    }

    /// All that is to be recorded of a slot is persisted: what depends on it may be sent.
    pub(super) fn is_slot_settled(&self, index: u16) -> bool {
        !self.config.journal
            || self
                .storage
                .slot(index)
                .trail
                .is_settled(self.journal.persisted())
    }

    /// The same for a message that came in.
    pub(super) fn is_arrival_settled(&self, index: u16) -> bool {
        !self.config.journal
            || self
                .storage
                .arrival(index)
                .trail
                .is_settled(self.journal.persisted())
    }

    /// The same for the session.
    pub(super) fn is_session_settled(&self) -> bool {
        !self.config.journal
            || (!self.owes_session() && self.journal.session.is_settled(self.journal.persisted()))
    }

    /// An answer to a packet without a message here depends on a record about an earlier one with its id.
    pub(super) fn is_owed_settled(&self, answer: Answerless, id: PacketId) -> bool {
        answer != Answerless::ReceivedBefore
            || self
                .storage
                .find_arrival(id)
                .is_none_or(|index| self.is_arrival_settled(index))
    }

    /// PUBCOMP for this id is owed already, to an earlier PUBREL, and waits for its record.
    pub(super) fn is_completing(&self, id: PacketId) -> bool {
        let mut index = self.arrivals.pubcomps.first();
        while self.config.journal && index != NONE {
            let arrival = self.storage.arrival(index);
            if arrival.answers == id {
                return true;
            }
            index = arrival.links.next();
        }
        false
    }

    /// What will be true of the session when the CONNECT that waits has begun to leave, or is true without one.
    fn session_state(&self) -> Session {
        let connecting = self.connection.as_ref().filter(|c| c.state == Link::Connecting);
        connecting.map_or(self.session, |connection| self.session.with_connect(connection))
    }

    fn owes_session(&self) -> bool {
        let state = self.session_state();
        self.journal.session.is_owed()
            || (state.exists, state.outdated) != (self.journal.exists, self.journal.outdated)
    }

    /// A CONNECT with another client id waits or is given up: that changes whose the session would be.
    pub(super) fn note_session_of_link(&mut self) {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.client != self.session.client)
        {
            self.note_session();
        }
    }

    /// Whose the session is may have changed.
    pub(super) const fn note_session(&mut self) {
        self.journal.session.owe();
    }

    fn next_session_record(&mut self, seq: u16) -> Option<Record<'static>> {
        if !self.owes_session() {
            return None;
        }
        let state = self.session_state();
        self.journal.session = Trail::NONE;
        self.journal.session.given(seq, true);
        (self.journal.exists, self.journal.outdated) = (state.exists, state.outdated);
        Some(state.record(self.journal.number, self.next_token))
    }

    fn next_arrival_record(&mut self, seq: u16) -> Option<Record<'static>> {
        loop {
            let index = self.journal.arrivals.pop(&mut Rows(&mut self.storage))?;
            if let Some(record) = self.says_arrival(index) {
                let received = matches!(record, Record::Received { .. });
                if self.is_arrival_over(index) {
                    self.free_arrival_over(index);
                } else {
                    self.storage.arrival_mut(index).trail.given(seq, received);
                }
                return Some(record);
            }
        }
    }

    /// A short record, or the slot of a message to be recorded whole.
    fn next_slot_record(&mut self, seq: u16) -> (Option<Record<'static>>, Option<u16>) {
        loop {
            let Some(index) = self.journal.slots.pop(&mut Slots(&mut self.storage)) else {
                return (None, None);
            };
            let over = self.storage.slot(index).kind == Kind::Over;
            let says = self.owes(index);
            if over {
                self.free(index);
            } else if !matches!(says, Says::Nothing) {
                self.storage.slot_mut(index).trail.given(seq, true);
            }
            match says {
                Says::Nothing => {}
                Says::Message => return (None, Some(index)),
                Says::Short(record) => return (Some(record), None),
            }
        }
    }

    /// Drops what has nothing to say off the heads of the queues.
    fn pass_over_silent(&mut self) {
        while let Some(index) = self.journal.slots.first() {
            let over = self.storage.slot(index).kind == Kind::Over;
            if !matches!(self.owes(index), Says::Nothing) {
                break;
            }
            self.journal.slots.pop(&mut Slots(&mut self.storage));
            if over {
                self.free(index);
            }
        }
        while let Some(index) = self.journal.arrivals.first() {
            if self.says_arrival(index).is_some() {
                break;
            }
            self.journal.arrivals.pop(&mut Rows(&mut self.storage));
        }
    }

    /// What there is to record of a slot since its last record.
    fn owes(&self, index: u16) -> Says {
        let slot = self.storage.slot(index);
        let over = slot.kind == Kind::Over || matches!(slot.stage, Stage::Ended(_));
        if over && !slot.trail.is_recorded() {
            // The end of what was never recorded is no news.
            return Says::Nothing;
        }
        self.says(index, !slot.trail.is_recorded())
    }

    /// What there is to record of a slot; `whole` if no record has told of it before.
    fn says(&self, index: u16, whole: bool) -> Says {
        let slot = self.storage.slot(index);
        let (token, id) = (slot.token, slot.id);
        let record = match slot.kind {
            Kind::Free | Kind::Subscribe | Kind::Unsubscribe | Kind::Answer | Kind::Binding => None,
            Kind::Over => Some(Record::Ended { token, id }),
            Kind::Publish if slot.qos() == QoS::AtMostOnce => None,
            Kind::Publish | Kind::Retired => match slot.stage {
                Stage::Ended(End::Aborted(why)) => {
                    let retired = id.filter(|_| slot.kind == Kind::Retired);
                    Some(Record::Aborted { token, retired, why })
                }
                Stage::Ended(End::Written) | Stage::Requested => None,
                Stage::Queued if slot.kind == Kind::Retired => id.map(|id| Record::Retired { token, id }),
                Stage::Flow {
                    at: Outgoing::AwaitingPubComp,
                    ..
                } => id.map(|id| Record::Released { token, id }),
                Stage::Queued | Stage::Flow { .. } if whole => return Says::Message,
                Stage::Queued | Stage::Flow { .. } => Some(match id {
                    Some(id) => Record::Sent { token, id },
                    None => Record::Queued { token },
                }),
            },
        };
        record.map_or(Says::Nothing, Says::Short)
    }

    fn says_arrival(&self, index: u16) -> Option<Record<'static>> {
        let arrival = self.storage.arrival(index);
        let id = arrival.answers;
        match (arrival.trail.is_recorded(), self.is_received(index)) {
            (false, true) => Some(Record::Received { id }),
            (true, false) => Some(Record::ReceivedEnded { id }),
            (false, false) | (true, true) => None,
        }
    }

    /// A QoS 2 message that was told and taken, and whose PUBREL has not come: the application has it.
    fn is_received(&self, index: u16) -> bool {
        let arrival = self.storage.arrival(index);
        arrival.id().is_some()
            && match arrival.stage {
                Incoming::OwesPubAck => false,
                Incoming::OwesPubRec => arrival.answer().is_some_and(|code| !code.is_failure()),
                Incoming::AwaitingPubRel => true,
            }
    }

    /// Gives places in the window, and packet ids, to messages that wait, as many as the window allows, so that they can be recorded with them.
    fn prepare(&mut self) {
        while self.outbox.unprepared != NONE {
            let index = self.outbox.unprepared;
            let slot = self.storage.slot(index);
            let (next, charged, id) = (slot.links.next(), slot.marks.has(Mark::Charged), slot.id);
            if !charged {
                // Also what is sent again has its place in the window before what comes after it.
                if !self.connected().is_some_and(|c| c.window.has_room()) {
                    return;
                }
                if id.is_none() {
                    let Some(id) = self.next_id() else { return };
                    self.storage.set_id(index, Some(id));
                    self.last_id = Some(id);
                    self.note_slot(index);
                }
                self.charge(index);
            }
            self.outbox.unprepared = next;
        }
    }

    /// The message in a slot.
    fn stored(&self, index: u16) -> StoredMessage<'_> {
        let slot = self.storage.slot(index);
        let payload = if slot.marks.has(Mark::External) {
            StoredPayload::External(self.payload_len(index) as u32)
        } else {
            StoredPayload::Bytes(self.payload(index))
        };
        StoredMessage {
            token: slot.token,
            id: slot.id,
            qos: slot.qos(),
            retain: slot.retain(),
            topic: self.topic_of(index).unwrap_or(TopicName::EMPTY),
            properties: self.properties(index),
            payload,
            accepted: self.accepted_at(index).unwrap_or_default(),
            deadline: self.deadline_of(index),
            expires: self.expires_at(index),
        }
    }
}
