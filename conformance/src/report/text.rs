//! A report for a terminal.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use mqtt_proto::{Statement, Version};

use super::status::Judged;
use super::totals::{Sum, totals};
use super::{Report, Row, Run, Status, Total};
use crate::target::Outcome;

/// A report in lines: failures with expected, seen and the exchange; what is known, and what of it is fixed; runs by target;
/// statements by version and role.
#[derive(Clone, Copy, Debug)]
pub struct Text<'r> {
    report: &'r Report,
    verbose: bool,
    unshown: bool,
}

impl<'r> Text<'r> {
    /// As short as may be.
    #[must_use]
    pub const fn of(report: &'r Report) -> Self {
        Self {
            report,
            verbose: false,
            unshown: false,
        }
    }

    /// With a line for every run, all statements, and the exchange of known failures too.
    #[must_use]
    pub const fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// With the statements that are not applicable or not covered, and why.
    #[must_use]
    pub const fn with_unshown(mut self, unshown: bool) -> Self {
        self.unshown = unshown;
        self
    }
}

/// The failures of a run, one text each.
pub(super) fn failures(run: &Run) -> Vec<String> {
    let Outcome::Failed(failures) = &run.outcome else {
        return Vec::new();
    };
    let (file, target, version) = (run.file.display(), &run.target, run.version);
    let text = |failure: &super::failure::Failure| {
        printable(&format!(
            "{file}:{}: [{target}, MQTT {version}] {failure}",
            failure.at
        ))
    };
    failures.iter().map(text).collect()
}

/// A text in which nothing moves a cursor or turns what is read around: programs under test have a word in it.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '"' | '\'' | '\\' => safe.push(c),
            c => safe.extend(c.escape_debug()),
        }
    }
    safe
}

/// What the profile says of a run.
pub(super) fn findings(judged: &Judged<'_>) -> String {
    let finding = |known: &&crate::profile::Known| {
        let statements: Vec<String> = known.statement.iter().map(ToString::to_string).collect();
        format!("{} ({})", known.what, statements.join(", "))
    };
    let all: Vec<String> = judged.known.iter().map(finding).collect();
    all.join("; ")
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let rows = report.rows();
        let judged: Vec<(&Run, Judged<'_>)> = report.judged().collect();
        if self.verbose {
            judged.iter().try_for_each(|one| run_line(f, one))?;
            statements(f, &rows)?;
        }
        for failure in report.failures() {
            writeln!(f, "{failure}")?;
        }
        for (run, judged) in &judged {
            if self.verbose && judged.status == Status::Known {
                failures(run)
                    .iter()
                    .try_for_each(|failure| writeln!(f, "{failure}"))?;
            }
        }
        if !self.verbose {
            let is_listed = |status| matches!(status, Status::Known | Status::Fixed);
            let mut listed = judged.iter().filter(|(_, judged)| is_listed(judged.status));
            listed.try_for_each(|one| run_line(f, one))?;
        }
        if self.unshown {
            unshown(f, Status::NotApplicable, &rows)?;
            unshown(f, Status::NotCovered, &rows)?;
        }
        for (target, sum) in report.sums() {
            let Sum {
                passed,
                failed,
                known,
                fixed,
                not_applicable,
                lines,
            } = sum;
            write!(
                f,
                "{target}: {passed} passed ({lines} lines), {failed} failed, {not_applicable} not applicable"
            )?;
            for (n, status) in [(known, Status::Known), (fixed, Status::Fixed)] {
                if n > 0 {
                    write!(f, ", {n} {status}")?;
                }
            }
            writeln!(f)?;
        }
        totals_table(f, &totals(&rows))
    }
}

fn run_line(f: &mut fmt::Formatter<'_>, (run, judged): &(&Run, Judged<'_>)) -> fmt::Result {
    let status = judged.status;
    match &run.outcome {
        Outcome::NotApplicable(why) => writeln!(f, "{run} {status}: {}", printable(why)),
        Outcome::Passed { checked } if status == Status::Passed => {
            writeln!(f, "{run} {status}, {checked} lines")
        }
        Outcome::Failed(_) if status == Status::Failed => writeln!(f, "{run} {status}"),
        Outcome::Passed { .. } | Outcome::Failed(_) => {
            writeln!(f, "{run} {status}: {}", findings(judged))
        }
    }
}

/// What is to be said of a row beside its status.
pub(super) fn remark(row: &Row<'_>) -> String {
    let names = |status| {
        let names: Vec<&str> = row.traces(status).into_iter().collect();
        names.join(", ")
    };
    match row.status {
        Status::Passed => match row.traces(Status::Passed).len() {
            1 => "1 trace".to_owned(),
            n => format!("{n} traces"),
        },
        Status::Failed | Status::Known | Status::Fixed => names(row.status),
        Status::NotApplicable => {
            let mut reasons = BTreeSet::new();
            for (run, _) in &row.runs {
                if let Outcome::NotApplicable(why) = &run.outcome {
                    reasons.insert(printable(why));
                }
            }
            reasons.into_iter().collect::<Vec<_>>().join("; ")
        }
        Status::NotCovered => row.reason.clone().unwrap_or_default(),
    }
}

/// Every row.
fn statements(f: &mut fmt::Formatter<'_>, rows: &[Row<'_>]) -> fmt::Result {
    for row in rows {
        let (statement, role) = (row.statement.to_string(), row.role.to_string());
        let line = format!("{statement:<22} {role:<7} {:<15} {}", row.status, remark(row));
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The statements of this status by the reason for it.
fn unshown(f: &mut fmt::Formatter<'_>, status: Status, rows: &[Row<'_>]) -> fmt::Result {
    let mut by_reason: BTreeMap<String, BTreeMap<Statement, Vec<String>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.counts && row.status == status) {
        let statements = by_reason.entry(remark(row)).or_default();
        let roles = statements.entry(row.statement).or_default();
        roles.push(row.role.to_string());
    }
    for (reason, statements) in by_reason {
        let colon = if reason.is_empty() { "" } else { ": " };
        writeln!(f, "{status}{colon}{reason}")?;
        let each = statements
            .into_iter()
            .map(|(statement, roles)| format!("{statement} ({})", roles.join(", ")));
        let mut line = String::new();
        for one in each {
            if !line.is_empty() && line.len() + one.len() > 100 {
                writeln!(f, "    {line}")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(&one);
        }
        writeln!(f, "    {line}")?;
    }
    Ok(())
}

/// The headings of the totals.
pub(super) const HEADINGS: [&str; 9] = [
    "statements of",
    "role",
    "all",
    "passed",
    "failed",
    "known",
    "fixed",
    "not applicable",
    "not covered (for a reason)",
];

/// A line of the totals.
pub(super) fn total_cells(version: Version, total: &Total) -> [String; 9] {
    let role = total
        .role
        .map_or_else(|| "any".to_owned(), |role| role.to_string());
    let not_covered = match total.of(Status::NotCovered) {
        0 => "0".to_owned(),
        n => format!("{n} ({})", total.explained),
    };
    [
        format!("MQTT {version}"),
        role,
        total.statements.to_string(),
        total.of(Status::Passed).to_string(),
        total.of(Status::Failed).to_string(),
        total.of(Status::Known).to_string(),
        total.of(Status::Fixed).to_string(),
        total.of(Status::NotApplicable).to_string(),
        not_covered,
    ]
}

fn totals_table(f: &mut fmt::Formatter<'_>, totals: &[(Version, Vec<Total>)]) -> fmt::Result {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(HEADINGS);
    for (version, of_version) in totals {
        for total in of_version {
            table.add_row(total_cells(*version, total));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for line in table.lines().filter(|_| !totals.is_empty()) {
        writeln!(f, "{}", line.trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_does_not_move_the_cursor() {
        let said = "\"it's\" C:\\ ü\n\u{1b}[2J\r\u{7}\u{202e}";
        assert_eq!(printable(said), "\"it's\" C:\\ ü\n\\u{1b}[2J\\r\\u{7}\\u{202e}");
    }
}
