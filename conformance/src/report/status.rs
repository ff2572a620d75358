//! What is said of a run and of a statement.

use core::fmt;

use serde::Serialize;

use super::{Report, Run};
use crate::profile::Known;
use crate::target::Outcome;

/// What is said of a run, and of a statement for a role: then the greatest of its runs counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::exhaustive_enums, reason = "closed by the report")]
pub enum Status {
    /// No run shows it (statements alone).
    NotCovered,
    /// The trace says nothing about the target, or wants what the target cannot do.
    NotApplicable,
    /// As the trace says.
    Passed,
    /// As the trace says, though the profile lists it as known to fail.
    Fixed,
    /// Not as the trace says, and the profile lists it.
    Known,
    /// Not as the trace says.
    Failed,
}

impl Status {
    /// Every status, the best known first.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Known,
        Self::Fixed,
        Self::NotApplicable,
        Self::NotCovered,
    ];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotCovered => "not covered",
            Self::NotApplicable => "not applicable",
            Self::Passed => "passed",
            Self::Fixed => "fixed",
            Self::Known => "known",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is said of a run.
#[derive(Clone, Debug)]
pub(super) struct Judged<'r> {
    pub(super) status: Status,
    /// What the profile lists about this run, if it is known or fixed.
    pub(super) known: Vec<&'r Known>,
}

impl Report {
    /// Every run, and what is said of it.
    pub(super) fn judged(&self) -> impl Iterator<Item = (&Run, Judged<'_>)> {
        // A finding is about several traces and versions: it is fixed when none of them fails.
        let fails = |known: &Known| {
            let is_failed = |run: &&Run| matches!(run.outcome, Outcome::Failed(_));
            let mut failed = self.runs.iter().filter(is_failed);
            failed.any(|run| known.is_about(&run.trace, run.version))
        };
        let known: Vec<(&Known, bool)> = self.known.iter().map(|known| (known, fails(known))).collect();
        self.runs.iter().map(move |run| {
            let about = known
                .iter()
                .filter(|(known, _)| known.is_about(&run.trace, run.version));
            let known: Vec<&Known> = match run.outcome {
                Outcome::NotApplicable(_) => Vec::new(),
                Outcome::Failed(_) => about.map(|(known, _)| *known).collect(),
                Outcome::Passed { .. } => about
                    .filter(|(_, fails)| !fails)
                    .map(|(known, _)| *known)
                    .collect(),
            };
            let status = match (&run.outcome, known.is_empty()) {
                (Outcome::NotApplicable(_), _) => Status::NotApplicable,
                (Outcome::Failed(_), true) => Status::Failed,
                (Outcome::Failed(_), false) => Status::Known,
                (Outcome::Passed { .. }, true) => Status::Passed,
                (Outcome::Passed { .. }, false) => Status::Fixed,
            };
            (run, Judged { status, known })
        })
    }
}
