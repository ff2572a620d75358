//! From bytes to requests.

use mqtt_proto::{DecodeError, Frame, Packet, PacketType, ReasonCode, Sender, Version, frame_len};

use super::{Heard, Phase, ServerConn};
use crate::{
    Instant,
    flow::{
        AliasFault,
        rules::{self, Violation},
    },
    server::Request,
};

impl ServerConn {
    /// Bytes from the client: at most one request comes of a call, and it borrows them and, for the
    /// topic of an alias, the connection. Call again with what was not
    /// consumed until there is none.
    pub fn handle_input<'b>(&'b mut self, now: Instant, rx: &'b [u8]) -> Heard<'b> {
        let mut consumed = 0;
        loop {
            let rest = rx.get(consumed..).unwrap_or_default();
            if self.over {
                // 3.14.4, 5/MQTT-3.1.4-6: what comes behind the end means nothing.
                return Heard {
                    consumed: rx.len(),
                    request: None,
                };
            }
            if rest.is_empty() || self.pings >= super::PINGS_MAX {
                return Heard {
                    consumed,
                    request: None,
                };
            }
            if let Some(violation) = self.not_connect(rest) {
                return Heard {
                    consumed: rx.len(),
                    request: Some(Request::Violation(violation)),
                };
            }
            let len = match frame_len(rest, self.max_packet) {
                Ok(Frame::Len(len)) => len,
                Ok(Frame::Need(_)) => {
                    return Heard {
                        consumed,
                        request: None,
                    };
                }
                Err(error) => {
                    self.recognise(rest);
                    let error = error.for_peer(self.version, Sender::Client);
                    return Heard {
                        consumed: rx.len(),
                        request: Some(self.malformed(error)),
                    };
                }
            };
            let frame = rest.get(..len).unwrap_or_default();
            consumed += len;
            let packet = match Packet::decode(self.version, Sender::Client, frame) {
                Ok(packet) => packet,
                Err(error) => {
                    // 5/MQTT-3.1.0-2, 3.1.1/MQTT-3.1.0-2: whatever stands in it; the codes that refuse a CONNECT have no
                    // place in a DISCONNECT.
                    let again =
                        self.phase != Phase::Fresh && error.packet_type() == Some(PacketType::Connect);
                    self.recognise(frame);
                    let request = if again {
                        Request::Violation(rules::SECOND_CONNECT.broken(self.version))
                    } else {
                        self.malformed(error)
                    };
                    return Heard {
                        consumed: rx.len(),
                        request: Some(request),
                    };
                }
            };
            self.heard = self.heard.max(now);
            if matches!(packet, Packet::PingReq) {
                if self.phase == Phase::Authenticating {
                    // 5/MQTT-3.1.2-30
                    let violation = rules::PACKET_DURING_AUTHENTICATION.broken(self.version);
                    return Heard {
                        consumed: rx.len(),
                        request: Some(Request::Violation(violation)),
                    };
                }
                // 5/MQTT-3.12.4-1, 3.1.1/MQTT-3.12.4-1, 3.1/3.12-1
                self.pings = self.pings.saturating_add(1);
                continue;
            }
            self.learn(&packet);
            if let Packet::Publish(publish) = &packet {
                if let Err(fault) = self.note_alias(&publish.head) {
                    let rule = match fault {
                        AliasFault::AboveMaximum => rules::ALIAS_ABOVE_MAXIMUM_BY_CLIENT,
                        AliasFault::Unknown => rules::ALIAS_UNKNOWN,
                    };
                    let request = Request::Violation(rule.broken(self.version));
                    return Heard {
                        consumed: rx.len(),
                        request: Some(request),
                    };
                }
            }
            return Heard {
                consumed,
                request: self.request(packet),
            };
        }
    }

    /// What a CONNECT says about the connection itself.
    fn learn(&mut self, packet: &Packet<'_>) {
        if let (Packet::Connect(connect), Phase::Fresh) = (packet, self.phase) {
            self.phase = if connect.properties.authentication_method().is_some() {
                Phase::Authenticating
            } else {
                Phase::Answerable
            };
            self.version = connect.version;
            self.keep_alive = connect.keep_alive;
            self.client_max_packet = connect.properties.maximum_packet_size().unwrap_or(u32::MAX);
            self.quiet = connect.properties.request_problem_information() == Some(0);
            self.offer_aliases(connect);
        }
    }

    /// 5/MQTT-3.1.0-1, 3.1.1/MQTT-3.1.0-1: one byte tells.
    fn not_connect(&self, rest: &[u8]) -> Option<Violation> {
        let first = PacketType::from_u8(rest.first()? >> 4);
        (self.phase == Phase::Fresh && first != Some(PacketType::Connect))
            .then(|| rules::FIRST_NOT_CONNECT.broken(Version::V5))
    }

    fn request<'b>(&'b self, mut packet: Packet<'b>) -> Option<Request<'b>> {
        if let (Packet::Publish(publish), Some(aliases)) = (&mut packet, &self.aliases) {
            publish.head.topic = aliases.taken.resolve(&publish.head);
        }
        Request::of(packet)
    }

    fn malformed(&self, error: DecodeError) -> Request<'static> {
        Request::Violation(Violation::from(error))
    }

    /// Learns from a CONNECT that is otherwise wrong in which version it may be answered, if in any.
    fn recognise(&mut self, frame: &[u8]) {
        if self.phase != Phase::Fresh {
            return;
        }
        // Fixed header, protocol name with its length, protocol level.
        let Some(at) = frame
            .iter()
            .skip(1)
            .position(|byte| byte & 0x80 == 0)
            .map(|at| at + 2)
        else {
            return;
        };
        let Some(&[high, low]) = frame.get(at..at + 2) else {
            return;
        };
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let (Some(name), Some(&level)) = (frame.get(at + 2..end), frame.get(end)) else {
            return;
        };
        match Version::from_protocol(name, level) {
            Some(version) => self.version = version,
            // 3.1/3.1-3 allows and 3.1.1/MQTT-3.1.2-2 wants an answer to a level it does not know; there is but one form of
            // it that every client since 3.1 can read.
            None if name == Version::V311.protocol_name().as_bytes() => self.version = Version::V311,
            None => return,
        }
        self.phase = Phase::Answerable;
    }

    /// In 3.x a CONNECT is refused with a return code for what it wants, and without a word for how it is written
    /// (3.1.1/MQTT-3.1.4-1, 3.1.1/MQTT-3.2.2-6).
    pub(super) fn may_refuse(&self, code: ReasonCode) -> bool {
        matches!(self.phase, Phase::Answerable | Phase::Authenticating)
            && (self.version == Version::V5 || code.return_code().is_some())
    }
}
