//! Sources that name statements: in comments, in `statement!`, in tables of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use mqtt_proto::Statement;

use super::sources::{collect, folders, is_name, words};

/// Where the code is that carries the rules. `*` is any folder.
const FOLDERS: [&str; 3] = ["mqtt-proto/src", "mqtt-session/src", "adapters/*/src"];

/// These name every statement, or none that they carry.
const PASSED_OVER: [&str; 1] = ["mqtt-proto/src/statement"];

/// Which files name which statements, and names that are none.
pub(super) struct Named {
    pub(super) files: BTreeMap<Statement, BTreeSet<String>>,
    pub(super) unknown: Vec<String>,
}

/// What the code of the workspace in `root` names, without its tests.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn named(root: &Path) -> io::Result<Named> {
    let mut found = Vec::new();
    for folder in folders(root, &FOLDERS)? {
        collect(&folder, &mut found)?;
    }
    found.sort();
    let mut named = Named {
        files: BTreeMap::new(),
        unknown: Vec::new(),
    };
    for file in found {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if PASSED_OVER.iter().any(|folder| name.starts_with(folder)) || is_of_tests(&name) {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        for word in code_of(&text).lines().flat_map(words) {
            match word.parse() {
                Ok(statement) => {
                    named.files.entry(statement).or_default().insert(name.clone());
                }
                Err(_) if is_name(word) => named
                    .unknown
                    .push(format!("{name} names {word}, which is no statement")),
                Err(_) => {}
            }
        }
    }
    Ok(named)
}

fn is_of_tests(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// A source up to its tests, which stand last.
fn code_of(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_tests_of_a_source_name_its_code_does_not() {
        let text = "// 5/MQTT-3.1.0-2, 3.1/3.1-2 (3.1.1/3.1.4).\nfn f() {}\n#[cfg(test)]\nmod tests {\n// 5/MQTT-3.1.0-1\n}\n";
        let named: Vec<&str> = code_of(text)
            .lines()
            .flat_map(words)
            .filter(|word| word.parse::<Statement>().is_ok())
            .collect();
        assert_eq!(named, ["5/MQTT-3.1.0-2", "3.1/3.1-2", "3.1.1/3.1.4"]);
        assert!(
            is_of_tests("a/src/b/tests.rs")
                && is_of_tests("a/src/tests/b.rs")
                && !is_of_tests("a/src/tests_of.rs")
        );
    }
}
