//! One connection: what was agreed with the server, and how it ends.

use mqtt_proto::{Properties, QoS, ReasonCode, Version};

use super::{
    AbortReason, Client,
    output::{Ending, Loss},
};
use crate::{
    Instant,
    flags::flags,
    flow::{Incoming, Violation, Window},
    storage::{End, List, Mark, NONE, Storage},
};

/// Where the client stands with its transport.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none.
    Idle,
    /// CONNECT is to be sent or was sent.
    Connecting,
    /// CONNACK came.
    Connected,
    /// The server's DISCONNECT is the next packet in the caller's buffer; it is told after what ends with it.
    Ending,
    /// `disconnect` was called; nothing more is taken or told until DISCONNECT is written.
    Closing,
    /// The end was told; last words may be left to write.
    Closed,
}

/// What holds for one connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Never `Idle`.
    pub(super) state: Link,
    pub(super) version: Version,
    /// The fingerprint of the client id in CONNECT.
    pub(super) client: u32,
    pub(super) facts: Facts,
    /// Seconds; 0: no keep-alive.
    pub(super) keep_alive: u16,
    pub(super) window: Window,
    pub(super) server: ServerLimits,
    /// For CONNACK; from `disconnect` or the end on, for the last words.
    pub(super) deadline: Instant,
    /// `shutdown` was called: disconnect when nothing is under way, at the latest then.
    pub(super) drain_until: Moment,
    /// When the last packet was written to its end.
    pub(super) last_sent: Instant,
    pub(super) last_received: Instant,
    /// Since when an answer to a message is awaited, in 3.x.
    pub(super) unanswered: Moment,
    /// When the first PINGREQ was written that has no answer yet; before that, when PINGREQ began to wait for the
    /// transport, or the transport last took a byte since.
    pub(super) ping_since: Instant,
}

flags! {
    /// What is true of one connection.
    pub(super) struct Facts(u16) of
    enum Fact {
        CleanStart,
        /// The server may have a session that an earlier connection left, and CONNECT asked for it.
        Known,
        /// The session outlives the connection.
        Kept,
        /// CONNECT had a Session Expiry Interval above 0.
        ExpiryAsked,
        /// CONNECT did not forbid Reason String and User Property.
        ProblemInformation,
        /// CONNECT asked for Response Information.
        ResponseInformation,
        /// The caller does not read: silence is not the server's fault.
        Paused,
        /// A PINGREQ is to be written.
        PingOwed,
        /// A PINGREQ was written and has no answer yet.
        PingUnanswered,
        /// CONNECT named an Authentication Method, which is kept.
        Method,
        /// An exchange of AUTH is under way.
        Authenticating,
        /// And it is this client's turn.
        OurTurn,
    }
}

/// What the server cannot do or will not take (3.2.2.3).
#[derive(Copy, Clone, Debug)]
pub(super) struct ServerLimits {
    pub(super) packet_size: u32,
    pub(super) qos: QoS,
    pub(super) available: Available,
    /// The highest topic alias that may be sent.
    pub(super) alias_maximum: u16,
}

flags! {
    /// What the server can do.
    pub(super) struct Available(u8) of
    enum Feature {
        Retain,
        Wildcards,
        SharedSubscriptions,
        SubscriptionIds,
    }
}

impl Available {
    /// What CONNACK says that there is.
    pub(super) fn of(connack: Properties<'_>) -> Self {
        Self::NONE
            .with(Feature::Retain, connack.retain_available() != Some(0))
            .with(
                Feature::Wildcards,
                connack.wildcard_subscription_available() != Some(0),
            )
            .with(
                Feature::SharedSubscriptions,
                connack.shared_subscription_available() != Some(0),
            )
            .with(
                Feature::SubscriptionIds,
                connack.subscription_identifier_available() != Some(0),
            )
    }
}

impl ServerLimits {
    pub(super) const NONE: Self = Self {
        packet_size: u32::MAX,
        qos: QoS::ExactlyOnce,
        available: Available::ALL,
        alias_maximum: 0,
    };
}

/// A moment or none, in the memory of a moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment(Instant);

impl Moment {
    /// The end of time, which never comes, says that there is none.
    pub(super) const NONE: Self = Self(Instant::MAX);

    /// This moment; the last microsecond of time counts as the one before it.
    pub(super) fn at(moment: Instant) -> Self {
        Self(moment.min(Instant::from_micros(u64::MAX - 1)))
    }

    pub(super) fn get(self) -> Option<Instant> {
        self.is_some().then_some(self.0)
    }

    pub(super) fn is_some(self) -> bool {
        self != Self::NONE
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl<S: Storage> Client<S> {
    /// Where the client stands with its transport.
    pub(super) const fn link(&self) -> Link {
        match &self.connection {
            Some(connection) => connection.state,
            None => Link::Idle,
        }
    }

    /// The connection, while it is open.
    pub(super) fn connected(&self) -> Option<&Connection> {
        self.connection
            .as_ref()
            .filter(|connection| connection.state == Link::Connected)
    }

    /// The connection is over as far as its caller is concerned: operations that end with it have ended, and `Closed` is
    /// owed or given back at once. `last_words` is the code of the DISCONNECT that the server still gets.
    pub(super) fn close(&mut self, last_words: Option<ReasonCode>) {
        let Some(connection) = &self.connection else {
            return;
        };
        // A server must not get a DISCONNECT from a 3.x client that found fault with it: it would drop the will.
        let speaks = connection.version.has_properties() && connection.state == Link::Connected;
        self.end_requests();
        self.break_stream();
        self.unchoose();
        self.output.wind_up(if speaks { last_words } else { None });
        if let Some(connection) = &mut self.connection {
            connection.deadline = self.now + self.config.close_timeout;
            connection.state = Link::Closed;
        }
    }

    /// The server broke a rule.
    pub(super) fn violated(&mut self, violation: Violation) {
        self.close(Some(violation.code));
        self.output.closed = Some(Ending::Fault(violation));
    }

    /// The server did not answer in time. It gets no last words: they would wait in the buffers of a link that is dead.
    pub(super) fn timed_out(&mut self, violation: Violation) {
        self.close(None);
        self.output.closed = Some(Ending::Fault(violation));
    }

    /// The transport has ended: call it once the stream ended in any way, also after [`Closed`](super::Closed), and
    /// then drop what is left in the buffers. What belongs to the session waits for the next
    /// [`connect`](Self::connect).
    pub fn handle_disconnect(&mut self, now: Instant) {
        self.advance(now);
        match self.link() {
            Link::Idle => return,
            Link::Closed => {}
            Link::Connecting | Link::Connected | Link::Ending | Link::Closing => {
                self.end_requests();
                self.break_stream();
                self.output.closed = Some(Ending::TransportEnded);
            }
        }
        self.forget_link();
        self.connection = None;
    }

    /// SUBSCRIBE, UNSUBSCRIBE, PINGREQ and AUTH end with their connection, and what was not sent, if that is not to be kept.
    pub(super) fn end_requests(&mut self) {
        while !self.outbox.requests.is_empty() {
            let index = self.outbox.requests.first();
            self.output.abandon(index);
            self.unlink(index, |outbox| &mut outbox.requests);
            self.storage.set_id(index, None);
            self.end(index, End::Aborted(AbortReason::ConnectionLost));
        }
        self.outbox.next_request = NONE;
        self.end_authentication();
        if let Some(connection) = &mut self.connection {
            connection.facts.set(Fact::PingOwed, false);
            connection.facts.set(Fact::PingUnanswered, false);
            if self.output.ping.is_some() {
                self.output.lost.set(Loss::Ping, true);
            }
        }
        self.keep_nothing();
    }

    /// Drops everything that belongs to the link and not to the session.
    fn forget_link(&mut self) {
        self.unchoose();
        self.output.forget_link();
        // Its CONNECT was recorded, and may not have begun to leave.
        self.note_session_of_link();
        self.count(super::Counters::forget_link);
        self.forget_control();
        for list in [self.outbox.messages, self.outbox.releases] {
            self.for_each(list, |slot| slot.marks.set(Mark::Charged, false));
        }
        // A message of QoS 0 that was cut in two has not been sent: nobody has it.
        self.for_each(self.outbox.plain, |slot| slot.marks.set(Mark::Transmitted, false));
        self.drop_overdue();
        self.forget_aliases();
        self.arrivals.owed.clear();
        for index in 0..self.storage.arrivals() {
            self.forget_link_of_arrival(index);
        }
        self.arrivals.stalled = false;
    }

    /// What the link's end makes of one message that came in.
    fn forget_link_of_arrival(&mut self, index: u16) {
        let arrival = self.storage.arrival(index);
        let (stage, answer) = (arrival.stage, arrival.answer());
        if !self.arrivals.is_used(&self.storage, index) {
            return;
        }
        match (stage, answer) {
            _ if arrival.id().is_none() && !self.is_arrival_settled(index) => self.await_pubrel_again(index),
            // PUBCOMP was owed: its PUBREL comes again, and finds nothing. Or QoS 1: its PUBLISH comes again, as new.
            _ if arrival.id().is_none() || !stage.outlives_link() => self.free_arrival(index),
            // As if PUBREC had been sent and lost: the PUBLISH comes again and is answered by it.
            (Incoming::OwesPubRec, Some(code)) => self.arrival_answered(index, code),
            _ => {}
        }
    }

    pub(super) fn for_each(&mut self, list: List, mut change: impl FnMut(&mut crate::storage::Slot)) {
        let mut index = list.first();
        while index != NONE {
            let slot = self.storage.slot_mut(index);
            index = slot.links.next();
            change(slot);
        }
    }
}
