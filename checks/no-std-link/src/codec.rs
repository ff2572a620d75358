//! Packets in and out.

use mqtt_proto::{
    Frame, Packet, Properties, Property, QoS, Sender, TopicName, Version, frame_len,
    packet::{Publish, PublishHead},
};

/// Encodes a PUBLISH of 5.0, finds its end, decodes it, and refuses it when it is cut.
pub(crate) fn run() -> bool {
    publish() == Some(())
}

fn publish() -> Option<()> {
    let properties = [
        Property::MessageExpiryInterval(60),
        Property::UserProperty("k", "v"),
    ];
    let head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: TopicName::new("site/room/temp").ok()?,
        packet_id: None,
        properties: Properties::new(&properties),
    };
    let packet = Packet::Publish(Publish {
        head,
        payload: b"21.5",
    });
    let mut out = [0; 128];
    let bytes = packet.encode(Version::V5, &mut out).ok()?;
    let whole = frame_len(bytes, 128) == Ok(Frame::Len(bytes.len()));
    let same = Packet::decode(Version::V5, Sender::Client, bytes) == Ok(packet);
    let cut = bytes.split_last()?.1;
    let refused = Packet::decode(Version::V5, Sender::Client, cut).is_err();
    (whole && same && refused).then_some(())
}
