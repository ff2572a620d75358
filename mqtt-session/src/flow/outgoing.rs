//! The sender's half of QoS 1 and 2 (4.3.2, 4.3.3).

use mqtt_proto::{QoS, ReasonCode};

use super::rules::Rule;

/// Where a message stands that was sent with a packet id and is not finished.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Outgoing {
    /// QoS 1: PUBLISH was sent, PUBACK is awaited (`5/MQTT-4.3.2-3`, `3.1.1/MQTT-4.3.2-1`).
    AwaitingPubAck,
    /// QoS 2: PUBLISH was sent, PUBREC is awaited (`5/MQTT-4.3.3-3`).
    AwaitingPubRec,
    /// QoS 2: PUBREC came, so the message is the receiver's; PUBREL is owed or sent, PUBCOMP is awaited
    /// (`5/MQTT-4.3.3-5`).
    AwaitingPubComp,
}

/// An answer to a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Answer {
    /// To QoS 1.
    PubAck,
    /// First to QoS 2.
    PubRec,
    /// Second to QoS 2.
    PubComp,
}

/// What an answer does.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnAnswer {
    /// The message has ended with this code: its id and its place in the window are free. A PUBCOMP ends it well whatever
    /// its code: the receiver took the message when it sent PUBREC, and 0x92 only says that it has forgotten it since.
    Done(ReasonCode),
    /// Drop the message but keep its id; PUBREL is owed, after those owed already (`5/MQTT-4.3.3-4`, `5/MQTT-4.6.0-4`,
    /// `3.1/3.6-2`).
    Release,
    /// Nothing is known of this id, so it cannot have a message: answer PUBREL with 0x92, in 3.x plain (3.6.2.1).
    ReleaseUnknown,
    /// An answer to nothing; count it and go on.
    Ignore,
    /// The answer does not fit the message: close.
    Violation(&'static Rule),
}

/// What is owed to a peer that has come back to its session (`5/MQTT-4.4.0-1`, `3.1.1/MQTT-4.4.0-1`, `3.1/4.2-1`).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Resend {
    /// The PUBLISH, with DUP set (`5/MQTT-3.3.1-1`).
    Publish,
    /// The PUBREL, and never again its PUBLISH (`5/MQTT-4.3.3-6`).
    PubRel,
}

impl Outgoing {
    /// Where a message stands when its PUBLISH has begun to leave; `None` for QoS 0, which awaits nothing.
    pub const fn sent(qos: QoS) -> Option<Self> {
        match qos {
            // 3.1/4.1-1
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Self::AwaitingPubAck),
            QoS::ExactlyOnce => Some(Self::AwaitingPubRec),
        }
    }

    /// What an answer does to the exchange with its id; `None` stands for an id without one.
    ///
    /// [`OnAnswer::Release`] makes it [`Outgoing::AwaitingPubComp`].
    pub fn on_answer(stage: Option<Self>, answer: Answer, code: ReasonCode) -> OnAnswer {
        use super::rules;
        match (stage, answer) {
            (Some(Self::AwaitingPubAck), Answer::PubAck) => OnAnswer::Done(code),
            (Some(Self::AwaitingPubComp), Answer::PubComp) => OnAnswer::Done(ReasonCode::SUCCESS),
            // 5/MQTT-4.4.0-2: a refusal ends the exchange, and no PUBREL follows it.
            (Some(Self::AwaitingPubRec | Self::AwaitingPubComp), Answer::PubRec) if code.is_failure() => {
                OnAnswer::Done(code)
            }
            // A second PUBREC answers a PUBLISH that was sent again; PUBREL is its answer again.
            (Some(Self::AwaitingPubRec | Self::AwaitingPubComp), Answer::PubRec) => OnAnswer::Release,
            (Some(Self::AwaitingPubAck), Answer::PubRec | Answer::PubComp)
            | (Some(Self::AwaitingPubRec), Answer::PubAck | Answer::PubComp)
            | (Some(Self::AwaitingPubComp), Answer::PubAck) => OnAnswer::Violation(&rules::ACK_OF_WRONG_KIND),
            (None, Answer::PubRec) if !code.is_failure() => OnAnswer::ReleaseUnknown,
            (None, Answer::PubAck | Answer::PubRec | Answer::PubComp) => OnAnswer::Ignore,
        }
    }

    /// What to send when the session is resumed.
    pub const fn on_resume(self) -> Resend {
        match self {
            Self::AwaitingPubAck | Self::AwaitingPubRec => Resend::Publish,
            Self::AwaitingPubComp => Resend::PubRel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every stage against every answer: what 4.3.2 and 4.3.3 say, as a table.
    #[test]
    fn each_answer_to_each_stage() {
        use Answer::{PubAck, PubComp, PubRec};
        use Outgoing::{AwaitingPubAck, AwaitingPubComp, AwaitingPubRec};
        let good = ReasonCode::SUCCESS;
        let bad = ReasonCode::QUOTA_EXCEEDED;
        let seen = |stage, answer, code| match Outgoing::on_answer(stage, answer, code) {
            OnAnswer::Done(code) if code.is_failure() => "failed",
            OnAnswer::Done(_) => "done",
            OnAnswer::Release => "release",
            OnAnswer::ReleaseUnknown => "release unknown",
            OnAnswer::Ignore => "ignore",
            OnAnswer::Violation(_) => "violation",
        };
        let rows = [
            (None, PubAck, "ignore", "ignore"),
            (None, PubRec, "release unknown", "ignore"),
            (None, PubComp, "ignore", "ignore"),
            (Some(AwaitingPubAck), PubAck, "done", "failed"),
            (Some(AwaitingPubAck), PubRec, "violation", "violation"),
            (Some(AwaitingPubAck), PubComp, "violation", "violation"),
            (Some(AwaitingPubRec), PubAck, "violation", "violation"),
            (Some(AwaitingPubRec), PubRec, "release", "failed"),
            (Some(AwaitingPubRec), PubComp, "violation", "violation"),
            (Some(AwaitingPubComp), PubAck, "violation", "violation"),
            (Some(AwaitingPubComp), PubRec, "release", "failed"),
            (Some(AwaitingPubComp), PubComp, "done", "done"),
        ];
        for (stage, answer, if_good, if_bad) in rows {
            assert_eq!(seen(stage, answer, good), if_good, "{stage:?} {answer:?}");
            assert_eq!(seen(stage, answer, bad), if_bad, "{stage:?} {answer:?} refused");
        }
    }

    #[test]
    fn after_pubrel_its_publish_is_never_sent_again() {
        assert_eq!(Outgoing::AwaitingPubComp.on_resume(), Resend::PubRel);
        assert_eq!(Outgoing::AwaitingPubRec.on_resume(), Resend::Publish);
        assert_eq!(Outgoing::AwaitingPubAck.on_resume(), Resend::Publish);
    }
}
