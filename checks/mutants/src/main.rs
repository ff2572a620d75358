//! Breaks a copy of our machines, one fault of the list after the other, plays all traces in memory, and prints which of
//! them catch it, and the score.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it waits for processes, and says how long they took"
)]

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use std::{io, thread};

use clap::Parser;
use mutants::copy::Copy;
use mutants::list::{self, Mutant};
use mutants::verdict::Verdict;

/// Whether the traces catch deliberate faults of our own machines; the exit status is 0 if all are caught, 1 if not, 2 if
/// nothing could be tried.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The workspace.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    workspace: PathBuf,
    /// Only faults with this in their name; may stand more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only so many of them, drawn by the seed.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// What the sample is drawn by.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How many copies are built at a time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// How many seconds the traces may take; a fault that makes them loop is caught by that.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    limit: u64,
    /// Where the copies are made and built. If it is there from before, less has to be built; a folder that is thrown away if
    /// it is left out.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

fn main() -> ExitCode {
    match try_all(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(2)
        }
    }
}

fn try_all(arguments: &Arguments) -> io::Result<bool> {
    let mut mutants = list::read(&arguments.workspace)?;
    let is_wanted = |mutant: &Mutant| arguments.only.iter().any(|part| mutant.name.contains(part));
    mutants.retain(|mutant| arguments.only.is_empty() || is_wanted(mutant));
    if let Some(count) = arguments.sample {
        mutants = list::sample(mutants, count, arguments.seed);
    }
    if mutants.is_empty() {
        return Err(io::Error::other("no fault has such a name"));
    }
    // What two faults share is built once for both.
    mutants.sort_by(|a, b| a.file.cmp(&b.file));
    let thrown_away = tempfile::tempdir()?;
    let work = arguments.work.as_deref().unwrap_or_else(|| thrown_away.path());
    let next = AtomicUsize::new(0);
    let worker = |number: usize| {
        let folder = work.join(number.to_string());
        let copy = Copy::new(&arguments.workspace, folder, Duration::from_secs(arguments.limit))?;
        let start = Instant::now();
        let verdict = copy.try_out(None)?;
        if verdict != Verdict::Survived {
            return Err(io::Error::other(format!("without a fault: {verdict}")));
        }
        println!(
            "without a fault all traces pass ({} s)",
            start.elapsed().as_secs()
        );
        let mut verdicts = Vec::new();
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let verdict = copy.try_out(Some(mutant))?;
            println!("{}: {verdict} ({} s)", mutant.name, start.elapsed().as_secs());
            verdicts.push((mutant, verdict));
        }
        Ok(verdicts)
    };
    let jobs = arguments.jobs.clamp(1, mutants.len());
    let verdicts: Vec<(&Mutant, Verdict)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|n| scope.spawn(move || worker(n))).collect();
        let ends = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ends.collect::<io::Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    let caught = verdicts.iter().filter(|(_, verdict)| verdict.is_caught()).count();
    println!("score: {caught} of {} faults are caught", verdicts.len());
    for (mutant, verdict) in verdicts.iter().filter(|(_, verdict)| !verdict.is_caught()) {
        println!(
            "    {}: {verdict}; breaks {}",
            mutant.name,
            mutant.breaks.join(", ")
        );
    }
    Ok(caught == verdicts.len())
}
