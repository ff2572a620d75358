//! The `mqtt` program: see the library `mqtt_cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_cli::run(std::env::args_os())
}
