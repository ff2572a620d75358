//! A server and its three clients, the pipes between them, and what must hold.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{
    Packet, PacketId, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{
        Ack, Auth, Connect, Disconnect, Filters, Publish, PublishHead, RetainHandling, Subscribe,
        Subscription, SubscriptionOptions, Subscriptions, Unsubscribe, Will,
    },
};
use mqtt_session::{
    Body, Instant,
    server::{
        Challenge, ConnId, Decision, Peer, Refusal, Remarks, Server, ServerConfig, ServerEvent, Terms, Ticket,
    },
};

use super::wire::Wire;
use crate::{encoded, show};

/// Connections at a time.
pub(super) const PLACES: usize = 3;

const TOPICS: [&str; 6] = ["a", "a/b", "b", "$SYS/x", "a/b/c", "1/2/3/4/5/6/7/8/9"];
const FILTERS: [&str; 10] = [
    "a",
    "#",
    "a/#",
    "+/b",
    "+",
    "$share/g/a",
    "$share/g/#",
    "$share/h/+/b",
    "$SYS/#",
    "b",
];

/// A transport with a client at its end.
struct Place {
    id: ConnId,
    wire: Wire,
    /// What the client sent and the server has not consumed.
    pipe: Vec<u8>,
}

pub(super) struct Net {
    server: Server,
    config: ServerConfig,
    now: Instant,
    places: [Option<Place>; PLACES],
    /// Every filter that a client ever asked for, by its id, with the version it spoke then.
    filters: BTreeMap<String, BTreeSet<(String, Version)>>,
    /// How often each connection was told to be over.
    over: BTreeMap<ConnId, u32>,
    opened: u64,
    /// Questions that were told, decided ones too.
    told: Vec<Ticket>,
}

impl Net {
    pub(super) fn new(config: ServerConfig) -> Self {
        Self {
            server: Server::new(config.clone()),
            config,
            now: Instant::from_secs(1000),
            places: [const { None }; PLACES],
            filters: BTreeMap::new(),
            over: BTreeMap::new(),
            opened: 0,
            told: Vec::new(),
        }
    }

    pub(super) fn version(&self, at: usize) -> Option<Version> {
        self.places[at].as_ref().and_then(|place| place.wire.version)
    }

    pub(super) fn asks(&self) -> bool {
        self.config.offer(0).asks.connect
    }

    // What the owner does.

    /// Decides a question, or one that is decided already.
    pub(super) fn decide(&mut self, which: usize, how: u8) {
        self.told
            .extend(core::iter::from_fn(|| self.server.poll_question()));
        let Some(&ticket) = self.told.iter().rev().nth(which) else {
            return;
        };
        if let Some(question) = self.server.question(ticket) {
            show(|| format!("{} asks: {:?}", question.client_id, question.asked));
            assert_eq!(question.ticket, ticket);
            assert!(question.deadline > Instant::ZERO);
        }
        let mut remarks = Remarks::reason("because");
        remarks.user_properties.push(("k".into(), "v".into()));
        let decision = match how & 7 {
            0 | 1 => Decision::Allow,
            2 => Decision::Deny(ReasonCode(0x80 | how >> 3)),
            3 => Decision::Each([ReasonCode(how >> 6), ReasonCode(0x87)].into()),
            4 => Decision::Continue(Box::default()),
            5 => {
                let mut terms = Terms::default();
                terms.auth_data = Some([how].into());
                terms.client_id = Some("d".into());
                terms.server_keep_alive = Some(5);
                terms.remarks = remarks;
                Decision::Accept(Box::new(terms))
            }
            6 => {
                let mut refusal = Refusal::redirect(ReasonCode(0x80 | how >> 3), "elsewhere");
                refusal.remarks.user_properties = remarks.user_properties;
                Decision::Refuse(Box::new(refusal))
            }
            _ => {
                let mut challenge = Challenge::default();
                challenge.data = Some(vec![how; usize::from(how)].into());
                challenge.remarks = remarks;
                Decision::Continue(Box::new(challenge))
            }
        };
        self.server.handle_decision(self.now, ticket, decision);
    }

    /// Allows all that is open; false if nothing is.
    fn allow_all(&mut self) -> bool {
        let mut open = core::mem::take(&mut self.told);
        open.extend(core::iter::from_fn(|| self.server.poll_question()));
        open.retain(|&ticket| self.server.question(ticket).is_some());
        for &ticket in &open {
            self.server.handle_decision(self.now, ticket, Decision::Allow);
        }
        !open.is_empty()
    }

    // What clients do.

    fn open(&mut self, at: usize) {
        if self.places[at].is_some() {
            return;
        }
        let id = self
            .server
            .open(self.now, Peer::default())
            .expect("there are as many places as the limit allows");
        assert_eq!(self.over.insert(id, 0), None, "{id} is new");
        self.opened += 1;
        self.places[at] = Some(Place {
            id,
            wire: Wire::new(self.opened),
            pipe: Vec::new(),
        });
    }

    pub(super) fn cut(&mut self, at: usize) {
        if let Some(place) = self.places[at].take() {
            self.server.handle_disconnect(self.now, place.id);
            assert!(self.server.wants_close(place.id), "an id that is gone");
            assert!(self.server.poll_transmit(self.now, place.id).is_none());
        }
    }

    pub(super) fn client_sends(&mut self, at: usize, bytes: &[u8]) {
        self.open(at);
        if let Some(place) = &mut self.places[at] {
            place.pipe.extend(bytes);
        }
        self.read(at);
    }

    fn send(&mut self, at: usize, packet: &Packet<'_>) {
        let version = self.version(at).unwrap_or(Version::V311);
        if let Some(bytes) = encoded(packet, version) {
            self.client_sends(at, &bytes);
        }
    }

    pub(super) fn connect(&mut self, at: usize, version: Version, how: u8, more: u8) {
        if how & 4 == 0 {
            self.cut(at);
        }
        let mut list = vec![Property::SessionExpiryInterval(
            [0, 10, 5000, u32::MAX][usize::from(more & 3)],
        )];
        if more & 4 != 0 {
            list.push(Property::ReceiveMaximum(1 + u16::from(more & 1)));
        }
        if more & 8 != 0 {
            list.push(Property::MaximumPacketSize(60));
        }
        if self.asks() && more & 3 == 3 {
            list.push(Property::AuthenticationMethod("M"));
        }
        let delay = [Property::WillDelayInterval(u32::from(more >> 4) * 3)];
        let v5 = version.has_properties();
        let will = Will {
            topic: TopicName::new(TOPICS[usize::from(more >> 5) % 4]).expect("a topic"),
            payload: b"will",
            qos: QoS::from_u8(more >> 5 & 1).unwrap_or_default(),
            retain: more & 128 != 0,
            properties: Properties::new(if v5 && more & 64 != 0 { &delay } else { &[] }),
        };
        let connect = Connect {
            version,
            clean_start: how & 8 != 0,
            keep_alive: if how & 16 != 0 { 7 } else { 0 },
            client_id: ["a", "b", "c", ""][usize::from(how >> 6)],
            will: (how & 32 != 0).then_some(will),
            user_name: None,
            password: None,
            properties: Properties::new(if v5 { &list } else { &[] }),
        };
        if let Some(bytes) = encoded(&Packet::Connect(connect), version) {
            self.client_sends(at, &bytes);
        }
    }

    pub(super) fn publish(&mut self, at: usize, how: u8, what: u8, id: u8) {
        let qos = QoS::from_u8(how & 3).unwrap_or_default();
        let v5 = self.version(at) == Some(Version::V5);
        let list = [
            Property::MessageExpiryInterval(20),
            Property::UserProperty("k", "v"),
            Property::TopicAlias(1),
        ];
        let properties = match how >> 4 & 3 {
            1 if v5 => &list[..1],
            2 if v5 => &list[..2],
            3 if v5 && how & 64 != 0 => &list[..3],
            _ => &[],
        };
        let payload = vec![b'm'; usize::from(what) >> (how >> 6)];
        let head = PublishHead {
            dup: how & 4 != 0 && qos > QoS::AtMostOnce,
            qos,
            retain: how & 8 != 0,
            topic: TopicName::new(TOPICS[usize::from(what) % TOPICS.len()]).expect("a topic"),
            packet_id: (qos > QoS::AtMostOnce).then(|| packet_id(id)),
            properties: Properties::new(properties),
        };
        self.send(
            at,
            &Packet::Publish(Publish {
                head,
                payload: &payload,
            }),
        );
    }

    pub(super) fn subscribe(&mut self, at: usize, how: u8, which: u8, id: u8) {
        let version = self.version(at).unwrap_or(Version::V311);
        let v5 = version.has_properties();
        let filters: Vec<_> = (0..=how & 1)
            .map(|n| Subscription {
                filter: filter(which.wrapping_add(n)),
                options: SubscriptionOptions {
                    qos: QoS::from_u8(how >> 1 & 3).unwrap_or(QoS::ExactlyOnce),
                    no_local: v5 && how & 8 != 0,
                    retain_as_published: v5 && how & 16 != 0,
                    retain_handling: if v5 {
                        RetainHandling::from_u8(how >> 5 & 3).unwrap_or_default()
                    } else {
                        RetainHandling::default()
                    },
                },
            })
            .collect();
        let list = [Property::SubscriptionIdentifier(u32::from(which) + 1)];
        self.send(
            at,
            &Packet::Subscribe(Subscribe {
                packet_id: packet_id(id),
                properties: Properties::new(if v5 && how & 128 != 0 { &list } else { &[] }),
                filters: Subscriptions::new(&filters),
            }),
        );
    }

    pub(super) fn unsubscribe(&mut self, at: usize, which: u8, id: u8) {
        self.send(
            at,
            &Packet::Unsubscribe(Unsubscribe {
                packet_id: packet_id(id),
                properties: Properties::EMPTY,
                filters: Filters::new(&[filter(which)]),
            }),
        );
    }

    pub(super) fn answer(&mut self, at: usize, which: usize, how: u8) -> bool {
        let place = self.places[at].as_mut();
        let Some(bytes) = place.and_then(|place| place.wire.client_answers(which, how)) else {
            return false;
        };
        self.client_sends(at, &bytes);
        true
    }

    pub(super) fn acknowledge(&mut self, at: usize, how: u8, id: u8) {
        if self.asks() && how & 0x30 == 0x30 {
            let list = [Property::AuthenticationMethod(if how & 0x40 == 0 {
                "M"
            } else {
                "N"
            })];
            let auth = Auth {
                code: ReasonCode([0x18, 0x19][usize::from(how & 1)]),
                properties: Properties::new(&list),
            };
            return self.send(at, &Packet::Auth(auth));
        }
        let code = [0x00, 0x00, 0x10, 0x97][usize::from(how >> 2 & 3)];
        let ack = Ack::new(packet_id(id), ReasonCode(code));
        self.send(
            at,
            &match how & 3 {
                0 => Packet::PubAck(ack),
                1 => Packet::PubRec(ack),
                2 => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            },
        );
    }

    pub(super) fn disconnect(&mut self, at: usize, how: u8) {
        let list = [Property::SessionExpiryInterval(100)];
        let v5 = self.version(at) == Some(Version::V5);
        let last = Disconnect {
            code: ReasonCode(if v5 {
                [0x00, 0x04, 0x81][usize::from(how % 3)]
            } else {
                0
            }),
            properties: Properties::new(if v5 && how & 8 != 0 { &list } else { &[] }),
        };
        self.send(at, &Packet::Disconnect(last));
    }

    pub(super) fn wait(&mut self, span: Duration, back: bool) {
        self.now = if back { self.now - span } else { self.now + span };
    }

    // The transport.

    fn read(&mut self, at: usize) {
        let Self {
            server,
            places,
            filters,
            now,
            ..
        } = self;
        let Some(place) = &mut places[at] else { return };
        while server.wants_input(place.id) && !place.pipe.is_empty() {
            let consumed = server.handle_input(*now, place.id, &place.pipe);
            assert!(consumed <= place.pipe.len());
            if consumed == 0 {
                return;
            }
            let bytes: Vec<u8> = place.pipe.drain(..consumed).collect();
            place.wire.read_by_server(&bytes, |client_id, version, filter| {
                let all = filters.entry(client_id.to_owned()).or_default();
                all.insert((filter.as_str().to_owned(), version));
            });
        }
    }

    /// At most so many bytes of the next packet leave.
    pub(super) fn write(&mut self, at: usize, n: usize) {
        let Some(place) = &mut self.places[at] else { return };
        let Some(transmit) = self.server.poll_transmit(self.now, place.id) else {
            return;
        };
        let Body::Bytes(body) = transmit.body else {
            panic!("a server has no other payloads")
        };
        assert!(!transmit.is_empty());
        let mut bytes = [transmit.head, body].concat();
        let len = bytes.len();
        let again = self.server.poll_transmit(self.now, place.id);
        assert_eq!(
            again.map(|transmit| transmit.len()),
            Some(len),
            "asking changes nothing"
        );
        bytes.truncate(n);
        self.server.handle_written(self.now, place.id, bytes.len());
        self.arrived(at, &bytes);
    }

    pub(super) fn take(&mut self, at: usize, room: usize) -> usize {
        let Some(place) = &self.places[at] else { return 0 };
        let mut out = vec![0; room];
        let n = self.server.take_transmit(self.now, place.id, &mut out);
        assert!(n <= room);
        self.arrived(at, &out[..n]);
        n
    }

    fn arrived(&mut self, at: usize, bytes: &[u8]) {
        let filters = &self.filters;
        if let Some(place) = &mut self.places[at] {
            place.wire.written_by_server(bytes, |client_id, topic, version| {
                let topic = TopicName::new(topic).expect("a topic that was decoded");
                // `$` is like any other letter in 3.1, and `$share` in 3.x; a session may go from version to version.
                filters.get(client_id).is_some_and(|all| {
                    all.iter()
                        .any(|(filter, then)| [*then, version].iter().any(|&v| matches(filter, topic, v)))
                })
            });
        }
    }

    /// Serves the connections that are ready, as a server's loop does, until none is.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(id) = self.server.poll_ready() else {
                if self.allow_all() {
                    continue;
                }
                return self.check_settled();
            };
            let Some(at) =
                (0..PLACES).find(|&at| self.places[at].as_ref().is_some_and(|place| place.id == id))
            else {
                continue;
            };
            self.read(at);
            while self.take(at, 700) > 0 {}
            if self.server.wants_close(id) {
                self.cut(at);
            }
        }
        panic!("always ready");
    }

    fn check_settled(&mut self) {
        for place in self.places.iter_mut().flatten() {
            let id = place.id;
            assert!(
                self.server.poll_transmit(self.now, id).is_none(),
                "{id} has something to write, and was not ready"
            );
            assert!(
                !self.server.wants_close(id),
                "{id} is to be closed, and was not ready"
            );
            assert!(!place.wire.broken, "{id} broke a rule, and goes on");
            if self.server.wants_input(id) {
                let consumed = self.server.handle_input(self.now, id, &place.pipe);
                assert_eq!(consumed, 0, "{id} may be read again, and was not ready");
            }
            if place.wire.is_open() {
                assert!(place.wire.is_answered(), "{id} waits for {:?}", place.wire.owed());
            }
        }
    }

    /// All clients answer all they are asked, well, until there is nothing left to say.
    pub(super) fn answer_all(&mut self) {
        for _ in 0..5_000 {
            self.settle();
            let answered = (0..PLACES).filter(|&at| self.answer(at, 0, 0)).count();
            if answered == 0 {
                return;
            }
        }
        panic!("an exchange without an end");
    }

    // What must hold.

    pub(super) fn check(&mut self) {
        for _ in 0..100 {
            match self.server.poll_timeout() {
                Some(at) if at <= self.now => self.server.handle_timeout(self.now),
                _ => return self.check_limits(),
            }
        }
        panic!("always due");
    }

    fn check_limits(&mut self) {
        while let Some(event) = self.server.poll_event() {
            if let ServerEvent::Disconnected { conn, .. } = event {
                let times = self.over.entry(conn).or_default();
                *times += 1;
                assert_eq!(*times, 1, "{conn} ends once");
            }
        }
        let holdings = self.server.broker().holdings();
        let open = self.places.iter().flatten().count();
        // One whose client has gone may still wait for a decision.
        assert!(holdings.connections == open || (self.asks() && holdings.connections > open));
        let questions = self.server.broker().question_counts();
        assert!(questions.asked >= questions.decided + questions.expired + questions.abandoned);
        let limits = &self.config.limits;
        assert!(holdings.sessions <= limits.sessions);
        assert!(holdings.retained_messages <= limits.retained_messages);
        assert!(holdings.retained_bytes <= limits.retained_bytes);
    }

    /// Everything is said, all clients go, and their sessions expire.
    pub(super) fn finish(&mut self) {
        self.answer_all();
        self.check();
        for at in 0..PLACES {
            self.cut(at);
        }
        self.check();
        for (conn, times) in &self.over {
            assert_eq!(*times, 1, "{conn} was told to be over");
        }
        // The clock may have gone back before.
        self.now = self.now + Duration::from_secs(1_000_000_000);
        self.check();
        let holdings = self.server.broker().holdings();
        let questions = self.server.broker().question_counts();
        assert_eq!(
            questions.asked,
            questions.decided + questions.expired + questions.abandoned,
            "no question is forgotten"
        );
        let left = [
            holdings.connections,
            holdings.sessions,
            holdings.subscriptions,
            holdings.queued_messages,
            holdings.queued_bytes,
            holdings.in_flight,
        ];
        assert_eq!(left, [0; 6], "connections, sessions, and what was in them");
        while let Some(id) = self.server.poll_ready() {
            assert!(self.server.poll_transmit(self.now, id).is_none());
        }
    }
}

fn packet_id(byte: u8) -> PacketId {
    PacketId::new(u16::from(byte % 5) + 1).unwrap_or(PacketId::MIN)
}

fn filter(which: u8) -> TopicFilter<'static> {
    TopicFilter::new(FILTERS[usize::from(which) % FILTERS.len()]).expect("a filter")
}

fn matches(filter: &str, topic: TopicName<'_>, version: Version) -> bool {
    let Ok(filter) = TopicFilter::new(filter) else {
        return false;
    };
    let shared = filter.share().map(|share| share.filter());
    filter.matches(topic, version) || shared.is_some_and(|filter| filter.matches(topic, version))
}
