//! Runs a target on files, and says on standard error what happens: for looking into a finding without a nightly compiler.
//!
//! `cargo run -p fuzz-targets --example replay TARGET FILE...`

use core::sync::atomic::Ordering;
use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let target = args.next().unwrap_or_default();
    let run: fn(&[u8]) = match target.as_str() {
        "decode" => fuzz_targets::decode::run,
        "round_trip" => fuzz_targets::round_trip::run,
        "split" => fuzz_targets::split::run,
        "client" => fuzz_targets::client::run,
        "broker" => fuzz_targets::broker::run,
        "records" => fuzz_targets::records::run,
        "store" => fuzz_targets::store::run,
        "traces" => fuzz_targets::traces::run,
        "dispatch" => fuzz_targets::dispatch::run,
        other => {
            eprintln!("usage: replay TARGET FILE...; there is no target {other:?}");
            return ExitCode::from(2);
        }
    };
    fuzz_targets::SHOW.store(true, Ordering::Relaxed);
    for file in args {
        match fs::read(&file) {
            Ok(bytes) => run(&bytes),
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::FAILURE;
            }
        }
        println!("{file}: nothing found");
    }
    ExitCode::SUCCESS
}
