//! A client, its application, the two pipes and the server; and what must hold between them.

use core::{num::NonZeroU16, time::Duration};
use std::collections::{BTreeSet, VecDeque};

use mqtt_proto::{
    Packet, PacketId, PacketType, Properties, Property, QoS, ReasonCode, Sender, TopicFilter, TopicName,
    Version,
    packet::{self, Connect, Disconnect, PublishHead, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    AckToken, Body, Client, Config, Event, Instant, Payload, Publish, ReceiveBuffer, Refused,
    client::{Ack, Acknowledge, Broken, Oversize},
    storage::Storage,
};

use super::{
    LAST,
    journal::Journal,
    server::Server,
    tally::{Tally, frames},
};
use crate::{encoded, show, take_packets};

pub(super) struct World<S: Storage> {
    client: Client<S>,
    now: Instant,
    /// What the server sent and nobody has read.
    pipe: VecDeque<u8>,
    rx: ReceiveBuffer<Vec<u8>>,
    /// What the client wrote that is no whole packet.
    wire: Vec<u8>,
    server: Server,
    link: Option<Link>,
    paused: bool,
    /// Operations that were accepted and have not ended.
    live: BTreeSet<u32>,
    acks: Vec<AckToken>,
    /// QoS 2 messages that were told and not released or refused.
    told: BTreeSet<PacketId>,
    /// The message that is told in pieces.
    stream: Option<Stream>,
    /// What a client should have counted.
    tally: Tally,
    journal: Journal,
}

/// A message of which not everything was told.
struct Stream {
    qos: QoS,
    id: Option<PacketId>,
    len: u32,
    told: u32,
}

/// What was seen on one connection.
struct Link {
    version: Version,
    /// CONNECT has been seen.
    begun: bool,
    /// DISCONNECT has been seen.
    ended: bool,
    /// The application has disconnected, or was told that it is.
    over: bool,
    closed: bool,
    receive_maximum: u16,
    in_flight: BTreeSet<PacketId>,
    /// What was taken of a packet that is larger than the receive buffer.
    partial: Vec<u8>,
    /// QoS 1 messages in the order in which they were told.
    pubacks: VecDeque<PacketId>,
}

impl<S: Storage> World<S> {
    pub(super) fn new(config: Config, storage: S) -> Self {
        let rx = ReceiveBuffer::new(vec![0; config.receive_buffer as usize]);
        Self {
            client: Client::new(config, storage),
            now: Instant::from_secs(1000),
            pipe: VecDeque::new(),
            rx,
            wire: Vec::new(),
            server: Server::default(),
            link: None,
            paused: false,
            live: BTreeSet::new(),
            acks: Vec::new(),
            told: BTreeSet::new(),
            stream: None,
            tally: Tally::default(),
            journal: Journal::default(),
        }
    }

    /// What is to be recorded is written, and is safe if `synced`.
    fn record(&mut self, synced: bool) {
        self.journal.take(&mut self.client, self.now, synced);
    }

    /// The version that is spoken, if any is.
    pub(super) fn version(&self) -> Version {
        self.link.as_ref().map_or(Version::V5, |link| link.version)
    }

    pub(super) fn connect(&mut self, version: Version, clean_start: bool, expiry: u32, keep_alive: bool) {
        let list = [
            Property::SessionExpiryInterval(expiry),
            Property::RequestProblemInformation(u8::from(expiry != 60)),
        ];
        let options = Connect {
            version,
            clean_start,
            keep_alive: if keep_alive { 10 } else { 0 },
            client_id: "c",
            will: None,
            user_name: None,
            password: None,
            properties: Properties::new(if version.has_properties() { &list } else { &[] }),
        };
        let result = self.client.connect(self.now, &options);
        if self.link.is_some() {
            assert_eq!(result, Err(Refused::AlreadyConnected));
            return;
        }
        assert_eq!(result, Ok(()), "bytes are kept free for CONNECT");
        self.link = Some(Link {
            version,
            begun: false,
            ended: false,
            over: false,
            closed: false,
            receive_maximum: u16::MAX,
            in_flight: BTreeSet::new(),
            partial: Vec::new(),
            pubacks: VecDeque::new(),
        });
    }

    pub(super) fn cut(&mut self) {
        self.client.handle_disconnect(self.now);
        self.events(false);
        self.record(false);
        self.journal.check(&self.client, self.now);
        if let Some(link) = self.link.take() {
            assert!(link.closed, "each connection ends with one Closed");
        }
        self.tally.check(self.client.counters());
        self.rx.clear();
        self.pipe.clear();
        self.wire.clear();
        self.server.forget();
        self.paused = false;
    }

    pub(super) fn disconnect(&mut self, how: u8) {
        let list = [Property::SessionExpiryInterval(5)];
        let mut last = Disconnect::new(ReasonCode([0x00, 0x04, 0x80, 0x8B][usize::from(how % 4)]));
        if how & 8 != 0 {
            last.properties = Properties::new(&list);
        }
        if self.client.disconnect(self.now, &last).is_ok()
            && let Some(link) = &mut self.link
        {
            link.over = true;
        }
    }

    pub(super) fn abort(&mut self) {
        self.client.abort(self.now);
        assert!(self.client.poll_transmit().is_none(), "nothing more is written");
        if let Some(link) = &mut self.link {
            link.over = true;
        }
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.client.handle_paused(self.now, paused);
        self.read();
    }

    pub(super) fn wait(&mut self, span: Duration, back: bool) {
        self.now = if back { self.now - span } else { self.now + span };
    }

    /// Does what is due; that must come to an end.
    pub(super) fn check_time(&mut self) {
        for _ in 0..100 {
            match self.client.poll_timeout() {
                Some(at) if at <= self.now => self.events(false),
                _ => return,
            }
        }
        panic!("always due: {}", self.client.timeout_reason());
    }

    // The application.

    fn accepted(&mut self, token: u32) {
        assert!(self.live.insert(token), "a token names one operation");
    }

    pub(super) fn publish(&mut self, qos: QoS, retain: bool, kind: u8, size: u8, more: u8) {
        let properties = [
            Property::MessageExpiryInterval(9),
            // From a server only.
            Property::SubscriptionIdentifier(1),
        ];
        let topic = TopicName::new(if size & 1 == 0 { "t" } else { "some/longer/topic" }).expect("topics");
        let message = Publish {
            retain,
            properties: Properties::new(match kind {
                24 => &properties[..1],
                16 => &properties,
                _ => &[],
            }),
            alias: NonZeroU16::new(u16::from(size >> 6)),
            deadline: (more & 3 == 0).then(|| self.now + Duration::from_millis(u64::from(more) * 100)),
            ..Publish::new(topic, qos)
        };
        let bytes = vec![b'p'; usize::from(more) >> (size & 6)];
        let payload = if kind == 8 {
            Payload::External(u32::from(more))
        } else {
            Payload::Copy(&bytes)
        };
        match self.client.publish(self.now, &message, payload.clone()) {
            Ok(token) => self.accepted(token.get()),
            Err(refused) => assert_eq!(refused.given, payload),
        }
    }

    pub(super) fn subscribe(&mut self, how: u8) {
        let one = |filter| Subscription {
            filter: TopicFilter::new(filter).expect("a filter"),
            options: SubscriptionOptions::new(QoS::ExactlyOnce),
        };
        let filters = [one("a"), one("b/#"), one("$share/g/a")];
        let token = self
            .client
            .subscribe(self.now, &filters[..usize::from(how % 4)], Properties::EMPTY);
        if let Ok(token) = token {
            self.accepted(token.get());
        }
    }

    pub(super) fn unsubscribe(&mut self, how: u8) {
        let filters = ["a", "b/#", "c"].map(|filter| TopicFilter::new(filter).expect("a filter"));
        let token = self
            .client
            .unsubscribe(self.now, &filters[..usize::from(how % 4)], Properties::EMPTY);
        if let Ok(token) = token {
            self.accepted(token.get());
        }
    }

    pub(super) fn ping(&mut self) {
        if let Ok(token) = self.client.ping(self.now) {
            self.accepted(token.get());
        }
    }

    pub(super) fn acknowledge(&mut self, which: usize, code: ReasonCode, explained: bool) {
        if self.acks.is_empty() {
            return;
        }
        let token = self.acks.swap_remove(which % self.acks.len());
        let list = [Property::ReasonString("because")];
        let mut answer = Ack::new(code);
        if explained {
            answer.properties = Properties::new(&list);
        }
        let (id, qos, raw) = (token.packet_id(), token.qos(), (token.packet_id(), token.qos()));
        match self.client.acknowledge(self.now, token, &answer) {
            Ok(()) => {
                if code.is_failure() && qos == QoS::ExactlyOnce {
                    // It may come again as another message.
                    self.told.remove(&id);
                }
            }
            Err(refused) => {
                assert_ne!(answer, Ack::SUCCESS, "a plain answer is always taken");
                assert_eq!((refused.given.packet_id(), refused.given.qos()), raw);
                self.acks.push(refused.given);
            }
        }
    }

    // What the client writes.

    /// At most so many bytes of the next packet leave; false if there is none.
    pub(super) fn write(&mut self, n: usize) -> bool {
        // What is half written is not looked at: it may go on while something else waits.
        self.record(n == usize::MAX);
        let Some(transmit) = self.client.poll_transmit() else {
            return false;
        };
        assert!(!transmit.is_empty());
        let mut bytes = transmit.head.to_vec();
        match transmit.body {
            Body::Bytes(body) => bytes.extend(body),
            Body::External { len, .. } => bytes.extend(vec![b'e'; len as usize]),
            _ => unreachable!("there are two kinds of bodies"),
        }
        assert_eq!(bytes.len(), transmit.len());
        let len = bytes.len();
        let again = self.client.poll_transmit().map(|transmit| transmit.len());
        assert_eq!(again, Some(len), "asking changes nothing");
        bytes.truncate(n);
        self.tally.bytes_out += bytes.len() as u64;
        self.wire.extend(&bytes);
        self.client.handle_written(self.now, bytes.len());
        self.parse_wire();
        true
    }

    pub(super) fn write_all(&mut self) {
        for _ in 0..1000 {
            if !self.write(usize::MAX) {
                return;
            }
        }
        panic!("a client that is not spoken to has always something to write");
    }

    pub(super) fn take(&mut self, room: usize) {
        self.record(room & 1 == 1);
        let mut out = vec![0; room];
        let n = self.client.take_transmit(self.now, &mut out);
        self.tally.bytes_out += n as u64;
        self.wire.extend(&out[..n]);
        self.parse_wire();
    }

    fn parse_wire(&mut self) {
        let Self {
            wire,
            link,
            server,
            told,
            tally,
            ..
        } = self;
        if wire.is_empty() {
            return;
        }
        let link = link.as_mut().expect("nothing is written without a connection");
        take_packets(wire, link.version, Sender::Client, |packet| {
            show(|| format!("-> {packet}"));
            *tally.packets_out.entry(packet.packet_type() as u8).or_default() += 1;
            let is_connect = packet.packet_type() == PacketType::Connect;
            assert_ne!(
                link.begun, is_connect,
                "CONNECT is the first packet and no other: {packet}"
            );
            assert!(!link.ended, "after DISCONNECT: {packet}");
            link.begun = true;
            match packet {
                Packet::Disconnect(_) => link.ended = true,
                Packet::Publish(publish) => {
                    if let Some(id) = publish.head.packet_id {
                        // 5/MQTT-4.4.0-1 forbids on a connection what earlier versions allow.
                        let again = publish.head.dup && !link.version.has_properties();
                        assert!(link.in_flight.insert(id) || again, "{packet} is under way");
                        assert!(
                            link.in_flight.len() <= usize::from(link.receive_maximum),
                            "{packet}"
                        );
                    }
                }
                // 5/MQTT-4.6.0-2
                Packet::PubAck(ack) if ack.code != ReasonCode::PACKET_IDENTIFIER_IN_USE => {
                    assert_eq!(
                        link.pubacks.pop_front(),
                        Some(ack.packet_id),
                        "the order of PUBACKs"
                    );
                }
                Packet::PubRec(ack)
                    if ack.code.is_failure() && ack.code != ReasonCode::PACKET_IDENTIFIER_IN_USE =>
                {
                    told.remove(&ack.packet_id);
                }
                _ => {}
            }
            server.heard(packet);
        });
    }

    // What the server does.

    pub(super) fn server_sends(&mut self, bytes: &[u8]) {
        if self.link.is_some() {
            self.pipe.extend(bytes);
        }
    }

    pub(super) fn answer(&mut self, which: usize, how: u8) -> bool {
        let answer = self.server.answer(which, how, self.version());
        answer.is_some_and(|bytes| {
            self.server_sends(&bytes);
            true
        })
    }

    /// The server answers well until there is nothing left to say.
    pub(super) fn answer_all(&mut self) {
        for _ in 0..1000 {
            self.write_all();
            self.read();
            if !self.answer(0, 0) {
                return;
            }
            self.read();
        }
        panic!("an exchange without an end");
    }

    pub(super) fn server_publishes(&mut self, qos: QoS, dup: bool, id: u8, payload: &[u8]) {
        let head = PublishHead {
            dup: dup && qos > QoS::AtMostOnce,
            qos,
            retain: false,
            topic: TopicName::new("s").expect("a topic"),
            packet_id: (qos > QoS::AtMostOnce)
                .then(|| PacketId::new(u16::from(id % 6) + 1))
                .flatten(),
            properties: Properties::EMPTY,
        };
        let publish = Packet::Publish(packet::Publish { head, payload });
        let bytes = encoded(&publish, self.version()).expect("a message that any version has");
        self.server_sends(&bytes);
    }

    pub(super) fn server_acknowledges(&mut self, kind: u8, code: u8, id: u8) {
        let id = PacketId::new(u16::from(id % 8) + 1).unwrap_or(PacketId::MIN);
        let code = [0x00, 0x00, 0x00, 0x10, 0x92, 0x97][usize::from(code % 6)];
        let ack = packet::Ack::new(id, ReasonCode(code));
        let packet = match kind {
            0 => Packet::PubAck(ack),
            1 => Packet::PubRec(ack),
            2 => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        };
        if let Some(bytes) = encoded(&packet, self.version()) {
            self.server_sends(&bytes);
        }
    }

    // What the client reads.

    /// The adapter reads as long as the client wants it to.
    pub(super) fn read(&mut self) {
        loop {
            self.events(true);
            if self.paused || self.pipe.is_empty() || self.link.is_none() || !self.client.wants_input() {
                return;
            }
            let spare = self.rx.spare();
            if spare.is_empty() {
                panic!("a packet that is too large for the buffer closes the connection");
            }
            let n = spare.len().min(self.pipe.len());
            for (place, byte) in spare.iter_mut().zip(self.pipe.drain(..n)) {
                *place = byte;
            }
            self.rx.commit(n);
        }
    }

    /// All events there are, with the bytes that came or without.
    fn events(&mut self, with_bytes: bool) {
        while self.event(with_bytes) {}
        let rx = if with_bytes { self.rx.filled() } else { &[] };
        let again = self.client.handle_input(self.now, rx);
        assert!(
            again.event.is_none() && again.consumed == 0,
            "nothing means nothing"
        );
    }

    fn event(&mut self, with_bytes: bool) -> bool {
        let Self {
            client,
            rx,
            link,
            live,
            acks,
            told,
            stream,
            tally,
            now,
            ..
        } = self;
        let filled = if with_bytes { rx.filled() } else { &[] };
        let handled = client.handle_input(*now, filled);
        let (consumed, happened) = (handled.consumed, handled.event.is_some());
        assert!(consumed <= filled.len());
        if let Some(link) = link
            && !link.over
        {
            tally.bytes_in += consumed as u64;
            let mut bytes = core::mem::take(&mut link.partial);
            bytes.extend(&filled[..consumed]);
            link.partial = frames(&bytes, link.version, &client.config(), |packet| {
                *tally.packets_in.entry(packet.packet_type() as u8).or_default() += 1;
                link.read(packet, told);
            });
        }
        if let Some(event) = &handled.event {
            show(|| format!("   {event:?}"));
        }
        match handled.event {
            None => {}
            Some(Event::Connected(connected)) => {
                let link = link.as_mut().expect("there is a connection");
                tally.connections += 1;
                link.receive_maximum = connected.properties.receive_maximum().unwrap_or(u16::MAX);
                if !connected.session_present {
                    told.clear();
                }
            }
            Some(Event::Message(message)) => {
                let link = link.as_mut().expect("there is a connection");
                assert!(!link.over);
                assert!(stream.is_none(), "no message inside another one");
                link.arrived(
                    &client.config(),
                    message.qos,
                    message.packet_id,
                    &message.ack,
                    told,
                );
                acks.extend(message.ack);
            }
            Some(Event::MessageStart(start)) => {
                let link = link.as_ref().expect("there is a connection");
                assert!(!link.over && stream.is_none());
                assert_eq!(client.config().oversize, Oversize::Stream);
                let id = start.packet_id;
                assert!(
                    start.qos < QoS::ExactlyOnce || id.is_none_or(|id| !told.contains(&id)),
                    "a QoS 2 message begins again that was told"
                );
                *stream = Some(Stream {
                    qos: start.qos,
                    id,
                    len: start.payload_len,
                    told: 0,
                });
            }
            Some(Event::MessageData { offset, bytes }) => {
                let stream = stream.as_mut().expect("a message has begun");
                assert_eq!(stream.told, offset, "one piece after the other");
                assert!(!bytes.is_empty());
                stream.told += bytes.len() as u32;
                assert!(stream.told <= stream.len);
            }
            Some(Event::MessageEnd(end)) => {
                let stream = stream.take().expect("a message has begun");
                let link = link.as_mut().expect("there is a connection");
                match end {
                    Ok(ack) => {
                        assert!(!link.over);
                        assert_eq!(stream.told, stream.len, "all of it");
                        link.arrived(&client.config(), stream.qos, stream.id, &ack, told);
                        acks.extend(ack);
                    }
                    Err(Broken) => link.over = true,
                }
            }
            Some(Event::Completed { token, .. }) => {
                assert!(
                    live.remove(&token.get()),
                    "{token:?} ends, which is not under way"
                );
            }
            Some(Event::Aborted { token, why }) => {
                assert!(
                    live.remove(&token.get()),
                    "{token:?} is aborted, which is not under way"
                );
                tally.aborted.push(why);
            }
            Some(Event::Closed(_)) => {
                assert!(
                    stream.is_none(),
                    "a message that is broken is told before the end"
                );
                let link = link.as_mut().expect("there is a connection");
                assert!(!link.closed, "a connection ends once");
                link.closed = true;
                link.over = true;
            }
            Some(other) => panic!("{other:?}"),
        }
        rx.consume(consumed);
        happened
    }

    /// The link is lost, and a server without the session answers everything.
    pub(super) fn finish(&mut self) {
        self.cut();
        while !self.acks.is_empty() {
            self.acknowledge(0, ReasonCode::SUCCESS, false);
        }
        self.fresh_connection();
        self.record(true);
        assert!(self.live.is_empty(), "never ended: {:?}", self.live);
        assert!(self.told.is_empty());
        assert!(self.client.is_idle());
        self.all_memory_is_free();
        self.record(true);
        assert!(self.client.is_idle());
        self.tally.check(self.client.counters());
    }

    fn fresh_connection(&mut self) {
        self.connect(LAST, true, 1000, false);
        self.write_all();
        assert!(self.answer(0, 0));
        self.read();
        assert!(self.client.is_connected());
        self.answer_all();
    }

    /// As much fits as in the beginning, in the smallest memory: four operations, 192 bytes, four messages.
    fn all_memory_is_free(&mut self) {
        // The moment of acceptance, fixed header, topic, packet id, properties.
        let head = 7 + 5 + 3 + 2 + 1;
        let publish = |world: &mut Self, len: usize| {
            let message = Publish::new(TopicName::new("t").expect("a topic"), QoS::ExactlyOnce);
            let payload = vec![b'x'; len];
            world.record(true);
            let token = world.client.publish(world.now, &message, &payload[..]);
            let token = token.unwrap_or_else(|e| panic!("memory is lost: {e}"));
            world.accepted(token.get());
        };
        publish(self, 192 - head);
        self.answer_all();
        for _ in 0..4 {
            publish(self, 0);
        }
        self.answer_all();
        assert!(self.live.is_empty());
        for id in 0..4 {
            self.server_publishes(QoS::ExactlyOnce, false, id, b"");
            self.read();
        }
        assert_eq!(self.told.len(), 4);
        assert!(self.link.as_ref().is_some_and(|link| !link.over), "rows are lost");
        while !self.acks.is_empty() {
            self.acknowledge(0, ReasonCode::SUCCESS, false);
        }
        self.answer_all();
        assert!(self.told.is_empty());
    }
}

impl Link {
    /// All of a message was told.
    fn arrived(
        &mut self,
        config: &Config,
        qos: QoS,
        id: Option<PacketId>,
        ack: &Option<AckToken>,
        told: &mut BTreeSet<PacketId>,
    ) {
        let manual = config.acknowledge == Acknowledge::Manual;
        assert_eq!(ack.is_some(), manual && qos > QoS::AtMostOnce);
        match (qos, id) {
            (QoS::AtMostOnce, None) => {}
            (QoS::AtLeastOnce, Some(id)) => self.pubacks.push_back(id),
            // 5/MQTT-4.3.3-10, 3.1.1/MQTT-4.3.3-2
            (QoS::ExactlyOnce, Some(id)) => {
                assert!(told.insert(id), "QoS 2 message {id} is told twice")
            }
            other => panic!("{other:?}"),
        }
    }

    /// The client has taken this packet.
    fn read(&mut self, packet: &Packet<'_>, told: &mut BTreeSet<PacketId>) {
        show(|| format!("<- {packet}"));
        match packet {
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.in_flight.remove(&ack.packet_id);
            }
            Packet::PubRec(ack) if ack.code.is_failure() => {
                self.in_flight.remove(&ack.packet_id);
            }
            Packet::PubRel(ack) => {
                told.remove(&ack.packet_id);
            }
            _ => {}
        }
    }
}
