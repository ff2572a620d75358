//! `mqttbytes`: a codec for MQTT 3.1.1 and 5.0.

use ::mqttbytes::{Error, valid_filter, valid_topic};
use bytes::BytesMut;
use mqtt_conformance::target::codec::{CodecTarget, CodecUnderTest, Decoded, Read, Refused};
use mqtt_proto::{Sender, Version};

/// Its two modules, which differ by the version.
struct Codec;

/// What traces are run against.
pub fn target() -> CodecTarget<impl CodecUnderTest> {
    CodecTarget::new("mqttbytes", || Codec)
}

impl CodecUnderTest for Codec {
    fn read(&mut self, version: Version, _: Sender, bytes: &[u8]) -> Read {
        let mut stream = BytesMut::from(bytes);
        let again = if version == Version::V5 {
            let packet = ::mqttbytes::v5::read(&mut stream, usize::MAX);
            packet.map(|packet| names_5(&packet).then(|| write_5(&packet)))
        } else {
            let packet = ::mqttbytes::v4::read(&mut stream, usize::MAX);
            packet.map(|packet| names_4(&packet).then(|| write_4(&packet)))
        };
        match again {
            Ok(None) => Read::Refused(Refused::new("valid_topic or valid_filter says no")),
            Ok(Some(again)) => {
                let again = again.map_err(|e| e.to_string());
                Read::Packet(Decoded::of(bytes.len() - stream.len()).encoded_again(again))
            }
            Err(Error::InsufficientBytes(more)) => Read::Incomplete(Some(bytes.len() + more)),
            Err(error) => Read::Refused(Refused::new(error.to_string())),
        }
    }

    fn speaks(&self, version: Version) -> bool {
        version != Version::V31
    }

    fn knows_sender(&self) -> bool {
        false
    }
}

/// Whether topics and filters are good by the functions that the crate has for that. It leaves it to its user to call them.
fn names_4(packet: &::mqttbytes::v4::Packet) -> bool {
    use ::mqttbytes::v4::Packet;
    match packet {
        Packet::Connect(packet) => packet.last_will.iter().all(|will| valid_topic(&will.topic)),
        Packet::Publish(packet) => valid_topic(&packet.topic),
        Packet::Subscribe(packet) => packet.filters.iter().all(|filter| valid_filter(&filter.path)),
        Packet::Unsubscribe(packet) => packet.topics.iter().all(|filter| valid_filter(filter)),
        _ => true,
    }
}

/// The same, with Response Topics.
fn names_5(packet: &::mqttbytes::v5::Packet) -> bool {
    use ::mqttbytes::v5::Packet;
    match packet {
        Packet::Connect(packet) => packet.last_will.iter().all(|will| {
            let properties = will.properties.as_ref();
            let response = properties.and_then(|all| all.response_topic.as_deref());
            valid_topic(&will.topic) && response.is_none_or(valid_topic)
        }),
        Packet::Publish(packet) => {
            let properties = packet.properties.as_ref();
            let response = properties.and_then(|all| all.response_topic.as_deref());
            valid_topic(&packet.topic) && response.is_none_or(valid_topic)
        }
        Packet::Subscribe(packet) => packet.filters.iter().all(|filter| valid_filter(&filter.path)),
        Packet::Unsubscribe(packet) => packet.filters.iter().all(|filter| valid_filter(filter)),
        _ => true,
    }
}

fn write_4(packet: &::mqttbytes::v4::Packet) -> Result<Vec<u8>, Error> {
    use ::mqttbytes::v4::{Disconnect, Packet, PingReq, PingResp};
    let mut out = BytesMut::new();
    match packet {
        Packet::Connect(packet) => packet.write(&mut out),
        Packet::ConnAck(packet) => packet.write(&mut out),
        Packet::Publish(packet) => packet.write(&mut out),
        Packet::PubAck(packet) => packet.write(&mut out),
        Packet::PubRec(packet) => packet.write(&mut out),
        Packet::PubRel(packet) => packet.write(&mut out),
        Packet::PubComp(packet) => packet.write(&mut out),
        Packet::Subscribe(packet) => packet.write(&mut out),
        Packet::SubAck(packet) => packet.write(&mut out),
        Packet::Unsubscribe(packet) => packet.write(&mut out),
        Packet::UnsubAck(packet) => packet.write(&mut out),
        Packet::PingReq => PingReq.write(&mut out),
        Packet::PingResp => PingResp.write(&mut out),
        Packet::Disconnect => Disconnect.write(&mut out),
    }?;
    Ok(out.to_vec())
}

fn write_5(packet: &::mqttbytes::v5::Packet) -> Result<Vec<u8>, Error> {
    use ::mqttbytes::v5::{Packet, PingReq, PingResp};
    let mut out = BytesMut::new();
    match packet {
        Packet::Connect(packet) => packet.write(&mut out),
        Packet::ConnAck(packet) => packet.write(&mut out),
        Packet::Publish(packet) => packet.write(&mut out),
        Packet::PubAck(packet) => packet.write(&mut out),
        Packet::PubRec(packet) => packet.write(&mut out),
        Packet::PubRel(packet) => packet.write(&mut out),
        Packet::PubComp(packet) => packet.write(&mut out),
        Packet::Subscribe(packet) => packet.write(&mut out),
        Packet::SubAck(packet) => packet.write(&mut out),
        Packet::Unsubscribe(packet) => packet.write(&mut out),
        Packet::UnsubAck(packet) => packet.write(&mut out),
        Packet::PingReq => PingReq.write(&mut out),
        Packet::PingResp => PingResp.write(&mut out),
        Packet::Disconnect(packet) => packet.write(&mut out),
    }?;
    Ok(out.to_vec())
}
