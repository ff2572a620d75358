//! `[client]`: how a client program is told what to do, and what it tells.

use core::time::Duration;
use std::collections::BTreeMap;

use mqtt_proto::Version;
use serde::Deserialize;

use super::words;

/// The fields of one call, each with the arguments that say it.
///
/// A key is `field`, or `field=value` for one value alone; fields of a will are `will.topic` and so on. In the arguments
/// `{value}` stands for the value, `{name}` for the name of a user property.
pub type Templates = BTreeMap<String, Vec<String>>;

/// `[client]`: how a client program is driven.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Client {
    /// File names of the commands that this profile is for.
    pub commands: Vec<String>,
    /// How calls reach the program.
    pub drive: Drive,
    /// Arguments that the program always gets, with `{host}` and `{port}`.
    pub start: Vec<String>,
    /// Arguments for a version: `"3.1.1" = ["-V", "mqttv311"]`.
    pub version: BTreeMap<String, Vec<String>>,
    /// Arguments for the fields of `do connect`.
    pub connect: Templates,
    /// Arguments for the fields of `do publish`; without any the program does not publish what it is told.
    pub publish: Templates,
    /// Arguments for the fields of `do subscribe`; without any the program does not subscribe to what it is told.
    pub subscribe: Templates,
    /// The events that it tells, each with the fields that it names. Others are passed over in traces.
    pub events: BTreeMap<String, Vec<String>>,
    /// It tells of a message of QoS 2 when PUBREL has come, not when the message has. The standard leaves it to it.
    pub tells_qos_2_after_pubrel: bool,
    /// It acknowledges a message that it has not subscribed to, and does not hand it out, which the standard leaves to it. A client
    /// that is driven by calls is then told to subscribe to everything before messages come.
    pub hands_out_only_what_it_subscribed_to: bool,
    /// What a message looks like on standard output, such as `{topic} {payload}`. Without it: `event Message topic=..`.
    pub message: Option<String>,
    /// What it does without being told.
    pub by_itself: ByItself,
    /// It connects again by itself, as before, when a link is lost.
    pub reconnects: bool,
    /// What it is told instead of no keep alive, in seconds, if it cannot do without.
    pub no_keep_alive: Option<u16>,
    /// The least keep alive that it can be told, in seconds, but for none.
    pub least_keep_alive: Option<u16>,
    /// Words of `config:` that it can be told, as calls of that name.
    pub config: Vec<String>,
    /// Traces whose waits are longer in sum are not applicable.
    #[serde(deserialize_with = "words::duration")]
    pub longest: Duration,
    /// How long it may take to start, and to connect.
    #[serde(deserialize_with = "words::duration")]
    pub starts_within: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            commands: Vec::new(),
            drive: Drive::default(),
            start: Vec::new(),
            version: BTreeMap::new(),
            connect: Templates::new(),
            publish: Templates::new(),
            subscribe: Templates::new(),
            events: BTreeMap::new(),
            tells_qos_2_after_pubrel: false,
            hands_out_only_what_it_subscribed_to: false,
            message: None,
            by_itself: ByItself::default(),
            reconnects: false,
            no_keep_alive: None,
            least_keep_alive: None,
            config: Vec::new(),
            longest: Duration::from_secs(60),
            starts_within: Duration::from_secs(10),
        }
    }
}

/// How calls reach a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Drive {
    /// All as one command line.
    Arguments,
    /// One line of standard input each.
    #[default]
    Calls,
}

/// What a program does without being told, as lines of a trace. `$own` is a capture that is new each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ByItself {
    /// Arguments if a trace tells it to do nothing but to connect.
    pub arguments: Vec<String>,
    /// After each CONNACK that accepts, if a trace tells it to do nothing but to connect.
    pub connected: Vec<String>,
    /// After what a trace told it to publish has been acknowledged.
    pub published: Vec<String>,
}

impl Client {
    /// Arguments for this version; `None` if the program does not speak it.
    pub(crate) fn version(&self, version: Version) -> Option<&[String]> {
        self.version.get(&version.to_string()).map(Vec::as_slice)
    }
}
