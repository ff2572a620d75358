//! See `fuzz_targets::dispatch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::dispatch::run(data));
