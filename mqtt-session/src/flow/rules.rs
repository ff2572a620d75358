//! Rules that one packet alone cannot break: what a session, a connection or the time of day decides. What bytes alone
//! decide stands in the codec.

use core::fmt;

use mqtt_proto::{DecodeError, ReasonCode, Statement, Version, statement};

/// A rule with its statement in each version and the reason code of its breach. One byte: its row in the table.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Rule(Name);

/// What is known of a rule.
struct Row {
    text: &'static str,
    code: ReasonCode,
    statements: [Option<Statement>; 3],
}

/// A breach of a rule by the peer: what to tell it, and which statement it broke.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Violation {
    /// The reason code that answers it.
    pub code: ReasonCode,
    /// The broken statement.
    pub statement: Option<Statement>,
    /// What was wrong.
    pub cause: Cause,
}

/// What was wrong, or why a connection ended; `Display` says it in words.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Cause {
    /// A rule of a session, a connection or the time of day.
    Rule(Rule),
    /// A packet that could not be decoded.
    Bytes(DecodeError),
    /// The head of a message, topic and properties, is larger than the receive buffer.
    HeadTooLarge {
        /// Bytes that would have been enough to read on, from the start of the packet.
        needed: u32,
    },
    /// The application ended the connection in order, and the code is the one that it chose, not that of a fault.
    Disconnected,
    /// The application ended the connection at once.
    Aborted,
    /// The server disconnected.
    DisconnectedByServer,
    /// CONNACK refused the connection.
    RefusedByServer,
    /// The transport ended without a word.
    TransportEnded,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => f.write_str(rule.text()),
            Self::Bytes(error) => error.fmt(f),
            Self::HeadTooLarge { needed } => {
                write!(
                    f,
                    "head of a message larger than the receive buffer: {needed} bytes"
                )
            }
            Self::Disconnected => f.write_str("disconnected"),
            Self::Aborted => f.write_str("aborted"),
            Self::DisconnectedByServer => f.write_str("the server disconnected"),
            Self::RefusedByServer => f.write_str("the server refused the connection"),
            Self::TransportEnded => f.write_str("the transport ended"),
        }
    }
}

impl Rule {
    /// What was wrong, in words.
    pub const fn text(self) -> &'static str {
        self.0.row().text
    }

    /// The breach of this rule on a connection of that version.
    pub const fn broken(&self, version: Version) -> Violation {
        let row = self.0.row();
        let [v31, v311, v5] = row.statements;
        let statement = match version {
            Version::V31 => v31,
            Version::V311 => v311,
            Version::V5 => v5,
        };
        Violation {
            code: row.code,
            statement,
            cause: Cause::Rule(*self),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.text())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Rule {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.text());
    }
}

impl From<DecodeError> for Violation {
    fn from(error: DecodeError) -> Self {
        Self {
            code: error.reason_code(),
            statement: error.statement(),
            cause: Cause::Bytes(error),
        }
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.cause)?;
        match (self.cause, self.statement) {
            // The error names its statement itself.
            (Cause::Bytes(_), _) | (_, None) => Ok(()),
            (_, Some(statement)) => write!(f, " ({statement})"),
        }
    }
}

impl core::error::Error for Violation {}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal, [$v31:expr, $v311:expr, $v5:expr];)*) => {
        $(
            $(#[$doc])*
            pub const $name: Rule = Rule(Name::$name);
        )*

        #[allow(non_camel_case_types, reason = "the names of the constants")]
        #[derive(Copy, Clone, PartialEq, Eq, Hash)]
        enum Name {
            $($name,)*
        }

        impl Name {
            const fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => {
                        const ROW: &Row =
                            &Row { text: $text, code: ReasonCode::$code, statements: [$v31, $v311, $v5] };
                        ROW
                    })*
                }
            }
        }
    };
}

/// A statement by its name.
macro_rules! s {
    ($label:literal) => {
        Some(statement!($label))
    };
}

rules! {
    /// PUBACK for a QoS 2 message, PUBREC for a QoS 1 message, PUBCOMP before PUBREC.
    ACK_OF_WRONG_KIND = PROTOCOL_ERROR, "answer does not fit the message",
        [None, s!("3.1.1/MQTT-3.3.4-1"), s!("5/MQTT-3.3.4-1")];
    /// PUBREL for a message whose PUBREC was not sent, or of QoS 1.
    PUBREL_BEFORE_PUBREC = PROTOCOL_ERROR, "PUBREL before PUBREC",
        [None, s!("3.1.1/MQTT-4.3.3-1"), s!("5/MQTT-4.3.3-4")];
    /// A message of the server under an id that another one of its messages still uses.
    ID_IN_USE_BY_SERVER = PACKET_IDENTIFIER_IN_USE, "packet id in use",
        [None, s!("3.1.1/MQTT-2.3.1-4"), s!("5/MQTT-2.2.1-4")];
    /// The same, of a client.
    ID_IN_USE_BY_CLIENT = PACKET_IDENTIFIER_IN_USE, "packet id in use",
        [None, s!("3.1.1/MQTT-2.3.1-2"), s!("5/MQTT-2.2.1-3")];
    /// More messages of QoS 1 and 2 than the Receive Maximum; in 3.x, where a server breaks no rule with it, than there is
    /// memory for.
    RECEIVE_MAXIMUM_BY_SERVER = RECEIVE_MAXIMUM_EXCEEDED, "more messages than Receive Maximum or memory allow",
        [None, None, s!("5/MQTT-3.3.4-9")];
    /// The same, of a client.
    RECEIVE_MAXIMUM_BY_CLIENT = RECEIVE_MAXIMUM_EXCEEDED, "more messages than Receive Maximum",
        [None, None, s!("5/MQTT-3.3.4-7")];
    /// A packet from the server, AUTH aside, before CONNACK.
    BEFORE_CONNACK = PROTOCOL_ERROR, "packet before CONNACK",
        [None, s!("3.1.1/MQTT-3.2.0-1"), s!("5/MQTT-3.2.0-1")];
    /// A second CONNACK.
    SECOND_CONNACK = PROTOCOL_ERROR, "second CONNACK",
        [None, s!("3.1.1/MQTT-4.8.0-1"), s!("5/MQTT-3.2.0-2")];
    /// Session Present though the client has no session.
    SESSION_PRESENT_UNEXPECTED = PROTOCOL_ERROR, "Session Present without a session",
        [None, None, s!("5/MQTT-3.2.2-4")];
    /// Session Present though the client asked for a new session.
    SESSION_PRESENT_AFTER_CLEAN_START = PROTOCOL_ERROR, "Session Present after a clean start",
        [None, s!("3.1.1/MQTT-3.2.2-1"), s!("5/MQTT-3.2.2-2")];
    /// A SUBACK with another number of codes than there were filters.
    CODE_COUNT_OF_SUBACK = PROTOCOL_ERROR, "number of codes differs from number of filters",
        [None, s!("3.1.1/MQTT-3.8.4-5"), s!("5/MQTT-3.8.4-6")];
    /// An UNSUBACK with another number of codes than there were filters.
    CODE_COUNT_OF_UNSUBACK = PROTOCOL_ERROR, "number of codes differs from number of filters",
        [None, None, s!("5/3.11.3")];
    /// A packet above the Maximum Packet Size that this client announced.
    PACKET_TOO_LARGE_FOR_CLIENT = PACKET_TOO_LARGE, "packet above Maximum Packet Size",
        [None, None, s!("5/MQTT-3.1.2-24")];
    /// A packet above the Maximum Packet Size that this server announced.
    PACKET_TOO_LARGE_FOR_SERVER = PACKET_TOO_LARGE, "packet above Maximum Packet Size",
        [None, None, s!("5/MQTT-3.2.2-15")];
    /// The server takes no packet of five bytes: no acknowledgement with a reason code, and nothing else that would make
    /// the connection worth having.
    SERVER_TAKES_NO_ANSWER = PACKET_TOO_LARGE, "the server's Maximum Packet Size leaves no room for an acknowledgement",
        [None, None, None];
    /// No CONNACK in time.
    NO_CONNACK = UNSPECIFIED_ERROR, "no CONNACK in time",
        [None, None, None];
    /// No PINGRESP in time.
    NO_PINGRESP = KEEP_ALIVE_TIMEOUT, "no PINGRESP in time",
        [None, None, None];
    /// AUTH from a server though CONNECT named no method.
    UNEXPECTED_AUTH = PROTOCOL_ERROR, "AUTH without Authentication Method in CONNECT",
        [None, None, s!("5/MQTT-4.12.0-6")];
    /// AUTH or CONNACK with another method than CONNECT.
    WRONG_AUTH_METHOD = PROTOCOL_ERROR, "Authentication Method differs from CONNECT",
        [None, None, s!("5/MQTT-4.12.0-5")];
    /// AUTH while nothing is being authenticated, or before its last AUTH was answered.
    AUTH_OUT_OF_TURN = PROTOCOL_ERROR, "AUTH out of turn",
        [None, None, s!("5/4.12")];
    /// AUTH with 0x19 of a client, with another method than CONNECT.
    REAUTHENTICATION_METHOD = PROTOCOL_ERROR, "Authentication Method differs from CONNECT",
        [None, None, s!("5/MQTT-4.12.1-1")];
    /// Something else than AUTH or DISCONNECT between a CONNECT that names a method and its CONNACK.
    PACKET_DURING_AUTHENTICATION = PROTOCOL_ERROR, "neither AUTH nor DISCONNECT before CONNACK",
        [None, None, s!("5/MQTT-3.1.2-30")];
    /// AUTH with 0x00 before CONNACK, which is what accepts a client.
    AUTH_INSTEAD_OF_CONNACK = PROTOCOL_ERROR, "AUTH ends the authentication before CONNACK",
        [None, None, s!("5/MQTT-4.12.0-2")];
    /// Response Information though it was not asked for.
    RESPONSE_INFORMATION_UNASKED = PROTOCOL_ERROR, "Response Information was not asked for",
        [None, None, s!("5/MQTT-3.1.2-28")];
    /// Reason String or User Property though Request Problem Information was 0.
    PROBLEM_INFORMATION_UNASKED = PROTOCOL_ERROR, "problem information was not asked for",
        [None, None, s!("5/MQTT-3.1.2-29")];
    /// A topic alias above the maximum this client announced.
    ALIAS_ABOVE_MAXIMUM_BY_SERVER = TOPIC_ALIAS_INVALID, "topic alias above the maximum",
        [None, None, s!("5/MQTT-3.3.2-11")];
    /// A topic alias above the maximum this server announced.
    ALIAS_ABOVE_MAXIMUM_BY_CLIENT = TOPIC_ALIAS_INVALID, "topic alias above the maximum",
        [None, None, s!("5/MQTT-3.3.2-9")];
    /// The first packet is not CONNECT.
    FIRST_NOT_CONNECT = PROTOCOL_ERROR, "first packet is not CONNECT",
        [None, s!("3.1.1/MQTT-3.1.0-1"), s!("5/MQTT-3.1.0-1")];
    /// CONNECT on a connection that is open.
    SECOND_CONNECT = PROTOCOL_ERROR, "second CONNECT",
        [None, s!("3.1.1/MQTT-3.1.0-2"), s!("5/MQTT-3.1.0-2")];
    /// A client silent for one and a half keep-alive periods.
    KEEP_ALIVE = KEEP_ALIVE_TIMEOUT, "silent for one and a half keep-alive periods",
        [None, s!("3.1.1/MQTT-3.1.2-24"), s!("5/MQTT-3.1.2-22")];
    /// A topic alias, without a topic, that this connection has given no topic.
    ALIAS_UNKNOWN = PROTOCOL_ERROR, "topic alias that stands for no topic",
        [None, None, s!("5/3.3.4")];
    /// A QoS above the Maximum QoS of CONNACK.
    QOS_ABOVE_MAXIMUM = QOS_NOT_SUPPORTED, "QoS above the maximum",
        [None, None, s!("5/MQTT-3.2.2-11")];
    /// RETAIN though CONNACK said Retain Available 0.
    RETAIN_UNAVAILABLE = RETAIN_NOT_SUPPORTED, "retained messages are not available",
        [None, None, s!("5/MQTT-3.2.2-14")];
    /// Subscription Identifier though CONNACK said that there are none.
    SUBSCRIPTION_ID_UNAVAILABLE = SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, "subscription identifiers are not available",
        [None, None, s!("5/3.2.2.3.12")];
    /// A shared subscription though CONNACK said that there are none.
    SHARED_UNAVAILABLE = SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, "shared subscriptions are not available",
        [None, None, s!("5/3.2.2.3.13")];
    /// AUTH from a client whose CONNECT named no method.
    AUTH_WITHOUT_METHOD = PROTOCOL_ERROR, "AUTH without Authentication Method in CONNECT",
        [None, None, s!("5/MQTT-4.12.0-7")];
    /// A Session Expiry Interval in DISCONNECT though that of CONNECT was 0.
    SESSION_EXPIRY_RAISED = PROTOCOL_ERROR, "Session Expiry Interval in DISCONNECT after 0 in CONNECT",
        [None, None, s!("5/3.14.2.2.2")];
}
