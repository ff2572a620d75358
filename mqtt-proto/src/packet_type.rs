//! Control packet types (section 2.1.2, in 3.x 2.2.1).

use core::fmt;

use crate::{Sender, Version};

/// The type of a control packet, with its number on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
#[repr(u8)]
pub enum PacketType {
    /// Client asks for a connection.
    Connect = 1,
    /// Server answers it.
    ConnAck = 2,
    /// A message, either way.
    Publish = 3,
    /// Answer to a QoS 1 message.
    PubAck = 4,
    /// First answer to a QoS 2 message.
    PubRec = 5,
    /// Release of a QoS 2 message.
    PubRel = 6,
    /// Last answer to a QoS 2 message.
    PubComp = 7,
    /// Client asks for subscriptions.
    Subscribe = 8,
    /// Server answers them.
    SubAck = 9,
    /// Client gives subscriptions up.
    Unsubscribe = 10,
    /// Server answers that.
    UnsubAck = 11,
    /// Client shows that it is alive.
    PingReq = 12,
    /// Server answers it.
    PingResp = 13,
    /// Last packet of a connection (from a server in 5.0 only).
    Disconnect = 14,
    /// Step of an authentication exchange (5.0 only).
    Auth = 15,
}

impl PacketType {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type with this number; `None` for 0 and above 15.
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.get(usize::from(value).checked_sub(1)?).copied()
    }

    /// Whether this side may send this type in this version (table 2-1).
    pub const fn is_sent_by(self, from: Sender, version: Version) -> bool {
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::PingReq => {
                !matches!(from, Sender::Server)
            }
            Self::ConnAck | Self::SubAck | Self::UnsubAck | Self::PingResp => !matches!(from, Sender::Client),
            // In 3.x a server closes without a word.
            Self::Disconnect => version.has_properties() || !matches!(from, Sender::Server),
            Self::Auth => version.has_properties(),
            Self::Publish | Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp => true,
        }
    }

    /// The low four bits of the first byte (table 2-2); those of PUBLISH vary.
    pub(crate) const fn header_flags(self) -> u8 {
        // 3.1.1/MQTT-2.2.2-1, 3.1/3.6-1, 3.1/3.8-1, 3.1/3.10-1
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0x02,
            Self::Connect
            | Self::ConnAck
            | Self::Publish
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => 0,
        }
    }

    /// The name as the standards write it, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
