//! The payload of a publish, as its caller has it.

/// The bytes of a message that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'p> {
    /// These bytes; the machine keeps a copy until it needs them no more.
    Copy(&'p [u8]),
    /// Bytes that are shared; nothing is copied.
    #[cfg(feature = "bytes")]
    Shared(bytes::Bytes),
    /// So many bytes that the caller keeps, in flash or in a file, and writes when the machine says so
    /// ([`Body::External`](crate::Body::External)), again at each repeat.
    External(u32),
}

impl Payload<'_> {
    /// How many bytes the payload has.
    pub const fn len(&self) -> usize {
        match self {
            Self::Copy(bytes) => bytes.len(),
            #[cfg(feature = "bytes")]
            Self::Shared(bytes) => bytes.len(),
            Self::External(len) => *len as usize,
        }
    }

    /// The message is empty; with RETAIN it clears the topic's retained message (3.3.1.3).
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'p> From<&'p [u8]> for Payload<'p> {
    fn from(bytes: &'p [u8]) -> Self {
        Self::Copy(bytes)
    }
}

impl<'p, const N: usize> From<&'p [u8; N]> for Payload<'p> {
    fn from(bytes: &'p [u8; N]) -> Self {
        Self::Copy(bytes)
    }
}

impl<'p> From<&'p str> for Payload<'p> {
    fn from(text: &'p str) -> Self {
        Self::Copy(text.as_bytes())
    }
}

#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Payload<'_> {
    fn from(bytes: bytes::Bytes) -> Self {
        Self::Shared(bytes)
    }
}
