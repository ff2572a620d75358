//! `statements`: what shows each statement.

use std::path::PathBuf;

use clap::Args;
use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::statements::{Shown, Who};
use mqtt_conformance::target;

use super::print;

#[derive(Debug, Args)]
pub(super) struct Arguments {
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

impl Arguments {
    pub(super) fn run(self) -> Result<bool, String> {
        let folder = self.workspace.join("conformance/traces");
        let files = run::find(&[folder]).map_err(|e| e.to_string())?;
        let report = run::run(&files, &Plan::default(), &target::in_memory);
        if !report.is_good() {
            print(&report.to_string())?;
            return Ok(false);
        }
        let shown = Shown::find(self.who, &report, &self.workspace).map_err(|e| e.to_string())?;
        if self.quiet {
            print(&format!("{shown:#}"))?;
        } else {
            print(&shown.to_string())?;
        }
        Ok(shown.faults().is_empty())
    }
}
