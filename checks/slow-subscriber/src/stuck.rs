//! The subscriber that never reads; and how many messages there were for it in the end.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use broker_process::{connect, connect_alone, encode, read_packet, subscribe};
use mqtt_proto::{Frame, Packet, QoS, ReasonCode, Sender, Version, frame_len, packet::Ack};

/// No message for so long: there are no more.
const SILENCE: Duration = Duration::from_secs(1);

pub(crate) struct Stuck(TcpStream);

impl Stuck {
    /// Subscribed to everything; from here on it reads nothing.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut stream = connect(address, connect_alone("stuck"))?;
        stream.write_all(&subscribe("load/#", QoS::AtLeastOnce))?;
        read_packet(&mut stream, &mut [0; 64])?;
        Ok(Self(stream))
    }

    /// Reads everything there is at last; says how many it has not got of so many that were published since it came.
    pub(crate) fn missed(&mut self, sent: u64) -> io::Result<u64> {
        self.0.set_read_timeout(Some(SILENCE))?;
        let (mut got, mut input, mut room) = (0, Vec::new(), vec![0; 256 * 1024]);
        loop {
            match self.0.read(&mut room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => input.extend_from_slice(room.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let (mut done, mut acks) = (0, Vec::new());
            while let Ok(Frame::Len(len)) = frame_len(input.get(done..).unwrap_or_default(), u32::MAX) {
                let Some(packet) = input.get(done..done + len) else {
                    break;
                };
                if let Ok(Packet::Publish(publish)) = Packet::decode(Version::V311, Sender::Server, packet) {
                    got += 1;
                    if let Some(id) = publish.head.packet_id {
                        let ack = Packet::PubAck(Ack::new(id, ReasonCode::SUCCESS));
                        acks.extend_from_slice(&encode(Version::V311, ack));
                    }
                }
                done += len;
            }
            input.drain(..done);
            self.0.write_all(&acks)?;
        }
        let missed = sent.checked_sub(got).ok_or(io::ErrorKind::InvalidData)?;
        println!("the slow one: {sent} messages were for it, {got} waited, {missed} are not there");
        Ok(missed)
    }
}

/// How many messages the broker says it has dropped: the last that it publishes about it for a while.
pub(crate) fn counted_drops(address: SocketAddr) -> io::Result<u64> {
    const COUNT: &str = "$SYS/broker/publish/messages/dropped";
    let mut stream = connect(address, connect_alone("auditor"))?;
    stream.write_all(&subscribe(COUNT, QoS::AtMostOnce))?;
    let begin = Instant::now();
    let (mut counted, mut room) = (None, [0; 256]);
    stream.set_read_timeout(Some(Duration::from_millis(1_500)))?;
    while begin.elapsed() < Duration::from_secs(3) {
        let len = match read_packet(&mut stream, &mut room) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        };
        let packet = room.get(..len).unwrap_or_default();
        if let Ok(Packet::Publish(publish)) = Packet::decode(Version::V311, Sender::Server, packet) {
            counted = core::str::from_utf8(publish.payload)
                .ok()
                .and_then(|count| count.parse().ok());
        }
    }
    counted.ok_or_else(|| io::Error::other("the broker says nothing about drops"))
}
