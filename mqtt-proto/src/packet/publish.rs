//! PUBLISH (3.3), whole or head before payload.

use crate::{PacketId, Properties, QoS, TopicName};

/// A message on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Everything before the payload.
    pub head: PublishHead<'a>,
    /// The payload; may be empty.
    pub payload: &'a [u8],
}

/// Everything of a PUBLISH before its payload.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// This may be a repeat of an earlier PUBLISH; never with QoS 0 (`5/MQTT-3.3.1-2`).
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// To a server: keep as the topic's retained message. To a client: see section 3.3.1.3.
    pub retain: bool,
    /// Where it goes. [`TopicName::EMPTY`] stands for "see Topic Alias" (5.0 only).
    pub topic: TopicName<'a>,
    /// There exactly when `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// Message properties; empty in 3.x.
    pub properties: Properties<'a>,
}
