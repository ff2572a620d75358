//! Sessions that outlive their process by a file.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test of an adapter uses the computer's files"
)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, path::PathBuf};

use mqtt_proto::{QoS, TopicName};
use mqtt_session::{Client, Config, Instant, Publish, storage::Heap};
use mqtt_std::{FileJournal, JournalError, driver::persist};

/// A file of this test's own, gone at its end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "mqtt-journal-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Result<(FileJournal, Client<Heap>), JournalError> {
        FileJournal::open(&self.0, Config::DEFAULT, Heap::new())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn publish(client: &mut Client<Heap>, payload: &[u8]) {
    let message = Publish::new(TopicName::new("a/b").unwrap(), QoS::ExactlyOnce);
    client.publish(Instant::ZERO, &message, payload).unwrap();
}

fn waiting(client: &Client<Heap>) -> Vec<u32> {
    client
        .outbox_messages()
        .map(|message| message.payload_len.unwrap())
        .collect()
}

#[test]
fn what_was_accepted_and_synced_is_there_in_the_next_process() {
    let place = Place::new();
    let (mut journal, mut client) = place.open().unwrap();
    assert!(journal.is_empty());
    publish(&mut client, b"1");
    publish(&mut client, b"22");
    persist(&mut journal, &mut client, Instant::ZERO).unwrap();
    publish(&mut client, b"not synced");
    drop((journal, client));
    let (journal, client) = place.open().unwrap();
    assert_eq!(waiting(&client), [1, 2]);
    assert_eq!(journal.len(), fs::metadata(&place.0).unwrap().len());
}

#[test]
fn an_end_that_was_written_half_is_cut_off_wherever_it_breaks() {
    let place = Place::new();
    let (mut journal, mut client) = place.open().unwrap();
    publish(&mut client, b"1");
    persist(&mut journal, &mut client, Instant::ZERO).unwrap();
    let whole = fs::read(&place.0).unwrap();
    publish(&mut client, b"22");
    persist(&mut journal, &mut client, Instant::ZERO).unwrap();
    let more = fs::read(&place.0).unwrap();
    for end in whole.len()..more.len() {
        fs::write(&place.0, &more[..end]).unwrap();
        let (mut journal, mut client) = place.open().unwrap();
        assert_eq!(waiting(&client), [1], "{end}");
        // And what comes next stands where it can be read.
        publish(&mut client, b"333");
        persist(&mut journal, &mut client, Instant::ZERO).unwrap();
        let (_, client) = place.open().unwrap();
        assert_eq!(waiting(&client), [1, 3], "{end}");
    }
    let mut zeros = whole.clone();
    zeros.extend([0; 100]);
    fs::write(&place.0, &zeros).unwrap();
    assert_eq!(
        waiting(&place.open().unwrap().1),
        [1],
        "zeros that were never written"
    );
}

#[test]
fn damage_that_is_not_at_the_end_is_told_and_the_file_left_as_it_is() {
    let place = Place::new();
    let (mut journal, mut client) = place.open().unwrap();
    for payload in [b"1", b"2"] {
        publish(&mut client, payload);
        persist(&mut journal, &mut client, Instant::ZERO).unwrap();
    }
    let mut bytes = fs::read(&place.0).unwrap();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 0x55;
    fs::write(&place.0, &bytes).unwrap();
    assert!(matches!(place.open(), Err(JournalError::Record(_))));
    assert_eq!(fs::read(&place.0).unwrap(), bytes);
}

#[test]
fn a_snapshot_takes_the_place_of_a_file_that_has_grown() {
    let place = Place::new();
    let (mut journal, mut client) = place.open().unwrap();
    let payload = vec![7; 10 << 10];
    publish(&mut client, b"stays");
    let mut longest = 0;
    for _ in 0..100 {
        publish(&mut client, &payload);
        persist(&mut journal, &mut client, Instant::ZERO).unwrap();
        let token = client.outbox_messages().last().unwrap().token;
        client.cancel(Instant::ZERO, token).unwrap();
        while client.handle_timeout(Instant::ZERO).event.is_some() {}
        persist(&mut journal, &mut client, Instant::ZERO).unwrap();
        longest = longest.max(journal.len());
    }
    assert!(longest < 100 << 10, "{longest}");
    assert_eq!(journal.len(), fs::metadata(&place.0).unwrap().len());
    assert_eq!(waiting(&place.open().unwrap().1), [5]);
}
