//! Which fields there are.
//!
//! Names, order and defaults are those of [`mqtt_proto::notation`].

use mqtt_proto::property::PropertyPlace;
use mqtt_proto::{PacketType, PropertyId, Version};

use super::Val;

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Place {
    /// In a packet.
    Packet(PacketType),
    /// In the will of a CONNECT.
    Will,
    /// Beside a filter of a SUBSCRIBE.
    Subscription,
}

/// What values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Kind {
    /// A number in this range.
    Int(u64, u64),
    /// Text.
    Text,
    /// Text or bytes.
    Data,
    /// Two texts.
    Pair,
    /// A list of reason codes.
    Codes,
    /// A list of filters with options.
    Subscriptions,
    /// A list of filters.
    Filters,
    /// A will.
    Will,
}

impl Kind {
    /// What to write.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Int(0, 1) => "0 or 1".to_owned(),
            Self::Int(from, to) => format!("a number from {from} to {to}"),
            Self::Text => "text in quotes".to_owned(),
            Self::Data => "\"text\" or x\"hex\"".to_owned(),
            Self::Pair => "a pair `(\"name\" \"value\")`".to_owned(),
            Self::Codes => "a list of codes `[0 0x80]`".to_owned(),
            Self::Subscriptions => "a list of filters with options `[{\"a/+\" qos=1}]`".to_owned(),
            Self::Filters => "a list of filters `[\"a\" \"b/#\"]`".to_owned(),
            Self::Will => "a will `{topic=\"a\" payload=\"b\"}`".to_owned(),
        }
    }
}

/// What stands in a packet that does not name the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Default {
    Missing,
    Int(u64),
    Empty,
    NoItems,
}

/// A field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub kind: Kind,
    /// It may stand more than once.
    pub repeats: bool,
    default: Default,
    since: Version,
}

impl Spec {
    /// The one filter of a call.
    pub(super) const FILTER: Self = spec("filter", Kind::Text, Default::Missing, Version::V31);

    /// Whether packets of this version have the field.
    #[must_use]
    pub fn is_in(&self, version: Version) -> bool {
        version >= self.since
    }

    /// The value where the field is left out; `None` if it is then not there.
    #[must_use]
    pub fn default(&self) -> Option<Val> {
        match self.default {
            Default::Missing => None,
            Default::Int(number) => Some(Val::Int(number)),
            Default::Empty => Some(Val::Data(Vec::new())),
            Default::NoItems => Some(Val::List(Vec::new())),
        }
    }
}

const fn spec(name: &'static str, kind: Kind, default: Default, since: Version) -> Spec {
    Spec {
        name,
        kind,
        repeats: false,
        default,
        since,
    }
}

const FLAG: Kind = Kind::Int(0, 1);
const UP_TO_2: Kind = Kind::Int(0, 2);
const BYTE: Kind = Kind::Int(0, 0xff);
const UINT16: Kind = Kind::Int(0, 0xffff);
const UINT32: Kind = Kind::Int(0, 0xffff_ffff);
const VARINT: Kind = Kind::Int(0, 268_435_455);

const ID: Spec = spec("id", Kind::Int(1, 0xffff), Default::Missing, Version::V31);
/// A reason code that 3.x does not have.
const REASON: Spec = spec("code", BYTE, Default::Int(0), Version::V5);

static CONNECT: [Spec; 6] = [
    spec("client_id", Kind::Text, Default::Empty, Version::V31),
    spec("clean_start", FLAG, Default::Int(0), Version::V31),
    spec("keep_alive", UINT16, Default::Int(0), Version::V31),
    spec("user_name", Kind::Text, Default::Missing, Version::V31),
    spec("password", Kind::Data, Default::Missing, Version::V31),
    spec("will", Kind::Will, Default::Missing, Version::V31),
];
static CONNACK: [Spec; 2] = [
    // 3.1 has no such flag (3.1/3.2).
    spec("session_present", FLAG, Default::Int(0), Version::V311),
    spec("code", BYTE, Default::Int(0), Version::V31),
];
static PUBLISH: [Spec; 6] = [
    spec("topic", Kind::Text, Default::Empty, Version::V31),
    spec("qos", UP_TO_2, Default::Int(0), Version::V31),
    spec("dup", FLAG, Default::Int(0), Version::V31),
    spec("retain", FLAG, Default::Int(0), Version::V31),
    ID,
    spec("payload", Kind::Data, Default::Empty, Version::V31),
];
static WILL: [Spec; 4] = [
    spec("topic", Kind::Text, Default::Empty, Version::V31),
    spec("qos", UP_TO_2, Default::Int(0), Version::V31),
    spec("retain", FLAG, Default::Int(0), Version::V31),
    spec("payload", Kind::Data, Default::Empty, Version::V31),
];
static ACK: [Spec; 2] = [ID, REASON];
static SUBSCRIBE: [Spec; 2] = [
    ID,
    spec("filters", Kind::Subscriptions, Default::NoItems, Version::V31),
];
static SUBSCRIPTION: [Spec; 4] = [
    spec("qos", UP_TO_2, Default::Int(0), Version::V31),
    spec("no_local", FLAG, Default::Int(0), Version::V5),
    spec("retain_as_published", FLAG, Default::Int(0), Version::V5),
    spec("retain_handling", UP_TO_2, Default::Int(0), Version::V5),
];
static SUBACK: [Spec; 2] = [ID, spec("codes", Kind::Codes, Default::NoItems, Version::V31)];
static UNSUBSCRIBE: [Spec; 2] = [ID, spec("filters", Kind::Filters, Default::NoItems, Version::V31)];
// UNSUBACK of 3.x has no payload (3.1.1/3.11.2).
static UNSUBACK: [Spec; 2] = [ID, spec("codes", Kind::Codes, Default::NoItems, Version::V5)];
static REASON_ALONE: [Spec; 1] = [REASON];

impl Place {
    /// The fields that are no properties, in order.
    #[must_use]
    pub fn own(self) -> &'static [Spec] {
        match self {
            Self::Will => &WILL,
            Self::Subscription => &SUBSCRIPTION,
            Self::Packet(packet_type) => match packet_type {
                PacketType::Connect => &CONNECT,
                PacketType::ConnAck => &CONNACK,
                PacketType::Publish => &PUBLISH,
                PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => &ACK,
                PacketType::Subscribe => &SUBSCRIBE,
                PacketType::SubAck => &SUBACK,
                PacketType::Unsubscribe => &UNSUBSCRIBE,
                PacketType::UnsubAck => &UNSUBACK,
                PacketType::PingReq | PacketType::PingResp => &[],
                PacketType::Disconnect | PacketType::Auth => &REASON_ALONE,
            },
        }
    }

    /// All fields.
    pub fn all(self) -> impl Iterator<Item = Spec> {
        let place = match self {
            Self::Packet(packet_type) => Some(PropertyPlace::Packet(packet_type)),
            Self::Will => Some(PropertyPlace::Will),
            Self::Subscription => None,
        };
        let properties = place.into_iter().flat_map(|place| {
            PropertyId::ALL
                .into_iter()
                .filter(move |id| id.is_allowed(place))
                .map(move |id| property(id, place))
        });
        self.own().iter().copied().chain(properties)
    }

    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Spec> {
        self.all().find(|spec| spec.name == name)
    }
}

/// The property of this name.
#[must_use]
pub fn property_id(name: &str) -> Option<PropertyId> {
    PropertyId::ALL.into_iter().find(|id| id.name() == name)
}

fn property(id: PropertyId, place: PropertyPlace) -> Spec {
    let (kind, default) = match id {
        PropertyId::PayloadFormatIndicator | PropertyId::RequestResponseInformation => {
            (BYTE, Default::Int(0))
        }
        PropertyId::RequestProblemInformation
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => (BYTE, Default::Int(1)),
        PropertyId::MaximumQoS => (BYTE, Default::Int(2)),
        PropertyId::WillDelayInterval => (UINT32, Default::Int(0)),
        // In CONNACK and DISCONNECT its absence means the value of CONNECT.
        PropertyId::SessionExpiryInterval if place == PropertyPlace::Packet(PacketType::Connect) => {
            (UINT32, Default::Int(0))
        }
        PropertyId::SessionExpiryInterval
        | PropertyId::MessageExpiryInterval
        | PropertyId::MaximumPacketSize => (UINT32, Default::Missing),
        PropertyId::SubscriptionIdentifier => (VARINT, Default::Missing),
        PropertyId::ReceiveMaximum => (UINT16, Default::Int(65_535)),
        PropertyId::TopicAliasMaximum => (UINT16, Default::Int(0)),
        PropertyId::TopicAlias | PropertyId::ServerKeepAlive => (UINT16, Default::Missing),
        PropertyId::CorrelationData | PropertyId::AuthenticationData => (Kind::Data, Default::Missing),
        PropertyId::UserProperty => (Kind::Pair, Default::Missing),
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => (Kind::Text, Default::Missing),
    };
    Spec {
        name: id.name(),
        kind,
        repeats: id.may_repeat(place),
        default,
        since: Version::V5,
    }
}
