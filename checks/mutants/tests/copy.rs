//! What is done to the folder in which a copy is made.

use core::time::Duration;
use std::fs;
use std::path::Path;

use mutants::copy::Copy;

#[test]
fn what_is_no_copy_is_not_deleted() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine");
    fs::write(&file, "mine").unwrap();
    let refused = Copy::new(&workspace, folder.path().to_owned(), Duration::ZERO).unwrap_err();
    assert!(refused.to_string().contains("neither empty"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    // A copy is brought up to date, and what is no part of the workspace any more goes.
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        Copy::new(&workspace, folder.path().to_owned(), Duration::ZERO).unwrap();
        assert!(folder.path().join("conformance/mutants/list.toml").exists());
        assert!(!file.exists());
        fs::write(&file, "old").unwrap();
    }
}
