//! `-D PACKET PROPERTY VALUE…`.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};
use mqtt_proto::{PacketType, Property, PropertyId, property::PropertyPlace};

use crate::failure::Failure;

const NAME: &str = "property";

/// The properties that `-D` gave, in order. Each is known, and may stand where it stands; whether its value
/// is right, [`at`](Self::at) says.
#[derive(Clone, Debug, Default)]
pub struct PropertyArgs(Vec<Given>);

#[derive(Clone, Debug)]
struct Given {
    place: PropertyPlace,
    id: PropertyId,
    values: Vec<String>,
}

impl PropertyArgs {
    /// `-D` was not there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Something stands there.
    pub fn has(&self, place: PropertyPlace) -> bool {
        self.0.iter().any(|given| given.place == place)
    }

    /// The properties of that packet.
    ///
    /// # Errors
    /// A value that the property cannot have.
    pub fn at(&self, place: PropertyPlace) -> Result<Vec<Property<'_>>, Failure> {
        self.0
            .iter()
            .filter(|given| given.place == place)
            .map(Given::property)
            .collect()
    }

    /// Checks all of them, for a command that sends packets with properties at these places.
    pub(super) fn check(&self, command: &str, places: &[PropertyPlace]) -> Result<(), Failure> {
        for (n, given) in self.0.iter().enumerate() {
            if !places.contains(&given.place) {
                return Err(given.wrong(&format!("mqtt {command} sends no {}", place_name(given.place))));
            }
            if !given.id.is_allowed(given.place) {
                return Err(given.wrong(&format!("no property of {}", place_name(given.place))));
            }
            let again = self.0[..n]
                .iter()
                .any(|before| (before.place, before.id) == (given.place, given.id));
            if again && (!given.id.may_repeat(given.place) || given.id == PropertyId::SubscriptionIdentifier)
            {
                return Err(given.wrong("given twice"));
            }
            match given.id {
                PropertyId::TopicAlias | PropertyId::TopicAliasMaximum => {
                    return Err(given.wrong("topic aliases are not supported"));
                }
                PropertyId::AuthenticationMethod | PropertyId::AuthenticationData => {
                    return Err(given.wrong("enhanced authentication is not supported"));
                }
                _ => {
                    given.property()?;
                }
            }
        }
        Ok(())
    }
}

impl Given {
    fn parse(words: &[String]) -> Result<Self, Failure> {
        let [packet, name, values @ ..] = words else {
            return Err(Failure::new("-D wants PACKET PROPERTY VALUE"));
        };
        let wrong = |why: &str| Failure::new(format!("-D {packet} {name}: {why}"));
        let place = place(packet).ok_or_else(|| wrong("no packet of that name has properties"))?;
        let wanted = name.to_ascii_lowercase().replace('-', "_");
        let id = PropertyId::ALL.into_iter().find(|id| id.name() == wanted);
        let id = id.ok_or_else(|| wrong("no property of that name"))?;
        let count = if id == PropertyId::UserProperty { 2 } else { 1 };
        if values.len() != count {
            return Err(wrong(if count == 2 {
                "wants a name and a value"
            } else {
                "wants one value"
            }));
        }
        Ok(Self {
            place,
            id,
            values: values.to_vec(),
        })
    }

    fn wrong(&self, why: &str) -> Failure {
        let name = self.id.name().replace('_', "-");
        Failure::new(format!("-D {} {name}: {why}", place_name(self.place)))
    }

    fn property(&self) -> Result<Property<'_>, Failure> {
        let [value, rest @ ..] = self.values.as_slice() else {
            return Err(self.wrong("wants a value"));
        };
        Ok(match self.id {
            PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(self.number(1)?),
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(self.number(u32::MAX)?),
            PropertyId::ContentType => Property::ContentType(value),
            PropertyId::ResponseTopic => Property::ResponseTopic(value),
            PropertyId::CorrelationData => Property::CorrelationData(value.as_bytes()),
            PropertyId::SubscriptionIdentifier => {
                Property::SubscriptionIdentifier(self.between(1, mqtt_proto::MAX_REMAINING_LENGTH)?)
            }
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(self.number(u32::MAX)?),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(value),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(self.number(u16::MAX)?),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(value),
            PropertyId::AuthenticationData => Property::AuthenticationData(value.as_bytes()),
            PropertyId::RequestProblemInformation => Property::RequestProblemInformation(self.number(1)?),
            PropertyId::WillDelayInterval => Property::WillDelayInterval(self.number(u32::MAX)?),
            PropertyId::RequestResponseInformation => Property::RequestResponseInformation(self.number(1)?),
            PropertyId::ResponseInformation => Property::ResponseInformation(value),
            PropertyId::ServerReference => Property::ServerReference(value),
            PropertyId::ReasonString => Property::ReasonString(value),
            PropertyId::ReceiveMaximum => Property::ReceiveMaximum(self.between(1, u16::MAX)?),
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(self.number(u16::MAX)?),
            PropertyId::TopicAlias => Property::TopicAlias(self.between(1, u16::MAX)?),
            PropertyId::MaximumQoS => Property::MaximumQoS(self.number(1)?),
            PropertyId::RetainAvailable => Property::RetainAvailable(self.number(1)?),
            PropertyId::UserProperty => Property::UserProperty(value, rest.first().map_or("", |v| v)),
            PropertyId::MaximumPacketSize => Property::MaximumPacketSize(self.between(1, u32::MAX)?),
            PropertyId::WildcardSubscriptionAvailable => {
                Property::WildcardSubscriptionAvailable(self.number(1)?)
            }
            PropertyId::SubscriptionIdentifierAvailable => {
                Property::SubscriptionIdentifierAvailable(self.number(1)?)
            }
            PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(self.number(1)?),
        })
    }

    fn number<N: TryFrom<u32> + Into<u32>>(&self, max: N) -> Result<N, Failure> {
        self.between(0, max)
    }

    fn between<N: TryFrom<u32> + Into<u32>>(&self, min: u32, max: N) -> Result<N, Failure> {
        let max = max.into();
        let value = self.values[0].parse().ok().filter(|n| (min..=max).contains(n));
        value.and_then(|n| N::try_from(n).ok()).ok_or_else(|| {
            self.wrong(&format!(
                "'{}' is not a number from {min} to {max}",
                self.values[0]
            ))
        })
    }
}

fn place(name: &str) -> Option<PropertyPlace> {
    let packet = |packet| Some(PropertyPlace::Packet(packet));
    match name.to_ascii_lowercase().as_str() {
        "will" => Some(PropertyPlace::Will),
        "connect" => packet(PacketType::Connect),
        "connack" => packet(PacketType::ConnAck),
        "publish" => packet(PacketType::Publish),
        "puback" => packet(PacketType::PubAck),
        "pubrec" => packet(PacketType::PubRec),
        "pubrel" => packet(PacketType::PubRel),
        "pubcomp" => packet(PacketType::PubComp),
        "subscribe" => packet(PacketType::Subscribe),
        "suback" => packet(PacketType::SubAck),
        "unsubscribe" => packet(PacketType::Unsubscribe),
        "unsuback" => packet(PacketType::UnsubAck),
        "disconnect" => packet(PacketType::Disconnect),
        "auth" => packet(PacketType::Auth),
        _ => None,
    }
}

fn place_name(place: PropertyPlace) -> String {
    match place {
        PropertyPlace::Will => "WILL".into(),
        PropertyPlace::Packet(packet) => packet.to_string(),
    }
}

// By hand, because how many values there are depends on the property, and each `-D` is a list of its own.
impl Args for PropertyArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.arg(
            Arg::new(NAME)
                .short('D')
                .long("property")
                .value_names(["PACKET", "PROPERTY", "VALUE"])
                .num_args(3..=4)
                .action(ArgAction::Append)
                .allow_negative_numbers(true)
                .help("Property of a packet (5.0): -D PUBLISH message-expiry-interval 60, -D CONNECT user-property NAME VALUE; may be repeated"),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PropertyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut new = Self::default();
        new.update_from_arg_matches(matches)?;
        Ok(new)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for words in matches.get_occurrences::<String>(NAME).into_iter().flatten() {
            let words: Vec<String> = words.cloned().collect();
            let given = Given::parse(&words).map_err(|failure| {
                clap::Error::raw(clap::error::ErrorKind::ValueValidation, failure.message())
            })?;
            self.0.push(given);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, publish, subscribe, words};
    use super::*;

    const PUBLISH: PropertyPlace = PropertyPlace::Packet(PacketType::Publish);

    fn shown(list: &[Property<'_>]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_property_of_a_packet_can_be_given() {
        let publish = publish(
            "pub -V 5 -t a -m x -D PUBLISH payload-format-indicator 1 -D publish message-expiry-interval 60 \
             -D PUBLISH content-type text/plain -D PUBLISH response-topic r -D PUBLISH correlation-data c \
             -D PUBLISH user-property a 1 -D PUBLISH User_Property a 2 -D DISCONNECT session-expiry-interval 0",
        );
        assert_eq!(
            shown(&publish.connect.properties.at(PUBLISH).unwrap()),
            [
                "payload_format_indicator=1",
                "message_expiry_interval=60",
                "content_type=\"text/plain\"",
                "response_topic=\"r\"",
                "correlation_data=\"c\"",
                "user_property=(\"a\" \"1\")",
                "user_property=(\"a\" \"2\")",
            ]
        );
        let sub = subscribe(
            "sub -V 5 -t a -D SUBSCRIBE subscription-identifier 268435455 -U b -D UNSUBSCRIBE user-property k v",
        );
        let at = |packet| shown(&sub.connect.properties.at(PropertyPlace::Packet(packet)).unwrap());
        assert_eq!(at(PacketType::Subscribe), ["subscription_identifier=268435455"]);
        assert_eq!(at(PacketType::Unsubscribe), ["user_property=(\"k\" \"v\")"]);
    }

    #[test]
    fn a_value_may_have_blanks_and_may_be_negative_text() {
        let args = [
            "pub",
            "-V",
            "5",
            "-t",
            "a",
            "-m",
            "x",
            "-D",
            "PUBLISH",
            "user-property",
            "a b",
            "-5",
        ];
        let super::super::Command::Pub(publish) = words(&args).unwrap() else {
            panic!()
        };
        assert_eq!(
            shown(&publish.connect.properties.at(PUBLISH).unwrap()),
            ["user_property=(\"a b\" \"-5\")"]
        );
    }

    #[test]
    fn a_wrong_property_is_named() {
        for (line, part) in [
            ("-D PUBLISH content-type", "3 values required"),
            (
                "-D PUBLISH content-type a b",
                "-D PUBLISH content-type: wants one value",
            ),
            (
                "-D PUBLISH user-property a",
                "-D PUBLISH user-property: wants a name and a value",
            ),
            (
                "-D PUBLISH colour red",
                "-D PUBLISH colour: no property of that name",
            ),
            (
                "-D PINGREQ user-property a b",
                "-D PINGREQ user-property: no packet of that name has properties",
            ),
            (
                "-D SUBSCRIBE user-property a b",
                "-D SUBSCRIBE user-property: mqtt pub sends no SUBSCRIBE",
            ),
            ("-D PUBLISH session-expiry-interval 1", "no property of PUBLISH"),
            (
                "-D PUBLISH payload-format-indicator 2",
                "'2' is not a number from 0 to 1",
            ),
            (
                "-D PUBLISH message-expiry-interval soon",
                "'soon' is not a number from 0 to 4294967295",
            ),
            (
                "-D CONNECT receive-maximum 0",
                "'0' is not a number from 1 to 65535",
            ),
            (
                "-D PUBLISH content-type a -D PUBLISH content-type b",
                "-D PUBLISH content-type: given twice",
            ),
            ("-D PUBLISH topic-alias 1", "topic aliases are not supported"),
            (
                "-D CONNECT authentication-method m",
                "enhanced authentication is not supported",
            ),
            ("-D PUBLISH response-topic a/#", "PUBLISH: "),
        ] {
            let said = complaint(&format!("pub -V 5 -t a -m x {line}"));
            assert!(said.contains(part), "{line}\n  {said}\n  lacks: {part}");
        }
        let old = complaint("pub -t a -m x -D PUBLISH content-type a");
        assert!(old.contains("-D needs MQTT 5.0: add -V mqttv5"), "{old}");
    }
}
