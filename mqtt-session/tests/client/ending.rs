//! The end of a connection: told once, last, and with the code that was sent.

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, TopicFilter, Version,
    packet::{Disconnect, Subscription, SubscriptionOptions},
};
use mqtt_session::{Event, Refused, Unsupported, client::Closed, flow::Cause, reconnect::Ended};

use crate::peer::{Peer, options};

const REASON: &[Property<'static>] = &[Property::ReasonString("because")];

fn disconnect<'a>(code: ReasonCode, properties: &'a [Property<'a>]) -> Disconnect<'a> {
    let mut disconnect = Disconnect::new(code);
    disconnect.properties = Properties::new(properties);
    disconnect
}

/// A V5 client whose CONNACK has these properties.
fn with_connack(properties: &[Property<'_>]) -> Peer {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send(&Packet::ConnAck(mqtt_proto::packet::ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    }));
    assert_eq!(peer.events(), ["connected false"]);
    peer
}

#[test]
fn closed_has_the_code_of_the_disconnect_that_was_sent() {
    for properties in [&[][..], REASON] {
        let mut peer = Peer::connected(Version::V5);
        let last = disconnect(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE, properties);
        peer.client.disconnect(peer.now, &last).unwrap();
        assert_eq!(peer.sent(), ["DISCONNECT 0x04"]);
        assert_eq!(peer.events(), ["closed Client 0x04"]);
    }
    let mut peer = Peer::connected(Version::V5);
    let last = disconnect(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE, REASON);
    peer.client.disconnect(peer.now, &last).unwrap();
    peer.wait(peer.client.config().close_timeout);
    assert_eq!(peer.events(), ["closed Client 0x04"], "also when nobody takes it");
}

/// 5/MQTT-3.2.2-15
#[test]
fn a_disconnect_larger_than_the_server_takes_is_refused() {
    let mut peer = with_connack(&[Property::MaximumPacketSize(12)]);
    let last = disconnect(ReasonCode::NORMAL_DISCONNECTION, REASON);
    assert_eq!(peer.client.disconnect(peer.now, &last), Err(Refused::TooLarge));
    assert!(peer.client.is_connected());
    let last = disconnect(ReasonCode::NORMAL_DISCONNECTION, &[]);
    assert_eq!(peer.client.disconnect(peer.now, &last), Ok(()));
}

/// 5/3.14.2.2.2
#[test]
fn a_disconnect_cannot_keep_a_session_that_connect_did_not_ask_to_keep() {
    let mut peer = Peer::new(Version::V5);
    peer.connect(true, false);
    let expiry = [Property::SessionExpiryInterval(7)];
    let last = disconnect(ReasonCode::NORMAL_DISCONNECTION, &expiry);
    assert_eq!(
        peer.client.disconnect(peer.now, &last),
        Err(Refused::Unsupported(Unsupported::SessionExpiry))
    );
    let mut peer = Peer::connected(Version::V5);
    assert_eq!(peer.client.disconnect(peer.now, &last), Ok(()));
}

/// 5/3.14.2.2.2, 5/MQTT-3.2.2-4
#[test]
fn a_disconnect_with_session_expiry_0_ends_the_session() {
    let mut peer = Peer::connected(Version::V5);
    let expiry = [Property::SessionExpiryInterval(0)];
    let last = disconnect(ReasonCode::NORMAL_DISCONNECTION, &expiry);
    peer.client.disconnect(peer.now, &last).unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
    assert_eq!(peer.events(), ["closed Client 0x00"]);
    peer.cut();
    peer.client
        .connect(peer.now, &options(Version::V5, false))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 3, 1, 0, 0]);
    assert_eq!(peer.events(), ["closed Client 0x82 5/MQTT-3.2.2-4"]);
}

/// A message that is half written when the connection ends is given up; its operation goes on, or ends, later.
#[test]
fn nothing_is_told_and_no_message_is_sent_after_closed() {
    for begun in [0, 3] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            for bytes in [&[0xE0, 0][..], &[0xE0, 2, 0x8B, 0], &[0x36, 5, 0, 1, b't', 0, 1]] {
                let mut peer = Peer::connected(Version::V5);
                let token = peer.publish(qos, "x");
                assert!(peer.client.poll_transmit().is_some());
                peer.sent_bytes(begun);
                peer.send_bytes(bytes);
                let events = peer.events();
                assert!(
                    matches!(&events[..], [e] if e.starts_with("closed")),
                    "{events:?}"
                );
                let mut rest = Vec::new();
                while let Some(transmit) = peer.client.poll_transmit() {
                    let n = transmit.len();
                    rest.extend_from_slice(transmit.head);
                    peer.client.handle_written(peer.now, n);
                }
                assert!(
                    rest.is_empty() || (begun == 0 && rest[0] == 0xE0),
                    "DISCONNECT at most: {rest:?}"
                );
                assert!(peer.events().is_empty(), "closed is the last event");
                peer.cut();
                peer.connect(false, true);
                let dup = if begun > 0 && qos > QoS::AtMostOnce {
                    " dup"
                } else {
                    ""
                };
                match qos {
                    QoS::AtMostOnce => {
                        assert_eq!(peer.sent(), ["PUBLISH x"]);
                        assert_eq!(peer.events(), [format!("written {token}")]);
                    }
                    _ => {
                        let id = if begun > 0 { 1 } else { 2 };
                        assert_eq!(peer.sent(), [format!("PUBLISH #{id}{dup} x")]);
                        peer.puback(id);
                        assert_eq!(peer.events(), [format!("acknowledged {token}")]);
                    }
                }
            }
        }
    }
}

/// What is only chosen is not begun: asking what to write does not change what is written.
#[test]
fn disconnect_overtakes_a_message_that_was_chosen_but_not_begun() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::AtLeastOnce, "x");
    assert!(peer.client.poll_transmit().is_some());
    peer.client
        .disconnect(peer.now, &disconnect(ReasonCode::NORMAL_DISCONNECTION, &[]))
        .unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
}

/// Acknowledgements that are owed go out before DISCONNECT, also those that are given meanwhile.
#[test]
fn what_was_received_is_acknowledged_before_disconnect() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"a");
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, b"b");
    peer.events();
    peer.client
        .disconnect(peer.now, &disconnect(ReasonCode::NORMAL_DISCONNECTION, REASON))
        .unwrap();
    assert_eq!(peer.sent(), ["PUBACK #1", "PUBREC #2", "DISCONNECT 0x00"]);
}

/// Whoever subscribes again when a request is aborted must not keep the end from being told.
#[test]
fn no_request_is_taken_between_the_aborts_and_closed() {
    let mut peer = Peer::connected(Version::V5);
    let first = peer.subscribe("a");
    let second = peer.subscribe("b");
    peer.sent();
    peer.send_bytes(&[0xE0, 2, 0x8B, 0]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(peer.next(|event| event.map(|event| crate::peer::short(&event))));
        let filter = TopicFilter::new("a").unwrap();
        let options = SubscriptionOptions::new(QoS::AtMostOnce);
        let again = Subscription { filter, options };
        assert_eq!(
            peer.client.subscribe(peer.now, &[again], Properties::EMPTY),
            Err(Refused::NotConnected)
        );
        assert!(peer.client.poll_transmit().is_none());
    }
    assert_eq!(
        seen,
        [
            format!("aborted {first} ConnectionLost"),
            format!("aborted {second} ConnectionLost"),
            "closed Server 0x8b".to_owned()
        ]
    );
}

/// A transport that ends between the aborts and the server's DISCONNECT still ends the connection once.
#[test]
fn the_end_is_told_once_when_the_transport_ends_among_the_aborts() {
    let mut peer = Peer::connected(Version::V5);
    peer.subscribe("a");
    peer.subscribe("b");
    peer.sent();
    peer.send_bytes(&[0xE0, 2, 0x8B, 0]);
    assert!(peer.next(|event| matches!(event, Some(Event::Aborted { .. }))));
    peer.cut();
    assert_eq!(peer.events(), ["aborted 2 ConnectionLost", "closed Transport"]);
}

#[test]
fn a_connection_begins_after_the_end_of_the_last_one_was_told() {
    let mut peer = Peer::connected(Version::V5);
    peer.cut();
    let connect = options(Version::V5, false);
    assert_eq!(
        peer.client.connect(peer.now, &connect),
        Err(Refused::AlreadyConnected)
    );
    assert_eq!(peer.events(), ["closed Transport"]);
    assert_eq!(peer.client.connect(peer.now, &connect), Ok(()));
}

/// No DISCONNECT stands in the middle of another packet.
#[test]
fn after_a_request_that_is_half_written_nothing_more_is_sent() {
    let mut peer = Peer::connected(Version::V5);
    let token = peer.subscribe("a");
    peer.sent_bytes(4);
    peer.send_bytes(&[0x36, 5, 0, 1, b't', 0, 1]);
    assert_eq!(
        peer.events(),
        [
            format!("aborted {token} ConnectionLost"),
            "closed Client 0x81 5/MQTT-3.3.1-4".to_owned()
        ]
    );
    assert!(peer.client.poll_transmit().is_none());
}

/// Why the connection ended; nothing else is told.
fn cause_of_end(peer: &mut Peer) -> (Option<ReasonCode>, Cause, bool) {
    let seen = peer.next(|event| match event {
        Some(Event::Closed(Closed { code, cause, .. })) => (code, cause),
        other => panic!("{other:?}"),
    });
    let (code, cause) = seen;
    (code, cause, matches!(cause, Cause::Disconnected | Cause::Aborted))
}

#[test]
fn a_disconnect_with_a_failure_code_is_told_apart_from_a_fault_with_that_code() {
    let code = ReasonCode::PROTOCOL_ERROR;
    let mut peer = Peer::connected(Version::V5);
    peer.client.disconnect(peer.now, &disconnect(code, &[])).unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x82"]);
    assert_eq!(cause_of_end(&mut peer), (Some(code), Cause::Disconnected, true));

    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x20, 3, 0, 0, 0]);
    let (found, cause, asked) = cause_of_end(&mut peer);
    assert_eq!((found, asked), (Some(code), false), "{cause}");
}

/// In each state, with each thing that can be half written: nothing more leaves, operations end, `Closed` is the last event.
#[test]
fn nothing_is_written_after_abort_and_closed_is_told_once() {
    for version in Version::ALL {
        for begun in 0..4 {
            let halves: [fn(&mut Peer); 5] = [
                |_| {},
                |peer| assert!(peer.publish(QoS::AtMostOnce, "message") > 0),
                |peer| assert!(peer.publish(QoS::ExactlyOnce, "message") > 0),
                |peer| assert!(peer.client.ping(peer.now).is_ok()),
                |peer| {
                    let last = disconnect(ReasonCode::NORMAL_DISCONNECTION, &[]);
                    peer.client.disconnect(peer.now, &last).unwrap();
                },
            ];
            for half in halves {
                let mut peer = Peer::connected(version);
                half(&mut peer);
                peer.sent_bytes(begun);
                let over = !peer.client.is_connected() && peer.client.poll_transmit().is_none();
                peer.client.abort(peer.now);
                assert!(peer.client.poll_transmit().is_none());
                assert!(!peer.client.is_connected());
                let mut events = peer.events();
                let closed = if over {
                    "closed Client 0x00"
                } else {
                    "closed Client"
                };
                assert_eq!(events.pop().as_deref(), Some(closed));
                assert!(
                    events
                        .iter()
                        .all(|e| e.starts_with("aborted") || e.starts_with("written")),
                    "{events:?}"
                );
                peer.send_publish(QoS::AtMostOnce, None, false, b"late");
                assert!(peer.events().is_empty());
                peer.client.abort(peer.now);
                peer.cut();
                assert!(peer.events().is_empty(), "closed is the last event");
                peer.connect(false, true);
            }
        }
    }
}

#[test]
fn abort_before_connack_ends_the_attempt_and_without_a_connection_does_nothing() {
    let mut peer = Peer::new(Version::V5);
    peer.client.abort(peer.now);
    assert!(peer.events().is_empty());
    for written in [0, 5, 100] {
        peer.client
            .connect(peer.now, &options(Version::V5, false))
            .unwrap();
        peer.sent_bytes(written);
        peer.client.abort(peer.now);
        assert!(peer.client.poll_transmit().is_none());
        assert_eq!(cause_of_end(&mut peer), (None, Cause::Aborted, true));
        peer.cut();
    }
    assert!(peer.client.is_idle());
}

/// The server gave its reason; what is left to say is not said.
#[test]
fn abort_after_closed_drops_the_last_words() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x36, 5, 0, 1, b't', 0, 1]);
    assert_eq!(peer.events(), ["closed Client 0x81 5/MQTT-3.3.1-4"]);
    assert!(peer.client.poll_transmit().is_some());
    peer.client.abort(peer.now);
    assert!(peer.client.poll_transmit().is_none());
    assert!(peer.events().is_empty());
}

/// What belongs to the session goes on after an abort, as after a lost link.
#[test]
fn abort_keeps_the_session() {
    let mut peer = Peer::connected(Version::V311);
    let token = peer.publish(QoS::AtLeastOnce, "x");
    assert_eq!(peer.sent(), ["PUBLISH #1 x"]);
    let request = peer.subscribe("a");
    peer.client.abort(peer.now);
    assert_eq!(
        peer.events(),
        [
            format!("aborted {request} ConnectionLost"),
            "closed Client".to_owned()
        ]
    );
    peer.cut();
    peer.connect(false, true);
    assert_eq!(peer.sent(), ["PUBLISH #1 dup x"]);
    peer.puback(1);
    assert_eq!(peer.events(), [format!("acknowledged {token}")]);
}

/// 5/MQTT-3.2.2-15: what is owed and may not be sent would keep the session from going on, with this server for ever.
#[test]
fn a_server_that_takes_no_acknowledgement_is_told_at_once_and_nothing_is_sent() {
    for size in 1..=4 {
        let mut peer = Peer::new(Version::V5);
        peer.client
            .connect(peer.now, &options(Version::V5, false))
            .unwrap();
        peer.sent();
        let properties = [Property::MaximumPacketSize(size)];
        peer.send(&Packet::ConnAck(mqtt_proto::packet::ConnAck {
            session_present: false,
            code: ReasonCode::SUCCESS,
            properties: Properties::new(&properties),
        }));
        let (code, cause, asked) = cause_of_end(&mut peer);
        assert_eq!((code, asked), (Some(ReasonCode::PACKET_TOO_LARGE), false));
        assert!(cause.to_string().contains("Maximum Packet Size"), "{cause}");
        assert!(peer.client.poll_transmit().is_none());
    }
    let mut peer = with_connack(&[Property::MaximumPacketSize(5)]);
    peer.send_bytes(&[0x62, 2, 0, 9]);
    assert!(peer.events().is_empty());
    assert_eq!(
        peer.sent(),
        ["PUBCOMP #9 0x92"],
        "the longest that it has to take"
    );
}

/// Whoever ends a connection does not want it back, whatever the code.
#[test]
fn an_end_that_was_asked_for_is_known_to_be() {
    let mut peer = Peer::connected(Version::V5);
    let last = disconnect(ReasonCode::UNSPECIFIED_ERROR, &[]);
    peer.client.disconnect(peer.now, &last).unwrap();
    peer.sent();
    let asked = peer.next(|event| match event {
        Some(Event::Closed(closed)) => Ended::from(&closed).asked,
        other => panic!("{other:?}"),
    });
    assert!(asked);
}
