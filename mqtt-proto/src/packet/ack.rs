//! PUBACK, PUBREC, PUBREL and PUBCOMP have one shape (3.4 to 3.7).

use crate::{PacketId, Properties, ReasonCode};

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

impl Ack<'_> {
    /// An answer without properties.
    pub const fn new(packet_id: PacketId, code: ReasonCode) -> Self {
        Self { packet_id, code, properties: Properties::EMPTY }
    }
}
