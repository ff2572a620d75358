//! CONNACK (3.2).

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketType, Properties, ReasonCode, Version,
    property::PropertyPlace,
    rules::{Broken, Site},
    wire::{Reader, Sink},
};

const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::ConnAck);

/// The server's answer to CONNECT.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The server has state of an earlier connection. False in 3.1, which has no such flag.
    pub session_present: bool,
    /// How it went. The return codes 1 to 5 of 3.x stand here as the reason codes of the same meaning:
    /// 0x84, 0x85, 0x88, 0x86 and 0x87.
    pub code: ReasonCode,
    /// What the server can do; empty in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.offset();
        let flags = r.u8()?;
        if flags & 0xFE != 0 {
            r.refuse(DecodeErrorKind::ConnAckReserved, at)?;
        }
        // In 3.1 the byte is reserved, and to be ignored (3.1/3.2-1).
        let session_present = flags & 1 != 0 && !matches!(r.site.version, Version::V31);
        let code_at = r.offset();
        let number = r.u8()?;
        let code = if r.site.version.has_properties() {
            Some(ReasonCode(number))
        } else {
            // 3.1/3.2-2
            ReasonCode::from_return_code(number)
        };
        let code = code.ok_or_else(|| r.broken(DecodeErrorKind::ReasonCodeUnknown, code_at))?;
        r.site.code(code).map_err(|broken| broken.at(code_at))?;
        check_session_present(session_present, code, r.site).map_err(|broken| broken.at(at))?;
        let at = r.offset();
        let (properties, seen) = r.properties(PLACE)?;
        seen.check_auth_data(r.site).map_err(|broken| broken.at(at))?;
        Ok(Self {
            session_present,
            code,
            properties,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        if self.session_present && matches!(site.version, Version::V31) {
            return Err(site.not_in_version());
        }
        site.code(self.code)?;
        if !site.version.has_properties() && self.code.return_code().is_none() {
            return Err(site.broken(DecodeErrorKind::ReasonCodeUnknown).into());
        }
        check_session_present(self.session_present, self.code, site)?;
        Ok(self.properties.check(PLACE, site)?.check_auth_data(site)?)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u8(u8::from(self.session_present));
        if site.version.has_properties() {
            sink.u8(self.code.0);
        } else {
            // A code without return code was refused before.
            sink.u8(self.code.return_code().unwrap_or(self.code.0));
        }
        self.properties.write(site, sink);
    }
}

/// A refusal has no session (`5/MQTT-3.2.2-6`, `3.1.1/MQTT-3.2.2-4`).
fn check_session_present(session_present: bool, code: ReasonCode, site: Site) -> Result<(), Broken> {
    if session_present && code != ReasonCode::SUCCESS {
        return site.refuse(DecodeErrorKind::SessionPresentRefused);
    }
    Ok(())
}
