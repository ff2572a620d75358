//! `spec/coverage.md` is what the traces, the tests and the code say, and nothing in it is missing.
//!
//! It is generated: `UPDATE=1 cargo test -p mqtt-conformance --test coverage` writes it anew.

use std::fs;
use std::path::Path;

use mqtt_conformance::statements::Matrix;

#[test]
fn the_matrix_of_statements_code_tests_and_traces_is_true_and_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is a member of the workspace");
    let matrix = Matrix::find(root).expect("sources and traces are there");
    assert!(matrix.faults().is_empty(), "{}", matrix.faults().join("\n"));
    let path = root.join("conformance/spec/coverage.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, matrix.markdown()).expect("the file can be written");
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    // Not `assert_eq`: it would print both.
    assert!(
        present == matrix.markdown(),
        "spec/coverage.md is not what the sources say; run with UPDATE=1"
    );
}
