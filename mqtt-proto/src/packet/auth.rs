//! AUTH (5.0, 3.15).

use crate::{Properties, ReasonCode};

/// A step of an authentication exchange.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// 0x00, 0x18 or 0x19.
    pub code: ReasonCode,
    /// Authentication Method (required), Authentication Data, Reason String, User Property.
    pub properties: Properties<'a>,
}
