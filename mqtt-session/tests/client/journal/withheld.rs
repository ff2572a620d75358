//! No byte leaves that depends on a record which is not persisted, and no other byte waits for one.

use mqtt_proto::{Packet, QoS, ReasonCode, Version, packet::Ack};
use mqtt_session::{
    Instant,
    client::{self, Acknowledge},
    storage::{Fixed, Heap},
};

use super::{KEPT, Kept, config, manual};
use crate::peer::id;

#[test]
fn connect_waits_until_what_it_makes_of_the_session_is_persisted() {
    for version in Version::ALL {
        let mut kept = Kept::new(version);
        kept.call(false);
        assert!(kept.peer.sent().is_empty());
        assert_eq!(kept.record(), ["session 0 exists outdated"]);
        assert!(kept.peer.sent().is_empty(), "written is not safe");
        kept.persist();
        assert_eq!(kept.peer.sent(), ["CONNECT"]);
        kept.accept(false);
        assert_eq!(kept.sync(), ["session 1 exists"]);
        // What is known already needs no record.
        kept.peer.cut();
        kept.peer.events();
        kept.call(false);
        assert!(!kept.peer.client.has_record());
        assert_eq!(kept.peer.sent(), ["CONNECT"]);
    }
}

/// 5/MQTT-3.1.2-4, 3.1.1/MQTT-3.1.2-6
#[test]
fn connect_with_clean_start_waits_until_the_old_session_is_known_to_be_outdated() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        kept.peer.publish(QoS::ExactlyOnce, "x");
        kept.sync();
        kept.peer.sent();
        kept.peer.cut();
        kept.peer.events();
        kept.call(true);
        assert!(kept.peer.sent().is_empty());
        assert_eq!(kept.sync(), ["session 1 exists outdated"]);
        assert_eq!(kept.peer.sent(), ["CONNECT"]);

        // The CONNACK is lost with the process. What was in flight belongs to no session that the server has.
        let mut again = kept.again(kept.ends.len());
        again.call(false);
        again.sync();
        again.peer.sent();
        if version == Version::V31 {
            again.accept(false);
        } else {
            again.accept(true);
        }
        assert_eq!(again.peer.events(), ["aborted 1 SessionLost"]);
        assert!(again.peer.sent().is_empty());
    }
}

#[test]
fn a_connect_that_never_left_changes_nothing_in_the_end() {
    let mut kept = Kept::connected(Version::V5);
    let before = kept.journal().last().cloned();
    kept.peer.cut();
    kept.peer.events();
    kept.call(true);
    assert_eq!(kept.sync(), ["session 1 exists outdated"]);
    kept.peer.cut();
    kept.peer.events();
    kept.sync();
    assert_eq!(kept.journal().last().cloned(), before);
}

#[test]
fn subscribe_waits_until_the_loss_of_a_session_is_persisted() {
    let mut kept = Kept::connected(Version::V311);
    kept.peer.cut();
    kept.peer.events();
    kept.call(false);
    assert_eq!(kept.peer.sent(), ["CONNECT"]);
    kept.accept(false);
    kept.peer.subscribe("a/#");
    assert!(kept.peer.sent().is_empty());
    assert_eq!(kept.record(), ["session 2 exists"]);
    assert!(kept.peer.sent().is_empty());
    kept.persist();
    assert_eq!(kept.peer.sent(), ["SUBSCRIBE #1"]);
}

#[test]
fn a_message_waits_until_it_is_persisted_with_its_packet_id_and_others_pass_it() {
    for version in Version::ALL {
        for qos in KEPT {
            let mut kept = Kept::connected(version);
            kept.peer.publish(qos, "kept");
            kept.peer.publish(QoS::AtMostOnce, "not kept");
            kept.peer.subscribe("a");
            kept.peer.client.ping(kept.peer.now).unwrap();
            kept.peer.send_publish(QoS::AtLeastOnce, Some(9), false, b"in");
            kept.peer.events();
            assert_eq!(
                kept.peer.sent(),
                ["PUBACK #9", "PINGREQ", "SUBSCRIBE #1", "PUBLISH not kept"]
            );
            assert_eq!(kept.record(), ["message 1 #2"], "of the others there is none");
            assert!(kept.peer.sent().is_empty());
            kept.persist();
            assert_eq!(kept.peer.sent(), ["PUBLISH #2 kept"]);
        }
    }
}

#[test]
fn one_sync_lets_all_messages_go_that_the_window_has_room_for() {
    let mut kept = Kept::new(Version::V5);
    kept.call(false);
    kept.sync();
    kept.peer.sent();
    for n in 1..=5 {
        kept.peer.publish(KEPT[n % 2], "x");
    }
    assert_eq!(
        kept.sync(),
        ["message 1", "message 2", "message 3", "message 4", "message 5"],
        "without an id, as nothing is agreed yet"
    );
    kept.peer.send_bytes(&[0x20, 6, 0, 0, 3, 0x21, 0, 3]);
    assert_eq!(kept.peer.events(), ["connected false"]);
    assert_eq!(
        kept.sync(),
        ["session 1 exists", "sent 1 #1", "sent 2 #2", "sent 3 #3"],
        "5/MQTT-4.9.0-2"
    );
    assert_eq!(kept.peer.sent(), ["PUBLISH #1 x", "PUBLISH #2 x", "PUBLISH #3 x"]);
    kept.peer.puback(2);
    assert_eq!(kept.peer.events(), ["acknowledged 2"]);
    assert!(kept.peer.sent().is_empty());
    assert_eq!(kept.sync(), ["ended 2", "sent 4 #4"]);
    assert_eq!(kept.peer.sent(), ["PUBLISH #4 x"]);
}

/// 5/MQTT-4.4.0-1, 3.1.1/MQTT-4.4.0-1
#[test]
fn what_is_sent_again_waits_for_nothing_and_keeps_its_place() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        for (qos, payload) in [
            (QoS::ExactlyOnce, "a"),
            (QoS::ExactlyOnce, "b"),
            (QoS::AtLeastOnce, "c"),
        ] {
            kept.peer.publish(qos, payload);
        }
        kept.sync();
        kept.peer.sent();
        kept.peer.pubrec(1);
        kept.peer.events();
        kept.sync();
        kept.peer.cut();
        kept.peer.events();
        kept.peer.publish(QoS::AtLeastOnce, "new");
        kept.call(false);
        kept.peer.sent();
        kept.accept(true);
        assert_eq!(
            kept.peer.sent(),
            ["PUBREL #1", "PUBLISH #2 dup b", "PUBLISH #3 dup c"]
        );
        kept.sync();
        assert_eq!(kept.peer.sent(), ["PUBLISH #4 new"]);
    }
}

/// 5/MQTT-4.9.0-2: what is recorded ahead takes no place from what must be sent again first.
#[test]
fn on_a_narrower_window_what_was_sent_before_comes_first() {
    let mut kept = Kept::connected(Version::V5);
    for payload in ["a", "b", "c"] {
        kept.peer.publish(QoS::AtLeastOnce, payload);
    }
    kept.sync();
    kept.peer.sent();
    kept.peer.cut();
    kept.peer.events();
    kept.peer.publish(QoS::AtLeastOnce, "new");
    kept.call(false);
    kept.peer.sent();
    kept.peer.send_bytes(&[0x20, 6, 1, 0, 3, 0x21, 0, 2]);
    kept.peer.events();
    for (expected, id) in [
        (&["PUBLISH #1 dup a", "PUBLISH #2 dup b"][..], 1),
        (&["PUBLISH #3 dup c"], 2),
        (&["PUBLISH #4 new"], 3),
    ] {
        kept.sync();
        assert_eq!(kept.peer.sent(), expected);
        kept.peer.puback(id);
        kept.peer.events();
    }
}

/// PUBREL without its record: after a crash PUBLISH would be sent again, to a server that may have forgotten the id.
#[test]
fn pubrel_waits_until_pubrec_is_persisted_and_others_pass_it() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        kept.peer.publish(QoS::ExactlyOnce, "a");
        kept.peer.publish(QoS::ExactlyOnce, "b");
        kept.sync();
        kept.peer.sent();
        kept.peer.pubrec(2);
        kept.peer.pubrec(1);
        kept.peer.events();
        kept.peer.publish(QoS::AtMostOnce, "c");
        assert_eq!(kept.peer.sent(), ["PUBLISH c"]);
        assert_eq!(kept.record(), ["released 2 #2", "released 1 #1"]);
        assert!(kept.peer.sent().is_empty());
        let written = kept.ends.len();
        kept.persist();
        assert_eq!(kept.peer.sent(), ["PUBREL #2", "PUBREL #1"], "5/MQTT-4.6.0-4");

        let mut again = kept.again(written);
        again.connect(false, true);
        assert_eq!(again.peer.sent(), ["PUBREL #2", "PUBREL #1"], "5/MQTT-4.4.0-1");
        let mut again = kept.again(written - 1);
        again.connect(false, true);
        assert_eq!(again.peer.sent(), ["PUBREL #2", "PUBLISH #1 dup a"]);
    }
}

/// PUBREC without its record: the server never sends the message again, and nothing safe says that it was taken.
#[test]
fn pubrec_waits_until_the_message_is_recorded_as_taken() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"two");
        kept.peer.send_publish(QoS::AtLeastOnce, Some(8), false, b"one");
        assert_eq!(kept.peer.events(), ["message two", "message one"]);
        assert_eq!(
            kept.peer.sent(),
            ["PUBACK #8"],
            "QoS 1 comes again or not, as it did"
        );
        assert_eq!(kept.record(), ["received #7"]);
        assert!(kept.peer.sent().is_empty());
        kept.persist();
        assert_eq!(kept.peer.sent(), ["PUBREC #7"]);
    }
}

#[test]
fn pubrecs_that_wait_leave_in_the_order_of_their_messages() {
    let mut kept = Kept::with(Version::V5, manual(), Heap::new());
    kept.connect(false, false);
    let mut acks = Vec::new();
    for n in [4, 5, 6] {
        kept.peer.send_publish(QoS::ExactlyOnce, Some(n), false, b"");
        acks.push(
            kept.peer
                .next(|event| match event {
                    Some(mqtt_session::Event::Message(message)) => message.ack,
                    other => panic!("{other:?}"),
                })
                .unwrap(),
        );
    }
    assert!(!kept.peer.client.has_record(), "nothing is taken yet");
    let now = kept.peer.now;
    for (n, expected) in [
        (2, &[][..]),
        (0, &["PUBREC #4"]),
        (0, &["PUBREC #5", "PUBREC #6"]),
    ] {
        let token = acks.remove(n);
        let what = format!("received #{}", token.packet_id().get());
        kept.peer
            .client
            .acknowledge(now, token, &client::Ack::SUCCESS)
            .unwrap();
        assert_eq!(kept.sync(), [what]);
        assert_eq!(kept.peer.sent(), expected, "5/MQTT-4.6.0-3");
    }
}

#[test]
fn a_message_that_is_refused_needs_no_record() {
    let mut kept = Kept::with(Version::V5, manual(), Heap::new());
    kept.connect(false, false);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"");
    let ack = kept.peer.next(|event| match event {
        Some(mqtt_session::Event::Message(message)) => message.ack,
        other => panic!("{other:?}"),
    });
    let no = client::Ack::new(ReasonCode::QUOTA_EXCEEDED);
    let now = kept.peer.now;
    kept.peer.client.acknowledge(now, ack.unwrap(), &no).unwrap();
    assert_eq!(kept.peer.sent(), ["PUBREC #7 0x97"]);
    assert!(kept.sync().is_empty());
}

/// The PUBREC that answers a repeat is the same as the first one.
#[test]
fn a_repeat_is_not_answered_before_its_message_is_recorded_as_taken() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
        assert_eq!(kept.peer.events(), ["message x"]);
        kept.peer.cut();
        kept.peer.events();
        kept.call(false);
        kept.peer.sent();
        kept.accept(true);
        kept.peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"x");
        assert!(kept.peer.events().is_empty());
        assert!(kept.peer.sent().is_empty());
        assert_eq!(kept.record(), ["received #7"]);
        assert!(kept.peer.sent().is_empty());
        kept.persist();
        assert_eq!(kept.peer.sent(), ["PUBREC #7"]);
    }
}

/// PUBCOMP without its record: after a crash the next message with this id would be taken for a repeat, and lost.
/// PINGRESP is in the caller's buffer, behind what is not taken before there is room for its answer.
#[test]
fn a_disk_that_takes_its_time_is_not_the_servers_silence() {
    let mut kept = Kept::connected(Version::V5);
    for id in 1..=4 {
        kept.peer.send_publish(QoS::ExactlyOnce, Some(id), false, b"x");
    }
    assert_eq!(kept.peer.events().len(), 4);
    kept.peer.cut();
    assert_eq!(kept.peer.events(), ["closed Transport"]);
    kept.call(false);
    assert_eq!(kept.peer.sent(), ["CONNECT"]);
    kept.accept(true);
    for id in 1..=4 {
        kept.peer.send_publish(QoS::ExactlyOnce, Some(id), true, b"x");
    }
    assert!(kept.peer.events().is_empty());
    assert!(!kept.peer.client.wants_input());
    kept.peer.client.ping(kept.peer.now).unwrap();
    assert_eq!(kept.peer.sent(), ["PINGREQ"]);
    kept.peer.send(&Packet::PingResp);
    kept.peer.wait(core::time::Duration::from_secs(60));
    assert!(kept.peer.events().is_empty());
    kept.sync();
    assert!(kept.peer.events().is_empty());
    assert_eq!(kept.peer.sent().len(), 4);
    assert_eq!(kept.peer.events(), ["ponged 1"]);
}

#[test]
fn pubcomp_waits_until_pubrel_is_persisted_however_often_pubrel_comes() {
    for version in Version::ALL {
        let mut kept = Kept::connected(version);
        kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
        kept.peer.events();
        kept.sync();
        assert_eq!(kept.peer.sent(), ["PUBREC #7"]);
        let pubrel = Packet::PubRel(Ack::new(id(7), ReasonCode::SUCCESS));
        kept.peer.send(&pubrel);
        kept.peer.send(&pubrel);
        kept.peer.events();
        assert!(kept.peer.sent().is_empty());
        assert_eq!(kept.record(), ["received ended #7"]);
        assert!(kept.peer.sent().is_empty());

        // The link is lost, and PUBREL comes once more: still nothing safe says that it came.
        kept.peer.cut();
        kept.peer.events();
        kept.call(false);
        kept.peer.sent();
        kept.accept(true);
        kept.peer.send(&pubrel);
        kept.peer.events();
        assert!(kept.peer.sent().is_empty());
        kept.sync();
        assert_eq!(kept.peer.sent(), ["PUBCOMP #7"]);
        let last = kept.journal();
        assert_eq!(last.last().map(String::as_str), Some("received ended #7"));
        assert!(kept.peer.client.is_idle());

        // After that it means nothing any more, and the id is free.
        kept.peer.send(&pubrel);
        kept.peer.events();
        assert_eq!(kept.peer.sent().len(), 1);
        kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"y");
        assert_eq!(kept.peer.events(), ["message y"]);
    }
}

#[test]
fn disconnect_waits_for_no_record_but_shutdown_does() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
    kept.peer.events();
    let later = kept.peer.now + core::time::Duration::from_secs(9);
    kept.peer.client.shutdown(kept.peer.now, later).unwrap();
    kept.peer.events();
    assert!(kept.peer.sent().is_empty());
    kept.sync();
    kept.peer.events();
    assert_eq!(kept.peer.sent(), ["PUBREC #7", "DISCONNECT 0x00"]);

    let mut kept = Kept::connected(Version::V5);
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
    kept.peer.events();
    kept.peer.client.shutdown(kept.peer.now, later).unwrap();
    kept.peer.now = later;
    kept.peer.events();
    assert_eq!(kept.peer.sent(), ["DISCONNECT 0x00"], "at its time at the latest");
}

/// Whoever waits for the disk and for the transport alone must not sleep until the time to drain is over.
#[test]
fn shutdown_goes_on_as_soon_as_the_last_record_is_persisted() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer.publish(QoS::AtLeastOnce, "x");
    kept.sync();
    assert_eq!(kept.peer.sent(), ["PUBLISH #1 x"]);
    let later = kept.peer.now + core::time::Duration::from_secs(9);
    kept.peer.client.shutdown(kept.peer.now, later).unwrap();
    kept.peer.puback(1);
    assert_eq!(kept.peer.events(), ["acknowledged 1"]);
    assert_eq!(kept.record(), ["ended 1"]);
    assert!(kept.peer.sent().is_empty());
    kept.persist();
    assert_eq!(kept.peer.sent(), ["DISCONNECT 0x00"]);
}

#[test]
fn idle_means_that_everything_is_persisted() {
    let mut kept = Kept::connected(Version::V311);
    kept.peer.publish(QoS::AtLeastOnce, "x");
    kept.sync();
    kept.peer.sent();
    kept.peer.puback(1);
    kept.peer.events();
    assert!(!kept.peer.client.is_idle(), "its end is not recorded");
    assert!(kept.peer.client.has_record());
    assert_eq!(kept.record(), ["ended 1"]);
    assert!(!kept.peer.client.has_record());
    assert!(!kept.peer.client.is_idle(), "nor persisted");
    kept.persist();
    assert!(kept.peer.client.is_idle());
}

#[test]
fn a_journal_that_is_never_synced_is_asked_to_take_no_more_than_can_be_told_apart() {
    let mut kept = Kept::new(Version::V5);
    kept.connect(false, false);
    for _ in 0..40_000 {
        kept.peer.publish(QoS::AtLeastOnce, "");
    }
    assert_eq!(kept.record().len(), 1 << 14);
    assert!(!kept.peer.client.has_record());
    assert!(kept.peer.sent().is_empty());
    kept.persist();
    assert_eq!(kept.peer.sent().len(), 1 << 14);
    // And so on: none is forgotten, none is sent too early.
    let mut sent = 1 << 14;
    while sent < 40_000 {
        let recorded = kept.record().len();
        assert!(kept.peer.sent().is_empty());
        kept.persist();
        assert_eq!(kept.peer.sent().len(), recorded);
        sent += recorded;
    }
}

#[test]
fn what_was_said_to_be_persisted_before_or_never_was_recorded_changes_nothing() {
    let mut kept = Kept::connected(Version::V5);
    kept.peer.publish(QoS::AtLeastOnce, "a");
    kept.record();
    let first = kept.latest.unwrap();
    kept.peer.publish(QoS::AtLeastOnce, "b");
    kept.record();
    let second = kept.latest.unwrap();
    kept.peer.client.handle_persisted(kept.peer.now, first);
    assert_eq!(kept.peer.sent(), ["PUBLISH #1 a"], "one of two");
    kept.peer.client.handle_persisted(kept.peer.now, first);
    assert!(kept.peer.sent().is_empty());
    kept.peer.client.handle_persisted(Instant::ZERO, second);
    assert_eq!(kept.peer.sent(), ["PUBLISH #2 b"]);
    kept.peer.client.handle_persisted(kept.peer.now, first);
    assert!(!kept.peer.client.has_record());
}

#[test]
fn without_a_journal_there_are_no_records_and_nothing_waits() {
    let mut off = config();
    off.journal = false;
    off.acknowledge = Acknowledge::Automatic;
    let mut kept = Kept::with(Version::V5, off, Fixed::<4, 256>::new());
    kept.call(false);
    assert_eq!(kept.peer.sent(), ["CONNECT"]);
    kept.accept(false);
    kept.peer.publish(QoS::ExactlyOnce, "x");
    kept.peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
    kept.peer.events();
    assert_eq!(kept.peer.sent(), ["PUBREC #7", "PUBLISH #1 x"]);
    assert!(kept.record().is_empty());
}
