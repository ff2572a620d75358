//! What SUBSCRIBE and UNSUBSCRIBE list: a view on bytes that were checked, or on a caller's slice.

use core::{fmt, iter::FusedIterator};

use crate::{DecodeError, DecodeErrorKind, Version, wire::Reader};

/// Something that is listed: a [`TopicFilter`](crate::TopicFilter), or a [`Subscription`](super::Subscription).
pub trait Listed<'a>: sealed::Listed<'a> {}

impl<'a, T: sealed::Listed<'a>> Listed<'a> for T {}

pub(super) mod sealed {
    use crate::Version;

    pub trait Listed<'a>: Copy + PartialEq + core::fmt::Debug + 'a {
        /// The one that checked bytes begin with, and the bytes after it.
        #[doc(hidden)]
        fn next(wire: &'a [u8], version: Version) -> Option<(Self, &'a [u8])>;
    }
}

/// The bytes of a decoded packet, or a caller's slice. Iterating cannot fail; nothing is copied.
#[derive(Copy, Clone)]
pub struct List<'a, T>(Repr<'a, T>);

#[derive(Copy, Clone)]
enum Repr<'a, T> {
    /// Checked payload bytes; what stands beside a filter is read by version.
    Wire(&'a [u8], Version),
    Slice(&'a [T]),
}

impl<'a, T> List<'a, T> {
    /// What a slice lists; it must not be empty.
    pub const fn new(list: &'a [T]) -> Self {
        Self(Repr::Slice(list))
    }

    /// There is nothing, which cannot be written.
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Repr::Wire(wire, _) => wire.is_empty(),
            Repr::Slice(list) => list.is_empty(),
        }
    }
}

impl<'a, T: Listed<'a>> List<'a, T> {
    /// Reads all that is left of a packet: one item or more, each of which `check` reads.
    pub(super) fn decode(
        r: &mut Reader<'a>,
        check: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Self, DecodeError> {
        if r.is_empty() {
            return Err(r.broken(DecodeErrorKind::FiltersEmpty, r.offset()));
        }
        let mut items = *r;
        while !items.is_empty() {
            check(&mut items)?;
        }
        Ok(Self(Repr::Wire(r.take_rest(), r.site.version)))
    }

    /// How many there are; counted each time.
    pub fn len(&self) -> usize {
        match self.0 {
            Repr::Wire(..) => self.iter().count(),
            Repr::Slice(list) => list.len(),
        }
    }

    /// What is listed, in order.
    pub const fn iter(&self) -> ListIter<'a, T> {
        ListIter(self.0)
    }
}

/// What a [`List`] holds, in order.
#[derive(Clone)]
pub struct ListIter<'a, T>(Repr<'a, T>);

impl<'a, T: Listed<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Repr::Wire(wire, version) => {
                let (item, rest) = T::next(wire, *version)?;
                *wire = rest;
                Some(item)
            }
            Repr::Slice(list) => {
                let (first, rest) = list.split_first()?;
                *list = rest;
                Some(*first)
            }
        }
    }
}

impl<'a, T: Listed<'a>> FusedIterator for ListIter<'a, T> {}

impl<'a, T: Listed<'a>> fmt::Debug for ListIter<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a, T: Listed<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Listed<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

/// The same in the same order.
impl<'a, T: Listed<'a>> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Listed<'a>> Eq for List<'a, T> {}

impl<'a, T: Listed<'a>> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
