//! Our client and our server, joined by two queues of bytes, on a virtual clock.

use core::time::Duration;

use mqtt_proto::Version;
use mqtt_session::server::{ConnId, Peer, Server};
use mqtt_session::{Body, Instant};

use super::broker::{SPINS, START};
use super::client::{ClientSide, Ending};
use super::{Outcome, Target, setup};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::trace::ast::{Command, Direction};
use crate::trace::{Test, Trace};

/// [`mqtt_session::Client`]s and one [`mqtt_session::server::Server`]. The runner calls the clients, cuts links and
/// watches; it sends nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair;

impl Target for Pair {
    fn name(&self) -> &str {
        "pair in memory"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Pair
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        if let Some(why) = setup::lacks(trace, setup::OURS_LACKS) {
            return Outcome::NotApplicable(why);
        }
        play(trace, version, || {
            Ok(Box::new(PairWorld {
                version,
                server: Server::new(setup::server(trace)?),
                now: START,
                ends: Vec::new(),
            }))
        })
    }
}

struct PairWorld {
    version: Version,
    server: Server,
    now: Instant,
    ends: Vec<Ends>,
}

/// A client and what the server has of its link.
struct Ends {
    client: ClientSide,
    id: Option<ConnId>,
    /// On its way to the server, or more than it takes at present.
    to_server: Vec<u8>,
}

impl World for PairWorld {
    fn sends(&self) -> Option<Direction> {
        None
    }

    fn now(&self) -> Duration {
        self.now.saturating_duration_since(START)
    }

    fn open(&mut self, _: usize) -> Result<(), String> {
        Err("the clients open the links".to_owned())
    }

    fn send(&mut self, _: usize, _: &[u8]) -> Result<(), String> {
        Err("the runner sends nothing".to_owned())
    }

    fn cut(&mut self, conn: usize) {
        let now = self.now;
        let ends = self.ends(conn);
        ends.client.lose(now);
        self.lose(conn);
    }

    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal> {
        let (now, version) = (self.now, self.version);
        let given = self.ends(conn).client.call(now, version, call)?;
        if call.command == Command::Connect {
            let opened = self.server.open(now, Peer::default());
            self.ends(conn).id = Some(opened.map_err(|e| Refusal::Invalid(e.to_string()))?);
        }
        Ok(given)
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let until = START + until;
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            while self.pump(inbox) {}
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let clients = self.ends.iter().filter_map(|ends| ends.client.poll_timeout());
            match clients.chain(self.server.poll_timeout()).min() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        return Err(format!(
                            "client or server asks for time {at:?} again and again, and it is {:?}",
                            self.now
                        ));
                    }
                    self.now = self.now.max(at);
                    self.server.handle_timeout(self.now);
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(false);
                }
            }
        }
    }
}

impl PairWorld {
    fn ends(&mut self, conn: usize) -> &mut Ends {
        while self.ends.len() <= conn {
            self.ends.push(Ends {
                client: ClientSide::new(setup::NewClient::default()),
                id: None,
                to_server: Vec::new(),
            });
        }
        &mut self.ends[conn]
    }

    /// The server's end of a link is gone.
    fn lose(&mut self, conn: usize) {
        let ends = &mut self.ends[conn];
        ends.to_server.clear();
        if let Some(id) = ends.id.take() {
            self.server.handle_disconnect(self.now, id);
        }
    }

    /// Moves bytes both ways; false if there were none.
    fn pump(&mut self, inbox: &mut Inbox<'_>) -> bool {
        let (now, at, before) = (self.now, self.now(), inbox.arrivals());
        for conn in 0..self.ends.len() {
            let ends = &mut self.ends[conn];
            let sent = ends.client.pump(now, at, conn, inbox);
            ends.to_server.extend(sent.bytes);
            if let (Some(id), false) = (ends.id, ends.to_server.is_empty()) {
                let taken = self.server.handle_input(now, id, &ends.to_server);
                ends.to_server.drain(..taken);
            }
            if let Some(Ending::Cut | Ending::Closed) = sent.ending {
                self.lose(conn);
            }
        }
        while let Some(id) = self.server.poll_ready() {
            let Some(conn) = self.ends.iter().position(|ends| ends.id == Some(id)) else {
                continue;
            };
            self.write(conn, id, inbox);
        }
        inbox.arrivals() > before
    }

    /// Gives a client what the server has for it.
    fn write(&mut self, conn: usize, id: ConnId, inbox: &mut Inbox<'_>) {
        let (now, at) = (self.now, self.now());
        while let Some(transmit) = self.server.poll_transmit(now, id) {
            let mut packet = transmit.head.to_vec();
            if let Body::Bytes(body) = transmit.body {
                packet.extend_from_slice(body);
            }
            let cut = inbox.cut_after(conn, Direction::ToClient, &packet);
            let passes = cut.unwrap_or(packet.len());
            self.server.handle_written(now, id, passes);
            self.ends[conn].client.receive(&packet[..passes]);
            if cut.is_some() {
                inbox.cut_packet(at, conn, Direction::ToClient, &packet, passes);
                let _ = self.ends[conn].client.pump(now, at, conn, inbox);
                self.ends[conn].client.lose(now);
                self.lose(conn);
                return;
            }
            inbox.bytes(at, conn, Direction::ToClient, &packet);
        }
        if self.server.wants_close(id) {
            inbox.end(at, conn, Direction::ToClient);
            // What was sent before the end is read before it.
            let _ = self.ends[conn].client.pump(now, at, conn, inbox);
            self.ends[conn].client.lose(now);
            self.lose(conn);
        }
    }
}
