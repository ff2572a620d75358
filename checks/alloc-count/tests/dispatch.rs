//! Dispatching a message allocates nothing, whatever it matches.

use alloc_count::{Counting, count, held};
use mqtt_proto::{Properties, Property, TopicName, Version, topic::Pattern};
use mqtt_session::dispatch::{Dispatcher, Limits};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn dispatching_any_message_allocates_nothing() {
    let mut dispatcher = Dispatcher::new(Limits::new(Version::V5));
    for n in 0..1_000 {
        for text in [
            format!("site/{n}/+room"),
            format!("site/{n}/#rest"),
            "+/+/+".into(),
        ] {
            dispatcher.insert(Pattern::new(&text).unwrap(), 0_u64).unwrap();
            dispatcher
                .insert_with_identifier(Pattern::new(&text).unwrap(), n + 1, 0_u64)
                .unwrap();
        }
    }
    let long = format!("site/7{}", "/".repeat(60_000));
    let (topics, identifiers) = (
        ["site/7/attic", "site/9/a/b/c", "nowhere", &long],
        [Property::SubscriptionIdentifier(8)],
    );
    for topic in topics {
        let topic = TopicName::new(topic).unwrap();
        for properties in [Properties::EMPTY, Properties::new(&identifiers)] {
            let mut found = (0, 0);
            let (allocated, ()) = count(|| {
                for (_, captures) in dispatcher.matches(topic, properties) {
                    found.0 += 1;
                    found.1 += captures.map(|(_, text)| text.len()).sum::<usize>();
                }
                dispatcher.dispatch(topic, properties, |value, _| *value += 1);
            });
            assert_eq!(allocated, 0);
            assert_eq!(found.0 == 0, topic.as_str() == "nowhere");
        }
    }
}

/// What the limit counts is what there is, but for what the growing of tables adds.
#[test]
fn memory_is_about_what_is_counted() {
    for depth in [1, 3, 50] {
        let mut dispatcher = Dispatcher::new(Limits::new(Version::V5));
        let (held, ()) = held(|| {
            for n in 0..1_000 {
                let text = format!("{}{n}/+room", "level/".repeat(depth));
                dispatcher.insert(Pattern::new(&text).unwrap(), ()).unwrap();
            }
        });
        let counted = i64::try_from(dispatcher.bytes()).unwrap();
        assert!(
            held < counted * 2 && counted < held * 2,
            "{depth}: {held} held, {counted} counted"
        );
    }
}
