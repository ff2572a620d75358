//! What a client, its handle and the server make of links that are slow, narrow, or gone.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    reason = "tests"
)]

mod authenticate;
mod both_ways;
mod cancel;
mod external;
mod handle;
mod pipes;
mod reconnecting;
mod server;
