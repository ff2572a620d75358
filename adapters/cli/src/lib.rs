//! The `mqtt` program: a broker with its configuration and password files, a publisher and a subscriber with the options of `mosquitto_pub` and
//! `mosquitto_sub`, and a demo.
//!
//! | file | what it is |
//! |---|---|
//! | `args` | the command line, checked |
//! | `connection` | from the command line to a client that is connected |
//! | `tap` | packets in the notation of traces, for `-d` |
//! | `config` | the broker's configuration: a file, and options that win over it |
//! | `logging` | what the broker logs, and how |
//! | `broker`, `passwd`, `publish`, `subscribe`, `demo` | the commands |
//! | `failure` | what went wrong, and the exit status |
#![forbid(unsafe_code)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "enums of libraries may grow, and the rest of them is not for us"
)]

pub mod args;
mod broker;
pub mod config;
mod connection;
mod demo;
pub mod failure;
mod logging;
mod open_files;
mod passwd;
mod publish;
mod subscribe;
mod tap;

use std::{ffi::OsString, process::ExitCode};

use args::Command;
use failure::Failure;

/// Runs the program with these arguments, the first of which is its own name. Says on stderr what went wrong, if
/// something did, and gives the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = match args::parse(&args) {
        Ok(command) => command,
        Err(failure) => return failure.report(args::command_name(&args), false),
    };
    let (name, quiet) = (command.name(), command.is_quiet());
    let result = match command {
        Command::Broker(broker) => broker::run(&broker),
        Command::Passwd(passwd) => passwd::run(&passwd),
        Command::Pub(publish) => publish::run(&publish),
        Command::Sub(subscribe) => subscribe::run(&subscribe),
        Command::Demo => demo::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(name, quiet),
    }
}

/// Runs a command on a runtime of one thread.
fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(command);
    // A write to stdout that nobody reads would keep the program from ending.
    runtime.shutdown_background();
    result
}
