//! The wire between survivor and broker, and all that has passed over it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use mqtt_proto::{Frame, Packet, QoS, ReasonCode, Sender, Version, frame_len};
use process_kill::number_in;

/// What is remembered of a packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Of the process of this round.
    Connect {
        round: u32,
    },
    ConnAck {
        session_present: bool,
    },
    Publish {
        number: u32,
        id: u16,
        qos: QoS,
        dup: bool,
    },
    PubAck {
        id: u16,
    },
    PubRec {
        id: u16,
    },
    PubRel {
        id: u16,
    },
    PubComp {
        id: u16,
    },
    /// An answer that is none of success.
    Refusal(ReasonCode),
    Other,
}

/// A packet that has passed, whole.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Passed {
    /// The number of its connection.
    pub(crate) link: usize,
    pub(crate) from: Sender,
    pub(crate) what: What,
}

/// A TCP proxy that remembers. A packet is recorded before it is passed on, and a connection is taken when the one before
/// is over: so what is recorded stands in the order in which it has happened.
pub(crate) struct Wire {
    address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Wire {
    pub(crate) fn new(to: SocketAddr, version: Version) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::downgrade(&passed);
        thread::spawn(move || {
            for (link, client) in listener.incoming().enumerate() {
                let (Ok(client), Some(passed)) = (client, all.upgrade()) else {
                    return;
                };
                let server = TcpStream::connect(to).unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let note = |from, what| passed.lock().unwrap().push(Passed { link, from, what });
                thread::scope(|both| {
                    both.spawn(|| {
                        carry(&client, &server, version, |what| note(Sender::Client, what));
                        // What the broker has not read yet it shall.
                        let _ = server.shutdown(Shutdown::Write);
                    });
                    carry(&server, &client, version, |what| note(Sender::Server, what));
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, passed }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Wakes the thread that accepts, which finds that nobody is interested any more.
        self.passed = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

/// Until `from` ends. Who has died takes no more, but what he had said before that still counts: so the other way goes on.
fn carry(mut from: &TcpStream, mut to: &TcpStream, version: Version, note: impl Fn(What)) {
    let mut held = Vec::new();
    let mut room = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut room) {
        held.extend_from_slice(&room[..n]);
        let mut whole = 0;
        while let Ok(Frame::Len(len)) = frame_len(&held[whole..], u32::MAX) {
            note(seen(&held[whole..whole + len], version));
            whole += len;
        }
        held.drain(..whole);
        // Also what is not whole yet: the peer is to see the same pieces.
        let _ = to.write_all(&room[..n]);
    }
}

fn seen(frame: &[u8], version: Version) -> What {
    match Packet::decode(version, Sender::Any, frame).unwrap() {
        Packet::Connect(connect) => What::Connect {
            round: connect.user_name.unwrap().parse().unwrap(),
        },
        Packet::ConnAck(connack) if connack.code.is_failure() => What::Refusal(connack.code),
        Packet::ConnAck(connack) => What::ConnAck {
            session_present: connack.session_present,
        },
        Packet::Publish(publish) => What::Publish {
            number: number_in(publish.payload).unwrap(),
            id: publish.head.packet_id.unwrap().get(),
            qos: publish.head.qos,
            dup: publish.head.dup,
        },
        Packet::PubAck(ack) | Packet::PubRec(ack) if ack.code.is_failure() => What::Refusal(ack.code),
        Packet::PubAck(ack) => What::PubAck {
            id: ack.packet_id.get(),
        },
        Packet::PubRec(ack) => What::PubRec {
            id: ack.packet_id.get(),
        },
        // "No such id" is no fault of one who does not know how far the other has come.
        Packet::PubRel(ack) => What::PubRel {
            id: ack.packet_id.get(),
        },
        Packet::PubComp(ack) => What::PubComp {
            id: ack.packet_id.get(),
        },
        _ => What::Other,
    }
}
