//! Whatever clients send, and however late, wrong or often it is decided: what is acknowledged is there, and no question is
//! forgotten.

use std::collections::BTreeSet;

use mqtt_proto::{
    Frame, Packet, QoS, ReasonCode, Sender, TopicFilter, Version, frame_len,
    packet::{Connect, Filters, Subscribe, Subscription, SubscriptionOptions, Subscriptions, Unsubscribe},
};
use mqtt_session::server::{Decision, Refusal, Remarks, Terms};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Connect {
        client: usize,
        version: usize,
        method: bool,
        clean: bool,
    },
    Publish {
        client: usize,
        qos: u8,
        len: usize,
    },
    Subscribe {
        client: usize,
    },
    Unsubscribe {
        client: usize,
    },
    Auth {
        client: usize,
        again: bool,
        right: bool,
    },
    Ping {
        client: usize,
    },
    Disconnect {
        client: usize,
    },
    Cut {
        client: usize,
    },
    Take {
        client: usize,
        bytes: usize,
    },
    Poll,
    Decide {
        which: usize,
        how: u8,
    },
    Pass {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let c = 0..4_usize;
    prop_oneof![
        4 => (c.clone(), 0..3_usize, prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(client, version, method, clean)| Step::Connect { client, version, method, clean }),
        12 => (c.clone(), 0..3_u8, 0..150_usize).prop_map(|(client, qos, len)| Step::Publish { client, qos, len }),
        2 => c.clone().prop_map(|client| Step::Subscribe { client }),
        1 => c.clone().prop_map(|client| Step::Unsubscribe { client }),
        1 => (c.clone(), any::<bool>(), prop::bool::weighted(0.9))
            .prop_map(|(client, again, right)| Step::Auth { client, again, right }),
        1 => c.clone().prop_map(|client| Step::Ping { client }),
        1 => c.clone().prop_map(|client| Step::Disconnect { client }),
        1 => c.clone().prop_map(|client| Step::Cut { client }),
        5 => (c, 1..300_usize).prop_map(|(client, bytes)| Step::Take { client, bytes }),
        2 => Just(Step::Poll),
        16 => (0..6_usize, any::<u8>()).prop_map(|(which, how)| Step::Decide { which, how }),
        2 => (0..4_000_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// A client's end, what it was sent, and what the server has not taken of what it said.
struct Client {
    end: End,
    got: Vec<u8>,
    pipe: Vec<u8>,
}

struct Office {
    desk: Desk,
    clients: [Option<Client>; 4],
    /// What connections were sent that are gone.
    sent: Vec<(Version, Vec<u8>)>,
    messages: u16,
    /// Messages that were let in, and that were not.
    allowed: BTreeSet<u16>,
    refused: BTreeSet<u16>,
    of_3: BTreeSet<u16>,
    watcher: End,
    heard: BTreeSet<u16>,
}

fn decision(how: u8) -> Decision {
    match how % 32 {
        0..=6 | 16.. => Decision::Allow,
        7 => Decision::Accept(Box::default()),
        8 => Decision::Deny(ReasonCode::NOT_AUTHORIZED),
        // Any code, fitting or not.
        9 => Decision::Deny(ReasonCode(how ^ 0xA5)),
        10 => Decision::Each([ReasonCode(how >> 5), ReasonCode(0x87)].into()),
        13 => {
            let mut refusal = Refusal::redirect(ReasonCode::SERVER_MOVED, "b.example");
            refusal.remarks.reason = Some("no".into());
            Decision::Refuse(Box::new(refusal))
        }
        14 => {
            let mut terms = Terms::default();
            terms.auth_data = Some((*b"data").into());
            terms.remarks = Remarks::reason("yes");
            Decision::Accept(Box::new(terms))
        }
        _ => Decision::Continue(Box::default()),
    }
}

impl Office {
    fn new() -> Self {
        let mut desk = Desk::with(|config| {
            config.limits.decision_timeout = core::time::Duration::from_secs(5);
            config.limits.inbox_bytes = 400;
        });
        let watcher = desk.subscriber(V5, "watcher", "#");
        Self {
            desk,
            clients: [const { None }; 4],
            sent: Vec::new(),
            messages: 0,
            allowed: BTreeSet::new(),
            refused: BTreeSet::new(),
            of_3: BTreeSet::new(),
            watcher,
            heard: BTreeSet::new(),
        }
    }

    fn send(&mut self, at: usize, packet: Packet<'_>) {
        if let Some(client) = &mut self.clients[at] {
            if let Ok(len) = packet.encoded_len(client.end.version) {
                let mut bytes = vec![0; len];
                packet.encode(client.end.version, &mut bytes).unwrap();
                client.pipe.extend(bytes);
                self.feed(at);
            }
        }
    }

    fn feed(&mut self, at: usize) {
        let net = &mut self.desk.net;
        if let Some(client) = &mut self.clients[at] {
            if net.server.wants_input(client.end.id) {
                let taken = net.server.handle_input(net.now, client.end.id, &client.pipe);
                client.pipe.drain(..taken);
            }
        }
    }

    fn close(&mut self, at: usize) {
        if let Some(client) = self.clients[at].take() {
            self.desk.net.cut(client.end);
            self.sent.push((client.end.version, client.got));
        }
    }

    fn decide(&mut self, ticket: Ticket, decision: Decision) {
        // What becomes of the message that is in question.
        if let Some(question) = self.desk.net.server.question(ticket) {
            if let Asked::Publish(publish) = question.asked {
                let n = number(publish.payload);
                if matches!(decision, Decision::Allow | Decision::Accept(_)) {
                    self.allowed.insert(n);
                } else {
                    self.refused.insert(n);
                }
            }
        }
        self.desk.decide(ticket, decision);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Connect {
                client,
                version,
                method,
                clean,
            } => {
                // Who is there seldom goes.
                if self.clients[client].is_some() && !clean {
                    return;
                }
                self.close(client);
                let version = Version::ALL[version];
                let end = self.desk.net.open(version);
                self.clients[client] = Some(Client {
                    end,
                    got: Vec::new(),
                    pipe: Vec::new(),
                });
                let list = [
                    Property::SessionExpiryInterval(9),
                    Property::AuthenticationMethod("M"),
                ];
                let list = if method { &list[..] } else { &list[..1] };
                let connect = Connect {
                    clean_start: clean,
                    keep_alive: 7,
                    will: clean.then(|| will("w", b"\0\0gone")),
                    properties: if version == V5 {
                        Properties::new(list)
                    } else {
                        Properties::EMPTY
                    },
                    ..connect(version, ["one", "two", "three", "one"][client])
                };
                self.send(client, Packet::Connect(connect));
            }
            Step::Publish { client, qos, len } => {
                self.messages += 1;
                let n = self.messages;
                if self.clients[client]
                    .as_ref()
                    .is_some_and(|client| client.end.version != V5)
                {
                    self.of_3.insert(n);
                }
                let qos = QoS::from_u8(qos).unwrap();
                let payload: String = format!("{n:05}{}", "-".repeat(len));
                let id = if qos == Q0 { 0 } else { n };
                self.send(client, Packet::Publish(message("t", qos, id, &payload)));
            }
            Step::Subscribe { client } => {
                let filters = [Subscription {
                    filter: TopicFilter::new("s/#").unwrap(),
                    options: SubscriptionOptions::new(Q1),
                }];
                let subscribe = Subscribe {
                    packet_id: id(60_000),
                    properties: Properties::EMPTY,
                    filters: Subscriptions::new(&filters),
                };
                self.send(client, Packet::Subscribe(subscribe));
            }
            Step::Unsubscribe { client } => {
                let filters = [TopicFilter::new("s/#").unwrap()];
                let unsubscribe = Unsubscribe {
                    packet_id: id(60_001),
                    properties: Properties::EMPTY,
                    filters: Filters::new(&filters),
                };
                self.send(client, Packet::Unsubscribe(unsubscribe));
            }
            Step::Auth { client, again, right } => {
                let list = [Property::AuthenticationMethod(if right { "M" } else { "N" })];
                let code = if again {
                    ReasonCode::RE_AUTHENTICATE
                } else {
                    ReasonCode::CONTINUE_AUTHENTICATION
                };
                self.send(
                    client,
                    Packet::Auth(Auth {
                        code,
                        properties: Properties::new(&list),
                    }),
                );
            }
            Step::Ping { client } => self.send(client, Packet::PingReq),
            Step::Disconnect { client } => {
                let disconnect = mqtt_proto::packet::Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
                self.send(client, Packet::Disconnect(disconnect));
            }
            Step::Cut { client } => self.close(client),
            Step::Take { client, bytes } => {
                if let Some(client) = &mut self.clients[client] {
                    let mut out = vec![0; bytes];
                    let net = &mut self.desk.net;
                    let n = net.server.take_transmit(net.now, client.end.id, &mut out);
                    client.got.extend_from_slice(&out[..n]);
                }
            }
            Step::Poll => {
                if let Some(ticket) = self.desk.net.server.poll_question() {
                    self.desk.told.push(ticket);
                }
            }
            Step::Decide { which, how } => {
                // The newest ones mostly: among the others are those that were decided before.
                if let Some(ticket) = self.desk.net.server.poll_question() {
                    self.desk.told.push(ticket);
                }
                let told = &self.desk.told;
                if let Some(&ticket) = told.iter().rev().nth(which) {
                    self.decide(ticket, decision(how));
                }
            }
            Step::Pass { millis } => self.desk.net.pass(core::time::Duration::from_millis(millis)),
        }
        for at in 0..self.clients.len() {
            self.feed(at);
            let over = |client: &Client| self.desk.net.server.wants_close(client.end.id);
            if self.clients[at].as_ref().is_some_and(over) {
                self.close(at);
            }
        }
        self.listen();
    }

    fn listen(&mut self) {
        let net = &mut self.desk.net;
        let mut out = [0; 512];
        let mut bytes = Vec::new();
        loop {
            let n = net.server.take_transmit(net.now, self.watcher.id, &mut out);
            bytes.extend_from_slice(&out[..n]);
            if n < out.len() {
                break;
            }
        }
        packets(V5, &bytes, |packet| {
            if let Packet::Publish(publish) = packet {
                let n = number(publish.payload);
                assert!(n == 0 || self.heard.insert(n), "{n} came twice");
                // The watcher asked for QoS 2.
                if let Some(id) = publish.head.packet_id {
                    let ack = mqtt_proto::packet::Ack::new(id, ReasonCode::SUCCESS);
                    let answers = if publish.head.qos == Q1 {
                        vec![Packet::PubAck(ack)]
                    } else {
                        vec![Packet::PubRec(ack), Packet::PubComp(ack)]
                    };
                    for answer in answers {
                        net.send(self.watcher, answer);
                    }
                }
            }
        });
    }

    fn finish(mut self) {
        for at in 0..self.clients.len() {
            if let Some(client) = &mut self.clients[at] {
                let net = &mut self.desk.net;
                let mut out = vec![0; 4096];
                let n = net.server.take_transmit(net.now, client.end.id, &mut out);
                client.got.extend_from_slice(&out[..n]);
            }
            self.close(at);
        }
        self.desk.net.pass_secs(20);
        // Of who has left by DISCONNECT, what waits before it is asked one after the other, each with its own time.
        let mut counts = self.desk.counts();
        while counts.asked > counts.decided + counts.expired + counts.abandoned {
            let before = counts.expired;
            self.desk.net.pass_secs(5);
            counts = self.desk.counts();
            assert!(counts.expired > before, "one is forgotten: {counts:?}");
        }
        assert_eq!(counts.asked, counts.decided + counts.expired + counts.abandoned);
        self.listen();
        self.listen();
        assert_eq!(self.desk.net.server.poll_question(), None);
        for &ticket in &self.desk.told {
            assert!(self.desk.net.server.question(ticket).is_none());
        }
        assert_eq!(
            self.desk.net.server.broker().holdings().connections,
            1,
            "the watcher"
        );
        assert!(
            self.heard.is_subset(&self.allowed),
            "nothing comes that was not allowed"
        );
        for (version, bytes) in &self.sent {
            packets(*version, bytes, |packet| {
                let (Packet::PubAck(ack) | Packet::PubRec(ack)) = packet else {
                    return;
                };
                let n = ack.packet_id.get();
                let dropped = self.of_3.contains(&n) && self.refused.contains(&n);
                assert!(
                    ack.code.is_failure() || dropped || self.heard.contains(&n),
                    "{n} was acknowledged"
                );
            });
        }
    }
}

/// The number of a message; 0 for a will.
fn number(payload: &[u8]) -> u16 {
    let digits = payload
        .get(..5)
        .and_then(|digits| core::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn packets(version: Version, mut bytes: &[u8], mut see: impl FnMut(Packet<'_>)) {
    while let Ok(Frame::Len(len)) = frame_len(bytes, u32::MAX) {
        see(Packet::decode(version, Sender::Server, &bytes[..len]).expect("a packet"));
        bytes = &bytes[len..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_acknowledged_is_there_and_no_question_is_forgotten(steps in prop::collection::vec(step(), 1..250)) {
        let mut office = Office::new();
        for step in &steps {
            office.step(step);
        }
        office.finish();
    }
}
