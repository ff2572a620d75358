//! A server with a store whose process dies: what was acknowledged is not lost and nothing of QoS 2 comes twice, with any
//! batches that were written and not safe, or without them; and subscriptions are what was last acknowledged.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{
    Properties, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    AckToken, Client, Config, Publish, Token,
    client::{Ack, Acknowledge, ClosedBy, OwnedEvent, OwnedOutcome},
    record::broker::Entry,
    server::ServerConfig,
    storage::Heap,
    testing::{Entries, Net},
};
use proptest::prelude::*;

use crate::weather::{Weather, assert_in_order, connect};

const CLIENTS: usize = 4;
/// Of any version; the others speak 5.0 and share a subscription.
const ANY_VERSION: usize = 2;

/// Where something is published, and who gets it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Where {
    /// Everybody.
    All,
    /// One of those who share.
    Shared,
    /// Those who want it at the time.
    Wanted,
    /// Nobody: the last one of each publisher is retained.
    Retained,
}

/// Something that a program or the world does.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        by: usize,
        qos: QoS,
        to: Where,
    },
    /// A retained message is removed.
    Clear {
        by: usize,
    },
    /// Acknowledge one of the messages that wait for it.
    Acknowledge {
        who: usize,
        which: usize,
    },
    /// Want what some want, or want it no more.
    Want {
        who: usize,
        on: bool,
    },
    Weather(Weather),
    /// A connection is lost, and the server learns of it when the next one takes the session over.
    Abandon {
        who: usize,
    },
    Reconnect {
        who: usize,
    },
    Turn {
        times: usize,
    },
    /// From now on batches are safe at each turn, or only when the store is told.
    Hold(bool),
    Sync,
    /// The server's process dies; so much of what was not safe is there all the same.
    Restart {
        part: f64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..CLIENTS;
    let to = prop_oneof![
        4 => Just(Where::All),
        2 => Just(Where::Shared),
        1 => Just(Where::Wanted),
        1 => Just(Where::Retained),
    ];
    prop_oneof![
        8 => (who.clone(), 0usize..5, to).prop_map(|(by, qos, to)| Step::Publish { by, qos: QoS::ALL[qos.min(2)], to }),
        1 => who.clone().prop_map(|by| Step::Clear { by }),
        5 => (who.clone(), any::<usize>()).prop_map(|(who, which)| Step::Acknowledge { who, which }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, on)| Step::Want { who, on }),
        5 => Weather::any(CLIENTS).prop_map(Step::Weather),
        1 => who.clone().prop_map(|who| Step::Abandon { who }),
        5 => who.prop_map(|who| Step::Reconnect { who }),
        8 => (1usize..6).prop_map(|times| Step::Turn { times }),
        2 => any::<bool>().prop_map(Step::Hold),
        3 => Just(Step::Sync),
        3 => (0.0..1.3).prop_map(|part| Step::Restart { part }),
    ]
}

/// What a program knows of its subscription.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Wants {
    Yes,
    No,
    /// It has asked, and was not answered yet.
    Asked(bool, Token),
    /// Its request ended with a link.
    Unsure(bool),
}

struct Program {
    version: Version,
    /// The message of each token that has not ended.
    open: BTreeMap<u32, u32>,
    /// How often each message was told.
    told: BTreeMap<u32, u32>,
    acks: Vec<AckToken>,
    /// The messages of each publisher and QoS, in the order in which they were told first.
    order: Vec<(usize, QoS, u32)>,
    wants: Wants,
    /// The request that was made while everything was well.
    first: Option<Token>,
}

struct World {
    net: Net<Heap>,
    programs: Vec<Program>,
    published: Vec<(usize, QoS, Where)>,
    /// The last message of each publisher to be retained.
    retained: [Option<u32>; CLIENTS],
}

impl World {
    fn new(version: Version) -> Self {
        let mut server = ServerConfig::default();
        server.durable = true;
        server.offer_mut(0).receive_maximum = 3;
        // In 3.x a server cannot know how much a client has room for.
        server.offer_mut(0).grant.limits.max_in_flight = 8;
        let mut net = Net::new(server);
        let mut config = Config::DEFAULT;
        config.acknowledge = Acknowledge::Manual;
        let mut programs = Vec::new();
        for who in 0..CLIENTS {
            net.add(Client::new(config, Heap::new()));
            programs.push(Program {
                version: if who < ANY_VERSION { version } else { Version::V5 },
                open: BTreeMap::new(),
                told: BTreeMap::new(),
                acks: Vec::new(),
                order: Vec::new(),
                wants: Wants::No,
                first: None,
            });
        }
        let mut world = Self {
            net,
            programs,
            published: Vec::new(),
            retained: [None; CLIENTS],
        };
        for who in 0..CLIENTS {
            world.reconnect(who);
            world.net.settle();
            let filters = [filter("all/#"), filter("$share/g/shared/#")];
            let count = if who < ANY_VERSION { 1 } else { 2 };
            let now = world.net.now();
            let client = world.net.client(who);
            let token = client
                .subscribe(now, &filters[..count], Properties::EMPTY)
                .unwrap();
            world.programs[who].first = Some(token);
            world.net.settle();
            world.hear(who);
            assert_eq!(world.programs[who].first, None, "acknowledged");
        }
        world
    }

    fn reconnect(&mut self, who: usize) {
        connect(&mut self.net, who, self.programs[who].version, false);
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish { by, qos, to } => self.publish(by, qos, to),
            Step::Clear { by } => {
                let topic = format!("retained/{by}");
                let mut message = Publish::new(TopicName::new(&topic).unwrap(), QoS::AtLeastOnce);
                message.retain = true;
                let now = self.net.now();
                if self.net.client(by).publish(now, &message, &b""[..]).is_ok() {
                    self.retained[by] = None;
                }
            }
            Step::Acknowledge { who, which } => self.acknowledge(who, which),
            Step::Want { who, on } => self.want(who, on),
            Step::Weather(ref weather) => weather.apply(&mut self.net),
            Step::Abandon { who } => self.net.abandon(who),
            Step::Reconnect { who } => self.reconnect(who),
            Step::Turn { times } => {
                for _ in 0..times {
                    self.net.turn();
                }
            }
            Step::Hold(held) => self.net.store().hold(held),
            Step::Sync => self.net.store().sync(),
            Step::Restart { part } => self.restart(part),
        }
        for who in 0..CLIENTS {
            self.hear(who);
        }
    }

    fn publish(&mut self, by: usize, qos: QoS, to: Where) {
        let topic = match to {
            Where::All => "all/t".into(),
            Where::Shared => "shared/t".into(),
            Where::Wanted => "wanted/t".into(),
            Where::Retained => format!("retained/{by}"),
        };
        // The last one is the last one: of one QoS the order is kept.
        let qos = if to == Where::Retained {
            QoS::AtLeastOnce
        } else {
            qos
        };
        let mut message = Publish::new(TopicName::new(&topic).unwrap(), qos);
        message.retain = to == Where::Retained;
        let number = self.published.len() as u32;
        let now = self.net.now();
        let payload = number.to_be_bytes();
        // A refusal is fine, if it leaves nothing behind.
        let published = self.net.client(by).publish(now, &message, &payload[..]);
        let Ok(token) = published else { return };
        self.published.push((by, qos, to));
        if qos > QoS::AtMostOnce {
            self.programs[by].open.insert(token.get(), number);
        }
        if to == Where::Retained {
            self.retained[by] = Some(number);
        }
    }

    fn want(&mut self, who: usize, on: bool) {
        if matches!(self.programs[who].wants, Wants::Asked(..)) {
            return;
        }
        let now = self.net.now();
        let client = self.net.client(who);
        let asked = if on {
            client.subscribe(now, &[filter("wanted/#")], Properties::EMPTY)
        } else {
            client.unsubscribe(now, &[TopicFilter::new("wanted/#").unwrap()], Properties::EMPTY)
        };
        // It is asked at the next opportunity if it cannot be now.
        if let Ok(token) = asked {
            self.programs[who].wants = Wants::Asked(on, token);
        }
    }

    fn restart(&mut self, part: f64) {
        let store = self.net.store();
        let all = store.pending();
        let keep = (part * all as f64) as usize;
        // Every beginning of the batches can be gone on from.
        for count in 0..=all {
            self.can_go_on(count);
        }
        self.net.restart_server(keep).unwrap();
    }

    fn can_go_on(&mut self, count: usize) {
        let entries = self.net.store().entries(count);
        let config = self.net.server().broker().config().clone();
        mqtt_session::server::Server::restore(config, self.net.now(), &entries).unwrap();
    }

    fn acknowledge(&mut self, who: usize, which: usize) {
        let acks = &mut self.programs[who].acks;
        if !acks.is_empty() {
            let token = acks.remove(which % acks.len());
            let now = self.net.now();
            self.net
                .client(who)
                .acknowledge(now, token, &Ack::SUCCESS)
                .unwrap();
        }
    }

    fn hear(&mut self, who: usize) {
        for event in self.net.take_events(who) {
            let program = &mut self.programs[who];
            match event {
                OwnedEvent::Message(message) => {
                    let number = u32::from_be_bytes(message.payload[..].try_into().unwrap());
                    let (by, qos, to) = self.published[number as usize];
                    let times = program.told.entry(number).or_default();
                    *times += 1;
                    if qos != QoS::AtLeastOnce {
                        assert_eq!(*times, 1, "message {number} of {qos:?} came to {who} again");
                    }
                    // Each topic has an order of its own; what is published again may go to another one of a group.
                    if *times == 1 && to == Where::All {
                        program.order.push((by, qos, number));
                    }
                    program.acks.extend(message.ack);
                }
                OwnedEvent::Connected(connected) => {
                    // In 3.1 nobody says so.
                    let known = program.version == Version::V31 || connected.session_present;
                    let first = program.told.is_empty() && self.published.is_empty();
                    assert!(known || first, "the session of {who} was lost");
                }
                OwnedEvent::Closed(closed) => {
                    assert!(
                        closed.by != ClosedBy::Server && closed.statement.is_none(),
                        "{closed:?}"
                    );
                }
                OwnedEvent::Completed { token, outcome } => {
                    if Some(token) == program.first {
                        program.first = None;
                    }
                    match program.wants {
                        Wants::Asked(on, asked) if asked == token => {
                            program.wants = if on { Wants::Yes } else { Wants::No };
                        }
                        _ => {}
                    }
                    if program.open.remove(&token.get()).is_some() {
                        let OwnedOutcome::Acknowledged { code, .. } = outcome else {
                            panic!("{outcome:?}");
                        };
                        assert!(!code.is_failure(), "{code}");
                    }
                }
                OwnedEvent::Aborted { token, why } => {
                    assert!(
                        !program.open.contains_key(&token.get()),
                        "{token:?} aborted: {why:?}"
                    );
                    match program.wants {
                        Wants::Asked(on, asked) if asked == token => program.wants = Wants::Unsure(on),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    /// The world becomes friendly; everything must come to its end.
    fn calm_down(&mut self) {
        Weather::clear_up(&mut self.net, CLIENTS);
        self.net.store().hold(false);
        for who in 0..CLIENTS {
            self.reconnect(who);
        }
        for _ in 0..2_000 {
            self.net.advance(Duration::from_secs(1));
            for who in 0..CLIENTS {
                // In 3.x a client has no say in how much is sent to it at one time: it closes when it has no room.
                if !self.net.is_linked(who) {
                    self.reconnect(who);
                }
                self.hear(who);
                self.acknowledge(who, 0);
                if let Wants::Unsure(on) = self.programs[who].wants {
                    self.want(who, on);
                }
            }
            let quiet = |world: &mut Self, who: usize| {
                let program = &world.programs[who];
                let certain = matches!(program.wants, Wants::Yes | Wants::No);
                certain && program.acks.is_empty() && world.net.client(who).is_idle()
            };
            if (0..CLIENTS).all(|who| quiet(self, who)) {
                break;
            }
        }
    }

    fn check(&mut self) {
        for who in 0..CLIENTS {
            let client = self.net.client(who);
            assert!(client.is_idle(), "something is stuck: {client:?}");
            let program = &self.programs[who];
            assert!(program.open.is_empty(), "never ended: {:?}", program.open);
            assert_in_order(&program.order, who);
        }
        for (number, &(by, qos, to)) in self.published.iter().enumerate() {
            let times = |who: usize| {
                let told = &self.programs[who].told;
                told.get(&(number as u32)).copied().unwrap_or(0)
            };
            let enough = |times: u32, whom: &str| match qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => assert!(times >= 1, "message {number} of {by} was lost to {whom}"),
                QoS::ExactlyOnce => assert_eq!(times, 1, "message {number} of {by} to {whom}"),
            };
            match to {
                Where::All => (0..CLIENTS).for_each(|who| enough(times(who), &who.to_string())),
                Where::Shared => enough((ANY_VERSION..CLIENTS).map(times).sum(), "the group"),
                Where::Wanted | Where::Retained => {}
            }
        }
        self.is_drained();
    }

    /// Nothing is left of what was sent, and the store has what the server has.
    fn is_drained(&mut self) {
        let snapshot = self.net.server().clone().snapshot();
        let entries: Entries = snapshot
            .iter()
            .map(|(key, value)| (key.to_vec(), value.unwrap().to_vec()))
            .collect();
        assert!(entries == self.net.store().all(), "{snapshot:?}");
        let mut kept = BTreeSet::new();
        let mut messages = BTreeSet::new();
        for (key, value) in &entries {
            match Entry::decode(key, value).unwrap() {
                Entry::Counters { .. } | Entry::Session { .. } | Entry::Subscription { .. } => {}
                Entry::Retained { message, .. } => {
                    kept.insert(message);
                }
                Entry::Message { message, .. } => {
                    messages.insert(message);
                }
                other => panic!("at rest there is still {other:?}"),
            }
        }
        assert_eq!(kept, messages, "only what is retained is kept");
    }

    /// After a last crash, what was acknowledged last is what is subscribed and what is retained.
    fn probe(&mut self) {
        self.net.restart_server(0).unwrap();
        for who in 0..CLIENTS {
            self.reconnect(who);
        }
        self.net.settle();
        self.publish(0, QoS::AtLeastOnce, Where::Wanted);
        let number = self.published.len() as u32 - 1;
        self.calm_down();
        for (who, program) in self.programs.iter().enumerate() {
            let wanted = program.wants == Wants::Yes;
            assert_eq!(
                program.told.contains_key(&number),
                wanted,
                "{who} {:?}",
                program.wants
            );
        }
        let late = self.net.add(Client::new(Config::DEFAULT, Heap::new()));
        self.net
            .connect(late, &Connect::new(Version::V5, "late"))
            .unwrap();
        self.net.settle();
        let now = self.net.now();
        self.net
            .client(late)
            .subscribe(now, &[filter("retained/#")], Properties::EMPTY)
            .unwrap();
        self.net.settle();
        let mut found = [None; CLIENTS];
        for event in self.net.take_events(late) {
            if let OwnedEvent::Message(message) = event {
                let number = u32::from_be_bytes(message.payload[..].try_into().unwrap());
                found[self.published[number as usize].0] = Some(number);
            }
        }
        assert_eq!(found, self.retained);
    }
}

fn filter(filter: &str) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).unwrap(),
        options: SubscriptionOptions::new(QoS::ExactlyOnce),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_of_qos_2_comes_twice_when_the_server_dies(
        version in 0usize..3, steps in proptest::collection::vec(step(), 1..120)
    ) {
        let mut world = World::new(Version::ALL[version]);
        for step in &steps {
            world.apply(step);
        }
        world.calm_down();
        world.check();
        world.probe();
    }
}
