//! See `fuzz_targets::round_trip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::round_trip::run(data));
