//! A command to be run.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a process is waited for by a real clock"
)]

use core::fmt;
use core::time::Duration;
use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::play::world::Refusal;

/// A program and what it is called with, without a shell between: `["sh", "-c", "systemctl restart mosquitto"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandLine {
    /// What is started.
    pub program: String,
    /// With these.
    pub arguments: Vec<String>,
}

/// The exit status of a command that cannot do what it is asked to.
const CANNOT: i32 = 3;

impl CommandLine {
    /// As words; `None` if there are none.
    pub fn new(words: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut words = words.into_iter();
        Some(Self {
            program: words.next().filter(|program| !program.is_empty())?,
            arguments: words.collect(),
        })
    }

    /// Runs it to its end, with more in its environment. What it prints on standard output is not
    /// looked at; standard error is the runner's.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not end within this time (it is killed then), or not with status 0. Status 3 says that it
    /// cannot do this, which is not applicable.
    pub(crate) fn run(&self, environment: &[(String, String)], within: Duration) -> Result<(), Refusal> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match ended(&mut command, within) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) if status.code() == Some(CANNOT) => {
                Err(Refusal::NotApplicable(format!("`{self}` cannot do it")))
            }
            Ok(None) => Err(Refusal::Invalid(format!(
                "`{self}` does not end within {within:?}"
            ))),
            Ok(Some(status)) => Err(Refusal::Invalid(format!("`{self}` ends with {status}"))),
            Err(error) => Err(Refusal::Invalid(format!("`{self}` cannot be started: {error}"))),
        }
    }
}

/// How it ends; `None` if it had to be killed.
fn ended(command: &mut Command, within: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let until = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        Self::new(words).ok_or_else(|| D::Error::custom("a command begins with a program"))
    }
}
