//! `listen`: plays the server of one trace for a client that somebody starts by hand.

use core::time::Duration;
use std::path::PathBuf;

use clap::Args;
use mqtt_conformance::target::{Outcome, process};
use mqtt_conformance::trace::{Trace, parse_time, parse_version};
use mqtt_proto::Version;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The port of 127.0.0.1 on which the client is awaited.
    #[arg(long, value_name = "N", default_value_t = 1883, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The version that the client speaks: 3.1, 3.1.1 or 5; if it is left out, the first of the trace.
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    version: Option<Version>,
    /// How long each line is waited for.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    patience: Duration,
    /// The trace, of `test: client` or of `test: codec`.
    trace: PathBuf,
}

impl Arguments {
    pub(super) fn run(&self) -> Result<bool, String> {
        let trace = Trace::read(&self.trace).map_err(|e| e.to_string())?;
        println!("{}: waiting on 127.0.0.1:{}", trace.head.title, self.port);
        match process::listen(&trace, self.version, self.port, self.patience)? {
            Outcome::Passed { checked } => {
                println!("passed, {checked} lines");
                Ok(true)
            }
            Outcome::NotApplicable(why) => Err(why),
            Outcome::Failed(failures) => {
                for failure in failures {
                    println!("{}:{failure}", self.trace.display());
                }
                Ok(false)
            }
        }
    }
}
