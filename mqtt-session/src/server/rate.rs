//! How fast a client may publish: token buckets.

/// How fast a client may publish; of each kind as much as its bucket holds, and no limit without one.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rate {
    /// PUBLISH packets.
    pub messages: Option<Bucket>,
    /// Bytes of their topics, properties and payloads.
    pub bytes: Option<Bucket>,
}

impl Rate {
    /// As fast as it can.
    pub const UNLIMITED: Self = Self {
        messages: None,
        bytes: None,
    };
}

/// A token bucket: it is full at first, each use takes some out, and time fills it again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "it is a bucket by these two numbers")]
pub struct Bucket {
    /// How many may be used in a second in the long run.
    pub per_second: u32,
    /// How many may be used at once after a quiet time.
    pub burst: u32,
}
