//! Clients and the server joined, on a virtual clock.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "a test has std, and looks at what it asks for"
)]

mod crashes;
mod duplex;
mod guarantees;
mod keep_alive;
mod naming;
mod resend;
mod restarts;
mod weather;
