//! Bytes out: what is being written, and what its being written means.

use mqtt_proto::{Properties, QoS, ReasonCode};

use super::{Client, Closed, ClosedBy, alias::Form, counters::more, link::Link, turns::Turns};
use crate::{
    Body, Instant, Token, Transmit,
    flags::flags,
    flow::{Cause, Outgoing, Violation},
    storage::{End, Mark, Stage, Storage},
};

/// The longest packet that is made when it is sent: PUBACK and its like with a code, without properties.
const SCRATCH: usize = 5;

/// What is being written, and what is owed beside operations and arrivals.
#[derive(Clone, Debug)]
pub(super) struct Output {
    current: Option<Current>,
    /// A packet that is small enough to be made when it is sent.
    pub(super) scratch: [u8; SCRATCH],
    /// CONNECT, AUTH, or a DISCONNECT with properties, waits in the block for control.
    pub(super) control: bool,
    /// A DISCONNECT with this code is owed; with its bytes, if `control` is set too.
    pub(super) disconnect: Option<ReasonCode>,
    /// Nothing more is sent on this link: all is said, or a packet was given up half way.
    muted: bool,
    /// Input waits until the packet that is being written is written to its end.
    pub(super) awaited: bool,
    pub(super) closed: Option<Ending>,
    /// The caller's own ping.
    pub(super) ping: Option<Token>,
    /// What has ended with its connection, and is to be told.
    pub(super) lost: Losses,
    /// Who has waited how long.
    pub(super) turns: Turns,
}

flags! {
    /// What has ended with its connection without having a slot.
    pub(super) struct Losses(u8) of
    enum Loss {
        /// The caller's own ping.
        Ping,
        /// A re-authentication.
        Auth,
        /// A message that had begun to be told and will not come to its end.
        Message,
    }
}

/// An end of the connection that is still to be told. (One that a packet of the server brings is told at once.)
#[derive(Copy, Clone, Debug)]
pub(super) enum Ending {
    /// The server broke a rule, or did not answer in time.
    Fault(Violation),
    /// `disconnect` or `shutdown` was called; with the code of DISCONNECT.
    Disconnected(ReasonCode),
    /// `abort` was called.
    Aborted,
    TransportEnded,
}

impl Ending {
    pub(super) const fn closed(self) -> Closed<'static> {
        let (by, code, statement, cause) = match self {
            Self::Fault(fault) => (ClosedBy::Client, Some(fault.code), fault.statement, fault.cause),
            Self::Disconnected(code) => (ClosedBy::Client, Some(code), None, Cause::Disconnected),
            Self::Aborted => (ClosedBy::Client, None, None, Cause::Aborted),
            Self::TransportEnded => (ClosedBy::Transport, None, None, Cause::TransportEnded),
        };
        Closed {
            by,
            refused: false,
            code,
            statement,
            cause,
            properties: Properties::EMPTY,
        }
    }
}

/// A packet on its way. Its head are bytes of its slot's block, or of the scratch; the payload of a message follows.
#[derive(Copy, Clone, Debug)]
pub(super) struct Current {
    job: Job,
    /// Where the head begins: behind what a fixed header leaves free.
    start: u8,
    /// Of all of it, head and payload.
    pub(super) len: u32,
    written: u32,
    /// Of a PUBLISH.
    form: Form,
}

/// What a packet that is written does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// CONNECT, or a DISCONNECT with properties.
    Control,
    Auth,
    Disconnect,
    Ping,
    Owed,
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    /// PUBACK or PUBREC with properties, which the slot of this row holds.
    Answer(u16),
    PubRel(u16),
    Request(u16),
    Publish(u16),
}

impl Output {
    pub(super) const EMPTY: Self = Self {
        current: None,
        scratch: [0; SCRATCH],
        control: false,
        disconnect: None,
        muted: false,
        awaited: false,
        closed: None,
        ping: None,
        lost: Losses::NONE,
        turns: Turns::EMPTY,
    };

    /// The packet of this operation is chosen and not written to its end.
    pub(super) const fn is_writing(&self, slot: u16) -> bool {
        match self.current {
            Some(Current {
                job: Job::PubRel(at) | Job::Request(at) | Job::Publish(at),
                ..
            }) => at == slot,
            _ => false,
        }
    }

    /// Some packet is chosen and not written to its end.
    pub(super) const fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// AUTH is chosen and not written to its end.
    pub(super) fn is_writing_auth(&self) -> bool {
        self.current.is_some_and(|current| current.job == Job::Auth)
    }

    /// Gives the packet of this operation up, because the connection ends and the operation with it.
    pub(super) fn abandon(&mut self, slot: u16) {
        if self.is_writing(slot) {
            self.muted |= self.current.take().is_some_and(|current| current.written > 0);
        }
    }

    /// Something is left to be written after the end was told.
    pub(super) const fn has_last_words(&self) -> bool {
        !self.muted && (self.current.is_some() || self.disconnect.is_some())
    }

    /// The connection is over but for a DISCONNECT with this code, if there is one. Of what is half written only a short
    /// packet is completed before it: a message may be long, and if it ended after `Closed`, that would have to be told.
    pub(super) fn wind_up(&mut self, last_words: Option<ReasonCode>) {
        let job = self.current.map(|current| current.job);
        self.control = false;
        self.awaited = false;
        if last_words.is_none() || matches!(job, Some(Job::Publish(_))) {
            self.current = None;
            self.muted = true;
        }
        self.disconnect = last_words.filter(|_| !self.muted);
    }

    /// The transport is gone: what was half written will not be completed.
    pub(super) fn forget_link(&mut self) {
        self.current = None;
        self.control = false;
        self.disconnect = None;
        self.muted = false;
        self.awaited = false;
        self.turns = Turns::EMPTY;
    }
}

impl<S: Storage> Client<S> {
    /// What to write next: the rest of one packet, head and body, or nothing. The same again until
    /// [`handle_written`](Self::handle_written) is told of progress, the connection ends, or its answer comes before it.
    ///
    /// Acknowledgements go before PINGREQ, that before SUBSCRIBE and UNSUBSCRIBE, and those before messages, the oldest of
    /// which is first. But whatever has been passed over eight times in a row goes next: nothing that may be sent
    /// waits for more than 15 packets, however busy the server and the application are with other things.
    ///
    /// A message whose time is over by the latest moment that was told is dropped instead of given.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if self.output.muted {
            return None;
        }
        self.refresh();
        if self.output.current.is_none() {
            self.output.current = self.choose();
        }
        let current = self.output.current?;
        let head = self.head_of(&current).get(usize::from(current.start)..);
        let (head, written) = (head.unwrap_or_default(), current.written as usize);
        let Job::Publish(index) = current.job else {
            return Some(Transmit {
                head: head.get(written..current.len as usize).unwrap_or_default(),
                body: Body::Bytes(&[]),
            });
        };
        let slot = self.storage.slot(index);
        let external = slot.marks.has(Mark::External);
        let payload = if external { &[] } else { self.payload(index) };
        let payload_len = if external {
            self.payload_len(index)
        } else {
            payload.len()
        };
        let head_len = current.len as usize - payload_len;
        let in_body = written.saturating_sub(head_len);
        Some(Transmit {
            head: head.get(written..head_len).unwrap_or_default(),
            body: if external {
                Body::External {
                    token: slot.token,
                    offset: in_body as u32,
                    len: (payload_len - in_body) as u32,
                }
            } else {
                Body::Bytes(payload.get(in_body..).unwrap_or_default())
            },
        })
    }

    /// Time may have passed since the chosen message was made ready.
    fn refresh(&mut self) {
        let Some(Current {
            job: Job::Publish(index),
            written: 0,
            ..
        }) = self.output.current
        else {
            return;
        };
        let overdue = self.last_moment(index).is_some_and(|(at, _)| at <= self.now);
        if overdue && !self.storage.slot(index).marks.has(Mark::Transmitted) {
            // Choosing finds it again, and drops it.
            self.unchoose();
        } else if let Some(connection) = &self.connection {
            let version = connection.version;
            self.count_down(index, version);
            let aliased = self.output.current.take_if(|current| current.form != Form::Plain);
            if aliased.is_some() {
                self.output.current = Some(self.address(index, version));
            }
        }
    }

    /// So many bytes of what [`poll_transmit`](Self::poll_transmit) gave are written: head first, then body.
    /// More than there were count as all of them.
    pub fn handle_written(&mut self, now: Instant, n: usize) {
        self.advance(now);
        let was_deaf = !self.wants_input();
        if self.note_written(n) && was_deaf {
            // The server may be silent because it is not listened to.
            self.note_received();
            if self.wants_input() {
                self.note_heard_again();
            }
        }
    }

    /// Some more of the current packet has been written, or nothing: false.
    fn note_written(&mut self, n: usize) -> bool {
        let Some(mut current) = self.output.current else {
            return false;
        };
        let before = current.written;
        current.written = u32::try_from(n)
            .unwrap_or(u32::MAX)
            .saturating_add(before)
            .min(current.len);
        if current.written == before {
            return false;
        }
        self.output.current = Some(current);
        if before == 0 {
            self.begun(current.job);
        }
        let (now, whole) = (self.now, current.written == current.len);
        self.count(|counters| counters.write_bytes(current.written - before));
        if let Some(connection) = &mut self.connection {
            connection.note_progress(now);
            if whole {
                connection.last_sent = now;
            }
        }
        if whole {
            self.output.current = None;
            self.output.awaited = false;
            self.count_packet(&current);
            if let (Form::Binds, Job::Publish(index)) = (current.form, current.job) {
                self.bind(index);
            }
            self.written(current.job);
        }
        true
    }

    /// Counts a packet that has been written, while its bytes are still there.
    fn count_packet(&mut self, current: &Current) {
        if self.storage.counters().is_none() {
            return;
        }
        let first = self.head_of(current).get(usize::from(current.start));
        let first = first.copied().unwrap_or_default();
        let message = if let Job::Publish(index) = current.job {
            let slot = self.storage.slot(index);
            (slot.qos() > QoS::AtMostOnce).then_some(slot.token)
        } else {
            None
        };
        let now = self.now;
        self.count(|counters| counters.write_packet(now, first, message));
    }

    /// The bytes among which the head of a packet is.
    fn head_of(&self, current: &Current) -> &[u8] {
        match current.job {
            Job::Disconnect
            | Job::Ping
            | Job::Owed
            | Job::PubAck(_)
            | Job::PubRec(_)
            | Job::PubComp(_)
            | Job::PubRel(_) => &self.output.scratch,
            Job::Control | Job::Auth => self.control_packet(),
            Job::Request(index) => self.storage.bytes(index),
            Job::Publish(index) => {
                let base = self.head_base(index, current.form);
                self.storage.bytes(index).get(base..).unwrap_or_default()
            }
            Job::Answer(row) => self.storage.bytes(self.storage.arrival(row).answer_slot),
        }
    }

    /// The first byte of a packet has left.
    fn begun(&mut self, job: Job) {
        self.turn_taken(job);
        match job {
            Job::Control => self.connect_begun(),
            Job::Publish(index) => {
                let slot = self.storage.slot_mut(index);
                slot.marks.set(Mark::Transmitted, true);
                if let (Stage::Queued, Some(at)) = (slot.stage, Outgoing::sent(slot.qos())) {
                    slot.stage = Stage::Flow { at, owed: true };
                }
            }
            Job::PubRel(index) => {
                let marks = &mut self.storage.slot_mut(index).marks;
                let again = marks.has(Mark::Transmitted);
                marks.set(Mark::Transmitted, true);
                if again {
                    self.count(|counters| more(&mut counters.retransmissions));
                }
            }
            Job::Auth
            | Job::Disconnect
            | Job::Ping
            | Job::Owed
            | Job::PubAck(_)
            | Job::PubRec(_)
            | Job::PubComp(_)
            | Job::Answer(_)
            | Job::Request(_) => {}
        }
    }

    /// Puts the chosen packet back if no byte of it has left.
    pub(super) fn unchoose(&mut self) {
        let Some(current) = self.output.current.filter(|current| current.written == 0) else {
            return;
        };
        self.output.current = None;
        self.output.awaited = false;
        // A packet id is taken at the first transmission, which this was not; unless it is recorded.
        if let Job::Publish(index) = current.job {
            if self.storage.slot(index).stage == Stage::Queued {
                if !self.config.journal {
                    self.storage.set_id(index, None);
                }
                self.watch(index);
            }
        }
    }

    /// Copies whole packets into `out` until the next one does not fit, and counts them as written: one write for many
    /// small packets. A packet that is larger than `out`, half written, or has an external payload is left to
    /// [`poll_transmit`](Self::poll_transmit). Gives the number of bytes to write.
    pub fn take_transmit(&mut self, now: Instant, out: &mut [u8]) -> usize {
        self.advance(now);
        let mut filled = 0;
        while self.output.current.is_none_or(|current| current.written == 0) {
            let Some(transmit) = self.poll_transmit() else {
                break;
            };
            let len = transmit.len();
            let (Body::Bytes(body), Some(room)) = (transmit.body, out.get_mut(filled..filled + len)) else {
                break;
            };
            let (head_room, body_room) = room.split_at_mut(transmit.head.len());
            head_room.copy_from_slice(transmit.head);
            body_room.copy_from_slice(body);
            filled += len;
            self.handle_written(now, len);
        }
        filled
    }

    pub(super) fn has_output(&mut self) -> bool {
        self.poll_transmit().is_some()
    }

    /// A packet has been written to its end.
    fn written(&mut self, job: Job) {
        match job {
            Job::Control => {
                self.release_control();
                self.disconnect_written();
            }
            Job::Auth => {
                self.release_control();
            }
            Job::Disconnect => {
                self.disconnect_written();
                self.output.disconnect = None;
            }
            Job::Ping => {
                let now = self.now;
                if let Some(connection) = &mut self.connection {
                    connection.ping_written(now);
                }
            }
            Job::Owed => self.arrivals.owed.pop(),
            Job::PubAck(index) | Job::PubRec(index) | Job::Answer(index) => {
                if let Some(code) = self.storage.arrival(index).answer() {
                    self.arrival_answered(index, code);
                }
            }
            Job::PubComp(index) => self.free_arrival(index),
            Job::PubRel(index) => {
                let slot = self.storage.slot_mut(index);
                slot.stage = Stage::Flow {
                    at: Outgoing::AwaitingPubComp,
                    owed: false,
                };
                self.outbox.next_release = slot.links.next();
                self.answer_awaited();
            }
            Job::Request(index) => {
                let slot = self.storage.slot_mut(index);
                slot.stage = Stage::Requested;
                self.outbox.next_request = slot.links.next();
                self.storage.release(index);
            }
            Job::Publish(index) => {
                let slot = self.storage.slot_mut(index);
                match &mut slot.stage {
                    Stage::Flow { owed, .. } => {
                        *owed = false;
                        self.outbox.next_message = slot.links.next();
                        self.answer_awaited();
                    }
                    Stage::Queued | Stage::Requested | Stage::Ended(_) => {
                        self.unlink(index, |outbox| &mut outbox.plain);
                        self.end(index, End::Written);
                    }
                }
            }
        }
    }
    /// The transport did not take the last packet in time: nothing more is written to it.
    pub(super) fn give_last_words_up(&mut self) {
        if self.link() == Link::Closing {
            self.disconnected();
        }
        self.output.muted = true;
    }
}

impl Current {
    /// A packet that is all of these bytes.
    pub(super) fn new(job: Job, head: core::ops::Range<usize>) -> Self {
        Self {
            job,
            start: head.start as u8,
            len: head.len() as u32,
            written: 0,
            form: Form::Plain,
        }
    }

    /// A message with its head there, and so many bytes of payload.
    pub(super) fn message(index: u16, head: core::ops::Range<usize>, payload_len: usize, form: Form) -> Self {
        Self {
            len: (head.len() + payload_len) as u32,
            form,
            ..Self::new(Job::Publish(index), head)
        }
    }
}
