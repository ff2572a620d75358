//! The generator behind the property tests reaches every packet and every property, and gives only what its sender may send.

use std::collections::BTreeSet;

use mqtt_proto::{
    AnyPacket, Packet, PacketType, Properties, PropertyId, ReasonCode, Sender, Version,
    property::PropertyPlace,
};

/// Bytes from a fixed sequence (a linear congruential generator with Knuth's numbers).
fn bytes(state: &mut u64) -> Vec<u8> {
    let mut next = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 56) as u8
    };
    (0..160).map(|_| next()).collect()
}

fn parts<'a>(packet: &Packet<'a>) -> (Properties<'a>, Option<ReasonCode>) {
    match packet {
        Packet::Connect(p) => (p.properties, None),
        Packet::ConnAck(p) => (p.properties, Some(p.code)),
        Packet::Publish(p) => (p.head.properties, None),
        Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => {
            (p.properties, Some(p.code))
        }
        Packet::Subscribe(p) => (p.properties, None),
        Packet::SubAck(p) => (p.properties, p.codes.iter().last()),
        Packet::Unsubscribe(p) => (p.properties, None),
        Packet::UnsubAck(p) => (p.properties, p.codes.iter().last()),
        Packet::PingReq | Packet::PingResp => (Properties::EMPTY, None),
        Packet::Disconnect(p) => (p.properties, Some(p.code)),
        Packet::Auth(p) => (p.properties, Some(p.code)),
    }
}

#[test]
fn every_type_property_and_reason_code_is_drawn_and_decodes_from_its_sender() {
    let mut state = 1;
    for version in Version::ALL {
        for from in [Sender::Client, Sender::Server, Sender::Any] {
            for packet_type in PacketType::ALL
                .into_iter()
                .filter(|t| t.is_sent_by(from, version))
            {
                let place = PropertyPlace::Packet(packet_type);
                let mut properties = BTreeSet::new();
                let mut codes = BTreeSet::new();
                for _ in 0..400 {
                    let any = AnyPacket::draw(version, from, Some(packet_type), &bytes(&mut state));
                    let encoded = any.to_bytes().unwrap();
                    any.with(|packet| {
                        assert_eq!(packet.packet_type(), packet_type);
                        assert_eq!(Packet::decode(version, from, &encoded), Ok(packet));
                        let (list, code) = parts(&packet);
                        properties.extend(list.iter().map(|p| p.id()));
                        codes.extend(code);
                    });
                }
                let at = format!("{packet_type} of {version} from {from:?}");
                if version != Version::V5 {
                    assert!(properties.is_empty(), "{at}");
                    continue;
                }
                for id in PropertyId::ALL.into_iter().filter(|id| id.is_allowed(place)) {
                    let of_other_side = matches!(
                        (packet_type, id, from),
                        (
                            PacketType::Publish,
                            PropertyId::SubscriptionIdentifier,
                            Sender::Client
                        ) | (
                            PacketType::Disconnect,
                            PropertyId::ServerReference,
                            Sender::Client
                        ) | (
                            PacketType::Disconnect,
                            PropertyId::SessionExpiryInterval,
                            Sender::Server
                        )
                    );
                    assert_eq!(properties.contains(&id), !of_other_side, "{} in {at}", id.name());
                }
                for code in (0..=0xFF)
                    .map(ReasonCode)
                    .filter(|code| code.is_allowed(packet_type, from))
                {
                    assert!(codes.contains(&code), "{code} in {at}");
                }
            }
        }
    }
}

#[test]
fn all_bytes_draw_a_packet_and_no_bytes_draw_the_smallest() {
    let any = AnyPacket::draw(Version::V5, Sender::Any, None, &[]);
    any.with(|packet| assert_eq!(packet.packet_type(), PacketType::Publish));
    assert_eq!(any.to_bytes().unwrap(), [0x30, 4, 0, 1, b'a', 0]);
    for fill in 0..=0xFF {
        for version in Version::ALL {
            assert!(
                AnyPacket::draw(version, Sender::Any, None, &[fill; 300])
                    .to_bytes()
                    .is_ok(),
                "{fill}"
            );
        }
    }
}
