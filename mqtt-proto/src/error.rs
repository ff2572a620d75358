//! What can be wrong with bytes, and with a packet that is to be written.

use core::fmt;

use crate::{PacketType, PropertyId, ReasonCode, Sender, Statement, Version, rules::Site};

/// Why bytes were refused. At most 16 bytes; tells the reason code to answer with and the statement that was broken.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DecodeError {
    pub(crate) kind: DecodeErrorKind,
    pub(crate) reason: ReasonCode,
    pub(crate) packet_type: Option<PacketType>,
    pub(crate) statement: Option<Statement>,
    pub(crate) offset: u32,
}

impl DecodeError {
    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The reason code that 5.0 answers with, in DISCONNECT or CONNACK. It is there for 3.x too, where only the refusals
    /// of a CONNECT have an answer: see [`ReasonCode::return_code`].
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        self.reason
    }

    /// The type of the packet; `None` if its first byte does not tell.
    #[must_use]
    pub const fn packet_type(&self) -> Option<PacketType> {
        self.packet_type
    }

    /// The rule that is broken; `None` if it is a limit of the receiver and not a rule of this version.
    #[must_use]
    pub const fn statement(&self) -> Option<Statement> {
        self.statement
    }

    /// Where: bytes from the start of the packet. For a field that does not fit or a property, where it begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        // No platform with less than 32 bits of address space is served.
        self.offset as usize
    }

    /// The same error as this version and sender name it. [`frame_len`](crate::frame_len) knows neither, and speaks of 5.0.
    #[must_use]
    pub fn for_peer(self, version: Version, from: Sender) -> Self {
        let site = Site {
            version,
            packet: self.packet_type,
            from,
            will: false,
        };
        let row = self.kind.row(site);
        Self {
            reason: row.reason,
            statement: row.statement(version),
            ..self
        }
    }
}

/// `PUBLISH at 5: wildcard in a topic name (5/MQTT-3.3.2-2)`
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = self.packet_type.map_or("packet", PacketType::name);
        write!(f, "{packet} at {}: {}", self.offset, self.kind)?;
        self.statement
            .map_or(Ok(()), |statement| write!(f, " ({statement})"))
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet cannot be written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EncodeError {
    pub(crate) kind: EncodeErrorKind,
    pub(crate) packet_type: PacketType,
    pub(crate) statement: Option<Statement>,
}

impl EncodeError {
    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> EncodeErrorKind {
        self.kind
    }

    /// The type of the packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The rule that the packet would break, if it is one of the standard.
    #[must_use]
    pub const fn statement(&self) -> Option<Statement> {
        self.statement
    }
}

/// `PUBLISH: wildcard in a topic name (5/MQTT-3.3.2-2)`
impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.packet_type, self.kind)?;
        self.statement
            .map_or(Ok(()), |statement| write!(f, " ({statement})"))
    }
}

impl core::error::Error for EncodeError {}

/// What keeps a packet from being written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The buffer is shorter than the packet.
    BufferTooSmall {
        /// The length of the packet in bytes.
        needed: usize,
    },
    /// The packet says what this version has no place for: a property, a reason code, an option.
    NotInVersion(Version),
    /// A text or binary field of more than 65,535 bytes.
    FieldTooLong,
    /// More than 268,435,455 bytes after the fixed header.
    PacketTooLarge,
    /// A PUBLISH of QoS 1 or 2 without a packet identifier.
    PacketIdMissing,
    /// A QoS 0 PUBLISH with a packet identifier.
    PacketIdExtra,
    /// A number above the 268,435,455 that a variable byte integer can hold.
    ValueTooLarge(PropertyId),
    /// A receiver would have to refuse it.
    Refused(DecodeErrorKind),
}

impl fmt::Display for EncodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(f, "buffer too small, {needed} bytes needed"),
            Self::NotInVersion(version) => write!(f, "says what MQTT {version} has no place for"),
            Self::FieldTooLong => f.write_str("field of more than 65535 bytes"),
            Self::PacketTooLarge => f.write_str("more than 268435455 bytes"),
            Self::PacketIdMissing => f.write_str("QoS above 0 without a packet identifier"),
            Self::PacketIdExtra => f.write_str("QoS 0 with a packet identifier"),
            Self::ValueTooLarge(id) => write!(f, "{} above 268435455", id.name()),
            Self::Refused(kind) => kind.fmt(f),
        }
    }
}

macro_rules! kinds {
    ($(#[doc = $doc:literal] $name:ident $(($id:ident))? => $text:literal,)*) => {
        /// What is wrong with a packet. Each kind is a row of the table of rules, which knows the statement in each version.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum DecodeErrorKind {$(
            #[doc = $doc]
            $name $((kinds!(@type $id)))?,
        )*}

        impl fmt::Display for DecodeErrorKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {$(
                    Self::$name $(($id))? => write!(f, $text $(, $id = $id.name())?),
                )*}
            }
        }
    };
    (@type $id:ident) => { PropertyId };
}

kinds! {
    /// Packet type 0.
    UnknownType => "packet type 0",
    /// Packet type 15, which came with 5.0.
    ReservedType => "packet type 15 is reserved",
    /// A packet that only the other side may send.
    WrongDirection => "this side may not send it",
    /// The head of a PUBLISH was asked for, and this is none.
    NotPublish => "no PUBLISH",
    /// The low four bits of the first byte are not those of the type.
    HeaderFlags => "wrong flags in the fixed header",
    /// A variable byte integer has a fifth byte.
    VarintTooLong => "variable byte integer of more than four bytes",
    /// A variable byte integer is longer than its value needs.
    VarintNotMinimal => "variable byte integer longer than needed",
    /// The packet ends inside a field.
    LengthShort => "the packet ends inside a field",
    /// Bytes are left after the last field.
    LengthLong => "bytes after the last field",
    /// The length of this type is fixed, and this is another.
    LengthFixed => "not the fixed length of this type",
    /// The packet is larger than the receiver takes.
    TooLarge => "larger than the receiver takes",
    /// A text is not UTF-8.
    Utf8 => "text is not UTF-8",
    /// A text holds U+0000.
    Nul => "NUL in a text",
    /// A field that is text in 3.1 holds other bytes.
    NotText => "field is not text",
    /// Name or value of a string pair is not UTF-8 or holds U+0000.
    StringPair => "name or value of a string pair is no valid text",
    /// Packet identifier 0.
    PacketIdZero => "packet identifier 0",
    /// The protocol name is unknown.
    ProtocolName => "unknown protocol name",
    /// The protocol level (5.0: version) is unknown.
    ProtocolLevel => "unknown protocol level",
    /// Bit 0 of the connect flags is set.
    ConnectReservedFlag => "reserved connect flag is set",
    /// Will QoS 3.
    WillQoS => "will QoS 3",
    /// Will QoS without a will.
    WillQoSWithoutWill => "will QoS without a will",
    /// Will Retain without a will.
    WillRetainWithoutWill => "will retain without a will",
    /// A will is flagged, and its fields are missing.
    WillMissing => "flagged will is missing",
    /// A user name is flagged, and missing.
    UserNameMissing => "flagged user name is missing",
    /// A password is flagged, and missing.
    PasswordMissing => "flagged password is missing",
    /// No user name is flagged, and one more field follows.
    UserNameUnflagged => "field after the last flagged one; no user name is flagged",
    /// No password is flagged, and one more field follows.
    PasswordUnflagged => "field after the last flagged one; no password is flagged",
    /// A password without a user name.
    PasswordWithoutUserName => "password without user name",
    /// CONNECT ends before the client identifier.
    ClientIdMissing => "client identifier is missing",
    /// The client identifier is empty.
    ClientIdEmpty => "empty client identifier",
    /// The client identifier is empty, and the session is to be kept.
    ClientIdEmptyPersistent => "empty client identifier for a session that is to be kept",
    /// The client identifier has more than 23 characters.
    ClientIdTooLong => "client identifier of more than 23 characters",
    /// `+` or `#` in a topic name.
    TopicWildcard => "wildcard in a topic name",
    /// An empty topic name.
    TopicEmpty => "empty topic name",
    /// A topic of more than 65,535 bytes; on the wire no text is longer.
    TopicTooLong => "topic of more than 65535 bytes",
    /// Reserved bits of the acknowledge flags are set.
    ConnAckReserved => "reserved acknowledge flags are set",
    /// Session Present in a refusing CONNACK.
    SessionPresentRefused => "session present in a refusal",
    /// The table of this packet has no such reason code.
    ReasonCodeUnknown => "reason code is not in the table of the packet",
    /// The reason code is one of the other side.
    ReasonCodeSender => "reason code that this side may not send",
    /// An acknowledgement without a code for any filter.
    ReasonCodesEmpty => "no reason code",
    /// The property identifier is unknown.
    PropertyUnknown => "unknown property",
    /// The property may not stand here.
    PropertyNotAllowed(id) => "{id} may not stand here",
    /// The value of a property runs past the property length.
    PropertyMalformed(id) => "{id} runs past the property length",
    /// The property may stand once, and stands twice.
    PropertyRepeated(id) => "{id} is repeated",
    /// The property is 0 or 1, and has another value.
    PropertyBool(id) => "{id} is neither 0 nor 1",
    /// The property may not be 0.
    PropertyZero(id) => "{id} is 0",
    /// The packet ends where the property length stands.
    PropertyLengthMissing => "property length is missing",
    /// QoS bits 11 in PUBLISH.
    PublishQoS => "QoS 3",
    /// DUP with QoS 0.
    DupQoS0 => "DUP with QoS 0",
    /// Topic Alias 0.
    TopicAliasZero => "topic alias 0",
    /// Wildcard in a Response Topic.
    ResponseTopicWildcard => "wildcard in a response topic",
    /// An empty Response Topic.
    ResponseTopicEmpty => "empty response topic",
    /// A Subscription Identifier in a PUBLISH from a client.
    SubscriptionIdFromClient => "subscription identifier from a client",
    /// SUBSCRIBE or UNSUBSCRIBE without a filter.
    FiltersEmpty => "no topic filter",
    /// Reserved bits of the subscription options are set.
    OptionsReserved => "reserved subscription options are set",
    /// QoS 3 in the subscription options.
    OptionsQoS => "subscription with QoS 3",
    /// Retain Handling 3.
    RetainHandling => "retain handling 3",
    /// No Local in a shared subscription.
    SharedNoLocal => "no local in a shared subscription",
    /// An empty topic filter.
    FilterEmpty => "empty topic filter",
    /// `#` that is not alone in the last level.
    MultiLevelWildcard => "'#' is not alone in the last level",
    /// `+` that is not alone in its level.
    SingleLevelWildcard => "'+' is not alone in its level",
    /// `$share/` without the name of a group.
    ShareName => "'$share/' without the name of a group",
    /// `$share/` with a wildcard in the group's name, or without a filter.
    ShareMalformed => "malformed '$share/group/filter'",
    /// Session Expiry Interval in a DISCONNECT from a server.
    SessionExpiryFromServer => "session expiry interval from a server",
    /// Server Reference in a DISCONNECT from a client.
    ServerReferenceFromClient => "server reference from a client",
    /// AUTH without Authentication Method.
    AuthMethodMissing => "authentication method is missing",
    /// Authentication Data without Authentication Method.
    AuthDataWithoutMethod => "authentication data without a method",
}
