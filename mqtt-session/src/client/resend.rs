//! Sending again, on the same connection, what has had no answer: MQTT 3.1 and 3.1.1 only.
//!
//! 5.0 allows it after a reconnect alone (`5/MQTT-4.4.0-1`); 3.1.1 leaves it open, and 3.1 advises it (`3.1/4.2-2`). One
//! timer serves the whole connection, as in TCP: it runs while an answer is awaited, begins anew with each answer, and when it
//! ends, all that has none is sent again in its order, PUBREL as well as PUBLISH. What is sent again stands in the window already.
//!
//! As long as something of an earlier turn is still to be written, nothing is added: it is the transport that is slow then,
//! and those at the end of the line would never be reached.

use super::{
    Client,
    config::Millis,
    link::{Connection, Moment},
};
use crate::{
    Instant,
    storage::{NONE, Storage},
};

impl Connection {
    /// When what has no answer is to be sent again.
    pub(super) fn resend_due(&self, after: Millis) -> Option<Instant> {
        self.unanswered.get().map(|since| since + after)
    }

    /// The server can be heard again after some time: answers may have been waiting to be read.
    pub(super) fn heard_again(&mut self, now: Instant) {
        if self.unanswered.is_some() {
            self.unanswered = Moment::at(now);
        }
    }
}

impl<S: Storage> Client<S> {
    /// What the server has sent meanwhile can be taken again.
    pub(super) fn note_heard_again(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.heard_again(self.now);
        }
    }

    /// A PUBLISH of QoS 1 or 2, or a PUBREL, has been written.
    pub(super) fn answer_awaited(&mut self) {
        let (now, on) = (self.now, self.config.resend_after != Millis::LONGEST);
        if let Some(connection) = &mut self.connection {
            if on && !connection.version.has_properties() && connection.unanswered.is_none() {
                connection.unanswered = Moment::at(now);
            }
        }
    }

    /// An answer to a message has come.
    pub(super) fn answer_came(&mut self) {
        let first = self.outbox.messages.first();
        let more =
            !self.outbox.releases.is_empty() || (first != NONE && self.storage.slot(first).flow().is_some());
        if let Some(connection) = &mut self.connection {
            if more {
                connection.heard_again(self.now);
            } else {
                connection.unanswered = Moment::NONE;
            }
        }
    }

    /// No answer has come for too long.
    pub(super) fn resend_unanswered(&mut self) {
        let next = self.outbox.next_message;
        let busy = self.output.is_busy()
            || self.outbox.next_release != NONE
            || (next != NONE && self.storage.slot(next).flow().is_some());
        if let Some(connection) = &mut self.connection {
            connection.heard_again(self.now);
        }
        if !busy {
            self.resume();
        }
    }
}
