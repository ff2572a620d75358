//! Messages that come in, and the duty to answer them.

use mqtt_proto::{
    Packet, PacketId, Properties, QoS, ReasonCode, Sender, Version,
    packet::{self, Publish, PublishHead},
};

use super::{
    Acknowledge, Client, Event, Message,
    counters::more,
    input::Step,
    owed::{Answerless, Owed},
};
use crate::{
    AckToken, Instant, NotTaken, Refused, Unsupported,
    flow::{Answer, Incoming, OnPubRel, OnPublish, Violation, rules},
    storage::{Kind, Links, List, NONE, Nodes, Storage},
};

/// The answer to a message of QoS 1 or 2.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// [`ReasonCode::SUCCESS`], or in 5.0 another code of PUBACK and PUBREC; a failure refuses the message, and the
    /// server does not send it again.
    pub code: ReasonCode,
    /// Reason String and User Property (5.0).
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// The message is taken.
    pub const SUCCESS: Self = Self::new(ReasonCode::SUCCESS);

    /// An answer without properties.
    pub const fn new(code: ReasonCode) -> Self {
        Self {
            code,
            properties: Properties::EMPTY,
        }
    }
}

/// What becomes of a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is told; at QoS 1 and 2 it is remembered when it has come to its end.
    Deliver(Option<(Incoming, PacketId)>),
    /// It is not told, and may be answered.
    PassOver(Option<(Answerless, PacketId)>),
    /// There is no room for it now.
    Wait,
}

/// Which messages are where on their way to an answer, in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    free: List,
    /// QoS 1, PUBACK not sent (`5/MQTT-4.6.0-2`).
    pub(super) pubacks: List,
    /// QoS 2, PUBREC not sent (`5/MQTT-4.6.0-3`).
    pub(super) pubrecs: List,
    /// QoS 2, PUBREL came and PUBCOMP is owed.
    pub(super) pubcomps: List,
    /// Answers that belong to no message.
    pub(super) owed: Owed,
    /// A message waits in the caller's buffer for a free row.
    pub(super) stalled: bool,
    generation: u16,
}

impl Arrivals {
    pub(super) const EMPTY: Self = Self {
        free: List::EMPTY,
        pubacks: List::EMPTY,
        pubrecs: List::EMPTY,
        pubcomps: List::EMPTY,
        owed: Owed::EMPTY,
        stalled: false,
        generation: 0,
    };

    /// After a restore: tokens of the process before are not those of messages that come now.
    pub(super) const fn begin_generations(&mut self, now: Instant) {
        let micros = now.as_micros();
        self.generation = (micros ^ micros >> 16 ^ micros >> 32) as u16;
    }

    /// The row is on one of the lists of messages.
    pub(super) fn is_used<S: Storage>(&self, storage: &S, index: u16) -> bool {
        let arrival = storage.arrival(index);
        arrival.id().is_some() || arrival.answer().is_some()
    }
}

/// The arrival slots of a storage as nodes of lists.
pub(super) struct Rows<'a, S>(pub(super) &'a mut S);

impl<S: Storage> Nodes for Rows<'_, S> {
    fn links(&self, index: u16) -> Links {
        self.0.arrival(index).links
    }
    fn links_mut(&mut self, index: u16) -> &mut Links {
        &mut self.0.arrival_mut(index).links
    }
}

impl<S: Storage> Client<S> {
    pub(super) fn free_all_arrivals(&mut self) {
        for index in 0..self.storage.arrivals() {
            self.arrivals.free.push_back(&mut Rows(&mut self.storage), index);
        }
    }

    pub(super) fn on_publish<'b>(
        &mut self,
        version: Version,
        publish: Publish<'b>,
    ) -> Result<Step<'b>, Violation> {
        let head = publish.head;
        // 5/MQTT-4.5.0-2, 3.1.1/MQTT-4.5.0-2: nobody has to have asked for it.
        let ack = match self.admit(version, &head)? {
            Admission::Wait => return Ok(Step::Wait),
            Admission::PassOver(answer) => {
                self.owe(answer);
                return Ok(Step::Nothing);
            }
            Admission::Deliver(arrival) => self.arrived(arrival),
        };
        Ok(Step::Event(Event::Message(Message {
            topic: head.topic,
            payload: publish.payload,
            qos: head.qos,
            retain: head.retain,
            dup: head.dup,
            packet_id: head.packet_id,
            properties: head.properties,
            ack,
        })))
    }

    /// What is to become of a message with this head. Changes nothing but the number of rows and what aliases stand for.
    pub(super) fn admit(&mut self, version: Version, head: &PublishHead<'_>) -> Result<Admission, Violation> {
        self.note_alias(version, head)?;
        let found = head.packet_id.and_then(|id| self.storage.find_arrival(id));
        let stage = found.map(|index| self.storage.arrival(index).stage);
        Ok(
            match (Incoming::on_publish(stage, head.qos, head.dup), head.packet_id) {
                (OnPublish::Deliver(Some(stage)), Some(id)) => {
                    if self.has_row(version)? {
                        Admission::Deliver(Some((stage, id)))
                    } else {
                        Admission::Wait
                    }
                }
                (OnPublish::Deliver(_), _) => Admission::Deliver(None),
                (OnPublish::PubRecAgain, Some(id)) => {
                    Admission::PassOver(Some((Answerless::ReceivedBefore, id)))
                }
                (OnPublish::IdInUse, Some(id)) => {
                    if !version.has_properties() {
                        return Err(rules::ID_IN_USE_BY_SERVER.broken(version));
                    }
                    let answer = match head.qos {
                        QoS::ExactlyOnce => Answerless::QoS2IdInUse,
                        QoS::AtMostOnce | QoS::AtLeastOnce => Answerless::QoS1IdInUse,
                    };
                    Admission::PassOver(Some((answer, id)))
                }
                (OnPublish::Repeat | OnPublish::PubRecAgain | OnPublish::IdInUse, _) => {
                    Admission::PassOver(None)
                }
            },
        )
    }

    /// There is a row for one more message. False: not now, but there will be.
    fn has_row(&mut self, version: Version) -> Result<bool, Violation> {
        self.make_row();
        if !self.arrivals.free.is_empty() {
            return Ok(true);
        }
        // In 3.x the server cannot know how much we take: wait, if waiting can make room. What makes none is a
        // message that waits for the server's PUBREL, which would stand behind this one.
        let lists = [
            self.arrivals.pubacks,
            self.arrivals.pubrecs,
            self.arrivals.pubcomps,
        ];
        if !version.has_properties() && lists.iter().any(|list| !list.is_empty()) {
            return Ok(false);
        }
        // 3.1.1/MQTT-4.8.0-2
        Err(rules::RECEIVE_MAXIMUM_BY_SERVER.broken(version))
    }

    /// Adds a row if none is free and there is memory for one more.
    fn make_row(&mut self) {
        if self.arrivals.free.is_empty() && self.storage.grow_arrivals() {
            let index = self.storage.arrivals() - 1;
            self.arrivals.free.push_back(&mut Rows(&mut self.storage), index);
        }
    }

    /// A row that is on no list.
    pub(super) fn take_row(&mut self) -> Option<u16> {
        self.make_row();
        self.arrivals.free.pop_front(&mut Rows(&mut self.storage))
    }

    /// Owes an answer to a message that is passed over; there is room, or its packet would not have been taken.
    pub(super) fn owe(&mut self, answer: Option<(Answerless, PacketId)>) {
        if let Some((answer, id)) = answer {
            self.arrivals.owed.push(answer, id);
        }
    }

    /// A message that was admitted has come to its end: it takes a row. Gives the duty to acknowledge it, if that is
    /// the caller's.
    pub(super) fn arrived(&mut self, arrival: Option<(Incoming, PacketId)>) -> Option<AckToken> {
        let (stage, id) = arrival?;
        let index = self.arrivals.free.pop_front(&mut Rows(&mut self.storage))?;
        self.arrivals.generation = self.arrivals.generation.wrapping_add(1);
        let manual = self.config.acknowledge == Acknowledge::Manual;
        let row = self.storage.arrival_mut(index);
        row.answers = id;
        row.stage = stage;
        row.generation = self.arrivals.generation;
        if !manual {
            row.set_answer(ReasonCode::SUCCESS);
        }
        self.storage.set_arrival_id(index, Some(id));
        let (list, qos) = match stage {
            Incoming::OwesPubAck => (&mut self.arrivals.pubacks, QoS::AtLeastOnce),
            Incoming::OwesPubRec | Incoming::AwaitingPubRel => (&mut self.arrivals.pubrecs, QoS::ExactlyOnce),
        };
        list.push_back(&mut Rows(&mut self.storage), index);
        if qos == QoS::ExactlyOnce && !manual {
            self.note_arrival(index);
        }
        manual.then_some(AckToken {
            id,
            qos,
            generation: self.arrivals.generation,
        })
    }

    pub(super) fn on_pubrel<'b>(
        &mut self,
        version: Version,
        pubrel: packet::Ack<'_>,
    ) -> Result<Step<'b>, Violation> {
        self.check_problem_information(version, pubrel.properties)?;
        let id = pubrel.packet_id;
        let found = self.storage.find_arrival(id);
        match (
            Incoming::on_pubrel(found.map(|index| self.storage.arrival(index).stage)),
            found,
        ) {
            (OnPubRel::Complete, Some(index)) => {
                self.arrivals
                    .pubcomps
                    .push_back(&mut Rows(&mut self.storage), index);
                self.storage.set_arrival_id(index, None);
                self.storage.arrival_mut(index).set_answer(ReasonCode::SUCCESS);
                self.note_arrival(index);
            }
            (OnPubRel::CompleteUnknown, _) if self.is_completing(id) => {}
            (OnPubRel::Complete | OnPubRel::CompleteUnknown, _) => {
                self.arrivals.owed.push(Answerless::CompleteUnknown, id)
            }
            (OnPubRel::Violation(rule), _) => return Err(rule.broken(version)),
        }
        Ok(Step::Nothing)
    }

    /// Answers a message of QoS 1 or 2. Tokens may come back in any order; answers leave in the order of the messages
    /// (`5/MQTT-4.6.0-2`, `5/MQTT-4.6.0-3`). A token whose message is gone, because its link or session ended, changes
    /// nothing.
    ///
    /// # Errors
    /// The token comes back with [`Refused::Unsupported`] for a code or properties in 3.x, with [`Refused::Invalid`] for
    /// a code that PUBACK or PUBREC do not have, with [`Refused::Slots`] or [`Refused::Bytes`] if there is no room for the
    /// properties now.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        ack: AckToken,
        answer: &Ack<'_>,
    ) -> Result<(), NotTaken<AckToken>> {
        self.advance(now);
        let found = self.storage.find_arrival(ack.id).filter(|&index| {
            let arrival = self.storage.arrival(index);
            arrival.generation == ack.generation && arrival.answer().is_none()
        });
        let Some(index) = found else {
            self.count(|counters| more(&mut counters.stale_tokens));
            return Ok(());
        };
        let stage = self.storage.arrival(index).stage;
        match self.keep_answer(index, stage, answer) {
            Ok(()) => {
                self.storage.arrival_mut(index).set_answer(answer.code);
                if stage == Incoming::OwesPubRec {
                    self.note_arrival(index);
                }
                Ok(())
            }
            Err(why) => Err(NotTaken { given: ack, why }),
        }
    }

    /// Checks an answer, and keeps its packet if it has properties.
    fn keep_answer(&mut self, index: u16, stage: Incoming, answer: &Ack<'_>) -> Result<(), Refused> {
        let Some(connection) = &self.connection else {
            // No link: the version to come is not known, so that only what all versions know can be promised.
            let plain = answer.code == ReasonCode::SUCCESS && answer.properties.is_empty();
            return if plain { Ok(()) } else { Err(Refused::NotConnected) };
        };
        let version = connection.version;
        let limit = connection.server.packet_size;
        if !version.has_properties() && *answer != Ack::SUCCESS {
            return Err(Refused::Unsupported(Unsupported::Properties));
        }
        let mut ack = packet::Ack::new(self.storage.arrival(index).answers, answer.code);
        ack.properties = answer.properties;
        let packet = if stage == Incoming::OwesPubAck {
            Packet::PubAck(ack)
        } else {
            Packet::PubRec(ack)
        };
        let len = packet.encoded_len_from(version, Sender::Client)?;
        // 5/MQTT-3.4.2-2, 5/MQTT-3.4.2-3, 5/MQTT-3.5.2-2, 5/MQTT-3.5.2-3: properties are left out if the packet would be too large with them.
        if answer.properties.is_empty() || len as u64 > u64::from(limit) {
            return Ok(());
        }
        let slot = self.free_slot().ok_or(Refused::Slots)?;
        self.storage.slot_mut(slot).kind = Kind::Answer;
        if let Err(why) = self.allocate(slot, len, 0) {
            self.storage.slot_mut(slot).kind = Kind::Free;
            return Err(why);
        }
        if let Err(error) = packet.encode(version, self.storage.bytes_mut(slot)) {
            self.storage.release(slot);
            self.storage.slot_mut(slot).kind = Kind::Free;
            return Err(error.into());
        }
        self.outbox
            .free
            .remove(&mut super::Slots(&mut self.storage), slot);
        self.storage.arrival_mut(index).answer_slot = slot;
        Ok(())
    }

    /// PUBACK or PUBREC was written, or counts as written: what becomes of the message.
    pub(super) fn arrival_answered(&mut self, index: u16, code: ReasonCode) {
        let stage = self.storage.arrival(index).stage;
        match stage.on_answered(code.is_failure()) {
            None => self.free_arrival(index),
            Some(next) => {
                self.unlink_arrival(index);
                let arrival = self.storage.arrival_mut(index);
                arrival.stage = next;
                let slot = core::mem::replace(&mut arrival.answer_slot, NONE);
                self.free_answer(slot);
            }
        }
        self.arrivals.stalled = false;
    }

    /// The link was lost before PUBCOMP was sent, and the journal may not know that PUBREL came: it comes again.
    pub(super) fn await_pubrel_again(&mut self, index: u16) {
        let id = self.storage.arrival(index).answers;
        if self.storage.find_arrival(id).is_some() {
            // The server has used the id for another message, which it must not. That the one before is over is recorded
            // all the same, or the other one would be taken for it.
            let trail = self.storage.arrival(index).trail;
            if trail.is_owed() && trail.is_recorded() {
                self.unlink_arrival(index);
                self.storage.arrival_mut(index).forget_answer();
            } else {
                self.free_arrival(index);
            }
            return;
        }
        self.unlink_arrival(index);
        self.storage.set_arrival_id(index, Some(id));
        self.note_arrival(index);
    }

    /// Nothing is left of the message in this row, which is on no list, but that its end is to be recorded.
    pub(super) fn is_arrival_over(&self, index: u16) -> bool {
        self.storage.arrival(index).trail.is_recorded() && !self.arrivals.is_used(&self.storage, index)
    }

    /// Frees a row of which that was true.
    pub(super) fn free_arrival_over(&mut self, index: u16) {
        self.storage.arrival_mut(index).clear();
        self.arrivals.free.push_back(&mut Rows(&mut self.storage), index);
        self.arrivals.stalled = false;
    }

    /// Forgets a message.
    pub(super) fn free_arrival(&mut self, index: u16) {
        self.unlink_arrival(index);
        let slot = self.storage.arrival(index).answer_slot;
        self.storage.set_arrival_id(index, None);
        let arrival = self.storage.arrival_mut(index);
        arrival.clear();
        self.arrivals.free.push_back(&mut Rows(&mut self.storage), index);
        self.arrivals.stalled = false;
        self.free_answer(slot);
    }

    fn unlink_arrival(&mut self, index: u16) {
        let arrival = self.storage.arrival(index);
        let list = match (arrival.id(), arrival.stage) {
            (None, _) => &mut self.arrivals.pubcomps,
            (Some(_), Incoming::OwesPubAck) => &mut self.arrivals.pubacks,
            (Some(_), Incoming::OwesPubRec) => &mut self.arrivals.pubrecs,
            // PUBREC was sent: it waits for nothing of ours.
            (Some(_), Incoming::AwaitingPubRel) => return,
        };
        list.remove(&mut Rows(&mut self.storage), index);
    }

    fn free_answer(&mut self, slot: u16) {
        if slot != NONE {
            self.free(slot);
        }
    }

    /// The message whose answer may be sent next: the oldest of its kind, if the application has answered it.
    pub(super) fn answered(&self, list: List) -> Option<(u16, ReasonCode)> {
        let index = list.first();
        if index == NONE {
            return None;
        }
        self.storage.arrival(index).answer().map(|code| (index, code))
    }

    /// The answer to the message of this row, as a packet without properties.
    pub(super) fn answer_packet(&self, index: u16, answer: Answer) -> Packet<'static> {
        let arrival = self.storage.arrival(index);
        let ack = packet::Ack::new(arrival.answers, arrival.answer().unwrap_or(ReasonCode::SUCCESS));
        match answer {
            Answer::PubAck => Packet::PubAck(ack),
            Answer::PubRec => Packet::PubRec(ack),
            Answer::PubComp => Packet::PubComp(ack),
        }
    }
}
