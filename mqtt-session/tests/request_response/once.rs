//! Each request ends exactly once, whatever happens.

use core::time::Duration;
use std::collections::BTreeMap;

use mqtt_proto::{Properties, Property, ReasonCode, Version};
use mqtt_session::{
    Instant, Token,
    client::AbortReason,
    request_response::{Config, OnClosed, RequestId, Requests, Response},
};
use proptest::prelude::*;

use super::{question, tokens, topic};

#[derive(Clone, Debug)]
enum Op {
    Ask { seconds: u8, sent: bool, token: bool },
    Answer { of: u8, right_topic: bool },
    Acknowledge { of: u8, code: u8 },
    Abort(u8),
    Cancel(u8),
    Closed,
    Wait(u8),
    Poll,
    Version(Version),
    NewTopic(u8),
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..20_u8, any::<bool>(), any::<bool>()).prop_map(|(seconds, sent, token)| Op::Ask { seconds, sent, token }),
        4 => (0..12_u8, any::<bool>()).prop_map(|(of, right_topic)| Op::Answer { of, right_topic }),
        3 => (0..12_u8, prop::sample::select(vec![0, 0, 0x10, 0x87])).prop_map(|(of, code)| Op::Acknowledge { of, code }),
        2 => (0..12_u8).prop_map(Op::Abort),
        1 => (0..12_u8).prop_map(Op::Cancel),
        1 => Just(Op::Closed),
        2 => (0..10_u8).prop_map(Op::Wait),
        3 => Just(Op::Poll),
        1 => prop::sample::select(&Version::ALL[..]).prop_map(Op::Version),
        1 => (0..2_u8).prop_map(Op::NewTopic),
    ]
}

/// What is known of a request that was sent.
struct Sent {
    id: RequestId,
    token: Option<Token>,
    topic: String,
    correlation: Vec<u8>,
    deadline: Instant,
    ends: u32,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn each_request_ends_exactly_once_and_no_more_wait_than_may(
        all in prop::collection::vec(ops(), 1..60),
        abort in any::<bool>(),
    ) {
        let mut config = Config::new(3);
        config.requests = 5;
        if abort {
            config.on_closed = OnClosed::Abort;
        }
        let topics = ["answers/0", "answers/1"];
        let mut requests = Requests::new(config, topic(topics[0])).unwrap();
        let mut token = tokens();
        let mut sent: Vec<Sent> = Vec::new();
        let mut now = Instant::from_secs(1);
        let mut version = Version::V5;
        let mut current = topics[0];
        // The value of a request is its place in `sent`.
        let end = |sent: &mut Vec<Sent>, id: RequestId, value: usize| {
            assert_eq!(sent[value].id, id);
            sent[value].ends += 1;
        };
        for op in all {
            match op {
                Op::Ask { seconds, sent: publish, token: with } => {
                    let timeout = Duration::from_secs(seconds.into());
                    let message = question();
                    let room = requests.len() < 5;
                    let prepared = requests.prepare(now, &message, timeout);
                    if version != Version::V5 || !room {
                        prop_assert!(prepared.is_err());
                    }
                    let Ok(prepared) = prepared else { continue };
                    if publish {
                        let properties = prepared.publish().properties;
                        let correlation = properties.correlation_data().unwrap().to_vec();
                        prop_assert_eq!(properties.response_topic(), Some(current));
                        prop_assert!(sent.iter().all(|other| other.correlation != correlation));
                        let token = with.then(&mut token);
                        let id = prepared.sent(token, sent.len());
                        let (topic, deadline) = (current.to_string(), now + timeout);
                        sent.push(Sent { id, token, topic, correlation, deadline, ends: 0 });
                    }
                }
                Op::Answer { of, right_topic } => {
                    let Some(one) = sent.get(usize::from(of)) else { continue };
                    let name = if right_topic { &*one.topic } else { "elsewhere" };
                    let properties = [Property::CorrelationData(&one.correlation)];
                    let known = requests.handle_message(topic(name), Properties::new(&properties));
                    let open = requests.get(one.id).is_some();
                    match known {
                        Response::Answer { id, value } => {
                            prop_assert!(right_topic && !open);
                            prop_assert_eq!(value, usize::from(of));
                            end(&mut sent, id, value);
                        }
                        Response::Unexpected => prop_assert!(right_topic && !open && name == current),
                        Response::Other | _ => prop_assert!(!right_topic || name != current),
                    }
                }
                Op::Acknowledge { of, code } => {
                    if let Some(token) = sent.get(usize::from(of)).and_then(|one| one.token) {
                        requests.handle_acknowledged(token, ReasonCode(code));
                    }
                }
                Op::Abort(of) => {
                    if let Some(token) = sent.get(usize::from(of)).and_then(|one| one.token) {
                        requests.handle_aborted(token, AbortReason::SessionLost);
                    }
                }
                Op::Cancel(of) => {
                    let Some(id) = sent.get(usize::from(of)).map(|one| one.id) else { continue };
                    if let Some(value) = requests.cancel(id) {
                        end(&mut sent, id, value);
                    }
                }
                Op::Closed => requests.handle_closed(),
                Op::Wait(seconds) => {
                    now = now + Duration::from_secs(seconds.into());
                    requests.handle_timeout(now);
                    for one in &sent {
                        prop_assert!(one.deadline > now || requests.get(one.id).is_none());
                    }
                }
                Op::Poll => {
                    if let Some(ended) = requests.poll_unanswered() {
                        end(&mut sent, ended.id, ended.value);
                    }
                }
                Op::Version(new) => {
                    version = new;
                    requests.set_version(new);
                }
                Op::NewTopic(which) => {
                    current = topics[usize::from(which)];
                    requests.set_response_topic(topic(current)).unwrap();
                }
            }
            prop_assert!(requests.len() <= 5);
            let waiting = sent.iter().filter(|one| requests.get(one.id).is_some());
            prop_assert_eq!(requests.len(), waiting.clone().count());
            prop_assert_eq!(requests.poll_timeout(), waiting.map(|one| one.deadline).min());
        }
        requests.handle_timeout(Instant::MAX);
        while let Some(ended) = requests.poll_unanswered() {
            end(&mut sent, ended.id, ended.value);
        }
        let ends: BTreeMap<u32, usize> = sent.iter().fold(BTreeMap::new(), |mut ends, one| {
            *ends.entry(one.ends).or_default() += 1;
            ends
        });
        prop_assert!(ends.keys().all(|&n| n == 1), "{:?}", ends);
        prop_assert_eq!((requests.len(), requests.poll_timeout()), (0, None));
    }
}
