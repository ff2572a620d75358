//! What a client records.

use mqtt_proto::{PacketId, Properties, QoS, TopicName};

use crate::{Instant, Token, client::AbortReason};

/// One change of a client's session. Each says how something *is*, not how it became so: a later record about the same thing
/// replaces an earlier one, and reading one twice does no harm.
///
/// Messages of QoS 0 are never recorded, nor are SUBSCRIBE and UNSUBSCRIBE: they end with the process.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// What is known of the session with the server.
    Session {
        /// The server may have one of ours.
        exists: bool,
        /// What is kept may not belong to it: a CONNECT with Clean Start may have been sent.
        outdated: bool,
        /// Whose it is: the FNV-1a hash of the client id.
        client: u32,
        /// Changes whenever the server has lost the session: what was in flight before, in both directions, is over, but
        /// for messages that a later record speaks of.
        number: u16,
        /// The token of the next operation.
        next: Token,
    },
    /// A message was accepted; if it has a packet id, it may have been sent.
    Message(StoredMessage<'a>),
    /// A message has got a packet id and may have been sent.
    Sent {
        /// Which one.
        token: Token,
        /// The id.
        id: PacketId,
    },
    /// A message is to be sent as a new one: the id it had means it no more.
    Queued {
        /// Which one.
        token: Token,
    },
    /// PUBREC has come: the message is the server's, and only its id is left (`5/MQTT-4.3.3-6`).
    Released {
        /// Which one.
        token: Token,
        /// The id.
        id: PacketId,
    },
    /// A message has ended without an answer, and its event has not been taken.
    Aborted {
        /// Which one.
        token: Token,
        /// The id that stays out of use, if one does.
        retired: Option<PacketId>,
        /// Why.
        why: AbortReason,
    },
    /// A message has ended and that was told, but its id stays out of use until the session ends.
    Retired {
        /// Which one.
        token: Token,
        /// The id.
        id: PacketId,
    },
    /// A message has ended and that was told; its id is free.
    Ended {
        /// Which one.
        token: Token,
        /// The id that it had, if it had one.
        id: Option<PacketId>,
    },
    /// A QoS 2 message under this id was told, and is not told again (`5/MQTT-4.3.3-10`).
    Received {
        /// The id.
        id: PacketId,
    },
    /// PUBREL has come: the next QoS 2 message under this id is another one (`5/MQTT-4.3.3-11`).
    ReceivedEnded {
        /// The id.
        id: PacketId,
    },
}

/// A message of QoS 1 or 2 in the outbox.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage<'a> {
    /// Its operation; also its place in the order of messages.
    pub token: Token,
    /// Its packet id, if it has got one.
    pub id: Option<PacketId>,
    /// [`QoS::AtLeastOnce`] or [`QoS::ExactlyOnce`].
    pub qos: QoS,
    /// RETAIN (3.3.1.3).
    pub retain: bool,
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// Its properties; what is left of a Message Expiry Interval may stand in them.
    pub properties: Properties<'a>,
    /// What is published.
    pub payload: StoredPayload<'a>,
    /// When it was accepted.
    pub accepted: Instant,
    /// From when on it is dropped if nothing of it has left.
    pub deadline: Option<Instant>,
    /// When its Message Expiry Interval is over.
    pub expires: Option<Instant>,
}

/// The payload of a [`StoredMessage`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the machine has it, or it has not")]
pub enum StoredPayload<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes that the caller keeps ([`Payload::External`](crate::Payload::External)): it has to have them still
    /// when the record is read.
    External(u32),
}
