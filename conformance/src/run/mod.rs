//! Finding traces and running them.

#![allow(
    clippy::disallowed_types,
    reason = "the report says how long each run took in real time"
)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use mqtt_proto::{PacketType, Statement};

use crate::report::{Report, Run};
use crate::target::{Outcome, Target};
use crate::trace::Trace;
use crate::trace::ast::{Atom, Group, Item, Line, Step};

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

/// The traces of this crate.
///
/// They are read from the crate's folder, which Cargo keeps for a dependency as well as for a member of a workspace.
///
/// # Errors
///
/// The folder is not there any more: the program runs elsewhere than where it was built.
pub fn bundled() -> io::Result<Vec<PathBuf>> {
    find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")])
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

/// What is run, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// Only traces that cover one of these; all if it is empty.
    pub only: Vec<Statement>,
    /// How many traces are run at a time; 0 is 1. Each has targets of its own, and a thread.
    pub jobs: usize,
}

impl Plan {
    /// Whether this trace is run.
    #[must_use]
    pub fn wants(&self, trace: &Trace) -> bool {
        let is_wanted = |(_, statement): &(_, Statement)| self.only.contains(statement);
        self.only.is_empty() || trace.head.covers.iter().any(is_wanted)
    }
}

/// Makes the targets that one trace after the other is run against.
pub type MakeTargets<'m> = dyn Fn() -> Vec<Box<dyn Target>> + Sync + 'm;

/// Runs each trace in each of its versions against each target that takes it.
///
/// Traces that subscribe to more than their own topics or stop the broker are run alone, after the others. The report is in
/// the order of the files however many run at a time.
pub fn run(files: &[PathBuf], plan: &Plan, targets: &MakeTargets<'_>) -> Report {
    run_watched(files, plan, targets, &|_| {})
}

/// How far a run of many traces is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Traces that are done.
    pub done: usize,
    /// Traces that are to be run.
    pub of: usize,
    /// Traces of which a run failed.
    pub failed: usize,
}

/// [`run`], which says after each trace how far it is; from several threads if several traces run at a time.
pub fn run_watched(
    files: &[PathBuf],
    plan: &Plan,
    targets: &MakeTargets<'_>,
    watch: &(dyn Fn(Progress) + Sync),
) -> Report {
    let traces: Vec<_> = files.iter().map(|file| Trace::read(file)).collect();
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for (i, trace) in traces.iter().enumerate() {
        let Ok(trace) = trace else { continue };
        if plan.wants(trace) {
            let list = if disturbs_others(&trace.lines) {
                &mut alone
            } else {
                &mut together
            };
            list.push((i, trace));
        }
    }
    let of = together.len() + alone.len();
    let (next, finished, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |list: &[(usize, &Trace)]| {
        let mut targets = targets();
        let mut done = Vec::new();
        while let Some(&(i, trace)) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
            let runs = run_one(&files[i], trace, &mut targets);
            let is_failed = runs.iter().any(|run| matches!(run.outcome, Outcome::Failed(_)));
            watch(Progress {
                done: finished.fetch_add(1, Ordering::Relaxed) + 1,
                of,
                failed: failed.fetch_add(usize::from(is_failed), Ordering::Relaxed) + usize::from(is_failed),
            });
            done.push((i, runs));
        }
        done
    };
    let mut done: Vec<(usize, Vec<Run>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.jobs.clamp(1, together.len().max(1)))
            .map(|_| scope.spawn(|| work(&together)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    next.store(0, Ordering::Relaxed);
    done.extend(work(&alone));
    done.sort_by_key(|(i, _)| *i);

    let mut report = Report::on(plan.only.clone());
    traces
        .into_iter()
        .filter_map(Result::err)
        .for_each(|error| report.unreadable(error));
    let runs = done.into_iter().flat_map(|(_, runs)| runs);
    runs.for_each(|run| report.add(run));
    report
}

fn run_one(file: &Path, trace: &Trace, targets: &mut [Box<dyn Target>]) -> Vec<Run> {
    let mut runs = Vec::new();
    for &version in &trace.head.versions {
        for target in targets.iter_mut().filter(|target| target.takes(trace)) {
            let start = Instant::now();
            let outcome = target.run(trace, version);
            let took = start.elapsed();
            runs.push(Run::new(file, trace, version, target.as_ref(), outcome, took));
        }
    }
    runs
}

/// A filter begins with a wildcard: it matches the topics of other traces, too. Or the broker is stopped or changed.
fn disturbs_others(lines: &[Line]) -> bool {
    lines.iter().any(|line| match &line.step {
        Step::Wire(wire) => match &wire.item {
            Item::Packet(packet) if packet.packet_type == PacketType::Subscribe => {
                let values = packet.fields.iter().flat_map(|field| &field.value.atoms);
                let filters = values.flat_map(Atom::parts).flat_map(|value| &value.atoms);
                filters.into_iter().any(|atom| {
                    let Atom::Group(Group { text: Some(text), .. }) = atom else {
                        return false;
                    };
                    let filter = text.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
                    filter
                        .map_or(text.as_str(), |(_, filter)| filter)
                        .starts_with(['+', '#'])
                })
            }
            Item::Packet(_) | Item::Hex(_) | Item::Close => false,
        },
        Step::AnyOrder(lines) => disturbs_others(lines),
        Step::Either(branches) => branches.iter().any(|lines| disturbs_others(lines)),
        Step::Broker(_) => true,
        Step::Cut(_)
        | Step::Refused { .. }
        | Step::Quiet { .. }
        | Step::Do(_)
        | Step::Event(_)
        | Step::Wait(_) => false,
    })
}
