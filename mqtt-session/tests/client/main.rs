//! The client machine against a server that is written out, packet by packet.
#![cfg(feature = "alloc")]

mod exchange;
mod link;
mod outbox;
mod peer;
mod refusals;
mod resume;
mod splits;
mod time;
