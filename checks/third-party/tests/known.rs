//! What a test of an author looks like, and that the README has what it finds.

use std::fs;

use third_party::{CRATES, findings, folder, news};

#[test]
fn each_crate_fails_what_it_is_known_to_fail_and_nothing_else() {
    for tested in CRATES {
        let report = tested.run().expect("the profile and the traces are there");
        assert!(report.is_good(), "{report}");
        assert_eq!(news(&report), [""; 0], "{}: {report}", tested.profile);
    }
}

#[test]
fn what_is_known_says_what_the_standard_has_of_it() {
    let findings = findings().expect("the profiles can be read");
    let without: Vec<_> = findings.without_text().collect();
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn the_readme_has_what_the_profiles_know() {
    let path = folder().join("README.md");
    let text = fs::read_to_string(&path).expect("the README can be read");
    let findings = findings().expect("the profiles can be read");
    let made = findings
        .put_into(&text)
        .expect("the README has the markers of the findings");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).expect("the README can be written");
        return;
    }
    assert!(
        made == text,
        "the findings are not those of profiles/*.toml; UPDATE=1 writes them anew"
    );
}
