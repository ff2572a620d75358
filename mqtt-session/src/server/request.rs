//! What a connection asks of the broker, and what the broker answers.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::num::NonZeroU32;

use mqtt_proto::{
    Packet, PacketId, Properties, Property, QoS, ReasonCode, Version,
    packet::{Ack, Auth, Connect, Disconnect, Publish, PublishHead, Subscribe, Unsubscribe},
};

use super::{Message, Remarks, route::SubscriptionIds};
use crate::{
    Instant,
    flow::{Answer, rules::Violation},
};

/// What a connection passes on to the broker: packets of its client, or its end. PINGREQ is not among them.
///
/// It is a plain value that borrows the received bytes.
#[derive(Copy, Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// CONNECT, the first of a connection.
    Connect(Connect<'a>),
    /// A message. Its topic is there: aliases are the connection's own.
    Publish(Publish<'a>),
    /// PUBACK, PUBREC or PUBCOMP.
    Answer(Answer, Ack<'a>),
    /// PUBREL.
    Release(Ack<'a>),
    /// SUBSCRIBE.
    Subscribe(Subscribe<'a>),
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe<'a>),
    /// AUTH.
    Auth(Auth<'a>),
    /// DISCONNECT.
    Disconnect(Disconnect<'a>),
    /// The client broke a rule; it is owed an answer, and the connection is over.
    Violation(Violation),
    /// No CONNECT came in time.
    NoConnect,
    /// The transport is gone.
    Lost,
}

impl<'a> Request<'a> {
    /// What a client's packet asks; `None` for PINGREQ, and for what no client sends.
    pub fn of(packet: Packet<'a>) -> Option<Self> {
        Some(match packet {
            Packet::Connect(connect) => Self::Connect(connect),
            Packet::Publish(publish) => Self::Publish(publish),
            Packet::PubAck(ack) => Self::Answer(Answer::PubAck, ack),
            Packet::PubRec(ack) => Self::Answer(Answer::PubRec, ack),
            Packet::PubComp(ack) => Self::Answer(Answer::PubComp, ack),
            Packet::PubRel(ack) => Self::Release(ack),
            Packet::Subscribe(subscribe) => Self::Subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => Self::Unsubscribe(unsubscribe),
            Packet::Disconnect(disconnect) => Self::Disconnect(disconnect),
            Packet::Auth(auth) => Self::Auth(auth),
            Packet::PingReq
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => return None,
        })
    }

    /// The packet that asks this; `None` for what is no packet.
    pub fn packet(&self) -> Option<Packet<'a>> {
        Some(match *self {
            Self::Connect(connect) => Packet::Connect(connect),
            Self::Publish(publish) => Packet::Publish(publish),
            Self::Answer(Answer::PubAck, ack) => Packet::PubAck(ack),
            Self::Answer(Answer::PubRec, ack) => Packet::PubRec(ack),
            Self::Answer(Answer::PubComp, ack) => Packet::PubComp(ack),
            Self::Release(ack) => Packet::PubRel(ack),
            Self::Subscribe(subscribe) => Packet::Subscribe(subscribe),
            Self::Unsubscribe(unsubscribe) => Packet::Unsubscribe(unsubscribe),
            Self::Disconnect(disconnect) => Packet::Disconnect(disconnect),
            Self::Auth(auth) => Packet::Auth(auth),
            Self::Violation(_) | Self::NoConnect | Self::Lost => return None,
        })
    }

    /// It is a packet, and not an end.
    pub(crate) const fn is_packet(&self) -> bool {
        !matches!(self, Self::Violation(_) | Self::NoConnect | Self::Lost)
    }
}

/// Whether the connection should go on reading.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Pace {
    /// Go on.
    Go,
    /// Stop reading until replies have been taken. Advice: a request is accepted at any time.
    Pause,
}

/// What the broker sends through a connection. A plain value without a lifetime, so that the two may be on different
/// threads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// CONNACK 0x00: the client is accepted.
    Accept(Box<Accepted>),
    /// A failing CONNACK, where the version has one for this code; then close.
    Refuse(ReasonCode),
    /// A message.
    Deliver(Delivery),
    /// PUBACK.
    PubAck(PacketId, ReasonCode),
    /// PUBREC.
    PubRec(PacketId, ReasonCode),
    /// PUBREL.
    PubRel(PacketId, ReasonCode),
    /// PUBCOMP.
    PubComp(PacketId, ReasonCode),
    /// SUBACK with a code for each filter.
    SubAck(PacketId, Box<[u8]>),
    /// UNSUBACK with a code for each filter.
    UnsubAck(PacketId, Box<[u8]>),
    /// In 5.0 DISCONNECT with this code; then close.
    Disconnect(ReasonCode),
    /// Close without a word.
    Close,
    /// AUTH.
    Auth(Box<Authenticate>),
    /// One of the others, with more to say.
    Explained(Box<Explained>),
}

/// What AUTH says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticate {
    /// 0x00 or 0x18.
    pub code: ReasonCode,
    /// Authentication Method: that of CONNECT (`5/MQTT-4.12.0-5`).
    pub method: Box<str>,
    /// Authentication Data.
    pub data: Option<Box<[u8]>>,
}

/// A reply with remarks, which are left out where they may not be or have no room.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explained {
    /// The reply.
    pub reply: Reply,
    /// What the packet says beside it.
    pub remarks: Remarks,
}

impl Explained {
    /// The reply, with the remarks if there are any.
    pub(crate) fn wrap(reply: Reply, remarks: Remarks) -> Reply {
        if remarks.is_empty() {
            reply
        } else {
            Reply::Explained(Box::new(Self { reply, remarks }))
        }
    }
}

/// What a successful CONNACK says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// There was a session (5.0, 3.2.2.1.1).
    pub session_present: bool,
    /// Session Expiry Interval, where it is not what the client asked for.
    pub session_expiry: Option<u32>,
    /// Assigned Client Identifier, where the client had none (`5/MQTT-3.2.2-16`).
    pub assigned_client_id: Option<Arc<str>>,
    /// Server Keep Alive, where it is not what the client asked for.
    pub server_keep_alive: Option<u16>,
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Maximum Packet Size.
    pub max_packet_size: u32,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Maximum QoS.
    pub maximum_qos: QoS,
    /// Retain Available.
    pub retain_available: bool,
    /// Wildcard Subscription Available.
    pub wildcard_available: bool,
    /// Subscription Identifier Available.
    pub subscription_ids_available: bool,
    /// Shared Subscription Available.
    pub shared_available: bool,
    /// Response Information, where the client asked for it.
    pub response_information: Option<Box<str>>,
    /// Authentication Method, where CONNECT named one (`5/MQTT-4.12.0-5`).
    pub auth_method: Option<Box<str>>,
    /// Authentication Data; only beside a method.
    pub auth_data: Option<Box<[u8]>>,
    /// What else it says.
    pub remarks: Remarks,
}

/// A message on its way to one client: what is its own, beside the message that all share.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub(crate) message: Message,
    pub(crate) ids: SubscriptionIds,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
}

impl Delivery {
    /// The message.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The QoS of this delivery: the lower of that of the message and that granted (`5/MQTT-3.8.4-8`).
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// There exactly for QoS 1 and 2.
    pub const fn packet_id(&self) -> Option<PacketId> {
        self.packet_id
    }

    /// Whether it is sent with RETAIN.
    pub const fn retain(&self) -> bool {
        self.retain
    }

    /// It was sent before, on another connection (`5/MQTT-3.3.1-1`).
    pub const fn dup(&self) -> bool {
        self.dup
    }

    /// The identifiers of the subscriptions that it comes from (`5/MQTT-3.3.4-4`).
    pub fn subscription_ids(&self) -> impl Iterator<Item = NonZeroU32> + '_ {
        self.ids.iter()
    }

    /// No PUBLISH with this delivery is larger, in any version. Often enough to know that it fits.
    pub(crate) fn len_bound(&self) -> usize {
        // Fixed header, topic length, packet id, property length, expiry; an identifier has five bytes with its name.
        let ids = self.ids.iter().count().saturating_mul(5);
        self.message
            .size()
            .saturating_add(5 + 2 + 2 + 4 + 5)
            .saturating_add(ids)
    }

    /// Bytes of the PUBLISH with its topic, and beside it this alias, also before it has its packet id; `None` if no
    /// packet can hold it.
    pub(crate) fn encoded_len(&self, version: Version, now: Instant, alias: Option<u16>) -> Option<usize> {
        let payload_len = self.payload_len()?;
        let packet_id = (self.qos != QoS::AtMostOnce).then_some(PacketId::MIN);
        let head_len = self
            .with_head(version, now, alias, |head| {
                PublishHead { packet_id, ..*head }.encoded_len(version, payload_len)
            })
            .ok()?;
        head_len.checked_add(self.message.payload().len())
    }

    pub(crate) fn payload_len(&self) -> Option<u32> {
        u32::try_from(self.message.payload().len()).ok()
    }

    /// Gives the head of the PUBLISH to `with`; with this Topic Alias, if there is one, beside the topic.
    pub(crate) fn with_head<R>(
        &self,
        version: Version,
        now: Instant,
        alias: Option<u16>,
        with: impl FnOnce(&PublishHead<'_>) -> R,
    ) -> R {
        let &Self {
            packet_id,
            qos,
            retain,
            dup,
            ..
        } = self;
        let topic = self.message.topic();
        self.with_properties(version, now, alias, |properties| {
            with(&PublishHead {
                dup,
                qos,
                retain,
                topic,
                packet_id,
                properties,
            })
        })
    }

    /// Gives the properties of this delivery to `with`: those of the message, what is left of its expiry, the
    /// alias, the subscription identifiers. None in 3.x.
    fn with_properties<R>(
        &self,
        version: Version,
        now: Instant,
        alias: Option<u16>,
        with: impl FnOnce(Properties<'_>) -> R,
    ) -> R {
        if !version.has_properties() {
            return with(Properties::EMPTY);
        }
        let expiry = self.message.expiry_left(now).map(Property::MessageExpiryInterval);
        let ids = self
            .ids
            .iter()
            .map(|id| Property::SubscriptionIdentifier(id.get()));
        let mut own = expiry
            .into_iter()
            .chain(alias.map(Property::TopicAlias))
            .chain(ids);
        let properties = self.message.properties();
        // No more than three are what there is, so that no delivery allocates but one of many overlapping subscriptions.
        match (own.next(), own.next(), own.next(), own.next()) {
            (None, ..) => with(properties),
            (Some(a), None, ..) => with(properties.with(&[a]).view()),
            (Some(a), Some(b), None, _) => with(properties.with(&[a, b]).view()),
            (Some(a), Some(b), Some(c), None) => with(properties.with(&[a, b, c]).view()),
            (Some(a), Some(b), Some(c), Some(d)) => {
                let list: Vec<Property<'_>> = [a, b, c, d].into_iter().chain(own).collect();
                with(properties.with(&list).view())
            }
        }
    }
}
