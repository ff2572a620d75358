//! `client`: runs traces against a client program.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use mqtt_conformance::profile::Profile;
use mqtt_conformance::target::Target;
use mqtt_conformance::target::process::LiveClient;

use super::reporting::Reporting;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How the program is told what to do, and what is known to fail: a file of TOML. For mosquitto_sub, mosquitto_pub and
    /// conformance/drivers/paho.py one comes with this program.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    reporting: Reporting,
    /// The program, with the arguments that it always gets.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Arguments {
    pub(super) fn run(self) -> Result<bool, String> {
        let profile = match &self.profile {
            Some(file) => Profile::read(file).map_err(|e| e.to_string())?,
            None => Profile::for_command(&self.command).ok_or_else(|| {
                "no profile for this command comes with the program: name one with --profile FILE".to_owned()
            })?,
        };
        if profile.is_of_a_broker() {
            return Err(format!("the profile of {} is that of a broker", profile.name));
        }
        stop_programs_too()?;
        // Each runs a program, and most of them wait most of the time.
        let jobs = profile.jobs.unwrap_or(8);
        let known = profile.clone();
        let client = LiveClient::new(self.command, profile);
        let client: &LiveClient = &client;
        self.reporting.run(jobs, Some(&known), &|| {
            vec![Box::new(client.clone()) as Box<dyn Target>]
        })
    }
}

/// Client programs are in process groups of their own, and do not see the Ctrl-C of the terminal.
#[cfg(unix)]
fn stop_programs_too() -> Result<(), String> {
    // As if the first of the signals, SIGINT, had ended it.
    ctrlc::set_handler(|| mqtt_conformance::target::process::kill_all_and_exit(130))
        .map_err(|e| format!("signals cannot be handled: {e}"))
}

/// The console tells all its programs.
#[cfg(not(unix))]
fn stop_programs_too() -> Result<(), String> {
    Ok(())
}
