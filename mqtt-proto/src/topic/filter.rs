//! Topic filters, and what they match.

use core::fmt;
use core::str::Split;

use super::{MAX_TOPIC_LEN, Share, TopicError, TopicErrorKind, TopicName};
use crate::Version;

/// What a subscription asks for: a checked `&str`.
///
/// It has 1 to 65,535 bytes and no NUL; `+` fills a level, `#` fills the last one (4.7.1). A filter that begins with
/// `$share/` is an ordinary filter in 3.1 and 3.1.1 and a shared subscription in 5.0: see [`check_share`](Self::check_share).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a topic filter. What follows `$share/` is not judged, because that depends on the version.
    ///
    /// # Errors
    ///
    /// The text is empty, too long, or has a NUL or a misplaced wildcard.
    pub fn new(filter: &'a str) -> Result<Self, TopicError> {
        if filter.is_empty() {
            return Err(TopicError::new(TopicErrorKind::Empty, 0));
        }
        if filter.len() > MAX_TOPIC_LEN {
            return Err(TopicError::new(TopicErrorKind::TooLong, MAX_TOPIC_LEN));
        }
        let mut previous = b'/';
        let mut bytes = filter.bytes().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            let mut next = bytes.clone().map(|(_, b)| b);
            match byte {
                0 => return Err(TopicError::new(TopicErrorKind::Nul, offset)),
                // 5/MQTT-4.7.1-1, 3.1.1/MQTT-4.7.1-2
                b'#' if previous != b'/' || next.next().is_some() => {
                    return Err(TopicError::new(TopicErrorKind::MultiLevelWildcard, offset));
                }
                // 5/MQTT-4.7.1-2, 3.1.1/MQTT-4.7.1-3
                b'+' if previous != b'/' || next.next().is_some_and(|b| b != b'/') => {
                    return Err(TopicError::new(TopicErrorKind::SingleLevelWildcard, offset));
                }
                _ => previous = byte,
            }
        }
        Ok(Self(filter))
    }

    /// A filter that was checked before.
    pub(crate) const fn validated(filter: &'a str) -> Self {
        Self(filter)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels, wildcards among them: what stands before, between and after the slashes.
    pub fn levels(self) -> Split<'a, char> {
        self.0.split('/')
    }

    /// True if there is a `+` or `#` in it.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(|b| matches!(b, b'+' | b'#'))
    }

    /// The parts of a shared subscription; `None` if the filter is not one, or is a malformed one.
    ///
    /// Only 5.0 has shared subscriptions.
    #[must_use]
    pub fn share(self) -> Option<Share<'a>> {
        self.check_share().ok().flatten()
    }

    /// The parts of a shared subscription; `None` if the filter does not begin with `$share/`.
    ///
    /// # Errors
    ///
    /// It does, and the group has no name or one with a wildcard, or no filter follows (5/MQTT-4.8.2-1, 5/MQTT-4.8.2-2).
    pub fn check_share(self) -> Result<Option<Share<'a>>, TopicError> {
        Share::parse(self)
    }

    /// Whether a message published to this name is one that the filter asks for.
    ///
    /// In 3.1.1 and 5.0 a filter that begins with a wildcard does not match a name that begins with `$`
    /// (5/MQTT-4.7.2-1, 3.1.1/MQTT-4.7.2-1); in 3.1 it does. Characters match themselves and nothing else
    /// (5/MQTT-4.7.3-4, 3.1.1/MQTT-4.7.3-4, 3.1/A-5), but for wildcards (3.1/A-1). For a shared
    /// subscription ask [`Share::filter`].
    #[must_use]
    pub fn matches(self, name: TopicName<'_>, version: Version) -> bool {
        let dollar_is_special = !matches!(version, Version::V31);
        if name.is_empty()
            || (dollar_is_special && name.as_str().starts_with('$') && self.0.starts_with(['+', '#']))
        {
            return false;
        }
        let mut levels = name.levels();
        for wanted in self.levels() {
            match (wanted, levels.next()) {
                // The level before '#' matches too: "a/#" matches "a" (5.0 section 4.7.1.2).
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl<'a> TryFrom<&'a str> for TopicFilter<'a> {
    type Error = TopicError;

    fn try_from(filter: &'a str) -> Result<Self, TopicError> {
        Self::new(filter)
    }
}

/// Every topic name is a filter that matches just this name; but not [`TopicName::EMPTY`].
impl<'a> TryFrom<TopicName<'a>> for TopicFilter<'a> {
    type Error = TopicError;

    fn try_from(name: TopicName<'a>) -> Result<Self, TopicError> {
        if name.is_empty() {
            Err(TopicError::new(TopicErrorKind::Empty, 0))
        } else {
            Ok(Self(name.as_str()))
        }
    }
}

impl AsRef<str> for TopicFilter<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for TopicFilter<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for TopicFilter<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
