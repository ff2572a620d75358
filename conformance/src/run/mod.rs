//! Finding traces and running them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::report::Report;
use crate::target::Target;
use crate::trace::Trace;

/// The extension of trace files.
pub const EXTENSION: &str = "trace";

/// The traces in these files and folders, in the order of their names.
///
/// # Errors
///
/// A path cannot be read.
pub fn find(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        collect(path, &mut found)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == EXTENSION) {
            collect(&path, found)?;
        }
    }
    Ok(())
}

/// Runs each trace in each of its versions against each target.
pub fn run(files: &[PathBuf], targets: &mut [&mut dyn Target]) -> Report {
    let mut report = Report::default();
    for file in files {
        let trace = match Trace::read(file) {
            Ok(trace) => trace,
            Err(error) => {
                report.unreadable(error);
                continue;
            }
        };
        for &version in &trace.head.versions {
            for target in targets.iter_mut().filter(|target| target.takes(trace.head.test)) {
                let outcome = target.run(&trace, version);
                report.add(file, &trace, version, *target, outcome);
            }
        }
    }
    report
}
