//! MQTT 3.1, 3.1.1 and 5.0 packets: a strict codec without std, without an allocator, without a copy
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(test)]
extern crate std;

pub mod statement;
pub mod topic;
mod version;

pub use statement::Statement;
pub use topic::{TopicError, TopicErrorKind, TopicFilter, TopicName};
pub use version::{Sender, Version};
