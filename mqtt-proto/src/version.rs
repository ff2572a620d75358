//! Which MQTT, and who speaks.

use core::fmt;

/// A version of the protocol. Versions are values: one packet model serves all three.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Version {
    /// MQTT 3.1, protocol name `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1, protocol name `MQTT`, level 4.
    V311,
    /// MQTT 5.0, protocol name `MQTT`, level 5.
    V5,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// The protocol name that CONNECT carries (3.1.2.1).
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            Self::V311 | Self::V5 => "MQTT",
        }
    }

    /// The protocol level (5.0: version) byte that CONNECT carries (3.1.2.2).
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The version with this name and level, if there is one.
    pub fn from_protocol(name: &[u8], level: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|v| v.protocol_name().as_bytes() == name && v.level() == level)
    }

    /// Packets carry properties and reason codes: 5.0 only.
    pub const fn has_properties(self) -> bool {
        matches!(self, Self::V5)
    }
}

/// As people write it, and as traces and statements do: `3.1`, `3.1.1`, `5`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// Who sent the bytes that are decoded. Some packets, codes and properties are right from one side only.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[allow(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum Sender {
    /// A client sent it.
    Client,
    /// A server sent it.
    Server,
    /// Not known, as in a capture: rules that depend on the sender are not checked.
    Any,
}
