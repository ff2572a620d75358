//! The packet of fields.

use core::fmt;

use mqtt_proto::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, Packet, Publish, PublishHead, ReasonCodes,
    RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck,
    Unsubscribe, Will,
};
use mqtt_proto::{
    PacketId, PacketType, Properties, Property, PropertyId, QoS, ReasonCode, TopicFilter, TopicName, Version,
};

use super::table::property_id;
use super::{Fields, Val, values};

/// Fields that make no packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPacket {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for NotAPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl core::error::Error for NotAPacket {}

type Built<T> = Result<T, NotAPacket>;

fn wrong<T>(field: &'static str, why: impl Into<String>) -> Built<T> {
    Err(NotAPacket {
        field,
        why: why.into(),
    })
}

impl Fields {
    /// Makes the packet that says this, and lends it. Fields that are left out have their default.
    ///
    /// # Errors
    ///
    /// A field is missing that has no default, or has a value that the type of the packet cannot hold.
    pub fn with_packet<T>(&self, version: Version, then: impl FnOnce(&Packet<'_>) -> T) -> Built<T> {
        let all = Reader(&self.list);
        let properties = all.properties()?;
        let properties = Properties::new(&properties);
        let codes: Vec<u8>;
        let subscriptions: Vec<Subscription<'_>>;
        let filters: Vec<TopicFilter<'_>>;
        let will_properties: Vec<Property<'_>>;
        let packet = match self.packet_type {
            PacketType::Connect => {
                let will = match all.one("will")? {
                    None => None,
                    Some(Val::Group { list, .. }) => {
                        let inside = Reader(list);
                        will_properties = inside.properties()?;
                        Some(Will {
                            topic: topic("topic", inside.text("topic")?.unwrap_or_default())?,
                            payload: inside.data("payload")?.unwrap_or_default(),
                            qos: inside.qos()?,
                            retain: inside.flag("retain")?,
                            properties: Properties::new(&will_properties),
                        })
                    }
                    Some(_) => return wrong("will", "not a group"),
                };
                Packet::Connect(Connect {
                    version,
                    clean_start: all.flag("clean_start")?,
                    keep_alive: all.int("keep_alive")?.unwrap_or_default(),
                    client_id: all.text("client_id")?.unwrap_or_default(),
                    will,
                    user_name: all.text("user_name")?,
                    password: all.data("password")?,
                    properties,
                })
            }
            PacketType::ConnAck => Packet::ConnAck(ConnAck {
                session_present: all.flag("session_present")?,
                code: all.code()?,
                properties,
            }),
            PacketType::Publish => {
                let name = all.text("topic")?.unwrap_or_default();
                let head = PublishHead {
                    dup: all.flag("dup")?,
                    qos: all.qos()?,
                    retain: all.flag("retain")?,
                    topic: if name.is_empty() {
                        TopicName::EMPTY
                    } else {
                        topic("topic", name)?
                    },
                    packet_id: all.int("id")?.and_then(PacketId::new),
                    properties,
                };
                Packet::Publish(Publish {
                    head,
                    payload: all.data("payload")?.unwrap_or_default(),
                })
            }
            PacketType::PubAck => Packet::PubAck(all.ack(properties)?),
            PacketType::PubRec => Packet::PubRec(all.ack(properties)?),
            PacketType::PubRel => Packet::PubRel(all.ack(properties)?),
            PacketType::PubComp => Packet::PubComp(all.ack(properties)?),
            PacketType::Subscribe => {
                subscriptions = all
                    .list("filters")?
                    .iter()
                    .map(subscription)
                    .collect::<Built<_>>()?;
                Packet::Subscribe(Subscribe {
                    packet_id: all.id()?,
                    properties,
                    filters: Subscriptions::new(&subscriptions),
                })
            }
            PacketType::SubAck => {
                codes = all.codes()?;
                Packet::SubAck(SubAck {
                    packet_id: all.id()?,
                    properties,
                    codes: ReasonCodes::new(&codes),
                })
            }
            PacketType::Unsubscribe => {
                filters = all.list("filters")?.iter().map(filter).collect::<Built<_>>()?;
                Packet::Unsubscribe(Unsubscribe {
                    packet_id: all.id()?,
                    properties,
                    filters: Filters::new(&filters),
                })
            }
            PacketType::UnsubAck => {
                codes = all.codes()?;
                Packet::UnsubAck(UnsubAck {
                    packet_id: all.id()?,
                    properties,
                    codes: ReasonCodes::new(&codes),
                })
            }
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Disconnect {
                code: all.code()?,
                properties,
            }),
            PacketType::Auth => Packet::Auth(Auth {
                code: all.code()?,
                properties,
            }),
        };
        Ok(then(&packet))
    }
}

/// Fields by name.
struct Reader<'f>(&'f [(&'static str, Val)]);

impl<'f> Reader<'f> {
    fn one(&self, name: &'static str) -> Built<Option<&'f Val>> {
        let mut found = values(self.0, name);
        match (found.next(), found.next()) {
            (_, Some(_)) => wrong(name, "stands twice"),
            (one, None) => Ok(one),
        }
    }

    fn int<T: TryFrom<u64>>(&self, name: &'static str) -> Built<Option<T>> {
        self.one(name)?.map(|value| int(name, value)).transpose()
    }

    fn flag(&self, name: &'static str) -> Built<bool> {
        match self.int::<u8>(name)? {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => wrong(name, "neither 0 nor 1"),
        }
    }

    fn qos(&self) -> Built<QoS> {
        match QoS::from_u8(self.int("qos")?.unwrap_or_default()) {
            Some(qos) => Ok(qos),
            None => wrong("qos", "not 0, 1 or 2"),
        }
    }

    fn code(&self) -> Built<ReasonCode> {
        Ok(ReasonCode(self.int("code")?.unwrap_or_default()))
    }

    fn id(&self) -> Built<PacketId> {
        match self.int("id")?.and_then(PacketId::new) {
            Some(id) => Ok(id),
            None => wrong("id", "missing; write a packet with the id 0 as `hex`"),
        }
    }

    fn ack<'p>(&self, properties: Properties<'p>) -> Built<Ack<'p>> {
        Ok(Ack {
            packet_id: self.id()?,
            code: self.code()?,
            properties,
        })
    }

    fn data(&self, name: &'static str) -> Built<Option<&'f [u8]>> {
        self.one(name)?.map(|value| data(name, value)).transpose()
    }

    fn text(&self, name: &'static str) -> Built<Option<&'f str>> {
        self.one(name)?.map(|value| text(name, value)).transpose()
    }

    fn list(&self, name: &'static str) -> Built<&'f [Val]> {
        match self.one(name)? {
            None => Ok(&[]),
            Some(Val::List(list)) => Ok(list),
            Some(_) => wrong(name, "not a list"),
        }
    }

    fn codes(&self) -> Built<Vec<u8>> {
        self.list("codes")?
            .iter()
            .map(|value| int("codes", value))
            .collect()
    }

    fn properties(&self) -> Built<Vec<Property<'f>>> {
        self.0
            .iter()
            .filter_map(|(name, value)| property_id(name).map(|id| property(id, value)))
            .collect()
    }
}

fn int<T: TryFrom<u64>>(name: &'static str, value: &Val) -> Built<T> {
    match value {
        Val::Int(number) => T::try_from(*number).or_else(|_| wrong(name, format!("{number} is too large"))),
        Val::Data(_) | Val::List(_) | Val::Group { .. } | Val::Pair(..) => wrong(name, "not a number"),
    }
}

fn data<'f>(name: &'static str, value: &'f Val) -> Built<&'f [u8]> {
    match value {
        Val::Data(data) => Ok(data),
        Val::Int(_) | Val::List(_) | Val::Group { .. } | Val::Pair(..) => {
            wrong(name, "neither text nor bytes")
        }
    }
}

fn text<'f>(name: &'static str, value: &'f Val) -> Built<&'f str> {
    core::str::from_utf8(data(name, value)?).or_else(|_| wrong(name, "not UTF-8; write the packet as `hex`"))
}

fn topic<'f>(field: &'static str, name: &'f str) -> Built<TopicName<'f>> {
    TopicName::new(name).or_else(|e| wrong(field, format!("{e}; write the packet as `hex`")))
}

fn filter(value: &Val) -> Built<TopicFilter<'_>> {
    let text = text("filters", value)?;
    TopicFilter::new(text).or_else(|e| wrong("filters", format!("{e}; write the packet as `hex`")))
}

fn subscription(value: &Val) -> Built<Subscription<'_>> {
    let Val::Group {
        text: Some(name),
        list,
    } = value
    else {
        return wrong("filters", "not a group that begins with a filter");
    };
    let name =
        core::str::from_utf8(name).or_else(|_| wrong("filters", "not UTF-8; write the packet as `hex`"))?;
    let all = Reader(list);
    Ok(Subscription {
        filter: TopicFilter::new(name)
            .or_else(|e| wrong("filters", format!("{e}; write the packet as `hex`")))?,
        options: SubscriptionOptions {
            qos: all.qos()?,
            no_local: all.flag("no_local")?,
            retain_as_published: all.flag("retain_as_published")?,
            retain_handling: match all.int::<u8>("retain_handling")?.unwrap_or_default() {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return wrong("retain_handling", "not 0, 1 or 2"),
            },
        },
    })
}

fn property(id: PropertyId, value: &Val) -> Built<Property<'_>> {
    let name = id.name();
    Ok(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(int(name, value)?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(int(name, value)?),
        PropertyId::ContentType => Property::ContentType(text(name, value)?),
        PropertyId::ResponseTopic => Property::ResponseTopic(text(name, value)?),
        PropertyId::CorrelationData => Property::CorrelationData(data(name, value)?),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(int(name, value)?),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(int(name, value)?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text(name, value)?),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(int(name, value)?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text(name, value)?),
        PropertyId::AuthenticationData => Property::AuthenticationData(data(name, value)?),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(int(name, value)?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(int(name, value)?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(int(name, value)?),
        PropertyId::ResponseInformation => Property::ResponseInformation(text(name, value)?),
        PropertyId::ServerReference => Property::ServerReference(text(name, value)?),
        PropertyId::ReasonString => Property::ReasonString(text(name, value)?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(int(name, value)?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(int(name, value)?),
        PropertyId::TopicAlias => Property::TopicAlias(int(name, value)?),
        PropertyId::MaximumQoS => Property::MaximumQoS(int(name, value)?),
        PropertyId::RetainAvailable => Property::RetainAvailable(int(name, value)?),
        PropertyId::UserProperty => match value {
            Val::Pair(key, value) => Property::UserProperty(key, value),
            Val::Int(_) | Val::Data(_) | Val::List(_) | Val::Group { .. } => {
                return wrong(name, "not a pair");
            }
        },
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(int(name, value)?),
        PropertyId::WildcardSubscriptionAvailable => {
            Property::WildcardSubscriptionAvailable(int(name, value)?)
        }
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(int(name, value)?)
        }
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(int(name, value)?),
    })
}
