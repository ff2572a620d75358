//! The behaviours. Each is a claim about any adapter, and panics if it does not hold.

use core::time::Duration;

use mqtt_proto::{PacketType, Properties, QoS, ReasonCode, TopicFilter, Version, packet::Will};
use mqtt_session::{
    Config, Publish, Refused, Token,
    client::{Acknowledge, ClosedBy, OwnedEvent, OwnedOutcome},
    flow::Cause,
};

use crate::{
    Broker, Cut, Direction, Driver, PATIENCE, Subject, Tap, When, kept, options, subscription, topic,
};

const QOS_1: QoS = QoS::AtLeastOnce;
const QOS_2: QoS = QoS::ExactlyOnce;

/// CONNECT and CONNACK in 3.1, 3.1.1 and 5.0, and DISCONNECT, which ends it in order.
pub fn connects_in_every_version<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut client = Subject::<D>::new(Config::DEFAULT);
        let connected = client.connect(broker.address(), &options(version, "plain"));
        assert!(!connected.session_present);
        client.driver.disconnect().expect("there is a connection");
        assert_eq!(client.closed().by, ClosedBy::Client);
    }
}

/// A message of each QoS goes to the broker and comes back, unchanged, in each version.
pub fn messages_come_back_at_every_qos<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut client = Subject::<D>::connected(broker.address(), &options(version, "echo"));
        client.subscribe("echo/+", QOS_2);
        for qos in QoS::ALL {
            for payload in [&b""[..], b"\0", b"hello"] {
                client.publish_to_the_end("echo/here", qos, payload);
                let message = client.message();
                assert_eq!(
                    (message.topic.as_str(), &message.payload[..]),
                    ("echo/here", payload)
                );
                assert_eq!((message.qos, message.retain, message.dup), (qos, false, false));
                assert_eq!(message.ack, None, "automatic mode leaves no duty");
            }
        }
        client.disconnect();
        assert_eq!(client.left_over().count(), 0);
    }
}

/// In manual mode, what was not acknowledged comes again on the next connection, and what was does not.
pub fn an_acknowledged_message_is_answered_and_an_unanswered_one_comes_again<D: Driver>() {
    let broker = Broker::start();
    let mut config = Config::DEFAULT;
    config.acknowledge = Acknowledge::Manual;
    for version in Version::ALL {
        let mut client = Subject::<D>::new(config);
        client.connect(broker.address(), &kept(version, "manual"));
        client.subscribe("manual", QOS_1);
        for payload in [b"taken", b"again"] {
            client.publish_to_the_end("manual", QOS_1, payload);
        }
        let taken = client.message();
        assert_eq!(&taken.payload[..], b"taken");
        client
            .driver
            .acknowledge(taken.ack.expect("a duty"))
            .expect("a token is taken");
        assert_eq!(&client.message().payload[..], b"again");
        // PINGRESP comes after everything before it: the acknowledgement has arrived.
        let ping = client.driver.ping().expect("there is a connection");
        client.completed(ping);
        client.driver.cut();
        client.closed();

        assert!(
            client
                .connect(broker.address(), &kept(version, "manual"))
                .session_present
                || version == Version::V31
        );
        let again = client.message();
        assert_eq!((&again.payload[..], again.dup), (&b"again"[..], true));
        client
            .driver
            .acknowledge(again.ack.expect("a duty"))
            .expect("a token is taken");
        client.disconnect();
        assert_eq!(client.left_over().count(), 0);
        // Leave no session to the next version.
        Subject::<D>::connected(broker.address(), &options(version, "manual")).disconnect();
    }
}

/// After UNSUBACK nothing comes from that subscription, and from others it does.
pub fn unsubscribed_means_no_more_messages<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut client = Subject::<D>::connected(broker.address(), &options(version, "leaver"));
        client.subscribe("left", QOS_1);
        client.subscribe("kept", QOS_1);
        let filter = TopicFilter::new("left").expect("a filter");
        let token = client
            .driver
            .unsubscribe(&[filter])
            .expect("an unsubscription is taken");
        match client.completed(token) {
            OwnedOutcome::Unsubscribed { codes, .. } if version == Version::V5 => {
                assert_eq!(codes, [ReasonCode::SUCCESS]);
            }
            OwnedOutcome::Unsubscribed { codes, .. } => assert_eq!(codes, []),
            other => panic!("{other:?} for an unsubscription"),
        }
        client.publish_to_the_end("left", QOS_1, b"gone");
        client.publish_to_the_end("kept", QOS_1, b"here");
        assert_eq!(client.message().topic, "kept");
        client.disconnect();
        assert_eq!(client.left_over().count(), 0);
    }
}

/// The last retained message comes to whoever subscribes later, marked as retained; an empty one clears it.
pub fn a_retained_message_waits_for_its_subscriber<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut client = Subject::<D>::connected(broker.address(), &options(version, "keeper"));
        let mut message = Publish::new(topic("retained"), QOS_1);
        message.retain = true;
        for payload in [&b"old"[..], b"new"] {
            let token = client
                .driver
                .publish(&message, payload)
                .expect("a message is taken");
            client.completed(token);
        }
        client.subscribe("retained", QOS_1);
        let retained = client.message();
        assert_eq!((&retained.payload[..], retained.retain), (&b"new"[..], true));
        let token = client.driver.publish(&message, b"").expect("a message is taken");
        client.completed(token);
        // Who is subscribed gets it as any message.
        assert!(!client.message().retain);
        client.disconnect();

        let mut late = Subject::<D>::connected(broker.address(), &options(version, "late"));
        late.subscribe("retained", QOS_1);
        late.publish_to_the_end("retained", QOS_1, b"mark");
        assert_eq!(&late.message().payload[..], b"mark");
        late.disconnect();
    }
}

/// With a keep-alive of a second, pings go out and come back by themselves, and the link stays.
pub fn an_idle_link_is_kept_alive<D: Driver>() {
    let broker = Broker::start();
    let tap = Tap::new(broker.address(), None);
    let mut idle = options(Version::V311, "idle");
    idle.keep_alive = 1;
    let mut client = Subject::<D>::connected(tap.address(), &idle);
    while tap.seen(Direction::ToClient, PacketType::PingResp) < 2 {
        let event = client.driver.next_event(Duration::from_millis(100));
        assert_eq!(event, None, "an idle link has nothing to tell");
    }
    client.subscribe("alive", QOS_1);
    client.publish_to_the_end("alive", QOS_1, b"still");
    assert_eq!(&client.message().payload[..], b"still");
    client.disconnect();
}

fn with_will(version: Version) -> mqtt_session::ConnectOptions<'static> {
    let mut options = options(version, "mortal");
    options.will = Some(Will {
        topic: topic("will"),
        payload: b"gone",
        qos: QOS_1,
        retain: false,
        properties: Properties::EMPTY,
    });
    options
}

/// A clean disconnect discards the will.
pub fn a_disconnect_is_no_reason_for_the_will<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut watcher = Subject::<D>::connected(broker.address(), &options(version, "watcher"));
        watcher.subscribe("will", QOS_1);
        Subject::<D>::connected(broker.address(), &with_will(version)).disconnect();
        // Whoever takes the same name meets the broker after it has seen the end of the first.
        Subject::<D>::connected(broker.address(), &options(version, "mortal")).disconnect();
        watcher.publish_to_the_end("will", QOS_1, b"mark");
        assert_eq!(&watcher.message().payload[..], b"mark");
        watcher.disconnect();
    }
}

/// A link that ends without DISCONNECT publishes the will.
pub fn a_cut_link_is_reason_for_the_will<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut watcher = Subject::<D>::connected(broker.address(), &options(version, "watcher"));
        watcher.subscribe("will", QOS_1);
        let mut mortal = Subject::<D>::connected(broker.address(), &with_will(version));
        mortal.driver.cut();
        assert_eq!(mortal.closed().by, ClosedBy::Transport);
        assert_eq!(&watcher.message().payload[..], b"gone");
        watcher.disconnect();
    }
}

/// A connection that is given up ends without DISCONNECT, and nobody takes that for a fault.
pub fn an_abort_is_reason_for_the_will_and_told_as_the_callers_wish<D: Driver>() {
    let broker = Broker::start();
    for version in Version::ALL {
        let mut watcher = Subject::<D>::connected(broker.address(), &options(version, "watcher"));
        watcher.subscribe("will", QOS_1);
        let mut mortal = Subject::<D>::connected(broker.address(), &with_will(version));
        mortal.driver.abort();
        let closed = mortal.closed();
        assert_eq!((closed.by, closed.cause), (ClosedBy::Client, Cause::Aborted));
        assert_eq!(&watcher.message().payload[..], b"gone");
        watcher.disconnect();
    }
}

/// A server that refuses the connection ends it with the event that says why; there was no `Connected` before it.
pub fn a_refused_connection_is_reported<D: Driver>() {
    use std::io::{Read, Write};
    let server = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = server.local_addr().expect("an address");
    let thread = std::thread::spawn(move || {
        for connack in [&[0x20, 2, 0, 5][..], &[0x20, 3, 0, 0x87, 0]] {
            let (mut stream, _) = server.accept().expect("a client");
            let mut connect = [0; 512];
            let n = stream.read(&mut connect).expect("a CONNECT");
            assert_eq!(connect[0], 0x10, "{n} bytes");
            stream.write_all(connack).expect("a refusal");
            assert_eq!(
                stream.read(&mut connect).expect("an end"),
                0,
                "nothing may follow"
            );
        }
    });
    for version in [Version::V311, Version::V5] {
        let mut client = Subject::<D>::new(Config::DEFAULT);
        client
            .driver
            .connect(address, &options(version, "nobody"))
            .expect("a connection is taken");
        let closed = client.closed();
        assert_eq!((closed.by, closed.refused), (ClosedBy::Server, true));
        assert_eq!(closed.code, Some(ReasonCode::NOT_AUTHORIZED));
    }
    thread.join().expect("the server saw what it should");
}

/// Nothing waits in secret: what cannot be done now is refused at once.
pub fn commands_that_need_a_connection_are_refused_without_one<D: Driver>() {
    let broker = Broker::start();
    let mut client = Subject::<D>::new(Config::DEFAULT);
    let refused = client.driver.subscribe(&[subscription("a", QOS_1)]);
    assert_eq!(refused, Err(Refused::NotConnected));
    assert_eq!(client.driver.ping(), Err(Refused::NotConnected));
    assert_eq!(client.driver.disconnect(), Err(Refused::NotConnected));
    client.connect(broker.address(), &options(Version::V5, "one"));
    let again = client
        .driver
        .connect(broker.address(), &options(Version::V5, "one"));
    assert_eq!(again, Err(Refused::AlreadyConnected));
    client.subscribe("a", QOS_1);
    client.disconnect();
}

/// A ping of the caller's ends with the server's answer.
pub fn a_ping_is_answered<D: Driver>() {
    let broker = Broker::start();
    let mut client = Subject::<D>::connected(broker.address(), &options(Version::V5, "pinger"));
    for _ in 0..3 {
        let token = client.driver.ping().expect("there is a connection");
        assert!(matches!(client.completed(token), OwnedOutcome::Ponged { .. }));
    }
    client.disconnect();
}

const EVERY_CUT: [When; 3] = [When::Before, When::Within, When::After];

/// Sends one message over a link that is cut there, resumes, and gives what a subscriber got of it.
fn publish_over_a_cut<D: Driver>(broker: &Broker, version: Version, qos: QoS, cut: Cut) -> usize {
    let at = broker.address();
    let mut watcher = Subject::<D>::connected(at, &options(version, "watcher"));
    watcher.subscribe("cut", QOS_2);

    let tap = Tap::new(at, Some(cut));
    let mut sender = Subject::<D>::connected(tap.address(), &kept(version, "sender"));
    let token = sender.publish("cut", qos, b"once").expect("a message is taken");
    assert_eq!(sender.closed().by, ClosedBy::Transport, "{cut:?}");
    assert!(tap.is_cut(), "{cut:?}");
    sender.connect(tap.address(), &kept(version, "sender"));
    sender.completed(token);
    sender.disconnect();
    Subject::<D>::connected(at, &options(version, "sender")).disconnect();

    watcher.publish_to_the_end("cut", QOS_2, b"mark");
    let mut copies = 0;
    while &watcher.message().payload[..] != b"mark" {
        copies += 1;
    }
    watcher.disconnect();
    copies
}

/// A QoS 2 message that is published arrives exactly once, be the link lost before, in or after any of its packets.
pub fn a_qos_2_message_arrives_once_wherever_the_link_is_cut<D: Driver>() {
    let broker = Broker::start();
    for version in [Version::V311, Version::V5] {
        for (direction, packet) in [
            (Direction::ToBroker, PacketType::Publish),
            (Direction::ToClient, PacketType::PubRec),
            (Direction::ToBroker, PacketType::PubRel),
            (Direction::ToClient, PacketType::PubComp),
        ] {
            for when in EVERY_CUT {
                let cut = Cut {
                    direction,
                    packet,
                    when,
                };
                if packet == PacketType::PubComp && when == When::After {
                    continue; // It is over by then.
                }
                assert_eq!(
                    publish_over_a_cut::<D>(&broker, version, QOS_2, cut),
                    1,
                    "{version:?} {cut:?}"
                );
            }
        }
    }
}

/// A QoS 1 message that is published arrives at least once.
pub fn a_qos_1_message_arrives_wherever_the_link_is_cut<D: Driver>() {
    let broker = Broker::start();
    for version in [Version::V31, Version::V5] {
        for when in EVERY_CUT {
            let cut = Cut {
                direction: Direction::ToBroker,
                packet: PacketType::Publish,
                when,
            };
            let copies = publish_over_a_cut::<D>(&broker, version, QOS_1, cut);
            assert!((1..=2).contains(&copies), "{version:?} {cut:?}: {copies}");
        }
    }
}

/// A QoS 2 message that comes is told exactly once, be the link lost before, in or after any of its packets.
pub fn a_qos_2_message_is_taken_once_wherever_the_link_is_cut<D: Driver>() {
    let broker = Broker::start();
    for version in [Version::V311, Version::V5] {
        for (direction, packet) in [
            (Direction::ToClient, PacketType::Publish),
            (Direction::ToBroker, PacketType::PubRec),
            (Direction::ToClient, PacketType::PubRel),
            (Direction::ToBroker, PacketType::PubComp),
        ] {
            for when in EVERY_CUT {
                let cut = Cut {
                    direction,
                    packet,
                    when,
                };
                let tap = Tap::new(broker.address(), Some(cut));
                let mut taker = Subject::<D>::connected(tap.address(), &kept(version, "taker"));
                taker.subscribe("taken", QOS_2);
                let mut sender = Subject::<D>::connected(broker.address(), &options(version, "sender"));
                sender.publish_to_the_end("taken", QOS_2, b"once");

                assert_eq!(taker.closed().by, ClosedBy::Transport, "{version:?} {cut:?}");
                taker.connect(tap.address(), &kept(version, "taker"));
                sender.publish_to_the_end("taken", QOS_2, b"mark");
                sender.disconnect();
                let mut copies = 0;
                while &taker.message().payload[..] != b"mark" {
                    copies += 1;
                }
                assert_eq!(copies, 1, "{version:?} {cut:?}");
                taker.disconnect();
                Subject::<D>::connected(broker.address(), &options(version, "taker")).disconnect();
            }
        }
    }
}

/// A payload of 1 MiB, larger than any buffer on its way.
pub fn a_large_payload_goes_both_ways<D: Driver>() {
    let broker = Broker::start();
    let payload: Vec<u8> = (0..1_u32 << 20).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect();
    let mut config = Config::DEFAULT;
    config.receive_buffer = (1 << 20) + 64;
    for version in Version::ALL {
        let mut client = Subject::<D>::new(config);
        client.connect(broker.address(), &options(version, "large"));
        client.subscribe("large", QOS_2);
        for qos in QoS::ALL {
            client.publish_to_the_end("large", qos, &payload);
            let message = client.message();
            assert!(
                message.qos == qos && message.payload == payload,
                "{version:?} {qos:?}"
            );
        }
        client.disconnect();
    }
}

/// Whoever answers each message with another one, between two events, neither blocks nor loses any.
pub fn publishing_from_the_handler_of_messages_never_blocks<D: Driver>() {
    const COUNT: usize = 500;
    let broker = Broker::start();
    let mut client = Subject::<D>::connected(broker.address(), &options(Version::V5, "answers"));
    client.subscribe("question", QOS_1);
    client.subscribe("answer", QOS_1);
    let mut open: Vec<Token> = Vec::new();
    for _ in 0..COUNT {
        open.push(
            client
                .publish("question", QOS_1, b"?")
                .expect("a message is taken"),
        );
    }
    let (mut questions, mut answers) = (0, 0);
    while (questions, answers, open.len()) != (COUNT, COUNT, 0) {
        match client.driver.next_event(PATIENCE) {
            Some(OwnedEvent::Message(message)) if message.topic == "question" => {
                questions += 1;
                open.push(client.publish("answer", QOS_1, b"!").expect("a message is taken"));
            }
            Some(OwnedEvent::Message(message)) if message.topic == "answer" => answers += 1,
            Some(OwnedEvent::Completed { token, .. }) if open.contains(&token) => {
                open.retain(|&of| of != token)
            }
            other => panic!(
                "{other:?} after {questions} questions and {answers} answers, {} open",
                open.len()
            ),
        }
    }
    client.disconnect();
}

/// The outbox takes messages also while there is no link, and sends them in order when there is one.
pub fn what_was_published_without_a_link_is_sent_on_the_next<D: Driver>() {
    let broker = Broker::start();
    let mut watcher = Subject::<D>::connected(broker.address(), &options(Version::V5, "watcher"));
    watcher.subscribe("waits", QOS_2);
    let mut client = Subject::<D>::new(Config::DEFAULT);
    let tokens: Vec<_> = (0..10_u8)
        .map(|n| {
            client
                .publish("waits", QoS::ALL[usize::from(n) % 3], &[n])
                .expect("a message is taken")
        })
        .collect();
    client.connect(broker.address(), &kept(Version::V5, "late"));
    for token in tokens {
        client.completed(token);
    }
    client.disconnect();
    let order: Vec<u8> = (0..10).map(|_| watcher.message().payload[0]).collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    watcher.disconnect();
}
