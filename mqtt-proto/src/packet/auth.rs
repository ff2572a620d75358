//! AUTH (5.0, 3.15).

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketType, Properties, PropertyId, ReasonCode,
    property::{PropertyPlace, Seen},
    rules::{Broken, Site},
    wire::{Reader, Sink},
};

const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Auth);

/// A step of an authentication exchange.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// 0x00, 0x18 or 0x19.
    pub code: ReasonCode,
    /// Authentication Method (required), Authentication Data, Reason String, User Property.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // An empty body stands for code 0x00 without properties, which then lack their method.
        let at = r.offset();
        let code = if r.is_empty() {
            ReasonCode::SUCCESS
        } else {
            ReasonCode(r.u8()?)
        };
        r.site.code(code).map_err(|broken| broken.at(at))?;
        let at = r.offset();
        let (properties, seen) = if r.is_empty() {
            (Properties::EMPTY, Seen::default())
        } else {
            r.properties(PLACE)?
        };
        check_method(seen, r.site).map_err(|broken| broken.at(at))?;
        Ok(Self { code, properties })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        if !site.version.has_properties() {
            return Err(site.not_in_version());
        }
        site.code(self.code)?;
        Ok(check_method(self.properties.check(PLACE, site)?, site)?)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u8(self.code.0);
        self.properties.write(site, sink);
    }
}

/// Every AUTH names its method (section 3.15.2.2.2).
fn check_method(seen: Seen, site: Site) -> Result<(), Broken> {
    if seen.has(PropertyId::AuthenticationMethod) {
        Ok(())
    } else {
        Err(site.broken(DecodeErrorKind::AuthMethodMissing))
    }
}
