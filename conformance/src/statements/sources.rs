//! Tests in Rust sources, and the statements that they name.

use std::path::{Path, PathBuf};
use std::{fs, io};

use mqtt_proto::Statement;

use super::Who;

/// A test and what its name and its text name, from its first comment to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// `path::name`, from the workspace on.
    pub(super) name: String,
    pub(super) statements: Vec<Statement>,
    /// What looks like a statement and is none.
    pub(super) unknown: Vec<String>,
}

/// Where the tests of a role are. `*` is any folder.
const fn folders_of(who: Who) -> &'static [&'static str] {
    match who {
        Who::Client => &[
            "mqtt-session/tests/client",
            "mqtt-session/tests/registry",
            "mqtt-session/tests/pairs",
            "adapters/*/tests",
        ],
        Who::Server => &["mqtt-session/tests/server", "mqtt-session/tests/pairs"],
        Who::Codec => &["mqtt-proto/tests"],
    }
}

/// Where tests are that show rules, of whatever role: also beside the code.
const ALL: [&str; 6] = [
    "mqtt-proto/src",
    "mqtt-proto/tests",
    "mqtt-session/src",
    "mqtt-session/tests",
    "adapters/*/src",
    "adapters/*/tests",
];

/// The tests of a role in the workspace in `root`.
///
/// # Errors
/// A folder cannot be read, or there is no test.
pub(super) fn tests(root: &Path, who: Who) -> io::Result<Vec<Test>> {
    tests_in(root, folders_of(who))
}

/// All tests that show rules.
///
/// # Errors
/// A folder cannot be read, or there is no test.
pub(super) fn all_tests(root: &Path) -> io::Result<Vec<Test>> {
    tests_in(root, &ALL)
}

fn tests_in(root: &Path, patterns: &[&str]) -> io::Result<Vec<Test>> {
    let mut files = Vec::new();
    for folder in folders(root, patterns)? {
        collect(&folder, &mut files)?;
    }
    files.sort();
    let mut tests = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(named(&file))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        tests.extend(tests_of(&name, &text));
    }
    if tests.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{}: no tests in {}", root.display(), patterns.join(", ")),
        ));
    }
    Ok(tests)
}

/// The folders in `root` that these mean; `a/*/b` is every `b` that is there.
///
/// # Errors
/// What stands above a `*` cannot be read.
pub(super) fn folders(root: &Path, patterns: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for pattern in patterns {
        match pattern.split_once("/*/") {
            None => folders.push(root.join(pattern)),
            Some((above, below)) => {
                for entry in fs::read_dir(root.join(above)).map_err(named(&root.join(above)))? {
                    let inside = entry?.path().join(below);
                    if inside.is_dir() {
                        folders.push(inside);
                    }
                }
            }
        }
    }
    Ok(folders)
}

/// The words of a line that may be names of statements.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || "./-".contains(c)))
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
}

/// Whether a word looks like the name of a numbered statement.
pub(super) fn is_name(word: &str) -> bool {
    word.contains("/MQTT-") || (word.starts_with("3.1/") && word.contains('-'))
}

fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// The sources in a folder and below.
///
/// # Errors
/// A folder cannot be read.
pub(super) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(named(folder))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The tests of one formatted source: a test ends at the brace that stands as far to the right as its attribute.
fn tests_of(file: &str, text: &str) -> Vec<Test> {
    let lines: Vec<&str> = text.lines().collect();
    let mut tests = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let attribute = line.trim_start();
        if !(attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test")) {
            continue;
        }
        let indent = &line[..line.len() - attribute.len()];
        let belongs = |line: &&&str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest.starts_with("//") || rest.starts_with("#["))
        };
        let start = at - lines[..at].iter().rev().take_while(belongs).count();
        let is_end = |line: &&str| line.strip_prefix(indent) == Some("}");
        let end = lines[at..]
            .iter()
            .position(is_end)
            .map_or(lines.len(), |n| at + n);
        let Some(name) = lines[at..end].iter().find_map(|line| function_name(line)) else {
            continue;
        };
        let mut test = Test {
            name: format!("{file}::{name}"),
            statements: Vec::new(),
            unknown: Vec::new(),
        };
        for label in labels_in_name(name) {
            match label.parse() {
                Ok(statement) => test.statements.push(statement),
                Err(_) => test.unknown.push(label),
            }
        }
        for line in &lines[start..end] {
            for word in words(line).filter(|word| is_name(word)) {
                match word.parse() {
                    Ok(statement) => test.statements.push(statement),
                    Err(_) => test.unknown.push(word.to_owned()),
                }
            }
        }
        tests.push(test);
    }
    tests
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

/// `.._5_mqtt_3_1_0_2` is `5/MQTT-3.1.0-2`.
fn labels_in_name(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split('_').collect();
    let mut labels = Vec::new();
    for at in (0..words.len()).filter(|&at| words[at] == "mqtt") {
        let version = match words[..at] {
            [.., "3", "1", "1"] => "3.1.1",
            [.., "5"] => "5",
            _ => continue,
        };
        if let [a, b, c, n, ..] = words[at + 1..] {
            labels.push(format!("{version}/MQTT-{a}.{b}.{c}-{n}"));
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_shows_what_its_own_text_names_and_nothing_else() {
        let text = r#"
/// 5/MQTT-3.1.0-1 is of a helper.
fn helper() {}

/// 5/MQTT-4.6.0-2, 3.1.1/MQTT-4.6.0-2.
// 5/MQTT-4.6.0-3
#[test]
#[should_panic]
fn first() {
    if true {
        assert_eq!("5/MQTT-3.2.2-4", "");
    }
}

/// 5/MQTT-3.1.0-2 is of nothing.

proptest! {
    /// 5/MQTT-99.0.0-1
    #[tokio::test(flavor = "current_thread")]
    async fn second_5_mqtt_3_1_0_2_3_1_1_mqtt_3_1_0_1(bytes in any()) {
    }
}
// 5/MQTT-3.1.0-1
"#;
        let labels = |labels: &[&str]| labels.iter().map(|l| l.parse().expect("a statement")).collect();
        let test = |name: &str, statements, unknown: &[&str]| Test {
            name: format!("a.rs::{name}"),
            statements,
            unknown: unknown.iter().map(|&label| label.to_owned()).collect(),
        };
        assert_eq!(
            tests_of("a.rs", text),
            [
                test(
                    "first",
                    labels(&[
                        "5/MQTT-4.6.0-2",
                        "3.1.1/MQTT-4.6.0-2",
                        "5/MQTT-4.6.0-3",
                        "5/MQTT-3.2.2-4"
                    ]),
                    &[]
                ),
                test(
                    "second_5_mqtt_3_1_0_2_3_1_1_mqtt_3_1_0_1",
                    labels(&["5/MQTT-3.1.0-2", "3.1.1/MQTT-3.1.0-1"]),
                    &["5/MQTT-99.0.0-1"]
                ),
            ]
        );
    }
}
