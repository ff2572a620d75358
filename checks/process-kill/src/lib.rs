//! What the process that is killed, `survivor` or `broker`, and the tests that kill it have in common.
//!
//! A message is a number, its QoS the number's parity, and all are published under one topic. Numbers grow, also from one
//! process to the next, so that the order of two messages can be seen.

use mqtt_proto::QoS;

/// Where everything is published.
pub const TOPIC: &str = "survivor/messages";

/// Numbers that each process may use; its first is the number of its round times this.
pub const NUMBERS: u32 = 1_000_000;

/// What the journal is called, in the directory of a survivor.
pub const JOURNAL: &str = "journal";

/// What a survivor took, in its directory: entries of 8 bytes, the round and the message as big-endian numbers.
pub const TAKEN: &str = "taken";

/// At which QoS a message is published.
pub const fn qos_of(number: u32) -> QoS {
    if number % 2 == 0 {
        QoS::ExactlyOnce
    } else {
        QoS::AtLeastOnce
    }
}

/// A message as a payload with this much behind the number.
pub fn payload_of(number: u32, filler: usize) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(payload.len() + filler, number as u8);
    payload
}

/// The message in a payload, if it is one whole message.
pub fn number_in(payload: &[u8]) -> Option<u32> {
    let (number, filler) = payload.split_first_chunk()?;
    let number = u32::from_be_bytes(*number);
    filler.iter().all(|&byte| byte == number as u8).then_some(number)
}

/// The generator SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below a bound, which is not zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
