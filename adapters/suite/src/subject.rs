//! A client under test, with the patience and the words that behaviours need.

use core::time::Duration;
use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Config, ConnectOptions, Publish, Refused, Token,
    client::{OwnedClosed, OwnedConnected, OwnedEvent, OwnedMessage, OwnedOutcome},
};

use crate::Driver;

/// How long a behaviour waits for what has to come. Long, because machines can be busy; nothing waits this long that
/// does not fail.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A driver, and the events of it that nobody has asked for yet.
#[derive(Debug)]
pub struct Subject<D> {
    /// The adapter.
    pub driver: D,
    seen: VecDeque<OwnedEvent>,
}

/// CONNECT with a new session.
pub const fn options(version: Version, client_id: &str) -> ConnectOptions<'_> {
    ConnectOptions {
        version,
        clean_start: true,
        keep_alive: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

/// CONNECT with a session that is kept.
pub const fn kept(version: Version, client_id: &str) -> ConnectOptions<'_> {
    let mut options = options(version, client_id);
    options.clean_start = false;
    if version.has_properties() {
        options.properties = Properties::new(const { &[Property::SessionExpiryInterval(3_600)] });
    }
    options
}

/// A topic that is one.
pub fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).expect("a topic name")
}

/// A subscription with default options.
pub fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).expect("a topic filter"),
        options: SubscriptionOptions::new(qos),
    }
}

impl<D: Driver> Subject<D> {
    /// A client that was never connected.
    pub fn new(config: Config) -> Self {
        Self {
            driver: D::new(config),
            seen: VecDeque::new(),
        }
    }

    /// A client with the default configuration that is connected.
    pub fn connected(to: SocketAddr, options: &ConnectOptions<'_>) -> Self {
        let mut subject = Self::new(Config::DEFAULT);
        subject.connect(to, options);
        subject
    }

    /// Connects, and waits for CONNACK.
    pub fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> OwnedConnected {
        self.driver.connect(to, options).expect("a connection is taken");
        self.wait("the server accepts", |event| match event {
            OwnedEvent::Connected(connected) => Ok(connected),
            other => Err(other),
        })
    }

    /// The first event, seen or to come, that `pick` takes. Panics when it does not come, or when the connection ends first.
    pub fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(OwnedEvent) -> Result<T, OwnedEvent>) -> T {
        let mut before = VecDeque::new();
        while let Some(event) = self.seen.pop_front() {
            match pick(event) {
                Ok(picked) => {
                    before.append(&mut self.seen);
                    self.seen = before;
                    return picked;
                }
                Err(event) => before.push_back(event),
            }
        }
        self.seen = before;
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(event) = self.driver.next_event(left) else {
                panic!("{what}: it does not come; instead {:?}", self.seen)
            };
            match pick(event) {
                Ok(picked) => return picked,
                Err(OwnedEvent::Closed(closed)) => panic!("{what}: {closed:?} before it"),
                Err(event) => self.seen.push_back(event),
            }
        }
    }

    /// Waits for the end of an operation that ends well.
    pub fn completed(&mut self, token: Token) -> OwnedOutcome {
        self.wait("an operation ends", |event| match event {
            OwnedEvent::Completed { token: of, outcome } if of == token => Ok(outcome),
            other => Err(other),
        })
    }

    /// Waits for the next message.
    pub fn message(&mut self) -> OwnedMessage {
        self.wait("a message comes", |event| match event {
            OwnedEvent::Message(message) => Ok(message),
            other => Err(other),
        })
    }

    /// Waits for the end of the connection.
    pub fn closed(&mut self) -> OwnedClosed {
        self.wait("the connection ends", |event| match event {
            OwnedEvent::Closed(closed) => Ok(closed),
            other => Err(other),
        })
    }

    /// Subscribes, and waits until it is so.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        let token = self
            .driver
            .subscribe(&[subscription(filter, qos)])
            .expect("a subscription is taken");
        match self.completed(token) {
            OwnedOutcome::Subscribed { codes, .. } => assert_eq!(codes[0].0, qos as u8),
            other => panic!("{other:?} for a subscription"),
        }
    }

    /// Publishes without waiting.
    pub fn publish(&mut self, name: &str, qos: QoS, payload: &[u8]) -> Result<Token, Refused> {
        self.driver.publish(&Publish::new(topic(name), qos), payload)
    }

    /// Publishes, and waits until it is done.
    pub fn publish_to_the_end(&mut self, name: &str, qos: QoS, payload: &[u8]) {
        let token = self.publish(name, qos, payload).expect("a message is taken");
        match (qos, self.completed(token)) {
            (QoS::AtMostOnce, OwnedOutcome::Written) => {}
            (QoS::AtLeastOnce | QoS::ExactlyOnce, OwnedOutcome::Acknowledged { code, .. }) => {
                assert!(!code.is_failure(), "{code:?}");
            }
            (_, other) => panic!("{other:?} for a message of {qos:?}"),
        }
    }

    /// Ends the connection in order.
    pub fn disconnect(&mut self) {
        self.driver.disconnect().expect("there is a connection");
        let _ = self.closed();
    }

    /// Messages that have come, and that nobody has waited for.
    pub fn left_over(&self) -> impl Iterator<Item = &OwnedMessage> {
        self.seen.iter().filter_map(|event| match event {
            OwnedEvent::Message(message) => Some(message),
            OwnedEvent::Connected(_)
            | OwnedEvent::Completed { .. }
            | OwnedEvent::Aborted { .. }
            | OwnedEvent::Closed(_)
            | _ => None,
        })
    }
}
