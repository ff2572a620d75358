//! A server that does as a test says.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use mqtt_proto::{Frame, PacketType, frame_len};

pub(crate) const CONNACK: &[u8] = &[0x20, 2, 0, 0];
pub(crate) const CONNACK_5: &[u8] = &[0x20, 3, 0, 0, 0];

/// Takes one connection: reads a packet and answers with the next of these, for each of them; then closes. Gives the port.
pub(crate) fn server(answers: &[&[u8]]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            read_packet(&mut stream);
            stream.write_all(&answer).unwrap();
        }
    });
    port
}

fn read_packet(stream: &mut TcpStream) -> PacketType {
    let mut packet = Vec::new();
    loop {
        let needed = match frame_len(&packet, 1 << 20).unwrap() {
            Frame::Len(len) if packet.len() >= len => break,
            Frame::Len(len) => len,
            Frame::Need(needed) => needed,
        };
        let start = packet.len();
        packet.resize(needed.max(start + 1), 0);
        stream.read_exact(&mut packet[start..]).unwrap();
    }
    PacketType::from_u8(packet[0] >> 4).unwrap()
}
