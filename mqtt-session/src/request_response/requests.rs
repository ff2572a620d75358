//! Who asks.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use mqtt_proto::{Properties, Property, ReasonCode, TopicFilter, TopicName, Version};

use super::pending::{Pending, RequestId, Unanswered, Why};
#[cfg(feature = "bytes")]
use crate::client::{OwnedEvent, OwnedOutcome};
use crate::{
    Instant, Publish, Refused, Token, Unsupported,
    client::{AbortReason, Event, Outcome},
};

/// Bytes of Correlation Data: the seed, and the number of the request.
const CORRELATION: usize = 16;

/// Requests of one client, and what was kept with each. See the [module](super).
///
/// # How a request ends
///
/// | it ends as | when |
/// |---|---|
/// | [`Response::Answer`] | a message with its Correlation Data came to its response topic |
/// | [`Why::TimedOut`] | nothing came in time; what of it had not been sent by then is dropped by the client |
/// | [`Why::Refused`] | the server said so in PUBACK or PUBREC, or that nobody is subscribed (0x10) |
/// | [`Why::NotSent`] | the client has aborted the message |
/// | [`Why::ConnectionClosed`] | the connection ended, if [that is wanted](OnClosed) |
/// | [`Why::NoCorrelation`] | the next connection speaks 3.x |
/// | [`Requests::cancel`] | the application says so |
#[derive(Clone, Debug)]
pub struct Requests<T> {
    config: Config,
    version: Version,
    /// Where answers to new requests go.
    topic: Arc<str>,
    last: u64,
    /// Of the request that was prepared last.
    correlation: [u8; CORRELATION],
    pending: Pending<T>,
}

/// How [`Requests`] is set up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The first half of all Correlation Data. A different one at each start of the program and for each client, so that
    /// answers to requests of earlier times, or of others, are not taken for its own; one that nobody can guess where
    /// others may publish to the response topic.
    pub seed: u64,
    /// Requests at a time, with those that have ended without an answer and were not polled. Default: 1,024.
    pub requests: usize,
    /// What becomes of requests when the connection ends. Default: [`OnClosed::Wait`].
    pub on_closed: OnClosed,
}

/// What becomes of requests when their connection ends.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnClosed {
    /// They wait on: with the session, requests and answers of QoS 1 and 2 go on too.
    #[default]
    Wait,
    /// They end.
    Abort,
}

impl Config {
    /// The defaults.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            requests: 1_024,
            on_closed: OnClosed::Wait,
        }
    }
}

/// What a message is to those who ask.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response<T> {
    /// The answer to this request, which is over.
    Answer {
        /// Which one.
        id: RequestId,
        /// What was kept with it.
        value: T,
    },
    /// It came to the response topic, and no request waits for it: too late, a second time, or without the right
    /// Correlation Data.
    Unexpected,
    /// It came to another topic.
    Other,
}

/// A response topic made of the Response Information of CONNACK, whose properties these are, and this text: the
/// information, a slash, the text. None if there is no information, as when the client has not asked for it (5.0,
/// 3.1.2.11.6), or no topic comes of it.
///
/// The standard leaves open how a topic is made of it (5.0, 3.2.2.3.15); servers that give it mean a part of their topics
/// that is the client's own.
///
/// ```
/// use mqtt_proto::{Properties, Property};
/// use mqtt_session::request_response::response_topic;
///
/// let connack = [Property::ResponseInformation("clients/7")];
/// assert_eq!(response_topic(Properties::new(&connack), "answers").as_deref(), Some("clients/7/answers"));
/// assert_eq!(response_topic(Properties::EMPTY, "answers"), None);
/// ```
pub fn response_topic(connack: Properties<'_>, text: &str) -> Option<String> {
    let information = connack.response_information()?;
    let topic = format!("{}/{text}", information.strip_suffix('/').unwrap_or(information));
    TopicName::new(&topic).is_ok().then_some(topic)
}

impl<T> Requests<T> {
    /// Without any request. Answers go to `topic`: subscribe to [`filter`](Self::filter) before asking.
    ///
    /// # Errors
    /// [`Refused::InvalidTopic`] if the name is empty, [`Refused::Unsupported`] if it begins with `$share/`: what is
    /// published there cannot be subscribed to by its name.
    pub fn new(config: Config, topic: TopicName<'_>) -> Result<Self, Refused> {
        Ok(Self {
            config,
            version: Version::V5,
            topic: check(topic)?.as_str().into(),
            last: 0,
            correlation: [0; CORRELATION],
            pending: Pending::new(),
        })
    }

    /// Where answers go: what is to be subscribed.
    ///
    /// # Errors
    /// None, because what was checked when it was set is checked again: a name is a filter too.
    pub fn filter(&self) -> Result<TopicFilter<'_>, Refused> {
        Ok(TopicFilter::new(&self.topic)?)
    }

    /// Lets answers to later requests go to another topic, for instance because the Response Information of a new session
    /// is another one. Answers to earlier requests are still taken from the earlier topic.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing changes.
    pub fn set_response_topic(&mut self, topic: TopicName<'_>) -> Result<(), Refused> {
        self.topic = check(topic)?.as_str().into();
        Ok(())
    }

    /// The version of the connection that is being made; 5.0 until it is said. In 3.x requests are refused, and those that wait end
    /// with [`Why::NoCorrelation`]: what is still to be sent of them would go without Correlation Data, and no answer could
    /// carry it.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
        if !has_correlation(version) {
            self.pending.end_all(Why::NoCorrelation);
        }
    }

    /// Makes a request of a message: with a Response Topic and Correlation Data after its own properties, and with a
    /// [deadline](Publish::deadline) no later than the end of the time for an answer, which runs from now. Publish it, then
    /// say [`sent`](Prepared::sent); if the client refuses it, nothing has happened.
    ///
    /// # Errors
    /// [`Refused::Slots`] if as many requests wait as may, [`Refused::Unsupported`] on a connection of 3.x.
    pub fn prepare<'r>(
        &'r mut self,
        now: Instant,
        message: &Publish<'r>,
        timeout: Duration,
    ) -> Result<Prepared<'r, T>, Refused> {
        if !has_correlation(self.version) {
            return Err(Refused::Unsupported(Unsupported::Properties));
        }
        if self.pending.len() >= self.config.requests {
            return Err(Refused::Slots);
        }
        let Self {
            config,
            topic,
            last,
            correlation,
            pending,
            ..
        } = self;
        *last += 1;
        let (seed, number) = correlation.split_at_mut(CORRELATION / 2);
        seed.copy_from_slice(&config.seed.to_be_bytes());
        number.copy_from_slice(&last.to_be_bytes());
        let mut properties: Vec<_> = message.properties.iter().collect();
        properties.push(Property::ResponseTopic(topic));
        properties.push(Property::CorrelationData(correlation));
        let deadline = now + timeout;
        let mut message = *message;
        message.deadline = Some(message.deadline.map_or(deadline, |own| own.min(deadline)));
        Ok(Prepared {
            id: RequestId::new(*last),
            message,
            properties,
            deadline,
            topic,
            pending,
        })
    }

    /// Looks whether a message is an answer. `topic` is what [`Client::topic`](crate::Client::topic) makes of it, where topic aliases are in use.
    /// For messages that come in pieces, give the topic and properties of the start; the answer is then what follows.
    pub fn handle_message(&mut self, topic: TopicName<'_>, properties: Properties<'_>) -> Response<T> {
        let id = properties.correlation_data().and_then(|data| self.id_of(data));
        if let Some(id) = id.filter(|&id| self.pending.awaits(id, topic.as_str())) {
            if let Some(value) = self.pending.take(id) {
                return Response::Answer { id, value };
            }
        }
        if topic.as_str() == &*self.topic {
            Response::Unexpected
        } else {
            Response::Other
        }
    }

    fn id_of(&self, correlation: &[u8]) -> Option<RequestId> {
        let (seed, number) = correlation.split_first_chunk()?;
        let number = <[u8; 8]>::try_from(number).ok()?;
        (u64::from_be_bytes(*seed) == self.config.seed).then_some(RequestId::new(u64::from_be_bytes(number)))
    }

    /// Hears of an event of the client; give it every one, in their order. Messages are for
    /// [`handle_message`](Self::handle_message), because their topic may be behind an alias.
    pub fn handle_event(&mut self, event: &Event<'_>) {
        if let Event::Completed { token, outcome } = event {
            match outcome {
                Outcome::Acknowledged { code, .. } => self.handle_acknowledged(*token, *code),
                Outcome::Written => self.handle_acknowledged(*token, ReasonCode::SUCCESS),
                Outcome::Subscribed { .. }
                | Outcome::Unsubscribed { .. }
                | Outcome::Authenticated { .. }
                | Outcome::Ponged { .. } => {}
            }
        } else if let Event::Aborted { token, why } = event {
            self.handle_aborted(*token, *why);
        } else if let Event::Closed(_) = event {
            self.handle_closed();
        }
    }

    /// As [`handle_event`](Self::handle_event), for events with bytes of their own.
    #[cfg(feature = "bytes")]
    pub fn handle_owned_event(&mut self, event: &OwnedEvent) {
        if let OwnedEvent::Completed { token, outcome } = event {
            match outcome {
                OwnedOutcome::Acknowledged { code, .. } => self.handle_acknowledged(*token, *code),
                OwnedOutcome::Written => self.handle_acknowledged(*token, ReasonCode::SUCCESS),
                OwnedOutcome::Subscribed { .. }
                | OwnedOutcome::Unsubscribed { .. }
                | OwnedOutcome::Authenticated { .. }
                | OwnedOutcome::Ponged { .. } => {}
            }
        } else if let OwnedEvent::Aborted { token, why } = event {
            self.handle_aborted(*token, *why);
        } else if let OwnedEvent::Closed(_) = event {
            self.handle_closed();
        }
    }

    /// A message has been acknowledged with this code; nothing happens if it is none of the requests.
    pub fn handle_acknowledged(&mut self, token: Token, code: ReasonCode) {
        let Some(id) = self.pending.finished(token) else {
            return;
        };
        if code.is_failure() || code == ReasonCode::NO_MATCHING_SUBSCRIBERS {
            self.pending.end(id, Why::Refused(code));
        }
    }

    /// A message has been aborted; nothing happens if it is none of the requests.
    pub fn handle_aborted(&mut self, token: Token, why: AbortReason) {
        if let Some(id) = self.pending.finished(token) {
            self.pending.end(id, Why::NotSent(why));
        }
    }

    /// The connection has ended.
    pub fn handle_closed(&mut self) {
        match self.config.on_closed {
            OnClosed::Wait => {}
            OnClosed::Abort => self.pending.end_all(Why::ConnectionClosed),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.deadline()
    }

    /// Requests whose time is over end.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.pending.expire(now);
    }

    /// The next request that has ended without an answer. Take all of them: they wait here until somebody does.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered<T>> {
        self.pending.next_ended()
    }

    /// Ends a request: what was kept with it, if it waits. Its answer, if it comes, is
    /// [`Unexpected`](Response::Unexpected).
    pub fn cancel(&mut self, id: RequestId) -> Option<T> {
        self.pending.take(id)
    }

    /// What is kept with a request that waits.
    pub fn get(&self, id: RequestId) -> Option<&T> {
        self.pending.get(id)
    }

    /// How many requests wait for an answer.
    pub fn len(&self) -> usize {
        self.pending.waiting()
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Only 5.0 has properties, and Correlation Data is one.
const fn has_correlation(version: Version) -> bool {
    matches!(version, Version::V5)
}

/// A name that can be subscribed to.
fn check(topic: TopicName<'_>) -> Result<TopicName<'_>, Refused> {
    let filter = TopicFilter::new(topic.as_str())?;
    match filter.check_share()? {
        None => Ok(topic),
        Some(_) => Err(Refused::Unsupported(Unsupported::SharedSubscription)),
    }
}

/// A request that is not sent yet. Dropped, it has never been.
#[must_use = "say `sent` when it is published, or no answer will be known"]
#[derive(Debug)]
pub struct Prepared<'r, T> {
    id: RequestId,
    message: Publish<'r>,
    properties: Vec<Property<'r>>,
    deadline: Instant,
    topic: &'r Arc<str>,
    pending: &'r mut Pending<T>,
}

impl<T> Prepared<'_, T> {
    /// What is to be published, but for its payload.
    pub fn publish(&self) -> Publish<'_> {
        Publish {
            properties: Properties::new(&self.properties),
            ..self.message
        }
    }

    /// Its name, once it is sent.
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// It was published, with this token; without one, nobody will tell if the message fails, and the request then ends by its
    /// time. `value` is given back when it ends.
    pub fn sent(self, token: impl Into<Option<Token>>, value: T) -> RequestId {
        let topic = Arc::clone(self.topic);
        self.pending
            .add(self.id, topic, token.into(), self.deadline, value);
        self.id
    }
}
