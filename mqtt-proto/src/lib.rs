//! MQTT 3.1, 3.1.1 and 5.0 packets: a strict codec without `std`, without an allocator, without a copy.
//!
//! [`frame_len`] finds the end of a packet, [`Packet::decode`] gives a borrowed value, [`Packet::encode`] writes one.
//! All three versions share one [`Packet`]; a packet that breaks a rule of its version is refused, and the
//! [`DecodeError`] names the rule as a [`Statement`].
//!
//! ```
//! use mqtt_proto::{Frame, Packet, Sender, Version, frame_len};
//!
//! // QoS 0 PUBLISH of "hi" to "a/b", then the first byte of something else.
//! let received = [0x30, 0x07, 0x00, 0x03, b'a', b'/', b'b', b'h', b'i', 0xC0];
//! let Frame::Len(len) = frame_len(&received, 1024)? else { panic!("incomplete") };
//! let packet = Packet::decode(Version::V311, Sender::Client, &received[..len])?;
//! let Packet::Publish(publish) = packet else { panic!("not a PUBLISH") };
//! assert_eq!((publish.head.topic.as_str(), publish.payload), ("a/b", &b"hi"[..]));
//!
//! let mut out = [0; 64];
//! assert_eq!(packet.encode(Version::V311, &mut out), Ok(&received[..len]));
//! # Ok::<(), mqtt_proto::DecodeError>(())
//! ```
//!
//! - [`packet`]: one type for each control packet.
//! - [`notation`]: packets on one line, as traces and logs have them.
//! - [`property`]: the properties of 5.0, and lists of them.
//! - [`topic`]: topic names, filters, shared subscriptions, patterns.
//! - [`statement`](mod@statement): the rules of the standards, by name.
//! - `rules`: which rule holds in which version, in one table.
//! - `wire`: numbers, texts and headers as bytes.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(feature = "alloc")]
extern crate alloc;
// The code that these features derive is for tests, and names `std`.
#[cfg(any(test, feature = "arbitrary", feature = "proptest"))]
extern crate std;

#[cfg(any(feature = "proptest", feature = "arbitrary"))]
mod any;
mod error;
pub mod notation;
#[cfg(feature = "bytes")]
mod owned;
pub mod packet;
mod packet_id;
mod packet_type;
pub mod property;
mod qos;
mod reason;
mod rules;
pub mod statement;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod topic;
mod version;
mod wire;

#[cfg(any(feature = "proptest", feature = "arbitrary"))]
pub use any::AnyPacket;
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
#[cfg(feature = "bytes")]
pub use owned::OwnedPacket;
pub use packet::Packet;
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use property::{Properties, Property, PropertyId};
pub use qos::QoS;
pub use reason::ReasonCode;
pub use statement::Statement;
pub use topic::{TopicError, TopicErrorKind, TopicFilter, TopicName};
pub use version::{Sender, Version};
pub use wire::{Frame, MAX_REMAINING_LENGTH, frame_len};

// Errors are small, and everything can go to another thread.
const _: () = {
    assert!(size_of::<DecodeError>() <= 16);
    assert!(size_of::<Option<Statement>>() == 2);
    assert!(size_of::<Properties<'_>>() <= 3 * size_of::<usize>());
    assert!(size_of::<Packet<'_>>() <= 32 * size_of::<usize>());
};
const fn thread_safe<T: Send + Sync + Unpin>() {}
const _: () = {
    thread_safe::<Packet<'_>>();
    thread_safe::<DecodeError>();
    thread_safe::<EncodeError>();
    thread_safe::<packet::HeadStatus<'_>>();
    thread_safe::<property::Iter<'_>>();
    thread_safe::<property::Joined<'_>>();
    thread_safe::<packet::ListIter<'_, packet::Subscription<'_>>>();
    thread_safe::<topic::Pattern<'_>>();
};
