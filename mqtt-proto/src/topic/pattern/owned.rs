//! A pattern that owns its text.

use alloc::boxed::Box;

use super::Pattern;

/// A [`Pattern`] that owns its text, for tables of them. It is not checked again when it is looked at.
///
/// ```
/// use mqtt_proto::topic::{OwnedPattern, Pattern, TopicName};
///
/// let owned = OwnedPattern::from(Pattern::new("site/+room")?);
/// let found = owned.view().captures(TopicName::new("site/attic")?).unwrap();
/// assert_eq!(found.get("room"), Some("attic"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnedPattern {
    whole: Box<str>,
    /// Where the path begins, behind a `$share/group/`.
    path: u32,
}

impl OwnedPattern {
    /// The pattern.
    #[must_use]
    pub fn view(&self) -> Pattern<'_> {
        let path = self.whole.get(self.path as usize..).unwrap_or_default();
        Pattern {
            whole: &self.whole,
            path,
        }
    }
}

impl From<Pattern<'_>> for OwnedPattern {
    fn from(pattern: Pattern<'_>) -> Self {
        let path = pattern.whole.len().saturating_sub(pattern.path.len());
        Self {
            whole: pattern.whole.into(),
            path: u32::try_from(path).unwrap_or(0),
        }
    }
}
