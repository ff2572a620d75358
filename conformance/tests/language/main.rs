//! The trace language: what `LANGUAGE.md` says is true.
//!
//! - `errors`: a row for every error that a trace can have, with its whole text.
//! - `examples`: those of `LANGUAGE.md`.
//! - `our_server`: with which traces of live brokers are run.
//! - `updating`: `--update`.
//! - `uses`: what each kind of line means to each kind of target.

mod errors;
mod examples;
#[path = "../our_server/mod.rs"]
mod our_server;
mod updating;
mod uses;

/// A head with what the test is about as its lines.
fn with_head(test: &str, version: &str, lines: &str) -> String {
    format!("title: t\ntest: {test}\nversion: {version}\n{lines}")
}
