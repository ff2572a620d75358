//! A wire between client and broker that can be watched and cut.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use mqtt_proto::{Frame, PacketType, frame_len};

/// Which way a packet goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "a wire has two ends")]
pub enum Direction {
    /// From the client.
    ToBroker,
    /// From the broker.
    ToClient,
}

/// On which side of a packet the wire is cut.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "before, within or after")]
pub enum When {
    /// The packet is lost.
    Before,
    /// Its first byte arrives.
    Within,
    /// The packet arrives.
    After,
}

/// Where to cut: at the first packet of this type in this direction, once.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a plain value for tests")]
pub struct Cut {
    /// Which way.
    pub direction: Direction,
    /// Which packet.
    pub packet: PacketType,
    /// Which side of it.
    pub when: When,
}

/// A TCP proxy that counts packets and cuts where it is told. Its threads end with their connections.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cut: Option<Cut>,
    seen: BTreeMap<(Direction, u8), usize>,
}

impl Tap {
    /// A wire to this broker.
    pub fn new(broker: SocketAddr, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            cut,
            ..State::default()
        }));
        let weak = Arc::downgrade(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Some(state)) = (client, weak.upgrade()) else {
                    return;
                };
                let Ok(server) = TcpStream::connect(broker) else {
                    return;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("no delay");
                }
                let to_broker = (
                    client.try_clone().expect("a clone"),
                    server.try_clone().expect("a clone"),
                );
                let there = Arc::clone(&state);
                thread::spawn(move || carry(Direction::ToBroker, to_broker.0, to_broker.1, &there));
                thread::spawn(move || carry(Direction::ToClient, server, client, &state));
            }
        });
        Self { address, state }
    }

    /// Where the client is to connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many packets of this type have come through.
    pub fn seen(&self, direction: Direction, packet: PacketType) -> usize {
        let state = self.state.lock().expect("no panic holds it");
        state
            .seen
            .get(&(direction, packet as u8))
            .copied()
            .unwrap_or_default()
    }

    /// The cut has been made.
    pub fn is_cut(&self) -> bool {
        self.state.lock().expect("no panic holds it").cut.is_none()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // Wakes the thread that accepts, which finds that nobody is interested any more.
        self.state = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries packets one way until an end is closed or the wire is cut.
fn carry(direction: Direction, mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut held = Vec::new();
    let mut room = vec![0; 64 << 10];
    'wire: loop {
        match from.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(n) => held.extend_from_slice(&room[..n]),
        }
        let mut whole = 0;
        while let Ok(Frame::Len(len)) = frame_len(&held[whole..], u32::MAX) {
            let packet = held[whole] >> 4;
            let when = {
                let mut state = state.lock().expect("no panic holds it");
                *state.seen.entry((direction, packet)).or_default() += 1;
                let here = |cut: &mut Cut| cut.direction == direction && cut.packet as u8 == packet;
                state.cut.take_if(here).map(|cut| cut.when)
            };
            let arrives = match when {
                None => {
                    whole += len;
                    continue;
                }
                Some(When::Before) => 0,
                Some(When::Within) => 1,
                Some(When::After) => len,
            };
            let _ = to.write_all(&held[..whole + arrives]);
            break 'wire;
        }
        if to.write_all(&held[..whole]).is_err() {
            break;
        }
        held.drain(..whole);
    }
    for stream in [&from, &to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
