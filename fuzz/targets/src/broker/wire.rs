//! One connection as both ends of its wire see it.

use std::collections::{BTreeSet, VecDeque};

use mqtt_proto::{
    Frame, Packet, PacketId, PacketType, QoS, ReasonCode, Sender, TopicFilter, Version, frame_len,
    packet::Ack,
};

use crate::{show, take_packets};

/// What was seen on one connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// As CONNECT told.
    pub(super) version: Option<Version>,
    /// The name of its session.
    pub(super) client_id: String,
    /// The server has read something that no client may send.
    pub(super) broken: bool,
    /// A DISCONNECT of the client has been read.
    left: bool,
    connack: bool,
    /// CONNECT named an authentication method.
    method: bool,
    /// The server said its last word.
    ended: bool,
    receive_maximum: u16,
    packet_size: usize,
    in_flight: BTreeSet<PacketId>,
    /// What the server is to answer, by the type of the answer; in order.
    owed: Vec<Owed>,
    /// What the client is to answer.
    asked: VecDeque<(PacketType, PacketId)>,
    /// Bytes of the server that are no whole packet.
    rest: Vec<u8>,
}

/// What the server is to answer, and with how many codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    answer: PacketType,
    id: PacketId,
    codes: usize,
    /// A message that was sent again while the answer to the first one is on its way: it may get one of its own.
    again: bool,
}

impl Wire {
    pub(super) fn new(number: u64) -> Self {
        Self {
            client_id: format!("\0{number}"),
            receive_maximum: u16::MAX,
            packet_size: usize::MAX,
            ..Self::default()
        }
    }

    /// The client may go on: CONNACK was good and nobody has ended it.
    pub(super) fn is_open(&self) -> bool {
        self.connack && !self.ended && !self.broken && !self.left
    }

    /// Everything that needs an answer has one.
    pub(super) fn is_answered(&self) -> bool {
        self.owed.iter().all(|owed| owed.again)
    }

    pub(super) fn owed(&self) -> &[Owed] {
        &self.owed
    }

    /// The server has consumed these bytes.
    pub(super) fn read_by_server(
        &mut self,
        mut bytes: &[u8],
        mut subscribed: impl FnMut(&str, Version, TopicFilter<'_>),
    ) {
        while !self.broken && !self.left && !bytes.is_empty() {
            let Ok(Frame::Len(len)) = frame_len(bytes, u32::MAX) else {
                self.broken = true;
                return;
            };
            let (frame, after) = bytes.split_at(len);
            bytes = after;
            match Packet::decode(self.version.unwrap_or(Version::V311), Sender::Client, frame) {
                Ok(packet) => self.client_said(&packet, &mut subscribed),
                Err(_) => self.broken = true,
            }
        }
    }

    fn client_said(
        &mut self,
        packet: &Packet<'_>,
        subscribed: &mut impl FnMut(&str, Version, TopicFilter<'_>),
    ) {
        show(|| format!("{:?} -> {packet}", self.client_id));
        if self.version.is_none() != matches!(packet, Packet::Connect(_)) {
            self.broken = true;
            return;
        }
        match packet {
            Packet::Connect(connect) => {
                self.version = Some(connect.version);
                self.method = connect.properties.authentication_method().is_some();
                if !connect.client_id.is_empty() {
                    connect.client_id.clone_into(&mut self.client_id);
                }
                self.receive_maximum = connect.properties.receive_maximum().unwrap_or(u16::MAX);
                self.packet_size = connect
                    .properties
                    .maximum_packet_size()
                    .map_or(usize::MAX, |size| size as usize);
            }
            Packet::Publish(publish) => match (publish.head.qos, publish.head.packet_id) {
                (QoS::AtLeastOnce, Some(id)) => self.owe(PacketType::PubAck, id, 0),
                (QoS::ExactlyOnce, Some(id)) => self.owe(PacketType::PubRec, id, 0),
                _ => {}
            },
            Packet::PubRel(ack) => self.owe(PacketType::PubComp, ack.packet_id, 0),
            Packet::PubAck(Ack { packet_id, .. }) | Packet::PubComp(Ack { packet_id, .. }) => {
                self.in_flight.remove(packet_id);
            }
            Packet::PubRec(ack) if ack.code.is_failure() => {
                self.in_flight.remove(&ack.packet_id);
            }
            Packet::Subscribe(subscribe) => {
                let version = self.version.unwrap_or(Version::V5);
                for subscription in subscribe.filters.iter() {
                    subscribed(&self.client_id, version, subscription.filter);
                }
                self.owe(PacketType::SubAck, subscribe.packet_id, subscribe.filters.len());
            }
            Packet::Unsubscribe(unsubscribe) => {
                let codes = if self.version == Some(Version::V5) {
                    unsubscribe.filters.len()
                } else {
                    0
                };
                self.owe(PacketType::UnsubAck, unsubscribe.packet_id, codes);
            }
            Packet::PingReq => self.owe(PacketType::PingResp, PacketId::MIN, 0),
            Packet::Disconnect(_) => self.left = true,
            _ => {}
        }
    }

    fn owe(&mut self, answer: PacketType, id: PacketId, codes: usize) {
        let message = matches!(answer, PacketType::PubAck | PacketType::PubRec);
        let again = message
            && self
                .owed
                .iter()
                .any(|owed| (owed.answer, owed.id) == (answer, id));
        self.owed.push(Owed {
            answer,
            id,
            codes,
            again,
        });
    }

    /// The server wrote these bytes.
    pub(super) fn written_by_server(
        &mut self,
        bytes: &[u8],
        is_subscribed: impl Fn(&str, &str, Version) -> bool,
    ) {
        self.rest.extend(bytes);
        if self.rest.is_empty() {
            return;
        }
        // Who cannot be understood is answered in a version that he may read.
        let version = self.version.unwrap_or_else(|| {
            let is_v5 = Packet::decode(Version::V5, Sender::Server, &self.rest).is_ok();
            if is_v5 { Version::V5 } else { Version::V311 }
        });
        let mut rest = core::mem::take(&mut self.rest);
        take_packets(&mut rest, version, Sender::Server, |packet| {
            self.server_said(packet, version, &is_subscribed);
        });
        self.rest = rest;
    }

    fn server_said(
        &mut self,
        packet: &Packet<'_>,
        version: Version,
        is_subscribed: &impl Fn(&str, &str, Version) -> bool,
    ) {
        show(|| format!("{:?} <- {packet}", self.client_id));
        let first = packet.packet_type() == PacketType::ConnAck;
        let auth = packet.packet_type() == PacketType::Auth;
        assert!(
            self.connack != first || (auth && self.method),
            "CONNACK is the first packet and no other: {packet}"
        );
        assert!(!self.ended, "after the end: {packet}");
        let len = packet.encoded_len(version);
        assert!(
            len.is_ok_and(|len| len <= self.packet_size),
            "larger than the client takes: {packet}"
        );
        match packet {
            Packet::ConnAck(connack) => {
                self.connack = true;
                self.ended = connack.code.is_failure();
                if self.version.is_none() {
                    assert!(self.ended, "nobody has asked for {packet}");
                }
            }
            Packet::Disconnect(_) => self.ended = true,
            Packet::Auth(auth) => {
                assert!(self.method, "5/MQTT-4.12.0-6: {packet}");
                assert_eq!(
                    auth.properties.authentication_method(),
                    Some("M"),
                    "5/MQTT-4.12.0-5"
                );
            }
            Packet::Publish(publish) => {
                let topic = publish.head.topic.as_str();
                assert!(
                    is_subscribed(&self.client_id, topic, version),
                    "nobody wants {packet}"
                );
                let Some(id) = publish.head.packet_id else { return };
                assert!(self.in_flight.insert(id), "{packet} is under way");
                assert!(
                    self.in_flight.len() <= usize::from(self.receive_maximum),
                    "{packet}"
                );
                self.asked.push_back(match publish.head.qos {
                    QoS::ExactlyOnce => (PacketType::PubRec, id),
                    _ => (PacketType::PubAck, id),
                });
            }
            // 5/MQTT-4.6.0-2 to 4, 3.1.1/MQTT-4.6.0-2 to 4: in the order of what they answer.
            Packet::PubAck(ack) => self.answers(PacketType::PubAck, ack.packet_id, 0),
            Packet::PubRec(ack) => {
                self.answers(PacketType::PubRec, ack.packet_id, 0);
                if !ack.code.is_failure() {
                    self.asked.push_back((PacketType::PubRel, ack.packet_id));
                }
            }
            Packet::PubComp(ack) => self.answers(PacketType::PubComp, ack.packet_id, 0),
            Packet::PubRel(ack) => self.asked.push_back((PacketType::PubComp, ack.packet_id)),
            Packet::SubAck(suback) => self.answers(PacketType::SubAck, suback.packet_id, suback.codes.len()),
            Packet::UnsubAck(unsuback) => {
                self.answers(PacketType::UnsubAck, unsuback.packet_id, unsuback.codes.len());
            }
            Packet::PingResp => self.answers(PacketType::PingResp, PacketId::MIN, 0),
            other => panic!("{other}"),
        }
    }

    fn answers(&mut self, answer: PacketType, id: PacketId, codes: usize) {
        loop {
            let at = self
                .owed
                .iter()
                .position(|owed| owed.answer == answer)
                .unwrap_or_else(|| panic!("{answer} {id} answers nothing"));
            let owed = self.owed.remove(at);
            if owed.id == id && owed.codes == codes {
                return;
            }
            assert!(owed.again, "the oldest is answered first, and not {id}: {owed:?}");
        }
    }

    /// The next answer that the client owes.
    pub(super) fn client_answers(&mut self, which: usize, how: u8) -> Option<Vec<u8>> {
        let at = which % self.asked.len().max(1);
        let (answer, id) = self.asked.remove(at)?;
        let version = self.version?;
        let refused = version.has_properties() && how > 220 && answer != PacketType::PubComp;
        let ack = Ack::new(
            id,
            if refused {
                ReasonCode::QUOTA_EXCEEDED
            } else {
                ReasonCode::SUCCESS
            },
        );
        let packet = match answer {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS)),
            _ => Packet::PubComp(ack),
        };
        crate::encoded(&packet, version)
    }
}
