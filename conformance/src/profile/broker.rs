//! How a live broker is reached.

use core::time::Duration;

use mqtt_proto::Version;
use serde::{Deserialize, Deserializer};

use super::{CommandLine, Limits, Secret, words};
use crate::play::act::Act;
use crate::trace::Trace;
use crate::trace::ast::BrokerAct;

/// `[broker]`: what is not its own it leaves to others; a broker on the internet wants names, and tells who may come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Broker {
    /// Stands before every topic and filter; `$share/group/` stays in front of it, and `$SYS/...` as it is. Default: none.
    #[serde(deserialize_with = "namespace")]
    pub namespace: String,
    /// Stands before every client id that is not empty. Default: nothing.
    pub client_ids: String,
    /// Put into each CONNECT that has neither a user name nor a password. Default: none.
    pub user_name: Option<String>,
    /// The password beside it. Reports have stars for it.
    pub password: Option<Secret>,
    /// The environment variable in which the password is, so that it does not stand in the file.
    pub password_env: Option<String>,
    /// What it takes at most. Default: all there is.
    pub limits: Limits,
    /// Stops it in order and starts it again, with what it keeps. Ends when the old one is gone; whether the new one listens is
    /// seen by its port. Not there: traces with `broker restart` are not applicable.
    pub restart: Option<CommandLine>,
    /// Kills it, as a loss of power would, and starts it again.
    pub crash: Option<CommandLine>,
    /// Has it refuse what the environment says: `MQTT_TOPIC` to publish to, `MQTT_FILTER` to subscribe to, `MQTT_CLIENT_ID` to
    /// connect. Ends when it does.
    pub deny: Option<CommandLine>,
    /// Takes back all that was denied; run after each trace that denied something.
    pub allow: Option<CommandLine>,
    /// How long each of these commands may take, and then, after `restart` and `crash`, the port to answer. Default: 30 s.
    #[serde(deserialize_with = "words::duration")]
    pub start_within: Duration,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            client_ids: String::new(),
            user_name: None,
            password: None,
            password_env: None,
            limits: Limits::default(),
            restart: None,
            crash: None,
            deny: None,
            allow: None,
            start_within: Duration::from_secs(30),
        }
    }
}

/// User name and password for a CONNECT that has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Credentials {
    /// 3.1.1/MQTT-3.1.2-22: no password without a user name before 5.0.
    pub(crate) fn password_in(&self, version: Version) -> Option<&str> {
        let may = self.user_name.is_some() || version == Version::V5;
        self.password.as_deref().filter(|_| may)
    }
}

impl Broker {
    /// What to run for an act.
    ///
    /// # Errors
    ///
    /// There is nothing, in words.
    pub(crate) fn command(&self, act: &Act) -> Result<&CommandLine, String> {
        match act {
            Act::Restart => named(&self.restart, "restart"),
            Act::Crash => named(&self.crash, "crash"),
            // What cannot be taken back would be denied to the next run as well.
            Act::Deny(_) => self.allow().and_then(|_| named(&self.deny, "deny")),
        }
    }

    /// What takes back all that was denied.
    pub(crate) fn allow(&self) -> Result<&CommandLine, String> {
        named(&self.allow, "allow")
    }

    /// Whether there is a command for all that is done to the broker in a trace, before anything is done.
    pub(crate) fn has_commands_for(&self, trace: &Trace) -> Result<(), String> {
        trace.acts().try_for_each(|act| {
            let act = match act {
                BrokerAct::Restart => Act::Restart,
                BrokerAct::Crash => Act::Crash,
                BrokerAct::Deny(_) => Act::Deny(Vec::new()),
            };
            self.command(&act).map(drop)
        })
    }

    /// What is put into CONNECT.
    ///
    /// # Errors
    ///
    /// The environment variable with the password is not there, in words.
    pub(crate) fn credentials(&self) -> Result<Credentials, String> {
        let from_environment = |name: &String| {
            let password = std::env::var(name).map(Secret::new);
            password.map_err(|_| format!("no password in the environment variable {name}"))
        };
        let password = match &self.password {
            Some(password) => Some(password.clone()),
            None => self.password_env.as_ref().map(from_environment).transpose()?,
        };
        Ok(Credentials {
            user_name: self.user_name.clone(),
            password,
        })
    }
}

fn named<'p>(command: &'p Option<CommandLine>, name: &str) -> Result<&'p CommandLine, String> {
    let missing = || format!("the profile has no command `{name}`");
    command.as_ref().ok_or_else(missing)
}

/// It is the beginning of topics and of filters alike.
fn namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |why: &str| Err(serde::de::Error::custom(format!("`{text}` {why}")));
    if text.contains(['+', '#', '\0']) {
        return wrong("has a wildcard or a null character in it: no topic begins like this");
    }
    if text.starts_with('$') {
        return wrong("begins with `$`: wildcards would not lead there");
    }
    if !text.is_empty() && !text.ends_with('/') {
        return wrong("does not end with `/`: it has to be levels of its own");
    }
    Ok(text)
}
