//! Shared subscriptions.

use core::fmt;

use super::{TopicError, TopicErrorKind, TopicFilter};

/// The parts of the filter of a shared subscription, `$share/group/filter` (5.0 section 4.8.2).
///
/// ```
/// use mqtt_proto::TopicFilter;
///
/// let share = TopicFilter::new("$share/workers/jobs/+")?.share().unwrap();
/// assert_eq!((share.group(), share.filter().as_str()), ("workers", "jobs/+"));
/// # Ok::<(), mqtt_proto::TopicError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share<'a> {
    group: &'a str,
    filter: TopicFilter<'a>,
}

impl<'a> Share<'a> {
    /// What a shared filter begins with.
    pub const PREFIX: &'static str = "$share/";

    /// The name that the members of the group share.
    #[must_use]
    pub const fn group(self) -> &'a str {
        self.group
    }

    /// What the group subscribes to.
    #[must_use]
    pub const fn filter(self) -> TopicFilter<'a> {
        self.filter
    }

    pub(super) fn parse(whole: TopicFilter<'a>) -> Result<Option<Self>, TopicError> {
        let Some(rest) = whole.as_str().strip_prefix(Self::PREFIX) else {
            return Ok(None);
        };
        let (group, filter) = rest.split_once('/').unwrap_or((rest, ""));
        // 5/MQTT-4.8.2-1
        if group.is_empty() {
            return Err(TopicError::new(TopicErrorKind::NoShareName, Self::PREFIX.len()));
        }
        // 5/MQTT-4.8.2-2
        if let Some(at) = group.find(['+', '#']) {
            let offset = Self::PREFIX.len().saturating_add(at);
            return Err(TopicError::new(TopicErrorKind::MalformedShare, offset));
        }
        if filter.is_empty() {
            return Err(TopicError::new(
                TopicErrorKind::MalformedShare,
                whole.as_str().len(),
            ));
        }
        // Wildcards that stand right in the whole stand right in a part that begins after a slash.
        Ok(Some(Self {
            group,
            filter: TopicFilter::validated(filter),
        }))
    }
}

impl fmt::Display for Share<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", Self::PREFIX, self.group, self.filter)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::{Statement, Version};

    #[test]
    fn a_shared_filter_has_a_group_and_a_filter() {
        for (whole, group, filter) in [
            ("$share/g/a", "g", "a"),
            ("$share/g/#", "g", "#"),
            ("$share/g/+/b", "g", "+/b"),
            ("$share/g//", "g", "/"),
            ("$share/g/$share/h/a", "g", "$share/h/a"),
        ] {
            let share = TopicFilter::new(whole).unwrap().share().unwrap();
            assert_eq!(
                (share.group(), share.filter()),
                (group, TopicFilter::new(filter).unwrap())
            );
            assert_eq!(share.to_string(), whole);
        }
    }

    #[test]
    fn a_filter_that_only_looks_shared_is_not() {
        for plain in ["$share", "$shared/g/a", "share/g/a", "/$share/g/a", "$SHARE/g/a"] {
            assert_eq!(
                TopicFilter::new(plain).unwrap().check_share(),
                Ok(None),
                "{plain}"
            );
        }
    }

    #[test]
    fn a_malformed_share_names_its_rule_and_place() {
        for (whole, statement, offset) in [
            ("$share/", "5/MQTT-4.8.2-1", 7),
            ("$share//a", "5/MQTT-4.8.2-1", 7),
            ("$share/g", "5/MQTT-4.8.2-2", 8),
            ("$share/g/", "5/MQTT-4.8.2-2", 9),
            ("$share/+/a", "5/MQTT-4.8.2-2", 7),
            ("$share/#", "5/MQTT-4.8.2-2", 7),
        ] {
            let filter = TopicFilter::new(whole).unwrap();
            let error = filter.check_share().unwrap_err();
            assert_eq!(
                Some(error.statement(Version::V5)),
                Statement::from_label(statement),
                "{whole}"
            );
            assert_eq!(error.offset(), offset, "{whole}");
            assert_eq!(filter.share(), None);
        }
    }
}
