//! The QoS rules, once, without a role: sender and receiver of messages, be they client or server.
//!
//! Everything here is a pure function of small values: no storage, no bytes, no clock. Who keeps the states, in what
//! order, and who writes the answers, is the business of the client's and the broker's sessions.
//!
//! | | |
//! |---|---|
//! | [`Outgoing`] | where a message that was sent stands, and what an answer does to it |
//! | [`Incoming`] | where a message that was received stands, and what to answer |
//! | [`Window`] | how many may be under way: Receive Maximum |
//! | [`next_free_id`] | which packet id comes next |
//! | [`expiry_left`] | what is left of a Message Expiry Interval |
//! | `Aliases` | topics that the peer calls by number (feature `alloc`) |
//! | `GivenAliases` | topics that we call by number to the peer (feature `alloc`) |
//! | [`rules`] | the rules that take a session to check, with their statements |
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(feature = "alloc")]
mod aliases;
mod expiry;
#[cfg(feature = "alloc")]
mod given_aliases;
mod ids;
mod incoming;
mod outgoing;
pub mod rules;
mod window;

#[cfg(feature = "alloc")]
pub use aliases::{AliasFault, Aliases};
pub use expiry::expiry_left;
#[cfg(feature = "alloc")]
pub use given_aliases::{GivenAliases, Naming};
pub use ids::next_free_id;
pub use incoming::{Incoming, OnPubRel, OnPublish};
pub use outgoing::{Answer, OnAnswer, Outgoing, Resend};
pub use rules::{Cause, Violation};
pub use window::Window;
