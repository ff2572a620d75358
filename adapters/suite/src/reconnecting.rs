//! The behaviours of clients that connect by themselves.

use core::{num::NonZeroU32, time::Duration};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::Instant,
};

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, Sender, TopicFilter, Version, packet::ConnAck,
};
use mqtt_session::{
    Refused,
    client::{ClosedBy, OwnedEvent},
    reconnect::{Because, Policy, StopBecause, Verdict},
    registry::RegistryEvent,
};
use mqtt_tokio::{Attempt, News, Options, Stop};

use crate::{
    Broker, Cutter, PATIENCE, Reconnects,
    keeper::{Keeper, Said, Server, beside, nobody, quick},
    subscription,
};

/// Each attempt is told before it is made, each end with its reason and with when the next attempt is; the hook is called
/// once for each attempt, and for nothing else.
pub fn connects_again_and_tells_why_and_when<R: Reconnects>() {
    let broker = Broker::start();
    let server = Server::at(broker.address());
    let mut keeper = Keeper::<R>::new(quick(), Options::new("again"), &server);
    match keeper.next("the first attempt") {
        News::Connecting(attempt) => {
            assert_eq!((attempt.number, attempt.because), (1, Because::Started));
        }
        other => panic!("{other:?} before the first attempt"),
    }
    assert!(!keeper.connected());
    match keeper.next("what is with the subscriptions") {
        News::Subscriptions(RegistryEvent::Connected {
            session_present,
            kept,
            to_restore,
            ..
        }) => assert_eq!((session_present, kept, to_restore), (false, 0, 0)),
        other => panic!("{other:?} after the connection"),
    }

    drop(broker);
    match keeper.next("the end") {
        News::Event(OwnedEvent::Closed(closed)) => assert_eq!(closed.by, ClosedBy::Transport),
        other => panic!("{other:?} instead of the end"),
    }
    let lost = Because::Ended {
        by: ClosedBy::Transport,
        refused: false,
        code: None,
    };
    let mut told = 1;
    // Nobody is there: attempts fail, and are told.
    for _ in 0..3 {
        match keeper.next("what comes next") {
            News::Waiting(waiting) => {
                assert_eq!((waiting.attempt, waiting.because), (told + 1, lost));
                assert!(waiting.wait >= Duration::from_millis(1));
                assert!(waiting.error.is_some(), "the transport's error is told");
            }
            other => panic!("{other:?} instead of the reason"),
        }
        match keeper.next("the next attempt") {
            News::Connecting(attempt) => assert_eq!((attempt.number, attempt.because), (told + 1, lost)),
            other => panic!("{other:?} instead of an attempt"),
        }
        told += 1;
    }
    let broker = Broker::start();
    server.moves_to(broker.address());
    assert!(!keeper.connected(), "this server knows no session");
    let more = keeper
        .said
        .iter()
        .filter(|news| matches!(news, News::Connecting(_)));
    let told = told as usize + more.count();
    let attempts = server.attempts();
    assert_eq!(
        attempts.len(),
        told,
        "the hook is called once for each attempt: {attempts:?}"
    );
    for (at, attempt) in (1..).zip(&attempts) {
        assert_eq!((attempt.number, attempt.reference.as_deref()), (at, None));
    }
    keeper.end();
}

/// A server without the session is asked for the subscriptions again, by itself, and it is told.
pub fn subscriptions_come_back_when_the_server_has_lost_them<R: Reconnects>() {
    for version in Version::ALL {
        let broker = Broker::start();
        let server = Server::at(broker.address());
        let mut policy = quick();
        policy.version = version;
        let mut keeper = Keeper::<R>::new(policy, Options::new("restored"), &server);
        assert!(!keeper.connected());
        keeper.subscribe("a/+", QoS::ExactlyOnce);
        keeper.subscribe("b", QoS::AtLeastOnce);
        keeper.said.clear();

        drop(broker);
        let broker = Broker::start();
        server.moves_to(broker.address());
        let asked = keeper.wait("what is with the subscriptions", |news| match news {
            News::Subscriptions(RegistryEvent::Connected { to_restore, .. }) => Ok(to_restore),
            other => Err(other),
        });
        assert_eq!(asked, 2);
        assert_eq!(keeper.restored(), (2, 0));
        let mut other = beside(&broker, "other");
        for (name, qos) in [("a/x", QoS::ExactlyOnce), ("b", QoS::AtLeastOnce)] {
            other.publish_to_the_end(name, QoS::ExactlyOnce, b"here");
            let message = keeper.message();
            assert_eq!((message.topic.as_str(), message.qos), (name, qos));
        }
        let own = |news: &Said| matches!(news, News::Event(OwnedEvent::Completed { .. }));
        assert!(
            !keeper.said.iter().any(own),
            "what the client asks for by itself ends for nobody"
        );
        keeper.end();
    }
}

/// What was unsubscribed stays so.
pub fn subscriptions_that_are_given_up_do_not_come_back<R: Reconnects>() {
    let broker = Broker::start();
    let server = Server::at(broker.address());
    let mut keeper = Keeper::<R>::new(quick(), Options::new("leaver"), &server);
    keeper.connected();
    keeper.subscribe("left", QoS::AtLeastOnce);
    keeper.subscribe("kept", QoS::AtLeastOnce);
    let left = TopicFilter::new("left").expect("a filter");
    let token = keeper.client.unsubscribe(&[left]).expect("a request is taken");
    keeper.completed(token);
    drop(broker);
    let broker = Broker::start();
    server.moves_to(broker.address());
    assert_eq!(keeper.restored(), (1, 0));
    let mut other = beside(&broker, "other");
    other.publish_to_the_end("left", QoS::AtLeastOnce, b"no");
    other.publish_to_the_end("kept", QoS::AtLeastOnce, b"yes");
    assert_eq!(keeper.message().topic, "kept");
    keeper.end();
}

/// The outbox takes messages while there is no connection; requests are refused.
pub fn what_is_published_between_two_connections_is_sent_on_the_next<R: Reconnects>() {
    let broker = Broker::start();
    let server = Server::at(broker.address());
    let mut keeper = Keeper::<R>::new(quick(), Options::new("outbox"), &server);
    keeper.connected();
    drop(broker);
    keeper.waiting();
    let tokens: Vec<_> = (0..9_u8)
        .map(|n| {
            keeper
                .publish("waits", QoS::ALL[usize::from(n) % 3], &[n])
                .expect("a message is taken")
        })
        .collect();
    let refused = keeper.client.subscribe(&[subscription("a", QoS::AtMostOnce)]);
    assert_eq!(refused, Err(Refused::NotConnected));

    let broker = Broker::start();
    let mut watcher = beside(&broker, "watcher");
    watcher.subscribe("waits", QoS::ExactlyOnce);
    server.moves_to(broker.address());
    for token in tokens {
        keeper.completed(token);
    }
    let order: Vec<u8> = (0..9).map(|_| watcher.message().payload[0]).collect();
    assert_eq!(order, (0..9).collect::<Vec<_>>());
    keeper.end();
}

/// After the last attempt nothing follows, which is told; a new start counts from the beginning.
pub fn stops_after_as_many_attempts_as_the_policy_allows_and_begins_anew<R: Reconnects>() {
    let server = Server::at(nobody());
    let mut policy = quick();
    policy.max_attempts = NonZeroU32::new(3);
    let mut keeper = Keeper::<R>::new(policy, Options::new("tries"), &server);
    for round in 1..=2 {
        let stopped = keeper.stopped();
        assert_eq!(stopped.because, Stop::Policy(StopBecause::TooManyAttempts));
        assert!(stopped.error.is_some(), "the transport's error is told");
        assert_eq!(server.attempts().len(), 3 * round);
        assert!(keeper.client.is_stopped());
        assert!(keeper.client.next_news(PATIENCE).is_none());
        keeper.client.start();
    }
    let broker = Broker::start();
    server.moves_to(broker.address());
    assert!(!keeper.connected());
    keeper.end();
}

/// A server that is played: answers CONNECTs one after the other, each on a connection of its own, with what `play` makes
/// of them.
fn played(
    mut play: impl FnMut(&mqtt_proto::packet::Connect<'_>) -> Option<Vec<u8>> + Send + 'static,
) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut room = [0; 512];
            let n = stream.read(&mut room).expect("a CONNECT");
            let packet = Packet::decode(Version::V5, Sender::Client, &room[..n]);
            let Ok(Packet::Connect(connect)) = packet else {
                panic!("{packet:?} instead of CONNECT")
            };
            let Some(answer) = play(&connect) else { return };
            stream.write_all(&answer).expect("an answer");
            assert_eq!(stream.read(&mut room).expect("an end"), 0, "nothing may follow");
        }
    });
    (address, thread)
}

fn refusal(code: ReasonCode, properties: Properties<'_>) -> Vec<u8> {
    let connack = Packet::ConnAck(ConnAck {
        session_present: false,
        code,
        properties,
    });
    let mut bytes = vec![0; connack.encoded_len(Version::V5).expect("a CONNACK")];
    connack.encode(Version::V5, &mut bytes).expect("a CONNACK");
    bytes
}

/// The hook changes the options of its attempt: a password that was refused is not said again.
pub fn a_fresh_password_is_used_at_the_next_attempt<R: Reconnects>() {
    let (address, thread) = played({
        let mut seen = Vec::new();
        move |connect| {
            seen.push(connect.password.map(<[u8]>::to_vec));
            if seen.len() == 3 {
                let expected = [b"token 1", b"token 2", b"token 3"].map(|token| Some(token.to_vec()));
                assert_eq!(seen, expected);
                return None;
            }
            Some(refusal(ReasonCode::NOT_AUTHORIZED, Properties::EMPTY))
        }
    });
    let mut policy = quick();
    policy.overrides = &[(ReasonCode::NOT_AUTHORIZED, Verdict::Retry)];
    let mut fetched = 0;
    let fresh = move |_: &Attempt, options: &mut Options| {
        assert_eq!(
            options.password, None,
            "each attempt begins with what was configured"
        );
        fetched += 1;
        options.password = Some(format!("token {fetched}").into());
    };
    let server = Server::at(address);
    let mut keeper = Keeper::<R>::with_hook(policy, Options::new("fresh"), &server, fresh);
    for attempt in 2..=3 {
        let waiting = keeper.waiting();
        let refused = Because::Ended {
            by: ClosedBy::Server,
            refused: true,
            code: Some(ReasonCode::NOT_AUTHORIZED),
        };
        assert_eq!((waiting.attempt, waiting.because), (attempt, refused));
    }
    // The third connection is closed without a word.
    keeper.waiting();
    thread.join().expect("the server saw what it should");
    keeper.client.abort();
    keeper.stopped();
}

/// 0x9C with a Server Reference: the next attempt goes there, if the policy lets it; otherwise it does not.
pub fn a_server_reference_is_followed_where_the_policy_lets_it<R: Reconnects>() {
    for follow in [true, false] {
        let broker = Broker::start();
        let there = broker.address().to_string();
        let (address, _thread) = played(move |_| {
            let properties = [Property::ServerReference(&there)];
            Some(refusal(
                ReasonCode::USE_ANOTHER_SERVER,
                Properties::new(&properties),
            ))
        });
        let server = Server::at(address);
        let mut policy = quick();
        policy.referrals = u8::from(follow);
        let mut keeper = Keeper::<R>::new(policy, Options::new("referred"), &server);
        let waiting = keeper.waiting();
        if follow {
            assert_eq!(waiting.because, Because::Referred { permanent: false });
            keeper.connected();
            let attempts = server.attempts();
            assert_eq!(attempts[0].reference, None);
            assert_eq!(
                attempts[1].reference.as_deref(),
                Some(&*broker.address().to_string())
            );
            keeper.end();
        } else {
            keeper.waiting();
            assert!(
                server
                    .attempts()
                    .iter()
                    .all(|attempt| attempt.reference.is_none())
            );
            keeper.client.abort();
            keeper.stopped();
        }
    }
}

/// Nothing is tried again that cannot succeed.
pub fn options_that_cannot_be_sent_stop_it<R: Reconnects>() {
    let broker = Broker::start();
    let server = Server::at(broker.address());
    let mut policy = quick();
    policy.version = Version::V311;
    let mut options = Options::new("no user");
    options.password = Some(b"but a password".to_vec());
    let mut keeper = Keeper::<R>::new(policy, options, &server);
    assert!(matches!(
        keeper.stopped().because,
        Stop::Refused(Refused::Invalid(_))
    ));
    assert!(keeper.client.is_stopped());
    assert_eq!(server.attempts().len(), 1);
}

/// Shutting down takes as many connections as it takes, and no longer than it may.
pub fn shutting_down_goes_on_over_connections_until_nothing_is_under_way<R: Reconnects>() {
    // Nothing is under way: it ends at once.
    let server = Server::at(nobody());
    let mut keeper = Keeper::<R>::new(quick(), Options::new("drains"), &server);
    keeper.waiting();
    keeper.client.shutdown(PATIENCE).expect("it has not stopped");
    assert_eq!(keeper.stopped().because, Stop::Policy(StopBecause::Asked));
    assert_eq!(
        keeper.client.shutdown(PATIENCE),
        Err(Refused::NotConnected),
        "it has stopped"
    );

    // Something is, and there is a server in time.
    keeper.client.start();
    let token = keeper
        .publish("last", QoS::ExactlyOnce, b"words")
        .expect("a message is taken");
    keeper.client.shutdown(PATIENCE).expect("it has not stopped");
    let more = keeper.publish("last", QoS::AtMostOnce, b"no more");
    assert_eq!(more, Err(Refused::ShuttingDown));
    keeper.waiting();
    let broker = Broker::start();
    let mut watcher = beside(&broker, "watcher");
    watcher.subscribe("last", QoS::ExactlyOnce);
    server.moves_to(broker.address());
    keeper.completed(token);
    assert_eq!(keeper.stopped().because, Stop::Policy(StopBecause::Asked));
    assert_eq!(&watcher.message().payload[..], b"words");

    // Something is, and there is none.
    server.moves_to(nobody());
    keeper.client.start();
    keeper
        .publish("last", QoS::ExactlyOnce, b"never")
        .expect("a message is taken");
    keeper
        .client
        .shutdown(Duration::from_millis(50))
        .expect("it has not stopped");
    assert_eq!(keeper.stopped().because, Stop::Policy(StopBecause::Asked));
}

/// Neither the wait for an attempt nor an attempt keeps anybody.
pub fn whoever_waits_for_an_attempt_can_be_stopped_at_once<R: Reconnects>() {
    let server = Server::at(nobody());
    let mut policy = Policy::DEFAULT;
    (policy.minimum, policy.maximum) = (PATIENCE * 10, PATIENCE * 10);
    let mut keeper = Keeper::<R>::new(policy, Options::new("patient"), &server);
    for orderly in [true, false] {
        let waiting = keeper.waiting();
        assert!(waiting.wait >= PATIENCE * 10);
        assert!(keeper.client.next_news(Duration::from_millis(20)).is_none());
        assert!(!keeper.client.is_stopped());
        if orderly {
            keeper.client.disconnect().expect("it has not stopped");
        } else {
            keeper.client.abort();
        }
        assert_eq!(keeper.stopped().because, Stop::Policy(StopBecause::Asked));
        keeper.client.start();
    }
    // And it can be hurried.
    keeper.waiting();
    let broker = Broker::start();
    server.moves_to(broker.address());
    keeper.client.start();
    assert!(!keeper.connected());
    // A connection that is given up is not opened again.
    keeper.client.abort();
    assert_eq!(keeper.stopped().because, Stop::Policy(StopBecause::Asked));
}

/// Publisher and subscriber reconnect over wires that are cut at random bytes: every message arrives, those of QoS 2 once,
/// in the order they were published.
pub fn qos_1_and_2_go_in_order_and_once_over_links_that_are_cut_at_any_byte<R: Reconnects>() {
    const COUNT: u16 = 120;
    const CUTS: usize = 10;
    for version in [Version::V311, Version::V5] {
        let broker = Broker::start();
        let wires = [1, 2].map(|seed| Cutter::new(broker.address(), 60..=1_200, CUTS, seed));
        let mut policy = quick();
        policy.version = version;
        policy.maximum = Duration::from_millis(3);
        let [mut taker, mut giver] = ["taker", "giver"].map(|name| {
            let server = Server::at(wires[usize::from(name == "giver")].address());
            let mut keeper = Keeper::<R>::new(policy, Options::new(name), &server);
            keeper.connected();
            keeper
        });
        // An answer that is lost with the link ends the request, which is told; then it is asked for again.
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let filter = format!("cut/{}", qos as u8);
            while !subscribes(&mut taker, &filter, qos) {}
        }
        let mut open = 0;
        for n in 0..COUNT {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                giver
                    .publish(&format!("cut/{}", qos as u8), qos, &n.to_be_bytes())
                    .expect("a message is taken");
                open += 1;
            }
        }
        let mut taken = [Vec::new(), Vec::new()];
        let until = Instant::now() + 3 * PATIENCE;
        let whole = |taken: &[Vec<u16>; 2]| {
            taken
                .iter()
                .all(|of| of.iter().collect::<std::collections::BTreeSet<_>>().len() == usize::from(COUNT))
        };
        while open > 0 || !whole(&taken) {
            assert!(Instant::now() < until, "{open} open, taken {taken:?}");
            // Short waits: whatever the client is at, it is interrupted.
            if let Some(news) = giver.client.next_news(Duration::from_micros(300)) {
                match news {
                    News::Event(OwnedEvent::Completed { .. }) => open -= 1,
                    News::Event(OwnedEvent::Aborted { .. }) | News::Stopped(_) => panic!("{news:?}"),
                    _ => {}
                }
            }
            let news = match taker.said.pop_front() {
                Some(news) => Some(news),
                None => taker.client.next_news(Duration::from_micros(300)),
            };
            match news {
                Some(News::Event(OwnedEvent::Message(message))) => {
                    let number = u16::from_be_bytes([message.payload[0], message.payload[1]]);
                    taken[usize::from(message.topic == "cut/2")].push(number);
                }
                Some(News::Stopped(stopped)) => panic!("{stopped:?}"),
                _ => {}
            }
        }
        let [at_least_once, exactly_once] = &mut taken;
        let all: Vec<_> = (0..COUNT).collect();
        assert_eq!(*exactly_once, all, "{version:?}: QoS 2, once and in order");
        // Each first copy comes in its order.
        let mut seen = std::collections::BTreeSet::new();
        at_least_once.retain(|number| seen.insert(*number));
        assert_eq!(*at_least_once, all, "{version:?}: QoS 1");
        let cuts: usize = wires.iter().map(Cutter::cuts).sum();
        assert!(cuts >= CUTS, "{version:?}: only {cuts} cuts");
        giver.end();
        taker.end();
    }
}

/// `false`: the link was lost over it.
fn subscribes<R: Reconnects>(keeper: &mut Keeper<R>, filter: &str, qos: QoS) -> bool {
    loop {
        match keeper.client.subscribe(&[subscription(filter, qos)]) {
            Ok(token) => {
                return keeper.wait("a subscription ends", |news| match news {
                    News::Event(OwnedEvent::Completed { token: of, .. }) if of == token => Ok(true),
                    News::Event(OwnedEvent::Aborted { token: of, .. }) if of == token => Ok(false),
                    other => Err(other),
                });
            }
            Err(Refused::NotConnected) => {
                let news = keeper
                    .client
                    .next_news(PATIENCE)
                    .expect("a connection comes back");
                keeper.said.push_back(news);
            }
            Err(why) => panic!("{why}"),
        }
    }
}
