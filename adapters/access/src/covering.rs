//! Filters as sets of topics: whether one is inside another, and whether two meet.

use core::iter::Peekable;
use std::borrow::Cow;

/// What one level of a rule's filter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// Just this level.
    Text(Cow<'a, str>),
    /// `+`: any, but in the first place none that begins with `$` (`5/MQTT-4.7.2-1`).
    Any,
    /// Any at all: a placeholder that cannot be filled, in a rule that forbids.
    Whatever,
    /// `#`: this level and all that follow, and that they are missing; the same of `$`.
    Rest,
    /// Nothing: a placeholder that cannot be filled, in a rule that allows.
    Nothing,
}

/// This level is one of those that are wanted. `first`: it is the topic's first.
fn takes(wanted: &Wanted<'_>, level: &str, first: bool) -> bool {
    match wanted {
        Wanted::Text(text) => text == level,
        Wanted::Any | Wanted::Rest => !(first && level.starts_with('$')),
        Wanted::Whatever => true,
        Wanted::Nothing => false,
    }
}

/// Every topic that `asked` matches, `wanted` takes as well. `dollar`: wildcards at the beginning of `asked` match topics that begin with
/// `$`, as in 3.1.
pub(crate) fn covers<'a>(wanted: impl Iterator<Item = Wanted<'a>>, asked: &str, dollar: bool) -> bool {
    let mut wanted = wanted.peekable();
    let mut asked = asked.split('/');
    let mut first = true;
    loop {
        let level = asked.next();
        let (wants, level) = match (wanted.next(), level) {
            (None, None) => return true,
            // "a/#" matches "a" too (4.7.1.2).
            (Some(wants), None) => return wants == Wanted::Rest,
            (None, Some(_)) => return false,
            (Some(wants), Some(level)) => (wants, level),
        };
        let is_wildcard = matches!(level, "+" | "#");
        // Wildcards in the first place differ in what they do with '$'.
        let within = match wants {
            Wanted::Whatever => true,
            _ if is_wildcard => matches!(wants, Wanted::Any | Wanted::Rest) && !(first && dollar),
            Wanted::Text(_) | Wanted::Any | Wanted::Rest | Wanted::Nothing => takes(&wants, level, first),
        };
        if !within {
            return false;
        }
        if wants == Wanted::Rest {
            return true;
        }
        if level == "#" {
            // What is asked includes that this level is missing, but for the first, which no topic is without.
            return first && is_rest(&mut wanted);
        }
        first = false;
    }
}

/// `#` and nothing else.
fn is_rest<'a>(wanted: &mut Peekable<impl Iterator<Item = Wanted<'a>>>) -> bool {
    wanted.peek() == Some(&Wanted::Rest)
}

/// There is a topic that `asked` matches and `wanted` takes.
pub(crate) fn overlaps<'a>(mut wanted: impl Iterator<Item = Wanted<'a>>, asked: &str, dollar: bool) -> bool {
    let mut asked = asked.split('/');
    let mut first = true;
    loop {
        let (wants, level) = match (wanted.next(), asked.next()) {
            (None, None) => return true,
            (Some(wants), None) => return wants == Wanted::Rest,
            (None, Some(level)) => return level == "#",
            (Some(wants), Some(level)) => (wants, level),
        };
        let meets = match (&wants, level) {
            (Wanted::Nothing, _) => false,
            (Wanted::Text(text), "+" | "#") => !first || dollar || !text.starts_with('$'),
            (_, "+" | "#") => true,
            (wants, level) => takes(wants, level, first),
        };
        if !meets {
            return false;
        }
        if level == "#" {
            // What follows must not be in vain.
            return wanted.all(|wants| wants != Wanted::Nothing);
        }
        if wants == Wanted::Rest {
            return true;
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mqtt_proto::{TopicFilter, TopicName, Version};
    use proptest::prelude::*;

    use super::*;

    fn wanted(filter: &str) -> impl Iterator<Item = Wanted<'_>> {
        filter.split('/').map(|level| match level {
            "+" => Wanted::Any,
            "#" => Wanted::Rest,
            text => Wanted::Text(text.into()),
        })
    }

    /// Filters over few levels, and all topics over those and one more, so that a wildcard is told from all of them.
    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just("$c"), Just(""), Just("+"), Just("+")];
        (prop::collection::vec(level, 0..3), any::<bool>()).prop_filter_map("no filter", |(levels, rest)| {
            let mut filter = levels.join("/");
            if rest {
                filter = if levels.is_empty() {
                    "#".into()
                } else {
                    filter + "/#"
                };
            }
            // "/#" asks for the empty topic too, which nobody can publish to: there we are on the safe side.
            (filter != "/#" && TopicFilter::new(&filter).is_ok()).then_some(filter)
        })
    }

    fn topics(filter: &str, version: Version) -> BTreeSet<String> {
        fn grow(topic: &str, depth: usize, all: &mut Vec<String>) {
            for level in ["a", "b", "$c", "", "other", "$other"] {
                let topic = if depth == 0 {
                    level.into()
                } else {
                    format!("{topic}/{level}")
                };
                if depth < 3 {
                    grow(&topic, depth + 1, all);
                }
                all.push(topic);
            }
        }
        static ALL: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
        let all = ALL.get_or_init(|| {
            let mut all = Vec::new();
            grow("", 0, &mut all);
            all
        });
        let filter = TopicFilter::new(filter).unwrap();
        all.iter()
            .filter(|topic| !topic.is_empty() && filter.matches(TopicName::new(topic).unwrap(), version))
            .cloned()
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(700))]

        #[test]
        fn covering_and_meeting_are_what_the_topics_say(rule in filter(), asked in filter(), old in any::<bool>()) {
            let version = if old { Version::V31 } else { Version::V5 };
            let (inside, outside) = (topics(&asked, version), topics(&rule, Version::V5));
            prop_assert_eq!(covers(wanted(&rule), &asked, old), inside.is_subset(&outside));
            prop_assert_eq!(overlaps(wanted(&rule), &asked, old), !inside.is_disjoint(&outside));
        }
    }

    #[test]
    fn examples_that_a_reader_expects() {
        for (rule, asked, covered, met) in [
            ("a/#", "#", false, true),
            ("#", "a/#", true, true),
            ("a/#", "a", true, true),
            ("a/+", "a/#", false, true),
            ("+/#", "#", true, true),
            ("a/+/#", "a/#", false, true),
            ("#", "$SYS/#", false, false),
            ("+/x", "$SYS/x", false, false),
            ("$SYS/#", "#", false, false),
            ("a/+/c", "+/b/+", false, true),
            ("a", "b", false, false),
        ] {
            assert_eq!(
                (
                    covers(wanted(rule), asked, false),
                    overlaps(wanted(rule), asked, false)
                ),
                (covered, met),
                "{rule} {asked}"
            );
        }
    }
}
