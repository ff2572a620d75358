//! The tables of `spec/`: whom a statement binds, and why some are shown by nothing.

use std::collections::BTreeMap;

use mqtt_proto::Statement;

use super::Who;

/// One row of `mqtt-*.tsv`.
pub(super) struct Binding {
    pub(super) statement: Statement,
    who: &'static str,
    /// The bytes of one packet decide it.
    pub(super) is_bytes: bool,
}

impl Binding {
    pub(super) fn binds(&self, who: Who) -> bool {
        self.who == who.name() || (self.who == "both" && who != Who::Codec)
    }
}

static TABLES: [(&str, &str); 2] = [
    ("3.1.1", include_str!("../../spec/mqtt-3.1.1.tsv")),
    ("5", include_str!("../../spec/mqtt-5.0.tsv")),
];

static UNTESTED: &str = include_str!("../../spec/untested.tsv");

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

/// What is shown by nothing for this role, and why.
pub(super) fn untested(who: Who) -> BTreeMap<Statement, &'static str> {
    rows(UNTESTED)
        .filter(|[_, role, _]| *role == who.name())
        .filter_map(|[label, _, reason]| Some((label.parse().ok()?, reason)))
        .collect()
}

#[cfg(test)]
mod tests {
    use mqtt_proto::Version;

    use super::*;

    #[test]
    fn no_row_of_the_tables_is_passed_over() {
        let lines: usize = TABLES.iter().map(|(_, table)| table.lines().count() - 1).sum();
        assert_eq!(bindings().len(), lines);
        let numbered = Statement::all()
            .filter(|statement| statement.is_numbered() && statement.version() != Version::V31)
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
        assert!(rows(UNTESTED).all(|[_, _, reason]| !reason.trim().is_empty()));
    }
}
