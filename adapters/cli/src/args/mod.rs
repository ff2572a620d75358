//! The command line.
//!
//! `pub` and `sub` have the options of `mosquitto_pub` and `mosquitto_sub`; `-h` is the host, so help is `--help` alone.
//! Here everything is checked that can be checked without a connection: what [`parse`] gives is valid.
//!
//! | file | what it is |
//! |---|---|
//! | `connect` | options that `pub` and `sub` share |
//! | `address` | `--url`, or `-h` and `-p` and the others |
//! | `property` | `-D` |
//! | `publish`, `subscribe`, `broker`, `passwd` | the options of one command |

mod address;
mod broker;
mod connect;
mod passwd;
mod property;
mod publish;
mod subscribe;

use std::ffi::OsString;

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand, error::ErrorKind};

pub use address::Address;
pub use broker::Broker;
pub use connect::{Connect, Will};
pub use passwd::Passwd;
pub use property::PropertyArgs;
pub use publish::{Publish, Source};
pub use subscribe::Subscribe;

use crate::failure::Failure;

/// What the program is to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Be a broker.
    Broker(Box<Broker>),
    /// Change a file of passwords.
    Passwd(Passwd),
    /// Publish messages.
    Pub(Box<Publish>),
    /// Print messages.
    Sub(Box<Subscribe>),
    /// Play the demo.
    Demo,
}

impl Command {
    /// Its name on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Broker(_) => "broker",
            Self::Passwd(_) => "passwd",
            Self::Pub(_) => "pub",
            Self::Sub(_) => "sub",
            Self::Demo => "demo",
        }
    }

    /// It says nothing on stderr.
    pub const fn is_quiet(&self) -> bool {
        match self {
            Self::Broker(_) | Self::Passwd(_) | Self::Demo => false,
            Self::Pub(publish) => publish.connect.quiet,
            Self::Sub(subscribe) => subscribe.connect.quiet,
        }
    }
}

/// MQTT 3.1, 3.1.1 and 5.0: broker, publisher, subscriber, demo
#[derive(Debug, Parser)]
#[command(
    name = "mqtt",
    version,
    disable_help_flag = true,
    disable_help_subcommand = true
)]
#[command(subcommand_required = true, arg_required_else_help = false)]
struct Program {
    /// Print help
    #[arg(long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Serve clients of all versions, until interrupted
    ///
    /// SIGTERM and SIGINT end it in order: clients are told, and what they are owed is written. SIGHUP reads passwords and access
    /// rules again.
    Broker(Broker),
    /// Give a user a password, in a file for `mqtt broker`, or take the user out
    ///
    /// The password is asked for, twice. The file is made if it is not there.
    Passwd(Passwd),
    /// Publish messages
    ///
    /// Waits until all are acknowledged, or at QoS 0 written. Exit status: 0 if all were; a refusal's number on the wire;
    /// 27 if -W ran out; 130 after an interrupt; 1 for anything else.
    Pub(publish::PublishArgs),
    /// Subscribe, and print what comes
    ///
    /// Exit status: 0 after -C, -E or an interrupt; a refusal's number on the wire; 27 if -W ran out; 1 for
    /// anything else.
    Sub(subscribe::SubscribeArgs),
    /// Show a broker and a client on each adapter, in one process, with links that are cut
    ///
    /// Needs no network set-up. Exit status 0 only if every message arrived as its QoS promises.
    Demo,
}

/// The command that a command line means, for messages; empty, if none.
pub fn command_name(args: &[OsString]) -> &str {
    let word = args.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    if Program::command().find_subcommand(word).is_some() {
        word
    } else {
        ""
    }
}

/// Checks the command line, whose first word is the program's own name. Help and version are printed, and end the program.
///
/// # Errors
/// One message that says what is wrong.
pub fn parse(args: &[OsString]) -> Result<Command, Failure> {
    let program = Program::try_parse_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => Failure::new(one_line(&error)),
    })?;
    Ok(match program.command {
        Subcommands::Broker(broker) => Command::Broker(Box::new(broker)),
        Subcommands::Passwd(passwd) => Command::Passwd(passwd),
        Subcommands::Pub(raw) => Command::Pub(Box::new(raw.check()?)),
        Subcommands::Demo => Command::Demo,
        Subcommands::Sub(raw) => Command::Sub(Box::new(raw.check()?)),
    })
}

/// What clap says, without its usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words = first.strip_prefix("error:").unwrap_or(first).split_whitespace();
    let hints = text
        .split("\n\n")
        .filter_map(|part| part.trim().strip_prefix("tip:"));
    let mut line = words.collect::<Vec<_>>().join(" ");
    for hint in hints {
        line.push_str(" (");
        line.push_str(&hint.split_whitespace().collect::<Vec<_>>().join(" "));
        line.push(')');
    }
    line.push_str("; see --help");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn command(line: &str) -> Result<Command, Failure> {
        words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(super) fn words(words: &[&str]) -> Result<Command, Failure> {
        let args: Vec<OsString> = ["mqtt"].iter().chain(words).map(OsString::from).collect();
        parse(&args)
    }

    pub(super) fn publish(line: &str) -> Publish {
        match command(line).unwrap() {
            Command::Pub(publish) => *publish,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn subscribe(line: &str) -> Subscribe {
        match command(line).unwrap() {
            Command::Sub(subscribe) => *subscribe,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn complaint(line: &str) -> String {
        let failure = command(line).unwrap_err();
        assert_eq!(failure.status(), 1, "{failure}");
        assert!(!failure.message().contains('\n'), "{failure}");
        failure.message().to_string()
    }

    #[test]
    fn the_command_line_has_no_contradictions() {
        Program::command().debug_assert();
    }

    #[test]
    fn bad_input_gives_one_precise_line() {
        for (line, part) in [
            ("", "requires a subcommand"),
            (
                "pup",
                "unrecognized subcommand 'pup' (a similar subcommand exists: 'pub')",
            ),
            ("pub -t a", "<--message <MESSAGE>|"),
            ("pub -m x", "no topic: give -t, or --url with a path"),
            ("pub -t a -m x -n", "cannot be used with"),
            ("pub -t a -m x -q 3", "invalid value '3' for '--qos <QOS>'"),
            ("pub -t a/# -m x", "wildcard in a topic name (at byte 2)"),
            ("pub -t a -t b -m x", "cannot be used multiple times"),
            ("pub -t a -m x -p 0", "invalid value '0' for '--port <PORT>'"),
            (
                "pub -t a -m x -p 70000",
                "invalid value '70000' for '--port <PORT>'",
            ),
            (
                "pub -t a -m x -k 65536",
                "invalid value '65536' for '--keepalive <SECONDS>'",
            ),
            (
                "pub -t a -m x -V 4",
                "[possible values: mqttv31, mqttv311, mqttv5]",
            ),
            ("pub -t a -m x -c", "--id <ID>"),
            ("pub -t a -m x -x 10", "-x needs MQTT 5.0: add -V mqttv5"),
            ("pub -t a -m x -W 0", "more than 0 seconds"),
            ("pub -t a -m x -W never", "a number of seconds"),
            (
                "pub -t a -m x --nonsense",
                "unexpected argument '--nonsense' found",
            ),
            ("pub -t a -m x --will-qos 1", "--will-topic <TOPIC>"),
            ("pub -t a -m x -P secret", "CONNECT: "),
            ("pub -t a -m x -V 31 -i 123456789012345678901234", "CONNECT: "),
            ("sub", "no filter: give -t, or --url with a path"),
            ("sub -t a/#/b", "'#' stands alone in the last level (at byte 2)"),
            ("sub -t a -C 0", "invalid value '0' for '--count <COUNT>'"),
            ("sub -t $share/g -V 5", "a shared filter is $share/group/filter"),
            (
                "broker --listen nowhere",
                "invalid value 'nowhere' for '--listen <ADDRESS>'",
            ),
        ] {
            let said = complaint(line);
            assert!(said.contains(part), "mqtt {line}\n  {said}\n  lacks: {part}");
        }
    }
}
