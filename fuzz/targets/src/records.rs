//! A journal that is any bytes, and a client that is made from it.
//!
//! | bytes | |
//! |---|---|
//! | 0 | 1 the rest is a journal as it lies on a disk; otherwise it is a list of frames: kind, length, body. 2 heap, 4 lost sessions are sent again as new |
//! | rest | the journal |

use mqtt_proto::{Properties, Property, Version, packet::Connect};
use mqtt_session::{
    Body, Client, Config, Instant, Record,
    client::{OnSessionLost, RestoreError},
    record::{Records, frame},
    storage::{Fixed, Heap, HeapLimits, Storage},
};

use crate::{choices::Choices, show};

const NOW: Instant = Instant::from_secs(1_000_000);

/// Reads a journal and goes on from it.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let flags = choices.byte();
    let journal = if flags & 1 != 0 {
        choices.rest().to_vec()
    } else {
        framed(choices)
    };
    let mut records = Records::new(&journal);
    let mut read = Vec::new();
    for record in &mut records {
        show(|| format!("{record:?}"));
        read.push(record);
    }
    let end = records.offset();
    let error = records.error().map(|error| error.offset());
    assert_eq!(error, (end < journal.len()).then_some(end));
    // What was read is written as it was.
    assert_eq!(written(&read), journal[..end]);
    let mut config = Config::DEFAULT;
    config.journal = true;
    if flags & 4 != 0 {
        config.on_session_lost = OnSessionLost::SendAgainAsNew;
    }
    if flags & 2 == 0 {
        go_on(config, Fixed::<4, 256>::new, &read);
    } else {
        let mut limits = HeapLimits::DEFAULT;
        limits.bytes = 1 << 16;
        go_on(config, || Heap::with_limits(limits), &read);
    }
}

/// Frames whose checks are right.
fn framed(mut choices: Choices<'_>) -> Vec<u8> {
    let mut journal = Vec::new();
    while !choices.is_empty() {
        let kind = choices.byte();
        let body = choices.bytes();
        let mut frame = vec![0; body.len() + frame::OVERHEAD];
        frame::write(kind, body.len(), &mut frame, |out| out.copy_from_slice(body))
            .expect("there is as much room as it takes");
        if Record::decode(&frame).is_ok() {
            journal.extend(frame);
        }
    }
    journal
}

fn written(records: &[Record<'_>]) -> Vec<u8> {
    let mut all = Vec::new();
    for record in records {
        let mut frame = vec![0; record.encoded_len()];
        all.extend(record.encode(&mut frame).expect("the room it asked for"));
    }
    all
}

fn go_on<S: Storage>(config: Config, storage: impl Fn() -> S, records: &[Record<'_>]) {
    let mut client = match Client::restore(config, storage(), NOW, records.iter().copied()) {
        Ok(client) => client,
        Err(
            RestoreError::Slots | RestoreError::Bytes | RestoreError::Arrivals | RestoreError::Invalid(_),
        ) => {
            return;
        }
        Err(other) => unreachable!("{other}"),
    };
    // A snapshot is as good as what it was made from.
    let snapshot: Vec<Record<'_>> = client.snapshot().collect();
    let again = Client::restore(config, storage(), NOW, snapshot.iter().copied())
        .unwrap_or_else(|error| panic!("{error}: {snapshot:?}"));
    let twice: Vec<Record<'_>> = again.snapshot().collect();
    // Of tokens that are more than half of all tokens apart, as no client has them, nobody can say which is next.
    let known = |records: &[Record<'_>]| match records.first() {
        Some(&Record::Session {
            exists,
            outdated,
            client,
            number,
            ..
        }) => (exists, outdated, client, number),
        other => panic!("{other:?}"),
    };
    assert_eq!(known(&snapshot), known(&twice));
    assert_eq!(
        written(&snapshot[1..]),
        written(&twice[1..]),
        "{snapshot:?}\n{twice:?}"
    );
    drop(snapshot);

    // It goes on with its session, and ends when that is lost.
    for session_present in [true, false] {
        connect(&mut client, session_present);
        client.handle_disconnect(NOW);
        events(&mut client);
    }
}

fn connect<S: Storage>(client: &mut Client<S>, session_present: bool) {
    const KEPT: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];
    let options = Connect {
        clean_start: false,
        properties: Properties::new(KEPT),
        ..Connect::new(Version::V5, "c")
    };
    events(client);
    if client.connect(NOW, &options).is_err() {
        return; // Its memory is full.
    }
    record(client);
    write(client);
    let connack = [0x20, 3, u8::from(session_present), 0, 0];
    let handled = client.handle_input(NOW, &connack);
    show(|| format!("{:?}", handled.event));
    events(client);
    record(client);
    write(client);
}

fn events<S: Storage>(client: &mut Client<S>) {
    for _ in 0..100_000 {
        let Some(event) = client.handle_timeout(NOW).event else {
            return;
        };
        show(|| format!("{event:?}"));
    }
    panic!("events without end");
}

/// Writes all records, and reads each back.
fn record<S: Storage>(client: &mut Client<S>) {
    let mut latest = None;
    for _ in 0..100_000 {
        let Some((seq, record)) = client.poll_record() else {
            if let Some(latest) = latest {
                client.handle_persisted(NOW, latest);
            }
            assert!(!client.has_record());
            return;
        };
        show(|| format!("{record:?}"));
        latest = Some(seq);
        let frame = written(&[record]);
        let (back, len) = Record::decode(&frame).expect("what was written can be read");
        assert_eq!((len, written(&[back])), (frame.len(), frame.clone()));
    }
    panic!("records without end");
}

fn write<S: Storage>(client: &mut Client<S>) {
    for _ in 0..100_000 {
        let Some(transmit) = client.poll_transmit() else {
            return;
        };
        let mut bytes = transmit.head.to_vec();
        match transmit.body {
            Body::Bytes(body) => bytes.extend(body),
            Body::External { len, .. } => bytes.extend(vec![0; len.min(1 << 16) as usize]),
            _ => unreachable!("there are two kinds of bodies"),
        }
        client.handle_written(NOW, bytes.len());
    }
    panic!("packets without end");
}
