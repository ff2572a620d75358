//! Control packets: one borrowed value for each type, for all versions.
//!
//! What a version does not know must be left empty there: properties and reason codes exist in 5.0 only.

mod ack;
mod auth;
mod codec;
mod connack;
mod connect;
mod disconnect;
mod list;
mod publish;
mod suback;
mod subscribe;
mod unsubscribe;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use list::{List, ListIter, Listed};
pub use publish::{HeadStatus, Publish, PublishHead};
pub use suback::{ReasonCodes, SubAck, UnsubAck};
pub use subscribe::{RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
pub use unsubscribe::{Filters, Unsubscribe};

use crate::PacketType;

/// A control packet, borrowed from the bytes it was decoded from or from its builder.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Packet<'a> {
    /// Client asks for a connection (3.1).
    Connect(Connect<'a>),
    /// Server answers it (3.2).
    ConnAck(ConnAck<'a>),
    /// A message (3.3).
    Publish(Publish<'a>),
    /// Answer to a QoS 1 message (3.4).
    PubAck(Ack<'a>),
    /// First answer to a QoS 2 message (3.5).
    PubRec(Ack<'a>),
    /// Release of a QoS 2 message (3.6).
    PubRel(Ack<'a>),
    /// Last answer to a QoS 2 message (3.7).
    PubComp(Ack<'a>),
    /// Client asks for subscriptions (3.8).
    Subscribe(Subscribe<'a>),
    /// Server answers them (3.9).
    SubAck(SubAck<'a>),
    /// Client gives subscriptions up (3.10).
    Unsubscribe(Unsubscribe<'a>),
    /// Server answers that (3.11).
    UnsubAck(UnsubAck<'a>),
    /// Client shows that it is alive (3.12).
    PingReq,
    /// Server answers it (3.13).
    PingResp,
    /// Last packet of a connection (3.14).
    Disconnect(Disconnect<'a>),
    /// Step of an authentication exchange (5.0 only, 3.15).
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// The type of this packet.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}
