//! A client with a journal: what is recorded, what waits for it, and what a new process makes of it.

mod restoring;
mod withheld;
mod written;

use mqtt_proto::{Packet, Properties, QoS, ReasonCode, Version, packet::ConnAck};
use mqtt_session::{
    Client, Config, Event, Record, Seq,
    client::{Acknowledge, OutboxMessage},
    record::Records,
    storage::{Heap, Storage},
};

use crate::peer::{Peer, options};

/// A client with its server and its journal, both played by the test.
struct Kept<S: Storage = Heap> {
    peer: Peer<S>,
    /// The records, one behind the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    latest: Option<Seq>,
}

impl Kept<Heap> {
    fn new(version: Version) -> Self {
        Self::with(version, config(), Heap::new())
    }

    /// With a session that the server keeps.
    fn connected(version: Version) -> Self {
        let mut kept = Self::new(version);
        kept.connect(false, false);
        kept
    }

    /// The process dies, and begins anew with the first so many records.
    fn again(&self, records: usize) -> Self {
        self.again_in(Heap::new(), records)
    }
}

impl<S: Storage> Kept<S> {
    fn with(version: Version, config: Config, storage: S) -> Self {
        Self {
            peer: Peer::with(version, config, storage),
            bytes: Vec::new(),
            ends: Vec::new(),
            latest: None,
        }
    }

    fn again_in<T: Storage>(&self, storage: T, records: usize) -> Kept<T> {
        let config = self.peer.client.config();
        let end = records.checked_sub(1).map_or(0, |last| self.ends[last]);
        let client =
            Client::restore(config, storage, self.peer.now, Records::new(&self.bytes[..end])).unwrap();
        Kept {
            peer: Peer::of(self.peer.version, client, self.peer.now),
            bytes: self.bytes[..end].to_vec(),
            ends: self.ends[..records].to_vec(),
            latest: None,
        }
    }

    /// Writes what there is to record, and tells in a few words what it says.
    fn record(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some((seq, record)) = self.peer.client.poll_record() {
            said.push(words(&record));
            let mut frame = vec![0; record.encoded_len()];
            self.bytes
                .extend_from_slice(record.encode(&mut frame).expect("the room it asked for"));
            self.ends.push(self.bytes.len());
            self.latest = Some(seq);
        }
        said
    }

    /// All that was written is safe.
    fn persist(&mut self) {
        if let Some(latest) = self.latest.take() {
            self.peer.client.handle_persisted(self.peer.now, latest);
        }
    }

    /// Both.
    fn sync(&mut self) -> Vec<String> {
        let said = self.record();
        self.persist();
        said
    }

    /// CONNECT and CONNACK, and what they have to record.
    fn connect(&mut self, clean_start: bool, session_present: bool) {
        self.call(clean_start);
        self.sync();
        assert_eq!(self.peer.sent(), ["CONNECT"]);
        self.accept(session_present);
        self.sync();
    }

    fn call(&mut self, clean_start: bool) {
        let options = options(self.peer.version, clean_start);
        self.peer.client.connect(self.peer.now, &options).unwrap();
    }

    fn accept(&mut self, session_present: bool) {
        let peer = &mut self.peer;
        peer.send(&Packet::ConnAck(ConnAck {
            session_present: session_present && peer.version != Version::V31,
            code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        }));
        let present = peer
            .next(|event| matches!(event, Some(Event::Connected(c)) if c.session_present == session_present));
        assert!(present);
    }

    /// All that is recorded, in words.
    fn journal(&self) -> Vec<String> {
        Records::new(&self.bytes).map(|record| words(&record)).collect()
    }

    /// The messages in the outbox.
    fn outbox(&self) -> Vec<OutboxMessage<'_>> {
        self.peer.client.outbox_messages().collect()
    }
}

fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.journal = true;
    config
}

fn manual() -> Config {
    let mut config = config();
    config.acknowledge = Acknowledge::Manual;
    config
}

/// A record in a few words.
fn words(record: &Record<'_>) -> String {
    match record {
        Record::Session {
            exists,
            outdated,
            number,
            ..
        } => {
            let exists = if *exists { " exists" } else { "" };
            let outdated = if *outdated { " outdated" } else { "" };
            format!("session {number}{exists}{outdated}")
        }
        Record::Message(message) => {
            let id = message.id.map_or(String::new(), |id| format!(" #{id}"));
            format!("message {}{id}", message.token.get())
        }
        Record::Sent { token, id } => format!("sent {} #{id}", token.get()),
        Record::Queued { token } => format!("queued {}", token.get()),
        Record::Released { token, id } => format!("released {} #{id}", token.get()),
        Record::Aborted { token, retired, why } => {
            let retired = retired.map_or(String::new(), |id| format!(" #{id}"));
            format!("aborted {}{retired} {why:?}", token.get())
        }
        Record::Retired { token, id } => format!("retired {} #{id}", token.get()),
        Record::Ended { token, .. } => format!("ended {}", token.get()),
        Record::Received { id } => format!("received #{id}"),
        Record::ReceivedEnded { id } => format!("received ended #{id}"),
        other => format!("{other:?}"),
    }
}

/// QoS 1 and 2.
const KEPT: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];
