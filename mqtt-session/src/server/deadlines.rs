//! Deadlines in order: the next one is found without a scan.

use alloc::collections::BTreeSet;

use crate::Instant;

/// At most one deadline for each key, kept beside the key's owner as an [`Armed`].
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<K>(BTreeSet<(Instant, K)>);

/// The deadline that stands in the order for one key; [`Instant::MAX`] for none.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Armed(Instant);

impl Default for Armed {
    fn default() -> Self {
        Self(Instant::MAX)
    }
}

impl<K: Ord + Copy> Deadlines<K> {
    pub(crate) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Puts the key at this moment, and nowhere else; `None` takes it out.
    pub(crate) fn set(&mut self, key: K, armed: &mut Armed, at: Option<Instant>) {
        let at = at.unwrap_or(Instant::MAX);
        if armed.0 == at {
            return;
        }
        if armed.0 != Instant::MAX {
            self.0.remove(&(armed.0, key));
        }
        if at != Instant::MAX {
            self.0.insert((at, key));
        }
        armed.0 = at;
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes out the next deadline that has come. The [`Armed`] of its key must be made anew.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.0.first().is_some_and(|(at, _)| *at <= now) {
            self.0.pop_first().map(|(_, key)| key)
        } else {
            None
        }
    }
}

impl Armed {
    /// No deadline stands, or one after this moment.
    pub(crate) fn is_later_than(self, at: Instant) -> bool {
        at < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline_the_last_that_was_set_and_it_comes_at_its_moment() {
        let [soon, later] = [5, 9].map(Instant::from_secs);
        let mut deadlines = Deadlines::new();
        let (mut a, mut b) = (Armed::default(), Armed::default());
        deadlines.set('a', &mut a, Some(soon));
        deadlines.set('b', &mut b, Some(later));
        assert_eq!(deadlines.next(), Some(soon));
        deadlines.set('a', &mut a, Some(later));
        assert_eq!(
            deadlines.next(),
            Some(later),
            "the old one does not stand any more"
        );
        deadlines.set('b', &mut b, None);
        assert!(b.is_later_than(Instant::from_secs(1_000)));
        assert!(a.is_later_than(soon) && !a.is_later_than(later));
        assert_eq!(deadlines.pop_due(soon), None);
        assert_eq!(deadlines.pop_due(later), Some('a'));
        assert_eq!((deadlines.pop_due(later), deadlines.next()), (None, None));
    }
}
