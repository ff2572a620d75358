//! Everything a caller can do, in any order, against a server that says anything: nothing panics, every operation ends
//! exactly once, and every connection has one end, which is told last.

use std::{collections::BTreeSet, time::Duration};

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, TopicFilter, Version,
    packet::{
        Ack as AckPacket, Disconnect, Publish as PublishPacket, PublishHead, Subscription,
        SubscriptionOptions,
    },
};
use mqtt_session::{
    AckToken, Body, Client, Config, Event, Instant, Payload, Publish,
    client::{
        AbortReason, Ack, Acknowledge, Offline, OnSessionLost, OutboxStage, Outcome, UnknownSession, WhenFull,
    },
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, HeapLimits, Slot, Storage},
};
use proptest::prelude::*;

use crate::peer::{id, options, topic};

/// What the caller or the server does next. Ids are small, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Connect {
        version: u8,
        clean: bool,
        keep_alive: u16,
    },
    Publish {
        qos: u8,
        retain: bool,
        len: u8,
        kind: u8,
        /// Milliseconds from now.
        deadline: Option<u16>,
    },
    /// Withdraws one of the operations that have not ended.
    Cancel(u8),
    Subscribe(u8),
    Unsubscribe(u8),
    Ping,
    Acknowledge {
        which: u8,
        code: u8,
        properties: bool,
    },
    Disconnect {
        will: bool,
        properties: u8,
    },
    Shutdown(u8),
    Lost,
    Paused(bool),
    Wait(u16),
    Back,
    Write(u8),
    Take(u8),
    Poll,
    Detach,
    /// CONNACK that accepts or refuses.
    Accept {
        present: bool,
        properties: u8,
    },
    /// A packet of the server that is well formed.
    Message {
        qos: u8,
        n: u8,
        dup: bool,
        alias: bool,
    },
    Answer {
        kind: u8,
        n: u8,
        bad: bool,
    },
    Codes {
        kind: u8,
        n: u8,
        count: u8,
    },
    PingResp,
    Bye,
    Bytes(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let (b, f) = (any::<u8>, any::<bool>);
    prop_oneof![
        3 => (0..4_u8, f(), prop_oneof![Just(0), Just(5), Just(u16::MAX)])
            .prop_map(|(version, clean, keep_alive)| Connect { version, clean, keep_alive }),
        6 => (0..3_u8, f(), b(), b(), prop::option::weighted(0.3, any::<u16>()))
            .prop_map(|(qos, retain, len, kind, deadline)| Publish { qos, retain, len, kind, deadline }),
        1 => b().prop_map(Cancel),
        2 => b().prop_map(Subscribe),
        1 => b().prop_map(Unsubscribe),
        1 => Just(Ping),
        5 => (b(), b(), f()).prop_map(|(which, code, properties)| Acknowledge { which, code, properties }),
        1 => (f(), b()).prop_map(|(will, properties)| Disconnect { will, properties }),
        1 => b().prop_map(Shutdown),
        2 => Just(Lost),
        1 => f().prop_map(Paused),
        2 => any::<u16>().prop_map(Wait),
        1 => Just(Back),
        6 => b().prop_map(Write),
        4 => b().prop_map(Take),
        2 => Just(Poll),
        2 => Just(Detach),
        5 => (f(), b()).prop_map(|(present, properties)| Accept { present, properties }),
        6 => (0..3_u8, 1..5_u8, f(), prop::bool::weighted(0.05))
            .prop_map(|(qos, n, dup, alias)| Message { qos, n, dup, alias }),
        9 => (0..4_u8, 1..7_u8, prop::bool::weighted(0.2)).prop_map(|(kind, n, bad)| Answer { kind, n, bad }),
        3 => (0..2_u8, 1..7_u8, 0..3_u8).prop_map(|(kind, n, count)| Codes { kind, n, count }),
        1 => Just(PingResp),
        1 => Just(Bye),
        1 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Bytes),
    ]
}

/// Most begin with a connection, so that what follows has one.
fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let any_steps = prop::collection::vec((step(), any::<bool>()), 0..80);
    (0..4_u8, any::<bool>(), any_steps).prop_map(|(version, clean, rest)| {
        let connect = Step::Connect {
            version,
            clean,
            keep_alive: 5,
        };
        let accept = Step::Accept {
            present: false,
            properties: 0,
        };
        let beginning = [(connect, false), (Step::Write(255), false), (accept, true)];
        let beginning = beginning.into_iter().filter(|_| version < 3);
        beginning.chain(rest).collect()
    })
}

fn configs() -> impl Strategy<Value = Config> {
    let buffer =
        prop_oneof![6 => Just(64 << 10), 1 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(u32::MAX)];
    let when_full = prop_oneof![
        Just(WhenFull::Refuse),
        Just(WhenFull::DropOldest),
        Just(WhenFull::DropQoS0),
        Just(WhenFull::KeepNothing)
    ];
    let spans = any::<[Option<u16>; 2]>();
    let flags = any::<[bool; 5]>();
    (buffer, flags, when_full, spans).prop_map(|(receive_buffer, flags, when_full, spans)| {
        let [manual, refuse, again, accept, impatient] = flags;
        let mut config = Config::DEFAULT;
        config.when_full = when_full;
        let [max_age, resend_after] = spans.map(|ms| ms.map(|ms| Duration::from_millis(ms.into())));
        (config.max_age, config.resend_after) = (max_age, resend_after);
        config.receive_buffer = receive_buffer;
        if manual {
            config.acknowledge = Acknowledge::Manual;
        }
        if refuse {
            config.offline = Offline::Refuse;
        }
        if again {
            config.on_session_lost = OnSessionLost::SendAgainAsNew;
        }
        if accept {
            config.unknown_session = UnknownSession::Accept;
        }
        if impatient {
            (config.ping_timeout, config.connect_timeout) = (Duration::ZERO, Duration::from_secs(1));
            config.close_timeout = Duration::ZERO;
        }
        config
    })
}

/// A caller that keeps books.
struct Caller<S: Storage> {
    client: Client<S>,
    version: Version,
    now: Instant,
    rx: Vec<u8>,
    /// Operations that have not ended.
    open: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    acks: Vec<AckToken>,
    /// A connection was begun and its end was not told.
    connection: bool,
    connected: bool,
}

impl<S: Storage> Caller<S> {
    fn new(config: Config, storage: S) -> Self {
        Self {
            client: Client::new(config, storage),
            version: Version::V5,
            now: Instant::from_secs(100),
            rx: Vec::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            acks: Vec::new(),
            connection: false,
            connected: false,
        }
    }

    fn begin(&mut self, token: u32) {
        assert!(self.open.insert(token), "{token} is new");
        assert!(!self.ended.contains(&token));
    }

    fn end(&mut self, token: u32) {
        assert!(self.open.remove(&token), "{token} was accepted and ends once");
        self.ended.insert(token);
    }

    /// All events there are.
    fn hear(&mut self, detach: bool) {
        for _ in 0..10_000 {
            let rx = std::mem::take(&mut self.rx);
            let handled = self.client.handle_input(self.now, &rx);
            assert!(handled.consumed <= rx.len());
            let consumed = handled.consumed;
            let event = match handled.event {
                Some(event) if detach => Some(event.detach(&rx).view(&rx)),
                event => event,
            };
            let more = event.is_some();
            if let Some(event) = event {
                self.note(event);
            }
            self.rx = rx;
            self.rx.drain(..consumed);
            if !more {
                let now = self.client.poll_timeout();
                assert!(
                    now.is_none_or(|at| at > self.now),
                    "{}",
                    self.client.timeout_reason()
                );
                return;
            }
        }
        panic!("events without end");
    }

    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Connected(_) => {
                assert!(self.connection && !self.connected);
                self.connected = true;
            }
            Event::Message(m) => {
                assert!(self.connected, "messages come on connections");
                let manual = self.client.config().acknowledge == Acknowledge::Manual;
                assert_eq!(m.ack.is_some(), manual && m.qos > QoS::AtMostOnce);
                self.acks.extend(m.ack);
            }
            Event::Completed { token, outcome } => {
                // What was written while a connection was alive may be told when the next one has not begun to talk.
                assert!(self.connected, "{outcome:?} outside a connection");
                if let Outcome::Subscribed { codes, .. } = outcome {
                    assert!(!codes.is_empty());
                }
                self.end(token.get());
            }
            Event::Aborted { token, why } => {
                let waited = matches!(
                    why,
                    AbortReason::Expired
                        | AbortReason::DroppedForAge
                        | AbortReason::DroppedForNewer
                        | AbortReason::Cancelled
                );
                assert!(self.connection || waited, "aborted outside a connection");
                self.end(token.get());
            }
            Event::Closed(_) => {
                assert!(self.connection, "closed once");
                (self.connection, self.connected) = (false, false);
            }
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, packet: &Packet<'_>) {
        let mut bytes = vec![0; 64];
        // Not every packet can be said in every version.
        if let Ok(bytes) = packet.encode(self.version, &mut bytes) {
            self.rx.extend_from_slice(bytes);
        }
    }

    fn write(&mut self, n: usize) {
        if let Some(transmit) = self.client.poll_transmit() {
            assert!(!transmit.is_empty());
            let n = if n == 255 { transmit.len() } else { n };
            self.client.handle_written(self.now, n);
        }
    }

    fn connect(&mut self, version: u8, clean: bool, keep_alive: u16) {
        let version = Version::ALL[usize::from(version).min(2)];
        let mut connect = options(version, clean);
        connect.keep_alive = keep_alive;
        if self.client.connect(self.now, &connect).is_ok() {
            assert!(!self.connection, "the last end was told");
            (self.connection, self.version) = (true, version);
            self.rx.clear();
        }
    }

    fn publish(&mut self, qos: u8, retain: bool, len: u8, kind: u8, deadline: Option<u16>) {
        let mut publish = Publish::new(topic("a/b"), QoS::from_u8(qos).unwrap());
        publish.retain = retain;
        publish.deadline = deadline.map(|ms| self.now + Duration::from_millis(ms.into()));
        let list = [
            Property::MessageExpiryInterval(u32::from(kind >> 4)),
            Property::ContentType("x"),
        ];
        let list = &list[usize::from(kind & 0x40 > 0)..];
        if kind & 0x80 > 0 {
            publish.properties = Properties::new(list);
        }
        let bytes = vec![b'x'; usize::from(len)];
        let payload = match kind & 3 {
            0 => Payload::External(u32::from(len)),
            1 => Payload::External(u32::MAX - u32::from(len)),
            2 => bytes::Bytes::from(bytes.clone()).into(),
            _ => Payload::Copy(&bytes),
        };
        if let Ok(token) = self.client.publish(self.now, &publish, payload) {
            self.begin(token.get());
        }
    }

    fn acknowledge(&mut self, which: u8, code: u8, properties: bool) {
        if self.acks.is_empty() {
            return;
        }
        let token = self.acks.swap_remove(usize::from(which) % self.acks.len());
        let token = AckToken::from_raw(token.into_raw()).expect("it was a token");
        let list = [Property::ReasonString("r")];
        let mut ack = Ack::new(if code < 128 {
            ReasonCode::SUCCESS
        } else {
            ReasonCode::NOT_AUTHORIZED
        });
        if properties {
            ack.properties = Properties::new(&list);
        }
        if let Err(back) = self.client.acknowledge(self.now, token, &ack) {
            self.acks.push(back.given);
        }
    }

    fn disconnect(&mut self, will: bool, properties: u8) {
        let mut last = Disconnect::new(if will {
            ReasonCode::DISCONNECT_WITH_WILL_MESSAGE
        } else {
            ReasonCode::NORMAL_DISCONNECTION
        });
        let list = [
            Property::ReasonString("r"),
            Property::SessionExpiryInterval(u32::from(properties / 4)),
        ];
        last.properties = Properties::new(&list[..usize::from(properties % 3)]);
        let _ = self.client.disconnect(self.now, &last);
    }

    fn subscribe(&mut self, n: u8) {
        let filter = TopicFilter::new("a/+").unwrap();
        let filters = vec![
            Subscription {
                filter,
                options: SubscriptionOptions::new(QoS::AtLeastOnce)
            };
            usize::from(n % 4)
        ];
        if let Ok(token) = self.client.subscribe(self.now, &filters, Properties::EMPTY) {
            self.begin(token.get());
        }
    }

    fn accept(&mut self, present: bool, properties: u8) {
        let all = [
            Property::ReceiveMaximum(u16::from(properties % 3) + 1),
            Property::MaximumQoS(properties & 1),
            Property::MaximumPacketSize(u32::from(properties) + 1),
            Property::RetainAvailable(0),
        ];
        let list = &all[..usize::from(properties % 5)];
        self.receive(&Packet::ConnAck(mqtt_proto::packet::ConnAck {
            session_present: present && self.version != Version::V31,
            code: if properties == 77 {
                ReasonCode::NOT_AUTHORIZED
            } else {
                ReasonCode::SUCCESS
            },
            properties: if self.version == Version::V5 {
                Properties::new(list)
            } else {
                Properties::EMPTY
            },
        }));
    }

    fn message(&mut self, qos: u8, n: u8, dup: bool, alias: bool) {
        let qos = QoS::from_u8(qos).unwrap();
        let list = [Property::TopicAlias(1)];
        self.receive(&Packet::Publish(PublishPacket {
            head: PublishHead {
                dup: dup && qos > QoS::AtMostOnce,
                qos,
                retain: false,
                topic: topic("in"),
                packet_id: (qos > QoS::AtMostOnce).then(|| id(n.into())),
                properties: Properties::new(&list[..usize::from(alias)]),
            },
            payload: b"payload",
        }));
    }

    fn answer(&mut self, kind: u8, n: u8, bad: bool) {
        let bad = bad && self.version == Version::V5;
        let code = match (bad, kind) {
            (false, _) => ReasonCode::SUCCESS,
            (true, 0 | 1) => ReasonCode::QUOTA_EXCEEDED,
            (true, _) => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        };
        let ack = AckPacket::new(id(n.into()), code);
        self.receive(&match kind {
            0 => Packet::PubAck(ack),
            1 => Packet::PubRec(ack),
            2 => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        });
    }

    fn codes(&mut self, kind: u8, n: u8, count: u8) {
        let (first, v5) = (if kind == 0 { 0x90 } else { 0xB0 }, self.version == Version::V5);
        let mut bytes = vec![first, 2 + count + u8::from(v5), 0, n];
        bytes.extend(v5.then_some(0));
        bytes.extend(std::iter::repeat_n(0, usize::from(count)));
        self.rx.extend(bytes);
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Connect {
                version,
                clean,
                keep_alive,
            } => self.connect(version, clean, keep_alive),
            Step::Publish {
                qos,
                retain,
                len,
                kind,
                deadline,
            } => self.publish(qos, retain, len, kind, deadline),
            Step::Cancel(n) => {
                let open = self.open.len().max(1);
                let token = self.open.iter().nth(usize::from(n) % open);
                let mut messages = self.client.outbox_messages();
                let message = messages.find(|message| Some(&message.token.get()) == token);
                if let Some((token, stage)) = message.map(|m| (m.token, m.stage)) {
                    let cancelled = self.client.cancel(self.now, token).is_ok();
                    assert_eq!(cancelled, stage == OutboxStage::Queued);
                }
            }
            Step::Subscribe(n) => self.subscribe(n),
            Step::Unsubscribe(n) => {
                let filters = vec![TopicFilter::new("a/+").unwrap(); usize::from(n % 4)];
                if let Ok(token) = self.client.unsubscribe(self.now, &filters, Properties::EMPTY) {
                    self.begin(token.get());
                }
            }
            Step::Ping => {
                if let Ok(token) = self.client.ping(self.now) {
                    self.begin(token.get());
                }
            }
            Step::Acknowledge {
                which,
                code,
                properties,
            } => self.acknowledge(which, code, properties),
            Step::Disconnect { will, properties } => self.disconnect(will, properties),
            Step::Shutdown(n) => {
                let until = self.now + Duration::from_secs(u64::from(n));
                let _ = self.client.shutdown(self.now, until);
            }
            Step::Lost => {
                self.client.handle_disconnect(self.now);
                self.rx.clear();
            }
            Step::Paused(paused) => self.client.handle_paused(self.now, paused),
            Step::Wait(ms) => self.now = self.now + Duration::from_millis(ms.into()),
            Step::Back => {
                let _ = self
                    .client
                    .handle_timeout(Instant::ZERO)
                    .event
                    .map(|event| self.note(event));
            }
            Step::Write(n) => self.write(n.into()),
            Step::Take(n) => {
                let mut out = vec![0; usize::from(n)];
                let taken = self.client.take_transmit(self.now, &mut out);
                assert!(taken <= out.len());
            }
            Step::Poll => {
                let first = self.client.poll_transmit().map(|t| (t.head.to_vec(), t.len()));
                let again = self.client.poll_transmit().map(|t| (t.head.to_vec(), t.len()));
                assert_eq!(first, again);
                let _ = (self.client.is_idle(), self.client.keep_alive_deadline());
                let _ = format!("{:?}", self.client);
            }
            Step::Detach => self.hear(true),
            Step::Accept { present, properties } => self.accept(present, properties),
            Step::Message { qos, n, dup, alias } => self.message(qos, n, dup, alias),
            Step::Answer { kind, n, bad } => self.answer(kind, n, bad),
            Step::Codes { kind, n, count } => self.codes(kind, n, count),
            Step::PingResp => self.rx.extend([0xD0, 0]),
            Step::Bye => {
                if self.version == Version::V5 {
                    self.rx.extend([0xE0, 0]);
                }
            }
            Step::Bytes(ref bytes) => self.rx.extend(bytes),
        }
    }

    /// In the end, a server that has lost everything, and then answers all there is: nothing may be left.
    fn finish(&mut self) {
        self.client.handle_disconnect(self.now);
        self.rx.clear();
        self.hear(false);
        assert!(!self.connection, "each connection has an end");
        if self.client.config().receive_buffer < 5 {
            return;
        }
        self.version = Version::V311;
        let connect = options(self.version, true);
        if self.client.connect(self.now, &connect).is_err() {
            return;
        }
        self.connection = true;
        self.write(255);
        self.rx.extend([0x20, 2, 0, 0]);
        self.hear(false);
        // Ids of what is sent are seen on the wire.
        for _ in 0..1_000 {
            let Some(transmit) = self.client.poll_transmit() else {
                break;
            };
            let body = match transmit.body {
                Body::Bytes(bytes) => bytes.to_vec(),
                Body::External { len, .. } => vec![0; len as usize],
                other => panic!("{other:?}"),
            };
            let whole = [transmit.head, &body].concat();
            let packet =
                Packet::decode(self.version, mqtt_proto::Sender::Client, &whole).expect("well formed");
            match packet {
                Packet::Publish(p) => match (p.head.qos, p.head.packet_id) {
                    (QoS::AtLeastOnce, Some(n)) => {
                        self.rx.extend([0x40, 2, (n.get() >> 8) as u8, n.get() as u8])
                    }
                    (QoS::ExactlyOnce, Some(n)) => {
                        self.rx.extend([0x50, 2, (n.get() >> 8) as u8, n.get() as u8])
                    }
                    _ => {}
                },
                Packet::PubRel(a) => {
                    let n = a.packet_id.get();
                    self.rx.extend([0x70, 2, (n >> 8) as u8, n as u8]);
                }
                Packet::PingReq => self.rx.extend([0xD0, 0]),
                other => panic!("{other}"),
            }
            self.client.handle_written(self.now, whole.len());
            self.hear(false);
        }
        assert!(
            self.open.is_empty(),
            "{:?} never ended: {:?}",
            self.open,
            self.client
        );
        assert!(self.client.is_idle());
    }
}

fn run<S: Storage>(config: Config, storage: S, steps: &[(Step, bool)]) {
    let mut caller = Caller::new(config, storage);
    for (step, hear) in steps {
        caller.act(step);
        if *hear {
            caller.hear(false);
        }
    }
    caller.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_calls_and_packets_ends_each_operation_once(
        config in configs(),
        steps in steps(),
        slots in 0..6_usize,
        rows in 0..4_usize,
        bytes in prop_oneof![0..64_usize, 200..600_usize],
    ) {
        run(config, Heap::new(), &steps);
        let limits = HeapLimits { slots: slots as u16, arrivals: rows as u16, bytes };
        run(config, Heap::with_limits(limits), &steps);
        run(config, Fixed::<3, 300>::new(), &steps);
        run(config, Fixed::<1, 8>::new(), &steps);
        let (mut slots, mut rows, mut bytes) =
            (vec![Slot::EMPTY; slots], vec![ArrivalSlot::EMPTY; rows], vec![0; bytes]);
        run(config, Borrowed::new(&mut slots, &mut rows, &mut bytes), &steps);
    }
}
