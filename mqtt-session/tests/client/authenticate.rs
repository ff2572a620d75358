//! Enhanced authentication and re-authentication (5.0, 4.12).

use std::time::Duration;

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, Sender, Version,
    packet::{Auth, ConnAck, Connect, Disconnect},
};
use mqtt_session::{
    Client, Config, Event, Instant, Refused, Unsupported,
    client::{Found, OwnedEvent, OwnedOutcome},
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, Slot, Storage},
};

use crate::peer::{Peer, options, short};

const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const AGAIN: ReasonCode = ReasonCode::RE_AUTHENTICATE;
const METHOD: &[Property<'static>] = &[
    Property::AuthenticationMethod("m"),
    Property::AuthenticationData(b"hello"),
    Property::SessionExpiryInterval(1000),
];

fn with_method() -> Connect<'static> {
    Connect {
        properties: Properties::new(METHOD),
        ..options(Version::V5, false)
    }
}

fn data(bytes: &[u8]) -> [Property<'_>; 1] {
    [Property::AuthenticationData(bytes)]
}

impl<S: Storage> Peer<S> {
    fn authenticate(&mut self, answer: &str) -> Result<(), Refused> {
        let list = data(answer.as_bytes());
        self.client.authenticate(self.now, Properties::new(&list))
    }

    fn reauthenticate(&mut self, first: &str) -> Result<u32, Refused> {
        let list = data(first.as_bytes());
        let begun = self.client.reauthenticate(self.now, Properties::new(&list));
        begun.map(|token| token.get())
    }

    /// The server's AUTH.
    fn auth(&mut self, code: ReasonCode, method: &str, text: &str) {
        let list = [
            Property::AuthenticationMethod(method),
            Property::AuthenticationData(text.as_bytes()),
        ];
        let properties = Properties::new(&list);
        self.send(&Packet::Auth(Auth { code, properties }));
    }

    fn connack(&mut self, code: ReasonCode, session_present: bool, properties: &[Property<'_>]) {
        let properties = Properties::new(properties);
        self.send(&Packet::ConnAck(ConnAck {
            session_present,
            code,
            properties,
        }));
    }

    /// CONNECT is sent, and names a method.
    fn begin(&mut self) {
        self.client.connect(self.now, &with_method()).unwrap();
        assert_eq!(self.sent(), ["CONNECT"]);
    }

    /// A connection that was authenticated at once.
    fn open(&mut self) {
        self.begin();
        self.connack(ReasonCode::SUCCESS, false, &METHOD[..1]);
        assert_eq!(self.events(), ["connected false"]);
    }

    /// The AUTH that is sent next.
    fn next_auth(&mut self) -> (ReasonCode, Vec<u8>, usize) {
        let transmit = self.client.poll_transmit().expect("an AUTH");
        let bytes = transmit.head.to_vec();
        self.client.handle_written(self.now, bytes.len());
        match Packet::decode(Version::V5, Sender::Client, &bytes).unwrap() {
            Packet::Auth(auth) => {
                assert_eq!(
                    auth.properties.authentication_method(),
                    Some("m"),
                    "5/MQTT-4.12.0-5"
                );
                let data = auth.properties.authentication_data().unwrap_or_default();
                (auth.code, data.to_vec(), bytes.len())
            }
            other => panic!("{other}"),
        }
    }
}

fn peer() -> Peer {
    Peer::new(Version::V5)
}

/// 5/MQTT-4.12.0-3, 5/MQTT-4.12.0-5
#[test]
fn an_exchange_of_any_length_ends_with_connack_and_its_data() {
    for steps in 0..4 {
        let mut peer = peer();
        peer.begin();
        for step in 0..steps {
            peer.auth(CONTINUE, "m", &format!("challenge {step}"));
            assert_eq!(peer.events(), [format!("asked challenge {step}")]);
            peer.authenticate(&format!("answer {step}")).unwrap();
            let (code, data, _) = peer.next_auth();
            assert_eq!((code, data), (CONTINUE, format!("answer {step}").into_bytes()));
        }
        let last = [METHOD[0], Property::AuthenticationData(b"welcome")];
        peer.connack(ReasonCode::SUCCESS, false, &last);
        peer.next(|event| match event {
            Some(Event::Connected(connected)) => {
                assert_eq!(connected.properties.authentication_data(), Some(&b"welcome"[..]));
            }
            other => panic!("{other:?}"),
        });
        assert!(peer.client.is_connected());
    }
}

/// 5/MQTT-3.1.2-30
#[test]
fn nothing_but_auth_leaves_between_connect_and_connack() {
    let mut peer = peer();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        peer.publish(qos, "x");
    }
    peer.begin();
    assert!(peer.sent().is_empty());
    peer.auth(CONTINUE, "m", "?");
    assert_eq!(peer.events(), ["asked ?"]);
    assert!(peer.sent().is_empty());
    assert_eq!(peer.client.ping(peer.now), Err(Refused::NotConnected));
    peer.authenticate("!").unwrap();
    assert_eq!(peer.sent(), ["AUTH"]);
    peer.wait(Duration::from_secs(20));
    assert!(peer.events().is_empty());
    assert!(peer.sent().is_empty());
    peer.connack(ReasonCode::SUCCESS, false, &METHOD[..1]);
    assert_eq!(peer.events(), ["connected false"]);
    assert_eq!(peer.sent().len(), 2);
}

/// The time for CONNACK runs on through the exchange.
#[test]
fn an_exchange_without_end_is_given_up() {
    let mut peer = peer();
    let patience = peer.client.config().connect_timeout;
    peer.begin();
    for _ in 0..3 {
        peer.wait(patience / 4);
        peer.auth(CONTINUE, "m", "?");
        assert_eq!(peer.events(), ["asked ?"]);
        peer.authenticate("!").unwrap();
        peer.sent();
    }
    peer.wait(patience / 4);
    assert_eq!(peer.events(), ["closed Client 0x80"]);
    assert!(peer.sent().is_empty());
}

/// 5/MQTT-4.12.0-1, 5/MQTT-4.12.0-4: CONNACK with a code.
#[test]
fn a_server_that_rejects_ends_the_connection() {
    for asked in [false, true] {
        for code in [ReasonCode::BAD_AUTHENTICATION_METHOD, ReasonCode::NOT_AUTHORIZED] {
            let mut peer = peer();
            peer.begin();
            if asked {
                peer.auth(CONTINUE, "m", "?");
                assert_eq!(peer.events(), ["asked ?"]);
                peer.authenticate("!").unwrap();
            }
            peer.connack(code, false, &[]);
            assert_eq!(peer.events(), [format!("closed Server {code}")]);
            assert!(peer.sent().is_empty());
            assert_eq!(peer.authenticate("!"), Err(Refused::NotConnected));
        }
    }
}

#[test]
fn what_a_server_may_not_do_closes_with_its_statement() {
    type Play = fn(&mut Peer);
    let plays: [(&str, Play); 10] = [
        ("0x82 5/MQTT-4.12.0-6", |peer| {
            peer.client
                .connect(peer.now, &options(Version::V5, true))
                .unwrap();
            peer.sent();
            peer.auth(CONTINUE, "m", "?");
        }),
        ("0x82 5/MQTT-4.12.0-6", |peer| {
            peer.client
                .connect(peer.now, &options(Version::V5, true))
                .unwrap();
            peer.sent();
            peer.connack(ReasonCode::SUCCESS, false, &METHOD[..1]);
        }),
        ("0x82 5/MQTT-4.12.0-6", |peer| {
            peer.connect(false, false);
            peer.auth(ReasonCode::SUCCESS, "m", "");
        }),
        ("0x82 5/MQTT-4.12.0-5", |peer| {
            peer.begin();
            peer.auth(CONTINUE, "another", "?");
        }),
        ("0x82 5/MQTT-4.12.0-5", |peer| {
            peer.begin();
            peer.connack(ReasonCode::SUCCESS, false, &[]);
        }),
        ("0x82 5/MQTT-4.12.0-5", |peer| {
            peer.begin();
            peer.connack(ReasonCode::SUCCESS, false, &[Property::AuthenticationMethod("M")]);
        }),
        // What accepts a client is CONNACK.
        ("0x82 5/MQTT-4.12.0-2", |peer| {
            peer.begin();
            peer.auth(ReasonCode::SUCCESS, "m", "");
        }),
        ("0x82 5/4.12", |peer| {
            peer.open();
            peer.auth(CONTINUE, "m", "?");
        }),
        ("0x82 5/4.12", |peer| {
            peer.open();
            peer.auth(ReasonCode::SUCCESS, "m", "");
        }),
        // A second question before the first one was answered.
        ("0x82 5/4.12", |peer| {
            peer.begin();
            peer.auth(CONTINUE, "m", "?");
            peer.events();
            peer.auth(CONTINUE, "m", "?");
        }),
    ];
    for (end, play) in plays {
        let mut peer = peer();
        play(&mut peer);
        assert_eq!(peer.events(), [format!("closed Client {end}")]);
    }
}

/// Who begins an authentication anew is the client: 0x19 from the server is none of its codes.
#[test]
fn a_server_cannot_begin_to_authenticate() {
    let mut peer = peer();
    peer.open();
    // AUTH, 0x19, the method.
    let heard = peer.send_and_hear(&[0xF0, 6, 0x19, 4, 0x15, 0, 1, b'm']);
    assert_eq!(heard.len(), 1);
    assert!(heard[0].starts_with("closed Client 0x82 5/3.15.2.1"), "{heard:?}");
    assert_eq!(peer.sent(), ["DISCONNECT 0x82"]);
}

/// 5/MQTT-3.1.2-29
#[test]
fn problem_information_in_auth_that_was_not_asked_for_closes() {
    for asked in [false, true] {
        let mut peer = peer();
        let list = [METHOD[0], Property::RequestProblemInformation(u8::from(asked))];
        let mut connect = with_method();
        connect.properties = Properties::new(&list);
        peer.client.connect(peer.now, &connect).unwrap();
        peer.sent();
        let list = [METHOD[0], Property::ReasonString("because")];
        let properties = Properties::new(&list);
        peer.send(&Packet::Auth(Auth {
            code: CONTINUE,
            properties,
        }));
        let expected = if asked {
            "asked "
        } else {
            "closed Client 0x82 5/MQTT-3.1.2-29"
        };
        assert_eq!(peer.events(), [expected]);
    }
}

/// 5/MQTT-4.12.0-7
#[test]
fn a_client_that_named_no_method_sends_no_auth() {
    let unsupported = Refused::Unsupported(Unsupported::EnhancedAuthentication);
    let mut peer = peer();
    assert_eq!(peer.authenticate("!"), Err(Refused::NotConnected));
    assert_eq!(peer.reauthenticate("!"), Err(Refused::NotConnected));
    peer.connect(false, false);
    assert_eq!(peer.authenticate("!"), Err(unsupported));
    assert_eq!(peer.reauthenticate("!"), Err(unsupported));
    assert!(peer.sent().is_empty());
    // The method of one connection is not that of the next.
    peer.cut();
    peer.events();
    peer.open();
    peer.cut();
    peer.events();
    peer.connect(false, true);
    assert_eq!(peer.reauthenticate("!"), Err(unsupported));
}

#[test]
fn a_step_out_of_turn_is_refused_and_changes_nothing() {
    let mut peer = peer();
    peer.begin();
    assert_eq!(peer.authenticate("!"), Err(Refused::OutOfTurn));
    assert_eq!(peer.reauthenticate("!"), Err(Refused::NotConnected));
    peer.auth(CONTINUE, "m", "?");
    assert_eq!(peer.events(), ["asked ?"]);
    peer.authenticate("!").unwrap();
    assert_eq!(peer.authenticate("!"), Err(Refused::OutOfTurn));
    assert_eq!(peer.sent(), ["AUTH"]);
    peer.connack(ReasonCode::SUCCESS, false, &METHOD[..1]);
    assert_eq!(peer.events(), ["connected false"]);
    assert_eq!(peer.authenticate("!"), Err(Refused::OutOfTurn));
    peer.reauthenticate("!").unwrap();
    assert_eq!(peer.reauthenticate("!"), Err(Refused::OutOfTurn));
    assert_eq!(peer.sent(), ["AUTH"]);
}

/// 5/MQTT-4.12.1-1
#[test]
fn a_reauthentication_goes_on_beside_everything_else_and_ends_with_its_data() {
    let mut peer = peer();
    peer.open();
    let token = peer.reauthenticate("first").unwrap();
    let message = peer.publish(QoS::AtLeastOnce, "x");
    let (code, sent, _) = peer.next_auth();
    assert_eq!((code, sent), (AGAIN, b"first".to_vec()));
    assert_eq!(peer.sent(), ["PUBLISH #1 x"]);
    assert!(!peer.client.is_idle());
    peer.auth(CONTINUE, "m", "?");
    peer.puback(1);
    assert_eq!(
        peer.events(),
        ["asked ?".to_owned(), format!("acknowledged {message}")]
    );
    peer.authenticate("second").unwrap();
    let (code, sent, _) = peer.next_auth();
    assert_eq!((code, sent), (CONTINUE, b"second".to_vec()));
    peer.auth(ReasonCode::SUCCESS, "m", "done");
    let owned = |peer: &mut Peer| {
        let handled = peer.client.handle_input(peer.now, peer.rx.filled());
        let (consumed, event) = (handled.consumed, peer.client.own(handled.event.unwrap()));
        peer.rx.consume(consumed);
        event
    };
    match owned(&mut peer) {
        OwnedEvent::Completed {
            token: ended,
            outcome: OwnedOutcome::Authenticated { properties },
        } => {
            assert_eq!(ended.get(), token);
            assert_eq!(properties.view().authentication_data(), Some(&b"done"[..]));
        }
        other => panic!("{other:?}"),
    }
    assert!(peer.client.is_idle());
    // And again, without a step of the server's.
    let token = peer.reauthenticate("third").unwrap();
    peer.sent();
    peer.auth(ReasonCode::SUCCESS, "m", "");
    assert_eq!(peer.events(), [format!("authenticated {token}")]);
}

/// 5/MQTT-4.12.1-2
#[test]
fn a_reauthentication_that_fails_ends_with_the_connection() {
    let mut peer = peer();
    peer.open();
    let token = peer.reauthenticate("first").unwrap();
    peer.sent();
    peer.send(&Packet::Disconnect(Disconnect::new(ReasonCode::NOT_AUTHORIZED)));
    let aborted = format!("aborted {token} ConnectionLost");
    assert_eq!(peer.events(), [&aborted[..], "closed Server 0x87"]);
    assert_eq!(peer.reauthenticate("!"), Err(Refused::NotConnected));
    // The caller does not accept the server, and the link is lost: the same end.
    for cut in [false, true] {
        peer.cut();
        peer.events();
        peer.begin();
        peer.connack(ReasonCode::SUCCESS, true, &METHOD[..1]);
        peer.events();
        let token = peer.reauthenticate("first").unwrap();
        peer.sent();
        peer.auth(CONTINUE, "m", "?");
        assert_eq!(peer.events(), ["asked ?"]);
        let aborted = format!("aborted {token} ConnectionLost");
        if cut {
            peer.authenticate("!").unwrap();
            peer.cut();
            assert_eq!(peer.events(), [&aborted[..], "closed Transport"]);
        } else {
            let last = Disconnect::new(ReasonCode::NOT_AUTHORIZED);
            assert!(
                peer.client.disconnect(peer.now, &last).is_err(),
                "a code of the server's"
            );
            let last = Disconnect::new(ReasonCode::UNSPECIFIED_ERROR);
            peer.client.disconnect(peer.now, &last).unwrap();
            assert_eq!(peer.sent(), ["DISCONNECT 0x80"]);
            assert_eq!(peer.events(), [&aborted[..], "closed Client 0x80"]);
        }
    }
}

#[test]
fn shutdown_waits_for_a_reauthentication_and_takes_no_other() {
    let mut peer = peer();
    peer.open();
    let token = peer.reauthenticate("first").unwrap();
    peer.sent();
    peer.client
        .shutdown(peer.now, peer.now + Duration::from_secs(60))
        .unwrap();
    assert_eq!(peer.reauthenticate("!"), Err(Refused::ShuttingDown));
    peer.auth(CONTINUE, "m", "?");
    assert_eq!(peer.events(), ["asked ?"]);
    peer.authenticate("!").unwrap();
    assert_eq!(peer.sent(), ["AUTH"]);
    peer.auth(ReasonCode::SUCCESS, "m", "");
    assert_eq!(peer.events(), [format!("authenticated {token}")]);
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
}

/// 5/MQTT-3.14.4-1: DISCONNECT is the last packet, and what is half written comes before it.
#[test]
fn auth_never_follows_disconnect() {
    for begun in [0, 1, 5] {
        for reason in [None, Some("enough")] {
            let mut peer = peer();
            peer.open();
            peer.reauthenticate("first").unwrap();
            peer.sent_bytes(begun);
            let list: Vec<_> = reason.map(Property::ReasonString).into_iter().collect();
            let mut last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
            last.properties = Properties::new(&list);
            let taken = peer.client.disconnect(peer.now, &last);
            if begun > 0 && reason.is_some() {
                assert_eq!(taken, Err(Refused::Bytes), "until AUTH is written");
                continue;
            }
            taken.unwrap();
            let mut first = Vec::new();
            while let Some(transmit) = peer.client.poll_transmit() {
                first.push(transmit.head[0]);
                let len = transmit.len();
                peer.client.handle_written(peer.now, len);
            }
            assert_eq!(first.len(), if begun > 0 { 2 } else { 1 });
            assert_eq!(first.last(), Some(&0xE0));
        }
    }
}

/// 4.12: the client may end it too, with a word, and a session of before is not over by it.
#[test]
fn a_client_that_is_not_content_disconnects_before_connack() {
    let mut peer = peer();
    peer.open();
    let kept = peer.publish(QoS::AtLeastOnce, "kept");
    peer.sent();
    peer.cut();
    peer.events();
    peer.client.connect(peer.now, &with_method()).unwrap();
    let last = Disconnect::new(ReasonCode::UNSPECIFIED_ERROR);
    assert_eq!(
        peer.client.disconnect(peer.now, &last),
        Err(Refused::NotConnected),
        "CONNECT is the first packet"
    );
    peer.sent();
    peer.auth(CONTINUE, "m", "?");
    assert_eq!(peer.events(), ["asked ?"]);
    peer.client.disconnect(peer.now, &last).unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x80"]);
    assert_eq!(peer.events(), ["closed Client 0x80"]);
    peer.cut();
    peer.begin();
    peer.connack(ReasonCode::SUCCESS, true, &METHOD[..1]);
    assert_eq!(peer.events(), ["connected true"]);
    assert_eq!(peer.sent(), ["PUBLISH #1 dup kept"]);
    peer.puback(1);
    assert_eq!(peer.events(), [format!("acknowledged {kept}")]);
}

/// A server that answers what it has not seen whole, or a caller that tells late what it has written.
#[test]
fn an_answer_waits_until_the_step_it_answers_is_written() {
    let mut peer = peer();
    peer.client.connect(peer.now, &with_method()).unwrap();
    peer.sent_bytes(3);
    peer.auth(CONTINUE, "m", "?");
    assert!(peer.events().is_empty());
    assert!(!peer.client.wants_input());
    peer.sent_bytes(usize::MAX);
    assert_eq!(peer.events(), ["asked ?"]);
    peer.authenticate("!").unwrap();
    peer.sent_bytes(2);
    peer.auth(CONTINUE, "m", "and?");
    assert!(peer.events().is_empty());
    peer.sent_bytes(usize::MAX);
    assert_eq!(peer.events(), ["asked and?"]);
}

/// 5/MQTT-3.15.2-2, 5/MQTT-3.15.2-3
#[test]
fn reason_string_and_user_property_are_left_out_of_an_auth_that_is_too_large_with_them() {
    let list = [
        Property::AuthenticationData(b"data"),
        Property::ReasonString("because"),
        Property::UserProperty("a", "b"),
    ];
    // Fixed header, code, length of the properties, method, data.
    let least = 2 + 1 + 1 + 4 + 7;
    let whole = least + 10 + 7;
    for maximum in [whole, whole - 1, least, least - 1] {
        let mut peer = peer();
        peer.begin();
        let limits = [METHOD[0], Property::MaximumPacketSize(maximum)];
        peer.connack(ReasonCode::SUCCESS, false, &limits);
        assert_eq!(peer.events(), ["connected false"]);
        let begun = peer.client.reauthenticate(peer.now, Properties::new(&list));
        if maximum < least {
            assert_eq!(begun, Err(Refused::TooLarge));
            continue;
        }
        begun.unwrap();
        let (_, sent, len) = peer.next_auth();
        assert_eq!(sent, b"data");
        assert_eq!(len as u32, if maximum < whole { least } else { whole });
    }
}

/// As of another program's AUTH: with the method, or not at all (5/MQTT-4.12.0-5).
#[test]
fn decoded_properties_are_taken_with_the_method_that_was_agreed() {
    let unsupported = Err(Refused::Unsupported(Unsupported::EnhancedAuthentication));
    for (method, taken) in [("m", Ok(())), ("another", unsupported)] {
        let mut peer = peer();
        peer.begin();
        peer.auth(CONTINUE, "m", "?");
        peer.events();
        let list = [
            Property::AuthenticationMethod(method),
            Property::AuthenticationData(b"!"),
        ];
        let properties = Properties::new(&list);
        let auth = Packet::Auth(Auth {
            code: CONTINUE,
            properties,
        });
        let mut bytes = [0; 64];
        let bytes = auth.encode(Version::V5, &mut bytes).unwrap();
        let Packet::Auth(auth) = Packet::decode(Version::V5, Sender::Client, bytes).unwrap() else {
            panic!()
        };
        assert_eq!(peer.client.authenticate(peer.now, auth.properties), taken);
        if taken.is_ok() {
            assert_eq!(peer.next_auth().1, b"!");
        }
    }
    // In a list, it would stand there twice.
    let mut peer = peer();
    peer.begin();
    peer.auth(CONTINUE, "m", "?");
    peer.events();
    let refused = peer
        .client
        .authenticate(peer.now, Properties::new(&METHOD[..1]))
        .unwrap_err();
    assert!(matches!(refused, Refused::Invalid(_)), "{refused}");
    peer.authenticate("!").unwrap();
}

#[test]
fn memory_of_every_kind_remembers_the_method_and_gives_it_back() {
    let (mut slots, mut rows, mut bytes) = (vec![Slot::EMPTY; 1], vec![ArrivalSlot::EMPTY; 1], [0; 128]);
    run(Heap::new());
    run(Fixed::<1, 128>::new());
    run(Borrowed::new(&mut slots, &mut rows, &mut bytes));
    fn run<S: Storage>(storage: S) {
        let mut peer = Peer::with(Version::V5, Config::DEFAULT, storage);
        // All slots are in use, and most of the bytes: connecting is possible all the same.
        peer.publish(QoS::AtLeastOnce, "kept");
        for round in 0..20 {
            peer.begin();
            peer.auth(CONTINUE, "m", "?");
            assert_eq!(peer.events(), ["asked ?"]);
            peer.authenticate("!").unwrap();
            assert_eq!(peer.sent(), ["AUTH"]);
            peer.connack(ReasonCode::SUCCESS, round > 0, &METHOD[..1]);
            peer.events();
            assert_eq!(peer.sent().len(), 1);
            if round % 2 == 0 {
                peer.reauthenticate("again").unwrap();
                peer.sent();
            }
            peer.cut();
            assert_eq!(peer.events().len(), if round % 2 == 0 { 2 } else { 1 });
        }
    }
}

#[test]
fn a_storage_too_small_for_the_method_refuses_to_connect_and_changes_nothing() {
    let mut client = Client::new(Config::DEFAULT, Fixed::<1, 45>::new());
    assert_eq!(
        client.connect(Instant::ZERO, &with_method()),
        Err(Refused::TooLarge)
    );
    assert!(client.poll_transmit().is_none());
    let plain = options(Version::V5, true);
    assert_eq!(client.connect(Instant::ZERO, &plain), Ok(()));
}

#[test]
fn events_of_an_exchange_survive_being_detached() {
    let mut peer = peer();
    peer.open();
    peer.reauthenticate("first").unwrap();
    peer.sent();
    peer.auth(CONTINUE, "m", "challenge");
    let rx = peer.rx.filled().to_vec();
    let found: Found = peer.client.handle_input(peer.now, &rx).event.unwrap().detach(&rx);
    assert_eq!(short(&found.view(&rx)), "asked challenge");
}

/// The method keeps its place among the packets of others while it grows and shrinks with each AUTH.
#[test]
fn what_else_is_kept_is_not_touched_by_an_exchange() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<4, 220>::new());
    peer.begin();
    let before = peer.publish(QoS::AtLeastOnce, "before");
    peer.connack(ReasonCode::SUCCESS, false, &METHOD[..1]);
    assert_eq!(peer.events(), ["connected false"]);
    let after = peer.publish(QoS::AtLeastOnce, "after");
    assert_eq!(peer.sent(), ["PUBLISH #1 before", "PUBLISH #2 after"]);
    for n in 0..40_usize {
        let text = "x".repeat(n);
        let Ok(token) = peer.reauthenticate(&text) else {
            assert!(n > 30, "there was room for {n}");
            break;
        };
        // The block in front of it goes and comes back.
        let message = peer.publish(QoS::AtMostOnce, &text);
        let (_, sent, _) = peer.next_auth();
        assert_eq!(sent, text.as_bytes());
        assert_eq!(peer.sent(), [format!("PUBLISH {text}")]);
        peer.auth(ReasonCode::SUCCESS, "m", "");
        let ends = [format!("written {message}"), format!("authenticated {token}")];
        assert_eq!(peer.events(), ends);
    }
    peer.cut();
    peer.events();
    peer.begin();
    peer.connack(ReasonCode::SUCCESS, true, &METHOD[..1]);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #1 dup before", "PUBLISH #2 dup after"]);
    peer.puback(1);
    peer.puback(2);
    assert_eq!(
        peer.events(),
        [format!("acknowledged {before}"), format!("acknowledged {after}")]
    );
}

/// Refused, it has changed nothing: AUTH is sent.
#[test]
fn a_disconnect_without_room_does_not_drop_an_auth() {
    let mut peer = Peer::with(Version::V5, Config::DEFAULT, Fixed::<1, 64>::new());
    peer.open();
    peer.reauthenticate("first").unwrap();
    let list = [Property::ReasonString("longer than there is room for, as it is")];
    let mut last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    last.properties = Properties::new(&list);
    assert!(peer.client.disconnect(peer.now, &last).is_err());
    assert_eq!(peer.sent(), ["AUTH"]);
    last.properties = Properties::new(&list[..0]);
    peer.client.disconnect(peer.now, &last).unwrap();
    assert_eq!(peer.sent(), ["DISCONNECT 0x00"]);
}
