//! Every example of `LANGUAGE.md`, and the one of `README.md`, holds.

use mqtt_conformance::target::{Outcome, in_memory};
use mqtt_conformance::trace::Trace;

/// What stands between fences and begins with a head.
fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("\n```text\n").skip(1);
    blocks
        .filter_map(|rest| rest.split("\n```\n").next())
        .filter(|block| block.starts_with("title:"))
        .collect()
}

#[test]
fn every_example_passes_in_memory() {
    let (language, readme) = (include_str!("../../LANGUAGE.md"), include_str!("../../README.md"));
    let (mut all, more) = (examples(language), examples(readme));
    assert_eq!((all.len(), more.len()), (8, 1));
    assert_eq!(all[0], more[0], "one example is in both");
    all.extend(more);
    let mut targets = in_memory();
    for text in all {
        let trace = Trace::parse("example", text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        trace
            .check_names("example")
            .unwrap_or_else(|e| panic!("{text}\n{e}"));
        for &version in &trace.head.versions {
            let mut tested = false;
            for target in targets.iter_mut().filter(|target| target.takes(&trace)) {
                match target.run(&trace, version) {
                    Outcome::Passed { .. } => tested |= target.is_tested_by(trace.head.test),
                    Outcome::Failed(failures) => {
                        let why: Vec<String> = failures.iter().map(ToString::to_string).collect();
                        panic!("{}, {version}: {}\n{text}", target.name(), why.concat());
                    }
                    Outcome::NotApplicable(_) => {}
                }
            }
            assert!(tested, "{version}\n{text}");
        }
    }
}
