//! How a connection begins and ends.

use std::time::Duration;

use mqtt_proto::{Packet, QoS, ReasonCode, Version, packet::Disconnect};

use mqtt_session::Config;

use crate::peer::{Peer, options};

#[test]
fn connect_is_the_first_packet_and_nothing_follows_before_connack() {
    for version in Version::ALL {
        let mut peer = Peer::new(version);
        peer.publish(QoS::AtLeastOnce, "x");
        peer.client.connect(peer.now, &options(version, true)).unwrap();
        assert_eq!(peer.sent(), ["CONNECT"]);
    }
}

#[test]
fn a_refused_connection_is_closed_by_the_server_and_the_next_one_works() {
    for (version, bytes) in [
        (Version::V31, &[0x20, 2, 0, 5][..]),
        (Version::V311, &[0x20, 2, 0, 5]),
        (Version::V5, &[0x20, 3, 0, 0x87, 0]),
    ] {
        let mut peer = Peer::new(version);
        peer.client.connect(peer.now, &options(version, true)).unwrap();
        peer.sent();
        peer.send_bytes(bytes);
        assert_eq!(
            peer.events(),
            ["closed Server 0x87"],
            "the return codes of 3.x are told as reason codes"
        );
        assert!(peer.sent().is_empty());
        peer.cut();
        assert!(peer.events().is_empty(), "the end was told once");
        peer.connect(true, false);
    }
}

#[test]
fn disconnect_is_the_last_packet_and_closed_follows_when_it_is_written() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        peer.publish(QoS::AtMostOnce, "left");
        peer.client
            .disconnect(peer.now, &Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
            .unwrap();
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
        assert_eq!(peer.events(), ["closed Client 0x00"]);
        peer.cut();
        assert!(peer.events().is_empty());
        peer.connect(false, true);
        assert_eq!(
            peer.sent(),
            ["PUBLISH left"],
            "what was never sent waits for the next connection"
        );
    }
}

#[test]
fn a_disconnect_of_the_server_is_told_with_its_code_after_the_ends_of_requests() {
    let mut peer = Peer::connected(Version::V5);
    let request = peer.subscribe("a");
    peer.sent();
    peer.send(&Packet::Disconnect(Disconnect::new(
        ReasonCode::SERVER_SHUTTING_DOWN,
    )));
    assert_eq!(
        peer.events(),
        [
            format!("aborted {request} ConnectionLost"),
            "closed Server 0x8b".to_owned()
        ]
    );
    assert!(peer.sent().is_empty());
}

#[test]
fn what_comes_behind_a_disconnect_of_the_server_means_nothing_5_mqtt_3_14_4_1() {
    let mut peer = Peer::connected(Version::V5);
    // One write: DISCONNECT 0x8b, and a PUBLISH of QoS 1 that would be acknowledged.
    peer.send_bytes(&[0xe0, 1, 0x8b, 0x32, 7, 0, 1, b't', 0, 1, 0, b'x']);
    assert_eq!(peer.events(), ["closed Server 0x8b"]);
    assert!(peer.sent().is_empty());
}

#[test]
fn a_malformed_packet_closes_after_all_earlier_events_and_names_the_statement() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_publish(QoS::AtMostOnce, None, false, b"good");
    peer.send_bytes(&[0x36, 5, 0, 1, b't', 0, 1]);
    assert_eq!(
        peer.events(),
        ["message good", "closed Client 0x81 5/MQTT-3.3.1-4"]
    );
    assert_eq!(peer.sent(), ["DISCONNECT 0x81"]);
    assert!(peer.client.poll_transmit().is_none());
    peer.send_publish(QoS::AtMostOnce, None, false, b"ignored");
    assert!(peer.events().is_empty(), "input after the end is inert");
}

#[test]
fn packets_before_connack_close() {
    for (version, statement) in [
        (Version::V311, " 3.1.1/MQTT-3.2.0-1"),
        (Version::V5, " 5/MQTT-3.2.0-1"),
    ] {
        let mut peer = Peer::new(version);
        peer.client.connect(peer.now, &options(version, true)).unwrap();
        peer.sent();
        peer.send_bytes(&[0xD0, 0]);
        assert_eq!(peer.events(), [format!("closed Client 0x82{statement}")]);
        assert!(
            peer.sent().is_empty(),
            "no connection was opened that could be disconnected"
        );
    }
}

#[test]
fn a_second_connack_closes() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x20, 3, 0, 0, 0]);
    assert_eq!(peer.events(), ["closed Client 0x82 5/MQTT-3.2.0-2"]);
}

#[test]
fn a_packet_larger_than_the_buffer_closes_before_it_has_come() {
    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x30, 0xFF, 0xFF, 0x7F]);
    assert_eq!(peer.events(), ["closed Client 0x95 5/MQTT-3.1.2-24"]);
    assert_eq!(peer.sent(), ["DISCONNECT 0x95"]);
}

#[test]
fn shutdown_waits_for_what_is_under_way_takes_nothing_more_and_disconnects() {
    for version in Version::ALL {
        let mut peer = Peer::connected(version);
        let token = peer.publish(QoS::AtLeastOnce, "x");
        peer.sent();
        peer.client
            .shutdown(peer.now, peer.now + Duration::from_secs(60))
            .unwrap();
        let message = mqtt_session::Publish::new(crate::peer::topic("t"), QoS::AtMostOnce);
        let refused = peer.client.publish(peer.now, &message, "").unwrap_err();
        assert_eq!(refused.why, mqtt_session::Refused::ShuttingDown);
        assert!(peer.events().is_empty());
        assert!(peer.sent().is_empty());
        peer.puback(1);
        assert_eq!(peer.events(), [format!("acknowledged {token}")]);
        assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
        assert_eq!(peer.events(), ["closed Client 0x00"]);
    }
}

#[test]
fn shutdown_ends_at_its_time_and_keeps_what_has_not_ended() {
    let mut peer = Peer::connected(Version::V5);
    let token = peer.publish(QoS::AtLeastOnce, "x");
    peer.sent();
    let until = peer.now + Duration::from_secs(60);
    peer.client.shutdown(peer.now, until).unwrap();
    assert_eq!(peer.client.poll_timeout(), Some(until));
    peer.wait(Duration::from_secs(60));
    peer.events();
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
    assert_eq!(peer.events(), ["closed Client 0x00"]);
    peer.cut();
    peer.connect(false, true);
    assert_eq!(peer.sent(), ["PUBLISH #1 dup x"]);
    peer.puback(1);
    assert_eq!(peer.events(), [format!("acknowledged {token}")]);
}

#[test]
fn shutdown_with_nothing_under_way_disconnects_at_once() {
    let mut peer = Peer::connected(Version::V5);
    peer.client.shutdown(peer.now, peer.now).unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
}

#[test]
fn shutdown_while_connecting_waits_for_the_connection_and_what_is_under_way() {
    let mut peer = Peer::new(Version::V5);
    peer.publish(QoS::AtMostOnce, "last");
    peer.client
        .connect(peer.now, &options(Version::V5, true))
        .unwrap();
    let until = peer.now + Duration::from_secs(10);
    peer.client.shutdown(peer.now, until).unwrap();
    assert_eq!(peer.sent(), ["CONNECT"]);
    assert_eq!(peer.client.poll_timeout(), Some(until));
    peer.send_bytes(&[0x20, 3, 0, 0, 0]);
    assert_eq!(peer.events(), ["connected false"]);
    assert_eq!(peer.sent(), ["PUBLISH last"]);
    assert_eq!(peer.events(), ["written 1"]);
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);

    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &options(Version::V5, true))
        .unwrap();
    peer.client
        .shutdown(peer.now, peer.now + Duration::from_secs(10))
        .unwrap();
    peer.sent();
    peer.wait(Duration::from_secs(10));
    assert_eq!(peer.events(), ["closed Client 0x00"], "nobody answers");
    assert!(peer.sent().is_empty());
}

/// No state without a time-out: a peer that takes no bytes does not keep a client from ending.
#[test]
fn last_words_that_nobody_takes_are_given_up() {
    let mut peer = Peer::connected(Version::V5);
    peer.client
        .disconnect(peer.now, &Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
        .unwrap();
    assert!(peer.client.poll_transmit().is_some());
    assert_eq!(
        peer.client.poll_timeout(),
        Some(peer.now + Config::DEFAULT.close_timeout)
    );
    peer.wait(Config::DEFAULT.close_timeout);
    assert_eq!(peer.events(), ["closed Client 0x00"]);
    assert!(peer.client.poll_transmit().is_none());
    assert_eq!(peer.client.poll_timeout(), None);

    let mut peer = Peer::connected(Version::V5);
    peer.send_bytes(&[0x36, 5, 0, 1, b't', 0, 1]);
    assert_eq!(peer.events(), ["closed Client 0x81 5/MQTT-3.3.1-4"]);
    assert_eq!(
        peer.client.poll_timeout(),
        Some(peer.now + Config::DEFAULT.close_timeout)
    );
    peer.wait(Config::DEFAULT.close_timeout);
    assert!(peer.events().is_empty());
    assert!(
        peer.client.poll_transmit().is_none(),
        "now the transport can be closed"
    );
}
