use mqtt_proto::{Packet, Properties, Property, packet::Connect};
use mqtt_session::server::{Ended, ServerEvent};

use crate::net::*;

#[test]
fn a_valid_connect_is_answered_by_connack_0_in_every_version_5_mqtt_3_1_4_5() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let end = net.open(version);
        net.send(end, Packet::Connect(connect(version, "a")));
        let said = net.recv(end);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with("CONNACK session_present=0 code=0"),
            "{said:?}"
        );
    }
}

#[test]
fn connack_of_5_0_says_what_differs_from_the_defaults() {
    let mut net = Net::with(|config| {
        config.offer_mut(0).keep_alive_max = Some(30);
        config.offer_mut(0).grant.limits.session_expiry_max = 50;
    });
    let list = [Property::SessionExpiryInterval(100)];
    let (_, said) = net.client_with(Connect {
        keep_alive: 60,
        properties: Properties::new(&list),
        ..connect(V5, "a")
    });
    assert_eq!(
        said,
        "CONNACK session_present=0 code=0 session_expiry_interval=50 receive_maximum=1024 \
         maximum_packet_size=16777216 topic_alias_maximum=16 server_keep_alive=30"
    );
}

#[test]
fn an_empty_client_id_gets_a_new_one_that_is_reported_and_works_5_mqtt_3_1_3_6_and_7_5_mqtt_3_2_2_16() {
    let mut net = Net::new();
    let list = [Property::SessionExpiryInterval(100)];
    let properties = Properties::new(&list);
    let assigned = |said: &str| {
        said.split("assigned_client_identifier=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_string()
    };
    let (end, said) = net.client_with(Connect {
        properties,
        ..connect(V5, "")
    });
    let first = assigned(&said);
    let (_, said) = net.client_with(Connect {
        properties,
        ..connect(V5, "")
    });
    assert_ne!(first, assigned(&said));
    net.cut(end);
    let (_, present) = net.keeper(V5, &first);
    assert!(present);
}

#[test]
fn client_ids_that_a_version_does_not_allow_are_refused_with_its_code_3_1_1_mqtt_3_1_3_8() {
    let long = "x".repeat(24);
    let cases = [
        (V31, "", true, "CONNACK session_present=0 code=0x85"),
        (V31, &long, true, "CONNACK session_present=0 code=0x85"),
        (V311, "", false, "CONNACK session_present=0 code=0x85"),
    ];
    for (version, client_id, clean_start, wanted) in cases {
        let mut net = Net::new();
        let end = net.open(version);
        net.raw(end, &raw_connect(version, client_id, clean_start));
        assert_eq!(net.recv(end), [wanted, "close"], "{version} {client_id:?}");
    }
    for (version, client_id) in [(V31, &long[1..]), (V311, ""), (V311, &long), (V5, &long)] {
        Net::new().client(version, client_id);
    }
}

/// A CONNECT that an encoder of this crate may refuse to write.
fn raw_connect(version: mqtt_proto::Version, client_id: &str, clean: bool) -> Vec<u8> {
    let name = version.protocol_name();
    let mut body = vec![0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[version.level(), u8::from(clean) << 1, 0, 0]);
    body.extend_from_slice(&[0, client_id.len() as u8]);
    body.extend_from_slice(client_id.as_bytes());
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend_from_slice(&body);
    packet
}

#[test]
fn a_second_connection_takes_the_session_over_and_the_first_gets_0x8e_5_mqtt_3_1_4_3() {
    for version in [V31, V311, V5] {
        let mut net = Net::new();
        let (first, _) = net.keeper(version, "a");
        net.subscribe(first, "t", Q0);
        let (second, present) = net.keeper(version, "a");
        assert_eq!(present, version != V31, "3.1 has no Session Present");
        let told: &[&str] = if version == V5 {
            &["DISCONNECT code=0x8e", "close"]
        } else {
            &["close"]
        };
        assert_eq!(net.recv(first), told);
        net.cut(first);
        net.say(second, "t", "hi");
        assert_eq!(
            net.recv(second),
            [r#"PUBLISH topic="t" payload="hi""#],
            "the session went along"
        );
    }
}

#[test]
fn taking_over_with_clean_start_begins_anew_5_mqtt_3_1_2_4() {
    for version in [V311, V5] {
        let mut net = Net::new();
        let (first, _) = net.keeper(version, "a");
        net.subscribe(first, "t", Q0);
        let (second, said) = net.client_with(connect(version, "a"));
        assert!(said.contains("session_present=0"));
        net.say(second, "t", "hi");
        assert_eq!(net.recv(second), [""; 0]);
    }
}

#[test]
fn a_session_that_lives_with_its_connection_is_not_taken_over_3_1_1_mqtt_3_1_2_6() {
    let mut net = Net::new();
    let first = net.client(V311, "a");
    net.subscribe(first, "t", Q0);
    let (second, present) = net.keeper(V311, "a");
    assert!(!present);
    net.say(second, "t", "hi");
    assert_eq!(net.recv(second), [""; 0]);
}

#[test]
fn a_method_of_authentication_that_is_not_known_is_refused_with_0x8c_5_mqtt_4_12_0_1() {
    let mut net = Net::new();
    let end = net.open(V5);
    let list = [Property::AuthenticationMethod("SCRAM-SHA-1")];
    net.send(
        end,
        Packet::Connect(Connect {
            properties: Properties::new(&list),
            ..connect(V5, "a")
        }),
    );
    assert_eq!(net.recv(end), ["CONNACK session_present=0 code=0x8c", "close"]);
}

#[test]
fn what_is_sent_behind_a_refused_connect_has_no_effect_5_mqtt_3_1_4_6() {
    let mut net = Net::new();
    let watcher = net.client(V5, "w");
    net.subscribe(watcher, "#", Q0);
    let end = net.open(V311);
    let mut bytes = raw_connect(V311, "", false);
    bytes.extend(encode(V311, Packet::Publish(message("t", Q0, 0, "hi"))));
    net.raw(end, &bytes);
    assert_eq!(net.recv(end), ["CONNACK session_present=0 code=0x85", "close"]);
    assert_eq!(net.recv(watcher), [""; 0]);
}

#[test]
fn no_connect_in_time_closes_in_silence_and_a_slow_one_is_not_helped_by_single_bytes() {
    let mut net = Net::new();
    let silent = net.open(V5);
    let slow = net.open(V5);
    net.pass_secs(9);
    net.raw(slow, &[0x10]);
    assert_eq!(net.recv(silent), [""; 0]);
    net.pass_secs(1);
    assert_eq!(net.recv(silent), ["close"]);
    assert_eq!(net.recv(slow), ["close"]);
    assert_eq!(
        net.events(),
        [silent, slow].map(|end| ServerEvent::Disconnected {
            conn: end.id,
            address: None,
            client_id: None,
            why: Ended::NoConnect
        })
    );
}

#[test]
fn sessions_above_the_limit_are_refused_in_the_words_of_the_version() {
    for (version, wanted) in [(V311, "code=0x88"), (V5, "code=0x97")] {
        let mut net = Net::with(|config| config.limits.sessions = 1);
        net.client(version, "a");
        let end = net.open(version);
        net.send(end, Packet::Connect(connect(version, "b")));
        let said = net.recv(end);
        assert!(said[0].contains(wanted), "{said:?}");
        assert_eq!(said[1], "close");
        // The one that is there may come again.
        net.client(version, "a");
    }
}

#[test]
fn connections_above_the_limit_find_no_place_and_a_stale_id_is_ignored() {
    let mut net = Net::with(|config| config.limits.connections = 1);
    let first = net.client(V5, "a");
    assert!(net.server.open(net.now, Default::default()).is_err());
    net.cut(first);
    let second = net.client(V5, "b");
    assert_eq!(first.id.index(), second.id.index());
    net.cut(first);
    net.raw(first, &[0xC0, 0x00]);
    assert!(net.server.wants_close(first.id));
    assert!(!net.server.wants_close(second.id));
    assert_eq!(net.recv(second), [""; 0]);
}

#[test]
fn a_broker_that_is_asked_without_bytes_allows_the_same_client_ids_3_1_1_mqtt_3_1_3_8() {
    use mqtt_session::server::{Broker, Peer, Reply, Request};
    let (longest, too_long) = ("ä".repeat(23), "ä".repeat(24));
    for (version, client_id, clean_start, allowed) in [
        (V31, "", true, false),
        (V31, "a", true, true),
        (V31, &longest, true, true),
        (V31, &too_long, true, false),
        (V311, "", false, false),
        (V311, "", true, true),
        (V311, &too_long, false, true),
        (V5, "", false, true),
        (V5, &too_long, false, true),
    ] {
        let mut broker = Broker::new(Default::default());
        let now = mqtt_session::Instant::from_secs(1);
        let conn = broker.open(Peer::default()).unwrap();
        let asked = Connect {
            clean_start,
            ..connect(version, client_id)
        };
        let _ = broker.handle_request(now, conn, Request::Connect(asked));
        let said = broker.poll_reply(now, conn);
        let context = format!("{version} {client_id:?} {clean_start}: {said:?}");
        if allowed {
            assert!(matches!(said, Some(Reply::Accept(_))), "{context}");
        } else {
            let code = mqtt_proto::ReasonCode::CLIENT_IDENTIFIER_NOT_VALID;
            assert!(
                matches!(said, Some(Reply::Refuse(said)) if said == code),
                "{context}"
            );
        }
    }
}

#[test]
fn an_assigned_client_id_is_nobody_elses_even_if_a_client_has_guessed_it_5_mqtt_3_1_3_6() {
    let (_, said) = Net::new().client_with(connect(V5, ""));
    let next = said.split('"').nth(1).unwrap().to_string();
    // The same seed would give the same id.
    let mut net = Net::new();
    let guest = net.client(V5, &next);
    let (other, said) = net.client_with(connect(V5, ""));
    assert!(said.contains("assigned_client_identifier="), "{said}");
    assert!(!said.contains(&next), "{said}");
    assert_eq!(net.recv(guest), [""; 0], "it was not taken over");
    assert_eq!(net.recv(other), [""; 0]);
}
