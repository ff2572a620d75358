//! The two clients against a server in memory.

mod asynchronous;
mod blocking;
#[allow(
    unreachable_pub,
    clippy::too_many_arguments,
    clippy::wildcard_enum_match_arm,
    reason = "an example in the documentation"
)]
#[path = "../../docs/keep_connected.rs"]
mod keep_connected;
mod reconnecting;
mod world;

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Subscription, SubscriptionOptions},
};
use mqtt_session::{Config, ConnectOptions, Publish};

const KEPT: &[Property<'static>] = &[Property::SessionExpiryInterval(3_600)];

fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.receive_buffer = 256;
    config
}

fn options(version: Version, clean_start: bool) -> ConnectOptions<'static> {
    let kept = version == Version::V5 && !clean_start;
    ConnectOptions {
        version,
        clean_start,
        keep_alive: 60,
        client_id: "device",
        will: None,
        user_name: None,
        password: None,
        properties: if kept {
            Properties::new(KEPT)
        } else {
            Properties::EMPTY
        },
    }
}

fn publish(topic: &str, qos: QoS) -> Publish<'_> {
    Publish::new(TopicName::new(topic).unwrap(), qos)
}

fn filter(filter: &str) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(QoS::ExactlyOnce),
    }
}
