//! SUBACK (3.9) and UNSUBACK (3.11).

use core::fmt;

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version,
    property::PropertyPlace,
    rules::{Broken, Site},
    wire::{Reader, Sink},
};

/// The server's answer to SUBSCRIBE.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The id of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason String and User Property; empty in 3.x.
    pub properties: Properties<'a>,
    /// One code for each filter, in their order.
    pub codes: ReasonCodes<'a>,
}

/// The server's answer to UNSUBSCRIBE.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The id of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason String and User Property; empty in 3.x.
    pub properties: Properties<'a>,
    /// One code for each filter, in their order; empty in 3.x.
    pub codes: ReasonCodes<'a>,
}

/// A list of reason codes, one byte each.
#[derive(Copy, Clone)]
pub struct ReasonCodes<'a> {
    bytes: &'a [u8],
    /// The bits that count.
    mask: u8,
}

impl<'a> ReasonCodes<'a> {
    /// No codes, as in an UNSUBACK of 3.x.
    pub const EMPTY: Self = Self::new(&[]);

    /// The codes in a slice, one byte each.
    pub const fn new(codes: &'a [u8]) -> Self {
        Self {
            bytes: codes,
            mask: 0xFF,
        }
    }

    /// The bytes that hold the codes.
    pub const fn as_wire(&self) -> &'a [u8] {
        self.bytes
    }

    /// The same view on other bytes.
    pub const fn on<'x>(&self, bytes: &'x [u8]) -> ReasonCodes<'x> {
        ReasonCodes {
            bytes,
            mask: self.mask,
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// There are none, as in an UNSUBACK of 3.x.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The codes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReasonCode> + Clone + use<'a> {
        let mask = self.mask;
        self.bytes.iter().map(move |&code| ReasonCode(code & mask))
    }

    /// All that is left to read. In 3.1 the upper six bits are reserved.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.offset();
        // 3.1/3.9-1
        let mask = if matches!(r.site.version, Version::V31) {
            0x03
        } else {
            0xFF
        };
        let codes = Self {
            bytes: r.take_rest(),
            mask,
        };
        codes
            .check(r.site)
            .map_err(|(broken, index)| broken.at(at.saturating_add(index)))?;
        Ok(codes)
    }

    /// One code or more, and all of the packet's table.
    fn check(&self, site: Site) -> Result<(), (Broken, usize)> {
        if self.is_empty() {
            return Err((site.broken(DecodeErrorKind::ReasonCodesEmpty), 0));
        }
        self.iter()
            .enumerate()
            .try_for_each(|(index, code)| site.code(code).map_err(|broken| (broken, index)))
    }

    fn write(&self, sink: &mut impl Sink) {
        if self.mask == 0xFF {
            return sink.put(self.bytes);
        }
        for code in self.iter() {
            sink.u8(code.0);
        }
    }
}

impl Default for ReasonCodes<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The same codes in the same order.
impl PartialEq for ReasonCodes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ReasonCodes<'_> {}

impl fmt::Debug for ReasonCodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> SubAck<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::SubAck);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        let codes = ReasonCodes::decode(r)?;
        Ok(Self {
            packet_id,
            properties,
            codes,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(Self::PLACE, site)?;
        Ok(self.codes.check(site).map_err(|(broken, _)| broken)?)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u16(self.packet_id.get());
        self.properties.write(site, sink);
        self.codes.write(sink);
    }
}

impl<'a> UnsubAck<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::UnsubAck);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        let codes = if r.site.version.has_properties() {
            ReasonCodes::decode(r)?
        } else {
            ReasonCodes::EMPTY
        };
        Ok(Self {
            packet_id,
            properties,
            codes,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(Self::PLACE, site)?;
        if !site.version.has_properties() {
            return if self.codes.is_empty() {
                Ok(())
            } else {
                Err(site.not_in_version())
            };
        }
        Ok(self.codes.check(site).map_err(|(broken, _)| broken)?)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u16(self.packet_id.get());
        self.properties.write(site, sink);
        self.codes.write(sink);
    }
}
