//! What a server sends, whole and in pieces.
//!
//! | bytes | |
//! |---|---|
//! | 0 | version + 3 × flags: 1 events are detached and viewed again, 2 what is owed is written after each event, not only when the client takes nothing more, 4 manual acknowledging, 8 a CONNACK stands before the stream, 16 fixed memory, 32 the application publishes and subscribes |
//! | 1, and so many | sizes of the pieces, again and again; if the first is odd, large messages are told in pieces |
//! | rest | the stream |
//!
//! What is written makes room and frees packet ids, so both runs write at the same places of the stream: after events,
//! or when the client wants no input.

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    AckToken, Body, Client, Config, Event, Instant, Publish,
    client::{Ack, Acknowledge, Oversize},
    storage::{Fixed, Heap, Storage},
};

use crate::{choices::Choices, version};

/// Bytes that the client's receive buffer holds, if larger messages are told in pieces; and if they are refused.
const STREAM_BUFFER: usize = 64;
const BUFFER: usize = 4096;

const DETACHED: u8 = 1;
const WRITE_AFTER_EVENTS: u8 = 2;
const MANUAL: u8 = 4;
const CONNACK_FIRST: u8 = 8;
const FIXED: u8 = 16;
const BUSY: u8 = 32;

/// Plays a stream whole and in pieces.
///
/// # Panics
/// If the events or the bytes written differ.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let first = choices.byte();
    let (version, flags) = (version(first), first / 3);
    let pieces = choices.bytes();
    let mut stream = Vec::new();
    if flags & CONNACK_FIRST != 0 {
        let connack: &[u8] = if version.has_properties() {
            &[0x20, 3, 0, 0, 0]
        } else {
            &[0x20, 2, 0, 0]
        };
        stream.extend(connack);
    }
    stream.extend(choices.rest());
    let buffer = match pieces.first() {
        Some(first) if first & 1 == 1 => STREAM_BUFFER,
        _ => BUFFER,
    };
    let play = |pieces: &[u8], flags: u8| {
        if flags & FIXED != 0 {
            play(Fixed::<4, 256>::new(), version, flags, buffer, &stream, pieces)
        } else {
            play(Heap::new(), version, flags, buffer, &stream, pieces)
        }
    };
    let whole = play(&[], flags & !DETACHED);
    assert_eq!(play(pieces, flags), whole, "in pieces {pieces:?}");
    assert_eq!(play(&[1], flags), whole, "byte by byte");
}

fn play<S: Storage>(
    storage: S,
    version: Version,
    flags: u8,
    buffer: usize,
    stream: &[u8],
    pieces: &[u8],
) -> Vec<String> {
    let mut config = Config::DEFAULT;
    config.receive_buffer = u32::try_from(buffer).expect("a small buffer");
    if buffer == STREAM_BUFFER {
        config.oversize = Oversize::Stream;
    }
    if flags & MANUAL != 0 {
        config.acknowledge = Acknowledge::Manual;
    }
    let mut player = Player {
        client: Client::new(config, storage),
        flags,
        version,
        acks: Vec::new(),
        log: Vec::new(),
        data: None,
    };
    player.connect();
    let mut pieces = pieces.iter().map(|&piece| usize::from(piece.max(1))).cycle();
    let (mut done, mut given) = (0, 0);
    while given < stream.len() {
        given = stream.len().min(given + pieces.next().unwrap_or(stream.len()));
        // No more than the buffer holds.
        loop {
            let n = player.feed(&stream[done..given.min(done + buffer)]);
            done += n;
            if n == 0 || done == given {
                break;
            }
        }
    }
    player.client.handle_disconnect(NOW);
    player.feed(&[]);
    player.log
}

const NOW: Instant = Instant::from_secs(1000);

struct Player<S: Storage> {
    client: Client<S>,
    flags: u8,
    version: Version,
    acks: Vec<AckToken>,
    log: Vec<String>,
    /// Bytes of the message in pieces that have been told since the last thing that was not such bytes. How many come at
    /// once depends on the pieces.
    data: Option<(u32, Vec<u8>)>,
}

impl<S: Storage> Player<S> {
    fn connect(&mut self) {
        let properties = [Property::SessionExpiryInterval(60)];
        let connect = Connect {
            version: self.version,
            clean_start: false,
            keep_alive: 60,
            client_id: "c",
            will: None,
            user_name: None,
            password: None,
            properties: Properties::new(if self.version.has_properties() {
                &properties
            } else {
                &[]
            }),
        };
        self.client.connect(NOW, &connect).expect("nothing is in its way");
        self.write();
    }

    /// Everything that can be told of these bytes; gives how many were consumed.
    fn feed(&mut self, rx: &[u8]) -> usize {
        let mut done = 0;
        loop {
            let rest = &rx[done..];
            let handled = self.client.handle_input(NOW, rest);
            done += handled.consumed;
            if let Some(event) = handled.event {
                let event = if self.flags & DETACHED != 0 {
                    event.detach(rest).view(rest)
                } else {
                    event
                };
                self.look(event);
                if self.flags & WRITE_AFTER_EVENTS != 0 {
                    self.write();
                }
            } else if self.client.wants_input() || !(self.write() || self.acknowledge()) {
                return done;
            }
        }
    }

    fn look(&mut self, event: Event<'_>) {
        if let Event::MessageData { offset, bytes } = event {
            assert!(!bytes.is_empty());
            let (start, data) = self.data.get_or_insert_with(|| (offset, Vec::new()));
            assert_eq!(
                *start as usize + data.len(),
                offset as usize,
                "one piece after the other"
            );
            data.extend(bytes);
            return;
        }
        self.say(format!("{event:?}"));
        match event {
            Event::Connected(_) if self.flags & BUSY != 0 => {
                for qos in [
                    QoS::AtMostOnce,
                    QoS::AtLeastOnce,
                    QoS::ExactlyOnce,
                    QoS::ExactlyOnce,
                ] {
                    let topic = TopicName::new("t").expect("a topic");
                    let token = self.client.publish(NOW, &Publish::new(topic, qos), b"x");
                    self.say(format!("{token:?}"));
                }
                let filter = TopicFilter::new("#").expect("a filter");
                let options = SubscriptionOptions::new(QoS::ExactlyOnce);
                let all = [Subscription { filter, options }];
                let token = self.client.subscribe(NOW, &all, Properties::EMPTY);
                let ping = self.client.ping(NOW);
                self.say(format!("{token:?} {ping:?}"));
            }
            Event::Message(message) => self.acks.extend(message.ack),
            Event::MessageEnd(Ok(ack)) => self.acks.extend(ack),
            _ => {}
        }
    }

    fn say(&mut self, what: String) {
        if let Some((offset, data)) = self.data.take() {
            self.log.push(format!("{offset} {data:02x?}"));
        }
        self.log.push(what);
    }

    /// Writes all there is; false if there is nothing.
    fn write(&mut self) -> bool {
        let mut some = false;
        while let Some(transmit) = self.client.poll_transmit() {
            let Body::Bytes(body) = transmit.body else {
                panic!("no payload is external")
            };
            let (what, len) = (format!("{:02x?} {body:02x?}", transmit.head), transmit.len());
            self.say(what);
            self.client.handle_written(NOW, len);
            some = true;
        }
        some
    }

    /// Acknowledges the newest message; false if there is none.
    fn acknowledge(&mut self) -> bool {
        let Some(token) = self.acks.pop() else {
            return false;
        };
        self.client
            .acknowledge(NOW, token, &Ack::SUCCESS)
            .expect("a plain answer is always taken");
        true
    }
}
