use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// All texts of up to `max` characters of the alphabet.
fn texts(alphabet: &[char], max: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut start = 0;
    for _ in 0..max {
        let end = all.len();
        for i in start..end {
            for c in alphabet {
                let mut text = all[i].clone();
                text.push(*c);
                all.push(text);
            }
        }
        start = end;
    }
    all
}

/// The rule of 4.7.1, said as a recursion over levels.
fn naive(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        ([], []) => true,
        (["#"], _) => true,
        (["+", filter @ ..], [_, name @ ..]) => naive(filter, name),
        ([f, filter @ ..], [n, name @ ..]) => f == n && naive(filter, name),
        _ => false,
    }
}

/// The rule of 4.7.1, said level by level.
fn well_formed(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    !filter.is_empty()
        && levels
            .iter()
            .enumerate()
            .all(|(i, l)| !l.contains(['+', '#']) || *l == "+" || (*l == "#" && i == last))
}

#[test]
fn matching_is_the_rule_of_4_7_for_all_short_filters_and_names() {
    let names: Vec<String> = texts(&['a', '/', '$'], 5).into_iter().skip(1).collect();
    let mut filters = 0;
    for text in texts(&['a', '/', '$', '+', '#'], 5) {
        let checked = TopicFilter::new(&text);
        assert_eq!(checked.is_ok(), well_formed(&text), "{text:?}");
        let Ok(filter) = checked else { continue };
        filters += 1;
        let levels: Vec<&str> = filter.levels().collect();
        let first_is_wildcard = matches!(levels[0], "+" | "#");
        for name in &names {
            let topic = TopicName::new(name).unwrap();
            let plain = naive(&levels, &topic.levels().collect::<Vec<_>>());
            let special = plain && !(first_is_wildcard && name.starts_with('$'));
            assert_eq!(filter.matches(topic, Version::V31), plain, "{text} {name}");
            assert_eq!(filter.matches(topic, Version::V311), special, "{text} {name}");
            assert_eq!(filter.matches(topic, Version::V5), special, "{text} {name}");
        }
    }
    assert!(filters > 400, "{filters}");
}

#[test]
fn the_cases_that_section_4_7_talks_about() {
    for (filter, yes, no) in [
        (
            "home/cat/1/#",
            &["home/cat/1", "home/cat/1/food", "home/cat/1/food/left"][..],
            &["home/cat", "home/cat/10"][..],
        ),
        ("home/#", &["home", "home/", "home/x"], &["homes", "/home"]),
        ("#", &["a", "/", "/a/b"], &["$SYS/a", "$"]),
        (
            "home/cat/+",
            &["home/cat/1", "home/cat/2", "home/cat/"],
            &["home/cat", "home/cat/1/food"],
        ),
        ("home/+", &["home/"], &["home", "home/a/b"]),
        ("+", &["a"], &["/a", "a/", "$a"]),
        ("+/+", &["/a", "a/", "/", "a/b"], &["a", "a/b/c", "$SYS/a"]),
        ("/+", &["/a", "/"], &["a", "a/b"]),
        ("+/cat/#", &["home/cat", "/cat/x"], &["$x/cat"]),
        (
            "+/monitor/Clients",
            &["a/monitor/Clients"],
            &["$SYS/monitor/Clients"],
        ),
        ("$SYS/#", &["$SYS", "$SYS/a/b"], &["SYS/a", "$SYSX"]),
        ("$SYS/monitor/+", &["$SYS/monitor/Clients"], &["$SYS/monitor"]),
        ("ACCOUNTS", &["ACCOUNTS"], &["Accounts", "accounts"]),
        ("a", &["a"], &["/a", "a/"]),
        // Composed and decomposed forms of one letter are different topics (5/MQTT-4.7.3-4).
        ("caf\u{e9}", &["caf\u{e9}"], &["cafe\u{301}"]),
        // A filter of 3.1.1 may begin with $share, and is then not special.
        ("$share/g/a", &["$share/g/a"], &["a"]),
    ] {
        let filter = TopicFilter::new(filter).unwrap();
        for name in yes {
            assert!(
                filter.matches(TopicName::new(name).unwrap(), Version::V5),
                "{filter} {name}"
            );
        }
        for name in no {
            assert!(
                !filter.matches(TopicName::new(name).unwrap(), Version::V5),
                "{filter} {name}"
            );
        }
    }
    let special = TopicName::new("$SYS/a").unwrap();
    assert!(TopicFilter::new("#").unwrap().matches(special, Version::V31));
}

#[test]
fn no_filter_matches_the_empty_name() {
    for filter in ["#", "+"] {
        let filter = TopicFilter::new(filter).unwrap();
        for version in [Version::V31, Version::V311, Version::V5] {
            assert!(!filter.matches(TopicName::EMPTY, version));
        }
    }
}

#[test]
fn the_refusal_of_a_filter_tells_kind_and_place() {
    for (filter, kind, offset) in [
        ("", TopicErrorKind::Empty, 0),
        ("a\0", TopicErrorKind::Nul, 1),
        ("a#", TopicErrorKind::MultiLevelWildcard, 1),
        ("a/#/b", TopicErrorKind::MultiLevelWildcard, 2),
        ("#/a", TopicErrorKind::MultiLevelWildcard, 0),
        ("##", TopicErrorKind::MultiLevelWildcard, 0),
        ("a/#b", TopicErrorKind::MultiLevelWildcard, 2),
        ("a+", TopicErrorKind::SingleLevelWildcard, 1),
        ("é/b+", TopicErrorKind::SingleLevelWildcard, 4),
        ("++", TopicErrorKind::SingleLevelWildcard, 0),
        ("+a/b", TopicErrorKind::SingleLevelWildcard, 0),
    ] {
        let error = TopicFilter::new(filter).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{filter:?}");
    }
    let long: String = core::iter::repeat_n('x', MAX_TOPIC_LEN + 1).collect();
    assert_eq!(
        TopicFilter::new(&long).unwrap_err().kind(),
        TopicErrorKind::TooLong
    );
    assert!(TopicFilter::new(&long[1..]).is_ok());
}

proptest! {
    #[test]
    fn a_name_matches_itself_and_every_filter_made_by_widening_it(
        levels in prop::collection::vec("[a-z0-9 ]{0,3}", 1..6),
        widen in prop::collection::vec(any::<bool>(), 6),
        cut in 0..7_usize,
    ) {
        let name = levels.join("/");
        prop_assume!(!name.is_empty());
        let mut filter: Vec<&str> = levels
            .iter()
            .zip(&widen)
            .map(|(level, wide)| if *wide { "+" } else { level.as_str() })
            .collect();
        if cut < filter.len() {
            filter.truncate(cut);
            filter.push("#");
        }
        let filter = filter.join("/");
        prop_assume!(!filter.is_empty());
        let topic = TopicName::new(&name).unwrap();
        prop_assert!(TopicFilter::new(&filter).unwrap().matches(topic, Version::V5));
        prop_assert!(TopicFilter::try_from(topic).unwrap().matches(topic, Version::V5));
    }
}
