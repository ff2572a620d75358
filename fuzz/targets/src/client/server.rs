//! What a server can say to what it was told.

use std::collections::{BTreeMap, VecDeque};

use mqtt_proto::{
    Packet, PacketId, PacketType, Properties, Property, QoS, ReasonCode, Version,
    packet::{Ack, ConnAck, PublishHead, ReasonCodes, SubAck, UnsubAck},
};

use crate::encoded;

/// A packet that waits for an answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    answer: PacketType,
    id: PacketId,
    filters: usize,
}

/// What was asked and not answered, oldest first.
#[derive(Debug, Default)]
pub(super) struct Server {
    asked: VecDeque<Asked>,
    /// What the client has said that its aliases stand for.
    aliases: BTreeMap<u16, String>,
}

impl Server {
    /// Notes what has to be answered.
    pub(super) fn heard(&mut self, packet: &Packet<'_>) {
        let (answer, id, filters) = match packet {
            Packet::Connect(_) => (PacketType::ConnAck, PacketId::MIN, 0),
            Packet::Publish(publish) => {
                self.look_up(&publish.head);
                match (publish.head.qos, publish.head.packet_id) {
                    (QoS::AtLeastOnce, Some(id)) => (PacketType::PubAck, id, 0),
                    (QoS::ExactlyOnce, Some(id)) => (PacketType::PubRec, id, 0),
                    _ => return,
                }
            }
            Packet::PubRec(ack) if !ack.code.is_failure() => (PacketType::PubRel, ack.packet_id, 0),
            Packet::PubRel(ack) => (PacketType::PubComp, ack.packet_id, 0),
            Packet::Subscribe(subscribe) => {
                (PacketType::SubAck, subscribe.packet_id, subscribe.filters.len())
            }
            Packet::Unsubscribe(unsubscribe) => (
                PacketType::UnsubAck,
                unsubscribe.packet_id,
                unsubscribe.filters.len(),
            ),
            Packet::PingReq => (PacketType::PingResp, PacketId::MIN, 0),
            _ => return,
        };
        self.asked.push_back(Asked { answer, id, filters });
    }

    pub(super) fn forget(&mut self) {
        self.asked.clear();
        self.aliases.clear();
    }

    /// 5/MQTT-3.3.2-7: every alias is one that this connection was told.
    fn look_up(&mut self, head: &PublishHead<'_>) {
        let topic = head.topic.as_str();
        let Some(alias) = head.properties.topic_alias() else {
            assert!(!topic.is_empty(), "no topic and no alias");
            return;
        };
        if topic.is_empty() {
            assert!(self.aliases.contains_key(&alias), "{alias} stands for nothing");
        } else {
            self.aliases.insert(alias, topic.to_owned());
        }
    }

    /// Answers one of the open questions; `how` chooses between the good and the bad answers.
    pub(super) fn answer(&mut self, which: usize, how: u8, version: Version) -> Option<Vec<u8>> {
        let len = self.asked.len();
        if len == 0 {
            return None;
        }
        let asked = self.asked.remove(which % len)?;
        let v5 = version.has_properties();
        let code = if v5 && how > 200 {
            ReasonCode::QUOTA_EXCEEDED
        } else {
            ReasonCode::SUCCESS
        };
        let reason = [Property::ReasonString("r")];
        let properties = Properties::new(if v5 && how & 32 != 0 { &reason } else { &[] });
        let ack = Ack {
            packet_id: asked.id,
            code,
            properties,
        };
        let successes = vec![0; if v5 { asked.filters } else { 0 }];
        let codes = vec![if code.is_failure() { 0x80 } else { how & 1 }; asked.filters];
        match asked.answer {
            PacketType::ConnAck => connack(how, version),
            PacketType::PubAck => encoded(&Packet::PubAck(ack), version),
            PacketType::PubRec => encoded(&Packet::PubRec(ack), version),
            PacketType::PubRel => {
                let plain = Ack::new(asked.id, ReasonCode::SUCCESS);
                encoded(&Packet::PubRel(plain), version)
            }
            PacketType::PubComp => {
                let plain = Ack::new(asked.id, ReasonCode::SUCCESS);
                encoded(&Packet::PubComp(plain), version)
            }
            PacketType::SubAck => encoded(
                &Packet::SubAck(SubAck {
                    packet_id: asked.id,
                    properties,
                    codes: ReasonCodes::new(&codes),
                }),
                version,
            ),
            PacketType::UnsubAck => encoded(
                &Packet::UnsubAck(UnsubAck {
                    packet_id: asked.id,
                    properties,
                    codes: ReasonCodes::new(&successes),
                }),
                version,
            ),
            _ => encoded(&Packet::PingResp, version),
        }
    }
}

fn connack(how: u8, version: Version) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    if version.has_properties() {
        list.push(Property::TopicAliasMaximum(u16::from(how & 3)));
        if how & 8 != 0 {
            list.push(Property::ReceiveMaximum(u16::from(how & 3) + 1));
        }
        if how & 16 != 0 {
            list.push(Property::MaximumPacketSize(40));
        }
        if how & 32 != 0 {
            list.push(Property::MaximumQoS(1));
        }
        if how & 64 != 0 {
            list.push(Property::RetainAvailable(0));
            list.push(Property::ServerKeepAlive(5));
        }
    }
    let refused = how > 230;
    let connack = ConnAck {
        session_present: how & 1 != 0 && version != Version::V31 && !refused,
        code: if refused {
            ReasonCode::NOT_AUTHORIZED
        } else {
            ReasonCode::SUCCESS
        },
        properties: Properties::new(&list),
    };
    encoded(&Packet::ConnAck(connack), version)
}
