//! A publisher is killed.

use std::collections::{BTreeMap, BTreeSet};

use adapter_suite::Broker;
use mqtt_proto::{QoS, Version};
use process_kill::qos_of;

use crate::{
    figures::say,
    life::Lives,
    outgoing::Outgoing,
    peer::{Receiver, count},
    wire::Wire,
};

pub(crate) fn killed(version: Version) {
    let broker = Broker::start();
    let receiver = Receiver::start(broker.address());
    let wire = Wire::new(broker.address(), version);
    let mut lives = Lives::new("publisher", version, wire.address());
    let mut accepted = BTreeSet::new();
    let mut restored = 0;
    let mut done = BTreeMap::new();
    let mut hear = |round: u32, line: &str| match line.split_once(' ') {
        Some(("done", number)) => assert_eq!(done.insert(number.parse::<u32>().unwrap(), round), None),
        Some(("safe", number)) => assert!(accepted.insert(number.parse::<u32>().unwrap())),
        Some(("open", messages)) => restored += messages.parse::<usize>().unwrap(),
        _ => panic!("{line}"),
    };
    for _ in 1..lives.rounds() {
        let life = lives.start();
        let round = lives.round();
        lives.kill(life, |line| hear(round, line));
    }
    let life = lives.start();
    let round = lives.round();
    lives.rest(life, |line| hear(round, line));

    let times = count(receiver.finish());
    let wire = Outgoing::check(&wire.passed(), &done);
    let lost: Vec<_> = accepted.iter().filter(|&n| !times.contains_key(n)).collect();
    let twice: Vec<_> = times
        .iter()
        .filter(|&(&n, &times)| qos_of(n) == QoS::ExactlyOnce && times > 1)
        .collect();
    let again = times.values().filter(|&&times| times > 1).count();
    say(&[
        &format!(
            "publisher killed, {version:?}: {} rounds, of which the last came to rest",
            lives.round()
        ),
        &format!(
            "  {} accepted and safe, {} ended and safe, {} delivered, {} lost, QoS 2 twice {}, QoS 1 more than once {again}",
            accepted.len(),
            done.len(),
            times.len(),
            lost.len(),
            twice.len()
        ),
        &format!(
            "  wire: {} messages in {} PUBLISH, {} and {} of them repeats with DUP at QoS 1 and 2; {} PUBREL, {} of them repeats; {} sessions resumed",
            wire.len(),
            wire.publishes,
            wire.repeats[0],
            wire.repeats[1],
            wire.releases,
            wire.releases_repeated,
            wire.resumed,
        ),
        &format!(
            "  kills: {} before the journal was read, {} within a record, {} more with half a record put behind; {restored} messages restored",
            lives.killed_early, lives.torn, lives.torn_by_hand,
        ),
    ]);
    assert_eq!(lost, Vec::<&u32>::new(), "accepted, and lost");
    assert_eq!(twice, Vec::<(&u32, &usize)>::new(), "came twice at QoS 2");
    assert!(
        accepted.len() > lives.round() as usize,
        "hardly anything was accepted"
    );
    assert_eq!(wire.len(), times.len(), "all that was on the wire was delivered");
}
