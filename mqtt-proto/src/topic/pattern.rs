//! Filters whose wildcards have names.

#[cfg(feature = "alloc")]
mod owned;

#[cfg(feature = "alloc")]
pub use owned::OwnedPattern;

use core::fmt;

use super::{MAX_TOPIC_LEN, Share, TopicError, TopicErrorKind, TopicFilter, TopicName};

/// A topic filter whose wildcards have names: `site/+room/temp/#rest`.
///
/// `+room` captures one level and `#rest` all that follow; `+` and `#` alone match without capturing. A name is a letter
/// or `_`, then letters, digits and `_` (ASCII), and stands once. A `$share/group/` in front belongs to the subscription
/// and not to the topics: it is kept in the [`filter`](Self::filter) and passed over by [`captures`](Self::captures).
///
/// ```
/// use mqtt_proto::topic::{Pattern, TopicName};
///
/// let pattern = Pattern::new("$share/workers/site/+room/temp/#rest")?;
/// assert_eq!(pattern.filter().to_string(), "$share/workers/site/+/temp/#");
///
/// let found = pattern.captures(TopicName::new("site/attic/temp")?).unwrap();
/// let all: Vec<_> = found.collect();
/// assert_eq!(all, [("room", "attic"), ("rest", "")]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern<'p> {
    whole: &'p str,
    /// `whole` without a `$share/group/`.
    path: &'p str,
}

/// What a level of a pattern asks for.
#[derive(Clone, Copy)]
enum Level<'p> {
    Text(&'p str),
    One(&'p str),
    Rest(&'p str),
}

impl<'p> Level<'p> {
    fn new(level: &'p str) -> Self {
        match level.strip_prefix('+') {
            Some(name) => Self::One(name),
            None => match level.strip_prefix('#') {
                Some(name) => Self::Rest(name),
                None => Self::Text(level),
            },
        }
    }

    /// What stands in a topic filter for it.
    const fn filter(self) -> &'p str {
        match self {
            Self::Text(text) => text,
            Self::One(_) => "+",
            Self::Rest(_) => "#",
        }
    }

    /// The name of the capture, if there is a wildcard, and it has one.
    fn name(self) -> Option<&'p str> {
        match self {
            Self::One(name) | Self::Rest(name) if !name.is_empty() => Some(name),
            Self::Text(_) | Self::One(_) | Self::Rest(_) => None,
        }
    }
}

fn levels(path: &str) -> impl Iterator<Item = Level<'_>> {
    path.split('/').map(Level::new)
}

impl<'p> Pattern<'p> {
    /// Checks a pattern.
    ///
    /// # Errors
    ///
    /// It is no filter, a name is no name, or two captures have the same one.
    pub fn new(pattern: &'p str) -> Result<Self, PatternError> {
        let fail = |kind, offset| Err(PatternError { kind, offset });
        let topic = |kind, offset| fail(PatternErrorKind::Filter(kind), offset);
        if pattern.is_empty() {
            return topic(TopicErrorKind::Empty, 0);
        }
        if let Some(offset) = pattern.find('\0') {
            return topic(TopicErrorKind::Nul, offset);
        }
        // Reads the text as a shared filter, whatever the wildcards behind the group look like.
        let path = match Share::parse(TopicFilter::validated(pattern)) {
            Ok(None) => pattern,
            Ok(Some(share)) => share.filter().as_str(),
            Err(e) => return topic(e.kind(), e.offset()),
        };
        let mut offset = pattern.len().saturating_sub(path.len());
        let mut rest = Some(path);
        while let Some(text) = rest {
            let (level, after) = match text.split_once('/') {
                Some((level, after)) => (level, Some(after)),
                None => (text, None),
            };
            match Level::new(level) {
                Level::Text(text) => {
                    if let Some(at) = text.find(['+', '#']) {
                        let kind = if text.get(at..).is_some_and(|t| t.starts_with('+')) {
                            TopicErrorKind::SingleLevelWildcard
                        } else {
                            TopicErrorKind::MultiLevelWildcard
                        };
                        return topic(kind, offset.saturating_add(at));
                    }
                }
                Level::Rest(_) if after.is_some() => {
                    return topic(TopicErrorKind::MultiLevelWildcard, offset);
                }
                Level::One("") | Level::Rest("") => {}
                Level::One(name) | Level::Rest(name) => {
                    if !is_name(name) {
                        return fail(PatternErrorKind::Name, offset.saturating_add(1));
                    }
                    let seen = levels(path)
                        .filter_map(Level::name)
                        .filter(|other| *other == name);
                    // Reported where the second one stands: the part up to here holds the name twice.
                    if seen.count() > 1 && captured_before(path, text, name) {
                        return fail(PatternErrorKind::RepeatedName, offset.saturating_add(1));
                    }
                }
            }
            offset = offset.saturating_add(level.len()).saturating_add(1);
            rest = after;
        }
        let pattern = Self { whole: pattern, path };
        if pattern.filter().len() > MAX_TOPIC_LEN {
            return topic(TopicErrorKind::TooLong, MAX_TOPIC_LEN);
        }
        Ok(pattern)
    }

    /// The text, with the names.
    #[must_use]
    pub const fn as_str(self) -> &'p str {
        self.whole
    }

    /// The topic filter to subscribe to: the pattern without the names.
    #[must_use]
    pub const fn filter(self) -> PatternFilter<'p> {
        PatternFilter(self)
    }

    /// The group of the shared subscription, if it begins with `$share/group/`.
    #[must_use]
    pub fn group(self) -> Option<&'p str> {
        let before = self.whole.strip_suffix(self.path)?;
        before.strip_prefix("$share/")?.strip_suffix('/')
    }

    /// The levels of the [`filter`](Self::filter), wildcards among them and without names; of a shared subscription those
    /// that stand behind the group.
    pub fn levels(self) -> impl Iterator<Item = &'p str> {
        levels(self.path).map(Level::filter)
    }

    /// The names, in order.
    pub fn names(self) -> impl Iterator<Item = &'p str> {
        levels(self.path).filter_map(Level::name)
    }

    /// What the named wildcards stand for in this topic name; `None` if it does not match.
    ///
    /// A wildcard in front captures a level that begins with `$` too: whether the filter gets such messages at all was
    /// for the server to decide.
    #[must_use]
    pub fn captures<'t>(self, name: TopicName<'t>) -> Option<Captures<'p, 't>> {
        let mut walk = Captures {
            pattern: Some(self.path),
            topic: Some(name.as_str()),
        };
        if name.is_empty() {
            return None;
        }
        let found = walk.clone();
        loop {
            match walk.step()? {
                Step::End => return Some(found),
                Step::Level(_) => {}
            }
        }
    }
}

/// Whether a level of `path` before the part `text` (its end) captures by this name.
fn captured_before(path: &str, text: &str, name: &str) -> bool {
    let before = path.len().saturating_sub(text.len());
    path.get(..before)
        .is_some_and(|part| levels(part).filter_map(Level::name).any(|other| other == name))
}

fn is_name(name: &str) -> bool {
    name.bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()))
}

/// The named captures of one topic, in order: pairs of name and text.
///
/// Cloning starts no new pass; [`get`](Self::get) looks among those not yet taken.
#[derive(Clone, Debug)]
pub struct Captures<'p, 't> {
    /// What is left of the pattern; `None` behind its last level.
    pattern: Option<&'p str>,
    topic: Option<&'t str>,
}

enum Step<'p, 't> {
    Level(Option<(&'p str, &'t str)>),
    End,
}

impl<'p, 't> Captures<'p, 't> {
    /// What the wildcard of this name stands for. A `#` that stands for no level at all gives the empty text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'t str> {
        self.clone()
            .find(|(other, _)| *other == name)
            .map(|(_, text)| text)
    }

    /// Goes one level on; `None` if it does not match.
    fn step(&mut self) -> Option<Step<'p, 't>> {
        let Some(pattern) = self.pattern else {
            return self.topic.is_none().then_some(Step::End);
        };
        let (wanted, pattern) = next_level(pattern);
        let wanted = Level::new(wanted);
        if let Level::Rest(_) = wanted {
            let rest = self.topic.take().unwrap_or("");
            self.pattern = None;
            return Some(Step::Level(wanted.name().map(|name| (name, rest))));
        }
        let (level, topic) = next_level(self.topic?);
        if matches!(wanted, Level::Text(text) if text != level) {
            return None;
        }
        (self.pattern, self.topic) = (pattern, topic);
        Some(Step::Level(wanted.name().map(|name| (name, level))))
    }
}

fn next_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (text, None),
    }
}

impl<'p, 't> Iterator for Captures<'p, 't> {
    type Item = (&'p str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step()? {
                Step::Level(Some(capture)) => return Some(capture),
                Step::Level(None) => {}
                Step::End => return None,
            }
        }
    }
}

/// The topic filter of a [`Pattern`]: print it, or write it to a buffer.
#[derive(Clone, Copy, Debug)]
pub struct PatternFilter<'p>(Pattern<'p>);

impl PatternFilter<'_> {
    /// Length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a filter is never empty")]
    pub fn len(self) -> usize {
        let names: usize = self.0.names().map(str::len).fold(0, usize::saturating_add);
        self.0.whole.len().saturating_sub(names)
    }

    /// Writes the filter to the start of the buffer. `None` if that is shorter than [`len`](Self::len).
    pub fn write_to(self, buffer: &mut [u8]) -> Option<TopicFilter<'_>> {
        let buffer = buffer.get_mut(..self.len())?;
        let mut rest = &mut *buffer;
        self.parts(|part| {
            if let Some((place, after)) = core::mem::take(&mut rest).split_at_mut_checked(part.len()) {
                place.copy_from_slice(part.as_bytes());
                rest = after;
            }
        });
        core::str::from_utf8(buffer).ok().map(TopicFilter::validated)
    }

    /// Gives the filter piece by piece.
    fn parts(self, mut write: impl FnMut(&str)) {
        let Pattern { whole, path } = self.0;
        // What stands before the path has no wildcards.
        write(whole.get(..whole.len().saturating_sub(path.len())).unwrap_or(""));
        for (i, level) in levels(path).enumerate() {
            if i > 0 {
                write("/");
            }
            write(level.filter());
        }
    }
}

impl fmt::Display for PatternFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.parts(|part| result = result.and_then(|()| f.write_str(part)));
        result
    }
}

/// A text that is no [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatternError {
    kind: PatternErrorKind,
    offset: usize,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// It is no topic filter.
    Filter(TopicErrorKind),
    /// What follows `+` or `#` is no name.
    Name,
    /// A second capture of the same name.
    RepeatedName,
}

impl PatternError {
    /// What is wrong.
    #[must_use]
    pub const fn kind(self) -> PatternErrorKind {
        self.kind
    }

    /// Where it is wrong, in bytes from the start of the text.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.offset
    }
}

impl From<TopicError> for PatternError {
    fn from(e: TopicError) -> Self {
        Self {
            kind: PatternErrorKind::Filter(e.kind()),
            offset: e.offset(),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PatternErrorKind::Filter(kind) => kind.fmt(f)?,
            PatternErrorKind::Name => {
                f.write_str("the name of a capture is a letter or '_', then letters, digits and '_'")?;
            }
            PatternErrorKind::RepeatedName => f.write_str("two captures of the same name")?,
        }
        write!(f, " (at byte {})", self.offset)
    }
}

impl core::error::Error for PatternError {}

#[cfg(test)]
mod tests;
