//! A store that holds any entries, and a server that is made from it.
//!
//! | bytes | |
//! |---|---|
//! | rest | entries: key, body of the value; a key of no kind is passed over |

use mqtt_session::{
    Instant,
    record::{
        broker::{Entry, Key},
        frame,
    },
    server::{Broker, Restore, RestoreError, ServerConfig},
};

use crate::{choices::Choices, show};

const NOW: Instant = Instant::from_secs(1_000_000);

/// Reads a store and goes on from it.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut config = ServerConfig::default();
    config.durable = true;
    let mut restore = Restore::new(config.clone());
    while !choices.is_empty() {
        let (key, body) = (choices.bytes().to_vec(), choices.bytes());
        // As it is, and with checks that are right.
        let _ = Entry::decode(&key, body);
        let Some(&kind) = key.first() else { continue };
        let mut value = vec![0; body.len() + frame::OVERHEAD];
        frame::write(kind, body.len(), &mut value, |out| out.copy_from_slice(body))
            .expect("there is as much room as it takes");
        if let Ok(entry) = Entry::decode(&key, &value) {
            show(|| format!("{entry:?}"));
            // What was read is written as it was.
            assert_eq!(
                (entry.key().encode(), entry.encode_value()),
                (key.clone(), value.clone())
            );
            assert_eq!(Key::decode(&key), Some(entry.key()));
            restore.read(&key, &value).expect("it was decoded");
        }
    }
    let mut broker = match restore.finish(NOW) {
        Ok(broker) => broker,
        Err(RestoreError::Missing { .. } | RestoreError::Impossible { .. }) => return,
        Err(other) => unreachable!("{other}"),
    };
    // A snapshot is as good as what it was made from, and all changes are in it.
    let entries = snapshot(&mut broker);
    assert!(broker.poll_changes().is_none(), "a snapshot stands for all");
    let mut again = Broker::restore(config, NOW, entries.iter().map(|(key, value)| (key, value)))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(snapshot(&mut again), entries);
    // Time passes for what is there.
    for _ in 0..10_000 {
        let Some(at) = again.poll_timeout() else { break };
        again.handle_timeout(at.max(NOW));
    }
    snapshot(&mut again);
}

fn snapshot(broker: &mut Broker) -> Vec<(Vec<u8>, Vec<u8>)> {
    let changes = broker.snapshot();
    let entry = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.expect("it is there").to_vec());
    changes.iter().map(entry).collect()
}
