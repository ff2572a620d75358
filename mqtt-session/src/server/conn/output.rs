//! From replies to bytes.

use alloc::{vec, vec::Vec};

use mqtt_proto::{
    EncodeError, EncodeErrorKind, Packet, PacketType, Properties, Property, QoS, ReasonCode, Sender,
    TopicName, Version,
    packet::{Ack, Auth, ConnAck, Disconnect, PublishHead, ReasonCodes, SubAck, UnsubAck},
};

use super::{Phase, ServerConn};
use crate::{
    Body, Instant, Transmit,
    server::{Accepted, Authenticate, Delivery, Message, Remarks, Reply, decision::is_binary},
};

/// A packet on its way, or the rest of one.
#[derive(Clone, Debug)]
pub(super) struct Unsent {
    head: Vec<u8>,
    /// Whose payload follows the head.
    message: Option<Message>,
    written: usize,
}

impl Unsent {
    fn head(&self) -> &[u8] {
        self.head.get(self.written..).unwrap_or_default()
    }

    fn body(&self) -> &[u8] {
        let written = self.written.saturating_sub(self.head.len());
        self.message
            .as_ref()
            .and_then(|message| message.payload().get(written..))
            .unwrap_or_default()
    }
}

impl ServerConn {
    /// True when the last packet was written whole, so that the next reply can be taken.
    pub fn wants_reply(&self) -> bool {
        self.unsent.is_none() && !self.owes_pong() && self.phase != Phase::Closing
    }

    /// A reply of the broker becomes the packet that [`poll_transmit`](Self::poll_transmit) gives. One at a time: see
    /// [`wants_reply`](Self::wants_reply).
    pub fn handle_reply(&mut self, now: Instant, reply: Reply) {
        let written = self.write_reply(now, reply, &mut []);
        debug_assert_eq!(written, 0, "nothing fits into nothing");
    }

    /// The packet on its way: what is left of it. Nothing is gathered here: one packet, head and payload apart.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if self.unsent.is_none() && self.owes_pong() {
            self.pings -= 1;
            self.write_packet(&Packet::PingResp, &mut []);
        }
        let unsent = self.unsent.as_deref()?;
        Some(Transmit {
            head: unsent.head(),
            body: Body::Bytes(unsent.body()),
        })
    }

    /// So many bytes of it were written.
    pub fn handle_written(&mut self, n: usize) {
        if let Some(unsent) = &mut self.unsent {
            unsent.written = unsent.written.saturating_add(n);
            if unsent.head().is_empty() && unsent.body().is_empty() {
                self.unsent = None;
            }
        }
    }

    /// Copies what is left of the packet on its way, and answers to pings, to `out`; says how many bytes.
    pub fn take_transmit(&mut self, out: &mut [u8]) -> usize {
        let mut taken = 0;
        while let Some(transmit) = self.poll_transmit() {
            let room = out.get_mut(taken..).unwrap_or_default();
            let Body::Bytes(body) = transmit.body else { break };
            let n = copy(room, transmit.head);
            let n = n + copy(room.get_mut(n..).unwrap_or_default(), body);
            if n == 0 {
                break;
            }
            taken += n;
            self.handle_written(n);
        }
        taken
    }

    pub(in crate::server) fn owes_pong(&self) -> bool {
        // 5/MQTT-3.2.0-1: nothing goes before CONNACK.
        self.pings > 0 && self.phase == Phase::Open
    }

    /// Writes the packet of a reply to `out`, as far as it fits; what does not is on its way then. Says how many bytes.
    pub(in crate::server) fn write_reply(&mut self, now: Instant, reply: Reply, out: &mut [u8]) -> usize {
        match reply {
            Reply::Deliver(delivery) => self.write_delivery(now, delivery, out),
            Reply::PubAck(id, code) => self.write_packet(&Packet::PubAck(self.ack(id, code)), out),
            Reply::PubRec(id, code) => self.write_packet(&Packet::PubRec(self.ack(id, code)), out),
            // PUBREL and PUBCOMP say no more than a code: 5/MQTT-3.6.2-2, 5/MQTT-3.6.2-3, 5/MQTT-3.7.2-2, 5/MQTT-3.7.2-3.
            Reply::PubRel(id, code) => self.write_packet(&Packet::PubRel(self.ack(id, code)), out),
            Reply::PubComp(id, code) => self.write_packet(&Packet::PubComp(self.ack(id, code)), out),
            Reply::SubAck(packet_id, codes) => {
                let codes = ReasonCodes::new(&codes);
                let suback = SubAck {
                    packet_id,
                    properties: Properties::EMPTY,
                    codes,
                };
                self.write_packet(&Packet::SubAck(suback), out)
            }
            Reply::UnsubAck(packet_id, codes) => {
                let codes = if self.version.has_properties() {
                    ReasonCodes::new(&codes)
                } else {
                    ReasonCodes::default()
                };
                let unsuback = UnsubAck {
                    packet_id,
                    properties: Properties::EMPTY,
                    codes,
                };
                self.write_packet(&Packet::UnsubAck(unsuback), out)
            }
            Reply::Accept(accepted) => self.accept(now, &accepted, out),
            Reply::Auth(auth) => self.authenticate(now, &auth, &Remarks::NONE, out),
            Reply::Explained(explained) => self.explain(now, *explained, out),
            Reply::Refuse(code) => self.refuse(now, code, &Remarks::NONE, out),
            Reply::Disconnect(code) => self.disconnect(now, code, &Remarks::NONE, out),
            Reply::Close => {
                self.close(now);
                0
            }
        }
    }

    /// CONNACK that refuses.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        code: ReasonCode,
        remarks: &Remarks,
        out: &mut [u8],
    ) -> usize {
        let mut written = 0;
        if self.may_refuse(code) {
            // What was wrong behind the CONNECT may have a code that CONNACK has not.
            let fits = !self.version.has_properties() || code.is_allowed(PacketType::ConnAck, Sender::Server);
            let code = if fits { code } else { ReasonCode::UNSPECIFIED_ERROR };
            let list = if self.version.has_properties() {
                self.told(remarks, PacketType::ConnAck, code)
            } else {
                Vec::new()
            };
            // 5/MQTT-3.2.2-6, 3.1.1/MQTT-3.2.2-4
            let connack = Packet::ConnAck(ConnAck {
                session_present: false,
                code,
                properties: Properties::EMPTY,
            });
            written = self.write_fitting(connack, &[], list, out).unwrap_or(0);
        }
        // 5/MQTT-3.2.2-7, 5/MQTT-4.12.0-4, 3.1.1/MQTT-3.2.2-5
        self.close(now);
        written
    }

    /// AUTH. Without it nothing can go on: where it has no room, the connection ends.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        auth: &Authenticate,
        remarks: &Remarks,
        out: &mut [u8],
    ) -> usize {
        let code = auth.code;
        let always: Vec<Property<'_>> = [
            Some(Property::AuthenticationMethod(&auth.method)),
            auth.data
                .as_deref()
                .filter(|data| is_binary(data))
                .map(Property::AuthenticationData),
        ]
        .into_iter()
        .flatten()
        .collect();
        let list = self.told(remarks, PacketType::Auth, code);
        let auth = Packet::Auth(Auth {
            code,
            properties: Properties::EMPTY,
        });
        if let Some(written) = self.write_fitting(auth, &always, list, out) {
            return written;
        }
        let code = ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR;
        if self.phase == Phase::Open {
            self.disconnect(now, code, &Remarks::NONE, out)
        } else {
            self.refuse(now, code, &Remarks::NONE, out)
        }
    }

    pub(super) fn disconnect(
        &mut self,
        now: Instant,
        code: ReasonCode,
        remarks: &Remarks,
        out: &mut [u8],
    ) -> usize {
        // 5/MQTT-3.14.0-1; 3.x has no DISCONNECT from a server.
        let written = if self.phase == Phase::Open && self.version.has_properties() {
            // The owner of the server may have named any code.
            let code = if code.is_allowed(PacketType::Disconnect, Sender::Server) {
                code
            } else {
                ReasonCode::UNSPECIFIED_ERROR
            };
            let list = self.told(remarks, PacketType::Disconnect, code);
            let disconnect = Packet::Disconnect(Disconnect::new(code));
            self.write_fitting(disconnect, &[], list, out).unwrap_or(0)
        } else {
            0
        };
        // 5/MQTT-3.14.4-2
        self.close(now);
        written
    }

    pub(super) fn close(&mut self, now: Instant) {
        self.phase = Phase::Closing;
        self.pings = 0;
        self.handle_over(now);
    }

    pub(super) fn ack(&self, packet_id: mqtt_proto::PacketId, code: ReasonCode) -> Ack<'static> {
        // 3.x has no codes: an answer that comes says that all is well (3.3.5 of 3.1.1).
        let code = if self.version.has_properties() {
            code
        } else {
            ReasonCode::SUCCESS
        };
        Ack::new(packet_id, code)
    }

    fn accept(&mut self, now: Instant, accepted: &Accepted, out: &mut [u8]) -> usize {
        // Without Server Keep Alive the value of CONNECT counts (5/MQTT-3.2.2-22).
        if let Some(seconds) = accepted
            .server_keep_alive
            .filter(|_| self.version.has_properties())
        {
            self.keep_alive = seconds; // 5/MQTT-3.1.2-21
        }
        let (list, perhaps) = if self.version.has_properties() {
            let information = accepted.response_information.as_deref();
            let told = self.told(&accepted.remarks, PacketType::ConnAck, ReasonCode::SUCCESS);
            let perhaps = information
                .map(Property::ResponseInformation)
                .into_iter()
                .chain(told);
            (accepted.properties(), perhaps.collect())
        } else {
            (Vec::new(), Vec::new())
        };
        // 3.1 has no Session Present (3.1/3.2-1).
        let session_present = accepted.session_present && self.version != Version::V31;
        let connack = Packet::ConnAck(ConnAck {
            session_present,
            code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        });
        if let Some(written) = self.write_fitting(connack, &list, perhaps, out) {
            self.phase = Phase::Open;
            return written;
        }
        // The rest cannot be left out, and nothing may be sent without it.
        self.refuse(
            now,
            ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
            &Remarks::NONE,
            out,
        )
    }

    pub(super) fn is_too_large(&self, packet: &Packet<'_>) -> bool {
        self.client_max_packet != u32::MAX
            && packet
                .encoded_len(self.version)
                .is_ok_and(|len| len as u64 > u64::from(self.client_max_packet))
    }

    pub(super) fn write_packet(&mut self, packet: &Packet<'_>, out: &mut [u8]) -> usize {
        // 5/MQTT-3.1.2-24; 5.0, 3.1.2.11.4: as if it had been sent.
        if self.is_too_large(packet) {
            return 0;
        }
        let version = self.version;
        self.write(out, None, |out| packet.encode(version, out).map(<[u8]>::len))
    }

    fn write_delivery(&mut self, now: Instant, delivery: Delivery, out: &mut [u8]) -> usize {
        let version = self.version;
        let Some(payload_len) = delivery.payload_len() else {
            return 0;
        };
        let named = self.alias_for(now, &delivery);
        let head_len = self.write(out, None, |out| {
            delivery.with_head(version, now, named.map(|(alias, _)| alias), |h| {
                let topic = match named {
                    Some((_, true)) => TopicName::EMPTY,
                    Some((_, false)) | None => h.topic,
                };
                PublishHead { topic, ..*h }
                    .encode(version, payload_len, out)
                    .map(<[u8]>::len)
            })
        });
        let body = delivery.message().payload();
        if let Some(unsent) = &mut self.unsent {
            // Not even the head fitted.
            unsent.message = Some(delivery.message);
            return 0;
        }
        let written = copy(out.get_mut(head_len..).unwrap_or_default(), body);
        if written < body.len() {
            let message = Some(delivery.message);
            self.unsent = Some(alloc::boxed::Box::new(Unsent {
                head: Vec::new(),
                message,
                written,
            }));
        }
        head_len + written
    }

    /// Writes with `encode` to `out`, or else to memory of its own. What no packet can say was not let in.
    fn write(
        &mut self,
        out: &mut [u8],
        message: Option<Message>,
        encode: impl Fn(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> usize {
        match encode(out) {
            Ok(len) => len,
            Err(error) => {
                if let EncodeErrorKind::BufferTooSmall { needed } = error.kind() {
                    let mut head = vec![0; needed];
                    let encoded = encode(&mut head);
                    debug_assert_eq!(encoded, Ok(needed));
                    self.unsent = Some(alloc::boxed::Box::new(Unsent {
                        head,
                        message,
                        written: 0,
                    }));
                } else {
                    debug_assert!(false, "{error}");
                }
                0
            }
        }
    }
}

fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let n = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}

impl Accepted {
    /// The properties of CONNACK: what differs from their defaults (5.0, 3.2.2.3).
    fn properties(&self) -> Vec<Property<'_>> {
        let unless = |available: bool, property| (!available).then_some(property);
        [
            self.session_expiry.map(Property::SessionExpiryInterval),
            Some(Property::ReceiveMaximum(self.receive_maximum)).filter(|_| self.receive_maximum != u16::MAX),
            match self.maximum_qos {
                QoS::ExactlyOnce => None, // 5/MQTT-3.2.2-9
                qos @ (QoS::AtMostOnce | QoS::AtLeastOnce) => Some(Property::MaximumQoS(qos.into())),
            },
            unless(self.retain_available, Property::RetainAvailable(0)),
            Some(Property::MaximumPacketSize(self.max_packet_size)),
            self.assigned_client_id
                .as_deref()
                .map(Property::AssignedClientIdentifier),
            Some(Property::TopicAliasMaximum(self.topic_alias_maximum))
                .filter(|_| self.topic_alias_maximum > 0),
            unless(
                self.wildcard_available,
                Property::WildcardSubscriptionAvailable(0),
            ),
            unless(
                self.subscription_ids_available,
                Property::SubscriptionIdentifierAvailable(0),
            ),
            unless(self.shared_available, Property::SharedSubscriptionAvailable(0)),
            self.server_keep_alive.map(Property::ServerKeepAlive),
            self.auth_method.as_deref().map(Property::AuthenticationMethod),
            self.auth_data.as_deref().map(Property::AuthenticationData),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
