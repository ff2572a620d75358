//! By Subscription Identifier.

use mqtt_proto::{Properties, Property};
use proptest::prelude::*;

use super::{dispatcher, found, pattern, topic};

#[test]
fn a_message_with_identifiers_goes_to_their_values_in_its_order_5_mqtt_3_3_4_4() {
    let mut dispatcher = dispatcher();
    for (text, id) in [("a/b", 1), ("a/+x", 2), ("#", 3), ("a/#", 2)] {
        dispatcher
            .insert_with_identifier(pattern(text), id, text)
            .unwrap();
    }
    assert_eq!(found(&dispatcher, "a/b", &[3, 1]), ["#", "a/b"]);
    assert_eq!(
        found(&dispatcher, "a/b", &[2, 2]),
        ["a/+x", "a/#"],
        "two subscriptions of one identifier are named twice, and each value has it once"
    );
    // The copies of a server that sends one for each of the overlapping subscriptions.
    let copies = [1, 2, 3].map(|id| found(&dispatcher, "a/b", &[id]));
    assert_eq!(copies, [vec!["a/b"], vec!["a/+x", "a/#"], vec!["#"]]);
    let properties = [Property::SubscriptionIdentifier(2)];
    let (_, captures) = dispatcher
        .matches(topic("a/b"), Properties::new(&properties))
        .next()
        .unwrap();
    assert_eq!(captures.get("x"), Some("b"));
}

#[test]
fn without_identifiers_that_lead_anywhere_the_topic_decides() {
    let mut dispatcher = dispatcher();
    let b = dispatcher
        .insert_with_identifier(pattern("b/#"), 1, "b/#")
        .unwrap();
    dispatcher
        .insert_with_identifier(pattern("a/#"), 2, "a/#")
        .unwrap();
    assert_eq!(found(&dispatcher, "a/b", &[]), ["a/#"], "as in 3.x");
    assert_eq!(found(&dispatcher, "a/b", &[77]), ["a/#"], "nobody has this one");
    assert_eq!(
        found(&dispatcher, "a/b", &[1]),
        ["a/#"],
        "an identifier that once meant something else"
    );
    assert_eq!(dispatcher.remove(b), Some("b/#"));
    assert_eq!(found(&dispatcher, "a/b", &[1]), ["a/#"]);
    assert_eq!(found(&dispatcher, "b/b", &[1]), [""; 0]);
}

#[test]
fn a_value_without_identifier_gets_what_others_get_by_theirs() {
    let mut dispatcher = dispatcher();
    dispatcher
        .insert_with_identifier(pattern("a/#"), 1, "a/#")
        .unwrap();
    dispatcher.insert_with_identifier(pattern("#"), 2, "#").unwrap();
    dispatcher.insert(pattern("+/b"), "plain").unwrap();
    // One copy for two subscriptions, of which only one has an identifier.
    assert_eq!(found(&dispatcher, "a/b", &[1]), ["a/#", "plain"]);
    assert_eq!(found(&dispatcher, "a/c", &[1]), ["a/#"]);
}

#[test]
fn a_topic_with_a_dollar_that_a_server_sends_for_an_identifier_is_taken() {
    let mut dispatcher = dispatcher();
    dispatcher.insert_with_identifier(pattern("#"), 1, "#").unwrap();
    assert_eq!(found(&dispatcher, "$SYS/x", &[1]), ["#"]);
    assert_eq!(found(&dispatcher, "$SYS/x", &[]), [""; 0]);
}

#[test]
fn identifiers_given_out_are_not_in_use_and_all_are_used_before_one_comes_again() {
    let mut dispatcher = dispatcher();
    dispatcher.insert_with_identifier(pattern("a"), 2, ()).unwrap();
    assert_eq!(
        [(); 3].map(|()| dispatcher.unused_identifier()),
        [1, 3, 4].map(Some)
    );
    let registration = dispatcher.insert_with_identifier(pattern("a"), 5, ()).unwrap();
    assert_eq!(dispatcher.identifier(registration), Some(5));
    assert_eq!(dispatcher.unused_identifier(), Some(6));
    dispatcher.remove(registration);
    assert_eq!(dispatcher.unused_identifier(), Some(7));
}

proptest! {
    /// A server as it should be: it knows the subscriptions, and names the identifiers of all that match.
    #[test]
    fn all_that_match_get_it_whether_a_server_names_their_identifiers_or_not(
        filters in prop::collection::vec(("(a|b|\\+)(/(a|b|\\+)){0,2}(/#)?", 0..40_u32), 1..40),
        name in "(a|b)(/(a|b)){0,3}",
    ) {
        let mut dispatcher = dispatcher();
        for (n, (filter, id)) in filters.iter().enumerate() {
            match id {
                // Some have none.
                0..10 => dispatcher.insert(pattern(filter), n).unwrap(),
                _ => dispatcher.insert_with_identifier(pattern(filter), *id, n).unwrap(),
            };
        }
        let mut by_topic = found(&dispatcher, &name, &[]);
        let ids: Vec<u32> = by_topic.iter().map(|n| filters[*n].1).filter(|id| *id >= 10).collect();
        let mut by_identifier = found(&dispatcher, &name, &ids);
        by_topic.sort_unstable();
        by_identifier.sort_unstable();
        prop_assert_eq!(by_topic, by_identifier, "{:?}", ids);
    }
}
