//! `mqtt broker`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::config::{ListenAddress, LogFormat, LogLevel};

/// What `mqtt broker` is to do.
#[derive(Debug, Default, Args)]
#[non_exhaustive]
pub struct Broker {
    /// Read the configuration from this file; other options win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the whole configuration, each key explained, and end
    #[arg(long)]
    pub print_config: bool,
    /// Where to listen, HOST:PORT or unix:PATH, instead of the file's listeners; each is as the first of them. May be
    /// repeated. Port 0: any that is free. Without a file: 127.0.0.1:1883
    #[arg(long = "listen", value_name = "ADDRESS", value_parser = ListenAddress::parse)]
    pub listen: Vec<ListenAddress>,
    /// Keep sessions, retained messages and wills in this directory, so that they outlive the process
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// File of users and passwords, for all listeners: see `mqtt passwd`
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// File of access rules, for all listeners
    #[arg(long, value_name = "FILE")]
    pub access_rules: Option<PathBuf>,
    /// Whether clients may come without a user name, at all listeners
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    pub anonymous: Option<bool>,
    /// From where on events are logged to stderr
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// How lines of the log look
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

#[cfg(test)]
mod tests {
    use super::super::{Command, tests::command};
    use super::*;
    use crate::config::Settings;

    fn addresses(line: &str) -> Vec<String> {
        let Command::Broker(broker) = command(line).unwrap() else {
            panic!("{line}")
        };
        let settings = Settings::of(&broker).unwrap();
        let address = |listener: &crate::config::Listener| listener.address.as_ref().unwrap().to_string();
        settings.listeners.iter().map(address).collect()
    }

    #[test]
    fn it_listens_where_it_is_told_and_on_loopback_by_default() {
        for (line, expected) in [
            ("broker", &["127.0.0.1:1883"][..]),
            (
                "broker --listen localhost:0 --listen unix:/a/b",
                &["localhost:0", "unix:/a/b"],
            ),
        ] {
            assert_eq!(addresses(line), expected, "{line}");
        }
    }

    #[test]
    fn options_win() {
        let Command::Broker(args) = command(
            "broker --anonymous false --log-level debug --log-format json --password-file p --access-rules r",
        )
        .unwrap() else {
            panic!()
        };
        let settings = Settings::of(&args).unwrap();
        let listener = &settings.listeners[0];
        assert_eq!(
            (settings.log.level, settings.log.format),
            (LogLevel::Debug, LogFormat::Json)
        );
        assert_eq!(
            (&listener.password_file, &listener.access_rules),
            (&Some("p".into()), &Some("r".into()))
        );
        assert!(!listener.allows_anonymous());
    }
}
