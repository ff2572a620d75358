//! Packet traces that test any MQTT client, broker or codec.
//!
//! - [`trace`]: the language, text to [`Trace`](trace::Trace).
//! - [`fields`]: packets as lists of named fields.
//! - [`expect`]: whether a packet is the one that a line expects.
//! - [`play`]: playing a trace line by line.
//! - [`target`]: what traces are run against.
//! - [`profile`]: what the runner has to know of a target that it did not make.
//! - [`run`]: finding traces and running them; [`report`]: what came of it.
//! - [`update`]: writing the expectations of a trace anew, as they were seen.
//! - [`statements`]: which statements are shown, by what, and which are not.

pub mod expect;
pub mod fields;
pub mod play;
pub mod profile;
pub mod report;
pub mod run;
pub mod statements;
pub mod target;
pub mod trace;
pub mod update;
