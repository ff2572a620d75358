//! Dispatch against a matcher that looks at every pattern.
//!
//! Bytes: the version, then operations until there are none left:
//!
//! | byte | operation |
//! |---|---|
//! | 0 | insert a pattern |
//! | 1 | insert a pattern with an identifier |
//! | 2 | remove a registration |
//! | 3 and more | dispatch a message, with so many identifiers |
//!
//! Patterns and topics are lists of pieces, so that most are right and many match.

use mqtt_proto::topic::{Pattern, Share};
use mqtt_proto::{Properties, Property, TopicFilter, TopicName, Version};
use mqtt_session::dispatch::{Dispatcher, Limits, Registration};

use crate::{choices::Choices, show, version};

const PIECES: [&str; 16] = [
    "a",
    "b",
    "/",
    "/",
    "/+",
    "/+x",
    "/+y",
    "/#",
    "/#rest",
    "$",
    "$share/g/",
    "+",
    "+z",
    "#",
    "é",
    "//",
];

/// Registrations that there may be.
const MOST: usize = 40;
/// Different identifiers that a message may name and still be found by them.
const MOST_IDENTIFIERS: usize = 16;

struct Entry {
    registration: Registration,
    pattern: String,
    identifier: Option<u32>,
    value: usize,
}

impl Entry {
    /// By topic, in this version.
    fn matches(&self, topic: TopicName<'_>, version: Version) -> bool {
        let pattern = Pattern::new(&self.pattern).expect("it was one");
        let filter = pattern.filter().to_string();
        let filter = TopicFilter::new(&filter).expect("a pattern has a filter");
        filter
            .share()
            .map_or(filter, Share::filter)
            .matches(topic, version)
    }

    fn captures(&self, topic: TopicName<'_>) -> Option<Vec<(String, String)>> {
        let pattern = Pattern::new(&self.pattern).expect("it was one");
        let captures = pattern.captures(topic)?;
        Some(captures.map(|(name, text)| (name.into(), text.into())).collect())
    }

    /// Texts before `+` before the end before `#`.
    fn rank(&self) -> Vec<(u8, String)> {
        let pattern = Pattern::new(&self.pattern).expect("it was one");
        let levels = pattern.levels().map(|level| match level {
            "+" => (1, String::new()),
            "#" => (3, String::new()),
            text => (0, text.to_string()),
        });
        levels.chain([(2, String::new())]).collect()
    }
}

fn text(choices: &mut Choices<'_>) -> String {
    let len = choices.byte() % 24;
    (0..len)
        .map(|_| PIECES[usize::from(choices.byte()) % PIECES.len()])
        .collect()
}

/// The values that the topic leads to, or, with `plain`, those without identifier.
fn by_topic(all: &[Entry], topic: TopicName<'_>, version: Version, plain: bool) -> Vec<usize> {
    let mut found: Vec<_> = all
        .iter()
        .filter(|entry| entry.matches(topic, version) && !(plain && entry.identifier.is_some()))
        .collect();
    found.sort_by_key(|entry| entry.rank());
    found.into_iter().map(|entry| entry.value).collect()
}

fn wanted(all: &[Entry], topic: TopicName<'_>, identifiers: &[u32], version: Version) -> Vec<usize> {
    let mut known: Vec<u32> = Vec::new();
    for &id in identifiers {
        if !known.contains(&id) && all.iter().any(|entry| entry.identifier == Some(id)) {
            known.push(id);
        }
    }
    if known.len() > MOST_IDENTIFIERS {
        known.clear();
    }
    let mut found = Vec::new();
    for id in known {
        let of = all.iter().filter(|entry| entry.identifier == Some(id));
        found.extend(
            of.filter(|entry| entry.captures(topic).is_some())
                .map(|entry| entry.value),
        );
    }
    let plain = !found.is_empty();
    found.extend(by_topic(all, topic, version, plain));
    found
}

/// Dispatches whatever the bytes say.
///
/// # Panics
/// If dispatch and the matcher do not agree, on values, order or captures; or if something is left behind.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let version = version(choices.byte());
    let mut limits = Limits::new(version);
    limits.registrations = MOST;
    let mut dispatcher = Dispatcher::new(limits);
    let mut all: Vec<Entry> = Vec::new();
    let mut next = 0;
    while !choices.is_empty() {
        let operation = choices.byte();
        match operation {
            0 | 1 => {
                let identifier = (operation == 1).then(|| u32::from(choices.byte() % 32) + 1);
                let pattern = text(&mut choices);
                let Ok(parsed) = Pattern::new(&pattern) else {
                    continue;
                };
                show(|| format!("insert {pattern} {identifier:?} as {next}"));
                let taken = match identifier {
                    None => dispatcher.insert(parsed, next),
                    Some(id) => dispatcher.insert_with_identifier(parsed, id, next),
                };
                assert_eq!(taken.is_ok(), all.len() < MOST, "{pattern}");
                let Ok(registration) = taken else {
                    continue;
                };
                assert_eq!(dispatcher.pattern(registration), Some(parsed));
                all.push(Entry {
                    registration,
                    pattern,
                    identifier,
                    value: next,
                });
                next += 1;
            }
            2 => {
                let at = usize::from(choices.byte());
                if at < all.len() {
                    let gone = all.remove(at);
                    show(|| format!("remove {}", gone.value));
                    assert_eq!(dispatcher.remove(gone.registration), Some(gone.value));
                    assert_eq!(dispatcher.remove(gone.registration), None);
                }
            }
            count => {
                let identifiers: Vec<u32> = (3..count % 32)
                    .map(|_| u32::from(choices.byte() % 34) + 1)
                    .collect();
                let name = text(&mut choices);
                let Ok(topic) = TopicName::new(&name) else {
                    continue;
                };
                show(|| format!("dispatch {name} {identifiers:?}"));
                let list: Vec<_> = identifiers
                    .iter()
                    .map(|&id| Property::SubscriptionIdentifier(id))
                    .collect();
                let wanted = wanted(&all, topic, &identifiers, version);
                let mut found = Vec::new();
                for (&value, captures) in dispatcher.matches(topic, Properties::new(&list)) {
                    let entry = all.iter().find(|entry| entry.value == value);
                    let entry = entry.expect("what was removed is not found");
                    let captures = captures.map(|(name, text)| (name.into(), text.into()));
                    assert_eq!(Some(captures.collect()), entry.captures(topic), "{name}");
                    found.push(value);
                }
                assert_eq!(found, wanted, "{name} {identifiers:?}");
            }
        }
    }
    for entry in all {
        assert_eq!(dispatcher.remove(entry.registration), Some(entry.value));
    }
    assert_eq!((dispatcher.len(), dispatcher.bytes()), (0, 0));
}
