//! Topic aliases, both ways (5.0, 3.3.2.3.4).

use core::num::NonZeroU16;
use std::collections::BTreeMap;

use mqtt_proto::{
    Frame, Packet, PacketId, Properties, Property, QoS, ReasonCode, Sender, TopicName, Version, frame_len,
    packet::{Ack, ConnAck, Connect, Publish as PublishPacket, PublishHead},
};
use mqtt_session::{
    Body, Client, Config, Event, Instant, Publish, Refused, Unsupported,
    client::{Oversize, OwnedEvent},
    storage::{Borrowed, Fixed, Heap, Storage},
};
use proptest::prelude::*;

use crate::peer::{Peer, options, topic};

const NOW: Instant = Instant::ZERO;

fn name(text: &str) -> TopicName<'_> {
    if text.is_empty() {
        TopicName::EMPTY
    } else {
        topic(text)
    }
}

fn wire(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

fn connack(properties: &[Property<'_>], session_present: bool) -> Vec<u8> {
    wire(&Packet::ConnAck(ConnAck {
        session_present,
        code: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    }))
}

/// A PUBLISH of the server.
fn publish(text: &str, alias: Option<u16>, qos: QoS, id: u16, dup: bool, payload: &[u8]) -> Vec<u8> {
    let list: Vec<_> = alias.map(Property::TopicAlias).into_iter().collect();
    let head = PublishHead {
        dup,
        qos,
        retain: false,
        topic: name(text),
        packet_id: (qos > QoS::AtMostOnce).then(|| PacketId::new(id).unwrap()),
        properties: Properties::new(&list),
    };
    wire(&Packet::Publish(PublishPacket { head, payload }))
}

/// Connects a client that takes aliases up to `inbound` with a server that takes them up to `outbound`.
fn open<S: Storage>(client: &mut Client<S>, inbound: u16, outbound: u16, session_present: bool) {
    open_with(
        client,
        inbound,
        &[Property::TopicAliasMaximum(outbound)],
        session_present,
    );
}

fn open_with<S: Storage>(
    client: &mut Client<S>,
    inbound: u16,
    server: &[Property<'_>],
    session_present: bool,
) {
    let list = [
        Property::SessionExpiryInterval(100),
        Property::TopicAliasMaximum(inbound),
    ];
    let connect = Connect {
        properties: Properties::new(&list),
        ..options(Version::V5, false)
    };
    client.connect(NOW, &connect).unwrap();
    while let Some(transmit) = client.poll_transmit() {
        let len = transmit.len();
        client.handle_written(NOW, len);
    }
    let connack = connack(server, session_present);
    let handled = client.handle_input(NOW, &connack);
    assert!(matches!(handled.event, Some(Event::Connected(_))), "{handled:?}");
}

/// The next packet, written whole: its topic, alias, and length.
fn next<S: Storage>(client: &mut Client<S>) -> (String, Option<u16>, usize) {
    let transmit = client.poll_transmit().expect("a PUBLISH");
    let Body::Bytes(body) = transmit.body else {
        panic!("{transmit:?}")
    };
    let bytes = [transmit.head, body].concat();
    client.handle_written(NOW, bytes.len());
    match Packet::decode(Version::V5, Sender::Client, &bytes).unwrap() {
        Packet::Publish(publish) => (
            publish.head.topic.as_str().to_owned(),
            publish.head.properties.topic_alias(),
            bytes.len(),
        ),
        other => panic!("{other}"),
    }
}

fn send<S: Storage>(client: &mut Client<S>, text: &str, alias: u16, qos: QoS) {
    let mut message = Publish::new(topic(text), qos);
    message.alias = NonZeroU16::new(alias);
    client.publish(NOW, &message, "payload").unwrap();
}

/// What is told of these bytes: topics of messages, and how the connection ended.
fn hear<S: Storage>(client: &mut Client<S>, mut bytes: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let handled = client.handle_input(NOW, bytes);
        bytes = &bytes[handled.consumed..];
        match handled.event {
            Some(event) => match client.own(event) {
                OwnedEvent::Message(message) => told.push(message.topic),
                OwnedEvent::MessageStart(start) => told.push(format!("{}..", start.topic)),
                OwnedEvent::Closed(closed) => {
                    let statement = closed.statement.map_or(String::new(), |s| format!(" {s}"));
                    told.push(format!(
                        "{}{statement}",
                        closed.code.unwrap_or(ReasonCode::SUCCESS)
                    ));
                }
                _ => {}
            },
            None => return told,
        }
    }
}

// Aliases that the server uses.

/// 5/MQTT-3.3.2-10
#[test]
fn every_alias_up_to_the_announced_maximum_is_taken() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 3, 0, false);
    for alias in 1..=3 {
        let bind = publish(&format!("t/{alias}"), Some(alias), QoS::AtMostOnce, 0, false, b"");
        assert_eq!(hear(&mut client, &bind), [format!("t/{alias}")]);
    }
    for alias in [2, 1, 3, 3] {
        let bytes = publish("", Some(alias), QoS::AtMostOnce, 0, false, b"");
        assert_eq!(hear(&mut client, &bytes), [format!("t/{alias}")]);
    }
    // A new topic takes the place of the old one.
    hear(
        &mut client,
        &publish("other", Some(2), QoS::AtMostOnce, 0, false, b""),
    );
    let bytes = publish("", Some(2), QoS::AtMostOnce, 0, false, b"");
    assert_eq!(hear(&mut client, &bytes), ["other"]);
}

#[test]
fn aliases_that_no_server_may_use_close_with_their_statement() {
    let none = |alias| publish("", Some(alias), QoS::AtMostOnce, 0, false, b"");
    let some = |alias| publish("t", Some(alias), QoS::AtMostOnce, 0, false, b"");
    for (maximum, bytes, end) in [
        (0, some(1), "0x94 5/MQTT-3.3.2-11"),
        (3, some(4), "0x94 5/MQTT-3.3.2-11"),
        (3, none(4), "0x94 5/MQTT-3.3.2-11"),
        (3, none(3), "0x82 5/3.3.4"),
        // Alias 0: PUBLISH, topic "t", properties of 3 bytes.
        (3, vec![0x30, 7, 0, 1, b't', 3, 0x23, 0, 0], "0x94 5/MQTT-3.3.2-8"),
        // No topic and no alias.
        (3, vec![0x30, 3, 0, 0, 0], "0x82 5/3.3.2.1"),
    ] {
        let mut client = Client::new(Config::DEFAULT, Heap::new());
        open(&mut client, maximum, 0, false);
        assert_eq!(hear(&mut client, &bytes), [end]);
        let (code, last) = (end.split(' ').next().unwrap(), client.poll_transmit().unwrap());
        let last = Packet::decode(Version::V5, Sender::Client, last.head).unwrap();
        assert!(
            matches!(last, Packet::Disconnect(d) if d.code.to_string() == code),
            "{last}"
        );
    }
}

/// 5/MQTT-3.1.2-27: what cannot be kept is not announced.
#[test]
fn memory_of_a_fixed_size_takes_no_aliases_and_announces_none() {
    let mut client = Client::new(Config::DEFAULT, Fixed::<2, 256>::new());
    for (maximum, taken) in [
        (3, Err(Refused::Unsupported(Unsupported::TopicAlias))),
        (0, Ok(())),
    ] {
        let list = [Property::TopicAliasMaximum(maximum)];
        let connect = Connect {
            properties: Properties::new(&list),
            ..options(Version::V5, true)
        };
        assert_eq!(client.connect(NOW, &connect), taken);
    }
}

/// 5/MQTT-3.3.2-7
#[test]
fn aliases_of_the_server_end_with_the_link() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 3, 0, false);
    hear(
        &mut client,
        &publish("t", Some(1), QoS::AtMostOnce, 0, false, b""),
    );
    client.handle_disconnect(NOW);
    hear(&mut client, &[]);
    open(&mut client, 3, 0, true);
    let bytes = publish("", Some(1), QoS::AtMostOnce, 0, false, b"");
    assert_eq!(hear(&mut client, &bytes), ["0x82 5/3.3.4"]);
}

/// The server does not know that a message was passed over: what it said of the alias holds all the same.
#[test]
fn a_repeated_message_that_is_passed_over_binds_its_alias_all_the_same() {
    for pieces in [false, true] {
        let mut config = Config::DEFAULT;
        if pieces {
            config.oversize = Oversize::Stream;
            config.receive_buffer = 32;
        }
        let payload: &[u8] = if pieces { &[b'x'; 100] } else { b"x" };
        let mut client = Client::new(config, Heap::new());
        open(&mut client, 3, 0, false);
        let first = hear(
            &mut client,
            &publish("t/long", None, QoS::ExactlyOnce, 7, false, payload),
        );
        assert_eq!(first, [if pieces { "t/long.." } else { "t/long" }]);
        while let Some(transmit) = client.poll_transmit() {
            let len = transmit.len();
            client.handle_written(NOW, len);
        }
        client.handle_disconnect(NOW);
        hear(&mut client, &[]);
        open(&mut client, 3, 0, true);
        let again = publish("t/long", Some(2), QoS::ExactlyOnce, 7, true, payload);
        assert!(hear(&mut client, &again).is_empty());
        let next = publish("", Some(2), QoS::AtMostOnce, 0, false, payload);
        assert_eq!(hear(&mut client, &next), first);
    }
}

#[test]
fn a_message_in_pieces_has_the_topic_of_its_alias() {
    let mut config = Config::DEFAULT;
    config.oversize = Oversize::Stream;
    config.receive_buffer = 32;
    let mut client = Client::new(config, Heap::new());
    open(&mut client, 1, 0, false);
    let bind = publish("pieces", Some(1), QoS::AtLeastOnce, 1, false, &[0; 50]);
    assert_eq!(hear(&mut client, &bind), ["pieces.."]);
    let bytes = publish("", Some(1), QoS::AtLeastOnce, 2, false, &[0; 50]);
    let handled = client.handle_input(NOW, &bytes[..20]);
    let Some(Event::MessageStart(start)) = handled.event else {
        panic!("{handled:?}")
    };
    assert!(start.topic.is_empty());
    assert_eq!(client.topic_of_start(&start).as_str(), "pieces");
}

/// Its topic is known to the client alone, and so nobody else can make an event of its own from it.
#[test]
fn an_event_cannot_own_a_topic_that_was_not_resolved() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 1, 0, false);
    hear(
        &mut client,
        &publish("t", Some(1), QoS::AtMostOnce, 0, false, b""),
    );
    let bytes = publish("", Some(1), QoS::AtMostOnce, 0, false, b"");
    let mut event = || client.handle_input(NOW, &bytes).event.unwrap();
    assert!(OwnedEvent::try_from(event()).is_err());
    let found = event().detach(&bytes);
    let resolved = client.resolve(found.view(&bytes));
    match OwnedEvent::try_from(resolved).unwrap() {
        OwnedEvent::Message(message) => assert_eq!(message.topic, "t"),
        other => panic!("{other:?}"),
    }
    let Some(Event::Message(message)) = client.handle_input(NOW, &bytes).event else {
        panic!("a message")
    };
    assert_eq!(client.topic(&message).as_str(), "t");
}

// Aliases that the client uses.

#[test]
fn the_topic_is_left_out_once_the_server_was_told_what_the_alias_stands_for() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 0, 5, false);
    for (alias, text, sent) in [
        (1, "some/topic", "some/topic"),
        (1, "some/topic", ""),
        (2, "another", "another"),
        (1, "some/topic", ""),
        (1, "another", "another"),
        (2, "another", ""),
        (1, "some/topic", "some/topic"),
    ] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut message = client.clone();
            send(&mut message, text, alias, qos);
            assert_eq!(next(&mut message).0, sent);
        }
        send(&mut client, text, alias, QoS::AtMostOnce);
        let (topic, number, _) = next(&mut client);
        assert_eq!((topic.as_str(), number), (sent, Some(alias)));
    }
}

/// 5/MQTT-3.2.2-17, 5/MQTT-3.2.2-18, 5/MQTT-3.3.2-9: an alias is there to save bytes, and no reason to refuse a message.
#[test]
fn an_alias_that_the_server_does_not_take_is_left_out() {
    for (server, maximum) in [(&[][..], 0), (&[Property::TopicAliasMaximum(2)], 2)] {
        let mut client = Client::new(Config::DEFAULT, Heap::new());
        open_with(&mut client, 0, server, false);
        for alias in 1..=4 {
            for _ in 0..2 {
                send(&mut client, "t", alias, QoS::AtMostOnce);
                assert_eq!(next(&mut client).1, Some(alias).filter(|&alias| alias <= maximum));
            }
        }
    }
}

#[test]
fn an_alias_is_nothing_to_a_connection_of_3() {
    for version in [Version::V31, Version::V311] {
        let mut peer = Peer::connected(version);
        send(&mut peer.client, "t", 1, QoS::AtLeastOnce);
        assert_eq!(peer.sent(), ["PUBLISH #1 payload"]);
    }
}

/// What is kept is the topic; the property would be kept with it, for any server.
#[test]
fn a_topic_alias_among_the_properties_is_refused() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 0, 5, false);
    let list = [Property::TopicAlias(1)];
    let mut message = Publish::new(topic("t"), QoS::AtMostOnce);
    message.properties = Properties::new(&list);
    let refused = client.publish(NOW, &message, "").unwrap_err().why;
    assert_eq!(refused, Refused::Unsupported(Unsupported::TopicAlias));
    let mut message = Publish::new(TopicName::EMPTY, QoS::AtMostOnce);
    message.alias = NonZeroU16::new(1);
    let refused = client.publish(NOW, &message, "").unwrap_err().why;
    assert_eq!(refused, Refused::Unsupported(Unsupported::TopicAlias));
}

/// 5/MQTT-3.3.2-7: also what was sent before is sent again with what the new server knows, which is nothing.
#[test]
fn aliases_of_the_client_end_with_the_link() {
    for begun in [0, 1, 8, usize::MAX] {
        let mut client = Client::new(Config::DEFAULT, Heap::new());
        open(&mut client, 0, 5, false);
        send(&mut client, "some/topic", 1, QoS::AtLeastOnce);
        assert_eq!(next(&mut client).0, "some/topic");
        send(&mut client, "some/topic", 1, QoS::AtLeastOnce);
        let transmit = client.poll_transmit().unwrap();
        let begun = begun.min(transmit.len());
        client.handle_written(NOW, begun);
        client.handle_disconnect(NOW);
        hear(&mut client, &[]);
        open(&mut client, 0, 5, true);
        assert_eq!(next(&mut client).0, "some/topic");
        assert_eq!(next(&mut client).0, "");
        client.handle_disconnect(NOW);
        hear(&mut client, &[]);
        // A server that takes no aliases gets none.
        open(&mut client, 0, 0, true);
        for _ in 0..2 {
            let (topic, alias, _) = next(&mut client);
            assert_eq!((topic.as_str(), alias), ("some/topic", None));
        }
    }
}

/// The server may not have got what was cut: the alias is told again. And what only waits binds nothing.
#[test]
fn a_packet_that_was_not_written_whole_binds_nothing() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 0, 5, false);
    send(&mut client, "first", 1, QoS::AtMostOnce);
    client.handle_written(NOW, 3);
    send(&mut client, "first", 1, QoS::AtMostOnce);
    client.handle_disconnect(NOW);
    hear(&mut client, &[]);
    open(&mut client, 0, 5, true);
    assert_eq!(next(&mut client).0, "first");
    assert_eq!(next(&mut client).0, "");
}

/// 5/MQTT-3.2.2-15: the alias and its property count too.
#[test]
fn what_is_really_sent_fits_the_maximum_packet_size() {
    // Fixed header, topic of 10, no properties, payload of 7.
    let plain: u32 = 2 + 12 + 1 + 7;
    for maximum in plain..plain + 5 {
        let mut client = Client::new(Config::DEFAULT, Heap::new());
        let limits = [
            Property::MaximumPacketSize(maximum),
            Property::TopicAliasMaximum(5),
        ];
        open_with(&mut client, 0, &limits, false);
        for round in 0..3 {
            send(&mut client, "some/topic", 1, QoS::AtMostOnce);
            let (topic, alias, len) = next(&mut client);
            assert!(len as u32 <= maximum);
            let fits = plain + 3 <= maximum;
            assert_eq!(alias, fits.then_some(1));
            assert_eq!(topic.is_empty(), fits && round > 0);
        }
        // A topic that is shorter than the alias: what does not fit goes without.
        client = Client::new(Config::DEFAULT, Heap::new());
        open_with(&mut client, 0, &limits, false);
        let payload = vec![0; maximum as usize - 2 - 3 - 1];
        let mut message = Publish::new(topic("t"), QoS::AtMostOnce);
        message.alias = NonZeroU16::new(1);
        client.publish(NOW, &message, &payload[..]).unwrap();
        assert_eq!(next(&mut client), ("t".to_owned(), None, maximum as usize));
    }
}

/// What was told of aliases is a convenience: it gives its memory up to whatever else needs it.
#[test]
fn bindings_make_way_for_messages_and_requests() {
    let mut client = Client::new(Config::DEFAULT, Fixed::<2, 200>::new());
    open(&mut client, 0, 50, false);
    for alias in 1..=20 {
        let text = format!("some/topic/{alias}");
        send(&mut client, &text, alias, QoS::AtMostOnce);
        assert_eq!(next(&mut client).0, text);
        hear(&mut client, &[]);
        send(&mut client, &text, alias, QoS::AtMostOnce);
        assert_eq!(next(&mut client).0, "", "the last one is remembered");
        hear(&mut client, &[]);
    }
    // Both slots are free to be used.
    send(&mut client, "a", 1, QoS::AtLeastOnce);
    send(&mut client, "b", 2, QoS::AtLeastOnce);
    let message = Publish::new(topic("c"), QoS::AtLeastOnce);
    assert_eq!(client.publish(NOW, &message, "").unwrap_err().why, Refused::Slots);
    assert_eq!(next(&mut client).0, "a");
    assert_eq!(next(&mut client).0, "b");
}

#[test]
fn the_same_is_sent_from_memory_of_every_kind() {
    let (mut slots, mut rows, mut bytes) = (
        vec![mqtt_session::storage::Slot::EMPTY; 8],
        vec![mqtt_session::storage::ArrivalSlot::EMPTY; 8],
        vec![0; 1024],
    );
    let sent = [
        run(Client::new(Config::DEFAULT, Heap::new())),
        run(Client::new(Config::DEFAULT, Fixed::<8, 1024>::new())),
        run(Client::new(
            Config::DEFAULT,
            Borrowed::new(&mut slots, &mut rows, &mut bytes),
        )),
    ];
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0], sent[2]);
    fn run<S: Storage>(mut client: Client<S>) -> Vec<(String, Option<u16>, usize)> {
        open(&mut client, 0, 3, false);
        let properties = [Property::ContentType("text"), Property::UserProperty("a", "b")];
        let mut all = Vec::new();
        for round in 0_u16..12 {
            let mut message = Publish::new(
                topic(["x", "some/topic", "other"][usize::from(round % 3)]),
                QoS::AtMostOnce,
            );
            message.alias = NonZeroU16::new(round % 4);
            message.properties = Properties::new(&properties[..usize::from(round % 3)]);
            client.publish(NOW, &message, "payload").unwrap();
            all.push(next(&mut client));
            hear(&mut client, &[]);
        }
        all
    }
}

#[test]
fn shared_and_external_payloads_go_with_an_alias_too() {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    open(&mut client, 0, 3, false);
    let mut message = Publish::new(topic("some/topic"), QoS::AtMostOnce);
    message.alias = NonZeroU16::new(3);
    for _ in 0..2 {
        client
            .publish(NOW, &message, bytes::Bytes::from_static(b"shared"))
            .unwrap();
    }
    assert_eq!(
        next(&mut client),
        ("some/topic".to_owned(), Some(3), 2 + 12 + 4 + 6)
    );
    assert_eq!(next(&mut client), (String::new(), Some(3), 2 + 2 + 4 + 6));
    client
        .publish(NOW, &message, mqtt_session::Payload::External(1000))
        .unwrap();
    let transmit = client.poll_transmit().unwrap();
    assert_eq!(transmit.head, [0x30, 0xEE, 7, 0, 0, 3, 0x23, 0, 3]);
    assert!(matches!(
        transmit.body,
        Body::External {
            offset: 0,
            len: 1000,
            ..
        }
    ));
}

// Both ways, in any order, over links that are cut anywhere.

#[derive(Clone, Debug)]
enum Step {
    Publish { alias: u16, topic: usize, qos: QoS },
    Write(usize),
    Cut,
}

const TOPICS: [&str; 4] = ["a", "some/topic", "some/topic/of/more", "é"];

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ];
    prop_oneof![
        4 => (0_u16..5, 0..TOPICS.len(), qos).prop_map(|(alias, topic, qos)| Step::Publish { alias, topic, qos }),
        4 => (1_usize..60).prop_map(Step::Write),
        1 => Just(Step::Cut),
    ]
}

/// A server that takes aliases up to 3 and knows what it was told.
#[derive(Default)]
struct Server {
    wire: Vec<u8>,
    aliases: BTreeMap<u16, String>,
    answers: Vec<u8>,
    /// Numbers of messages that came.
    seen: Vec<usize>,
}

impl Server {
    fn take(&mut self, bytes: &[u8], expected: &[&str]) {
        self.wire.extend_from_slice(bytes);
        while let Ok(Frame::Len(len)) = frame_len(&self.wire, u32::MAX) {
            if self.wire.len() < len {
                return;
            }
            let packet: Vec<u8> = self.wire.drain(..len).collect();
            let answer = match Packet::decode(Version::V5, Sender::Client, &packet).unwrap() {
                Packet::Publish(publish) => {
                    let (head, alias) = (publish.head, publish.head.properties.topic_alias());
                    assert!(alias.is_none_or(|alias| alias <= 3), "{head:?}");
                    let topic = match alias {
                        Some(alias) if head.topic.is_empty() => {
                            self.aliases.get(&alias).expect("a topic that was told").clone()
                        }
                        Some(alias) => {
                            self.aliases.insert(alias, head.topic.as_str().to_owned());
                            head.topic.as_str().to_owned()
                        }
                        None => head.topic.as_str().to_owned(),
                    };
                    let number: usize = core::str::from_utf8(publish.payload).unwrap().parse().unwrap();
                    assert_eq!(topic, expected[number], "message {number}");
                    self.seen.push(number);
                    match head.qos {
                        QoS::AtMostOnce => continue,
                        QoS::AtLeastOnce => {
                            Packet::PubAck(Ack::new(head.packet_id.unwrap(), ReasonCode::SUCCESS))
                        }
                        QoS::ExactlyOnce => {
                            Packet::PubRec(Ack::new(head.packet_id.unwrap(), ReasonCode::SUCCESS))
                        }
                    }
                }
                Packet::PubRel(ack) => Packet::PubComp(Ack::new(ack.packet_id, ReasonCode::SUCCESS)),
                _ => continue,
            };
            self.answers.extend(wire(&answer));
        }
    }
}

fn out<S: Storage>(mut client: Client<S>, steps: &[Step]) {
    let mut server = Server::default();
    let mut expected = Vec::new();
    let mut reliable = Vec::new();
    open(&mut client, 0, 3, false);
    let write = |client: &mut Client<S>, server: &mut Server, expected: &[&str], mut n: usize| {
        while let Some(transmit) = client.poll_transmit().filter(|_| n > 0) {
            let Body::Bytes(body) = transmit.body else {
                panic!()
            };
            let bytes = [transmit.head, body].concat();
            let len = bytes.len().min(n);
            server.take(&bytes[..len], expected);
            client.handle_written(NOW, len);
            n -= len;
            let answers = core::mem::take(&mut server.answers);
            assert!(hear(client, &answers).is_empty());
        }
    };
    let cut = |client: &mut Client<S>, server: &mut Server| {
        client.handle_disconnect(NOW);
        hear(client, &[]);
        *server = Server {
            seen: core::mem::take(&mut server.seen),
            ..Server::default()
        };
        open(client, 0, 3, true);
    };
    for step in steps {
        match *step {
            Step::Publish {
                alias,
                topic: at,
                qos,
            } => {
                let mut message = Publish::new(topic(TOPICS[at]), qos);
                message.alias = NonZeroU16::new(alias);
                let payload = expected.len().to_string();
                if client.publish(NOW, &message, payload.as_bytes()).is_ok() {
                    if qos > QoS::AtMostOnce {
                        reliable.push(expected.len());
                    }
                    expected.push(TOPICS[at]);
                }
            }
            Step::Write(n) => write(&mut client, &mut server, &expected, n),
            Step::Cut => cut(&mut client, &mut server),
        }
    }
    cut(&mut client, &mut server);
    write(&mut client, &mut server, &expected, usize::MAX);
    for number in reliable {
        assert!(server.seen.contains(&number), "message {number} is missing");
    }
    assert!(client.is_idle());
}

/// A message of the server: how many bytes the client's buffer gets at a time does not matter.
fn inwards(steps: &[Step], pieces: bool) {
    let mut config = Config::DEFAULT;
    if pieces {
        config.oversize = Oversize::Stream;
        config.receive_buffer = 40;
    }
    let mut client = Client::new(config, Heap::new());
    open(&mut client, 4, 0, false);
    let mut told: BTreeMap<u16, &str> = BTreeMap::new();
    for (id, step) in (1..).zip(steps) {
        match *step {
            Step::Publish { alias, topic, qos } => {
                let alias = Some(alias).filter(|&alias| alias > 0);
                let known = alias.and_then(|alias| told.get(&alias).copied());
                let sent = if known == Some(TOPICS[topic]) {
                    ""
                } else {
                    TOPICS[topic]
                };
                told.extend(alias.map(|alias| (alias, TOPICS[topic])));
                let payload = if pieces { &[0; 60][..] } else { b"x" };
                let heard = hear(&mut client, &publish(sent, alias, qos, id, false, payload));
                let end = if pieces { ".." } else { "" };
                assert_eq!(heard, [format!("{}{end}", TOPICS[topic])]);
                while let Some(transmit) = client.poll_transmit() {
                    let len = transmit.len();
                    client.handle_written(NOW, len);
                }
            }
            Step::Write(_) => {}
            Step::Cut => {
                client.handle_disconnect(NOW);
                hear(&mut client, &[]);
                told.clear();
                open(&mut client, 4, 0, true);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_sent_with_aliases_and_cut_anywhere_arrives_under_its_topic(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        out(Client::new(Config::DEFAULT, Heap::new()), &steps);
        out(Client::new(Config::DEFAULT, Fixed::<5, 400>::new()), &steps);
    }

    #[test]
    fn whatever_a_server_sends_with_aliases_is_told_with_its_topic(
        steps in prop::collection::vec(step(), 0..60),
        pieces in any::<bool>(),
    ) {
        inwards(&steps, pieces);
    }
}
