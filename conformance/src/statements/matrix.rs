//! Statements against code, unit tests and traces; errors against traces: `spec/coverage.md`.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mqtt_proto::{Statement, Version};

use super::Who;
use super::errors::{self, ErrorRow};
use super::evidence::{self, Pass};
use super::table::{self, Binding, Untested};
use super::{code, sources};
use crate::trace::Test;

/// What names and shows each statement, and which traces show each row of the error table, as Markdown.
#[derive(Clone, Debug)]
pub struct Matrix {
    markdown: String,
    faults: Vec<String>,
}

impl Matrix {
    /// Runs all traces of the workspace in `root` in memory, and reads its sources.
    ///
    /// # Errors
    /// Sources or traces cannot be read, or there are none.
    pub fn find(root: &Path) -> io::Result<Self> {
        let (passes, mut faults) = evidence::of(root)?;
        let named = code::named(root)?;
        faults.extend(named.unknown);
        let mut tests: BTreeMap<Statement, BTreeSet<String>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for test in sources::all_tests(root)? {
            for statement in test.statements {
                tests.entry(statement).or_default().insert(test.name.clone());
            }
            names.insert(test.name);
        }
        let there = |instead: &str| {
            names.contains(instead) || (!instead.contains("::") && root.join(instead).exists())
        };

        let rows = rows(&passes, named.files, tests);
        let errors: Vec<ErrorCells> = errors::rows().map(|row| ErrorCells::new(row, &passes)).collect();
        for row in &rows {
            row.find_faults(&there, &mut faults);
        }
        find_false_claims(&rows, &passes, &mut faults);
        for cells in &errors {
            cells.find_faults(&there, &mut faults);
        }
        find_stale(&rows, &errors, &mut faults);
        Ok(Self {
            markdown: markdown(&rows, &errors),
            faults,
        })
    }

    /// The text of `conformance/spec/coverage.md`.
    #[must_use]
    pub fn markdown(&self) -> &str {
        &self.markdown
    }

    /// What is wrong, one line each: what no code names or no trace shows, without a reason; reasons for what is named or
    /// shown; tests that stand in for a trace and are not there; traces that fail, or claim what binds the other end.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// A statement, and all that names and shows it.
struct Row {
    binding: Binding,
    code: BTreeSet<String>,
    uncoded: Option<&'static str>,
    tests: BTreeSet<String>,
    /// By the role that they show it of.
    traces: BTreeMap<&'static str, BTreeSet<String>>,
    untested: Vec<(Who, Untested)>,
}

fn rows(
    passes: &[Pass],
    mut code: BTreeMap<Statement, BTreeSet<String>>,
    mut tests: BTreeMap<Statement, BTreeSet<String>>,
) -> Vec<Row> {
    let uncoded = table::uncoded();
    let untested = Who::ALL.map(|who| (who, table::untested(who)));
    let mut rows = Vec::new();
    for binding in table::bindings() {
        let statement = binding.statement;
        let mut traces: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for who in Who::ALL {
            let shows = |pass: &&Pass| {
                pass.covers.contains(&statement)
                    && pass.is_of(who)
                    && if pass.by == Test::Pair {
                        binding.binds(who)
                    } else {
                        pass.is_test() || binding.is_bytes
                    }
            };
            let names: BTreeSet<String> = passes
                .iter()
                .filter(shows)
                .map(|pass| pass.trace.clone())
                .collect();
            traces.insert(who.name(), names);
        }
        rows.push(Row {
            code: code.remove(&statement).unwrap_or_default(),
            uncoded: uncoded.get(&statement).copied(),
            tests: tests.remove(&statement).unwrap_or_default(),
            traces,
            untested: untested
                .iter()
                .filter_map(|(who, rows)| Some((*who, *rows.get(&statement)?)))
                .collect(),
            binding,
        });
    }
    rows
}

impl Row {
    /// A trace shows it of this role; what the bytes of one packet decide, a trace of the codec shows of every role.
    fn is_shown(&self, who: Who) -> bool {
        let any = |who: Who| {
            self.traces
                .get(who.name())
                .is_some_and(|traces| !traces.is_empty())
        };
        any(who)
            || (self.binding.is_bytes && any(Who::Codec))
            || (who == Who::Codec && (any(Who::Client) || any(Who::Server)))
    }

    /// A machine of this role was seen to do so.
    fn is_shown_at(&self, who: Who) -> bool {
        self.traces
            .get(who.name())
            .is_some_and(|traces| !traces.is_empty())
    }

    fn all_traces(&self) -> BTreeSet<&str> {
        self.traces.values().flatten().map(String::as_str).collect()
    }

    fn find_faults(&self, there: &dyn Fn(&str) -> bool, faults: &mut Vec<String>) {
        let statement = self.binding.statement;
        match (self.code.first(), self.uncoded) {
            (None, None) => faults.push(format!(
                "no code names {statement}, and uncoded.tsv has no reason"
            )),
            (Some(file), Some(_)) => faults.push(format!("uncoded.tsv has {statement}, but {file} names it")),
            (Some(_), None) | (None, Some(_)) => {}
        }
        for who in Who::ALL.into_iter().filter(|who| self.binding.binds(*who)) {
            if !self.is_shown(who) && !self.untested.iter().any(|(of, _)| *of == who) {
                faults.push(format!(
                    "no trace shows {statement} of the {who}, and untested.tsv has no reason"
                ));
            }
        }
        for (_, untested) in &self.untested {
            is_there(*untested, there, &statement.to_string(), faults);
        }
    }
}

fn is_there(untested: Untested, there: &dyn Fn(&str) -> bool, of: &str, faults: &mut Vec<String>) {
    if let Some(instead) = untested.instead.filter(|instead| !there(instead)) {
        faults.push(format!("{of} is to be shown by {instead}, which is not there"));
    }
}

/// Traces that test one end and claim to show what binds the other alone.
fn find_false_claims(rows: &[Row], passes: &[Pass], faults: &mut Vec<String>) {
    for pass in passes.iter().filter(|pass| pass.is_test()) {
        let who = match pass.test {
            Test::Client => Who::Client,
            Test::Broker => Who::Server,
            Test::Codec | Test::Pair => continue,
        };
        for Row { binding, .. } in rows
            .iter()
            .filter(|row| pass.covers.contains(&row.binding.statement))
        {
            if !binding.is_bytes && !binding.binds(who) {
                let (trace, statement) = (&pass.trace, binding.statement);
                faults.push(format!("{trace} covers {statement}, which does not bind a {who}"));
            }
        }
    }
}

/// Reasons for what is not bound, or shown after all.
fn find_stale(rows: &[Row], errors: &[ErrorCells], faults: &mut Vec<String>) {
    for row in rows {
        for (who, _) in &row.untested {
            let statement = row.binding.statement;
            if !row.binding.binds(*who) {
                faults.push(format!(
                    "untested.tsv has {statement}, which does not bind the {who}"
                ));
            } else if row.is_shown(*who) {
                faults.push(format!(
                    "untested.tsv has {statement}, but a trace shows it of the {who}"
                ));
            }
        }
    }
    for [id, version, role] in table::untested_errors().into_keys() {
        let cell = errors
            .iter()
            .flat_map(|cells| &cells.cells)
            .find(|cell| cell.place == [id, version, role]);
        match cell {
            None => faults.push(format!(
                "untested-errors.tsv has {id} in {version} for the {role}, where it is none"
            )),
            Some(cell) if !cell.traces.is_empty() => faults.push(format!(
                "untested-errors.tsv has {id} in {version} for the {role}, but a trace shows it"
            )),
            Some(_) => {}
        }
    }
}

/// One row of the error table, where it applies.
struct ErrorCells {
    row: ErrorRow,
    cells: Vec<ErrorCell>,
}

struct ErrorCell {
    /// Id, version, role.
    place: [&'static str; 3],
    traces: BTreeSet<String>,
    untested: Option<Untested>,
}

impl ErrorCells {
    fn new(row: ErrorRow, passes: &[Pass]) -> Self {
        let untested = table::untested_errors();
        let mut cells = Vec::new();
        for (version, name, action) in [
            (Version::V311, "3.1.1", row.action_v311),
            (Version::V5, "5", row.action_v5),
        ] {
            for who in [Who::Client, Who::Server] {
                if !(row.detected_by == who.name() || row.detected_by == "both") || !is_an_action(action, who)
                {
                    continue;
                }
                let place = [row.id, name, who.name()];
                let shows = |pass: &&Pass| {
                    pass.version == version && pass.is_of(who) && pass.errors.iter().any(|id| id == row.id)
                };
                cells.push(ErrorCell {
                    place,
                    traces: passes
                        .iter()
                        .filter(shows)
                        .map(|pass| pass.trace.clone())
                        .collect(),
                    untested: untested.get(&place).copied(),
                });
            }
        }
        Self { row, cells }
    }

    fn find_faults(&self, there: &dyn Fn(&str) -> bool, faults: &mut Vec<String>) {
        for cell in &self.cells {
            let [id, version, role] = cell.place;
            match cell.untested {
                None if cell.traces.is_empty() => faults.push(format!(
                    "no trace shows the error {id} in {version} of the {role}, and untested-errors.tsv has no reason"
                )),
                None => {}
                Some(untested) => is_there(untested, there, &format!("the error {id} in {version}"), faults),
            }
        }
    }
}

/// Whether the version says what this end does upon the error.
fn is_an_action(action: &str, who: Who) -> bool {
    let nothing = ["not applicable", "not defined", "it is AUTH", "no such limit"];
    let of_servers = who == Who::Client && action.starts_with("server");
    !of_servers && !nothing.iter().any(|start| action.starts_with(start))
}

fn markdown(rows: &[Row], errors: &[ErrorCells]) -> String {
    let mut out = String::from(
        "# What names and shows each statement\n\n\
         Generated by `mqtt-conformance matrix`, and kept true by a test: `UPDATE=1 cargo test -p mqtt-conformance --test coverage`\n\
         writes it anew. A statement is *named by code* where a source names it outside of tests, and by a *unit test* that names it. It is\n\
         *shown* by a trace that covers it and passes in memory: of the role that the trace tests, or of the codec; what the bytes of\n\
         one packet decide, a trace of the codec shows of every role, and where such bytes are also played to a client or a server,\n\
         the trace stands there, too. What is in italics is a reason why there is nothing, from `uncoded.tsv` and `untested.tsv`.\n\n",
    );
    totals(rows, errors, &mut out);
    for version in Version::ALL {
        let _ = write!(
            out,
            "\n## {version}\n\n| statement | binds | code | unit tests | traces of clients | of servers | of the codec and pairs |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        );
        for row in rows
            .iter()
            .filter(|row| row.binding.statement.version() == version)
        {
            row.write(&mut out);
        }
    }
    out.push_str(
        "\n## Errors\n\nThe rows of `mqtt-errors.tsv`, and the traces that show what the end does that finds the error. `-`: the version does not\n\
         say what is done, or that end does not find it. In italics: why no trace shows it, from `untested-errors.tsv`.\n\n\
         | error | | 3.1.1, client | 3.1.1, server | 5, client | 5, server |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for cells in errors {
        let ErrorRow {
            id, packet, error, ..
        } = cells.row;
        let _ = write!(out, "| {id} | {packet}: {error} |");
        for (version, who) in [
            ("3.1.1", "client"),
            ("3.1.1", "server"),
            ("5", "client"),
            ("5", "server"),
        ] {
            let cell = cells.cells.iter().find(|cell| cell.place == [id, version, who]);
            let text = match cell {
                None => "-".to_owned(),
                Some(ErrorCell {
                    untested: Some(untested),
                    ..
                }) => italics(*untested),
                Some(cell) => list(&cell.traces),
            };
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
    out
}

fn totals(rows: &[Row], errors: &[ErrorCells], out: &mut String) {
    out.push_str(
        "| version | role | statements | named by code | by unit tests | shown by traces | of these at a client | at a server | not shown, for a reason |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for version in Version::ALL {
        for who in Who::ALL {
            let bound = || {
                rows.iter()
                    .filter(|row| row.binding.statement.version() == version && row.binding.binds(who))
            };
            let count = |is: &dyn Fn(&Row) -> bool| bound().filter(|row| is(row)).count();
            let at = |end: Who| match who {
                Who::Codec => count(&|row| row.is_shown_at(end)).to_string(),
                Who::Client | Who::Server => "-".to_owned(),
            };
            let _ = writeln!(
                out,
                "| {version} | {who} | {} | {} | {} | {} | {} | {} | {} |",
                count(&|_| true),
                count(&|row| !row.code.is_empty()),
                count(&|row| !row.tests.is_empty()),
                count(&|row| row.is_shown(who)),
                at(Who::Client),
                at(Who::Server),
                count(&|row| row.untested.iter().any(|(of, _)| *of == who)),
            );
        }
        let all = || {
            rows.iter()
                .filter(|row| row.binding.statement.version() == version)
        };
        let _ = writeln!(
            out,
            "| {version} | all | {} | {} | {} | {} | | | {} |",
            all().count(),
            all().filter(|row| !row.code.is_empty()).count(),
            all().filter(|row| !row.tests.is_empty()).count(),
            all().filter(|row| !row.all_traces().is_empty()).count(),
            all().filter(|row| row.all_traces().is_empty()).count(),
        );
    }
    let cells = || errors.iter().flat_map(|cells| &cells.cells);
    let _ = writeln!(
        out,
        "\nOf the {} errors, {} actions (by version and by who finds it) are shown by traces, of {}; {} are not, for a reason.",
        errors.len(),
        cells().filter(|cell| !cell.traces.is_empty()).count(),
        cells().count(),
        cells().filter(|cell| cell.untested.is_some()).count(),
    );
}

impl Row {
    fn write(&self, out: &mut String) {
        let Binding { statement, who, .. } = self.binding;
        let code = match self.uncoded {
            Some(reason) => format!("*{reason}*"),
            None => list(&self.code),
        };
        let _ = write!(out, "| {statement} | {who} | {code} | {} |", list(&self.tests));
        let nothing = BTreeSet::new();
        let mut before: BTreeSet<&String> = BTreeSet::new();
        for role in Who::ALL {
            let traces = self.traces.get(role.name()).unwrap_or(&nothing);
            // What was named as a trace of an end is also one of the codec.
            let new: BTreeSet<String> = match role {
                Who::Codec => traces
                    .iter()
                    .filter(|trace| !before.contains(trace))
                    .cloned()
                    .collect(),
                Who::Client | Who::Server => traces.clone(),
            };
            before.extend(traces);
            let why = self.untested.iter().find(|(of, _)| *of == role);
            let text = why.map_or_else(|| list(&new), |(_, untested)| italics(*untested));
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
}

fn italics(untested: Untested) -> String {
    match untested.instead {
        Some(instead) => format!("*{}*; instead {instead}", untested.reason),
        None => format!("*{}*", untested.reason),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}
