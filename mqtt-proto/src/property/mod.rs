//! Properties (5.0, section 2.2.2.2): one enum for a property, one borrowed view for a list of them.

mod seen;
mod stored;
mod view;
mod wire;

pub(crate) use seen::Seen;
pub use view::{Iter, Joined, Properties};

use crate::PacketType;

/// A property with its value. Text is UTF-8 without U+0000 and at most 65,535 bytes, as is binary data;
/// an encoder checks what the type does not say.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "closed by the standard")]
pub enum Property<'a> {
    /// Payload Format Indicator (0x01). 0 = bytes, 1 = UTF-8 text; forwarded as is; receiver may check the payload (0x99); only the Will section calls a repeat a Protocol Error.
    PayloadFormatIndicator(u8),
    /// Message Expiry Interval (0x02). Seconds; forwarded less the time waited in the server; only the Will section calls a repeat a Protocol Error.
    MessageExpiryInterval(u32),
    /// Content Type (0x03). Valid UTF-8; forwarded as is.
    ContentType(&'a str),
    /// Response Topic (0x08). A topic name: no wildcards; forwarded as is.
    ResponseTopic(&'a str),
    /// Correlation Data (0x09). 0 to 65535 bytes; forwarded as is.
    CorrelationData(&'a [u8]),
    /// Subscription Identifier (0x0b). 1 to 268435455, 0 is a Protocol Error; in PUBLISH only from server to client.
    SubscriptionIdentifier(u32),
    /// Session Expiry Interval (0x11). Seconds, 0xFFFFFFFF = never; DISCONNECT from the client only, and not above 0 if CONNECT had 0.
    SessionExpiryInterval(u32),
    /// Assigned Client Identifier (0x12). Sent exactly when CONNECT had an empty client id; unused by any other session.
    AssignedClientIdentifier(&'a str),
    /// Server Keep Alive (0x13). Seconds; replaces the client's value.
    ServerKeepAlive(u16),
    /// Authentication Method (0x15). Required in AUTH; same value for the whole connection.
    AuthenticationMethod(&'a str),
    /// Authentication Data (0x16). Only together with Authentication Method.
    AuthenticationData(&'a [u8]),
    /// Request Problem Information (0x17). 0 or 1; 0 keeps Reason String and User Property out of all but PUBLISH, CONNACK, DISCONNECT.
    RequestProblemInformation(u8),
    /// Will Delay Interval (0x18). Seconds; ends early if the session ends.
    WillDelayInterval(u32),
    /// Request Response Information (0x19). 0 or 1; 0 forbids Response Information.
    RequestResponseInformation(u8),
    /// Response Information (0x1a). Only if requested with 1.
    ResponseInformation(&'a str),
    /// Server Reference (0x1c). Server only, with code 0x9C or 0x9D; space-separated list.
    ServerReference(&'a str),
    /// Reason String (0x1f). Left out if the packet would pass the receiver's Maximum Packet Size.
    ReasonString(&'a str),
    /// Receive Maximum (0x21). 1 to 65535, 0 is a Protocol Error; this connection only.
    ReceiveMaximum(u16),
    /// Topic Alias Maximum (0x22). 0 = no aliases accepted; this connection only.
    TopicAliasMaximum(u16),
    /// Topic Alias (0x23). 1 to the Topic Alias Maximum of the receiver, anything else gives 0x94; this connection only.
    TopicAlias(u16),
    /// Maximum QoS (0x24). 0 or 1; 2 is never written.
    MaximumQoS(u8),
    /// Retain Available (0x25). 0 or 1.
    RetainAvailable(u8),
    /// User Property (0x26). Names may repeat, order kept; in CONNACK, acks, DISCONNECT and AUTH left out if the packet would pass the receiver's Maximum Packet Size.
    UserProperty(&'a str, &'a str),
    /// Maximum Packet Size (0x27). 1 to 4294967295, 0 is a Protocol Error; counts the whole packet.
    MaximumPacketSize(u32),
    /// Wildcard Subscription Available (0x28). 0 or 1.
    WildcardSubscriptionAvailable(u8),
    /// Subscription Identifier Available (0x29). 0 or 1.
    SubscriptionIdentifierAvailable(u8),
    /// Shared Subscription Available (0x2a). 0 or 1.
    SharedSubscriptionAvailable(u8),
}

/// The identifier of a property on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[allow(clippy::exhaustive_enums, reason = "closed by the standard")]
#[repr(u8)]
pub enum PropertyId {
    /// Payload Format Indicator.
    PayloadFormatIndicator = 0x01,
    /// Message Expiry Interval.
    MessageExpiryInterval = 0x02,
    /// Content Type.
    ContentType = 0x03,
    /// Response Topic.
    ResponseTopic = 0x08,
    /// Correlation Data.
    CorrelationData = 0x09,
    /// Subscription Identifier.
    SubscriptionIdentifier = 0x0B,
    /// Session Expiry Interval.
    SessionExpiryInterval = 0x11,
    /// Assigned Client Identifier.
    AssignedClientIdentifier = 0x12,
    /// Server Keep Alive.
    ServerKeepAlive = 0x13,
    /// Authentication Method.
    AuthenticationMethod = 0x15,
    /// Authentication Data.
    AuthenticationData = 0x16,
    /// Request Problem Information.
    RequestProblemInformation = 0x17,
    /// Will Delay Interval.
    WillDelayInterval = 0x18,
    /// Request Response Information.
    RequestResponseInformation = 0x19,
    /// Response Information.
    ResponseInformation = 0x1A,
    /// Server Reference.
    ServerReference = 0x1C,
    /// Reason String.
    ReasonString = 0x1F,
    /// Receive Maximum.
    ReceiveMaximum = 0x21,
    /// Topic Alias Maximum.
    TopicAliasMaximum = 0x22,
    /// Topic Alias.
    TopicAlias = 0x23,
    /// Maximum QoS.
    MaximumQoS = 0x24,
    /// Retain Available.
    RetainAvailable = 0x25,
    /// User Property.
    UserProperty = 0x26,
    /// Maximum Packet Size.
    MaximumPacketSize = 0x27,
    /// Wildcard Subscription Available.
    WildcardSubscriptionAvailable = 0x28,
    /// Subscription Identifier Available.
    SubscriptionIdentifierAvailable = 0x29,
    /// Shared Subscription Available.
    SharedSubscriptionAvailable = 0x2A,
}

/// Where a property may stand.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "closed by the standard")]
pub enum PropertyPlace {
    /// The properties of a packet.
    Packet(PacketType),
    /// The will properties in CONNECT (3.1.3.2).
    Will,
}

impl PropertyId {
    /// All identifiers, in the order of their numbers.
    pub const ALL: [Self; 27] = [
        Self::PayloadFormatIndicator,
        Self::MessageExpiryInterval,
        Self::ContentType,
        Self::ResponseTopic,
        Self::CorrelationData,
        Self::SubscriptionIdentifier,
        Self::SessionExpiryInterval,
        Self::AssignedClientIdentifier,
        Self::ServerKeepAlive,
        Self::AuthenticationMethod,
        Self::AuthenticationData,
        Self::RequestProblemInformation,
        Self::WillDelayInterval,
        Self::RequestResponseInformation,
        Self::ResponseInformation,
        Self::ServerReference,
        Self::ReasonString,
        Self::ReceiveMaximum,
        Self::TopicAliasMaximum,
        Self::TopicAlias,
        Self::MaximumQoS,
        Self::RetainAvailable,
        Self::UserProperty,
        Self::MaximumPacketSize,
        Self::WildcardSubscriptionAvailable,
        Self::SubscriptionIdentifierAvailable,
        Self::SharedSubscriptionAvailable,
    ];

    /// The identifier with this number, if there is one.
    pub const fn from_u8(value: u8) -> Option<Self> {
        Some(match value {
            0x01 => Self::PayloadFormatIndicator,
            0x02 => Self::MessageExpiryInterval,
            0x03 => Self::ContentType,
            0x08 => Self::ResponseTopic,
            0x09 => Self::CorrelationData,
            0x0B => Self::SubscriptionIdentifier,
            0x11 => Self::SessionExpiryInterval,
            0x12 => Self::AssignedClientIdentifier,
            0x13 => Self::ServerKeepAlive,
            0x15 => Self::AuthenticationMethod,
            0x16 => Self::AuthenticationData,
            0x17 => Self::RequestProblemInformation,
            0x18 => Self::WillDelayInterval,
            0x19 => Self::RequestResponseInformation,
            0x1A => Self::ResponseInformation,
            0x1C => Self::ServerReference,
            0x1F => Self::ReasonString,
            0x21 => Self::ReceiveMaximum,
            0x22 => Self::TopicAliasMaximum,
            0x23 => Self::TopicAlias,
            0x24 => Self::MaximumQoS,
            0x25 => Self::RetainAvailable,
            0x26 => Self::UserProperty,
            0x27 => Self::MaximumPacketSize,
            0x28 => Self::WildcardSubscriptionAvailable,
            0x29 => Self::SubscriptionIdentifierAvailable,
            0x2A => Self::SharedSubscriptionAvailable,
            _ => return None,
        })
    }

    /// The name of the standard in lower case, with `_` for blanks, as in traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PayloadFormatIndicator => "payload_format_indicator",
            Self::MessageExpiryInterval => "message_expiry_interval",
            Self::ContentType => "content_type",
            Self::ResponseTopic => "response_topic",
            Self::CorrelationData => "correlation_data",
            Self::SubscriptionIdentifier => "subscription_identifier",
            Self::SessionExpiryInterval => "session_expiry_interval",
            Self::AssignedClientIdentifier => "assigned_client_identifier",
            Self::ServerKeepAlive => "server_keep_alive",
            Self::AuthenticationMethod => "authentication_method",
            Self::AuthenticationData => "authentication_data",
            Self::RequestProblemInformation => "request_problem_information",
            Self::WillDelayInterval => "will_delay_interval",
            Self::RequestResponseInformation => "request_response_information",
            Self::ResponseInformation => "response_information",
            Self::ServerReference => "server_reference",
            Self::ReasonString => "reason_string",
            Self::ReceiveMaximum => "receive_maximum",
            Self::TopicAliasMaximum => "topic_alias_maximum",
            Self::TopicAlias => "topic_alias",
            Self::MaximumQoS => "maximum_qos",
            Self::RetainAvailable => "retain_available",
            Self::UserProperty => "user_property",
            Self::MaximumPacketSize => "maximum_packet_size",
            Self::WildcardSubscriptionAvailable => "wildcard_subscription_available",
            Self::SubscriptionIdentifierAvailable => "subscription_identifier_available",
            Self::SharedSubscriptionAvailable => "shared_subscription_available",
        }
    }

    /// Whether this property may stand there (table 2-4).
    pub fn is_allowed(self, place: PropertyPlace) -> bool {
        self.places() & place_bit(place) != 0
    }

    /// Whether it may stand there more than once. A second Subscription Identifier is right in PUBLISH alone.
    pub const fn may_repeat(self, place: PropertyPlace) -> bool {
        matches!(
            (self, place),
            (Self::UserProperty, _)
                | (
                    Self::SubscriptionIdentifier,
                    PropertyPlace::Packet(PacketType::Publish)
                )
        )
    }

    const fn places(self) -> u16 {
        match self {
            Self::PayloadFormatIndicator
            | Self::MessageExpiryInterval
            | Self::ContentType
            | Self::ResponseTopic
            | Self::CorrelationData => PUBLISH | WILL,
            Self::SubscriptionIdentifier => PUBLISH | SUBSCRIBE,
            Self::SessionExpiryInterval => CONNECT | CONNACK | DISCONNECT,
            Self::AssignedClientIdentifier
            | Self::ServerKeepAlive
            | Self::ResponseInformation
            | Self::MaximumQoS
            | Self::RetainAvailable
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifierAvailable
            | Self::SharedSubscriptionAvailable => CONNACK,
            Self::AuthenticationMethod | Self::AuthenticationData => CONNECT | CONNACK | AUTH,
            Self::RequestProblemInformation | Self::RequestResponseInformation => CONNECT,
            Self::WillDelayInterval => WILL,
            Self::ServerReference => CONNACK | DISCONNECT,
            Self::ReasonString => {
                CONNACK | PUBACK | PUBREC | PUBREL | PUBCOMP | SUBACK | UNSUBACK | DISCONNECT | AUTH
            }
            Self::ReceiveMaximum | Self::TopicAliasMaximum | Self::MaximumPacketSize => CONNECT | CONNACK,
            Self::TopicAlias => PUBLISH,
            Self::UserProperty => {
                CONNECT
                    | CONNACK
                    | PUBLISH
                    | WILL
                    | PUBACK
                    | PUBREC
                    | PUBREL
                    | PUBCOMP
                    | SUBSCRIBE
                    | SUBACK
                    | UNSUBSCRIBE
                    | UNSUBACK
                    | DISCONNECT
                    | AUTH
            }
        }
    }
}

// One bit for every packet type, by its number; the will takes the place of type 0, which does not exist.
const fn bit(packet: PacketType) -> u16 {
    1 << packet as u16
}
const WILL: u16 = 1;
const CONNECT: u16 = bit(PacketType::Connect);
const CONNACK: u16 = bit(PacketType::ConnAck);
const PUBLISH: u16 = bit(PacketType::Publish);
const PUBACK: u16 = bit(PacketType::PubAck);
const PUBREC: u16 = bit(PacketType::PubRec);
const PUBREL: u16 = bit(PacketType::PubRel);
const PUBCOMP: u16 = bit(PacketType::PubComp);
const SUBSCRIBE: u16 = bit(PacketType::Subscribe);
const SUBACK: u16 = bit(PacketType::SubAck);
const UNSUBSCRIBE: u16 = bit(PacketType::Unsubscribe);
const UNSUBACK: u16 = bit(PacketType::UnsubAck);
const DISCONNECT: u16 = bit(PacketType::Disconnect);
const AUTH: u16 = bit(PacketType::Auth);

const fn place_bit(place: PropertyPlace) -> u16 {
    match place {
        PropertyPlace::Packet(packet) => bit(packet),
        PropertyPlace::Will => WILL,
    }
}

impl Property<'_> {
    /// Which property this is.
    pub const fn id(&self) -> PropertyId {
        match self {
            Self::PayloadFormatIndicator(..) => PropertyId::PayloadFormatIndicator,
            Self::MessageExpiryInterval(..) => PropertyId::MessageExpiryInterval,
            Self::ContentType(..) => PropertyId::ContentType,
            Self::ResponseTopic(..) => PropertyId::ResponseTopic,
            Self::CorrelationData(..) => PropertyId::CorrelationData,
            Self::SubscriptionIdentifier(..) => PropertyId::SubscriptionIdentifier,
            Self::SessionExpiryInterval(..) => PropertyId::SessionExpiryInterval,
            Self::AssignedClientIdentifier(..) => PropertyId::AssignedClientIdentifier,
            Self::ServerKeepAlive(..) => PropertyId::ServerKeepAlive,
            Self::AuthenticationMethod(..) => PropertyId::AuthenticationMethod,
            Self::AuthenticationData(..) => PropertyId::AuthenticationData,
            Self::RequestProblemInformation(..) => PropertyId::RequestProblemInformation,
            Self::WillDelayInterval(..) => PropertyId::WillDelayInterval,
            Self::RequestResponseInformation(..) => PropertyId::RequestResponseInformation,
            Self::ResponseInformation(..) => PropertyId::ResponseInformation,
            Self::ServerReference(..) => PropertyId::ServerReference,
            Self::ReasonString(..) => PropertyId::ReasonString,
            Self::ReceiveMaximum(..) => PropertyId::ReceiveMaximum,
            Self::TopicAliasMaximum(..) => PropertyId::TopicAliasMaximum,
            Self::TopicAlias(..) => PropertyId::TopicAlias,
            Self::MaximumQoS(..) => PropertyId::MaximumQoS,
            Self::RetainAvailable(..) => PropertyId::RetainAvailable,
            Self::UserProperty(..) => PropertyId::UserProperty,
            Self::MaximumPacketSize(..) => PropertyId::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(..) => PropertyId::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifierAvailable(..) => PropertyId::SubscriptionIdentifierAvailable,
            Self::SharedSubscriptionAvailable(..) => PropertyId::SharedSubscriptionAvailable,
        }
    }
}
