//! Messages to handlers, and a request with its response: two clients and a server in memory. Run it with
//! `cargo run --example dispatch --features testing`
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "an example looks at what it shows, and at nothing else"
)]

use core::{error::Error, time::Duration};

use mqtt_proto::{
    QoS, TopicName, Version,
    packet::{Connect, SubscriptionOptions},
    topic::{Captures, Pattern},
};
use mqtt_session::{
    Client, Config, Publish, Refused,
    client::{OwnedEvent, OwnedMessage},
    dispatch::{Dispatcher, Limits},
    request_response::{self, ReplyTo, Requests, Response},
    storage::Heap,
    testing::Net,
};

/// What is done with a message, and what its wildcards stand for; maybe there is an answer.
type Handler = fn(&OwnedMessage, Captures<'_, '_>) -> Option<String>;

/// A client and its handlers.
struct Node {
    client: usize,
    handlers: Dispatcher<Handler>,
    requests: Requests<&'static str>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut net = Net::new(Default::default());
    let mut house = Node::new(&mut net, "house", 1)?;
    let mut owner = Node::new(&mut net, "owner", 2)?;

    house.on(&mut net, "rooms/+room/temperature", |message, captures| {
        let degrees = String::from_utf8_lossy(&message.payload);
        println!("{:?} has {degrees} degrees", captures.get("room"));
        None
    })?;
    house.on(&mut net, "ask/+what/#of", |_, captures| {
        let (what, of) = (captures.get("what")?, captures.get("of")?);
        Some(format!("the {what} of {of} is 21"))
    })?;
    owner.on(&mut net, "answers/owner", |_, _| None)?;
    net.settle();

    let now = net.now();
    let message = Publish::new(TopicName::new("rooms/attic/temperature")?, QoS::AtLeastOnce);
    net.client(owner.client).publish(now, &message, "12")?;

    let question = Publish::new(TopicName::new("ask/temperature/the/cellar")?, QoS::AtLeastOnce);
    let request = owner.requests.prepare(now, &question, Duration::from_secs(5))?;
    let token = net.client(owner.client).publish(now, &request.publish(), "")?;
    request.sent(token, "the question about the cellar");

    net.settle();
    house.take_events(&mut net)?;
    net.settle();
    owner.take_events(&mut net)
}

impl Node {
    fn new(net: &mut Net, name: &'static str, seed: u64) -> Result<Self, Box<dyn Error>> {
        let client = net.add(Client::new(Config::DEFAULT, Heap::new()));
        net.connect(client, &Connect::new(Version::V5, name))?;
        net.settle();
        let answers = format!("answers/{name}");
        Ok(Self {
            client,
            handlers: Dispatcher::new(Limits::new(Version::V5)),
            requests: Requests::new(request_response::Config::new(seed), TopicName::new(&answers)?)?,
        })
    }

    /// Subscribes, and lets this handler have what comes.
    fn on(&mut self, net: &mut Net, pattern: &str, handler: Handler) -> Result<(), Box<dyn Error>> {
        let identifier = self.handlers.unused_identifier();
        let options = SubscriptionOptions::new(QoS::AtLeastOnce);
        let (now, client) = (net.now(), net.client(self.client));
        self.handlers
            .subscribe(
                Pattern::new(pattern)?,
                options,
                identifier,
                handler,
                |wanted, properties| client.subscribe(now, wanted, properties),
            )
            .map_err(|refused: mqtt_session::NotTaken<_, Refused>| refused.why)?;
        Ok(())
    }

    fn take_events(&mut self, net: &mut Net) -> Result<(), Box<dyn Error>> {
        for event in net.take_events(self.client) {
            self.requests.handle_owned_event(&event);
            let OwnedEvent::Message(message) = event else {
                continue;
            };
            let (topic, properties) = (TopicName::new(&message.topic)?, message.properties.view());
            if let Response::Answer { value, .. } = self.requests.handle_message(topic, properties) {
                println!("{value}: {}", String::from_utf8_lossy(&message.payload));
                continue;
            }
            for (handler, captures) in self.handlers.matches(topic, properties) {
                let Some(answer) = handler(&message, captures) else {
                    continue;
                };
                let reply = ReplyTo::of(properties)?;
                let now = net.now();
                net.client(self.client)
                    .publish(now, &reply.publish(QoS::AtLeastOnce), &*answer)
                    .map_err(|refused| refused.why)?;
            }
        }
        Ok(())
    }
}
