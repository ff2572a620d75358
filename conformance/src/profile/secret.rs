//! What nobody is to read.

use core::fmt;
use core::ops::Deref;

use serde::Deserialize;

/// A text that is not printed: `***` stands for it in what a program logs, and in the record of a run.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// This text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A CONNECT of which this is the password, its last field (3.1.3.5 of 3.1.1, 3.1.3.6 of 5.0), with stars for it: other bytes
    /// of no other length. Bytes that are no such packet stay as they are.
    pub(crate) fn hidden_in(&self, packet: &[u8]) -> Vec<u8> {
        const CONNECT: u8 = 0x10;
        let mut packet = packet.to_vec();
        let is_last = !self.is_empty() && packet.ends_with(self.as_bytes());
        if packet.first() == Some(&CONNECT) && is_last {
            packet.truncate(packet.len() - self.len());
            packet.extend(self.bytes().map(|_| b'*'));
        }
        packet
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
