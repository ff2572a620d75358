//! Clients with a journal whose processes die: what was accepted and persisted is not lost, and nothing comes twice, with
//! any records that had been written and were not safe, or without them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{PacketId, Properties, QoS, TopicName, Version};
use mqtt_session::{
    AckToken, Client, Config, Publish, Record,
    client::{Ack, Acknowledge, ClosedBy, OwnedEvent, OwnedOutcome},
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
    Turn {
        times: usize,
    },
    /// From now on the disk is synced at each turn, or only when it is told.
    Hold {
        who: usize,
        held: bool,
    },
    Sync {
        who: usize,
    },
    /// The process dies; so much of what was not safe is there all the same.
    Crash {
        who: usize,
        part: f64,
    },
    /// A snapshot takes the place of the journal.
    Compact {
        who: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..2;
    prop_oneof![
        6 => (who.clone(), 0usize..5).prop_map(|(by, qos)| Step::Publish { by, qos: QoS::ALL[qos.min(2)] }),
        4 => (who.clone(), any::<usize>()).prop_map(|(who, which)| Step::Acknowledge { who, which }),
        5 => Weather::any(2).prop_map(Step::Weather),
        3 => who.clone().prop_map(|who| Step::Reconnect { who }),
        6 => (1usize..6).prop_map(|times| Step::Turn { times }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, held)| Step::Hold { who, held }),
        3 => who.clone().prop_map(|who| Step::Sync { who }),
        3 => (who.clone(), 0.0..1.2).prop_map(|(who, part)| Step::Crash { who, part }),
        1 => who.prop_map(|who| Step::Compact { who }),
    ]
}

/// One program: what it knows and does not forget when its process dies.
#[derive(Default)]
struct Program {
    /// The message of each token that has not ended, as far as was told.
    open: BTreeMap<u32, u32>,
    /// And of those that have.
    done: BTreeMap<u32, u32>,
    /// Messages that died with a process before they were safe.
    gone: BTreeSet<u32>,
    /// How often each message was told.
    told: BTreeMap<u32, u32>,
    /// Messages of QoS 2 that this process was told.
    told_here: BTreeSet<u32>,
    /// Messages of QoS 2 that were acknowledged: the packet id, and how long the journal was then.
    acknowledged: BTreeMap<u32, (PacketId, usize)>,
    /// Those of which that is safe.
    sealed: BTreeSet<u32>,
    /// Messages of QoS 2 that were told to a process that died before it was recorded that they were taken.
    again: BTreeSet<u32>,
    acks: Vec<(AckToken, u32)>,
    /// The messages of each publisher and QoS, in the order in which they were told first.
    order: Vec<(usize, QoS, u32)>,
}

struct World<'a, S: Storage> {
    net: Net<S>,
    version: Version,
    storage: &'a dyn Fn() -> S,
    programs: [Program; 2],
    published: Vec<(usize, QoS)>,
}

impl<'a, S: Storage> World<'a, S> {
    fn new(version: Version, storage: &'a dyn Fn() -> S) -> Self {
        let mut server = mqtt_session::server::ServerConfig::default();
        server.offer_mut(0).receive_maximum = 3;
        // In 3.x a server cannot know how much a client has room for.
        server.offer_mut(0).grant.limits.max_in_flight = 8;
        let mut net = Net::new(server);
        let mut config = Config::DEFAULT;
        config.acknowledge = Acknowledge::Manual;
        config.journal = true;
        for _ in 0..2 {
            net.add(Client::new(config, storage()));
        }
        let mut world = Self {
            net,
            version,
            storage,
            programs: Default::default(),
            published: Vec::new(),
        };
        for who in 0..2 {
            world.reconnect(who);
            world.net.settle();
            let now = world.net.now();
            world
                .net
                .client(who)
                .subscribe(now, &[everything()], Properties::EMPTY)
                .unwrap();
            world.net.settle();
            world.hear(who);
        }
        world
    }

    fn reconnect(&mut self, who: usize) {
        connect(&mut self.net, who, self.version, false);
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish { by, qos } => {
                let message = Publish::new(TopicName::new(TOPIC).unwrap(), qos);
                let number = self.published.len() as u32;
                let now = self.net.now();
                let payload = number.to_be_bytes();
                // A refusal is fine, if it leaves nothing behind.
                if let Ok(token) = self.net.client(by).publish(now, &message, &payload[..]) {
                    self.published.push((by, qos));
                    let program = &mut self.programs[by];
                    if qos > QoS::AtMostOnce {
                        // A token of a message that died with its process may come again.
                        program.done.remove(&token.get());
                        assert_eq!(program.open.insert(token.get(), number), None, "a token twice");
                    }
                }
            }
            Step::Acknowledge { who, which } => self.acknowledge(who, which),
            Step::Weather(ref weather) => weather.apply(&mut self.net),
            Step::Reconnect { who } => self.reconnect(who),
            Step::Turn { times } => {
                for _ in 0..times {
                    self.turn();
                }
            }
            Step::Hold { who, held } => self.net.disk(who).hold(held),
            Step::Sync { who } => self.net.disk(who).sync(),
            Step::Crash { who, part } => self.crash(who, part),
            Step::Compact { who } => {
                self.net.compact(who);
                self.snapshot_says_what_the_journal_says(who);
            }
        }
        self.look();
    }

    fn turn(&mut self) {
        self.net.turn();
        self.look();
    }

    fn look(&mut self) {
        for who in 0..2 {
            self.hear(who);
            let disk = self.net.disk(who);
            if disk.persisted() == disk.len() && !self.net.client(who).has_record() {
                let program = &mut self.programs[who];
                let safe = core::mem::take(&mut program.acknowledged);
                program.sealed.extend(safe.into_keys());
            }
        }
    }

    /// Tokens of messages that these records leave in flight or waiting.
    fn alive(&mut self, who: usize, count: usize) -> BTreeSet<u32> {
        let mut alive = BTreeSet::new();
        for record in self.net.disk(who).records(count) {
            match record {
                Record::Message(message) => {
                    alive.insert(message.token.get());
                }
                Record::Released { token, .. } => {
                    alive.insert(token.get());
                }
                Record::Ended { token, .. } => {
                    alive.remove(&token.get());
                }
                _ => {}
            }
        }
        alive
    }

    fn crash(&mut self, who: usize, part: f64) {
        let disk = self.net.disk(who);
        let (safe, all) = (disk.persisted(), disk.len());
        let keep = safe + (part * (all - safe) as f64) as usize;
        let persisted = self.alive(who, safe);
        let now = self.net.now();
        // Every beginning of the journal from there on can be gone on from.
        for count in safe..=all {
            let config = self.net.client(who).config();
            let records = self.net.disk(who).records(count);
            Client::restore(config, (self.storage)(), now, records).unwrap();
        }
        let kept = self.alive(who, keep);
        self.net.restart(who, (self.storage)(), keep).unwrap();
        let client = self.net.client(who);
        let restored: BTreeSet<u32> = client.outbox_messages().map(|m| m.token.get()).collect();
        assert_eq!(restored, kept, "what is in the journal is in the client");
        let program = &mut self.programs[who];
        for token in &persisted {
            assert!(
                kept.contains(token) || !program.open.contains_key(token),
                "{token} is safe and gone"
            );
        }
        for token in &kept {
            if let Some(number) = program.done.remove(token) {
                // Its end was told, and that was not safe: it is told again.
                program.open.insert(*token, number);
            }
        }
        let lost: Vec<u32> = program
            .open
            .keys()
            .copied()
            .filter(|t| !kept.contains(t))
            .collect();
        for token in lost {
            assert!(!persisted.contains(&token));
            let number = program.open.remove(&token).unwrap();
            program.gone.insert(number);
        }
        for number in core::mem::take(&mut program.told_here) {
            let taken = program.acknowledged.get(&number).is_some_and(|&(id, from)| {
                let mut later = self.net.disk(who).records(keep).skip(from);
                later.any(|record| matches!(record, Record::Received { id: other, .. } if other == id))
            });
            if taken {
                program.sealed.insert(number);
            } else if !program.sealed.contains(&number) {
                program.again.insert(number);
            }
        }
        program.acknowledged.clear();
        program.acks.clear();
    }

    /// A client that was made from the journal has the same to say as the one that wrote it.
    fn snapshot_says_what_the_journal_says(&mut self, who: usize) {
        let now = self.net.now();
        let config = self.net.client(who).config();
        let count = self.net.disk(who).len();
        let restored =
            Client::restore(config, (self.storage)(), now, self.net.disk(who).records(count)).unwrap();
        let (ours, theirs) = (said(self.net.client(who)), said(&restored));
        assert_eq!(ours, theirs);
    }

    fn acknowledge(&mut self, who: usize, which: usize) {
        let program = &mut self.programs[who];
        if program.acks.is_empty() {
            return;
        }
        let (token, number) = program.acks.remove(which % program.acks.len());
        if token.qos() == QoS::ExactlyOnce {
            let written = self.net.disk(who).len();
            program.acknowledged.insert(number, (token.packet_id(), written));
        }
        let now = self.net.now();
        self.net
            .client(who)
            .acknowledge(now, token, &Ack::SUCCESS)
            .unwrap();
    }

    fn hear(&mut self, who: usize) {
        for event in self.net.take_events(who) {
            let program = &mut self.programs[who];
            match event {
                OwnedEvent::Message(message) => {
                    let number = u32::from_be_bytes(message.payload[..].try_into().unwrap());
                    let (by, qos) = self.published[number as usize];
                    if qos == QoS::ExactlyOnce {
                        assert!(
                            program.told_here.insert(number),
                            "{number} came twice to one process"
                        );
                        assert!(
                            !program.sealed.contains(&number),
                            "{number} came again after its acknowledgement was safe"
                        );
                        program.again.remove(&number);
                    }
                    let times = program.told.entry(number).or_default();
                    *times += 1;
                    if *times == 1 {
                        program.order.push((by, qos, number));
                    }
                    if let Some(ack) = message.ack {
                        program.acks.push((ack, number));
                    }
                }
                OwnedEvent::Completed { token, outcome } => {
                    if let Some(number) = program.open.remove(&token.get()) {
                        let OwnedOutcome::Acknowledged { code, .. } = outcome else {
                            panic!("{outcome:?}");
                        };
                        assert!(!code.is_failure());
                        program.done.insert(token.get(), number);
                    }
                }
                OwnedEvent::Aborted { token, why } => {
                    assert!(
                        !program.open.contains_key(&token.get()),
                        "{token:?} aborted: {why:?}"
                    );
                }
                OwnedEvent::Closed(closed) => assert_ne!(closed.by, ClosedBy::Server, "{closed:?}"),
                _ => {}
            }
        }
    }

    /// The world becomes friendly; everything must come to its end.
    fn calm_down(&mut self) {
        Weather::clear_up(&mut self.net, 2);
        for who in 0..2 {
            self.net.disk(who).hold(false);
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
            let quiet = |world: &mut Self, who: usize| {
                world.programs[who].acks.is_empty() && world.net.client(who).is_idle()
            };
            if quiet(self, 0) && quiet(self, 1) {
                break;
            }
        }
    }

    fn check(&mut self) {
        for who in 0..2 {
            assert!(
                self.net.client(who).is_idle(),
                "something is stuck: {:?}",
                self.net.client(who)
            );
            self.snapshot_says_what_the_journal_says(who);
            assert_eq!(
                said(self.net.client(who)).len(),
                1,
                "nothing is left but the session"
            );
            let program = &self.programs[who];
            assert!(program.open.is_empty(), "never ended: {:?}", program.open);
            assert!(
                program.again.is_empty(),
                "lost with a process: {:?}",
                program.again
            );
            let gone: BTreeSet<u32> = self.programs.iter().flat_map(|p| &p.gone).copied().collect();
            for (number, &(_, qos)) in self.published.iter().enumerate() {
                let number = number as u32;
                let times = program.told.get(&number).copied().unwrap_or(0);
                if qos > QoS::AtMostOnce {
                    let lost = gone.contains(&number);
                    assert_eq!(times == 0, lost, "message {number} to {who}, {times} times");
                }
            }
            assert_in_order(&program.order, who);
        }
    }
}

/// What a client would put into a new journal, but for the number of its next token, which also counts what is not
/// recorded.
fn said<S: Storage>(client: &Client<S>) -> Vec<String> {
    let mut said: Vec<String> = client
        .snapshot()
        .map(|record| match record {
            Record::Session {
                exists,
                outdated,
                number,
                ..
            } => format!("session {exists} {outdated} {number}"),
            other => format!("{other:?}"),
        })
        .collect();
    said.sort();
    said
}

fn run<S: Storage>(version: Version, storage: &dyn Fn() -> S, steps: &[Step]) {
    let mut world = World::new(version, storage);
    for step in steps {
        world.apply(step);
    }
    world.calm_down();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_persisted_is_lost_and_nothing_comes_twice_on_the_heap(
        version in 0usize..3, steps in proptest::collection::vec(step(), 1..80)
    ) {
        run(Version::ALL[version], &Heap::new, &steps);
    }

    #[test]
    fn nothing_persisted_is_lost_and_nothing_comes_twice_in_memory_of_a_fixed_size(
        version in 0usize..3, steps in proptest::collection::vec(step(), 1..80)
    ) {
        run(Version::ALL[version], &Fixed::<16, 1024>::new, &steps);
    }
}
