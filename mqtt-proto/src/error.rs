//! What can be wrong with bytes, and with a packet that is to be written.

use core::fmt;

use crate::{PacketType, ReasonCode, Statement};

/// Why bytes were refused. At most 16 bytes; tells the reason code to answer with and the statement that was broken.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecodeError {
    pub(crate) kind: DecodeErrorKind,
    pub(crate) reason: ReasonCode,
    pub(crate) packet_type: Option<PacketType>,
    pub(crate) statement: Option<Statement>,
    pub(crate) offset: u32,
}
