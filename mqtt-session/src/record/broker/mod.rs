//! What a broker has to remember beyond its process: entries, each under a key of its own.
//!
//! Every change of the durable state puts an entry or removes one, so any store of keys and values will do that takes a batch
//! of them at once or not at all. Each batch is what happened between two moments at which the broker was at rest: every
//! state of the store is one to go on from. There is no journal that grows and no snapshot to take; the order of keys is of no matter.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | what there is: [`Entry`] and its parts |
//! | `key` | [`Key`]: what an entry is about, and its bytes |
//! | `value` | the rest of an entry, in a [frame](super::frame) with version and checksum |
//!
//! Numbers of sessions and messages are given by the broker and are not used again while an entry speaks of them. Moments are
//! absolute, so a time without a process needs no mention.

mod key;
#[cfg(test)]
mod tests;
mod value;

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32};

use mqtt_proto::{PacketId, Properties, QoS, TopicName};

pub use key::Key;

use crate::{
    Instant,
    flow::Outgoing,
    server::{Grant, Pool},
};

/// One thing that a broker keeps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// What the broker has counted.
    Counters {
        /// Client ids that were invented.
        invented: u64,
    },
    /// A session, or the will of a connection whose session is not kept.
    Session {
        /// Its number.
        session: u64,
        /// What is known of it.
        kept: KeptSession<'a>,
    },
    /// A filter that a session has subscribed.
    Subscription {
        /// Whose.
        session: u64,
        /// The whole filter, `$share/group/` included.
        filter: &'a str,
        /// As an ordinary subscription; to a filter with `$share/` one of a client of 3.x.
        direct: Option<KeptSubscription>,
        /// As a shared subscription.
        shared: Option<KeptSubscription>,
    },
    /// A message, however many wait for it.
    Message {
        /// Its number.
        message: u64,
        /// What it is.
        kept: KeptMessage<'a>,
    },
    /// A message waits for a session.
    Waiting {
        /// For whom.
        session: u64,
        /// Its place in the order.
        place: u64,
        /// Which.
        message: u64,
        /// QoS 1 or 2: the one that it is sent with.
        qos: QoS,
        /// How it is sent.
        how: KeptDelivery<'a>,
    },
    /// A message has a packet id, and may have been sent.
    InFlight {
        /// To whom.
        session: u64,
        /// Its place in the order of first transmissions.
        order: u64,
        /// Its packet id.
        id: PacketId,
        /// How far the exchange has come.
        stage: Outgoing,
        /// Which message; `None` once PUBREC has come.
        message: Option<u64>,
        /// How it is sent.
        how: KeptDelivery<'a>,
    },
    /// A message of QoS 2 was received under this id, and its PUBREL was not: it is not taken again
    /// (`5/MQTT-4.3.3-10`).
    Received {
        /// From whom.
        session: u64,
        /// The packet id.
        id: PacketId,
    },
    /// Retained messages are still to be sent for a new subscription.
    Pull {
        /// To whom.
        session: u64,
        /// The filter of the subscription.
        filter: &'a str,
        /// How far that has come.
        kept: KeptPull<'a>,
    },
    /// A topic has a retained message.
    Retained {
        /// In which pool.
        pool: Pool,
        /// Which topic.
        topic: TopicName<'a>,
        /// When it was stored, among all of this pool.
        serial: u64,
        /// Which message.
        message: u64,
    },
}

/// What is known of a session beside what has entries of its own.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KeptSession<'a> {
    /// As its client calls itself, or was called.
    pub client_id: &'a str,
    /// What its client was granted.
    pub grant: KeptGrant,
    /// Seconds it is kept after its connection; `u32::MAX` for ever, 0 not at all.
    pub expiry: u32,
    /// Since when its client is away, if it is.
    pub away: Option<Away>,
    /// What its client leaves behind when it is gone.
    pub will: Option<KeptWill<'a>>,
}

/// What is due while a client is away.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "two things have a moment")]
pub struct Away {
    /// When the session ends; `None` for never.
    pub expires_at: Option<Instant>,
    /// When its will is published, if there is one.
    pub will_at: Option<Instant>,
}

/// What a client was granted.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "its own, or everybody's")]
pub enum KeptGrant {
    /// What all clients of this listener are granted whom nobody decides about: as the configuration says *then*.
    OfListener(u16),
    /// This.
    Own(Grant),
}

/// The will of a client.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "what the standard says of a will")]
pub struct KeptWill<'a> {
    /// Will Delay Interval in seconds.
    pub delay: u32,
    /// Message Expiry Interval in seconds; it begins to run when the will is published.
    pub expiry: Option<u32>,
    /// The message.
    pub message: KeptMessage<'a>,
}

/// How a filter is subscribed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "what the standards say of a subscription"
)]
pub struct KeptSubscription {
    /// The QoS that was granted.
    pub qos: QoS,
    /// Not what the client itself publishes.
    pub no_local: bool,
    /// RETAIN as the publisher set it.
    pub retain_as_published: bool,
    /// Wildcards on the first level match `$` too: of a 3.1 client.
    pub dollar: bool,
    /// Subscription Identifier.
    pub id: Option<NonZeroU32>,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "what the standards say of a message")]
pub struct KeptMessage<'a> {
    /// From when on no delivery begins; [`Instant::MAX`] for never.
    pub expires_at: Instant,
    /// The QoS it was published with.
    pub qos: QoS,
    /// It was published with RETAIN.
    pub retain: bool,
    /// Where.
    pub topic: TopicName<'a>,
    /// The properties that are forwarded.
    pub properties: Properties<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

/// How a message is sent to one client.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "what differs from receiver to receiver")]
pub struct KeptDelivery<'a> {
    /// With RETAIN.
    pub retain: bool,
    /// The identifiers of the subscriptions it comes from.
    pub ids: Vec<NonZeroU32>,
    /// The whole filter of the shared subscription it comes from.
    pub group: Option<&'a str>,
}

/// How far the retained messages of a new subscription have been sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a subscription and how far it has come")]
pub struct KeptPull<'a> {
    /// The QoS that was granted.
    pub qos: QoS,
    /// Wildcards on the first level match `$` too.
    pub dollar: bool,
    /// Subscription Identifier.
    pub id: Option<NonZeroU32>,
    /// What was stored later came as an ordinary message.
    pub until: u64,
    /// The last topic that was looked at, or a path past it.
    pub after: Option<&'a str>,
}

/// Bytes are no entry.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryError {
    /// The key says nothing that is known: of a later version perhaps, or not a broker's.
    UnknownKey,
    /// The value is not what was written under this key.
    Corrupt,
    /// The value was written in an encoding that is not known.
    #[non_exhaustive]
    UnknownVersion {
        /// Its version.
        version: u8,
    },
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey => f.write_str("the key is not known"),
            Self::Corrupt => f.write_str("the value is not what was written"),
            Self::UnknownVersion { version } => write!(f, "the value has the unknown version {version}"),
        }
    }
}

impl core::error::Error for EntryError {}
