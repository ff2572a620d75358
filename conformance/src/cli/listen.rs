//! `listen`: plays the server of one trace for a client that somebody starts by hand.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::path::PathBuf;

use clap::Args;
use mqtt_conformance::target::Outcome;
use mqtt_conformance::target::process::Listen;
use mqtt_conformance::trace::{Trace, parse_time, parse_version};
use mqtt_proto::Version;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where the client is awaited; 0.0.0.0 or :: is all addresses of this machine, for a client on another.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The port on which it is awaited; 0 is any that is free.
    #[arg(long, value_name = "N", default_value_t = 1883)]
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
        let mut listen = Listen::at(SocketAddr::new(self.address, self.port));
        listen.version = self.version;
        listen.patience = self.patience;
        match listen.play(&trace, &|line| println!("{line}"))? {
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
