//! Packet identifiers (section 2.2.1, in 3.x 2.3.1).

use core::{fmt, num::NonZeroU16};

/// A packet identifier: 1 to 65,535 (`5/MQTT-2.2.1-3`, `3.1.1/MQTT-2.3.1-1`).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The smallest identifier.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The largest identifier.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// `None` for 0, which no packet may carry.
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The next identifier; 1 follows 65,535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::MIN,
        }
    }
}

impl From<NonZeroU16> for PacketId {
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PacketId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "#{=u16}", self.0.get());
    }
}
