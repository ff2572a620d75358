//! Who asks.

use core::time::Duration;

use mqtt_proto::{Properties, Property, ReasonCode, TopicName, Version};
use mqtt_session::{
    Instant, Refused, Unsupported,
    client::{AbortReason, Event, Outcome},
    request_response::{
        Config, OnClosed, OwnedReplyTo, Prepared, RequestId, Requests, Response, Unanswered, Why,
    },
};

use super::{TIMEOUT, question, requests, tokens, topic};

const START: Instant = Instant::from_secs(100);

fn ask<T>(requests: &mut Requests<T>, value: T) -> RequestId {
    requests
        .prepare(START, &question(), TIMEOUT)
        .unwrap()
        .sent(None, value)
}

fn correlation(seed: u64, number: u64) -> Vec<u8> {
    [seed.to_be_bytes(), number.to_be_bytes()].concat()
}

fn answer<T>(requests: &mut Requests<T>, name: &str, data: &[u8]) -> Response<T> {
    requests.handle_message(topic(name), Properties::new(&[Property::CorrelationData(data)]))
}

fn unanswered<T>(requests: &mut Requests<T>) -> Vec<(u64, Why)> {
    core::iter::from_fn(|| requests.poll_unanswered())
        .map(|Unanswered { id, why, .. }| (id.get(), why))
        .collect()
}

#[test]
fn a_request_has_its_own_properties_and_the_response_topic_and_correlation_data_of_its_own() {
    let mut requests = requests::<()>(7);
    let own = [Property::UserProperty("a", "b")];
    let mut message = question();
    message.properties = Properties::new(&own);
    message.retain = true;
    for number in 1..4 {
        let request = requests.prepare(START, &message, TIMEOUT).unwrap();
        let publish = request.publish();
        assert_eq!(
            (publish.topic, publish.qos, publish.retain),
            (message.topic, message.qos, true)
        );
        let data = correlation(7, number);
        let wanted = [
            own[0],
            Property::ResponseTopic("answers/me"),
            Property::CorrelationData(&data),
        ];
        assert_eq!(publish.properties, Properties::new(&wanted));
        assert_eq!(
            publish.deadline,
            Some(START + TIMEOUT),
            "nobody waits for it any more"
        );
        assert_eq!(request.id().get(), number);
    }
    message.deadline = Some(START + Duration::from_secs(1));
    let request = requests.prepare(START, &message, TIMEOUT).unwrap();
    assert_eq!(request.publish().deadline, message.deadline);
    drop(request);
    assert!(requests.is_empty(), "what was not sent has never been");
    assert_eq!(requests.poll_timeout(), None);
}

#[test]
fn an_answer_is_known_by_exactly_its_correlation_data_at_exactly_its_topic() {
    let mut requests = requests(7);
    let id = ask(&mut requests, "value");
    let right = correlation(7, 1);
    for (name, data, what) in [
        ("answers/you", &*right, Response::Other),
        ("answers/me", &right[..15], Response::Unexpected),
        ("answers/me", &[&right[..], &[0]].concat(), Response::Unexpected),
        ("answers/me", &correlation(8, 1), Response::Unexpected),
        ("answers/me", &correlation(7, 2), Response::Unexpected),
        ("answers/me", &[], Response::Unexpected),
        ("answers/me", &right, Response::Answer { id, value: "value" }),
        ("answers/me", &right, Response::Unexpected),
    ] {
        assert_eq!(answer(&mut requests, name, data), what, "{name} {data:?}");
    }
    assert_eq!(
        requests.handle_message(topic("answers/me"), Properties::EMPTY),
        Response::Unexpected
    );
    assert_eq!(
        requests.handle_message(topic("x"), Properties::EMPTY),
        Response::Other
    );
    assert_eq!((requests.len(), requests.poll_timeout()), (0, None));
}

#[test]
fn answers_to_requests_of_an_earlier_run_are_not_taken_for_its_own() {
    let (mut earlier, mut later) = (requests(1), requests(2));
    ask(&mut earlier, ());
    let id = ask(&mut later, ());
    assert_eq!(
        answer(&mut later, "answers/me", &correlation(1, 1)),
        Response::Unexpected
    );
    assert_eq!(
        answer(&mut later, "answers/me", &correlation(2, 1)),
        Response::Answer { id, value: () }
    );
}

#[test]
fn requests_end_in_time_in_the_order_of_their_deadlines() {
    let mut requests = requests(7);
    for (n, seconds) in [5, 1, 3].into_iter().enumerate() {
        let timeout = Duration::from_secs(seconds);
        requests
            .prepare(START, &question(), timeout)
            .unwrap()
            .sent(None, n);
    }
    assert_eq!(requests.poll_timeout(), Some(START + Duration::from_secs(1)));
    requests.handle_timeout(START);
    assert_eq!(requests.len(), 3);
    requests.handle_timeout(START + Duration::from_secs(3));
    assert_eq!(
        unanswered(&mut requests),
        [(2, Why::TimedOut), (3, Why::TimedOut)]
    );
    assert_eq!(requests.poll_timeout(), Some(START + Duration::from_secs(5)));
    assert_eq!(
        answer(&mut requests, "answers/me", &correlation(7, 3)),
        Response::Unexpected
    );
    requests.handle_timeout(Instant::MAX);
    assert_eq!(unanswered(&mut requests), [(1, Why::TimedOut)]);
}

#[test]
fn a_message_that_fails_ends_its_request() {
    let mut token = tokens();
    let mut requests = requests(7);
    let mut send = |requests: &mut Requests<()>| {
        let token = token();
        requests
            .prepare(START, &question(), TIMEOUT)
            .unwrap()
            .sent(token, ());
        token
    };
    let all = [(); 5].map(|()| send(&mut requests));
    requests.handle_event(&Event::Completed {
        token: all[0],
        outcome: Outcome::Acknowledged {
            code: ReasonCode::NOT_AUTHORIZED,
            properties: Properties::EMPTY,
        },
    });
    requests.handle_acknowledged(all[1], ReasonCode::NO_MATCHING_SUBSCRIBERS);
    requests.handle_event(&Event::Aborted {
        token: all[2],
        why: AbortReason::SessionLost,
    });
    requests.handle_acknowledged(all[3], ReasonCode::SUCCESS);
    // Each token is good for one end.
    requests.handle_aborted(all[3], AbortReason::SessionLost);
    requests.handle_aborted(all[0], AbortReason::SessionLost);
    assert_eq!(
        unanswered(&mut requests),
        [
            (1, Why::Refused(ReasonCode::NOT_AUTHORIZED)),
            (2, Why::Refused(ReasonCode::NO_MATCHING_SUBSCRIBERS)),
            (3, Why::NotSent(AbortReason::SessionLost)),
        ]
    );
    assert_eq!(requests.len(), 2);
    // An answer may be faster than the acknowledgement.
    assert!(matches!(
        answer(&mut requests, "answers/me", &correlation(7, 5)),
        Response::Answer { .. }
    ));
    requests.handle_acknowledged(all[4], ReasonCode::NOT_AUTHORIZED);
    assert_eq!(unanswered(&mut requests), []);
}

#[test]
fn the_end_of_a_connection_ends_requests_only_where_that_is_wanted() {
    for on_closed in [OnClosed::Wait, OnClosed::Abort] {
        let mut config = Config::new(7);
        config.on_closed = on_closed;
        let mut requests = Requests::new(config, topic("answers/me")).unwrap();
        ask(&mut requests, ());
        requests.handle_closed();
        let ended = unanswered(&mut requests);
        if on_closed == OnClosed::Abort {
            assert_eq!((ended, requests.len()), (vec![(1, Why::ConnectionClosed)], 0));
        } else {
            assert_eq!((ended, requests.len()), (vec![], 1));
        }
    }
}

#[test]
fn requests_are_limited_and_those_that_nobody_has_polled_count() {
    let mut config = Config::new(7);
    config.requests = 2;
    let mut requests = Requests::new(config, topic("answers/me")).unwrap();
    ask(&mut requests, ());
    let second = ask(&mut requests, ());
    let full = |requests: &mut Requests<()>| requests.prepare(START, &question(), TIMEOUT).err();
    assert_eq!(full(&mut requests), Some(Refused::Slots));
    requests.handle_timeout(START + TIMEOUT);
    assert_eq!((requests.len(), full(&mut requests)), (0, Some(Refused::Slots)));
    assert_eq!(requests.cancel(second), None, "it has ended");
    requests.poll_unanswered();
    assert_eq!(full(&mut requests), None);
    let third = ask(&mut requests, ());
    assert_eq!(full(&mut requests), Some(Refused::Slots));
    assert_eq!(requests.cancel(third), Some(()));
    assert_eq!(full(&mut requests), None);
}

#[test]
fn versions_without_correlation_data_have_no_requests() {
    for version in [Version::V31, Version::V311] {
        let mut requests = requests(7);
        ask(&mut requests, ());
        requests.set_version(version);
        assert_eq!(unanswered(&mut requests), [(1, Why::NoCorrelation)]);
        let refused = requests.prepare(START, &question(), TIMEOUT).err();
        assert_eq!(refused, Some(Refused::Unsupported(Unsupported::Properties)));
        requests.set_version(Version::V5);
        ask(&mut requests, ());
    }
}

#[test]
fn answers_to_earlier_requests_come_to_the_earlier_topic() {
    let mut requests = requests(7);
    ask(&mut requests, 1);
    requests.set_response_topic(topic("answers/new")).unwrap();
    assert_eq!(requests.filter().unwrap().as_str(), "answers/new");
    ask(&mut requests, 2);
    assert_eq!(
        answer(&mut requests, "answers/me", &correlation(7, 2)),
        Response::Other
    );
    assert!(matches!(
        answer(&mut requests, "answers/me", &correlation(7, 1)),
        Response::Answer { value: 1, .. }
    ));
    assert!(matches!(
        answer(&mut requests, "answers/new", &correlation(7, 2)),
        Response::Answer { value: 2, .. }
    ));
}

#[test]
fn what_is_public_goes_to_any_thread() {
    const fn check<T: Send + Sync + Unpin>() {}
    check::<Requests<u8>>();
    check::<Prepared<'_, u8>>();
    check::<OwnedReplyTo>();
}

#[test]
fn a_topic_that_cannot_be_subscribed_to_by_its_name_is_refused() {
    let with = |name| Requests::<()>::new(Config::new(7), name).err();
    assert_eq!(
        with(topic("$share/g/a")),
        Some(Refused::Unsupported(Unsupported::SharedSubscription))
    );
    for wrong in [TopicName::EMPTY, topic("$share/"), topic("$share/g")] {
        assert!(matches!(with(wrong), Some(Refused::InvalidTopic(_))), "{wrong:?}");
    }
    assert_eq!(with(topic("$shared/a")), None);
    let mut requests = requests::<()>(7);
    assert!(requests.set_response_topic(topic("$share/g/a")).is_err());
    assert_eq!(requests.filter().unwrap().as_str(), "answers/me");
}
