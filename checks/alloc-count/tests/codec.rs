//! Decoding any packet, looking at all of it, encoding it again and refusing it allocates nothing.

use alloc_count::{Counting, count};
use mqtt_proto::{
    Packet, PacketType, Sender, Version, frame_len,
    packet::{HeadStatus, PublishHead},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A full packet of each type, for 3.1, 3.1.1 and 5.0.
const PACKETS: [[&str; 3]; 15] = [
    [
        "10 1C 0006 4D5149736470 03 EC 003C 0001 63 0001 77 0002 6F6B 0001 75 0001 70",
        "10 1A 0004 4D515454 04 F4 003C 0001 63 0001 77 0002 FF00 0001 75 0001 C0",
        "10 45 0004 4D515454 05 F4 003C 24 11 00000010 21 0014 27 00000100 22 0003 19 01 17 00 26 0001 6B 0001 76
         15 0001 6D 16 0002 00FF 0001 63 05 18 00000005 0001 77 0002 FF00 0001 75 0001 C0",
    ],
    [
        "20 02 00 00",
        "20 02 01 00",
        "20 43 01 00 40 11 FFFFFFFF 21 FFFF 24 01 25 00 27 FFFFFFFF 12 0001 61 22 0000 1F 0001 72 26 0000 0000
         26 0000 0000 28 01 29 00 2A 01 13 0000 1A 0001 69 1C 0003 732074 15 0001 6D 16 0000",
    ],
    [
        "32 09 0003 612F62 000A 6869",
        "34 09 0003 612F62 000A 6869",
        "30 2B 0000 26 01 01 02 00000000 23 0001 08 0001 72 09 0001 00 26 0003 EFBBBF 0001 01 0B 01 0B FFFFFF7F
         03 0001 74 C3BC",
    ],
    ["40 02 0001", "40 02 0001", "40 0E 0001 10 0A 1F 0001 72 26 0001 6B 0000"],
    ["50 02 0001", "50 02 0001", "50 0E 0001 97 0A 1F 0001 72 26 0001 6B 0000"],
    ["62 02 0001", "62 02 0001", "62 0E 0001 92 0A 1F 0001 72 26 0001 6B 0000"],
    ["70 02 0001", "70 02 0001", "70 0E 0001 92 0A 1F 0001 72 26 0001 6B 0000"],
    [
        "82 0C 0001 0003 612F2B 01 0001 23 02",
        "82 0C 0001 0003 612F2B 01 0001 23 02",
        "82 1E 0002 0A 0B 8001 26 0001 6B 0001 76 000A 2473686172652F672F23 28 0001 61 16",
    ],
    ["90 05 0007 00 01 02", "90 04 0007 02 80", "90 10 0007 03 1F 0000 00 80 83 87 8F 91 97 9E A1 A2"],
    [
        "A2 0A CAFE 0003 612F2B 0001 62",
        "A2 0A CAFE 0003 612F2B 0001 62",
        "A2 12 CAFE 07 26 0001 6B 0001 76 0003 612F2B 0001 62",
    ],
    ["B0 02 CAFE", "B0 02 CAFE", "B0 05 CAFE 00 00 11"],
    ["C0 00", "C0 00", "C0 00"],
    ["D0 00", "D0 00", "D0 00"],
    ["E0 00", "E0 00", "E0 0B 9D 09 11 00000001 1C 0001 73"],
    ["", "", "F0 0B 18 09 15 0001 6D 16 0002 0100"],
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Looks at every element of every view.
fn look(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Connect(p) => {
            p.properties.iter().count() + p.will.map_or(0, |will| will.properties.iter().count())
        }
        Packet::ConnAck(p) => p.properties.iter().count(),
        Packet::Publish(p) => p.head.properties.iter().count(),
        Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => {
            p.properties.iter().count()
        }
        Packet::Subscribe(p) => p.properties.iter().count() + p.filters.iter().count(),
        Packet::SubAck(p) => p.properties.iter().count() + p.codes.iter().count(),
        Packet::Unsubscribe(p) => p.properties.iter().count() + p.filters.iter().count(),
        Packet::UnsubAck(p) => p.properties.iter().count() + p.codes.iter().count(),
        Packet::PingReq | Packet::PingResp => 0,
        Packet::Disconnect(p) => p.properties.iter().count(),
        Packet::Auth(p) => p.properties.iter().count(),
    }
}

#[test]
fn decoding_any_packet_allocates_nothing() {
    println!("allocations while decoding, looking, encoding, refusing: 3.1, 3.1.1, 5.0");
    for (packet_type, packets) in PacketType::ALL.into_iter().zip(PACKETS) {
        let mut line = format!("{:12}", packet_type.name());
        for (version, text) in Version::ALL.into_iter().zip(packets) {
            if text.is_empty() {
                line += "   -";
                continue;
            }
            let bytes = hex(text);
            let mut out = [0; 256];
            let (allocations, ()) = count(|| {
                frame_len(&bytes, 1000).unwrap();
                let packet = Packet::decode(version, Sender::Any, &bytes).unwrap();
                assert_eq!(packet.packet_type(), packet_type);
                assert!(look(&packet) < 100);
                assert_eq!(packet.encode(version, &mut out).unwrap(), bytes);
                for end in 0..bytes.len() {
                    assert!(Packet::decode(version, Sender::Any, &bytes[..end]).is_err());
                }
                if packet_type == PacketType::Publish {
                    let head = PublishHead::decode(version, Sender::Any, &bytes).unwrap();
                    assert!(matches!(head, HeadStatus::Head { .. }));
                }
            });
            assert_eq!(allocations, 0, "{packet_type} in {version}");
            line += &format!("   {allocations}");
        }
        println!("{line}");
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(count(|| Box::new(1)).0, 1);
    assert_eq!(count(|| vec![0_u8; 10]).0, 1);
    assert_eq!(count(|| ()).0, 0);
}
