//! One client: its socket, and what waits to be written or is not whole yet.

use std::io::{self, Read as _, Write as _};

use broker_process::encode;
use mio::net::TcpStream;
use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, ReasonCode, Sender, TopicName, Version, frame_len,
    packet::{Ack, Publish, PublishHead},
};

pub(crate) const VERSION: Version = Version::V311;
const PAYLOAD: usize = 64;

#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    role: Role,
    /// The beginning of a packet.
    rest: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Role {
    Publisher(Publisher),
    /// The number of the next message of each publisher.
    Subscriber(Vec<u64>),
}

#[derive(Debug)]
pub(crate) struct Publisher {
    /// A message of its, in which the numbers change.
    packet: Vec<u8>,
    qos: QoS,
    sent: u64,
}

/// What came.
pub(crate) enum Arrived {
    /// From this publisher; whether it is the one that had to come now.
    Message {
        publisher: usize,
        in_order: bool,
    },
    Acknowledgement,
}

impl Peer {
    pub(crate) const fn new(stream: TcpStream, role: Role) -> Self {
        Self {
            stream,
            role,
            rest: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Reads until nothing is left, and tells what came.
    pub(crate) fn read(&mut self, room: &mut [u8], mut tell: impl FnMut(Arrived)) -> io::Result<()> {
        loop {
            match self.stream.read(room) {
                Ok(0) => return Err(io::Error::other("a client was disconnected")),
                Ok(len) => {
                    let received = room.get(..len).unwrap_or_default();
                    if self.rest.is_empty() {
                        let done = self.take(received, &mut tell)?;
                        self.rest
                            .extend_from_slice(received.get(done..).unwrap_or_default());
                    } else {
                        let mut whole = core::mem::take(&mut self.rest);
                        whole.extend_from_slice(received);
                        let done = self.take(&whole, &mut tell)?;
                        whole.drain(..done);
                        self.rest = whole;
                    }
                    if len < room.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whole packets; gives their length.
    fn take(&mut self, received: &[u8], tell: &mut impl FnMut(Arrived)) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let rest = received.get(done..).unwrap_or_default();
            let len = match frame_len(rest, u32::MAX) {
                Ok(Frame::Len(len)) if len <= rest.len() => len,
                Ok(_) => return Ok(done),
                Err(error) => return Err(io::Error::other(error.to_string())),
            };
            let packet = rest.get(..len).unwrap_or_default();
            match (Packet::decode(VERSION, Sender::Server, packet), &mut self.role) {
                (Ok(Packet::PubAck(_)), Role::Publisher(_)) => tell(Arrived::Acknowledgement),
                (Ok(Packet::Publish(publish)), Role::Subscriber(expected)) => {
                    let (publisher, number) = numbers(publish.payload).ok_or(io::ErrorKind::InvalidData)?;
                    let next = expected.get_mut(publisher).ok_or(io::ErrorKind::InvalidData)?;
                    let in_order = *next == number;
                    *next = number + 1;
                    if let Some(id) = publish.head.packet_id {
                        let ack = Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS));
                        self.output.extend_from_slice(&encode(VERSION, ack));
                    }
                    tell(Arrived::Message { publisher, in_order });
                }
                (Ok(Packet::SubAck(_)), _) => {}
                (Ok(other), _) => return Err(io::Error::other(format!("unexpected: {other}"))),
                (Err(error), _) => return Err(io::Error::other(error.to_string())),
            }
            done += len;
        }
    }

    /// Puts so many more messages into the output.
    pub(crate) fn publish(&mut self, count: u64) {
        let Role::Publisher(publisher) = &mut self.role else {
            return;
        };
        for _ in 0..count {
            publisher.next();
            self.output.extend_from_slice(&publisher.packet);
        }
    }

    /// Writes as much as the socket takes; the rest waits until it is ready again.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(len) => drop(self.output.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn queue(&mut self, packet: &[u8]) {
        self.output.extend_from_slice(packet);
    }
}

impl Publisher {
    pub(crate) fn new(topic: &str, number: usize, qos: QoS) -> Self {
        let mut payload = [0; PAYLOAD];
        if let Some(place) = payload.first_chunk_mut() {
            *place = (number as u64).to_be_bytes();
        }
        let head = PublishHead {
            dup: false,
            qos,
            retain: false,
            topic: TopicName::new(topic).expect("a topic"),
            packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
            properties: Properties::EMPTY,
        };
        let payload = &payload;
        Self {
            packet: encode(VERSION, Packet::Publish(Publish { head, payload })),
            qos,
            sent: 0,
        }
    }

    /// Makes the next message of the packet.
    fn next(&mut self) {
        let payload = self.packet.len() - PAYLOAD;
        self.packet[payload + 8..payload + 16].copy_from_slice(&self.sent.to_be_bytes());
        if self.qos != QoS::AtMostOnce {
            let id = u16::try_from(self.sent % 60_000).unwrap_or(0) + 1;
            self.packet[payload - 2..payload].copy_from_slice(&id.to_be_bytes());
        }
        self.sent += 1;
    }
}

/// Who sent it, and the how manieth it is.
fn numbers(payload: &[u8]) -> Option<(usize, u64)> {
    let (publisher, rest) = payload.split_first_chunk()?;
    let number = rest.first_chunk()?;
    let publisher = usize::try_from(u64::from_be_bytes(*publisher)).ok()?;
    Some((publisher, u64::from_be_bytes(*number)))
}
