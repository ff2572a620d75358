//! What a run of all traces has given.

use core::fmt;

use mqtt_proto::Version;
use serde::Deserialize;

use super::words;

/// `[measured]`: the last run of all traces against the target that the profile is about, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Measured {
    /// The day, as `2026-11-21`.
    pub date: String,
    /// The version of the traces.
    pub suite: String,
    /// What came of it, by version of MQTT.
    pub runs: Vec<Sum>,
}

/// How the runs of the traces in one version of MQTT ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sum {
    /// The version.
    #[serde(deserialize_with = "words::version")]
    pub version: Version,
    /// Runs that passed.
    pub passed: usize,
    /// Runs that failed, each of them known.
    pub known: usize,
    /// Runs that ask for more than the target offers, or for one that is set up for them.
    pub not_applicable: usize,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            passed,
            known,
            not_applicable,
        } = self;
        write!(f, "| {version} | {passed} | {known} | {not_applicable} |")
    }
}
