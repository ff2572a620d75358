//! What a client's PUBLISH and PUBREL packets must obey over all its connections and processes.

use std::collections::BTreeMap;

use mqtt_proto::{QoS, Sender};
use process_kill::qos_of;

use crate::wire::{Passed, What};

/// How far a message has come, as the wire tells it. What the broker has said, the client need not know: it may have been
/// killed before it could remember it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Sent,
    /// PUBREC has passed.
    Received,
    /// PUBREL has passed.
    Released,
    /// PUBACK or PUBCOMP has passed.
    Over,
}

#[derive(Debug)]
struct Message {
    id: u16,
    /// The connection on which it was sent last.
    link: usize,
    stage: Stage,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    messages: BTreeMap<u32, Message>,
    /// Which message an id means.
    means: BTreeMap<u16, u32>,
    pub(crate) publishes: usize,
    /// With DUP, and seen before.
    pub(crate) repeats: [usize; 2],
    pub(crate) releases: usize,
    pub(crate) releases_repeated: usize,
    pub(crate) resumed: usize,
}

impl Outgoing {
    /// Checks all that has passed. Of some messages it was said, in a round, that their end was recorded.
    pub(crate) fn check(passed: &[Passed], done: &BTreeMap<u32, u32>) -> Self {
        let mut this = Self::default();
        let mut rounds = BTreeMap::new();
        let mut has_session = false;
        for &Passed { link, from, what } in passed {
            match (from, what) {
                (Sender::Client, What::Connect { round }) => {
                    rounds.insert(link, round);
                }
                (Sender::Client, What::Publish { number, id, qos, dup }) => {
                    let ended = done.get(&number).is_some_and(|&round| round < rounds[&link]);
                    assert!(!ended, "message {number} again after its end was recorded");
                    this.published(link, number, id, qos, dup);
                }
                (Sender::Client, What::PubRel { id }) => this.released(id),
                (Sender::Server, What::PubAck { id }) => this.answered(id, QoS::AtLeastOnce, Stage::Over),
                (Sender::Server, What::PubRec { id }) => this.answered(id, QoS::ExactlyOnce, Stage::Received),
                (Sender::Server, What::PubComp { id }) => this.answered(id, QoS::ExactlyOnce, Stage::Over),
                (Sender::Server, What::ConnAck { session_present }) => {
                    assert!(session_present || !has_session, "the broker has lost the session");
                    has_session = true;
                    this.resumed += usize::from(session_present);
                }
                (_, What::Refusal(code)) => panic!("{from:?} says {code}"),
                _ => {}
            }
        }
        this
    }

    /// Messages that were seen.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    fn published(&mut self, link: usize, number: u32, id: u16, qos: QoS, dup: bool) {
        self.publishes += 1;
        assert_eq!(qos, qos_of(number), "{number}");
        if let Some(message) = self.messages.get_mut(&number) {
            assert_eq!(message.id, id, "message {number} on the wire under two ids");
            assert_eq!(self.means[&id], number, "id {id} means another message by now");
            // 5/MQTT-3.3.1-1, 3.1.1/MQTT-3.3.1-1
            assert!(dup, "message {number} again without DUP");
            // 5/MQTT-4.4.0-1
            assert!(link > message.link, "message {number} twice on one connection");
            if qos == QoS::ExactlyOnce {
                // 5/MQTT-4.3.3-6, 3.1.1/MQTT-4.3.3-1
                assert!(
                    message.stage < Stage::Released,
                    "PUBLISH {number} after its PUBREL"
                );
            }
            message.link = link;
            self.repeats[usize::from(qos == QoS::ExactlyOnce)] += 1;
            return;
        }
        if let Some(other) = self.means.insert(id, number) {
            // 5/MQTT-2.2.1-3, 3.1.1/MQTT-2.3.1-2
            let stage = self.messages[&other].stage;
            assert!(
                stage == Stage::Over,
                "message {number} under the id {id} of {other}, which is {stage:?}: it was forgotten"
            );
        }
        let stage = Stage::Sent;
        self.messages.insert(number, Message { id, link, stage });
    }

    fn released(&mut self, id: u16) {
        let number = self.means[&id];
        assert_eq!(qos_of(number), QoS::ExactlyOnce, "PUBREL for message {number}");
        let message = self.messages.get_mut(&number).unwrap();
        // 5/MQTT-4.3.3-4, 3.1.1/MQTT-4.3.3-1
        assert!(
            message.stage >= Stage::Received,
            "PUBREL {number} before its PUBREC"
        );
        self.releases += 1;
        self.releases_repeated += usize::from(message.stage >= Stage::Released);
        message.stage = message.stage.max(Stage::Released);
    }

    fn answered(&mut self, id: u16, qos: QoS, stage: Stage) {
        let number = self.means[&id];
        assert_eq!(qos_of(number), qos, "the broker's answer to {number}");
        let message = self.messages.get_mut(&number).unwrap();
        message.stage = message.stage.max(stage);
    }
}
