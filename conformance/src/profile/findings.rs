//! The findings in the profiles as Markdown: what a README says of other implementations.

use core::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use super::{Known, Profile, ProfileError};

/// Stands before the findings in a text that has more.
pub const BEGIN: &str = "<!-- findings: generated from the profiles -->";
/// Stands behind them.
pub const END: &str = "<!-- end of findings -->";

/// The profiles of a folder by their names, with what was found of each.
#[derive(Clone, Debug)]
pub struct Findings(Vec<(String, Profile)>);

impl Findings {
    /// Reads each `.toml` of a folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or the first file that is no profile.
    pub fn read(folder: &Path) -> Result<Self, ProfileError> {
        let unreadable =
            |path: &Path, error: &io::Error| ProfileError::unreadable(&path.display().to_string(), error);
        let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
        let mut files = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<PathBuf>>>()
            .map_err(|e| unreadable(folder, &e))?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let profiles = files
            .into_iter()
            .map(|file| {
                let profile = Profile::read(&file)?;
                let name = file
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                Ok((name, profile))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(profiles))
    }

    /// The profiles, with the names of their files without the extension.
    #[must_use]
    pub fn profiles(&self) -> &[(String, Profile)] {
        &self.0
    }

    /// What does not say what the standard has of it ([`Known::text`]), with the name of its profile: nobody can tell by it whether
    /// the text was read.
    pub fn without_text(&self) -> impl Iterator<Item = (&str, &Known)> {
        let all = self.0.iter();
        all.flat_map(|(file, profile)| profile.known.iter().map(|known| (&file[..], known)))
            .filter(|(_, known)| known.text.as_ref().is_none_or(String::is_empty))
    }

    /// The text with these findings between [`BEGIN`] and [`END`], each on a line of its own; `None` if it has not both.
    #[must_use]
    pub fn put_into(&self, text: &str) -> Option<String> {
        let (before, rest) = text.split_once(&format!("{BEGIN}\n"))?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n\n{self}\n{END}{after}"))
    }
}

/// The sums of all, then a table for each of which something is known.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| tested | on | MQTT | passed | known to fail | not applicable |\n| --- | --- | --- | --- | --- | --- |\n")?;
        for (_, profile) in &self.0 {
            for sum in profile.measured.iter().flat_map(|measured| &measured.runs) {
                let date = profile.measured.as_ref().map_or("", |measured| &measured.date);
                writeln!(f, "| {} | {date} {sum}", cell(&profile.name))?;
            }
        }
        for (file, profile) in self.0.iter().filter(|(_, profile)| !profile.known.is_empty()) {
            write!(f, "\n### {}\n\n", profile.name)?;
            match &profile.measured {
                Some(measured) => writeln!(
                    f,
                    "Traces of version {}, run on {} with `profiles/{file}.toml`.\n",
                    measured.suite, measured.date
                )?,
                None => writeln!(f, "With `profiles/{file}.toml`.\n")?,
            }
            f.write_str(
                "| statement | what happens | what the standard says | traces |\n| --- | --- | --- | --- |\n",
            )?;
            profile.known.iter().try_for_each(|known| row(f, known))?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, known: &Known) -> fmt::Result {
    let statements: Vec<String> = known.statement.iter().map(ToString::to_string).collect();
    let traces: Vec<String> = known.traces.iter().map(|trace| format!("`{trace}`")).collect();
    let versions = known.versions.as_ref().map_or_else(String::new, |versions| {
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        format!(" (MQTT {})", versions.join(", "))
    });
    writeln!(
        f,
        "| {} | {} | {} | {}{versions} |",
        statements.join(", "),
        cell(&known.what),
        cell(known.text.as_deref().unwrap_or_default()),
        if traces.is_empty() {
            "found in another way".to_owned()
        } else {
            cell(&traces.join(", "))
        },
    )
}

/// What may stand in a cell of a table.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => cell.push_str("\\|"),
            '\n' => cell.push(' '),
            c => _ = cell.write_char(c),
        }
    }
    cell
}
