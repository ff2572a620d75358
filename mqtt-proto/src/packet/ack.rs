//! PUBACK, PUBREC, PUBREL and PUBCOMP have one shape (3.4 to 3.7).

use crate::{
    DecodeError, EncodeError, PacketId, Properties, ReasonCode,
    property::PropertyPlace,
    rules::Site,
    wire::{Reader, Sink},
};

/// An answer within a QoS 1 or 2 exchange.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The id of the message it belongs to.
    pub packet_id: PacketId,
    /// How it went; in 3.x always [`ReasonCode::SUCCESS`].
    pub code: ReasonCode,
    /// Reason String and User Property; empty in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    pub(super) fn decode(r: &mut Reader<'a>, place: PropertyPlace) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (code, properties) = read_code(r, place)?;
        Ok(Self {
            packet_id,
            code,
            properties,
        })
    }

    pub(super) fn check(&self, place: PropertyPlace, site: Site) -> Result<(), EncodeError> {
        check_code(self.code, &self.properties, place, site)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u16(self.packet_id.get());
        write_code(self.code, &self.properties, site, sink);
    }
}

/// Reason code and properties, both of which may be left out from the end: as in the four answers and DISCONNECT.
pub(super) fn read_code<'a>(
    r: &mut Reader<'a>,
    place: PropertyPlace,
) -> Result<(ReasonCode, Properties<'a>), DecodeError> {
    if !r.site.version.has_properties() || r.is_empty() {
        return Ok((ReasonCode::SUCCESS, Properties::EMPTY));
    }
    let at = r.offset();
    let code = ReasonCode(r.u8()?);
    r.site.code(code).map_err(|broken| broken.at(at))?;
    if r.is_empty() {
        return Ok((code, Properties::EMPTY));
    }
    let (properties, _) = r.properties(place)?;
    Ok((code, properties))
}

pub(super) fn check_code(
    code: ReasonCode,
    properties: &Properties<'_>,
    place: PropertyPlace,
    site: Site,
) -> Result<(), EncodeError> {
    if !site.version.has_properties() && code != ReasonCode::SUCCESS {
        return Err(site.not_in_version());
    }
    site.code(code)?;
    properties.check(place, site)?;
    Ok(())
}

/// Both are left out when they say nothing; without properties their length is left out.
pub(super) fn write_code(code: ReasonCode, properties: &Properties<'_>, site: Site, sink: &mut impl Sink) {
    if !site.version.has_properties() || (code == ReasonCode::SUCCESS && properties.is_empty()) {
        return;
    }
    sink.u8(code.0);
    if !properties.is_empty() {
        properties.write(site, sink);
    }
}

impl Ack<'_> {
    /// An answer without properties.
    pub const fn new(packet_id: PacketId, code: ReasonCode) -> Self {
        Self {
            packet_id,
            code,
            properties: Properties::EMPTY,
        }
    }
}
