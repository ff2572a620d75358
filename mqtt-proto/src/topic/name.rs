//! Topic names.

use core::fmt;
use core::str::Split;

use super::{MAX_TOPIC_LEN, TopicError, TopicErrorKind};
use crate::wire::contains;

/// What a message is published to: a checked `&str`.
///
/// It has 1 to 65,535 bytes, no NUL and no wildcard (4.7). [`TopicName::EMPTY`] is the one exception.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// No name. It stands only in a PUBLISH of MQTT 5.0 that has a Topic Alias in its place (5.0 section 3.3.2.3.4), and
    /// no filter matches it.
    pub const EMPTY: TopicName<'static> = TopicName::validated("");

    /// Checks a topic name.
    ///
    /// # Errors
    ///
    /// The text is empty, too long, or has a NUL or a wildcard.
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        if name.is_empty() {
            return Err(TopicError::new(TopicErrorKind::Empty, 0));
        }
        if name.len() > MAX_TOPIC_LEN {
            return Err(TopicError::new(TopicErrorKind::TooLong, MAX_TOPIC_LEN));
        }
        let refused = |b| matches!(b, 0 | b'+' | b'#');
        if !contains(name, refused) {
            return Ok(Self(name));
        }
        match name.bytes().enumerate().find(|(_, b)| refused(*b)) {
            None => Ok(Self(name)),
            Some((offset, 0)) => Err(TopicError::new(TopicErrorKind::Nul, offset)),
            Some((offset, _)) => Err(TopicError::new(TopicErrorKind::WildcardInName, offset)),
        }
    }

    /// A name that was checked before.
    pub(crate) const fn validated(name: &'a str) -> Self {
        Self(name)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// True for [`TopicName::EMPTY`].
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The levels, which may be empty: what stands before, between and after the slashes.
    pub fn levels(self) -> Split<'a, char> {
        self.0.split('/')
    }
}

impl<'a> TryFrom<&'a str> for TopicName<'a> {
    type Error = TopicError;

    fn try_from(name: &'a str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

impl AsRef<str> for TopicName<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl PartialEq<str> for TopicName<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for TopicName<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::{Statement, Version};

    fn refusal(name: &str) -> Option<(TopicErrorKind, usize)> {
        TopicName::new(name).err().map(|e| (e.kind(), e.offset()))
    }

    #[test]
    fn a_name_is_not_empty_has_no_nul_and_no_wildcard_and_fits_its_length() {
        assert_eq!(refusal(""), Some((TopicErrorKind::Empty, 0)));
        assert_eq!(refusal("a/\0"), Some((TopicErrorKind::Nul, 2)));
        assert_eq!(refusal("a/+/b"), Some((TopicErrorKind::WildcardInName, 2)));
        assert_eq!(refusal("é/#"), Some((TopicErrorKind::WildcardInName, 3)));
        let mut long: String = core::iter::repeat_n('x', MAX_TOPIC_LEN).collect();
        assert_eq!(refusal(&long), None);
        long.push('x');
        assert_eq!(refusal(&long), Some((TopicErrorKind::TooLong, MAX_TOPIC_LEN)));
        for good in [
            "a",
            "/",
            "//",
            " ",
            "a b/c",
            "$SYS/x",
            "\u{feff}a",
            "\u{1}",
            "grüße/日本",
        ] {
            assert_eq!(refusal(good), None, "{good:?}");
        }
    }

    #[test]
    fn the_refusal_names_the_rule_of_the_version() {
        let e = TopicName::new("a/+").unwrap_err();
        let names = [Version::V31, Version::V311, Version::V5].map(|v| e.statement(v));
        let wanted = ["3.1/A", "3.1.1/MQTT-4.7.1-1", "5/MQTT-4.7.0-1"];
        assert_eq!(names.map(Some), wanted.map(Statement::from_label));
    }

    #[test]
    fn levels_may_be_empty() {
        let levels = |name| {
            TopicName::new(name)
                .unwrap()
                .levels()
                .collect::<std::vec::Vec<_>>()
        };
        assert_eq!(levels("a"), ["a"]);
        assert_eq!(levels("/a"), ["", "a"]);
        assert_eq!(levels("a//b/"), ["a", "", "b", ""]);
    }
}
