//! What a client must refuse.

use mqtt_proto::Version;

use super::{convert, covers, refused};
use crate::trace::{Test, Trace};

/// The first byte of a CONNACK, which opens a connection and comes instead of the plain one.
const CONNACK: u8 = 0x20;

/// A plain CONNACK, then the bytes, which the client refuses. `None` if it is no codec trace or has no such bytes.
pub(in crate::target) fn asked(trace: &Trace) -> Option<Trace> {
    let connect = "do connect client_id=\"ID\" clean_start=1\n-> CONNECT client_id=\"ID\" clean_start=1 ..";
    let connack = "<- CONNACK session_present=0 code=0\nevent Connected ..";
    let closed = "event Closed by=client ..";
    let ask = |_: &[u8], codes: &[u8]| Some(refused(codes));
    convert(trace, Test::Client, CONNACK, [connect, connack, closed], &ask)
}

/// Whether the standard obliges a client to close where the trace says `refused`.
///
/// 3.1.1 does so for each violation (3.1.1/MQTT-4.8.0-1). 5.0 leaves it to the client how strictly it looks, and says SHOULD
/// (5/4.13.1) but for some rules; 3.1 says nothing.
pub(in crate::target) fn must_close(trace: &Trace, version: Version) -> bool {
    match version {
        Version::V311 => true,
        Version::V5 => MUST_CLOSE.iter().any(|label| covers(trace, label)),
        _ => false,
    }
}

/// The rules of 5.0 by which a client closes.
const MUST_CLOSE: [&str; 3] = [
    // A session that it does not have.
    "5/MQTT-3.2.2-4",
    // AUTH with flags: either end closes.
    "5/MQTT-3.15.1-1",
    // A re-authentication that fails.
    "5/MQTT-4.12.1-2",
];

/// Why a client that goes on breaks nothing, where it is not as [`must_close`] says.
pub(in crate::target) fn need_not_close(version: Version) -> String {
    let section = match version {
        Version::V5 => "section 4.13.1 of 5.0 says that a client SHOULD",
        Version::V31 | Version::V311 => "3.1 does not say that a client does",
    };
    format!("the client does not close here as the trace says, and need not: {section}")
}
