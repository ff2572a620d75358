//! SUBACK (3.9) and UNSUBACK (3.11).

use crate::{PacketId, Properties, ReasonCode};

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
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonCodes<'a>(pub &'a [u8]);

impl<'a> ReasonCodes<'a> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none, as in an UNSUBACK of 3.x.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReasonCode> + Clone + use<'a> {
        self.0.iter().map(|&code| ReasonCode(code))
    }
}
