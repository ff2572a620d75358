//! Which of a report makes a check fail.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

use super::{Report, Status};

/// Something for which a check can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "closed by the report")]
pub enum Condition {
    /// A run failed and is not known.
    Failed,
    /// A run failed and is known.
    Known,
    /// What is known to fail passed: the profile is to be changed.
    Fixed,
    /// A statement is shown by no run, because all that would show it are not applicable.
    NotApplicable,
    /// A statement is shown by no run, and there is no reason for that.
    NotCovered,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Known,
        Self::Fixed,
        Self::NotApplicable,
        Self::NotCovered,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Known => "known",
            Self::Fixed => "fixed",
            Self::NotApplicable => "not-applicable",
            Self::NotCovered => "not-covered",
        }
    }
}

/// Some of the conditions. `failed` if nothing else is said; `never`: none.
///
/// Is read from words with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailOn(BTreeSet<Condition>);

impl Default for FailOn {
    fn default() -> Self {
        Self([Condition::Failed].into())
    }
}

impl FailOn {
    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, condition: Condition) -> bool {
        self.0.contains(&condition)
    }

    /// What of a report makes the check fail, in words; nothing if it does not.
    #[must_use]
    pub fn met_by(&self, report: &Report) -> Vec<String> {
        let runs = |status: Status| {
            report
                .judged()
                .filter(|(_, judged)| judged.status == status)
                .count()
        };
        let rows = report.rows();
        let statements = |status: Status| {
            let rows = rows.iter().filter(|row| row.counts && row.status == status);
            let open: BTreeSet<_> = rows
                .filter(|row| row.reason.is_none())
                .map(|row| row.statement)
                .collect();
            open.len()
        };
        let said = |n: usize, one: &str, more: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {more}")),
        };
        let met = self.0.iter().filter_map(|condition| match condition {
            Condition::Failed => said(runs(Status::Failed), "run failed", "runs failed"),
            Condition::Known => said(
                runs(Status::Known),
                "run failed as is known",
                "runs failed as is known",
            ),
            Condition::Fixed => said(
                runs(Status::Fixed),
                "run passed that is known to fail",
                "runs passed that are known to fail",
            ),
            Condition::NotApplicable => said(
                statements(Status::NotApplicable),
                "statement is not applicable",
                "statements are not applicable",
            ),
            Condition::NotCovered => said(
                statements(Status::NotCovered),
                "statement is not covered, without a reason",
                "statements are not covered, without a reason",
            ),
        });
        met.collect()
    }
}

/// A word that is no condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCondition(String);

impl fmt::Display for UnknownCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word) = self;
        if word == "never" {
            return f.write_str("`never` stands alone");
        }
        let all: Vec<&str> = Condition::ALL.iter().map(|one| one.name()).collect();
        write!(f, "`{word}` is none of {}, never", all.join(", "))
    }
}

impl core::error::Error for UnknownCondition {}

impl FromStr for FailOn {
    type Err = UnknownCondition;

    fn from_str(text: &str) -> Result<Self, UnknownCondition> {
        if text == "never" {
            return Ok(Self(BTreeSet::new()));
        }
        let condition = |word: &str| {
            let word = word.trim();
            let found = Condition::ALL.into_iter().find(|one| one.name() == word);
            found.ok_or_else(|| UnknownCondition(word.to_owned()))
        };
        text.split(',').map(condition).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_commas_are_conditions_and_never_stands_alone() {
        let read = |text: &str| text.parse::<FailOn>();
        assert_eq!(read("failed"), Ok(FailOn::default()));
        assert_eq!(read("never").unwrap().0, BTreeSet::new());
        let all = read("failed, known,fixed,not-applicable,not-covered").unwrap();
        assert!(Condition::ALL.iter().all(|one| all.has(*one)));
        assert_eq!(
            read("failed,never").unwrap_err().to_string(),
            "`never` stands alone"
        );
        assert_eq!(
            read("broken").unwrap_err().to_string(),
            "`broken` is none of failed, known, fixed, not-applicable, not-covered, never"
        );
        assert!(read("").is_err());
    }
}
