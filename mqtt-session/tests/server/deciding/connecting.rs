//! Decisions about CONNECT.

use mqtt_proto::{Packet, ReasonCode, packet::Connect};
use mqtt_session::server::{Decision, Grant, Peer, PeerNames, Pool, Refusal, Remarks, ServerEvent, Terms};

use super::*;

fn ask(desk: &mut Desk, connect: Connect<'_>) -> End {
    let end = desk.net.open(connect.version);
    desk.net.send(end, Packet::Connect(connect));
    assert_eq!(desk.net.recv(end), [""; 0]);
    end
}

fn accept(terms: impl FnOnce(&mut Terms)) -> Decision {
    let mut list = Terms::default();
    terms(&mut list);
    Decision::Accept(Box::new(list))
}

fn pooled(pool: u32) -> Decision {
    accept(|terms| {
        let mut grant = Grant::default();
        grant.pool = Pool(pool);
        terms.grant = Some(grant);
    })
}

#[test]
fn the_question_shows_the_whole_connect_its_will_too() {
    let mut desk = Desk::new();
    ask(
        &mut desk,
        Connect {
            user_name: Some("u"),
            password: Some(b"p"),
            will: Some(will("gone", b"bye")),
            ..connect(V311, "a")
        },
    );
    let ticket = desk.next();
    let question = desk.net.server.question(ticket).unwrap();
    assert_eq!((question.client_id, question.version), ("a", V311));
    let Asked::Connect(connect) = question.asked else {
        panic!("{question:?}")
    };
    assert_eq!(connect.user_name, Some("u"));
    assert_eq!(connect.password, Some(&b"p"[..]));
    assert_eq!(connect.will.unwrap().topic.as_str(), "gone");
}

#[test]
fn a_refusal_has_the_nearest_code_of_its_version_3_1_1_mqtt_3_2_2_6() {
    let cases = [
        (0x86, 0x86, 0x86),
        (0x87, 0x87, 0x87),
        (0x88, 0x88, 0x88),
        (0x85, 0x85, 0x85),
        (0x89, 0x89, 0x88),
        (0x97, 0x97, 0x88),
        (0x9C, 0x9C, 0x88),
        (0x8A, 0x8A, 0x87),
        (0x8C, 0x8C, 0x87),
        // They are none of CONNACK.
        (0x8B, 0x88, 0x88),
        (0x98, 0x87, 0x87),
        (0x00, 0x87, 0x87),
    ];
    for (code, five, three) in cases {
        for (version, told) in [(V5, five), (V311, three), (V31, three)] {
            let mut desk = Desk::new();
            let end = ask(&mut desk, connect(version, "a"));
            desk.answer(deny(ReasonCode(code)));
            let wanted = format!("CONNACK session_present=0 code={told:#04x}");
            assert_eq!(
                desk.net.recv(end),
                [wanted.as_str(), "close"],
                "{version} {code:#x}"
            );
            assert_eq!(desk.net.server.broker().holdings().sessions, 0);
        }
    }
}

#[test]
fn a_refused_client_publishes_no_will() {
    let mut desk = Desk::new();
    let watcher = desk.subscriber(V5, "w", "#");
    let end = ask(
        &mut desk,
        Connect {
            will: Some(will("gone", b"bye")),
            ..connect(V5, "a")
        },
    );
    desk.answer(deny(ReasonCode::NOT_AUTHORIZED));
    desk.net.cut(end);
    assert_eq!(desk.net.recv(watcher), [""; 0]);
}

#[test]
fn who_is_sent_to_another_server_is_told_which_5_0_4_11() {
    for (code, told) in [
        (ReasonCode::USE_ANOTHER_SERVER, "0x9c"),
        (ReasonCode::SERVER_MOVED, "0x9d"),
    ] {
        let mut desk = Desk::new();
        let end = ask(&mut desk, connect(V5, "a"));
        desk.answer(Decision::Refuse(Box::new(Refusal::redirect(code, "b.example"))));
        let wanted = format!(r#"CONNACK session_present=0 code={told} server_reference="b.example""#);
        assert_eq!(desk.net.recv(end), [wanted.as_str(), "close"]);

        let end = desk.client(V5, "b");
        desk.net
            .server
            .disconnect_with(desk.net.now, end.id, Refusal::redirect(code, "b.example"));
        let wanted = format!(r#"DISCONNECT code={told} server_reference="b.example""#);
        assert_eq!(desk.net.recv(end), [wanted.as_str(), "close"]);

        let end = ask(&mut desk, connect(V311, "c"));
        desk.answer(Decision::Refuse(Box::new(Refusal::redirect(code, "b.example"))));
        assert_eq!(
            desk.net.recv(end),
            ["CONNACK session_present=0 code=0x88", "close"]
        );
    }
}

#[test]
fn terms_stand_in_connack() {
    let mut desk = Desk::with(|config| config.offer_mut(0).keep_alive_max = Some(100));
    let list = [
        Property::SessionExpiryInterval(1000),
        Property::RequestResponseInformation(1),
    ];
    let end = ask(
        &mut desk,
        Connect {
            properties: Properties::new(&list),
            ..connect(V5, "")
        },
    );
    desk.answer(accept(|terms| {
        let mut grant = Grant::default();
        grant.limits.session_expiry_max = 50;
        terms.grant = Some(grant);
        terms.client_id = Some("given".into());
        terms.server_keep_alive = Some(30);
        terms.response_information = Some("answers/given".into());
        terms.auth_data = Some((*b"only beside a method").into());
        terms.remarks = Remarks::reason("welcome");
    }));
    assert_eq!(
        desk.net.recv(end),
        [concat!(
            "CONNACK session_present=0 code=0 session_expiry_interval=50 receive_maximum=1024 ",
            "maximum_packet_size=16777216 assigned_client_identifier=\"given\" topic_alias_maximum=16 ",
            "server_keep_alive=30 response_information=\"answers/given\" reason_string=\"welcome\""
        )]
    );
    assert!(
        desk.net
            .server
            .broker()
            .find_session(Pool::DEFAULT, "given")
            .is_some()
    );
    // 5/MQTT-3.1.2-21, 5/MQTT-3.1.2-22: it is the server's keep-alive that counts.
    desk.net.pass_secs(44);
    assert_eq!(desk.net.recv(end), [""; 0]);
    desk.net.pass_secs(1);
    assert_eq!(desk.net.recv(end), ["DISCONNECT code=0x8d", "close"]);
}

#[test]
fn response_information_is_told_only_to_who_asked_5_mqtt_3_1_2_28() {
    for (asked, told) in [(None, false), (Some(0), false), (Some(1), true)] {
        let mut desk = Desk::with(|config| {
            config.offer_mut(0).asks.connect = false;
            config.offer_mut(0).response_information = Some("answers".into());
        });
        let list = asked.map(Property::RequestResponseInformation);
        let connect = Connect {
            properties: Properties::new(list.as_slice()),
            ..connect(V5, "a")
        };
        let (_, said) = desk.net.client_with(connect);
        assert_eq!(said.contains(r#"response_information="answers""#), told, "{said}");
    }
}

#[test]
fn a_client_with_an_id_keeps_it() {
    let mut desk = Desk::new();
    let end = ask(&mut desk, connect(V5, "mine"));
    desk.answer(accept(|terms| terms.client_id = Some("other".into())));
    let said = desk.net.recv(end);
    assert!(!said[0].contains("assigned"), "{said:?}");
    assert!(
        desk.net
            .server
            .broker()
            .find_session(Pool::DEFAULT, "mine")
            .is_some()
    );
}

#[test]
fn texts_that_no_packet_can_hold_are_left_out() {
    let mut desk = Desk::new();
    let end = ask(&mut desk, connect(V5, ""));
    desk.answer(accept(|terms| {
        terms.client_id = Some("a\0b".into());
        terms.remarks = Remarks::reason(&"x".repeat(70_000));
        terms.remarks.user_properties.push(("a".into(), "\0".into()));
    }));
    let said = desk.net.recv(end);
    assert!(
        said[0].contains(r#"assigned_client_identifier="auto-"#),
        "{said:?}"
    );
    assert!(
        !said[0].contains("reason") && !said[0].contains("user"),
        "{said:?}"
    );
}

#[test]
fn what_connack_says_beside_the_necessary_is_left_out_where_it_has_no_room_5_mqtt_3_2_2_19_and_20() {
    let mut whole = 0;
    let mut seen = Vec::new();
    for max in (1..200).rev() {
        let mut desk = Desk::new();
        let list = [
            Property::MaximumPacketSize(max),
            Property::RequestResponseInformation(1),
        ];
        let end = ask(
            &mut desk,
            Connect {
                properties: Properties::new(&list),
                ..connect(V5, "a")
            },
        );
        desk.answer(accept(|terms| {
            terms.response_information = Some("r".into());
            terms.remarks = Remarks::reason("why");
            terms.remarks.user_properties = vec![("k".into(), "v".into()), ("l".into(), "w".into())];
        }));
        let said = desk.net.recv(end);
        let has = [
            "user_property",
            "reason_string",
            "response_information",
            "code=0 ",
        ]
        .map(|what| said[0].contains(what));
        if seen.last() != Some(&has) {
            seen.push(has);
        }
        whole += usize::from(has == [true; 4]);
    }
    assert!(whole > 100);
    assert_eq!(
        seen,
        [
            [true, true, true, true],
            [false, true, true, true],
            [false, false, true, true],
            [false, false, false, true],
            [false; 4],
        ]
    );
}

#[test]
fn of_two_that_wait_with_one_id_the_last_one_that_is_allowed_has_it_and_the_other_gets_0x8e() {
    for first_allowed in [0, 1] {
        let mut desk = Desk::new();
        let hello = Connect {
            clean_start: false,
            ..connect(V5, "a")
        };
        let ends = [ask(&mut desk, hello), ask(&mut desk, hello)];
        let tickets = [desk.next(), desk.next()];
        let last_allowed = 1 - first_allowed;
        desk.decide(tickets[first_allowed], Decision::Allow);
        assert!(desk.net.recv(ends[first_allowed])[0].contains("code=0"));
        desk.decide(tickets[last_allowed], Decision::Allow);
        assert!(desk.net.recv(ends[last_allowed])[0].contains("code=0"));
        assert_eq!(
            desk.net.recv(ends[first_allowed]),
            ["DISCONNECT code=0x8e", "close"]
        );
        assert!(!desk.net.server.wants_close(ends[last_allowed].id));
    }
}

#[test]
fn who_waits_when_another_is_refused_is_not_concerned() {
    let mut desk = Desk::new();
    let live = desk.client(V5, "a");
    let first = ask(&mut desk, connect(V5, "a"));
    let second = ask(&mut desk, connect(V5, "a"));
    desk.answer(deny(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
    assert_eq!(
        desk.net.recv(first),
        ["CONNACK session_present=0 code=0x86", "close"]
    );
    assert_eq!(desk.net.recv(live), [""; 0]);
    desk.answer(deny(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
    assert_eq!(
        desk.net.recv(second),
        ["CONNACK session_present=0 code=0x86", "close"]
    );
    assert_eq!(desk.net.recv(live), [""; 0]);
}

#[test]
fn the_same_id_in_another_pool_is_another_client() {
    let mut desk = Desk::new();
    let one = ask(&mut desk, connect(V5, "a"));
    desk.answer(pooled(1));
    let two = ask(&mut desk, connect(V5, "a"));
    desk.answer(pooled(2));
    assert!(desk.net.recv(two)[0].contains("code=0"));
    assert_eq!(desk.net.recv(one).len(), 1, "CONNACK, and no DISCONNECT");
}

#[test]
fn what_cannot_be_accepted_is_not_asked_about() {
    let mut desk = Desk::with(|config| config.offer_mut(0).retain_available = false);
    let mut will = will("gone", b"bye");
    will.retain = true;
    let end = desk.net.open(V5);
    desk.net.send(
        end,
        Packet::Connect(Connect {
            will: Some(will),
            ..connect(V5, "a")
        }),
    );
    assert_eq!(desk.net.server.poll_question(), None);
    assert_eq!(
        desk.net.recv(end),
        ["CONNACK session_present=0 code=0x9a", "close"]
    );
}

#[test]
fn a_question_is_told_once_and_stays_open_until_it_is_decided() {
    let mut desk = Desk::new();
    let end = ask(&mut desk, connect(V5, "a"));
    let ticket = desk.next();
    assert_eq!(desk.net.server.poll_question(), None);
    assert!(desk.net.server.question(ticket).is_some());
    assert_eq!(Ticket::from_raw(ticket.into_raw()), ticket);
    desk.decide(ticket, Decision::Allow);
    assert!(desk.net.server.question(ticket).is_none());
    desk.net.recv(end);
    for stale in [
        ticket,
        Ticket::from_raw(0),
        Ticket::from_raw(u64::MAX),
        Ticket::from_raw(ticket.into_raw() + 1),
    ] {
        desk.decide(stale, deny(ReasonCode::NOT_AUTHORIZED));
    }
    assert_eq!(desk.counts().ignored, 4);
    assert_eq!(desk.net.recv(end), [""; 0]);
    assert!(
        !desk
            .net
            .events()
            .iter()
            .any(|event| matches!(event, ServerEvent::Disconnected { .. }))
    );
}

#[test]
fn virtual_hosts_are_pools_by_the_names_that_a_client_came_to() {
    let mut desk = Desk::with(|config| {
        let asks = &mut config.offer_mut(0).asks;
        *asks = Asks::default();
        asks.connect = true;
    });
    let mut come = |host: &str, path: &str, id: &str| {
        let mut names = PeerNames::default();
        (names.host, names.path) = (Some(host.into()), Some(path.into()));
        let mut peer = Peer::default();
        peer.names = Some(names.into());
        let now = desk.net.now;
        let end = End {
            id: desk.net.server.open(now, peer).unwrap(),
            version: V5,
        };
        desk.net.send(end, Packet::Connect(connect(V5, id)));
        let ticket = desk.next();
        let names = desk.net.server.question(ticket).unwrap().peer.names.unwrap();
        let pool = match (names.host.as_deref(), names.path.as_deref()) {
            (Some("one.example"), Some("/a")) => 1,
            (Some("one.example"), Some("/b")) => 2,
            (host, _) => panic!("{host:?}"),
        };
        desk.decide(ticket, pooled(pool));
        assert!(desk.net.recv_first(end).contains("code=0"));
        end
    };
    let (here, there) = (come("one.example", "/a", "s"), come("one.example", "/b", "s"));
    let from = come("one.example", "/a", "p");
    for end in [here, there] {
        desk.net.subscribe(end, "t", Q0);
    }
    desk.net.publish(from, message("t", Q0, 0, "x"));
    assert_eq!(desk.net.recv(here), [r#"PUBLISH topic="t" payload="x""#]);
    assert_eq!(desk.net.recv(there), [""; 0]);
}
