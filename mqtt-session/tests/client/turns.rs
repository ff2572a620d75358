//! Fair output: acknowledgements, then pings, then control, then messages, and nothing waits for ever.

use std::collections::VecDeque;

use mqtt_proto::{
    Packet, PacketId, QoS, ReasonCode, Sender, Version,
    packet::{Ack, SubAck},
};
use mqtt_session::{Body, Refused};

use crate::peer::{Peer, id, topic};

/// What can make the client write.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The server sends QoS 1 messages: PUBACK.
    One,
    /// The server sends QoS 2 messages: PUBREC.
    Two,
    /// The server releases them: PUBCOMP.
    Release,
    /// The server releases what was never sent: PUBCOMP with 0x92.
    Unknown,
    /// The server takes QoS 2 messages of the client: PUBREL.
    Taken,
    /// The application pings.
    Ping,
    /// The application subscribes.
    Subscribe,
    /// The application publishes, at QoS 0, 1 and 2 in turn.
    Publish,
}

const SOURCES: [Source; 8] = [
    Source::One,
    Source::Two,
    Source::Release,
    Source::Unknown,
    Source::Taken,
    Source::Ping,
    Source::Subscribe,
    Source::Publish,
];

/// What waits is passed over eight times, and then by one packet of each of the seven others at most.
const BOUND: u32 = 15;

struct World {
    peer: Peer,
    /// Ids of the server's QoS 2 messages: told and not answered; answered and not released.
    unreleased: VecDeque<PacketId>,
    /// QoS 2 messages of the client that have come and are not answered.
    untaken: VecDeque<PacketId>,
    next_id: u16,
    published: u32,
    /// What the client owes, by source.
    owed: [u32; 8],
    /// How many packets have gone since one of this source could have.
    passed: [u32; 8],
    served: [u32; 8],
    /// The number in the newest message that has left.
    newest: u32,
}

impl World {
    fn new() -> Self {
        Self {
            peer: Peer::connected(Version::V5),
            unreleased: VecDeque::new(),
            untaken: VecDeque::new(),
            next_id: 1,
            published: 0,
            owed: [0; 8],
            passed: [0; 8],
            served: [0; 8],
            newest: 0,
        }
    }

    fn fresh_id(&mut self) -> u16 {
        let n = self.next_id;
        self.next_id = if n == 60_000 { 1 } else { n + 1 };
        n
    }

    fn hear(&mut self) {
        for event in self.peer.events() {
            assert!(!event.starts_with("closed"), "{event}");
        }
    }

    /// Something more to write, if that is possible now.
    fn feed(&mut self, source: Source) {
        let now = self.peer.now;
        match source {
            Source::One => {
                let n = self.fresh_id();
                self.peer.send_publish(QoS::AtLeastOnce, Some(n), false, b"m");
            }
            Source::Two => {
                let n = self.fresh_id();
                self.peer.send_publish(QoS::ExactlyOnce, Some(n), false, b"m");
            }
            Source::Release => {
                let Some(id) = self.unreleased.pop_front() else {
                    return;
                };
                self.peer.send(&Packet::PubRel(Ack::new(id, ReasonCode::SUCCESS)));
            }
            Source::Unknown => {
                let ack = Ack::new(id(65_000), ReasonCode::SUCCESS);
                self.peer.send(&Packet::PubRel(ack));
            }
            Source::Taken => {
                let Some(id) = self.untaken.pop_front() else {
                    return;
                };
                self.peer.pubrec(id.get());
            }
            Source::Ping => match self.peer.client.ping(now) {
                Ok(_) => {}
                Err(Refused::Slots) => return,
                Err(other) => panic!("{other}"),
            },
            Source::Subscribe => {
                self.peer.subscribe("a");
            }
            Source::Publish => {
                let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][self.published as usize % 3];
                self.published += 1;
                let payload = self.published.to_be_bytes();
                let message = mqtt_session::Publish::new(topic("t"), qos);
                self.peer.client.publish(now, &message, &payload).unwrap();
            }
        }
        self.hear();
        self.owed[source as usize] += 1;
    }

    /// One packet leaves, and the server answers it at once where the client needs the answer to go on.
    fn write_one(&mut self) {
        let now = self.peer.now;
        let transmit = self.peer.client.poll_transmit().expect("something waits");
        let Body::Bytes(body) = transmit.body else {
            panic!("no payload is external")
        };
        let bytes = [transmit.head, body].concat();
        self.peer.client.handle_written(now, bytes.len());
        let packet = Packet::decode(Version::V5, Sender::Client, &bytes).unwrap();
        let source = match &packet {
            Packet::PubAck(ack) => {
                assert_eq!(ack.code, ReasonCode::SUCCESS);
                Source::One
            }
            Packet::PubRec(ack) => {
                self.unreleased.push_back(ack.packet_id);
                Source::Two
            }
            Packet::PubComp(ack) if ack.code.is_failure() => Source::Unknown,
            Packet::PubComp(_) => Source::Release,
            Packet::PubRel(ack) => {
                self.peer.pubcomp(ack.packet_id.get());
                Source::Taken
            }
            Packet::PingReq => {
                self.peer.send(&Packet::PingResp);
                Source::Ping
            }
            Packet::Subscribe(subscribe) => {
                self.peer.send(&Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: mqtt_proto::Properties::EMPTY,
                    codes: mqtt_proto::packet::ReasonCodes::new(&[2]),
                }));
                Source::Subscribe
            }
            Packet::Publish(publish) => {
                let number = u32::from_be_bytes(publish.payload.try_into().unwrap());
                assert_eq!(number, self.newest + 1, "the older message goes first");
                self.newest = number;
                match (publish.head.qos, publish.head.packet_id) {
                    (QoS::AtLeastOnce, Some(id)) => self.peer.puback(id.get()),
                    (QoS::ExactlyOnce, Some(id)) => self.untaken.push_back(id),
                    _ => {}
                }
                Source::Publish
            }
            other => panic!("{other}"),
        };
        self.hear();
        self.owed[source as usize] -= 1;
        self.served[source as usize] += 1;
        for other in SOURCES {
            let passed = &mut self.passed[other as usize];
            *passed = if other == source || self.owed[other as usize] == 0 {
                0
            } else {
                *passed + 1
            };
            assert!(*passed <= BOUND, "{other:?} was passed over {passed} times");
        }
    }
}

/// Every mixture of sources that never run dry, over a transport that takes one packet where the server sends many.
#[test]
fn nothing_waits_for_ever_however_busy_server_and_application_are() {
    for mixture in 1_u32..1 << SOURCES.len() {
        let busy = |source: Source| mixture & 1 << source as u32 != 0;
        let mut world = World::new();
        for _ in 0..120 {
            for source in SOURCES {
                while busy(source) && world.owed[source as usize] < 3 {
                    let before = world.owed;
                    world.feed(source);
                    if world.owed == before {
                        break;
                    }
                }
            }
            if world.owed == [0; 8] {
                break;
            }
            world.write_one();
        }
        for source in SOURCES {
            // What follows from something else, and would need it to go on.
            let possible = match source {
                Source::Release => busy(Source::Two),
                Source::Taken => busy(Source::Publish),
                _ => true,
            };
            let served = world.served[source as usize];
            assert_eq!(
                served >= 3,
                busy(source) && possible,
                "{mixture:08b} {source:?}: {served}"
            );
        }
    }
}

/// The order as long as nobody has waited long.
#[test]
fn acknowledgements_then_pings_then_control_then_messages() {
    let mut peer = Peer::connected(Version::V5);
    peer.publish(QoS::ExactlyOnce, "first");
    assert_eq!(peer.sent(), ["PUBLISH #1 first"]);
    peer.publish(QoS::AtMostOnce, "older");
    peer.publish(QoS::AtLeastOnce, "newer");
    peer.subscribe("a");
    peer.client.ping(peer.now).unwrap();
    peer.pubrec(1);
    peer.send(&Packet::PubRel(Ack::new(id(9), ReasonCode::SUCCESS)));
    peer.send_publish(QoS::ExactlyOnce, Some(2), false, b"b");
    peer.send_publish(QoS::AtLeastOnce, Some(1), false, b"a");
    peer.events();
    assert_eq!(
        peer.sent(),
        [
            "PUBCOMP #9 0x92",
            "PUBACK #1",
            "PUBREC #2",
            "PUBREL #1",
            "PINGREQ",
            "SUBSCRIBE #2",
            "PUBLISH older",
            "PUBLISH #3 newer",
        ]
    );
}

/// Many acknowledgements at once, as after a burst, and a message that waits behind them.
#[test]
fn a_message_goes_after_eight_acknowledgements_in_a_row() {
    let mut peer = Peer::connected(Version::V311);
    for n in 1..=20 {
        peer.send_publish(QoS::AtLeastOnce, Some(n), false, b"m");
    }
    peer.events();
    peer.publish(QoS::AtMostOnce, "x");
    peer.publish(QoS::AtMostOnce, "y");
    let sent = peer.sent();
    let places: Vec<usize> = (0..sent.len())
        .filter(|&n| sent[n].starts_with("PUBLISH"))
        .collect();
    assert_eq!(places, [8, 17], "{sent:?}");
    assert_eq!(sent.len(), 22);
}

/// The window is the server's word and not a matter of turns: messages of QoS 0 pass, in their order.
#[test]
fn a_full_window_holds_up_its_own_messages_only() {
    let mut peer = Peer::new(Version::V5);
    peer.client
        .connect(peer.now, &crate::peer::options(Version::V5, true))
        .unwrap();
    peer.sent();
    peer.send_bytes(&[0x20, 6, 0, 0, 3, 0x21, 0, 1]);
    peer.events();
    peer.publish(QoS::AtLeastOnce, "1");
    peer.publish(QoS::AtLeastOnce, "2");
    for n in 0..20 {
        peer.publish(QoS::AtMostOnce, &format!("plain {n}"));
    }
    let sent = peer.sent();
    let expected: Vec<String> = std::iter::once("PUBLISH #1 1".to_owned())
        .chain((0..20).map(|n| format!("PUBLISH plain {n}")))
        .collect();
    assert_eq!(sent, expected);
    peer.puback(1);
    peer.events();
    assert_eq!(peer.sent(), ["PUBLISH #2 2"]);
}
