//! The program `mqtt`, for the tests to kill.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_cli::run(std::env::args_os())
}
