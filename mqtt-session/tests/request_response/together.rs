//! Two clients and a server.

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Config, Refused,
    client::{AbortReason, OwnedEvent},
    request_response::{OwnedReplyTo, ReplyTo, Requests, Response, Why},
    storage::Heap,
    testing::Net,
};

use super::{TIMEOUT, question, requests};

struct Both {
    net: Net,
    asks: usize,
    answers: usize,
    requests: Requests<&'static str>,
}

impl Both {
    fn new() -> Self {
        let mut net = Net::new(Default::default());
        let [asks, answers] = [(); 2].map(|()| net.add(Client::new(Config::DEFAULT, Heap::new())));
        let mut both = Self {
            net,
            asks,
            answers,
            requests: requests(9),
        };
        both.connect(asks, "asks");
        both.connect(answers, "answers");
        both
    }

    fn connect(&mut self, c: usize, id: &str) {
        self.net.connect(c, &Connect::new(Version::V5, id)).unwrap();
        self.net.settle();
    }

    fn subscribe(&mut self, c: usize, filter: &str) {
        let now = self.net.now();
        let wanted = [Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options: SubscriptionOptions::new(QoS::AtLeastOnce),
        }];
        self.net
            .client(c)
            .subscribe(now, &wanted, Properties::EMPTY)
            .unwrap();
        self.net.settle();
    }

    fn ask(&mut self, payload: &str, value: &'static str) {
        let now = self.net.now();
        let message = question();
        let request = self.requests.prepare(now, &message, TIMEOUT).unwrap();
        let token = self
            .net
            .client(self.asks)
            .publish(now, &request.publish(), payload)
            .unwrap();
        request.sent(token, value);
        self.net.settle();
    }

    /// Messages for the one who answers: where to answer, and the payloads.
    fn asked(&mut self) -> Vec<(OwnedReplyTo, Vec<u8>)> {
        let messages = self.net.take_events(self.answers).into_iter();
        messages
            .filter_map(|event| {
                let OwnedEvent::Message(message) = event else {
                    return None;
                };
                let reply = ReplyTo::of(message.properties.view()).unwrap();
                Some((reply.into(), message.payload.to_vec()))
            })
            .collect()
    }

    fn answer(&mut self, reply: &OwnedReplyTo, payload: &[u8]) {
        let now = self.net.now();
        let reply = reply.view();
        let answer = reply.publish(QoS::AtLeastOnce);
        self.net
            .client(self.answers)
            .publish(now, &answer, payload)
            .unwrap();
        self.net.settle();
    }

    /// What came of the requests, with the answers' payloads; and how many messages were unexpected.
    fn answered(&mut self) -> (Vec<(&'static str, Vec<u8>)>, usize) {
        let (mut answered, mut unexpected) = (Vec::new(), 0);
        for event in self.net.take_events(self.asks) {
            self.requests.handle_owned_event(&event);
            if let OwnedEvent::Message(message) = event {
                let topic = TopicName::new(&message.topic).unwrap();
                match self.requests.handle_message(topic, message.properties.view()) {
                    Response::Answer { value, .. } => answered.push((value, message.payload.to_vec())),
                    Response::Unexpected => unexpected += 1,
                    other @ (Response::Other | _) => panic!("{other:?}"),
                }
            }
        }
        (answered, unexpected)
    }

    fn why(&mut self) -> Option<(&'static str, Why)> {
        self.requests
            .poll_unanswered()
            .map(|ended| (ended.value, ended.why))
    }
}

#[test]
fn answers_reach_their_requests_in_any_order_and_once() {
    let mut both = Both::new();
    both.subscribe(both.asks, "answers/me");
    both.subscribe(both.answers, "ask");
    for (payload, value) in [("1", "one"), ("2", "two"), ("3", "three")] {
        both.ask(payload, value);
    }
    let asked = both.asked();
    assert_eq!(asked.len(), 3);
    for (reply, payload) in asked.iter().rev() {
        both.answer(reply, payload);
        both.answer(reply, payload);
    }
    let (answered, unexpected) = both.answered();
    let wanted = [
        ("three", b"3".to_vec()),
        ("two", b"2".to_vec()),
        ("one", b"1".to_vec()),
    ];
    assert_eq!((answered, unexpected), (wanted.to_vec(), 3));
    assert_eq!((both.why(), both.requests.len()), (None, 0));
}

#[test]
fn a_request_that_was_not_sent_in_time_is_dropped_and_ends_once() {
    let mut both = Both::new();
    both.subscribe(both.answers, "ask");
    both.net.cut(both.asks);
    both.net.settle();
    both.answered();
    both.ask("1", "late");
    both.net.advance(TIMEOUT * 2);
    both.net.settle();
    let now = both.net.now();
    both.requests.handle_timeout(now);
    both.answered();
    assert!(matches!(
        both.why(),
        Some(("late", Why::TimedOut | Why::NotSent(AbortReason::Expired)))
    ));
    assert_eq!(both.why(), None);
    both.connect(both.asks, "asks");
    both.answered();
    assert_eq!(both.asked(), [], "nobody is asked what nobody waits for");
    assert_eq!(both.why(), None);
}

#[test]
fn a_request_that_the_client_refuses_has_never_been() {
    let mut both = Both::new();
    let (now, mut message) = (both.net.now(), question());
    // A Response Topic of the caller's own beside that of the request.
    let own = [Property::ResponseTopic("elsewhere")];
    message.properties = Properties::new(&own);
    let request = both.requests.prepare(now, &message, TIMEOUT).unwrap();
    let refused = both.net.client(both.asks).publish(now, &request.publish(), "");
    assert!(matches!(refused.unwrap_err().why, Refused::Invalid(_)));
    drop(request);
    assert!(both.requests.is_empty());
    assert_eq!(both.why(), None);
}
