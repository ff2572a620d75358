//! What a trace is run against.
//!
//! - [`codec`]: every packet line by itself, encoded, decoded and compared.
//! - [`setup`]: what a trace asks of its target.
//! - [`client`]: our client in memory; the runner calls it and plays its server.
//! - [`pair`]: both joined; the runner calls, cuts and watches.
//! - [`live`]: a broker behind TCP; `leftovers`: how it is left as it was found.
//! - `refusals`: codec traces as tests of the machines.
//! - [`broker`]: our server in memory, on a virtual clock; the runner plays its clients.

pub mod broker;
pub mod client;
pub mod codec;
mod judge;
mod leftovers;
pub mod live;
pub mod pair;
mod refusals;
pub mod setup;

use mqtt_proto::Version;

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
        Box::new(codec::Codec),
        Box::new(client::MemoryClient),
        Box::new(broker::MemoryBroker),
        Box::new(pair::Pair),
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
