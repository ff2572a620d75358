//! What a client allocates: nothing for a message that arrives, a block for one that is published, and what it holds when
//! it is idle.

use core::mem::size_of;

use alloc_count::{Counting, count, held};
use mqtt_proto::{
    Packet, PacketId, Properties, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Ack, Connect, Publish as PublishPacket, PublishHead, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Client, Event, Instant, Payload,
    client::{Acknowledge, Config, Oversize, Publish},
    storage::{ArrivalSlot, Borrowed, Fixed, Heap, Slot, Storage},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::from_secs(1);

/// A client, and a server that the test plays on the stack: nothing here allocates but the client.
struct Peer<S: Storage> {
    client: Client<S>,
    version: Version,
}

impl<S: Storage> Peer<S> {
    fn connected(version: Version, config: Config, storage: S) -> Self {
        let mut client = Client::new(config, storage);
        let options = Connect {
            version,
            clean_start: true,
            keep_alive: 60,
            client_id: "c",
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        };
        client.connect(NOW, &options).unwrap();
        let mut peer = Self { client, version };
        assert!(peer.sent(&mut [0; 256]) > 0, "CONNECT");
        let connack: &[u8] = match version {
            Version::V5 => &[0x20, 3, 0, 0, 0],
            Version::V31 | Version::V311 => &[0x20, 2, 0, 0],
        };
        assert_eq!(peer.receive(connack), 1, "CONNACK");
        peer
    }

    /// Gives the client bytes, acknowledges what it must, and counts the events.
    fn receive(&mut self, mut bytes: &[u8]) -> usize {
        let mut events = 0;
        loop {
            let handled = self.client.handle_input(NOW, bytes);
            bytes = &bytes[handled.consumed..];
            let ack = match handled.event {
                None => return events,
                Some(Event::Message(message)) => message.ack,
                Some(Event::MessageEnd(end)) => end.unwrap(),
                Some(_) => None,
            };
            events += 1;
            if let Some(token) = ack {
                self.client
                    .acknowledge(NOW, token, &mqtt_session::client::Ack::SUCCESS)
                    .unwrap();
            }
        }
    }

    /// Writes what the client has for the server.
    fn sent(&mut self, out: &mut [u8]) -> usize {
        while let Some((seq, _)) = self.client.poll_record() {
            self.client.handle_persisted(NOW, seq);
        }
        self.client.take_transmit(NOW, out)
    }

    fn receive_packet(&mut self, packet: &Packet<'_>) -> usize {
        let mut out = [0; 256];
        let bytes = packet.encode(self.version, &mut out).unwrap();
        self.receive(bytes)
    }

    /// A message comes, and is answered to its end.
    fn message_arrives(&mut self, qos: QoS, id: u16) {
        let packet_id = PacketId::new(id).filter(|_| qos > QoS::AtMostOnce);
        let head = PublishHead {
            dup: false,
            qos,
            retain: false,
            topic: TopicName::new("a/b").unwrap(),
            packet_id,
            properties: Properties::EMPTY,
        };
        let publish = Packet::Publish(PublishPacket {
            head,
            payload: &[7; 100],
        });
        assert!(self.receive_packet(&publish) > 0);
        let Some(id) = packet_id else { return };
        assert_eq!(self.sent(&mut [0; 64]), 4, "PUBACK or PUBREC");
        if qos == QoS::ExactlyOnce {
            self.receive_packet(&Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS)));
            assert_eq!(self.sent(&mut [0; 64]), 4, "PUBCOMP");
        }
    }

    fn publish(&mut self, qos: QoS, payload: &[u8]) {
        let message = Publish::new(TopicName::new("a/b").unwrap(), qos);
        self.client.publish(NOW, &message, payload).unwrap();
    }

    /// What was published is sent and answered to its end; `id` is the packet id that it has.
    fn answered(&mut self, qos: QoS, id: u16) {
        assert!(self.sent(&mut [0; 256]) > 100, "PUBLISH");
        let ack = Ack::new(PacketId::new(id).unwrap(), ReasonCode::SUCCESS);
        let events = match qos {
            QoS::AtMostOnce => self.receive(&[]),
            QoS::AtLeastOnce => self.receive_packet(&Packet::PubAck(ack)),
            QoS::ExactlyOnce => {
                self.receive_packet(&Packet::PubRec(ack));
                assert_eq!(self.sent(&mut [0; 64]), 4, "PUBREL");
                self.receive_packet(&Packet::PubComp(ack))
            }
        };
        assert_eq!(events, 1, "its end");
    }

    fn subscribes(&mut self, id: u16) {
        let filter = Subscription {
            filter: TopicFilter::new("a/+").unwrap(),
            options: SubscriptionOptions::default(),
        };
        self.client.subscribe(NOW, &[filter], Properties::EMPTY).unwrap();
        assert!(self.sent(&mut [0; 64]) > 0, "SUBSCRIBE");
        let [high, low] = id.to_be_bytes();
        let suback: &[u8] = match self.version {
            Version::V5 => &[0x90, 4, high, low, 0, 0],
            Version::V31 | Version::V311 => &[0x90, 3, high, low, 0],
        };
        assert_eq!(self.receive(suback), 1, "SUBACK");
    }
}

/// A client on each kind of memory.
macro_rules! on_each_memory {
    ($version:expr, $config:expr, |$name:ident, $peer:ident, $blocks:ident| $body:block) => {{
        {
            let ($name, $blocks) = ("Heap", 1);
            let mut $peer = Peer::connected($version, $config, Heap::new());
            $body
        }
        {
            let ($name, $blocks) = ("Fixed", 0);
            let mut $peer = Peer::connected($version, $config, Fixed::<4, 512>::new());
            $body
        }
        {
            let ($name, $blocks) = ("Borrowed", 0);
            let (mut slots, mut arrivals, mut bytes) = ([Slot::EMPTY; 4], [ArrivalSlot::EMPTY; 4], [0; 512]);
            let memory = Borrowed::new(&mut slots, &mut arrivals, &mut bytes);
            let mut $peer = Peer::connected($version, $config, memory);
            $body
        }
    }};
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[test]
fn a_message_that_arrives_allocates_nothing() {
    let mut config = Config::DEFAULT;
    for acknowledge in [Acknowledge::Automatic, Acknowledge::Manual] {
        for (oversize, receive_buffer) in [(Oversize::Refuse, 1 << 16), (Oversize::Stream, 64)] {
            config.acknowledge = acknowledge;
            config.oversize = oversize;
            config.receive_buffer = receive_buffer;
            for version in Version::ALL {
                on_each_memory!(version, config, |name, peer, _blocks| {
                    // The first message of QoS 1 or 2 makes the row that all others use.
                    peer.message_arrives(QoS::ExactlyOnce, 1);
                    for qos in QOS {
                        let (allocations, ()) = count(|| {
                            for id in [1, 2, 255, 256, 40_000, 65_535] {
                                peer.message_arrives(qos, id);
                            }
                        });
                        assert_eq!(
                            allocations, 0,
                            "{name} {version} {qos:?} {acknowledge:?} {oversize:?}"
                        );
                    }
                });
            }
        }
    }
}

#[test]
fn a_publish_allocates_its_block_on_a_heap_and_nothing_in_memory_of_a_fixed_size() {
    println!("allocations from publish to its end: QoS 0, 1, 2");
    for version in Version::ALL {
        on_each_memory!(version, Config::DEFAULT, |name, peer, blocks| {
            // The first one makes the row that all others use.
            peer.publish(QoS::ExactlyOnce, &[7; 100]);
            peer.answered(QoS::ExactlyOnce, 1);
            let mut id = 1;
            let allocations = QOS.map(|qos| {
                count(|| {
                    peer.publish(qos, &[7; 100]);
                    id += u16::from(qos > QoS::AtMostOnce);
                    peer.answered(qos, id);
                })
                .0
            });
            println!("  {name:8} {version:?}: {allocations:?}");
            assert_eq!(allocations, [blocks; 3], "{name} {version}");
            assert_eq!(count(|| peer.subscribes(id + 1)).0, blocks, "SUBSCRIBE");
        });
    }
}

/// With a journal, whose records borrow from the client.
#[test]
fn a_journal_allocates_nothing_more() {
    let mut config = Config::DEFAULT;
    config.journal = true;
    on_each_memory!(Version::V5, config, |name, peer, blocks| {
        peer.publish(QoS::ExactlyOnce, &[7; 100]);
        peer.answered(QoS::ExactlyOnce, 1);
        peer.message_arrives(QoS::ExactlyOnce, 1);
        let publishing = count(|| {
            peer.publish(QoS::ExactlyOnce, &[7; 100]);
            peer.answered(QoS::ExactlyOnce, 2);
        });
        assert_eq!(publishing.0, blocks, "{name}");
        let arriving = count(|| peer.message_arrives(QoS::ExactlyOnce, 2));
        assert_eq!(arriving.0, 0, "{name}");
    });
}

#[test]
fn a_publish_that_shares_its_payload_allocates_only_its_head() {
    let mut peer = Peer::connected(Version::V5, Config::DEFAULT, Heap::new());
    let payload = bytes::Bytes::from(vec![7; 100]);
    peer.publish(QoS::ExactlyOnce, &[7; 100]);
    peer.answered(QoS::ExactlyOnce, 1);
    let (allocations, ()) = count(|| {
        let message = Publish::new(TopicName::new("a/b").unwrap(), QoS::AtLeastOnce);
        peer.client
            .publish(NOW, &message, Payload::Shared(payload))
            .unwrap();
        peer.answered(QoS::AtLeastOnce, 2);
    });
    assert_eq!(allocations, 1);
}

/// All packet ids in turn, some of them at a time: rows and index stay as they are.
#[test]
fn messages_in_flight_allocate_a_block_each_whatever_their_packet_ids() {
    const IN_FLIGHT: u16 = 10;
    let mut peer = Peer::connected(Version::V311, Config::DEFAULT, Heap::new());
    let mut round = |first: u16| {
        for _ in 0..IN_FLIGHT {
            peer.publish(QoS::AtLeastOnce, &[7; 100]);
        }
        assert!(peer.sent(&mut [0; 2_048]) > 1_000);
        for n in 0..IN_FLIGHT {
            let id = PacketId::new(first + n).unwrap();
            peer.receive_packet(&Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS)));
        }
    };
    round(1);
    let (allocations, ()) = count(|| (1..6_000).for_each(|n| round(1 + n * IN_FLIGHT)));
    assert_eq!(allocations, u64::from(IN_FLIGHT) * 5_999);
}

#[test]
fn an_idle_client_on_the_heap_stays_within_a_kibibyte_with_its_allocations() {
    const LIMIT: usize = 1 << 10;
    let inline = size_of::<Client<Heap>>();
    let (new, mut peer) = held(|| Peer::connected(Version::V5, Config::DEFAULT, Heap::new()));
    let (used, ()) = held(|| {
        for (qos, id) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
            peer.publish(qos, &[7; 100]);
            peer.answered(qos, id);
            peer.message_arrives(qos, id);
        }
        peer.subscribes(3);
    });
    println!(
        "idle Client<Heap>: {inline} bytes, and on the heap {new} when connected, {used} more after use"
    );
    assert!(inline as i64 + new + used <= LIMIT as i64);
}
