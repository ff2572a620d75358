//! Deadlines, Message Expiry Interval and age.

use std::time::Duration;

use mqtt_proto::{Properties, Property, QoS, Version};
use mqtt_session::{
    Config, Instant, Publish,
    client::{AbortReason, Event, OnSessionLost},
    storage::{Fixed, Heap, Storage},
};

use crate::peer::{Peer, options, topic};

const SECOND: Duration = Duration::from_secs(1);

/// Publishes "x", with an expiry of so many seconds among other properties.
fn expiring<S: Storage>(peer: &mut Peer<S>, qos: QoS, seconds: u32) -> u32 {
    let list = [
        Property::UserProperty("a", "1"),
        Property::MessageExpiryInterval(seconds),
        Property::ContentType("text"),
    ];
    let mut message = Publish::new(topic("t"), qos);
    message.properties = Properties::new(&list);
    peer.client.publish(peer.now, &message, "x").unwrap().get()
}

fn until<S: Storage>(peer: &mut Peer<S>, qos: QoS, deadline: Instant) -> u32 {
    let mut message = Publish::new(topic("t"), qos);
    message.deadline = Some(deadline);
    peer.client.publish(peer.now, &message, "x").unwrap().get()
}

#[test]
fn a_message_that_waits_is_dropped_at_its_deadline_and_no_earlier() {
    fn run<S: Storage>(mut peer: Peer<S>) {
        let at = peer.now + Duration::from_micros(1_234_567);
        let token = until(&mut peer, QoS::AtLeastOnce, at);
        assert_eq!(peer.client.poll_timeout(), Some(at));
        assert_eq!(peer.client.timeout_reason(), "a message that waits may expire");
        peer.now = at - Duration::from_micros(1);
        assert!(peer.events().is_empty());
        assert_eq!(peer.client.poll_timeout(), Some(at));
        peer.now = at;
        assert_eq!(peer.events(), [format!("aborted {token} Expired")]);
        assert_eq!(peer.client.poll_timeout(), None);
        assert!(peer.client.is_idle());
    }
    for version in Version::ALL {
        run(Peer::new(version));
        run(Peer::with(version, Config::DEFAULT, Fixed::<2, 128>::new()));
    }
}

#[test]
fn a_deadline_that_has_passed_is_a_deadline() {
    let mut peer = Peer::connected(Version::V5);
    let past = peer.now - SECOND;
    let token = until(&mut peer, QoS::AtMostOnce, past);
    assert!(peer.sent().is_empty());
    assert_eq!(peer.events(), [format!("aborted {token} Expired")]);
}

#[test]
fn what_is_older_than_the_age_that_is_allowed_is_dropped() {
    let mut config = Config::DEFAULT;
    config.max_age = Some(Duration::from_millis(2_500));
    let mut peer = Peer::with(Version::V311, config, Heap::new());
    let old = peer.publish(QoS::AtLeastOnce, "old");
    peer.wait(SECOND);
    peer.publish(QoS::AtMostOnce, "young");
    peer.wait(Duration::from_millis(1_500));
    assert_eq!(peer.events(), [format!("aborted {old} DroppedForAge")]);
    peer.connect(true, false);
    assert_eq!(peer.sent(), ["PUBLISH young"]);
}

#[test]
fn the_first_of_the_three_moments_decides_and_says_which_it_was() {
    let mut config = Config::DEFAULT;
    config.max_age = Some(3 * SECOND);
    for (expiry, deadline, reason, after) in [
        (2, 4, AbortReason::Expired, 2),
        (5, 1, AbortReason::Expired, 1),
        (5, 4, AbortReason::DroppedForAge, 3),
    ] {
        let mut peer = Peer::with(Version::V5, config, Heap::new());
        let list = [Property::MessageExpiryInterval(expiry)];
        let mut message = Publish::new(topic("t"), QoS::AtMostOnce);
        message.properties = Properties::new(&list);
        message.deadline = Some(peer.now + deadline * SECOND);
        let token = peer.client.publish(peer.now, &message, "x").unwrap();
        let at = peer.now + after * SECOND;
        assert_eq!(peer.client.poll_timeout(), Some(at));
        peer.now = at;
        peer.next(|event| assert_eq!(event, Some(Event::Aborted { token, why: reason })));
    }
}

/// 5/MQTT-3.3.2-6 asks it of a server; to the last receiver, the time waited here counts no less.
#[test]
fn what_is_sent_carries_what_is_left_of_its_expiry() {
    let mut peer = Peer::new(Version::V5);
    expiring(&mut peer, QoS::AtLeastOnce, 10);
    peer.wait(Duration::from_millis(2_999));
    expiring(&mut peer, QoS::AtMostOnce, 1);
    peer.connect(true, false);
    assert_eq!(
        peer.sent(),
        ["PUBLISH #1 x expiry=8", "PUBLISH x expiry=1"],
        "whole seconds that have passed are taken off"
    );
}

#[test]
fn what_has_expired_while_it_waited_is_not_sent() {
    for version in Version::ALL {
        let mut peer = Peer::new(version);
        let tokens =
            [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| expiring(&mut peer, qos, 5));
        peer.publish(QoS::AtLeastOnce, "lasting");
        peer.wait(5 * SECOND);
        let told = peer.events();
        assert_eq!(told, tokens.map(|token| format!("aborted {token} Expired")));
        peer.connect(true, false);
        assert_eq!(peer.sent(), ["PUBLISH #1 lasting"]);
    }
}

/// Even if nobody has asked for events since: what is about to leave is looked at again.
#[test]
fn what_expires_on_the_point_of_leaving_is_not_sent() {
    let mut peer = Peer::connected(Version::V5);
    let token = expiring(&mut peer, QoS::ExactlyOnce, 5);
    assert!(peer.client.poll_transmit().is_some());
    peer.wait(5 * SECOND);
    let mut out = [0; 64];
    assert_eq!(peer.client.take_transmit(peer.now, &mut out), 0);
    assert_eq!(peer.events(), [format!("aborted {token} Expired")]);
    peer.publish(QoS::AtLeastOnce, "next");
    assert_eq!(peer.sent().len(), 1);
}

#[test]
fn what_waits_on_the_point_of_leaving_is_counted_down() {
    let mut peer = Peer::connected(Version::V5);
    expiring(&mut peer, QoS::AtLeastOnce, 10);
    assert!(peer.client.poll_transmit().is_some());
    peer.wait(4 * SECOND);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #1 x expiry=6"]);
}

/// 5/MQTT-4.3.3-7, 5/MQTT-4.3.3-13, and the same for QoS 1: what may have arrived is carried to its end.
#[test]
fn what_has_been_sent_does_not_expire_and_its_repeat_carries_what_is_left() {
    for (qos, wait, left) in [
        (QoS::AtLeastOnce, 4, 6),
        (QoS::ExactlyOnce, 4, 6),
        (QoS::AtLeastOnce, 99, 0),
    ] {
        // Wholly sent, or but one byte of it.
        for bytes in [1, usize::MAX] {
            let mut peer = Peer::connected(Version::V5);
            expiring(&mut peer, qos, 10);
            peer.sent_bytes(bytes);
            peer.wait(wait * SECOND);
            assert!(peer.events().is_empty());
            peer.cut();
            assert_eq!(peer.events(), ["closed Transport"]);
            peer.connect(false, true);
            assert_eq!(peer.sent(), [format!("PUBLISH #1 dup x expiry={left}")]);
        }
    }
}

#[test]
fn half_a_message_of_qos_0_that_was_cut_off_may_expire() {
    let mut peer = Peer::connected(Version::V5);
    let token = expiring(&mut peer, QoS::AtMostOnce, 10);
    peer.sent_bytes(3);
    peer.wait(20 * SECOND);
    assert!(peer.events().is_empty(), "it is on its way");
    peer.cut();
    assert_eq!(
        peer.events(),
        [format!("aborted {token} Expired"), "closed Transport".to_owned()]
    );
}

#[test]
fn what_is_to_be_sent_as_new_in_a_new_session_may_expire() {
    let mut config = Config::DEFAULT;
    config.on_session_lost = OnSessionLost::SendAgainAsNew;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    peer.connect(false, false);
    let short = expiring(&mut peer, QoS::AtLeastOnce, 5);
    expiring(&mut peer, QoS::AtLeastOnce, 9);
    peer.sent();
    peer.wait(6 * SECOND);
    peer.cut();
    assert_eq!(peer.events(), ["closed Transport"]);
    peer.connect(false, false);
    assert_eq!(peer.events(), [format!("aborted {short} Expired")]);
    assert_eq!(peer.sent(), ["PUBLISH #3 x expiry=3"]);
}

/// 5/MQTT-3.1.2-24 and its like hold for what is counted down as for anything else.
#[test]
fn a_message_with_an_expiry_that_the_resumed_server_does_not_take_is_aborted_and_its_id_retired() {
    let mut peer = Peer::connected(Version::V5);
    let sent = expiring(&mut peer, QoS::AtLeastOnce, 10);
    peer.sent();
    peer.cut();
    let queued = expiring(&mut peer, QoS::AtLeastOnce, 10);
    peer.wait(SECOND);
    peer.events();
    peer.client
        .connect(peer.now, &options(Version::V5, false))
        .unwrap();
    peer.sent();
    // Maximum Packet Size 20; the messages have 31 bytes.
    peer.send_bytes(&[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 20]);
    assert_eq!(
        peer.events(),
        [
            "connected true".to_owned(),
            format!("aborted {sent} NoLongerAccepted"),
            format!("aborted {queued} NoLongerAccepted"),
        ]
    );
    peer.publish(QoS::AtLeastOnce, "y");
    assert_eq!(peer.sent(), ["PUBLISH #2 y"], "1 is out of use");
}

/// Large tables are looked through once a second at most; nothing is told more than a second late, or sent late at all.
#[test]
fn many_deadlines_cost_one_look_a_second_and_are_told_within_one() {
    let mut peer = Peer::new(Version::V5);
    let begin = peer.now;
    let mut due: std::collections::BTreeMap<u32, Instant> = (0..1_000_u64)
        .map(|n| {
            let at = begin + Duration::from_millis(1 + n * 7_919 % 10_000);
            (until(&mut peer, QoS::AtLeastOnce, at), at)
        })
        .collect();
    let mut looks = 0;
    while let Some(at) = peer.client.poll_timeout() {
        assert!(at > peer.now || looks == 0);
        let before = peer.now;
        peer.now = at.max(before);
        looks += 1;
        for event in peer.events() {
            let token = event.split(' ').nth(1).unwrap().parse().unwrap();
            let was_due = due.remove(&token).unwrap();
            assert!(was_due <= peer.now && peer.now.saturating_duration_since(was_due) <= SECOND);
        }
    }
    assert!(due.is_empty());
    assert!(looks <= 12, "{looks} in ten seconds");
    // In between, nothing that is overdue is sent.
    let mut peer = Peer::connected(Version::V5);
    for n in 0..1_000 {
        let at = peer.now + Duration::from_millis(if n < 100 { 5_000 } else { n });
        until(&mut peer, QoS::AtMostOnce, at);
    }
    peer.wait(Duration::from_millis(900));
    assert!(peer.events().is_empty(), "the next look is in 100 ms");
    assert_eq!(peer.sent().len(), 199);
    assert_eq!(peer.events().len(), 1_000);
}
