//! Which packet comes next.
//!
//! Nothing is queued: the next packet is chosen from what is owed, when it is asked for. The rule:
//!
//! 1. Acknowledgements go first, each kind in the order of what it answers: PUBACK, PUBREC, PUBCOMP, PUBREL
//!    (`3.1.1/MQTT-4.6.0-2`, `3.1.1/MQTT-4.6.0-3`, `3.1.1/MQTT-4.6.0-4`).
//! 2. Then PINGREQ.
//! 3. Then control: AUTH, SUBSCRIBE, UNSUBSCRIBE.
//! 4. Then messages, the oldest first, whatever its QoS; while the window is full, the oldest of QoS 0
//!    (`5/MQTT-3.3.4-8`).
//! 5. Nothing waits for ever: what could be sent and was passed over eight times in a row goes
//!    next. A server that never stops sending makes an acknowledgement wait at any moment, and an application that
//!    subscribes or pings all the time can do the same to its own messages.

use mqtt_proto::{
    Packet, PacketId, QoS, ReasonCode, Version,
    packet::{self, Disconnect},
};

use super::{
    Client,
    link::{Connection, Fact, Link},
    output::{Current, Job},
    owed::Answerless,
    room::Walk,
    turns::{Class, Waiting},
};
use crate::{
    flow::{Answer, Incoming},
    storage::{List, Mark, NONE, Storage},
};

impl<S: Storage> Client<S> {
    /// The next packet, made ready to be written.
    pub(super) fn choose(&mut self) -> Option<Current> {
        let Connection { version, state, .. } = *self.connection.as_ref()?;
        match state {
            Link::Idle | Link::Ending => None,
            // CONNECT, and before CONNACK nothing but AUTH (3.1/3.1-1).
            Link::Connecting if self.is_session_settled() => self.choose_control(),
            Link::Connecting => None,
            Link::Closed => self.choose_disconnect(version),
            Link::Closing => self
                .choose_answer(version)
                .or_else(|| self.choose_control())
                .or_else(|| self.choose_disconnect(version)),
            Link::Connected => self.choose_in_turn(version),
        }
    }

    /// The first of the classes in their order, but before them those that have waited long enough.
    fn choose_in_turn(&mut self, version: Version) -> Option<Current> {
        let (waiting, turns) = (self.classes(), self.output.turns);
        if waiting == Waiting::NONE {
            return None;
        }
        let waiting = Class::ALL.into_iter().filter(|&class| waiting.has(class));
        if turns.any_is_overdue() {
            let overdue = waiting
                .clone()
                .filter(|class| turns.is_overdue(*class))
                .find_map(|class| self.choose_of(class, version));
            if overdue.is_some() {
                return overdue;
            }
        }
        waiting
            .into_iter()
            .find_map(|class| self.choose_of(class, version))
    }

    fn choose_of(&mut self, class: Class, version: Version) -> Option<Current> {
        match class {
            Class::Owed => {
                let (answer, id) = self.owed_answer()?;
                self.small(version, Job::Owed, answer.packet(version, id))
            }
            Class::PubAck => {
                let (index, _) = self.answered(self.arrivals.pubacks)?;
                self.answer(version, Job::PubAck(index), index, Answer::PubAck)
            }
            Class::PubRec => {
                let index = self.answered_and_recorded(self.arrivals.pubrecs)?;
                self.answer(version, Job::PubRec(index), index, Answer::PubRec)
            }
            Class::PubComp => {
                let index = self.answered_and_recorded(self.arrivals.pubcomps)?;
                self.answer(version, Job::PubComp(index), index, Answer::PubComp)
            }
            Class::PubRel => self.choose_pubrel(version),
            Class::Ping => self.choose_ping(version),
            Class::Control => self.choose_control().or_else(|| self.choose_request()),
            Class::Message => self.choose_message(version),
        }
    }

    /// Of which classes something could be sent now.
    fn classes(&self) -> Waiting {
        let pinging = self
            .connection
            .as_ref()
            .is_some_and(|c| c.facts.has(Fact::PingOwed));
        Waiting::NONE
            .with(Class::Owed, self.owed_answer().is_some())
            .with(Class::PubAck, self.answered(self.arrivals.pubacks).is_some())
            .with(
                Class::PubRec,
                self.answered_and_recorded(self.arrivals.pubrecs).is_some(),
            )
            .with(
                Class::PubComp,
                self.answered_and_recorded(self.arrivals.pubcomps).is_some(),
            )
            .with(Class::PubRel, self.next_release().is_some())
            .with(Class::Ping, pinging)
            .with(
                Class::Control,
                self.output.control || self.next_request().is_some(),
            )
            .with(
                Class::Message,
                !self.outbox.plain.is_empty() || self.next_message().is_some(),
            )
    }

    /// The first byte of a packet has left: it was its turn.
    pub(super) fn turn_taken(&mut self, job: Job) {
        let class = match job {
            // Before CONNACK and after `disconnect` nothing else may go.
            Job::Disconnect => return,
            Job::Control | Job::Auth | Job::Request(_) => Class::Control,
            Job::Ping => Class::Ping,
            Job::Owed => Class::Owed,
            Job::PubAck(_) => Class::PubAck,
            Job::PubRec(_) => Class::PubRec,
            Job::PubComp(_) => Class::PubComp,
            Job::Answer(index) => match self.storage.arrival(index).stage {
                Incoming::OwesPubAck => Class::PubAck,
                Incoming::OwesPubRec | Incoming::AwaitingPubRel => Class::PubRec,
            },
            Job::PubRel(_) => Class::PubRel,
            Job::Publish(_) => Class::Message,
        };
        let mut turns = self.output.turns;
        turns.taken(class, self.classes());
        self.output.turns = turns;
    }

    fn choose_control(&self) -> Option<Current> {
        let job = if self.has_auth() { Job::Auth } else { Job::Control };
        let len = self.control_packet().len();
        self.output.control.then(|| Current::new(job, 0..len))
    }

    fn choose_disconnect(&mut self, version: Version) -> Option<Current> {
        let code = self.output.disconnect?;
        self.small(
            version,
            Job::Disconnect,
            Packet::Disconnect(Disconnect::new(code)),
        )
    }

    fn choose_answer(&mut self, version: Version) -> Option<Current> {
        let answers = [Class::Owed, Class::PubAck, Class::PubRec, Class::PubComp];
        answers
            .into_iter()
            .find_map(|class| self.choose_of(class, version))
    }

    fn answer(&mut self, version: Version, job: Job, index: u16, answer: Answer) -> Option<Current> {
        let slot = self.storage.arrival(index).answer_slot;
        if slot != NONE {
            let head = 0..self.storage.bytes(slot).len();
            return Some(Current::new(Job::Answer(index), head));
        }
        self.small(version, job, self.answer_packet(index, answer))
    }

    fn choose_pubrel(&mut self, version: Version) -> Option<Current> {
        let index = self.next_release()?;
        let id = self.storage.slot(index).id?;
        let packet = Packet::PubRel(packet::Ack::new(id, ReasonCode::SUCCESS));
        let current = self.small(version, Job::PubRel(index), packet);
        // 3.1/2.1-4, 3.1/3.6-1: a PUBREL that is sent again has DUP set, which later versions have no room for.
        if version == Version::V31 && self.storage.slot(index).marks.has(Mark::Transmitted) {
            self.output.scratch[0] |= 0x08;
        }
        self.charge(index);
        current
    }

    fn choose_ping(&mut self, version: Version) -> Option<Current> {
        let owed = self
            .connection
            .as_ref()
            .is_some_and(|c| c.facts.has(Fact::PingOwed));
        if owed {
            self.small(version, Job::Ping, Packet::PingReq)
        } else {
            None
        }
    }

    fn choose_request(&self) -> Option<Current> {
        let index = self.next_request()?;
        let head = 0..self.storage.bytes(index).len();
        Some(Current::new(Job::Request(index), head))
    }

    fn choose_message(&mut self, version: Version) -> Option<Current> {
        let index = loop {
            let message = self.next_message().unwrap_or(NONE);
            let index = Walk::new(self.outbox.plain.first(), message).next(&self.storage)?;
            if !self.drop_if_overdue(index) {
                break index;
            }
        };
        if self.storage.slot(index).qos() > QoS::AtMostOnce {
            if self.storage.slot(index).id.is_none() {
                // 3.1.1/MQTT-2.3.1-3: the id is taken at the first transmission, and kept; a full id space waits for answers.
                let id = self.next_id()?;
                self.storage.set_id(index, Some(id));
                self.last_id = Some(id);
            }
            self.charge(index);
        }
        Some(self.address(index, version))
    }

    /// No packet is taken before a record is persisted: answers that wait for it fill their ring.
    pub(super) fn waits_for_record(&self) -> bool {
        self.arrivals.owed.is_full() && self.owed_answer().is_none()
    }

    /// The oldest answer that belongs to no message here, if no record is in its way.
    fn owed_answer(&self) -> Option<(Answerless, PacketId)> {
        let (answer, id) = self.arrivals.owed.first()?;
        self.is_owed_settled(answer, id).then_some((answer, id))
    }

    /// The first of these messages, if it was answered and what that means is recorded.
    fn answered_and_recorded(&self, list: List) -> Option<u16> {
        let (index, code) = self.answered(list)?;
        (code.is_failure() || self.is_arrival_settled(index)).then_some(index)
    }

    /// The next message to be released, if that it is the server's is recorded.
    fn next_release(&self) -> Option<u16> {
        Some(self.outbox.next_release).filter(|&index| index != NONE && self.is_slot_settled(index))
    }

    /// The next request. After a session was lost it waits until that is recorded: it makes the server send.
    fn next_request(&self) -> Option<u16> {
        Some(self.outbox.next_request).filter(|&index| index != NONE && self.is_session_settled())
    }

    /// The next message of QoS 1 or 2, if the window has room for it, and its packet id is recorded.
    fn next_message(&self) -> Option<u16> {
        let index = self.outbox.next_message;
        if index == NONE {
            return None;
        }
        let slot = self.storage.slot(index);
        let room =
            slot.marks.has(Mark::Charged) || self.connection.as_ref().is_some_and(|c| c.window.has_room());
        let recorded = !self.config.journal || (slot.id.is_some() && self.is_slot_settled(index));
        (room && recorded).then_some(index)
    }

    /// Counts a message against the window of this link, once.
    pub(super) fn charge(&mut self, index: u16) {
        let slot = self.storage.slot_mut(index);
        if slot.marks.has(Mark::Charged) {
            return;
        }
        if let Some(connection) = &mut self.connection {
            slot.marks.set(Mark::Charged, true);
            connection.window.take();
        }
    }

    /// Makes a packet in the scratch.
    fn small(&mut self, version: Version, job: Job, packet: Packet<'_>) -> Option<Current> {
        let len = packet.encode(version, &mut self.output.scratch).ok()?.len();
        Some(Current::new(job, 0..len))
    }
}
