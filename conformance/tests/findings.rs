//! The findings in the README are those of the profiles, and the profiles speak of traces and statements that there are.
//!
//! The findings are generated: `UPDATE=1 cargo test -p mqtt-conformance --test findings` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt_conformance::profile::findings::Findings;
use mqtt_conformance::profile::trace_name;
use mqtt_conformance::run;
use mqtt_conformance::trace::Trace;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn findings() -> Findings {
    Findings::read(&folder().join("profiles")).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_readme_has_what_the_profiles_know() {
    let path = folder().join("README.md");
    let text = fs::read_to_string(&path).expect("the README can be read");
    let made = findings()
        .put_into(&text)
        .expect("the README has the markers of the findings");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).expect("the README can be written");
        return;
    }
    assert!(
        made == text,
        "the findings in {} are not those of profiles/*.toml; UPDATE=1 writes them anew",
        path.display()
    );
}

#[test]
fn what_is_known_names_traces_that_run_in_a_version_of_the_target() {
    let files = run::find(&[folder().join("traces")]).expect("the traces can be read");
    let traces: Vec<_> = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("a trace can be read");
            let trace = Trace::parse(&file.display().to_string(), &text).unwrap_or_else(|e| panic!("{e}"));
            (trace_name(file), trace.head.versions)
        })
        .collect();
    for (file, profile) in findings().profiles() {
        for known in &profile.known {
            for pattern in &known.traces {
                let mut alone = known.clone();
                alone.traces = vec![pattern.clone()];
                let there_is = traces.iter().any(|(name, versions)| {
                    let mut of_both = profile
                        .versions
                        .iter()
                        .filter(|version| versions.contains(version));
                    of_both.any(|version| alone.is_about(name, *version))
                });
                assert!(
                    there_is,
                    "{file}: no trace `{pattern}` in a version of {}",
                    profile.name
                );
            }
        }
    }
}

#[test]
fn what_is_known_says_what_the_standard_has_of_it() {
    let findings = findings();
    let without: Vec<_> = findings.without_text().collect();
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn what_is_known_is_said_of_a_version_that_the_target_speaks() {
    for (file, profile) in findings().profiles() {
        for known in &profile.known {
            for statement in &known.statement {
                assert!(
                    profile.versions.contains(&statement.version()),
                    "{file}: {statement} is of a version that {} does not speak",
                    profile.name
                );
            }
        }
    }
}
