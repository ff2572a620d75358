//! Who answers.

#[cfg(feature = "alloc")]
use alloc::boxed::Box;
use core::fmt;

use mqtt_proto::{
    Properties, Property, QoS, Statement, TopicError, TopicErrorKind, TopicName, Version, statement,
};

use crate::Publish;

/// Where a request wants its answer, and by what it will know it.
///
/// ```
/// use mqtt_proto::{Properties, Property, QoS};
/// use mqtt_session::request_response::ReplyTo;
///
/// let request = [Property::ResponseTopic("answers/7"), Property::CorrelationData(b"\x01")];
/// let reply = ReplyTo::of(Properties::new(&request))?;
/// let message = reply.publish(QoS::AtLeastOnce);
/// assert_eq!(message.topic.as_str(), "answers/7");
/// assert_eq!(message.properties.correlation_data(), Some(&b"\x01"[..]));
/// # Ok::<(), mqtt_session::request_response::NoReply>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo<'m> {
    topic: TopicName<'m>,
    correlation: Option<Property<'m>>,
}

/// No answer to this message can be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoReply {
    /// It has no Response Topic, so it is no request (5.0, 3.3.2.3.5). In 3.x no message has.
    NoResponseTopic,
    /// Its Response Topic is no topic name.
    InvalidTopic(TopicError),
}

impl NoReply {
    /// The statement that the request breaks, if it does.
    pub const fn statement(&self) -> Option<Statement> {
        match self {
            Self::NoResponseTopic => None,
            // The closer rule.
            Self::InvalidTopic(error) if matches!(error.kind(), TopicErrorKind::WildcardInName) => {
                Some(statement!("5/MQTT-3.3.2-14"))
            }
            Self::InvalidTopic(error) => Some(error.statement(Version::V5)),
        }
    }
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResponseTopic => f.write_str("the message has no response topic"),
            Self::InvalidTopic(error) => write!(f, "invalid response topic: {error}"),
        }
    }
}

impl core::error::Error for NoReply {}

impl<'m> ReplyTo<'m> {
    /// Where the message with these properties wants its answer.
    ///
    /// # Errors
    /// It wants none, or names no topic.
    pub fn of(request: Properties<'m>) -> Result<Self, NoReply> {
        let topic = request.response_topic().ok_or(NoReply::NoResponseTopic)?;
        Ok(Self {
            topic: TopicName::new(topic).map_err(NoReply::InvalidTopic)?,
            correlation: request.correlation_data().map(Property::CorrelationData),
        })
    }

    /// The Response Topic.
    pub const fn topic(&self) -> TopicName<'m> {
        self.topic
    }

    /// The request's Correlation Data as a property, if it has one: the answer must carry it (5.0, 4.10). For answers with
    /// more properties than [`publish`](Self::publish) gives them.
    pub const fn correlation(&self) -> Option<Property<'m>> {
        self.correlation
    }

    /// The answer, but for its payload: to the Response Topic, with the Correlation Data.
    pub const fn publish(&self, qos: QoS) -> Publish<'_> {
        let mut message = Publish::new(self.topic, qos);
        message.properties = Properties::new(self.correlation.as_slice());
        message
    }
}

/// A [`ReplyTo`] that outlives its request, for answers that take their time.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedReplyTo {
    topic: Box<str>,
    correlation: Option<Box<[u8]>>,
}

#[cfg(feature = "alloc")]
impl From<ReplyTo<'_>> for OwnedReplyTo {
    fn from(reply: ReplyTo<'_>) -> Self {
        let correlation = match reply.correlation {
            Some(Property::CorrelationData(data)) => Some(data.into()),
            _ => None,
        };
        Self {
            topic: reply.topic.as_str().into(),
            correlation,
        }
    }
}

#[cfg(feature = "alloc")]
impl OwnedReplyTo {
    /// Where the answer goes.
    pub fn view(&self) -> ReplyTo<'_> {
        ReplyTo {
            // It was one before.
            topic: TopicName::new(&self.topic).unwrap_or(TopicName::EMPTY),
            correlation: self.correlation.as_deref().map(Property::CorrelationData),
        }
    }
}
