//! The options of all commands that run traces: which, how many at a time, what is printed of it and where, and what makes
//! the check fail.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use mqtt_conformance::profile::Profile;
use mqtt_conformance::report::{Condition, FailOn, Report, Text};
use mqtt_conformance::run::{self, MakeTargets, Plan};
use mqtt_conformance::trace::Trace;
use mqtt_proto::Statement;

use super::print;
use super::progress::Bar;

#[derive(Debug, Args)]
pub(super) struct Reporting {
    /// Only traces that cover this statement, such as 5/MQTT-3.3.1-2; may stand more than once. The report is on these alone.
    #[arg(long, value_name = "STATEMENT")]
    only: Vec<Statement>,
    /// How many traces run at a time. Live 16 if it is left out: they mostly wait.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    jobs: Option<usize>,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the report into this file; what is printed is text then.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What makes the exit status 1, with commas: failed, known (failed, and the profile lists it), fixed (passed, though the
    /// profile lists it), not-applicable and not-covered (statements that no run shows; those not covered for a reason in
    /// spec/untested.tsv are left out); or never.
    #[arg(long, value_name = "LIST", default_value = "failed")]
    fail_on: FailOn,
    /// Print a line for every run and every statement.
    #[arg(short, long)]
    verbose: bool,
    /// Trace files, and folders with them; if there is none, `traces` or `conformance/traces`, and elsewhere those that came with
    /// the program.
    paths: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for a terminal.
    #[default]
    Text,
    /// Tables, with a row for every statement.
    Markdown,
    /// Everything, with names that stay.
    Json,
}

impl Reporting {
    /// The trace files that were asked for.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, String> {
        let files = if self.paths.is_empty() {
            let here = ["traces", "conformance/traces"].map(Path::new);
            match here.into_iter().find(|folder| folder.is_dir()) {
                Some(folder) => run::find(&[folder.to_owned()]),
                None => run::bundled(),
            }
        } else {
            run::find(&self.paths)
        };
        let files = files.map_err(|e| e.to_string())?;
        if files.is_empty() {
            return Err(format!("no .{} file in what was given", run::EXTENSION));
        }
        Ok(files)
    }

    /// Which traces were asked for, and so many at a time if nothing was said.
    pub(super) fn plan(&self, jobs: usize) -> Plan {
        let mut plan = Plan::default();
        plan.only.clone_from(&self.only);
        plan.jobs = self.jobs.unwrap_or(jobs);
        plan
    }

    /// Runs the traces that were asked for, so many at a time if nothing was said, and prints what came of it.
    pub(super) fn run(
        &self,
        jobs: usize,
        profile: Option<&Profile>,
        targets: &MakeTargets<'_>,
    ) -> Result<bool, String> {
        let files = self.files()?;
        // Before the runs, which may take long.
        let output = match &self.output {
            Some(path) => Some((
                path,
                File::create(path).map_err(|e| format!("{}: {e}", path.display()))?,
            )),
            None => None,
        };
        let plan = self.plan(jobs);
        let bar = Bar::new();
        let mut report = run::run_watched(&files, &plan, targets, &|progress| bar.show(progress));
        bar.clear();
        if let Some(profile) = profile {
            report = report.with_profile(profile);
        }
        match output {
            Some((path, mut file)) => {
                let written = file.write_all(self.formatted(&report, self.format)?.as_bytes());
                written.map_err(|e| format!("{}: {e}", path.display()))?;
                print(&self.formatted(&report, Format::Text)?)?;
            }
            None => print(&self.formatted(&report, self.format)?)?,
        }
        self.judge(&report, targets)
    }

    fn formatted(&self, report: &Report, format: Format) -> Result<String, String> {
        match format {
            Format::Text => {
                // Of a part of the traces nobody wants to know what it does not show.
                let is_whole = self.paths.is_empty() && self.only.is_empty();
                let is_asked =
                    self.fail_on.has(Condition::NotCovered) || self.fail_on.has(Condition::NotApplicable);
                let text = Text::of(report)
                    .verbose(self.verbose)
                    .with_unshown(is_whole || is_asked);
                Ok(text.to_string())
            }
            Format::Markdown => Ok(report.to_markdown()),
            Format::Json => report.to_json().map_err(|e| e.to_string()),
        }
    }

    /// Whether all is as it should be.
    fn judge(&self, report: &Report, targets: &MakeTargets<'_>) -> Result<bool, String> {
        match report.unreadable_files().len() {
            0 => {}
            1 => return Err("a file is no trace, see above".to_owned()),
            n => return Err(format!("{n} files are no traces, see above")),
        }
        if report.runs().is_empty() {
            return Err(self.nothing_ran(targets));
        }
        if !report.has_applied() {
            return Err("no trace is applicable; -v says why".to_owned());
        }
        let met = self.fail_on.met_by(report);
        if !met.is_empty() {
            eprintln!("mqtt-conformance: {}", met.join(", "));
        }
        Ok(met.is_empty())
    }

    /// Why there is no run at all: no trace covers what was asked for, or those that there are say nothing about the target.
    fn nothing_ran(&self, targets: &MakeTargets<'_>) -> String {
        let only: Vec<String> = self.only.iter().map(ToString::to_string).collect();
        let only = only.join(" or ");
        let (plan, traces) = (self.plan(1), self.files().unwrap_or_default());
        let is_covered = traces
            .iter()
            .any(|file| Trace::read(file).is_ok_and(|trace| plan.wants(&trace)));
        if !is_covered {
            return format!("no trace covers {only}");
        }
        let targets: Vec<String> = targets().iter().map(|target| target.name().to_owned()).collect();
        let which = if only.is_empty() {
            "the traces given".to_owned()
        } else {
            format!("the traces that cover {only}")
        };
        format!(
            "{which} say nothing about what is tested, the {}; each says in its `test:` what it is for",
            targets.join(", ")
        )
    }
}
