//! The tables of `spec/`: whom a statement binds, and why some are shown by nothing.

use core::fmt;
use std::collections::BTreeMap;

use mqtt_proto::Statement;

use super::Who;

/// The reason, then what shows it instead.
impl fmt::Display for Untested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        match self.instead {
            Some(instead) => write!(f, "; instead {instead}"),
            None => Ok(()),
        }
    }
}

/// One row of `mqtt-*.tsv`.
pub(super) struct Binding {
    pub(super) statement: Statement,
    /// `client`, `server`, `both` or `codec`.
    pub(super) who: &'static str,
    /// The bytes of one packet decide it.
    pub(super) is_bytes: bool,
}

impl Binding {
    pub(super) fn binds(&self, who: Who) -> bool {
        self.who == who.name() || (self.who == "both" && who != Who::Codec)
    }
}

static TABLES: [(&str, &str); 3] = [
    ("3.1", include_str!("../../spec/rules-3.1.tsv")),
    ("3.1.1", include_str!("../../spec/mqtt-3.1.1.tsv")),
    ("5", include_str!("../../spec/mqtt-5.0.tsv")),
];

static UNTESTED: &str = include_str!("../../spec/untested.tsv");

static UNCODED: &str = include_str!("../../spec/uncoded.tsv");

static UNTESTED_ERRORS: &str = include_str!("../../spec/untested-errors.tsv");

/// Why no trace shows something, and what does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untested {
    pub(super) reason: &'static str,
    /// A test, `file::name`, or a script, as the workspace names it; `None` if nothing does.
    pub(super) instead: Option<&'static str>,
}

impl Untested {
    fn new(reason: &'static str, instead: &'static str) -> Self {
        let instead = (instead != "-").then_some(instead);
        Self { reason, instead }
    }
}

/// The columns of every row but the heading. Rows of another number of columns are passed over; a test looks for them.
pub(super) fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&'static str> = line.split('\t').collect();
        columns.try_into().ok()
    })
}

/// Every numbered statement.
pub(super) fn bindings() -> Vec<Binding> {
    let mut bindings = Vec::new();
    for (version, table) in TABLES {
        for [id, _, who, kind, _, _] in rows(table) {
            bindings.extend(format!("{version}/{id}").parse().ok().map(|statement| Binding {
                statement,
                who,
                is_bytes: kind == "codec",
            }));
        }
    }
    bindings
}

/// What no trace shows for this role, and why.
pub(super) fn untested(who: Who) -> BTreeMap<Statement, Untested> {
    rows(UNTESTED)
        .filter(|[_, role, _, _]| *role == who.name())
        .filter_map(|[label, _, reason, instead]| Some((label.parse().ok()?, Untested::new(reason, instead))))
        .collect()
}

/// What no code names, and why.
pub(super) fn uncoded() -> BTreeMap<Statement, &'static str> {
    rows(UNCODED)
        .filter_map(|[label, reason]| Some((label.parse().ok()?, reason)))
        .collect()
}

/// Rows of the error table that no trace shows: by id, version (`3.1.1` or `5`) and role.
pub(super) fn untested_errors() -> BTreeMap<[&'static str; 3], Untested> {
    rows(UNTESTED_ERRORS)
        .map(|[id, version, role, reason, instead]| ([id, version, role], Untested::new(reason, instead)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_the_tables_is_passed_over() {
        let lines: usize = TABLES.iter().map(|(_, table)| table.lines().count() - 1).sum();
        assert_eq!(bindings().len(), lines);
        let numbered = Statement::all()
            .filter(|statement| statement.is_numbered())
            .count();
        assert_eq!(bindings().len(), numbered);
        for binding in bindings() {
            let bound = Who::ALL.iter().filter(|who| binding.binds(**who)).count();
            assert_eq!(
                bound,
                if binding.who == "both" { 2 } else { 1 },
                "{}",
                binding.statement
            );
        }
        let reasons: usize = Who::ALL.iter().map(|who| untested(*who).len()).sum();
        assert_eq!(
            reasons,
            UNTESTED.lines().count() - 1,
            "a row is doubled or not as the heading says"
        );
        assert!(rows(UNTESTED).all(|[_, _, reason, instead]| !reason.is_empty() && !instead.is_empty()));
        assert_eq!(uncoded().len(), UNCODED.lines().count() - 1);
        assert_eq!(untested_errors().len(), UNTESTED_ERRORS.lines().count() - 1);
    }
}
