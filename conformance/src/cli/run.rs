//! `run`: runs traces against what is in memory, or against a live broker.

use core::time::Duration;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use mqtt_conformance::profile::Profile;
use mqtt_conformance::run::MakeTargets;
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{Target, setup};
use mqtt_conformance::trace::parse_time;

use super::reporting::Reporting;
use super::target::What;
use super::update::Updating;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What is tested: memory (all of codec, client, broker and pair), one of these, or a live broker at tcp://HOST:PORT.
    #[arg(long, default_value = "memory")]
    target: What,
    /// What the live broker can do, how it is reached, and what is known to fail: a file of TOML.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// What the live broker cannot do: traces that require it are not applicable; one or more, with commas.
    #[arg(long, value_name = "FEATURES", value_delimiter = ',', value_parser = PossibleValuesParser::new(setup::FEATURES))]
    without: Vec<String>,
    /// How long the live broker may take for what has no time of its own in a trace; if it is left out, as the profile
    /// says, or 1s.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    patience: Option<Duration>,
    /// How much earlier or later than a trace says the live broker may act; if it is left out, as the profile says, or 300ms.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    slack: Option<Duration>,
    #[command(flatten)]
    updating: Updating,
    #[command(flatten)]
    reporting: Reporting,
}

impl Arguments {
    pub(super) fn run(self) -> Result<bool, String> {
        let What::Live(address) = &self.target else {
            self.is_for_memory()?;
            return self.run_against(1, None, &|| self.target.in_memory());
        };
        let mut profile = match &self.profile {
            Some(file) => Profile::read(file).map_err(|e| e.to_string())?,
            None => Profile::new("live broker"),
        };
        if profile.is_of_a_client() {
            return Err(format!(
                "the profile of {} is that of a client program",
                profile.name
            ));
        }
        profile.lacks.extend(self.without.iter().cloned());
        profile.patience = self.patience.unwrap_or(profile.patience);
        profile.slack = self.slack.unwrap_or(profile.slack);
        let jobs = profile.jobs.unwrap_or(16);
        let broker = address.connect()?.with_profile(profile.clone());
        let broker: &LiveBroker = &broker;
        let profile = self.profile.as_ref().map(|_| &profile);
        self.run_against(jobs, profile, &|| {
            vec![Box::new(broker.clone()) as Box<dyn Target>]
        })
    }

    fn run_against(
        &self,
        jobs: usize,
        profile: Option<&Profile>,
        targets: &MakeTargets<'_>,
    ) -> Result<bool, String> {
        if self.updating.update {
            return self.updating.run(&self.reporting, targets);
        }
        self.reporting.run(jobs, profile, targets)
    }

    /// Options that say something of a live broker are of no use in memory.
    fn is_for_memory(&self) -> Result<(), String> {
        let of_live = [
            ("--profile", self.profile.is_some()),
            ("--without", !self.without.is_empty()),
            ("--patience", self.patience.is_some()),
            ("--slack", self.slack.is_some()),
        ];
        match of_live.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(format!("{option} is for --target tcp://HOST:PORT")),
            None => Ok(()),
        }
    }
}
