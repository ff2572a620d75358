//! Packets that own their bytes by sharing the receive buffer.

use bytes::Bytes;

use crate::{
    DecodeError, Packet, Sender, Version,
    packet::{HeadStatus, PublishHead},
};

/// A packet with its bytes: a counted reference into the buffer it was received in. Cloning it copies nothing, and it can go anywhere.
///
/// ```
/// use bytes::Bytes;
/// use mqtt_proto::{OwnedPacket, Packet, Sender, Version};
///
/// let received = Bytes::from_static(&[0x30, 0x07, 0x00, 0x03, b'a', b'/', b'b', b'h', b'i']);
/// let owned = OwnedPacket::decode(Version::V311, Sender::Client, received)?;
/// assert!(matches!(owned.packet(), Packet::Publish(publish) if publish.head.topic == "a/b"));
/// assert_eq!(owned.payload(), Some(Bytes::from_static(b"hi")));
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedPacket {
    version: Version,
    from: Sender,
    frame: Bytes,
}

impl OwnedPacket {
    /// Decodes one packet, as [`Packet::decode`], and keeps its bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Packet::decode`].
    pub fn decode(version: Version, from: Sender, frame: Bytes) -> Result<Self, DecodeError> {
        // A CONNECT is of its own version.
        let version = if let Packet::Connect(connect) = Packet::decode(version, from, &frame)? {
            connect.version
        } else {
            version
        };
        Ok(Self { version, from, frame })
    }

    /// The packet, borrowed. It is read again each time: take it once, not field by field.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        // These bytes were decoded before, in the same way.
        let packet = Packet::decode(self.version, self.from, &self.frame);
        debug_assert!(packet.is_ok(), "the same bytes are decoded alike");
        packet.unwrap_or(Packet::PingReq)
    }

    /// The version it was decoded in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// All its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.frame
    }

    /// The payload of a PUBLISH, in the same memory; `None` for another type.
    #[must_use]
    pub fn payload(&self) -> Option<Bytes> {
        match PublishHead::decode(self.version, self.from, &self.frame) {
            Ok(HeadStatus::Head { head_len, .. }) => Some(self.frame.slice(head_len..)),
            Ok(HeadStatus::Need(_)) | Err(_) => None,
        }
    }
}

impl core::fmt::Debug for OwnedPacket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.packet().fmt(f)
    }
}
