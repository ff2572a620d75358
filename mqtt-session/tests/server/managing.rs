//! What the owner of a server sees and does: sessions, connections, queues, subscriptions, retained messages.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, TopicFilter,
    packet::{Connect, Disconnect, SubscriptionOptions},
};
use mqtt_session::{
    Instant,
    server::{Broker, Ended, Grant, LocalOptions, Peer, Pool, Revoked, ServerConfig, ServerEvent},
};

use crate::net::*;

const HERE: Pool = Pool::DEFAULT;

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

#[test]
fn a_session_shows_who_is_there_and_what_it_holds() {
    let mut net = Net::new();
    let address: SocketAddr = "192.0.2.7:1000".parse().unwrap();
    let conn = net.server.open(net.now, Peer::at(address)).unwrap();
    let end = End {
        id: conn,
        version: V5,
    };
    let list = [Property::SessionExpiryInterval(100), Property::ReceiveMaximum(2)];
    let connect = Connect {
        will: Some(will("gone", b"x")),
        properties: Properties::new(&list),
        ..connect(V5, "c")
    };
    net.send(end, Packet::Connect(connect));
    net.recv(end);
    let mut options = SubscriptionOptions::new(Q1);
    options.no_local = true;
    net.subscribe_with(end, "a/+", options, Some(5));
    net.subscribe(end, "$share/g/b", Q2);
    let from = net.client(V311, "p");
    for n in 0..4 {
        net.publish(from, message("a/b", Q1, n + 1, "payload"));
    }
    net.say(from, "a/0", "low");
    net.publish(end, message("in", Q2, 9, ""));
    assert_eq!(
        net.recv(end)
            .iter()
            .filter(|packet| packet.contains("PUBLISH"))
            .count(),
        3
    );

    let broker = net.server.broker();
    let info = broker.who_is(conn).unwrap();
    assert_eq!((info.client_id(), info.pool(), info.context()), ("c", HERE, 0));
    assert_eq!(info.conn(), Some(conn));
    assert_eq!(info.peer().and_then(|peer| peer.address), Some(address));
    assert_eq!((info.version(), info.is_local()), (Some(V5), false));
    assert_eq!((info.in_flight(), info.receiving()), (2, 1));
    assert_eq!((info.session_expiry(), info.expires_at()), (100, None));
    assert_eq!(info.will().map(|will| will.topic().as_str()), Some("gone"));
    let subscriptions: Vec<_> = info
        .subscriptions()
        .map(|s| {
            (
                s.filter,
                s.qos,
                s.no_local,
                s.retain_as_published,
                s.identifier.map(|id| id.get()),
            )
        })
        .collect();
    assert_eq!(
        subscriptions,
        [
            ("$share/g/b", Q2, false, false, None),
            ("a/+", Q1, true, false, Some(5))
        ]
    );
    assert_eq!(info.subscription_count(), 2);
    assert_eq!(info.queue_messages(), 2, "the window holds two back, not QoS 0");
    let queue: Vec<_> = info.queue().map(|message| message.topic().as_str()).collect();
    assert_eq!(queue, ["a/b", "a/b"]);
    assert_eq!(
        info.queue_bytes(),
        info.queue().map(|message| message.size()).sum::<usize>()
    );

    net.cut(end);
    let info = net.server.broker().find_session(HERE, "c").unwrap();
    assert_eq!((info.conn(), info.version(), info.peer()), (None, None, None));
    assert!(info.expires_at().is_some());
    assert!(net.server.broker().who_is(conn).is_none());
    assert!(net.server.broker().find_session(Pool(9), "c").is_none());
}

#[test]
fn all_sessions_are_listed_local_ones_too() {
    let mut net = Net::new();
    net.client(V5, "here");
    let (away, _) = net.keeper(V311, "away");
    net.cut(away);
    let options = LocalOptions::new("inside");
    let inside = net.server.broker_mut().open_local(net.now, options).unwrap();
    let fresh = net.open(V5);
    let mut all: Vec<_> = net
        .server
        .broker()
        .sessions()
        .map(|info| (info.client_id(), info.conn().is_some(), info.is_local()))
        .collect();
    all.sort_unstable();
    let broker = net.server.broker();
    assert_eq!(
        (broker.session_count(HERE), broker.session_count(Pool(9))),
        (3, 0)
    );
    assert_eq!(
        all,
        [
            ("away", false, false),
            ("here", true, false),
            ("inside", true, true)
        ]
    );
    assert_eq!(
        net.server.broker().who_is(inside).map(|info| info.client_id()),
        Some("inside")
    );
    assert!(
        net.server.broker().find_session(HERE, "inside").is_none(),
        "it is no client id"
    );
    assert!(net.server.broker().who_is(fresh.id).is_none(), "nobody yet");
}

#[test]
fn a_queue_lists_its_messages_in_order_and_can_be_taken_one_by_one() {
    let mut net = Net::with(|config| config.queue_qos_0_while_away = true);
    let (end, _) = net.keeper(V5, "c");
    net.subscribe(end, "#", Q2);
    net.cut(end);
    let from = net.client(V5, "p");
    let qos = [Q0, Q1, Q0, Q2, Q1, Q0];
    for (n, qos) in qos.into_iter().enumerate() {
        let name = n.to_string();
        net.publish(
            from,
            message(&name, qos, if qos == Q0 { 0 } else { n as u16 + 1 }, "x"),
        );
    }
    let info = net.server.broker().find_session(HERE, "c").unwrap();
    let listed: Vec<String> = info.queue().map(|m| m.topic().as_str().into()).collect();
    assert_eq!(listed, ["0", "1", "2", "3", "4", "5"]);
    let broker = net.server.broker_mut();
    let taken: Vec<(String, QoS)> = broker
        .take_queue(HERE, "c")
        .take(4)
        .map(|delivery| (delivery.message().topic().as_str().into(), delivery.qos()))
        .collect();
    assert_eq!(
        taken,
        [
            ("0".into(), Q0),
            ("1".into(), Q1),
            ("2".into(), Q0),
            ("3".into(), Q2)
        ]
    );
    assert_eq!(broker.take_queue(HERE, "nobody").count(), 0);
    // The rest was not asked for.
    let (end, present) = net.keeper(V5, "c");
    assert!(present);
    assert_eq!(net.recv(end).len(), 2);
    assert_eq!(net.server.broker_mut().take_queue(HERE, "c").count(), 0);
    let info = net.server.broker().find_session(HERE, "c").unwrap();
    assert_eq!(info.queue_bytes(), 0);
}

/// What a subscriber hears of the will of a client that the owner ends as `end` says, and what the client is sent.
fn ended(version: mqtt_proto::Version, end: impl FnOnce(&mut Net, End)) -> (Vec<String>, Vec<String>, bool) {
    let mut net = Net::new();
    let to = net.client(V5, "s");
    net.subscribe(to, "gone", Q0);
    let list = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        clean_start: false,
        will: Some(will("gone", b"x")),
        properties: if version == V5 {
            Properties::new(&list)
        } else {
            Properties::EMPTY
        },
        ..connect(version, "c")
    };
    let (client, _) = net.client_with(connect);
    // An answer that is owed.
    net.publish(client, message("t", Q1, 1, "x"));
    end(&mut net, client);
    let (will, said) = (net.recv(to), net.recv(client));
    let kept = net.server.broker().find_session(HERE, "c").is_some();
    assert!(net.server.wants_close(client.id));
    net.cut(client);
    (will, said, kept)
}

#[test]
fn a_client_is_kicked_with_and_killed_without_disconnect_its_session_stays_and_its_will_goes_out() {
    let told = [r#"PUBLISH topic="gone" payload="x""#];
    for version in [V31, V311, V5] {
        let (will, said, kept) = ended(version, |net, client| {
            let code = ReasonCode::ADMINISTRATIVE_ACTION;
            net.server
                .broker_mut()
                .disconnect_client(net.now, client.id, code);
        });
        let puback = if version == V5 {
            "PUBACK id=1 code=0x10"
        } else {
            "PUBACK id=1"
        };
        let wanted: &[&str] = if version == V5 {
            &[puback, "DISCONNECT code=0x98", "close"]
        } else {
            &[puback, "close"]
        };
        assert_eq!(
            (&*will, &*said, kept),
            (
                &told.map(String::from)[..],
                &wanted.iter().map(|s| String::from(*s)).collect::<Vec<_>>()[..],
                true
            )
        );
        let (will, said, kept) = ended(version, |net, client| {
            net.server.broker_mut().kill(net.now, client.id);
            let killed = net.events().into_iter().any(|event| {
                matches!(
                    event,
                    ServerEvent::Disconnected {
                        why: Ended::Killed,
                        ..
                    }
                )
            });
            assert!(killed);
        });
        assert_eq!(
            (&will[..], &said[..], kept),
            (&told.map(String::from)[..], &["close".to_string()][..], true)
        );
    }
}

#[test]
fn a_session_is_discarded_with_all_it_holds_whether_its_client_is_there_or_not() {
    for version in [V311, V5] {
        let (will, said, kept) = ended(version, |net, _| {
            assert!(net.server.broker_mut().discard_session(net.now, HERE, "c"));
            assert!(!net.server.broker_mut().discard_session(net.now, HERE, "c"));
        });
        assert_eq!(will.len(), 1, "5.0, 3.1.2.5: the session has ended");
        assert_eq!(
            said.iter().any(|packet| packet == "DISCONNECT code=0x98"),
            version == V5
        );
        assert!(!kept);
    }
    let mut net = Net::new();
    let (end, _) = net.keeper(V5, "c");
    net.subscribe(end, "t", Q1);
    net.send(
        end,
        Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)),
    );
    assert!(net.server.broker_mut().discard_session(net.now, HERE, "c"));
    net.cut(end);
    assert_eq!(net.server.broker().holdings().sessions, 0);
    let from = net.client(V5, "p");
    net.publish(from, message("t", Q1, 1, "x"));
    assert_eq!(
        net.recv(from),
        ["PUBACK id=1 code=0x10"],
        "its subscriptions are gone"
    );
    assert!(!net.keeper(V5, "c").1);
}

#[test]
fn a_subscription_that_is_revoked_brings_nothing_more() {
    let mut net = Net::new();
    let to = net.client(V5, "c");
    let from = net.client(V5, "p");
    net.subscribe(to, "a", Q0);
    net.subscribe(to, "$share/g/b", Q0);
    net.say(from, "a", "waits");
    let broker = net.server.broker_mut();
    assert!(broker.revoke(HERE, "c", filter("a")));
    assert!(broker.revoke(HERE, "c", filter("$share/g/b")));
    assert!(!broker.revoke(HERE, "c", filter("a")));
    assert!(!broker.revoke(HERE, "nobody", filter("a")));
    net.say(from, "a", "x");
    net.say(from, "b", "x");
    assert_eq!(net.recv(to), [r#"PUBLISH topic="a" payload="waits""#]);
    assert_eq!(net.unsubscribe(to, "a"), ["UNSUBACK id=901 codes=[0x11]"]);
}

#[test]
fn a_review_takes_away_what_rules_no_longer_allow_and_tells_whom_it_concerns_0x98() {
    for (then, version) in [
        (Revoked::Silently, V5),
        (Revoked::Disconnect, V5),
        (Revoked::Disconnect, V311),
    ] {
        let mut net = Net::new();
        let one = net.client(version, "one");
        let two = net.client(version, "two");
        let (away, _) = net.keeper(version, "away");
        for end in [one, away] {
            net.subscribe(end, "secret/+", Q0);
            net.subscribe(end, "open", Q0);
        }
        net.subscribe(two, "open", Q0);
        net.cut(away);
        let inside = net
            .server
            .broker_mut()
            .open_local(net.now, LocalOptions::new("inside"))
            .unwrap();
        let pattern = mqtt_proto::topic::Pattern::new("secret/+what").unwrap();
        let options = SubscriptionOptions::new(Q0);
        net.server
            .broker_mut()
            .subscribe_local(net.now, inside, pattern, options)
            .unwrap();
        let mut seen = 0;
        let revoked = net
            .server
            .broker_mut()
            .review(net.now, then, |session, subscription| {
                seen += 1;
                session.is_local() || !subscription.filter.starts_with("secret/")
            });
        assert_eq!((seen, revoked), (6, 2));
        let said = net.recv(one);
        let wanted: &[&str] = match (then, version) {
            (Revoked::Silently, _) => &[],
            (Revoked::Disconnect, V5) => &["DISCONNECT code=0x98", "close"],
            (Revoked::Disconnect, _) => &["close"],
        };
        assert_eq!(said, wanted);
        assert_eq!(net.recv(two), [""; 0]);
        let kept = net.server.broker().find_session(HERE, "away").unwrap();
        assert_eq!(
            kept.subscriptions().map(|s| s.filter).collect::<Vec<_>>(),
            ["open"]
        );
        net.say(two, "secret/x", "x");
        assert!(net.server.broker_mut().poll_delivery(net.now, inside).is_some());
        let gone = net
            .server
            .broker_mut()
            .review(net.now, Revoked::Silently, |session, _| !session.is_local());
        assert_eq!(gone, 1);
        net.say(two, "secret/x", "x");
        assert!(net.server.broker_mut().poll_delivery(net.now, inside).is_none());
    }
}

#[test]
fn context_and_grant_of_a_live_session_can_be_changed_and_nobody_elses() {
    let mut net = Net::new();
    let one = net.client(V5, "one");
    net.client(V5, "two");
    let broker = net.server.broker_mut();
    assert!(broker.set_context(HERE, "one", 7));
    assert!(!broker.set_context(HERE, "nobody", 7));
    let context = |net: &Net, name| net.server.broker().find_session(HERE, name).unwrap().context();
    assert_eq!((context(&net, "one"), context(&net, "two")), (7, 0));
    let mut grant = Grant::default();
    grant.pool = Pool(9);
    grant.context = 8;
    grant.limits.subscriptions = 0;
    assert!(net.server.broker_mut().set_grant(HERE, "one", grant.clone()));
    assert!(!net.server.broker_mut().set_grant(HERE, "nobody", grant));
    assert_eq!(
        (context(&net, "one"), context(&net, "two")),
        (8, 0),
        "the pool stays"
    );
    let said = net.subscribe_with(one, "t", SubscriptionOptions::new(Q0), None);
    assert_eq!(said, ["SUBACK id=900 codes=[0x97]"]);
}

#[test]
fn retained_messages_are_listed_and_removed_by_filter() {
    let mut net = Net::new();
    let from = net.client(V5, "p");
    for name in ["a", "a/b", "a/c", "b/c", "$x/c"] {
        net.retain(from, name, name);
    }
    let names = |net: &Net, wanted: &str| -> Vec<String> {
        let found = net.server.broker().retained(HERE, filter(wanted));
        found.map(|message| message.topic().as_str().into()).collect()
    };
    assert_eq!(names(&net, "#"), ["a", "a/b", "a/c", "b/c"]);
    assert_eq!(names(&net, "+/c"), ["a/c", "b/c"]);
    assert_eq!(names(&net, "$x/#"), ["$x/c"]);
    assert_eq!(net.server.broker().retained(Pool(3), filter("#")).count(), 0);
    let broker = net.server.broker_mut();
    assert_eq!(broker.remove_retained(HERE, filter("a/+")), 2);
    assert_eq!(broker.remove_retained(HERE, filter("a/+")), 0);
    assert_eq!(names(&net, "#"), ["a", "b/c"]);
    assert_eq!(net.server.broker().holdings().retained_messages, 3);
}

/// What one broker is to another after a restart: sessions with subscriptions, queues and contexts, and retained messages.
fn kept(broker: &Broker) -> Vec<String> {
    let sessions = broker.sessions().filter(|info| !info.is_local()).map(|info| {
        let subscriptions: Vec<_> = info.subscriptions().collect();
        let queue: Vec<_> = info.queue().collect();
        format!(
            "{} {} {} {subscriptions:?} {queue:?}",
            info.client_id(),
            info.context(),
            info.session_expiry()
        )
    });
    let retained = broker
        .retained(HERE, filter("#"))
        .map(|message| format!("{message:?}"));
    let mut all: Vec<String> = sessions.chain(retained).collect();
    all.sort_unstable();
    all
}

type Deed = fn(&mut Broker);

#[test]
fn what_the_owner_does_outlives_the_process() {
    let mut config = ServerConfig::default();
    config.durable = true;
    let now = Instant::from_secs(1_000);
    let deeds: [(&str, Deed); 8] = [
        ("nothing", |_| {}),
        ("take_queue", |broker| {
            assert_eq!(broker.take_queue(HERE, "one").take(1).count(), 1);
        }),
        ("revoke", |broker| {
            assert!(broker.revoke(HERE, "one", filter("a/+")))
        }),
        ("review", |broker| {
            let now = Instant::from_secs(1_000);
            assert_eq!(broker.review(now, Revoked::Silently, |_, s| s.filter != "a/+"), 2);
        }),
        ("discard_session", |broker| {
            assert!(broker.discard_session(Instant::from_secs(1_000), HERE, "two"));
        }),
        ("set_context", |broker| {
            assert!(broker.set_context(HERE, "two", 9))
        }),
        ("remove_retained", |broker| {
            assert_eq!(broker.remove_retained(HERE, filter("a/+")), 1);
        }),
        ("publish_local", |broker| {
            let now = Instant::from_secs(1_000);
            let inside = broker.open_local(now, LocalOptions::new("inside")).unwrap();
            let mut told = message("a/b", Q1, 0, "from inside");
            told.head.retain = true;
            assert_eq!(broker.publish_local(now, inside, &told), Ok(2));
        }),
    ];
    for (name, deed) in deeds {
        let mut net = Net::with(|c| *c = config.clone());
        let mut store: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut commit = |net: &mut Net| {
            while let Some(changes) = net.server.poll_changes() {
                for (key, value) in changes.iter() {
                    match value {
                        Some(value) => store.insert(key.into(), value.into()),
                        None => store.remove(key),
                    };
                }
                net.server.handle_persisted(net.now, changes.upto());
            }
        };
        for client in ["one", "two"] {
            let list = [Property::SessionExpiryInterval(100)];
            let end = net.open(V5);
            let connect = Connect {
                properties: Properties::new(&list),
                ..connect(V5, client)
            };
            net.send(end, Packet::Connect(connect));
            for wanted in ["a/+", "b"] {
                net.subscribe_with(end, wanted, SubscriptionOptions::new(Q1), None);
            }
            commit(&mut net);
            net.recv(end);
            net.cut(end);
        }
        let from = net.open(V5);
        net.send(from, Packet::Connect(connect(V5, "p")));
        for n in 1..4 {
            let mut told = message("a/b", Q1, n, "x");
            told.head.retain = true;
            net.publish(from, told);
        }
        net.cut(from);
        commit(&mut net);
        deed(net.server.broker_mut());
        commit(&mut net);
        let restored = Broker::restore(config.clone(), now, store.iter()).unwrap();
        let wanted = kept(net.server.broker());
        assert!(wanted.len() >= 2);
        assert_eq!(kept(&restored), wanted, "{name}");
    }
}
