//! Which statements are shown, by which trace or test, and why the others are not; what the code names.
//!
//! - `table`: whom a statement binds (`spec/mqtt-*.tsv`, `spec/rules-3.1.tsv`), and what is shown by no trace
//!   (`spec/untested*.tsv`) or named by no code (`spec/uncoded.tsv`).
//! - `code`: sources that name statements; `evidence`: what traces show; `matrix`: all of it in one table.
//! - `errors`: what an end does upon an error of the other (`spec/mqtt-errors.tsv`).
//! - `sources`: tests that name statements.
//!
//! A trace shows the statements of its `covers:` where it has passed against what it was written to test. A test shows
//! those that its text names. What counts for whom: [`Who`].

mod code;
pub(crate) mod errors;
mod evidence;
mod matrix;
mod sources;
mod table;

use core::fmt;
use core::str::FromStr;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mqtt_proto::{Statement, Version};

use crate::report::Report;
use crate::trace::Test;
use table::{Binding, Untested};

pub use matrix::Matrix;

/// Whom a statement binds, as the role whose evidence is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "closed by the tables")]
pub enum Who {
    /// Statements that bind a client, alone or with the server. Shown by traces of clients and pairs, and by tests in
    /// `mqtt-session/tests/{client,registry,pairs}` and `adapters/*/tests`.
    Client,
    /// Statements that bind a server, alone or with the client. Shown by traces of brokers and pairs, and by tests in
    /// `mqtt-session/tests/{server,pairs}`.
    Server,
    /// Statements about bytes that bind whoever encodes and decodes. Shown by any trace, and by tests in `mqtt-proto/tests`.
    Codec,
}

impl Who {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Codec];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Codec => "codec",
        }
    }

    /// What one packet decides (`is_bytes`) is the same code in every role, so that a trace of the codec shows it.
    pub(crate) const fn is_shown_by(self, test: Test, is_bytes: bool) -> bool {
        match (self, test) {
            (Self::Codec, _)
            | (Self::Client, Test::Client)
            | (Self::Server, Test::Broker)
            | (Self::Client | Self::Server, Test::Pair) => true,
            (_, Test::Codec) => is_bytes,
            (Self::Client, Test::Broker) | (Self::Server, Test::Client) => false,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|who| who.name() == text)
            .ok_or_else(|| format!("`{text}` is none of client, server, codec"))
    }
}

/// A statement that binds a role.
pub(crate) struct Bound {
    pub(crate) statement: Statement,
    /// The bytes of one packet decide it.
    pub(crate) is_bytes: bool,
    /// Why no trace shows it.
    pub(crate) reason: Option<String>,
}

/// The statements that bind a role.
pub(crate) fn bound(who: Who) -> Vec<Bound> {
    let untested = table::untested(who);
    let binding = table::bindings().into_iter().filter(|binding| binding.binds(who));
    binding
        .map(|binding| Bound {
            statement: binding.statement,
            is_bytes: binding.is_bytes,
            reason: untested.get(&binding.statement).map(ToString::to_string),
        })
        .collect()
}

/// What shows the statements that bind one role.
///
/// Prints a line for each statement, which `{:#}` leaves out, then the sums and what is wrong.
#[derive(Clone, Debug)]
pub struct Shown {
    who: Who,
    rows: Vec<Row>,
    faults: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    statement: Statement,
    traces: BTreeSet<String>,
    tests: BTreeSet<String>,
    untested: Option<Untested>,
}

impl Shown {
    /// Looks for what shows the statements that bind `who`: in traces that have passed, and in the tests of the workspace
    /// in `root`.
    ///
    /// # Errors
    /// The sources of the tests cannot be read, or there are none.
    pub fn find(who: Who, report: &Report, root: &Path) -> io::Result<Self> {
        let mut faults = Vec::new();
        let mut tests: BTreeMap<Statement, BTreeSet<String>> = BTreeMap::new();
        for test in sources::tests(root, who)? {
            for name in test.unknown {
                faults.push(format!("{} names {name}, which is no statement", test.name));
            }
            for statement in test.statements {
                tests.entry(statement).or_default().insert(test.name.clone());
            }
        }
        let untested = table::untested(who);
        let bindings = table::bindings();
        let mut rows = Vec::new();
        for binding in bindings.iter().filter(|binding| binding.binds(who)) {
            let Binding {
                statement, is_bytes, ..
            } = *binding;
            let traces = report.shown_by(statement);
            rows.push(Row {
                statement,
                traces: traces
                    .filter(|(_, test)| who.is_shown_by(*test, is_bytes))
                    .map(|(file, _)| trace_name(file))
                    .collect(),
                tests: tests.remove(&statement).unwrap_or_default(),
                untested: untested.get(&statement).copied(),
            });
        }
        for statement in untested.keys() {
            match rows.iter().find(|row| row.statement == *statement) {
                None => faults.push(format!(
                    "untested.tsv has {statement}, which does not bind the {who}"
                )),
                Some(row) => faults.extend(
                    row.traces
                        .first()
                        .map(|trace| format!("untested.tsv has {statement}, but {trace} shows it")),
                ),
            }
        }
        for row in rows.iter().filter(|row| row.is_missing()) {
            faults.push(format!(
                "{} is shown by no trace, and has no reason",
                row.statement
            ));
        }
        Ok(Self { who, rows, faults })
    }

    /// What is wrong, one line each: statements without trace and reason; reasons for what is shown; names in tests
    /// that are no statements.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl Row {
    fn is_missing(&self) -> bool {
        self.traces.is_empty() && self.untested.is_none()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<22}", self.statement.to_string())?;
        for name in self.traces.iter().chain(&self.tests) {
            write!(f, " {name}")?;
        }
        match self.untested {
            Some(Untested {
                reason,
                instead: None,
            }) => write!(f, " - {reason}"),
            Some(Untested {
                reason,
                instead: Some(instead),
            }) => write!(f, " - {reason}; instead {instead}"),
            None if self.is_missing() => f.write_str(" MISSING"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if f.alternate() { &[][..] } else { &self.rows };
        for row in rows {
            writeln!(f, "{row}")?;
        }
        for version in Version::ALL {
            let rows = || self.rows.iter().filter(|row| row.statement.version() == version);
            let count = |is: &dyn Fn(&Row) -> bool| rows().filter(|row| is(row)).count();
            writeln!(
                f,
                "{version}, {}: {} statements, {} shown by traces, {} by tests alone, {} by neither for a reason, {} missing",
                self.who,
                count(&|_| true),
                count(&|row| !row.traces.is_empty()),
                count(&|row| row.untested.is_some_and(|why| why.instead.is_some())),
                count(&|row| row.untested.is_some_and(|why| why.instead.is_none())),
                count(&Row::is_missing)
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// The name of a trace as other texts give it: without the folder of all traces.
fn trace_name(file: &Path) -> String {
    let name = file.display().to_string();
    match name.split_once("traces/") {
        Some((_, inside)) => inside.to_owned(),
        None => name,
    }
}
