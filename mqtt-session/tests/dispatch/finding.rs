//! By topic.

use mqtt_proto::{Properties, TopicFilter, TopicName, Version, topic::Share};
use mqtt_session::dispatch::{Dispatcher, Limits, Registration};
use proptest::prelude::*;

use super::{dispatcher, found, pattern, topic};

/// What a pattern stands for when patterns are compared level by level: texts before `+` before the end before `#`.
fn rank(text: &str) -> Vec<(u8, String)> {
    let levels = pattern(text).levels().map(|level| match level {
        "+" => (1, String::new()),
        "#" => (3, String::new()),
        text => (0, text.to_string()),
    });
    levels.chain([(2, String::new())]).collect()
}

fn topics() -> impl Strategy<Value = String> {
    "(\\$x|a|b|c|ab|)(/(a|b|c|\\$x|)){0,10}".prop_filter("empty", |name| !name.is_empty())
}

fn patterns() -> impl Strategy<Value = String> {
    "(\\$share/g/)?(\\$x|a|b||\\+|\\+v)(/(a|b||\\+|\\+[w-z])){0,10}(/#|/#rest)?|#|#all"
        .prop_filter("no pattern", |text| mqtt_proto::topic::Pattern::new(text).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_message_leads_to_the_values_whose_pattern_matches_and_to_no_other_with_the_captures_of_the_pattern(
        changes in prop::collection::vec((0..4_u8, patterns()), 1..30),
        names in prop::collection::vec(topics(), 1..6),
        version in prop::sample::select(&Version::ALL[..]),
    ) {
        let mut dispatcher = Dispatcher::new(Limits::new(version));
        let mut model: Vec<(Registration, String, usize)> = Vec::new();
        for (n, (what, text)) in changes.into_iter().enumerate() {
            if what == 0 && !model.is_empty() {
                let (gone, _, value) = model.remove(n % model.len());
                prop_assert_eq!(dispatcher.remove(gone), Some(value));
                prop_assert_eq!(dispatcher.remove(gone), None);
                prop_assert_eq!(dispatcher.get(gone), None);
            } else {
                model.push((dispatcher.insert(pattern(&text), n).unwrap(), text, n));
            }
        }
        prop_assert_eq!(dispatcher.len(), model.len());
        for name in &names {
            let mut wanted: Vec<_> = model
                .iter()
                .filter(|(_, text, _)| {
                    let filter = pattern(text).filter().to_string();
                    let filter = TopicFilter::new(&filter).unwrap();
                    filter.share().map_or(filter, Share::filter).matches(topic(name), version)
                })
                .map(|(_, text, value)| {
                    let captures: Vec<_> = pattern(text).captures(topic(name)).unwrap().collect();
                    (*value, captures, rank(text))
                })
                .collect();
            // The documented order; the sort is stable, so what is older stays in front.
            wanted.sort_by(|a, b| a.2.cmp(&b.2));
            let mut dispatched = Vec::new();
            dispatcher.dispatch(topic(name), Properties::EMPTY, |value, captures| {
                dispatched.push((*value, captures.map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>()));
            });
            let found = dispatcher.matches(topic(name), Properties::EMPTY);
            let found: Vec<_> = found.map(|(value, captures)| (*value, captures.collect::<Vec<_>>())).collect();
            prop_assert_eq!(dispatched.len(), found.len());
            for (one, other) in dispatched.iter().zip(&found) {
                prop_assert_eq!(one.0, other.0);
                prop_assert!(one.1.iter().map(|(k, v)| (&**k, &**v)).eq(other.1.iter().copied()));
            }
            let wanted: Vec<_> = wanted.into_iter().map(|(value, captures, _)| (value, captures)).collect();
            prop_assert_eq!(found, wanted, "{}", name);
        }
        for (registration, text, value) in model {
            prop_assert_eq!(dispatcher.pattern(registration), Some(pattern(&text)));
            prop_assert_eq!(dispatcher.remove(registration), Some(value));
        }
        prop_assert_eq!((dispatcher.len(), dispatcher.bytes()), (0, 0), "nothing is left behind");
    }
}

#[test]
fn the_most_particular_comes_first_and_what_is_the_same_in_its_order() {
    let mut dispatcher = dispatcher();
    for text in [
        "#",
        "a/#",
        "+/b/#",
        "+/b",
        "a/+",
        "a/b",
        "a/b/#",
        "a/+x",
        "$share/g/a/b",
        "+/+",
        "a/+y/#",
    ] {
        dispatcher.insert(pattern(text), text).unwrap();
    }
    assert_eq!(
        found(&dispatcher, "a/b", &[]),
        [
            "a/b",
            "$share/g/a/b",
            "a/b/#",
            "a/+",
            "a/+x",
            "a/+y/#",
            "a/#",
            "+/b",
            "+/b/#",
            "+/+",
            "#"
        ]
    );
}

/// Every level may be a text or `+`, and the filter may end with `#` behind any of them: whatever way is taken, all the
/// others are left, on more levels than are remembered.
#[test]
fn all_filters_of_one_topic_are_found_once_and_in_order_however_many_there_are() {
    const LEVELS: usize = 12;
    let mut all: Vec<String> = vec!["#".into()];
    for depth in 1..=LEVELS {
        for choice in 0..1_u32 << depth {
            let levels = (0..depth).map(|at| if choice >> at & 1 == 1 { "+" } else { "a" });
            let filter = levels.collect::<Vec<_>>().join("/");
            all.push(format!("{filter}/#"));
            if depth == LEVELS {
                all.push(filter);
            }
        }
    }
    let mut dispatcher = dispatcher();
    for filter in &all {
        dispatcher.insert(pattern(filter), &**filter).unwrap();
    }
    let mut wanted: Vec<&str> = all.iter().map(|filter| &**filter).collect();
    wanted.sort_by_cached_key(|filter| rank(filter));
    assert_eq!(wanted.len(), 12_287);
    assert_eq!(found(&dispatcher, &["a"; LEVELS].join("/"), &[]), wanted);
}

#[test]
fn wildcards_in_front_do_not_match_a_dollar_5_mqtt_4_7_2_1_but_do_in_3_1() {
    let all = ["#", "+/x", "$SYS/#", "$SYS/+"];
    let of = |version| {
        let mut dispatcher = Dispatcher::new(Limits::new(version));
        for text in all {
            dispatcher.insert(pattern(text), text).unwrap();
        }
        found(&dispatcher, "$SYS/x", &[])
    };
    assert_eq!(of(Version::V5), ["$SYS/+", "$SYS/#"]);
    assert_eq!(of(Version::V311), ["$SYS/+", "$SYS/#"]);
    assert_eq!(of(Version::V31), ["$SYS/+", "$SYS/#", "+/x", "#"]);
}

#[test]
fn a_topic_that_an_alias_stands_for_and_that_was_not_looked_up_leads_nowhere() {
    let mut dispatcher = dispatcher();
    for text in ["#", "+", "+/#"] {
        dispatcher.insert(pattern(text), text).unwrap();
    }
    assert_eq!(dispatcher.matches(TopicName::EMPTY, Properties::EMPTY).count(), 0);
}

#[test]
fn values_can_be_changed_where_they_are() {
    let mut dispatcher = dispatcher();
    let one = dispatcher.insert(pattern("a/+n"), 0).unwrap();
    let other = dispatcher.insert(pattern("a/#"), 0).unwrap();
    for name in ["a/1", "a/2", "b/7"] {
        let reached = dispatcher.dispatch(topic(name), Properties::EMPTY, |sum, captures| {
            *sum += captures.get("n").map_or(100, |n| n.parse().unwrap());
        });
        assert_eq!(reached, if name == "b/7" { 0 } else { 2 });
    }
    *dispatcher.get_mut(other).unwrap() += 1;
    assert_eq!(
        (dispatcher.get(one), dispatcher.get(other)),
        (Some(&3), Some(&201))
    );
}

#[test]
fn a_topic_of_65536_levels_needs_no_more_stack_than_a_short_one() {
    let search = || {
        let slashes = "/".repeat(65_535);
        let mut wide = Dispatcher::new(Limits::new(Version::V5));
        for text in ["#", "/#", "//+x/#", "+/+/+"] {
            wide.insert(pattern(text), text).unwrap();
        }
        assert_eq!(found(&wide, &slashes, &[]), ["//+x/#", "/#", "#"]);

        // As deep as the topic, with something left on every level on the way back.
        let mut limits = Limits::new(Version::V5);
        limits.bytes = 64 * 1024 * 1024;
        let mut deep = Dispatcher::new(limits);
        let one = deep.insert(pattern(&slashes), "all empty").unwrap();
        let plus = format!("{}+", "+/".repeat(32_767));
        deep.insert(pattern(&plus), "all plus").unwrap();
        for levels in [1, 7, 8, 9, 10, 1_000, 30_000] {
            deep.insert(pattern(&format!("{}#", "/".repeat(levels))), "rest")
                .unwrap();
            deep.insert(pattern(&format!("{}#", "+/".repeat(levels))), "plus rest")
                .unwrap();
        }
        let values = found(&deep, &slashes, &[]);
        assert_eq!(values.len(), 15);
        assert_eq!(values.first(), Some(&"all empty"));
        assert_eq!(found(&deep, &"/".repeat(32_767), &[]).len(), 15);
        assert_eq!(deep.remove(one), Some("all empty"));
        assert_eq!(found(&deep, &slashes, &[]).len(), 14);
    };
    let small = std::thread::Builder::new().stack_size(128 * 1024);
    small.spawn(search).unwrap().join().unwrap();
}
