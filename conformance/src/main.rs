//! Runs traces from the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mqtt_conformance::run;
use mqtt_conformance::target::broker::MemoryBroker;
use mqtt_conformance::target::codec::Codec;

/// Packet traces that test any MQTT client, broker or codec.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run traces; the exit status is 0 if all pass.
    Run {
        /// Print a line for every run.
        #[arg(short, long)]
        verbose: bool,
        /// Trace files, and folders with them; `conformance/traces` if there is none.
        paths: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let Command::Run { verbose, mut paths } = Arguments::parse().command;
    if paths.is_empty() {
        let inside = Path::new("traces");
        paths.push(if inside.is_dir() {
            inside.to_owned()
        } else {
            PathBuf::from("conformance/traces")
        });
    }
    let files = match run::find(&paths) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => return refuse(&format!("no .{} file in what was given", run::EXTENSION)),
        Err(error) => return refuse(&error.to_string()),
    };
    let report = run::run(&files, &mut [&mut Codec, &mut MemoryBroker]);
    if verbose {
        report.runs().iter().for_each(|run| println!("{run}"));
    }
    print!("{report}");
    if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("mqtt-conformance: {why}");
    ExitCode::from(2)
}
