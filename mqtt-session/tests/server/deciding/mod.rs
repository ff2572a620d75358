//! What is asked before it is done, and what comes meanwhile.

mod authenticating;
mod chaos;
mod connecting;
mod permitting;
mod table;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode,
    packet::{Auth, Connect},
};
use mqtt_session::server::{Asked, Asks, Decision, ServerConfig, Ticket};

use crate::net::*;

/// A server that asks about everything, and its owner's desk.
pub(crate) struct Desk {
    pub(crate) net: Net,
    /// The questions that it was told of.
    pub(crate) told: Vec<Ticket>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let net = Net::with(|config| {
            config.offer_mut(0).asks = Asks::EVERYTHING;
            change(config);
        });
        Self {
            net,
            told: Vec::new(),
        }
    }

    /// The next question.
    pub(crate) fn next(&mut self) -> Ticket {
        let ticket = self.net.server.poll_question().expect("a question");
        self.told.push(ticket);
        ticket
    }

    /// What it asks, in the notation of traces.
    pub(crate) fn read(&self, ticket: Ticket) -> String {
        let question = self.net.server.question(ticket).expect("it is open");
        assert_eq!(question.ticket, ticket);
        match question.asked {
            Asked::Connect(connect) => Packet::Connect(connect).to_string(),
            Asked::Publish(publish) => Packet::Publish(publish).to_string(),
            Asked::Subscribe(subscribe) => Packet::Subscribe(subscribe).to_string(),
            Asked::Unsubscribe(unsubscribe) => Packet::Unsubscribe(unsubscribe).to_string(),
            Asked::Auth { auth, connect } => {
                let of = if connect.is_some() { "connect" } else { "open" };
                format!("{} of {of}", Packet::Auth(auth))
            }
            Asked::Reauthenticate(auth) => Packet::Auth(auth).to_string(),
            _ => unreachable!("no other kinds"),
        }
    }

    pub(crate) fn decide(&mut self, ticket: Ticket, decision: Decision) {
        let now = self.net.now;
        self.net.server.handle_decision(now, ticket, decision);
    }

    /// Decides the next question.
    pub(crate) fn answer(&mut self, decision: Decision) {
        let ticket = self.next();
        self.decide(ticket, decision);
    }

    /// Allows all there is to allow, and what comes of it.
    pub(crate) fn allow_all(&mut self) -> usize {
        let mut count = 0;
        while let Some(ticket) = self.net.server.poll_question() {
            self.decide(ticket, Decision::Allow);
            count += 1;
        }
        count
    }

    /// A client that was let in, whose session is kept for 100 seconds.
    pub(crate) fn client(&mut self, version: mqtt_proto::Version, client_id: &str) -> End {
        let list = [Property::SessionExpiryInterval(100)];
        let connect = Connect {
            clean_start: false,
            properties: if version == V5 {
                Properties::new(&list)
            } else {
                Properties::EMPTY
            },
            ..connect(version, client_id)
        };
        self.client_with(connect)
    }

    pub(crate) fn client_with(&mut self, connect: Connect<'_>) -> End {
        let end = self.net.open(connect.version);
        self.net.send(end, Packet::Connect(connect));
        self.answer(Decision::Allow);
        let said = self.net.recv(end);
        assert!(said[0].contains("code=0"), "{said:?}");
        end
    }

    pub(crate) fn subscriber(&mut self, version: mqtt_proto::Version, client_id: &str, filter: &str) -> End {
        let end = self.client(version, client_id);
        let said = self.net.subscribe_with(
            end,
            filter,
            mqtt_proto::packet::SubscriptionOptions::new(Q2),
            None,
        );
        assert_eq!(said, [""; 0], "it is asked about");
        self.answer(Decision::Allow);
        assert_eq!(self.net.recv(end), ["SUBACK id=900 codes=[2]"]);
        end
    }

    pub(crate) fn auth(&mut self, end: End, code: ReasonCode, method: &str, data: &[u8]) {
        let list = [
            Property::AuthenticationMethod(method),
            Property::AuthenticationData(data),
        ];
        let auth = Auth {
            code,
            properties: Properties::new(&list),
        };
        self.net.send(end, Packet::Auth(auth));
    }

    pub(crate) fn counts(&self) -> mqtt_session::server::QuestionCounts {
        self.net.server.broker().question_counts()
    }
}

pub(crate) fn deny(code: ReasonCode) -> Decision {
    Decision::Deny(code)
}

/// A CONNECT with a method, whose session is kept.
pub(crate) fn with_method<'a>(client_id: &'a str, list: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        clean_start: false,
        properties: Properties::new(list),
        ..connect(V5, client_id)
    }
}

pub(crate) const METHOD: [Property<'static>; 3] = [
    Property::SessionExpiryInterval(100),
    Property::AuthenticationMethod("M"),
    Property::AuthenticationData(b"hello"),
];

/// A question that continues with this data.
pub(crate) fn go_on(data: &[u8]) -> Decision {
    let mut challenge = mqtt_session::server::Challenge::default();
    challenge.data = Some(data.into());
    Decision::Continue(Box::new(challenge))
}
