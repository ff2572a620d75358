//! `run --update`: writes expectations anew as they were seen, and shows what changed.

use std::fs;

use clap::Args;
use mqtt_conformance::run::MakeTargets;
use mqtt_conformance::trace::Trace;
use mqtt_conformance::update::update;

use super::print;
use super::reporting::Reporting;

#[derive(Debug, Args)]
pub(super) struct Updating {
    /// Write expectations that fail anew, as they were seen, and print the difference; what is sent is never touched. The exit
    /// status is 1 if a trace still fails.
    #[arg(long, conflicts_with = "profile")]
    pub(super) update: bool,
    /// With --update: print the difference, and write nothing.
    #[arg(long, requires = "update")]
    dry_run: bool,
}

impl Updating {
    pub(super) fn run(&self, reporting: &Reporting, targets: &MakeTargets<'_>) -> Result<bool, String> {
        let mut targets = targets();
        let (mut written, mut left) = (0, 0);
        let plan = reporting.plan(1);
        for file in reporting.files()? {
            let name = file.display();
            let text = fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
            let trace = Trace::parse(&name.to_string(), &text).map_err(|e| e.to_string())?;
            if !plan.wants(&trace) {
                continue;
            }
            let update = update(&name.to_string(), &text, &mut targets).map_err(|e| e.to_string())?;
            if update.is_changed() {
                written += 1;
                print(&update.diff(&file))?;
                if !self.dry_run {
                    fs::write(&file, &update.after).map_err(|e| format!("{name}: {e}"))?;
                }
            }
            if let Some(why) = update.left {
                left += 1;
                print(&format!("{name}:{why}\n"))?;
            }
        }
        let done = if self.dry_run {
            "would be written anew"
        } else {
            "written anew"
        };
        print(&format!("{written} traces {done}, {left} still fail\n"))?;
        Ok(left == 0)
    }
}
