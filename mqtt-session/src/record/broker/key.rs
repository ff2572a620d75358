//! What an entry is about, as bytes: a kind, then numbers with their high byte first, then a text to the end.

use alloc::vec::Vec;
use core::str;

use mqtt_proto::{PacketId, TopicFilter, TopicName};

use super::Entry;
use crate::{record::fields::Fields, server::Pool};

/// What an [`Entry`] is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Key<'a> {
    /// What the broker has counted.
    Counters,
    /// The session with this number.
    Session(u64),
    /// A session's subscription.
    Subscription {
        /// Whose.
        session: u64,
        /// The whole filter.
        filter: &'a str,
    },
    /// The message with this number.
    Message(u64),
    /// A message that waits.
    Waiting {
        /// For whom.
        session: u64,
        /// Its place in the order.
        place: u64,
    },
    /// A message under way.
    InFlight {
        /// To whom.
        session: u64,
        /// Its place in the order.
        order: u64,
    },
    /// The id of a QoS 2 message that was received.
    Received {
        /// From whom.
        session: u64,
        /// The packet id.
        id: PacketId,
    },
    /// Retained messages for a new subscription.
    Pull {
        /// To whom.
        session: u64,
        /// Its filter.
        filter: &'a str,
    },
    /// The retained message of a topic.
    Retained {
        /// In which pool.
        pool: Pool,
        /// Which topic.
        topic: &'a str,
    },
}

const COUNTERS: u8 = 1;
const SESSION: u8 = 2;
const SUBSCRIPTION: u8 = 3;
const MESSAGE: u8 = 4;
const WAITING: u8 = 5;
const IN_FLIGHT: u8 = 6;
const RECEIVED: u8 = 7;
const PULL: u8 = 8;
const RETAINED: u8 = 9;

impl<'a> Key<'a> {
    /// The kind, the first byte of a key and the kind of its value's frame.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Counters => COUNTERS,
            Self::Session(_) => SESSION,
            Self::Subscription { .. } => SUBSCRIPTION,
            Self::Message(_) => MESSAGE,
            Self::Waiting { .. } => WAITING,
            Self::InFlight { .. } => IN_FLIGHT,
            Self::Received { .. } => RECEIVED,
            Self::Pull { .. } => PULL,
            Self::Retained { .. } => RETAINED,
        }
    }

    /// The key as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (number, number_2, text): (u64, Option<u64>, &str) = match *self {
            Self::Counters => return [COUNTERS].into(),
            Self::Session(number) | Self::Message(number) => (number, None, ""),
            Self::Subscription { session, filter } | Self::Pull { session, filter } => {
                (session, None, filter)
            }
            Self::Waiting { session, place } => (session, Some(place), ""),
            Self::InFlight { session, order } => (session, Some(order), ""),
            Self::Received { session, id } => {
                let mut key = Vec::with_capacity(11);
                key.push(RECEIVED);
                key.extend(session.to_be_bytes());
                key.extend(id.get().to_be_bytes());
                return key;
            }
            Self::Retained { pool, topic } => {
                let mut key = Vec::with_capacity(5 + topic.len());
                key.push(RETAINED);
                key.extend(pool.0.to_be_bytes());
                key.extend(topic.as_bytes());
                return key;
            }
        };
        let mut key = Vec::with_capacity(17.max(9 + text.len()));
        key.push(self.kind());
        key.extend(number.to_be_bytes());
        if let Some(number) = number_2 {
            key.extend(number.to_be_bytes());
        }
        key.extend(text.as_bytes());
        key
    }

    /// The key that these bytes are; `None` if they are none.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let key = match fields.u8()? {
            COUNTERS => Self::Counters,
            SESSION => Self::Session(fields.u64()?),
            SUBSCRIPTION => Self::Subscription {
                session: fields.u64()?,
                filter: filter(&mut fields)?,
            },
            MESSAGE => Self::Message(fields.u64()?),
            WAITING => Self::Waiting {
                session: fields.u64()?,
                place: fields.u64()?,
            },
            IN_FLIGHT => Self::InFlight {
                session: fields.u64()?,
                order: fields.u64()?,
            },
            RECEIVED => Self::Received {
                session: fields.u64()?,
                id: fields.id()?,
            },
            PULL => Self::Pull {
                session: fields.u64()?,
                filter: filter(&mut fields)?,
            },
            RETAINED => Self::Retained {
                pool: Pool(fields.u32()?),
                topic: rest(&mut fields)
                    .and_then(|topic| TopicName::new(topic).ok())?
                    .as_str(),
            },
            _ => return None,
        };
        fields.0.is_empty().then_some(key)
    }
}

fn rest<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let len = fields.0.len();
    str::from_utf8(fields.take(len)?).ok()
}

fn filter<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let text = rest(fields)?;
    TopicFilter::new(text).ok()?;
    Some(text)
}

impl Entry<'_> {
    /// What it is about.
    pub const fn key(&self) -> Key<'_> {
        match *self {
            Self::Counters { .. } => Key::Counters,
            Self::Session { session, .. } => Key::Session(session),
            Self::Subscription { session, filter, .. } => Key::Subscription { session, filter },
            Self::Message { message, .. } => Key::Message(message),
            Self::Waiting { session, place, .. } => Key::Waiting { session, place },
            Self::InFlight { session, order, .. } => Key::InFlight { session, order },
            Self::Received { session, id } => Key::Received { session, id },
            Self::Pull { session, filter, .. } => Key::Pull { session, filter },
            Self::Retained { pool, ref topic, .. } => Key::Retained {
                pool,
                topic: topic.as_str(),
            },
        }
    }
}
