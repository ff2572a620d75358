//! A message that somebody keeps: one allocation, shared by all who do.

use alloc::sync::Arc;
use core::{fmt, time::Duration};

use mqtt_proto::{
    PacketType, Properties, Property, QoS, TopicName,
    packet::{PublishHead, Will},
    property::PropertyPlace,
};

use crate::{Instant, flow::expiry_left, record::broker::KeptMessage};

/// A message in one shared block: when it expires, topic, the properties that are forwarded, payload.
///
/// Cloning it copies a pointer. What differs from receiver to receiver (QoS, RETAIN, packet id, subscription
/// identifiers, the remaining expiry) is not part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message(Arc<[u8]>);

/// The layout of the block: a head of fixed length, then topic, properties, payload.
const EXPIRES_AT: usize = 0;
const PROPERTIES_LEN: usize = 8;
const TOPIC_LEN: usize = 12;
const FLAGS: usize = 14;
const NUMBER: usize = 16;
const HEAD: usize = 24;

const QOS_MASK: u8 = 0b011;
const RETAIN: u8 = 0b100;

impl Message {
    /// A message as it was published. Its Message Expiry Interval begins to run `now`; the properties that concern one
    /// connection alone (Topic Alias, Subscription Identifier) are left out.
    pub fn new(now: Instant, head: &PublishHead<'_>, payload: &[u8]) -> Self {
        let expires_at = match head.properties.message_expiry_interval() {
            Some(seconds) => now + Duration::from_secs(seconds.into()),
            None => Instant::MAX,
        };
        Self::of(&KeptMessage {
            expires_at,
            qos: head.qos,
            retain: head.retain,
            topic: head.topic,
            properties: head.properties,
            payload,
        })
    }

    /// A message as it was kept, or is to be; without a number.
    pub(crate) fn of(kept: &KeptMessage<'_>) -> Self {
        let &KeptMessage {
            expires_at, payload, ..
        } = kept;
        let topic = kept.topic.as_str().as_bytes();
        let properties_len: usize = forwarded(kept.properties)
            .map(|property| property.encoded_len())
            .sum();
        let len = HEAD + topic.len() + properties_len + payload.len();
        // The one allocation: a block of known length, filled below.
        let mut block: Arc<[u8]> = core::iter::repeat_n(0, len).collect();
        if let Some(out) = Arc::get_mut(&mut block) {
            let topic_len = u16::try_from(topic.len()).unwrap_or(u16::MAX);
            let flags = u8::from(kept.qos) | if kept.retain { RETAIN } else { 0 };
            put(out, EXPIRES_AT, &expires_at.as_micros().to_le_bytes());
            put(
                out,
                PROPERTIES_LEN,
                &u32::try_from(properties_len).unwrap_or(u32::MAX).to_le_bytes(),
            );
            put(out, TOPIC_LEN, &topic_len.to_le_bytes());
            put(out, FLAGS, &[flags]);
            put(out, HEAD, topic);
            let mut at = HEAD + topic.len();
            for property in forwarded(kept.properties) {
                at += out
                    .get_mut(at..)
                    .and_then(|out| property.encode(out))
                    .map_or(0, <[u8]>::len);
            }
            put(out, at, payload);
        }
        Self(block)
    }

    /// The message that a will becomes when it is published.
    pub(crate) fn will(now: Instant, will: &Will<'_>) -> Self {
        // With its own QoS and RETAIN: 5/MQTT-3.1.2-14, 5/MQTT-3.1.2-15, 3.1.1/MQTT-3.1.2-16, 3.1.1/MQTT-3.1.2-17,
        // 3.1/3.1-12; with its user properties in their order: 5/MQTT-3.1.3-10; with a payload that may be empty: 3.1/3.1-13.
        let head = PublishHead {
            dup: false,
            qos: will.qos,
            retain: will.retain,
            topic: will.topic,
            packet_id: None,
            properties: will.properties,
        };
        Self::new(now, &head, will.payload)
    }

    /// The same message with an expiry that begins to run `now`: a will is published long after it was received.
    pub(crate) fn starting(mut self, now: Instant, expiry: Option<u32>) -> Self {
        let at = expiry.map_or(Instant::MAX, |seconds| now + Duration::from_secs(seconds.into()));
        put(
            Arc::make_mut(&mut self.0),
            EXPIRES_AT,
            &at.as_micros().to_le_bytes(),
        );
        self
    }

    /// How many bytes a message would occupy.
    pub(crate) fn size_of(head: &PublishHead<'_>, payload_len: usize) -> usize {
        let properties_len: usize = forwarded(head.properties)
            .map(|property| property.encoded_len())
            .sum();
        HEAD + head.topic.as_str().len() + properties_len + payload_len
    }

    /// What is kept of it beyond this process.
    pub(crate) fn kept(&self) -> KeptMessage<'_> {
        KeptMessage {
            expires_at: self.expires_at(),
            qos: self.qos(),
            retain: self.retain(),
            topic: self.topic(),
            properties: self.properties(),
            payload: self.payload(),
        }
    }

    /// What it is called in records; 0 if they never spoke of it.
    pub(crate) fn number(&self) -> u64 {
        u64::from_le_bytes(self.field(NUMBER))
    }

    pub(crate) fn set_number(&mut self, number: u64) {
        put(Arc::make_mut(&mut self.0), NUMBER, &number.to_le_bytes());
    }

    /// How many bytes it occupies, whoever shares it.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Where it was published.
    pub fn topic(&self) -> TopicName<'_> {
        self.topic_str()
            .and_then(|topic| TopicName::new(topic).ok())
            .unwrap_or(TopicName::EMPTY)
    }

    fn topic_str(&self) -> Option<&str> {
        let bytes = self.0.get(HEAD..HEAD + self.topic_len())?;
        core::str::from_utf8(bytes).ok()
    }

    /// The properties that every receiver gets as they were (`5/MQTT-3.3.2-4`, `5/MQTT-3.3.2-15`,
    /// `5/MQTT-3.3.2-16`, `5/MQTT-3.3.2-17`, `5/MQTT-3.3.2-18`, `5/MQTT-3.3.2-20`).
    pub fn properties(&self) -> Properties<'_> {
        let start = HEAD + self.topic_len();
        let wire = self
            .0
            .get(start..start + self.properties_len())
            .unwrap_or_default();
        if wire.is_empty() {
            return Properties::EMPTY;
        }
        Properties::from_wire(PropertyPlace::Packet(PacketType::Publish), wire).unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.0
            .get(HEAD + self.topic_len() + self.properties_len()..)
            .unwrap_or_default()
    }

    /// The QoS it was published with.
    pub fn qos(&self) -> QoS {
        QoS::from_u8(self.flags() & QOS_MASK).unwrap_or_default()
    }

    /// It was published with RETAIN.
    pub fn retain(&self) -> bool {
        self.flags() & RETAIN != 0
    }

    /// The moment from which no delivery begins any more (`5/MQTT-3.3.2-5`); [`Instant::MAX`] without Message Expiry
    /// Interval.
    pub fn expires_at(&self) -> Instant {
        Instant::from_micros(u64::from_le_bytes(self.field(EXPIRES_AT)))
    }

    /// The Message Expiry Interval less the time waited here, in seconds rounded up (`5/MQTT-3.3.2-6`).
    pub fn expiry_left(&self, now: Instant) -> Option<u32> {
        let at = self.expires_at();
        if at == Instant::MAX {
            return None;
        }
        Some(expiry_left(at, now))
    }

    fn flags(&self) -> u8 {
        self.0.get(FLAGS).copied().unwrap_or_default()
    }

    fn topic_len(&self) -> usize {
        u16::from_le_bytes(self.field(TOPIC_LEN)).into()
    }

    pub(crate) fn properties_len(&self) -> usize {
        u32::from_le_bytes(self.field(PROPERTIES_LEN)) as usize
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0
            .get(at..at + N)
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = out.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

/// Expiry is counted down and stands in the head of the block; an alias and the identifiers belong to one connection;
/// a Will Delay Interval (of the will that becomes this message) has done its work.
fn forwarded(properties: Properties<'_>) -> impl Iterator<Item = Property<'_>> {
    properties.iter().filter(|property| {
        !matches!(
            property,
            Property::MessageExpiryInterval(_)
                | Property::TopicAlias(_)
                | Property::SubscriptionIdentifier(_)
                | Property::WillDelayInterval(_)
        )
    })
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic_str())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .field("payload_len", &self.payload().len())
            .finish_non_exhaustive()
    }
}
