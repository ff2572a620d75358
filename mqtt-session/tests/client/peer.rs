//! A client with its server played by the test, on a virtual clock.

use std::time::Duration;

use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, ReasonCode, Sender, TopicFilter, TopicName, Version, frame_len,
    packet::{Ack, ConnAck, Connect, Publish, PublishHead, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Body, Client, Config, Event, Instant, ReceiveBuffer,
    storage::{Heap, Storage},
};

pub(crate) struct Peer<S: Storage = Heap> {
    pub(crate) client: Client<S>,
    pub(crate) version: Version,
    pub(crate) now: Instant,
    pub(crate) rx: ReceiveBuffer<Vec<u8>>,
    /// Bytes from the client that are no whole packet yet.
    wire: Vec<u8>,
}

pub(crate) fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

pub(crate) fn options(version: Version, clean_start: bool) -> Connect<'static> {
    Connect {
        version,
        clean_start,
        keep_alive: 0,
        client_id: "c",
        will: None,
        user_name: None,
        password: None,
        properties: if clean_start || version != Version::V5 {
            Properties::EMPTY
        } else {
            Properties::new(KEPT)
        },
    }
}

const KEPT: &[mqtt_proto::Property<'static>] = &[mqtt_proto::Property::SessionExpiryInterval(1000)];

impl Peer<Heap> {
    pub(crate) fn new(version: Version) -> Self {
        Self::with(version, Config::DEFAULT, Heap::new())
    }

    /// A client that has a session with a server that keeps it.
    pub(crate) fn connected(version: Version) -> Self {
        let mut peer = Self::new(version);
        peer.connect(false, false);
        peer
    }
}

impl<S: Storage> Peer<S> {
    pub(crate) fn with(version: Version, config: Config, storage: S) -> Self {
        let now = Instant::from_secs(1_000);
        let rx = ReceiveBuffer::new(vec![0; config.receive_buffer as usize]);
        Self {
            client: Client::new(config, storage),
            version,
            now,
            rx,
            wire: Vec::new(),
        }
    }

    /// A client that was made elsewhere.
    pub(crate) fn of(version: Version, client: Client<S>, now: Instant) -> Self {
        let room = client.config().receive_buffer as usize;
        Self {
            client,
            version,
            now,
            rx: ReceiveBuffer::new(vec![0; room]),
            wire: Vec::new(),
        }
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// CONNECT and CONNACK.
    pub(crate) fn connect(&mut self, clean_start: bool, session_present: bool) {
        self.client
            .connect(self.now, &options(self.version, clean_start))
            .unwrap();
        assert!(matches!(self.sent()[..], [ref connect] if connect.starts_with("CONNECT")));
        self.send(&Packet::ConnAck(ConnAck {
            session_present: session_present && self.version != Version::V31,
            code: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        }));
        let present = self
            .next(|event| matches!(event, Some(Event::Connected(c)) if c.session_present == session_present));
        assert!(present);
    }

    /// The transport is lost, and the client is told.
    pub(crate) fn cut(&mut self) {
        self.client.handle_disconnect(self.now);
        self.rx.clear();
        self.wire.clear();
    }

    /// The server sends a packet.
    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = vec![0; packet.encoded_len(self.version).unwrap()];
        packet.encode(self.version, &mut bytes).unwrap();
        self.send_bytes(&bytes);
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.rx.spare()[..bytes.len()].copy_from_slice(bytes);
        self.rx.commit(bytes.len());
    }

    pub(crate) fn send_publish(&mut self, qos: QoS, n: Option<u16>, dup: bool, payload: &[u8]) {
        let head = PublishHead {
            dup,
            qos,
            retain: false,
            topic: topic("t"),
            packet_id: n.map(id),
            properties: Properties::EMPTY,
        };
        self.send(&Packet::Publish(Publish { head, payload }));
    }

    pub(crate) fn puback(&mut self, n: u16) {
        self.send(&Packet::PubAck(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn pubrec(&mut self, n: u16) {
        self.send(&Packet::PubRec(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn pubcomp(&mut self, n: u16) {
        self.send(&Packet::PubComp(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    /// Looks at the next event.
    pub(crate) fn next<R>(&mut self, look: impl FnOnce(Option<Event<'_>>) -> R) -> R {
        let handled = self.client.handle_input(self.now, self.rx.filled());
        let consumed = handled.consumed;
        let seen = look(handled.event);
        self.rx.consume(consumed);
        seen
    }

    /// All events there are, in short words.
    pub(crate) fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next(|event| event.map(|event| short(&event)))).collect()
    }

    /// Bytes come, and what is told of them.
    pub(crate) fn send_and_hear(&mut self, bytes: &[u8]) -> Vec<String> {
        self.send_bytes(bytes);
        self.events()
    }

    /// Writes everything that the client has to write, and tells which packets those are.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        self.sent_by(usize::MAX)
    }

    /// The same, written in pieces of this size.
    pub(crate) fn sent_by(&mut self, piece: usize) -> Vec<String> {
        while let Some(transmit) = self.client.poll_transmit() {
            let (head, body) = match transmit.body {
                Body::Bytes(body) => (transmit.head, body),
                other => panic!("{other:?}"),
            };
            let bytes: Vec<u8> = head.iter().chain(body).copied().take(piece).collect();
            self.wire.extend_from_slice(&bytes);
            self.client.handle_written(self.now, bytes.len());
        }
        let mut packets = Vec::new();
        while let Ok(Frame::Len(len)) = frame_len(&self.wire, u32::MAX) {
            if self.wire.len() < len {
                break;
            }
            let packet = Packet::decode(self.version, Sender::Client, &self.wire[..len]).unwrap();
            packets.push(name(&packet));
            self.wire.drain(..len);
        }
        packets
    }

    /// Only so many bytes get out.
    pub(crate) fn sent_bytes(&mut self, mut n: usize) {
        while n > 0
            && let Some(transmit) = self.client.poll_transmit()
        {
            let written = transmit.len().min(n);
            self.client.handle_written(self.now, written);
            n -= written;
        }
    }

    pub(crate) fn publish(&mut self, qos: QoS, payload: &str) -> u32 {
        let message = mqtt_session::Publish::new(topic("t"), qos);
        self.client.publish(self.now, &message, payload).unwrap().get()
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> u32 {
        let filter = TopicFilter::new(filter).unwrap();
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        self.client
            .subscribe(self.now, &[Subscription { filter, options }], Properties::EMPTY)
            .unwrap()
            .get()
    }
}

/// A packet in a few words.
fn name(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(p) => {
            let (id, dup) = (p.head.packet_id, if p.head.dup { " dup" } else { "" });
            let id = id.map_or(String::new(), |id| format!(" #{id}"));
            let expiry = p.head.properties.message_expiry_interval();
            let expiry = expiry.map_or(String::new(), |seconds| format!(" expiry={seconds}"));
            format!("PUBLISH{id}{dup} {}{expiry}", String::from_utf8_lossy(p.payload))
        }
        Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => {
            let code = if a.code.is_failure() {
                format!(" {}", a.code)
            } else {
                String::new()
            };
            format!("{} #{}{code}", packet.packet_type(), a.packet_id)
        }
        Packet::Subscribe(s) => format!("SUBSCRIBE #{}", s.packet_id),
        Packet::Unsubscribe(s) => format!("UNSUBSCRIBE #{}", s.packet_id),
        Packet::Disconnect(d) => format!("DISCONNECT {}", d.code),
        other => other.packet_type().to_string(),
    }
}

/// An event in a few words.
pub(crate) fn short(event: &Event<'_>) -> String {
    match event {
        Event::Connected(c) => format!("connected {}", c.session_present),
        Event::Authenticate(a) => format!("asked {}", String::from_utf8_lossy(a.data().unwrap_or_default())),
        Event::Message(m) => format!("message {}", String::from_utf8_lossy(m.payload)),
        Event::MessageStart(start) => format!("start {}", start.payload_len),
        Event::MessageData { offset, .. } => format!("data {offset}"),
        Event::MessageEnd(Ok(_)) => "end".to_owned(),
        Event::MessageEnd(Err(_)) => "broken".to_owned(),
        Event::Completed { token, outcome } => {
            let how = format!("{outcome:?}");
            let how = how.split([' ', '{']).next().unwrap().to_lowercase();
            format!("{how} {}", token.get())
        }
        Event::Aborted { token, why } => format!("aborted {} {why:?}", token.get()),
        Event::Closed(c) => {
            let code = c.code.map_or(String::new(), |code| format!(" {code}"));
            let statement = c.statement.map_or(String::new(), |s| format!(" {s}"));
            format!("closed {:?}{code}{statement}", c.by)
        }
        other => format!("{other:?}"),
    }
}
