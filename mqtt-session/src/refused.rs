//! Why a command was not taken. What the peer does wrong is never an error here: it is the event `Closed`.

use core::fmt;

use mqtt_proto::{EncodeError, EncodeErrorKind, TopicError};

/// A command was refused, and nothing has changed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refused {
    /// There is no connection, and this command needs one.
    NotConnected,
    /// There is a connection, or one is being made.
    AlreadyConnected,
    /// The connection is being shut down.
    ShuttingDown,
    /// The server has not asked for this step of an authentication, or the last one is under way.
    OutOfTurn,
    /// All slots for operations are in use.
    Slots,
    /// There is no room for so many bytes at present.
    Bytes,
    /// The packet would be larger than the server takes, than the protocol can say, or than the storage could ever hold.
    TooLarge,
    /// The server, or the version that is spoken, cannot do this.
    Unsupported(Unsupported),
    /// Some of the message has left, or is about to, so that it cannot be withdrawn.
    Transmitted,
    /// No message with this token waits or is in flight.
    NoSuchMessage,
    /// No packet may look like this.
    Invalid(EncodeError),
    /// No topic or filter may look like this.
    InvalidTopic(TopicError),
}

/// What cannot be done on this connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unsupported {
    /// Properties and reason codes: 5.0 only.
    Properties,
    /// A QoS above the server's Maximum QoS (`5/MQTT-3.2.2-11`).
    QoS,
    /// Retained messages (`5/MQTT-3.2.2-14`).
    Retain,
    /// Wildcards in filters (5.0, 3.2.2.3.11).
    WildcardSubscription,
    /// Subscription Identifiers (5.0, 3.2.2.3.12).
    SubscriptionIdentifier,
    /// Shared subscriptions (5.0, 3.2.2.3.13).
    SharedSubscription,
    /// Topic aliases above the server's maximum (`5/MQTT-3.2.2-17`).
    TopicAlias,
    /// Enhanced authentication (5.0, 4.12): CONNECT named no method, or not this one.
    EnhancedAuthentication,
    /// A Session Expiry Interval in DISCONNECT after 0 in CONNECT (5.0, 3.14.2.2.2).
    SessionExpiry,
    /// Payloads that the caller keeps, where whoever drives the machine has no way to get at them.
    ExternalPayload,
}

impl Refused {
    /// The same command may be taken later, without a change by the caller: when something has been acknowledged,
    /// written, or connected.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NotConnected | Self::ShuttingDown | Self::OutOfTurn | Self::Slots | Self::Bytes
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("not connected"),
            Self::AlreadyConnected => f.write_str("already connected"),
            Self::ShuttingDown => f.write_str("shutting down"),
            Self::OutOfTurn => f.write_str("not the turn for this step of an authentication"),
            Self::Slots => f.write_str("all slots are in use"),
            Self::Bytes => f.write_str("no room for so many bytes at present"),
            Self::TooLarge => f.write_str("packet too large"),
            Self::Unsupported(what) => write!(f, "not supported on this connection: {what}"),
            Self::Transmitted => f.write_str("the message has left, or is about to"),
            Self::NoSuchMessage => f.write_str("no message with this token is under way"),
            Self::Invalid(error) => write!(f, "invalid packet: {error}"),
            Self::InvalidTopic(error) => write!(f, "invalid topic: {error}"),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Properties => "properties and reason codes",
            Self::QoS => "this QoS",
            Self::Retain => "retained messages",
            Self::WildcardSubscription => "wildcard subscriptions",
            Self::SubscriptionIdentifier => "subscription identifiers",
            Self::SharedSubscription => "shared subscriptions",
            Self::TopicAlias => "this topic alias",
            Self::EnhancedAuthentication => "enhanced authentication",
            Self::SessionExpiry => "a session expiry interval after none in CONNECT",
            Self::ExternalPayload => "external payloads",
        })
    }
}

impl core::error::Error for Refused {}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        if matches!(error.kind(), EncodeErrorKind::PacketTooLarge) {
            Self::TooLarge
        } else {
            Self::Invalid(error)
        }
    }
}

impl From<TopicError> for Refused {
    fn from(error: TopicError) -> Self {
        Self::InvalidTopic(error)
    }
}

/// A command was refused, and here is what it was given.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotTaken<T, E = Refused> {
    /// What was given.
    pub given: T,
    /// Why it was not taken.
    pub why: E,
}

impl<T, E> NotTaken<T, E> {
    /// This was not taken, for this reason.
    pub const fn new(given: T, why: E) -> Self {
        Self { given, why }
    }
}

impl<T, E: fmt::Display> fmt::Display for NotTaken<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<T: fmt::Debug, E: core::error::Error + 'static> core::error::Error for NotTaken<T, E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.why)
    }
}
