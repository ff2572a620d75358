//! Anything in any order, and then rest.

use std::{collections::BTreeSet, time::Duration};

use mqtt_proto::{Properties, QoS, TopicFilter, Version};
use mqtt_session::{Token, client::OwnedEvent, registry::Limits};
use proptest::prelude::*;

use crate::world::{World, subscription};

#[derive(Clone, Debug)]
enum Op {
    Subscribe(Vec<u8>, u8),
    Unsubscribe(u8),
    Turns(u8),
    Cut,
    Expire,
    Connect,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (prop::collection::vec(0..8_u8, 1..4), 0..3_u8).prop_map(|(f, q)| Op::Subscribe(f, q)),
        2 => (0..8_u8).prop_map(Op::Unsubscribe),
        3 => (0..6_u8).prop_map(Op::Turns),
        1 => Just(Op::Cut),
        1 => Just(Op::Expire),
        2 => Just(Op::Connect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Requests, lost links and lost sessions in any order: at rest on a connection, what is held is what arrives. Filters
    /// of requests that were aborted are left out, because whether the server has handled them nobody knows.
    #[test]
    fn at_rest_the_server_has_what_is_held(
        ops in prop::collection::vec(any_op(), 1..40), v5 in any::<bool>(), filters in 1..4_u16,
    ) {
        let mut world = World::connected(if v5 { Version::V5 } else { Version::V311 });
        world.filters = filters;
        world.limits.filters = filters;
        let topics: Vec<String> = (0..8).map(|n| format!("t/{n}")).collect();
        let mut unsure = BTreeSet::new();
        let mut open: Vec<(Token, Vec<String>)> = Vec::new();
        for op in ops {
            let now = world.net.now();
            match op {
                Op::Subscribe(which, qos) => {
                    let all: Vec<_> = which
                        .iter()
                        .map(|&n| subscription(&topics[usize::from(n)], QoS::from_u8(qos).unwrap()))
                        .collect();
                    if let Ok(token) = world.net.client(world.c).subscribe(now, &all, Properties::EMPTY) {
                        world.registry.handle_subscribe(token, &all, Properties::EMPTY);
                        open.push((token, which.iter().map(|&n| topics[usize::from(n)].clone()).collect()));
                    }
                }
                Op::Unsubscribe(n) => {
                    let topic = topics[usize::from(n)].clone();
                    let all = [TopicFilter::new(&topic).unwrap()];
                    if let Ok(token) = world.net.client(world.c).unsubscribe(now, &all, Properties::EMPTY) {
                        world.registry.handle_unsubscribe(token, &all);
                        open.push((token, vec![topic.clone()]));
                    }
                }
                Op::Turns(n) => {
                    for _ in 0..n {
                        world.net.turn();
                    }
                }
                Op::Cut => world.net.cut(world.c),
                Op::Expire => {
                    world.net.cut(world.c);
                    world.net.advance(Duration::from_secs(20));
                }
                Op::Connect => world.begin(),
            }
            for event in world.net.take_events(world.c) {
                match &event {
                    OwnedEvent::Aborted { token, .. } => {
                        let of = open.iter().filter(|(one, _)| one == token);
                        unsure.extend(of.flat_map(|(_, filters)| filters.clone()));
                    }
                    OwnedEvent::Connected(connected) => {
                        // With the session all doubt is gone.
                        if !connected.session_present {
                            unsure.clear();
                        }
                        world.limits = Limits::of(world.version, connected.properties.view());
                        world.limits.filters = filters;
                    }
                    _ => {}
                }
                world.registry.handle_owned_event(&event);
            }
            world.restore();
        }
        world.begin();
        for event in world.net.take_events(world.c) {
            if let OwnedEvent::Aborted { token, .. } = &event {
                let of = open.iter().filter(|(one, _)| one == token);
                unsure.extend(of.flat_map(|(_, filters)| filters.clone()));
            }
            world.registry.handle_owned_event(&event);
        }
        world.settle();
        let mut held = world.held();
        let mut arrived = world.arrived(topics.iter().map(String::as_str));
        held.retain(|filter| !unsure.contains(filter));
        arrived.retain(|filter| !unsure.contains(filter));
        prop_assert_eq!(held, arrived, "{:?}", world.told);
        prop_assert!(world.registry.held().all(|held| held.on_server));
    }
}
