//! `run`: runs traces against what is in memory, or against a live broker.

use core::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use mqtt_conformance::play::world::Pace;
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{Target, setup};

use super::reporting::Reporting;
use super::target::What;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What is tested: memory (all of codec, client, broker and pair), one of these, or a live broker at tcp://HOST:PORT.
    #[arg(long, default_value = "memory")]
    target: What,
    /// What the live broker cannot do: traces that require it are not applicable; one or more, with commas.
    #[arg(long, value_name = "FEATURES", value_delimiter = ',', value_parser = PossibleValuesParser::new(setup::FEATURES))]
    without: Vec<String>,
    /// How long the live broker may take for what has no time of its own in a trace; 1s if it is left out.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    patience: Option<Duration>,
    /// How much earlier or later than a trace says the live broker may act; 300ms if it is left out.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    slack: Option<Duration>,
    #[command(flatten)]
    reporting: Reporting,
}

impl Arguments {
    pub(super) fn run(self) -> Result<bool, String> {
        let What::Live(address) = &self.target else {
            self.is_for_memory()?;
            return self.reporting.run(1, &|| self.target.in_memory());
        };
        let patience = self.patience.unwrap_or(Duration::from_secs(1));
        let slack = self.slack.unwrap_or(Duration::from_millis(300));
        let broker = address
            .connect()?
            .with_pace(Pace::real(patience, slack))
            .without(self.without);
        let broker: &LiveBroker = &broker;
        self.reporting
            .run(16, &|| vec![Box::new(broker.clone()) as Box<dyn Target>])
    }

    /// Options that say something of a live broker are of no use in memory.
    fn is_for_memory(&self) -> Result<(), String> {
        let of_live = [
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
