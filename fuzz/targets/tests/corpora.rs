//! The committed corpora, through the functions that the fuzzer runs.

use std::{fs, path::Path};

/// Replays a corpus; a panic names the file.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("a folder can be read to its end").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in &files {
        let bytes = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        if let Err(panic) = std::panic::catch_unwind(|| run(&bytes)) {
            eprintln!("{} inputs of {target}: failed at {}", files.len(), file.display());
            std::panic::resume_unwind(panic);
        }
    }
    println!("{target}: {} inputs replayed", files.len());
}

macro_rules! corpora {
    ($($target:ident),*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), fuzz_targets::$target::run);
        }
    )*};
}

corpora!(
    decode, round_trip, split, client, broker, dispatch, records, store, traces
);
