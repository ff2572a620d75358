//! What `pub` and `sub` share: everything that CONNECT says, and how much is told on stderr.

use core::time::Duration;
use std::ffi::OsString;

use clap::{Args, ValueEnum};
use mqtt_proto::{
    EncodeError, Packet, PacketType, Properties, Property, QoS, TopicName, Version,
    packet::{self, Disconnect},
    property::PropertyPlace,
};
use mqtt_session::ConnectOptions;

use super::{
    address::{Address, AddressArgs},
    property::PropertyArgs,
};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    address: AddressArgs,
    /// Client id [default: a new one each time]
    #[arg(short, long, allow_hyphen_values = true)]
    id: Option<String>,
    /// Seconds within which the client is heard of; 0: never mind
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Keep the session on the server, and go on with the one that is there; needs -i
    #[arg(short = 'c', long, requires = "id")]
    disable_clean_session: bool,
    /// Seconds for which the server keeps the session after the end of the connection (5.0); -1: for ever [default: for ever with -c, else 0]
    #[arg(short = 'x', long, value_name = "SECONDS", value_parser = expiry, allow_hyphen_values = true)]
    session_expiry_interval: Option<u32>,
    /// Version of MQTT; 31, 311 and 5 will do
    #[arg(
        short = 'V',
        long,
        value_enum,
        value_name = "VERSION",
        default_value = "mqttv311"
    )]
    protocol_version: VersionName,
    #[command(flatten)]
    properties: PropertyArgs,
    /// Topic of the will, which the server publishes if this program vanishes
    #[arg(long, value_name = "TOPIC", value_parser = topic_name, allow_hyphen_values = true)]
    will_topic: Option<String>,
    /// Payload of the will [default: empty]
    #[arg(
        long,
        value_name = "PAYLOAD",
        requires = "will_topic",
        allow_hyphen_values = true
    )]
    will_payload: Option<OsString>,
    /// QoS of the will
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = qos, default_value = "0")]
    will_qos: QoS,
    /// The will is retained
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
    /// Give up after so many seconds, with exit status 27; fractions are fine
    #[arg(short = 'W', value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Duration>,
    /// Print packets on stderr, in the notation of traces
    #[arg(short, long)]
    debug: bool,
    /// Print no error messages
    #[arg(long)]
    quiet: bool,
}

/// The names that mosquitto's clients have for the versions.
#[derive(Copy, Clone, Debug, ValueEnum)]
enum VersionName {
    #[value(name = "mqttv31", aliases = ["31", "3.1"])]
    V31,
    #[value(name = "mqttv311", aliases = ["311", "3.1.1"])]
    V311,
    #[value(name = "mqttv5", aliases = ["5", "5.0", "mqttv50"])]
    V5,
}

impl From<VersionName> for Version {
    fn from(name: VersionName) -> Self {
        match name {
            VersionName::V31 => Self::V31,
            VersionName::V311 => Self::V311,
            VersionName::V5 => Self::V5,
        }
    }
}

/// How to connect, checked: a CONNECT can be made of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connect {
    /// The server, and who one is there.
    pub address: Address,
    /// The client id.
    pub client_id: String,
    /// Version of MQTT.
    pub version: Version,
    /// Keep alive in seconds; 0: none.
    pub keep_alive: u16,
    /// Begin a new session.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds (5.0); `None`: as the standard has it, 0.
    pub session_expiry: Option<u32>,
    /// The will.
    pub will: Option<Will>,
    /// What `-D` said.
    pub properties: PropertyArgs,
    /// `-W`.
    pub timeout: Option<Duration>,
    /// `-d`.
    pub debug: bool,
    /// `--quiet`.
    pub quiet: bool,
}

/// A will.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
}

const CONNECT: PropertyPlace = PropertyPlace::Packet(PacketType::Connect);
const DISCONNECT: PropertyPlace = PropertyPlace::Packet(PacketType::Disconnect);

impl ConnectArgs {
    /// `command`: for the client id. `packets`: those that it sends, beside CONNECT and DISCONNECT.
    pub(super) fn check(self, command: &str, packets: &[PacketType]) -> Result<Connect, Failure> {
        let version = Version::from(self.protocol_version);
        if !version.has_properties() {
            if self.session_expiry_interval.is_some() {
                return Err(Failure::new("-x needs MQTT 5.0: add -V mqttv5"));
            }
            if !self.properties.is_empty() {
                return Err(Failure::new("-D needs MQTT 5.0: add -V mqttv5"));
            }
        }
        if self.session_expiry_interval == Some(u32::MAX) && self.id.is_none() {
            return Err(Failure::new(
                "-x: a session that is kept for ever needs a client id: add -i",
            ));
        }
        if self.will_topic.is_none() && self.properties.has(PropertyPlace::Will) {
            return Err(Failure::new("-D WILL needs --will-topic"));
        }
        let mut places = vec![CONNECT, DISCONNECT, PropertyPlace::Will];
        places.extend(packets.iter().map(|&packet| PropertyPlace::Packet(packet)));
        self.properties.check(command, &places)?;
        let kept = self.disable_clean_session && version.has_properties();
        let connect = Connect {
            address: self.address.check()?,
            client_id: self.id.unwrap_or_else(|| new_client_id(command)),
            version,
            keep_alive: self.keepalive,
            clean_start: !self.disable_clean_session,
            session_expiry: self.session_expiry_interval.or_else(|| kept.then_some(u32::MAX)),
            will: self.will_topic.map(|topic| Will {
                topic,
                payload: self.will_payload.unwrap_or_default().into_encoded_bytes(),
                qos: self.will_qos,
                retain: self.will_retain,
            }),
            properties: self.properties,
            timeout: self.timeout,
            debug: self.debug,
            quiet: self.quiet,
        };
        if self.session_expiry_interval.is_some()
            && connect
                .own_properties()?
                .iter()
                .any(|p| matches!(p, Property::SessionExpiryInterval(_)))
        {
            return Err(Failure::new(
                "the session expiry interval is given twice, by -x and by -D",
            ));
        }
        connect
            .with_options(|options| Packet::Connect(*options).encoded_len(version))?
            .and(connect.with_disconnect(|last| Packet::Disconnect(*last).encoded_len(version))?)
            .map_err(|error: EncodeError| Failure::new(error.to_string()))?;
        Ok(connect)
    }
}

impl Connect {
    /// Makes the CONNECT.
    ///
    /// # Errors
    /// None, if this came from the command line.
    pub fn with_options<R>(&self, use_it: impl FnOnce(&ConnectOptions<'_>) -> R) -> Result<R, Failure> {
        let mut properties = self.own_properties()?;
        // What the machine says by itself: see `receive_maximum` and `maximum_packet_size`.
        properties.retain(|p| !matches!(p, Property::ReceiveMaximum(_) | Property::MaximumPacketSize(_)));
        let given = properties
            .iter()
            .any(|p| matches!(p, Property::SessionExpiryInterval(_)));
        if let Some(seconds) = self.session_expiry.filter(|_| !given) {
            properties.insert(0, Property::SessionExpiryInterval(seconds));
        }
        let will_properties = self.properties.at(PropertyPlace::Will)?;
        let will = match &self.will {
            None => None,
            Some(will) => Some(packet::Will {
                topic: TopicName::new(&will.topic).map_err(|error| Failure::new(error.to_string()))?,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                properties: Properties::new(&will_properties),
            }),
        };
        Ok(use_it(&ConnectOptions {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: &self.client_id,
            will,
            user_name: self.address.user_name.as_deref(),
            password: self.address.password.as_deref(),
            properties: Properties::new(&properties),
        }))
    }

    /// Makes the DISCONNECT of an orderly end.
    ///
    /// # Errors
    /// None, if this came from the command line.
    pub fn with_disconnect<R>(&self, use_it: impl FnOnce(&Disconnect<'_>) -> R) -> Result<R, Failure> {
        let properties = self.properties.at(DISCONNECT)?;
        let mut last = Disconnect::new(mqtt_proto::ReasonCode::NORMAL_DISCONNECTION);
        last.properties = Properties::new(&properties);
        Ok(use_it(&last))
    }

    /// What `-D CONNECT receive-maximum` said.
    pub fn receive_maximum(&self) -> Option<u16> {
        Properties::new(&self.own_properties().ok()?).receive_maximum()
    }

    /// What `-D CONNECT maximum-packet-size` said.
    pub fn maximum_packet_size(&self) -> Option<u32> {
        Properties::new(&self.own_properties().ok()?).maximum_packet_size()
    }

    fn own_properties(&self) -> Result<Vec<Property<'_>>, Failure> {
        self.properties.at(CONNECT)
    }
}

/// At most 23 characters, letters and digits but for the hyphens: 3.1 takes it, too.
fn new_client_id(command: &str) -> String {
    #[allow(clippy::disallowed_types, reason = "a new id each time is the purpose")]
    let number = {
        use core::hash::{BuildHasher, Hasher};
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.finish()
    };
    format!("mqtt-{command}-{:012x}", number >> 16)
}

pub(super) fn qos(text: &str) -> Result<QoS, String> {
    text.parse()
        .ok()
        .and_then(QoS::from_u8)
        .ok_or_else(|| "0, 1 or 2".into())
}

pub(super) fn topic_name(text: &str) -> Result<String, String> {
    TopicName::new(text)
        .map(|_| text.into())
        .map_err(|error| error.to_string())
}

fn expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text
            .parse()
            .map_err(|_| "0 to 4294967295 seconds, or -1 for ever".into()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err("it is not more than 0 seconds, and less than for ever".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, publish, subscribe, words};
    use super::*;

    fn connect_line(line: &str) -> String {
        publish(line)
            .connect
            .with_options(|options| Packet::Connect(*options).with_secrets().to_string())
            .unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_mosquitto() {
        let connect = publish("pub -t a -m x").connect;
        assert_eq!(
            (connect.version, connect.keep_alive, connect.clean_start),
            (Version::V311, 60, true)
        );
        assert_eq!(
            (connect.session_expiry, connect.will, connect.timeout),
            (None, None, None)
        );
        assert!(!connect.debug && !connect.quiet);
    }

    #[test]
    fn a_client_id_is_new_each_time_and_right_in_every_version() {
        let ids = [subscribe("sub -t a -V 31"), subscribe("sub -t a -V 31")].map(|sub| sub.connect.client_id);
        assert_ne!(ids[0], ids[1]);
        assert!(
            ids.iter().all(|id| id.starts_with("mqtt-sub-") && id.len() <= 23),
            "{ids:?}"
        );
    }

    #[test]
    fn every_name_of_a_version_is_known() {
        for (names, version) in [
            (&["mqttv31", "31", "3.1"][..], Version::V31),
            (&["mqttv311", "311", "3.1.1"], Version::V311),
            (&["mqttv5", "5", "5.0"], Version::V5),
        ] {
            for name in names {
                assert_eq!(
                    publish(&format!("pub -t a -m x -V {name}")).connect.version,
                    version
                );
            }
        }
    }

    #[test]
    fn all_that_connect_can_say_comes_from_the_options() {
        assert_eq!(
            connect_line(
                "pub -t a -m x -i me -k 7 -c -u u -P p --will-topic w --will-payload gone --will-qos 1 \
                 --will-retain"
            ),
            "CONNECT client_id=\"me\" clean_start=0 keep_alive=7 user_name=\"u\" password=\"p\" \
             will={topic=\"w\" qos=1 retain=1 payload=\"gone\"}"
        );
        assert_eq!(
            connect_line(
                "pub -t a -m x -V 5 -i me -x 9 --will-topic w -D WILL will-delay-interval 3 -D CONNECT \
                 user-property k v -D connect request-problem-information 0"
            ),
            "CONNECT client_id=\"me\" clean_start=1 keep_alive=60 will={topic=\"w\" will_delay_interval=3} \
             session_expiry_interval=9 user_property=(\"k\" \"v\") request_problem_information=0"
        );
    }

    #[test]
    fn a_session_that_is_kept_does_not_expire_unless_told() {
        for (line, expiry, clean) in [
            ("pub -t a -m x -V 5 -i i -c", Some(u32::MAX), false),
            ("pub -t a -m x -V 5 -i i -c -x 5", Some(5), false),
            ("pub -t a -m x -V 5 -x 5", Some(5), true),
            ("pub -t a -m x -V 5 -i i -x -1", Some(u32::MAX), true),
            ("pub -t a -m x -i i -c", None, false),
        ] {
            let connect = publish(line).connect;
            assert_eq!(
                (connect.session_expiry, connect.clean_start),
                (expiry, clean),
                "{line}"
            );
        }
        let by_property = connect_line("pub -t a -m x -V 5 -i me -c -D CONNECT session-expiry-interval 8");
        assert!(
            by_property.ends_with("session_expiry_interval=8"),
            "{by_property}"
        );
        for (line, part) in [
            ("pub -t a -m x -V 5 -x -1", "needs a client id"),
            (
                "pub -t a -m x -V 5 -x 1 -D CONNECT session-expiry-interval 8",
                "given twice",
            ),
            (
                "pub -t a -m x -V 5 -D WILL will-delay-interval 3",
                "-D WILL needs --will-topic",
            ),
            (
                "pub -t a -m x -V 5 -D DISCONNECT session-expiry-interval -1",
                "is not a number from 0",
            ),
        ] {
            assert!(complaint(line).contains(part), "{line}: {}", complaint(line));
        }
    }

    #[test]
    fn limits_of_the_receiver_are_given_to_the_machine() {
        let connect =
            publish("pub -t a -m x -V 5 -D CONNECT receive-maximum 3 -D CONNECT maximum-packet-size 100")
                .connect;
        assert_eq!(
            (connect.receive_maximum(), connect.maximum_packet_size()),
            (Some(3), Some(100))
        );
        let properties = connect
            .with_options(|options| options.properties.is_empty())
            .unwrap();
        assert!(properties);
    }

    #[test]
    fn a_value_may_begin_with_a_hyphen() {
        let args = ["pub", "-t", "-t", "-m", "-m", "-i", "-i", "-u", "-u", "-P", "-P"];
        let super::super::Command::Pub(publish) = words(&args).unwrap() else {
            panic!()
        };
        assert_eq!(
            (publish.topic.as_str(), publish.connect.client_id.as_str()),
            ("-t", "-i")
        );
    }
}
