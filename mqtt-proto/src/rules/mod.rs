//! The rules that one packet alone can break: reason code, and statement in each version. Decoder and encoder both ask here.
//!
//! **A rule without a statement in a version does not hold in that version**; so this table is where the versions differ.
//! MQTT 3.1 mostly says "should"; what it leaves open follows 3.1.1, and names the section of 3.1 that speaks of the matter.

mod property_section;

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, PacketType, ReasonCode, Sender, Statement,
    TopicErrorKind, Version, property::PropertyPlace, statement,
};
use property_section::property_section;

/// Where a rule is asked for: which packet, in which version, from whom.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Site {
    pub(crate) version: Version,
    pub(crate) packet: Option<PacketType>,
    pub(crate) from: Sender,
    /// In the will properties of a CONNECT.
    pub(crate) will: bool,
}

/// A broken rule, still without a place.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Broken {
    kind: DecodeErrorKind,
    reason: ReasonCode,
    packet: Option<PacketType>,
    statement: Option<Statement>,
}

impl Site {
    /// Where an encoder asks: it does not know which side it works for.
    pub(crate) const fn encoder(version: Version, packet: PacketType) -> Self {
        Self {
            version,
            packet: Some(packet),
            from: Sender::Any,
            will: false,
        }
    }

    /// The rule is broken.
    #[cold]
    pub(crate) fn broken(self, kind: DecodeErrorKind) -> Broken {
        let row = kind.row(self);
        Broken {
            kind,
            reason: row.reason,
            packet: self.packet,
            statement: row.statement(self.version),
        }
    }

    /// The rule is broken, if this version has it.
    #[cold]
    pub(crate) fn refuse(self, kind: DecodeErrorKind) -> Result<(), Broken> {
        if self.has(kind) {
            Err(self.broken(kind))
        } else {
            Ok(())
        }
    }

    /// Whether this version has the rule.
    pub(crate) fn has(self, kind: DecodeErrorKind) -> bool {
        kind.row(self).statement(self.version).is_some()
    }

    /// The rule against a name or filter like this.
    pub(crate) fn topic(self, kind: TopicErrorKind, filter: bool) -> Broken {
        self.broken(match kind {
            TopicErrorKind::Empty if filter => DecodeErrorKind::FilterEmpty,
            TopicErrorKind::Empty => DecodeErrorKind::TopicEmpty,
            TopicErrorKind::TooLong => DecodeErrorKind::TopicTooLong,
            TopicErrorKind::Nul => DecodeErrorKind::Nul,
            TopicErrorKind::WildcardInName => DecodeErrorKind::TopicWildcard,
            TopicErrorKind::MultiLevelWildcard => DecodeErrorKind::MultiLevelWildcard,
            TopicErrorKind::SingleLevelWildcard => DecodeErrorKind::SingleLevelWildcard,
            TopicErrorKind::NoShareName => DecodeErrorKind::ShareName,
            TopicErrorKind::MalformedShare => DecodeErrorKind::ShareMalformed,
        })
    }

    /// Whether the packet may carry this code. SUBACK in 3.x has a table of its own; CONNACK translates before it asks.
    pub(crate) fn code(self, code: ReasonCode) -> Result<(), Broken> {
        let Some(packet) = self.packet else { return Ok(()) };
        let known = match (self.version, packet) {
            // 3.1.1/MQTT-3.9.3-2; 3.1 has no failure code.
            (Version::V311, PacketType::SubAck) => matches!(code.0, 0..=2 | 0x80),
            (Version::V31, PacketType::SubAck) => matches!(code.0, 0..=2),
            _ => code.is_allowed(packet, Sender::Any),
        };
        if !known {
            return Err(self.broken(DecodeErrorKind::ReasonCodeUnknown));
        }
        if self.version.has_properties() && !code.is_allowed(packet, self.from) {
            return Err(self.broken(DecodeErrorKind::ReasonCodeSender));
        }
        Ok(())
    }

    /// What keeps a packet from being written without being one of the rules of a receiver.
    #[cold]
    pub(crate) fn encode_error(self, kind: EncodeErrorKind) -> EncodeError {
        let (v5, v311, v31) = match kind {
            EncodeErrorKind::FieldTooLong => (
                statement!("5/1.5.4"),
                statement!("3.1.1/1.5.3"),
                statement!("3.1/2.5"),
            ),
            EncodeErrorKind::PacketTooLarge => (
                statement!("5/2.1.4"),
                statement!("3.1.1/2.2.3"),
                statement!("3.1/2.1"),
            ),
            EncodeErrorKind::PacketIdMissing => (
                statement!("5/MQTT-2.2.1-3"),
                statement!("3.1.1/MQTT-2.3.1-1"),
                statement!("3.1/2.4"),
            ),
            EncodeErrorKind::PacketIdExtra => (
                statement!("5/MQTT-2.2.1-2"),
                statement!("3.1.1/MQTT-2.3.1-5"),
                statement!("3.1/2.4"),
            ),
            EncodeErrorKind::ValueTooLarge(_) => (
                statement!("5/1.5.5"),
                statement!("3.1.1/2.2.3"),
                statement!("3.1/2.1"),
            ),
            EncodeErrorKind::BufferTooSmall { .. }
            | EncodeErrorKind::NotInVersion(_)
            | EncodeErrorKind::Refused(_) => {
                return EncodeError {
                    kind,
                    packet_type: self.packet_type(),
                    statement: None,
                };
            }
        };
        let statement = match self.version {
            Version::V5 => v5,
            Version::V311 => v311,
            Version::V31 => v31,
        };
        EncodeError {
            kind,
            packet_type: self.packet_type(),
            statement: Some(statement),
        }
    }

    /// The packet says what this version has no place for.
    #[cold]
    pub(crate) fn not_in_version(self) -> EncodeError {
        self.encode_error(EncodeErrorKind::NotInVersion(self.version))
    }

    /// A text that can be written.
    pub(crate) fn check_text(self, text: &str) -> Result<(), EncodeError> {
        self.check_binary(text.as_bytes())?;
        if text.bytes().any(|b| b == 0) {
            return Err(self.broken(DecodeErrorKind::Nul).into());
        }
        Ok(())
    }

    /// Binary data that can be written.
    pub(crate) fn check_binary(self, data: &[u8]) -> Result<(), EncodeError> {
        if data.len() > usize::from(u16::MAX) {
            return Err(self.encode_error(EncodeErrorKind::FieldTooLong));
        }
        Ok(())
    }

    fn packet_type(self) -> PacketType {
        // An encoder always knows its packet.
        self.packet.unwrap_or(PacketType::Connect)
    }

    const fn place(self) -> PropertyPlace {
        match (self.will, self.packet) {
            (false, Some(packet)) => PropertyPlace::Packet(packet),
            (true, _) | (false, None) => PropertyPlace::Will,
        }
    }
}

impl Broken {
    /// The rule is broken at this many bytes from the start of the packet.
    pub(crate) fn at(self, offset: usize) -> DecodeError {
        DecodeError {
            kind: self.kind,
            reason: self.reason,
            packet_type: self.packet,
            statement: self.statement,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
        }
    }
}

impl From<Broken> for EncodeError {
    fn from(broken: Broken) -> Self {
        Self {
            kind: EncodeErrorKind::Refused(broken.kind),
            // An encoder always knows its packet.
            packet_type: broken.packet.unwrap_or(PacketType::Connect),
            statement: broken.statement,
        }
    }
}

/// One rule: the code to answer with, and what the versions call it.
pub(crate) struct Row {
    pub(crate) reason: ReasonCode,
    v5: Option<Statement>,
    v311: Option<Statement>,
    v31: Option<Statement>,
}

impl Row {
    pub(crate) const fn statement(&self, version: Version) -> Option<Statement> {
        match version {
            Version::V5 => self.v5,
            Version::V311 => self.v311,
            Version::V31 => self.v31,
        }
    }
}

macro_rules! row {
    ($reason:ident, $v5:tt, $v311:tt, $v31:tt) => {
        Row { reason: ReasonCode::$reason, v5: row!(@ $v5), v311: row!(@ $v311), v31: row!(@ $v31) }
    };
    (@ -) => { None };
    (@ $label:literal) => { Some(statement!($label)) };
}

impl DecodeErrorKind {
    /// The row of this rule: reason code, 5.0, 3.1.1, 3.1. Some rules have a closer statement for some packets.
    #[allow(clippy::too_many_lines, reason = "it is the one table")]
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the packets that have no closer statement"
    )]
    pub(crate) fn row(self, site: Site) -> Row {
        use PacketType as P;
        match self {
            Self::UnknownType => row!(MALFORMED_PACKET, "5/2.1.2", "3.1.1/MQTT-4.8.0-1", "3.1/2.1"),
            Self::ReservedType => row!(MALFORMED_PACKET, -, "3.1.1/2.2.1", "3.1/2.1"),
            Self::WrongDirection => row!(PROTOCOL_ERROR, "5/2.1.2", "3.1.1/MQTT-4.8.0-1", "3.1/2.1"),
            Self::NotPublish => row!(PROTOCOL_ERROR, -, -, -),
            Self::HeaderFlags => match site.packet {
                Some(P::PubRel) => row!(
                    MALFORMED_PACKET,
                    "5/MQTT-3.6.1-1",
                    "3.1.1/MQTT-3.6.1-1",
                    "3.1/3.6"
                ),
                Some(P::Subscribe) => row!(
                    MALFORMED_PACKET,
                    "5/MQTT-3.8.1-1",
                    "3.1.1/MQTT-3.8.1-1",
                    "3.1/3.8"
                ),
                Some(P::Unsubscribe) => row!(
                    MALFORMED_PACKET,
                    "5/MQTT-3.10.1-1",
                    "3.1.1/MQTT-3.10.1-1",
                    "3.1/3.10"
                ),
                Some(P::Disconnect) => row!(MALFORMED_PACKET, "5/MQTT-3.14.1-1", "3.1.1/MQTT-3.14.1-1", -),
                Some(P::Auth) => row!(MALFORMED_PACKET, "5/MQTT-3.15.1-1", -, -),
                _ => row!(MALFORMED_PACKET, "5/MQTT-2.1.3-1", "3.1.1/MQTT-2.2.2-2", -),
            },
            Self::VarintTooLong => row!(MALFORMED_PACKET, "5/1.5.5", "3.1.1/2.2.3", "3.1/2.1"),
            Self::VarintNotMinimal => row!(MALFORMED_PACKET, "5/MQTT-1.5.5-1", -, -),
            Self::LengthShort | Self::LengthLong => {
                row!(MALFORMED_PACKET, "5/1.2", "3.1.1/MQTT-4.8.0-1", "3.1/2.1")
            }
            Self::LengthFixed => match site.packet {
                Some(P::ConnAck) => row!(MALFORMED_PACKET, -, "3.1.1/3.2.1", "3.1/3.2"),
                Some(P::PubAck) => row!(MALFORMED_PACKET, -, "3.1.1/3.4.1", "3.1/3.4"),
                Some(P::PubRec) => row!(MALFORMED_PACKET, -, "3.1.1/3.5.1", "3.1/3.5"),
                Some(P::PubRel) => row!(MALFORMED_PACKET, -, "3.1.1/3.6.1", "3.1/3.6"),
                Some(P::PubComp) => row!(MALFORMED_PACKET, -, "3.1.1/3.7.1", "3.1/3.7"),
                Some(P::UnsubAck) => row!(MALFORMED_PACKET, -, "3.1.1/3.11.1", "3.1/3.11"),
                Some(P::PingReq) => row!(MALFORMED_PACKET, "5/3.12.1", "3.1.1/3.12.1", "3.1/3.12"),
                Some(P::PingResp) => row!(MALFORMED_PACKET, "5/3.13.1", "3.1.1/3.13.1", "3.1/3.13"),
                Some(P::Disconnect) => row!(MALFORMED_PACKET, -, "3.1.1/3.14.1", "3.1/3.14"),
                _ => row!(MALFORMED_PACKET, -, -, -),
            },
            // A client's limit binds the server and the other way round.
            Self::TooLarge => match (site.from, site.packet) {
                (Sender::Client, _)
                | (Sender::Any, Some(P::Connect | P::Subscribe | P::Unsubscribe | P::PingReq)) => {
                    row!(PACKET_TOO_LARGE, "5/MQTT-3.2.2-15", -, -)
                }
                (Sender::Server | Sender::Any, _) => row!(PACKET_TOO_LARGE, "5/MQTT-3.1.2-24", -, -),
            },
            Self::Utf8 => row!(
                MALFORMED_PACKET,
                "5/MQTT-1.5.4-1",
                "3.1.1/MQTT-1.5.3-1",
                "3.1/2.5"
            ),
            Self::Nul => row!(
                MALFORMED_PACKET,
                "5/MQTT-1.5.4-2",
                "3.1.1/MQTT-1.5.3-2",
                "3.1/2.5"
            ),
            Self::NotText => row!(MALFORMED_PACKET, -, -, "3.1/3.1"),
            Self::StringPair => row!(MALFORMED_PACKET, "5/MQTT-1.5.7-1", -, -),
            Self::PacketIdZero => match site.packet {
                Some(P::PubAck | P::PubRec | P::PubRel | P::PubComp) => {
                    row!(PROTOCOL_ERROR, "5/MQTT-2.2.1-5", "3.1.1/MQTT-2.3.1-6", "3.1/2.4")
                }
                Some(P::SubAck | P::UnsubAck) => {
                    row!(PROTOCOL_ERROR, "5/MQTT-2.2.1-6", "3.1.1/MQTT-2.3.1-7", "3.1/2.4")
                }
                _ if matches!(site.from, Sender::Server) => {
                    row!(PROTOCOL_ERROR, "5/MQTT-2.2.1-4", "3.1.1/MQTT-2.3.1-1", "3.1/2.4")
                }
                _ => row!(PROTOCOL_ERROR, "5/MQTT-2.2.1-3", "3.1.1/MQTT-2.3.1-1", "3.1/2.4"),
            },

            Self::ProtocolName => {
                row!(
                    UNSUPPORTED_PROTOCOL_VERSION,
                    "5/MQTT-3.1.2-1",
                    "3.1.1/MQTT-3.1.2-1",
                    "3.1/3.1"
                )
            }
            Self::ProtocolLevel => {
                row!(
                    UNSUPPORTED_PROTOCOL_VERSION,
                    "5/MQTT-3.1.2-2",
                    "3.1.1/MQTT-3.1.2-2",
                    "3.1/3.1"
                )
            }
            Self::ConnectReservedFlag => row!(MALFORMED_PACKET, "5/MQTT-3.1.2-3", "3.1.1/MQTT-3.1.2-3", -),
            Self::WillQoS => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.1.2-12",
                "3.1.1/MQTT-3.1.2-14",
                "3.1/3.1"
            ),
            Self::WillQoSWithoutWill => row!(MALFORMED_PACKET, "5/MQTT-3.1.2-11", "3.1.1/MQTT-3.1.2-13", -),
            Self::WillRetainWithoutWill => {
                row!(MALFORMED_PACKET, "5/MQTT-3.1.2-13", "3.1.1/MQTT-3.1.2-15", -)
            }
            Self::WillMissing => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.1.2-9",
                "3.1.1/MQTT-3.1.2-9",
                "3.1/3.1"
            ),
            // In 3.1 the Remaining Length decides whether the flagged field is there.
            Self::UserNameMissing => row!(MALFORMED_PACKET, "5/MQTT-3.1.2-17", "3.1.1/MQTT-3.1.2-19", -),
            Self::PasswordMissing => row!(MALFORMED_PACKET, "5/MQTT-3.1.2-19", "3.1.1/MQTT-3.1.2-21", -),
            Self::UserNameUnflagged => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.1.2-16",
                "3.1.1/MQTT-3.1.2-18",
                "3.1/3.1"
            ),
            Self::PasswordUnflagged => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.1.2-18",
                "3.1.1/MQTT-3.1.2-20",
                "3.1/3.1"
            ),
            Self::PasswordWithoutUserName => row!(MALFORMED_PACKET, -, "3.1.1/MQTT-3.1.2-22", "3.1/3.1"),
            Self::ClientIdMissing => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.1.3-3",
                "3.1.1/MQTT-3.1.3-3",
                "3.1/3.1"
            ),
            Self::ClientIdEmpty | Self::ClientIdTooLong => row!(CLIENT_IDENTIFIER_NOT_VALID, -, -, "3.1/3.1"),
            Self::ClientIdEmptyPersistent => row!(CLIENT_IDENTIFIER_NOT_VALID, -, "3.1.1/MQTT-3.1.3-8", -),

            Self::TopicWildcard => match site.packet {
                Some(P::Publish) => row!(PROTOCOL_ERROR, "5/MQTT-3.3.2-2", "3.1.1/MQTT-3.3.2-2", "3.1/A"),
                _ => row!(MALFORMED_PACKET, "5/MQTT-4.7.0-1", "3.1.1/MQTT-4.7.1-1", "3.1/A"),
            },
            Self::TopicEmpty => match site.packet {
                Some(P::Publish) => row!(PROTOCOL_ERROR, "5/3.3.2.1", "3.1.1/MQTT-4.7.3-1", "3.1/3.3"),
                _ => row!(
                    MALFORMED_PACKET,
                    "5/MQTT-4.7.3-1",
                    "3.1.1/MQTT-4.7.3-1",
                    "3.1/3.1"
                ),
            },
            Self::TopicTooLong => row!(
                MALFORMED_PACKET,
                "5/MQTT-4.7.3-3",
                "3.1.1/MQTT-4.7.3-3",
                "3.1/2.5"
            ),

            Self::ConnAckReserved => row!(MALFORMED_PACKET, "5/MQTT-3.2.2-1", "3.1.1/3.2.2.1", -),
            Self::SessionPresentRefused => row!(PROTOCOL_ERROR, "5/MQTT-3.2.2-6", "3.1.1/MQTT-3.2.2-4", -),
            Self::ReasonCodeUnknown => match site.packet {
                Some(P::PubAck) => row!(PROTOCOL_ERROR, "5/MQTT-3.4.2-1", -, -),
                Some(P::PubRec) => row!(PROTOCOL_ERROR, "5/MQTT-3.5.2-1", -, -),
                Some(P::PubRel) => row!(PROTOCOL_ERROR, "5/MQTT-3.6.2-1", -, -),
                Some(P::PubComp) => row!(PROTOCOL_ERROR, "5/MQTT-3.7.2-1", -, -),
                Some(P::SubAck) => row!(PROTOCOL_ERROR, "5/MQTT-3.9.3-2", "3.1.1/MQTT-3.9.3-2", "3.1/3.9"),
                Some(P::UnsubAck) => row!(PROTOCOL_ERROR, "5/MQTT-3.11.3-2", -, -),
                Some(P::Disconnect) => row!(PROTOCOL_ERROR, "5/MQTT-3.14.2-1", -, -),
                Some(P::Auth) => row!(PROTOCOL_ERROR, "5/MQTT-3.15.2-1", -, -),
                _ => row!(PROTOCOL_ERROR, "5/MQTT-3.2.2-8", "3.1.1/3.2.2.3", "3.1/3.2"),
            },
            Self::ReasonCodeSender => match site.packet {
                Some(P::PubAck) => row!(PROTOCOL_ERROR, "5/3.4.2.1", -, -),
                Some(P::PubRec) => row!(PROTOCOL_ERROR, "5/3.5.2.1", -, -),
                Some(P::Auth) => row!(PROTOCOL_ERROR, "5/3.15.2.1", -, -),
                _ => row!(PROTOCOL_ERROR, "5/3.14.2.1", -, -),
            },
            Self::ReasonCodesEmpty => match site.packet {
                Some(P::UnsubAck) => row!(PROTOCOL_ERROR, "5/3.11.3", -, -),
                _ => row!(PROTOCOL_ERROR, "5/MQTT-3.8.4-6", "3.1.1/MQTT-3.8.4-5", "3.1/3.9"),
            },

            Self::PropertyUnknown | Self::PropertyNotAllowed(_) | Self::PropertyMalformed(_) => {
                row!(MALFORMED_PACKET, "5/2.2.2.2", -, -)
            }
            Self::PropertyRepeated(id) | Self::PropertyBool(id) | Self::PropertyZero(id) => Row {
                reason: ReasonCode::PROTOCOL_ERROR,
                v5: Some(property_section(id, site.place()).unwrap_or(statement!("5/2.2.2.2"))),
                v311: None,
                v31: None,
            },
            Self::PropertyLengthMissing => row!(MALFORMED_PACKET, "5/MQTT-2.2.2-1", -, -),

            Self::PublishQoS => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.3.1-4",
                "3.1.1/MQTT-3.3.1-4",
                "3.1/2.1"
            ),
            Self::DupQoS0 => row!(
                MALFORMED_PACKET,
                "5/MQTT-3.3.1-2",
                "3.1.1/MQTT-3.3.1-2",
                "3.1/2.1"
            ),
            Self::TopicAliasZero => row!(TOPIC_ALIAS_INVALID, "5/MQTT-3.3.2-8", -, -),
            Self::ResponseTopicWildcard => row!(PROTOCOL_ERROR, "5/MQTT-3.3.2-14", -, -),
            Self::ResponseTopicEmpty => row!(PROTOCOL_ERROR, "5/MQTT-4.7.3-1", -, -),
            Self::SubscriptionIdFromClient => row!(PROTOCOL_ERROR, "5/MQTT-3.3.4-6", -, -),

            Self::FiltersEmpty => match site.packet {
                Some(P::Unsubscribe) => row!(
                    PROTOCOL_ERROR,
                    "5/MQTT-3.10.3-2",
                    "3.1.1/MQTT-3.10.3-2",
                    "3.1/3.10"
                ),
                _ => row!(PROTOCOL_ERROR, "5/MQTT-3.8.3-2", "3.1.1/MQTT-3.8.3-3", "3.1/3.8"),
            },
            Self::OptionsReserved => row!(MALFORMED_PACKET, "5/MQTT-3.8.3-5", "3.1.1/MQTT-3.8.3-4", -),
            Self::OptionsQoS => row!(PROTOCOL_ERROR, "5/3.8.3.1", "3.1.1/MQTT-3.8.3-4", "3.1/3.8"),
            Self::RetainHandling => row!(PROTOCOL_ERROR, "5/3.8.3.1", -, -),
            Self::SharedNoLocal => row!(PROTOCOL_ERROR, "5/MQTT-3.8.3-4", -, -),
            Self::FilterEmpty => row!(MALFORMED_PACKET, "5/MQTT-4.7.3-1", "3.1.1/MQTT-4.7.3-1", "3.1/A"),
            Self::MultiLevelWildcard => {
                row!(MALFORMED_PACKET, "5/MQTT-4.7.1-1", "3.1.1/MQTT-4.7.1-2", "3.1/A")
            }
            Self::SingleLevelWildcard => {
                row!(MALFORMED_PACKET, "5/MQTT-4.7.1-2", "3.1.1/MQTT-4.7.1-3", "3.1/A")
            }
            // "$share/" begins an ordinary filter in 3.x.
            Self::ShareName => row!(MALFORMED_PACKET, "5/MQTT-4.8.2-1", -, -),
            Self::ShareMalformed => row!(MALFORMED_PACKET, "5/MQTT-4.8.2-2", -, -),

            Self::SessionExpiryFromServer => row!(PROTOCOL_ERROR, "5/MQTT-3.14.2-2", -, -),
            Self::ServerReferenceFromClient => row!(PROTOCOL_ERROR, "5/3.14.2.2.5", -, -),
            Self::AuthMethodMissing => row!(PROTOCOL_ERROR, "5/3.15.2.2.2", -, -),
            Self::AuthDataWithoutMethod => match site.packet {
                Some(P::ConnAck) => row!(PROTOCOL_ERROR, "5/3.2.2.3.18", -, -),
                _ => row!(PROTOCOL_ERROR, "5/3.1.2.11.10", -, -),
            },
        }
    }
}
