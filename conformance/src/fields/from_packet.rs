//! A packet's fields.

use mqtt_proto::packet::{Packet, ReasonCodes, Subscription, Will};
use mqtt_proto::{PacketId, Properties, Property};

use super::{Fields, Val};

type List = Vec<(&'static str, Val)>;

impl Fields {
    /// What a packet says. Fields that cannot be missing are all there, also at their default.
    #[must_use]
    pub fn of(packet: &Packet<'_>) -> Self {
        let mut list = List::new();
        match packet {
            Packet::Connect(connect) => {
                list.push(("client_id", Val::text(connect.client_id)));
                list.push(("clean_start", flag(connect.clean_start)));
                list.push(("keep_alive", Val::Int(connect.keep_alive.into())));
                list.extend(connect.user_name.map(|name| ("user_name", Val::text(name))));
                list.extend(
                    connect
                        .password
                        .map(|password| ("password", Val::Data(password.to_vec()))),
                );
                list.extend(connect.will.as_ref().map(|one| ("will", will(one))));
                properties(&mut list, &connect.properties);
            }
            Packet::ConnAck(ack) => {
                list.push(("session_present", flag(ack.session_present)));
                list.push(("code", Val::Int(ack.code.0.into())));
                properties(&mut list, &ack.properties);
            }
            Packet::Publish(publish) => {
                let head = &publish.head;
                list.push(("topic", Val::text(head.topic.as_str())));
                list.push(("qos", Val::Int(head.qos as u64)));
                list.push(("dup", flag(head.dup)));
                list.push(("retain", flag(head.retain)));
                list.extend(head.packet_id.map(id));
                properties(&mut list, &head.properties);
                list.push(("payload", Val::Data(publish.payload.to_vec())));
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                list.push(id(ack.packet_id));
                list.push(("code", Val::Int(ack.code.0.into())));
                properties(&mut list, &ack.properties);
            }
            Packet::Subscribe(subscribe) => {
                list.push(id(subscribe.packet_id));
                let filters = subscribe.filters.iter().map(|one| subscription(&one)).collect();
                list.push(("filters", Val::List(filters)));
                properties(&mut list, &subscribe.properties);
            }
            Packet::SubAck(ack) => {
                list.push(id(ack.packet_id));
                list.push(codes(ack.codes));
                properties(&mut list, &ack.properties);
            }
            Packet::Unsubscribe(unsubscribe) => {
                list.push(id(unsubscribe.packet_id));
                let filters = unsubscribe
                    .filters
                    .iter()
                    .map(|one| Val::text(one.as_str()))
                    .collect();
                list.push(("filters", Val::List(filters)));
                properties(&mut list, &unsubscribe.properties);
            }
            Packet::UnsubAck(ack) => {
                list.push(id(ack.packet_id));
                list.push(codes(ack.codes));
                properties(&mut list, &ack.properties);
            }
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(disconnect) => {
                list.push(("code", Val::Int(disconnect.code.0.into())));
                properties(&mut list, &disconnect.properties);
            }
            Packet::Auth(auth) => {
                list.push(("code", Val::Int(auth.code.0.into())));
                properties(&mut list, &auth.properties);
            }
        }
        Self {
            packet_type: packet.packet_type(),
            list,
        }
    }
}

fn flag(flag: bool) -> Val {
    Val::Int(flag.into())
}

fn id(id: PacketId) -> (&'static str, Val) {
    ("id", Val::Int(id.get().into()))
}

pub(crate) fn codes(codes: ReasonCodes<'_>) -> (&'static str, Val) {
    (
        "codes",
        Val::List(codes.iter().map(|code| Val::Int(code.0.into())).collect()),
    )
}

fn will(will: &Will<'_>) -> Val {
    let mut list = vec![
        ("topic", Val::text(will.topic.as_str())),
        ("qos", Val::Int(will.qos as u64)),
        ("retain", flag(will.retain)),
    ];
    properties(&mut list, &will.properties);
    list.push(("payload", Val::Data(will.payload.to_vec())));
    Val::Group { text: None, list }
}

fn subscription(one: &Subscription<'_>) -> Val {
    let list = vec![
        ("qos", Val::Int(one.options.qos as u64)),
        ("no_local", flag(one.options.no_local)),
        ("retain_as_published", flag(one.options.retain_as_published)),
        ("retain_handling", Val::Int(one.options.retain_handling as u64)),
    ];
    Val::Group {
        text: Some(one.filter.as_str().as_bytes().to_vec()),
        list,
    }
}

pub(crate) fn properties(list: &mut List, properties: &Properties<'_>) {
    list.extend(
        properties
            .iter()
            .map(|property| (property.id().name(), value(property))),
    );
}

fn value(property: Property<'_>) -> Val {
    match property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::MaximumQoS(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => Val::Int(value.into()),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => Val::Int(value.into()),
        Property::MessageExpiryInterval(value)
        | Property::SubscriptionIdentifier(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value) => Val::Int(value.into()),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => Val::text(value),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => Val::Data(value.to_vec()),
        Property::UserProperty(name, value) => Val::Pair(name.to_owned(), value.to_owned()),
    }
}
