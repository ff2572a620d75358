//! The commands of the program, one file each.
//!
//! - `run`: runs traces; `target`: against what; `update`: writes their expectations anew.
//! - `statements`: what shows each statement; `matrix`: that, and what code names it.
//! - `client`: runs traces against a client program; `listen`: one, against a client that is started by hand.
//! - `reporting`: the options of all commands that run traces: which, how many at a time, what is printed, what makes the
//!   check fail; `progress`: the bar meanwhile.
//!
//! A command ends with `Ok(true)` if all is well (exit status 0), `Ok(false)` if something is not as it should be (1), and
//! an error in words for bad input (2).

mod client;
mod listen;
mod matrix;
mod progress;
mod reporting;
mod run;
mod statements;
mod target;
mod update;

use std::io::{self, Write};

use clap::{Parser, Subcommand};

/// Packet traces that test any MQTT client, broker or codec.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run traces; the exit status is 0 if all is well, 1 if one fails or whatever else --fail-on says, 2 if a file is no trace
    /// or nothing could be run.
    Run(run::Arguments),
    /// Run traces of clients against a client program: `client [OPTIONS] -- COMMAND`.
    Client(client::Arguments),
    /// Play the server of one trace for a client that you start by hand, and print what is awaited.
    Listen(listen::Arguments),
    /// Run all traces in memory, and say for every statement that binds a role by which traces and tests it is shown, or why
    /// by none; the exit status is 0 if none is missing, 1 otherwise, 2 if nothing could be looked at.
    Statements(statements::Arguments),
    /// Print as Markdown what code, unit tests and traces name and show each statement and each error; the exit status is 0 if
    /// nothing is missing, and with --check only if conformance/spec/coverage.md says the same.
    Matrix(matrix::Arguments),
}

impl Arguments {
    /// Does what the command line says.
    pub(crate) fn run(self) -> Result<bool, String> {
        match self.command {
            Command::Run(arguments) => arguments.run(),
            Command::Client(arguments) => arguments.run(),
            Command::Listen(arguments) => arguments.run(),
            Command::Statements(arguments) => arguments.run(),
            Command::Matrix(arguments) => arguments.run(),
        }
    }
}

/// Prints on standard output. A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_conformance::profile::Profile;

    const GUIDE: &str = include_str!("../../GUIDE.md");
    const WORKFLOW: &str = include_str!("../../ci/github.yml");

    /// The texts between ```` ```LANGUAGE ```` and ```` ``` ````.
    fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
        let fence = format!("```{language}\n");
        let blocks = text.split(fence.as_str()).skip(1);
        blocks
            .map(|rest| rest.split("```").next().unwrap_or_default())
            .collect()
    }

    #[test]
    fn every_command_of_the_guide_and_of_its_workflow_is_one() {
        let guide = blocks(GUIDE, "console").into_iter().flat_map(str::lines);
        let guide = guide.filter_map(|line| line.strip_prefix("$ "));
        let workflow = WORKFLOW
            .lines()
            .filter_map(|line| line.trim().strip_prefix("run: "));
        let commands: Vec<&str> = guide
            .chain(workflow)
            .filter(|line| line.starts_with("mqtt-conformance "))
            .collect();
        assert!(commands.len() > 10, "{commands:?}");
        for command in commands {
            let words = shlex::split(command).expect("quotes");
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{command}: {error}");
            }
        }
    }

    #[test]
    fn every_profile_of_the_guide_is_one() {
        let profiles = blocks(GUIDE, "toml");
        assert_eq!(profiles.len(), 2);
        for profile in profiles {
            if let Err(error) = Profile::parse("GUIDE.md", profile) {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn every_file_that_the_guide_leads_to_is_there() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let links: Vec<&str> = GUIDE
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect();
        for link in links.iter().filter(|link| !link.starts_with('#')) {
            assert!(folder.join(link).exists(), "{link}");
        }
        let traces = GUIDE
            .split_whitespace()
            .filter(|word| word.ends_with(".trace") && word.contains('/'));
        for trace in traces {
            assert!(folder.join("..").join(trace).exists(), "{trace}");
        }
    }
}
