//! A client's records as fields.

use mqtt_proto::{PacketType, Properties, QoS, TopicName, property::PropertyPlace};

use super::{
    Record, RecordError, StoredMessage, StoredPayload,
    fields::{Buffer, Fields, Length, Sink},
    frame,
};
use crate::client::AbortReason;

const SESSION: u8 = 1;
const MESSAGE: u8 = 2;
const SENT: u8 = 3;
const QUEUED: u8 = 4;
const RELEASED: u8 = 5;
const ABORTED: u8 = 6;
const RETIRED: u8 = 7;
const ENDED: u8 = 8;
const RECEIVED: u8 = 9;
const RECEIVED_ENDED: u8 = 10;

/// Flags of a session.
const EXISTS: u8 = 1;
const OUTDATED: u8 = 2;

/// Flags of a message.
const QOS_2: u8 = 1;
const RETAIN: u8 = 2;
const EXTERNAL: u8 = 4;
const DEADLINE: u8 = 8;
const EXPIRES: u8 = 16;

/// Numbers of reasons; they are written down, and so never change.
macro_rules! reasons {
    ($($number:literal $reason:ident,)*) => {
        const fn number_of(why: AbortReason) -> u8 {
            match why {
                $(AbortReason::$reason => $number,)*
            }
        }

        const fn reason_of(number: u8) -> Option<AbortReason> {
            match number {
                $($number => Some(AbortReason::$reason),)*
                _ => None,
            }
        }
    };
}

reasons! {
    1 ConnectionLost,
    2 SessionLost,
    3 NoLongerAccepted,
    4 Expired,
    5 DroppedForAge,
    6 DroppedForNewer,
    7 DroppedWithLink,
    8 Cancelled,
}

impl<'a> Record<'a> {
    /// How many bytes [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        let mut length = Length(frame::OVERHEAD);
        self.write(&mut length);
        length.0
    }

    /// Writes the record as one [frame](super::frame). `None` if there is no room for it; then nothing is written.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let len = self.encoded_len() - frame::OVERHEAD;
        frame::write(self.kind(), len, out, |body| self.write(&mut Buffer(body)))
    }

    /// Reads the record at the beginning of these bytes, and tells how many it took. Allocates nothing.
    ///
    /// # Errors
    /// [`RecordError`], with offset 0. A frame that is whole but no client's record is corrupt.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), RecordError> {
        let frame = frame::read(bytes)?;
        match Self::read(frame.kind, frame.body) {
            Some(record) => Ok((record, frame.len)),
            None => Err(RecordError::Corrupt { offset: 0 }),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Session { .. } => SESSION,
            Self::Message(_) => MESSAGE,
            Self::Sent { .. } => SENT,
            Self::Queued { .. } => QUEUED,
            Self::Released { .. } => RELEASED,
            Self::Aborted { .. } => ABORTED,
            Self::Retired { .. } => RETIRED,
            Self::Ended { .. } => ENDED,
            Self::Received { .. } => RECEIVED,
            Self::ReceivedEnded { .. } => RECEIVED_ENDED,
        }
    }

    fn write(&self, out: &mut impl Sink) {
        match *self {
            Self::Session {
                exists,
                outdated,
                client,
                number,
                next,
            } => {
                out.put_u8(flag(exists, EXISTS) | flag(outdated, OUTDATED));
                out.put_u32(client);
                out.put_u16(number);
                out.put_token(next);
            }
            Self::Message(ref message) => message.write(out),
            Self::Sent { token, id } | Self::Released { token, id } | Self::Retired { token, id } => {
                out.put_token(token);
                out.put_id(Some(id));
            }
            Self::Queued { token } => out.put_token(token),
            Self::Aborted { token, retired, why } => {
                out.put_token(token);
                out.put_id(retired);
                out.put_u8(number_of(why));
            }
            Self::Ended { token, id } => {
                out.put_token(token);
                out.put_id(id);
            }
            Self::Received { id } | Self::ReceivedEnded { id } => out.put_id(Some(id)),
        }
    }

    fn read(kind: u8, body: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let record = match kind {
            SESSION => {
                let flags = fields.u8().filter(|flags| flags & !(EXISTS | OUTDATED) == 0)?;
                Self::Session {
                    exists: flags & EXISTS != 0,
                    outdated: flags & OUTDATED != 0,
                    client: fields.u32()?,
                    number: fields.u16()?,
                    next: fields.token()?,
                }
            }
            MESSAGE => Self::Message(StoredMessage::read(&mut fields)?),
            SENT => Self::Sent {
                token: fields.token()?,
                id: fields.id()?,
            },
            QUEUED => Self::Queued {
                token: fields.token()?,
            },
            RELEASED => Self::Released {
                token: fields.token()?,
                id: fields.id()?,
            },
            ABORTED => {
                let (token, retired, number) = (fields.token()?, fields.maybe_id()?, fields.u8()?);
                let why = reason_of(number)?;
                Self::Aborted { token, retired, why }
            }
            RETIRED => Self::Retired {
                token: fields.token()?,
                id: fields.id()?,
            },
            ENDED => Self::Ended {
                token: fields.token()?,
                id: fields.maybe_id()?,
            },
            RECEIVED => Self::Received { id: fields.id()? },
            RECEIVED_ENDED => Self::ReceivedEnded { id: fields.id()? },
            _ => return None,
        };
        fields.0.is_empty().then_some(record)
    }
}

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

impl<'a> StoredMessage<'a> {
    fn write(&self, out: &mut impl Sink) {
        out.put_token(self.token);
        out.put_id(self.id);
        let external = matches!(self.payload, StoredPayload::External(_));
        out.put_u8(
            flag(self.qos == QoS::ExactlyOnce, QOS_2)
                | flag(self.retain, RETAIN)
                | flag(external, EXTERNAL)
                | flag(self.deadline.is_some(), DEADLINE)
                | flag(self.expires.is_some(), EXPIRES),
        );
        out.put_instant(self.accepted);
        for at in [self.deadline, self.expires].into_iter().flatten() {
            out.put_instant(at);
        }
        let topic = self.topic.as_str().as_bytes();
        out.put_u16(topic.len() as u16);
        out.put(topic);
        let mut len = Length(0);
        for property in self.properties.iter() {
            len.put_property(&property);
        }
        out.put_u32(len.0 as u32);
        for property in self.properties.iter() {
            out.put_property(&property);
        }
        match self.payload {
            StoredPayload::Bytes(bytes) => out.put(bytes),
            StoredPayload::External(len) => out.put_u32(len),
        }
    }

    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        let (token, id) = (fields.token()?, fields.maybe_id()?);
        let all = QOS_2 | RETAIN | EXTERNAL | DEADLINE | EXPIRES;
        let flags = fields.u8().filter(|flags| flags & !all == 0)?;
        let has = |flag| flags & flag != 0;
        let accepted = fields.instant()?;
        let deadline = if has(DEADLINE) {
            Some(fields.instant()?)
        } else {
            None
        };
        let expires = if has(EXPIRES) {
            Some(fields.instant()?)
        } else {
            None
        };
        let len = fields.u16()?;
        let topic = core::str::from_utf8(fields.take(len.into())?).ok()?;
        let len = fields.u32()?;
        let wire = fields.take(len as usize)?;
        Some(Self {
            token,
            id,
            qos: if has(QOS_2) {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            },
            retain: has(RETAIN),
            topic: TopicName::new(topic).ok()?,
            properties: Properties::from_wire(PropertyPlace::Packet(PacketType::Publish), wire).ok()?,
            payload: if has(EXTERNAL) {
                StoredPayload::External(fields.u32()?)
            } else {
                let rest = fields.0.len();
                StoredPayload::Bytes(fields.take(rest)?)
            },
            accepted,
            deadline,
            expires,
        })
    }
}

#[cfg(test)]
mod tests;
