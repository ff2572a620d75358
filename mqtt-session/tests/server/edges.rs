//! Every limit at the limit, one below it and one above.

use mqtt_proto::{
    Packet, Properties, Property,
    packet::{Connect, PublishHead, SubscriptionOptions},
};
use mqtt_session::server::{DropPolicy, Limits, Message, Offer, Peer, RetainedPolicy};

use crate::net::*;

const MAX: usize = 4;

/// A server with limits of `MAX`, a client of 5.0 and one of 3.1.1.
fn net(set: fn(&mut Limits, &mut Offer)) -> Net {
    Net::with(|config| {
        let mut limits = config.limits.clone();
        set(&mut limits, config.offer_mut(0));
        config.limits = limits;
    })
}

/// What is used, and whether all of it was taken, without a drop, a refusal or an end.
type Case = (&'static str, fn(usize) -> bool);

/// What a message with a topic of one byte occupies.
fn size(payload: &str) -> usize {
    let publish = message("t", Q0, 0, payload);
    Message::new(mqtt_session::Instant::ZERO, &publish.head, publish.payload).size()
}

/// What a subscription to this filter counts.
fn filter_bytes(filter: &str) -> usize {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    assert!(granted(&mut net, end, filter));
    net.server.metrics(net.now).subscription_bytes
}

/// What a retained message under a topic of one character counts.
fn retained_bytes(payload: &str) -> usize {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.retain(end, "t", payload);
    net.server.metrics(net.now).retained_bytes
}

fn granted(net: &mut Net, end: End, filter: &str) -> bool {
    let said = net.subscribe_with(end, filter, SubscriptionOptions::new(Q0), None);
    said == ["SUBACK id=900 codes=[0]"]
}

/// Publishes so many messages of so many bytes of payload to a client that is away; says whether all wait.
fn all_wait(mut net: Net, messages: usize, bytes: usize) -> bool {
    let (to, _) = net.keeper(V5, "away");
    net.subscribe(to, "t", Q1);
    net.cut(to);
    let from = net.client(V5, "p");
    for n in 1..=messages {
        net.publish(from, message("t", Q1, n as u16, &"x".repeat(bytes)));
        net.recv(from);
    }
    let now = net.server.metrics(net.now);
    assert_eq!(now.queued_messages as u64 + now.dropped_in_all(), messages as u64);
    now.dropped_in_all() == 0
}

const CASES: [Case; 14] = [
    ("connections", |n| {
        let mut net = net(|limits, _| limits.connections = MAX);
        (0..n).all(|_| net.server.open(net.now, Peer::default()).is_ok())
    }),
    ("handshakes", |n| {
        let mut net = net(|limits, _| limits.handshakes = MAX);
        net.client(V5, "does not count");
        (0..n).all(|_| net.server.open(net.now, Peer::default()).is_ok())
    }),
    ("sessions", |n| {
        let mut net = net(|limits, _| limits.sessions = MAX);
        (0..n).all(|n| {
            let end = net.open(V5);
            net.send(end, Packet::Connect(connect(V5, &n.to_string())));
            net.recv(end)[0].contains("code=0 ")
        })
    }),
    ("subscriptions of a client", |n| {
        let mut net = net(|_, offer| offer.grant.limits.subscriptions = MAX);
        let end = net.client(V5, "a");
        (0..n).all(|n| granted(&mut net, end, &n.to_string()))
    }),
    ("subscriptions in all", |n| {
        let mut net = net(|limits, _| limits.subscriptions = MAX);
        (0..n).all(|n| {
            let end = net.client(V5, &n.to_string());
            granted(&mut net, end, "t")
        })
    }),
    ("bytes of filters", |n| {
        // What the level itself takes is not of this case.
        let mut net = net(|limits, _| limits.subscription_bytes = filter_bytes("x") - 1 + MAX);
        let end = net.client(V5, "a");
        granted(&mut net, end, &"x".repeat(n))
    }),
    ("levels of a filter", |n| {
        let mut net = net(|limits, _| limits.topic_levels = MAX);
        let end = net.client(V5, "a");
        granted(&mut net, end, &vec!["x"; n].join("/"))
    }),
    ("levels of a topic", |n| {
        let mut net = net(|limits, _| limits.topic_levels = MAX);
        let end = net.client(V5, "a");
        net.publish(end, message(&vec!["x"; n].join("/"), Q1, 1, ""));
        net.recv(end) == ["PUBACK id=1 code=0x10"]
    }),
    ("messages that wait", |n| {
        all_wait(net(|_, offer| offer.grant.limits.queue_messages = MAX), n, 0)
    }),
    ("bytes that wait", |n| {
        all_wait(
            net(|_, offer| offer.grant.limits.queue_bytes = size("") + MAX),
            1,
            n,
        )
    }),
    ("messages under way to a client", |n| {
        let mut net = net(|_, offer| offer.grant.limits.max_in_flight = MAX as u16);
        let (from, to) = (net.client(V5, "p"), net.client(V5, "s"));
        net.subscribe(to, "t", Q1);
        for n in 1..=n {
            net.publish(from, message("t", Q1, n as u16, ""));
            net.recv(from);
        }
        let sent = net.recv(to).len();
        let now = net.server.metrics(net.now);
        assert_eq!(now.queued_messages + now.in_flight, n, "those beyond wait");
        sent == n
    }),
    ("messages under way from a client", |n| {
        let mut net = net(|_, offer| offer.receive_maximum = MAX as u16);
        let end = net.client(V5, "a");
        for n in 1..=n {
            net.publish(end, message("t", Q2, n as u16, ""));
        }
        net.recv(end).iter().all(|said| said.starts_with("PUBREC"))
    }),
    ("topic aliases of a client", |n| {
        let mut net = net(|_, offer| offer.topic_alias_maximum = MAX as u16);
        let end = net.client(V5, "a");
        let list = [Property::TopicAlias(n as u16)];
        let plain = message("t", Q1, 1, "");
        let head = PublishHead {
            properties: Properties::new(&list),
            ..plain.head
        };
        net.publish(end, mqtt_proto::packet::Publish { head, ..plain });
        net.recv(end)[0].starts_with("PUBACK")
    }),
    ("bytes of a packet", |n| {
        let mut net = net(|_, offer| offer.max_packet_size = 20 + MAX as u32);
        let end = net.client(V5, "a");
        let publish = message("t", Q0, 0, "");
        let len = encode(V5, Packet::Publish(publish)).len();
        net.say(end, "t", &"x".repeat(20 + n - len));
        net.recv(end).is_empty()
    }),
];

#[test]
fn every_limit_is_reached_and_not_passed() {
    for (name, all_taken) in CASES {
        assert!(all_taken(MAX - 1), "{name}: one below");
        assert!(all_taken(MAX), "{name}: at the limit");
        assert!(!all_taken(MAX + 1), "{name}: one above");
    }
}

#[test]
fn retained_messages_and_their_bytes_are_limited_for_all_and_for_a_pool() {
    let cases: [fn(&mut Limits, &mut Offer); 4] = [
        |limits, _| limits.retained_messages = MAX,
        |limits, _| limits.retained_bytes = retained_bytes("x") * MAX,
        |_, offer| offer.grant.limits.retained_messages = MAX,
        |_, offer| offer.grant.limits.retained_bytes = retained_bytes("x") * MAX,
    ];
    for (case, set) in cases.into_iter().enumerate() {
        for policy in [
            RetainedPolicy::RefuseNew,
            RetainedPolicy::EvictOldest,
            RetainedPolicy::EvictSoonestToExpire,
        ] {
            let mut net = Net::with(|config| {
                let mut limits = config.limits.clone();
                set(&mut limits, config.offer_mut(0));
                config.limits = limits;
                config.retained_policy = policy;
            });
            let end = net.client(V5, "a");
            for n in 1..=MAX + 2 {
                net.retain(end, &n.to_string(), "x");
                let now = net.server.metrics(net.now);
                assert_eq!(now.retained_messages, n.min(MAX), "{case} {policy:?}");
                assert_eq!(now.retained_bytes, retained_bytes("x") * n.min(MAX));
                assert_eq!(now.dropped_in_all(), n.saturating_sub(MAX) as u64);
            }
        }
    }
}

#[test]
fn what_is_longer_than_it_may_be_is_shortened_and_told() {
    for (asked, granted) in [(3, 3), (4, 4), (5, 4)] {
        let mut net = net(|_, offer| {
            offer.keep_alive_max = Some(MAX as u16);
            offer.grant.limits.session_expiry_max = MAX as u32;
        });
        let list = [Property::SessionExpiryInterval(asked)];
        let (end, said) = net.client_with(Connect {
            keep_alive: asked as u16,
            properties: Properties::new(&list),
            ..connect(V5, "a")
        });
        let told = asked != granted;
        assert_eq!(said.contains("server_keep_alive=4"), told, "{said}");
        assert_eq!(said.contains("session_expiry_interval=4"), told, "{said}");
        net.cut(end);
        net.pass(core::time::Duration::from_millis(u64::from(granted) * 1_000 - 1));
        assert_eq!(net.server.metrics(net.now).sessions, 1);
        net.pass(core::time::Duration::from_millis(1));
        assert_eq!(net.server.metrics(net.now).sessions, 0);
    }
}

/// Whatever clients do: what was queued is delivered, waits, or was dropped for a cause.
#[test]
fn no_message_is_lost_without_being_counted() {
    for policy in [DropPolicy::Newest, DropPolicy::Oldest, DropPolicy::Disconnect] {
        for keep_qos_0 in [false, true] {
            let mut net = Net::with(|config| {
                config.drop_policy = policy;
                config.queue_qos_0_while_away = keep_qos_0;
                config.offer_mut(0).grant.limits.queue_messages = 5;
            });
            let from = net.client(V5, "p");
            let mut ends: [Option<End>; 3] = [None; 3];
            let (mut queued, mut seed) = (0, 7_u32);
            for _ in 0..3_000 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (at, deed) = ((seed >> 16) as usize % 3, seed >> 24);
                match (deed % 12, ends[at]) {
                    (0, Some(end)) => {
                        net.cut(end);
                        ends[at] = None;
                    }
                    (1..=3, None) => {
                        let (end, present) = net.keeper(V5, &at.to_string());
                        if !present {
                            net.subscribe(end, "t", Q0);
                        }
                        ends[at] = Some(end);
                    }
                    (4, Some(end)) => {
                        net.recv(end);
                    }
                    (5, _) if deed > 240 => net.pass_secs(150),
                    _ => {
                        // The publisher has a session, too.
                        queued += net.server.broker().holdings().sessions as u64 - 1;
                        let list = [Property::MessageExpiryInterval(100)];
                        let plain = message("t", Q0, 0, "x");
                        let head = PublishHead {
                            properties: Properties::new(&list),
                            ..plain.head
                        };
                        net.publish(from, mqtt_proto::packet::Publish { head, ..plain });
                    }
                }
                for end in &mut ends {
                    if end.is_some_and(|end| net.server.broker().is_over(end.id)) {
                        net.cut(end.take().unwrap());
                    }
                }
                let now = net.server.metrics(net.now);
                let delivered: u64 = now.total.messages_out.iter().sum();
                assert_eq!(
                    delivered + now.queued_messages as u64 + now.dropped_in_all(),
                    queued,
                    "{policy:?}: {:?}",
                    now.drops
                );
            }
            let now = net.server.metrics(net.now);
            let delivered: u64 = now.total.messages_out.iter().sum();
            assert!(delivered > 100 && now.dropped_in_all() > 100, "{delivered}");
        }
    }
}
