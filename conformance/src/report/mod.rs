//! What came of the runs.

pub mod failure;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mqtt_proto::{Statement, Version};

use crate::target::Outcome;
use crate::trace::{Test, Trace, TraceError};

/// The outcomes of all runs.
///
/// Prints one line for every failure, `file:line:column: ..`, then the sums and how many statements the passed traces cover.
#[derive(Clone, Debug, Default)]
pub struct Report {
    sums: BTreeMap<String, Sum>,
    failures: Vec<String>,
    /// The traces that show a statement.
    covered: BTreeMap<Statement, BTreeSet<(PathBuf, Test)>>,
    runs: Vec<String>,
    unreadable: usize,
}

/// One run of a trace.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "made by the runner alone")]
pub struct Run {
    /// In this version.
    pub version: Version,
    /// Against this target.
    pub target: String,
    /// The trace was written to test such a target: a pass shows what it covers.
    pub is_test: bool,
    /// What came of it.
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    passed: usize,
    failed: usize,
    not_applicable: usize,
    lines: usize,
}

impl Report {
    /// A file that is no trace.
    pub fn unreadable(&mut self, error: &TraceError) {
        self.unreadable += 1;
        self.failures.push(error.to_string());
    }

    /// The outcome of one run.
    pub fn add(&mut self, file: &Path, trace: &Trace, run: Run) {
        let Run {
            version,
            target,
            is_test,
            outcome,
        } = run;
        let run = format!("{}: [{target}, MQTT {version}]", file.display());
        let sum = self.sums.entry(target.clone()).or_default();
        match outcome {
            Outcome::Passed { checked } => {
                sum.passed += 1;
                sum.lines += checked;
                if is_test {
                    let covers = trace.head.covers.iter().map(|(_, statement)| *statement);
                    for statement in covers.filter(|statement| statement.version() == version) {
                        let shown_by = self.covered.entry(statement).or_default();
                        shown_by.insert((file.to_owned(), trace.head.test));
                    }
                }
                self.runs.push(format!("{run} passed, {checked} lines"));
            }
            Outcome::Failed(failures) => {
                sum.failed += 1;
                self.runs.push(format!("{run} failed"));
                for failure in failures {
                    let (file, at) = (file.display(), failure.at);
                    self.failures
                        .push(format!("{file}:{at}: [{target}, MQTT {version}] {failure}"));
                }
            }
            Outcome::NotApplicable(why) => {
                sum.not_applicable += 1;
                self.runs.push(format!("{run} not applicable: {why}"));
            }
        }
    }

    /// Nothing failed, and something ran.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.has_passed()
    }

    /// At least one run passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.sums.values().any(|sum| sum.passed > 0)
    }

    /// The traces that show a statement: they cover it and have passed, in its version, against what they test.
    pub fn shown_by(&self, statement: Statement) -> impl Iterator<Item = (&Path, Test)> {
        let traces = self.covered.get(&statement).into_iter().flatten();
        traces.map(|(file, test)| (file.as_path(), *test))
    }

    /// How many files are no traces.
    #[must_use]
    pub fn unreadable_files(&self) -> usize {
        self.unreadable
    }

    /// All runs, one line each.
    #[must_use]
    pub fn runs(&self) -> &[String] {
        &self.runs
    }

    /// The failures, one line each.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        for (target, sum) in &self.sums {
            let Sum {
                passed,
                failed,
                not_applicable,
                lines,
            } = sum;
            writeln!(
                f,
                "{target}: {passed} passed ({lines} lines), {failed} failed, {not_applicable} not applicable"
            )?;
        }
        for version in [Version::V311, Version::V5] {
            let of = |set: &mut dyn Iterator<Item = Statement>| {
                set.filter(|statement| statement.is_numbered() && statement.version() == version)
                    .count()
            };
            let (covered, all) = (of(&mut self.covered.keys().copied()), of(&mut Statement::all()));
            writeln!(f, "statements of {version} covered: {covered} of {all}")?;
        }
        Ok(())
    }
}
