//! A wire that is cut again and again, at bytes that a seed decides.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

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
        });
        let weak = Arc::downgrade(&shared);
        let mut random = seed;
        thread::spawn(move || {
            for client in listener.incoming() {
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
        };
        self.shared = Arc::new(shared);
        let _ = TcpStream::connect(address);
    }
}

/// One connection.
struct Wire {
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
            if to.write_all(&room[..carried]).is_err() {
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
