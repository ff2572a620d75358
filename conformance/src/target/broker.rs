//! Our server in memory, on a virtual clock.

use core::time::Duration;

use mqtt_proto::Version;
use mqtt_session::server::{ConnId, Peer, Server};
use mqtt_session::{Body, Instant};

use super::judge::Judge;
use super::{Outcome, Target, refusals, setup};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::trace::ast::Direction;
use crate::trace::{Test, Trace};

/// [`mqtt_session::server::Server`]; the runner plays its clients. Each run has a server of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryBroker;

impl Target for MemoryBroker {
    fn name(&self) -> &str {
        "broker in memory"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Broker
    }

    fn takes(&self, trace: &Trace) -> bool {
        self.is_tested_by(trace.head.test) || refusals::by_broker(trace).is_some()
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let refusals = refusals::by_broker(trace);
        let trace = refusals.as_ref().unwrap_or(trace);
        if let Some(why) = setup::lacks(trace, setup::OURS_LACKS) {
            return Outcome::NotApplicable(why);
        }
        play(trace, version, || {
            let mut config = setup::server(trace)?;
            let judge = Judge::new(trace, &mut config);
            Ok(Box::new(BrokerWorld {
                server: Server::new(config),
                judge,
                now: START,
                links: Vec::new(),
            }))
        })
    }
}

/// Deadlines may lie before the start.
pub(super) const START: Instant = Instant::from_secs(1_000_000);

/// How often a machine may ask to be called again at once before something is wrong with it.
pub(super) const SPINS: usize = 1_000;

struct BrokerWorld {
    server: Server,
    judge: Judge,
    now: Instant,
    links: Vec<Option<Link>>,
}

struct Link {
    id: ConnId,
    /// Sent by the runner and not taken yet.
    unread: Vec<u8>,
}

impl World for BrokerWorld {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToServer)
    }

    fn now(&self) -> Duration {
        self.now.saturating_duration_since(START)
    }

    fn open(&mut self, conn: usize) -> Result<(), String> {
        let id = self
            .server
            .open(self.now, Peer::default())
            .map_err(|e| format!("the server refuses the link: {e}"))?;
        if self.links.len() <= conn {
            self.links.resize_with(conn + 1, || None);
        }
        self.links[conn] = Some(Link {
            id,
            unread: Vec::new(),
        });
        Ok(())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        let Some(Some(link)) = self.links.get_mut(conn) else {
            return Err("the link is closed".to_owned());
        };
        link.unread.extend_from_slice(bytes);
        take_in(&mut self.server, &self.judge, self.now, link);
        Ok(())
    }

    fn cut(&mut self, conn: usize) {
        if let Some(link) = self.links.get_mut(conn).and_then(Option::take) {
            self.server.handle_disconnect(self.now, link.id);
        }
    }

    fn call(&mut self, _: usize, _: &Call) -> Result<Option<Val>, Refusal> {
        Err(Refusal::NotApplicable("a broker is not called".to_owned()))
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let until = START + until;
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            self.pump(inbox);
            if inbox.arrivals() > before {
                return Ok(true);
            }
            match self.server.poll_timeout() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        return Err(format!(
                            "the server asks for time {at:?} again and again, and it is {:?}",
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

impl BrokerWorld {
    /// Gives the runner what the server has for it.
    fn pump(&mut self, inbox: &mut Inbox<'_>) {
        while let Some(id) = self.server.poll_ready() {
            let of = |link: &Option<Link>| link.as_ref().is_some_and(|link| link.id == id);
            let Some(conn) = self.links.iter().position(of) else {
                continue;
            };
            let now = self.now();
            while let Some(transmit) = self.server.poll_transmit(self.now, id) {
                let mut packet = transmit.head.to_vec();
                if let Body::Bytes(body) = transmit.body {
                    packet.extend_from_slice(body);
                }
                if let Some(n) = inbox.cut_after(conn, Direction::ToClient, &packet) {
                    self.server.handle_written(self.now, id, n);
                    inbox.cut_packet(now, conn, Direction::ToClient, &packet, n);
                    self.cut(conn);
                    break;
                }
                self.server.handle_written(self.now, id, packet.len());
                inbox.bytes(now, conn, Direction::ToClient, &packet);
            }
            if let Some(link) = &mut self.links[conn] {
                take_in(&mut self.server, &self.judge, self.now, link);
                if self.server.wants_close(id) {
                    inbox.end(now, conn, Direction::ToClient);
                    self.cut(conn);
                }
            }
        }
    }
}

fn take_in(server: &mut Server, judge: &Judge, now: Instant, link: &mut Link) {
    if !link.unread.is_empty() {
        let taken = server.handle_input(now, link.id, &link.unread);
        link.unread.drain(..taken);
    }
    judge.sit(server, now);
}
