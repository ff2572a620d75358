//! A report as Markdown, with a row for each statement and role.

use core::fmt::Write as _;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use mqtt_proto::Version;

use super::status::Judged;
use super::text::{HEADINGS, failures, findings, remark, total_cells};
use super::totals::totals;
use super::{Report, Row, Run, Status};

impl Report {
    /// The report as Markdown: totals, runs by target, what failed with the exchange, findings, and every statement.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let rows = self.rows();
        let judged: Vec<(&Run, Judged<'_>)> = self.judged().collect();
        let of = |status| judged.iter().filter(move |(_, judged)| judged.status == status);
        let whom = self.profile.as_deref().map(|name| format!(" of {name}"));
        let mut text = format!(
            "# Conformance{}\n\nMade by mqtt-conformance {}.\n",
            whom.unwrap_or_default(),
            env!("CARGO_PKG_VERSION")
        );
        section(&mut text, "Totals");
        let totals = totals(&rows).into_iter();
        let lines = totals.flat_map(|(version, all)| all.into_iter().map(move |total| (version, total)));
        text.push_str(&table(
            HEADINGS,
            2..HEADINGS.len(),
            lines.map(|(version, total)| total_cells(version, &total)),
        ));

        section(&mut text, "Runs");
        let sums = self.sums().into_iter().map(|(target, sum)| {
            let numbers = [sum.passed, sum.failed, sum.known, sum.fixed, sum.not_applicable];
            let [passed, failed, known, fixed, not_applicable] = numbers.map(|n| n.to_string());
            [
                target.to_owned(),
                passed,
                failed,
                known,
                fixed,
                not_applicable,
                sum.lines.to_string(),
            ]
        });
        let headings = [
            "target",
            "passed",
            "failed",
            "known",
            "fixed",
            "not applicable",
            "lines checked",
        ];
        text.push_str(&table(headings, 1..7, sums));

        if !self.unreadable.is_empty() {
            section(&mut text, "Files that are no traces");
            for error in &self.unreadable {
                let _ = writeln!(text, "- {}", inline(&error.to_string()));
            }
        }
        if of(Status::Failed).next().is_some() {
            section(&mut text, "Failed");
            for (run, _) in of(Status::Failed) {
                let (trace, target, version) = (&run.trace, &run.target, run.version);
                let _ = writeln!(
                    text,
                    "`{trace}`, {target}, MQTT {version}: {}\n",
                    inline(&run.title)
                );
                for failure in failures(run) {
                    let _ = writeln!(text, "{}\n", fenced(&failure));
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for (status, heading) in [
            (Status::Known, "Known"),
            (Status::Fixed, "Known, but passed: the profile is to be changed"),
        ] {
            if of(status).next().is_some() {
                section(&mut text, heading);
                let lines = of(status).map(|(run, judged)| {
                    [
                        format!("`{}`", run.trace),
                        run.version.to_string(),
                        inline(&findings(judged)),
                    ]
                });
                text.push_str(&table(["trace", "MQTT", "finding"], 0..0, lines));
            }
        }
        section(&mut text, "Statements");
        for version in Version::ALL {
            let of_version: Vec<&Row<'_>> = rows
                .iter()
                .filter(|row| row.statement.version() == version)
                .collect();
            if of_version.is_empty() {
                continue;
            }
            let _ = writeln!(text, "### MQTT {version}\n");
            let lines = of_version.into_iter().map(|row| {
                [
                    row.statement.to_string(),
                    row.role.to_string(),
                    row.status.to_string(),
                    inline(&remark(row)),
                    inline(row.statement.text()),
                ]
            });
            let headings = ["statement", "role", "status", "by", "what it says"];
            let _ = writeln!(text, "{}", table(headings, 0..0, lines));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

fn section(text: &mut String, heading: &str) {
    let _ = write!(text, "\n## {heading}\n\n");
}

/// A table with its headings; `right`: columns of numbers.
fn table<const N: usize>(
    headings: [&str; N],
    right: core::ops::Range<usize>,
    lines: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(headings);
    for line in lines {
        table.add_row(line.map(|cell| cell.replace('|', "\\|")));
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        if right.contains(&i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// Text on one line, in which nothing is a mark of Markdown that could change what is read.
fn inline(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(' '),
            '*' | '_' | '<' | '[' | '\\' | '`' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Text as it is, in a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_cannot_break_out_of_its_place() {
        assert_eq!(inline("a*b\nc_d <x> [y] \\"), "a\\*b c\\_d \\<x> \\[y] \\\\");
        assert_eq!(inline("its setting `a*"), "its setting \\`a\\*");
        assert_eq!(fenced("a"), "```text\na\n```");
        assert_eq!(fenced("```` b"), "`````text\n```` b\n`````");
        let cells = [["a|b".to_owned(), "1".to_owned()]];
        assert_eq!(
            table(["x", "n"], 1..2, cells.into_iter()),
            "| x    | n |\n|------|---|\n| a\\|b | 1 |\n"
        );
    }
}
