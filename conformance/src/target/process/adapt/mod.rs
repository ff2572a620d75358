//! A trace as a given client program can be asked it.
//!
//! What a program does not tell is taken out of the expectations, what it does by itself is put into them, and what it may
//! leave to the server is done by the runner. What cannot be asked is not applicable, with the reason: nothing is relaxed
//! that the standard decides.
//!
//! - `parts`: connections that are run one after the other. `lines`: all lines, one after the other.
//! - `keep_alive`: one instead of none. `subscribed`: a subscription to everything.
//! - `look`: what a line says.

mod keep_alive;
mod lines;
mod look;
mod parts;
mod subscribed;

use core::time::Duration;

use mqtt_proto::Version;

use self::keep_alive::{connects, keep_alive};
use self::lines::Adapter;
pub(super) use self::look::waits;
pub(super) use self::parts::{conn_of, parts};
use super::lines::{name, place};
use crate::profile::{Client as ClientProfile, Drive};
use crate::trace::Trace;
use crate::trace::ast::{Command, Line, Step};

/// The trace for this program.
///
/// # Errors
///
/// Why the program cannot be asked it.
pub(super) fn adapt(trace: &Trace, version: Version, profile: &ClientProfile) -> Result<Trace, String> {
    for field in &trace.head.config {
        // 3.x does not tell the server of limits.
        let is_said = version == Version::V5 || place(Command::Connect).field(&field.name).is_none();
        if !is_said || !profile.config.contains(&field.name) {
            return Err(format!("the client cannot be set up with {field}"));
        }
    }
    let waits = waits(&trace.lines);
    if waits > profile.longest {
        return Err(format!(
            "it waits for {waits:?}, the profile for {:?} at most",
            profile.longest
        ));
    }
    let mut adapted = trace.clone();
    if profile.drive == Drive::Arguments {
        for line in &trace.lines {
            one_command_line(line, profile)?;
        }
    }
    if let Some(least) = profile.least_keep_alive {
        if let Some(asked) = connects(&trace.lines).find(|asked| (1..u64::from(least)).contains(asked)) {
            return Err(format!(
                "the client takes no keep alive under {least} s, such as {asked}"
            ));
        }
    }
    if let Some(seconds) = profile.no_keep_alive {
        if connects(&trace.lines).any(|asked| asked == 0) {
            if waits >= Duration::from_secs(seconds.into()) {
                return Err(format!(
                    "the client cannot do without a keep alive, and {seconds} s are not more than the waits of {waits:?}"
                ));
            }
            keep_alive(&mut adapted.lines, seconds)?;
        }
    }
    if profile.hands_out_only_what_it_subscribed_to && profile.drive == Drive::Calls {
        adapted.lines = subscribed::subscribed(adapted.lines)?;
    }
    adapted.lines = Adapter::new(profile, version).lines(&adapted.lines)?;
    Ok(adapted)
}

/// Whether a line is none that asks more than a command line can say.
fn one_command_line(line: &Line, profile: &ClientProfile) -> Result<(), String> {
    let Step::Do(call) = &line.step else { return Ok(()) };
    let refused = call.fields.iter().find(|field| field.name == "refused");
    if let Some(field) = refused {
        return Err(format!("line {}: a command cannot say {field}", line.at.line));
    }
    let known = match call.command {
        Command::Connect => true,
        Command::Publish => !profile.publish.is_empty(),
        Command::Subscribe => !profile.subscribe.is_empty(),
        _ => false,
    };
    if known {
        Ok(())
    } else {
        let name = name(call.command);
        Err(format!(
            "line {}: the command cannot be told to {name}",
            line.at.line
        ))
    }
}
