//! What a test has come to, also when it passes.

use std::io::{Write, stderr};

/// Past what captures the output of tests.
pub(crate) fn say(lines: &[&str]) {
    let mut all = lines.join("\n");
    all.push('\n');
    let _ = stderr().lock().write_all(all.as_bytes());
}
