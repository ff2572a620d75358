use core::time::Duration;

use mqtt_proto::{
    Packet, Properties, Property, ReasonCode, Version,
    packet::{Connect, Will},
};
use mqtt_session::server::{Ended, Pool, ServerEvent};

use crate::net::*;

const LAST: &str = r#"PUBLISH topic="w" qos=1 id=1 payload="gone""#;

fn watcher(net: &mut Net) -> End {
    let watcher = net.client(V5, "watcher");
    net.subscribe(watcher, "#", Q1);
    watcher
}

fn doomed(net: &mut Net, expiry: u32, delay: u32) -> End {
    let list = [Property::SessionExpiryInterval(expiry)];
    let delay = [Property::WillDelayInterval(delay)];
    let will = Will {
        properties: Properties::new(&delay),
        ..will("w", b"gone")
    };
    let properties = Properties::new(&list);
    net.client_with(Connect {
        will: Some(will),
        clean_start: false,
        properties,
        ..connect(V5, "d")
    })
    .0
}

#[test]
fn a_will_is_published_after_every_end_but_a_normal_disconnect_5_mqtt_3_1_2_8_and_10_5_mqtt_3_14_4_3() {
    for version in [V31, V311, V5] {
        for how in ["cut", "normal", "malformed", "taken over"] {
            let mut net = Net::new();
            let watcher = watcher(&mut net);
            let (end, _) = net.client_with(Connect {
                will: Some(will("w", b"gone")),
                ..connect(version, "d")
            });
            match how {
                "cut" => net.cut(end),
                "normal" => {
                    net.disconnect(end, ReasonCode::NORMAL_DISCONNECTION);
                    assert_eq!(net.recv(end), ["close"]);
                    net.cut(end);
                }
                "malformed" => net.raw(end, &[0x00, 0x00]),
                _ => {
                    net.client(version, "d");
                }
            }
            let wanted: &[&str] = if how == "normal" { &[] } else { &[LAST] };
            assert_eq!(net.recv(watcher), wanted, "{version} {how}");
        }
    }
}

#[test]
fn disconnect_0x04_publishes_the_will() {
    let mut net = Net::new();
    let watcher = watcher(&mut net);
    let end = doomed(&mut net, 0, 0);
    net.disconnect(end, ReasonCode::DISCONNECT_WITH_WILL_MESSAGE);
    assert_eq!(net.recv(watcher), [LAST]);
    assert!(net.events().contains(&ServerEvent::Disconnected {
        conn: end.id,
        address: None,
        client_id: Some("d".into()),
        why: Ended::ByClient(ReasonCode::DISCONNECT_WITH_WILL_MESSAGE),
    }));
}

#[test]
fn a_will_waits_for_its_delay_or_the_end_of_the_session_5_mqtt_3_1_2_8() {
    for (expiry, delay, at) in [(60, 0, 0), (60, 3, 3), (1, 3, 1), (0, 3, 0)] {
        let mut net = Net::new();
        let watcher = watcher(&mut net);
        let end = doomed(&mut net, expiry, delay);
        net.cut(end);
        if at > 0 {
            net.pass(Duration::from_secs(at) - Duration::from_micros(1));
            assert_eq!(net.recv(watcher), [""; 0], "{expiry} {delay}");
            net.pass(Duration::from_micros(1));
        }
        assert_eq!(net.recv(watcher), [LAST], "{expiry} {delay}");
    }
}

#[test]
fn coming_back_within_the_delay_cancels_the_will_5_mqtt_3_1_3_9() {
    let mut net = Net::new();
    let watcher = watcher(&mut net);
    let end = doomed(&mut net, 60, 5);
    net.cut(end);
    net.pass_secs(1);
    let (back, _) = net.keeper(V5, "d");
    net.pass_secs(200);
    assert_eq!(net.recv(watcher), [""; 0]);
    net.cut(back);
    net.pass_secs(200);
    assert_eq!(net.recv(watcher), [""; 0], "the new connection had no will");
}

#[test]
fn coming_back_with_clean_start_ends_the_session_and_so_publishes_the_will() {
    let mut net = Net::new();
    let watcher = watcher(&mut net);
    let end = doomed(&mut net, 60, 5);
    net.cut(end);
    net.client(V5, "d");
    assert_eq!(net.recv(watcher), [LAST]);
}

#[test]
fn a_retained_will_is_kept_and_any_other_is_not_5_mqtt_3_1_2_14_and_15() {
    for retain in [false, true] {
        let mut net = Net::new();
        let with = Will {
            retain,
            qos: Q0,
            ..will("w", b"gone")
        };
        let (end, _) = net.client_with(Connect {
            will: Some(with),
            ..connect(V311, "d")
        });
        net.cut(end);
        let late = net.client(V311, "late");
        net.subscribe(late, "unrelated", Q0);
        let said = net.subscribe_with(late, "w", Default::default(), None);
        let wanted: &[&str] = &[
            "SUBACK id=900 codes=[0]",
            r#"PUBLISH topic="w" retain=1 payload="gone""#,
        ];
        assert_eq!(said, wanted[..1 + usize::from(retain)]);
    }
}

#[test]
fn properties_of_a_will_reach_its_receiver_in_order_and_its_expiry_begins_when_it_is_published() {
    let mut net = Net::new();
    let watcher = watcher(&mut net);
    let list = [
        Property::UserProperty("a", "1"),
        Property::WillDelayInterval(5),
        Property::UserProperty("b", "2"),
        Property::MessageExpiryInterval(7),
        Property::UserProperty("a", "3"),
    ];
    let session = [Property::SessionExpiryInterval(100)];
    let with = Will {
        properties: Properties::new(&list),
        ..will("w", b"gone")
    };
    let properties = Properties::new(&session);
    let (end, _) = net.client_with(Connect {
        will: Some(with),
        properties,
        ..connect(V5, "d")
    });
    net.pass_secs(50);
    net.cut(end);
    net.pass_secs(5);
    assert_eq!(
        net.recv(watcher),
        [
            r#"PUBLISH topic="w" qos=1 id=1 user_property=("a" "1") user_property=("b" "2") user_property=("a" "3") message_expiry_interval=7 payload="gone""#
        ]
    );
}

/// 5/MQTT-3.1.2-8, 3.1.1/MQTT-3.14.1-1, 5/MQTT-3.14.1-1, 5/MQTT-3.14.2-1
#[test]
fn a_disconnect_that_is_no_right_one_leaves_the_will_and_does_nothing_that_it_says() {
    // Wrong flags; in 5.0 also a code that DISCONNECT has not, beside Session Expiry Interval 0.
    let cases: [(Version, &[u8]); 3] = [
        (V311, &[0xE1, 0x00]),
        (V5, &[0xE1, 0x00]),
        (V5, &[0xE0, 0x07, 0x05, 0x05, 0x11, 0, 0, 0, 0]),
    ];
    for (version, bytes) in cases {
        let mut net = Net::new();
        let watcher = watcher(&mut net);
        let list = [Property::SessionExpiryInterval(60)];
        let (end, _) = net.client_with(Connect {
            clean_start: false,
            will: Some(will("w", b"gone")),
            properties: Properties::new(if version == V5 { &list } else { &[] }),
            ..connect(version, "d")
        });
        net.raw(end, bytes);
        assert_eq!(net.recv(end).last().map(String::as_str), Some("close"));
        assert_eq!(net.recv(watcher), [LAST], "{version}: {bytes:02x?}");
        let (_, present) = net.keeper(version, "d");
        assert!(present, "{version}: {bytes:02x?}: the session goes on");
    }
}

#[test]
fn silence_of_one_and_a_half_keep_alive_periods_ends_the_connection_5_mqtt_3_1_2_22() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let watcher = watcher(&mut net);
        let with = Some(will("w", b"gone"));
        let (end, _) = net.client_with(Connect {
            keep_alive: 2,
            will: with,
            ..connect(version, "d")
        });
        for _ in 0..5 {
            net.pass(Duration::from_millis(2_900));
            net.send(end, Packet::PingReq);
            assert_eq!(net.recv(end), ["PINGRESP"]);
        }
        // A part of a packet is no sign of life.
        net.pass(Duration::from_millis(1_500));
        net.raw(end, &[0xC0]);
        net.pass(Duration::from_millis(1_499));
        assert_eq!(net.recv(end), [""; 0]);
        net.pass(Duration::from_millis(1));
        let told: &[&str] = if version == V5 {
            &["DISCONNECT code=0x8d", "close"]
        } else {
            &["close"]
        };
        assert_eq!(net.recv(end), told);
        assert_eq!(net.recv(watcher), [LAST]);
    }
}

#[test]
fn keep_alive_0_allows_any_silence() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.pass_secs(1_000_000);
    assert_eq!(net.recv(end), [""; 0]);
}

#[test]
fn a_connection_that_takes_no_last_bytes_is_closed_all_the_same() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.client(V5, "a");
    assert!(
        net.server.poll_transmit(net.now, end.id).is_some(),
        "DISCONNECT is on its way"
    );
    assert!(!net.server.wants_close(end.id));
    net.pass_secs(10);
    assert!(net.server.wants_close(end.id));
    let ready: Vec<_> = core::iter::from_fn(|| net.server.poll_ready()).collect();
    assert!(ready.contains(&end.id));
}

#[test]
fn a_shutdown_says_so_to_clients_of_5_0_and_closes_all() {
    let mut net = Net::new();
    let new = net.client(V5, "new");
    let old = net.client(V311, "old");
    let fresh = net.open(V5);
    net.server.shutdown(net.now);
    assert_eq!(net.recv(new), ["DISCONNECT code=0x8b", "close"]);
    assert_eq!(net.recv(old), ["close"]);
    assert_eq!(net.recv(fresh), ["close"]);
}

#[test]
fn the_will_of_a_copied_server_expires_as_that_of_the_first() {
    let mut net = Net::new();
    let list = [Property::MessageExpiryInterval(5)];
    let (end, _) = net.client_with(Connect {
        will: Some(Will {
            properties: Properties::new(&list),
            ..will("w", b"x")
        }),
        ..connect(V5, "a")
    });
    let mut copy = Net {
        server: net.server.clone(),
        now: net.now,
    };
    for net in [&mut net, &mut copy] {
        let watcher = watcher(net);
        net.pass_secs(100);
        net.cut(end);
        assert_eq!(
            net.recv(watcher).len(),
            1,
            "it began to expire when it was published"
        );
    }
}

#[test]
fn server_keep_alive_takes_the_place_of_the_clients_in_5_0_only() {
    for (version, keep_alive, said_to, silence) in [
        (V5, 60, "server_keep_alive=2", 3),
        (V5, 0, "server_keep_alive=2", 3),
        (V311, 60, "code=0", 90),
    ] {
        let mut net = Net::with(|config| config.offer_mut(0).keep_alive_max = Some(2));
        let (end, said) = net.client_with(Connect {
            keep_alive,
            ..connect(version, "a")
        });
        assert!(said.contains(said_to), "{said}");
        net.pass(Duration::from_secs(silence) - Duration::from_millis(1));
        assert_eq!(net.recv(end), [""; 0]);
        net.pass(Duration::from_millis(1));
        assert_eq!(net.recv(end).last().unwrap(), "close");
    }
}

#[test]
fn nothing_is_sent_to_a_client_that_has_said_disconnect() {
    let mut net = Net::new();
    let end = net.client(V5, "a");
    net.publish(end, message("t", Q1, 1, "x"));
    net.disconnect(end, ReasonCode::SUCCESS);
    assert_eq!(net.recv(end), ["close"]);
}

#[test]
fn a_will_that_waits_is_seen_with_its_time_and_coming_back_ends_the_wait_5_mqtt_3_1_3_9() {
    for (expiry, delay, after) in [(60, 5, 5), (5, 60, 5)] {
        let mut net = Net::new();
        let watcher = watcher(&mut net);
        let will_at = |net: &Net| {
            let found = net.server.broker().find_session(Pool::DEFAULT, "d");
            found.unwrap().will_at()
        };
        let end = doomed(&mut net, expiry, delay);
        assert_eq!(will_at(&net), None);
        net.cut(end);
        assert_eq!(will_at(&net), Some(net.now + Duration::from_secs(after)));
        net.pass_secs(1);
        let back = doomed(&mut net, expiry, delay);
        assert_eq!(will_at(&net), None, "it has another will, and is there");
        net.pass_secs(100);
        assert_eq!(net.recv(watcher), [""; 0]);
        net.cut(back);
        assert_eq!(will_at(&net), Some(net.now + Duration::from_secs(after)));
    }
}

#[test]
fn a_will_that_is_not_to_be_published_here_refuses_its_client_5_mqtt_3_2_2_12() {
    for (qos, topic, wanted) in [
        (Q1, "a/b", "code=0 "),
        (Q2, "a/b", "code=0x9b"),
        (Q1, "a/b/c", "code=0x90"),
    ] {
        for version in [V311, V5] {
            let mut net = Net::with(|config| {
                config.offer_mut(0).maximum_qos = Q1;
                config.limits.topic_levels = 2;
            });
            let end = net.open(version);
            let with = Will {
                qos,
                ..will(topic, b"gone")
            };
            net.send(
                end,
                Packet::Connect(Connect {
                    will: Some(with),
                    ..connect(version, "d")
                }),
            );
            let said = net.recv(end);
            let is_refused = wanted != "code=0 ";
            assert_eq!(said.last().unwrap() == "close", is_refused, "{said:?}");
            if version == V5 {
                assert!(said[0].contains(wanted), "{said:?}");
            } else if is_refused {
                assert_eq!(
                    said[0], "CONNACK session_present=0 code=0x87",
                    "the nearest code of 3.1.1"
                );
            }
        }
    }
}

#[test]
fn a_session_for_ever_does_not_end_after_its_seconds_5_0_3_1_2_11_2() {
    let mut net = Net::new();
    let (end, _) = net.keeper(V311, "a");
    net.cut(end);
    net.pass_secs(u64::from(u32::MAX) + 1);
    assert_eq!(net.server.broker().holdings().sessions, 1);
}

#[test]
fn an_empty_retained_will_deletes_the_retained_message_of_its_topic_5_mqtt_3_3_1_6() {
    let mut net = Net::new();
    let from = net.client(V311, "p");
    net.retain(from, "w", "here");
    let with = Will {
        retain: true,
        ..will("w", b"")
    };
    let (end, _) = net.client_with(Connect {
        will: Some(with),
        ..connect(V311, "d")
    });
    assert_eq!(net.server.broker().holdings().retained_messages, 1);
    net.cut(end);
    assert_eq!(net.server.broker().holdings().retained_messages, 0);
}
