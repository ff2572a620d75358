//! Topic aliases that the server gives of its own accord (5.0, 3.1.2.11.5, 3.3.2.3.4).

use std::collections::BTreeMap;

use mqtt_proto::{Frame, Packet, Properties, Property, Sender, Version, frame_len, packet::Connect};
use proptest::prelude::*;

use crate::net::*;

/// A client that takes so many aliases, and packets so large.
fn listener(net: &mut Net, aliases: u16, max_packet: Option<u32>) -> End {
    let list: Vec<Property<'_>> = [
        Some(Property::TopicAliasMaximum(aliases)),
        max_packet.map(Property::MaximumPacketSize),
    ]
    .into_iter()
    .flatten()
    .collect();
    let connect = Connect {
        properties: Properties::new(&list),
        ..connect(V5, "listener")
    };
    net.client_with(connect).0
}

#[test]
fn a_topic_that_comes_again_goes_by_alias_5_3_3_2_3_4() {
    let mut net = Net::new();
    let to = listener(&mut net, 3, None);
    let from = net.client(V5, "p");
    net.subscribe(to, "#", Q0);
    for payload in ["1", "2", "3"] {
        net.say(from, "site/attic", payload);
    }
    net.say(from, "once/only", "x");
    net.say(from, "site/attic", "4");
    assert_eq!(
        net.recv(to),
        [
            r#"PUBLISH topic="site/attic" payload="1""#,
            r#"PUBLISH topic="site/attic" topic_alias=1 payload="2""#,
            r#"PUBLISH topic_alias=1 payload="3""#,
            r#"PUBLISH topic="once/only" payload="x""#,
            r#"PUBLISH topic_alias=1 payload="4""#,
        ]
    );
}

#[test]
fn a_client_that_takes_no_aliases_is_sent_none_5_mqtt_3_1_2_27() {
    for (aliases, of_ours) in [(0, 16), (5, 0)] {
        let mut net = Net::with(|config| config.offer_mut(0).topic_aliases_to_client = of_ours);
        let to = listener(&mut net, aliases, None);
        let from = net.client(V5, "p");
        net.subscribe(to, "#", Q0);
        for _ in 0..5 {
            net.say(from, "site/attic", "x");
        }
        for packet in net.recv(to) {
            assert_eq!(packet, r#"PUBLISH topic="site/attic" payload="x""#);
        }
    }
}

#[test]
fn what_is_sent_again_carries_its_topic_and_what_follows_is_named_anew_5_mqtt_3_3_2_7() {
    let mut net = Net::new();
    let list = [
        Property::TopicAliasMaximum(3),
        Property::SessionExpiryInterval(100),
    ];
    let keeper = Connect {
        clean_start: false,
        properties: Properties::new(&list),
        ..connect(V5, "listener")
    };
    let (to, _) = net.client_with(keeper);
    let from = net.client(V5, "p");
    net.subscribe(to, "#", Q1);
    for n in 1..4 {
        net.publish(from, message("site/attic", Q1, n, "x"));
    }
    assert_eq!(
        net.recv(to),
        [
            r#"PUBLISH topic="site/attic" qos=1 id=1 payload="x""#,
            r#"PUBLISH topic="site/attic" qos=1 id=2 topic_alias=1 payload="x""#,
            r#"PUBLISH qos=1 id=3 topic_alias=1 payload="x""#,
        ]
    );
    net.cut(to);
    let (to, _) = net.client_with(keeper);
    let again: Vec<String> = (1..4)
        .map(|n| format!(r#"PUBLISH topic="site/attic" qos=1 dup=1 id={n} payload="x""#))
        .collect();
    assert_eq!(net.recv(to), again);
    for n in 1..4 {
        net.publish(from, message("site/attic", Q0, 0, "x"));
        net.puback(to, n);
    }
    assert_eq!(
        net.recv(to),
        [
            r#"PUBLISH topic="site/attic" payload="x""#,
            r#"PUBLISH topic="site/attic" topic_alias=1 payload="x""#,
            r#"PUBLISH topic_alias=1 payload="x""#,
        ]
    );
}

#[test]
fn an_alias_beside_its_topic_never_makes_a_packet_too_large_5_mqtt_3_1_2_24() {
    // Fixed header 2, topic 2 + 10, properties 1, payload 15: 30 bytes. The alias takes three more.
    for (max, wanted) in [(29, None), (30, Some(false)), (32, Some(false)), (33, Some(true))] {
        let mut net = Net::new();
        let to = listener(&mut net, 3, Some(max));
        let from = net.client(V5, "p");
        net.subscribe(to, "#", Q0);
        for _ in 0..3 {
            net.say(from, "site/attic", "fifteen letters");
        }
        let said = net.recv(to);
        assert_eq!(
            said.len(),
            if wanted.is_some() { 3 } else { 0 },
            "{max}: {said:?}"
        );
        if let Some(aliased) = wanted {
            assert_eq!(said[1].contains("topic_alias=1"), aliased, "{max}: {said:?}");
            assert_eq!(said[2].contains("topic="), !aliased, "{max}: {said:?}");
        }
    }
}

/// What a client makes of what it is sent: topic and payload of each message. No alias may be above `maximum`, no packet
/// above `max_packet`.
fn understand(bytes: &[u8], maximum: u16, max_packet: usize) -> Vec<(String, Vec<u8>)> {
    let (mut rest, mut known, mut told) = (bytes, BTreeMap::new(), Vec::new());
    while let Ok(Frame::Len(len)) = frame_len(rest, u32::MAX) {
        assert!(len <= max_packet, "5/MQTT-3.1.2-24: {len}");
        let packet = Packet::decode(Version::V5, Sender::Server, &rest[..len]).unwrap();
        rest = &rest[len..];
        let Packet::Publish(publish) = packet else {
            continue;
        };
        let topic = publish.head.topic.as_str();
        let topic = match publish.head.properties.topic_alias() {
            None => topic.to_string(),
            Some(alias) => {
                assert!((1..=maximum).contains(&alias), "5/MQTT-3.1.2-26: {alias}");
                if !topic.is_empty() {
                    known.insert(alias, topic.to_string());
                }
                known[&alias].clone()
            }
        };
        told.push((topic, publish.payload.to_vec()));
    }
    assert!(rest.is_empty());
    told
}

proptest! {
    #[test]
    fn whatever_is_sent_by_alias_is_understood_within_the_clients_limits_5_mqtt_3_1_2_26(
        maximum in 1..6_u16,
        ours in 1..6_u16,
        max_packet in prop::option::of(40..90_u32),
        with_id in any::<bool>(),
        messages in prop::collection::vec((0..9_usize, 0..3_u8, 0..40_usize, prop::option::of(1..9_u32), 1..100_usize), 1..80),
    ) {
        let mut net = Net::with(|config| config.offer_mut(0).topic_aliases_to_client = ours);
        let to = listener(&mut net, maximum, max_packet);
        let from = net.client(V5, "p");
        let options = mqtt_proto::packet::SubscriptionOptions::new(Q2);
        net.subscribe_with(to, "#", options, with_id.then_some(77));
        let (mut bytes, mut sent) = (Vec::new(), Vec::new());
        for (n, (name, qos, len, expiry, room)) in messages.into_iter().enumerate() {
            let name = "topic/of/some/length"[..2 * name + 3].trim_end_matches('/');
            let payload = "x".repeat(len);
            let list = expiry.map(Property::MessageExpiryInterval);
            let qos = mqtt_proto::QoS::from_u8(qos).unwrap();
            let mut one = message(name, qos, if qos == Q0 { 0 } else { n as u16 + 1 }, &payload);
            one.head.properties = Properties::new(list.as_slice());
            net.publish(from, one);
            sent.push((name.to_string(), payload.into_bytes()));
            let mut out = vec![0; room];
            let taken = net.server.take_transmit(net.now, to.id, &mut out);
            bytes.extend_from_slice(&out[..taken]);
        }
        let mut out = vec![0; 20_000];
        let taken = net.server.take_transmit(net.now, to.id, &mut out);
        bytes.extend_from_slice(&out[..taken]);
        let told = understand(&bytes, maximum.min(ours), max_packet.unwrap_or(u32::MAX) as usize);
        // What is too large is left out, nothing else.
        let mut rest = sent.iter();
        for one in &told {
            prop_assert!(rest.any(|sent| sent == one), "{one:?}");
        }
        if max_packet.is_none() {
            prop_assert_eq!(told, sent);
        }
    }
}
