//! What the traces say of one fault.

use core::fmt;

/// What the program that plays the traces says: this trace begins.
pub const BEGIN: &str = "begin ";
/// It has failed.
pub const FAILED: &str = "failed ";

/// How a fault came out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// These traces fail. One that does not come to an end, or takes the whole process with it, is the last, and it is said
    /// so.
    Caught(Vec<String>),
    /// All traces pass.
    Survived,
    /// The compiler finds it: no fault that could be shipped. It is not caught, and the list is to be changed.
    DoesNotBuild(String),
}

impl Verdict {
    /// From what was said, and how the process ended: nothing if it came to its end.
    pub(crate) fn of(said: &str, end: &str) -> Self {
        let mut by: Vec<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix(FAILED))
            .map(short)
            .collect();
        if !end.is_empty() {
            let last = said
                .lines()
                .filter_map(|line| line.strip_prefix(BEGIN))
                .next_back();
            by.push(format!(
                "{} ({end})",
                last.map_or_else(|| "no trace".to_owned(), short)
            ));
        }
        if by.is_empty() {
            Self::Survived
        } else {
            Self::Caught(by)
        }
    }

    pub(crate) fn does_not_build(why: &str) -> Self {
        let error = why.lines().find(|line| line.starts_with("error"));
        Self::DoesNotBuild(error.unwrap_or(why).to_owned())
    }

    /// Whether a trace catches it.
    #[must_use]
    pub const fn is_caught(&self) -> bool {
        matches!(self, Self::Caught(_))
    }
}

fn short(path: &str) -> String {
    let path = path.strip_prefix("conformance/traces/").unwrap_or(path);
    path.strip_suffix(".trace").unwrap_or(path).to_owned()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(by) => {
                let first: Vec<&str> = by.iter().take(3).map(String::as_str).collect();
                write!(f, "CAUGHT BY {}: {}", by.len(), first.join(", "))
            }
            Self::Survived => f.write_str("SURVIVED"),
            Self::DoesNotBuild(why) => write!(f, "DOES NOT BUILD: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_before_the_end_is_caught_by_all_that_failed() {
        let said = "begin conformance/traces/a/b.trace\nfailed conformance/traces/a/b.trace\nbegin conformance/traces/c.trace\n";
        assert_eq!(Verdict::of(said, ""), Verdict::Caught(vec!["a/b".to_owned()]));
    }

    #[test]
    fn a_trace_that_does_not_end_has_caught_it_and_it_is_said_how() {
        let said = "begin conformance/traces/a/b.trace\nbegin conformance/traces/c.trace\n";
        let verdict = Verdict::of(said, "time out after 60 s");
        assert_eq!(verdict.to_string(), "CAUGHT BY 1: c (time out after 60 s)");
        assert!(verdict.is_caught());
    }

    #[test]
    fn what_all_traces_let_pass_has_survived_and_what_does_not_build_is_not_caught() {
        let said = "begin conformance/traces/a/b.trace\n";
        assert_eq!(Verdict::of(said, ""), Verdict::Survived);
        let verdict = Verdict::does_not_build("warning: x\nerror[E0308]: mismatched types\n --> y\n");
        assert_eq!(
            verdict.to_string(),
            "DOES NOT BUILD: error[E0308]: mismatched types"
        );
        assert!(!verdict.is_caught());
    }
}
