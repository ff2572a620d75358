//! See `fuzz_targets::split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::split::run(data));
