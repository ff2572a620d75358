//! A client program, started anew for each trace; the runner plays the server on a port of 127.0.0.1.
//!
//! - `adapt`: a trace as this program can be asked it.
//! - `arguments`: calls as one command line. `lines`: calls and events as lines, for programs that are driven by them.
//! - `child`: the program. `links`: its port and its links. `client`: both together. `stopping`: it does not outlive the runner.
//! - `world`: all clients of a trace, in real time. `asking`: what they are told, and their answers.
//! - `by_hand`: a client that somebody starts by hand.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "most of this is about a few of the many things that a line can be"
)]
#![allow(
    clippy::disallowed_types,
    reason = "a live client is measured by a real clock"
)]

mod adapt;
mod arguments;
mod asking;
mod by_hand;
mod child;
mod client;
mod lines;
mod links;
mod stopping;
mod world;

use std::ffi::OsString;
use std::sync::Arc;

use mqtt_proto::Version;

pub use self::by_hand::Listen;
#[cfg(unix)]
pub use self::stopping::kill_all_and_exit;
use self::world::ProcessWorld;
use super::{Failure, Outcome, Target, refusals};
use crate::play::play;
use crate::play::world::Pace;
use crate::profile::{Drive, Profile};
use crate::trace::{Test, Trace};

/// A client program; what it can be told stands in a profile.
#[derive(Clone, Debug)]
pub struct LiveClient {
    command: Vec<OsString>,
    profile: Arc<Profile>,
    pace: Pace,
}

impl LiveClient {
    /// The program that this command starts, driven as the profile says.
    #[must_use]
    pub fn new(command: Vec<OsString>, profile: Profile) -> Self {
        let pace = Pace::real(profile.patience, profile.slack);
        Self {
            command,
            profile: Arc::new(profile),
            pace,
        }
    }

    /// Runs one part of a trace.
    fn run_part(&self, part: &Trace, version: Version) -> Outcome {
        let client = &self.profile.client;
        let adapted = match adapt::adapt(part, version, client) {
            Ok(adapted) => adapted,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let mut command = self.command.clone();
        if client.drive == Drive::Arguments {
            match arguments::arguments(&adapted, version, client) {
                Ok(arguments) => command.extend(arguments),
                Err(why) => return Outcome::NotApplicable(why),
            }
        }
        play(&adapted, version, || {
            let profile = Arc::clone(&self.profile);
            let world = ProcessWorld::new(profile, version, self.pace, command.clone(), &adapted);
            Ok(Box::new(world))
        })
    }
}

impl Target for LiveClient {
    fn name(&self) -> &str {
        "live client"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Client
    }

    fn takes(&self, trace: &Trace) -> bool {
        self.is_tested_by(trace.head.test) || refusals::client::asked(trace).is_some()
    }

    /// Connections that have nothing to do with each other are run one after the other; all failures are told.
    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let refusals = refusals::client::asked(trace);
        let trace = refusals.as_ref().unwrap_or(trace);
        let trace = match self.profile.apply(trace, version) {
            Ok(trace) => trace,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let (mut checked, mut failures, mut not_applicable) = (0, Vec::<Failure>::new(), Vec::new());
        let parts = adapt::parts(&trace);
        let count = parts.len();
        for part in parts {
            match self.run_part(&part, version) {
                Outcome::Passed { checked: lines } => checked += lines,
                Outcome::Failed(of_part) => failures.extend(of_part),
                Outcome::NotApplicable(why) => not_applicable.push(why),
            }
        }
        let not_applicable = match (not_applicable.len(), not_applicable.first()) {
            (_, None) => None,
            (n, Some(first)) if count > 1 => {
                Some(format!("{n} of {count} parts are not, the first: {first}"))
            }
            (_, Some(first)) => Some(first.clone()),
        };
        match (failures.is_empty(), not_applicable) {
            (false, _) => Outcome::Failed(failures),
            // A trace shows what it covers only as a whole.
            (true, Some(why)) => Outcome::NotApplicable(why),
            (true, None) => Outcome::Passed { checked },
        }
    }
}
