//! The configuration of `mqtt broker`: a file of TOML, and options that win over it.
//!
//! | file | what it is |
//! |---|---|
//! | `server`, `listener`, `log` | the keys, as tables: name, meaning, field |
//! | `key` | what such a table is made of |
//! | `setting` | what a value may be |
//! | `address` | where a listener listens |
//! | `read`, `print` | from TOML, and to it |

mod address;
mod key;
mod listener;
mod log;
mod print;
mod read;
mod server;
mod setting;

use std::path::{Path, PathBuf};

use mqtt_session::server::ServerConfig;

pub use address::ListenAddress;
pub use listener::Listener;
pub use log::{Log, LogFormat, LogLevel};

use crate::{args::Broker, failure::Failure};

/// All that a broker can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What holds for the whole broker. Its offers stand in the listeners.
    pub server: ServerConfig,
    /// The directory of what outlives the process; without one, nothing does.
    pub data: Option<PathBuf>,
    /// Threads that verify passwords.
    pub password_threads: usize,
    /// Passwords that may wait for that.
    pub password_queue: usize,
    /// What is logged.
    pub log: Log,
    /// Where clients come in. At least one.
    pub listeners: Vec<Listener>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            data: None,
            password_threads: 1,
            password_queue: 100,
            log: Log::default(),
            listeners: vec![Listener::default()],
        }
    }
}

impl Settings {
    /// What the file and the options say together.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is not as it should be.
    pub fn of(args: &Broker) -> Result<Self, Failure> {
        let mut settings = match &args.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        settings.override_with(args);
        Ok(settings)
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        read::read(&text).map_err(|what| Failure::new(format!("{}:{what}", path.display())))
    }

    fn override_with(&mut self, args: &Broker) {
        if !args.listen.is_empty() {
            // Who comes in elsewhere is held to no less than who comes in at the first.
            let first = self.listeners.first().cloned().unwrap_or_default();
            self.listeners = args
                .listen
                .iter()
                .map(|address| Listener {
                    address: Some(address.clone()),
                    ..first.clone()
                })
                .collect();
        }
        for listener in &mut self.listeners {
            if args.password_file.is_some() {
                listener.password_file.clone_from(&args.password_file);
            }
            if args.access_rules.is_some() {
                listener.access_rules.clone_from(&args.access_rules);
            }
            listener.anonymous = args.anonymous.or(listener.anonymous);
        }
        if args.data.is_some() {
            self.data.clone_from(&args.data);
        }
        self.log.level = args.log_level.unwrap_or(self.log.level);
        self.log.format = args.log_format.unwrap_or(self.log.format);
    }

    /// As a file with all keys, which says what they mean and reads back to the same.
    pub fn print(&self) -> String {
        print::print(self)
    }
}

#[cfg(test)]
mod tests;
