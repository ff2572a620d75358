//! See `fuzz_targets::traces`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::traces::run(data));
