//! The value of an entry: a frame whose kind is that of the key.

use alloc::{vec, vec::Vec};
use core::{num::NonZeroU32, str};

use mqtt_proto::{PacketType, Properties, QoS, TopicFilter, TopicName, property::PropertyPlace};

use super::{
    Away, Entry, EntryError, KeptDelivery, KeptGrant, KeptMessage, KeptPull, KeptSession, KeptSubscription,
    KeptWill, Key,
};
use crate::{
    flow::Outgoing,
    record::{
        RecordError,
        fields::{Buffer, Fields, Length, Sink},
        frame,
    },
    server::{Bucket, ClientLimits, Grant, Pool, Rate},
};

impl<'a> Entry<'a> {
    /// The value as bytes.
    pub fn encode_value(&self) -> Vec<u8> {
        let mut value = Vec::new();
        self.append_value(&mut value);
        value
    }

    /// Writes the value behind what is there.
    pub(crate) fn append_value(&self, out: &mut Vec<u8>) {
        let mut length = Length(0);
        self.write(&mut length);
        let start = out.len();
        out.resize(start + length.0 + frame::OVERHEAD, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let written = frame::write(self.key().kind(), length.0, room, |body| {
            self.write(&mut Buffer(body));
        });
        debug_assert!(written.is_some(), "no entry has four gigabytes");
    }

    /// The entry with this key and this value. Allocates nothing but a list of subscription identifiers, whose bytes are there.
    ///
    /// # Errors
    /// They are not what was written.
    pub fn decode(key: &'a [u8], value: &'a [u8]) -> Result<Self, EntryError> {
        let key = Key::decode(key).ok_or(EntryError::UnknownKey)?;
        let frame = frame::read(value).map_err(|error| match error {
            RecordError::UnknownVersion { version, .. } => EntryError::UnknownVersion { version },
            RecordError::Incomplete { .. } | RecordError::Corrupt { .. } => EntryError::Corrupt,
        })?;
        let mut fields = Fields(frame.body);
        Some(())
            .filter(|()| frame.kind == key.kind() && frame.len == value.len())
            .and_then(|()| Self::read(key, &mut fields))
            .filter(|_| fields.0.is_empty())
            .ok_or(EntryError::Corrupt)
    }

    fn write(&self, out: &mut impl Sink) {
        match self {
            Self::Counters { invented } => out.put_u64(*invented),
            Self::Session { kept, .. } => kept.write(out),
            Self::Subscription { direct, shared, .. } => {
                for how in [direct, shared] {
                    match how {
                        Some(how) => how.write(out),
                        None => out.put_u8(0),
                    }
                }
            }
            Self::Message { kept, .. } => kept.write(out),
            Self::Waiting {
                message, qos, how, ..
            } => {
                out.put_u64(*message);
                out.put_u8((*qos).into());
                how.write(out);
            }
            Self::InFlight {
                id,
                stage,
                message,
                how,
                ..
            } => {
                out.put_id(Some(*id));
                out.put_u8(number_of(*stage));
                put_maybe(out, *message, |out, message| out.put_u64(message));
                how.write(out);
            }
            Self::Received { .. } => {}
            Self::Pull { kept, .. } => kept.write(out),
            Self::Retained { serial, message, .. } => {
                out.put_u64(*serial);
                out.put_u64(*message);
            }
        }
    }

    fn read(key: Key<'a>, fields: &mut Fields<'a>) -> Option<Self> {
        Some(match key {
            Key::Counters => Self::Counters {
                invented: fields.u64()?,
            },
            Key::Session(session) => Self::Session {
                session,
                kept: KeptSession::read(fields)?,
            },
            Key::Subscription { session, filter } => {
                let (direct, shared) = (KeptSubscription::read(fields)?, KeptSubscription::read(fields)?);
                let is_shared = TopicFilter::new(filter).is_ok_and(|filter| filter.share().is_some());
                if shared.is_some() && !is_shared || direct.is_none() && shared.is_none() {
                    return None;
                }
                Self::Subscription {
                    session,
                    filter,
                    direct,
                    shared,
                }
            }
            Key::Message(message) => Self::Message {
                message,
                kept: KeptMessage::read(fields)?,
            },
            Key::Waiting { session, place } => Self::Waiting {
                session,
                place,
                message: fields.u64()?,
                qos: qos(fields).filter(|&qos| qos > QoS::AtMostOnce)?,
                how: KeptDelivery::read(fields)?,
            },
            Key::InFlight { session, order } => {
                let (id, stage) = (fields.id()?, stage_of(fields.u8()?)?);
                let message = maybe(fields, Fields::u64)?;
                // Once PUBREC has come, and not before, the message is the receiver's.
                if message.is_none() != (stage == Outgoing::AwaitingPubComp) {
                    return None;
                }
                Self::InFlight {
                    session,
                    order,
                    id,
                    stage,
                    message,
                    how: KeptDelivery::read(fields)?,
                }
            }
            Key::Received { session, id } => Self::Received { session, id },
            Key::Pull { session, filter } => Self::Pull {
                session,
                filter,
                kept: KeptPull::read(fields)?,
            },
            Key::Retained { pool, topic } => Self::Retained {
                pool,
                topic: TopicName::new(topic).ok()?,
                serial: fields.u64()?,
                message: fields.u64()?,
            },
        })
    }
}

/// Numbers of stages; they are written down, and so never change.
const fn number_of(stage: Outgoing) -> u8 {
    match stage {
        Outgoing::AwaitingPubAck => 1,
        Outgoing::AwaitingPubRec => 2,
        Outgoing::AwaitingPubComp => 3,
    }
}

const fn stage_of(number: u8) -> Option<Outgoing> {
    match number {
        1 => Some(Outgoing::AwaitingPubAck),
        2 => Some(Outgoing::AwaitingPubRec),
        3 => Some(Outgoing::AwaitingPubComp),
        _ => None,
    }
}

impl<'a> KeptSession<'a> {
    fn write(&self, out: &mut impl Sink) {
        put_text(out, self.client_id);
        match &self.grant {
            KeptGrant::OfListener(listener) => {
                out.put_u8(0);
                out.put_u16(*listener);
            }
            KeptGrant::Own(grant) => {
                out.put_u8(1);
                write_grant(grant, out);
            }
        }
        out.put_u32(self.expiry);
        put_maybe(out, self.away, |out, away| {
            for at in [away.expires_at, away.will_at] {
                put_maybe(out, at, |out, at| out.put_instant(at));
            }
        });
        put_maybe(out, self.will.as_ref(), |out, will| {
            out.put_u32(will.delay);
            put_maybe(out, will.expiry, |out, expiry| out.put_u32(expiry));
            will.message.write(out);
        });
    }

    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self {
            client_id: text(fields)?,
            grant: match fields.u8()? {
                0 => KeptGrant::OfListener(fields.u16()?),
                1 => KeptGrant::Own(read_grant(fields)?),
                _ => return None,
            },
            expiry: fields.u32()?,
            away: maybe(fields, |fields| {
                Some(Away {
                    expires_at: maybe(fields, Fields::instant)?,
                    will_at: maybe(fields, Fields::instant)?,
                })
            })?,
            will: maybe(fields, |fields| {
                Some(KeptWill {
                    delay: fields.u32()?,
                    expiry: maybe(fields, Fields::u32)?,
                    message: KeptMessage::read(fields)?,
                })
            })?,
        })
    }
}

fn write_grant(grant: &Grant, out: &mut impl Sink) {
    let Grant {
        pool,
        context,
        sees_sys,
        limits,
    } = grant;
    let ClientLimits {
        queue_messages,
        queue_bytes,
        max_in_flight,
        subscriptions,
        retained_messages,
        retained_bytes,
        session_expiry_max,
        rate: Rate { messages, bytes },
    } = limits;
    out.put_u32(pool.0);
    out.put_u64(*context);
    out.put_u8((*sees_sys).into());
    for count in [
        queue_messages,
        queue_bytes,
        subscriptions,
        retained_messages,
        retained_bytes,
    ] {
        out.put_u64(*count as u64);
    }
    out.put_u16(*max_in_flight);
    out.put_u32(*session_expiry_max);
    for bucket in [messages, bytes] {
        put_maybe(out, bucket.as_ref(), |out, bucket| {
            out.put_u32(bucket.per_second);
            out.put_u32(bucket.burst);
        });
    }
}

fn read_grant(fields: &mut Fields<'_>) -> Option<Grant> {
    let count = |fields: &mut Fields<'_>| Some(usize::try_from(fields.u64()?).unwrap_or(usize::MAX));
    let bucket = |fields: &mut Fields<'_>| {
        Some(Bucket {
            per_second: fields.u32()?,
            burst: fields.u32()?,
        })
    };
    // Fields are read in the order in which they are named.
    Some(Grant {
        pool: Pool(fields.u32()?),
        context: fields.u64()?,
        sees_sys: flag(fields)?,
        limits: ClientLimits {
            queue_messages: count(fields)?,
            queue_bytes: count(fields)?,
            subscriptions: count(fields)?,
            retained_messages: count(fields)?,
            retained_bytes: count(fields)?,
            max_in_flight: fields.u16()?,
            session_expiry_max: fields.u32()?,
            rate: Rate {
                messages: maybe(fields, bucket)?,
                bytes: maybe(fields, bucket)?,
            },
        },
    })
}

const PRESENT: u8 = 0x80;
const NO_LOCAL: u8 = 4;
const RETAIN_AS_PUBLISHED: u8 = 8;
const DOLLAR: u8 = 16;
const QOS: u8 = 3;

impl KeptSubscription {
    fn write(&self, out: &mut impl Sink) {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        out.put_u8(
            PRESENT
                | u8::from(self.qos)
                | bit(self.no_local, NO_LOCAL)
                | bit(self.retain_as_published, RETAIN_AS_PUBLISHED)
                | bit(self.dollar, DOLLAR),
        );
        out.put_u32(self.id.map_or(0, NonZeroU32::get));
    }

    fn read(fields: &mut Fields<'_>) -> Option<Option<Self>> {
        let flags = fields.u8()?;
        if flags == 0 {
            return Some(None);
        }
        let all = PRESENT | NO_LOCAL | RETAIN_AS_PUBLISHED | DOLLAR | QOS;
        if flags & PRESENT == 0 || flags & !all != 0 {
            return None;
        }
        Some(Some(Self {
            qos: QoS::from_u8(flags & QOS)?,
            no_local: flags & NO_LOCAL != 0,
            retain_as_published: flags & RETAIN_AS_PUBLISHED != 0,
            dollar: flags & DOLLAR != 0,
            id: NonZeroU32::new(fields.u32()?),
        }))
    }
}

impl<'a> KeptMessage<'a> {
    /// The payload is last and goes to the end.
    fn write(&self, out: &mut impl Sink) {
        out.put_instant(self.expires_at);
        out.put_u8(u8::from(self.qos) | if self.retain { 4 } else { 0 });
        put_text(out, self.topic.as_str());
        let mut len = Length(0);
        for property in self.properties.iter() {
            len.put_property(&property);
        }
        out.put_u32(len.0 as u32);
        for property in self.properties.iter() {
            out.put_property(&property);
        }
        out.put(self.payload);
    }

    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        let expires_at = fields.instant()?;
        let flags = fields.u8().filter(|flags| flags & !7 == 0)?;
        let topic = TopicName::new(text(fields)?).ok()?;
        let len = fields.u32()?;
        let wire = fields.take(len as usize)?;
        let rest = fields.0.len();
        Some(Self {
            expires_at,
            qos: QoS::from_u8(flags & 3)?,
            retain: flags & 4 != 0,
            topic,
            properties: Properties::from_wire(PropertyPlace::Packet(PacketType::Publish), wire).ok()?,
            payload: fields.take(rest)?,
        })
    }
}

impl<'a> KeptDelivery<'a> {
    fn write(&self, out: &mut impl Sink) {
        out.put_u8(self.retain.into());
        put_maybe(out, self.group, put_text);
        // Its length is counted for what was written, not for what is read.
        out.put_u32(self.ids.len() as u32);
        for id in &self.ids {
            out.put_u32(id.get());
        }
    }

    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        let retain = flag(fields)?;
        let group = maybe(fields, text)?;
        let is_group = |group| TopicFilter::new(group).is_ok_and(|filter| filter.share().is_some());
        if group.is_some_and(|group| !is_group(group)) {
            return None;
        }
        let len = (fields.u32()? as usize).checked_mul(4)?;
        // The bytes are there before memory is taken for what they say.
        let mut bytes = Fields(fields.take(len)?);
        let mut ids = vec![];
        while !bytes.0.is_empty() {
            ids.push(NonZeroU32::new(bytes.u32()?)?);
        }
        Some(Self { retain, ids, group })
    }
}

impl<'a> KeptPull<'a> {
    fn write(&self, out: &mut impl Sink) {
        out.put_u8(self.qos.into());
        out.put_u8(self.dollar.into());
        out.put_u32(self.id.map_or(0, NonZeroU32::get));
        out.put_u64(self.until);
        put_maybe(out, self.after, put_text);
    }

    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self {
            qos: qos(fields)?,
            dollar: flag(fields)?,
            id: NonZeroU32::new(fields.u32()?),
            until: fields.u64()?,
            after: maybe(fields, text)?,
        })
    }
}

fn put_maybe<S: Sink, T>(out: &mut S, value: Option<T>, put: impl FnOnce(&mut S, T)) {
    out.put_u8(value.is_some().into());
    if let Some(value) = value {
        put(out, value);
    }
}

fn maybe<'a, T>(
    fields: &mut Fields<'a>,
    read: impl FnOnce(&mut Fields<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if flag(fields)? {
        read(fields).map(Some)
    } else {
        Some(None)
    }
}

fn flag(fields: &mut Fields<'_>) -> Option<bool> {
    match fields.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn qos(fields: &mut Fields<'_>) -> Option<QoS> {
    fields.u8().and_then(QoS::from_u8)
}

/// A text with its length.
fn put_text(out: &mut impl Sink, text: &str) {
    out.put_u32(text.len() as u32);
    out.put(text.as_bytes());
}

fn text<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let len = fields.u32()?;
    str::from_utf8(fields.take(len as usize)?).ok()
}
