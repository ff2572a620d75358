//! Writing the expectations of a trace anew, as they were seen.
//!
//! - here: running the trace and writing one line after the other, until it passes or nothing changes.
//! - `rewrite`: one line, from what came in its place.
//!
//! What the runner sends, calls and waits for is never touched; nor are comments, the blanks before them, lines that hold, and
//! in a line what still holds: its connection, captures, `..` and suffixes.

mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use similar::TextDiff;

use crate::report::failure::Failure;
use crate::target::{Outcome, Target};
use crate::trace::{Trace, TraceError};

/// How often a line is written anew: its parts, one after the other, and what comes between it and the next.
const MOST: u32 = 32;

/// What became of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// Its text before.
    pub before: String,
    /// Its text now: the same if nothing was to be done or nothing could be done.
    pub after: String,
    /// Why it still fails, if it does.
    pub left: Option<String>,
}

impl Update {
    /// Whether there is anything to write.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// What changed, as a unified diff; empty if nothing did.
    #[must_use]
    pub fn diff(&self, file: &Path) -> String {
        let name = file.display().to_string();
        TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .context_radius(3)
            .header(&name, &name)
            .to_string()
    }
}

/// Runs a trace in each of its versions against each target that takes it, and writes the expectation that fails anew from what
/// came in its place, again and again until the trace passes or there is nothing to write.
///
/// A trace whose versions or targets do not agree is left as it is, and so is one that comes out otherwise each time, or would no
/// longer be a trace.
///
/// # Errors
///
/// The text is no trace to begin with.
pub fn update(file: &str, text: &str, targets: &mut [Box<dyn Target>]) -> Result<Update, TraceError> {
    let mut trace = Trace::parse(file, text)?;
    let mut update = Update {
        before: text.to_owned(),
        after: text.to_owned(),
        left: None,
    };
    let mut seen = BTreeSet::from([text.to_owned()]);
    let mut times = BTreeMap::<u32, u32>::new();
    loop {
        let failures = failures(&trace, targets);
        let Some(first) = failures.first() else {
            break;
        };
        let line = first.at.line;
        let next = failures
            .iter()
            .filter_map(|failure| failure.instead.as_ref())
            .find_map(|instead| rewrite::rewrite(&trace, instead));
        let Some(next) = next else {
            update.left = Some(format!("{line}: {}", first.why()));
            break;
        };
        trace = match Trace::parse(file, &next) {
            Ok(trace) => trace,
            Err(error) => {
                update.left = Some(format!("with what was seen it is no trace: {error}"));
                break;
            }
        };
        let times = times.entry(line).or_default();
        *times += 1;
        if *times > MOST {
            update.after.clone_from(&update.before);
            update.left = Some(format!(
                "{line}: what comes is another each time; leave it open or bind it to a capture"
            ));
            break;
        }
        if !seen.insert(next.clone()) {
            update.after.clone_from(&update.before);
            update.left = Some(format!(
                "{line}: versions or targets do not agree; write a trace for each, or alternatives"
            ));
            break;
        }
        update.after = next;
    }
    Ok(update)
}

/// What fails, in each version and against each target that takes the trace.
fn failures(trace: &Trace, targets: &mut [Box<dyn Target>]) -> Vec<Failure> {
    let mut all = Vec::new();
    for &version in &trace.head.versions {
        for target in targets.iter_mut().filter(|target| target.takes(trace)) {
            if let Outcome::Failed(failures) = target.run(trace, version) {
                all.extend(failures);
            }
        }
    }
    all
}
