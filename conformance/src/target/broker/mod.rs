//! Brokers in memory, on a virtual clock; the runner plays their clients.
//!
//! [`BrokerUnderTest`] is what a broker has to do to be tested, [`BrokerTarget`] runs traces against it, and
//! [`ours`] is that for our own server. A broker is tested by the traces of `test: broker`, and by what those of
//! `test: codec` say a server must refuse. (One that cannot be had in memory is tested [behind TCP](super::live).)
//!
//! This broker greets, and answers pings:
//!
//! ```
//! use core::time::Duration;
//! use std::collections::BTreeMap;
//!
//! use mqtt_conformance::target::broker::{BrokerTarget, BrokerUnderTest};
//! use mqtt_conformance::target::{Outcome, Target};
//! use mqtt_conformance::trace::Trace;
//! use mqtt_proto::Version;
//!
//! #[derive(Default)]
//! struct Ponger {
//!     to_write: BTreeMap<usize, Vec<u8>>,
//!     over: Vec<usize>,
//! }
//!
//! impl BrokerUnderTest for Ponger {
//!     fn open(&mut self, _: Duration, conn: usize) -> Result<(), String> {
//!         self.to_write.insert(conn, Vec::new());
//!         Ok(())
//!     }
//!
//!     fn handle_input(&mut self, _: Duration, conn: usize, bytes: &[u8]) {
//!         match bytes.first() {
//!             Some(0x10) => self.to_write.entry(conn).or_default().extend([0x20, 2, 0, 0]),
//!             Some(0xc0) => self.to_write.entry(conn).or_default().extend([0xd0, 0]),
//!             _ => self.over.push(conn),
//!         }
//!     }
//!
//!     fn handle_disconnect(&mut self, _: Duration, conn: usize) {
//!         self.to_write.remove(&conn);
//!         self.over.retain(|other| *other != conn);
//!     }
//!
//!     fn poll_transmit(&mut self, _: Duration, conn: usize) -> Option<Vec<u8>> {
//!         self.to_write.get_mut(&conn).map(std::mem::take).filter(|bytes| !bytes.is_empty())
//!     }
//!
//!     fn wants_close(&self, conn: usize) -> bool {
//!         self.over.contains(&conn)
//!     }
//! }
//!
//! let mut target = BrokerTarget::new("ponger", |_| Ok(Ponger::default()));
//! let trace = "title: a pong\ntest: broker\nversion: 3.1.1
//! -> CONNECT client_id=\"c\" clean_start=1
//! <- CONNACK
//! -> PINGREQ
//! <- PINGRESP
//! -> DISCONNECT
//! <- close";
//! let outcome = target.run(&Trace::parse("pong.trace", trace).unwrap(), Version::V311);
//! assert_eq!(outcome, Outcome::Passed { checked: 6 });
//! ```
//!
//! How all traces are run, and how what is known to fail is listed, is shown at [`target`](super).

mod ours;

use core::time::Duration;

use mqtt_proto::Version;

use super::outlet::{Outlet, SPINS, TURNS};
use super::wanted::Wanted;
use super::{Outcome, Target, applied, guarded, refusals};
use crate::fields::Val;
use crate::play::act::Act;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::profile::Profile;
use crate::trace::ast::Direction;
use crate::trace::{Test, Trace};
pub(super) use ours::OurBroker;

/// A broker that traces are run against: bytes and time in, bytes out.
///
/// Time is what has passed since the run began. Connections have numbers from 0; a number is used again for a client that
/// connects again. After whatever happens every connection is asked for bytes, until none has any, and then whether it is
/// to be closed. A panic is reported as a failure of the line.
///
/// What the broker cannot do it says by the `requires:` of a trace (see [`FEATURES`](super::setup::FEATURES)): in a profile, or
/// where the broker is made. The settings that traces ask for with `config:` are those of our server; one that has the same
/// can [ask for them](Wanted::number), another's traces with such settings are not applicable.
pub trait BrokerUnderTest {
    /// A client opens a link.
    ///
    /// # Errors
    ///
    /// Why it cannot, in words; the line that needs it fails.
    fn open(&mut self, now: Duration, conn: usize) -> Result<(), String>;

    /// Bytes came from a client: any number of packets, or a piece of one. What the broker does not take now it keeps.
    fn handle_input(&mut self, now: Duration, conn: usize, bytes: &[u8]);

    /// The link is gone, by whomever; what was not written is lost.
    fn handle_disconnect(&mut self, now: Duration, conn: usize);

    /// What to write next on this link.
    ///
    /// Give a packet at a time if [`handle_written`](Self::handle_written) means anything to the broker.
    fn poll_transmit(&mut self, now: Duration, conn: usize) -> Option<Vec<u8>>;

    /// So many of the bytes that [`poll_transmit`](Self::poll_transmit) gave have gone: all, or fewer if the link is cut inside
    /// them, in which case [`handle_disconnect`](Self::handle_disconnect) follows. Brokers that count what they give as gone do
    /// nothing.
    fn handle_written(&mut self, now: Duration, conn: usize, n: usize) {
        let _ = (now, conn, n);
    }

    /// Nothing more will be written or read on this link: it is to be closed.
    fn wants_close(&self, conn: usize) -> bool;

    /// When to call [`handle_timeout`](Self::handle_timeout). Brokers without deadlines leave it out; what a trace says of
    /// keep alive, delays and expiry they fail.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// It is that late.
    fn handle_timeout(&mut self, now: Duration) {
        let _ = now;
    }

    /// `broker restart`, its first half: it takes leave of its clients. What it has for them is asked for, then the links are gone,
    /// and [`restore`](Self::restore) follows.
    ///
    /// # Errors
    ///
    /// It cannot be stopped, in words: the trace is not applicable.
    fn shutdown(&mut self, now: Duration) -> Result<(), String> {
        let _ = now;
        Err("this broker cannot be stopped".to_owned())
    }

    /// `broker crash`, and the second half of `broker restart`: it begins anew, with what it has made durable, and no links; of
    /// their end it is not told.
    ///
    /// # Errors
    ///
    /// It cannot begin anew, in words: the trace is not applicable.
    fn restore(&mut self, now: Duration) -> Result<(), String> {
        let _ = now;
        Err("this broker cannot be started again".to_owned())
    }

    /// `broker deny`: from now on it refuses these: `topic` to publish to, `filter` to subscribe to, `client_id` to connect.
    ///
    /// # Errors
    ///
    /// It cannot, in words: the trace is not applicable.
    fn deny(&mut self, now: Duration, what: &[(String, Val)]) -> Result<(), String> {
        let _ = (now, what);
        Err("this broker cannot be told whom to refuse".to_owned())
    }
}

/// How a machine is made, as the trace wants it.
type Make<B> = dyn Fn(&Wanted<'_>) -> Result<B, String>;

/// Runs traces against a broker; each with a broker of its own.
pub struct BrokerTarget<B> {
    name: String,
    make: Box<Make<B>>,
    profile: Option<Profile>,
    closes_only_where_it_must: bool,
}

impl<B> core::fmt::Debug for BrokerTarget<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BrokerTarget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<B: BrokerUnderTest> BrokerTarget<B> {
    /// `name`: for the report. `make`: makes a broker, or says why there is none such as the trace wants: then it is not
    /// applicable.
    #[must_use]
    pub fn new(name: impl Into<String>, make: impl Fn(&Wanted<'_>) -> Result<B, String> + 'static) -> Self {
        Self {
            name: name.into(),
            profile: None,
            make: Box::new(make),
            closes_only_where_it_must: false,
        }
    }

    /// What the broker can do: traces for versions that the profile does not have, or that require or need more than it says,
    /// are not applicable. What is known to fail is for the [report](crate::report::Report::with_profile).
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// It is asked no more than a live broker: of the bytes in codec traces, what a server may answer it may, and what 3.1.1 leaves
    /// open is not sent; where 3.1 does not have a server close, one that goes on makes the trace not applicable from there on.
    #[must_use]
    pub fn closing_only_where_it_must(mut self) -> Self {
        self.closes_only_where_it_must = true;
        self
    }
}

impl<B: BrokerUnderTest> Target for BrokerTarget<B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Broker
    }

    fn takes(&self, trace: &Trace) -> bool {
        takes(trace)
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let trace = match applied(self.profile.as_ref(), trace, version) {
            Ok(trace) => trace,
            Err(why) => return Outcome::NotApplicable(why),
        };
        run(&trace, version, &*self.make, self.closes_only_where_it_must)
    }
}

/// [`mqtt_session::server::Server`], our own.
#[must_use]
pub fn ours() -> impl Target {
    BrokerTarget::new("broker in memory", OurBroker::wanted)
}

/// Whether the trace says anything about a broker: it tests one, or has bytes that a broker must refuse.
pub(super) fn takes(trace: &Trace) -> bool {
    trace.head.test == Test::Broker || refusals::broker::asked(trace).is_some()
}

fn run<B: BrokerUnderTest>(
    trace: &Trace,
    version: Version,
    make: &Make<B>,
    closes_only_where_it_must: bool,
) -> Outcome {
    let asked = if closes_only_where_it_must {
        match refusals::broker::obliged(trace, version) {
            Ok(asked) => asked,
            Err(why) => return Outcome::NotApplicable(why),
        }
    } else {
        refusals::broker::asked(trace)
    };
    let trace = asked.as_ref().unwrap_or(trace);
    let may_go_on = closes_only_where_it_must && !refusals::broker::must_close(trace, version);
    play(trace, version, || {
        Ok(Box::new(BrokerWorld {
            broker: Wanted::new(trace, version).make(make)?,
            now: Duration::ZERO,
            links: Vec::new(),
            may_go_on,
        }))
    })
}

struct BrokerWorld<B> {
    broker: B,
    now: Duration,
    links: Vec<Option<Outlet>>,
    may_go_on: bool,
}

impl<B: BrokerUnderTest> World for BrokerWorld<B> {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToServer)
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn need_not_refuse(&self) -> Option<String> {
        self.may_go_on.then(refusals::broker::need_not_close)
    }

    fn open(&mut self, conn: usize) -> Result<(), String> {
        guarded(|| self.broker.open(self.now, conn))??;
        if self.links.len() <= conn {
            self.links.resize_with(conn + 1, || None);
        }
        self.links[conn] = Some(Outlet::default());
        Ok(())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        if self.links.get(conn).is_none_or(Option::is_none) {
            return Err("the link is closed".to_owned());
        }
        guarded(|| self.broker.handle_input(self.now, conn, bytes))
    }

    fn cut(&mut self, conn: usize) {
        if self.links.get_mut(conn).and_then(Option::take).is_some() {
            self.broker.handle_disconnect(self.now, conn);
        }
    }

    fn call(&mut self, _: usize, _: &Call) -> Result<Option<Val>, Refusal> {
        Err(Refusal::NotApplicable("a broker is not called".to_owned()))
    }

    fn act(&mut self, act: &Act, inbox: &mut Inbox<'_>) -> Result<(), Refusal> {
        let now = self.now;
        if let Act::Deny(what) = act {
            return done(guarded(|| self.broker.deny(now, what)));
        }
        if *act == Act::Restart {
            done(guarded(|| self.broker.shutdown(now)))?;
            self.pump(inbox).map_err(Refusal::Invalid)?;
            (0..self.links.len()).for_each(|conn| self.cut(conn));
        }
        self.links.clear();
        done(guarded(|| self.broker.restore(now)))
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            self.pump(inbox)?;
            if inbox.arrivals() > before {
                return Ok(true);
            }
            match self.broker.poll_timeout() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        let now = self.now;
                        return Err(format!(
                            "the server asks for time {at:?} again and again, and it is {now:?}"
                        ));
                    }
                    self.now = self.now.max(at);
                    guarded(|| self.broker.handle_timeout(self.now))?;
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(false);
                }
            }
        }
    }
}

/// What came of something that is done to a broker.
pub(super) fn done(done: Result<Result<(), String>, String>) -> Result<(), Refusal> {
    done.map_err(Refusal::Invalid)?.map_err(Refusal::NotApplicable)
}

impl<B: BrokerUnderTest> BrokerWorld<B> {
    /// Gives the runner what the server has for it.
    fn pump(&mut self, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for conn in 0..self.links.len() {
                quiet &= !self.write(conn, inbox)?;
            }
        }
        Ok(())
    }

    /// What it has for one client. True if there was anything.
    fn write(&mut self, conn: usize, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let now = self.now;
        for turns in 0..TURNS {
            let Some(outlet) = &mut self.links[conn] else {
                return Ok(turns > 0);
            };
            let written = guarded(|| self.broker.poll_transmit(now, conn))?;
            let Some(bytes) = written.filter(|bytes| !bytes.is_empty()) else {
                if self.broker.wants_close(conn) {
                    inbox.end(now, conn, Direction::ToClient);
                    self.cut(conn);
                    return Ok(true);
                }
                return Ok(turns > 0);
            };
            let cut = outlet.pass(now, conn, Direction::ToClient, &bytes, inbox);
            let passes = cut.unwrap_or(bytes.len()).min(bytes.len());
            guarded(|| self.broker.handle_written(now, conn, passes))?;
            if cut.is_some() {
                self.cut(conn);
            }
        }
        Err(format!("the server writes again and again, and it is {now:?}"))
    }
}
