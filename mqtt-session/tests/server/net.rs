//! A server and raw clients in memory, with a clock that is told what time it is.

use core::time::Duration;

use mqtt_proto::{
    Frame, Packet, PacketId, Properties, Property, QoS, ReasonCode, Sender, TopicFilter, TopicName, Version,
    frame_len,
    packet::{
        Ack, Connect, Disconnect, Filters, Publish, PublishHead, Subscribe, Subscription,
        SubscriptionOptions, Subscriptions, Unsubscribe, Will,
    },
};
use mqtt_session::{
    Instant,
    server::{ConnId, Peer, Server, ServerConfig, ServerEvent},
};

pub(crate) const V31: Version = Version::V31;
pub(crate) const V311: Version = Version::V311;
pub(crate) const V5: Version = Version::V5;
pub(crate) const Q0: QoS = QoS::AtMostOnce;
pub(crate) const Q1: QoS = QoS::AtLeastOnce;
pub(crate) const Q2: QoS = QoS::ExactlyOnce;

pub(crate) struct Net {
    pub(crate) server: Server,
    pub(crate) now: Instant,
}

/// A client's end of a connection.
#[derive(Copy, Clone, Debug)]
pub(crate) struct End {
    pub(crate) id: ConnId,
    pub(crate) version: Version,
}

pub(crate) fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

pub(crate) fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

pub(crate) fn connect(version: Version, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

pub(crate) fn will<'a>(name: &'a str, payload: &'a [u8]) -> Will<'a> {
    Will {
        topic: topic(name),
        payload,
        qos: Q1,
        retain: false,
        properties: Properties::EMPTY,
    }
}

pub(crate) fn message<'a>(name: &'a str, qos: QoS, n: u16, payload: &'a str) -> Publish<'a> {
    let head = PublishHead {
        dup: false,
        qos,
        retain: false,
        topic: topic(name),
        packet_id: PacketId::new(n),
        properties: Properties::EMPTY,
    };
    Publish {
        head,
        payload: payload.as_bytes(),
    }
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::default();
        change(&mut config);
        Self {
            server: Server::new(config),
            now: Instant::from_secs(1_000),
        }
    }

    pub(crate) fn open(&mut self, version: Version) -> End {
        self.open_at(version, 0)
    }

    /// Through this listener.
    pub(crate) fn open_at(&mut self, version: Version, listener: u16) -> End {
        let mut peer = Peer::default();
        peer.listener = listener;
        End {
            id: self.server.open(self.now, peer).unwrap(),
            version,
        }
    }

    pub(crate) fn raw(&mut self, end: End, bytes: &[u8]) {
        let consumed = self.server.handle_input(self.now, end.id, bytes);
        assert!(consumed <= bytes.len());
    }

    pub(crate) fn send(&mut self, end: End, packet: Packet<'_>) {
        let bytes = encode(end.version, packet);
        assert_eq!(
            self.server.handle_input(self.now, end.id, &bytes),
            bytes.len(),
            "{packet}"
        );
    }

    /// What the server has to say now, in the notation of traces; `close` if it closes.
    pub(crate) fn recv(&mut self, end: End) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut out = [0; 256];
        loop {
            let n = self.server.take_transmit(self.now, end.id, &mut out);
            bytes.extend_from_slice(&out[..n]);
            if n < out.len() {
                break;
            }
        }
        let mut packets = decode(end.version, &bytes);
        if self.server.wants_close(end.id) {
            packets.push("close".into());
        }
        packets
    }

    pub(crate) fn cut(&mut self, end: End) {
        self.server.handle_disconnect(self.now, end.id);
    }

    /// A client that was accepted, and what its CONNACK said.
    pub(crate) fn client_with(&mut self, connect: Connect<'_>) -> (End, String) {
        let end = self.open(connect.version);
        self.send(end, Packet::Connect(connect));
        let said = self.recv_first(end);
        assert!(said.contains("code=0"), "{said}");
        (end, said)
    }

    /// The first packet only.
    pub(crate) fn recv_first(&mut self, end: End) -> String {
        let transmit = self.server.poll_transmit(self.now, end.id).expect("an answer");
        let n = transmit.len();
        let bytes = transmit.head.to_vec();
        self.server.handle_written(self.now, end.id, n);
        decode(end.version, &bytes).remove(0)
    }

    pub(crate) fn client(&mut self, version: Version, client_id: &str) -> End {
        self.client_with(connect(version, client_id)).0
    }

    /// A client whose session is kept for 100 seconds, in 3.x for ever, and whether it was there.
    pub(crate) fn keeper(&mut self, version: Version, client_id: &str) -> (End, bool) {
        let list = [Property::SessionExpiryInterval(100)];
        let properties = if version == V5 {
            Properties::new(&list)
        } else {
            Properties::EMPTY
        };
        let (end, said) = self.client_with(Connect {
            clean_start: false,
            properties,
            ..connect(version, client_id)
        });
        (end, said.contains("session_present=1"))
    }

    pub(crate) fn subscribe(&mut self, end: End, filter: &str, qos: QoS) {
        let options = SubscriptionOptions::new(qos);
        let said = self.subscribe_with(end, filter, options, None);
        assert_eq!(said[0], format!("SUBACK id=900 codes=[{}]", u8::from(qos)));
        assert_eq!(said.len(), 1, "{said:?}");
    }

    pub(crate) fn subscribe_with(
        &mut self,
        end: End,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> Vec<String> {
        let list = identifier.map(Property::SubscriptionIdentifier);
        let filters = [Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options,
        }];
        let subscribe = Subscribe {
            packet_id: id(900),
            properties: Properties::new(list.as_slice()),
            filters: Subscriptions::new(&filters),
        };
        self.send(end, Packet::Subscribe(subscribe));
        self.recv(end)
    }

    pub(crate) fn unsubscribe(&mut self, end: End, filter: &str) -> Vec<String> {
        let filters = [TopicFilter::new(filter).unwrap()];
        let unsubscribe = Unsubscribe {
            packet_id: id(901),
            properties: Properties::EMPTY,
            filters: Filters::new(&filters),
        };
        self.send(end, Packet::Unsubscribe(unsubscribe));
        self.recv(end)
    }

    pub(crate) fn publish(&mut self, end: End, message: Publish<'_>) {
        self.send(end, Packet::Publish(message));
    }

    /// Publishes at QoS 0.
    pub(crate) fn say(&mut self, end: End, name: &str, payload: &str) {
        self.publish(end, message(name, Q0, 0, payload));
    }

    pub(crate) fn retain(&mut self, end: End, name: &str, payload: &str) {
        let mut message = message(name, Q0, 0, payload);
        message.head.retain = true;
        self.publish(end, message);
    }

    pub(crate) fn puback(&mut self, end: End, n: u16) {
        self.send(end, Packet::PubAck(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn pubrec(&mut self, end: End, n: u16) {
        self.send(end, Packet::PubRec(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn pubrel(&mut self, end: End, n: u16) {
        self.send(end, Packet::PubRel(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn pubcomp(&mut self, end: End, n: u16) {
        self.send(end, Packet::PubComp(Ack::new(id(n), ReasonCode::SUCCESS)));
    }

    pub(crate) fn disconnect(&mut self, end: End, code: ReasonCode) {
        self.send(end, Packet::Disconnect(Disconnect::new(code)));
    }

    /// Lets time pass, stopping at every deadline.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.server.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
        }
        self.now = end;
        self.server.handle_timeout(end);
    }

    pub(crate) fn pass_secs(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    pub(crate) fn events(&mut self) -> Vec<ServerEvent> {
        core::iter::from_fn(|| self.server.poll_event()).collect()
    }
}

pub(crate) fn encode(version: Version, packet: Packet<'_>) -> Vec<u8> {
    let mut out = vec![0; packet.encoded_len(version).unwrap()];
    packet.encode(version, &mut out).unwrap();
    out
}

pub(crate) fn decode(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let Ok(Frame::Len(len)) = frame_len(bytes, u32::MAX) else {
            panic!("half a packet: {bytes:02x?}")
        };
        packets.push(
            Packet::decode(version, Sender::Server, &bytes[..len])
                .unwrap()
                .to_string(),
        );
        bytes = &bytes[len..];
    }
    packets
}
