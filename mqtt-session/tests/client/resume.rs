//! Sessions that outlive their link, and sessions that do not.

use mqtt_proto::{QoS, Version};
use mqtt_session::{
    Config, Event,
    client::{Ack, Acknowledge, OnSessionLost},
    storage::{Fixed, Heap, Storage},
};

use crate::peer::Peer;

/// 5/MQTT-4.4.0-1, 5/MQTT-4.6.0-1, 5/MQTT-3.3.1-1, 3.1.1/MQTT-4.4.0-1
#[test]
fn what_was_not_acknowledged_is_sent_again_in_its_order_with_dup() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        for (qos, payload) in [
            (QoS::AtLeastOnce, "a"),
            (QoS::ExactlyOnce, "b"),
            (QoS::ExactlyOnce, "c"),
        ] {
            peer.publish(qos, payload);
        }
        peer.sent();
        peer.pubrec(2);
        peer.events();
        peer.sent();
        peer.cut();
        assert_eq!(peer.events(), ["closed Transport"]);
        peer.publish(QoS::AtLeastOnce, "later");
        peer.connect(false, true);
        assert_eq!(
            peer.sent(),
            [
                "PUBREL #2",
                "PUBLISH #1 dup a",
                "PUBLISH #3 dup c",
                "PUBLISH #4 later"
            ],
            "and after PUBREL never its PUBLISH (5/MQTT-4.3.3-6)"
        );
    }
}

/// Wherever the link breaks inside a packet, each message ends once.
#[test]
fn a_link_cut_at_any_byte_loses_nothing() {
    fn run<S: Storage>(mut peer: Peer<S>, cut: usize) {
        peer.connect(false, false);
        let one = peer.publish(QoS::AtLeastOnce, "one");
        let two = peer.publish(QoS::ExactlyOnce, "two");
        peer.sent_bytes(cut);
        peer.cut();
        assert_eq!(peer.events(), ["closed Transport"]);
        peer.connect(false, true);
        let sent = peer.sent();
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert!(
            sent[0].starts_with("PUBLISH #1") && sent[1].starts_with("PUBLISH #2"),
            "{sent:?}"
        );
        assert_eq!(
            sent[0].contains("dup"),
            cut > 0,
            "DUP tells that a byte of it may have arrived"
        );
        peer.puback(1);
        peer.pubrec(2);
        assert_eq!(peer.events(), [format!("acknowledged {one}")]);
        assert_eq!(peer.sent(), ["PUBREL #2"]);
        peer.pubcomp(2);
        assert_eq!(peer.events(), [format!("acknowledged {two}")]);
        assert!(peer.client.is_idle());
    }
    for version in Version::ALL {
        for cut in 0..24 {
            run(Peer::new(version), cut);
            run(Peer::with(version, Config::DEFAULT, Fixed::<4, 256>::new()), cut);
        }
    }
}

#[test]
fn a_lost_session_aborts_what_was_in_flight_after_connected() {
    let mut peer = Peer::connected(Version::V5);
    let one = peer.publish(QoS::AtLeastOnce, "sent");
    let two = peer.publish(QoS::ExactlyOnce, "released");
    peer.sent();
    peer.pubrec(2);
    peer.events();
    peer.cut();
    peer.publish(QoS::AtLeastOnce, "never sent");
    peer.events();
    peer.connect(false, false);
    assert_eq!(
        peer.events(),
        [
            format!("aborted {one} SessionLost"),
            format!("aborted {two} SessionLost")
        ]
    );
    assert_eq!(peer.sent(), ["PUBLISH #3 never sent"]);
}

#[test]
fn a_lost_session_can_mean_to_send_again_as_new() {
    let mut config = Config::DEFAULT;
    config.on_session_lost = OnSessionLost::SendAgainAsNew;
    let mut peer = Peer::with(Version::V311, config, Heap::new());
    peer.connect(true, false);
    peer.publish(QoS::AtLeastOnce, "x");
    peer.sent();
    peer.cut();
    peer.events();
    peer.connect(true, false);
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent(), ["PUBLISH #2 x"], "a new id, and no DUP");
}

#[test]
fn requests_end_with_their_link_before_it_is_told_closed() {
    let mut peer = Peer::connected(Version::V5);
    let sent = peer.subscribe("a");
    peer.sent();
    let unsent = peer.subscribe("b");
    let ping = peer.client.ping(peer.now).unwrap().get();
    peer.cut();
    assert_eq!(
        peer.events(),
        [
            format!("aborted {sent} ConnectionLost"),
            format!("aborted {unsent} ConnectionLost"),
            format!("aborted {ping} ConnectionLost"),
            "closed Transport".to_owned()
        ]
    );
    assert!(peer.client.is_idle());
}

/// 5/MQTT-3.2.2-4
#[test]
fn session_present_without_a_session_closes_in_5_and_goes_on_in_3() {
    let mut peer = Peer::new(Version::V311);
    peer.connect(false, true);
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 3, 1, 0, 0]);
    assert_eq!(peer.events(), ["closed Client 0x82 5/MQTT-3.2.2-4"]);
}

/// 5/MQTT-3.2.2-15 on resume: what the server now refuses is aborted, and its id is not used again.
#[test]
fn a_message_too_large_for_the_resumed_server_is_aborted_and_its_id_retired() {
    let mut peer = Peer::connected(Version::V5);
    let large = peer.publish(QoS::AtLeastOnce, &"x".repeat(100));
    peer.sent();
    peer.cut();
    peer.events();
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 50]);
    assert_eq!(
        peer.events(),
        [
            "connected true".to_owned(),
            format!("aborted {large} NoLongerAccepted")
        ]
    );
    for n in 2..=3 {
        peer.publish(QoS::AtLeastOnce, "s");
        assert_eq!(peer.sent(), [format!("PUBLISH #{n} s")]);
    }
    peer.puback(1);
    assert!(
        peer.events().is_empty(),
        "a late answer to the retired id is nobody's"
    );
}

/// 5/MQTT-4.9.0-1, 5/MQTT-4.9.0-2: the quota is that of the new connection, and what is sent again uses it up as well.
#[test]
fn what_is_sent_again_counts_against_the_window_of_the_new_connection() {
    let mut peer = Peer::connected(Version::V5);
    for (qos, payload) in [
        (QoS::AtLeastOnce, "a"),
        (QoS::ExactlyOnce, "b"),
        (QoS::AtLeastOnce, "c"),
        (QoS::AtLeastOnce, "d"),
    ] {
        peer.publish(qos, payload);
    }
    peer.sent();
    peer.pubrec(2);
    peer.events();
    assert_eq!(peer.sent(), ["PUBREL #2"]);
    peer.cut();
    peer.events();
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 6, 1, 0, 3, 0x21, 0, 2]);
    assert_eq!(peer.events(), ["connected true"]);
    assert_eq!(peer.sent(), ["PUBREL #2", "PUBLISH #1 dup a"]);
    peer.puback(1);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #3 dup c"]);
    peer.pubcomp(2);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #4 dup d"]);
    peer.puback(3);
    peer.puback(4);
    assert_eq!(peer.events().len(), 2);
    assert!(peer.client.is_idle());
}

/// A client of this storage with a message that was sent, and that the server of the next connection finds too large.
fn with_a_retired_id<S: Storage>(storage: S) -> Peer<S> {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, storage);
    peer.connect(false, false);
    peer.publish(QoS::AtLeastOnce, &"x".repeat(100));
    assert_eq!(peer.sent().len(), 1);
    peer.cut();
    peer.events();
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 8, 1, 0, 5, 0x27, 0, 0, 0, 50]);
    assert_eq!(peer.events(), ["connected true", "aborted 1 NoLongerAccepted"]);
    peer
}

/// 5/MQTT-2.2.1-3: the server may still know the id, so that no other message may have it.
#[test]
fn a_retired_id_is_passed_over_when_all_others_have_been_used() {
    let mut peer = with_a_retired_id(Heap::new());
    for n in 2..=u16::MAX {
        peer.publish(QoS::AtLeastOnce, "s");
        assert_eq!(peer.sent(), [format!("PUBLISH #{n} s")]);
        peer.puback(n);
        assert_eq!(peer.events().len(), 1);
    }
    peer.publish(QoS::AtLeastOnce, "s");
    assert_eq!(peer.sent(), ["PUBLISH #2 s"]);
}

#[test]
fn a_retired_id_and_its_slot_are_free_when_the_session_has_ended() {
    let mut peer = with_a_retired_id(Fixed::<1, 256>::new());
    let message = mqtt_session::Publish::new(crate::peer::topic("t"), QoS::AtLeastOnce);
    assert!(peer.client.publish(peer.now, &message, "s").is_err());
    peer.cut();
    peer.events();
    peer.connect(false, false);
    peer.publish(QoS::AtLeastOnce, "s");
    assert_eq!(peer.sent().len(), 1);
}

/// The id alone does not make a token good: the message that it stood for is gone, and another one has the id.
#[test]
fn a_token_of_a_lost_session_does_not_acknowledge_another_message_with_its_id() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut config = Config::DEFAULT;
        config.acknowledge = Acknowledge::Manual;
        let mut peer = Peer::with(Version::V5, config, Fixed::<2, 256>::new());
        let mut tokens = Vec::new();
        for _ in 0..2 {
            peer.connect(true, false);
            peer.send_publish(qos, Some(7), false, b"x");
            tokens.push(peer.next(|event| match event {
                Some(Event::Message(m)) => m.ack.unwrap(),
                other => panic!("{other:?}"),
            }));
            if tokens.len() == 1 {
                peer.cut();
                peer.events();
            }
        }
        let (new, old) = (tokens.pop().unwrap(), tokens.pop().unwrap());
        peer.client.acknowledge(peer.now, old, &Ack::SUCCESS).unwrap();
        assert!(peer.sent().is_empty());
        peer.client.acknowledge(peer.now, new, &Ack::SUCCESS).unwrap();
        assert_eq!(peer.sent().len(), 1);
    }
}

/// 5/MQTT-4.3.3-10: what was told is not told again, and its PUBREC answers the PUBLISH that comes again.
#[test]
fn a_pubrec_that_did_not_leave_answers_the_repeat() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        peer.send_publish(QoS::ExactlyOnce, Some(7), false, b"x");
        assert_eq!(peer.events(), ["message x"]);
        peer.cut();
        peer.events();
        peer.connect(false, true);
        assert!(peer.sent().is_empty());
        peer.send_publish(QoS::ExactlyOnce, Some(7), true, b"x");
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PUBREC #7"]);
    }
}

/// 5/MQTT-3.2.2-11, 5/MQTT-3.2.2-14
#[test]
fn what_waited_for_a_server_that_cannot_do_it_is_aborted() {
    for (qos, retain, property, sent) in [
        (QoS::ExactlyOnce, false, [0x24, 1], 1),
        (QoS::AtLeastOnce, false, [0x24, 0], 1),
        (QoS::AtMostOnce, true, [0x25, 0], 1),
        (QoS::AtLeastOnce, true, [0x25, 1], 2),
    ] {
        let mut peer = Peer::new(Version::V5);
        let mut message = mqtt_session::Publish::new(crate::peer::topic("t"), qos);
        message.retain = retain;
        peer.client.publish(peer.now, &message, "x").unwrap();
        peer.publish(QoS::AtMostOnce, "y");
        peer.client
            .connect(peer.now, &crate::peer::options(Version::V5, true))
            .unwrap();
        peer.sent();
        let [name, value] = property;
        peer.send_bytes(&[0x20, 5, 0, 0, 2, name, value]);
        let told: &[&str] = if sent == 1 {
            &["connected false", "aborted 1 NoLongerAccepted"]
        } else {
            &["connected false"]
        };
        assert_eq!(peer.events(), told);
        assert_eq!(peer.sent().len(), sent);
    }
}
