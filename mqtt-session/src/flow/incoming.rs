//! The receiver's half of QoS 1 and 2 (4.3.2, 4.3.3).

use mqtt_proto::QoS;

use super::rules::{self, Rule};

/// Where a message stands that was received with a packet id and is not finished.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Incoming {
    /// QoS 1: passed on, PUBACK not sent yet (`5/MQTT-4.3.2-4`, `3.1.1/MQTT-4.3.2-2`, `3.1/3.4-1`).
    OwesPubAck,
    /// QoS 2: passed on (`3.1/4.1-4`), PUBREC not sent yet (`5/MQTT-4.3.3-8`, `3.1.1/MQTT-4.3.3-2`, `3.1/3.5-1`).
    OwesPubRec,
    /// QoS 2: PUBREC was sent, PUBREL is awaited; the id is remembered so that a repeat is not passed on.
    AwaitingPubRel,
}

/// What to do with a PUBLISH.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPublish {
    /// Pass it on; it stands at this stage (`None`: QoS 0, nothing to remember).
    Deliver(Option<Incoming>),
    /// A repeat of what was passed on already and is answered in time: nothing to do.
    Repeat,
    /// A repeat of what was passed on and answered: send PUBREC again (`5/MQTT-4.3.3-10`, `3.1/4.1-3`).
    PubRecAgain,
    /// Another message under an id that is in use: in 5.0 answer with 0x91, in 3.x close.
    IdInUse,
}

/// What to do with a PUBREL.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPubRel {
    /// Forget the id and answer PUBCOMP (`5/MQTT-4.3.3-11`, `3.1/3.7-1`).
    Complete,
    /// Answer PUBCOMP with 0x92, in 3.x plain (3.7.2.1): the PUBCOMP of before was lost.
    CompleteUnknown,
    /// PUBREL before PUBREC, or for a QoS 1 message: close.
    Violation(&'static Rule),
}

impl Incoming {
    /// What to do with a PUBLISH of this QoS whose id stands at `stage`, `None` if it is free.
    pub const fn on_publish(stage: Option<Self>, qos: QoS, dup: bool) -> OnPublish {
        match (qos, stage) {
            (QoS::AtMostOnce, _) => OnPublish::Deliver(None),
            // 5/MQTT-4.3.2-5, 3.1/4.1-2, 3.1/2.1-5: once PUBACK is sent the id is a new message, whatever DUP says.
            (QoS::AtLeastOnce, None) => OnPublish::Deliver(Some(Self::OwesPubAck)),
            // 5/MQTT-4.3.3-12: so is the id once PUBCOMP is sent.
            (QoS::ExactlyOnce, None) => OnPublish::Deliver(Some(Self::OwesPubRec)),
            (QoS::ExactlyOnce, Some(Self::OwesPubRec)) => OnPublish::Repeat,
            (QoS::ExactlyOnce, Some(Self::AwaitingPubRel)) => OnPublish::PubRecAgain,
            // A peer that repeats on a live link (3.1 may, 5.0 must not) is answered by the PUBACK to come.
            (QoS::AtLeastOnce, Some(Self::OwesPubAck)) if dup => OnPublish::Repeat,
            (QoS::AtLeastOnce, Some(Self::OwesPubAck | Self::OwesPubRec | Self::AwaitingPubRel))
            | (QoS::ExactlyOnce, Some(Self::OwesPubAck)) => OnPublish::IdInUse,
        }
    }

    /// What to do with a PUBREL for an id at this stage, `None` if it is free.
    pub const fn on_pubrel(stage: Option<Self>) -> OnPubRel {
        match stage {
            Some(Self::AwaitingPubRel) => OnPubRel::Complete,
            None => OnPubRel::CompleteUnknown,
            Some(Self::OwesPubAck | Self::OwesPubRec) => OnPubRel::Violation(&rules::PUBREL_BEFORE_PUBREC),
        }
    }

    /// Where the message stands once its answer is on its way: PUBACK and a refusal end it, PUBREC does not
    /// (`5/MQTT-4.3.3-9`).
    pub const fn on_answered(self, refused: bool) -> Option<Self> {
        match self {
            Self::OwesPubAck => None,
            Self::OwesPubRec | Self::AwaitingPubRel if refused => None,
            Self::OwesPubRec | Self::AwaitingPubRel => Some(Self::AwaitingPubRel),
        }
    }

    /// Whether the message is part of the session, and so outlives the link (4.1).
    pub const fn outlives_link(self) -> bool {
        match self {
            // Its PUBLISH comes again, as a message that was never seen.
            Self::OwesPubAck => false,
            Self::OwesPubRec | Self::AwaitingPubRel => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qos_2_message_is_passed_on_once_however_often_it_comes() {
        let first = Incoming::on_publish(None, QoS::ExactlyOnce, false);
        assert_eq!(first, OnPublish::Deliver(Some(Incoming::OwesPubRec)));
        for dup in [false, true] {
            assert_eq!(
                Incoming::on_publish(Some(Incoming::OwesPubRec), QoS::ExactlyOnce, dup),
                OnPublish::Repeat
            );
            assert_eq!(
                Incoming::on_publish(Some(Incoming::AwaitingPubRel), QoS::ExactlyOnce, dup),
                OnPublish::PubRecAgain
            );
        }
        assert_eq!(
            Incoming::on_pubrel(Some(Incoming::AwaitingPubRel)),
            OnPubRel::Complete
        );
        assert_eq!(Incoming::on_pubrel(None), OnPubRel::CompleteUnknown);
    }

    #[test]
    fn after_the_answer_a_qos_1_id_is_free_and_a_qos_2_id_is_remembered_unless_refused() {
        assert_eq!(Incoming::OwesPubAck.on_answered(false), None);
        assert_eq!(Incoming::OwesPubAck.on_answered(true), None);
        assert_eq!(
            Incoming::OwesPubRec.on_answered(false),
            Some(Incoming::AwaitingPubRel)
        );
        assert_eq!(Incoming::OwesPubRec.on_answered(true), None);
    }

    #[test]
    fn another_message_under_an_id_in_use_is_seen() {
        for stage in [
            Incoming::OwesPubAck,
            Incoming::OwesPubRec,
            Incoming::AwaitingPubRel,
        ] {
            assert_eq!(
                Incoming::on_publish(Some(stage), QoS::AtLeastOnce, false),
                OnPublish::IdInUse
            );
            assert_eq!(
                Incoming::on_publish(Some(stage), QoS::AtMostOnce, false),
                OnPublish::Deliver(None),
                "QoS 0 has no id"
            );
        }
        assert_eq!(
            Incoming::on_publish(Some(Incoming::OwesPubAck), QoS::ExactlyOnce, false),
            OnPublish::IdInUse
        );
        assert_eq!(
            Incoming::on_publish(Some(Incoming::OwesPubAck), QoS::AtLeastOnce, true),
            OnPublish::Repeat
        );
    }
}
