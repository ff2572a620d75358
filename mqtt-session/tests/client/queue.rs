//! The outbox under random operations: policies, memories, links cut at any byte, and time.
//!
//! What has begun to leave is never dropped; every accepted message ends once; limits are never exceeded; a publish that is
//! refused changes nothing; what a policy drops is the oldest it may; nothing leaves after its time, and what leaves
//! carries what is left of its expiry.

use std::{collections::BTreeMap, time::Duration};

use mqtt_proto::{Frame, Packet, Properties, Property, QoS, Sender, Version, frame_len};
use mqtt_session::{
    Body, Client, Config, Event, Instant, Publish, Refused, Token,
    client::{AbortReason, OnSessionLost, OutboxStage, Outcome, WhenFull},
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, HeapLimits, Slot, Storage},
};
use proptest::prelude::*;

use crate::peer::{options, topic};

#[derive(Clone, Debug)]
enum Step {
    Publish {
        qos: u8,
        len: u8,
        expiry: Option<u8>,
        /// Milliseconds from now.
        deadline: Option<u16>,
    },
    Cancel(u8),
    Connect {
        clean: bool,
    },
    Cut,
    Write(u8),
    Take(u8),
    /// The server answers what it has had, so many packets of it.
    Answer(u8),
    Wait(u16),
    /// To the next moment that the client waits for.
    Timeout,
    Hear,
    /// What is recorded becomes safe, if there is a journal.
    Record,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let (b, f) = (any::<u8>, any::<bool>);
    let expiry = prop_oneof![2 => Just(None), 2 => (0..6_u8).prop_map(Some)];
    let deadline = prop_oneof![3 => Just(None), 1 => (0..6_000_u16).prop_map(Some)];
    prop_oneof![
        12 => (0..3_u8, 0..100_u8, expiry, deadline)
            .prop_map(|(qos, len, expiry, deadline)| Publish { qos, len, expiry, deadline }),
        1 => b().prop_map(Cancel),
        3 => f().prop_map(|clean| Connect { clean }),
        2 => Just(Cut),
        5 => b().prop_map(Write),
        3 => b().prop_map(Take),
        5 => (1..4_u8).prop_map(Answer),
        2 => (0..3_000_u16).prop_map(Wait),
        2 => Just(Timeout),
        4 => Just(Hear),
        3 => Just(Record),
    ]
}

fn configs() -> impl Strategy<Value = Config> {
    let policy = prop_oneof![
        Just(WhenFull::Refuse),
        Just(WhenFull::DropOldest),
        Just(WhenFull::DropQoS0),
        Just(WhenFull::KeepNothing)
    ];
    let span = |most: u64| {
        prop_oneof![
            Just(None),
            (1..most).prop_map(|ms| Some(Duration::from_millis(ms)))
        ]
    };
    (policy, span(5_000), span(3_000), any::<[bool; 2]>()).prop_map(
        |(when_full, max_age, resend, [again, journal])| {
            let mut config = Config::DEFAULT;
            (config.when_full, config.max_age, config.resend_after) = (when_full, max_age, resend);
            config.journal = journal;
            if again {
                config.on_session_lost = OnSessionLost::SendAgainAsNew;
            }
            config
        },
    )
}

/// What the test knows of a message.
#[derive(Clone, Debug)]
struct Known {
    qos: QoS,
    expires: Option<Instant>,
    /// From when on it may not begin to leave, and why.
    last: Option<(Instant, AbortReason)>,
    /// Some of it has left, in this session.
    begun: bool,
}

struct World<S: Storage> {
    client: Client<S>,
    version: Version,
    now: Instant,
    rx: Vec<u8>,
    open: BTreeMap<u32, Known>,
    accepted: u32,
    /// What the server was sent and has not answered: type and id.
    unanswered: Vec<(u8, u16)>,
    /// The packet that is being written, and how much of it is.
    packet: Vec<u8>,
    written: usize,
    linked: bool,
    session: bool,
}

impl<S: Storage> World<S> {
    fn new(version: Version, config: Config, storage: S) -> Self {
        Self {
            client: Client::new(config, storage),
            version,
            now: Instant::from_secs(1_000),
            rx: Vec::new(),
            open: BTreeMap::new(),
            accepted: 0,
            unanswered: Vec::new(),
            packet: Vec::new(),
            written: 0,
            linked: false,
            session: false,
        }
    }

    fn config(&self) -> Config {
        self.client.config()
    }

    /// What waits and what is in flight.
    fn seen(&self) -> Vec<(Token, OutboxStage)> {
        self.client
            .outbox_messages()
            .map(|m| (m.token, m.stage))
            .collect()
    }

    /// Nothing has happened but time, and nothing is asked.
    fn tell_time(&mut self) {
        self.client.handle_written(self.now, 0);
    }

    fn publish(&mut self, qos: u8, len: u8, expiry: Option<u8>, deadline: Option<u16>) {
        let qos = QoS::from_u8(qos).unwrap();
        let online_3 = self.client.is_connected() && self.version != Version::V5;
        let list = expiry.map(|seconds| Property::MessageExpiryInterval(seconds.into()));
        let list: Vec<_> = [Property::UserProperty("k", "v")]
            .into_iter()
            .chain(list)
            .filter(|_| expiry.is_some() && !online_3)
            .collect();
        let mut message = Publish::new(topic("t"), qos);
        message.properties = Properties::new(&list);
        let expires = expiry.filter(|_| !online_3);
        let expires = expires.map(|seconds| self.now + Duration::from_secs(seconds.into()));
        message.deadline = deadline.map(|ms| self.now + Duration::from_millis(ms.into()));

        // The payload names the message; the client's tokens go up by one.
        let mut payload = format!("{} ", self.accepted + 1).into_bytes();
        payload.resize(payload.len() + usize::from(len), b'.');
        self.tell_time();
        let (before, state) = (self.seen(), self.client.outbox());
        let timeout = self.client.poll_timeout();
        match self.client.publish(self.now, &message, &payload[..]) {
            Err(refused) => {
                assert_eq!(refused.given, payload[..].into());
                assert_eq!(self.seen(), before, "{:?}", refused.why);
                assert_eq!(self.client.outbox(), state);
                assert_eq!(self.client.poll_timeout(), timeout);
                let kept = self.config().when_full == WhenFull::KeepNothing;
                assert!(kept || refused.why != Refused::NotConnected);
            }
            Ok(token) => {
                self.accepted += 1;
                assert_eq!(token.get(), self.accepted);
                self.check_dropped(&before, token);
                let age = self.config().max_age.map(|age| self.now + age);
                let last = [
                    (message.deadline, AbortReason::Expired),
                    (expires, AbortReason::Expired),
                    (age, AbortReason::DroppedForAge),
                ];
                let last = last.into_iter().filter_map(|(at, why)| at.map(|at| (at, why)));
                let known = Known {
                    qos,
                    expires,
                    last: last.min_by_key(|&(at, _)| at),
                    begun: false,
                };
                self.open.insert(token.get(), known);
            }
        }
    }

    /// What made room are the oldest of those that may go.
    fn check_dropped(&self, before: &[(Token, OutboxStage)], new: Token) {
        let after = self.seen();
        let is_there = |token: &Token| after.iter().any(|(left, _)| left == token);
        assert!(is_there(&new));
        let only_qos_0 = self.config().when_full == WhenFull::DropQoS0;
        let may_go = before.iter().filter(|(token, stage)| {
            *stage == OutboxStage::Queued && (!only_qos_0 || self.open[&token.get()].qos == QoS::AtMostOnce)
        });
        let gone = before.iter().filter(|(token, _)| !is_there(token)).count();
        let oldest_stay = may_go.take(gone).any(|(token, _)| is_there(token));
        assert!(!oldest_stay, "{before:?} {after:?}");
        let drops = matches!(self.config().when_full, WhenFull::DropOldest | WhenFull::DropQoS0);
        assert!(gone == 0 || drops);
    }

    /// One packet is chosen: what it is, and whether it may leave now.
    fn look(&mut self) -> usize {
        let Some(transmit) = self.client.poll_transmit() else {
            return 0;
        };
        let Body::Bytes(body) = transmit.body else {
            panic!("nothing is external")
        };
        let rest = [transmit.head, body].concat();
        if self.written == 0 {
            self.packet.clone_from(&rest);
            self.check_packet();
        } else {
            assert_eq!(rest, self.packet[self.written..], "half a packet stays as it is");
        }
        rest.len()
    }

    fn check_packet(&self) {
        let packet = Packet::decode(self.version, Sender::Client, &self.packet).expect("well formed");
        let Packet::Publish(publish) = packet else { return };
        let known = &self.open[&number(publish.payload)];
        let left = publish.head.properties.message_expiry_interval();
        if self.version == Version::V5 {
            let exact = known.expires.map(|at| at.saturating_duration_since(self.now));
            let whole = exact.map(|left| left.as_micros().div_ceil(1_000_000) as u32);
            assert_eq!(left, whole);
        } else {
            assert_eq!(left, None);
        }
        if !known.begun {
            assert!(
                known.last.is_none_or(|(at, _)| at > self.now),
                "{known:?} leaves late"
            );
            assert_ne!(left, Some(0));
            assert!(!publish.head.dup);
        }
    }

    fn wrote(&mut self, n: usize) {
        if n == 0 {
            return;
        }
        self.written += n;
        let whole = self.written == self.packet.len();
        match Packet::decode(self.version, Sender::Client, &self.packet).expect("well formed") {
            Packet::Publish(publish) => {
                let token = number(publish.payload);
                self.open.get_mut(&token).unwrap().begun = true;
                if whole && let Some(id) = publish.head.packet_id {
                    let answer = if publish.head.qos == QoS::AtLeastOnce {
                        0x40
                    } else {
                        0x50
                    };
                    self.unanswered.push((answer, id.get()));
                }
            }
            Packet::PubRel(ack) if whole => self.unanswered.push((0x70, ack.packet_id.get())),
            _ => {}
        }
        if whole {
            (self.written, self.packet) = (0, Vec::new());
        }
    }

    fn write(&mut self, n: u8) {
        self.tell_time();
        let len = self.look();
        let n = if n == 255 { len } else { usize::from(n).min(len) };
        if len > 0 {
            self.client.handle_written(self.now, n);
            self.wrote(n);
        }
    }

    fn take(&mut self, room: u8) {
        if self.written > 0 {
            return;
        }
        let mut out = vec![0; usize::from(room)];
        let taken = self.client.take_transmit(self.now, &mut out);
        let mut at = 0;
        while at < taken {
            let Ok(Frame::Len(len)) = frame_len(&out[at..taken], u32::MAX) else {
                panic!("whole packets")
            };
            self.packet = out[at..at + len].to_vec();
            self.check_packet();
            self.wrote(len);
            at += len;
        }
    }

    fn connect(&mut self, clean: bool) {
        if self.linked {
            return;
        }
        self.hear();
        self.linked = true;
        let connect = options(self.version, clean);
        if self.client.connect(self.now, &connect).is_err() {
            self.linked = false;
            return;
        }
        self.record();
        self.write(255);
        let present = self.session && !clean;
        let properties: &[u8] = if self.version == Version::V5 { &[0] } else { &[] };
        self.rx.extend([0x20, 2 + properties.len() as u8]);
        self.rx
            .extend([u8::from(present && self.version != Version::V31), 0]);
        self.rx.extend(properties);
        if !present {
            self.lose_session();
        }
        self.session = !clean;
        self.hear();
    }

    /// Those that were sent may begin anew: whether they do is not known until it is told.
    fn lose_session(&mut self) {
        let again = self.config().on_session_lost == OnSessionLost::SendAgainAsNew;
        for known in self.open.values_mut().filter(|_| again) {
            known.begun = false;
        }
    }

    fn cut(&mut self) {
        if !self.linked {
            return;
        }
        self.client.handle_disconnect(self.now);
        self.rx.clear();
        self.unanswered.clear();
        if self.written > 0
            && let Ok(Packet::Publish(publish)) = Packet::decode(self.version, Sender::Client, &self.packet)
            && publish.head.qos == QoS::AtMostOnce
        {
            self.open.get_mut(&number(publish.payload)).unwrap().begun = false;
        }
        (self.written, self.packet) = (0, Vec::new());
        self.linked = false;
    }

    fn answer(&mut self, n: u8) {
        for _ in 0..n {
            if !self.unanswered.is_empty() {
                let (first, id) = self.unanswered.remove(0);
                self.rx.extend([first, 2, (id >> 8) as u8, id as u8]);
            }
        }
    }

    fn hear(&mut self) {
        loop {
            let rx = std::mem::take(&mut self.rx);
            let handled = self.client.handle_input(self.now, &rx);
            let more = handled.event.is_some();
            if let Some(event) = handled.event {
                self.note(&event);
            }
            self.rx = rx[handled.consumed..].to_vec();
            if !more {
                break;
            }
        }
        for message in self.client.outbox_messages() {
            assert!(self.open.contains_key(&message.token.get()));
            if message.stage == OutboxStage::Queued {
                // In tables this small nothing is told late.
                assert!(message.last_moment.is_none_or(|at| at > self.now), "{message:?}");
                let due = self.client.poll_timeout();
                assert!(
                    message
                        .last_moment
                        .is_none_or(|at| due.is_some_and(|due| due <= at))
                );
            }
        }
    }

    fn record(&mut self) {
        while let Some((seq, _)) = self.client.poll_record() {
            self.client.handle_persisted(self.now, seq);
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Completed { token, outcome } => {
                let known = self.open.remove(&token.get()).expect("it ends once");
                match outcome {
                    Outcome::Written => assert_eq!(known.qos, QoS::AtMostOnce),
                    Outcome::Acknowledged { .. } => assert!(known.qos > QoS::AtMostOnce && known.begun),
                    other => panic!("{other:?}"),
                }
            }
            Event::Aborted { token, why } => {
                let known = self.open.remove(&token.get()).expect("it ends once");
                match why {
                    AbortReason::Expired | AbortReason::DroppedForAge => {
                        let (at, reason) = known.last.expect("it had a last moment");
                        assert!(at <= self.now && reason == *why, "{known:?}");
                        assert!(!known.begun, "{known:?}");
                    }
                    AbortReason::DroppedForNewer | AbortReason::Cancelled => {
                        assert!(!known.begun, "{known:?}")
                    }
                    AbortReason::DroppedWithLink => {
                        assert_eq!(self.config().when_full, WhenFull::KeepNothing);
                        assert!(!known.begun || known.qos == QoS::AtMostOnce);
                    }
                    AbortReason::SessionLost => assert!(known.qos > QoS::AtMostOnce),
                    other => panic!("{other:?}"),
                }
            }
            Event::Connected(_) | Event::Closed(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Publish {
                qos,
                len,
                expiry,
                deadline,
            } => self.publish(qos, len, expiry, deadline),
            Step::Cancel(n) => self.cancel(n),
            Step::Connect { clean } => self.connect(clean),
            Step::Cut => self.cut(),
            Step::Write(n) => self.write(n),
            Step::Take(n) => self.take(n),
            Step::Answer(n) => self.answer(n),
            Step::Wait(ms) => self.now = self.now + Duration::from_millis(ms.into()),
            Step::Timeout => {
                self.now = self.client.poll_timeout().map_or(self.now, |at| at.max(self.now));
                self.hear();
            }
            Step::Hear => self.hear(),
            Step::Record => self.record(),
        }
        self.check_limits();
    }

    fn cancel(&mut self, n: u8) {
        let all: Vec<_> = self.seen();
        if let Some(&(token, stage)) = all.get(usize::from(n) % all.len().max(1)) {
            let cancelled = self.client.cancel(self.now, token);
            if stage == OutboxStage::Queued {
                assert_eq!(cancelled, Ok(()));
                assert!(!self.open[&token.get()].begun);
            } else {
                assert_eq!(cancelled, Err(Refused::Transmitted));
                assert_eq!(self.seen(), all);
            }
        }
    }

    fn check_limits(&self) {
        let state = self.client.outbox();
        assert!(state.queued + state.in_flight <= state.slots, "{state:?}");
        assert!(usize::from(state.queued + state.in_flight) <= self.open.len());
        // While CONNECT waits, it stands in the reserve.
        if !self.linked || self.client.is_connected() {
            assert!(state.bytes <= state.byte_limit, "{state:?}");
        }
    }

    /// A friendly server: everything comes to its end.
    fn finish(&mut self) {
        self.cut();
        self.hear();
        self.connect(false);
        assert!(self.linked);
        for _ in 0..400 {
            self.record();
            self.write(255);
            self.answer(1);
            self.hear();
        }
        assert!(
            self.open.is_empty(),
            "{:?} never ended: {:?}",
            self.open,
            self.client
        );
        assert!(self.client.is_idle());
        assert_eq!(self.client.outbox().bytes, 0);
    }
}

/// Which message a payload is of.
fn number(payload: &[u8]) -> u32 {
    let text = std::str::from_utf8(payload).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn run<S: Storage>(version: Version, config: Config, storage: S, steps: &[Step]) {
    let mut world = World::new(version, config, storage);
    for step in steps {
        world.act(step);
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_accepted_is_kept_sent_or_dropped_as_promised(
        version in 0..3_usize,
        config in configs(),
        steps in proptest::collection::vec(step(), 1..90),
        slots in 1..8_usize,
        bytes in 200..900_usize,
    ) {
        let version = Version::ALL[version];
        run(version, config, Heap::new(), &steps);
        let limits = HeapLimits { slots: slots as u16, arrivals: 2, bytes };
        run(version, config, Heap::with_limits(limits), &steps);
        run(version, config, Fixed::<4, 400>::new(), &steps);
        let (mut slots, mut rows, mut bytes) =
            (vec![Slot::EMPTY; slots], vec![ArrivalSlot::EMPTY; 2], vec![0; bytes]);
        run(version, config, Borrowed::new(&mut slots, &mut rows, &mut bytes), &steps);
    }
}
