//! The options of all commands that run traces: which, how many at a time, and what is printed of it.

use std::path::{Path, PathBuf};

use clap::Args;
use mqtt_conformance::report::Report;
use mqtt_conformance::run::{self, MakeTargets, Plan};
use mqtt_proto::Statement;

#[derive(Debug, Args)]
pub(super) struct Reporting {
    /// Only traces that cover this statement, such as 5/MQTT-3.3.1-2; may stand more than once.
    #[arg(long, value_name = "STATEMENT")]
    only: Vec<Statement>,
    /// How many traces run at a time. Live 16 if it is left out: they mostly wait.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print a line for every run.
    #[arg(short, long)]
    verbose: bool,
    /// Trace files, and folders with them; `conformance/traces` if there is none.
    paths: Vec<PathBuf>,
}

impl Reporting {
    /// The trace files that were asked for.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let inside = Path::new("traces");
        let all = [if inside.is_dir() {
            inside.to_owned()
        } else {
            PathBuf::from("conformance/traces")
        }];
        let paths = if self.paths.is_empty() {
            &all[..]
        } else {
            &self.paths
        };
        let files = run::find(paths).map_err(|e| e.to_string())?;
        if files.is_empty() {
            return Err(format!("no .{} file in what was given", run::EXTENSION));
        }
        Ok(files)
    }

    /// Runs the traces that were asked for, so many at a time if nothing was said, and prints what came of it.
    pub(super) fn run(&self, jobs: usize, targets: &MakeTargets<'_>) -> Result<bool, String> {
        let mut plan = Plan::default();
        plan.only.clone_from(&self.only);
        plan.jobs = self.jobs.unwrap_or(jobs);
        let report = run::run(&self.files()?, &plan, targets);
        self.print(&report)
    }

    fn print(&self, report: &Report) -> Result<bool, String> {
        if self.verbose {
            report.runs().iter().for_each(|run| println!("{run}"));
        }
        print!("{report}");
        match report.unreadable_files() {
            0 => {}
            1 => return Err("a file is no trace, see above".to_owned()),
            n => return Err(format!("{n} files are no traces, see above")),
        }
        if !self.only.is_empty() && report.runs().is_empty() && report.failures().is_empty() {
            let only: Vec<String> = self.only.iter().map(ToString::to_string).collect();
            return Err(format!("no trace covers {}", only.join(" or ")));
        }
        if report.failures().is_empty() && !report.has_passed() {
            return Err("no trace is applicable; -v says why".to_owned());
        }
        Ok(report.is_good())
    }
}
