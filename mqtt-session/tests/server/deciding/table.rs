//! The table of `server::Question` as data: what is in question, what comes meanwhile, and what becomes of both.

use mqtt_proto::{
    Packet, ReasonCode, Version,
    packet::{Connect, Subscribe, Subscription, SubscriptionOptions, Subscriptions},
};
use mqtt_session::server::{Broker, Decision, Ended, Pace, Peer, Reply, Request, ServerConfig, ServerEvent};

use super::*;

/// What is in question on the connection of client "a".
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Asking {
    Connect,
    ConnectWithMethod,
    /// "t" = "asked", at this QoS.
    Publish(u8),
    /// "s"
    Subscribe,
    /// "u"
    Unsubscribe,
    Reauthenticate,
}

/// What comes before it is decided.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Comes {
    /// "t" = "behind", QoS 0.
    Packet,
    /// Three messages of 60 KiB each, where 128 KiB may wait.
    MoreThanMayWait,
    Ping,
    /// One and a half keep-alive periods, and the time for CONNECT.
    Silence,
    /// The time for decisions.
    Deadline,
    /// AUTH 0x18.
    Auth,
    /// Another connection of client "a", which is allowed.
    Successor,
    /// The same, with Clean Start.
    CleanSuccessor,
    /// The same, which is refused.
    RefusedSuccessor,
    Malformed,
    SecondConnect,
    ServerEnds,
    EndOfTransport,
    DisconnectThenEnd,
    DisconnectOfTransportAlive,
}

/// One row.
struct Row {
    asking: Asking,
    comes: Comes,
    version: Version,
    /// What the client is told before anything is decided.
    at_once: &'static [&'static str],
    /// What it is told when all is allowed that is still open.
    then: &'static [&'static str],
    /// The messages that others get.
    heard: &'static [&'static str],
    /// The subscriptions of client "a" in the end; `None` if it has no session.
    filters: Option<&'static [&'static str]>,
    /// Decisions for a question that is over.
    ignored: u64,
}

const ACCEPTED: &str = "CONNACK session_present=0 code=0 receive_maximum=1024 maximum_packet_size=16777216 topic_alias_maximum=16";
const ACCEPTED_M: &str = r#"CONNACK session_present=0 code=0 receive_maximum=1024 maximum_packet_size=16777216 topic_alias_maximum=16 authentication_method="M""#;
const KEPT: &str = "CONNACK session_present=1 code=0 receive_maximum=1024 maximum_packet_size=16777216 topic_alias_maximum=16";
const SECONDS: u64 = 60;

const fn row(asking: Asking, comes: Comes, version: Version) -> Row {
    Row {
        asking,
        comes,
        version,
        at_once: &[],
        then: &[],
        heard: &[],
        filters: Some(&["u"]),
        ignored: 0,
    }
}

use Asking as A;
use Comes as C;

#[rustfmt::skip] // One row, one line.
const TABLE: &[Row] = &[
    // CONNECT in question.
    Row { then: &[ACCEPTED], heard: &["behind"], filters: Some(&[]), ..row(A::Connect, C::Packet, V5) },
    Row { then: &["CONNACK session_present=0 code=0"], heard: &["behind"], filters: Some(&[]), ..row(A::Connect, C::Packet, V311) },
    Row { then: &[ACCEPTED, "PINGRESP"], filters: Some(&[]), ..row(A::Connect, C::Ping, V5) },
    Row { then: &[ACCEPTED], filters: Some(&[]), ..row(A::Connect, C::Silence, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x88", "close"], filters: None, ignored: 1, ..row(A::Connect, C::Deadline, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x88", "close"], filters: None, ignored: 1, ..row(A::Connect, C::Deadline, V311) },
    // The last one that is allowed has the session: here the first.
    Row { then: &[KEPT], filters: Some(&[]), ..row(A::Connect, C::Successor, V5) },
    Row { then: &[ACCEPTED], filters: Some(&[]), ..row(A::Connect, C::RefusedSuccessor, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x81", "close"], filters: None, ignored: 1, ..row(A::Connect, C::Malformed, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x82", "close"], filters: None, ignored: 1, ..row(A::Connect, C::SecondConnect, V5) },
    Row { at_once: &["close"], filters: None, ignored: 1, ..row(A::Connect, C::SecondConnect, V311) },
    Row { at_once: &["close"], filters: None, ignored: 1, ..row(A::Connect, C::ServerEnds, V5) },
    Row { at_once: &["close"], filters: None, ignored: 1, ..row(A::Connect, C::EndOfTransport, V5) },
    Row { at_once: &["close"], heard: &["behind"], filters: Some(&[]), ..row(A::Connect, C::DisconnectThenEnd, V5) },
    Row { then: &[ACCEPTED], heard: &["x", "x", "x"], filters: Some(&[]), ..row(A::Connect, C::MoreThanMayWait, V5) },
    // ... with an Authentication Method.
    Row { at_once: &["CONNACK session_present=0 code=0x82", "close"], filters: None, ignored: 1, ..row(A::ConnectWithMethod, C::Packet, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x82", "close"], filters: None, ignored: 1, ..row(A::ConnectWithMethod, C::Ping, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x82", "close"], filters: None, ignored: 1, ..row(A::ConnectWithMethod, C::Auth, V5) },
    Row { then: &[ACCEPTED_M], filters: Some(&[]), ..row(A::ConnectWithMethod, C::Silence, V5) },
    Row { at_once: &["close"], filters: None, ignored: 1, ..row(A::ConnectWithMethod, C::DisconnectThenEnd, V5) },
    Row { at_once: &["CONNACK session_present=0 code=0x88", "close"], filters: None, ignored: 1, ..row(A::ConnectWithMethod, C::Deadline, V5) },
    // PUBLISH in question.
    Row { then: &["PUBACK id=1"], heard: &["asked", "behind"], ..row(A::Publish(1), C::Packet, V5) },
    Row { then: &["PUBREC id=1"], heard: &["asked", "behind"], ..row(A::Publish(2), C::Packet, V311) },
    Row { heard: &["asked", "behind"], ..row(A::Publish(0), C::Packet, V5) },
    Row { at_once: &["PINGRESP"], then: &["PUBACK id=1"], heard: &["asked"], ..row(A::Publish(1), C::Ping, V5) },
    Row { then: &["PUBACK id=1"], heard: &["asked"], ..row(A::Publish(1), C::Silence, V5) },
    Row { at_once: &["PUBACK id=1 code=0x83"], ignored: 1, ..row(A::Publish(1), C::Deadline, V5) },
    Row { at_once: &["PUBREC id=1 code=0x83"], ignored: 1, ..row(A::Publish(2), C::Deadline, V5) },
    Row { ignored: 1, ..row(A::Publish(0), C::Deadline, V5) },
    Row { ignored: 1, ..row(A::Publish(0), C::Deadline, V311) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Publish(1), C::Deadline, V311) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Publish(2), C::Deadline, V31) },
    Row { at_once: &["DISCONNECT code=0x8e", "close"], ignored: 1, ..row(A::Publish(1), C::Successor, V5) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Publish(1), C::Successor, V311) },
    Row { at_once: &["DISCONNECT code=0x8e", "close"], filters: Some(&[]), ignored: 1, ..row(A::Publish(2), C::CleanSuccessor, V5) },
    Row { then: &["PUBACK id=1"], heard: &["asked"], ..row(A::Publish(1), C::RefusedSuccessor, V5) },
    Row { at_once: &["DISCONNECT code=0x81", "close"], ignored: 1, ..row(A::Publish(1), C::Malformed, V5) },
    Row { at_once: &["DISCONNECT code=0x82", "close"], ignored: 1, ..row(A::Publish(1), C::SecondConnect, V5) },
    Row { at_once: &["DISCONNECT code=0x8b", "close"], ignored: 1, ..row(A::Publish(1), C::ServerEnds, V5) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Publish(1), C::EndOfTransport, V5) },
    Row { at_once: &["close"], heard: &["asked", "behind"], ..row(A::Publish(0), C::DisconnectThenEnd, V311) },
    Row { then: &["close"], heard: &["asked"], ..row(A::Publish(1), C::DisconnectOfTransportAlive, V5) },
    Row { then: &["PUBACK id=1"], heard: &["asked", "x", "x", "x"], ..row(A::Publish(1), C::MoreThanMayWait, V5) },
    // SUBSCRIBE in question.
    Row { then: &["SUBACK id=2 codes=[1]"], heard: &["behind"], filters: Some(&["s", "u"]), ..row(A::Subscribe, C::Packet, V5) },
    Row { at_once: &["SUBACK id=2 codes=[0x80]"], ignored: 1, ..row(A::Subscribe, C::Deadline, V5) },
    Row { at_once: &["SUBACK id=2 codes=[0x80]"], ignored: 1, ..row(A::Subscribe, C::Deadline, V311) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Subscribe, C::EndOfTransport, V5) },
    Row { at_once: &["DISCONNECT code=0x8e", "close"], ignored: 1, ..row(A::Subscribe, C::Successor, V5) },
    Row { at_once: &["close"], heard: &["behind"], filters: Some(&["s", "u"]), ..row(A::Subscribe, C::DisconnectThenEnd, V311) },
    // UNSUBSCRIBE in question.
    Row { then: &["UNSUBACK id=3 codes=[0]"], heard: &["behind"], filters: Some(&[]), ..row(A::Unsubscribe, C::Packet, V5) },
    Row { at_once: &["UNSUBACK id=3 codes=[0x83]"], ignored: 1, ..row(A::Unsubscribe, C::Deadline, V5) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Unsubscribe, C::Deadline, V311) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Unsubscribe, C::EndOfTransport, V5) },
    // Re-authentication in question.
    Row { then: &[r#"AUTH authentication_method="M""#], heard: &["behind"], ..row(A::Reauthenticate, C::Packet, V5) },
    Row { at_once: &["PINGRESP"], then: &[r#"AUTH authentication_method="M""#], ..row(A::Reauthenticate, C::Ping, V5) },
    Row { at_once: &["DISCONNECT code=0x82", "close"], ignored: 1, ..row(A::Reauthenticate, C::Auth, V5) },
    Row { at_once: &["DISCONNECT code=0x87", "close"], ignored: 1, ..row(A::Reauthenticate, C::Deadline, V5) },
    Row { at_once: &["close"], ignored: 1, ..row(A::Reauthenticate, C::EndOfTransport, V5) },
];

#[test]
fn what_comes_while_a_question_is_open_is_as_the_table_says() {
    for (number, row) in TABLE.iter().enumerate() {
        let name = format!(
            "row {number}: {:?}, then {:?}, {}",
            row.asking, row.comes, row.version
        );
        println!("{name}");
        play(row, &name);
    }
}

#[test]
fn every_row_of_the_table_is_another_one() {
    for (at, row) in TABLE.iter().enumerate() {
        let same = |other: &&Row| {
            other.asking == row.asking && other.comes == row.comes && other.version == row.version
        };
        assert_eq!(TABLE.iter().position(|other| same(&other)), Some(at));
    }
}

fn play(row: &Row, name: &str) {
    let mut desk = Desk::with(|config| {
        config.limits.decision_timeout = core::time::Duration::from_secs(SECONDS);
        config.limits.inbox_bytes = 128 * 1024;
    });
    let watcher = desk.subscriber(V5, "w", "t");
    let (end, question) = begin(&mut desk, row);
    assert_eq!(
        desk.net.recv(end),
        [""; 0],
        "{name}: nothing is said before it is decided"
    );
    desk.net.events();

    let left = come(&mut desk, end, row);
    assert_eq!(desk.net.recv(end), row.at_once, "{name}: at once");

    // Now it is decided; and whatever waits behind it.
    desk.decide(question, Decision::Allow);
    desk.allow_all();
    if !left.is_empty() {
        let mut from = 0;
        while from < left.len() {
            let now = desk.net.now;
            from += desk.net.server.handle_input(now, end.id, &left[from..]);
            desk.allow_all();
        }
    }
    let then: &[&str] = if row.at_once.contains(&"close") {
        &["close"]
    } else {
        row.then
    };
    assert_eq!(desk.net.recv(end), then, "{name}: then");
    let heard: Vec<String> = desk.net.recv(watcher).iter().map(|said| payload(said)).collect();
    assert_eq!(heard, row.heard, "{name}: heard");
    let filters = desk
        .net
        .server
        .broker()
        .find_session(Default::default(), "a")
        .map(|session| {
            session
                .subscriptions()
                .map(|subscription| subscription.filter.to_string())
                .collect::<Vec<_>>()
        });
    let wanted = row
        .filters
        .map(|filters| filters.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(filters, wanted, "{name}: filters");
    assert_eq!(desk.counts().ignored, row.ignored, "{name}: ignored");

    // Twice is too often.
    let before = desk.counts();
    desk.decide(question, deny(ReasonCode::NOT_AUTHORIZED));
    assert_eq!(desk.counts().ignored, before.ignored + 1, "{name}");
    let counts = desk.counts();
    assert_eq!(
        counts.asked,
        counts.decided + counts.expired + counts.abandoned,
        "{name}: none is forgotten"
    );
    if row.comes == C::Deadline {
        let told = desk.net.events();
        let undecided = told.iter().any(|event| {
            matches!(
                event,
                ServerEvent::Disconnected {
                    why: Ended::Undecided,
                    ..
                }
            )
        });
        assert_eq!(undecided, row.at_once.contains(&"close"), "{name}: {told:?}");
    }
}

/// What stands in a PUBLISH; of a long one, what is repeated in it.
fn payload(said: &str) -> String {
    let payload = said.split("payload=\"").nth(1).unwrap_or(said);
    payload.split('"').next().unwrap_or(payload).into()
}

/// Client "a" wants something.
fn begin(desk: &mut Desk, row: &Row) -> (End, Ticket) {
    let list = METHOD;
    let hello = match row.asking {
        A::ConnectWithMethod | A::Reauthenticate => with_method("a", &list),
        A::Connect | A::Publish(_) | A::Subscribe | A::Unsubscribe => {
            let list: &'static [Property<'static>] = &[Property::SessionExpiryInterval(100)];
            Connect {
                clean_start: false,
                properties: if row.version == V5 {
                    Properties::new(list)
                } else {
                    Properties::EMPTY
                },
                ..connect(row.version, "a")
            }
        }
    };
    // Silence is no fault within it.
    let hello = Connect {
        keep_alive: 10,
        ..hello
    };
    if matches!(row.asking, A::Connect | A::ConnectWithMethod) {
        let end = desk.net.open(row.version);
        desk.net.send(end, Packet::Connect(hello));
        return (end, desk.next());
    }
    let end = desk.client_with(hello);
    desk.net
        .subscribe_with(end, "u", SubscriptionOptions::new(Q1), None);
    desk.answer(Decision::Allow);
    desk.net.recv(end);
    match row.asking {
        A::Publish(qos) => {
            let qos = mqtt_proto::QoS::from_u8(qos).unwrap();
            desk.net
                .publish(end, message("t", qos, u16::from(qos != Q0), "asked"));
        }
        A::Subscribe => {
            let filters = [Subscription {
                filter: mqtt_proto::TopicFilter::new("s").unwrap(),
                options: SubscriptionOptions::new(Q1),
            }];
            let subscribe = Subscribe {
                packet_id: id(2),
                properties: Properties::EMPTY,
                filters: Subscriptions::new(&filters),
            };
            desk.net.send(end, Packet::Subscribe(subscribe));
        }
        A::Unsubscribe => {
            let filters = [mqtt_proto::TopicFilter::new("u").unwrap()];
            let unsubscribe = mqtt_proto::packet::Unsubscribe {
                packet_id: id(3),
                properties: Properties::EMPTY,
                filters: mqtt_proto::packet::Filters::new(&filters),
            };
            desk.net.send(end, Packet::Unsubscribe(unsubscribe));
        }
        A::Reauthenticate => desk.auth(end, ReasonCode::RE_AUTHENTICATE, "M", b"again"),
        A::Connect | A::ConnectWithMethod => unreachable!(),
    }
    (end, desk.next())
}

/// Lets it come; gives the bytes that were not taken.
fn come(desk: &mut Desk, end: End, row: &Row) -> Vec<u8> {
    let behind = encode(row.version, Packet::Publish(message("t", Q0, 0, "behind")));
    let now = desk.net.now;
    match row.comes {
        C::Packet => desk.net.raw(end, &behind),
        C::Ping => desk.net.raw(end, &[0xC0, 0]),
        C::Silence => desk.net.pass_secs(SECONDS - 1),
        C::Deadline => desk.net.pass_secs(SECONDS),
        C::Auth => desk.auth(end, ReasonCode::CONTINUE_AUTHENTICATION, "M", b"x"),
        C::Malformed => {
            // A topic with a wildcard is malformed; so is a packet of type 0.
            desk.net.raw(end, &[0x00, 0x00]);
        }
        C::SecondConnect => desk.net.send(end, Packet::Connect(connect(row.version, "b"))),
        C::ServerEnds => desk
            .net
            .server
            .disconnect(now, end.id, ReasonCode::SERVER_SHUTTING_DOWN),
        C::EndOfTransport => desk.net.cut(end),
        C::DisconnectThenEnd | C::DisconnectOfTransportAlive => {
            if row.comes == C::DisconnectThenEnd && row.asking != A::ConnectWithMethod {
                desk.net.raw(end, &behind);
            }
            desk.net.disconnect(end, ReasonCode::NORMAL_DISCONNECTION);
            // It means nothing any more.
            desk.net.raw(end, &behind);
            if row.comes == C::DisconnectThenEnd {
                desk.net.cut(end);
            }
        }
        C::Successor | C::CleanSuccessor | C::RefusedSuccessor => {
            let list = [Property::SessionExpiryInterval(100)];
            let next = desk.net.open(V5);
            let hello = Connect {
                clean_start: row.comes == C::CleanSuccessor,
                properties: Properties::new(&list),
                ..connect(V5, "a")
            };
            desk.net.send(next, Packet::Connect(hello));
            assert_eq!(
                desk.net.recv(end),
                [""; 0],
                "nobody is taken over by who was not allowed"
            );
            let allowed = row.comes != C::RefusedSuccessor;
            desk.answer(if allowed {
                Decision::Allow
            } else {
                deny(ReasonCode::NOT_AUTHORIZED)
            });
            let said = desk.net.recv(next);
            assert!(
                said[0].contains(if allowed { "code=0" } else { "code=0x87" }),
                "{said:?}"
            );
        }
        C::MoreThanMayWait => {
            let big = "x".repeat(60 * 1024);
            let mut bytes = Vec::new();
            for _ in 0..3 {
                bytes.extend(encode(row.version, Packet::Publish(message("t", Q0, 0, &big))));
            }
            let taken = desk.net.server.handle_input(now, end.id, &bytes);
            assert!(taken < bytes.len(), "the third has no room");
            assert!(!desk.net.server.wants_input(end.id));
            return bytes[taken..].to_vec();
        }
    }
    Vec::new()
}

#[test]
fn a_broker_that_is_given_more_than_may_wait_asks_for_a_pause_first_and_then_ends_the_connection_with_0x97() {
    let mut config = ServerConfig::default();
    config.offer_mut(0).asks.connect = true;
    config.limits.inbox_bytes = 1000;
    let mut broker = Broker::new(config);
    let now = mqtt_session::Instant::from_secs(1);
    let conn = broker.open(Peer::default()).unwrap();
    assert_eq!(
        broker.handle_request(now, conn, Request::Connect(connect(V5, "a"))),
        Pace::Go
    );
    let payload = "x".repeat(400);
    let give = |broker: &mut Broker| {
        broker.handle_request(now, conn, Request::Publish(message("t", Q0, 0, &payload)))
    };
    assert_eq!(give(&mut broker), Pace::Go);
    assert_eq!(give(&mut broker), Pace::Pause);
    assert!(!broker.is_over(conn), "advice is not an order");
    let _ = give(&mut broker);
    assert!(broker.is_over(conn));
    assert_eq!(
        broker.poll_reply(now, conn),
        Some(Reply::Refuse(ReasonCode::QUOTA_EXCEEDED))
    );
    assert_eq!(broker.question_counts().abandoned, 1);
}
