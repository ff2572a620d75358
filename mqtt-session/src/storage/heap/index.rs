//! Which row has which number, a packet id or an alias, in memory for the rows there are and not for all numbers.

use alloc::{boxed::Box, vec};

use crate::storage::NONE;

/// A row of a table that is looked for by a number. Rows whose numbers share a bucket are chained.
pub(super) trait Chained {
    /// The row that follows in its bucket, or [`NONE`].
    fn chain(&self) -> u16;
    fn chain_mut(&mut self) -> &mut u16;
}

/// At least as many buckets as rows, and the low bits of the number say which: numbers that follow each other, as packet ids
/// do, never share one. Whatever numbers a peer takes, so many buckets leave no more than 256 rows to a chain, and
/// then these are all the rows there are.
#[derive(Clone, Default)]
pub(super) struct Index {
    /// The first row of each; their number is a power of two.
    buckets: Box<[u16]>,
}

impl Index {
    fn bucket(&self, number: u16) -> usize {
        usize::from(number) & self.buckets.len().wrapping_sub(1)
    }

    /// The row with this number for which `is_it` holds.
    pub(super) fn find<R: Chained>(
        &self,
        rows: &[R],
        number: u16,
        is_it: impl Fn(&R) -> bool,
    ) -> Option<u16> {
        let mut at = *self.buckets.get(self.bucket(number))?;
        while at != NONE {
            let row = &rows[usize::from(at)];
            if is_it(row) {
                return Some(at);
            }
            at = row.chain();
        }
        None
    }

    /// Puts in a row that has this number from now on. `number_of` tells the numbers of those that are in.
    pub(super) fn insert<R: Chained>(
        &mut self,
        rows: &mut [R],
        number: u16,
        row: u16,
        number_of: impl Fn(&R) -> Option<u16>,
    ) {
        if self.buckets.len() < rows.len() {
            self.buckets = vec![NONE; rows.len().next_power_of_two()].into();
            for at in 0..rows.len() {
                if let Some(number) = number_of(&rows[at]) {
                    self.link(rows, number, at as u16);
                }
            }
        }
        self.link(rows, number, row);
    }

    fn link<R: Chained>(&mut self, rows: &mut [R], number: u16, row: u16) {
        let bucket = self.bucket(number);
        *rows[usize::from(row)].chain_mut() = core::mem::replace(&mut self.buckets[bucket], row);
    }

    /// Takes out a row that had this number.
    pub(super) fn remove<R: Chained>(&mut self, rows: &mut [R], number: u16, row: u16) {
        let after = core::mem::replace(rows[usize::from(row)].chain_mut(), NONE);
        let bucket = self.bucket(number);
        let mut at = self.buckets[bucket];
        if at == row {
            self.buckets[bucket] = after;
            return;
        }
        while at != NONE {
            let chain = rows[usize::from(at)].chain_mut();
            if *chain == row {
                *chain = after;
                return;
            }
            at = *chain;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    struct Row {
        number: Option<u16>,
        chain: u16,
    }

    impl Chained for Row {
        fn chain(&self) -> u16 {
            self.chain
        }
        fn chain_mut(&mut self) -> &mut u16 {
            &mut self.chain
        }
    }

    #[derive(Default)]
    struct Table {
        rows: Vec<Row>,
        index: Index,
    }

    impl Table {
        fn grow(&mut self) -> u16 {
            let row = Row {
                number: None,
                chain: NONE,
            };
            self.rows.push(row);
            (self.rows.len() - 1) as u16
        }

        fn set(&mut self, row: u16, number: Option<u16>) {
            if let Some(old) = self.rows[usize::from(row)].number.take() {
                self.index.remove(&mut self.rows, old, row);
            }
            if let Some(new) = number {
                self.index.insert(&mut self.rows, new, row, |row| row.number);
            }
            self.rows[usize::from(row)].number = number;
        }

        fn find(&self, number: u16) -> Option<u16> {
            self.index
                .find(&self.rows, number, |row| row.number == Some(number))
        }

        fn longest_chain(&self) -> usize {
            let some = |at: u16| (at != NONE).then_some(at);
            let chain = |&first: &u16| {
                core::iter::successors(some(first), |&at| some(self.rows[usize::from(at)].chain)).count()
            };
            self.index.buckets.iter().map(chain).max().unwrap_or(0)
        }
    }

    #[test]
    fn all_numbers_at_once_are_found_and_gone() {
        let mut table = Table::default();
        for n in 1..u16::MAX {
            assert_eq!(table.find(n), None);
            let row = table.grow();
            table.set(row, Some(n));
            assert_eq!(table.find(n), Some(n - 1));
        }
        assert_eq!(table.longest_chain(), 1, "numbers in sequence share no bucket");
        for n in (1..u16::MAX).rev() {
            assert_eq!(table.find(n), Some(n - 1));
            table.set(n - 1, None);
            assert_eq!(table.find(n), None);
        }
        assert_eq!(table.longest_chain(), 0);
    }

    /// The worst that a peer can do: numbers that all share a bucket, for each number of rows.
    #[test]
    fn no_chain_is_longer_than_256_rows_whatever_the_numbers() {
        for size in (0..16).map(|bits| 1_usize << bits) {
            let mut table = Table::default();
            let rows: Vec<u16> = (0..size).map(|_| table.grow()).collect();
            for (&row, number) in rows.iter().zip((0..=u16::MAX).step_by(size)) {
                table.set(row, Some(number));
            }
            assert!(table.longest_chain() <= 256, "{size} rows");
            for &row in &rows {
                let number = table.rows[usize::from(row)].number;
                assert_eq!(number.and_then(|number| table.find(number)), number.map(|_| row));
            }
        }
    }

    #[test]
    fn rows_come_and_go_in_any_order_while_the_table_grows() {
        let mut table = Table::default();
        let mut state = 1_u32;
        for step in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (state >> 16) as u16 % 512;
            if table.rows.len() < step / 100 + 1 {
                table.grow();
            }
            let row = (state >> 8) as u16 % table.rows.len() as u16;
            if table.find(number).is_none() {
                table.set(row, Some(number));
            } else {
                table.set(row, None);
            }
            if step % 100 == 0 {
                for number in 0..512 {
                    let by_scan = table.rows.iter().position(|row| row.number == Some(number));
                    assert_eq!(table.find(number).map(usize::from), by_scan);
                }
            }
        }
    }
}
