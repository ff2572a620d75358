//! What a client should have counted, and the packets it has taken.

use std::collections::BTreeMap;

use mqtt_proto::{Frame, Packet, PacketType, Sender, Version, frame_len};
use mqtt_session::{
    Config,
    client::{AbortReason, Counters, Oversize},
};

/// What crossed the link, and was told.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) packets_in: BTreeMap<u8, u64>,
    pub(super) packets_out: BTreeMap<u8, u64>,
    pub(super) aborted: Vec<AbortReason>,
    pub(super) connections: u32,
}

impl Tally {
    /// The client has counted what was seen here, if it counts.
    pub(super) fn check(&self, counters: Option<&Counters>) {
        let Some(counters) = counters else {
            return;
        };
        assert_eq!(
            (counters.bytes_in, counters.bytes_out),
            (self.bytes_in, self.bytes_out)
        );
        for packet in PacketType::ALL {
            let count = |of: &BTreeMap<u8, u64>| of.get(&(packet as u8)).copied().unwrap_or(0);
            assert_eq!(
                counters.packets_in(packet),
                count(&self.packets_in),
                "{packet} in"
            );
            assert_eq!(
                counters.packets_out(packet),
                count(&self.packets_out),
                "{packet} out"
            );
        }
        for why in &self.aborted {
            let count = self.aborted.iter().filter(|other| *other == why).count();
            assert_eq!(counters.aborted(*why) as usize, count, "{why:?}");
        }
        assert_eq!(counters.connections, self.connections);
    }
}

/// The packets that a client has consumed; gives what is left, of one that is consumed in pieces.
pub(super) fn frames(
    mut bytes: &[u8],
    version: Version,
    config: &Config,
    mut look: impl FnMut(&Packet<'_>),
) -> Vec<u8> {
    while !bytes.is_empty() {
        match frame_len(bytes, u32::MAX) {
            Ok(Frame::Len(len)) => {
                let (frame, rest) = bytes.split_at(len);
                look(&Packet::decode(version, Sender::Server, frame).expect("what is wrong is not consumed"));
                bytes = rest;
            }
            Ok(Frame::Need(len))
                if config.oversize == Oversize::Stream
                    && len > config.receive_buffer as usize
                    && bytes[0] >> 4 == PacketType::Publish as u8 =>
            {
                return bytes.to_vec();
            }
            other => panic!("whole packets are consumed, not {bytes:02x?}: {other:?}"),
        }
    }
    Vec::new()
}
