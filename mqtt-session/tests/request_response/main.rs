//! Requests and responses.

mod answering;
mod asking;
mod once;
mod together;

use core::time::Duration;

use mqtt_proto::{QoS, TopicName};
use mqtt_session::{
    Publish, Token,
    request_response::{Config, Requests},
};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

pub(crate) fn question() -> Publish<'static> {
    Publish::new(topic("ask"), QoS::AtLeastOnce)
}

pub(crate) fn requests<T>(seed: u64) -> Requests<T> {
    Requests::new(Config::new(seed), topic("answers/me")).unwrap()
}

/// Tokens as a client gives them out.
pub(crate) fn tokens() -> impl FnMut() -> Token {
    use mqtt_session::{Client, Instant, storage::Heap};
    let mut client = Client::new(mqtt_session::Config::DEFAULT, Heap::new());
    move || {
        client
            .publish(Instant::ZERO, &Publish::new(topic("t"), QoS::AtMostOnce), "")
            .unwrap()
    }
}
