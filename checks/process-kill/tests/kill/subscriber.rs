//! A subscriber is killed, that takes what it is sent into a file and acknowledges it then.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::atomic::Ordering::Relaxed,
    time::Instant,
};

use adapter_suite::Broker;
use mqtt_proto::{QoS, Sender, Version};
use process_kill::{TAKEN, qos_of};

use crate::{
    figures::say,
    life::{Lives, PATIENCE},
    peer::{Publisher, count},
    wire::{Passed, What, Wire},
};

/// What the survivors said.
#[derive(Default)]
struct Heard {
    ready: bool,
    took: BTreeSet<u32>,
    /// In which round it was recorded that this message of QoS 2 was acknowledged.
    sealed: BTreeMap<u32, u32>,
}

impl Heard {
    fn hear(&mut self, round: u32, line: &str) {
        match line.split_once(' ') {
            None if line == "open" => {}
            None if line == "ready" => self.ready = true,
            Some(("took", number)) => {
                self.took.insert(number.parse().unwrap());
            }
            Some(("sealed", number)) => {
                self.sealed.entry(number.parse().unwrap()).or_insert(round);
            }
            _ => panic!("{line}"),
        }
    }
}

pub(crate) fn killed(version: Version) {
    let broker = Broker::start();
    let wire = Wire::new(broker.address(), version);
    let mut lives = Lives::new("subscriber", version, wire.address());
    let mut heard = Heard::default();
    let mut publisher = None;
    for _ in 1..lives.rounds() {
        let life = lives.start();
        let round = lives.round();
        lives.kill(life, |line| {
            heard.hear(round, line);
            // Before there is a subscription, nothing has to come.
            if heard.ready {
                publisher
                    .get_or_insert_with(|| Publisher::start(broker.address()))
                    .taken
                    .store(heard.took.len(), Relaxed);
            }
        });
    }
    let life = lives.start();
    let round = lives.round();
    let end = Instant::now() + PATIENCE;
    let patience = || end.saturating_duration_since(Instant::now());
    while !heard.ready {
        heard.hear(round, &life.says.recv_timeout(patience()).expect("SUBACK"));
    }
    let all = publisher
        .unwrap_or_else(|| Publisher::start(broker.address()))
        .finish();
    while heard.took.len() < all as usize {
        let line = life
            .says
            .recv_timeout(patience())
            .unwrap_or_else(|_| panic!("lost: {:?}", missing(&heard.took, all)));
        heard.hear(round, &line);
    }
    lives.rest(life, |line| heard.hear(round, line));

    let taken = read(&lives);
    let times = count(taken.iter().map(|&(_, number)| number));
    let wire = Answers::of(&wire.passed(), &taken);
    let repeated = |qos| {
        let of_qos = times.iter().filter(|&(&n, _)| qos_of(n) == qos);
        of_qos.filter(|&(_, &times)| times > 1).count()
    };
    let (again_1, again_2) = (repeated(QoS::AtLeastOnce), repeated(QoS::ExactlyOnce));
    let wrong: Vec<_> = taken
        .iter()
        .filter(|(round, number)| heard.sealed.get(number).is_some_and(|sealed| sealed < round))
        .collect();
    say(&[
        &format!(
            "subscriber killed, {version:?}: {} rounds, of which the last came to rest",
            lives.round()
        ),
        &format!(
            "  {all} published, {} taken, {} sealed; taken again: {again_1} of QoS 1, {again_2} of QoS 2 before their acknowledgement was safe, {} after",
            times.len(),
            heard.sealed.len(),
            wrong.len(),
        ),
        &format!(
            "  wire: {} PUBLISH, {} of them with DUP; {} PUBACK, {} PUBREC, {} PUBCOMP",
            wire.publishes, wire.dups, wire.pubacks, wire.pubrecs, wire.pubcomps,
        ),
        &format!(
            "  kills: {} before the journal was read, {} within a record, {} more with half a record put behind",
            lives.killed_early, lives.torn, lives.torn_by_hand,
        ),
    ]);
    assert_eq!(
        missing(&times.keys().copied().collect(), all),
        Vec::<u32>::new(),
        "lost"
    );
    assert_eq!(
        wrong,
        Vec::<&(u32, u32)>::new(),
        "taken after they were sealed (round, message)"
    );
    assert_eq!(
        wire.wrong,
        Vec::<u32>::new(),
        "taken after PUBREC was on the wire"
    );
    assert_eq!(
        wire.early,
        Vec::<u32>::new(),
        "acknowledged before they were taken"
    );
}

fn missing(have: &BTreeSet<u32>, all: u32) -> Vec<u32> {
    (1..=all).filter(|number| !have.contains(number)).collect()
}

/// What was taken, and in which round.
fn read(lives: &Lives) -> Vec<(u32, u32)> {
    let bytes = fs::read(lives.directory.join(TAKEN)).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    assert_eq!(bytes.len() % 8, 0);
    bytes
        .chunks_exact(8)
        .map(|entry| (number(&entry[..4]), number(&entry[4..])))
        .collect()
}

/// What the survivors answered.
#[derive(Default)]
struct Answers {
    publishes: usize,
    dups: usize,
    pubacks: usize,
    pubrecs: usize,
    pubcomps: usize,
    /// Messages of QoS 2 that were taken in a later life than the one that sent PUBREC.
    wrong: Vec<u32>,
    /// Messages that were answered and never taken before.
    early: Vec<u32>,
    /// All that were answered.
    answered: BTreeSet<u32>,
}

impl Answers {
    fn of(passed: &[Passed], taken: &[(u32, u32)]) -> Self {
        let mut this = Self::default();
        let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
        for &(round, number) in taken {
            first.entry(number).or_insert(round);
            last.insert(number, round);
        }
        let (mut rounds, mut means) = (BTreeMap::new(), BTreeMap::new());
        for &Passed { link, from, what } in passed {
            match (from, what) {
                (Sender::Client, What::Connect { round }) => {
                    rounds.insert(link, round);
                }
                (Sender::Server, What::Publish { number, id, dup, .. }) => {
                    this.publishes += 1;
                    this.dups += usize::from(dup);
                    means.insert(id, number);
                }
                (Sender::Client, What::PubAck { id }) => {
                    this.pubacks += 1;
                    this.answer(means[&id], rounds[&link], &first);
                }
                (Sender::Client, What::PubRec { id }) => {
                    this.pubrecs += 1;
                    let number = means[&id];
                    this.answer(number, rounds[&link], &first);
                    if last.get(&number) > Some(&rounds[&link]) {
                        this.wrong.push(number);
                    }
                }
                (Sender::Client, What::PubComp { .. }) => this.pubcomps += 1,
                (_, What::Refusal(code)) => panic!("{from:?} says {code}"),
                _ => {}
            }
        }
        this
    }

    fn answer(&mut self, number: u32, round: u32, first: &BTreeMap<u32, u32>) {
        self.answered.insert(number);
        if first.get(&number).is_none_or(|&taken| round < taken) {
            self.early.push(number);
        }
    }
}
