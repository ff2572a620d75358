//! What is recorded, and in which order.

use mqtt_proto::{Packet, Properties, QoS, ReasonCode, Version, packet::Ack};
use mqtt_session::{
    client::{OnSessionLost, WhenFull},
    storage::{Fixed, Heap, HeapLimits},
};

use super::{Kept, config};
use crate::peer::id;

#[test]
fn a_message_of_each_qos_leaves_its_records() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        let begun = kept.ends.len();
        for qos in QoS::ALL {
            kept.peer.publish(qos, "x");
        }
        kept.sync();
        kept.peer.sent();
        kept.peer.puback(1);
        kept.peer.pubrec(2);
        kept.peer.events();
        kept.sync();
        kept.peer.sent();
        kept.peer.pubcomp(2);
        kept.peer.events();
        kept.sync();
        assert_eq!(
            kept.journal()[begun..],
            [
                "message 2 #1",
                "message 3 #2",
                "ended 2",
                "released 3 #2",
                "ended 3"
            ]
        );
        assert!(kept.peer.client.is_idle());
    }
}

#[test]
fn changes_of_one_message_that_come_before_it_is_asked_for_are_one_record() {
    let mut kept = Kept::new(Version::V5);
    kept.peer.publish(QoS::AtLeastOnce, "x");
    kept.peer.publish(QoS::ExactlyOnce, "y");
    kept.call(false);
    assert_eq!(kept.sync().len(), 3, "session and messages");
    kept.peer.sent();
    kept.accept(false);
    kept.sync();
    kept.peer.sent();
    kept.peer.pubrec(2);
    kept.peer.events();
    // A refusal after PUBREC was taken is no PUBCOMP, but ends it as well.
    kept.peer
        .send(&Packet::PubRec(Ack::new(id(2), ReasonCode::QUOTA_EXCEEDED)));
    kept.peer.events();
    assert_eq!(kept.sync(), ["ended 2"], "released and ended, in one");
}

#[test]
fn what_ended_before_it_was_asked_for_leaves_no_record() {
    let mut kept = Kept::new(Version::V5);
    let token = kept.peer.publish(QoS::ExactlyOnce, "x");
    let token = mqtt_session::Token::from_raw(token).unwrap();
    kept.peer.client.cancel(kept.peer.now, token).unwrap();
    assert!(!kept.peer.client.has_record());
    assert_eq!(kept.peer.events(), ["aborted 1 Cancelled"]);
    assert!(kept.record().is_empty());
    assert!(kept.peer.client.is_idle());
}

#[test]
fn an_end_is_recorded_as_told_when_it_is_told() {
    let mut kept = Kept::new(Version::V5);
    let token = kept.peer.publish(QoS::ExactlyOnce, "x");
    kept.sync();
    let token = mqtt_session::Token::from_raw(token).unwrap();
    kept.peer.client.cancel(kept.peer.now, token).unwrap();
    assert_eq!(kept.sync(), ["aborted 1 Cancelled"]);
    let mut again = kept.again(kept.ends.len());
    assert_eq!(again.peer.events(), ["aborted 1 Cancelled"], "told to nobody yet");
    assert_eq!(again.sync(), ["ended 1"]);
    assert!(again.peer.events().is_empty());
    let mut third = again.again(again.ends.len());
    assert!(third.peer.events().is_empty());
    assert!(third.peer.client.is_idle());
}

/// An id means one message at a time, in every beginning of the journal.
#[test]
fn a_packet_id_is_not_used_again_before_the_end_of_its_message_is_recorded() {
    let limits = HeapLimits::DEFAULT;
    let mut kept = Kept::with(Version::V311, config(), Heap::with_limits(limits));
    kept.connect(false, false);
    // All ids but one are in use.
    for _ in 0..65_533 {
        kept.peer.publish(QoS::AtLeastOnce, "");
        if kept.ends.len() % 1_000 == 0 {
            kept.sync();
        }
    }
    while !kept.sync().is_empty() {}
    kept.peer.sent();
    kept.peer.puback(5);
    assert_eq!(kept.peer.events(), ["acknowledged 5"]);
    kept.peer.publish(QoS::ExactlyOnce, "last");
    kept.peer.send_publish(QoS::AtMostOnce, None, false, b"");
    kept.peer.events();
    let said = kept.sync();
    assert_eq!(said, ["ended 5", "message 65534 #65534"]);
    kept.peer.puback(6);
    assert_eq!(kept.peer.events(), ["acknowledged 6"]);
    kept.peer.publish(QoS::ExactlyOnce, "a");
    assert_eq!(kept.sync(), ["ended 6", "message 65535 #65535"]);
    kept.peer.puback(7);
    assert_eq!(kept.peer.events(), ["acknowledged 7"]);
    kept.peer.publish(QoS::ExactlyOnce, "b");
    assert_eq!(kept.sync(), ["ended 7", "message 65536 #5"]);
}

#[test]
fn the_loss_of_a_session_is_one_record_and_comes_first() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer.publish(QoS::ExactlyOnce, "a");
    kept.peer.publish(QoS::ExactlyOnce, "b");
    kept.sync();
    kept.peer.sent();
    kept.peer.pubrec(1);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"in");
    kept.peer.events();
    kept.sync();
    kept.peer.cut();
    kept.peer.events();
    kept.peer.publish(QoS::ExactlyOnce, "c");
    let before = kept.ends.len();
    kept.call(false);
    kept.peer.sent();
    kept.accept(false);
    assert_eq!(
        kept.peer.events(),
        ["aborted 2 SessionLost", "aborted 1 SessionLost"]
    );
    assert_eq!(
        kept.sync(),
        ["session 2 exists", "message 3 #3", "ended 2", "ended 1"],
        "nothing is said of what came in: it is over with the session"
    );
    for count in before..=kept.ends.len() {
        let mut again = kept.again(count);
        let told = again.peer.events();
        let messages = again.outbox().len();
        match count - before {
            0 => assert_eq!((told.len(), messages), (0, 2), "the old session"),
            n => {
                assert_eq!(told.len(), 2 - n.saturating_sub(2), "{count}: {told:?}");
                assert_eq!(messages, usize::from(n > 1));
            }
        }
        // The server has the new session: nothing of the old one may be taken for part of it.
        if count > before {
            again.connect(false, true);
            again.peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"new");
            assert_eq!(again.peer.events(), ["message new"]);
        }
    }
}

#[test]
fn messages_that_are_sent_again_as_new_get_new_ids_in_the_journal_too() {
    let mut config = config();
    config.on_session_lost = OnSessionLost::SendAgainAsNew;
    let mut kept = Kept::with(Version::V5, config, Heap::new());
    kept.connect(false, false);
    kept.peer.publish(QoS::ExactlyOnce, "a");
    kept.peer.publish(QoS::AtLeastOnce, "b");
    kept.sync();
    kept.peer.sent();
    kept.peer.cut();
    kept.peer.events();
    kept.call(false);
    kept.peer.sent();
    kept.accept(false);
    let before = kept.ends.len();
    assert_eq!(kept.sync(), ["session 2 exists", "sent 1 #3", "sent 2 #4"]);
    assert_eq!(kept.peer.sent(), ["PUBLISH #3 a", "PUBLISH #4 b"]);
    for count in before..=kept.ends.len() {
        let mut again = kept.again(count);
        again.connect(false, true);
        let sent = again.peer.sent();
        assert_eq!(sent.len(), 2, "{count}: {sent:?}");
        let dup = sent.iter().filter(|packet| packet.contains("dup")).count();
        let expected = [2, 0, 1, 2][count - before];
        assert_eq!(dup, expected, "{count}: what may have been sent says so");
    }
}

#[test]
fn an_id_that_stays_out_of_use_stays_so_in_the_journal() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer
        .publish(QoS::ExactlyOnce, "much too long for what is to come");
    kept.sync();
    kept.peer.sent();
    kept.peer.cut();
    kept.peer.events();
    kept.call(false);
    kept.peer.sent();
    // Maximum Packet Size 20.
    kept.peer.send_bytes(&[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 20]);
    assert_eq!(
        kept.peer.events(),
        ["connected true", "aborted 1 NoLongerAccepted"]
    );
    assert_eq!(kept.sync(), ["retired 1 #1"]);
    let mut again = kept.again(kept.ends.len());
    again.connect(false, true);
    assert!(again.peer.sent().is_empty() && again.peer.events().is_empty());
    for _ in 0..3 {
        again.peer.publish(QoS::AtLeastOnce, "");
    }
    assert_eq!(again.sync(), ["message 2 #2", "message 3 #3", "message 4 #4"]);
    // It is free when the session has ended.
    let mut again = again.again(again.ends.len());
    again.connect(true, false);
    assert!(
        again
            .journal()
            .iter()
            .filter(|record| record.starts_with("retired"))
            .count()
            == 1
    );
}

#[test]
fn a_slot_is_free_when_the_end_of_its_message_was_asked_for() {
    let mut config = config();
    config.when_full = WhenFull::DropOldest;
    let mut kept = Kept::with(Version::V5, config, Fixed::<2, 256>::new());
    kept.peer.publish(QoS::AtLeastOnce, "a");
    kept.sync();
    kept.peer.publish(QoS::AtLeastOnce, "b");
    assert_eq!(kept.peer.events(), ["aborted 1 DroppedForNewer"]);
    let message = mqtt_session::Publish::new(crate::peer::topic("t"), QoS::AtLeastOnce);
    let refused = kept
        .peer
        .client
        .publish(kept.peer.now, &message, "c")
        .unwrap_err();
    assert_eq!(refused.why, mqtt_session::Refused::Slots);
    assert!(refused.why.is_temporary());
    assert_eq!(kept.record(), ["ended 1", "message 2"]);
    kept.peer.publish(QoS::AtLeastOnce, "c");
}

#[test]
fn the_properties_of_acknowledgements_and_requests_leave_no_record() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer.subscribe("a");
    let filter = mqtt_proto::TopicFilter::new("a").unwrap();
    kept.peer
        .client
        .unsubscribe(kept.peer.now, &[filter], Properties::EMPTY)
        .unwrap();
    kept.peer.sent();
    assert!(kept.sync().is_empty());
}

/// The server must not use an id before PUBCOMP has come (5/MQTT-2.2.1-4, 3.1.1/MQTT-2.3.1-4). If it does, the journal does
/// not take the second message for the first one.
#[test]
fn an_id_that_is_used_too_early_is_that_of_another_message_in_the_journal_too() {
    for version in Version::ALL {
        for (qos, records) in [
            (QoS::AtLeastOnce, &["received ended #7"][..]),
            (QoS::ExactlyOnce, &["received ended #7", "received #7"]),
        ] {
            let mut kept = Kept::connected(version);
            kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"one");
            kept.peer.events();
            kept.sync();
            kept.peer.sent();
            kept.peer
                .send(&Packet::PubRel(Ack::new(id(7), ReasonCode::SUCCESS)));
            kept.peer.send_publish(qos, Some(7), false, b"two");
            assert_eq!(kept.peer.events(), ["message two"]);
            kept.peer.cut();
            kept.peer.events();
            assert_eq!(kept.sync(), records, "{version} {qos:?}");
            let received = |kept: &Kept| kept.peer.client.snapshot().count() - 1;
            assert_eq!(received(&kept), records.len() - 1);
            assert_eq!(received(&kept.again(kept.ends.len())), records.len() - 1);
            assert!(kept.peer.client.is_idle());
        }
    }
}
