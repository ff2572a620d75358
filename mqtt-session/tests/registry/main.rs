//! Subscriptions that come back when the server has lost them.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "a test has std, and looks at what it asks for"
)]

mod meanwhile;
mod rest;
mod restoring;
mod world;
