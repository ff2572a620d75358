//! What a server keeps in a store is there again after its process has died, and nothing that depends on it is told before it
//! is safe.

use core::time::Duration;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode, TopicFilter,
    packet::{Connect, SubscriptionOptions, Will},
};
use mqtt_session::{
    Instant,
    record::broker::{Entry, EntryError, Key},
    server::{Grant, Pool, RestoreError, Server, ServerConfig},
    testing::{Entries, Store},
};

use crate::net::*;

/// A server with a store.
struct World {
    net: Net,
    store: Store,
}

impl World {
    fn new() -> Self {
        Self {
            net: Net::with(|config| config.durable = true),
            store: Store::default(),
        }
    }

    /// What was done is safe.
    fn sync(&mut self) {
        self.store.turn(&mut self.net.server, self.net.now);
    }

    /// What the server has to say once all is safe: it is polled, made safe, and polled again.
    fn recv(&mut self, end: End) -> Vec<String> {
        let mut said = self.net.recv(end);
        self.sync();
        said.extend(self.net.recv(end));
        said
    }

    /// What it says only when all is safe.
    fn recv_late(&mut self, end: End) -> Vec<String> {
        assert_eq!(self.net.recv(end), [""; 0], "it must wait");
        self.recv(end)
    }

    fn connect(&mut self, connect: Connect<'_>) -> (End, String) {
        let end = self.net.open(connect.version);
        self.net.send(end, Packet::Connect(connect));
        let mut said = self.recv(end);
        (end, said.remove(0))
    }

    /// A client whose session is kept for 100 seconds, and whether it was there.
    fn keeper(&mut self, client_id: &str) -> (End, bool) {
        self.keeper_with(client_id, None)
    }

    fn keeper_with(&mut self, client_id: &str, will: Option<Will<'_>>) -> (End, bool) {
        let list = [Property::SessionExpiryInterval(100)];
        let (end, said) = self.connect(Connect {
            clean_start: false,
            properties: Properties::new(&list),
            will,
            ..connect(V5, client_id)
        });
        assert!(said.contains("code=0"), "{said}");
        (end, said.contains("session_present=1"))
    }

    fn subscribe(&mut self, end: End, filter: &str) {
        let mut said = self
            .net
            .subscribe_with(end, filter, SubscriptionOptions::new(Q2), None);
        said.extend(self.recv(end));
        assert_eq!(said[0], "SUBACK id=900 codes=[2]");
    }

    /// The process dies. What was not safe is gone.
    fn crash(&mut self) {
        self.store.cut(0);
        self.net.server = Server::restore(self.config(), self.net.now, self.store.safe()).unwrap();
    }

    fn config(&self) -> ServerConfig {
        self.net.server.broker().config().clone()
    }
}

#[test]
fn what_depends_on_the_store_waits_for_it() {
    let mut world = World::new();
    let list = [Property::SessionExpiryInterval(100)];
    let s = world.net.open(V5);
    let kept = Connect {
        properties: Properties::new(&list),
        ..connect(V5, "s")
    };
    world.net.send(s, Packet::Connect(kept));
    assert!(world.recv_late(s)[0].starts_with("CONNACK"));
    let (p, _) = world.connect(connect(V5, "p"));

    let options = SubscriptionOptions::new(Q2);
    assert_eq!(world.net.subscribe_with(s, "t", options, None), [""; 0]);
    assert_eq!(world.recv_late(s), ["SUBACK id=900 codes=[2]"]);

    world.net.publish(p, message("t", Q1, 1, "one"));
    assert_eq!(world.net.recv(s), [""; 0], "PUBLISH of QoS 1, for the first time");
    assert_eq!(world.recv_late(p), ["PUBACK id=1"]);
    assert_eq!(
        world.net.recv(s),
        [r#"PUBLISH topic="t" qos=1 id=1 payload="one""#]
    );
    world.net.puback(s, 1);

    world.net.publish(p, message("t", Q2, 2, "two"));
    assert_eq!(world.net.recv(s), [""; 0], "PUBLISH of QoS 2, for the first time");
    assert_eq!(world.recv_late(p), ["PUBREC id=2"]);
    assert_eq!(world.net.recv(s).len(), 1);
    world.net.pubrec(s, 2);
    assert_eq!(world.recv_late(s), ["PUBREL id=2"]);
    world.net.pubrel(p, 2);
    assert_eq!(
        world.net.recv(p),
        ["PUBCOMP id=2"],
        "its session ends with it, so of its ids nothing is kept"
    );
    let (q, _) = world.keeper("q");
    world.net.publish(q, message("nobody", Q2, 7, ""));
    assert_eq!(world.recv_late(q), ["PUBREC id=7 code=0x10"]);
    world.net.pubrel(q, 7);
    assert_eq!(world.recv_late(q), ["PUBCOMP id=7"]);

    assert_eq!(world.net.unsubscribe(s, "t"), [""; 0]);
    assert_eq!(world.recv_late(s), ["UNSUBACK id=901 codes=[0]"]);
}

#[test]
fn what_depends_on_nothing_does_not_wait() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "t");
    let (p, _) = world.connect(connect(V5, "p"));
    // Something that is not safe, and what waits for it.
    world.net.publish(p, message("t", Q1, 1, "one"));
    assert_eq!(world.net.recv(s), [""; 0]);
    world.net.send(s, Packet::PingReq);
    world.net.say(p, "t", "zero");
    assert_eq!(
        world.net.recv(s),
        ["PINGRESP", r#"PUBLISH topic="t" payload="zero""#]
    );
    // One that changes nothing durable waits for nobody.
    let (other, _) = world.connect(connect(V5, "other"));
    world.net.publish(p, message("t", Q1, 2, "two"));
    world.net.publish(other, message("nobody", Q1, 1, ""));
    assert_eq!(world.net.recv(other), ["PUBACK id=1 code=0x10"]);
    // DISCONNECT comes behind what is owed, and waits for nothing itself.
    world
        .net
        .server
        .disconnect(world.net.now, other.id, ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(world.net.recv(other), ["DISCONNECT code=0x8b", "close"]);
    world
        .net
        .server
        .disconnect(world.net.now, p.id, ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(world.net.recv(p), ["PUBACK id=1"], "that is safe by now");
    assert_eq!(world.recv(p), ["PUBACK id=2", "DISCONNECT code=0x8b", "close"]);
}

#[test]
fn who_waited_is_ready_when_it_is_safe() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    let options = SubscriptionOptions::new(Q1);
    assert_eq!(world.net.subscribe_with(s, "t", options, None), [""; 0]);
    while world.net.server.poll_ready().is_some() {}
    world.sync();
    assert_eq!(world.net.server.poll_ready(), Some(s.id));
    assert_eq!(world.net.recv(s).len(), 1);
}

#[test]
fn a_repeat_waits_for_what_the_first_one_waits_for() {
    let mut world = World::new();
    let (p, _) = world.keeper("p");
    world.store.hold(true);
    world.net.publish(p, message("t", Q2, 1, "one"));
    let mut again = message("t", Q2, 1, "one");
    again.head.dup = true;
    world.sync(); // polled, and not safe
    world.net.publish(p, again);
    assert_eq!(world.recv(p), [""; 0], "the id may yet be forgotten");
    world.store.sync();
    assert_eq!(world.recv(p), ["PUBREC id=1 code=0x10"]);
}

#[test]
fn a_slow_store_makes_no_deadline_that_spins() {
    let mut world = World::new();
    world.store.hold(true);
    let s = world.net.open(V5);
    world.net.send(s, Packet::Connect(connect(V5, "s")));
    world.net.pass_secs(100);
    let next = world.net.server.poll_timeout();
    assert!(next.is_none_or(|at| at > world.net.now), "{next:?}");
    assert!(
        world.net.server.wants_input(s.id),
        "it is not the client that is late"
    );
    world.store.hold(false);
    assert!(world.recv(s)[0].starts_with("CONNACK"));
}

#[test]
fn sessions_subscriptions_queues_and_what_is_in_flight_are_back_in_their_order() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "t");
    let (p, _) = world.connect(connect(V5, "p"));
    for (n, qos) in [(1, Q1), (2, Q2), (3, Q2)] {
        world.net.publish(p, message("t", qos, n, &format!("m{n}")));
    }
    world.recv(s);
    world.net.pubrec(s, 2);
    world.recv(s);
    world.net.cut(s);
    world.net.publish(p, message("t", Q1, 5, "m5"));
    world.sync();
    world.crash();
    let list = [Property::SessionExpiryInterval(100)];
    let s = world.net.open(V5);
    let kept = Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "s")
    };
    world.net.send(s, Packet::Connect(kept));
    let said = world.recv_late(s);
    assert!(said[0].contains("session_present=1"));
    let again = [
        r#"PUBLISH topic="t" qos=1 dup=1 id=1 payload="m1""#,
        "PUBREL id=2",
        r#"PUBLISH topic="t" qos=2 dup=1 id=3 payload="m3""#,
    ];
    assert_eq!(said[1..], again);
    assert_eq!(world.recv(s), [r#"PUBLISH topic="t" qos=1 id=4 payload="m5""#]);
}

#[test]
fn a_qos_2_message_that_was_taken_is_not_taken_again_5_mqtt_4_3_3_10() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "t");
    let (p, _) = world.keeper("p");
    world.net.publish(p, message("t", Q2, 9, "once"));
    assert_eq!(world.recv(p), ["PUBREC id=9"]);
    world.crash();
    let (p, present) = world.keeper("p");
    assert!(present);
    let mut again = message("t", Q2, 9, "once");
    again.head.dup = true;
    world.net.publish(p, again);
    assert_eq!(world.recv(p), ["PUBREC id=9"]);
    assert_eq!(world.net.server.broker().holdings().queued_messages, 1);
    world.net.pubrel(p, 9);
    assert_eq!(world.recv(p), ["PUBCOMP id=9"]);
    world.crash();
    let (p, _) = world.keeper("p");
    world.net.publish(p, message("t", Q2, 9, "another"));
    assert_eq!(world.recv(p), ["PUBREC id=9"]);
    assert_eq!(world.net.server.broker().holdings().queued_messages, 2);
}

#[test]
fn retained_messages_their_order_and_what_is_left_of_their_time_are_back() {
    let mut world = World::new();
    let (p, _) = world.connect(connect(V5, "p"));
    for name in ["a", "b", "gone"] {
        world.net.retain(p, name, name);
    }
    world.net.retain(p, "gone", "");
    let list = [Property::MessageExpiryInterval(50)];
    let mut short = message("short", Q0, 0, "lived");
    (short.head.retain, short.head.properties) = (true, Properties::new(&list));
    world.net.publish(p, short);
    world.sync();
    world.net.now = world.net.now + Duration::from_secs(20);
    world.crash();
    let (s, _) = world.keeper("s");
    let mut said = world
        .net
        .subscribe_with(s, "#", SubscriptionOptions::new(Q2), None);
    said.extend(world.recv(s));
    said.sort();
    let expected = [
        r#"PUBLISH topic="a" retain=1 payload="a""#,
        r#"PUBLISH topic="b" retain=1 payload="b""#,
        r#"PUBLISH topic="short" retain=1 expiry=30 payload="lived""#,
        "SUBACK id=900 codes=[2]",
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        let same = said == expected || said.contains("short") && said.contains("30");
        assert!(same, "{said} for {expected}");
    }
    world.net.pass_secs(30);
    assert_eq!(world.net.server.broker().holdings().retained_messages, 2);
    world.sync();
    world.crash();
    assert_eq!(world.net.server.broker().holdings().retained_messages, 2);
}

#[test]
fn retained_messages_that_a_new_subscription_has_not_had_come_after_a_crash() {
    let mut world = World::new();
    let (p, _) = world.connect(connect(V5, "p"));
    for name in ["a", "b", "c", "d"] {
        let mut message = message(name, Q1, 1, name);
        message.head.retain = true;
        world.net.publish(p, message);
        world.recv(p);
    }
    let list = [Property::SessionExpiryInterval(100), Property::ReceiveMaximum(2)];
    let narrow = || Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "s")
    };
    let (s, _) = world.connect(narrow());
    world.subscribe(s, "#");
    world.crash();
    world.net.server.handle_timeout(world.net.now);
    let (s, said) = world.connect(narrow());
    assert!(said.contains("session_present=1"));
    let mut names = String::new();
    // The first two were under way, and are sent again; they were said with CONNACK.
    for id in 1..=4 {
        world.net.puback(s, id);
        names.extend(world.recv(s));
    }
    assert!(
        names.contains(r#"topic="c""#) && names.contains(r#"topic="d""#),
        "{names}"
    );
    assert!(!names.contains(r#"topic="a""#), "{names}");
}

#[test]
fn a_will_is_published_after_a_crash_as_if_the_connection_was_lost_then() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "w/#");
    let delay = [Property::WillDelayInterval(10)];
    let delayed = Will {
        properties: Properties::new(&delay),
        ..will("w/delayed", b"d")
    };
    world.keeper_with("delayed", Some(delayed));
    // A session of a connection alone ends with it, and its will goes at once.
    world.connect(Connect {
        will: Some(will("w/once", b"o")),
        ..connect(V5, "once")
    });
    // And one who has said goodbye has none.
    let (polite, _) = world.connect(Connect {
        will: Some(will("w/polite", b"p")),
        ..connect(V5, "polite")
    });
    world.net.disconnect(polite, ReasonCode::NORMAL_DISCONNECTION);
    // One whose delay runs already.
    let (early, _) = world.keeper_with(
        "early",
        Some(Will {
            topic: topic("w/early"),
            ..delayed
        }),
    );
    world.net.cut(early);
    world.sync();
    world.net.now = world.net.now + Duration::from_secs(4);
    world.crash();
    let waiting = |world: &World| world.net.server.broker().holdings().queued_messages;
    assert_eq!(waiting(&world), 1, "w/once");
    world.net.pass_secs(5);
    assert_eq!(waiting(&world), 1);
    world.net.pass_secs(1);
    assert_eq!(waiting(&world), 2, "w/early, ten seconds after its connection");
    world.net.pass_secs(4);
    assert_eq!(waiting(&world), 3, "w/delayed, ten seconds after the crash");
    // A will is not published twice, whatever happens.
    world.sync();
    world.crash();
    world.net.pass_secs(50);
    assert_eq!(waiting(&world), 3);
}

#[test]
fn a_session_ends_when_it_is_due_though_the_process_died_meanwhile() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.keeper("t");
    world.net.cut(s);
    world.sync();
    world.net.now = world.net.now + Duration::from_secs(60);
    world.crash();
    world.net.pass_secs(39);
    assert_eq!(world.net.server.broker().holdings().sessions, 2);
    world.net.pass_secs(1);
    assert_eq!(
        world.net.server.broker().holdings().sessions,
        1,
        "100 s after its connection"
    );
    world.net.pass_secs(60);
    assert_eq!(
        world.net.server.broker().holdings().sessions,
        0,
        "100 s after the crash"
    );
    world.sync();
    assert_eq!(world.store.safe(), &Entries::new(), "nothing is left");
}

#[test]
fn an_id_that_was_invented_is_not_invented_again() {
    let mut world = World::new();
    let assigned = |said: &str| said.split("assigned").nth(1).unwrap().to_string();
    let (_, said) = world.connect(connect(V5, ""));
    let first = assigned(&said);
    world.crash();
    let (_, said) = world.connect(connect(V5, ""));
    assert_ne!(first, assigned(&said));
}

#[test]
fn what_a_client_was_granted_is_back() {
    let mut world = World::new();
    world.keeper("s");
    let mut grant = Grant::default();
    (grant.context, grant.limits.queue_messages) = (42, 1);
    assert!(
        world
            .net
            .server
            .broker_mut()
            .set_grant(Pool::DEFAULT, "s", grant.clone())
    );
    world.sync();
    world.crash();
    let broker = world.net.server.broker();
    let session = broker.find_session(Pool::DEFAULT, "s").unwrap();
    assert_eq!(session.grant(), &grant);
}

#[test]
fn a_shared_subscription_goes_on_with_all_its_members() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let (end, _) = world.keeper(name);
        world.subscribe(end, "$share/g/t/#");
    }
    world.crash();
    let (p, _) = world.connect(connect(V5, "p"));
    for n in 1..=4 {
        world.net.publish(p, message("t/x", Q1, n, ""));
    }
    assert_eq!(world.recv(p).len(), 4);
    assert_eq!(
        world.net.server.broker().holdings().queued_messages,
        4,
        "each to one of them"
    );
    // One ends, and its share goes to the other.
    assert!(
        world
            .net
            .server
            .broker_mut()
            .discard_session(world.net.now, Pool::DEFAULT, "a")
    );
    world.sync();
    world.crash();
    assert_eq!(world.net.server.broker().holdings().queued_messages, 4);
}

fn entries() -> Entries {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "#");
    let (p, _) = world.connect(connect(V5, "p"));
    let mut kept = message("t", Q1, 1, "one");
    kept.head.retain = true;
    world.net.publish(p, kept);
    world.recv(s);
    world.net.cut(s);
    world.net.publish(p, message("t", Q1, 2, "two"));
    world.sync();
    world.store.safe().clone()
}

fn restore(entries: &Entries) -> Result<Server, RestoreError> {
    let mut config = ServerConfig::default();
    config.durable = true;
    Server::restore(config, Instant::from_secs(2_000), entries)
}

#[test]
fn a_store_that_no_server_left_is_refused_with_the_key_that_is_wrong() {
    let all = entries();
    assert!(restore(&all).is_ok());
    let mut kinds = 0;
    for (key, value) in &all {
        let mut changed = all.clone();
        changed.insert(key.clone(), [&value[..], b"x"].concat());
        let error = restore(&changed).unwrap_err();
        assert_eq!(error.key(), key);
        assert!(matches!(
            error,
            RestoreError::Entry {
                error: EntryError::Corrupt,
                ..
            }
        ));
        let mut without = all.clone();
        without.remove(key);
        let spoken_of = matches!(Key::decode(key), Some(Key::Session(_) | Key::Message(_)));
        match restore(&without) {
            Ok(_) => assert!(!spoken_of, "{:?}", Key::decode(key)),
            Err(RestoreError::Missing { .. }) => {
                assert!(spoken_of);
                kinds += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(kinds >= 3, "a session and two messages");
    // Two sessions of one client.
    let (key, value) = all
        .iter()
        .find(|(key, _)| matches!(Key::decode(key), Some(Key::Session(_))))
        .unwrap();
    assert!(matches!(Entry::decode(key, value), Ok(Entry::Session { .. })));
    let mut twice = all.clone();
    twice.insert(Key::Session(99).encode(), value.clone());
    assert!(matches!(restore(&twice), Err(RestoreError::Impossible { .. })));
}

#[test]
fn a_message_that_nobody_holds_does_not_stay() {
    let mut all = entries();
    let held = |key: &Vec<u8>| matches!(Key::decode(key), Some(Key::Message(_)));
    let value = all.iter().find(|(key, _)| held(key)).unwrap().1.clone();
    all.insert(Key::Message(77).encode(), value);
    let mut server = restore(&all).unwrap();
    let changes = server.poll_changes().unwrap();
    assert!(
        changes
            .iter()
            .any(|(key, value)| Key::decode(key) == Some(Key::Message(77)) && value.is_none())
    );
}

#[test]
fn what_came_and_went_before_it_was_told_is_not_told() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "t");
    let (p, _) = world.connect(connect(V5, "p"));
    world.net.publish(p, message("t", Q1, 1, "one"));
    world.net.recv(s); // It has its packet id, and goes when that is safe.
    let changes = world.net.server.poll_changes().unwrap();
    let kinds: Vec<_> = changes.iter().map(|(key, _)| Key::decode(key).unwrap()).collect();
    assert!(
        matches!(kinds[..], [Key::Message(_), Key::InFlight { .. }]),
        "{changes:?}"
    );
    // What waits for nothing else but is revoked at once is nothing.
    let filter = TopicFilter::new("u").unwrap();
    world.net.server.handle_persisted(world.net.now, changes.upto());
    world
        .net
        .subscribe_with(s, "u", SubscriptionOptions::new(Q1), None);
    assert!(world.net.server.broker_mut().revoke(Pool::DEFAULT, "s", filter));
    let changes = world.net.server.poll_changes().unwrap();
    assert!(changes.is_empty(), "{changes:?}");
    world.net.server.handle_persisted(world.net.now, changes.upto());
    assert!(world.net.recv(s).contains(&"SUBACK id=900 codes=[1]".to_string()));
}

#[test]
fn without_durability_there_is_nothing_to_poll_and_nothing_waits() {
    let mut net = Net::new();
    let (s, _) = net.keeper(V5, "s");
    net.subscribe(s, "t", Q1);
    assert!(net.server.poll_changes().is_none());
    assert!(net.server.snapshot().is_empty());
}

#[test]
fn who_comes_without_a_session_waits_until_the_one_of_before_is_gone_for_certain() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.store.hold(true);
    assert!(
        world
            .net
            .server
            .broker_mut()
            .discard_session(world.net.now, Pool::DEFAULT, "s")
    );
    world.net.cut(s);
    world.sync(); // polled, and not safe
    let s = world.net.open(V5);
    world.net.send(s, Packet::Connect(connect(V5, "s")));
    assert_eq!(world.recv(s), [""; 0], "a crash would bring the old session back");
    world.store.sync();
    assert!(world.recv(s)[0].starts_with("CONNACK"));
}

#[test]
fn what_goes_and_comes_and_goes_between_two_polls_is_gone() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    world.subscribe(s, "t");
    world.net.unsubscribe(s, "t");
    world
        .net
        .subscribe_with(s, "t", SubscriptionOptions::new(Q1), None);
    world.net.unsubscribe(s, "t");
    world.sync();
    let subscribed = |key: &Vec<u8>| matches!(Key::decode(key), Some(Key::Subscription { .. }));
    assert!(!world.store.safe().keys().any(subscribed));
}

#[test]
fn what_is_retained_after_a_crash_is_newer_than_a_subscription_of_before() {
    let mut world = World::new();
    let (from, _) = world.connect(connect(V5, "p"));
    for (n, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let mut retained = message(name, Q1, n, "old");
        retained.head.retain = true;
        world.net.publish(from, retained);
        drop(world.recv(from));
    }
    let list = [Property::SessionExpiryInterval(100), Property::ReceiveMaximum(1)];
    let small = Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "s")
    };
    let (to, _) = world.connect(small);
    world.subscribe(to, "#");
    // It has the first, and the others are still to come, but for the one that was newest.
    world.net.retain(from, "c", "");
    world.sync();
    world.crash();
    let (from, _) = world.connect(connect(V5, "p"));
    let mut retained = message("d", Q1, 1, "new");
    retained.head.retain = true;
    world.net.publish(from, retained);
    drop(world.recv(from));
    let (to, _) = world.connect(small);
    let mut said = Vec::new();
    // The first was under way, and was sent again with CONNACK.
    for id in 1..=6 {
        world.net.puback(to, id);
        said.extend(world.recv(to));
    }
    let of_d = said
        .iter()
        .filter(|packet| packet.contains(r#"topic="d""#))
        .count();
    assert_eq!(of_d, 1, "{said:?}");
    assert!(
        said.iter().any(|packet| packet.contains(r#"topic="b""#)),
        "{said:?}"
    );
}

#[test]
fn what_is_counted_of_subscriptions_is_back() {
    let mut world = World::new();
    let (s, _) = world.keeper("s");
    for filter in ["a", "b/c", "$share/g/d"] {
        world.subscribe(s, filter);
    }
    let counted = |world: &World| {
        let metrics = world.net.server.metrics(world.net.now);
        (metrics.subscriptions, metrics.subscription_bytes)
    };
    let before = counted(&world);
    assert!(before.0 == 3 && before.1 >= 14, "{before:?}");
    world.crash();
    assert_eq!(counted(&world), before);
}
