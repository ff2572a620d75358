//! How many statements have which status.

use std::collections::BTreeMap;

use mqtt_proto::{Statement, Version};
use serde::Serialize;

use super::{Report, Row, Status};
use crate::statements::Who;
use crate::target::Outcome;

/// How many statements of one version that bind one role have which status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Total {
    /// Of this role; `None`: of any, each statement once.
    pub role: Option<Who>,
    /// All of them.
    pub statements: usize,
    counts: BTreeMap<Status, usize>,
    /// Those not covered for which there is a reason.
    pub explained: usize,
}

impl Total {
    /// How many have this status.
    #[must_use]
    pub fn of(&self, status: Status) -> usize {
        self.counts.get(&status).copied().unwrap_or_default()
    }

    fn add(&mut self, status: Status, has_reason: bool) {
        self.statements += 1;
        *self.counts.entry(status).or_default() += 1;
        self.explained += usize::from(status == Status::NotCovered && has_reason);
    }

    /// Those not covered for which there is no reason.
    #[must_use]
    pub fn unexplained(&self) -> usize {
        self.of(Status::NotCovered) - self.explained
    }
}

/// How many runs against one target ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sum {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) known: usize,
    pub(super) fixed: usize,
    pub(super) not_applicable: usize,
    /// Lines of traces that were checked.
    pub(super) lines: usize,
}

impl Report {
    /// The totals of each version by role, and of any role last. Versions of which no statement binds what was tested are left
    /// out.
    #[must_use]
    pub fn totals(&self) -> Vec<(Version, Vec<Total>)> {
        totals(&self.rows())
    }

    /// The runs by target.
    pub(super) fn sums(&self) -> BTreeMap<&str, Sum> {
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for (run, judged) in self.judged() {
            let sum = sums.entry(&run.target).or_default();
            match judged.status {
                Status::Passed | Status::NotCovered => sum.passed += 1,
                Status::Failed => sum.failed += 1,
                Status::Known => sum.known += 1,
                Status::Fixed => sum.fixed += 1,
                Status::NotApplicable => sum.not_applicable += 1,
            }
            if let Outcome::Passed { checked } = run.outcome {
                sum.lines += checked;
            }
        }
        sums
    }
}

pub(super) fn totals(rows: &[Row<'_>]) -> Vec<(Version, Vec<Total>)> {
    let mut totals = Vec::new();
    for version in Version::ALL {
        let rows: Vec<&Row<'_>> = rows
            .iter()
            .filter(|row| row.counts && row.statement.version() == version)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let mut of_version: Vec<Total> = Vec::new();
        let mut any: BTreeMap<Statement, (Status, bool)> = BTreeMap::new();
        for row in rows {
            let has_reason = row.reason.is_some();
            let (status, reason) = any.entry(row.statement).or_insert((row.status, has_reason));
            *status = row.status.max(*status);
            *reason |= has_reason;
            let at = of_version.iter().position(|total| total.role == Some(row.role));
            let at = at.unwrap_or_else(|| {
                of_version.push(Total {
                    role: Some(row.role),
                    ..Total::default()
                });
                of_version.len() - 1
            });
            of_version[at].add(row.status, has_reason);
        }
        of_version.sort_by_key(|total| total.role);
        let mut whole = Total::default();
        any.into_values()
            .for_each(|(status, reason)| whole.add(status, reason));
        of_version.push(whole);
        totals.push((version, of_version));
    }
    totals
}
