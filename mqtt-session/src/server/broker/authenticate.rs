//! Enhanced authentication (5.0, 4.12): AUTH before CONNACK, and on an open connection.

use alloc::{boxed::Box, vec, vec::Vec};

use mqtt_proto::{
    Packet, ReasonCode, Sender,
    packet::{Auth, Connect},
};

use super::{Broker, decide::Verdict};
use crate::{
    Instant,
    flow::rules,
    server::{
        Authenticate, Challenge, ConnId, Decision, Ended, Explained, Reply, Request, Terms,
        question::{Kind, Open, Ticket},
    },
};

/// The method of a connection (`5/MQTT-4.12.0-5`), and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Authentication {
    pub(super) method: Box<str>,
    /// The CONNECT that is to be answered, encoded; empty once it was.
    connect: Vec<u8>,
    stage: Stage,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// It is done, or the client is still to be asked.
    Settled,
    /// The client was sent AUTH and is to answer; on an open connection not later than this says.
    Client(Option<Ticket>),
}

impl Authentication {
    pub(super) fn new(method: &str) -> Box<Self> {
        Box::new(Self {
            method: method.into(),
            connect: Vec::new(),
            stage: Stage::Settled,
        })
    }

    /// The CONNECT that is to be answered.
    pub(super) fn connect(&self) -> Option<Connect<'_>> {
        decode_connect(&self.connect)
    }

    /// What waits for the client.
    pub(super) const fn ticket(&self) -> Option<Ticket> {
        match self.stage {
            Stage::Client(ticket) => ticket,
            Stage::Settled => None,
        }
    }
}

fn decode_connect(frame: &[u8]) -> Option<Connect<'_>> {
    match Packet::decode(mqtt_proto::Version::V5, Sender::Client, frame) {
        Ok(Packet::Connect(connect)) => Some(connect),
        _ => None,
    }
}

impl Broker {
    /// What a client sends whose CONNECT named a method and was not answered yet.
    pub(super) fn authenticating_request(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: Request<'_>,
    ) -> Option<Kind> {
        match request {
            Request::Auth(auth) => {
                let rule = match self.auth_fault(conn, &auth) {
                    // 0x19 is for open connections.
                    None if auth.code != ReasonCode::CONTINUE_AUTHENTICATION => {
                        Some(&rules::AUTH_OUT_OF_TURN)
                    }
                    rule => rule,
                };
                if let Some(rule) = rule {
                    self.violation(now, conn, rule);
                    return None;
                }
                self.settle_authentication(conn);
                return Some(Kind::Auth);
            }
            Request::Disconnect(disconnect) => {
                self.end_link(now, conn, Ended::ByClient(disconnect.code), Some(Reply::Close));
            }
            Request::NoConnect => self.unanswered(now, conn),
            // 5/MQTT-3.1.2-30
            Request::Connect(_)
            | Request::Publish(_)
            | Request::Answer(..)
            | Request::Release(_)
            | Request::Subscribe(_)
            | Request::Unsubscribe(_) => self.violation(now, conn, &rules::PACKET_DURING_AUTHENTICATION),
            Request::Violation(violation) => self.broken(now, conn, violation),
            Request::Lost => {}
        }
        None
    }

    /// The client did not answer AUTH in time.
    pub(super) fn unanswered(&mut self, now: Instant, conn: ConnId) {
        let code = ReasonCode::NOT_AUTHORIZED;
        let last = self.last_word(conn, code);
        self.end_link(now, conn, Ended::Refused(code), Some(last));
    }

    /// AUTH on an open connection.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        conn: ConnId,
        auth: &Auth<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        let Some(verdict) = verdict else {
            if let Some(rule) = self.auth_fault(conn, auth) {
                self.violation(now, conn, rule);
                return None;
            }
            self.settle_authentication(conn);
            return Some(if auth.code == ReasonCode::RE_AUTHENTICATE {
                Kind::Reauthenticate
            } else {
                Kind::Auth
            });
        };
        match verdict {
            Verdict::Given(Decision::Allow) => self.authenticated(conn, Terms::default()),
            Verdict::Given(Decision::Accept(terms)) => self.authenticated(conn, *terms),
            Verdict::Given(Decision::Continue(challenge)) => {
                self.challenge(conn, *challenge);
                let ticket = self.questions.open(Open {
                    conn,
                    kind: Kind::Client,
                    deadline: self.decision_deadline(now),
                });
                self.set_stage(conn, Stage::Client(Some(ticket)));
            }
            // 5/MQTT-4.12.1-2
            Verdict::Given(decision) => {
                if let Some(refusal) = decision.into_refusal() {
                    self.refuse(now, conn, refusal);
                }
            }
            Verdict::Late => {
                let code = ReasonCode::NOT_AUTHORIZED;
                self.end_link(now, conn, Ended::Undecided, Some(Reply::Disconnect(code)));
            }
        }
        None
    }

    /// Which rule an AUTH breaks.
    fn auth_fault(&self, conn: ConnId, auth: &Auth<'_>) -> Option<&'static rules::Rule> {
        let inbox = self.link(conn).and_then(|link| link.inbox.as_deref());
        let Some(authentication) = inbox.and_then(|inbox| inbox.authentication.as_deref()) else {
            return Some(&rules::AUTH_WITHOUT_METHOD);
        };
        let again = auth.code == ReasonCode::RE_AUTHENTICATE;
        if auth.properties.authentication_method() != Some(&*authentication.method) {
            return Some(if again {
                &rules::REAUTHENTICATION_METHOD
            } else {
                &rules::WRONG_AUTH_METHOD
            });
        }
        let in_turn = match authentication.stage {
            Stage::Client(_) => auth.code == ReasonCode::CONTINUE_AUTHENTICATION,
            Stage::Settled => again,
        };
        (!in_turn).then_some(&rules::AUTH_OUT_OF_TURN)
    }

    fn authentication(&mut self, conn: ConnId) -> Option<&mut Authentication> {
        let inbox = self.link_mut(conn)?.inbox.as_deref_mut()?;
        inbox.authentication.as_deref_mut()
    }

    fn set_stage(&mut self, conn: ConnId, stage: Stage) {
        if let Some(authentication) = self.authentication(conn) {
            authentication.stage = stage;
        }
    }

    /// The client has answered.
    fn settle_authentication(&mut self, conn: ConnId) {
        let ticket = self.authentication(conn).and_then(|a| a.ticket());
        if let Some(ticket) = ticket {
            self.questions.close(ticket);
        }
        self.set_stage(conn, Stage::Settled);
    }

    /// The client's answer is there, and waits for a decision about something else: that is not the client's time.
    pub(super) fn heard_in_time(&mut self, conn: ConnId) {
        if let Some(ticket) = self.authentication(conn).and_then(|a| a.ticket()) {
            self.questions.close(ticket);
            self.set_stage(conn, Stage::Client(None));
        }
    }

    /// The CONNECT that AUTH belongs to, encoded, and taken out.
    pub(super) fn take_connect(&mut self, conn: ConnId) -> Vec<u8> {
        self.authentication(conn)
            .map(|authentication| core::mem::take(&mut authentication.connect))
            .unwrap_or_default()
    }

    /// A decision about the CONNECT that these bytes are.
    pub(super) fn auth_decided(&mut self, now: Instant, conn: ConnId, verdict: Verdict) {
        let frame = self.take_connect(conn);
        if let Some(connect) = decode_connect(&frame) {
            self.connect_decided(now, conn, &connect, verdict);
        }
    }

    /// AUTH 0x18 before CONNACK; the CONNECT stays until it can be answered. False if it names no method.
    pub(super) fn challenge_connect(&mut self, conn: ConnId, connect: &Connect<'_>, challenge: Challenge) {
        let packet = Packet::Connect(*connect);
        let mut frame = vec![0; packet.encoded_len(connect.version).unwrap_or(0)];
        let encoded = packet.encode(connect.version, &mut frame).map(<[u8]>::len);
        debug_assert_eq!(encoded, Ok(frame.len()), "it was decoded");
        if let Some(authentication) = self.authentication(conn) {
            authentication.connect = frame;
            // Here the time for CONNECT limits the client.
            authentication.stage = Stage::Client(None);
        }
        self.challenge(conn, challenge);
    }

    /// AUTH 0x18 (`5/MQTT-4.12.0-2`).
    fn challenge(&mut self, conn: ConnId, challenge: Challenge) {
        let Challenge { data, remarks } = challenge;
        self.owe_auth(conn, ReasonCode::CONTINUE_AUTHENTICATION, data, remarks);
    }

    fn owe_auth(
        &mut self,
        conn: ConnId,
        code: ReasonCode,
        data: Option<Box<[u8]>>,
        remarks: crate::server::Remarks,
    ) {
        // 5/MQTT-4.12.0-5
        let Some(method) = self.authentication(conn).map(|a| a.method.clone()) else {
            return;
        };
        let reply = Reply::Auth(Box::new(Authenticate { code, method, data }));
        self.owe(conn, Explained::wrap(reply, remarks));
    }

    /// A re-authentication went well (5.0, 4.12.1).
    fn authenticated(&mut self, conn: ConnId, terms: Terms) {
        if let Some(grant) = terms.grant {
            self.regrant(conn, grant);
        }
        self.owe_auth(conn, ReasonCode::SUCCESS, terms.auth_data, terms.remarks);
    }
}
