//! The owned fields of a packet.

use alloc::{string::String, vec::Vec};

use super::property::AnyProperty;
use crate::{
    Packet, PacketId, PacketType, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{
        Ack, Auth, ConnAck, Connect, Disconnect, Filters, Publish, PublishHead, ReasonCodes, SubAck,
        Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
    },
};

/// A packet: the properties that all have, and the fields of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) properties: Vec<AnyProperty>,
    pub(super) fields: Fields,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    Connect {
        clean_start: bool,
        keep_alive: u16,
        client_id: String,
        will: Option<DraftWill>,
        user_name: Option<String>,
        password: Option<Vec<u8>>,
    },
    ConnAck {
        session_present: bool,
        code: ReasonCode,
    },
    Publish {
        dup: bool,
        qos: QoS,
        retain: bool,
        topic: String,
        packet_id: Option<PacketId>,
        payload: Vec<u8>,
    },
    PubAck(PacketId, ReasonCode),
    PubRec(PacketId, ReasonCode),
    PubRel(PacketId, ReasonCode),
    PubComp(PacketId, ReasonCode),
    Subscribe(PacketId, Vec<(String, SubscriptionOptions)>),
    SubAck(PacketId, Vec<u8>),
    Unsubscribe(PacketId, Vec<String>),
    UnsubAck(PacketId, Vec<u8>),
    PingReq,
    PingResp,
    Disconnect(ReasonCode),
    Auth(ReasonCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DraftWill {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) properties: Vec<AnyProperty>,
}

fn borrow(properties: &[AnyProperty]) -> Vec<Property<'_>> {
    properties.iter().map(AnyProperty::borrow).collect()
}

// What is drawn is valid; were it not, the packet would not be what was drawn, and the tests would say so.
fn name(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap_or(TopicName::EMPTY)
}

impl Draft {
    pub(super) fn with<R>(&self, version: Version, f: impl FnOnce(Packet<'_>) -> R) -> R {
        let list = borrow(&self.properties);
        let properties = Properties::new(&list);
        let ack = |&packet_id, &code| Ack {
            packet_id,
            code,
            properties,
        };
        match &self.fields {
            Fields::Connect {
                clean_start,
                keep_alive,
                client_id,
                will,
                user_name,
                password,
            } => {
                let list = will
                    .as_ref()
                    .map(|will| borrow(&will.properties))
                    .unwrap_or_default();
                let will = will.as_ref().map(|will| Will {
                    topic: name(&will.topic),
                    payload: &will.payload,
                    qos: will.qos,
                    retain: will.retain,
                    properties: Properties::new(&list),
                });
                f(Packet::Connect(Connect {
                    version,
                    clean_start: *clean_start,
                    keep_alive: *keep_alive,
                    client_id,
                    will,
                    user_name: user_name.as_deref(),
                    password: password.as_deref(),
                    properties,
                }))
            }
            Fields::ConnAck {
                session_present,
                code,
            } => f(Packet::ConnAck(ConnAck {
                session_present: *session_present,
                code: *code,
                properties,
            })),
            Fields::Publish {
                dup,
                qos,
                retain,
                topic,
                packet_id,
                payload,
            } => {
                let head = PublishHead {
                    dup: *dup,
                    qos: *qos,
                    retain: *retain,
                    topic: name(topic),
                    packet_id: *packet_id,
                    properties,
                };
                f(Packet::Publish(Publish { head, payload }))
            }
            Fields::PubAck(id, code) => f(Packet::PubAck(ack(id, code))),
            Fields::PubRec(id, code) => f(Packet::PubRec(ack(id, code))),
            Fields::PubRel(id, code) => f(Packet::PubRel(ack(id, code))),
            Fields::PubComp(id, code) => f(Packet::PubComp(ack(id, code))),
            Fields::Subscribe(packet_id, filters) => {
                let list: Vec<Subscription<'_>> = filters
                    .iter()
                    .filter_map(|(filter, options)| {
                        Some(Subscription {
                            filter: TopicFilter::new(filter).ok()?,
                            options: *options,
                        })
                    })
                    .collect();
                let filters = Subscriptions::new(&list);
                f(Packet::Subscribe(Subscribe {
                    packet_id: *packet_id,
                    properties,
                    filters,
                }))
            }
            Fields::SubAck(packet_id, codes) => f(Packet::SubAck(SubAck {
                packet_id: *packet_id,
                properties,
                codes: ReasonCodes::new(codes),
            })),
            Fields::Unsubscribe(packet_id, filters) => {
                let list: Vec<TopicFilter<'_>> = filters
                    .iter()
                    .filter_map(|filter| TopicFilter::new(filter).ok())
                    .collect();
                let filters = Filters::new(&list);
                f(Packet::Unsubscribe(Unsubscribe {
                    packet_id: *packet_id,
                    properties,
                    filters,
                }))
            }
            Fields::UnsubAck(packet_id, codes) => f(Packet::UnsubAck(UnsubAck {
                packet_id: *packet_id,
                properties,
                codes: ReasonCodes::new(codes),
            })),
            Fields::PingReq => f(Packet::PingReq),
            Fields::PingResp => f(Packet::PingResp),
            Fields::Disconnect(code) => f(Packet::Disconnect(Disconnect {
                code: *code,
                properties,
            })),
            Fields::Auth(code) => f(Packet::Auth(Auth {
                code: *code,
                properties,
            })),
        }
    }
}

/// The types that this sender may send, in the order of their numbers.
pub(super) fn types(version: Version, from: crate::Sender) -> Vec<PacketType> {
    PacketType::ALL
        .into_iter()
        .filter(|packet| packet.is_sent_by(from, version))
        .collect()
}
