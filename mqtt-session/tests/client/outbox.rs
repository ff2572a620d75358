//! The store is the outbox.

use mqtt_proto::{QoS, Version};
use mqtt_session::{
    Config, Refused,
    client::Offline,
    storage::{Fixed, Heap, HeapLimits},
};

use crate::peer::{Peer, topic};

#[test]
fn a_publish_is_taken_before_there_is_a_connection() {
    let mut peer = Peer::new(Version::V5);
    peer.publish(QoS::AtLeastOnce, "early");
    peer.connect(true, false);
    assert_eq!(peer.sent(), ["PUBLISH #1 early"]);
}

#[test]
fn or_not_if_that_is_turned_off() {
    let mut config = Config::DEFAULT;
    config.offline = Offline::Refuse;
    let mut peer = Peer::with(Version::V5, config, Heap::new());
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    let refused = peer.client.publish(peer.now, &message, "x").unwrap_err();
    assert_eq!(refused.why, Refused::NotConnected);
    peer.connect(true, false);
    peer.publish(QoS::AtLeastOnce, "x");
}

#[test]
fn a_full_outbox_gives_the_payload_back_and_changes_nothing() {
    let limits = HeapLimits {
        slots: 2,
        ..HeapLimits::DEFAULT
    };
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Heap::with_limits(limits));
    peer.publish(QoS::AtLeastOnce, "a");
    peer.publish(QoS::AtMostOnce, "b");
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    let refused = peer.client.publish(peer.now, &message, "mine").unwrap_err();
    assert_eq!(refused.why, Refused::Slots);
    assert!(refused.why.is_temporary());
    assert_eq!(refused.given, "mine".into());
    peer.connect(true, false);
    assert_eq!(
        peer.sent(),
        ["PUBLISH b".to_owned(), "PUBLISH #1 a".to_owned()]
            .iter()
            .rev()
            .cloned()
            .collect::<Vec<_>>()
    );
}

#[test]
fn bytes_are_limited_and_come_back() {
    let mut peer = Peer::with(Version::V311, Config::DEFAULT, Fixed::<4, 128>::new());
    peer.connect(false, false);
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    let payload = [b'x'; 30];
    let mut taken = 0;
    let refused = loop {
        match peer.client.publish(peer.now, &message, &payload) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!((taken, refused.why), (2, Refused::Bytes));
    assert_eq!(peer.sent().len(), 2);
    // The first one is freed, so that the second has to move: what is sent again must not be spoilt.
    peer.puback(1);
    peer.events();
    peer.publish(QoS::AtLeastOnce, &"y".repeat(30));
    peer.cut();
    peer.events();
    peer.connect(false, true);
    let (x, y) = ("x".repeat(30), "y".repeat(30));
    assert_eq!(
        peer.sent(),
        [format!("PUBLISH #2 dup {x}"), format!("PUBLISH #3 {y}")]
    );
}

#[test]
fn a_payload_that_never_fits_is_too_large() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<4, 128>::new());
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtMostOnce);
    let refused = peer.client.publish(peer.now, &message, &[0; 128]).unwrap_err();
    assert_eq!(refused.why, Refused::TooLarge);
    assert!(!refused.why.is_temporary());
}

#[test]
fn a_full_outbox_does_not_keep_connect_and_subscribe_out() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<3, 256>::new());
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    assert!(peer.client.publish(peer.now, &message, &[b'x'; 170]).is_ok());
    assert_eq!(
        peer.client
            .publish(peer.now, &message, &[b'x'; 30])
            .unwrap_err()
            .why,
        Refused::Bytes
    );
    peer.connect(true, false);
    peer.subscribe("some/filter");
    assert_eq!(peer.sent().len(), 2);
}

#[test]
fn an_external_payload_never_enters_the_machine_and_is_asked_for_again_on_resume() {
    use mqtt_session::{Body, Payload};
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<2, 64>::new());
    peer.connect(false, false);
    let message = mqtt_session::Publish::new(topic("t"), QoS::AtLeastOnce);
    let token = peer
        .client
        .publish(peer.now, &message, Payload::External(100_000))
        .unwrap();
    for round in 0..2 {
        let head = peer.client.poll_transmit().unwrap().head.len();
        peer.client.handle_written(peer.now, head + 10);
        let transmit = peer.client.poll_transmit().unwrap();
        assert!(transmit.head.is_empty());
        assert_eq!(
            transmit.body,
            Body::External {
                token,
                offset: 10,
                len: 99_990
            }
        );
        if round == 0 {
            peer.cut();
            peer.events();
            peer.connect(false, true);
        }
    }
    peer.client.handle_written(peer.now, 99_990);
    assert!(peer.client.poll_transmit().is_none());
    peer.puback(1);
    assert_eq!(peer.events(), [format!("acknowledged {}", token.get())]);
}
