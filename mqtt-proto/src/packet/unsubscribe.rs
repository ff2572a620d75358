//! UNSUBSCRIBE (3.10).

use super::list::{List, sealed::Listed};
use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, TopicFilter, Version,
    property::PropertyPlace,
    rules::Site,
    wire::{self, Reader, Sink, check_share},
};

/// A client gives subscriptions up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The id that UNSUBACK repeats.
    pub packet_id: PacketId,
    /// User Property; empty in 3.x.
    pub properties: Properties<'a>,
    /// One or more filters.
    pub filters: Filters<'a>,
}

/// The filters of an UNSUBSCRIBE: bytes of a decoded packet, or a caller's slice.
pub type Filters<'a> = List<'a, TopicFilter<'a>>;

impl<'a> Listed<'a> for TopicFilter<'a> {
    fn next(wire: &'a [u8], _: Version) -> Option<(Self, &'a [u8])> {
        let (rest, filter) = wire::text(wire).ok()?;
        Some((Self::validated(filter), rest))
    }
}

impl<'a> Unsubscribe<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Unsubscribe);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        Ok(Self {
            packet_id,
            properties,
            filters: List::decode(r, Reader::topic_filter)?,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(Self::PLACE, site)?;
        if self.filters.is_empty() {
            return Err(site.broken(DecodeErrorKind::FiltersEmpty).into());
        }
        self.filters
            .iter()
            .try_for_each(|filter| Ok(check_share(site, filter).map_err(|(broken, _)| broken)?))
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        sink.u16(self.packet_id.get());
        self.properties.write(site, sink);
        for filter in self.filters {
            sink.text(filter.as_str());
        }
    }
}
