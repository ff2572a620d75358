//! A gate between clients and a server: what is asked, and what the clients are told.

use std::sync::{Arc, mpsc};

use mqtt_access::{Door, Gate, Passwords, Rules, Verifier};
use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, ReasonCode, Sender, TopicFilter, TopicName, Version, frame_len,
    packet::{Connect, List, Publish, PublishHead, Subscribe, Subscription, SubscriptionOptions, Will},
};
use mqtt_session::{
    Instant,
    server::{ConnId, Decision, Peer, Server, ServerConfig, Ticket},
};

const NOW: Instant = Instant::from_secs(1);

struct World {
    server: Server,
    gate: Gate,
}

impl World {
    fn new(doors: Vec<Door>) -> Self {
        let mut config = ServerConfig::default();
        for (number, door) in (0..).zip(&doors) {
            let offer = config.offer_mut(number);
            offer.asks = door.asks();
            offer.grant = door.grant_at(number);
        }
        Self {
            server: Server::new(config),
            gate: Gate::new(doors, Verifier::new(1, 10).unwrap()),
        }
    }

    fn open(&mut self, listener: u16) -> ConnId {
        let mut peer = Peer::default();
        peer.listener = listener;
        self.server.open(NOW, peer).unwrap()
    }

    /// Gives the server a packet, answers its questions, and says what the client gets.
    fn exchange(&mut self, conn: ConnId, version: Version, packet: &Packet<'_>) -> Vec<String> {
        let mut bytes = [0; 1024];
        let bytes = packet.encode(version, &mut bytes).unwrap();
        assert_eq!(self.server.handle_input(NOW, conn, bytes), bytes.len());
        while let Some(ticket) = self.server.poll_question() {
            let (answer, answered) = mpsc::channel();
            let question = self.server.question(ticket).unwrap();
            let decision = self.gate.decide(&question, move |ticket: Ticket, decision| {
                answer.send((ticket, decision)).unwrap();
            });
            let (ticket, decision) = match decision {
                Some(decision) => (ticket, decision),
                None => answered.recv().unwrap(),
            };
            self.server.handle_decision(NOW, ticket, decision);
        }
        let mut out = [0; 1024];
        let n = self.server.take_transmit(NOW, conn, &mut out);
        let mut rest = &out[..n];
        let mut said = Vec::new();
        while let Ok(Frame::Len(len)) = frame_len(rest, 1024) {
            let packet = Packet::decode(version, Sender::Server, &rest[..len]).unwrap();
            said.push(packet.to_string());
            rest = &rest[len..];
        }
        said
    }

    /// Connects, and gives the reason code.
    fn connect(&mut self, listener: u16, connect: &Connect<'_>) -> (ConnId, String) {
        let conn = self.open(listener);
        let said = self.exchange(conn, connect.version, &Packet::Connect(*connect));
        (conn, code(&said[0]))
    }
}

/// The reason code of a packet, as it is shown.
fn code(line: &str) -> String {
    line.split(' ')
        .find_map(|word| word.strip_prefix("code="))
        .unwrap_or_default()
        .into()
}

fn door(anonymous: bool, users: &[&str], rules: Option<&str>) -> Door {
    let mut door = Door::OPEN;
    door.anonymous = anonymous;
    if !users.is_empty() {
        let mut passwords = Passwords::default();
        for user in users {
            passwords.set(user, user.as_bytes()).unwrap();
        }
        door.passwords = Some(Arc::new(passwords));
    }
    door.rules = rules.map(|text| Arc::new(text.parse::<Rules>().unwrap()));
    door
}

fn client<'a>(id: &'a str, user: Option<&'a str>, password: Option<&'a str>) -> Connect<'a> {
    let mut connect = Connect::new(Version::V5, id);
    connect.user_name = user;
    connect.password = password.map(str::as_bytes);
    connect
}

fn publish(topic: &str) -> Packet<'_> {
    let head = PublishHead {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TopicName::new(topic).unwrap(),
        packet_id: PacketId::new(7),
        properties: Properties::EMPTY,
    };
    Packet::Publish(Publish { head, payload: b"x" })
}

fn wanted(filter: &str) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(QoS::AtLeastOnce),
    }
}

fn subscribe<'a>(filters: &'a [Subscription<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::new(1).unwrap(),
        properties: Properties::EMPTY,
        filters: List::new(filters),
    })
}

#[test]
fn an_open_door_asks_nothing() {
    assert_eq!(Door::OPEN.asks(), mqtt_session::server::Asks::NOTHING);
}

#[test]
fn who_may_come_is_a_matter_of_the_listener() {
    let mut world = World::new(vec![
        door(false, &["ann"], None),
        door(true, &["ann"], None),
        door(true, &[], Some("default allow")),
        door(false, &[], None),
    ]);
    let (ann, wrong) = (("ann", "ann"), ("ann", "bob"));
    for (listener, [none, right, not]) in [
        ["0x87", "0", "0x86"],
        ["0", "0", "0x86"],
        ["0", "0", "0"],
        ["0x87", "0x87", "0x87"],
    ]
    .into_iter()
    .enumerate()
    {
        for (user, expected) in [(None, none), (Some(ann), right), (Some(wrong), not)] {
            let connect = client("c", user.map(|user| user.0), user.map(|user| user.1));
            let (_, code) = world.connect(listener as u16, &connect);
            assert_eq!(code, expected, "listener {listener}, {user:?}");
        }
    }
}

#[test]
fn a_user_without_a_password_or_with_a_method_is_refused() {
    let mut world = World::new(vec![door(false, &["ann"], None)]);
    assert_eq!(world.connect(0, &client("c", Some("ann"), None)).1, "0x86");
    let mut connect = client("c", Some("ann"), Some("ann"));
    let method = [mqtt_proto::Property::AuthenticationMethod("m")];
    connect.properties = Properties::new(&method);
    assert_eq!(world.connect(0, &connect).1, "0x8c");
}

#[test]
fn rules_know_the_user_after_the_password_was_right() {
    let rules = "allow users both %u/#\nallow anonymous both all/#";
    let mut world = World::new(vec![door(true, &["ann", "bob"], Some(rules))]);
    for (user, allowed, refused) in [
        (Some("ann"), "ann/x", "bob/x"),
        (Some("bob"), "bob/x", "ann/x"),
        (None, "all/x", "ann/x"),
    ] {
        let id = user.unwrap_or("nobody");
        let (conn, code) = world.connect(0, &client(id, user, user));
        assert_eq!(code, "0");
        let v5 = Version::V5;
        let said = world.exchange(conn, v5, &publish(allowed));
        assert_eq!(self::code(&said[0]), "0x10", "allowed, and nobody is there");
        let said = world.exchange(conn, v5, &publish(refused));
        assert_eq!(self::code(&said[0]), "0x87", "{user:?}");
        let filters = [allowed, refused, "#"].map(wanted);
        let said = world.exchange(conn, v5, &subscribe(&filters));
        assert!(said[0].contains("codes=[1 0x87 0x87]"), "{said:?}");
        world.server.handle_disconnect(NOW, conn);
    }
}

#[test]
fn a_password_is_verified_elsewhere_and_a_crowd_is_told_to_come_later() {
    // The one thread is held, one password may wait: whoever asks is answered at once all the same.
    let door = door(false, &["ann"], None);
    let passwords = door.passwords.clone().unwrap();
    let mut world = World::new(vec![door.clone()]);
    let verifier = Verifier::new(1, 1).unwrap();
    let (begin, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let hold = move |_| {
        begin.send(()).unwrap();
        held.recv().unwrap();
    };
    verifier.verify(passwords, "ann", b"ann", hold).unwrap();
    begun.recv().unwrap();
    let gate = Gate::new(vec![door], verifier);
    let (answer, answered) = mpsc::channel();
    let mut asked = Vec::new();
    for id in ["one", "two"] {
        let conn = world.open(0);
        let mut bytes = [0; 100];
        let packet = Packet::Connect(client(id, Some("ann"), Some("ann")));
        let bytes = packet.encode(Version::V5, &mut bytes).unwrap();
        world.server.handle_input(NOW, conn, bytes);
        let ticket = world.server.poll_question().unwrap();
        let answer = answer.clone();
        let later = move |ticket, decision| answer.send((ticket, decision)).unwrap();
        asked.push((
            ticket,
            gate.decide(&world.server.question(ticket).unwrap(), later),
        ));
    }
    drop(answer);
    let busy = Decision::Deny(ReasonCode::SERVER_BUSY);
    assert_eq!((&asked[0].1, &asked[1].1), (&None, &Some(busy)));
    release.send(()).unwrap();
    let answers: Vec<_> = answered.into_iter().collect();
    let [(ticket, Decision::Accept(_))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(*ticket, asked[0].0);
}

#[test]
fn a_will_that_may_not_be_published_keeps_its_client_out() {
    let mut world = World::new(vec![door(true, &["ann"], Some("allow user ann publish ann/#"))]);
    for (user, topic, expected) in [
        (Some("ann"), "ann/gone", "0"),
        (Some("ann"), "bob/gone", "0x87"),
        (None, "ann/gone", "0x87"),
    ] {
        let mut connect = client("c", user, user);
        connect.will = Some(Will {
            topic: TopicName::new(topic).unwrap(),
            payload: b"",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        });
        assert_eq!(world.connect(0, &connect).1, expected, "{user:?} {topic}");
    }
}

#[test]
fn other_doors_hold_from_then_on() {
    let mut world = World::new(vec![door(true, &[], Some("allow everyone publish a"))]);
    let (conn, _) = world.connect(0, &client("c", None, None));
    for (rules, expected) in [
        ("allow everyone publish b", "0x87"),
        ("allow everyone publish a", "0x10"),
    ] {
        world.gate.replace(vec![door(true, &[], Some(rules))]);
        let said = world.exchange(conn, Version::V5, &publish("a"));
        assert_eq!(code(&said[0]), expected, "{rules}");
    }
}

#[test]
fn a_review_takes_from_those_inside_what_they_could_not_have_any_more() {
    let mut world = World::new(vec![door(
        true,
        &["ann", "bob"],
        Some("allow everyone subscribe #"),
    )]);
    let v5 = Version::V5;
    let ids = ["ann", "bob", "nobody"];
    let conns = ids.map(|id| {
        let user = Some(id).filter(|&id| id != "nobody");
        let (conn, code) = world.connect(0, &client(id, user, user));
        assert_eq!(code, "0");
        let filters = ["a/#", "b/#"].map(wanted);
        world.exchange(conn, v5, &subscribe(&filters));
        conn
    });
    let gate = world.gate.clone();
    let nothing = gate.review(world.server.broker_mut(), NOW);
    assert_eq!((nothing.clients, nothing.subscriptions), (0, 0));

    let rules = "allow user ann subscribe #\nallow everyone subscribe a/#";
    gate.replace(vec![door(true, &["ann"], Some(rules))]);
    let done = gate.review(world.server.broker_mut(), NOW);
    // Bob's session ends with his connection.
    assert_eq!((done.clients, done.subscriptions), (1, 1));
    let mut out = [0; 100];
    let told = conns.map(|conn| {
        let n = world.server.take_transmit(NOW, conn, &mut out);
        (n > 0).then(|| code(&Packet::decode(v5, Sender::Server, &out[..n]).unwrap().to_string()))
    });
    assert_eq!(told, [None, Some("0x87".into()), Some("0x98".into())]);
}
