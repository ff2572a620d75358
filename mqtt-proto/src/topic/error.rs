//! What is wrong with a name or a filter.

use core::fmt;

use crate::{Statement, Version, statement};

/// A text that is no topic name, or no topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TopicError {
    kind: TopicErrorKind,
    offset: usize,
}

/// What rule a name or filter breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TopicErrorKind {
    /// No character at all.
    Empty,
    /// More than 65,535 bytes.
    TooLong,
    /// A NUL character.
    Nul,
    /// `+` or `#` in a topic name.
    WildcardInName,
    /// `#` that is not alone in the last level.
    MultiLevelWildcard,
    /// `+` that is not alone in its level.
    SingleLevelWildcard,
    /// `$share/` without the name of a group.
    NoShareName,
    /// A group's name with a wildcard in it, or with no filter after it.
    MalformedShare,
}

impl TopicError {
    pub(super) const fn new(kind: TopicErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(self) -> TopicErrorKind {
        self.kind
    }

    /// Where it is wrong, in bytes from the start of the text.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// The statement that the text breaks in this version of MQTT.
    ///
    /// A packet that has a closer rule of its own, as PUBLISH has for wildcards (5/MQTT-3.3.2-2), names that instead.
    /// Shared subscriptions are of 5.0 alone, so their rules are named with 5.0 whatever the version.
    #[must_use]
    pub const fn statement(self, version: Version) -> Statement {
        // The one table of the versions' differences in naming these rules: (kind, 5.0, 3.1.1, 3.1).
        let (v5, v311, v31) = match self.kind {
            TopicErrorKind::Empty => (
                statement!("5/MQTT-4.7.3-1"),
                statement!("3.1.1/MQTT-4.7.3-1"),
                statement!("3.1/A"),
            ),
            TopicErrorKind::TooLong => (
                statement!("5/MQTT-4.7.3-3"),
                statement!("3.1.1/MQTT-4.7.3-3"),
                statement!("3.1/2.5"),
            ),
            TopicErrorKind::Nul => (
                statement!("5/MQTT-4.7.3-2"),
                statement!("3.1.1/MQTT-4.7.3-2"),
                statement!("3.1/A"),
            ),
            TopicErrorKind::WildcardInName => (
                statement!("5/MQTT-4.7.0-1"),
                statement!("3.1.1/MQTT-4.7.1-1"),
                statement!("3.1/A"),
            ),
            TopicErrorKind::MultiLevelWildcard => (
                statement!("5/MQTT-4.7.1-1"),
                statement!("3.1.1/MQTT-4.7.1-2"),
                statement!("3.1/A"),
            ),
            TopicErrorKind::SingleLevelWildcard => (
                statement!("5/MQTT-4.7.1-2"),
                statement!("3.1.1/MQTT-4.7.1-3"),
                statement!("3.1/A"),
            ),
            TopicErrorKind::NoShareName => return statement!("5/MQTT-4.8.2-1"),
            TopicErrorKind::MalformedShare => return statement!("5/MQTT-4.8.2-2"),
        };
        match version {
            Version::V5 => v5,
            Version::V311 => v311,
            Version::V31 => v31,
        }
    }
}

impl fmt::Display for TopicErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic has at least one character",
            Self::TooLong => "a topic has at most 65535 bytes",
            Self::Nul => "NUL in a topic",
            Self::WildcardInName => "wildcard in a topic name",
            Self::MultiLevelWildcard => "'#' stands alone in the last level",
            Self::SingleLevelWildcard => "'+' stands alone in its level",
            Self::NoShareName => "'$share/' without the name of a group",
            Self::MalformedShare => "a shared filter is $share/group/filter, without wildcards in the group",
        })
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl core::error::Error for TopicError {}
