//! Client and broker, joined by two queues of bytes, on a virtual clock.

use core::time::Duration;

use mqtt_proto::Version;

use super::broker::{BrokerUnderTest, OurBroker, done};
use super::client::{ClientSide, ClientUnderTest, Ending, OurClient, tells};
use super::outlet::{Outlet, SPINS, TURNS};
use super::wanted::Wanted;
use super::{Outcome, Target, guarded};
use crate::fields::Val;
use crate::play::act::Act;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::trace::ast::{Command, Direction};
use crate::trace::{Test, Trace};

type MakeClient<C> = dyn Fn(&Wanted<'_>) -> Result<C, String>;
type MakeBroker<B> = dyn Fn(&Wanted<'_>) -> Result<B, String>;

/// Runs the traces of `test: pair` with clients and a broker. The runner calls the clients, cuts links and watches; it sends
/// nothing.
pub struct PairTarget<C, B> {
    name: String,
    client: Box<MakeClient<C>>,
    broker: Box<MakeBroker<B>>,
    untold: Vec<String>,
}

impl<C, B> core::fmt::Debug for PairTarget<C, B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PairTarget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<C: ClientUnderTest, B: BrokerUnderTest> PairTarget<C, B> {
    /// `name`: for the report. The others make the clients and the broker, as for
    /// [`ClientTarget`](super::client::ClientTarget) and [`BrokerTarget`](super::broker::BrokerTarget).
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        client: impl Fn(&Wanted<'_>) -> Result<C, String> + 'static,
        broker: impl Fn(&Wanted<'_>) -> Result<B, String> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            client: Box::new(client),
            broker: Box::new(broker),
            untold: Vec::new(),
        }
    }

    /// See [`ClientTarget::not_telling`](super::client::ClientTarget::not_telling).
    #[must_use]
    pub fn not_telling<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.untold.extend(names.into_iter().map(str::to_owned));
        self
    }
}

impl<C: ClientUnderTest, B: BrokerUnderTest> Target for PairTarget<C, B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Pair
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        run(trace, version, &*self.client, &*self.broker, &self.untold)
    }
}

/// [`mqtt_session::Client`]s and one [`mqtt_session::server::Server`], our own.
#[must_use]
pub fn ours() -> impl Target {
    PairTarget::new("pair in memory", OurClient::plain, OurBroker::wanted)
}

fn run<C: ClientUnderTest, B: BrokerUnderTest>(
    trace: &Trace,
    version: Version,
    client: &MakeClient<C>,
    broker: &MakeBroker<B>,
    untold: &[String],
) -> Outcome {
    play(trace, version, || {
        let wanted = Wanted::new(trace, version);
        let broker = broker(&wanted)?;
        // A setting is for either.
        wanted.make(client)?;
        Ok(Box::new(PairWorld {
            make: client,
            trace,
            version,
            untold,
            broker,
            now: Duration::ZERO,
            ends: Vec::new(),
        }))
    })
}

struct PairWorld<'w, C, B> {
    make: &'w MakeClient<C>,
    trace: &'w Trace,
    version: Version,
    untold: &'w [String],
    broker: B,
    now: Duration,
    ends: Vec<Ends<C>>,
}

/// A client and what the broker has of its link.
struct Ends<C> {
    client: ClientSide<C>,
    /// What the broker writes, while it has the link.
    from_broker: Option<Outlet>,
}

impl<C: ClientUnderTest, B: BrokerUnderTest> World for PairWorld<'_, C, B> {
    fn sends(&self) -> Option<Direction> {
        None
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn tells(&self, event: &str, field: Option<&str>) -> bool {
        tells(self.untold, event, field)
    }

    fn open(&mut self, _: usize) -> Result<(), String> {
        Err("the clients open the links".to_owned())
    }

    fn send(&mut self, _: usize, _: &[u8]) -> Result<(), String> {
        Err("the runner sends nothing".to_owned())
    }

    fn cut(&mut self, conn: usize) {
        let now = self.now;
        if let Ok(ends) = self.ends(conn) {
            ends.client.lose(now);
            self.lose(conn);
        }
    }

    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal> {
        let now = self.now;
        let ends = self.ends(conn).map_err(Refusal::NotApplicable)?;
        let given = ends.client.call(now, call)?;
        if call.command == Command::Connect {
            let opened = guarded(|| self.broker.open(now, conn)).and_then(|opened| opened);
            opened.map_err(Refusal::Invalid)?;
            self.ends[conn].from_broker = Some(Outlet::default());
        }
        Ok(given)
    }

    fn act(&mut self, act: &Act, inbox: &mut Inbox<'_>) -> Result<(), Refusal> {
        let now = self.now;
        if let Act::Deny(what) = act {
            return done(guarded(|| self.broker.deny(now, what)));
        }
        if *act == Act::Restart {
            done(guarded(|| self.broker.shutdown(now)))?;
            while self.pump(inbox).map_err(Refusal::Invalid)? {}
        }
        for conn in 0..self.ends.len() {
            self.ends[conn].client.lose(now);
            if *act == Act::Restart {
                self.lose(conn);
            }
            self.ends[conn].from_broker = None;
        }
        done(guarded(|| self.broker.restore(now)))
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            while self.pump(inbox)? {}
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let clients = self.ends.iter().filter_map(|ends| ends.client.poll_timeout());
            match clients.chain(self.broker.poll_timeout()).min() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        let now = self.now;
                        return Err(format!(
                            "client or server asks for time {at:?} again and again, and it is {now:?}"
                        ));
                    }
                    self.now = self.now.max(at);
                    guarded(|| self.broker.handle_timeout(self.now))?;
                    for ends in &mut self.ends {
                        ends.client.handle_timeout(self.now)?;
                    }
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(false);
                }
            }
        }
    }
}

impl<C: ClientUnderTest, B: BrokerUnderTest> PairWorld<'_, C, B> {
    fn ends(&mut self, conn: usize) -> Result<&mut Ends<C>, String> {
        while self.ends.len() <= conn {
            let client = (self.make)(&Wanted::new(self.trace, self.version))?;
            self.ends.push(Ends {
                client: ClientSide::new(client),
                from_broker: None,
            });
        }
        Ok(&mut self.ends[conn])
    }

    /// The broker's end of a link is gone.
    fn lose(&mut self, conn: usize) {
        if self.ends[conn].from_broker.take().is_some() {
            self.broker.handle_disconnect(self.now, conn);
        }
    }

    /// Moves bytes both ways; false if there were none.
    fn pump(&mut self, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let (now, before) = (self.now, inbox.arrivals());
        for conn in 0..self.ends.len() {
            self.read(conn, inbox)?;
        }
        for conn in 0..self.ends.len() {
            for turns in 0..=TURNS {
                if turns == TURNS {
                    return Err(format!("the server writes again and again, and it is {now:?}"));
                }
                if !self.write(conn, inbox)? {
                    break;
                }
            }
        }
        Ok(inbox.arrivals() > before)
    }

    /// Gives the broker what a client has for it.
    fn read(&mut self, conn: usize, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let now = self.now;
        let ends = &mut self.ends[conn];
        let sent = ends.client.pump(now, conn, inbox)?;
        if ends.from_broker.is_some() && !sent.bytes.is_empty() {
            guarded(|| self.broker.handle_input(now, conn, &sent.bytes))?;
        }
        if let Some(Ending::Cut | Ending::Closed) = sent.ending {
            self.lose(conn);
        }
        Ok(())
    }

    /// Gives a client what the broker has for it next; false if that is nothing.
    fn write(&mut self, conn: usize, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let now = self.now;
        let ends = &mut self.ends[conn];
        let Some(outlet) = &mut ends.from_broker else {
            return Ok(false);
        };
        let written = guarded(|| self.broker.poll_transmit(now, conn))?;
        let Some(bytes) = written.filter(|bytes| !bytes.is_empty()) else {
            if self.broker.wants_close(conn) {
                inbox.end(now, conn, Direction::ToClient);
                // What was sent before the end is read before it.
                self.end(conn, inbox)?;
            }
            return Ok(false);
        };
        let cut = outlet.pass(now, conn, Direction::ToClient, &bytes, inbox);
        let passes = cut.unwrap_or(bytes.len()).min(bytes.len());
        guarded(|| self.broker.handle_written(now, conn, passes))?;
        ends.client.receive(now, &bytes[..passes])?;
        if cut.is_some() {
            self.end(conn, inbox)?;
        }
        Ok(true)
    }

    /// The link is gone at both ends, after what came through it is read.
    fn end(&mut self, conn: usize, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let now = self.now;
        let client = &mut self.ends[conn].client;
        client.pump(now, conn, inbox)?;
        client.lose(now);
        self.lose(conn);
        Ok(())
    }
}
