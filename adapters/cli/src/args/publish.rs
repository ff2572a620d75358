//! `mqtt pub`.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgGroup, Args};
use mqtt_proto::{
    PacketId, PacketType, Properties, QoS, TopicName, packet::PublishHead, property::PropertyPlace,
};
use mqtt_session::Publish as Message;

use super::connect::{Connect, ConnectArgs, qos, topic_name};
use crate::failure::Failure;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("payload").required(true).multiple(false))]
pub(super) struct PublishArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// Topic to publish to
    #[arg(short, long, value_parser = topic_name, allow_hyphen_values = true)]
    topic: Option<String>,
    /// The message
    #[arg(short, long, group = "payload", allow_hyphen_values = true)]
    message: Option<OsString>,
    /// The contents of this file are the message
    #[arg(short, long, group = "payload")]
    file: Option<PathBuf>,
    /// Each line from stdin is a message, the newline left out
    #[arg(short = 'l', long, group = "payload")]
    stdin_line: bool,
    /// All of stdin is the message
    #[arg(short = 's', long, group = "payload")]
    stdin_file: bool,
    /// The message is empty; with -r, it clears the topic's retained message
    #[arg(short, long, group = "payload")]
    null_message: bool,
    /// QoS of the messages
    #[arg(short, long, value_parser = qos, default_value = "0")]
    qos: QoS,
    /// The server keeps the message for later subscribers
    #[arg(short, long)]
    retain: bool,
}

/// What `mqtt pub` is to do, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publish {
    /// How to connect.
    pub connect: Connect,
    /// Where to publish.
    pub topic: String,
    /// What to publish.
    pub source: Source,
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `-m`, and `-n`.
    Text(Vec<u8>),
    /// `-f`.
    File(PathBuf),
    /// `-s`.
    Stdin,
    /// `-l`.
    Lines,
}

const PUBLISH: PropertyPlace = PropertyPlace::Packet(PacketType::Publish);

impl PublishArgs {
    pub(super) fn check(self) -> Result<Publish, Failure> {
        let connect = self.connect.check("pub", &[PacketType::Publish])?;
        let topic = match (self.topic, connect.address.topic.clone()) {
            (Some(_), Some(_)) => return Err(Failure::new("the topic is given twice, in --url and by -t")),
            (Some(topic), None) => topic,
            (None, Some(topic)) => topic_name(&topic).map_err(|why| Failure::new(format!("--url: {why}")))?,
            (None, None) => return Err(Failure::new("no topic: give -t, or --url with a path")),
        };
        let source = match (self.message, self.file) {
            (Some(text), _) => Source::Text(text.into_encoded_bytes()),
            (None, Some(path)) => Source::File(path),
            (None, None) if self.stdin_file => Source::Stdin,
            (None, None) if self.stdin_line => Source::Lines,
            (None, None) => Source::Text(Vec::new()),
        };
        let publish = Publish {
            connect,
            topic,
            source,
            qos: self.qos,
            retain: self.retain,
        };
        publish.with_message(|message| {
            let head = PublishHead {
                dup: false,
                qos: message.qos,
                retain: message.retain,
                topic: message.topic,
                packet_id: (message.qos > QoS::AtMostOnce).then_some(PacketId::MIN),
                properties: message.properties,
            };
            let len = head.encoded_len(publish.connect.version, 0);
            len.map_err(|error| Failure::new(error.to_string()))
        })??;
        Ok(publish)
    }
}

impl Publish {
    /// Makes everything of the message but its payload.
    ///
    /// # Errors
    /// None, if this came from the command line.
    pub fn with_message<R>(&self, use_it: impl FnOnce(&Message<'_>) -> R) -> Result<R, Failure> {
        let properties = self.connect.properties.at(PUBLISH)?;
        let topic = TopicName::new(&self.topic).map_err(|error| Failure::new(error.to_string()))?;
        let mut message = Message::new(topic, self.qos);
        message.retain = self.retain;
        message.properties = Properties::new(&properties);
        Ok(use_it(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::publish;
    use super::*;

    #[test]
    fn a_message_comes_from_one_source() {
        for (line, source) in [
            ("pub -t a -m x", Source::Text(b"x".to_vec())),
            ("pub -t a -n", Source::Text(Vec::new())),
            ("pub -t a -f /etc/hosts", Source::File("/etc/hosts".into())),
            ("pub -t a -s", Source::Stdin),
            ("pub -t a -l", Source::Lines),
            ("pub -t a --message x", Source::Text(b"x".to_vec())),
            ("pub -t a --stdin-line", Source::Lines),
        ] {
            assert_eq!(publish(line).source, source, "{line}");
        }
    }

    #[test]
    fn qos_and_retain_are_those_of_the_message() {
        let publish = publish("pub -t a/b -m x -q 2 -r");
        assert_eq!(
            (publish.topic.as_str(), publish.qos, publish.retain),
            ("a/b", QoS::ExactlyOnce, true)
        );
        let default = super::super::tests::publish("pub -t a -rm x");
        assert_eq!((default.qos, default.retain), (QoS::AtMostOnce, true));
    }
}
