//! A report as JSON. The names are documented in the README of the crate; what is there stays, what is new is added.

use serde::Serialize;

use super::failure::{Compared, Decoded, Exchanged, Failure, hex};
use super::status::Judged;
use super::totals::{Sum, totals};
use super::{Report, Row, Run, Status};
use crate::statements::Who;
use crate::target::Outcome;
use crate::trace::ast::{Direction, Position};

/// Changes when a name is taken away or means something else.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Whole<'r> {
    schema: u32,
    version: &'static str,
    profile: Option<&'r str>,
    totals: Vec<TotalOf>,
    targets: Vec<SumOf<'r>>,
    statements: Vec<StatementOf<'r>>,
    runs: Vec<RunOf<'r>>,
    unreadable: Vec<Unreadable<'r>>,
}

#[derive(Serialize)]
struct TotalOf {
    mqtt: String,
    role: &'static str,
    statements: usize,
    passed: usize,
    failed: usize,
    known: usize,
    fixed: usize,
    not_applicable: usize,
    not_covered: usize,
    not_covered_for_a_reason: usize,
}

#[derive(Serialize)]
struct SumOf<'r> {
    target: &'r str,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Serialize)]
struct StatementOf<'r> {
    statement: String,
    mqtt: String,
    role: &'static str,
    counts: bool,
    text: &'static str,
    status: Status,
    passed: Vec<&'r str>,
    failed: Vec<&'r str>,
    known: Vec<&'r str>,
    fixed: Vec<&'r str>,
    not_applicable: Vec<&'r str>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct RunOf<'r> {
    trace: &'r str,
    file: String,
    title: &'r str,
    test: &'static str,
    mqtt: String,
    target: &'r str,
    role: Option<&'static str>,
    is_test: bool,
    covers: Vec<String>,
    status: Status,
    lines: usize,
    took_us: u64,
    why: Option<&'r str>,
    findings: Vec<FindingOf<'r>>,
    failures: Vec<FailureOf<'r>>,
}

#[derive(Serialize)]
struct FindingOf<'r> {
    statements: Vec<String>,
    what: &'r str,
    text: Option<&'r str>,
}

#[derive(Serialize)]
struct FailureOf<'r> {
    line: u32,
    column: u32,
    why: String,
    compared: Vec<ComparedOf<'r>>,
    notes: &'r [String],
    exchange: Vec<ExchangedOf<'r>>,
}

#[derive(Serialize)]
struct ComparedOf<'r> {
    expected: Vec<DecodedOf<'r>>,
    seen: DecodedOf<'r>,
    differs: &'r [String],
}

#[derive(Serialize)]
struct DecodedOf<'r> {
    text: &'r str,
    hex: Option<String>,
    open: bool,
}

#[derive(Serialize)]
struct ExchangedOf<'r> {
    at_us: u64,
    connection: &'r str,
    direction: Option<&'static str>,
    text: &'r str,
    hex: Option<String>,
}

#[derive(Serialize)]
struct Unreadable<'r> {
    file: &'r str,
    line: Option<u32>,
    column: Option<u32>,
    why: String,
}

impl Report {
    /// The report as JSON, in lines.
    ///
    /// # Errors
    ///
    /// None is known: the form has nothing that JSON cannot say.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let rows = self.rows();
        let whole = Whole {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            profile: self.profile.as_deref(),
            totals: totals_of(&rows),
            targets: self
                .sums()
                .into_iter()
                .map(|(target, sum)| SumOf { target, sum })
                .collect(),
            statements: rows.iter().map(statement_of).collect(),
            runs: self.judged().map(|(run, judged)| run_of(run, &judged)).collect(),
            unreadable: self
                .unreadable
                .iter()
                .map(|error| Unreadable {
                    file: &error.file,
                    line: error.at.map(|at| at.line),
                    column: error.at.map(|at| at.column),
                    why: error.to_string(),
                })
                .collect(),
        };
        serde_json::to_string_pretty(&whole).map(|text| text + "\n")
    }
}

fn totals_of(rows: &[Row<'_>]) -> Vec<TotalOf> {
    let all = totals(rows).into_iter();
    let all = all.flat_map(|(version, all)| all.into_iter().map(move |total| (version, total)));
    all.map(|(version, total)| TotalOf {
        mqtt: version.to_string(),
        role: total.role.map_or("any", Who::name),
        statements: total.statements,
        passed: total.of(Status::Passed),
        failed: total.of(Status::Failed),
        known: total.of(Status::Known),
        fixed: total.of(Status::Fixed),
        not_applicable: total.of(Status::NotApplicable),
        not_covered: total.of(Status::NotCovered),
        not_covered_for_a_reason: total.explained,
    })
    .collect()
}

fn statement_of<'r>(row: &'r Row<'_>) -> StatementOf<'r> {
    let traces = |status| row.traces(status).into_iter().collect();
    StatementOf {
        statement: row.statement.to_string(),
        mqtt: row.statement.version().to_string(),
        role: row.role.name(),
        counts: row.counts,
        text: row.statement.text(),
        status: row.status,
        passed: traces(Status::Passed),
        failed: traces(Status::Failed),
        known: traces(Status::Known),
        fixed: traces(Status::Fixed),
        not_applicable: traces(Status::NotApplicable),
        reason: row.reason.clone(),
    }
}

fn run_of<'r>(run: &'r Run, judged: &Judged<'r>) -> RunOf<'r> {
    let (why, failures) = match &run.outcome {
        Outcome::Passed { .. } => (None, &[][..]),
        Outcome::Failed(failures) => (None, &failures[..]),
        Outcome::NotApplicable(why) => (Some(why.as_str()), &[][..]),
    };
    RunOf {
        trace: &run.trace,
        file: run.file.display().to_string(),
        title: &run.title,
        test: run.test.name(),
        mqtt: run.version.to_string(),
        target: &run.target,
        role: run.role.map(Who::name),
        is_test: run.is_test,
        covers: run.covers.iter().map(ToString::to_string).collect(),
        status: judged.status,
        lines: run.lines(),
        took_us: micros(run.took),
        why,
        findings: judged
            .known
            .iter()
            .map(|known| FindingOf {
                statements: known.statement.iter().map(ToString::to_string).collect(),
                what: &known.what,
                text: known.text.as_deref(),
            })
            .collect(),
        failures: failures.iter().map(failure_of).collect(),
    }
}

fn failure_of(failure: &Failure) -> FailureOf<'_> {
    let Position { line, column } = failure.at;
    FailureOf {
        line,
        column,
        why: failure.why(),
        compared: failure.compared.iter().map(compared_of).collect(),
        notes: &failure.notes,
        exchange: failure.exchange.iter().map(exchanged_of).collect(),
    }
}

fn compared_of(compared: &Compared) -> ComparedOf<'_> {
    ComparedOf {
        expected: compared.expected.iter().map(decoded_of).collect(),
        seen: decoded_of(&compared.seen),
        differs: &compared.differs,
    }
}

fn decoded_of(decoded: &Decoded) -> DecodedOf<'_> {
    DecodedOf {
        text: &decoded.text,
        hex: decoded.bytes.as_deref().map(hex),
        open: decoded.is_open,
    }
}

fn exchanged_of(exchanged: &Exchanged) -> ExchangedOf<'_> {
    ExchangedOf {
        at_us: micros(exchanged.at),
        connection: &exchanged.conn,
        direction: exchanged.direction.map(|direction| match direction {
            Direction::ToServer => "->",
            Direction::ToClient => "<-",
        }),
        text: &exchanged.text,
        hex: exchanged.bytes.as_deref().map(hex),
    }
}

fn micros(time: core::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
