//! A wire that is cut again and again, at bytes that a seed decides.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use mqtt_proto::{Frame, Packet, Sender, Version, frame_len};

use crate::Direction;

/// A TCP proxy whose connections are cut after so many bytes, both ways counted together, drawn from a range for each of
/// them; after a number of cuts, none is cut any more. Its threads end with their connections.
#[derive(Debug)]
pub struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: Mutex<SocketAddr>,
    cuts: AtomicUsize,
    left: AtomicUsize,
    carried: Mutex<Vec<Carried>>,
}

/// Something that a transcript tells.
#[derive(Copy, Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "for tests")]
pub enum Told<'a> {
    /// A whole packet, on the connection of this number.
    Packet(usize, Direction, &'a Packet<'a>),
    /// A line that was [noted](Cutter::note).
    Note(&'a str),
}

/// What a transcript is made of.
#[derive(Debug)]
enum Carried {
    /// Bytes that have arrived: on which connection, which way.
    Bytes(usize, usize, Vec<u8>),
    Note(String),
}

/// The generator of that name.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Cutter {
    /// A wire to this server that is cut so often.
    pub fn new(to: SocketAddr, bytes: RangeInclusive<u64>, cuts: usize, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            cuts: AtomicUsize::new(0),
            left: AtomicUsize::new(cuts),
            carried: Mutex::default(),
        });
        let weak = Arc::downgrade(&shared);
        let mut random = seed;
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (Ok(client), Some(shared)) = (client, weak.upgrade()) else {
                    return;
                };
                let width = bytes.end() - bytes.start() + 1;
                let limit = bytes.start() + split_mix(&mut random) % width;
                let to = *shared.to.lock().expect("no panic holds it");
                // Without a server, the client's connection ends as it has begun.
                let Ok(server) = TcpStream::connect(to) else {
                    continue;
                };
                let wire = Arc::new(Wire {
                    number,
                    ends: [client, server],
                    left: Mutex::new(limit),
                    shared,
                });
                for way in [0, 1] {
                    let wire = Arc::clone(&wire);
                    thread::spawn(move || wire.carry(way));
                }
            }
        });
        Self { address, shared }
    }

    /// Where the client is to connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The packets that were carried, and the notes between them, one a line, with the number of their connection; what
    /// was cut is left out.
    pub fn transcript(&self, version: Version) -> Vec<String> {
        let mut lines = Vec::new();
        self.read(version, |told| {
            lines.push(match told {
                Told::Note(note) => note.to_owned(),
                Told::Packet(number, Direction::ToBroker, packet) => format!("{number} -> {packet}"),
                Told::Packet(number, Direction::ToClient, packet) => format!("{number} <- {packet}"),
            });
        });
        lines
    }

    /// Tells what was carried, in its order. Bytes that are no packet are passed over.
    pub fn read(&self, version: Version, mut tell: impl FnMut(Told<'_>)) {
        let mut held: BTreeMap<(usize, usize), Vec<u8>> = BTreeMap::new();
        for carried in &*self.shared.carried.lock().expect("no panic holds it") {
            let (number, way, bytes) = match carried {
                Carried::Note(note) => {
                    tell(Told::Note(note));
                    continue;
                }
                Carried::Bytes(number, way, bytes) => (*number, *way, bytes),
            };
            let held = held.entry((number, way)).or_default();
            held.extend_from_slice(bytes);
            let (from, direction) = [
                (Sender::Client, Direction::ToBroker),
                (Sender::Server, Direction::ToClient),
            ][way];
            while let Ok(Frame::Len(len)) = frame_len(held, u32::MAX) {
                let packet: Vec<u8> = held.drain(..len).collect();
                if let Ok(packet) = Packet::decode(version, from, &packet) {
                    tell(Told::Packet(number, direction, &packet));
                }
            }
        }
    }

    /// Puts a line of its own into the transcript.
    pub fn note(&self, line: &str) {
        self.shared.tell(Carried::Note(line.to_owned()));
    }

    /// How often it was cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Relaxed)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        let address = self.address;
        // Wakes the thread that accepts, which finds that nobody is interested any more. Connections that still live
        // hold a share, too: they may outlive this.
        let shared = Shared {
            to: Mutex::new(address),
            cuts: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            carried: Mutex::default(),
        };
        self.shared = Arc::new(shared);
        let _ = TcpStream::connect(address);
    }
}

impl Shared {
    fn tell(&self, carried: Carried) {
        self.carried.lock().expect("no panic holds it").push(carried);
    }
}

/// One connection.
struct Wire {
    number: usize,
    ends: [TcpStream; 2],
    /// Bytes before the cut.
    left: Mutex<u64>,
    shared: Arc<Shared>,
}

impl Wire {
    fn carry(&self, way: usize) {
        let (mut from, mut to) = (&self.ends[way], &self.ends[1 - way]);
        let _ = from.set_nodelay(true);
        let mut room = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut room) {
            let carried = {
                let mut left = self.left.lock().expect("no panic holds it");
                let carried = (n as u64).min(*left);
                *left -= carried;
                carried as usize
            };
            let cut = carried < n && self.shared.left.load(Relaxed) > 0;
            let carried = if cut { carried } else { n };
            let written = to.write_all(&room[..carried]);
            self.shared
                .tell(Carried::Bytes(self.number, way, room[..carried].to_vec()));
            if written.is_err() {
                break;
            }
            if cut {
                // Both ways may come here at one time; one cut too many does no harm.
                let _ = self
                    .shared
                    .left
                    .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                self.shared.cuts.fetch_add(1, Relaxed);
                break;
            }
        }
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
