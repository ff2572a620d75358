//! Runs traces from the command line.

use core::net::SocketAddr;
use core::time::Duration;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use mqtt_conformance::play::world::Pace;
use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::statements::{Shown, Who};
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{self, Target, setup};
use mqtt_proto::Statement;

/// Packet traces that test any MQTT client, broker or codec.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run traces; the exit status is 0 if all pass, 1 if one fails, 2 if a file is no trace or nothing could be run.
    Run(RunArguments),
    /// Run all traces in memory, and say for every statement that binds a role by which traces and tests it is shown, or why
    /// by none; the exit status is 0 if none is missing, 1 otherwise, 2 if nothing could be looked at.
    Statements(StatementsArguments),
}

#[derive(Debug, Args)]
struct StatementsArguments {
    /// Statements that bind this role: client, server or codec.
    #[arg(long, value_name = "ROLE")]
    who: Who,
    /// The folder of the workspace, with the sources of the tests.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    workspace: PathBuf,
    /// Only what is missing and the sums.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// A broker to test instead of what this crate tests in memory: HOST:PORT.
    #[arg(long)]
    target: Option<String>,
    /// Only traces that cover this statement, such as 5/MQTT-3.3.1-2; may stand more than once.
    #[arg(long, value_name = "STATEMENT")]
    only: Vec<Statement>,
    /// How many traces run at a time. With --target 16 if it is left out: they mostly wait.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// What the broker cannot do: traces that require it are not applicable; one or more, with commas.
    #[arg(long, value_name = "FEATURES", requires = "target", value_delimiter = ',', value_parser = PossibleValuesParser::new(setup::FEATURES))]
    without: Vec<String>,
    /// How long the broker may take for what has no time of its own in a trace.
    #[arg(long, value_name = "TIME", requires = "target", default_value = "1s", value_parser = duration)]
    patience: Duration,
    /// How much earlier or later than a trace says the broker may act.
    #[arg(long, value_name = "TIME", requires = "target", default_value = "300ms", value_parser = duration)]
    slack: Duration,
    /// Print a line for every run.
    #[arg(short, long)]
    verbose: bool,
    /// Trace files, and folders with them; `conformance/traces` if there is none.
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let good = match Arguments::parse().command {
        Command::Run(arguments) => run_traces(arguments),
        Command::Statements(arguments) => show_statements(&arguments),
    };
    match good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("mqtt-conformance: {why}");
            ExitCode::from(2)
        }
    }
}

fn run_traces(arguments: RunArguments) -> Result<bool, String> {
    let mut paths = arguments.paths;
    if paths.is_empty() {
        let inside = Path::new("traces");
        paths.push(if inside.is_dir() {
            inside.to_owned()
        } else {
            PathBuf::from("conformance/traces")
        });
    }
    let files = run::find(&paths).map_err(|e| e.to_string())?;
    if files.is_empty() {
        return Err(format!("no .{} file in what was given", run::EXTENSION));
    }
    let mut plan = Plan::default();
    plan.only = arguments.only;
    let report = match arguments.target {
        None => {
            plan.jobs = arguments.jobs.unwrap_or(1);
            run::run(&files, &plan, &target::in_memory)
        }
        Some(target) => {
            plan.jobs = arguments.jobs.unwrap_or(16);
            let broker = connect(&target)?
                .with_pace(Pace::real(arguments.patience, arguments.slack))
                .without(arguments.without);
            run::run(&files, &plan, &|| {
                vec![Box::new(broker.clone()) as Box<dyn Target>]
            })
        }
    };
    if arguments.verbose {
        report.runs().iter().for_each(|run| println!("{run}"));
    }
    print!("{report}");
    match report.unreadable_files() {
        0 => {}
        1 => return Err("a file is no trace, see above".to_owned()),
        n => return Err(format!("{n} files are no traces, see above")),
    }
    if !plan.only.is_empty() && report.runs().is_empty() && report.failures().is_empty() {
        let only: Vec<String> = plan.only.iter().map(ToString::to_string).collect();
        return Err(format!("no trace covers {}", only.join(" or ")));
    }
    if report.failures().is_empty() && !report.has_passed() {
        return Err("no trace is applicable; -v says why".to_owned());
    }
    Ok(report.is_good())
}

fn show_statements(arguments: &StatementsArguments) -> Result<bool, String> {
    let folder = arguments.workspace.join("conformance/traces");
    let files = run::find(&[folder]).map_err(|e| e.to_string())?;
    let report = run::run(&files, &Plan::default(), &target::in_memory);
    if !report.is_good() {
        print!("{report}");
        return Ok(false);
    }
    let shown = Shown::find(arguments.who, &report, &arguments.workspace).map_err(|e| e.to_string())?;
    if arguments.quiet {
        print!("{shown:#}");
    } else {
        print!("{shown}");
    }
    Ok(shown.faults().is_empty())
}

fn connect(target: &str) -> Result<LiveBroker, String> {
    let addresses: Vec<SocketAddr> = target
        .to_socket_addrs()
        .map_err(|e| format!("--target {target}: not HOST:PORT: {e}"))?
        .collect();
    let mut why = "no address".to_owned();
    for address in addresses {
        match LiveBroker::at(address) {
            Ok(broker) => return Ok(broker),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(format!("--target {target}: {why}"))
}

/// A duration as traces write it.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let wrong = || format!("`{text}` is not a time such as 500ms or 2s");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}
