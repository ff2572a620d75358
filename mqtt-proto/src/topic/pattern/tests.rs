use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::Version;

fn captured<'a>(pattern: &'a str, topic: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let topic = TopicName::new(topic).unwrap();
    Pattern::new(pattern)
        .unwrap()
        .captures(topic)
        .map(Iterator::collect)
}

#[test]
fn named_wildcards_give_back_what_they_stood_for() {
    assert_eq!(
        captured("site/+room/temp/#rest", "site/attic/temp/raw/1"),
        Some(std::vec![("room", "attic"), ("rest", "raw/1")])
    );
    assert_eq!(captured("a/#rest", "a"), Some(std::vec![("rest", "")]));
    assert_eq!(captured("a/#rest", "a/"), Some(std::vec![("rest", "")]));
    assert_eq!(captured("#all", "/x/"), Some(std::vec![("all", "/x/")]));
    assert_eq!(
        captured("+a/+/+b", "1//3"),
        Some(std::vec![("a", "1"), ("b", "3")])
    );
    assert_eq!(captured("+a", "x/y"), None);
    assert_eq!(captured("a/b", "a/b"), Some(std::vec![]));
    assert_eq!(captured("a/b", "a/c"), None);
    assert_eq!(captured("a/b", "a"), None);
    assert_eq!(captured("a", "a/b"), None);
    assert_eq!(captured("$share/g/+x", "y"), Some(std::vec![("x", "y")]));
}

#[test]
fn a_pattern_that_is_wrong_is_refused_with_kind_and_place() {
    use PatternErrorKind::{Filter, Name, RepeatedName};
    for (pattern, kind, offset) in [
        ("", Filter(TopicErrorKind::Empty), 0),
        ("a\0b", Filter(TopicErrorKind::Nul), 1),
        ("a/b+x", Filter(TopicErrorKind::SingleLevelWildcard), 3),
        ("a/b#x", Filter(TopicErrorKind::MultiLevelWildcard), 3),
        ("#rest/a", Filter(TopicErrorKind::MultiLevelWildcard), 0),
        ("$share//+x", Filter(TopicErrorKind::NoShareName), 7),
        ("$share/+g/a", Filter(TopicErrorKind::MalformedShare), 7),
        ("a/+1", Name, 3),
        ("a/+ro-om", Name, 3),
        ("a/++", Name, 3),
        ("é/#é", Name, 4),
        ("+x/+y/+x", RepeatedName, 7),
        ("+x/#x", RepeatedName, 4),
    ] {
        let error = Pattern::new(pattern).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{pattern:?}");
    }
}

#[test]
fn names_do_not_count_for_the_length_of_the_filter() {
    let mut long: String = core::iter::repeat_n('x', MAX_TOPIC_LEN - 2).collect();
    long.push_str("/+room");
    let pattern = Pattern::new(&long).unwrap();
    assert_eq!(pattern.filter().len(), MAX_TOPIC_LEN);
    long.insert(0, 'x');
    assert_eq!(
        Pattern::new(&long).unwrap_err().kind(),
        PatternErrorKind::Filter(TopicErrorKind::TooLong)
    );
}

proptest! {
    #[test]
    fn a_pattern_matches_what_its_filter_matches(
        pattern in "(\\$share/g/)?([a-b]|\\+|\\+[a-c])(/([a-b]{0,1}|\\+|\\+[d-z])){0,3}(/#|/#rest)?",
        topic in "[a-b/]{1,8}",
    ) {
        let Ok(pattern) = Pattern::new(&pattern) else { return Ok(()) };
        let mut buffer = [0; 64];
        let filter = pattern.filter().write_to(&mut buffer).unwrap();
        prop_assert_eq!(filter.as_str(), pattern.filter().to_string());
        prop_assert_eq!(filter, TopicFilter::new(filter.as_str()).unwrap());
        prop_assert_eq!(filter.as_str().len(), pattern.filter().len());
        prop_assert!(pattern.filter().write_to(&mut std::vec![0; pattern.filter().len() - 1]).is_none());
        let plain = filter.share().map_or(filter, Share::filter);
        let topic = TopicName::new(&topic).unwrap();
        let captures = pattern.captures(topic);
        prop_assert_eq!(pattern.group(), filter.share().map(Share::group));
        prop_assert_eq!(pattern.levels().collect::<Vec<_>>(), plain.levels().collect::<Vec<_>>());
        #[cfg(feature = "alloc")]
        {
            let owned = OwnedPattern::from(pattern);
            prop_assert_eq!(owned.view(), pattern);
        }
        prop_assert_eq!(captures.is_some(), plain.matches(topic, Version::V31));
        if let Some(captures) = captures {
            let names: Vec<&str> = captures.clone().map(|(name, _)| name).collect();
            prop_assert_eq!(&names, &pattern.names().collect::<Vec<_>>());
            for (name, text) in captures.clone() {
                prop_assert_eq!(captures.get(name), Some(text));
            }
        }
    }
}
