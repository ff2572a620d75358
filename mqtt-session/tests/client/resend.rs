//! Sending again on the same connection, when no answer comes: 3.1 and 3.1.1 only.

use std::time::Duration;

use mqtt_proto::{QoS, Version};
use mqtt_session::{Config, Publish, storage::Heap};

use crate::peer::{Peer, topic};

const AFTER: Duration = Duration::from_secs(10);

fn peer(version: Version) -> Peer {
    let mut config = Config::DEFAULT;
    config.resend_after = Some(AFTER);
    let mut peer = Peer::with(version, config, Heap::new());
    peer.connect(false, false);
    peer
}

const OLD: [Version; 2] = [Version::V31, Version::V311];

#[test]
fn what_has_no_answer_is_sent_again_in_its_order_with_dup() {
    for version in OLD {
        let mut peer = peer(version);
        peer.publish(QoS::AtLeastOnce, "one");
        peer.publish(QoS::ExactlyOnce, "two");
        peer.publish(QoS::ExactlyOnce, "released");
        peer.sent();
        peer.pubrec(3);
        peer.events();
        assert_eq!(peer.sent(), ["PUBREL #3"]);
        let due = peer.now + AFTER;
        for _ in 0..3 {
            assert_eq!(peer.client.poll_timeout(), Some(due.max(peer.now + AFTER)));
            peer.wait(AFTER - Duration::from_millis(1));
            assert!(peer.events().is_empty());
            assert!(peer.sent().is_empty());
            peer.wait(Duration::from_millis(1));
            assert_eq!(
                peer.client.timeout_reason(),
                "answers are due: what has none is sent again"
            );
            assert!(peer.events().is_empty());
            peer.publish(QoS::AtLeastOnce, "new");
            let sent = peer.sent();
            assert_eq!(
                sent[..3],
                ["PUBREL #3", "PUBLISH #1 dup one", "PUBLISH #2 dup two"]
            );
            assert!(sent.last().unwrap().ends_with("new"), "{sent:?}");
        }
    }
}

/// A first byte of 6A is right in 3.1 and wrong in 3.1.1 (3.6.1).
#[test]
fn a_pubrel_that_is_sent_again_has_dup_in_3_1_alone() {
    for (version, first) in [(Version::V31, 0x6A), (Version::V311, 0x62)] {
        for cut in [false, true] {
            let mut peer = peer(version);
            peer.publish(QoS::ExactlyOnce, "x");
            peer.sent();
            peer.pubrec(1);
            peer.events();
            assert_eq!(peer.client.poll_transmit().unwrap().head[0], 0x62);
            peer.sent();
            if cut {
                peer.cut();
                peer.events();
                peer.connect(false, true);
            } else {
                peer.wait(AFTER);
                peer.events();
            }
            assert_eq!(
                peer.client.poll_transmit().unwrap().head[0],
                first,
                "{version} {cut}"
            );
            assert_eq!(peer.sent(), ["PUBREL #1"]);
        }
    }
}

/// 5/MQTT-4.4.0-1
#[test]
fn nothing_is_sent_again_on_a_connection_of_5_0_or_where_it_is_not_asked_for() {
    let mut unasked = Peer::connected(Version::V311);
    for peer in [&mut peer(Version::V5), &mut unasked] {
        peer.publish(QoS::AtLeastOnce, "x");
        peer.publish(QoS::ExactlyOnce, "y");
        peer.sent();
        peer.pubrec(2);
        peer.events();
        peer.sent();
        assert_eq!(peer.client.poll_timeout(), None);
        peer.wait(100 * AFTER);
        assert!(peer.events().is_empty());
        assert!(peer.sent().is_empty());
    }
}

#[test]
fn each_answer_begins_the_time_anew_and_the_last_one_ends_it() {
    let mut peer = peer(Version::V311);
    for _ in 0..3 {
        peer.publish(QoS::AtLeastOnce, "x");
    }
    peer.sent();
    for n in 1..=3 {
        peer.wait(AFTER - Duration::from_secs(1));
        peer.puback(n);
        assert_eq!(peer.events(), [format!("acknowledged {n}")]);
        assert!(peer.sent().is_empty());
    }
    assert_eq!(peer.client.poll_timeout(), None);
    // The next one has all of its time.
    peer.wait(AFTER);
    peer.publish(QoS::AtLeastOnce, "y");
    peer.sent();
    assert_eq!(peer.client.poll_timeout(), Some(peer.now + AFTER));
}

#[test]
fn an_answer_in_the_midst_of_a_repeat_takes_its_message_out_of_it() {
    let mut peer = peer(Version::V311);
    for payload in ["a", "b", "c"] {
        peer.publish(QoS::AtLeastOnce, payload);
    }
    peer.sent();
    peer.wait(AFTER);
    peer.events();
    // Half of the first is written: its answer waits for the rest.
    peer.sent_bytes(3);
    peer.puback(2);
    peer.puback(1);
    assert_eq!(peer.events(), ["acknowledged 2"]);
    assert!(!peer.client.wants_input());
    let rest = peer.client.poll_transmit().unwrap().len();
    peer.client.handle_written(peer.now, rest);
    assert_eq!(peer.events(), ["acknowledged 1"]);
    assert_eq!(peer.sent(), ["PUBLISH #3 dup c"]);
    peer.puback(3);
    assert_eq!(peer.events(), ["acknowledged 3"]);
    assert!(peer.client.is_idle());
}

/// A second repeat before the first has left would never come to the end of the line.
#[test]
fn a_transport_that_is_slow_is_not_given_more() {
    let mut peer = peer(Version::V311);
    for payload in ["a", "b", "c"] {
        peer.publish(QoS::AtLeastOnce, payload);
    }
    peer.sent();
    peer.wait(AFTER);
    peer.events();
    let mut seen = Vec::new();
    for n in 0..3 {
        let whole = peer.client.poll_transmit().unwrap();
        seen.push(whole.head[6]);
        let len = whole.len();
        // One whole packet at the beginning, then half ones.
        let piece = if n == 0 { len } else { len - 1 };
        peer.client.handle_written(peer.now, piece);
        peer.wait(AFTER);
        peer.events();
        if n > 0 {
            peer.client.handle_written(peer.now, 1);
        }
    }
    assert_eq!(seen, [1, 2, 3], "packet ids");
}

#[test]
fn who_does_not_listen_does_not_repeat_himself() {
    let mut peer = peer(Version::V311);
    peer.publish(QoS::AtLeastOnce, "x");
    peer.sent();
    peer.client.handle_paused(peer.now, true);
    peer.wait(5 * AFTER);
    peer.events();
    assert!(peer.sent().is_empty());
    peer.client.handle_paused(peer.now, false);
    assert_eq!(peer.client.poll_timeout(), Some(peer.now + AFTER));
    peer.puback(1);
    assert_eq!(peer.events(), ["acknowledged 1"]);
}

#[test]
fn answers_to_both_copies_are_harmless() {
    for version in OLD {
        let mut peer = peer(version);
        let one = peer.publish(QoS::AtLeastOnce, "one");
        let two = peer.publish(QoS::ExactlyOnce, "two");
        peer.sent();
        peer.wait(AFTER);
        peer.events();
        assert_eq!(peer.sent().len(), 2);
        for _ in 0..2 {
            peer.puback(1);
            peer.pubrec(2);
        }
        assert_eq!(peer.events(), [format!("acknowledged {one}")]);
        assert_eq!(peer.sent(), ["PUBREL #2"]);
        peer.pubcomp(2);
        peer.pubcomp(2);
        assert_eq!(peer.events(), [format!("acknowledged {two}")]);
        assert!(peer.client.is_idle());
    }
}

/// A payload that the caller keeps is asked for again.
#[test]
fn an_external_payload_is_asked_for_again() {
    let mut peer = peer(Version::V311);
    let message = Publish::new(topic("t"), QoS::AtLeastOnce);
    let payload = mqtt_session::Payload::External(1_000);
    peer.client.publish(peer.now, &message, payload).unwrap();
    for dup in [0, 0x08] {
        let transmit = peer.client.poll_transmit().unwrap();
        assert_eq!(transmit.head[0] & 0x08, dup);
        assert!(matches!(
            transmit.body,
            mqtt_session::Body::External {
                offset: 0,
                len: 1_000,
                ..
            }
        ));
        let len = transmit.len();
        peer.client.handle_written(peer.now, len);
        peer.wait(AFTER);
        peer.events();
    }
}
