//! The shape of a fast server loop, without a runtime and without IO: what five prototypes of loops had in common.
//!
//! A turn of the loop:
//! 1. For every connection that can be read: read once or twice into one scratch buffer that all share, and give the
//!    bytes to [`Driver::received`]. Stop after a short read. If the server [asks](super::Asks): decide what
//!    [`Server::poll_question`] gives, here and again after step 2, which may come to what was received before.
//! 2. For every connection that [`Driver::take_dirty`] gives, own answers included: [`Driver::flush`], which gathers all
//!    there is into one write.
//! 3. With [`ServerConfig::durable`](super::ServerConfig::durable): [`Driver::poll_changes`] once, and a store for what it gives;
//!    when that is safe, [`Driver::handle_persisted`], and step 2 again. What is withheld until then does not hold up the loop.
//! 4. Wait for readiness, or for [`Driver::poll_timeout`].
//!
//! One write per connection and turn is what makes it fast: one write per message costs ten to thirty times as much. An
//! idle connection owns no buffer: only an incomplete packet, and the rest of a write that the transport did not take.

use alloc::{boxed::Box, vec, vec::Vec};

use mqtt_proto::ReasonCode;

use super::{Changes, ConnId, Overloaded, Peer, RestoreError, Server, ServerConfig, ServerEvent};
use crate::{Instant, Seq};

/// Bytes that one write gathers at most.
const GATHERED: usize = 64 * 1024;

/// Writes of one connection in one turn, so that its neighbours get theirs.
const WRITES_PER_TURN: usize = 4;

/// A [`Server`] with the buffers and the list of a loop over many connections.
#[derive(Debug)]
pub struct Driver {
    server: Server,
    wires: Vec<Wire>,
    scratch: Vec<u8>,
}

/// What is kept of one connection between turns; nothing, mostly.
#[derive(Clone, Debug, Default)]
struct Wire {
    generation: u32,
    /// The transport takes nothing at present.
    blocked: bool,
    left: Option<Box<Left>>,
}

/// What a turn has left over.
#[derive(Clone, Debug, Default)]
struct Left {
    /// Received and not consumed: an incomplete packet, or more than the server has room for.
    rest: Vec<u8>,
    /// Taken from the server and not written.
    unsent: Vec<u8>,
}

impl Wire {
    fn rest(&self) -> &[u8] {
        self.left.as_ref().map_or(&[], |left| &left.rest)
    }

    fn unsent(&self) -> &[u8] {
        self.left.as_ref().map_or(&[], |left| &left.unsent)
    }

    /// So many bytes of the rest were consumed.
    fn consumed(&mut self, n: usize) {
        self.change(|left| drop_front(&mut left.rest, n));
    }

    /// So many bytes of the unsent ones were written.
    fn written(&mut self, n: usize) {
        self.change(|left| drop_front(&mut left.unsent, n));
    }

    fn change(&mut self, change: impl FnOnce(&mut Left)) {
        if let Some(left) = &mut self.left {
            change(left);
            if left.rest.is_empty() && left.unsent.is_empty() {
                self.left = None;
            }
        }
    }
}

fn drop_front(bytes: &mut Vec<u8>, n: usize) {
    if n >= bytes.len() {
        *bytes = Vec::new();
    } else if n > 0 {
        bytes.drain(..n);
    }
}

/// What became of a write.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth thing a write can do")]
pub enum Written {
    /// The transport took so many bytes; fewer than given means that it takes no more now.
    Bytes(usize),
    /// It takes nothing now.
    WouldBlock,
    /// It is broken.
    Dead,
}

/// How far a connection's output got.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth thing to do next")]
pub enum Flushed {
    /// There is nothing more to write, or its turn is over and it is dirty again.
    Done,
    /// The transport takes no more: call [`Driver::unblock`] when it does.
    Blocked,
    /// The connection is over: close the transport and call [`Driver::close`].
    Dead,
}

impl Driver {
    /// A driver of a new server.
    pub fn new(config: ServerConfig) -> Self {
        Self::from(Server::new(config))
    }

    /// A driver of a server that goes on where another one was: see [`Broker::restore`](super::Broker::restore).
    ///
    /// # Errors
    ///
    /// [`RestoreError`]: the entries are not what a server left.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: ServerConfig,
        now: Instant,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RestoreError> {
        Server::restore(config, now, entries).map(Self::from)
    }

    /// What has changed and is to be made durable: see [`Broker::poll_changes`](super::Broker::poll_changes).
    pub fn poll_changes(&mut self) -> Option<Changes> {
        self.server.poll_changes()
    }

    /// These changes and all before them are safe; connections that waited for that are dirty: see
    /// [`Broker::handle_persisted`](super::Broker::handle_persisted).
    pub fn handle_persisted(&mut self, now: Instant, upto: Seq) {
        self.server.handle_persisted(now, upto);
    }

    /// Everything that is durable: see [`Broker::snapshot`](super::Broker::snapshot).
    pub fn snapshot(&mut self) -> Changes {
        self.server.snapshot()
    }

    /// The server, to look at.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// The server, for commands: what it owes after them is found by [`take_dirty`](Self::take_dirty). Its connections
    /// and [`Server::poll_ready`] are the driver's.
    pub const fn server_mut(&mut self) -> &mut Server {
        &mut self.server
    }

    /// A client has connected.
    ///
    /// # Errors
    ///
    /// There are as many connections as the limit allows.
    pub fn open(&mut self, now: Instant, peer: Peer) -> Result<ConnId, Overloaded> {
        let c = self.server.open(now, peer)?;
        if self.wires.len() <= c.index() {
            self.wires.resize_with(c.index() + 1, Wire::default);
        }
        if let Some(wire) = self.wires.get_mut(c.index()) {
            *wire = Wire {
                generation: c.generation,
                ..Wire::default()
            };
        }
        Ok(c)
    }

    /// Bytes that came from the client. All are taken: what the server does not consume is kept. False: do not read from
    /// this client until it is dirty and [`wants_input`](Self::wants_input) again.
    pub fn received(&mut self, now: Instant, c: ConnId, bytes: &[u8]) -> bool {
        let Some(wire) = wire(&mut self.wires, c) else {
            return false;
        };
        if wire.rest().is_empty() {
            let consumed = self.server.handle_input(now, c, bytes);
            if let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
                wire.left.get_or_insert_default().rest.extend_from_slice(rest);
            }
        } else {
            wire.left.get_or_insert_default().rest.extend_from_slice(bytes);
            self.go_on(now, c);
        }
        self.wants_input(c)
    }

    /// Gives the server again what it did not consume.
    fn go_on(&mut self, now: Instant, c: ConnId) {
        let Some(wire) = wire(&mut self.wires, c) else {
            return;
        };
        if wire.rest().is_empty() {
            return;
        }
        let consumed = self.server.handle_input(now, c, wire.rest());
        wire.consumed(consumed);
    }

    /// This client may be read.
    pub fn wants_input(&self, c: ConnId) -> bool {
        self.server.wants_input(c)
    }

    /// Gathers what is to be written to this client, and writes it with `write`, once unless there is very much.
    pub fn flush(&mut self, now: Instant, c: ConnId, mut write: impl FnMut(&[u8]) -> Written) -> Flushed {
        for _ in 0..WRITES_PER_TURN {
            let Some(wire) = wire(&mut self.wires, c) else {
                return Flushed::Dead;
            };
            if self.server.is_late(c) {
                return Flushed::Dead;
            }
            let is_rest = !wire.unsent().is_empty();
            let taken = if is_rest {
                0
            } else {
                self.server.take_transmit(now, c, &mut self.scratch)
            };
            let out = if is_rest {
                wire.unsent()
            } else {
                self.scratch.get(..taken).unwrap_or_default()
            };
            if !out.is_empty() {
                let n = match write(out) {
                    Written::Bytes(n) => n.min(out.len()),
                    Written::WouldBlock => 0,
                    Written::Dead => return Flushed::Dead,
                };
                if n < out.len() {
                    if is_rest {
                        wire.written(n);
                    } else {
                        let unsent = out.get(n..).unwrap_or_default().to_vec();
                        wire.left.get_or_insert_default().unsent = unsent;
                    }
                    wire.blocked = true;
                    return Flushed::Blocked;
                }
                wire.written(usize::MAX);
            }
            if self.server.wants_close(c) {
                return Flushed::Dead;
            }
            // What there was no room for may have room now.
            if self.server.wants_input(c) {
                self.go_on(now, c);
            }
            if !is_rest && taken < GATHERED {
                return Flushed::Done;
            }
        }
        self.server.make_ready(c);
        Flushed::Done
    }

    /// The transport takes bytes again: this connection is dirty.
    pub fn unblock(&mut self, c: ConnId) {
        if let Some(wire) = wire(&mut self.wires, c) {
            wire.blocked = false;
            self.server.make_ready(c);
        }
    }

    /// A connection to [`flush`](Self::flush). One that is blocked is given only when it is to be closed all the same.
    pub fn take_dirty(&mut self) -> Option<ConnId> {
        loop {
            let c = self.server.poll_ready()?;
            if wire(&mut self.wires, c).is_some_and(|wire| !wire.blocked || self.server.is_late(c)) {
                return Some(c);
            }
        }
    }

    /// The transport is closed, by whomever.
    pub fn close(&mut self, now: Instant, c: ConnId) {
        if let Some(wire) = wire(&mut self.wires, c) {
            *wire = Wire::default();
            self.server.handle_disconnect(now, c);
        }
    }

    /// Ends a connection with this code.
    pub fn disconnect(&mut self, now: Instant, c: ConnId, code: ReasonCode) {
        self.server.disconnect(now, c, code);
    }

    /// Ends all connections with 0x8B (Server shutting down): flush the dirty ones until all are [`Flushed::Dead`].
    pub fn shutdown(&mut self, now: Instant) {
        self.server.shutdown(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.server.poll_event()
    }
}

impl From<Server> for Driver {
    fn from(server: Server) -> Self {
        Self {
            server,
            wires: Vec::new(),
            scratch: vec![0; GATHERED],
        }
    }
}

fn wire(wires: &mut [Wire], c: ConnId) -> Option<&mut Wire> {
    wires
        .get_mut(c.index())
        .filter(|wire| wire.generation == c.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_connection_owns_no_bytes() {
        let mut driver = Driver::new(ServerConfig::default());
        let c = driver.open(Instant::ZERO, Peer::default()).unwrap();
        // The beginning of a CONNECT.
        driver.received(Instant::ZERO, c, &[0x10, 0x20, 0x00]);
        assert!(driver.wires.iter().any(|wire| wire.left.is_some()));
        driver.close(Instant::ZERO, c);
        assert!(driver.wires.iter().all(|wire| wire.left.is_none()));
    }
}
