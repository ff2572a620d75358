//! The trace language: what `LANGUAGE.md` says is true.
//!
//! - `errors`: a row for every error that a trace can have, with its whole text.
//! - `updating`: `--update`.

mod errors;
mod updating;

/// A head with what the test is about as its lines.
fn with_head(test: &str, version: &str, lines: &str) -> String {
    format!("title: t\ntest: {test}\nversion: {version}\n{lines}")
}
