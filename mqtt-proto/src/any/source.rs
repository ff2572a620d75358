//! Choices drawn from bytes.

use alloc::{string::String, vec::Vec};

/// Bytes to draw from; zeros when they are used up, so that drawing always ends. Small bytes make small things: a test that
/// shrinks its bytes shrinks the packet.
#[derive(Debug)]
pub(super) struct Source<'b> {
    bytes: &'b [u8],
}

impl<'b> Source<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    pub(super) fn bit(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Less than `end`.
    pub(super) fn below(&mut self, end: u8) -> u8 {
        self.byte().checked_rem(end).unwrap_or(0)
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Often one of the edges.
    pub(super) fn u32(&mut self) -> u32 {
        match self.below(4) {
            0 => u32::from(self.byte()),
            1 => u32::MAX,
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    /// One of a list that is not empty.
    pub(super) fn one<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let index = usize::from(self.byte())
            .checked_rem(others.len().saturating_add(1))
            .unwrap_or(0);
        index
            .checked_sub(1)
            .and_then(|index| others.get(index).copied())
            .unwrap_or(first)
    }

    /// A few bytes, seldom as many as a field can hold.
    pub(super) fn binary(&mut self) -> Vec<u8> {
        match self.byte() {
            255 => alloc::vec![self.byte(); usize::from(u16::MAX)],
            len => (0..len % 24).map(|_| self.byte()).collect(),
        }
    }

    /// A short text without U+0000, seldom one as long as a field can hold.
    pub(super) fn text(&mut self) -> String {
        match self.byte() {
            255 => core::iter::repeat_n('x', usize::from(u16::MAX)).collect(),
            len => (0..len % 12).map(|_| self.char()).collect(),
        }
    }

    fn char(&mut self) -> char {
        // Control characters, U+FEFF and non-characters are valid, and must be kept.
        self.one(
            'a',
            &[
                'b',
                '/',
                ' ',
                '+',
                '#',
                '$',
                '\u{1}',
                '\u{7f}',
                'é',
                '\u{feff}',
                '\u{ffff}',
                '日',
                '🦀',
                '\u{10ffff}',
            ],
        )
    }
}
