//! What a trace is run against.
//!
//! - [`codec`]: every packet line by itself, encoded, decoded and compared.

pub mod codec;

use mqtt_proto::Version;

use crate::trace::ast::Position;
use crate::trace::{Test, Trace};

/// Something that traces are run against.
pub trait Target {
    /// Its name in the report.
    fn name(&self) -> &str;

    /// Whether it is what such traces are written to test. Only then a pass shows what the trace covers.
    fn is_tested_by(&self, test: Test) -> bool;

    /// Runs the trace once, in this version.
    fn run(&mut self, trace: &Trace, version: Version) -> Outcome;
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

/// A line that did not come out as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which line.
    pub at: Position,
    /// What happened instead.
    pub why: String,
}
