//! Which values a message leads to, with which captures, in which order, and within which limits.

mod finding;
mod identifiers;
mod limits;
mod subscribing;

use mqtt_proto::{Properties, Property, TopicName, Version, topic::Pattern};
use mqtt_session::dispatch::{Dispatcher, Limits};

pub(crate) fn dispatcher<T>() -> Dispatcher<T> {
    Dispatcher::new(Limits::new(Version::V5))
}

pub(crate) fn pattern(text: &str) -> Pattern<'_> {
    Pattern::new(text).unwrap()
}

pub(crate) fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

/// The values that a message with these identifiers leads to.
pub(crate) fn found<T: Copy>(dispatcher: &Dispatcher<T>, name: &str, identifiers: &[u32]) -> Vec<T> {
    let list: Vec<_> = identifiers
        .iter()
        .map(|&id| Property::SubscriptionIdentifier(id))
        .collect();
    dispatcher
        .matches(topic(name), Properties::new(&list))
        .map(|(value, _)| *value)
        .collect()
}
