//! CONNACK (3.2).

use crate::{Properties, ReasonCode};

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
