//! Runs the traces against crates of others, and prints what is found.

use std::process::ExitCode;

use third_party::{CRATES, findings, measured, news};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("third-party: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    println!("{}", findings().map_err(|e| e.to_string())?);
    let mut good = true;
    for tested in CRATES {
        let report = tested.run()?;
        println!("\n{}\n{report}", tested.profile);
        measured(&report).iter().for_each(|sum| println!("{sum}"));
        for one in news(&report) {
            println!("{}: {one}", tested.profile);
            good = false;
        }
    }
    Ok(good)
}
