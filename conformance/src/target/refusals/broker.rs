//! What a server must refuse.

use mqtt_proto::Version;

use super::{convert, covers, is_of, refused};
use crate::trace::{Test, Trace};

/// The first byte of a CONNECT, which opens a connection and comes instead of the plain one.
const CONNECT: u8 = 0x10;
/// These with their flags.
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xa2;

const PARTS: [&str; 3] = [
    "",
    "-> CONNECT client_id=\"ID\" clean_start=1\n<- CONNACK session_present=0 code=0 ..",
    "",
];

/// A plain CONNECT, then the bytes, which the broker refuses. `None` if it is no codec trace or has no such bytes.
pub(in crate::target) fn asked(trace: &Trace) -> Option<Trace> {
    let ask = |_: &[u8], codes: &[u8]| Some(refused(codes));
    convert(trace, Test::Broker, CONNECT, PARTS, &ask)
}

/// The same, as far as the standard obliges a server to it: of what 3.1.1 leaves open nothing is asked, and what may be
/// answered instead of refused may be.
fn obliged_by_bytes(trace: &Trace, version: Version) -> Option<Trace> {
    let ask = |bytes: &[u8], codes: &[u8]| {
        // 3.1.1/MQTT-3.1.2-1: with another protocol name it may go on by another specification.
        let is_left_open = version == Version::V311 && has_other_name(bytes);
        // 5/4.13.2: it may look at the id first, and there is no packet with which to say that nothing is under way.
        let is_passed_over = version == Version::V5 && is_acknowledgment_with_a_code(bytes);
        (!is_left_open && !is_passed_over).then(|| match answer_instead(bytes, codes, version) {
            Some(answer) => format!("either {{\n{answer}\n}} or {{\n{}\n}}", refused(codes)),
            None => refused(codes),
        })
    };
    convert(trace, Test::Broker, CONNECT, PARTS, &ask)
}

/// [`obliged_by_bytes`] for a codec trace, `None` for another.
///
/// # Errors
///
/// Nothing is left of it, in words: it is not applicable.
pub(in crate::target) fn obliged(trace: &Trace, version: Version) -> Result<Option<Trace>, String> {
    let asked = obliged_by_bytes(trace, version);
    match trace.head.test {
        Test::Codec if asked.is_none() => Err("a server need not refuse any of it".to_owned()),
        Test::Codec | Test::Client | Test::Broker | Test::Pair => Ok(asked),
    }
}

/// A CONNECT with the name of no MQTT.
fn has_other_name(bytes: &[u8]) -> bool {
    let name = body(bytes).and_then(|body| body.get(2..body.len().min(2 + usize::from(*body.get(1)?))));
    is_of(bytes, CONNECT) && name.is_some_and(|name| !matches!(name, b"MQTT" | b"MQIsdp"))
}

/// PUBACK or PUBCOMP with an id and a reason code, and no more.
fn is_acknowledgment_with_a_code(bytes: &[u8]) -> bool {
    matches!(bytes, [PUBACK | PUBCOMP, 3, high, low, _] if [*high, *low] != [0, 0])
}

/// What a server may answer to such bytes instead of refusing them, as a line of the language.
fn answer_instead(bytes: &[u8], codes: &[u8], version: Version) -> Option<String> {
    let id = match *body(bytes)?.first_chunk()? {
        [0, 0] => return None,
        id => u16::from_be_bytes(id),
    };
    let is_filter = codes.contains(&FILTER_INVALID);
    let is_read = version == Version::V5 && codes.contains(&PROTOCOL_ERROR);
    match *bytes.first()? {
        // A filter that is none may be refused for itself: 3.1.1/3.9.3 and 5/3.9.3 have a code for that.
        SUBSCRIBE if is_filter && version != Version::V31 => {
            Some(format!("<- SUBACK id={id} codes=[0x80..0xff] .."))
        }
        UNSUBSCRIBE if is_filter && version != Version::V31 => {
            Some(format!("<- UNSUBACK id={id} codes=[0x80..0xff] .."))
        }
        // Of two faults, this one and an id that is not under way, a server may answer either.
        PUBREC if is_read => Some(format!("<- PUBREL id={id} code=0x92 ..")),
        PUBREL if is_read => Some(format!("<- PUBCOMP id={id} code=0x92 ..")),
        _ => None,
    }
}

const PROTOCOL_ERROR: u8 = 0x82;
const FILTER_INVALID: u8 = 0x8f;

/// What stands behind the fixed header.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.get(1..)?.iter().position(|byte| byte & 0x80 == 0)?;
    bytes.get(length + 2..)
}

/// Whether the standard obliges a server to close a connection on which a CONNECT was accepted, where the trace says `refused`.
///
/// 3.1 does so for some rules alone.
pub(in crate::target) fn must_close(trace: &Trace, version: Version) -> bool {
    version != Version::V31 || MUST_CLOSE.iter().any(|label| covers(trace, label))
}

/// The rules of 3.1 by which a server closes such a connection.
const MUST_CLOSE: [&str; 3] = [
    // Its client has connected anew.
    "3.1/3.1-16",
    // Its client is silent.
    "3.1/3.1-20",
    // Its client asks for QoS 3.
    "3.1/3.8-3",
];

/// Why a broker that goes on breaks nothing, where it is not as [`must_close`] says.
pub(in crate::target) fn need_not_close() -> String {
    "the broker does not close here as the trace says, and need not: of what is not valid 3.1 has a server close upon CONNECT and a requested QoS 3 alone".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::ast::{Item, Step};

    /// What is asked of a live broker upon these bytes: the words of the branches of `either`, `refused` alone, or nothing.
    #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is made")]
    fn words(version: Version, bytes: &str, codes: &str) -> Option<Vec<String>> {
        let text = format!("title: t\ntest: codec\nversion: {version}\n-> hex {bytes} ! bad {codes}\n");
        let trace = obliged_by_bytes(&Trace::parse("t", &text).unwrap(), version)?;
        let all = trace.lines.iter().all(|line| line.at.line == 4);
        assert!(all, "each line stands where the bytes do");
        let word = |step: &Step| match step {
            Step::Refused { conn, codes, .. } => {
                assert!(conn.is_some() && !codes.is_empty());
                "refused".to_owned()
            }
            Step::Wire(wire) => match &wire.item {
                Item::Packet(packet) => packet.packet_type.to_string(),
                Item::Hex(_) | Item::Close => unreachable!("it expects packets"),
            },
            _ => unreachable!("it expects nothing else"),
        };
        Some(match &trace.lines.last().unwrap().step {
            Step::Either(branches) => branches.iter().flatten().map(|line| word(&line.step)).collect(),
            step => vec![word(step)],
        })
    }

    #[test]
    fn a_broker_may_answer_a_malformed_filter_and_an_id_that_is_not_under_way() {
        let answered = |packet: &str| Some(vec![packet.to_owned(), "refused".to_owned()]);
        let closed = Some(vec!["refused".to_owned()]);
        for (version, bytes, codes, expected) in [
            (
                Version::V311,
                "82 07 00 01 00 02 61 23 00",
                "0x81|0x8f",
                answered("SUBACK"),
            ),
            (
                Version::V311,
                "a2 06 00 01 00 02 61 23",
                "0x81|0x8f",
                answered("UNSUBACK"),
            ),
            (
                Version::V311,
                "82 07 00 01 00 02 c3 28 00",
                "0x81|0x82",
                closed.clone(),
            ),
            (
                Version::V31,
                "82 07 00 01 00 02 61 23 00",
                "0x81|0x8f",
                closed.clone(),
            ),
            (
                Version::V5,
                "82 08 00 01 00 00 02 61 23 00",
                "0x81|0x8f",
                answered("SUBACK"),
            ),
            (
                Version::V5,
                "82 08 00 00 00 00 02 61 23 00",
                "0x81|0x8f",
                closed.clone(),
            ),
            (Version::V5, "50 03 00 01 01", "0x82|0x81", answered("PUBREL")),
            (Version::V5, "62 03 00 01 80", "0x82|0x81", answered("PUBCOMP")),
            (Version::V5, "40 03 00 01 01", "0x82|0x81", None),
            (Version::V5, "70 03 00 01 80", "0x82|0x81", None),
            (Version::V5, "40 03 00 00 01", "0x82|0x81", closed.clone()),
            (Version::V5, "41 03 00 01 01", "0x82|0x81", closed.clone()),
            (Version::V5, "60 02 00 01", "0x81|0x82", closed.clone()),
        ] {
            assert_eq!(words(version, bytes, codes), expected, "{version}: {bytes}");
        }
    }

    #[test]
    fn another_protocol_name_is_left_to_a_server_of_3_1_1_3_1_1_mqtt_3_1_2_1() {
        let named = |name: &str| format!("10 0d 00 04 {name} 04 02 00 3c 00 01 61");
        let closed = Some(vec!["refused".to_owned()]);
        assert_eq!(words(Version::V311, &named("4d 51 54 58"), "0x84"), None);
        assert_eq!(words(Version::V5, &named("4d 51 54 58"), "0x84"), closed);
        assert_eq!(words(Version::V311, &named("4d 51 54 54"), "0x81"), closed);
        assert_eq!(words(Version::V311, "10 00", "0x81"), closed, "no name at all");
    }

    #[test]
    fn a_server_of_3_1_closes_an_open_connection_by_three_rules_alone() {
        let closes = |version: Version, covers: &str| {
            let text = format!("title: t\ntest: broker\nversion: {version}\ncovers: {covers}\n");
            must_close(&Trace::parse("t", &text).unwrap(), version)
        };
        for label in ["3.1/3.1-16", "3.1/3.1-20", "3.1/3.8-3"] {
            assert!(closes(Version::V31, label), "{label}");
        }
        assert!(!closes(Version::V31, "3.1/2.1-3"));
        assert!(closes(Version::V311, "3.1.1/MQTT-4.8.0-1") && closes(Version::V5, "5/MQTT-4.13.1-1"));
    }
}
