//! Packets whose fields were drawn, right or wrong: what an application may hand to the encoder.

use mqtt_proto::{
    Packet, PacketId, PacketType, Properties, Property, PropertyId, QoS, ReasonCode, TopicFilter, TopicName,
    Version,
    packet::{
        Ack, Auth, ConnAck, Connect, Disconnect, Filters, Publish, PublishHead, ReasonCodes, RetainHandling,
        SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
    },
    property::PropertyPlace,
};

use crate::choices::Choices;

const CODES: [u8; 24] = [
    0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8E,
    0x91, 0x92, 0x97, 0x99, 0x9D, 0xA2, 0xFF,
];
const FILTERS: [&str; 8] = [
    "t",
    "#",
    "+/b",
    "a/+/#",
    "$share/g/t",
    "$share/g/#",
    "$SYS/#",
    "/",
];
const TOPICS: [&str; 5] = ["t", "a/b", "/", "$SYS/x", "a"];

/// Draws a packet.
pub fn with_packet<'a>(choices: &mut Choices<'a>, version: Version, look: impl FnOnce(&Packet<'_>)) {
    let packet_type = choices.one(&PacketType::ALL);
    let list = properties(choices, PropertyPlace::Packet(packet_type), version);
    let properties = Properties::new(&list);
    let id = packet_id(choices);
    let code = ReasonCode(choices.one(&CODES));
    let ack = Ack {
        packet_id: id,
        code,
        properties,
    };
    match packet_type {
        PacketType::Connect => {
            let flags = choices.byte();
            let will_list = self::properties(choices, PropertyPlace::Will, version);
            let will = Will {
                topic: topic(choices),
                payload: choices.bytes(),
                qos: qos(flags),
                retain: flags & 4 != 0,
                properties: Properties::new(&will_list),
            };
            let connect = Connect {
                version,
                clean_start: flags & 8 != 0,
                keep_alive: choices.u16(),
                client_id: choices.text(),
                will: (flags & 16 != 0).then_some(will),
                user_name: (flags & 32 != 0).then(|| choices.text()),
                password: (flags & 64 != 0).then(|| choices.bytes()),
                properties,
            };
            look(&Packet::Connect(connect));
        }
        PacketType::ConnAck => look(&Packet::ConnAck(ConnAck {
            session_present: choices.byte() & 1 != 0,
            code,
            properties,
        })),
        PacketType::Publish => {
            let flags = choices.byte();
            let head = PublishHead {
                dup: flags & 4 != 0,
                qos: qos(flags),
                retain: flags & 8 != 0,
                topic: if flags & 16 != 0 {
                    TopicName::EMPTY
                } else {
                    topic(choices)
                },
                packet_id: ((qos(flags) != QoS::AtMostOnce) != (flags & 96 == 96)).then_some(id),
                properties,
            };
            look(&Packet::Publish(Publish {
                head,
                payload: choices.bytes(),
            }));
        }
        PacketType::PubAck => look(&Packet::PubAck(ack)),
        PacketType::PubRec => look(&Packet::PubRec(ack)),
        PacketType::PubRel => look(&Packet::PubRel(ack)),
        PacketType::PubComp => look(&Packet::PubComp(ack)),
        PacketType::Subscribe => {
            let filters: Vec<_> = (0..choices.byte() % 4).map(|_| subscription(choices)).collect();
            look(&Packet::Subscribe(Subscribe {
                packet_id: id,
                properties,
                filters: Subscriptions::new(&filters),
            }));
        }
        PacketType::SubAck => look(&Packet::SubAck(SubAck {
            packet_id: id,
            properties,
            codes: ReasonCodes::new(choices.bytes()),
        })),
        PacketType::Unsubscribe => {
            let filters: Vec<_> = (0..choices.byte() % 4).map(|_| filter(choices)).collect();
            look(&Packet::Unsubscribe(Unsubscribe {
                packet_id: id,
                properties,
                filters: Filters::new(&filters),
            }));
        }
        PacketType::UnsubAck => look(&Packet::UnsubAck(UnsubAck {
            packet_id: id,
            properties,
            codes: ReasonCodes::new(choices.bytes()),
        })),
        PacketType::PingReq => look(&Packet::PingReq),
        PacketType::PingResp => look(&Packet::PingResp),
        PacketType::Disconnect => look(&Packet::Disconnect(Disconnect { code, properties })),
        PacketType::Auth => look(&Packet::Auth(Auth { code, properties })),
    }
}

fn qos(bits: u8) -> QoS {
    QoS::from_u8(bits & 3).unwrap_or(QoS::AtLeastOnce)
}

fn packet_id(choices: &mut Choices<'_>) -> PacketId {
    PacketId::new(u16::from(choices.byte())).unwrap_or(PacketId::MAX)
}

/// A topic name.
pub fn topic<'a>(choices: &mut Choices<'a>) -> TopicName<'a> {
    let fallback = TOPICS[usize::from(choices.byte()) % TOPICS.len()];
    TopicName::new(choices.text())
        .or_else(|_| TopicName::new(fallback))
        .unwrap_or(TopicName::EMPTY)
}

/// A topic filter.
pub fn filter<'a>(choices: &mut Choices<'a>) -> TopicFilter<'a> {
    let fallback = FILTERS[usize::from(choices.byte()) % FILTERS.len()];
    TopicFilter::new(choices.text())
        .or_else(|_| TopicFilter::new(fallback))
        .expect("the fallbacks are filters")
}

/// A filter with options.
pub fn subscription<'a>(choices: &mut Choices<'a>) -> Subscription<'a> {
    let flags = choices.byte();
    Subscription {
        filter: filter(choices),
        options: SubscriptionOptions {
            qos: qos(flags),
            no_local: flags & 4 != 0,
            retain_as_published: flags & 8 != 0,
            retain_handling: RetainHandling::from_u8(flags >> 4 & 3).unwrap_or_default(),
        },
    }
}

/// Up to three properties, most of them such as may stand there.
pub fn properties<'a>(
    choices: &mut Choices<'a>,
    place: PropertyPlace,
    version: Version,
) -> Vec<Property<'a>> {
    let draw = choices.byte();
    // In 3.x there is no place for any.
    let count = if version.has_properties() || draw > 250 {
        draw % 4
    } else {
        0
    };
    let any = draw & 0x70 == 0x70;
    let allowed: Vec<PropertyId> = PropertyId::ALL
        .into_iter()
        .filter(|id| any || id.is_allowed(place))
        .collect();
    if allowed.is_empty() {
        return Vec::new();
    }
    (0..count)
        .map(|_| {
            let id = choices.one(&allowed);
            property(choices, id)
        })
        .collect()
}

fn property<'a>(choices: &mut Choices<'a>, id: PropertyId) -> Property<'a> {
    use Property as P;
    match id {
        PropertyId::PayloadFormatIndicator => P::PayloadFormatIndicator(choices.byte()),
        PropertyId::MessageExpiryInterval => P::MessageExpiryInterval(choices.u32()),
        PropertyId::ContentType => P::ContentType(choices.text()),
        PropertyId::ResponseTopic => P::ResponseTopic(choices.text()),
        PropertyId::CorrelationData => P::CorrelationData(choices.bytes()),
        PropertyId::SubscriptionIdentifier => P::SubscriptionIdentifier(choices.u32()),
        PropertyId::SessionExpiryInterval => P::SessionExpiryInterval(choices.u32()),
        PropertyId::AssignedClientIdentifier => P::AssignedClientIdentifier(choices.text()),
        PropertyId::ServerKeepAlive => P::ServerKeepAlive(choices.u16()),
        PropertyId::AuthenticationMethod => P::AuthenticationMethod(choices.text()),
        PropertyId::AuthenticationData => P::AuthenticationData(choices.bytes()),
        PropertyId::RequestProblemInformation => P::RequestProblemInformation(choices.byte()),
        PropertyId::WillDelayInterval => P::WillDelayInterval(choices.u32()),
        PropertyId::RequestResponseInformation => P::RequestResponseInformation(choices.byte()),
        PropertyId::ResponseInformation => P::ResponseInformation(choices.text()),
        PropertyId::ServerReference => P::ServerReference(choices.text()),
        PropertyId::ReasonString => P::ReasonString(choices.text()),
        PropertyId::ReceiveMaximum => P::ReceiveMaximum(choices.u16()),
        PropertyId::TopicAliasMaximum => P::TopicAliasMaximum(choices.u16()),
        PropertyId::TopicAlias => P::TopicAlias(choices.u16()),
        PropertyId::MaximumQoS => P::MaximumQoS(choices.byte()),
        PropertyId::RetainAvailable => P::RetainAvailable(choices.byte()),
        PropertyId::UserProperty => P::UserProperty(choices.text(), choices.text()),
        PropertyId::MaximumPacketSize => P::MaximumPacketSize(choices.u32()),
        PropertyId::WildcardSubscriptionAvailable => P::WildcardSubscriptionAvailable(choices.byte()),
        PropertyId::SubscriptionIdentifierAvailable => P::SubscriptionIdentifierAvailable(choices.byte()),
        PropertyId::SharedSubscriptionAvailable => P::SharedSubscriptionAvailable(choices.byte()),
    }
}
