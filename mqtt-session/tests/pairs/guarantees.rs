//! What MQTT promises, under any sequence of operations and faults: exactly once, at least once, in order, and an end
//! for everything. What the outbox drops has never left: nobody is told of it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{Properties, Property, QoS, TopicName, Version};
use mqtt_session::{
    Client, Config, Publish, Token,
    client::{AbortReason, Ack, Acknowledge, ClosedBy, OutboxStage, OwnedEvent, OwnedOutcome, WhenFull},
    server::ServerConfig,
    storage::{Fixed, Heap, Storage},
    testing::Net,
};
use proptest::prelude::*;

use crate::weather::{TOPIC, Weather, assert_in_order, connect, everything};

/// Something that a program or the world does.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        by: usize,
        qos: QoS,
        /// Milliseconds from now, after which it need not be sent.
        deadline: Option<u64>,
        /// Message Expiry Interval, in seconds.
        expiry: Option<u32>,
    },
    /// Acknowledge one of the messages that wait for it.
    Acknowledge {
        who: usize,
        which: usize,
    },
    Weather(Weather),
    Reconnect {
        who: usize,
    },
    /// Connect with Clean Start: both ends forget the session, and what was in flight in it.
    Forget {
        who: usize,
    },
    Turn {
        times: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..2;
    fn maybe<T: Clone + core::fmt::Debug>(
        value: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = Option<T>> {
        proptest::option::weighted(0.2, value)
    }
    prop_oneof![
        6 => (who.clone(), 0usize..3, maybe(0u64..40_000), maybe(0u32..40)).prop_map(|(by, qos, deadline, expiry)| {
            Step::Publish { by, qos: QoS::ALL[qos], deadline, expiry }
        }),
        4 => (who.clone(), any::<usize>()).prop_map(|(who, which)| Step::Acknowledge { who, which }),
        6 => Weather::any(2).prop_map(Step::Weather),
        3 => who.clone().prop_map(|who| Step::Reconnect { who }),
        1 => proptest::option::weighted(0.5, who)
            .prop_map(|who| who.map_or(Step::Turn { times: 3 }, |who| Step::Forget { who })),
        5 => (1usize..6).prop_map(|times| Step::Turn { times }),
    ]
}

struct World<S: Storage> {
    net: Net<S>,
    version: Version,
    /// Which message each accepted token belongs to, until it has ended.
    open: [BTreeMap<u32, (QoS, u32)>; 2],
    /// What each client was told, by message.
    told: [BTreeMap<u32, u32>; 2],
    /// The messages of each publisher and QoS that a client was told, in order.
    order: [Vec<(usize, QoS, u32)>; 2],
    acks: [Vec<mqtt_session::AckToken>; 2],
    published: Vec<Published>,
    /// Its session was forgotten at some time.
    forgot: [bool; 2],
    /// Told before its session was forgotten: if that CONNECT never arrived, the server sends them again, to a client that
    /// knows nothing of them any more.
    may_repeat: [BTreeSet<u32>; 2],
    connected: [bool; 2],
    /// Its last connection ended before CONNACK.
    unsure: [bool; 2],
    /// The subscription under way.
    subscribing: [Option<Token>; 2],
    /// The number of the first message that is published under the present subscription, if there is one.
    subscribed_from: [Option<u32>; 2],
}

#[derive(Copy, Clone)]
struct Published {
    by: usize,
    qos: QoS,
    /// The server may let it expire, too.
    expires: bool,
    /// It ended without having been sent.
    dropped: bool,
    /// It ended with its session: whether it arrived is not known.
    lost: bool,
}

/// What the server takes at one time in 5.0; it closes on more.
const RECEIVE_MAXIMUM: u16 = 3;

impl<S: Storage> World<S> {
    fn new(version: Version, policy: &Config, storage: impl Fn() -> S) -> Self {
        let mut server = ServerConfig::default();
        server.offer_mut(0).receive_maximum = RECEIVE_MAXIMUM;
        let mut net = Net::new(server);
        let mut config = *policy;
        config.acknowledge = Acknowledge::Manual;
        for _ in 0..2 {
            net.add(Client::new(config, storage()));
        }
        let mut world = Self {
            net,
            version,
            open: Default::default(),
            told: Default::default(),
            order: Default::default(),
            acks: Default::default(),
            published: Vec::new(),
            forgot: [false; 2],
            may_repeat: Default::default(),
            connected: [false; 2],
            unsure: [false; 2],
            subscribing: [None; 2],
            subscribed_from: [None; 2],
        };
        for who in 0..2 {
            world.reconnect(who);
            world.net.settle();
            world.hear(who);
            world.net.settle();
            world.hear(who);
        }
        world
    }

    /// Asks for messages; a subscription is part of the session, but SUBSCRIBE ends with its connection.
    fn subscribe(&mut self, who: usize) {
        let now = self.net.now();
        let asked = self
            .net
            .client(who)
            .subscribe(now, &[everything()], Properties::EMPTY);
        // With an outbox that is full, at the next opportunity.
        self.subscribing[who] = asked.ok();
    }

    fn reconnect(&mut self, who: usize) {
        self.connect(who, false);
    }

    fn connect(&mut self, who: usize, clean_start: bool) {
        connect(&mut self.net, who, self.version, clean_start);
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish {
                by,
                qos,
                deadline,
                expiry,
            } => {
                let mut message = Publish::new(TopicName::new(TOPIC).unwrap(), qos);
                let number = self.published.len() as u32;
                let now = self.net.now();
                message.deadline = deadline.map(|ms| now + Duration::from_millis(ms));
                let expiry = expiry.map(Property::MessageExpiryInterval);
                let list = expiry.as_slice();
                if self.version == Version::V5 {
                    message.properties = Properties::new(list);
                }
                // A refusal is fine, if it leaves nothing behind.
                if let Ok(token) = self
                    .net
                    .client(by)
                    .publish(now, &message, &number.to_be_bytes()[..])
                {
                    self.published.push(Published {
                        by,
                        qos,
                        expires: !message.properties.is_empty(),
                        dropped: false,
                        lost: false,
                    });
                    assert!(
                        self.open[by].insert(token.get(), (qos, number)).is_none(),
                        "a token twice"
                    );
                }
            }
            Step::Acknowledge { who, which } => self.acknowledge(who, which),
            Step::Weather(ref weather) => weather.apply(&mut self.net),
            Step::Reconnect { who } => self.reconnect(who),
            Step::Forget { who } => {
                self.forgot[who] = true;
                self.subscribed_from[who] = None;
                self.may_repeat[who] = self.told[who].keys().copied().collect();
                self.connect(who, true);
            }
            Step::Turn { times } => {
                for _ in 0..times {
                    self.net.turn();
                }
            }
        }
        for who in 0..2 {
            self.hear(who);
            let client = self.net.client(who);
            let unanswered = client
                .outbox_messages()
                .filter(|m| m.qos > QoS::AtMostOnce && m.stage != OutboxStage::Queued);
            assert!(
                self.version < Version::V5 || unanswered.count() <= RECEIVE_MAXIMUM.into(),
                "more in flight than Receive Maximum"
            );
            if client.is_connected() && self.subscribed_from[who].is_none() && self.subscribing[who].is_none()
            {
                self.subscribe(who);
            }
        }
    }

    fn acknowledge(&mut self, who: usize, which: usize) {
        let acks = &mut self.acks[who];
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
            match event {
                OwnedEvent::Message(message) => {
                    let number = u32::from_be_bytes(message.payload[..].try_into().unwrap());
                    let Published { by, qos, dropped, .. } = self.published[number as usize];
                    assert!(!dropped, "message {number} was dropped, and came");
                    let times = self.told[who].entry(number).or_default();
                    *times += 1;
                    match qos {
                        QoS::ExactlyOnce if self.may_repeat[who].remove(&number) => {}
                        QoS::AtMostOnce | QoS::ExactlyOnce => {
                            assert_eq!(*times, 1, "message {number} of {qos:?} came again");
                        }
                        QoS::AtLeastOnce => {}
                    }
                    if *times == 1 {
                        self.order[who].push((by, qos, number));
                    }
                    self.acks[who].extend(message.ack);
                }
                OwnedEvent::Connected(connected) => {
                    if !connected.session_present {
                        // At the beginning, or because it was forgotten; in 3.x by the end of its link.
                        assert!(self.forgot[who] || self.subscribed_from[who].is_none());
                    }
                    // A session that is there may have been begun by a CONNECT whose CONNACK was lost.
                    if !connected.session_present || self.unsure[who] {
                        self.subscribed_from[who] = None;
                    }
                    self.unsure[who] = false;
                    self.connected[who] = true;
                }
                OwnedEvent::Closed(closed) => {
                    self.unsure[who] |= !self.connected[who];
                    self.connected[who] = false;
                    assert!(
                        closed.by != ClosedBy::Server && closed.statement.is_none(),
                        "{closed:?}"
                    );
                }
                OwnedEvent::Completed { token, .. } if Some(token) == self.subscribing[who] => {
                    self.subscribing[who] = None;
                    self.subscribed_from[who] = Some(self.published.len() as u32);
                }
                OwnedEvent::Completed { token, outcome } => {
                    if let Some((qos, number)) = self.open[who].remove(&token.get()) {
                        if let OwnedOutcome::Acknowledged { code, .. } = outcome {
                            assert!(!code.is_failure(), "{code} to {who}: {qos:?} {number}");
                        } else {
                            assert_eq!(qos, QoS::AtMostOnce);
                        }
                    }
                }
                OwnedEvent::Aborted { token, why } => {
                    if Some(token) == self.subscribing[who] {
                        self.subscribing[who] = None;
                    }
                    // Where sessions are kept, only requests may end so, and what has not been sent.
                    if let Some((_, number)) = self.open[who].remove(&token.get()) {
                        let published = &mut self.published[number as usize];
                        match why {
                            AbortReason::SessionLost => {
                                assert!(self.forgot[who], "{token:?} aborted: {why:?}");
                                published.lost = true;
                            }
                            AbortReason::Expired
                            | AbortReason::DroppedForAge
                            | AbortReason::DroppedForNewer
                            | AbortReason::DroppedWithLink => {
                                published.dropped = true;
                                assert!(self.told.iter().all(|told| !told.contains_key(&number)));
                            }
                            _ => panic!("{token:?} aborted: {why:?}"),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The world becomes friendly; everything must come to its end.
    fn calm_down(&mut self) {
        Weather::clear_up(&mut self.net, 2);
        for who in 0..2 {
            self.reconnect(who);
        }
        for _ in 0..2_000 {
            self.net.advance(Duration::from_secs(1));
            for who in 0..2 {
                // In 3.x a client has no say in how much is sent to it at one time: it closes when it has no room.
                if !self.net.is_linked(who) {
                    self.reconnect(who);
                }
                self.hear(who);
                self.acknowledge(who, 0);
            }
            let quiet =
                |world: &mut Self, who: usize| world.acks[who].is_empty() && world.net.client(who).is_idle();
            if quiet(self, 0) && quiet(self, 1) {
                break;
            }
        }
    }

    fn check(&mut self) {
        for who in 0..2 {
            assert!(self.open[who].is_empty(), "never ended: {:?}", self.open[who]);
            assert!(
                self.net.client(who).is_idle(),
                "something is stuck: {:?}",
                self.net.client(who)
            );
            for (number, published) in self.published.iter().enumerate() {
                let times = self.told[who].get(&(number as u32)).copied().unwrap_or(0);
                if published.dropped {
                    assert_eq!(times, 0, "message {number} was dropped");
                    continue;
                }
                let subscribed = self.subscribed_from[who].is_some_and(|from| from <= number as u32);
                if times == 0 && (published.expires || published.lost || !subscribed) {
                    continue;
                }
                match published.qos {
                    QoS::AtMostOnce => assert!(times <= 1),
                    QoS::AtLeastOnce => assert!(times >= 1, "message {number} was lost to {who}"),
                    QoS::ExactlyOnce if self.forgot[who] => {
                        assert!(times >= 1, "message {number} was lost to {who}")
                    }
                    QoS::ExactlyOnce => assert_eq!(times, 1, "message {number} to {who}"),
                }
            }
            // Of a message that was published again, a subscriber that came in between misses the first copy.
            let subscribed = |number| self.subscribed_from[who].is_some_and(|from| from <= number);
            let told: Vec<_> = self.order[who]
                .iter()
                .copied()
                .filter(|m| subscribed(m.2))
                .collect();
            assert_in_order(&told, who);
        }
    }
}

fn run<S: Storage>(version: Version, policy: &Config, storage: impl Fn() -> S, steps: &[Step]) {
    let mut world = World::new(version, policy, storage);
    for step in steps {
        world.apply(step);
    }
    world.calm_down();
    world.check();
}

fn policies() -> impl Strategy<Value = Config> {
    let when_full = prop_oneof![
        3 => Just(WhenFull::Refuse),
        2 => Just(WhenFull::DropOldest),
        2 => Just(WhenFull::DropQoS0),
        1 => Just(WhenFull::KeepNothing),
    ];
    let span = || proptest::option::weighted(0.3, (1_000u64..60_000).prop_map(Duration::from_millis));
    (when_full, span(), span()).prop_map(|(when_full, max_age, resend_after)| {
        let mut config = Config::DEFAULT;
        (config.when_full, config.max_age, config.resend_after) = (when_full, max_age, resend_after);
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn on_the_heap(
        version in 0usize..3,
        policy in policies(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(Version::ALL[version], &policy, Heap::new, &steps);
    }

    #[test]
    fn on_memory_of_a_fixed_size(
        version in 0usize..3,
        policy in policies(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(Version::ALL[version], &policy, Fixed::<16, 1024>::new, &steps);
    }
}

#[test]
fn tokens_are_numbers_that_are_not_used_again() {
    let mut net: Net = Net::new(Default::default());
    let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
    let now = net.now();
    let message = Publish::new(TopicName::new("t").unwrap(), QoS::AtMostOnce);
    let tokens: Vec<Token> = (0..100)
        .map(|_| net.client(c).publish(now, &message, "").unwrap())
        .collect();
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]));
}
