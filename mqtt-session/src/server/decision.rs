//! What the owner of a server answers to its questions.

use alloc::{boxed::Box, vec::Vec};

use mqtt_proto::{PacketType, Property, ReasonCode, Sender, Version};

use super::Grant;

/// The answer to a [`Question`](super::Question). One that does not fit what was asked refuses it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// As asked.
    Allow,
    /// As asked, on these terms: to a connect, or to an authentication.
    Accept(Box<Terms>),
    /// To a subscribe: each filter by itself, in order. 0x00 to 0x02 is the highest QoS that is granted, a failing code
    /// refuses. To an unsubscribe: a failing code keeps the subscription. Filters without a code are refused with 0x87.
    Each(Box<[ReasonCode]>),
    /// To a connect or an authentication with an Authentication Method: send the client AUTH 0x18, and ask again with what
    /// it answers (`5/MQTT-4.12.0-2`).
    Continue(Box<Challenge>),
    /// Refused. A code that the answer cannot have becomes 0x87, in 3.x what comes nearest.
    ///
    /// 3.x cannot tell a publisher that it was refused, nor a client that its UNSUBSCRIBE was: they are acknowledged, and the
    /// message is dropped and counted (`3.1.1/MQTT-3.3.5-2`), the subscription stays.
    Deny(ReasonCode),
    /// Refused, and more is said about it.
    Refuse(Box<Refusal>),
}

/// On which terms a client is accepted.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Terms {
    /// What it may do; `None`: the grant that all have, in a re-authentication what it had. The pool of a session cannot be
    /// changed by a re-authentication.
    pub grant: Option<Grant>,
    /// To a connect without client id: how it is called. `None`, or an id that no packet can hold: an id is invented.
    pub client_id: Option<Box<str>>,
    /// To a connect: Server Keep Alive in seconds (`5/MQTT-3.1.2-21`).
    pub server_keep_alive: Option<u16>,
    /// To a connect with Request Response Information: the Response Information (`5/MQTT-3.1.2-28`). `None`: what the
    /// listener has.
    pub response_information: Option<Box<str>>,
    /// The last Authentication Data, in CONNACK or AUTH 0x00; only if there is an Authentication Method.
    pub auth_data: Option<Box<[u8]>>,
    /// What else the client is told.
    pub remarks: Remarks,
}

/// What AUTH 0x18 says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Authentication Data.
    pub data: Option<Box<[u8]>>,
    /// What else the client is told.
    pub remarks: Remarks,
}

/// A refusal with remarks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Why, as for [`Decision::Deny`].
    pub code: ReasonCode,
    /// What else the client is told.
    pub remarks: Remarks,
}

impl Refusal {
    /// With this code, and no remarks.
    pub fn new(code: ReasonCode) -> Self {
        Self {
            code,
            remarks: Remarks::default(),
        }
    }

    /// Go to another server: for now with [`ReasonCode::USE_ANOTHER_SERVER`], for good with [`ReasonCode::SERVER_MOVED`] (5.0,
    /// 4.11). In 3.x: server unavailable.
    pub fn redirect(code: ReasonCode, server: &str) -> Self {
        Self {
            code,
            remarks: Remarks {
                server_reference: Some(server.into()),
                ..Remarks::default()
            },
        }
    }
}

/// What a packet says beside what it has to. Clients of 3.x are told nothing.
///
/// Left out is what the client did not ask for (`5/MQTT-3.1.2-29`), what has no room in its Maximum Packet Size (user
/// properties first, then the reason, then the reference), and texts that no packet can hold: those with U+0000, or above
/// 65,535 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remarks {
    /// Reason String.
    pub reason: Option<Box<str>>,
    /// User Properties.
    pub user_properties: Vec<(Box<str>, Box<str>)>,
    /// Server Reference; in a refusing CONNACK and in DISCONNECT only.
    pub server_reference: Option<Box<str>>,
}

impl Remarks {
    /// Nothing is said.
    pub const NONE: Self = Self {
        reason: None,
        user_properties: Vec::new(),
        server_reference: None,
    };

    /// A reason alone.
    pub fn reason(text: &str) -> Self {
        Self {
            reason: Some(text.into()),
            ..Self::NONE
        }
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// As properties of this packet, in the order in which they are left out from the end.
    pub(crate) fn properties(&self, packet: PacketType, code: ReasonCode) -> Vec<Property<'_>> {
        let redirects =
            packet == PacketType::Disconnect || (packet == PacketType::ConnAck && code.is_failure());
        let reference = self
            .server_reference
            .as_deref()
            .filter(|text| redirects && is_text(text));
        let reason = self.reason.as_deref().filter(|text| is_text(text));
        let user = self
            .user_properties
            .iter()
            .filter(|(name, value)| is_text(name) && is_text(value));
        reference
            .map(Property::ServerReference)
            .into_iter()
            .chain(reason.map(Property::ReasonString))
            .chain(user.map(|(name, value)| Property::UserProperty(name, value)))
            .collect()
    }
}

/// A packet can hold this text (`5/MQTT-1.5.4-2`, 5.0, 1.5.4).
pub(crate) fn is_text(text: &str) -> bool {
    text.len() <= usize::from(u16::MAX) && !text.contains('\0')
}

/// A packet can hold these bytes (5.0, 1.5.6).
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes.len() <= usize::from(u16::MAX)
}

impl Decision {
    /// The refusal in it. What allows has none.
    pub(crate) fn into_refusal(self) -> Option<Refusal> {
        match self {
            Self::Allow | Self::Accept(_) => None,
            Self::Deny(code) => Some(Refusal::new(code)),
            Self::Refuse(refusal) => Some(*refusal),
            // They do not fit.
            Self::Each(_) | Self::Continue(_) => Some(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        }
    }
}

/// The code as this packet can have it, in this version.
pub(crate) fn refusing(code: ReasonCode, packet: PacketType, version: Version) -> ReasonCode {
    let fits = match version {
        Version::V5 => code.is_failure() && code.is_allowed(packet, Sender::Server),
        // Only CONNACK can refuse.
        Version::V31 | Version::V311 => code.is_failure() && code.return_code().is_some(),
    };
    if fits {
        return code;
    }
    let not_now = matches!(
        code,
        ReasonCode::SERVER_BUSY
            | ReasonCode::SERVER_SHUTTING_DOWN
            | ReasonCode::USE_ANOTHER_SERVER
            | ReasonCode::SERVER_MOVED
            | ReasonCode::QUOTA_EXCEEDED
            | ReasonCode::CONNECTION_RATE_EXCEEDED
    );
    if not_now && packet == PacketType::ConnAck {
        ReasonCode::SERVER_UNAVAILABLE
    } else {
        ReasonCode::NOT_AUTHORIZED
    }
}
