//! A client without `std` and without an allocator, as a program of its own: built, run, and searched for an allocator.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Functions that give memory. A program that calls one of them has its name in a table of symbols, linked statically or not.
const ALLOCATORS: [&str; 6] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "__rust_alloc",
];

/// Builds the program, with the checks of a debug build.
fn build() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../no-std-link/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std-link");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--bin", "device", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        // What the tests are built with is not for this program, which has no `std` to be instrumented.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "the program builds");
    target.join("debug/device")
}

fn allocators_in(program: &Path) -> Vec<&'static str> {
    let bytes = fs::read(program).expect("the program can be read");
    let has = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    ALLOCATORS.into_iter().filter(|name| has(name)).collect()
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "the program knows the start-up code of Linux only"
)]
fn a_client_without_std_and_allocator_receives_100_kib_at_qos_2_and_publishes_through_256_bytes() {
    let program = build();
    let output = Command::new(&program).output().expect("the program can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("device: received 102400 bytes at QoS 2 in "),
        "{said}"
    );
    assert!(
        said.ends_with("buffers of 256 and 256 bytes\n") && said.contains("published 3 messages"),
        "{said}"
    );

    assert_eq!(allocators_in(&program), [""; 0]);
    // The search finds what is there: this test has an allocator.
    let this = std::env::current_exe().expect("a test knows where it is");
    assert_ne!(allocators_in(&this), [""; 0]);
}
