//! What traces are run against, and how to test a codec, a client or a broker of your own.
//!
//! The three traits are small and have nothing of sockets, threads or real time: bytes and time in, bytes out.
//!
//! | to test | implement | run against it |
//! | --- | --- | --- |
//! | a codec | [`CodecUnderTest`](codec::CodecUnderTest), one method | [`CodecTarget`](codec::CodecTarget) |
//! | a client | [`ClientUnderTest`](client::ClientUnderTest) | [`ClientTarget`](client::ClientTarget) |
//! | a broker | [`BrokerUnderTest`](broker::BrokerUnderTest) | [`BrokerTarget`](broker::BrokerTarget) |
//! | a client with a broker, also with ours | both | [`PairTarget`](pair::PairTarget) |
//!
//! Each module begins with an implementation that is whole. The targets have the clock, split and cut what is sent, and turn
//! what a codec must refuse into connections on which it comes. Our own codec, client and broker are behind the same traits:
//! [`codec::ours`], [`client::ours`], [`broker::ours`], [`pair::ours`].
//!
//! # A test of yours
//!
//! With `mqtt-conformance` among the `dev-dependencies`, one test runs all traces of this crate; they come with it
//! ([`run::bundled`](crate::run::bundled)). What your code does not do, and what it is known to fail, is said by a
//! [`Profile`]: then the test fails for what is new and for what was mended, and for nothing else. (`OurClient` stands for yours.)
//!
//! ```
//! # use core::time::Duration;
//! # use mqtt_conformance::{fields::Val, play::{call::Call, inbox::Happened, world::Refusal}};
//! # use mqtt_conformance::target::client::ClientUnderTest;
//! # struct OurClient;
//! # impl OurClient { fn new(_: mqtt_proto::Version) -> Self { Self } }
//! # impl ClientUnderTest for OurClient {
//! #     fn call(&mut self, _: Duration, _: &Call) -> Result<Option<Val>, Refusal> { Ok(None) }
//! #     fn handle_input(&mut self, _: Duration, _: &[u8]) {}
//! #     fn handle_disconnect(&mut self, _: Duration) {}
//! #     fn poll_event(&mut self, _: Duration) -> Option<Happened> { None }
//! #     fn poll_transmit(&mut self, _: Duration) -> Option<Vec<u8>> { None }
//! #     fn wants_close(&self) -> bool { false }
//! # }
//! use mqtt_conformance::profile::Profile;
//! use mqtt_conformance::report::FailOn;
//! use mqtt_conformance::run::{self, Plan};
//! use mqtt_conformance::target::Target;
//! use mqtt_conformance::target::client::ClientTarget;
//!
//! // #[test]
//! fn our_client_keeps_the_standard() {
//!     // Better a file beside the test, and `Profile::read`.
//!     let profile = r#"
//!         name = "our client"
//!         versions = ["3.1.1", "5"]
//!         lacks = ["enhanced-authentication"]
//!         [[known]]
//!         statement = "5/MQTT-3.3.4-7"
//!         traces = ["client/session/window-on-resume"]
//!         what = "all is sent again at once, whatever the Receive Maximum is now"
//!     "#;
//!     let profile = Profile::parse("our-client.toml", profile).expect("it is one");
//!     let files = run::bundled().expect("the traces are there");
//!     let report = run::run(&files, &Plan::default(), &|| {
//!         let client = ClientTarget::new("our client", |wanted| Ok(OurClient::new(wanted.version())));
//!         vec![Box::new(client.with_profile(profile.clone())) as Box<dyn Target>]
//!     });
//!     let report = report.with_profile(&profile);
//!     let fail_on: FailOn = "failed,fixed".parse().expect("these are conditions");
//!     assert!(report.has_passed() && fail_on.met_by(&report).is_empty(), "{report}");
//! }
//! ```
//!
//! Begin with one trace: [`Trace::read`] and [`Target::run`] give its [`Outcome`], and a [`Failure`] prints what was expected, what
//! was seen, and the exchange. In the workspace of this crate, `checks/third-party` wraps crates of others in this way.
//!
//! - [`process`]: a client program, started for each trace.
//! - [`live`]: a broker behind TCP; `leftovers`: how it is left as it was found.
//! - [`setup`]: what a trace asks of its target; [`wanted`]: the same for whoever makes a machine.
//! - `refusals`: codec traces as tests of the machines. `outlet`: what they write, packet by packet. `time`: their clock.
//! - `own_lines`: lines that stand in no trace.

pub mod broker;
pub mod client;
pub mod codec;
mod judge;
mod leftovers;
pub mod live;
mod outlet;
mod own_lines;
pub mod pair;
pub mod process;
mod refusals;
pub mod setup;
mod time;
pub mod wanted;

use std::borrow::Cow;

use mqtt_proto::Version;

use crate::profile::Profile;
use crate::trace::{Test, Trace};

pub use crate::report::failure::Failure;

/// Something that traces are run against.
pub trait Target {
    /// Its name in the report.
    fn name(&self) -> &str;

    /// Whether it is what such traces are written to test. Only then a pass shows what the trace covers.
    fn is_tested_by(&self, test: Test) -> bool;

    /// Whether the trace says anything about it. One that does not is not run against it, and not counted.
    fn takes(&self, trace: &Trace) -> bool {
        self.is_tested_by(trace.head.test)
    }

    /// Runs the trace once, in this version.
    fn run(&mut self, trace: &Trace, version: Version) -> Outcome;
}

/// All that is tested in memory.
#[must_use]
pub fn in_memory() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(codec::ours()),
        Box::new(client::ours()),
        Box::new(broker::ours()),
        Box::new(pair::ours()),
    ]
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the runner")]
pub enum Outcome {
    /// As the trace says.
    Passed {
        /// How many lines were checked.
        checked: usize,
    },
    /// Not as the trace says.
    Failed(Vec<Failure>),
    /// The trace says nothing about this target, or wants what it cannot do: why.
    NotApplicable(String),
}

/// The trace as a target of this profile wants it, or why it is not applicable.
fn applied<'t>(
    profile: Option<&Profile>,
    trace: &'t Trace,
    version: Version,
) -> Result<Cow<'t, Trace>, String> {
    profile.map_or(Ok(Cow::Borrowed(trace)), |profile| profile.apply(trace, version))
}

/// Runs what may panic: a panic in words.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // After a panic the machine is called no more.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("it panics: {}", text.unwrap_or("without a word"))
    })
}
