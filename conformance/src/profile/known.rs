//! What is known to fail.

use std::path::{Component, Path};

use mqtt_proto::{Statement, Version};
use serde::Deserialize;

use super::words;

/// `[[known]]`: a finding. A run that fails and is listed is *known*, not *failed*.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Known {
    /// What is broken: one statement, or several.
    #[serde(deserialize_with = "words::statements")]
    pub statement: Vec<Statement>,
    /// The [names](trace_name) of the traces that show it; `*` stands for any characters, `/` among them. None if it was found in
    /// another way.
    #[serde(default)]
    pub traces: Vec<String>,
    /// Only in runs of these versions. Default: in all.
    #[serde(default, deserialize_with = "words::some_versions")]
    pub versions: Option<Vec<Version>>,
    /// What happens, in words.
    pub what: String,
    /// What the text of the standard says of it: in which sections, and whether it demands, advises or only defines.
    #[serde(default)]
    pub text: Option<String>,
}

impl Known {
    /// Whether a run of this trace, by its name, in this version is expected to show it.
    #[must_use]
    pub fn is_about(&self, trace: &str, version: Version) -> bool {
        self.versions
            .as_ref()
            .is_none_or(|versions| versions.contains(&version))
            && self.traces.iter().any(|pattern| fits(pattern, trace))
    }
}

/// `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let cuts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            cuts.into_iter().any(|at| fits(rest, &name[at..]))
        }),
    }
}

/// The name of the trace in a file: without the extension, and without the folders down to the last one called `traces`. If
/// there is none, the file's own name.
///
/// ```
/// use std::path::Path;
/// use mqtt_conformance::profile::trace_name;
///
/// assert_eq!(trace_name(Path::new("conformance/traces/broker/alias/zero.trace")), "broker/alias/zero");
/// assert_eq!(trace_name(Path::new("mine/zero.trace")), "zero");
/// ```
#[must_use]
pub fn trace_name(file: &Path) -> String {
    let file = file.with_extension("");
    let parts: Vec<_> = file
        .components()
        .filter_map(|part| {
            if let Component::Normal(name) = part {
                Some(name.to_string_lossy())
            } else {
                None
            }
        })
        .collect();
    let from = parts.iter().rposition(|part| part == "traces");
    let from = from.map_or_else(|| parts.len().saturating_sub(1), |at| at + 1);
    parts[from..].join("/")
}
