use std::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use mqtt_proto::{TopicFilter, TopicName, Version};
use proptest::prelude::*;

use super::*;
use crate::level_tree::Search;

#[derive(Debug, Default)]
struct Names(bool);

impl Vacant for Names {
    fn is_vacant(&self) -> bool {
        !self.0
    }
}

fn how(qos: QoS) -> Subscribed {
    Subscribed {
        qos,
        no_local: false,
        retain_as_published: false,
        dollar: false,
        id: None,
    }
}

fn sessions(routes: &mut Routes, name: &str) -> Vec<u32> {
    let mut found = Vec::new();
    routes.route(name, None, |_| Room::Now, &mut found);
    found.iter().map(|m| m.session.0).collect()
}

fn level(wild: bool) -> impl Strategy<Value = String> {
    let plain = prop_oneof![Just("a"), Just("b"), Just(""), Just("$x"), Just("ab")];
    if wild {
        prop_oneof![3 => plain.prop_map(ToString::to_string), 2 => Just("+".to_string())].boxed()
    } else {
        plain.prop_map(|s| s.to_string()).boxed()
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(level(false), 1..4)
        .prop_map(|l| l.join("/"))
        .prop_filter("empty", |n| !n.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    (prop::collection::vec(level(true), 0..4), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            if hash {
                levels.push("#".to_string());
            }
            levels.join("/")
        })
        .prop_filter("empty", |f| !f.is_empty())
}

proptest! {
    #[test]
    fn routing_finds_what_the_naive_matcher_finds(
        changes in prop::collection::vec((any::<bool>(), 0_u32..4, filter(), any::<bool>()), 1..40),
        names in prop::collection::vec(name(), 1..8),
    ) {
        let mut routes = Routes::new();
        let mut model: BTreeMap<(String, u32), bool> = BTreeMap::new();
        for (add, session, filter, dollar) in changes {
            let key = (filter.clone(), session);
            if add {
                let new = routes.subscribe(SessionKey(session), &filter, None, Subscribed { dollar, ..how(QoS::AtMostOnce) });
                prop_assert_eq!(new, model.insert(key, dollar).is_none());
            } else {
                prop_assert_eq!(routes.unsubscribe(SessionKey(session), &filter, None), model.remove(&key).is_some());
            }
        }
        for name in names {
            let topic = TopicName::new(&name).unwrap();
            let wanted: BTreeSet<u32> = model
                .iter()
                .filter(|((filter, _), dollar)| {
                    let version = if **dollar { Version::V31 } else { Version::V5 };
                    TopicFilter::new(filter).unwrap().matches(topic, version)
                })
                .map(|((_, session), _)| *session)
                .collect();
            let found = sessions(&mut routes, &name);
            prop_assert_eq!(&found, &wanted.into_iter().collect::<Vec<_>>(), "{}", name);
        }
        for ((filter, session), _) in model {
            prop_assert!(routes.unsubscribe(SessionKey(session), &filter, None));
        }
        prop_assert_eq!(routes.nodes(), 0, "no node is left behind");
    }

    #[test]
    fn a_filter_finds_the_names_that_the_naive_matcher_finds_each_once_and_in_order(
        names in prop::collection::btree_set(name(), 0..20),
        filter in filter(),
        dollar in any::<bool>(),
        patience in 0..5_usize,
    ) {
        let version = if dollar { Version::V31 } else { Version::V5 };
        let mut tree = LevelTree::<Names>::new();
        for name in &names {
            tree.entry(name.split('/')).unwrap().0 = true;
        }
        let mut wanted: Vec<Vec<String>> = names
            .iter()
            .filter(|n| TopicFilter::new(&filter).unwrap().matches(TopicName::new(n).unwrap(), version))
            .map(|n| n.split('/').map(ToString::to_string).collect())
            .collect();
        wanted.sort();
        let mut found = vec![];
        let mut after: Option<String> = None;
        let mut pauses = 0;
        loop {
            // However often it is interrupted.
            match tree.next_matching_name(&filter, after.as_deref(), dollar, &mut patience.clone()) {
                Search::Found(name, _) => {
                    found.push(name.split('/').map(ToString::to_string).collect::<Vec<_>>());
                    after = Some(name);
                    prop_assert!(found.len() <= wanted.len());
                }
                Search::Paused(path) => {
                    after = Some(path);
                    pauses += 1;
                    prop_assert!(pauses <= 1_000, "it gets on");
                }
                Search::Done => break,
            }
        }
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn overlapping_subscriptions_are_one_delivery_with_the_highest_qos_and_all_ids_5_mqtt_3_3_4_2_and_4() {
    let mut routes = Routes::new();
    let id = NonZeroU32::new;
    let with = |qos, n| Subscribed {
        id: id(n),
        ..how(qos)
    };
    routes.subscribe(SessionKey(1), "a/#", None, with(QoS::AtMostOnce, 7));
    routes.subscribe(SessionKey(1), "a/b", None, with(QoS::ExactlyOnce, 8));
    routes.subscribe(SessionKey(1), "+/b", None, with(QoS::AtLeastOnce, 0));
    routes.subscribe(
        SessionKey(0),
        "+/b",
        None,
        Subscribed {
            retain_as_published: true,
            ..how(QoS::AtLeastOnce)
        },
    );
    let mut found = Vec::new();
    routes.route("a/b", None, |_| Room::Now, &mut found);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].session, found[0].qos, found[0].retain_as_published),
        (SessionKey(0), QoS::AtLeastOnce, true)
    );
    assert_eq!(
        (found[1].session, found[1].qos),
        (SessionKey(1), QoS::ExactlyOnce)
    );
    let mut ids: Vec<_> = found[1].ids.iter().map(NonZeroU32::get).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8]);
}

#[test]
fn no_local_keeps_a_message_from_its_publisher_5_mqtt_3_8_3_3() {
    let mut routes = Routes::new();
    routes.subscribe(
        SessionKey(1),
        "a",
        None,
        Subscribed {
            no_local: true,
            ..how(QoS::AtMostOnce)
        },
    );
    routes.subscribe(
        SessionKey(2),
        "a",
        None,
        Subscribed {
            no_local: true,
            ..how(QoS::AtMostOnce)
        },
    );
    let mut found = Vec::new();
    routes.route("a", Some(SessionKey(1)), |_| Room::Now, &mut found);
    assert_eq!(found.iter().map(|m| m.session.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_group_goes_round_its_members_with_the_most_room() {
    let mut routes = Routes::new();
    for session in [3, 5, 9] {
        assert!(routes.subscribe(SessionKey(session), "a/+", Some("g"), how(QoS::AtLeastOnce)));
    }
    let mut next = |room: &dyn Fn(SessionKey) -> Room| {
        let mut found = Vec::new();
        routes.route("a/b", None, room, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].group.as_ref().map(|g| &***g), Some("$share/g/a/+"));
        found[0].session.0
    };
    assert_eq!([(); 4].map(|()| next(&|_| Room::Now)), [3, 5, 9, 3]);
    assert_eq!(
        [(); 3].map(|()| next(&|s| if s.0 == 5 { Room::Later } else { Room::Now })),
        [9, 3, 9]
    );
    assert_eq!(
        [(); 2].map(|()| next(&|s| if s.0 == 5 { Room::Later } else { Room::Away })),
        [5, 5]
    );
    let mut found = Vec::new();
    routes.route("a", None, |_| Room::Now, &mut found);
    assert!(found.is_empty());
    for session in [3, 5, 9] {
        assert!(routes.unsubscribe(SessionKey(session), "a/+", Some("g")));
    }
    assert_eq!(routes.nodes(), 0);
}

/// How many nodes a message's search looks at, and whom it finds.
fn cost(routes: &mut Routes, name: &str) -> (usize, Vec<u32>) {
    let mut search = routes.tree.matching_filters(name);
    while search.next().is_some() {}
    (search.looks, sessions(routes, name))
}

#[test]
fn the_cost_of_routing_does_not_grow_with_subscriptions_that_do_not_match() {
    let others: [fn(u32) -> String; 7] = [
        |n| format!("x{n}"),
        |n| format!("a/b/x{n}"),
        |n| format!("a/b/c/x{n}"),
        |n| format!("a/+/x{n}"),
        |n| format!("+/b/x{n}/#"),
        |n| format!("x{n}/b/c"),
        |n| format!("$x{n}/b/c"),
    ];
    for other in others {
        let mut costs = BTreeSet::new();
        let mut routes = Routes::new();
        for (session, filter) in ["a/b/c", "a/+/c", "a/#", "#"].into_iter().enumerate() {
            routes.subscribe(SessionKey(session as u32), filter, None, how(QoS::AtMostOnce));
        }
        // The first of them may bring a level that is looked for.
        routes.subscribe(SessionKey(9), &other(0), None, how(QoS::AtMostOnce));
        for more in [1, 10, 1_000, 20_000] {
            for n in 0..more {
                routes.subscribe(SessionKey(10 + n % 100), &other(n), None, how(QoS::AtMostOnce));
            }
            costs.insert(cost(&mut routes, "a/b/c"));
        }
        assert_eq!(costs.len(), 1, "{}: {costs:?}", other(0));
        let (looks, found) = costs.pop_first().unwrap();
        assert_eq!(found, [0, 1, 2, 3]);
        assert!(looks < 20, "{looks}");
    }
}

#[test]
fn the_cost_of_finding_a_retained_message_does_not_grow_with_those_that_do_not_match() {
    let mut tree = LevelTree::<Names>::new();
    let mut costs = BTreeSet::new();
    tree.entry("a/b/c".split('/')).unwrap().0 = true;
    for more in [1, 10, 1_000, 20_000] {
        for n in 0..more {
            for name in [format!("x{n}"), format!("a/x{n}/c"), format!("a/b/x{n}")] {
                tree.entry(name.split('/')).unwrap().0 = true;
            }
        }
        let mut steps = 1_000;
        let found = tree.next_matching_name("a/b/c", None, false, &mut steps);
        assert!(matches!(found, Search::Found(name, _) if name == "a/b/c"));
        costs.insert(1_000 - steps);
    }
    assert_eq!(costs.len(), 1, "{costs:?}");
}

#[test]
fn a_name_that_comes_again_leads_where_subscriptions_lead_now() {
    let mut routes = Routes::new();
    let (one, two) = (SessionKey(1), SessionKey(2));
    let found = |routes: &mut Routes, from| {
        let mut found = Vec::new();
        routes.route("a/b", from, |_| Room::Now, &mut found);
        found.iter().map(|m| (m.session.0, m.qos)).collect::<Vec<_>>()
    };
    routes.subscribe(one, "a/+", None, how(QoS::AtMostOnce));
    for _ in 0..3 {
        assert_eq!(found(&mut routes, None), [(1, QoS::AtMostOnce)]);
    }
    let no_local = Subscribed {
        no_local: true,
        ..how(QoS::AtLeastOnce)
    };
    routes.subscribe(one, "a/+", None, no_local);
    assert_eq!(found(&mut routes, None), [(1, QoS::AtLeastOnce)]);
    assert_eq!(found(&mut routes, Some(one)), []);
    assert_eq!(found(&mut routes, Some(two)), [(1, QoS::AtLeastOnce)]);
    routes.subscribe(two, "#", None, how(QoS::AtMostOnce));
    assert_eq!(found(&mut routes, Some(two)).len(), 2);
    routes.unsubscribe(one, "a/+", None);
    assert_eq!(found(&mut routes, Some(two)), [(2, QoS::AtMostOnce)]);
    routes.unsubscribe(two, "#", None);
    assert_eq!(found(&mut routes, Some(two)), []);
    // Members of a group still take turns.
    routes.subscribe(one, "a/b", Some("g"), how(QoS::AtMostOnce));
    routes.subscribe(two, "a/b", Some("g"), how(QoS::AtMostOnce));
    let turns = [found(&mut routes, None), found(&mut routes, None)].concat();
    assert_eq!(turns.len(), 2);
    assert_ne!(turns.first(), turns.last());
}
