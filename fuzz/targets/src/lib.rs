//! What the fuzzer runs, as functions from bytes: each takes any bytes and panics if something is wrong.
//!
//! | target | what must hold |
//! |---|---|
//! | [`decode`] | no bytes make the codec panic; all its doors agree; what is printed can be parsed |
//! | [`round_trip`] | what decodes can be encoded, and what was encoded decodes to the same |
//! | [`split`] | however what a server sends is split, the client tells and writes the same |
//! | [`records`] | whatever a journal holds, a client is made from it or says why not, and goes on |
//! | [`store`] | whatever entries a store holds, a server is made from it or says why not, and keeps the same |
//! | [`client`] | whatever a server and an application do, no operation is lost, doubled or left over |
//! | [`broker`] | whatever clients do, a server says nothing wrong, and holds no more than its limits |
//! | [`traces`] | any text is a trace, or is told where it is none; what is read prints as it was read |
//! | [`dispatch`] | messages go where a matcher that looks at every pattern says, with its captures, in the documented order |
//!
//! The fuzzer's programs are in `fuzz/fuzz_targets`; `cargo test` runs the same functions over the corpora.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a target looks at what it checks, and at nothing else"
)]

pub mod broker;
pub mod choices;
pub mod client;
pub mod decode;
pub mod dispatch;
pub mod drafts;
pub mod records;
pub mod round_trip;
pub mod split;
pub mod store;
pub mod traces;

use core::sync::atomic::{AtomicBool, Ordering};

use mqtt_proto::{Frame, Packet, Sender, Version, frame_len};

/// Whether the targets say on standard error what they do: for looking into a finding.
pub static SHOW: AtomicBool = AtomicBool::new(false);

/// Says what happens, if that is wanted.
pub(crate) fn show(what: impl FnOnce() -> String) {
    if SHOW.load(Ordering::Relaxed) {
        eprintln!("{}", what());
    }
}

/// A version from a byte.
pub(crate) fn version(byte: u8) -> Version {
    Version::ALL[usize::from(byte) % Version::ALL.len()]
}

/// A packet as bytes, if there is such a packet in this version.
pub(crate) fn encoded(packet: &Packet<'_>, version: Version) -> Option<Vec<u8>> {
    let mut out = vec![0; packet.encoded_len(version).ok()?];
    packet.encode(version, &mut out).ok()?;
    Some(out)
}

/// Takes the whole packets off the front of a stream and decodes each.
///
/// # Panics
/// If one does not decode: the stream is what our own machine wrote.
pub(crate) fn take_packets(
    wire: &mut Vec<u8>,
    version: Version,
    from: Sender,
    mut look: impl FnMut(&Packet<'_>),
) {
    let mut done = 0;
    loop {
        let rest = &wire[done..];
        match frame_len(rest, u32::MAX) {
            Ok(Frame::Len(len)) => {
                let frame = &rest[..len];
                let packet = Packet::decode(version, from, frame)
                    .unwrap_or_else(|e| panic!("{from:?} of {version} wrote {frame:02x?}: {e}"));
                look(&packet);
                done += len;
            }
            Ok(Frame::Need(_)) => break,
            Err(e) => panic!("{from:?} of {version} wrote {rest:02x?}: {e}"),
        }
    }
    wire.drain(..done);
}
