//! What the runner has to know of a target that it did not make: a file of TOML.
//!
//! ```
//! use mqtt_conformance::profile::Profile;
//!
//! let profile = Profile::parse("a.toml", r#"
//!     name = "my broker 1.0"
//!     versions = ["3.1.1", "5"]
//!     lacks = ["shared"]
//!     [broker]
//!     namespace = "tests/"
//! "#)?;
//! assert_eq!(profile.broker.namespace, "tests/");
//!
//! let error = Profile::parse("a.toml", "name = \"mine\"\nversions = [\"4\"]").unwrap_err();
//! assert_eq!(error.to_string(), "a.toml:2:13: `4` is no version: 3.1, 3.1.1 or 5");
//! # Ok::<(), mqtt_conformance::profile::ProfileError>(())
//! ```
//!
//! - [`Broker`]: how a live broker is reached, what it takes, and how it is restarted.
//! - [`Client`]: how a client program is told what to do, and what it tells.
//! - [`Limits`]: what the target takes at most, and what a trace needs.
//! - [`Known`]: what is known to fail; [`Measured`]: what the last run of all traces has given.
//! - [`findings`]: what is known of all targets in a folder, as a text for people.
//! - [`Secret`]: a password, which no report shows.
//! - `rewrite`: a trace with the names and credentials that a broker wants.
//! - `words`: how values are written.

mod broker;
mod client;
mod command;
mod error;
pub mod findings;
mod known;
mod limits;
mod measured;
mod rewrite;
mod secret;
mod words;

use core::time::Duration;
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

use mqtt_proto::Version;
use serde::Deserialize;

pub use broker::Broker;
pub(crate) use broker::Credentials;
pub use client::{ByItself, Client, Drive, Templates};
pub use command::CommandLine;
pub use error::ProfileError;
pub use known::{Known, trace_name};
pub use limits::Limits;
pub use measured::{Measured, Sum};
pub use secret::Secret;

use crate::trace::Trace;

/// Profiles of well-known client programs.
const BUILT_IN: [(&str, &str); 3] = [
    (
        "mosquitto_sub.toml",
        include_str!("../../profiles/mosquitto_sub.toml"),
    ),
    (
        "mosquitto_pub.toml",
        include_str!("../../profiles/mosquitto_pub.toml"),
    ),
    ("paho.toml", include_str!("../../profiles/paho.toml")),
];

/// What a target can do and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Profile {
    /// Which target this is, with its version.
    pub name: String,
    /// Which versions of MQTT it speaks: traces for others are not applicable. Default: all.
    #[serde(default = "words::all_versions", deserialize_with = "words::versions")]
    pub versions: Vec<Version>,
    /// What it cannot do, of [`FEATURES`](crate::target::setup::FEATURES): traces that require it are not applicable.
    #[serde(default, deserialize_with = "words::features")]
    pub lacks: Vec<String>,
    /// How long it may take for what has no time of its own in a trace. Default: 1 s.
    #[serde(default = "words::patience", deserialize_with = "words::duration")]
    pub patience: Duration,
    /// How much earlier or later than a trace says it may act. Default: 300 ms.
    #[serde(default = "words::slack", deserialize_with = "words::duration")]
    pub slack: Duration,
    /// How many traces run at a time. Default: what the runner has for such a target.
    #[serde(default, deserialize_with = "words::at_least_one")]
    pub jobs: Option<usize>,
    /// A live broker.
    #[serde(default)]
    pub broker: Broker,
    /// A live client.
    #[serde(default)]
    pub client: Client,
    /// What is known to fail.
    #[serde(default)]
    pub known: Vec<Known>,
    /// What the last run of all traces has given; says nothing to the runner. Default: nothing.
    #[serde(default)]
    pub measured: Option<Measured>,
}

impl Profile {
    /// A target that can do all of it, needs nothing, and of which nothing is known to fail.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            versions: words::all_versions(),
            lacks: Vec::new(),
            patience: words::patience(),
            slack: words::slack(),
            jobs: None,
            broker: Broker::default(),
            client: Client::default(),
            known: Vec::new(),
            measured: None,
        }
    }

    /// The profile that comes with this crate for a command, by the file names in it.
    #[must_use]
    pub fn for_command(command: &[OsString]) -> Option<Self> {
        let names: Vec<_> = command
            .iter()
            .filter_map(|word| Path::new(word).file_name()?.to_str())
            .collect();
        BUILT_IN
            .iter()
            .filter_map(|(file, text)| Self::parse(file, text).ok())
            .find(|profile| {
                let mut commands = profile.client.commands.iter();
                commands.any(|command| names.contains(&command.as_str()))
            })
    }

    /// Reads the profile in a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or [`Profile::parse`] refuses it.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) => Err(ProfileError::unreadable(&name, &error)),
        }
    }

    /// Reads a profile. `file` is the name for errors.
    ///
    /// # Errors
    ///
    /// The first place where the text is no TOML, has a key that there is not, or a value that is none.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|error| ProfileError::new(file, text, &error))
    }

    /// It has a `[client]` and no `[broker]`: nothing in it reaches a broker.
    #[must_use]
    pub fn is_of_a_client(&self) -> bool {
        self.client != Client::default() && self.broker == Broker::default()
    }

    /// It has a `[broker]` and no `[client]`: nothing in it tells a client program what to do.
    #[must_use]
    pub fn is_of_a_broker(&self) -> bool {
        self.broker != Broker::default() && self.client == Client::default()
    }

    /// What is known to fail in a run of this trace, by its [name](trace_name), in this version.
    #[must_use]
    pub fn known(&self, trace: &str, version: Version) -> Option<&Known> {
        self.known.iter().find(|known| known.is_about(trace, version))
    }

    /// The trace as this target wants it: with namespace, client ids and credentials.
    ///
    /// # Errors
    ///
    /// Why the trace is not applicable to this target in this version, in words: the target lacks something that the trace requires,
    /// or the trace needs more than the target's limits, or cannot be changed so.
    pub fn apply<'t>(&self, trace: &'t Trace, version: Version) -> Result<Cow<'t, Trace>, String> {
        if !self.versions.contains(&version) {
            return Err(format!("{} does not speak MQTT {version}", self.name));
        }
        if let Some(why) = crate::target::setup::lacks(trace, &self.lacks) {
            return Err(why);
        }
        let trace = self.broker.rewrite(trace, version)?;
        match self.broker.limits.are_passed_by(&trace, version) {
            Some(why) => Err(why),
            None => Ok(trace),
        }
    }
}
