//! DISCONNECT (3.14).

use super::ack::{check_code, read_code, write_code};
use crate::{
    DecodeError, EncodeError, PacketType, Properties, ReasonCode,
    property::PropertyPlace,
    rules::Site,
    wire::{Reader, Sink},
};

const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Disconnect);

/// The last packet of a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; in 3.x always [`ReasonCode::NORMAL_DISCONNECTION`].
    pub code: ReasonCode,
    /// Session Expiry Interval (from clients), Reason String, User Property, Server Reference (from servers); empty in 3.x.
    pub properties: Properties<'a>,
}

impl Disconnect<'_> {
    /// A DISCONNECT without properties.
    pub const fn new(code: ReasonCode) -> Self {
        Self {
            code,
            properties: Properties::EMPTY,
        }
    }
}

impl<'a> Disconnect<'a> {
    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (code, properties) = read_code(r, PLACE)?;
        Ok(Self { code, properties })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        check_code(self.code, &self.properties, PLACE, site)
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        write_code(self.code, &self.properties, site, sink);
    }
}
