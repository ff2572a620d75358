//! Kill after kill, and what there must be in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use mqtt_proto::QoS;
use process_kill::{NUMBERS, Random, qos_of};

use crate::{
    PATIENCE,
    figures::say,
    process::{self, Broker},
    publisher::Publisher,
    retained,
    subscriber::{Late, Subscriber, Taken},
    wills,
};

/// Messages that a publisher may publish in one round.
const PER_ROUND: u32 = 250;

/// Publishers.
const PUBLISHERS: u32 = 2;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn run() {
    let (rounds, seed) = (number("KILL_ROUNDS", 10).max(2) as u32, number("KILL_SEED", 1));
    let mut random = Random::new(seed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broker-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    let address = process::address();

    let first = Broker::start(address, &directory);
    first.listens();
    let subscriber = Subscriber::start(address);
    let late = Late::start(address);
    let publishers: Vec<_> = (1..=PUBLISHERS)
        .map(|who| Publisher::start(address, who))
        .collect();
    let mut wills_owed = BTreeSet::new();
    let (mut early, mut looks, mut alive) = (0, 0, Vec::new());
    let mut running = Some(first);
    for round in 1..rounds {
        let broker = running
            .take()
            .unwrap_or_else(|| Broker::start(address, &directory));
        for publisher in &publishers {
            publisher.go_on(PER_ROUND);
        }
        let safe: BTreeMap<u32, u32> = publishers
            .iter()
            .flat_map(|publisher| publisher.figures.retained.lock().unwrap().clone())
            .collect();
        if round > 1 && random.below(3) > 0 {
            broker.listens();
            // Nobody has killed it, so this comes to its end.
            let found = retained::look(address, &safe).expect("what is retained");
            looks += 1;
            for (which, number) in &safe {
                assert!(
                    found[which] >= *number,
                    "retained message {number} of topic {which} was acknowledged, and {} is back",
                    found[which]
                );
            }
            let number = PUBLISHERS * NUMBERS + NUMBERS + round;
            let mortal = wills::mortal(address, round, number);
            thread::sleep(Duration::from_micros(random.below(100_000)));
            broker.kill_now();
            // What was said before its end was said for good.
            alive.push(mortal);
        } else if round == 1 {
            thread::sleep(Duration::from_micros(random.below(300_000)));
            broker.kill_now();
        } else {
            early += usize::from(!broker.kill(&mut random));
        }
    }
    for mortal in alive {
        wills_owed.extend(mortal.recv_timeout(PATIENCE).ok());
    }

    let last = Broker::start(address, &directory);
    last.listens();
    for publisher in &publishers {
        publisher.go_on(PER_ROUND);
    }
    // Every time something is acknowledged, they have as long again.
    let mut progress = (0, Instant::now());
    while !publishers.iter().all(Publisher::is_done) {
        let acknowledged = publishers.iter().map(Publisher::acknowledged).sum();
        if acknowledged != progress.0 {
            progress = (acknowledged, Instant::now());
        }
        assert!(
            progress.1.elapsed() < PATIENCE,
            "the publishers do not come to their ends: {publishers:?}"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let is_all = |taken: &Taken| {
        let have: BTreeSet<u32> = taken.messages.lock().unwrap().iter().copied().collect();
        let wills: BTreeSet<u32> = taken.wills.lock().unwrap().iter().copied().collect();
        publishers
            .iter()
            .all(|publisher| publisher.numbers().all(|number| have.contains(&number)))
            && wills_owed.is_subset(&wills)
    };
    let mine = subscriber.taken.clone();
    let end = Instant::now() + PATIENCE;
    while !is_all(&mine) && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
    let others = Taken::default();
    late.come_back(address, &others, || is_all(&others));
    // What would come twice would have come before these.
    for publisher in &publishers {
        publisher.go_on(20);
    }
    until("the last messages", || {
        publishers.iter().all(Publisher::is_done) && is_all(&mine)
    });

    let safe: BTreeMap<u32, u32> = publishers
        .iter()
        .flat_map(|publisher| publisher.figures.retained.lock().unwrap().clone())
        .collect();
    let found = retained::look(address, &safe).expect("what is retained");
    let connections: u32 = publishers
        .iter()
        .map(|publisher| {
            publisher
                .figures
                .connections
                .load(std::sync::atomic::Ordering::Relaxed)
        })
        .sum();
    let published: Vec<u32> = publishers.iter().flat_map(Publisher::numbers).collect();
    for publisher in publishers {
        publisher.finish();
    }
    let subscriber_connections = subscriber.finish();
    drop(last);

    let checked = [check("the subscriber", &mine), check("the late one", &others)];
    let lost = |taken: &Taken| {
        let have: BTreeSet<u32> = taken.messages.lock().unwrap().iter().copied().collect();
        published.iter().filter(|number| !have.contains(number)).count()
    };
    say(&[
        &format!("broker killed: {rounds} processes, {early} of them before they listened, seed {seed}"),
        &format!(
            "  {} messages published and acknowledged over {connections} connections; {} lost; at the subscriber ({subscriber_connections} connections) {} of QoS 1 came again, {} of QoS 2; the same at the late one: {}, {}",
            published.len(),
            lost(&mine),
            checked[0].0,
            checked[0].1,
            checked[1].0,
            checked[1].1,
        ),
        &format!(
            "  {} wills owed and published; {} retained messages looked at {looks} times, and right",
            wills_owed.len(),
            safe.len()
        ),
    ]);
    assert_eq!(lost(&mine), 0);
    assert_eq!((checked[0].1, checked[1].1), (0, 0), "twice at QoS 2");
    assert_eq!(found, safe, "retained");
    let _ = fs::remove_dir_all(&directory);
}

/// How many messages of QoS 1, and of QoS 2, came more than once. First deliveries of one publisher and QoS are in order.
fn check(who: &str, taken: &Taken) -> (usize, usize) {
    let mut times: BTreeMap<u32, usize> = BTreeMap::new();
    let mut latest = BTreeMap::new();
    let messages = taken.messages.lock().unwrap();
    for &number in messages.iter() {
        let count = times.entry(number).or_default();
        *count += 1;
        // Retained messages have topics of their own, and so an order of their own.
        if *count == 1 && number % 16 != 0 {
            // 5/MQTT-4.6.0-5, 3.1.1/MQTT-4.6.0-5
            let before = latest.insert((number / NUMBERS, number % 2), number);
            assert!(
                before < Some(number),
                "{who}: {number} came first after {before:?}"
            );
        }
    }
    for &will in taken.wills.lock().unwrap().iter() {
        *times.entry(will).or_default() += 1;
    }
    let again = |qos| {
        times
            .iter()
            .filter(|&(&number, &times)| qos_of(number) == qos && times > 1)
            .count()
    };
    (again(QoS::AtLeastOnce), again(QoS::ExactlyOnce))
}
