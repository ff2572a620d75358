//! A link between a client and the broker: carries whole packets, counts repeats, and is cut once.

use core::net::SocketAddr;
use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use mqtt_proto::{Frame, Packet, PacketType, QoS, Sender, Version, frame_len};

use super::{
    cast::{Cut, End, Part},
    lock, spawn,
};

/// No packet of the demo is larger.
const LONGEST: u32 = 1 << 16;

/// Where a client finds the broker, with what passed there.
pub(super) struct Wire {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// By QoS: PUBLISH packets of the client with DUP.
    pub(super) sent_again: [u32; 3],
    /// By QoS: PUBLISH packets of the broker with DUP.
    pub(super) came_again: [u32; 3],
    /// How often the link was cut.
    pub(super) cuts: u32,
    /// Connections of the client.
    pub(super) connections: u32,
    /// QoS 2 messages whose PUBLISH had passed when the link was cut, and whose PUBREC had not.
    pub(super) in_the_middle: u32,
    /// QoS 2 PUBLISH less PUBREC, by the end that publishes.
    open: [u32; 2],
}

/// One direction of one connection.
struct Lane {
    version: Version,
    from: End,
    cut: Option<Cut>,
    seen: Arc<Mutex<Seen>>,
    source: TcpStream,
    sink: TcpStream,
}

impl Wire {
    /// Listens for the client of this part, as often as it comes.
    pub(super) fn start(broker: SocketAddr, part: &'static Part) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watched = Arc::clone(&seen);
        let carry = move || {
            for client in listener.incoming() {
                // The client learns of anything that goes wrong here by its connection's end.
                let _ = client.and_then(|client| connect(client, broker, part, &watched));
            }
        };
        spawn("wire", carry).map_err(io::Error::other)?;
        Ok(Self { address, seen })
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

fn connect(client: TcpStream, broker: SocketAddr, part: &Part, seen: &Arc<Mutex<Seen>>) -> io::Result<()> {
    let server = TcpStream::connect(broker)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    {
        let mut seen = lock(seen);
        seen.connections += 1;
        seen.open = [0; 2];
    }
    for (from, source, sink) in [
        (End::Client, client.try_clone()?, server.try_clone()?),
        (End::Server, server, client),
    ] {
        let lane = Lane {
            version: part.version,
            from,
            cut: part.cut,
            seen: Arc::clone(seen),
            source,
            sink,
        };
        spawn("wire", move || {
            let _ = lane.carry();
        })
        .map_err(io::Error::other)?;
    }
    Ok(())
}

impl Lane {
    /// Carries packets until one end closes, or the link is cut.
    fn carry(mut self) -> io::Result<()> {
        let (mut bytes, mut room) = (Vec::new(), [0; 4096]);
        let result = 'link: loop {
            let n = match self.source.read(&mut room) {
                Ok(0) => break Ok(()),
                Ok(n) => n,
                Err(error) => break Err(error),
            };
            bytes.extend_from_slice(&room[..n]);
            let mut done = 0;
            while let Ok(Frame::Len(len)) = frame_len(&bytes[done..], LONGEST) {
                let frame = &bytes[done..done + len];
                done += len;
                if !self.passes(frame) {
                    break 'link Ok(());
                }
                if let Err(error) = self.sink.write_all(frame) {
                    break 'link Err(error);
                }
            }
            bytes.drain(..done);
        };
        // Both ways: an end that is told nothing more is no better than one that cannot say more.
        let _ = self.source.shutdown(Shutdown::Both);
        let _ = self.sink.shutdown(Shutdown::Both);
        result
    }

    /// Counts a packet; `false`: the link is cut instead of carrying it.
    fn passes(&self, frame: &[u8]) -> bool {
        let from = match self.from {
            End::Client => Sender::Client,
            End::Server => Sender::Server,
        };
        // What is no packet is for the receiver to judge.
        let Ok(packet) = Packet::decode(self.version, from, frame) else {
            return true;
        };
        let mut seen = lock(&self.seen);
        let publisher = match (self.from, packet.packet_type()) {
            (End::Client, PacketType::PubRec) | (End::Server, PacketType::Publish) => 1,
            _ => 0,
        };
        let cut = self
            .cut
            .filter(|cut| cut.from == self.from && cut.packet == packet.packet_type());
        if cut.is_some() && seen.cuts == 0 {
            seen.cuts = 1;
            seen.in_the_middle = seen.open[publisher];
            return false;
        }
        match packet {
            Packet::Publish(publish) => {
                let qos = publish.head.qos;
                let again = match self.from {
                    End::Client => &mut seen.sent_again,
                    End::Server => &mut seen.came_again,
                };
                again[qos as usize] += u32::from(publish.head.dup);
                seen.open[publisher] += u32::from(qos == QoS::ExactlyOnce);
            }
            Packet::PubRec(_) => seen.open[publisher] = seen.open[publisher].saturating_sub(1),
            _ => {}
        }
        true
    }
}
