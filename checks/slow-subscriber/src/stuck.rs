//! The subscriber that never reads; and how many messages there were for it in the end.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use broker_process::{connect, encode, read_packet};
use mqtt_proto::{Frame, Packet, QoS, ReasonCode, Sender, Version, frame_len, packet::Ack};

use crate::crowd::{options, subscribe};

/// No message for so long: there are no more.
const SILENCE: Duration = Duration::from_secs(1);

pub(crate) struct Stuck(TcpStream);

impl Stuck {
    /// Subscribed to everything; from here on it reads nothing.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut stream = connect(address, options("stuck"))?;
        stream.write_all(&subscribe("load/#", QoS::AtLeastOnce))?;
        read_packet(&mut stream, &mut [0; 64])?;
        Ok(Self(stream))
    }

    /// Reads everything there is at last, and says whether it adds up with what was published since it came: what it has not
    /// got was dropped.
    pub(crate) fn account(&mut self, sent: u64) -> io::Result<bool> {
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
        println!(
            "the slow one: {sent} messages were for it, {got} waited, {} were dropped",
            sent - got
        );
        Ok(got <= sent)
    }
}
