//! UNSUBSCRIBE (3.10).

use crate::{PacketId, Properties, TopicFilter};

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
#[derive(Copy, Clone)]
pub struct Filters<'a>(pub(crate) FiltersRepr<'a>);

#[derive(Copy, Clone)]
pub(crate) enum FiltersRepr<'a> {
    /// Checked payload bytes.
    Wire(&'a [u8]),
    List(&'a [TopicFilter<'a>]),
}

impl<'a> Filters<'a> {
    /// The filters of a slice; it must not be empty.
    pub const fn new(list: &'a [TopicFilter<'a>]) -> Self {
        Self(FiltersRepr::List(list))
    }
}
