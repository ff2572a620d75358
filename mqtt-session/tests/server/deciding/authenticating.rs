//! Enhanced authentication (5.0, 4.12).

use mqtt_proto::{Packet, ReasonCode, packet::Connect};
use mqtt_session::server::{Challenge, Decision, Ended, Grant, Refusal, Remarks, ServerEvent, Terms};

use super::*;

fn hello(desk: &mut Desk) -> End {
    let end = desk.net.open(V5);
    desk.net.send(end, Packet::Connect(with_method("a", &METHOD)));
    end
}

/// A client that was authenticated when it connected.
fn open(desk: &mut Desk) -> End {
    let end = hello(desk);
    desk.answer(Decision::Allow);
    let said = desk.net.recv(end);
    assert!(
        said[0].contains(r#"authentication_method="M""#),
        "5/MQTT-4.12.0-5: {said:?}"
    );
    end
}

#[test]
fn challenges_go_to_and_fro_until_connack_which_has_the_method_and_the_last_data_5_mqtt_4_12_0_2_and_5() {
    let mut desk = Desk::new();
    let end = hello(&mut desk);
    let ticket = desk.next();
    assert!(desk.read(ticket).starts_with("CONNECT"), "{}", desk.read(ticket));
    desk.decide(ticket, go_on(b"step"));
    for _ in 0..3 {
        let said = desk.net.recv(end);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(r#"AUTH code=0x18 authentication_method="M""#),
            "{said:?}"
        );
        assert_eq!(desk.net.server.poll_question(), None, "it is the client's turn");
        desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"proof");
        let ticket = desk.next();
        assert!(desk.read(ticket).ends_with("of connect"), "{}", desk.read(ticket));
        let question = desk.net.server.question(ticket).unwrap();
        assert_eq!(question.client_id, "a");
        let Asked::Auth {
            auth,
            connect: Some(connect),
        } = question.asked
        else {
            panic!("{question:?}")
        };
        assert_eq!(auth.properties.authentication_data(), Some(&b"proof"[..]));
        assert_eq!(
            connect.properties.session_expiry_interval(),
            Some(100),
            "the CONNECT is there"
        );
        desk.decide(ticket, go_on(b"step"));
    }
    desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"proof");
    desk.net.recv(end);
    let mut terms = Terms::default();
    terms.auth_data = Some((*b"last").into());
    desk.answer(Decision::Accept(Box::new(terms)));
    let said = desk.net.recv(end);
    assert!(
        said[0].starts_with("CONNACK session_present=0 code=0 "),
        "{said:?}"
    );
    assert!(said[0].contains(r#"authentication_method="M""#), "{said:?}");
    assert!(said[0].contains("authentication_data="), "{said:?}");
}

#[test]
fn a_client_that_fails_is_refused_with_connack_and_closed_5_mqtt_4_12_0_4() {
    for steps in 0..3 {
        let mut desk = Desk::new();
        let end = hello(&mut desk);
        for _ in 0..steps {
            desk.answer(go_on(b"step"));
            desk.net.recv(end);
            desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"wrong");
        }
        desk.answer(deny(ReasonCode::NOT_AUTHORIZED));
        assert_eq!(
            desk.net.recv(end),
            ["CONNACK session_present=0 code=0x87", "close"]
        );
        assert_eq!(desk.net.server.broker().holdings().sessions, 0);
    }
}

#[test]
fn a_method_that_is_not_known_is_refused_with_0x8c_5_mqtt_4_12_0_1() {
    let mut desk = Desk::new();
    let end = hello(&mut desk);
    desk.answer(deny(ReasonCode::BAD_AUTHENTICATION_METHOD));
    assert_eq!(
        desk.net.recv(end),
        ["CONNACK session_present=0 code=0x8c", "close"]
    );
}

#[test]
fn a_server_without_a_method_in_connect_sends_no_auth_and_names_none_5_mqtt_4_12_0_6() {
    let mut desk = Desk::new();
    let end = desk.net.open(V5);
    desk.net.send(end, Packet::Connect(connect(V5, "a")));
    desk.answer(go_on(b"step"));
    assert_eq!(
        desk.net.recv(end),
        ["CONNACK session_present=0 code=0x87", "close"],
        "it does not fit"
    );
    let end = desk.client(V5, "b");
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"x");
    assert_eq!(desk.net.server.poll_question(), None);
    // 5/MQTT-4.12.0-7
    assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x82", "close"]);
}

#[test]
fn before_connack_there_is_but_auth_in_turn_and_disconnect_5_mqtt_3_1_2_30_and_4_12_0_5() {
    type Send = fn(&mut Desk, End);
    let cases: [(&str, Send, &str); 7] = [
        (
            "5/MQTT-3.1.2-30",
            |desk, end| desk.net.publish(end, message("t", Q0, 0, "x")),
            "0x82",
        ),
        (
            "5/MQTT-3.1.2-30",
            |desk, end| desk.net.raw(end, &[0xC0, 0]),
            "0x82",
        ),
        (
            "5/MQTT-3.1.2-30",
            |desk, end| desk.net.send(end, Packet::Connect(connect(V5, "b"))),
            "0x82",
        ),
        (
            "5/MQTT-4.12.0-5",
            |desk, end| desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "N", b"x"),
            "0x82",
        ),
        (
            "5/MQTT-4.12.0-5",
            |desk, end| desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "", b"x"),
            "0x82",
        ),
        (
            "5/4.12",
            |desk, end| desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"x"),
            "0x82",
        ),
        (
            "",
            |desk, end| desk.net.disconnect(end, ReasonCode::NORMAL_DISCONNECTION),
            "close",
        ),
    ];
    for (statement, send, told) in cases {
        let mut desk = Desk::new();
        let end = hello(&mut desk);
        desk.answer(go_on(b"step"));
        desk.net.recv(end);
        desk.net.events();
        send(&mut desk, end);
        let said = desk.net.recv(end);
        assert!(said[0].contains(told), "{statement}: {said:?}");
        assert_eq!(said.last().unwrap(), "close");
        let events = desk.net.events();
        let Some(ServerEvent::Disconnected { why, .. }) = events.first() else {
            panic!("{events:?}")
        };
        if let Ended::Violation(violation) = why {
            assert_eq!(violation.statement.unwrap().to_string(), statement);
        } else {
            assert!(
                statement.is_empty() && matches!(why, Ended::ByClient(_)),
                "{why:?}"
            );
        }
        assert_eq!(desk.net.server.poll_question(), None);
    }
}

#[test]
fn a_client_that_does_not_answer_is_given_up() {
    let mut desk = Desk::new();
    let end = hello(&mut desk);
    desk.net.pass_secs(5);
    desk.answer(go_on(b"step"));
    desk.net.recv(end);
    desk.net.pass_secs(9);
    assert_eq!(desk.net.recv(end), [""; 0]);
    desk.net.pass_secs(1);
    assert_eq!(
        desk.net.recv(end),
        ["CONNACK session_present=0 code=0x87", "close"]
    );
}

#[test]
fn a_connected_client_authenticates_anew_while_all_goes_on_5_mqtt_4_12_1_1() {
    let mut desk = Desk::new();
    let watcher = desk.subscriber(V5, "w", "t");
    let end = open(&mut desk);
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again");
    let ticket = desk.next();
    let question = desk.net.server.question(ticket).unwrap();
    assert!(matches!(question.asked, Asked::Reauthenticate(_)), "{question:?}");
    assert_eq!(question.client_id, "a");
    desk.decide(ticket, go_on(b"step"));
    let said = desk.net.recv(end);
    assert!(
        said[0].starts_with(r#"AUTH code=0x18 authentication_method="M""#),
        "{said:?}"
    );
    // 5.0, 4.12.1: other packets go on meanwhile.
    desk.net.publish(end, message("t", Q1, 5, "between"));
    desk.answer(Decision::Allow);
    assert_eq!(desk.net.recv(end), ["PUBACK id=5"]);
    assert_eq!(desk.net.recv(watcher).len(), 1);
    desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"proof");
    let ticket = desk.next();
    assert!(desk.read(ticket).ends_with("of open"));
    let mut terms = Terms::default();
    let mut grant = Grant::default();
    grant.context = 9;
    grant.pool = mqtt_session::server::Pool(3);
    terms.grant = Some(grant);
    desk.decide(ticket, Decision::Accept(Box::new(terms)));
    assert_eq!(desk.net.recv(end), [r#"AUTH authentication_method="M""#]);
    let session = desk
        .net
        .server
        .broker()
        .find_session(Default::default(), "a")
        .expect("its pool stays");
    assert_eq!(session.context(), 9);
    // It may do so again.
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again");
    desk.answer(Decision::Allow);
    assert_eq!(desk.net.recv(end), [r#"AUTH authentication_method="M""#]);
}

#[test]
fn a_failed_reauthentication_ends_the_connection_5_mqtt_4_12_1_2() {
    let mut desk = Desk::new();
    let end = open(&mut desk);
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again");
    let mut refusal = Refusal::new(ReasonCode::NOT_AUTHORIZED);
    refusal.remarks = Remarks::reason("expired");
    desk.answer(Decision::Refuse(Box::new(refusal)));
    assert_eq!(
        desk.net.recv(end),
        [r#"DISCONNECT code=0x87 reason_string="expired""#, "close"]
    );
}

#[test]
fn a_reauthentication_that_the_client_does_not_go_on_with_ends_with_0x87() {
    let mut desk = Desk::new();
    let end = open(&mut desk);
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again");
    desk.answer(go_on(b"step"));
    desk.net.recv(end);
    desk.net.pass_secs(9);
    assert_eq!(desk.net.recv(end), [""; 0]);
    desk.net.pass_secs(1);
    assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x87", "close"]);
    assert_eq!(desk.counts().expired, 0, "that was no question");
}

#[test]
fn auth_out_of_turn_or_with_another_method_on_an_open_connection_is_a_protocol_error() {
    let cases = [
        (ReasonCode::RE_AUTHENTICATE, "N", "5/MQTT-4.12.1-1"),
        (ReasonCode::CONTINUE_AUTHENTICATION, "N", "5/MQTT-4.12.0-5"),
        (ReasonCode::CONTINUE_AUTHENTICATION, "M", "5/4.12"),
    ];
    for (code, method, statement) in cases {
        let mut desk = Desk::new();
        let end = open(&mut desk);
        desk.net.events();
        desk.auth(end, code, method, b"x");
        assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x82", "close"]);
        let events = desk.net.events();
        let Some(ServerEvent::Disconnected {
            why: Ended::Violation(violation),
            ..
        }) = events.first()
        else {
            panic!("{events:?}")
        };
        assert_eq!(violation.statement.unwrap().to_string(), statement);
    }
    // 0x19 within a re-authentication.
    let mut desk = Desk::new();
    let end = open(&mut desk);
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"x");
    desk.answer(go_on(b"step"));
    desk.net.recv(end);
    desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"x");
    assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x82", "close"]);
}

#[test]
fn auth_that_has_no_room_with_its_remarks_goes_without_and_one_that_has_none_ends_it_5_mqtt_3_15_2_2_and_3() {
    let challenge = || {
        let mut challenge = Challenge::default();
        challenge.data = Some((*b"step").into());
        challenge.remarks = Remarks::reason("more, please");
        challenge.remarks.user_properties.push(("k".into(), "v".into()));
        Decision::Continue(Box::new(challenge))
    };
    let list = |max, information| {
        [
            Property::AuthenticationMethod("M"),
            Property::MaximumPacketSize(max),
            Property::RequestProblemInformation(information),
        ]
    };
    let mut lengths = Vec::new();
    for (max, information) in [(1000, 1), (36, 1), (29, 1), (18, 1), (1000, 0), (10, 1)] {
        let mut desk = Desk::new();
        let end = desk.net.open(V5);
        let list = list(max, information);
        desk.net.send(
            end,
            Packet::Connect(Connect {
                properties: Properties::new(&list),
                ..connect(V5, "a")
            }),
        );
        desk.answer(challenge());
        let said = desk.net.recv(end);
        let has = |what: &str| said[0].contains(what);
        lengths.push((
            max,
            information,
            has("AUTH"),
            has("reason_string"),
            has("user_property"),
        ));
    }
    assert_eq!(
        lengths,
        [
            (1000, 1, true, true, true),
            (36, 1, true, true, false),
            (29, 1, true, false, false),
            (18, 1, true, false, false),
            (1000, 0, true, false, false),
            (10, 1, false, false, false),
        ]
    );
}

#[test]
fn an_answer_that_waits_for_another_decision_was_in_time() {
    for late in [false, true] {
        let mut desk = Desk::new();
        let end = open(&mut desk);
        desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again");
        desk.answer(go_on(b"step"));
        drop(desk.net.recv(end));
        desk.net.pass_secs(5);
        desk.net.publish(end, message("t", Q1, 5, "between"));
        let publish = desk.next();
        if !late {
            desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"proof");
        }
        desk.net.pass_secs(5);
        if late {
            assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x87", "close"]);
            continue;
        }
        desk.decide(publish, Decision::Allow);
        desk.answer(Decision::Allow);
        assert_eq!(
            desk.net.recv(end),
            ["PUBACK id=5 code=0x10", r#"AUTH authentication_method="M""#]
        );
        // Nothing is left that could end it.
        desk.net.pass_secs(100);
        assert_eq!(desk.net.recv(end), [""; 0]);
    }
}

#[test]
fn a_client_about_whom_nobody_decides_counts_as_refused() {
    let mut desk = Desk::new();
    let end = desk.net.open(V5);
    desk.net.send(end, Packet::Connect(connect(V5, "a")));
    desk.net.pass_secs(10);
    assert_eq!(
        desk.net.recv(end),
        ["CONNACK session_present=0 code=0x88", "close"]
    );
    assert_eq!(desk.net.server.metrics(desk.net.now).total.refused, 1);
}
