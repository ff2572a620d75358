//! Our client in memory, on a virtual clock.
//!
//! - `side`: a client with its end of a link; the pair target has it too.
//! - `calls`: lines with `do`. `events`: what lines with `event` compare.

mod calls;
mod events;
mod side;

use core::time::Duration;

use mqtt_proto::Version;
use mqtt_session::Instant;

use super::broker::{SPINS, START};
use super::{Outcome, Target, refusals, setup};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::trace::ast::Direction;
use crate::trace::{Test, Trace};
pub(super) use side::{ClientSide, Ending};

/// [`mqtt_session::Client`] on the heap; the runner plays its server, and `do` lines call it. Each run has clients of its
/// own, one for each connection of the trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryClient;

impl Target for MemoryClient {
    fn name(&self) -> &str {
        "client in memory"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Client
    }

    fn takes(&self, trace: &Trace) -> bool {
        self.is_tested_by(trace.head.test) || refusals::by_client(trace).is_some()
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let refusals = refusals::by_client(trace);
        let trace = refusals.as_ref().unwrap_or(trace);
        play(trace, version, || {
            Ok(Box::new(ClientWorld {
                new: setup::client(trace)?,
                version,
                now: START,
                clients: Vec::new(),
            }))
        })
    }
}

struct ClientWorld {
    new: setup::NewClient,
    version: Version,
    now: Instant,
    clients: Vec<ClientSide>,
}

impl ClientWorld {
    fn client(&mut self, conn: usize) -> &mut ClientSide {
        while self.clients.len() <= conn {
            self.clients.push(ClientSide::new(self.new));
        }
        &mut self.clients[conn]
    }
}

impl World for ClientWorld {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToClient)
    }

    fn now(&self) -> Duration {
        self.now.saturating_duration_since(START)
    }

    fn open(&mut self, _: usize) -> Result<(), String> {
        Err("the client opens the link".to_owned())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        let client = self.client(conn);
        if client.has_link() {
            client.receive(bytes);
            Ok(())
        } else {
            Err("the client has no link: it is not connected, or has closed".to_owned())
        }
    }

    fn cut(&mut self, conn: usize) {
        let now = self.now;
        self.client(conn).lose(now);
    }

    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal> {
        let (now, version) = (self.now, self.version);
        self.client(conn).call(now, version, call)
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let until = START + until;
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            let at = self.now();
            for (conn, client) in self.clients.iter_mut().enumerate() {
                let _ = client.pump(self.now, at, conn, inbox);
            }
            if inbox.arrivals() > before {
                return Ok(true);
            }
            match self.clients.iter().filter_map(ClientSide::poll_timeout).min() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        return Err(format!(
                            "the client asks for time {at:?} again and again, and it is {:?}",
                            self.now
                        ));
                    }
                    self.now = self.now.max(at);
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(false);
                }
            }
        }
    }
}
