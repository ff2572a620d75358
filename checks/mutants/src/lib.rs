//! Deliberate faults of our own machines, each a change of one line, and whether the traces of the conformance suite
//! catch them.
//!
//! - [`list`]: the faults, as `conformance/mutants/list.toml` has them.
//! - [`copy`]: a copy of the sources, to be broken and built.
//! - [`verdict`]: what the traces say of one fault.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it waits for processes, and says how long they took"
)]

pub mod copy;
pub mod list;
pub mod verdict;
