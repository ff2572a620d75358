//! Any bytes into the codec.
//!
//! The first byte chooses version and sender; the rest is a stream of packets.

use mqtt_conformance::{
    fields::{Bindings, resolve},
    trace::parse_packet,
};
use mqtt_proto::{
    DecodeError, Frame, Packet, PacketType, Properties, Property, Sender, Version, frame_len,
    packet::{HeadStatus, PublishHead},
};

use crate::{choices::Choices, version};

/// From whom the bytes may come.
pub(crate) const SENDERS: [Sender; 3] = [Sender::Client, Sender::Server, Sender::Any];

/// Decodes a stream in every way there is.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    each_frame(data, |version, from, frame| {
        match Packet::decode(version, from, frame) {
            Ok(packet) => {
                assert_eq!(
                    Packet::decode(version, Sender::Any, frame),
                    Ok(packet),
                    "{version}"
                );
                walk(&packet);
                print_and_parse(&packet, version);
                head_agrees(version, from, frame, &packet);
            }
            Err(error) => {
                check_error(error, frame);
                let publish = error.packet_type() == Some(PacketType::Publish);
                if publish && is_whole(frame) {
                    let head = PublishHead::decode(version, from, frame);
                    assert_eq!(head, Err(error), "the head has all that can be wrong");
                }
            }
        }
        // A front end that reads in pieces asks the same of every prefix.
        for end in prefixes(frame.len()) {
            let prefix = &frame[..end];
            match frame_len(prefix, u32::MAX) {
                Ok(Frame::Need(needed)) => {
                    assert!(needed > end);
                    assert!(needed <= frame.len() || !is_whole(frame));
                }
                Ok(Frame::Len(len)) => assert!(len <= end),
                Err(error) => check_error(error, prefix),
            }
            if let Err(error) = Packet::decode(version, from, prefix) {
                check_error(error, prefix);
            }
        }
    });
}

/// Calls with every packet of a stream, with its last piece, and with all of it.
pub(crate) fn each_frame(data: &[u8], mut look: impl FnMut(Version, Sender, &[u8])) {
    let mut choices = Choices::new(data);
    let first = choices.byte();
    let version = version(first);
    let from = SENDERS[usize::from(first / 3) % 3];
    let stream = choices.rest();
    let mut rest = stream;
    while !rest.is_empty() {
        match frame_len(rest, u32::MAX) {
            Ok(Frame::Len(len)) => {
                let (frame, after) = rest.split_at(len);
                look(version, from, frame);
                rest = after;
            }
            Ok(Frame::Need(needed)) => {
                assert!(needed > rest.len());
                break;
            }
            Err(error) => {
                check_error(error, rest);
                assert!(
                    Packet::decode(version, from, rest).is_err(),
                    "no version has a packet that begins so"
                );
                break;
            }
        }
    }
    if rest.len() < stream.len() || frame_len(rest, u32::MAX).is_err() || rest.len() < 64 {
        look(version, from, rest);
    }
}

fn is_whole(frame: &[u8]) -> bool {
    frame_len(frame, u32::MAX) == Ok(Frame::Len(frame.len()))
}

fn prefixes(len: usize) -> impl Iterator<Item = usize> {
    (0..len.min(24)).chain((24..len).step_by(len / 16 + 1))
}

fn check_error(error: DecodeError, frame: &[u8]) {
    assert!(error.offset() <= frame.len(), "{error} in {} bytes", frame.len());
    assert!(!error.to_string().is_empty());
    assert!(error.reason_code().is_failure());
}

/// Everything that can be looked at.
fn walk(packet: &Packet<'_>) {
    assert!(!format!("{packet:?} {packet} {packet:#}").contains(char::is_control));
    match packet {
        Packet::Connect(connect) => {
            walk_properties(connect.properties);
            if let Some(will) = connect.will {
                walk_properties(will.properties);
            }
        }
        Packet::ConnAck(connack) => walk_properties(connack.properties),
        Packet::Publish(publish) => {
            walk_properties(publish.head.properties);
            let _ = publish.payload_format_holds();
            assert_eq!(
                publish.head.topic.levels().count(),
                publish.head.topic.as_str().matches('/').count() + 1
            );
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            walk_properties(ack.properties);
        }
        Packet::Subscribe(subscribe) => {
            walk_properties(subscribe.properties);
            assert!(!subscribe.filters.is_empty());
            assert_eq!(subscribe.filters.iter().count(), subscribe.filters.len());
            for subscription in subscribe.filters.iter() {
                let _ = subscription.filter.share();
                assert!(subscription.filter.levels().count() > 0);
            }
        }
        Packet::SubAck(suback) => {
            walk_properties(suback.properties);
            assert_eq!(suback.codes.iter().count(), suback.codes.len());
        }
        Packet::Unsubscribe(unsubscribe) => {
            walk_properties(unsubscribe.properties);
            assert!(!unsubscribe.filters.is_empty());
            assert_eq!(unsubscribe.filters.iter().count(), unsubscribe.filters.len());
        }
        Packet::UnsubAck(unsuback) => {
            walk_properties(unsuback.properties);
            assert_eq!(unsuback.codes.iter().count(), unsuback.codes.len());
        }
        Packet::Disconnect(disconnect) => walk_properties(disconnect.properties),
        Packet::Auth(auth) => walk_properties(auth.properties),
        Packet::PingReq | Packet::PingResp => {}
    }
}

fn walk_properties(properties: Properties<'_>) {
    assert_eq!(properties.is_empty(), properties.iter().next().is_none());
    let all: Vec<Property<'_>> = properties.iter().collect();
    assert!(all.len() <= properties.as_wire().len());
    let pairs: Vec<_> = properties
        .user_properties()
        .map(|(k, v)| Property::UserProperty(k, v))
        .collect();
    let numbers: Vec<_> = properties
        .subscription_identifiers()
        .map(Property::SubscriptionIdentifier)
        .collect();
    assert!(
        all.iter()
            .filter(|p| matches!(p, Property::UserProperty(..)))
            .eq(&pairs)
    );
    assert!(
        all.iter()
            .filter(|p| matches!(p, Property::SubscriptionIdentifier(_)))
            .eq(&numbers)
    );
}

/// `parse(display(p)) == p`
fn print_and_parse(packet: &Packet<'_>, version: Version) {
    let printed = packet.with_secrets().to_string();
    let pattern = parse_packet(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let fields = resolve(&pattern, version, &Bindings::new()).unwrap_or_else(|e| panic!("{printed}: {e}"));
    let parsed = fields.with_packet(version, |parsed| assert_eq!(parsed, packet, "{printed}"));
    assert!(parsed.is_ok(), "{printed}: {parsed:?}");
}

/// Its head by itself is the same, whether the payload is there or not.
fn head_agrees(version: Version, from: Sender, frame: &[u8], packet: &Packet<'_>) {
    let Packet::Publish(publish) = packet else {
        let head = PublishHead::decode(version, from, frame);
        assert!(head.is_err(), "{packet} is no PUBLISH");
        return;
    };
    let len = frame.len() - publish.payload.len();
    let whole = HeadStatus::Head {
        head: publish.head,
        head_len: len,
        payload_len: publish.payload.len(),
    };
    for end in prefixes(frame.len()).chain([len, frame.len()]) {
        match PublishHead::decode(version, from, &frame[..end]) {
            Ok(HeadStatus::Need(needed)) => {
                assert!(end < needed && needed <= len, "{needed} of {len} at {end}")
            }
            status => {
                assert_eq!(status, Ok(whole), "{end} of {len}");
                assert!(end >= len);
            }
        }
    }
}
