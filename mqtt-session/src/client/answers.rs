//! What the server answers: PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, PINGRESP.

use mqtt_proto::{
    Properties, Version,
    packet::{Ack, SubAck, UnsubAck},
};

use super::{Client, Event, Outcome, Slots, counters::more, input::Step, link::Fact, owed::Answerless};
use crate::{
    flow::{Answer, OnAnswer, Outgoing, Violation, rules},
    storage::{Kind, Mark, NONE, Stage, Storage},
};

impl<S: Storage> Client<S> {
    pub(super) fn on_answer<'b>(
        &mut self,
        version: Version,
        answer: Answer,
        ack: Ack<'b>,
    ) -> Result<Step<'b>, Violation> {
        self.check_problem_information(version, ack.properties)?;
        let id = ack.packet_id;
        if self.is_unwritten(id) {
            return Ok(Step::Unwritten);
        }
        let found = self
            .storage
            .find_id(id)
            .filter(|&index| self.storage.slot(index).flow().is_some());
        let stage = found.and_then(|index| self.storage.slot(index).flow());
        let now = self.now;
        match (Outgoing::on_answer(stage, answer, ack.code), found) {
            (OnAnswer::Done(code), Some(index)) => {
                let token = self.storage.slot(index).token;
                self.count(|counters| counters.answered(now, token));
                self.leave_flow(index);
                self.give_window_back(index);
                self.conclude(index);
                self.answer_came();
                let outcome = Outcome::Acknowledged {
                    code,
                    properties: ack.properties,
                };
                Ok(Step::Event(Event::Completed { token, outcome }))
            }
            (OnAnswer::Release, Some(index)) => {
                let token = self.storage.slot(index).token;
                self.count(|counters| counters.answered(now, token));
                self.leave_flow(index);
                // The message is the server's now, and so its bytes can go (5/MQTT-4.3.3-6).
                self.storage.release(index);
                let slot = self.storage.slot_mut(index);
                // From now on its packet is PUBREL.
                let released = slot.flow() == Some(Outgoing::AwaitingPubComp);
                let transmitted = released && slot.marks.has(Mark::Transmitted);
                slot.marks.set(Mark::Transmitted, transmitted);
                slot.stage = Stage::Flow {
                    at: Outgoing::AwaitingPubComp,
                    owed: true,
                };
                self.outbox
                    .releases
                    .push_back(&mut Slots(&mut self.storage), index);
                if self.outbox.next_release == NONE {
                    self.outbox.next_release = index;
                }
                self.answer_came();
                self.note_slot(index);
                Ok(Step::Nothing)
            }
            (OnAnswer::ReleaseUnknown, _) => {
                self.arrivals.owed.push(Answerless::ReleaseUnknown, id);
                Ok(Step::Nothing)
            }
            (OnAnswer::Violation(rule), _) => Err(rule.broken(version)),
            (OnAnswer::Ignore | OnAnswer::Done(_) | OnAnswer::Release, _) => Ok(self.ignored()),
        }
    }

    /// The packet with this id is half written: its answer waits until it is written to its end. (The server may have
    /// got it before, on an earlier link; or it answers what it has not seen whole; or the caller tells late what it has
    /// written.) What is only chosen is put back.
    fn is_unwritten(&mut self, id: mqtt_proto::PacketId) -> bool {
        let Some(index) = self.storage.find_id(id) else {
            return false;
        };
        if !self.output.is_writing(index) {
            return false;
        }
        self.unchoose();
        self.output.is_writing(index)
    }

    /// Takes a message off the list that its stage puts it on.
    fn leave_flow(&mut self, index: u16) {
        let slot = self.storage.slot(index);
        let next = slot.links.next();
        if slot.flow() == Some(Outgoing::AwaitingPubComp) {
            if self.outbox.next_release == index {
                self.outbox.next_release = next;
            }
            self.unlink(index, |outbox| &mut outbox.releases);
        } else {
            self.pass_by(index);
            self.unlink(index, |outbox| &mut outbox.messages);
        }
    }

    pub(super) fn give_window_back(&mut self, index: u16) {
        if self.storage.slot_mut(index).marks.take(Mark::Charged) {
            if let Some(connection) = &mut self.connection {
                connection.window.give_back();
            }
        }
    }

    pub(super) fn on_suback<'b>(
        &mut self,
        version: Version,
        suback: SubAck<'b>,
    ) -> Result<Step<'b>, Violation> {
        self.check_problem_information(version, suback.properties)?;
        if self.is_unwritten(suback.packet_id) {
            return Ok(Step::Unwritten);
        }
        let Some(index) = self.requested(Kind::Subscribe, suback.packet_id) else {
            return Ok(self.ignored());
        };
        if usize::from(self.storage.slot(index).filters) != suback.codes.len() {
            return Err(rules::CODE_COUNT_OF_SUBACK.broken(version));
        }
        let token = self.finish_request(index);
        let outcome = Outcome::Subscribed {
            codes: suback.codes,
            properties: suback.properties,
        };
        Ok(Step::Event(Event::Completed { token, outcome }))
    }

    pub(super) fn on_unsuback<'b>(
        &mut self,
        version: Version,
        unsuback: UnsubAck<'b>,
    ) -> Result<Step<'b>, Violation> {
        self.check_problem_information(version, unsuback.properties)?;
        if self.is_unwritten(unsuback.packet_id) {
            return Ok(Step::Unwritten);
        }
        let Some(index) = self.requested(Kind::Unsubscribe, unsuback.packet_id) else {
            return Ok(self.ignored());
        };
        // UNSUBACK of 3.x has no codes.
        if version.has_properties() && usize::from(self.storage.slot(index).filters) != unsuback.codes.len() {
            return Err(rules::CODE_COUNT_OF_UNSUBACK.broken(version));
        }
        let token = self.finish_request(index);
        let outcome = Outcome::Unsubscribed {
            codes: unsuback.codes,
            properties: unsuback.properties,
        };
        Ok(Step::Event(Event::Completed { token, outcome }))
    }

    /// The request of that kind with that id that was sent; an answer to anything else is passed over.
    fn requested(&self, kind: Kind, id: mqtt_proto::PacketId) -> Option<u16> {
        self.storage.find_id(id).filter(|&index| {
            let slot = self.storage.slot(index);
            slot.kind == kind && slot.stage == Stage::Requested
        })
    }

    fn finish_request(&mut self, index: u16) -> crate::Token {
        let token = self.storage.slot(index).token;
        self.unlink(index, |outbox| &mut outbox.requests);
        self.free(index);
        token
    }

    pub(super) fn on_pingresp<'b>(&mut self) -> Step<'b> {
        let now = self.now;
        let Some(connection) = &mut self.connection else {
            return Step::Nothing;
        };
        let Some(at) = connection.ping_answered(now) else {
            return self.ignored();
        };
        let round_trip = now.saturating_duration_since(at);
        let ping_token = self.output.ping.take();
        self.count(|counters| counters.pings.measure(round_trip));
        match ping_token {
            Some(token) => {
                let outcome = Outcome::Ponged { round_trip };
                Step::Event(Event::Completed { token, outcome })
            }
            None => Step::Nothing,
        }
    }

    /// An answer to nothing that was asked; whatever it means, nothing follows from it.
    fn ignored<'b>(&mut self) -> Step<'b> {
        self.count(|counters| more(&mut counters.ignored_answers));
        Step::Nothing
    }

    /// Reason String and User Property stand in an answer only if CONNECT did not forbid them (`5/MQTT-3.1.2-29`).
    pub(super) fn check_problem_information(
        &self,
        version: Version,
        properties: Properties<'_>,
    ) -> Result<(), Violation> {
        let asked = self
            .connection
            .as_ref()
            .is_none_or(|c| c.facts.has(Fact::ProblemInformation));
        if asked || properties.is_empty() {
            Ok(())
        } else {
            Err(rules::PROBLEM_INFORMATION_UNASKED.broken(version))
        }
    }
}
