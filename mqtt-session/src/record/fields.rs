//! Numbers and texts inside a frame: high byte first, as in MQTT.

use mqtt_proto::{PacketId, Property};

use crate::{Instant, Token};

/// Where fields go: to a buffer, or nowhere to be counted.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
    fn put_property(&mut self, property: &Property<'_>);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }
    #[cfg(feature = "server")]
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
    fn put_token(&mut self, token: Token) {
        self.put_u32(token.get());
    }
    /// 0 stands for none.
    fn put_id(&mut self, id: Option<PacketId>) {
        self.put_u16(id.map_or(0, PacketId::get));
    }
    fn put_instant(&mut self, at: Instant) {
        self.put(&at.as_micros().to_be_bytes());
    }
}

/// Counts bytes.
pub(super) struct Length(pub(super) usize);

impl Sink for Length {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
    fn put_property(&mut self, property: &Property<'_>) {
        self.0 += property.encoded_len();
    }
}

/// Fills a buffer; what does not fit is left out, which cannot be if the length was counted.
pub(super) struct Buffer<'o>(pub(super) &'o mut [u8]);

impl Sink for Buffer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some((place, rest)) = core::mem::take(&mut self.0).split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.0 = rest;
        }
    }
    fn put_property(&mut self, property: &Property<'_>) {
        let len = property.encoded_len();
        if let Some((place, rest)) = core::mem::take(&mut self.0).split_at_mut_checked(len) {
            // There is room for exactly this property.
            let _ = property.encode(place);
            self.0 = rest;
        }
    }
}

/// Takes fields off the front of a frame's body.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
    #[cfg(feature = "server")]
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
    pub(super) fn token(&mut self) -> Option<Token> {
        self.u32().and_then(Token::from_raw)
    }
    /// 0 stands for none.
    pub(super) fn maybe_id(&mut self) -> Option<Option<PacketId>> {
        self.u16().map(PacketId::new)
    }
    pub(super) fn id(&mut self) -> Option<PacketId> {
        self.maybe_id().flatten()
    }
    pub(super) fn instant(&mut self) -> Option<Instant> {
        self.array().map(u64::from_be_bytes).map(Instant::from_micros)
    }
}
