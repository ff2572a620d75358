//! Whatever clients do, what is told to a store is all that is durable, and it comes back.

use mqtt_session::{
    record::broker::{Away, Entry},
    server::Server,
    testing::{Entries, Store},
};
use proptest::prelude::*;

use crate::{
    chaos::{check, run, step},
    net::Net,
};

fn snapshot(server: &Server) -> Entries {
    let changes = server.clone().snapshot();
    let entry = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.unwrap().to_vec());
    changes.iter().map(entry).collect()
}

/// As texts that can be compared and read.
fn shown(entries: &Entries) -> Vec<String> {
    let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| format!("{:?}", Entry::decode(key, value).unwrap());
    entries.iter().map(entry).collect()
}

/// A server that is made from the entries knows what they say, but for what ends because nobody is connected.
fn comes_back(net: &Net, entries: &Entries) {
    let config = net.server.broker().config().clone();
    // In any order.
    let restored = Server::restore(config, net.now, entries.iter().rev()).unwrap();
    let decoded = |entries: &Entries| -> Vec<(Vec<u8>, Vec<u8>)> {
        entries
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let (before, after) = (decoded(entries), decoded(&snapshot(&restored)));
    let of = |bytes: &[(Vec<u8>, Vec<u8>)]| -> Vec<String> {
        let ending: Vec<u64> = before
            .iter()
            .filter_map(|(key, value)| ends_at_once(key, value))
            .collect();
        bytes
            .iter()
            .filter_map(|(key, value)| lasting(net, &Entry::decode(key, value).unwrap(), &ending))
            .collect()
    };
    let has_wills = before.iter().any(|(key, value)| {
        matches!(Entry::decode(key, value).unwrap(), Entry::Session { kept, .. } if kept.will.is_some())
    });
    if !has_wills {
        assert_eq!(of(&before), of(&after));
    }
    // And once more, from what it tells: it is the same again.
    let mut again = restored.clone();
    let mut store = Store::default();
    let mut rest = entries.clone();
    if let Some(changes) = again.poll_changes() {
        for (key, value) in changes.iter() {
            match value {
                Some(value) => drop(rest.insert(key.to_vec(), value.to_vec())),
                None => drop(rest.remove(key)),
            }
        }
        again.handle_persisted(net.now, changes.upto());
    }
    assert!(!store.turn(&mut again, net.now), "all was told");
    assert_eq!(shown(&rest), shown(&snapshot(&again)));
}

/// The session that is not kept without its connection.
fn ends_at_once(key: &[u8], value: &[u8]) -> Option<u64> {
    let Entry::Session { session, kept } = Entry::decode(key, value).unwrap() else {
        return None;
    };
    (kept.expiry == 0).then_some(session)
}

/// What an entry says that is so whether a client is connected or not.
fn lasting(net: &Net, entry: &Entry<'_>, ending: &[u64]) -> Option<String> {
    if let Entry::Session { session, kept } = entry {
        let mut kept = kept.clone();
        if kept.expiry == 0 {
            return None;
        }
        // Those who were there left now.
        let expiry = kept.expiry;
        kept.away.get_or_insert_with(|| Away {
            expires_at: (expiry != u32::MAX)
                .then(|| net.now + core::time::Duration::from_secs(expiry.into())),
            will_at: None,
        });
        return Some(format!("{session} {kept:?}"));
    }
    if let Entry::Subscription { session, .. }
    | Entry::Waiting { session, .. }
    | Entry::InFlight { session, .. }
    | Entry::Received { session, .. }
    | Entry::Pull { session, .. } = entry
    {
        if ending.contains(session) {
            return None;
        }
    }
    // Whose they are has been said.
    let is_message = matches!(entry, Entry::Message { .. });
    (!is_message || ending.is_empty()).then(|| format!("{entry:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever changes is told: a store that is given all changes holds what a snapshot holds, and a server that is made
    /// from it is the one that was, but that its clients are gone.
    #[test]
    fn what_is_told_to_a_store_is_all_that_is_durable_and_comes_back(
        steps in prop::collection::vec(step(), 1..120),
        persisting in any::<u64>(),
    ) {
        let mut store = Store::default();
        let (mut at, mut previous) = (0_u32, Entries::new());
        let sent = run(&steps, true, |net| {
            at += 1;
            store.hold(persisting >> (at % 64) & 1 == 0);
            store.turn(&mut net.server, net.now);
            let all = store.all();
            assert_eq!(shown(&all), shown(&snapshot(&net.server)), "step {at}");
            if all != previous {
                comes_back(net, &all);
            }
            previous = all;
        });
        for (version, bytes) in &sent.0 {
            check(*version, bytes);
        }
    }
}
