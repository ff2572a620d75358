//! UNSUBSCRIBE (3.10).

use core::{fmt, iter::FusedIterator};

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketId, PacketType, Properties, TopicFilter,
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

/// The filters of an UNSUBSCRIBE: bytes of a decoded packet, or a caller's slice. Iterating cannot fail.
#[derive(Copy, Clone)]
pub struct Filters<'a>(FiltersRepr<'a>);

#[derive(Copy, Clone)]
enum FiltersRepr<'a> {
    /// Checked payload bytes.
    Wire(&'a [u8]),
    List(&'a [TopicFilter<'a>]),
}

impl<'a> Filters<'a> {
    /// The filters of a slice; it must not be empty.
    pub const fn new(list: &'a [TopicFilter<'a>]) -> Self {
        Self(FiltersRepr::List(list))
    }

    /// How many there are; counted each time.
    pub fn len(&self) -> usize {
        match self.0 {
            FiltersRepr::Wire(_) => self.iter().count(),
            FiltersRepr::List(list) => list.len(),
        }
    }

    /// There are none, which cannot be written.
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            FiltersRepr::Wire(wire) => wire.is_empty(),
            FiltersRepr::List(list) => list.is_empty(),
        }
    }

    /// The filters in order.
    pub const fn iter(&self) -> FiltersIter<'a> {
        FiltersIter(self.0)
    }
}

/// The filters of an UNSUBSCRIBE, in order.
#[derive(Clone)]
pub struct FiltersIter<'a>(FiltersRepr<'a>);

impl<'a> Iterator for FiltersIter<'a> {
    type Item = TopicFilter<'a>;

    fn next(&mut self) -> Option<TopicFilter<'a>> {
        match &mut self.0 {
            FiltersRepr::Wire(wire) => {
                let (rest, filter) = wire::text(wire).ok()?;
                *wire = rest;
                Some(TopicFilter::validated(filter))
            }
            FiltersRepr::List(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
        }
    }
}

impl FusedIterator for FiltersIter<'_> {}

impl fmt::Debug for FiltersIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for Filters<'a> {
    type Item = TopicFilter<'a>;
    type IntoIter = FiltersIter<'a>;

    fn into_iter(self) -> FiltersIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Filters<'a> {
    type Item = TopicFilter<'a>;
    type IntoIter = FiltersIter<'a>;

    fn into_iter(self) -> FiltersIter<'a> {
        self.iter()
    }
}

/// The same filters in the same order.
impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Filters<'_> {}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Unsubscribe<'a> {
    const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Unsubscribe);

    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = r.packet_id()?;
        let (properties, _) = r.properties(Self::PLACE)?;
        if r.is_empty() {
            return Err(r.broken(DecodeErrorKind::FiltersEmpty, r.offset()));
        }
        let mut filters = *r;
        while !filters.is_empty() {
            filters.topic_filter()?;
        }
        Ok(Self {
            packet_id,
            properties,
            filters: Filters(FiltersRepr::Wire(r.take_rest())),
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
