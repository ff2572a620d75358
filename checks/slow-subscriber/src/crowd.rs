//! A hundred publishers and ten subscribers that read, on one thread.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    time::Instant,
};

use broker_process::{connect, connect_alone, encode, subscribe};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, ReasonCode, Sender, TopicName, Version, frame_len,
    packet::{Ack, Publish, PublishHead},
};

const PUBLISHERS: usize = 100;
const SUBSCRIBERS: usize = 10;
/// Messages that each publisher has under way.
const WINDOW: u16 = 8;
const PAYLOAD: usize = 256;
const VERSION: Version = Version::V311;

/// How long the broker may be silent while something is under way.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    origin: Instant,
    latencies: Vec<u32>,
    published: u64,
    delivered: u64,
    acknowledged: u64,
    disordered: u64,
    sending: bool,
}

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Of a publisher; subscribers have none.
    topic: Option<String>,
    /// Of a publisher: messages sent so far, and those not acknowledged.
    sent: u64,
    under_way: u16,
    /// Of a subscriber: the number of the next message of each publisher.
    expected: Vec<u64>,
}

impl Crowd {
    /// All connected and subscribed.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut peers = Vec::new();
        for n in 0..SUBSCRIBERS + PUBLISHERS {
            let client_id = format!("crowd-{n}");
            let stream = connect(address, connect_alone(&client_id))?;
            stream.set_nonblocking(true)?;
            let mut peer = Peer {
                stream: TcpStream::from_std(stream),
                input: Vec::new(),
                output: Vec::new(),
                topic: None,
                sent: 0,
                under_way: 0,
                expected: vec![0; PUBLISHERS],
            };
            if n < SUBSCRIBERS {
                peer.output = subscribe(&format!("load/{n}/#"), QoS::AtLeastOnce);
            } else {
                let publisher = n - SUBSCRIBERS;
                peer.topic = Some(format!("load/{}/{publisher}", publisher % SUBSCRIBERS));
            }
            poll.registry().register(
                &mut peer.stream,
                Token(n),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            peers.push(peer);
        }
        let mut crowd = Self {
            poll,
            events: Events::with_capacity(256),
            peers,
            origin: Instant::now(),
            latencies: Vec::new(),
            published: 0,
            delivered: 0,
            acknowledged: 0,
            disordered: 0,
            sending: false,
        };
        // Their SUBACKs are back before the first message.
        crowd.turn_for(Duration::from_millis(200))?;
        Ok(crowd)
    }

    /// Publishes for so long.
    pub(crate) fn run(&mut self, span: Duration) -> io::Result<()> {
        self.sending = true;
        for n in SUBSCRIBERS..self.peers.len() {
            self.refill(n);
            self.write(n)?;
        }
        self.turn_for(span)
    }

    /// Publishes nothing more, and waits for what is under way.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        self.sending = false;
        let begin = Instant::now();
        while self.delivered < self.published || self.acknowledged < self.published {
            if begin.elapsed() > PATIENCE {
                return Ok(());
            }
            self.turn(Duration::from_millis(50))?;
        }
        Ok(())
    }

    pub(crate) const fn published(&self) -> u64 {
        self.published
    }

    pub(crate) const fn lost(&self) -> u64 {
        self.published.saturating_sub(self.delivered)
    }

    pub(crate) const fn disordered(&self) -> u64 {
        self.disordered
    }

    pub(crate) fn forget_latencies(&mut self) {
        self.latencies.clear();
    }

    /// In microseconds.
    pub(crate) fn take_latencies(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.latencies)
    }

    fn turn_for(&mut self, span: Duration) -> io::Result<()> {
        let end = Instant::now() + span;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left)?;
        }
    }

    fn turn(&mut self, longest: Duration) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(longest))?;
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for n in ready {
            self.read(n)?;
            self.refill(n);
            self.write(n)?;
        }
        Ok(())
    }

    fn read(&mut self, n: usize) -> io::Result<()> {
        let mut room = [0; 64 * 1024];
        loop {
            let Some(peer) = self.peers.get_mut(n) else {
                return Ok(());
            };
            match peer.stream.read(&mut room) {
                Ok(0) => return Err(io::Error::other(format!("client {n} was disconnected"))),
                Ok(len) => {
                    peer.input.extend_from_slice(room.get(..len).unwrap_or_default());
                    self.take(n)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whole packets out of the input.
    fn take(&mut self, n: usize) -> io::Result<()> {
        let Self { peers, .. } = self;
        let Some(peer) = peers.get_mut(n) else {
            return Ok(());
        };
        let mut done = 0;
        let now = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        loop {
            let rest = peer.input.get(done..).unwrap_or_default();
            let Ok(Frame::Len(len)) = frame_len(rest, u32::MAX) else {
                break;
            };
            let Some(packet) = rest.get(..len) else { break };
            match Packet::decode(VERSION, Sender::Server, packet) {
                Ok(Packet::PubAck(_)) => {
                    peer.under_way -= 1;
                    self.acknowledged += 1;
                }
                Ok(Packet::Publish(publish)) => {
                    let (sent, publisher, number) = read_payload(publish.payload)?;
                    self.latencies
                        .push(u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX));
                    let expected = peer
                        .expected
                        .get_mut(publisher)
                        .ok_or(io::ErrorKind::InvalidData)?;
                    self.disordered += u64::from(*expected != number);
                    *expected = number + 1;
                    self.delivered += 1;
                    if let Some(id) = publish.head.packet_id {
                        let ack = Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS));
                        peer.output.extend_from_slice(&encode(VERSION, ack));
                    }
                }
                Ok(_) => {}
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
            done += len;
        }
        peer.input.drain(..done);
        Ok(())
    }

    /// A publisher sends what its window has room for.
    fn refill(&mut self, n: usize) {
        let sending = self.sending;
        let origin = self.origin;
        let Some(peer) = self.peers.get_mut(n) else { return };
        let Some(topic) = peer.topic.clone().filter(|_| sending) else {
            return;
        };
        while peer.under_way < WINDOW {
            let now = u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX);
            let payload = write_payload(now, n - SUBSCRIBERS, peer.sent);
            let id = u16::try_from(peer.sent % 60_000).unwrap_or(0) + 1;
            let packet = publish(&topic, id, &payload);
            peer.output.extend_from_slice(&packet);
            peer.sent += 1;
            peer.under_way += 1;
            self.published += 1;
        }
    }

    fn write(&mut self, n: usize) -> io::Result<()> {
        let Some(peer) = self.peers.get_mut(n) else {
            return Ok(());
        };
        while !peer.output.is_empty() {
            match peer.stream.write(&peer.output) {
                Ok(len) => drop(peer.output.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let head = PublishHead {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TopicName::new(topic).expect("a topic"),
        packet_id: PacketId::new(id),
        properties: Properties::EMPTY,
    };
    encode(VERSION, Packet::Publish(Publish { head, payload }))
}

/// When it was sent, by whom, and the how manieth it is.
fn write_payload(now: u64, publisher: usize, number: u64) -> [u8; PAYLOAD] {
    let mut payload = [0; PAYLOAD];
    for (place, value) in payload.chunks_exact_mut(8).zip([now, publisher as u64, number]) {
        place.copy_from_slice(&value.to_be_bytes());
    }
    payload
}

fn read_payload(payload: &[u8]) -> io::Result<(u64, usize, u64)> {
    let mut numbers = payload
        .chunks_exact(8)
        .filter_map(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
    let mut next = || numbers.next().ok_or(io::ErrorKind::InvalidData);
    let (sent, publisher, number) = (next()?, next()?, next()?);
    Ok((
        sent,
        usize::try_from(publisher).map_err(io::Error::other)?,
        number,
    ))
}
