//! A client with a registry, on a net with a server that can lose its session.

use std::{collections::BTreeSet, time::Duration};

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Publish,
    client::OwnedEvent,
    registry::{Limits, Registry, RegistryEvent},
    server::ServerConfig,
    storage::Heap,
    testing::Net,
};

/// A client with a registry, another that publishes, and the server.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) c: usize,
    pub(crate) publisher: usize,
    pub(crate) registry: Registry,
    pub(crate) version: Version,
    pub(crate) filters: u16,
    pub(crate) limits: Limits,
    /// Topics of the messages that came.
    pub(crate) came: Vec<String>,
    /// What the registry told.
    pub(crate) told: Vec<RegistryEvent>,
    /// SUBSCRIBEs of the registry's that ended with an answer.
    pub(crate) batches: usize,
}

/// Seconds that a session outlives its connection.
const KEPT: &[Property<'static>] = &[Property::SessionExpiryInterval(10)];

pub(crate) fn subscription(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(qos),
    }
}

impl World {
    pub(crate) fn new(version: Version, config: ServerConfig) -> Self {
        let mut net = Net::new(config);
        let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
        let publisher = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.connect(
            publisher,
            &Connect {
                keep_alive: 0,
                ..Connect::new(Version::V5, "p")
            },
        )
        .unwrap();
        net.settle();
        Self {
            net,
            c,
            publisher,
            registry: Registry::new(),
            version,
            filters: 64,
            limits: Limits::new(version),
            came: Vec::new(),
            told: Vec::new(),
            batches: 0,
        }
    }

    pub(crate) fn connected(version: Version) -> Self {
        let mut world = Self::new(version, ServerConfig::default());
        world.connect();
        world.told.clear();
        world
    }

    /// CONNECT that asks for the session of before; nothing is read yet.
    pub(crate) fn begin(&mut self) {
        let options = Connect {
            clean_start: false,
            keep_alive: 0,
            properties: match self.version {
                Version::V5 => Properties::new(KEPT),
                Version::V31 | Version::V311 => Properties::EMPTY,
            },
            ..Connect::new(self.version, "c")
        };
        self.net.connect(self.c, &options).unwrap();
    }

    pub(crate) fn connect(&mut self) {
        self.begin();
        self.settle();
    }

    /// Connects anew after the server has lost the session.
    pub(crate) fn connect_without_session(&mut self) {
        self.lose_session();
        self.connect();
    }

    /// The session expires, or is ended by another client with its id; and the link is lost.
    pub(crate) fn lose_session(&mut self) {
        match self.version {
            Version::V5 => {
                self.net.cut(self.c);
                self.net.advance(Duration::from_secs(20));
            }
            Version::V31 | Version::V311 => {
                let thief = self.net.add(Client::new(Config::DEFAULT, Heap::new()));
                self.net.connect(thief, &Connect::new(self.version, "c")).unwrap();
                self.net.settle();
                self.net.cut(thief);
            }
        }
        self.settle();
        self.told.clear();
    }

    /// Publishes a message that the server retains.
    pub(crate) fn retain(&mut self, topic: &str) {
        let now = self.net.now();
        let mut message = Publish::new(TopicName::new(topic).unwrap(), QoS::AtMostOnce);
        message.retain = true;
        self.net
            .client(self.publisher)
            .publish(now, &message, "kept")
            .unwrap();
        self.net.settle();
    }

    pub(crate) fn subscribe(&mut self, filters: &[Subscription<'_>], properties: Properties<'_>) {
        let now = self.net.now();
        if let Ok(token) = self.net.client(self.c).subscribe(now, filters, properties) {
            self.registry.handle_subscribe(token, filters, properties);
        }
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        let now = self.net.now();
        let filters = [TopicFilter::new(filter).unwrap()];
        let sent = self
            .net
            .client(self.c)
            .unsubscribe(now, &filters, Properties::EMPTY);
        if let Ok(token) = sent {
            self.registry.handle_unsubscribe(token, &filters);
        }
    }

    /// Gives the registry what has happened.
    pub(crate) fn hear(&mut self) {
        for event in self.net.take_events(self.c) {
            match &event {
                OwnedEvent::Connected(connected) => {
                    self.limits = Limits::of(self.version, connected.properties.view());
                    self.limits.filters = self.filters;
                }
                OwnedEvent::Message(message) => self.came.push(message.topic.clone()),
                _ => {}
            }
            let own = self.registry.handle_owned_event(&event);
            self.batches += usize::from(own && matches!(event, OwnedEvent::Completed { .. }));
        }
        self.told
            .extend(std::iter::from_fn(|| self.registry.poll_event()));
    }

    /// Asks for what is missing, as much as the client takes.
    pub(crate) fn restore(&mut self) {
        let now = self.net.now();
        while let Some(batch) = self.registry.poll_restore(&self.limits) {
            let client = self.net.client(self.c);
            match client.subscribe(now, batch.subscriptions(), batch.properties()) {
                Ok(token) => self.registry.handle_restoring(token),
                Err(why) if self.registry.handle_not_taken(why) => {}
                Err(_) => break,
            }
        }
        self.told
            .extend(std::iter::from_fn(|| self.registry.poll_event()));
    }

    /// Until nothing happens any more.
    pub(crate) fn settle(&mut self) {
        loop {
            self.hear();
            self.restore();
            if !self.net.turn() {
                break;
            }
        }
        self.hear();
    }

    /// Publishes to topics and gives those that arrived.
    pub(crate) fn arrived<'t>(&mut self, topics: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
        self.came.clear();
        let now = self.net.now();
        for topic in topics {
            let message = Publish::new(TopicName::new(topic).unwrap(), QoS::AtLeastOnce);
            self.net
                .client(self.publisher)
                .publish(now, &message, "x")
                .unwrap();
        }
        self.settle();
        self.came.drain(..).collect()
    }

    pub(crate) fn held(&self) -> BTreeSet<String> {
        let held = self.registry.held();
        held.map(|held| held.subscription.filter.as_str().to_owned())
            .collect()
    }
}

pub(crate) fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
