//! Keep-alive and deadlines, on a clock that the test turns.

use std::time::Duration;

use mqtt_proto::{Packet, QoS, Version};
use mqtt_session::{
    Config, Event, Instant,
    client::{Ack, Acknowledge},
    storage::Fixed,
};

use crate::peer::{Peer, options};

fn connected(keep_alive: u16) -> Peer {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(
            peer.now,
            &mqtt_proto::packet::Connect {
                keep_alive,
                ..options(Version::V5, true)
            },
        )
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 3, 0, 0, 0]);
    assert_eq!(peer.events(), ["connected false"]);
    peer
}

/// 5/MQTT-3.1.2-20, 3.1.1/MQTT-3.1.2-23
#[test]
fn a_silent_client_pings_when_its_keep_alive_is_over() {
    let mut peer = connected(10);
    let due = peer.now + Duration::from_secs(10);
    assert_eq!(peer.client.poll_timeout(), Some(due));
    assert_eq!(peer.client.keep_alive_deadline(), Some(due));
    peer.wait(Duration::from_secs(9));
    peer.events();
    assert!(peer.sent().is_empty());
    peer.wait(Duration::from_secs(1));
    peer.events();
    assert_eq!(peer.sent(), ["PINGREQ"]);
    peer.send_bytes(&[0xD0, 0]);
    assert!(peer.events().is_empty());
    assert_eq!(
        peer.client.poll_timeout(),
        Some(peer.now + Duration::from_secs(10))
    );
}

#[test]
fn a_link_that_only_takes_is_noticed() {
    let mut peer = connected(10);
    for _ in 0..9 {
        peer.wait(Duration::from_secs(1));
        peer.publish(QoS::AtMostOnce, "x");
        assert_eq!(peer.sent(), ["PUBLISH x"]);
        peer.events();
    }
    peer.wait(Duration::from_secs(1));
    peer.events();
    assert_eq!(
        peer.sent(),
        ["PINGREQ"],
        "nothing has come for ten seconds, though something was sent"
    );
}

#[test]
fn no_pingresp_closes_and_says_why() {
    let mut peer = connected(30);
    peer.wait(Duration::from_secs(30));
    peer.events();
    peer.sent();
    peer.wait(Config::DEFAULT.ping_timeout - Duration::from_secs(1));
    assert!(peer.events().is_empty());
    peer.sent();
    assert_eq!(
        peer.client.poll_timeout(),
        Some(peer.now + Duration::from_secs(1))
    );
    assert_eq!(peer.client.timeout_reason(), "PINGRESP is due");
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.events(), ["closed Client 0x8d"]);
    assert!(peer.sent().is_empty());
}

#[test]
fn a_pause_is_not_the_servers_silence() {
    let mut peer = connected(10);
    peer.wait(Duration::from_secs(10));
    peer.events();
    peer.sent();
    peer.client.handle_paused(peer.now, true);
    peer.wait(Duration::from_secs(1000));
    assert!(peer.events().is_empty());
    peer.client.handle_paused(peer.now, false);
    peer.wait(Config::DEFAULT.ping_timeout - Duration::from_secs(1));
    assert!(peer.events().is_empty());
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.events(), ["closed Client 0x8d"]);
}

/// 5/MQTT-3.1.2-20, 3.1.1/MQTT-3.1.2-23: the server hears of the client also while it owes an answer, or is not read.
#[test]
fn pings_go_on_while_an_answer_is_awaited() {
    for paused in [false, true] {
        let mut peer = connected(5);
        peer.client.handle_paused(peer.now, paused);
        for _ in 0..4 {
            peer.wait(Duration::from_secs(4));
            assert!(peer.events().is_empty() && peer.sent().is_empty());
            peer.wait(Duration::from_secs(1));
            assert!(peer.events().is_empty());
            assert_eq!(peer.sent(), ["PINGREQ"]);
        }
        peer.client.handle_paused(peer.now, false);
        // All four are answered, the first of them last of all that was waited for.
        peer.send_bytes(&[0xD0, 0].repeat(4));
        assert!(peer.events().is_empty());
        assert_eq!(peer.client.timeout_reason(), "a PINGREQ is due");
    }
}

#[test]
fn no_connack_closes() {
    let mut peer = Peer::new(Version::V311);
    peer.client
        .connect(peer.now, &options(Version::V311, true))
        .unwrap();
    assert_eq!(
        peer.client.poll_timeout(),
        Some(peer.now + Config::DEFAULT.connect_timeout)
    );
    peer.sent();
    peer.wait(Config::DEFAULT.connect_timeout);
    assert_eq!(peer.events(), ["closed Client 0x80"]);
    assert_eq!(peer.client.poll_timeout(), None);
}

#[test]
fn time_that_goes_back_is_clamped() {
    let mut peer = connected(10);
    peer.wait(Duration::from_secs(5));
    peer.publish(QoS::AtMostOnce, "x");
    peer.sent();
    let last = peer.now;
    peer.now = Instant::ZERO;
    assert_eq!(peer.events(), ["written 1"]);
    // What is written while the clock is wrong counts as written at the latest time known.
    peer.publish(QoS::AtMostOnce, "x");
    peer.sent();
    peer.events();
    peer.send_bytes(&[0xD0, 0]);
    peer.events();
    assert_eq!(
        peer.client.keep_alive_deadline(),
        Some(last + Duration::from_secs(10))
    );
}

#[test]
fn a_ping_of_the_callers_tells_the_round_trip() {
    let mut peer = connected(0);
    let token = peer.client.ping(peer.now).unwrap().get();
    assert_eq!(peer.sent(), ["PINGREQ"]);
    peer.wait(Duration::from_millis(35));
    peer.send_bytes(&[0xD0, 0]);
    let seen = peer.next(|event| format!("{event:?}"));
    assert!(seen.contains("35ms"), "{seen}");
    assert!(seen.contains(&format!("Token({token})")), "{seen}");
}

#[test]
fn an_event_that_waits_is_a_deadline_that_is_now() {
    let mut peer = connected(0);
    assert_eq!(peer.client.poll_timeout(), None);
    peer.publish(QoS::AtMostOnce, "x");
    assert_eq!(peer.client.poll_timeout(), None, "bytes to write are no event");
    peer.sent();
    assert_eq!(peer.client.poll_timeout(), Some(peer.now));
    peer.events();
    assert_eq!(peer.client.poll_timeout(), None);
}

/// Whoever was busy for long finds the answer in the buffer, not the deadline.
#[test]
fn an_answer_that_waited_in_a_buffer_is_not_late() {
    let mut peer = connected(10);
    peer.wait(Duration::from_secs(10));
    peer.events();
    assert_eq!(peer.sent(), ["PINGREQ"]);
    peer.wait(Duration::from_secs(3600));
    peer.send_bytes(&[0xD0, 0]);
    assert!(peer.events().is_empty());
    assert!(peer.client.is_connected());
}

/// While messages come, the answer may be behind them.
#[test]
fn a_server_that_sends_messages_is_alive_before_its_pingresp() {
    let mut peer = connected(10);
    peer.wait(Duration::from_secs(10));
    peer.events();
    assert_eq!(peer.sent(), ["PINGREQ"]);
    for _ in 0..5 {
        peer.wait(Duration::from_secs(15));
        peer.send_bytes(&[0x30, 4, 0, 1, b't', 0]);
        assert_eq!(peer.events().len(), 1);
    }
    peer.wait(Config::DEFAULT.ping_timeout);
    assert_eq!(peer.events(), ["closed Client 0x8d"]);
}

/// In 3.x a message waits in the buffer for a free row: as long as the caller does not acknowledge, nothing is read.
#[test]
fn a_message_that_waits_for_the_caller_is_not_the_servers_silence() {
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    let mut peer = Peer::with(Version::V311, config, Fixed::<1, 256>::new());
    let mut connect = options(Version::V311, true);
    connect.keep_alive = 10;
    peer.client.connect(peer.now, &connect).unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 2, 0, 0]);
    peer.events();
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"one");
    peer.send_publish(QoS::AtLeastOnce, Some(2), false, b"two");
    let ack = peer
        .next(|event| match event {
            Some(Event::Message(m)) => m.ack,
            _ => None,
        })
        .unwrap();
    assert!(peer.events().is_empty());
    assert!(!peer.client.wants_input());
    for _ in 0..6 {
        peer.wait(Duration::from_secs(10));
        assert!(peer.events().is_empty());
        assert_eq!(peer.sent(), ["PINGREQ"]);
    }
    peer.client.acknowledge(peer.now, ack, &Ack::SUCCESS).unwrap();
    assert_eq!(peer.sent(), ["PUBACK #1"]);
    assert!(peer.client.wants_input());
    assert_eq!(peer.events(), ["message two"]);
    peer.wait(Duration::from_secs(20));
    assert_eq!(
        peer.events(),
        ["closed Client 0x8d"],
        "now it is heard, and silent"
    );
}

/// A link that is half open and whose buffers are full takes not even PINGREQ.
#[test]
fn a_transport_that_takes_no_byte_of_pingreq_is_given_up_but_one_that_is_slow_is_not() {
    let mut peer = connected(10);
    peer.publish(QoS::AtLeastOnce, &"x".repeat(100));
    peer.sent_bytes(10);
    peer.wait(Duration::from_secs(10));
    assert!(peer.events().is_empty());
    for _ in 0..5 {
        peer.wait(Duration::from_secs(19));
        assert!(peer.events().is_empty());
        peer.sent_bytes(1);
    }
    peer.wait(Duration::from_secs(19));
    assert!(peer.events().is_empty());
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.events(), ["closed Client 0x8d"]);
    assert!(peer.client.poll_transmit().is_none());
}

#[test]
fn the_longest_keep_alive_and_none_at_the_end_of_time() {
    let mut peer = connected(u16::MAX);
    peer.now = Instant::MAX;
    assert_eq!(
        peer.events(),
        ["closed Client 0x8d"],
        "PINGREQ is due, and its answer too"
    );
    let peer = connected(0);
    assert_eq!(peer.client.poll_timeout(), None);
}

/// 5/MQTT-3.1.2-21, 5/MQTT-3.2.2-21
#[test]
fn the_servers_keep_alive_rules() {
    for (asked, [a, b]) in [(10, [0, 0]), (0, [0, 7]), (10, [0xFF, 0xFF])] {
        let mut peer = Peer::new(Version::V5);
        let mut connect = options(Version::V5, true);
        connect.keep_alive = asked;
        peer.client.connect(peer.now, &connect).unwrap();
        peer.sent();
        peer.send_bytes(&[0x20, 6, 0, 0, 3, 0x13, a, b]);
        assert_eq!(peer.events(), ["connected false"]);
        let seconds = u16::from_be_bytes([a, b]);
        let due = (seconds > 0).then(|| peer.now + Duration::from_secs(seconds.into()));
        assert_eq!(peer.client.poll_timeout(), due);
    }
}

/// While nothing could be read because answers had to be written first, the server could not be heard.
#[test]
fn a_link_that_can_be_read_again_is_given_time_to_be_heard() {
    let mut peer = connected(10);
    peer.wait(Duration::from_secs(10));
    peer.events();
    assert_eq!(peer.sent(), ["PINGREQ"]);
    peer.send_bytes(&[0x62, 2, 0, 1].repeat(4));
    assert!(peer.events().is_empty());
    assert!(!peer.client.wants_input());
    peer.wait(Duration::from_secs(9));
    assert!(peer.events().is_empty());
    assert_eq!(peer.sent().len(), 4);
    assert!(peer.client.wants_input());
    peer.wait(Duration::from_secs(19));
    assert!(peer.events().is_empty());
    peer.wait(Duration::from_secs(1));
    assert_eq!(peer.events(), ["closed Client 0x8d"]);
}

/// PINGRESP is in the caller's buffer, behind the answer to a message that is half written. As long as the transport takes
/// bytes of it the link is alive, and no longer.
#[test]
fn a_message_that_takes_long_to_be_written_is_not_the_servers_silence() {
    for alive in [true, false] {
        let mut peer = Peer::connected(Version::V311);
        peer.client.ping(peer.now).unwrap();
        assert_eq!(peer.sent(), ["PINGREQ"]);
        peer.publish(QoS::ExactlyOnce, "a message of some length");
        peer.sent_bytes(4);
        peer.pubrec(1);
        peer.send(&Packet::PingResp);
        assert!(peer.events().is_empty());
        for _ in 0..9 {
            peer.wait(Duration::from_secs(15));
            if alive {
                peer.sent_bytes(1);
                assert!(peer.events().is_empty());
            }
        }
        if alive {
            while peer.client.poll_transmit().is_some() {
                peer.sent_bytes(1);
            }
            assert_eq!(peer.events(), ["ponged 1"]);
        } else {
            assert_eq!(peer.events(), ["aborted 1 ConnectionLost", "closed Client 0x8d"]);
        }
    }
}
