//! How much there may be.

use mqtt_proto::Version;
use mqtt_session::{
    Refused,
    dispatch::{Dispatcher, Limits, Matches},
};

use super::{dispatcher, found, pattern};

#[test]
fn registrations_are_limited_and_the_value_comes_back() {
    let mut limits = Limits::new(Version::V5);
    limits.registrations = 2;
    let mut dispatcher = Dispatcher::new(limits);
    let first = dispatcher.insert(pattern("a"), 1).unwrap();
    dispatcher.insert(pattern("a"), 2).unwrap();
    let refused = dispatcher.insert(pattern("b"), 3).unwrap_err();
    assert_eq!((refused.given, refused.why), (3, Refused::Slots));
    assert!(refused.why.is_temporary());
    dispatcher.remove(first);
    dispatcher.insert(pattern("b"), 3).unwrap();
    assert_eq!(found(&dispatcher, "b", &[]), [3]);
}

#[test]
fn bytes_are_limited_whatever_the_patterns_look_like_and_come_back() {
    let mut limits = Limits::new(Version::V5);
    limits.bytes = 10_000;
    let mut dispatcher = Dispatcher::new(limits);
    // A level costs a node, even an empty one.
    let deep = "/".repeat(200);
    assert_eq!(
        dispatcher.insert(pattern(&deep), 0).unwrap_err().why,
        Refused::TooLarge
    );
    let long = format!("+{}", "x".repeat(20_000));
    assert_eq!(
        dispatcher.insert(pattern(&long), 0).unwrap_err().why,
        Refused::TooLarge,
        "names of captures count too"
    );
    let mut all = Vec::new();
    let why = loop {
        assert!(dispatcher.bytes() <= 10_000);
        let text = format!("room/{}/temperature", all.len());
        match dispatcher.insert(pattern(&text), all.len()) {
            Ok(registration) => all.push(registration),
            Err(refused) => break refused.why,
        }
    };
    assert_eq!(why, Refused::Bytes);
    assert!(all.len() > 10, "{}", all.len());
    for (n, registration) in all.into_iter().enumerate() {
        assert_eq!(dispatcher.remove(registration), Some(n));
    }
    assert_eq!(dispatcher.bytes(), 0);
}

#[test]
fn what_is_public_goes_to_any_thread() {
    const fn check<T: Send + Sync + Unpin>() {}
    check::<Dispatcher<u8>>();
    check::<Matches<'_, '_, u8>>();
}

#[test]
fn an_identifier_that_no_subscription_has_is_refused() {
    let mut dispatcher = dispatcher();
    for (id, right) in [(0, false), (1, true), (268_435_455, true), (268_435_456, false)] {
        let taken = dispatcher.insert_with_identifier(pattern("a"), id, id);
        assert_eq!(taken.is_ok(), right, "{id}");
        if let Err(refused) = taken {
            assert!(matches!(refused.why, Refused::Invalid(_)), "{:?}", refused.why);
        }
    }
    assert_eq!(dispatcher.len(), 2);
}

#[test]
fn a_registration_that_is_gone_does_not_name_its_successor() {
    let mut dispatcher = dispatcher();
    let old = dispatcher.insert(pattern("a"), 1).unwrap();
    dispatcher.remove(old);
    let new = dispatcher.insert(pattern("b"), 2).unwrap();
    assert_ne!(old, new);
    assert_eq!((dispatcher.get(old), dispatcher.get(new)), (None, Some(&2)));
    assert_eq!(dispatcher.remove(old), None);
    assert_eq!(dispatcher.pattern(new), Some(pattern("b")));
}
