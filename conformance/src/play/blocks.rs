//! `either` and `any-order`.

use super::expecting::Fit;
use super::wanted::Unlike;
use super::{Played, Player, Stop};
use crate::report::failure::Failure;
use crate::trace::ast::{Line, Position, Step};

impl<'t> Player<'t, '_> {
    /// Plays the first branch whose first expectation fits. A branch that begins with something else is taken when the
    /// time for the others is over.
    pub(super) fn either(&mut self, at: Position, branches: &'t [Vec<Line>]) -> Played {
        let limit = branches
            .iter()
            .flat_map(|lines| self.first_expectations(lines))
            .filter(|line| self.is_expectation(&line.step))
            .map(|line| self.limit(line))
            .max();
        loop {
            let mut seen = Vec::new();
            for lines in branches {
                for line in self.first_expectations(lines) {
                    if !self.is_expectation(&line.step) {
                        continue;
                    }
                    match self.fit(line)? {
                        Fit::Yes => return self.lines(lines),
                        Fit::NotYet => {}
                        Fit::No(unlike) => seen.push(self.compared(line, *unlike)),
                    }
                }
            }
            match limit {
                Some(limit) if self.world.now() < limit => {
                    self.wait(at, limit)?;
                }
                _ => {
                    let rest = branches.iter().find(|lines| {
                        let mut first = self.first_expectations(lines).into_iter();
                        first.all(|line| !self.is_expectation(&line.step))
                    });
                    return match rest {
                        Some(lines) => self.lines(lines),
                        None if seen.is_empty() => self.fail(at, "expected one of these, seen nothing"),
                        None => {
                            let first: Vec<&Line> = branches
                                .iter()
                                .flat_map(|lines| self.first_expectations(lines))
                                .filter(|line| self.is_expectation(&line.step))
                                .collect();
                            self.note_instead(&first);
                            let mut failure = Failure::new(at, "none of these fits");
                            failure.compared = seen;
                            Err(Stop::Failed(Box::new(failure)))
                        }
                    };
                }
            }
        }
    }

    /// Waits until each line has been met, whichever comes first. An earlier line has the first choice.
    pub(super) fn any_order(&mut self, at: Position, lines: &'t [Line]) -> Played {
        self.inbox.ahead = &[];
        let mut left: Vec<&Line> = lines.iter().filter(|line| !self.is_untold(line)).collect();
        let limit = lines
            .iter()
            .map(|line| self.limit(line))
            .max()
            .unwrap_or_default();
        'next: while left.iter().any(|line| !line.maybe) || self.world.now() < limit {
            let mut seen = None;
            for (i, line) in left.iter().enumerate() {
                match self.fit(line)? {
                    Fit::Yes => {
                        self.take(line, limit)?;
                        self.steps += 1;
                        left.remove(i);
                        continue 'next;
                    }
                    Fit::NotYet => {}
                    Fit::No(unlike) => seen = Some(unlike),
                }
            }
            if left.is_empty() {
                break;
            }
            if self.world.now() >= limit {
                let unlike = seen.map_or_else(|| Unlike::in_words("nothing", None), |unlike| *unlike);
                let compared = self.all_compared(&left, unlike);
                let at = left.first().map_or(at, |line| line.at);
                self.note_instead(&left);
                return Err(Stop::Failed(Box::new(Failure::unlike(at, compared))));
            }
            self.wait(at, limit)?;
        }
        Ok(())
    }

    /// The lines with which a block can begin: all that may be, and the first that must be. Events that nobody tells are none.
    fn first_expectations<'l>(&self, lines: &'l [Line]) -> Vec<&'l Line> {
        let mut first = Vec::new();
        for line in lines.iter().filter(|line| !self.is_untold(line)) {
            if let Step::AnyOrder(inside) = &line.step {
                first.extend(inside.iter().filter(|line| !self.is_untold(line)));
            } else {
                first.push(line);
            }
            if !line.maybe || matches!(line.step, Step::Do(_)) {
                break;
            }
        }
        first
    }
}
