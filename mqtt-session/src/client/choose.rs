//! Which packet comes next.
//!
//! Nothing is queued: the next packet is chosen from what is owed, when it is asked for. First acknowledgements, in the
//! order of what they answer, then PINGREQ, then SUBSCRIBE and UNSUBSCRIBE, then messages. Acknowledgements answer input
//! and pings answer time, so neither can go on for ever; between QoS 0 and the others, the older message is first.

use mqtt_proto::{
    Packet, QoS, ReasonCode, Version,
    packet::{self, Disconnect},
};

use super::{
    Client,
    link::Link,
    output::{Current, Job},
};
use crate::{
    flow::Answer,
    storage::{NONE, Storage, sealed::CONTROL},
};

impl<S: Storage> Client<S> {
    /// The next packet, made ready to be written.
    pub(super) fn choose(&mut self) -> Option<Current> {
        let version = self.link.connection()?.version;
        match self.link {
            Link::Idle | Link::Ending(_) => None,
            Link::Connecting(_) => self.choose_control(),
            Link::Closed(_) => self.choose_disconnect(version),
            Link::Closing(_) => self
                .choose_answer(version)
                .or_else(|| self.choose_control())
                .or_else(|| self.choose_disconnect(version)),
            Link::Connected(_) => self
                .choose_answer(version)
                .or_else(|| self.choose_pubrel(version))
                .or_else(|| self.choose_ping(version))
                .or_else(|| self.choose_request())
                .or_else(|| self.choose_message(version)),
        }
    }

    fn choose_control(&self) -> Option<Current> {
        self.output
            .control
            .then(|| Current::block(Job::Control, 0, self.storage.bytes(CONTROL).len(), 0))
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
        if let Some((answer, id)) = self.arrivals.owed.first() {
            return self.small(version, Job::Owed, answer.packet(version, id));
        }
        if let Some((index, _)) = self.answered(self.arrivals.pubacks) {
            return self.answer(version, Job::PubAck(index), index, Answer::PubAck);
        }
        if let Some((index, _)) = self.answered(self.arrivals.pubrecs) {
            return self.answer(version, Job::PubRec(index), index, Answer::PubRec);
        }
        let (index, _) = self.answered(self.arrivals.pubcomps)?;
        self.answer(version, Job::PubComp(index), index, Answer::PubComp)
    }

    fn answer(&mut self, version: Version, job: Job, index: u16, answer: Answer) -> Option<Current> {
        let slot = self.storage.arrival(index).answer_slot;
        if slot != NONE {
            return Some(Current::block(
                Job::Answer(index, slot),
                0,
                self.storage.bytes(slot).len(),
                0,
            ));
        }
        self.small(version, job, self.answer_packet(index, answer))
    }

    fn choose_pubrel(&mut self, version: Version) -> Option<Current> {
        let index = self.outbox.next_release;
        if index == NONE {
            return None;
        }
        let id = self.storage.slot(index).id?;
        let packet = Packet::PubRel(packet::Ack::new(id, ReasonCode::SUCCESS));
        let current = self.small(version, Job::PubRel(index), packet);
        self.charge(index);
        current
    }

    fn choose_ping(&mut self, version: Version) -> Option<Current> {
        let owed = self.link.connection().is_some_and(|c| c.ping.owed.is_some());
        if owed {
            self.small(version, Job::Ping, Packet::PingReq)
        } else {
            None
        }
    }

    fn choose_request(&self) -> Option<Current> {
        let index = self.outbox.next_request;
        if index == NONE {
            return None;
        }
        Some(Current::block(
            Job::Request(index),
            0,
            self.storage.bytes(index).len(),
            0,
        ))
    }

    fn choose_message(&mut self, version: Version) -> Option<Current> {
        let room = self.link.connection().is_some_and(|c| c.window.has_room());
        let message = if room { self.outbox.next_message } else { NONE };
        let index = match (self.outbox.plain.first(), message) {
            (NONE, NONE) => return None,
            (plain, NONE) => plain,
            (NONE, message) => message,
            (plain, message) => {
                let (a, b) = (self.storage.slot(plain).token, self.storage.slot(message).token);
                if a.is_older_than(b) { plain } else { message }
            }
        };
        if self.storage.slot(index).qos > QoS::AtMostOnce {
            if self.storage.slot(index).id.is_none() {
                // The id is taken at the first transmission; a full id space waits for answers.
                let id = self.next_id()?;
                self.storage.set_id(index, Some(id));
                self.last_id = Some(id);
            }
            self.charge(index);
        }
        let (start, end) = self.address(index, version);
        let body = self.storage.slot(index).payload_len;
        Some(Current::block(Job::Publish(index), start, end, body))
    }

    /// Counts a message against the window of this link, once.
    fn charge(&mut self, index: u16) {
        let slot = self.storage.slot_mut(index);
        if slot.charged {
            return;
        }
        if let Some(connection) = self.link.connection_mut() {
            slot.charged = true;
            connection.window.take();
        }
    }

    /// Makes a packet in the scratch.
    fn small(&mut self, version: Version, job: Job, packet: Packet<'_>) -> Option<Current> {
        let len = packet.encode(version, &mut self.output.scratch).ok()?.len();
        Some(Current::block(job, 0, len, 0))
    }
}
