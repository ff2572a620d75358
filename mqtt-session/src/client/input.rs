//! Bytes and time in: one event a call.

use mqtt_proto::{Frame, Packet, PacketType, Sender, Version, frame_len};

use super::{
    Client, Event,
    link::{Fact, Link},
    stream::Piece,
};
use crate::{
    Instant,
    flow::{Answer, Violation, rules},
    storage::Storage,
};

/// What a call of [`Client::handle_input`] did.
#[must_use = "bytes that were consumed must be dropped, and an event happens once"]
#[derive(Debug)]
pub struct Handled<'b> {
    /// How many bytes of the input are done with.
    pub consumed: usize,
    /// What happened; call again, with the rest of the bytes, until there is nothing.
    pub event: Option<Event<'b>>,
}

/// What a packet led to.
pub(super) enum Step<'b> {
    /// Nothing to tell.
    Nothing,
    Event(Event<'b>),
    /// A message for which there is no row before another one was answered; it stays in the buffer.
    Wait,
    /// An answer to the packet that is being written; it stays in the buffer until that is written to its end.
    Unwritten,
    /// Other events come first; it stays in the buffer.
    Again,
}

impl<S: Storage> Client<S> {
    /// Takes bytes from the server and the time, and gives at most one event.
    ///
    /// `rx` is everything received and not consumed yet, from the start of a packet on; it may end inside a packet. The
    /// bytes are read in place. Packets that lead to no event are passed over within the call, so `event: None` means
    /// that nothing more can be told before more bytes, more time, a command or a write. Never fails: a server that
    /// breaks a rule is the event [`Closed`](super::Closed).
    pub fn handle_input<'b>(&mut self, now: Instant, rx: &'b [u8]) -> Handled<'b> {
        self.advance(now);
        let handled = self.take_input(rx);
        if handled.event.is_some() {
            return handled;
        }
        // Deadlines come after what was received: bytes that waited in a buffer while the caller was busy are a sign of
        // life, and may hold the very answer that is missed.
        self.disconnect_if_drained();
        self.handle_deadlines();
        Handled {
            consumed: handled.consumed,
            event: self.owed_event(),
        }
    }

    /// The first event of these bytes, after those that are owed.
    fn take_input<'b>(&mut self, rx: &'b [u8]) -> Handled<'b> {
        let mut consumed = 0;
        loop {
            if let Some(event) = self.owed_event() {
                return Handled {
                    consumed,
                    event: Some(event),
                };
            }
            match self.link() {
                Link::Connecting | Link::Connected | Link::Ending => {}
                // The connection is over, and what still comes means nothing.
                Link::Idle | Link::Closing | Link::Closed => {
                    return Handled {
                        consumed: rx.len(),
                        event: None,
                    };
                }
            }
            let piece = if self.wants_input() {
                self.take_piece(rx.get(consumed..).unwrap_or_default())
            } else {
                Ok(Piece::Need)
            };
            match piece {
                Ok(Piece::Need) => {
                    return Handled {
                        consumed,
                        event: None,
                    };
                }
                Ok(Piece::Passed(n)) => {
                    self.note_received();
                    self.count(|counters| counters.take_bytes(n));
                    consumed += n;
                }
                Ok(Piece::Event(n, event)) => {
                    self.note_received();
                    self.count(|counters| counters.take_bytes(n));
                    return Handled {
                        consumed: consumed + n,
                        event: Some(event),
                    };
                }
                Err(violation) => self.violated(violation),
            }
        }
    }

    /// Takes one packet, or a piece of one that is larger than the receive buffer.
    fn take_piece<'b>(&mut self, rest: &'b [u8]) -> Result<Piece<'b>, Violation> {
        if let Some(stream) = self.stream {
            return Ok(self.continue_stream(stream, rest));
        }
        if rest.is_empty() {
            return Ok(Piece::Need);
        }
        let version = self.connection.as_ref().map_or(Version::V5, |c| c.version);
        let frame = frame_len(rest, u32::MAX).map_err(|error| error.for_peer(version, Sender::Server))?;
        let (Frame::Len(len) | Frame::Need(len)) = frame;
        if self.is_streamed(rest, len) {
            if self.link() == Link::Connecting {
                return Err(rules::BEFORE_CONNACK.broken(version));
            }
            return self.begin_stream(version, rest);
        }
        if len as u64 > u64::from(self.config.receive_buffer) {
            return Err(rules::PACKET_TOO_LARGE_FOR_CLIENT.broken(version));
        }
        if matches!(frame, Frame::Need(_)) {
            return Ok(Piece::Need);
        }
        let packet = Packet::decode(version, Sender::Server, rest.get(..len).unwrap_or_default())?;
        let step = self.handle_packet(version, packet)?;
        if let (Step::Nothing | Step::Event(_), Some(first)) = (&step, rest.first()) {
            self.count(|counters| counters.take_packet(*first));
        }
        Ok(match step {
            Step::Nothing => Piece::Passed(len),
            Step::Event(event) => Piece::Event(len, event),
            Step::Again => Piece::Passed(0),
            Step::Wait => {
                self.arrivals.stalled = true;
                Piece::Need
            }
            Step::Unwritten => {
                self.output.awaited = true;
                Piece::Need
            }
        })
    }

    /// Nothing but time: the same as [`handle_input`](Self::handle_input) without bytes.
    pub fn handle_timeout(&mut self, now: Instant) -> Handled<'static> {
        self.handle_input(now, &[])
    }

    /// False: do not read from the transport now, for what comes could not be taken. Room is made by acknowledging, and
    /// by writing what [`poll_transmit`](Self::poll_transmit) gives.
    pub const fn wants_input(&self) -> bool {
        !self.arrivals.stalled && !self.arrivals.owed.is_full() && !self.output.awaited
    }

    /// The caller has stopped reading, or reads again: meanwhile the server's silence is not taken for its end.
    pub fn handle_paused(&mut self, now: Instant, paused: bool) {
        self.advance(now);
        if let Some(connection) = &mut self.connection {
            connection.facts.set(Fact::Paused, paused);
            if !paused {
                // What the server sent meanwhile is still on its way through the caller's buffers.
                connection.last_received = self.now;
                connection.heard_again(self.now);
            }
        }
    }

    pub(super) fn note_received(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.last_received = self.now;
        }
    }

    fn handle_packet<'b>(&mut self, version: Version, packet: Packet<'b>) -> Result<Step<'b>, Violation> {
        let first = matches!(packet.packet_type(), PacketType::ConnAck | PacketType::Auth);
        if self.link() == Link::Connecting && !first {
            return Err(rules::BEFORE_CONNACK.broken(version));
        }
        match packet {
            Packet::ConnAck(connack) => self.on_connack(connack),
            Packet::Publish(publish) => self.on_publish(version, publish),
            Packet::PubRel(ack) => self.on_pubrel(version, ack),
            Packet::PubAck(ack) => self.on_answer(version, Answer::PubAck, ack),
            Packet::PubRec(ack) => self.on_answer(version, Answer::PubRec, ack),
            Packet::PubComp(ack) => self.on_answer(version, Answer::PubComp, ack),
            Packet::SubAck(suback) => self.on_suback(version, suback),
            Packet::UnsubAck(unsuback) => self.on_unsuback(version, unsuback),
            Packet::PingResp => Ok(self.on_pingresp()),
            Packet::Disconnect(disconnect) => {
                // The requests that end with the connection are told first; this packet is read again after them.
                self.end_requests();
                if let Some(connection) = &mut self.connection {
                    connection.state = Link::Ending;
                }
                if self.has_event() {
                    return Ok(Step::Again);
                }
                Ok(Step::Event(self.on_disconnect(disconnect)))
            }
            Packet::Auth(auth) => self.on_auth(version, auth),
            // The decoder knows that a server sends none of these.
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
                Ok(Step::Nothing)
            }
        }
    }
}
