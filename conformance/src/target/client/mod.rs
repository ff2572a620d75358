//! Clients in memory, on a virtual clock; the runner plays their server.
//!
//! [`ClientUnderTest`] is what a client has to do to be tested, [`ClientTarget`] runs traces against it, and [`ours`]
//! is that for our own client. A client is tested by the traces of `test: client`, and by what those of `test: codec` say a
//! client must refuse. [`PairTarget`](super::pair::PairTarget) joins it with a broker.
//!
//! This client can connect, ping and leave:
//!
//! ```
//! use core::time::Duration;
//!
//! use mqtt_conformance::fields::Val;
//! use mqtt_conformance::play::call::Call;
//! use mqtt_conformance::play::inbox::Happened;
//! use mqtt_conformance::play::world::Refusal;
//! use mqtt_conformance::target::client::{ClientTarget, ClientUnderTest};
//! use mqtt_conformance::target::{Outcome, Target};
//! use mqtt_conformance::trace::Trace;
//! use mqtt_conformance::trace::ast::Command;
//! use mqtt_proto::Version;
//!
//! struct Pinger {
//!     version: Version,
//!     to_write: Vec<Vec<u8>>,
//!     events: Vec<Happened>,
//!     over: bool,
//! }
//!
//! impl ClientUnderTest for Pinger {
//!     fn call(&mut self, _: Duration, call: &Call) -> Result<Option<Val>, Refusal> {
//!         match call.command {
//!             Command::Connect | Command::Ping | Command::Disconnect => {
//!                 // A real client is called with what `call` says, and writes the packet itself.
//!                 let packet = call.fields(self.version, 1)?.encode(self.version);
//!                 self.to_write.push(packet.map_err(Refusal::Invalid)?);
//!                 self.over = call.command == Command::Disconnect;
//!                 Ok(Some(Val::Int(1))) // the token, for `do ping as p`
//!             }
//!             other => Err(Refusal::NotApplicable(format!("no {other:?}"))),
//!         }
//!     }
//!
//!     fn handle_input(&mut self, _: Duration, bytes: &[u8]) {
//!         match bytes.first() {
//!             Some(0x20) => self.events.push(Happened::new("Connected")),
//!             Some(0xd0) => self.events.push(Happened::new("Completed").with("token", 1_u64).with("outcome", "ponged")),
//!             _ => self.over = true,
//!         }
//!     }
//!
//!     fn handle_disconnect(&mut self, _: Duration) {
//!         let by = if self.over { "client" } else { "transport" };
//!         self.events.push(Happened::new("Closed").with("by", by));
//!     }
//!
//!     fn poll_event(&mut self, _: Duration) -> Option<Happened> {
//!         (!self.events.is_empty()).then(|| self.events.remove(0))
//!     }
//!
//!     fn poll_transmit(&mut self, _: Duration) -> Option<Vec<u8>> {
//!         (!self.to_write.is_empty()).then(|| self.to_write.remove(0))
//!     }
//!
//!     fn wants_close(&self) -> bool {
//!         self.over
//!     }
//! }
//!
//! let mut target = ClientTarget::new("pinger", |wanted| {
//!     Ok(Pinger { version: wanted.version(), to_write: Vec::new(), events: Vec::new(), over: false })
//! });
//! let trace = "title: a ping\ntest: client\nversion: 3.1.1
//! do connect client_id=\"c\" clean_start=1
//! -> CONNECT client_id=\"c\" clean_start=1
//! <- CONNACK
//! event Connected ..
//! do ping as p
//! -> PINGREQ
//! <- PINGRESP
//! event Completed token=$p outcome=\"ponged\"
//! do disconnect
//! -> DISCONNECT
//! -> close
//! event Closed by=client";
//! let outcome = target.run(&Trace::parse("ping.trace", trace).unwrap(), Version::V311);
//! assert_eq!(outcome, Outcome::Passed { checked: 12 });
//! ```
//!
//! How all traces are run, and how what is known to fail is listed, is shown at [`target`](super).
//!
//! - `side`: a client with its end of a link; the pair has it too.
//! - `ours`: our client; `calls`: lines with `do`; `events`: what lines with `event` compare.

mod calls;
mod events;
mod ours;
mod side;

use core::time::Duration;

use mqtt_proto::Version;

use super::outlet::SPINS;
use super::wanted::Wanted;
use super::{Outcome, Target, applied, refusals};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::{Happened, Inbox};
use crate::play::play;
use crate::play::world::{Refusal, World};
use crate::profile::Profile;
use crate::trace::ast::Direction;
use crate::trace::{Test, Trace};
pub(super) use ours::OurClient;
pub(super) use side::{ClientSide, Ending};

/// A client that traces are run against: bytes, calls and time in, bytes and events out.
///
/// Time is what has passed since the run began. After whatever happens the client is asked for events and for bytes, in
/// turns, until it has neither; after that whether it wants to close the link. A panic is reported as a failure of the line.
///
/// One value is one client of a trace, with all its connections one after the other: it keeps its session.
///
/// # Calls
///
/// | line | [`Call`] |
/// | --- | --- |
/// | `do connect` | fields of CONNECT. The link is there, begin to write |
/// | `do publish .. as p` | fields of PUBLISH. Gives a token: a number of the client's choice, which `Completed` tells |
/// | `do subscribe .. as s`, `do unsubscribe .. as u` | fields of the packet; a token |
/// | `do ack $m` | [`acknowledges`](Call::acknowledges) what `event Message .. as m` [gave](Happened::giving); `code` and properties. Only in traces with `config: acknowledge=manual`: a client has to [ask for](Wanted::word) this setting |
/// | `do authenticate` | fields of AUTH; a token if its code is 0x19 (re-authenticate) |
/// | `do ping as p` | a token |
/// | `do disconnect` | fields of DISCONNECT |
///
/// A call that the client does not have, or not with such arguments, is [`Refusal::NotApplicable`], and so is the trace. One
/// that it refuses because of its state is [`Refusal::Refused`].
///
/// # Events
///
/// | event | what it says |
/// | --- | --- |
/// | `Connected` | `session_present`, the properties of CONNACK |
/// | `Message` | `topic qos dup retain id payload` and the properties of PUBLISH |
/// | `Completed` | `token` of the call, `code` or `codes`, properties of the answer; `outcome`: `written` (QoS 0), `acknowledged`, `subscribed`, `unsubscribed`, `authenticated`, `ponged` |
/// | `Aborted` | `token`, `why`: `SessionLost` and others |
/// | `Authenticate` | the properties of AUTH that asks for more |
/// | `Closed` | once for each link: `by` = `client`, `server` or `transport`; `code` of the DISCONNECT or CONNACK that ended it; `refused=1` after such a CONNACK; `statement` that the server broke |
///
/// What a client cannot tell is said with [`ClientTarget::not_telling`].
pub trait ClientUnderTest {
    /// A line with `do`. Gives what `as` binds, if there is anything.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    fn call(&mut self, now: Duration, call: &Call) -> Result<Option<Val>, Refusal>;

    /// Bytes came from the server: any number of packets, or a piece of one. What the client does not take now it keeps.
    fn handle_input(&mut self, now: Duration, bytes: &[u8]);

    /// The link is gone, by whomever; what was not written is lost. The next `do connect` has a new one.
    fn handle_disconnect(&mut self, now: Duration);

    /// What there is to tell next.
    fn poll_event(&mut self, now: Duration) -> Option<Happened>;

    /// What to write next; asked for only while there is a link.
    ///
    /// Give a packet at a time if [`handle_written`](Self::handle_written) means anything to the client.
    fn poll_transmit(&mut self, now: Duration) -> Option<Vec<u8>>;

    /// So many of the bytes that [`poll_transmit`](Self::poll_transmit) gave have gone: all, or fewer if the link is cut inside
    /// them, in which case [`handle_disconnect`](Self::handle_disconnect) follows. Clients that count what they give as gone do
    /// nothing.
    fn handle_written(&mut self, now: Duration, n: usize) {
        let _ = (now, n);
    }

    /// Nothing more will be written or read on this link: it is to be closed.
    fn wants_close(&self) -> bool;

    /// When to call [`handle_timeout`](Self::handle_timeout). Clients without deadlines leave it out; what a trace says of
    /// keep alive they fail.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// It is that late.
    fn handle_timeout(&mut self, now: Duration) {
        let _ = now;
    }
}

/// How a machine is made, as the trace wants it.
type Make<C> = dyn Fn(&Wanted<'_>) -> Result<C, String>;

/// Runs traces against a client; each with clients of its own, one for each connection of the trace.
pub struct ClientTarget<C> {
    name: String,
    make: Box<Make<C>>,
    untold: Vec<String>,
    profile: Option<Profile>,
    closes_only_where_it_must: bool,
}

impl<C> core::fmt::Debug for ClientTarget<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientTarget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<C: ClientUnderTest> ClientTarget<C> {
    /// `name`: for the report. `make`: makes a client, or says why there is none such as the trace wants: then it is not
    /// applicable.
    #[must_use]
    pub fn new(name: impl Into<String>, make: impl Fn(&Wanted<'_>) -> Result<C, String> + 'static) -> Self {
        Self {
            name: name.into(),
            profile: None,
            make: Box::new(make),
            untold: Vec::new(),
            closes_only_where_it_must: false,
        }
    }

    /// What the client can do: traces for versions that the profile does not have, or that require or need more than it says,
    /// are not applicable. What is known to fail is for the [report](crate::report::Report::with_profile).
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Lines with these events (`"Aborted"`) are passed over, and these fields of events (`"Closed.statement"`) not compared:
    /// the client has nothing like them.
    #[must_use]
    pub fn not_telling<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.untold.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Where a trace says `refused`, and 5.0 says only that a client SHOULD close (section 4.13.1), or 3.1 nothing, a client that
    /// goes on makes the trace not applicable from there on, as with a live client. Otherwise it fails.
    #[must_use]
    pub fn closing_only_where_it_must(mut self) -> Self {
        self.closes_only_where_it_must = true;
        self
    }
}

impl<C: ClientUnderTest> Target for ClientTarget<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Client
    }

    fn takes(&self, trace: &Trace) -> bool {
        takes(trace)
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let trace = match applied(self.profile.as_ref(), trace, version) {
            Ok(trace) => trace,
            Err(why) => return Outcome::NotApplicable(why),
        };
        run(
            &trace,
            version,
            &*self.make,
            &self.untold,
            self.closes_only_where_it_must,
        )
    }
}

/// [`mqtt_session::Client`] on the heap, our own.
#[must_use]
pub fn ours() -> impl Target {
    ClientTarget::new("client in memory", OurClient::wanted)
}

fn takes(trace: &Trace) -> bool {
    trace.head.test == Test::Client || refusals::client::asked(trace).is_some()
}

fn run<C: ClientUnderTest>(
    trace: &Trace,
    version: Version,
    make: &Make<C>,
    untold: &[String],
    closes_only_where_it_must: bool,
) -> Outcome {
    let refusals = refusals::client::asked(trace);
    let trace = refusals.as_ref().unwrap_or(trace);
    let may_go_on = closes_only_where_it_must && !refusals::client::must_close(trace, version);
    play(trace, version, || {
        let mut world = ClientWorld {
            make,
            trace,
            version,
            untold,
            may_go_on,
            now: Duration::ZERO,
            clients: Vec::new(),
        };
        world.client(0)?;
        Ok(Box::new(world))
    })
}

struct ClientWorld<'w, C> {
    make: &'w Make<C>,
    trace: &'w Trace,
    version: Version,
    untold: &'w [String],
    may_go_on: bool,
    now: Duration,
    clients: Vec<ClientSide<C>>,
}

impl<C: ClientUnderTest> ClientWorld<'_, C> {
    fn client(&mut self, conn: usize) -> Result<&mut ClientSide<C>, String> {
        while self.clients.len() <= conn {
            let client = Wanted::new(self.trace, self.version).make(self.make)?;
            self.clients.push(ClientSide::new(client));
        }
        Ok(&mut self.clients[conn])
    }
}

impl<C: ClientUnderTest> World for ClientWorld<'_, C> {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToClient)
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn tells(&self, event: &str, field: Option<&str>) -> bool {
        tells(self.untold, event, field)
    }

    fn need_not_refuse(&self) -> Option<String> {
        self.may_go_on
            .then(|| refusals::client::need_not_close(self.version))
    }

    fn open(&mut self, _: usize) -> Result<(), String> {
        Err("the client opens the link".to_owned())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        let now = self.now;
        let client = self.client(conn)?;
        if client.has_link() {
            client.receive(now, bytes)
        } else {
            Err("the client has no link: it is not connected, or has closed".to_owned())
        }
    }

    fn cut(&mut self, conn: usize) {
        let now = self.now;
        if let Ok(client) = self.client(conn) {
            client.lose(now);
        }
    }

    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal> {
        let now = self.now;
        self.client(conn).map_err(Refusal::NotApplicable)?.call(now, call)
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        let mut spins = 0;
        loop {
            for (conn, client) in self.clients.iter_mut().enumerate() {
                client.pump(self.now, conn, inbox)?;
            }
            if inbox.arrivals() > before {
                return Ok(true);
            }
            match self.clients.iter().filter_map(ClientSide::poll_timeout).min() {
                Some(at) if at <= until => {
                    spins = if at > self.now { 0 } else { spins + 1 };
                    if spins > SPINS {
                        let now = self.now;
                        return Err(format!(
                            "the client asks for time {at:?} again and again, and it is {now:?}"
                        ));
                    }
                    self.now = self.now.max(at);
                    for client in &mut self.clients {
                        client.handle_timeout(self.now)?;
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

/// Whether an event, or a field of it, is none of these.
pub(super) fn tells(untold: &[String], event: &str, field: Option<&str>) -> bool {
    untold.iter().all(|one| match (one.split_once('.'), field) {
        (None, _) => one != event,
        (Some(one), Some(field)) => one != (event, field),
        (Some(_), None) => true,
    })
}
