//! What is to be written next.

use crate::Token;

/// The rest of one packet: its head, then its body. Never copied together by the machine: write both, with one vectored
/// write where there is one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// First these bytes; empty if they are written already.
    pub head: &'a [u8],
    /// Then these.
    pub body: Body<'a>,
}

/// The second part of a packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// Bytes that the machine holds; may be empty.
    Bytes(&'a [u8]),
    /// Bytes that the caller holds: of the payload given as external for this operation, `len` bytes from `offset`.
    External {
        /// The publish whose payload it is.
        token: Token,
        /// Where in the payload the bytes to write begin.
        offset: u32,
        /// How many are left to write, from there.
        len: u32,
    },
}

impl Transmit<'_> {
    /// How many bytes are left of this packet.
    pub const fn len(&self) -> usize {
        let body = match self.body {
            Body::Bytes(bytes) => bytes.len(),
            Body::External { len, .. } => len as usize,
        };
        self.head.len().saturating_add(body)
    }

    /// Never true of what a machine gives.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
