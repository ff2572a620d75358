//! Each statement and each role that it binds, with the runs that show it or not.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::Statement;

use super::status::Judged;
use super::{Report, Run, Status};
use crate::statements::{self, Bound, Who};
use crate::trace::Test;

/// What is said of a statement for one role.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row<'r> {
    /// The statement, or a section.
    pub statement: Statement,
    /// Of whom it is said.
    pub role: Who,
    /// The greatest of its runs.
    pub status: Status,
    /// The runs that show it or fail to, and those that would show it and are not applicable.
    pub runs: Vec<(&'r Run, Status)>,
    /// Why no trace shows it, if there is a reason in `spec/untested.tsv`.
    pub reason: Option<String>,
    /// The tables of `spec/` say that it binds this role: it counts in the totals. Sections have no number and do not.
    pub counts: bool,
}

impl Row<'_> {
    /// The names of the traces whose runs have this status, each once.
    #[must_use]
    pub fn traces(&self, status: Status) -> BTreeSet<&str> {
        let runs = self.runs.iter().filter(|(_, of)| *of == status);
        runs.map(|(run, _)| run.trace.as_str()).collect()
    }
}

impl Report {
    /// One row for each statement and each role that it binds, of the roles that were tested, in the order of the statements.
    ///
    /// A pass counts where the trace was written to test such a target. A failure counts against all that the trace covers,
    /// but a known one only against what the profile says it breaks.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let judged: Vec<(&Run, Judged<'_>)> = self.judged().collect();
        let mut by_statement: BTreeMap<Statement, Vec<(&Run, Status)>> = BTreeMap::new();
        for (run, judged) in &judged {
            let of: BTreeSet<Statement> = if judged.status == Status::Known {
                judged
                    .known
                    .iter()
                    .flat_map(|known| known.statement.clone())
                    .collect()
            } else {
                run.covers.iter().copied().collect()
            };
            let fails = matches!(judged.status, Status::Failed | Status::Known);
            let counts = run.is_test || (fails && run.test == Test::Codec);
            let of_version = of.into_iter().filter(|one| one.version() == run.version);
            for statement in of_version.filter(|_| counts) {
                by_statement
                    .entry(statement)
                    .or_default()
                    .push((run, judged.status));
            }
        }
        let tested = |who: Who| {
            let mut runs = self.runs.iter().filter(|run| run.is_test);
            runs.any(|run| who.is_shown_by(run.test, false))
        };
        let mut rows = Vec::new();
        for who in Who::ALL.into_iter().filter(|who| tested(*who)) {
            for Bound {
                statement,
                is_bytes,
                reason,
            } in statements::bound(who)
            {
                let runs = by_statement.get(&statement).into_iter().flatten();
                let runs: Vec<_> = runs
                    .filter(|(run, _)| who.is_shown_by(run.test, is_bytes))
                    .copied()
                    .collect();
                rows.push(row(statement, who, runs, reason, true));
            }
        }
        // Sections, and findings of rules that are said of the other side.
        for (statement, runs) in by_statement {
            for who in Who::ALL {
                let runs: Vec<_> = runs.iter().filter(|(run, _)| plays(run, who)).copied().collect();
                let is_finding = runs.iter().any(|(_, status)| *status == Status::Known);
                let is_new = !rows.iter().any(|row| row.statement == statement && row.counts);
                let has_none = !rows
                    .iter()
                    .any(|row| row.statement == statement && row.role == who);
                if !runs.is_empty() && (is_new || is_finding) && has_none {
                    rows.push(row(statement, who, runs, None, false));
                }
            }
        }
        rows.retain(|row| self.only.is_empty() || self.only.contains(&row.statement));
        rows.sort_by_key(|row| (row.statement, row.role));
        rows
    }
}

fn plays(run: &Run, who: Who) -> bool {
    match run.role {
        Some(role) => role == who,
        None => who != Who::Codec,
    }
}

fn row<'r>(
    statement: Statement,
    role: Who,
    runs: Vec<(&'r Run, Status)>,
    reason: Option<String>,
    counts: bool,
) -> Row<'r> {
    let status = runs.iter().map(|(_, status)| *status).max();
    let status = status.unwrap_or(Status::NotCovered);
    Row {
        statement,
        role,
        status,
        runs,
        reason: reason.filter(|_| status == Status::NotCovered),
        counts,
    }
}
