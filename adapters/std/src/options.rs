//! What CONNECT says, with memory of its own: for clients that say it again and again.

use core::fmt;

use mqtt_proto::{Properties, Property, QoS, TopicError, TopicName, Version, packet};
use mqtt_session::ConnectOptions;

/// [`ConnectOptions`] that own what they say. Plain values, to be changed before each attempt; `Debug` masks secrets.
///
/// In 3.x, which has no properties, everything from [`session_expiry`](Self::session_expiry) on is left out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Begin a new session at *every* connection; in 3.x this also ends the session with the connection. Default `false`:
    /// what is in flight goes on after a lost link, if the server keeps the session, see `session_expiry`.
    pub clean_start: bool,
    /// Seconds within which the client sends something; 0 turns the check off. Default 60.
    pub keep_alive: u16,
    /// The key of the session.
    pub client_id: String,
    /// The message to publish should the connection end badly.
    pub will: Option<Will>,
    /// User name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// For how many seconds the server keeps the session without a connection (5.0, 3.1.2.11.2); 0: not at all,
    /// `u32::MAX`: for ever. Default 1 h. In 3.x a session without `clean_start` has no such limit.
    pub session_expiry: u32,
    /// How many topic aliases the server may use (5.0, 3.1.2.11.5). Default 0.
    pub topic_alias_maximum: u16,
    /// Ask for Response Information (5.0, 3.1.2.11.6). Default: no.
    pub request_response_information: bool,
    /// Let the server explain failures (5.0, 3.1.2.11.7). Default: yes.
    pub request_problem_information: bool,
    /// User Properties, in order.
    pub user_properties: Vec<(String, String)>,
    /// Authentication Method (5.0, 4.12).
    pub authentication_method: Option<String>,
    /// Authentication Data; only beside a method.
    pub authentication_data: Option<Vec<u8>>,
}

/// A will message (3.1.2.5) with memory of its own. In 3.x everything from [`delay`](Self::delay) on is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Will {
    topic: String,
    /// What is published; in 3.1 text.
    pub payload: Vec<u8>,
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is kept as the topic's retained message.
    pub retain: bool,
    /// How many seconds the server waits with it (5.0, 3.1.3.2.2). Default 0.
    pub delay: u32,
    /// The payload is text (5.0, 3.1.3.2.3). Default: not said.
    pub is_text: bool,
    /// For how many seconds it is worth being delivered (5.0, 3.1.3.2.4).
    pub message_expiry: Option<u32>,
    /// What the payload is (5.0, 3.1.3.2.5).
    pub content_type: Option<String>,
    /// Where to answer to (5.0, 3.1.3.2.6).
    pub response_topic: Option<String>,
    /// What an answer has to repeat (5.0, 3.1.3.2.7).
    pub correlation_data: Option<Vec<u8>>,
    /// User Properties, in order.
    pub user_properties: Vec<(String, String)>,
}

impl Will {
    /// A will of QoS 0 that is not retained.
    ///
    /// # Errors
    /// This is no topic name.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Result<Self, TopicError> {
        let topic = topic.into();
        TopicName::new(&topic)?;
        Ok(Self {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            delay: 0,
            is_text: false,
            message_expiry: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        })
    }

    /// Where it is published.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let mut all = Vec::new();
        all.extend((self.delay > 0).then_some(Property::WillDelayInterval(self.delay)));
        all.extend(self.is_text.then_some(Property::PayloadFormatIndicator(1)));
        all.extend(self.message_expiry.map(Property::MessageExpiryInterval));
        all.extend(self.content_type.as_deref().map(Property::ContentType));
        all.extend(self.response_topic.as_deref().map(Property::ResponseTopic));
        all.extend(self.correlation_data.as_deref().map(Property::CorrelationData));
        all.extend(user_properties(&self.user_properties));
        all
    }
}

fn user_properties(pairs: &[(String, String)]) -> impl Iterator<Item = Property<'_>> {
    pairs
        .iter()
        .map(|(name, value)| Property::UserProperty(name, value))
}

fn owned(pairs: Properties<'_>) -> Vec<(String, String)> {
    pairs
        .user_properties()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

impl Options {
    /// A session with this name that the server keeps for an hour after each connection, 60 seconds of keep-alive, and
    /// nothing else.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            clean_start: false,
            keep_alive: 60,
            client_id: client_id.into(),
            will: None,
            user_name: None,
            password: None,
            session_expiry: 3_600,
            topic_alias_maximum: 0,
            request_response_information: false,
            request_problem_information: true,
            user_properties: Vec::new(),
            authentication_method: None,
            authentication_data: None,
        }
    }

    /// Says it in that version.
    pub fn lend<R>(&self, version: Version, to: impl FnOnce(&ConnectOptions<'_>) -> R) -> R {
        let mut properties = Vec::new();
        let mut will_properties = Vec::new();
        if version.has_properties() {
            properties = self.properties();
            will_properties = self.will.as_ref().map(Will::properties).unwrap_or_default();
        }
        to(&ConnectOptions {
            version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: &self.client_id,
            will: self.will.as_ref().map(|will| packet::Will {
                // It was checked when the will was made.
                topic: TopicName::new(&will.topic).unwrap_or(TopicName::EMPTY),
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
                properties: Properties::new(&will_properties),
            }),
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref(),
            properties: Properties::new(&properties),
        })
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let mut all = Vec::new();
        let expiry = self.session_expiry;
        all.extend((expiry > 0).then_some(Property::SessionExpiryInterval(expiry)));
        let aliases = self.topic_alias_maximum;
        all.extend((aliases > 0).then_some(Property::TopicAliasMaximum(aliases)));
        let response = self.request_response_information;
        all.extend(response.then_some(Property::RequestResponseInformation(1)));
        let silent = !self.request_problem_information;
        all.extend(silent.then_some(Property::RequestProblemInformation(0)));
        all.extend(user_properties(&self.user_properties));
        let method = self.authentication_method.as_deref();
        all.extend(method.map(Property::AuthenticationMethod));
        let data = self.authentication_data.as_deref();
        all.extend(data.map(Property::AuthenticationData));
        all
    }
}

/// But for the version, and for Receive Maximum and Maximum Packet Size, which follow from a client's memory.
impl From<&ConnectOptions<'_>> for Options {
    fn from(options: &ConnectOptions<'_>) -> Self {
        let properties = options.properties;
        Self {
            clean_start: options.clean_start,
            keep_alive: options.keep_alive,
            client_id: options.client_id.into(),
            will: options.will.as_ref().map(|will| Will {
                topic: will.topic.as_str().into(),
                payload: will.payload.into(),
                qos: will.qos,
                retain: will.retain,
                delay: will.properties.will_delay_interval().unwrap_or(0),
                is_text: will.properties.payload_format_indicator() == Some(1),
                message_expiry: will.properties.message_expiry_interval(),
                content_type: will.properties.content_type().map(Into::into),
                response_topic: will.properties.response_topic().map(Into::into),
                correlation_data: will.properties.correlation_data().map(Into::into),
                user_properties: owned(will.properties),
            }),
            user_name: options.user_name.map(Into::into),
            password: options.password.map(Into::into),
            session_expiry: properties.session_expiry_interval().unwrap_or(0),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            request_response_information: properties.request_response_information() == Some(1),
            request_problem_information: properties.request_problem_information() != Some(0),
            user_properties: owned(properties),
            authentication_method: properties.authentication_method().map(Into::into),
            authentication_data: properties.authentication_data().map(Into::into),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("session_expiry", &self.session_expiry)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("request_response_information", &self.request_response_information)
            .field("request_problem_information", &self.request_problem_information)
            .field("user_properties", &self.user_properties)
            .field("authentication_method", &self.authentication_method)
            .field(
                "authentication_data",
                &self.authentication_data.as_ref().map(|_| "***"),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_proto::{Packet, Sender};

    fn full() -> Options {
        let mut options = Options::new("me");
        let mut will = Will::new("gone", "bye").expect("a topic");
        will.qos = QoS::ExactlyOnce;
        will.retain = true;
        will.delay = 5;
        will.is_text = true;
        will.message_expiry = Some(9);
        will.content_type = Some("text/plain".into());
        will.response_topic = Some("answer".into());
        will.correlation_data = Some(vec![1, 2]);
        will.user_properties = vec![("w".into(), "x".into())];
        options.will = Some(will);
        options.user_name = Some("user".into());
        options.password = Some(b"secret".to_vec());
        options.session_expiry = 7;
        options.topic_alias_maximum = 3;
        options.request_response_information = true;
        options.request_problem_information = false;
        options.user_properties = vec![("a".into(), "b".into()), ("a".into(), "c".into())];
        options.authentication_method = Some("method".into());
        options.authentication_data = Some(b"data".to_vec());
        options
    }

    #[test]
    fn what_is_owned_is_what_is_sent_and_what_is_decoded() {
        for options in [Options::new(""), full()] {
            options.lend(Version::V5, |lent| {
                let packet = Packet::Connect(*lent);
                let mut bytes = vec![0; packet.encoded_len(Version::V5).expect("a CONNECT")];
                packet.encode(Version::V5, &mut bytes).expect("a CONNECT");
                match Packet::decode(Version::V5, Sender::Client, &bytes) {
                    Ok(Packet::Connect(decoded)) => assert_eq!(Options::from(&decoded), options),
                    other => panic!("{other:?}"),
                }
            });
        }
    }

    #[test]
    fn in_3_there_is_nothing_that_only_5_can_say() {
        full().lend(Version::V311, |lent| {
            assert!(lent.properties.is_empty());
            assert!(lent.will.is_some_and(|will| will.properties.is_empty()));
            assert!(Packet::Connect(*lent).encoded_len(Version::V311).is_ok());
        });
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let text = format!("{:?}", full());
        assert!(!text.contains("secret") && !text.contains(&format!("{:?}", b"secret")));
        assert!(!text.contains(&format!("{:?}", b"data")));
    }
}
