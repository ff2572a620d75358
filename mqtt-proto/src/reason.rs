//! Reason codes (5.0, section 2.4), and the return codes of 3.x (section 3.2.2.3), as one value.

use core::fmt;

use crate::{PacketType, Sender};

/// A reason code. Any byte is one: a decoder refuses what the packet's table does not hold.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    /// Accepted or done.
    pub const SUCCESS: Self = Self(0x00);
    /// Ordinary end; the will is dropped when a client sends it.
    pub const NORMAL_DISCONNECTION: Self = Self(0x00);
    /// Subscribed, at most QoS 0.
    pub const GRANTED_QOS_0: Self = Self(0x00);
    /// Subscribed, at most QoS 1.
    pub const GRANTED_QOS_1: Self = Self(0x01);
    /// Subscribed, up to QoS 2.
    pub const GRANTED_QOS_2: Self = Self(0x02);
    /// Ordinary end, but publish the will.
    pub const DISCONNECT_WITH_WILL_MESSAGE: Self = Self(0x04);
    /// Accepted, nobody is subscribed; optional in place of 0x00.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// Nothing to remove for this filter.
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// Next step of the exchange.
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    /// Begin a new exchange on a live connection.
    pub const RE_AUTHENTICATE: Self = Self(0x19);
    /// Failure with no better code, or not to be told.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// The bytes cannot be parsed.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// Parsed, but not allowed here or now.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// Valid, but this implementation will not do it.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// Protocol name or version not served.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// Client id well formed but refused.
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// Credentials refused.
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// No permission.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// No service at present.
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    /// Overloaded, try later.
    pub const SERVER_BUSY: Self = Self(0x89);
    /// This client is barred by an administrator.
    pub const BANNED: Self = Self(0x8A);
    /// The server is going down.
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8B);
    /// Method unknown, or not the one in use.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8C);
    /// Silent for one and a half Keep Alive periods.
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8D);
    /// The same client id has connected elsewhere.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);
    /// Filter well formed but refused.
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8F);
    /// Topic well formed but refused; in CONNACK it is the will topic.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// The id is already in flight; the two session states may differ.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// The id is unknown; harmless during recovery.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// More unacked QoS 1 and 2 messages than announced.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// Alias 0 or above the announced maximum.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// Packet above the announced maximum size.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// Data comes too fast.
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    /// A local or administrative limit was hit.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// Ended by an administrator.
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// Payload differs from its format indicator; in CONNACK it is the will payload.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    /// RETAIN used though the server has none.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9A);
    /// QoS above the server's maximum.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9B);
    /// Go elsewhere for now.
    pub const USE_ANOTHER_SERVER: Self = Self(0x9C);
    /// Go elsewhere from now on.
    pub const SERVER_MOVED: Self = Self(0x9D);
    /// No shared subscriptions here.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9E);
    /// Too many connects per time.
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9F);
    /// The time allowed for this connection is over.
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xA0);
    /// No subscription identifiers here.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Self = Self(0xA1);
    /// No wildcards here.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xA2);

    /// 0x80 and above.
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// The name that the standard gives this code in general; 0x00 is `Success` whatever the packet. `None` for an unknown code.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x00 => "Success",
            0x01 => "Granted QoS 1",
            0x02 => "Granted QoS 2",
            0x04 => "Disconnect with Will Message",
            0x10 => "No matching subscribers",
            0x11 => "No subscription existed",
            0x18 => "Continue authentication",
            0x19 => "Re-authenticate",
            0x80 => "Unspecified error",
            0x81 => "Malformed Packet",
            0x82 => "Protocol Error",
            0x83 => "Implementation specific error",
            0x84 => "Unsupported Protocol Version",
            0x85 => "Client Identifier not valid",
            0x86 => "Bad User Name or Password",
            0x87 => "Not authorized",
            0x88 => "Server unavailable",
            0x89 => "Server busy",
            0x8A => "Banned",
            0x8B => "Server shutting down",
            0x8C => "Bad authentication method",
            0x8D => "Keep Alive timeout",
            0x8E => "Session taken over",
            0x8F => "Topic Filter invalid",
            0x90 => "Topic Name invalid",
            0x91 => "Packet Identifier in use",
            0x92 => "Packet Identifier not found",
            0x93 => "Receive Maximum exceeded",
            0x94 => "Topic Alias invalid",
            0x95 => "Packet too large",
            0x96 => "Message rate too high",
            0x97 => "Quota exceeded",
            0x98 => "Administrative action",
            0x99 => "Payload format invalid",
            0x9A => "Retain not supported",
            0x9B => "QoS not supported",
            0x9C => "Use another server",
            0x9D => "Server moved",
            0x9E => "Shared Subscriptions not supported",
            0x9F => "Connection rate exceeded",
            0xA0 => "Maximum connect time",
            0xA1 => "Subscription Identifiers not supported",
            0xA2 => "Wildcard Subscriptions not supported",
            _ => return None,
        })
    }

    /// What CONNACK of 3.x calls this code (3.1.1 section 3.2.2.3); `None` if it has no return code of this meaning.
    pub fn return_code(self) -> Option<u8> {
        RETURN_CODES
            .iter()
            .find(|(_, code)| *code == self)
            .map(|(number, _)| *number)
    }

    /// The code that stands for this return code of 3.x; `None` if there is no such return code.
    pub fn from_return_code(number: u8) -> Option<Self> {
        RETURN_CODES
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, code)| *code)
    }

    /// Whether 5.0 lets this sender put this code into this packet (the tables of chapter 3, collected in 2.4).
    pub fn is_allowed(self, packet: PacketType, from: Sender) -> bool {
        let (client, server): (&[u8], &[u8]) = match packet {
            PacketType::ConnAck => (
                &[],
                &[
                    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95,
                    0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
                ],
            ),
            PacketType::PubAck | PacketType::PubRec => (
                &[0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
                &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
            ),
            PacketType::PubRel | PacketType::PubComp => (&[0x00, 0x92], &[0x00, 0x92]),
            PacketType::UnsubAck => (&[], &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]),
            PacketType::Auth => (&[0x18, 0x19], &[0x00, 0x18]),
            PacketType::Disconnect => (
                &[
                    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9B,
                ],
                &[
                    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
                    0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
                ],
            ),
            PacketType::SubAck => (
                &[],
                &[
                    0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
                ],
            ),
            PacketType::Connect
            | PacketType::Publish
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::PingReq
            | PacketType::PingResp => (&[], &[]),
        };
        match from {
            Sender::Client => client.contains(&self.0),
            Sender::Server => server.contains(&self.0),
            Sender::Any => client.contains(&self.0) || server.contains(&self.0),
        }
    }
}

/// The return codes of CONNACK in 3.x, and the reason codes of the same meaning.
const RETURN_CODES: [(u8, ReasonCode); 6] = [
    (0, ReasonCode::SUCCESS),
    (1, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
    (2, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
    (3, ReasonCode::SERVER_UNAVAILABLE),
    (4, ReasonCode::BAD_USER_NAME_OR_PASSWORD),
    (5, ReasonCode::NOT_AUTHORIZED),
];

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "0x{:02x} ({name})", self.0),
            None => write!(f, "0x{:02x}", self.0),
        }
    }
}

/// The number, as in traces; with `{:#}` for people, `Not authorized (0x87)`.
impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            _ if !f.alternate() => write!(f, "{:#04x}", self.0),
            Some(name) => write!(f, "{name} ({:#04x})", self.0),
            None => write!(f, "reason code {:#04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn a_code_is_a_number_in_traces_and_a_name_for_people() {
        let unknown = ReasonCode(0x77);
        for (code, number, name) in [
            (ReasonCode::NOT_AUTHORIZED, "0x87", "Not authorized (0x87)"),
            (unknown, "0x77", "reason code 0x77"),
        ] {
            assert_eq!(
                (format!("{code}"), format!("{code:#}")),
                (number.into(), name.into())
            );
        }
    }
}
