//! The client machine against a server that is written out, packet by packet.
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "a test has std, and looks at what it asks for"
)]
#![cfg(feature = "alloc")]

mod alias;
mod answers;
mod api;
mod authenticate;
mod beginning;
mod counters;
mod ending;
mod exchange;
mod expiry;
mod full;
mod inspect;
mod journal;
mod link;
mod outbox;
mod peer;
mod queue;
mod refusals;
mod resend;
mod resume;
mod splits;
mod stream;
mod time;
mod turns;
