//! What an end does upon an error of the other: the rows of `spec/mqtt-errors.tsv`.

use super::table;

static ERRORS: &str = include_str!("../../spec/mqtt-errors.tsv");

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct ErrorRow {
    /// What a trace names it by, in `errors:`.
    pub(crate) id: &'static str,
    /// In which packet.
    pub(crate) packet: &'static str,
    /// What is wrong.
    pub(crate) error: &'static str,
    /// Who finds it: `client`, `server` or `both`.
    pub(crate) detected_by: &'static str,
    /// What that end does in 3.1.1.
    pub(crate) action_v311: &'static str,
    /// What that end does in 5.0.
    pub(crate) action_v5: &'static str,
}

/// Every row, in the order of the table.
pub(crate) fn rows() -> impl Iterator<Item = ErrorRow> {
    table::rows(ERRORS).map(
        |[id, packet, error, detected_by, action_v311, _, action_v5, _, _, _]| ErrorRow {
            id,
            packet,
            error,
            detected_by,
            action_v311,
            action_v5,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_the_error_table_is_passed_over() {
        assert_eq!(rows().count(), ERRORS.lines().count() - 1);
        let mut ids: Vec<&str> = rows().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows().count(), "an id stands twice");
        assert!(rows().all(|row| ["client", "server", "both"].contains(&row.detected_by)));
    }
}
