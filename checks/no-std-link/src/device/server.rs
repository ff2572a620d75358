//! A server that follows a script, written on the codec alone.

use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, ReasonCode, Sender, TopicName, Version, frame_len,
    packet::{Ack, ConnAck, HeadStatus, PublishHead, ReasonCodes, SubAck},
};

use crate::{
    Failed, IMAGE, LOG, image,
    link::{Pipe, Random},
    log,
};

const VERSION: Version = Version::V5;
/// The id of its message, which has more than one byte.
const IMAGE_ID: u16 = 0x1234;

pub(crate) struct Server {
    /// Received and not understood yet.
    input: [u8; 128],
    filled: usize,
    /// A PUBLISH of which the head has come.
    arriving: Option<Arriving>,
    /// Short packets to send.
    output: [u8; 256],
    owed: usize,
    image: Image,
    /// PUBLISHes that have come, and how often each of the three was complete.
    pub(crate) published: [u8; 3],
    pub(crate) ended: bool,
}

#[derive(Copy, Clone)]
struct Arriving {
    qos: QoS,
    id: Option<PacketId>,
    offset: u32,
    len: u32,
}

/// How far its message is.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Image {
    /// Nobody has subscribed.
    Unwanted,
    /// So many bytes of the packet have been sent, again if it is not the first time.
    Sending {
        at: u32,
        dup: bool,
    },
    /// PUBREC is awaited.
    Sent,
    /// PUBCOMP is awaited.
    Released,
    Done,
}

impl Server {
    pub(crate) const fn new() -> Self {
        Self {
            input: [0; 128],
            filled: 0,
            arriving: None,
            output: [0; 256],
            owed: 0,
            image: Image::Unwanted,
            published: [0; 3],
            ended: false,
        }
    }

    /// The link is lost; the session stays.
    pub(crate) fn cut(&mut self) {
        self.filled = 0;
        self.arriving = None;
        self.owed = 0;
        if let Image::Sending { .. } | Image::Sent = self.image {
            self.image = Image::Sending { at: 0, dup: true };
        }
    }

    /// So many bytes of its message have been sent on this link.
    pub(crate) fn sent(&self) -> u32 {
        match self.image {
            Image::Sending { at, .. } => at,
            _ => 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.image == Image::Done
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self, random: &mut Random, pipe: &mut Pipe) -> Result<(), Failed> {
        let room = self.input.get_mut(self.filled..).unwrap_or_default();
        self.filled += pipe.read(random, room);
        while let n @ 1.. = self.take()? {
            self.input.copy_within(n..self.filled, 0);
            self.filled -= n;
        }
        Ok(())
    }

    /// Takes what can be taken, and tells how many bytes that were.
    fn take(&mut self) -> Result<usize, Failed> {
        let input = self.input;
        let rest = input.get(..self.filled).unwrap_or_default();
        if let Some(arriving) = self.arriving {
            return self.take_payload(arriving, rest);
        }
        match rest.first() {
            None => return Ok(0),
            Some(first) if first >> 4 == 3 => return self.take_head(rest),
            Some(_) => {}
        }
        match frame_len(rest, 128).map_err(|_| "the client wrote no packet")? {
            Frame::Len(len) if len <= rest.len() => {
                let frame = rest.get(..len).unwrap_or_default();
                let packet = Packet::decode(VERSION, Sender::Client, frame);
                self.take_packet(&packet.map_err(|_| "the client wrote a packet that cannot be decoded")?)?;
                Ok(len)
            }
            _ => Ok(0),
        }
    }

    fn take_head(&mut self, rest: &[u8]) -> Result<usize, Failed> {
        let status = PublishHead::decode(VERSION, Sender::Client, rest);
        match status.map_err(|_| "the client wrote a head that cannot be decoded")? {
            HeadStatus::Need(_) => Ok(0),
            HeadStatus::Head {
                head,
                head_len,
                payload_len,
            } => {
                if head.topic.as_str() != "device/out" {
                    return Err("a message to another topic");
                }
                self.arriving = Some(Arriving {
                    qos: head.qos,
                    id: head.packet_id,
                    offset: 0,
                    len: u32::try_from(payload_len).map_err(|_| "a message too long")?,
                });
                Ok(head_len)
            }
        }
    }

    fn take_payload(&mut self, mut arriving: Arriving, rest: &[u8]) -> Result<usize, Failed> {
        let mut taken = 0;
        for byte in rest {
            if arriving.offset == arriving.len {
                break;
            }
            let right = match arriving.qos {
                QoS::AtMostOnce => b"boot".get(arriving.offset as usize) == Some(byte),
                QoS::AtLeastOnce => b"21.5".get(arriving.offset as usize) == Some(byte),
                QoS::ExactlyOnce => log(arriving.offset) == *byte,
            };
            if !right {
                return Err("the client published other bytes");
            }
            arriving.offset += 1;
            taken += 1;
        }
        self.arriving = Some(arriving);
        if arriving.offset < arriving.len {
            return Ok(taken);
        }
        self.arriving = None;
        let (which, len) = match arriving.qos {
            QoS::AtMostOnce => (0, 4),
            QoS::AtLeastOnce => (1, 4),
            QoS::ExactlyOnce => (2, LOG),
        };
        if arriving.len != len {
            return Err("the client published another length");
        }
        if let Some(count) = self.published.get_mut(which) {
            *count += 1;
        }
        match (arriving.qos, arriving.id) {
            (QoS::AtLeastOnce, Some(id)) => self.owe(&Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS)))?,
            (QoS::ExactlyOnce, Some(id)) => self.owe(&Packet::PubRec(Ack::new(id, ReasonCode::SUCCESS)))?,
            _ => {}
        }
        Ok(taken)
    }

    fn take_packet(&mut self, packet: &Packet<'_>) -> Result<(), Failed> {
        match packet {
            Packet::Connect(connect) => {
                if connect.properties.receive_maximum() != Some(2) {
                    return Err("CONNECT promises other memory than there is");
                }
                let connack = ConnAck {
                    session_present: self.image != Image::Unwanted,
                    code: ReasonCode::SUCCESS,
                    properties: Properties::EMPTY,
                };
                self.owe(&Packet::ConnAck(connack))
            }
            Packet::Subscribe(subscribe) => {
                self.image = Image::Sending { at: 0, dup: false };
                let suback = SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    codes: ReasonCodes::new(&[2]),
                };
                self.owe(&Packet::SubAck(suback))
            }
            Packet::PubRec(ack) if ack.packet_id.get() == IMAGE_ID && self.image == Image::Sent => {
                self.image = Image::Released;
                self.owe(&Packet::PubRel(Ack::new(ack.packet_id, ReasonCode::SUCCESS)))
            }
            Packet::PubComp(ack) if ack.packet_id.get() == IMAGE_ID && self.image == Image::Released => {
                self.image = Image::Done;
                Ok(())
            }
            Packet::PubRel(ack) => self.owe(&Packet::PubComp(Ack::new(ack.packet_id, ReasonCode::SUCCESS))),
            Packet::PingReq => self.owe(&Packet::PingResp),
            Packet::Disconnect(_) => {
                self.ended = true;
                Ok(())
            }
            _ => Err("a packet that the script does not have"),
        }
    }

    fn owe(&mut self, packet: &Packet<'_>) -> Result<(), Failed> {
        let room = self.output.get_mut(self.owed..).unwrap_or_default();
        let bytes = packet.encode(VERSION, room).map_err(|_| "too many answers")?;
        self.owed += bytes.len();
        Ok(())
    }

    /// Writes what the link takes: its message to the end, once it is begun, and before it what is owed.
    pub(crate) fn write(&mut self, random: &mut Random, pipe: &mut Pipe) -> Result<(), Failed> {
        let between = !matches!(self.image, Image::Sending { at: 1.., .. });
        if between && self.owed > 0 {
            let n = pipe.write(random, self.output.get(..self.owed).unwrap_or_default());
            self.output.copy_within(n..self.owed, 0);
            self.owed -= n;
            return Ok(());
        }
        let Image::Sending { at, dup } = self.image else {
            return Ok(());
        };
        let mut room = [0; 64];
        let head = PublishHead {
            dup,
            qos: QoS::ExactlyOnce,
            retain: false,
            topic: TopicName::new("device/image").map_err(|_| "no topic")?,
            packet_id: PacketId::new(IMAGE_ID),
            properties: Properties::EMPTY,
        };
        let head = head.encode(VERSION, IMAGE, &mut room).map_err(|_| "no head")?;
        let mut piece = [0; 64];
        let len = head.len() as u32 + IMAGE;
        let mut n = 0;
        for (place, at) in piece.iter_mut().zip(at..len) {
            *place = match head.get(at as usize) {
                Some(byte) => *byte,
                None => image(at - head.len() as u32),
            };
            n += 1;
        }
        let at = at + pipe.write(random, piece.get(..n).unwrap_or_default()) as u32;
        self.image = if at == len {
            Image::Sent
        } else {
            Image::Sending { at, dup }
        };
        Ok(())
    }
}
