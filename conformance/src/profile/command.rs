//! A command to be run.

use core::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A program and what it is called with, without a shell between: `["sh", "-c", "systemctl restart mosquitto"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandLine {
    /// What is started.
    pub program: String,
    /// With these.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// As words; `None` if there are none.
    pub fn new(words: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut words = words.into_iter();
        Some(Self {
            program: words.next().filter(|program| !program.is_empty())?,
            arguments: words.collect(),
        })
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
