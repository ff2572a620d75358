//! Ends that are owed and keep no slot.
//!
//! An operation that has ended keeps its slot until its event is taken. If all slots are taken, that would keep a new
//! operation out although nothing is under way any more, and a policy that drops the oldest message could gain nothing by
//! it. So ends are moved out of their slots then, into a few *runs*: tokens that follow each other and ended alike are one
//! run, however many they are. That is what a program makes that publishes without looking at its events. Only when the
//! runs are used up as well is a new operation refused, until an event is taken.

use crate::{Token, storage::End};

const RUNS: usize = 4;

/// A bounded queue of ends, oldest first, as runs: tokens that follow each other, and one end for all of them. The parts of a
/// run stand in arrays of their own, so that nothing lies between them.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ends {
    firsts: [Token; RUNS],
    /// 0: this run and those behind it are not in use.
    counts: [u16; RUNS],
    ends: [End; RUNS],
}

impl Ends {
    pub(super) const EMPTY: Self = Self {
        firsts: [Token::FIRST; RUNS],
        counts: [0; RUNS],
        ends: [End::Written; RUNS],
    };

    pub(super) const fn is_empty(&self) -> bool {
        self.counts[0] == 0
    }

    /// Where the next end would go: the last run, if it continues that, or the first place that is free.
    fn place(&self, token: Token, end: End) -> Option<usize> {
        let free = self.counts.iter().position(|&count| count == 0);
        let last = free.unwrap_or(RUNS).checked_sub(1);
        let continued = last.filter(|&at| {
            let count = self.counts[at];
            self.ends[at] == end && count < u16::MAX && self.firsts[at].after(count) == token
        });
        continued.or(free)
    }

    /// There is room for this end.
    pub(super) fn takes(&self, token: Token, end: End) -> bool {
        self.place(token, end).is_some()
    }

    /// Keeps one more end; false if there is no room.
    pub(super) fn push(&mut self, token: Token, end: End) -> bool {
        let Some(at) = self.place(token, end) else {
            return false;
        };
        if self.counts[at] == 0 {
            (self.firsts[at], self.ends[at]) = (token, end);
        }
        self.counts[at] += 1;
        true
    }

    pub(super) fn pop(&mut self) -> Option<(Token, End)> {
        self.counts[0] = self.counts[0].checked_sub(1)?;
        let popped = (self.firsts[0], self.ends[0]);
        self.firsts[0] = self.firsts[0].next();
        if self.counts[0] == 0 {
            self.firsts.rotate_left(1);
            self.counts.rotate_left(1);
            self.ends.rotate_left(1);
        }
        Some(popped)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, vec::Vec};

    use super::*;
    use crate::client::AbortReason;

    fn tokens(n: usize) -> Vec<Token> {
        core::iter::successors(Some(Token::FIRST), |token| Some(token.next()))
            .take(n)
            .collect()
    }

    #[test]
    fn tokens_that_follow_each_other_take_one_place_however_many_they_are() {
        let mut ends = Ends::EMPTY;
        let all = tokens(60_000);
        for &token in &all {
            assert!(ends.push(token, End::Written));
        }
        assert_eq!(ends.counts[1], 0);
        for &token in &all {
            assert_eq!(ends.pop(), Some((token, End::Written)));
        }
        assert!(ends.is_empty() && ends.pop().is_none());
    }

    #[test]
    fn what_is_taken_comes_out_in_its_order_and_what_is_not_taken_changes_nothing() {
        let expired = End::Aborted(AbortReason::Expired);
        let mut ends = Ends::EMPTY;
        let mut model = VecDeque::new();
        let mut refused = 0;
        // Every way to leave gaps of up to two tokens, to change the end, and to take in between.
        for (n, token) in tokens(3_000).into_iter().enumerate() {
            let end = if n % 7 < 4 { End::Written } else { expired };
            if n % 5 != 3 && n % 11 != 4 {
                assert_eq!(ends.takes(token, end), ends.clone().push(token, end));
                if ends.push(token, end) {
                    model.push_back((token, end));
                } else {
                    refused += 1;
                }
            }
            if n % 13 > 4 {
                assert_eq!(ends.pop(), model.pop_front());
            }
        }
        assert!(refused > 0, "the test fills it");
        while let Some(end) = model.pop_front() {
            assert_eq!(ends.pop(), Some(end));
        }
        assert!(ends.is_empty());
    }
}
