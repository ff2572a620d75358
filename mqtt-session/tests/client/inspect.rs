//! What is in the outbox can be seen, and taken back as long as nothing of it has left.

use std::time::Duration;

use mqtt_proto::{QoS, Version};
use mqtt_session::{
    Config, Publish, Refused, Token,
    client::OutboxStage,
    storage::{Fixed, Heap, HeapLimits},
};

use crate::peer::{Peer, topic};

#[test]
fn the_outbox_tells_what_waits_what_is_in_flight_and_what_the_server_has_taken() {
    let mut peer = Peer::connected(Version::V5);
    let begin = peer.now;
    peer.publish(QoS::ExactlyOnce, "released");
    peer.publish(QoS::AtLeastOnce, "in flight");
    peer.sent();
    peer.pubrec(1);
    peer.events();
    peer.wait(Duration::from_secs(5));
    let mut message = Publish::new(topic("some/where"), QoS::AtMostOnce);
    message.retain = true;
    message.deadline = Some(peer.now + Duration::from_secs(1));
    peer.client.publish(peer.now, &message, "waiting").unwrap();
    peer.publish(QoS::AtLeastOnce, "more");

    let rows: Vec<_> = peer
        .client
        .outbox_messages()
        .map(|m| {
            let topic = m.topic.map(|t| t.as_str().to_owned());
            (m.token.get(), topic, m.qos, m.retain, m.payload_len, m.stage)
        })
        .collect();
    let t = || Some("t".to_owned());
    assert_eq!(
        rows,
        [
            (1, None, QoS::ExactlyOnce, false, None, OutboxStage::Released),
            (2, t(), QoS::AtLeastOnce, false, Some(9), OutboxStage::InFlight),
            (
                3,
                Some("some/where".to_owned()),
                QoS::AtMostOnce,
                true,
                Some(7),
                OutboxStage::Queued
            ),
            (4, t(), QoS::AtLeastOnce, false, Some(4), OutboxStage::Queued),
        ]
    );
    let moments: Vec<_> = peer
        .client
        .outbox_messages()
        .map(|m| (m.accepted, m.last_moment))
        .collect();
    let now = peer.now;
    let deadline = message.deadline;
    assert_eq!(
        moments,
        [
            (None, None),
            (Some(begin), None),
            (Some(now), deadline),
            (Some(now), None)
        ]
    );
    let state = peer.client.outbox();
    assert_eq!((state.queued, state.in_flight), (2, 2));
    assert_eq!(state.oldest, Some(begin));
    assert_eq!(
        (state.slots, state.byte_limit),
        (HeapLimits::DEFAULT.slots, HeapLimits::DEFAULT.bytes)
    );
    assert!(state.bytes > "in flight".len() + "some/where".len() + "waiting".len() + "more".len());
}

#[test]
fn an_empty_outbox_has_nothing_to_tell() {
    let peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<4, 256>::new());
    let state = peer.client.outbox();
    assert_eq!((state.queued, state.in_flight, state.bytes), (0, 0, 0));
    assert_eq!((state.slots, state.byte_limit, state.oldest), (4, 192, None));
    assert_eq!(peer.client.outbox_messages().count(), 0);
}

fn token(peer: &mut Peer, qos: QoS) -> Token {
    let message = Publish::new(topic("t"), qos);
    peer.client.publish(peer.now, &message, "x").unwrap()
}

#[test]
fn what_has_not_left_can_be_withdrawn_in_any_order() {
    for qos in QoS::ALL {
        for gone in 0..3 {
            let mut peer = Peer::new(Version::V311);
            let tokens = [(); 3].map(|()| token(&mut peer, qos));
            assert_eq!(peer.client.cancel(peer.now, tokens[gone]), Ok(()));
            assert_eq!(
                peer.client.cancel(peer.now, tokens[gone]),
                Err(Refused::NoSuchMessage),
                "it has ended"
            );
            assert_eq!(
                peer.events(),
                [format!("aborted {} Cancelled", tokens[gone].get())]
            );
            assert_eq!(peer.client.outbox().queued, 2);
            peer.connect(true, false);
            assert_eq!(peer.sent().len(), 2);
        }
    }
}

#[test]
fn what_has_left_or_is_about_to_cannot_be_withdrawn() {
    let mut peer = Peer::connected(Version::V5);
    let two = token(&mut peer, QoS::ExactlyOnce);
    let withdraw = |peer: &mut Peer, token| peer.client.cancel(peer.now, token);
    // Chosen; half written; sent; taken over by the server.
    assert!(peer.client.poll_transmit().is_some());
    assert_eq!(withdraw(&mut peer, two), Err(Refused::Transmitted));
    peer.sent_bytes(1);
    assert_eq!(withdraw(&mut peer, two), Err(Refused::Transmitted));
    peer.sent_bytes(usize::MAX);
    assert_eq!(withdraw(&mut peer, two), Err(Refused::Transmitted));
    peer.pubrec(1);
    peer.events();
    assert_eq!(withdraw(&mut peer, two), Err(Refused::Transmitted));
    peer.sent();
    peer.pubcomp(1);
    peer.events();
    assert_eq!(withdraw(&mut peer, two), Err(Refused::NoSuchMessage));
    // A request is no message.
    let ping = peer.client.ping(peer.now).unwrap();
    assert_eq!(withdraw(&mut peer, ping), Err(Refused::NoSuchMessage));
}

#[test]
fn in_a_lost_link_what_was_only_chosen_can_be_withdrawn() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Heap::new());
    peer.connect(false, false);
    let one = token(&mut peer, QoS::AtLeastOnce);
    assert!(peer.client.poll_transmit().is_some());
    peer.cut();
    assert_eq!(peer.client.cancel(peer.now, one), Ok(()));
    assert_eq!(peer.events(), ["aborted 1 Cancelled", "closed Transport"]);
}
