//! What came of the runs.
//!
//! - [`Run`]: one run of a trace, as a value; [`failure`]: why it failed.
//! - [`Status`]: what is said of a run and of a statement; `table`: each statement and each role that it binds, with the runs
//!   that show it or not; `totals`: how many of which status.
//! - `text`, `markdown`, `json`: the forms in which a report is printed, all from the same table.
//! - [`FailOn`]: which of it makes a check fail.

mod fail_on;
pub mod failure;
mod json;
mod markdown;
mod status;
mod table;
mod text;
mod totals;

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};

use mqtt_proto::{Statement, Version};

pub use fail_on::{Condition, FailOn, UnknownCondition};
pub use status::Status;
pub use table::Row;
pub use text::Text;
pub use totals::Total;

use crate::profile::{Known, Profile, trace_name};
use crate::statements::Who;
use crate::target::{Outcome, Target};
use crate::trace::{Test, Trace, TraceError};

/// All runs, and what is known of the target.
///
/// Prints as [`Text`] that is not verbose.
#[derive(Clone, Debug, Default)]
pub struct Report {
    runs: Vec<Run>,
    unreadable: Vec<TraceError>,
    only: Vec<Statement>,
    profile: Option<String>,
    /// Each with one pattern for traces.
    known: Vec<Known>,
}

/// One run of a trace.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// The file of the trace.
    pub file: PathBuf,
    /// The [name](trace_name) of the trace.
    pub trace: String,
    /// What the trace claims.
    pub title: String,
    /// Whom the trace was written to test.
    pub test: Test,
    /// In this version.
    pub version: Version,
    /// Against this target.
    pub target: String,
    /// Whose part the target plays; none if it is client and server at once.
    pub role: Option<Who>,
    /// The trace was written to test such a target: a pass shows what it covers.
    pub is_test: bool,
    /// What a pass shows, in this version.
    pub covers: Vec<Statement>,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, in real time.
    pub took: Duration,
}

impl Run {
    /// A run of the trace in this file, in this version, against this target.
    #[must_use]
    pub fn new(
        file: &Path,
        trace: &Trace,
        version: Version,
        target: &dyn Target,
        outcome: Outcome,
        took: Duration,
    ) -> Self {
        let covers = trace.head.covers.iter().map(|(_, statement)| *statement);
        let roles = [
            (Test::Codec, Some(Who::Codec)),
            (Test::Client, Some(Who::Client)),
            (Test::Broker, Some(Who::Server)),
        ];
        let role = roles.into_iter().find(|(test, _)| target.is_tested_by(*test));
        Self {
            file: file.to_owned(),
            trace: trace_name(file),
            title: trace.head.title.clone(),
            test: trace.head.test,
            version,
            target: target.name().to_owned(),
            role: role.and_then(|(_, who)| who),
            is_test: target.is_tested_by(trace.head.test),
            covers: covers
                .filter(|statement| statement.version() == version)
                .collect(),
            outcome,
            took,
        }
    }

    /// The lines of the trace that were checked.
    #[must_use]
    pub const fn lines(&self) -> usize {
        match self.outcome {
            Outcome::Passed { checked } => checked,
            Outcome::Failed(_) | Outcome::NotApplicable(_) => 0,
        }
    }
}

/// `file: [target, MQTT version]`
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: [{}, MQTT {}]",
            self.file.display(),
            self.target,
            self.version
        )
    }
}

impl Report {
    /// A report on these statements alone; on all if there are none.
    #[must_use]
    pub fn on(only: Vec<Statement>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// What fails and is known to the profile is *known*, not *failed*.
    #[must_use]
    pub fn with_profile(mut self, profile: &Profile) -> Self {
        self.profile = Some(profile.name.clone());
        let each = |known: &Known| {
            let known = known.clone();
            known.traces.clone().into_iter().map(move |trace| Known {
                traces: vec![trace],
                ..known.clone()
            })
        };
        self.known = profile.known.iter().flat_map(each).collect();
        self
    }

    /// A file that is no trace.
    pub fn unreadable(&mut self, error: TraceError) {
        self.unreadable.push(error);
    }

    /// One run more.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// All runs, in the order of the files.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The files that are no traces.
    #[must_use]
    pub fn unreadable_files(&self) -> &[TraceError] {
        &self.unreadable
    }

    /// Nothing failed but what is known, and something passed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures().is_empty() && self.has_passed()
    }

    /// At least one run passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        let passed = |run: &Run| matches!(run.outcome, Outcome::Passed { .. });
        self.runs.iter().any(passed)
    }

    /// At least one run passed or failed.
    #[must_use]
    pub fn has_applied(&self) -> bool {
        let applied = |run: &Run| !matches!(run.outcome, Outcome::NotApplicable(_));
        self.runs.iter().any(applied)
    }

    /// What failed and is not known, as it is printed: `file:line:column: ..`, and the lines that belong to it. Files that are
    /// no traces come first.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let unreadable = self.unreadable.iter().map(ToString::to_string);
        let failed = self
            .judged()
            .filter(|(_, judged)| judged.status == Status::Failed)
            .flat_map(|(run, _)| text::failures(run));
        unreadable.chain(failed).collect()
    }

    /// The traces that show a statement: they cover it and have passed, in its version, against what they test.
    pub fn shown_by(&self, statement: Statement) -> impl Iterator<Item = (&Path, Test)> {
        let shows = move |run: &&Run| {
            run.is_test && run.covers.contains(&statement) && matches!(run.outcome, Outcome::Passed { .. })
        };
        let runs = self.runs.iter().filter(shows);
        runs.map(|run| (run.file.as_path(), run.test))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text::of(self).fmt(f)
    }
}
