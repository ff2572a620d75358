//! Whatever clients send, and whenever their links are cut, the server stays a server.

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, TopicFilter, Version,
    packet::{Ack, Connect, RetainHandling, SubscriptionOptions},
    topic::Pattern,
};
use mqtt_session::server::{ConnId, Grant, LocalOptions, LocalSubscription, Pool, Revoked, SessionInfo};
use proptest::prelude::*;

use crate::net::*;

const NAMES: [&str; 6] = ["a", "a/b", "$x/b", "b", "a/long-name", "long-name/b"];
/// Clients of 5.0 take so many topic aliases.
const ALIASES: u16 = 1;
const CLIENTS: [&str; 4] = ["one", "two", "three", "one"];
const FILTERS: [&str; 6] = ["a", "a/+", "#", "$share/g/a/#", "$share/g/#", "+/b"];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Connect {
        client: usize,
        version: usize,
        clean: bool,
        expiry: u32,
        receive_maximum: u16,
        will: bool,
    },
    Publish {
        client: usize,
        name: usize,
        qos: u8,
        id: u16,
        retain: bool,
        dup: bool,
        expiry: Option<u32>,
        len: usize,
    },
    Answer {
        client: usize,
        kind: usize,
        id: u16,
        code: u8,
    },
    Subscribe {
        client: usize,
        filter: usize,
        qos: u8,
        handling: u8,
        id: Option<u32>,
    },
    Unsubscribe {
        client: usize,
        filter: usize,
    },
    Disconnect {
        client: usize,
        with_will: bool,
    },
    Cut {
        client: usize,
    },
    Take {
        client: usize,
        bytes: usize,
    },
    Pass {
        millis: u64,
    },
    Bytes {
        client: usize,
        bytes: Vec<u8>,
    },
    /// The owner's own connections.
    Local {
        local: usize,
        what: Inside,
    },
    /// What the owner does to one of the clients, connected or not.
    Manage {
        client: usize,
        what: Deed,
    },
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum Inside {
    OpenOrClose,
    Publish { name: usize, qos: u8, retain: bool },
    Subscribe { pattern: usize, qos: u8 },
    Unsubscribe,
    Take,
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum Deed {
    Kick,
    Kill,
    Discard,
    TakeQueue { most: usize },
    Revoke { filter: usize },
    Review { tell: bool },
    SetContext,
    SetGrant { queue: usize },
    RemoveRetained { filter: usize },
}

const PATTERNS: [&str; 5] = ["a/+x", "#all", "$share/g/a/#rest", "+x/+y", "a"];

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let c = 0..4_usize;
    prop_oneof![
        3 => (c.clone(), 0..3_usize, any::<bool>(), 0..20_u32, 1..4_u16, any::<bool>()).prop_map(
            |(client, version, clean, expiry, receive_maximum, will)| Step::Connect {
                client, version, clean, expiry, receive_maximum, will
            }
        ),
        8 => (c.clone(), 0..6_usize, 0..3_u8, 1..4_u16, any::<bool>(), any::<bool>(), prop::option::of(0..9_u32), 0..80_usize)
            .prop_map(|(client, name, qos, id, retain, dup, expiry, len)| Step::Publish {
                client, name, qos, id, retain, dup, expiry, len
            }),
        8 => (c.clone(), 0..4_usize, 1..6_u16, prop_oneof![4 => Just(0_u8), 1 => Just(0x97)])
            .prop_map(|(client, kind, id, code)| Step::Answer { client, kind, id, code }),
        4 => (c.clone(), 0..6_usize, 0..3_u8, 0..3_u8, prop::option::of(1..9_u32))
            .prop_map(|(client, filter, qos, handling, id)| Step::Subscribe { client, filter, qos, handling, id }),
        1 => (c.clone(), 0..6_usize).prop_map(|(client, filter)| Step::Unsubscribe { client, filter }),
        1 => (c.clone(), any::<bool>()).prop_map(|(client, with_will)| Step::Disconnect { client, with_will }),
        1 => c.clone().prop_map(|client| Step::Cut { client }),
        6 => (c.clone(), 1..300_usize).prop_map(|(client, bytes)| Step::Take { client, bytes }),
        2 => (0..5_000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => (c.clone(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(client, bytes)| Step::Bytes { client, bytes }),
        4 => (0..2_usize, inside()).prop_map(|(local, what)| Step::Local { local, what }),
        2 => (c, deed()).prop_map(|(client, what)| Step::Manage { client, what }),
    ]
}

fn inside() -> impl Strategy<Value = Inside> {
    prop_oneof![
        1 => Just(Inside::OpenOrClose),
        3 => (0..6_usize, 0..3_u8, any::<bool>())
            .prop_map(|(name, qos, retain)| Inside::Publish { name, qos, retain }),
        3 => (0..5_usize, 0..3_u8).prop_map(|(pattern, qos)| Inside::Subscribe { pattern, qos }),
        1 => Just(Inside::Unsubscribe),
        3 => Just(Inside::Take),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        Just(Deed::Kick),
        Just(Deed::Kill),
        Just(Deed::Discard),
        (0..4_usize).prop_map(|most| Deed::TakeQueue { most }),
        (0..6_usize).prop_map(|filter| Deed::Revoke { filter }),
        any::<bool>().prop_map(|tell| Deed::Review { tell }),
        Just(Deed::SetContext),
        (0..9_usize).prop_map(|queue| Deed::SetGrant { queue }),
        (0..3_usize).prop_map(|filter| Deed::RemoveRetained { filter }),
    ]
}

/// The owner's side: its connections, and all that it was told.
#[derive(Default)]
struct Owner {
    locals: [Option<(ConnId, Vec<LocalSubscription>)>; 2],
    told: String,
}

impl Owner {
    fn inside(&mut self, net: &mut Net, local: usize, what: Inside) {
        let (now, broker) = (net.now, net.server.broker_mut());
        let Some((conn, subscriptions)) = &mut self.locals[local] else {
            // Called as a client is: it does not matter.
            let conn = broker.open_local(now, LocalOptions::new("one")).unwrap();
            self.locals[local] = Some((conn, Vec::new()));
            return;
        };
        let conn = *conn;
        match what {
            Inside::OpenOrClose => {
                broker.close_local(now, conn);
                self.locals[local] = None;
            }
            Inside::Publish { name, qos, retain } => {
                let mut message = message(NAMES[name], QoS::from_u8(qos).unwrap(), 0, "from inside");
                message.head.retain = retain;
                let told = broker.publish_local(now, conn, &message);
                self.told += &format!("{told:?}\n");
            }
            Inside::Subscribe { pattern, qos } => {
                let options = SubscriptionOptions::new(QoS::from_u8(qos).unwrap());
                let pattern = Pattern::new(PATTERNS[pattern]).unwrap();
                subscriptions.extend(broker.subscribe_local(now, conn, pattern, options));
            }
            Inside::Unsubscribe => {
                let gone = subscriptions.pop().map(|one| broker.unsubscribe_local(conn, one));
                self.told += &format!("{gone:?}\n");
            }
            Inside::Take => {
                while let Some(delivery) = broker.poll_delivery(now, conn) {
                    let captures: Vec<String> = delivery
                        .matches()
                        .map(|(_, captures)| format!("{captures:?}"))
                        .collect();
                    self.told += &format!("{:?} {captures:?}\n", delivery.message());
                }
                assert_eq!(broker.who_is(conn).map_or(0, |info| info.queue_messages()), 0);
            }
        }
    }

    fn manage(&mut self, net: &mut Net, client: usize, what: Deed) {
        let (now, broker) = (net.now, net.server.broker_mut());
        let (pool, name) = (Pool::DEFAULT, CLIENTS[client]);
        let conn = broker.find_session(pool, name).and_then(|info| info.conn());
        let filter = |filter| TopicFilter::new(FILTERS[filter]).unwrap();
        match (what, conn) {
            (Deed::Kick, Some(conn)) => {
                broker.disconnect_client(now, conn, ReasonCode::ADMINISTRATIVE_ACTION)
            }
            (Deed::Kill, Some(conn)) => broker.kill(now, conn),
            (Deed::Kick | Deed::Kill, None) => {}
            (Deed::Discard, _) => {
                broker.discard_session(now, pool, name);
                assert!(broker.find_session(pool, name).is_none());
            }
            (Deed::TakeQueue { most }, _) => {
                let had = broker
                    .find_session(pool, name)
                    .map_or(0, |info| info.queue().count());
                let taken = broker.take_queue(pool, name).take(most).count();
                let has = broker
                    .find_session(pool, name)
                    .map_or(0, |info| info.queue_messages());
                assert_eq!((taken, has), (had.min(most), had.saturating_sub(most)));
            }
            (Deed::Revoke { filter: n }, _) => {
                let had = broker
                    .find_session(pool, name)
                    .map_or(0, |info| info.subscriptions().count());
                let gone = broker.revoke(pool, name, filter(n));
                let has = broker
                    .find_session(pool, name)
                    .map_or(0, |info| info.subscriptions().count());
                assert_eq!(has + usize::from(gone), had);
            }
            (Deed::Review { tell }, _) => {
                let then = if tell {
                    Revoked::Disconnect
                } else {
                    Revoked::Silently
                };
                let forbidden = |info: &SessionInfo<'_>| info.client_id() == name;
                let revoked = broker.review(now, then, |info, _| !forbidden(info));
                let left: usize = broker
                    .sessions()
                    .filter(forbidden)
                    .map(|info| info.subscription_count())
                    .sum();
                assert_eq!(left, 0);
                self.told += &format!("{revoked}\n");
            }
            (Deed::SetContext, _) => {
                let found = broker.set_context(pool, name, 7);
                assert_eq!(
                    found,
                    broker
                        .find_session(pool, name)
                        .is_some_and(|info| info.context() == 7)
                );
            }
            (Deed::SetGrant { queue }, _) => {
                let mut grant = Grant::default();
                grant.limits.queue_messages = queue;
                broker.set_grant(pool, name, grant);
            }
            (Deed::RemoveRetained { filter: n }, _) => {
                let there = broker.retained(pool, filter(n)).count();
                assert_eq!(broker.remove_retained(pool, filter(n)), there);
                assert_eq!(broker.retained(pool, filter(n)).count(), 0);
            }
        }
    }

    /// What holds of all sessions at any time.
    fn check(net: &Net) {
        let (broker, mut queued, mut subscriptions) = (net.server.broker(), (0, 0), 0);
        for info in broker.sessions() {
            assert_eq!(info.queue().count(), info.queue_messages());
            assert_eq!(info.subscriptions().count(), info.subscription_count());
            queued.0 += info.queue_messages();
            queued.1 += info.queue_bytes();
            subscriptions += info.subscription_count();
            if let Some(conn) = info.conn() {
                assert_eq!(
                    broker.who_is(conn).map(|info| info.client_id()),
                    Some(info.client_id())
                );
            }
        }
        let held = broker.holdings();
        assert_eq!((held.queued_messages, held.queued_bytes), queued);
        assert_eq!(held.subscriptions, subscriptions);
    }
}

/// What four clients were sent, each of its connections apart, and what the owner was told.
/// `watch` looks at the server after each step.
pub(crate) fn run(
    steps: &[Step],
    durable: bool,
    mut watch: impl FnMut(&mut Net),
) -> (Vec<(Version, Vec<u8>)>, String) {
    let mut net = Net::with(|config| {
        config.durable = durable;
        config.offer_mut(0).grant.limits.queue_messages = 8;
        config.offer_mut(0).receive_maximum = 3;
        config.limits.retained_messages = 3;
    });
    let mut ends: [Option<(End, Vec<u8>)>; 4] = [const { None }; 4];
    let (mut sent, mut owner) = (Vec::new(), Owner::default());
    for step in steps {
        if let Step::Local { local, what } = *step {
            owner.inside(&mut net, local, what);
        } else if let Step::Manage { client, what } = *step {
            owner.manage(&mut net, client, what);
        } else {
            one(&mut net, &mut ends, &mut sent, step);
        }
        Owner::check(&net);
        watch(&mut net);
        for end in &mut ends {
            if end
                .as_ref()
                .is_some_and(|(end, _)| net.server.wants_close(end.id))
            {
                close(&mut net, end, &mut sent);
            }
        }
    }
    for end in &mut ends {
        close(&mut net, end, &mut sent);
    }
    for (conn, _) in owner.locals.iter().flatten() {
        net.server.broker_mut().close_local(net.now, *conn);
    }
    net.pass_secs(100);
    let kept = net.server.broker().holdings();
    assert_eq!(kept.connections, 0);
    assert!(kept.sessions <= 4, "only what 3.x asked to be kept for ever");
    assert!(net.server.poll_timeout().is_none(), "nothing is left to wait for");
    (sent, owner.told)
}

fn close(net: &mut Net, end: &mut Option<(End, Vec<u8>)>, sent: &mut Vec<(Version, Vec<u8>)>) {
    if let Some((end, bytes)) = end.take() {
        net.cut(end);
        sent.push((end.version, bytes));
    }
}

fn one(
    net: &mut Net,
    ends: &mut [Option<(End, Vec<u8>)>; 4],
    sent: &mut Vec<(Version, Vec<u8>)>,
    step: &Step,
) {
    let qos = |qos: u8| QoS::from_u8(qos).unwrap();
    let send = |net: &mut Net, ends: &[Option<(End, Vec<u8>)>; 4], client: usize, packet: Packet<'_>| {
        if let Some((end, _)) = &ends[client] {
            if let Ok(len) = packet.encoded_len(end.version) {
                let mut bytes = vec![0; len];
                packet.encode(end.version, &mut bytes).unwrap();
                net.raw(*end, &bytes);
            }
        }
    };
    match *step {
        Step::Connect {
            client,
            version,
            clean,
            expiry,
            receive_maximum,
            will: with_will,
        } => {
            close(net, &mut ends[client], sent);
            let version = Version::ALL[version];
            let end = net.open(version);
            let list = [
                Property::SessionExpiryInterval(expiry),
                Property::ReceiveMaximum(receive_maximum),
                Property::TopicAliasMaximum(ALIASES),
            ];
            let connect = Connect {
                clean_start: clean,
                keep_alive: 7,
                will: with_will.then(|| will("a/b", b"gone")),
                properties: if version == V5 {
                    Properties::new(&list)
                } else {
                    Properties::EMPTY
                },
                // Two clients of one name: they take each other over.
                ..connect(version, CLIENTS[client])
            };
            net.send(end, Packet::Connect(connect));
            ends[client] = Some((end, Vec::new()));
        }
        Step::Publish {
            client,
            name,
            qos: q,
            id,
            retain,
            dup,
            expiry,
            len,
        } => {
            let Some((end, _)) = &ends[client] else { return };
            let payload = "x".repeat(len);
            let list = expiry.map(Property::MessageExpiryInterval);
            let mut message = message(NAMES[name], qos(q), if q == 0 { 0 } else { id }, &payload);
            message.head.retain = retain;
            message.head.dup = dup && q > 0;
            if end.version == V5 {
                message.head.properties = Properties::new(list.as_slice());
            }
            send(net, ends, client, Packet::Publish(message));
        }
        Step::Answer {
            client,
            kind,
            id: n,
            code,
        } => {
            let Some((end, _)) = &ends[client] else { return };
            let code = if end.version == V5 && kind < 2 {
                ReasonCode(code)
            } else {
                ReasonCode::SUCCESS
            };
            let ack = Ack::new(id(n), code);
            let packet = [
                Packet::PubAck(ack),
                Packet::PubRec(ack),
                Packet::PubRel(ack),
                Packet::PubComp(ack),
            ][kind];
            send(net, ends, client, packet);
        }
        Step::Subscribe {
            client,
            filter,
            qos: q,
            handling,
            id,
        } => {
            let Some((end, _)) = &ends[client] else { return };
            let mut options = SubscriptionOptions::new(qos(q));
            let mut number = None;
            if end.version == V5 {
                options.retain_handling = [
                    RetainHandling::Send,
                    RetainHandling::SendIfNew,
                    RetainHandling::DoNotSend,
                ][usize::from(handling)];
                number = id;
            }
            let filters = [mqtt_proto::packet::Subscription {
                filter: TopicFilter::new(FILTERS[filter]).unwrap(),
                options,
            }];
            let list = number.map(Property::SubscriptionIdentifier);
            let packet = mqtt_proto::packet::Subscribe {
                packet_id: crate::net::id(9),
                properties: Properties::new(list.as_slice()),
                filters: mqtt_proto::packet::Subscriptions::new(&filters),
            };
            send(net, ends, client, Packet::Subscribe(packet));
        }
        Step::Unsubscribe { client, filter } => {
            let filters = [TopicFilter::new(FILTERS[filter]).unwrap()];
            let packet = mqtt_proto::packet::Unsubscribe {
                packet_id: id(9),
                properties: Properties::EMPTY,
                filters: mqtt_proto::packet::Filters::new(&filters),
            };
            send(net, ends, client, Packet::Unsubscribe(packet));
        }
        Step::Disconnect { client, with_will } => {
            let Some((end, _)) = &ends[client] else { return };
            let code = if with_will && end.version == V5 {
                ReasonCode::DISCONNECT_WITH_WILL_MESSAGE
            } else {
                ReasonCode::NORMAL_DISCONNECTION
            };
            send(
                net,
                ends,
                client,
                Packet::Disconnect(mqtt_proto::packet::Disconnect::new(code)),
            );
        }
        Step::Cut { client } => close(net, &mut ends[client], sent),
        Step::Take { client, bytes } => {
            if let Some((end, got)) = &mut ends[client] {
                let mut out = vec![0; bytes];
                let n = net.server.take_transmit(net.now, end.id, &mut out);
                got.extend_from_slice(&out[..n]);
            }
        }
        Step::Pass { millis } => net.pass(core::time::Duration::from_millis(millis)),
        Step::Bytes { client, ref bytes } => {
            if let Some((end, _)) = &ends[client] {
                net.raw(*end, bytes);
            }
        }
        // They are the owner's.
        Step::Local { .. } | Step::Manage { .. } => {}
    }
}

/// The rules that one connection's output shows by itself.
pub(crate) fn check(version: Version, bytes: &[u8]) {
    let mut rest = bytes;
    let (mut first, mut last, mut named) = (true, false, [false; 1 + ALIASES as usize]);
    while let Ok(mqtt_proto::Frame::Len(len)) = mqtt_proto::frame_len(rest, u32::MAX) {
        let packet = Packet::decode(version, mqtt_proto::Sender::Server, &rest[..len]).unwrap();
        assert_eq!(
            first,
            matches!(packet, Packet::ConnAck(_)),
            "5/MQTT-3.2.0-1, 5/MQTT-3.2.0-2"
        );
        assert!(!last, "5/MQTT-3.14.4-1");
        first = false;
        last = matches!(packet, Packet::Disconnect(_));
        if let Packet::Publish(publish) = packet {
            let alias = publish.head.properties.topic_alias().map(usize::from);
            let known = alias.map(|alias| core::mem::replace(&mut named[alias], true));
            assert!(
                !publish.head.topic.is_empty() || known == Some(true),
                "5/MQTT-3.3.2-7, 5/MQTT-3.1.2-26"
            );
        }
        rest = &rest[len..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_do_the_server_speaks_mqtt_forgets_what_is_over_and_repeats_itself(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let sent = run(&steps, false, |_| {});
        for (version, bytes) in &sent.0 {
            check(*version, bytes);
        }
        prop_assert_eq!(run(&steps, false, |_| {}), sent, "the same input gives the same output");
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(
        version in 0..3_usize,
        connected in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut net = Net::new();
        let version = Version::ALL[version];
        let end = if connected { net.client(version, "a") } else { net.open(version) };
        net.raw(end, &bytes);
        net.pass_secs(60);
    }
}
