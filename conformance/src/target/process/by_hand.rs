//! A client that somebody starts and calls by hand, and is told what the runner does and waits for.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use mqtt_proto::Version;

use super::world::ProcessWorld;
use super::{adapt, links::Port};
use crate::play::play;
use crate::play::world::Pace;
use crate::profile::Profile;
use crate::target::{Outcome, refusals};
use crate::trace::ast::{Direction, Item, Line, Step, Wire};
use crate::trace::{Test, Trace};

/// How a client that is started by hand is awaited.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Listen {
    /// Where; port 0 is any that is free.
    pub address: SocketAddr,
    /// The version that the client speaks; `None`: the first of the trace.
    pub version: Option<Version>,
    /// How long each line is waited for.
    pub patience: Duration,
}

impl Listen {
    /// There, for a minute each line, in the first version of the trace.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self {
            address,
            version: None,
            patience: Duration::from_secs(60),
        }
    }

    /// Plays the server of one trace for a client that somebody starts by hand, and says line by line what it waits for,
    /// and what the client is to be told.
    ///
    /// # Errors
    ///
    /// Why that cannot be, in words: it tests no client, several clients take part at a time, or the port is taken.
    pub fn play(&self, trace: &Trace, say: &dyn Fn(&str)) -> Result<Outcome, String> {
        let versions = &trace.head.versions;
        let version = match self.version.or_else(|| versions.first().copied()) {
            Some(version) if versions.contains(&version) => version,
            Some(version) => return Err(format!("the trace is none of MQTT {version}")),
            None => return Err("the trace is of no version".to_owned()),
        };
        let refusals = refusals::client::asked(trace);
        let played = match &refusals {
            Some(made) => made,
            None if trace.head.test == Test::Client => trace,
            None => return Err("the trace is none that tests a client".to_owned()),
        };
        let parts = adapt::parts(played);
        for part in &parts {
            is_for_one(part)?;
        }
        let mut profile = Profile::new("a client by hand");
        // Who waits for it has chosen the trace.
        profile.client.longest = Duration::MAX;
        let adapted = parts
            .iter()
            .map(|part| adapt::adapt(part, version, &profile.client));
        let adapted = adapted.collect::<Result<Vec<_>, _>>()?;
        let profile = Arc::new(profile);
        let port = Port::at(self.address)?;
        say(&format!(
            "{}: waiting on {}:{} for a client of MQTT {version}",
            trace.head.title,
            self.address.ip(),
            port.number()
        ));
        let pace = Pace::real(self.patience, profile.slack);
        let mut checked = 0;
        for part in &adapted {
            let outcome = play(part, version, || {
                let world = ProcessWorld::new(Arc::clone(&profile), version, pace, Vec::new(), part);
                let by_hand = ByHand {
                    trace: part,
                    is_made: refusals.is_some(),
                    say,
                    ahead: None,
                };
                Ok(Box::new(world.by_hand(port.again()?, by_hand)))
            });
            match outcome {
                Outcome::Passed { checked: lines } => checked += lines,
                other => return Ok(other),
            }
        }
        Ok(Outcome::Passed { checked })
    }
}

/// Whether one client is enough for these lines.
fn is_for_one(part: &Trace) -> Result<(), String> {
    let mut names = BTreeSet::new();
    names_of(&part.lines, &mut names);
    if names.len() > 1 {
        let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
        return Err(format!(
            "the trace has connections at the same time, {}: one client by hand has one",
            names.join(" and ")
        ));
    }
    Ok(())
}

fn names_of(lines: &[Line], names: &mut BTreeSet<String>) {
    for line in lines {
        match &line.step {
            Step::AnyOrder(lines) => names_of(lines, names),
            Step::Either(branches) => branches.iter().for_each(|lines| names_of(lines, names)),
            step => names.extend(adapt::conn_of(step).map(|conn| conn.unwrap_or_default())),
        }
    }
}

/// Who is told of a play.
pub(super) struct ByHand<'t> {
    trace: &'t Trace,
    /// The lines are those around the bytes of a codec trace.
    is_made: bool,
    say: &'t dyn Fn(&str),
    /// How many lines were ahead when the last was told.
    ahead: Option<usize>,
}

impl ByHand<'_> {
    /// The client is to do this.
    pub(super) fn call(&self, call: &str) {
        (self.say)(&format!("       let the client do: {call}"));
    }

    /// Tells the line to which the play has come, once.
    pub(super) fn comes_to(&mut self, ahead: &[Line]) {
        if self.ahead.replace(ahead.len()) == Some(ahead.len()) {
            return;
        }
        if let Some(line) = ahead.first() {
            self.tell(line);
        }
    }

    fn tell(&self, line: &Line) {
        let does = match &line.step {
            // That was told as a call.
            Step::Do(_) => return,
            Step::Wire(Wire {
                direction: Direction::ToClient,
                ..
            })
            | Step::Cut(_) => "done",
            Step::Quiet { .. } | Step::Wait(_) => "waiting",
            _ => "awaited",
        };
        let text = match &line.step {
            Step::Wire(Wire {
                item: Item::Packet(packet),
                direction,
                ..
            }) if self.is_made => {
                let arrow = if *direction == Direction::ToClient {
                    "<-"
                } else {
                    "->"
                };
                format!("{arrow} {}", packet.packet_type)
            }
            Step::Refused { .. } if self.is_made => "refused: the client closes".to_owned(),
            _ => self.trace.line(line.at).to_owned(),
        };
        (self.say)(&format!("{:>4}  {does}: {text}", line.at.line));
        match &line.step {
            Step::AnyOrder(lines) => lines.iter().for_each(|line| self.tell(line)),
            Step::Either(branches) => branches.iter().flatten().for_each(|line| self.tell(line)),
            _ => {}
        }
    }
}
