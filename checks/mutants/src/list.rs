//! The faults.

use std::path::Path;
use std::{fs, io};

use mqtt_proto::Statement;
use serde::Deserialize;

/// Where the list stands in the workspace.
pub const FILE: &str = "conformance/mutants/list.toml";

/// One fault: a line of a source, and what stands there instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Mutant {
    /// The fault in the words of MQTT.
    pub name: String,
    /// The source, from the root of the workspace.
    pub file: String,
    /// The line, without the blanks around it. It stands once in the file.
    pub before: String,
    /// What stands there instead; may be empty.
    pub after: String,
    /// The statements that it breaks.
    pub breaks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// All faults.
///
/// # Errors
///
/// The file cannot be read, or is no such list.
pub fn read(workspace: &Path) -> io::Result<Vec<Mutant>> {
    let path = workspace.join(FILE);
    let wrong = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
    let list: List = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    Ok(list.mutant)
}

impl Mutant {
    /// The source with the fault in it.
    ///
    /// # Errors
    ///
    /// Why it is none: the line is not there, or more than once, or does not change, or a statement does not exist.
    pub fn apply(&self, source: &str) -> Result<String, String> {
        let Self { before, after, .. } = self;
        if before.trim() != before || before.lines().count() != 1 || after.lines().count() > 1 {
            return Err("is not one line without blanks around it".to_owned());
        }
        if before == after.trim() {
            return Err("changes nothing".to_owned());
        }
        if self.breaks.is_empty() {
            return Err("breaks no statement".to_owned());
        }
        for statement in &self.breaks {
            if let Err(error) = statement.parse::<Statement>() {
                return Err(format!("breaks `{statement}`: {error}"));
            }
        }
        match source.lines().filter(|line| line.trim() == before).count() {
            1 => {}
            n => return Err(format!("its line stands {n} times in {}: {before}", self.file)),
        }
        let mut broken = String::with_capacity(source.len() + after.len());
        for line in source.lines() {
            if line.trim() == before {
                let (indent, _) = line.split_at(line.len() - line.trim_start().len());
                broken.push_str(indent);
                broken.push_str(after);
            } else {
                broken.push_str(line);
            }
            broken.push('\n');
        }
        Ok(broken)
    }
}

/// So many of them, drawn by the seed: the same ones for the same seed and list.
#[must_use]
pub fn sample(mut mutants: Vec<Mutant>, count: usize, seed: u64) -> Vec<Mutant> {
    let mut state = seed;
    let mut next = move || {
        // SplitMix64: any seed will do.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let count = count.min(mutants.len());
    for at in 0..count {
        let left = (mutants.len() - at) as u64;
        let drawn = usize::try_from(next() % left).unwrap_or(0);
        mutants.swap(at, at + drawn);
    }
    mutants.truncate(count);
    mutants
}
