//! Crates of others, wrapped as their authors would do it to test them with `mqtt-conformance`.
//!
//! - [`mqttbytes`]: a codec.
//! - [`mqtt_protocol_core`]: a client without IO.
//!
//! What each is known to fail is listed in `profiles/`; each entry was looked up in the standard.

pub mod mqtt_protocol_core;
pub mod mqttbytes;

use std::path::Path;

use mqtt_conformance::profile::findings::Findings;
use mqtt_conformance::profile::{Profile, ProfileError, trace_name};
use mqtt_conformance::report::{FailOn, Report};
use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::target::{Outcome, Target};
use mqtt_proto::Version;

/// A crate that is tested.
#[derive(Clone, Copy)]
pub struct Tested {
    /// The file with what it can do, and what it is known to fail.
    pub profile: &'static str,
    /// Only traces from these folders.
    pub folders: &'static [&'static str],
    make: fn(Profile) -> Box<dyn Target>,
}

/// All of them.
pub const CRATES: [Tested; 2] = [
    Tested {
        profile: "mqttbytes.toml",
        // A packet of another trace has little that is not in one of these.
        folders: &["codec"],
        make: |profile| Box::new(mqttbytes::target().with_profile(profile)),
    },
    Tested {
        profile: "mqtt-protocol-core.toml",
        folders: &["client", "codec"],
        make: |profile| Box::new(mqtt_protocol_core::target().with_profile(profile)),
    },
];

impl Tested {
    /// Reads the profile and runs the traces.
    ///
    /// # Errors
    ///
    /// The profile cannot be read, or the traces are not there: why, in words.
    pub fn run(&self) -> Result<Report, String> {
        let file = folder().join("profiles").join(self.profile);
        let profile = Profile::read(&file).map_err(|e| e.to_string())?;
        let mut files = run::bundled().map_err(|e| e.to_string())?;
        files.retain(|file| {
            let trace = trace_name(file);
            self.folders
                .iter()
                .any(|folder| trace.starts_with(&format!("{folder}/")))
        });
        let report = run::run(&files, &Plan::default(), &|| vec![(self.make)(profile.clone())]);
        Ok(report.with_profile(&profile))
    }
}

/// The runs of a report by version, as `[measured]` of a profile has them.
#[must_use]
pub fn measured(report: &Report) -> Vec<String> {
    let versions = [Version::V311, Version::V5];
    let sum = versions.map(|version| {
        let (mut passed, mut known, mut not_applicable) = (0, 0, 0);
        for run in report.runs().iter().filter(|run| run.version == version) {
            match run.outcome {
                Outcome::Passed { .. } => passed += 1,
                Outcome::Failed(_) => known += 1,
                Outcome::NotApplicable(_) => not_applicable += 1,
            }
        }
        format!("{{ version = \"{version}\", passed = {passed}, known = {known}, not_applicable = {not_applicable} }}")
    });
    sum.to_vec()
}

/// The folder of this crate.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the profiles list.
///
/// # Errors
///
/// A profile cannot be read.
pub fn findings() -> Result<Findings, ProfileError> {
    Findings::read(&folder().join("profiles"))
}

/// What has failed and is not listed, or is listed and has not failed, in words; nothing if all is as it is known.
#[must_use]
pub fn news(report: &Report) -> Vec<String> {
    let fail_on: FailOn = "failed,fixed".parse().expect("these are conditions");
    fail_on.met_by(report)
}
