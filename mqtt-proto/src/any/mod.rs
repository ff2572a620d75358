//! Any valid packet, drawn from bytes: the one generator behind the features `proptest` and `arbitrary`.
//!
//! - `source`: choices drawn from bytes.
//! - `draft`: the owned fields of a packet, and the [`Packet`] that borrows them.
//! - `draw`: which fields a packet may have in a version, from a sender.
//! - `property`: the same for properties.

mod draft;
mod draw;
mod property;
mod source;

use alloc::{vec, vec::Vec};

use crate::{EncodeError, Packet, PacketType, Sender, Version};
use draft::Draft;
use source::Source;

/// A packet with its own memory, valid in one version and from one sender. Made for tests: see the features `proptest` and `arbitrary`.
///
/// ```
/// use mqtt_proto::{AnyPacket, Packet, PacketType, Sender, Version};
///
/// let any = AnyPacket::draw(Version::V5, Sender::Client, Some(PacketType::Publish), b"some seventeen bytes or so");
/// let bytes = any.to_bytes()?;
/// let decoded = Packet::decode(any.version(), any.from(), &bytes);
/// any.with(|packet| assert_eq!(decoded, Ok(packet)));
/// # Ok::<(), mqtt_proto::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyPacket {
    version: Version,
    from: Sender,
    draft: Draft,
}

impl AnyPacket {
    /// The packet that these bytes stand for: the same bytes give the same packet, all bytes give one, and bytes that are missing count as 0.
    /// Without a type, or with one that this sender may not send, the bytes choose it. [`Sender::Any`] gives what either side may send.
    #[must_use]
    pub fn draw(version: Version, from: Sender, packet_type: Option<PacketType>, bytes: &[u8]) -> Self {
        let mut source = Source::new(bytes);
        Self {
            version,
            from,
            draft: draw::packet(version, from, packet_type, &mut source),
        }
    }

    /// The version in which it is valid.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The sender from whom it is valid.
    #[must_use]
    pub const fn from(&self) -> Sender {
        self.from
    }

    /// Hands the packet out, borrowed.
    pub fn with<R>(&self, f: impl FnOnce(Packet<'_>) -> R) -> R {
        self.draft.with(self.version, f)
    }

    /// The packet as bytes.
    ///
    /// # Errors
    ///
    /// None, as long as drawing and encoding agree on what is valid: a test of the codec asserts that.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        self.with(|packet| {
            let mut out = vec![0; packet.encoded_len(self.version)?];
            packet.encode(self.version, &mut out)?;
            Ok(out)
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'u> arbitrary::Arbitrary<'u> for AnyPacket {
    fn arbitrary(u: &mut arbitrary::Unstructured<'u>) -> arbitrary::Result<Self> {
        let (version, from) = (u.arbitrary()?, u.arbitrary()?);
        let len = u.len();
        Ok(Self::draw(version, from, None, u.bytes(len)?))
    }
}
