//! What packets say beside what they have to: where it may be, and where the client has room for it.

use alloc::vec::Vec;

use mqtt_proto::{
    Packet, PacketType, Properties, Property, ReasonCode,
    packet::{Ack, Auth, ConnAck, Disconnect, ReasonCodes, SubAck, UnsubAck},
};

use super::ServerConn;
use crate::{
    Instant,
    server::{Explained, Remarks, Reply},
};

impl ServerConn {
    /// A reply with remarks.
    pub(super) fn explain(&mut self, now: Instant, explained: Explained, out: &mut [u8]) -> usize {
        let Explained { reply, remarks } = explained;
        let properties = Properties::EMPTY;
        let packet = match &reply {
            Reply::Refuse(code) => return self.refuse(now, *code, &remarks, out),
            Reply::Disconnect(code) => return self.disconnect(now, *code, &remarks, out),
            Reply::Auth(auth) => return self.authenticate(now, auth, &remarks, out),
            &Reply::PubAck(id, code) => Packet::PubAck(self.ack(id, code)),
            &Reply::PubRec(id, code) => Packet::PubRec(self.ack(id, code)),
            Reply::SubAck(packet_id, codes) => Packet::SubAck(SubAck {
                packet_id: *packet_id,
                properties,
                codes: ReasonCodes::new(codes),
            }),
            Reply::UnsubAck(packet_id, codes) if self.version.has_properties() => {
                Packet::UnsubAck(UnsubAck {
                    packet_id: *packet_id,
                    properties,
                    codes: ReasonCodes::new(codes),
                })
            }
            Reply::Accept(_)
            | Reply::Deliver(_)
            | Reply::PubRel(..)
            | Reply::PubComp(..)
            | Reply::UnsubAck(..)
            | Reply::Close
            | Reply::Explained(_) => return self.write_reply(now, reply, out),
        };
        let list = self.told(&remarks, packet.packet_type(), ReasonCode::SUCCESS);
        self.write_fitting(packet, &[], list, out).unwrap_or(0)
    }

    /// The remarks that this packet may have.
    pub(super) fn told<'r>(
        &self,
        remarks: &'r Remarks,
        packet: PacketType,
        code: ReasonCode,
    ) -> Vec<Property<'r>> {
        let may_explain = matches!(packet, PacketType::ConnAck | PacketType::Disconnect);
        // 5/MQTT-3.1.2-29
        if !self.version.has_properties() || (self.quiet && !may_explain) {
            return Vec::new();
        }
        remarks.properties(packet, code)
    }

    /// Writes a packet with all of the first properties, and as many of the second, from the front, as the client has room
    /// for (`5/MQTT-3.2.2-19`, `5/MQTT-3.2.2-20`, `5/MQTT-3.4.2-2`, `5/MQTT-3.4.2-3`, `5/MQTT-3.5.2-2`,
    /// `5/MQTT-3.5.2-3`, `5/MQTT-3.9.2-1`, `5/MQTT-3.9.2-2`, `5/MQTT-3.11.2-1`, `5/MQTT-3.11.2-2`, `5/MQTT-3.14.2-3`,
    /// `5/MQTT-3.14.2-4`, `5/MQTT-3.15.2-2`, `5/MQTT-3.15.2-3`). `None` if there is not even room for the first.
    pub(super) fn write_fitting<'p>(
        &mut self,
        packet: Packet<'p>,
        always: &[Property<'p>],
        perhaps: Vec<Property<'p>>,
        out: &mut [u8],
    ) -> Option<usize> {
        let mut list = perhaps;
        list.splice(0..0, always.iter().copied());
        while self.is_too_large(&with(packet, Properties::new(&list))) {
            // User properties say something together, or not at all.
            let is_user = |property: &Property<'_>| matches!(property, Property::UserProperty(..));
            let others = list.iter().rposition(|property| !is_user(property));
            let keep = others.map_or(0, |at| at + 1);
            let keep = if keep == list.len() {
                keep.saturating_sub(1)
            } else {
                keep
            };
            if list.is_empty() || keep < always.len() {
                return None;
            }
            list.truncate(keep);
        }
        Some(self.write_packet(&with(packet, Properties::new(&list)), out))
    }
}

/// The packet with these properties.
fn with<'x>(packet: Packet<'x>, properties: Properties<'x>) -> Packet<'x> {
    match packet {
        Packet::ConnAck(packet) => Packet::ConnAck(ConnAck { properties, ..packet }),
        Packet::PubAck(packet) => Packet::PubAck(Ack { properties, ..packet }),
        Packet::PubRec(packet) => Packet::PubRec(Ack { properties, ..packet }),
        Packet::SubAck(packet) => Packet::SubAck(SubAck { properties, ..packet }),
        Packet::UnsubAck(packet) => Packet::UnsubAck(UnsubAck { properties, ..packet }),
        Packet::Disconnect(packet) => Packet::Disconnect(Disconnect { properties, ..packet }),
        Packet::Auth(packet) => Packet::Auth(Auth { properties, ..packet }),
        // They have no remarks.
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::PingResp => packet,
    }
}
