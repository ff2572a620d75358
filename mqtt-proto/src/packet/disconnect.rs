//! DISCONNECT (3.14).

use crate::{Properties, ReasonCode};

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
        Self { code, properties: Properties::EMPTY }
    }
}
