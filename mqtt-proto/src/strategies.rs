//! Strategies for property tests with `proptest`: any valid packet of a version, a sender, a type.
//!
//! ```
//! use mqtt_proto::{Packet, Sender, Version, strategies};
//! use proptest::prelude::*;
//!
//! proptest!(|(any in strategies::packet(Version::V5, Sender::Server))| {
//!     let bytes = any.to_bytes()?;
//!     let decoded = Packet::decode(Version::V5, Sender::Server, &bytes)?;
//!     any.with(|packet| assert_eq!(packet, decoded));
//! });
//! ```

use alloc::vec::Vec;

use proptest::{collection::vec, prelude::*};

use crate::{AnyPacket, PacketType, Sender, Version};

/// Any version.
pub fn version() -> impl Strategy<Value = Version> + Clone {
    proptest::sample::select(&Version::ALL[..])
}

/// Any sender, one that is not told among them.
pub fn sender() -> impl Strategy<Value = Sender> + Clone {
    proptest::sample::select(&[Sender::Client, Sender::Server, Sender::Any][..])
}

/// Any packet of any version that anyone may send.
pub fn any_packet() -> impl Strategy<Value = AnyPacket> + Clone {
    (version(), sender(), choices())
        .prop_map(|(version, from, bytes)| AnyPacket::draw(version, from, None, &bytes))
}

/// Any packet of this version that this side may send.
pub fn packet(version: Version, from: Sender) -> impl Strategy<Value = AnyPacket> + Clone {
    choices().prop_map(move |bytes| AnyPacket::draw(version, from, None, &bytes))
}

/// Any packet of this type; if this side may not send it in this version, any other.
pub fn packet_of(
    version: Version,
    from: Sender,
    packet_type: PacketType,
) -> impl Strategy<Value = AnyPacket> + Clone {
    choices().prop_map(move |bytes| AnyPacket::draw(version, from, Some(packet_type), &bytes))
}

/// What a packet is drawn from. Shrinking it shrinks the packet.
fn choices() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 0..256)
}
