//! Requests and their responses (5.0, 4.10): who asks, and who answers.
//!
//! A request is a message with a Response Topic and Correlation Data; the response is a message to that topic with the same
//! Correlation Data. `Requests` makes the one and finds the other: each request ends exactly once. [`ReplyTo`] is the other
//! side: where a request wants its answer. Both are values beside the client; nothing is subscribed or published behind
//! anybody's back. 3.1 and 3.1.1 have no properties, so there are no requests: they are refused.
//!
//! [`ReplyTo`] needs no allocator; the others are there with the feature `alloc`.
//!
//! ```
//! use core::time::Duration;
//! use mqtt_proto::{Properties, QoS, TopicName, Version, packet::{Connect, Subscription, SubscriptionOptions}};
//! use mqtt_session::{Client, Config, Publish, client::OwnedEvent, storage::Heap, testing::Net};
//! use mqtt_session::request_response::{self, ReplyTo, Requests, Response};
//!
//! let mut net = Net::new(Default::default());
//! let [asks, answers] = ["asks", "answers"].map(|id| {
//!     let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
//!     net.connect(c, &Connect::new(Version::V5, id)).unwrap();
//!     c
//! });
//! net.settle();
//! let now = net.now();
//!
//! // Both subscribe, to the topic for answers and to that for requests.
//! let mut requests = Requests::new(request_response::Config::new(42), TopicName::new("answers/asks")?)?;
//! let options = SubscriptionOptions::new(QoS::AtLeastOnce);
//! let filter = requests.filter()?;
//! net.client(asks).subscribe(now, &[Subscription { filter, options }], Properties::EMPTY)?;
//! let filter = "sum".try_into()?;
//! net.client(answers).subscribe(now, &[Subscription { filter, options }], Properties::EMPTY)?;
//! net.settle();
//!
//! // Who asks. A request that is not sent, because the client refuses the message, has never been.
//! let question = Publish::new(TopicName::new("sum")?, QoS::AtLeastOnce);
//! let request = requests.prepare(now, &question, Duration::from_secs(5))?;
//! let token = net.client(asks).publish(now, &request.publish(), "1 2 3").unwrap();
//! let id = request.sent(token, "what for");
//! net.settle();
//!
//! // Who answers.
//! for event in net.take_events(answers) {
//!     if let OwnedEvent::Message(message) = event {
//!         let reply = ReplyTo::of(message.properties.view())?;
//!         net.client(answers).publish(now, &reply.publish(QoS::AtLeastOnce), "6").unwrap();
//!     }
//! }
//! net.settle();
//!
//! // Every event goes to the requests, messages for their topic and properties.
//! let mut told = Vec::new();
//! for event in net.take_events(asks) {
//!     requests.handle_owned_event(&event);
//!     if let OwnedEvent::Message(message) = event {
//!         let topic = TopicName::new(&message.topic)?;
//!         match requests.handle_message(topic, message.properties.view()) {
//!             Response::Answer { id, value } => told.push((id, value, message.payload)),
//!             Response::Unexpected => {} // too late, or once more
//!             _ => {} // another message
//!         }
//!     }
//! }
//! assert_eq!(told, [(id, "what for", "6".into())]);
//! // And at `poll_timeout()`: `handle_timeout(now)`, then `poll_unanswered()` until there is none.
//! assert_eq!((requests.poll_timeout(), requests.poll_unanswered()), (None, None));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `requests` | who asks |
//! | `pending` | requests that wait, by number, token and time |
//! | `reply` | who answers |

#[cfg(feature = "alloc")]
mod pending;
mod reply;
#[cfg(feature = "alloc")]
mod requests;

#[cfg(feature = "alloc")]
pub use pending::{RequestId, Unanswered, Why};
#[cfg(feature = "alloc")]
pub use reply::OwnedReplyTo;
pub use reply::{NoReply, ReplyTo};
#[cfg(feature = "alloc")]
pub use requests::{Config, OnClosed, Prepared, Requests, Response, response_topic};
