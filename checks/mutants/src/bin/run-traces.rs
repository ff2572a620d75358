//! Plays all traces in memory, one after the other, and says of each that it begins, and whether it has failed. A trace
//! that panics has failed. Built anew for each fault, so it is small.

use core::panic::AssertUnwindSafe;
use std::env;
use std::io::{self, Write as _};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mqtt_conformance::run;
use mqtt_conformance::target::{self, Outcome};
use mqtt_conformance::trace::Trace;
use mutants::verdict::{BEGIN, FAILED};
use rustix::process::{Resource, Rlimit, setrlimit};

/// A fault that loops must not take the memory of the machine with it.
const MEMORY: u64 = 2 << 30;

fn main() -> ExitCode {
    match play_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("run-traces: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play_all() -> io::Result<()> {
    setrlimit(
        Resource::As,
        Rlimit {
            current: Some(MEMORY),
            maximum: Some(MEMORY),
        },
    )?;
    panic::set_hook(Box::new(|_| {}));
    let paths: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let mut out = io::stdout().lock();
    for file in run::find(&paths)? {
        writeln!(out, "{BEGIN}{}", file.display())?;
        out.flush()?;
        if !panic::catch_unwind(AssertUnwindSafe(|| passes(&file))).unwrap_or(false) {
            writeln!(out, "{FAILED}{}", file.display())?;
        }
    }
    Ok(())
}

fn passes(file: &Path) -> bool {
    let Ok(trace) = Trace::read(file) else {
        return false;
    };
    trace.head.versions.iter().all(|&version| {
        target::in_memory()
            .iter_mut()
            .filter(|target| target.takes(&trace))
            .all(|target| !matches!(target.run(&trace, version), Outcome::Failed(_)))
    })
}
