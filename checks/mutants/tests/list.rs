//! The list of faults fits the sources as they are. Whether the traces catch them is tried by the program, which takes
//! longer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mutants::list;

#[test]
fn each_line_stands_once_in_its_file_and_changes() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants = list::read(&workspace).unwrap();
    assert!(mutants.len() >= 60, "{} faults", mutants.len());
    let mut names = BTreeSet::new();
    for mutant in &mutants {
        assert!(names.insert(&mutant.name), "two are called {}", mutant.name);
        let source = fs::read_to_string(workspace.join(&mutant.file)).unwrap();
        let broken = mutant
            .apply(&source)
            .unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
        let changed = source.lines().zip(broken.lines()).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 1, "{}", mutant.name);
        assert_eq!(source.lines().count(), broken.lines().count(), "{}", mutant.name);
    }
}

#[test]
fn a_sample_has_no_fault_twice_and_depends_on_its_seed_alone() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let names = |seed| -> Vec<String> {
        let mutants = list::read(&workspace).unwrap();
        list::sample(mutants, 10, seed)
            .into_iter()
            .map(|mutant| mutant.name)
            .collect()
    };
    assert_eq!(names(7), names(7));
    assert_ne!(names(7), names(8));
    assert_eq!(names(7).iter().collect::<BTreeSet<_>>().len(), 10);
}
