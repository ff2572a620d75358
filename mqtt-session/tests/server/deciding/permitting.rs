//! Decisions about PUBLISH, SUBSCRIBE and UNSUBSCRIBE.

use mqtt_proto::{
    Packet, ReasonCode, TopicFilter,
    packet::{
        Connect, Filters, PublishHead, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
        Unsubscribe,
    },
};
use mqtt_session::server::{Decision, DropCause, Refusal, Remarks, ServerEvent, Terms};

use super::*;

fn refused(count: u64) -> ServerEvent {
    ServerEvent::Dropped {
        cause: DropCause::NotAllowed,
        count,
    }
}

fn explained(code: ReasonCode, reason: &str, notes: &[(&str, &str)]) -> Decision {
    let mut refusal = Refusal::new(code);
    refusal.remarks = Remarks::reason(reason);
    refusal.remarks.user_properties = notes.iter().map(|&(a, b)| (a.into(), b.into())).collect();
    Decision::Refuse(Box::new(refusal))
}

#[test]
fn a_refused_message_goes_nowhere_is_counted_and_its_code_is_told_where_there_is_one() {
    let cases: [(_, _, u16, &[&str]); 9] = [
        (V5, Q0, 0, &[]),
        (V5, Q1, 1, &["PUBACK id=1 code=0x87"]),
        (V5, Q2, 1, &["PUBREC id=1 code=0x87"]),
        // 3.1.1/MQTT-3.3.5-2: it is acknowledged or the connection is closed.
        (V311, Q0, 0, &[]),
        (V311, Q1, 1, &["PUBACK id=1"]),
        (V311, Q2, 1, &["PUBREC id=1"]),
        (V31, Q0, 0, &[]),
        (V31, Q1, 1, &["PUBACK id=1"]),
        (V31, Q2, 1, &["PUBREC id=1"]),
    ];
    for (version, qos, n, told) in cases {
        let mut desk = Desk::new();
        let watcher = desk.subscriber(V5, "w", "#");
        let end = desk.client(version, "a");
        desk.net.events();
        let mut retained = message("t", qos, n, "no");
        retained.head.retain = true;
        desk.net.publish(end, retained);
        desk.answer(deny(ReasonCode::NOT_AUTHORIZED));
        assert_eq!(desk.net.recv(end), told, "{version} {qos:?}");
        assert_eq!(desk.net.recv(watcher), [""; 0]);
        assert_eq!(desk.net.server.broker().holdings().retained_messages, 0);
        assert_eq!(desk.net.events(), [refused(1)]);
        // The exchange is over: the id means another message now.
        if qos == Q2 {
            desk.net.pubrel(end, 1);
            let answer = desk.net.recv(end);
            assert!(answer[0].starts_with("PUBCOMP id=1"), "{answer:?}");
        }
        desk.net.publish(end, message("t", qos, n, "yes"));
        desk.answer(Decision::Allow);
        assert_eq!(desk.net.recv(watcher).len(), 1);
    }
}

#[test]
fn codes_that_an_acknowledgement_cannot_have_become_0x87() {
    for (code, told) in [
        (0x97, 0x97),
        (0x83, 0x83),
        (0x99, 0x99),
        (0x9C, 0x87),
        (0x86, 0x87),
        (0x00, 0x87),
        (0xFF, 0x87),
    ] {
        let mut desk = Desk::new();
        let end = desk.client(V5, "a");
        desk.net.publish(end, message("t", Q1, 1, "no"));
        desk.answer(deny(ReasonCode(code)));
        assert_eq!(desk.net.recv(end), [format!("PUBACK id=1 code={told:#04x}")]);
    }
}

#[test]
fn decisions_that_do_not_fit_a_publish_refuse_it() {
    for decision in [go_on(b"?"), Decision::Each([ReasonCode::SUCCESS].into())] {
        let mut desk = Desk::new();
        let end = desk.client(V5, "a");
        desk.net.publish(end, message("t", Q1, 1, "no"));
        desk.answer(decision);
        assert_eq!(desk.net.recv(end), ["PUBACK id=1 code=0x87"]);
    }
}

#[test]
fn a_message_of_qos_2_that_is_sent_again_is_not_asked_about_again() {
    let mut desk = Desk::new();
    let watcher = desk.subscriber(V5, "w", "t");
    let first = desk.client(V5, "a");
    desk.net.publish(first, message("t", Q2, 1, "once"));
    desk.answer(Decision::Allow);
    desk.net.cut(first);
    let second = desk.client(V5, "a");
    let mut again = message("t", Q2, 1, "once");
    again.head.dup = true;
    desk.net.publish(second, again);
    assert_eq!(desk.net.server.poll_question(), None);
    assert_eq!(desk.net.recv(second), ["PUBREC id=1"]);
    assert_eq!(desk.net.recv(watcher).len(), 1);
}

#[test]
fn the_question_shows_the_message_its_alias_resolved_and_who_publishes() {
    let mut desk = Desk::new();
    let end = desk.net.open(V5);
    desk.net.send(end, Packet::Connect(connect(V5, "a")));
    let mut terms = Terms::default();
    let mut grant = mqtt_session::server::Grant::default();
    grant.context = 77;
    terms.grant = Some(grant);
    let ticket = desk.next();
    assert_eq!(desk.net.server.question(ticket).unwrap().grant.context, 0);
    desk.decide(ticket, Decision::Accept(Box::new(terms)));
    desk.net.recv(end);
    let list = [Property::TopicAlias(1)];
    for name in ["some/topic", ""] {
        let mut message = message("x", Q0, 0, "hi");
        message.head = PublishHead {
            topic: if name.is_empty() {
                mqtt_proto::TopicName::EMPTY
            } else {
                topic(name)
            },
            properties: Properties::new(&list),
            ..message.head
        };
        desk.net.publish(end, message);
        let ticket = desk.next();
        assert!(
            desk.read(ticket).contains(r#"topic="some/topic""#),
            "{}",
            desk.read(ticket)
        );
        let question = desk.net.server.question(ticket).unwrap();
        assert_eq!(
            (question.client_id, question.conn, question.version),
            ("a", end.id, V5)
        );
        assert_eq!(question.grant.context, 77);
        assert!(question.deadline > desk.net.now);
        desk.decide(ticket, Decision::Allow);
    }
}

fn subscribe(desk: &mut Desk, end: End, filters: &[&str]) {
    let filters: Vec<_> = filters
        .iter()
        .map(|filter| Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options: SubscriptionOptions::new(Q2),
        })
        .collect();
    let subscribe = Subscribe {
        packet_id: id(7),
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&filters),
    };
    desk.net.send(end, Packet::Subscribe(subscribe));
}

fn filters_of(desk: &Desk) -> Vec<(String, u8)> {
    let session = desk
        .net
        .server
        .broker()
        .find_session(Default::default(), "a")
        .unwrap();
    session
        .subscriptions()
        .map(|subscription| (subscription.filter.into(), subscription.qos.into()))
        .collect()
}

#[test]
fn each_filter_is_decided_by_itself_and_what_has_no_code_is_refused_5_mqtt_3_8_4_6() {
    let codes = |codes: &[u8]| Decision::Each(codes.iter().map(|&code| ReasonCode(code)).collect());
    let mut desk = Desk::new();
    let end = desk.client(V5, "a");
    subscribe(&mut desk, end, &["a", "b", "c", "d", "e"]);
    desk.answer(codes(&[0, 0x97, 1, 2]));
    assert_eq!(desk.net.recv(end), ["SUBACK id=7 codes=[0 0x97 1 2 0x87]"]);
    assert_eq!(
        filters_of(&desk),
        [("a".into(), 0), ("c".into(), 1), ("d".into(), 2)]
    );

    let mut desk = Desk::new();
    let end = desk.client(V311, "a");
    subscribe(&mut desk, end, &["a", "b"]);
    desk.answer(codes(&[0x97, 1]));
    assert_eq!(
        desk.net.recv(end),
        ["SUBACK id=7 codes=[0x80 1]"],
        "the one failure of 3.1.1"
    );
    assert_eq!(filters_of(&desk), [("b".into(), 1)]);
}

#[test]
fn a_refused_subscribe_subscribes_nothing_and_says_why() {
    let mut desk = Desk::new();
    let end = desk.client(V5, "a");
    subscribe(&mut desk, end, &["a", "b"]);
    desk.answer(explained(
        ReasonCode::NOT_AUTHORIZED,
        "not yours",
        &[("see", "manual")],
    ));
    let said = desk.net.recv(end);
    assert_eq!(
        said,
        [r#"SUBACK id=7 codes=[0x87 0x87] reason_string="not yours" user_property=("see" "manual")"#]
    );
    assert!(filters_of(&desk).is_empty());
}

#[test]
fn an_unsubscribe_may_be_refused_filter_by_filter_and_in_3_x_it_is_acknowledged() {
    for (version, told) in [(V5, "UNSUBACK id=8 codes=[0x87 0 0x11]"), (V311, "UNSUBACK id=8")] {
        let mut desk = Desk::new();
        let end = desk.client(version, "a");
        subscribe(&mut desk, end, &["a", "b"]);
        desk.answer(Decision::Allow);
        desk.net.recv(end);
        let filters = ["a", "b", "x"].map(|filter| TopicFilter::new(filter).unwrap());
        let unsubscribe = Unsubscribe {
            packet_id: id(8),
            properties: Properties::EMPTY,
            filters: Filters::new(&filters),
        };
        desk.net.send(end, Packet::Unsubscribe(unsubscribe));
        desk.answer(Decision::Each([0x87, 0, 0].map(ReasonCode).into()));
        assert_eq!(desk.net.recv(end), [told]);
        assert_eq!(filters_of(&desk), [("a".into(), 2)]);
    }
}

#[test]
fn remarks_are_left_out_where_the_client_wants_none_5_mqtt_3_1_2_29() {
    for (asked, wanted) in [
        (1, r#"PUBACK id=1 code=0x87 reason_string="why""#),
        (0, "PUBACK id=1 code=0x87"),
    ] {
        let list = [Property::RequestProblemInformation(asked)];
        let mut desk = Desk::new();
        let end = desk.client_with(Connect {
            properties: Properties::new(&list),
            ..connect(V5, "a")
        });
        desk.net.publish(end, message("t", Q1, 1, "no"));
        desk.answer(explained(ReasonCode::NOT_AUTHORIZED, "why", &[]));
        assert_eq!(desk.net.recv(end), [wanted]);
        // DISCONNECT may explain itself in any case.
        let mut refusal = Refusal::new(ReasonCode::ADMINISTRATIVE_ACTION);
        refusal.remarks = Remarks::reason("bye");
        desk.net.server.disconnect_with(desk.net.now, end.id, refusal);
        assert_eq!(
            desk.net.recv(end),
            [r#"DISCONNECT code=0x98 reason_string="bye""#, "close"]
        );
    }
}

#[test]
fn remarks_are_left_out_where_they_have_no_room_user_properties_first_5_mqtt_3_4_2_2_and_3_and_3_9_2_1_and_2()
{
    // A PUBACK of six bytes grows by a reason of 3 + 20 and a user property of 5 + 2. CONNACK alone has 16.
    const WHOLE: &str =
        r#"PUBACK id=1 code=0x87 reason_string="because of the rules" user_property=("k" "v")"#;
    const REASON: &str = r#"PUBACK id=1 code=0x87 reason_string="because of the rules""#;
    const BARE: &str = "PUBACK id=1 code=0x87";
    let cases = [
        (1000, WHOLE),
        (36, WHOLE),
        (35, REASON),
        (29, REASON),
        (28, BARE),
        (16, BARE),
    ];
    for (max, wanted) in cases {
        let mut desk = Desk::new();
        let end = desk.net.open(V5);
        let list = [Property::MaximumPacketSize(max)];
        desk.net.send(
            end,
            Packet::Connect(Connect {
                properties: Properties::new(&list),
                ..connect(V5, "a")
            }),
        );
        desk.answer(Decision::Allow);
        assert_eq!(desk.net.recv(end).len(), 1);
        desk.net.publish(end, message("t", Q1, 1, "no"));
        desk.answer(explained(
            ReasonCode::NOT_AUTHORIZED,
            "because of the rules",
            &[("k", "v")],
        ));
        assert_eq!(desk.net.recv(end), [wanted], "{max}");
    }
}

#[test]
fn what_is_not_asked_about_is_done_at_once() {
    let mut desk = Desk::with(|config| {
        config.offer_mut(0).asks = Default::default();
        config.offer_mut(0).asks.subscribe = true;
    });
    let end = desk.net.client(V5, "a");
    desk.net.publish(end, message("t", Q1, 1, "hi"));
    assert_eq!(desk.net.recv(end), ["PUBACK id=1 code=0x10"]);
    subscribe(&mut desk, end, &["t"]);
    assert_eq!(desk.net.recv(end), [""; 0]);
    desk.answer(Decision::Allow);
    assert_eq!(desk.net.recv(end), ["SUBACK id=7 codes=[2]"]);
    assert_eq!(desk.counts().asked, 1);
}

#[test]
fn on_a_durable_server_what_was_allowed_is_answered_when_it_is_safe() {
    let mut desk = Desk::with(|config| config.durable = true);
    let safe = |desk: &mut Desk| {
        while let Some(changes) = desk.net.server.poll_changes() {
            desk.net.server.handle_persisted(desk.net.now, changes.upto());
        }
    };
    // A subscriber whose session is kept, so that a message for it has to be.
    let list = [Property::SessionExpiryInterval(100)];
    let watcher = desk.net.open(V5);
    desk.net.send(
        watcher,
        Packet::Connect(Connect {
            properties: Properties::new(&list),
            ..connect(V5, "w")
        }),
    );
    desk.answer(Decision::Allow);
    subscribe(&mut desk, watcher, &["t"]);
    desk.answer(Decision::Allow);
    assert_eq!(
        desk.net.recv(watcher),
        [""; 0],
        "CONNACK and SUBACK of a session that is kept"
    );
    safe(&mut desk);
    assert_eq!(desk.net.recv(watcher).len(), 2);

    let end = desk.net.open(V5);
    desk.net.send(end, Packet::Connect(connect(V5, "a")));
    desk.answer(Decision::Allow);
    safe(&mut desk);
    desk.net.recv(end);
    desk.net.publish(end, message("t", Q1, 1, "hi"));
    assert!(
        desk.net.server.poll_changes().is_none(),
        "what is in question has changed nothing"
    );
    desk.answer(Decision::Allow);
    assert_eq!(desk.net.recv(end), [""; 0]);
    safe(&mut desk);
    assert_eq!(desk.net.recv(end), ["PUBACK id=1"]);
}
