//! Messages that are larger than the receive buffer: told in pieces, acknowledged at their end.

use mqtt_proto::{
    PacketId, PacketType, ReasonCode, Sender, Version,
    packet::{HeadStatus, PublishHead},
};

use super::{Client, Event, MessageStart, Oversize, arrivals::Admission, output::Loss, owed::Answerless};
use crate::{
    flow::{Cause, Incoming, Violation},
    storage::Storage,
};

/// A message of which not everything has come.
#[derive(Copy, Clone, Debug)]
pub(super) struct Stream {
    offset: u32,
    left: u32,
    end: AtEnd,
}

/// What its end does. Until then the message leaves no trace in the session: if the link is lost before, it comes again as
/// if it had never begun.
#[derive(Copy, Clone, Debug)]
enum AtEnd {
    Deliver(Option<(Incoming, PacketId)>),
    PassOver(Option<(Answerless, PacketId)>),
}

/// What a look at the bytes gave.
pub(super) enum Piece<'b> {
    /// So many bytes are done with.
    Passed(usize),
    /// So many bytes are done with, and this happened.
    Event(usize, Event<'b>),
    /// Nothing can be done before there are more bytes, or something was written or acknowledged.
    Need,
}

impl<S: Storage> Client<S> {
    /// The largest packet that is taken, if there is a limit.
    pub(super) fn largest_packet(&self) -> Option<u32> {
        (self.config.oversize == Oversize::Refuse).then_some(self.config.receive_buffer)
    }

    /// The packet that these bytes begin with, of this length, comes in pieces.
    pub(super) fn is_streamed(&self, rest: &[u8], len: usize) -> bool {
        let publish = rest
            .first()
            .is_some_and(|first| first >> 4 == PacketType::Publish as u8);
        publish
            && self.config.oversize == Oversize::Stream
            && len as u64 > u64::from(self.config.receive_buffer)
    }

    /// Begins a message that is larger than the buffer.
    pub(super) fn begin_stream<'b>(
        &mut self,
        version: Version,
        rest: &'b [u8],
    ) -> Result<Piece<'b>, Violation> {
        let (head, head_len, payload_len) = match PublishHead::decode(version, Sender::Server, rest)? {
            HeadStatus::Need(needed) if needed as u64 > u64::from(self.config.receive_buffer) => {
                return Err(Violation {
                    code: ReasonCode::PACKET_TOO_LARGE,
                    statement: None,
                    cause: Cause::HeadTooLarge {
                        needed: needed as u32,
                    },
                });
            }
            HeadStatus::Need(_) => return Ok(Piece::Need),
            HeadStatus::Head {
                head,
                head_len,
                payload_len,
            } => (head, head_len, payload_len as u32),
        };
        let end = match self.admit(version, &head)? {
            Admission::Wait => {
                self.arrivals.stalled = true;
                return Ok(Piece::Need);
            }
            Admission::Deliver(arrival) => AtEnd::Deliver(arrival),
            Admission::PassOver(answer) => AtEnd::PassOver(answer),
        };
        self.stream = Some(Stream {
            offset: 0,
            left: payload_len,
            end,
        });
        Ok(match end {
            AtEnd::PassOver(_) => Piece::Passed(head_len),
            AtEnd::Deliver(_) => Piece::Event(
                head_len,
                Event::MessageStart(MessageStart {
                    topic: head.topic,
                    payload_len,
                    qos: head.qos,
                    retain: head.retain,
                    dup: head.dup,
                    packet_id: head.packet_id,
                    properties: head.properties,
                }),
            ),
        })
    }

    /// Goes on with a message that has begun.
    pub(super) fn continue_stream<'b>(&mut self, mut stream: Stream, rest: &'b [u8]) -> Piece<'b> {
        if stream.left == 0 {
            self.stream = None;
            self.count(|counters| counters.take_packet((PacketType::Publish as u8) << 4));
            return match stream.end {
                AtEnd::Deliver(arrival) => Piece::Event(0, Event::MessageEnd(Ok(self.arrived(arrival)))),
                AtEnd::PassOver(answer) => {
                    self.owe(answer);
                    Piece::Passed(0)
                }
            };
        }
        if rest.is_empty() {
            return Piece::Need;
        }
        let n = rest.len().min(stream.left as usize);
        let offset = stream.offset;
        stream.offset += n as u32;
        stream.left -= n as u32;
        self.stream = Some(stream);
        match stream.end {
            AtEnd::PassOver(_) => Piece::Passed(n),
            AtEnd::Deliver(_) => Piece::Event(
                n,
                Event::MessageData {
                    offset,
                    bytes: rest.get(..n).unwrap_or_default(),
                },
            ),
        }
    }

    /// The connection ends: what was told of a message is not all of it.
    pub(super) fn break_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            if matches!(stream.end, AtEnd::Deliver(_)) {
                self.output.lost.set(Loss::Message, true);
            }
        }
    }
}
