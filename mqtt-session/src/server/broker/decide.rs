//! Questions and decisions: what a connection waits for, and how it goes on. The table stands at `Question`.

use mqtt_proto::{Packet, PacketType, QoS, ReasonCode, Sender, packet::Connect};

use super::{Broker, Phase, inbox::Inbox};
use crate::{
    Instant,
    flow::rules,
    server::{
        Asked, ConnId, Decision, Ended, Explained, Grant, Question, QuestionCounts, Refusal, Reply, Request,
        Terms, Ticket,
        decision::refusing,
        question::{Kind, Open},
    },
};

/// What a question came to.
#[derive(Debug)]
pub(super) enum Verdict {
    Given(Decision),
    /// Nobody decided in time.
    Late,
}

/// What it means for one filter.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    AsAsked,
    AtMost(QoS),
    Refused(ReasonCode),
}

impl Verdict {
    /// For the filter at this place.
    pub(super) fn ruling(&self, at: usize, packet: PacketType) -> Ruling {
        let code = match self {
            Self::Late if packet == PacketType::SubAck => ReasonCode::UNSPECIFIED_ERROR,
            Self::Late => ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
            Self::Given(Decision::Allow) => return Ruling::AsAsked,
            Self::Given(Decision::Each(codes)) => match codes.get(at) {
                Some(code) if !code.is_failure() && packet == PacketType::UnsubAck => return Ruling::AsAsked,
                Some(code) => match QoS::from_u8(code.0) {
                    Some(qos) => return Ruling::AtMost(qos),
                    None => *code,
                },
                None => ReasonCode::NOT_AUTHORIZED,
            },
            Self::Given(Decision::Deny(code)) => *code,
            Self::Given(Decision::Refuse(refusal)) => refusal.code,
            Self::Given(Decision::Accept(_) | Decision::Continue(_)) => ReasonCode::NOT_AUTHORIZED,
        };
        Ruling::Refused(refusing(code, packet, mqtt_proto::Version::V5))
    }

    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Late)
    }

    /// The refusal in it, if it is one.
    pub(super) fn into_refusal(self) -> Option<Refusal> {
        match self {
            Self::Given(decision) => decision.into_refusal(),
            Self::Late => Some(Refusal::new(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR)),
        }
    }

    /// What the acknowledgement says beside its codes.
    pub(super) fn into_remarks(self) -> crate::server::Remarks {
        match self {
            Self::Given(Decision::Refuse(refusal)) => refusal.remarks,
            Self::Given(_) | Self::Late => crate::server::Remarks::NONE,
        }
    }
}

impl Broker {
    /// The next question that nobody has been told of. Each is given once; it stays open until it is decided, its time has
    /// passed, or its connection is gone.
    pub fn poll_question(&mut self) -> Option<Ticket> {
        self.questions.poll()
    }

    /// What is asked; `None` if it is no longer open.
    pub fn question(&self, ticket: Ticket) -> Option<Question<'_>> {
        let &Open { conn, kind, deadline } = self.questions.get(ticket)?;
        let link = self.link(conn)?;
        let inbox = link.inbox.as_deref()?;
        let packet = Packet::decode(link.version, Sender::Client, inbox.frames.first()?).ok()?;
        let session = link.session.and_then(|key| self.sessions.get(key.0 as usize));
        let authentication = inbox.authentication.as_deref();
        let asked = match packet {
            Packet::Connect(connect) => Asked::Connect(connect),
            Packet::Publish(publish) => Asked::Publish(publish),
            Packet::Subscribe(subscribe) => Asked::Subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => Asked::Unsubscribe(unsubscribe),
            Packet::Auth(auth) if kind == Kind::Reauthenticate => Asked::Reauthenticate(auth),
            Packet::Auth(auth) => Asked::Auth {
                auth,
                connect: authentication.and_then(|authentication| authentication.connect()),
            },
            Packet::ConnAck(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect(_) => return None,
        };
        let client_id = match (&asked, session) {
            (_, Some(session)) => &session.client_id,
            (Asked::Connect(connect), None)
            | (
                Asked::Auth {
                    connect: Some(connect),
                    ..
                },
                None,
            ) => connect.client_id,
            (_, None) => "",
        };
        Some(Question {
            ticket,
            conn,
            peer: link.peer.get(),
            version: link.version,
            client_id,
            grant: session.map_or_else(
                || &self.config.offer(link.peer.listener()).grant,
                |session| &*session.grant,
            ),
            deadline,
            asked,
        })
    }

    /// The answer to a question. One that comes too late, or again, is ignored and counted.
    pub fn handle_decision(&mut self, now: Instant, ticket: Ticket, decision: Decision) {
        let now = self.clock(now);
        self.journal.begin_request();
        if let Some(open) = self.questions.decide(ticket) {
            self.decided(now, open.conn, Verdict::Given(decision));
            self.settle(now);
        }
    }

    /// How many questions there were, and what became of them.
    pub const fn question_counts(&self) -> QuestionCounts {
        self.questions.counts()
    }

    /// A question is open on this connection.
    pub fn is_asking(&self, conn: ConnId) -> bool {
        self.link(conn).is_some_and(|link| link.is_asking())
    }

    /// DISCONNECT came, and waits.
    pub(in crate::server) fn has_left(&self, conn: ConnId) -> bool {
        let inbox = self.link(conn).and_then(|link| link.inbox.as_deref());
        inbox.is_some_and(|inbox| inbox.ends)
    }

    /// The connection of an open question.
    pub(in crate::server) fn asks_about(&self, ticket: Ticket) -> Option<ConnId> {
        self.questions.get(ticket).map(|open| open.conn)
    }

    /// The request can wait behind an open question.
    pub(in crate::server) fn has_room_for(&self, conn: ConnId, request: &Request<'_>) -> bool {
        let Some(link) = self.link(conn) else { return true };
        let waiting = link.inbox.as_deref().map_or(0, Inbox::waiting);
        request
            .packet()
            .and_then(|packet| packet.encoded_len(link.version).ok())
            .is_none_or(|len| waiting.saturating_add(len) <= self.config.limits.inbox_bytes)
    }

    /// Nothing more is to be read from this connection until its question is decided.
    pub(in crate::server) fn pause(&mut self, conn: ConnId) {
        if let Some(link) = self.link_mut(conn) {
            link.paused = true;
        }
    }

    pub(super) fn decision_deadline(&self, now: Instant) -> Instant {
        now + self.config.limits.decision_timeout
    }

    /// Holds a request back, and asks about it.
    pub(super) fn ask(&mut self, now: Instant, conn: ConnId, kind: Kind, request: &Request<'_>) {
        if self.hold(conn, request) {
            self.open_question(now, conn, kind);
        } else {
            self.cannot_hold(now, conn, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        }
    }

    fn open_question(&mut self, now: Instant, conn: ConnId, kind: Kind) {
        let deadline = self.decision_deadline(now);
        let ticket = self.questions.open(Open { conn, kind, deadline });
        if let Some(inbox) = self.link_mut(conn).and_then(|link| link.inbox.as_deref_mut()) {
            inbox.question = Some(ticket);
        }
    }

    fn hold(&mut self, conn: ConnId, request: &Request<'_>) -> bool {
        let spare = &mut self.spare_inbox;
        let link = self
            .links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation);
        let (Some(link), Some(packet)) = (link, request.packet()) else {
            return false;
        };
        let version = link.version;
        link.inbox
            .get_or_insert_with(|| spare.take().unwrap_or_default())
            .hold(version, &packet)
    }

    fn cannot_hold(&mut self, now: Instant, conn: ConnId, code: ReasonCode) {
        let last = self.last_word(conn, code);
        self.end_link(now, conn, Ended::Refused(code), Some(last));
    }

    /// CONNACK or DISCONNECT with this code.
    pub(super) fn last_word(&self, conn: ConnId, code: ReasonCode) -> Reply {
        match self.link(conn).map(|link| link.phase) {
            Some(Phase::Connecting) => Reply::Refuse(code),
            Some(Phase::Fresh | Phase::Open | Phase::Local | Phase::Over) | None => Reply::Disconnect(code),
        }
    }

    /// What comes while a question is open.
    pub(super) fn wait(&mut self, now: Instant, conn: ConnId, request: Request<'_>) {
        let Some(link) = self.link(conn) else { return };
        let version = link.version;
        let Some(inbox) = link.inbox.as_deref() else {
            return;
        };
        if inbox.ends {
            return; // 5/MQTT-3.14.4-1, 3.1.1/MQTT-3.14.4-2
        }
        let authenticating = link.phase == Phase::Connecting && inbox.authentication.is_some();
        let waiting = inbox.waiting();
        let kind = inbox
            .question
            .and_then(|ticket| self.questions.get(ticket))
            .map(|open| open.kind);
        // What is wrong whatever is decided.
        let asks_auth = matches!(kind, Some(Kind::Auth | Kind::Reauthenticate));
        let rule = if matches!(request, Request::Connect(_)) && !authenticating {
            Some(&rules::SECOND_CONNECT)
        } else if matches!(request, Request::Auth(_)) && asks_auth {
            Some(&rules::AUTH_OUT_OF_TURN)
        } else {
            None
        };
        let Some(packet) = request.packet() else {
            // The client has sent its CONNECT, and the question has a deadline of its own.
            if let Request::Violation(violation) = request {
                self.broken(now, conn, violation);
            }
            return;
        };
        if let Some(rule) = rule {
            return self.violation(now, conn, rule);
        }
        if authenticating {
            let kind = self.authenticating_request(now, conn, request);
            debug_assert_eq!(kind, None, "AUTH is out of turn while CONNECT is in question");
            return;
        }
        let max = self.config.limits.inbox_bytes;
        let waiting = waiting.saturating_add(packet.encoded_len(version).unwrap_or(usize::MAX));
        if waiting > max {
            return self.cannot_hold(now, conn, ReasonCode::QUOTA_EXCEEDED);
        }
        if !self.hold(conn, &request) {
            return self.cannot_hold(now, conn, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        }
        if matches!(packet, Packet::Auth(_)) {
            self.heard_in_time(conn);
        }
        if waiting > max / 2 {
            self.pause(conn);
        }
    }

    /// Does what was in question, and then what waits behind it until there is another question.
    fn decided(&mut self, now: Instant, conn: ConnId, verdict: Verdict) {
        let mut verdict = Some(verdict);
        loop {
            let Some(link) = self.link_mut(conn) else { return };
            let (version, phase) = (link.version, link.phase);
            let Some(inbox) = link.inbox.as_deref_mut() else {
                return;
            };
            inbox.question = None;
            // Nobody puts anything in while a request is done, so it can be borrowed from meanwhile.
            let mut frames = core::mem::take(&mut inbox.frames);
            let Some(frame) = frames.first() else {
                inbox.frames = frames;
                break;
            };
            let packet = Packet::decode(version, Sender::Client, frame);
            debug_assert!(packet.is_ok(), "it was decoded before");
            let kind = packet
                .ok()
                .and_then(Request::of)
                .and_then(|request| self.take(now, conn, phase, request, verdict.take()));
            let link = self.link_mut(conn).filter(|link| link.phase != Phase::Over);
            let Some(inbox) = link.and_then(|link| link.inbox.as_deref_mut()) else {
                return;
            };
            if kind.is_none() {
                frames.advance();
            }
            inbox.frames = frames;
            if let Some(kind) = kind {
                return self.open_question(now, conn, kind);
            }
        }
        let Some(link) = self.link_mut(conn) else { return };
        let idle = link.inbox.take_if(|inbox| inbox.is_idle());
        let goes_on = link.go_on();
        if let Some(inbox) = idle {
            self.spare_inbox = Some(inbox.recycled());
        }
        if goes_on {
            self.wake(conn);
        }
    }

    /// The connection is over: its question is answered by nobody.
    pub(super) fn drop_inbox(&mut self, conn: ConnId) {
        let Some(inbox) = self.link_mut(conn).and_then(|link| link.inbox.take()) else {
            return;
        };
        let waits = inbox.authentication.as_deref().and_then(|a| a.ticket());
        for ticket in [inbox.question, waits].into_iter().flatten() {
            self.questions.close(ticket);
        }
        self.spare_inbox = Some(inbox.recycled());
    }

    /// Questions whose time has passed.
    pub(super) fn expire_questions(&mut self, now: Instant) {
        while let Some(open) = self.questions.pop_due(now) {
            if open.kind == Kind::Client {
                self.unanswered(now, open.conn);
            } else {
                self.decided(now, open.conn, Verdict::Late);
            }
        }
    }

    /// A decision about CONNECT.
    pub(super) fn connect_decided(
        &mut self,
        now: Instant,
        conn: ConnId,
        connect: &Connect<'_>,
        verdict: Verdict,
    ) {
        let has_method = connect.properties.authentication_method().is_some();
        match verdict {
            Verdict::Late => {
                let code = ReasonCode::SERVER_UNAVAILABLE;
                self.end_link(now, conn, Ended::Undecided, Some(Reply::Refuse(code)));
            }
            Verdict::Given(Decision::Allow) => self.admit(now, conn, connect, Terms::default()),
            Verdict::Given(Decision::Accept(terms)) => self.admit(now, conn, connect, *terms),
            Verdict::Given(Decision::Continue(challenge)) if has_method => {
                self.challenge_connect(conn, connect, *challenge);
            }
            Verdict::Given(decision) => {
                if let Some(refusal) = decision.into_refusal() {
                    self.refuse(now, conn, refusal);
                }
            }
        }
    }

    /// Refuses a CONNECT, or ends an open connection, with what there is to say about it.
    pub(super) fn refuse(&mut self, now: Instant, conn: ConnId, refusal: Refusal) {
        let Some(link) = self.link(conn) else { return };
        let packet = if link.phase == Phase::Connecting {
            PacketType::ConnAck
        } else {
            PacketType::Disconnect
        };
        let code = refusing(refusal.code, packet, link.version);
        let last = Explained::wrap(self.last_word(conn, code), refusal.remarks);
        self.end_link(now, conn, Ended::Refused(code), Some(last));
    }

    /// Ends an open connection with DISCONNECT and what there is to say about it, as a redirection to another server (5.0,
    /// 4.11). One that is not open yet, or speaks 3.x, is closed without a word.
    pub fn disconnect_with(&mut self, now: Instant, conn: ConnId, refusal: Refusal) {
        let now = self.clock(now);
        let last = match self.link(conn).map(|link| link.phase) {
            Some(Phase::Open) => Explained::wrap(Reply::Disconnect(refusal.code), refusal.remarks),
            Some(Phase::Fresh | Phase::Connecting | Phase::Local) => Reply::Close,
            Some(Phase::Over) | None => return,
        };
        self.end_link(now, conn, Ended::Refused(refusal.code), Some(last));
        self.settle(now);
    }

    /// Another grant for who is there. The pool stays.
    pub(super) fn regrant(&mut self, conn: ConnId, grant: Grant) {
        let Some(key) = self.link(conn).and_then(|link| link.session) else {
            return;
        };
        if let Some(session) = self.session(key) {
            let pool = session.grant.pool;
            session.grant = alloc::sync::Arc::new(Grant { pool, ..grant });
        }
        self.note(key);
    }
}
