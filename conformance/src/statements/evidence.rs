//! What the traces show: each is run in memory, against all that takes it.

use std::io;
use std::path::Path;

use mqtt_proto::{Statement, Version};

use super::Who;
use crate::run;
use crate::target::{Outcome, in_memory};
use crate::trace::{Test, Trace};

/// A trace that passed in one version, against one target.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// Without the folder of all traces, and without its extension.
    pub(super) trace: String,
    pub(super) version: Version,
    /// Whom the target is: a client, a server, the codec, or client and server at once.
    pub(super) by: Test,
    /// What the trace was written to test.
    pub(super) test: Test,
    pub(super) covers: Vec<Statement>,
    /// Rows of the error table.
    pub(super) errors: Vec<String>,
}

impl Pass {
    /// Whether this is what a client, a server or the codec did.
    pub(super) fn is_of(&self, who: Who) -> bool {
        matches!(
            (who, self.by),
            (Who::Client, Test::Client | Test::Pair)
                | (Who::Server, Test::Broker | Test::Pair)
                | (Who::Codec, Test::Codec)
        )
    }

    /// The trace was written to test this, so that a pass shows what it covers. (Every trace is a trace of the codec, too,
    /// and the codec's are played to machines; those show only what the bytes decide.)
    pub(super) fn is_test(&self) -> bool {
        self.by == self.test
    }
}

/// Everything that the traces in the workspace in `root` show; in the second place those that failed.
///
/// # Errors
/// A trace cannot be read, or there is none.
pub(super) fn of(root: &Path) -> io::Result<(Vec<Pass>, Vec<String>)> {
    let folder = root.join("conformance/traces");
    let files = run::find(core::slice::from_ref(&folder))?;
    if files.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{}: no traces", folder.display()),
        ));
    }
    let (mut passes, mut failed) = (Vec::new(), Vec::new());
    let mut targets = in_memory();
    for file in &files {
        let trace =
            Trace::read(file).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
        let name = file.strip_prefix(&folder).unwrap_or(file).with_extension("");
        let name = name.display().to_string();
        for &version in &trace.head.versions {
            for target in targets.iter_mut().filter(|target| target.takes(&trace)) {
                let by = [Test::Codec, Test::Client, Test::Broker, Test::Pair]
                    .into_iter()
                    .find(|test| target.is_tested_by(*test));
                match (target.run(&trace, version), by) {
                    (Outcome::Passed { .. }, Some(by)) => {
                        let covers = trace.head.covers.iter().map(|(_, statement)| *statement);
                        passes.push(Pass {
                            trace: name.clone(),
                            version,
                            by,
                            test: trace.head.test,
                            covers: covers
                                .filter(|statement| statement.version() == version)
                                .collect(),
                            errors: trace.head.errors.iter().map(|(_, id)| id.clone()).collect(),
                        });
                    }
                    (Outcome::Failed(_), _) => failed.push(format!("{name} fails in MQTT {version}")),
                    (Outcome::Passed { .. } | Outcome::NotApplicable(_), _) => {}
                }
            }
        }
    }
    Ok((passes, failed))
}
