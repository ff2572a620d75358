//! What a client records, and whether that is enough to go on from.

use mqtt_proto::QoS;
use mqtt_session::{
    Client, Instant, Record, Seq,
    record::Records,
    storage::{Heap, Storage},
};

use crate::show;

/// The records so far.
#[derive(Default)]
pub(super) struct Journal {
    bytes: Vec<u8>,
    latest: Option<Seq>,
}

impl Journal {
    /// Writes what there is to record, and makes it safe if `synced`.
    pub(super) fn take<S: Storage>(&mut self, client: &mut Client<S>, now: Instant, synced: bool) {
        for _ in 0..100_000 {
            let has_record = client.has_record();
            let Some((seq, record)) = client.poll_record() else {
                assert!(!has_record);
                if synced && let Some(latest) = self.latest.take() {
                    client.handle_persisted(now, latest);
                }
                return;
            };
            assert!(has_record);
            show(|| format!("+ {record:?}"));
            self.latest = Some(seq);
            let mut frame = vec![0; record.encoded_len()];
            let frame = record.encode(&mut frame).expect("the room it asked for");
            self.bytes.extend_from_slice(frame);
        }
        panic!("records without end");
    }

    /// All was written: a client that is made of it is what this one is.
    pub(super) fn check<S: Storage>(&self, client: &Client<S>, now: Instant) {
        if !client.config().journal {
            return;
        }
        let mut records = Records::new(&self.bytes);
        let again = Client::restore(client.config(), Heap::new(), now, &mut records)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(records.error(), None);
        assert_eq!(said(&again), said(client));
        let tokens = again.outbox_messages().map(|message| message.token);
        let kept = client
            .outbox_messages()
            .filter(|message| message.qos > QoS::AtMostOnce);
        assert!(
            tokens.eq(kept.map(|message| message.token)),
            "and in the same order"
        );
    }
}

/// What a client would put into a new journal, but for what time or unrecorded operations change.
fn said<S: Storage>(client: &Client<S>) -> Vec<String> {
    let mut said: Vec<String> = client
        .snapshot()
        .map(|record| match record {
            Record::Session {
                exists,
                outdated,
                client,
                number,
                ..
            } => format!("session {exists} {outdated} {client} {number}"),
            Record::Message(message) => format!(
                "{:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?}",
                message.token,
                message.id,
                message.qos,
                message.retain,
                message.topic,
                message.payload,
                message.accepted,
                message.deadline,
                message.expires,
            ),
            other => format!("{other:?}"),
        })
        .collect();
    said.sort();
    said
}
