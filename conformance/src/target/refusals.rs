//! A codec trace as a test of a whole machine: the bytes that the codec must refuse, each on a connection of its own.
//!
//! What our own server does is asked of it in whole ([`by_broker`]); of others what the standard obliges them to
//! ([`obliged`], [`broker_must_close`], and [`must_close`] for clients).

use mqtt_proto::Version;

use crate::trace::ast::{Conn, Head, Item, Line, Position, Quiet, Step, Verdict, Wire};
use crate::trace::{Test, Trace};

/// The first bytes of a CONNECT and of a CONNACK: these open a connection, and come instead of the plain one.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
/// After this the connection is over in any case, and the standard does not ask which end was the first to say so.
const DISCONNECT: u8 = 0xe0;
/// These with their flags.
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xa2;

const BROKER_PARTS: [&str; 3] = [
    "",
    "-> CONNECT client_id=\"ID\" clean_start=1\n<- CONNACK session_present=0 code=0 ..",
    "",
];

/// A plain CONNECT, then the bytes, which the broker refuses. `None` if it is no codec trace or has no such bytes.
pub(super) fn by_broker(trace: &Trace) -> Option<Trace> {
    let ask = |_: &[u8], codes: &[u8]| Some(refused(codes));
    convert(trace, Test::Broker, CONNECT, BROKER_PARTS, &ask)
}

/// The same, as far as the standard obliges a server to it: of what 3.1.1 leaves open nothing is asked, and what may be
/// answered instead of refused may be.
fn by_obliged_broker(trace: &Trace, version: Version) -> Option<Trace> {
    let ask = |bytes: &[u8], codes: &[u8]| {
        // 3.1.1/MQTT-3.1.2-1: with another protocol name it may go on by another specification.
        let is_left_open = version == Version::V311 && has_other_name(bytes);
        (!is_left_open).then(|| match answer_instead(bytes, codes, version) {
            Some(answer) => either(&answer, codes),
            None => refused(codes),
        })
    };
    convert(trace, Test::Broker, CONNECT, BROKER_PARTS, &ask)
}

/// [`by_obliged_broker`] for a codec trace, `None` for another.
///
/// # Errors
///
/// Nothing is left of it, in words: it is not applicable.
pub(super) fn obliged(trace: &Trace, version: Version) -> Result<Option<Trace>, String> {
    let asked = by_obliged_broker(trace, version);
    match trace.head.test {
        Test::Codec if asked.is_none() => Err("a server need not refuse any of it".to_owned()),
        Test::Codec | Test::Client | Test::Broker | Test::Pair => Ok(asked),
    }
}

fn refused(codes: &[u8]) -> Step {
    Step::Refused {
        conn: None,
        codes: codes.to_vec(),
        within: None,
    }
}

/// The answer, or the end of the connection.
fn either(answer: &str, codes: &[u8]) -> Step {
    let branch = |step| {
        vec![Line {
            at: Position::default(),
            maybe: false,
            step,
        }]
    };
    let answers = lines(Test::Broker, answer).into_iter().map(branch);
    Step::Either(answers.chain([branch(refused(codes))]).collect())
}

/// A CONNECT with the name of no MQTT.
fn has_other_name(bytes: &[u8]) -> bool {
    let name = body(bytes).and_then(|body| body.get(2..body.len().min(2 + usize::from(*body.get(1)?))));
    is_of(bytes, CONNECT) && name.is_some_and(|name| !matches!(name, b"MQTT" | b"MQIsdp"))
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

fn is_of(bytes: &[u8], packet: u8) -> bool {
    bytes.first().is_some_and(|first| first & 0xf0 == packet)
}

/// Whether the standard obliges a server to close a connection on which a CONNECT was accepted, where the trace says `refused`.
///
/// 3.1 does so for some rules alone.
pub(super) fn broker_must_close(trace: &Trace, version: Version) -> bool {
    version != Version::V31 || BROKER_MUST_CLOSE.iter().any(|label| covers(trace, label))
}

/// The rules of 3.1 by which a server closes such a connection.
const BROKER_MUST_CLOSE: [&str; 2] = [
    // Its client has connected anew.
    "3.1/3.1-16",
    // Its client is silent.
    "3.1/3.1-20",
];

/// Why a broker that goes on breaks nothing, where it is not as [`broker_must_close`] says.
pub(super) fn broker_need_not_close() -> String {
    "the broker does not close here as the trace says, and need not: of what is not valid 3.1 has a server close upon CONNECT alone".to_owned()
}

/// A plain CONNACK, then the bytes, which the client refuses. `None` if it is no codec trace or has no such bytes.
pub(super) fn by_client(trace: &Trace) -> Option<Trace> {
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
pub(super) fn must_close(trace: &Trace, version: Version) -> bool {
    match version {
        Version::V311 => true,
        Version::V5 => MUST_CLOSE.iter().any(|label| covers(trace, label)),
        _ => false,
    }
}

fn covers(trace: &Trace, label: &str) -> bool {
    let mut covers = trace.head.covers.iter();
    covers.any(|(_, statement)| statement.to_string() == label)
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
pub(super) fn need_not_close(version: Version) -> String {
    let section = match version {
        Version::V5 => "section 4.13.1 of 5.0 says that a client SHOULD",
        Version::V31 | Version::V311 => "3.1 does not say that a client does",
    };
    format!("the client does not close here as the trace says, and need not: {section}")
}

/// What is expected upon these bytes, of which the codec says one of these codes; if anything.
type Ask<'a> = dyn Fn(&[u8], &[u8]) -> Option<Step> + 'a;

/// `parts`: what comes first, what opens the connection unless the bytes do, and what comes at the end.
fn convert(trace: &Trace, test: Test, opener: u8, parts: [&str; 3], ask: &Ask<'_>) -> Option<Trace> {
    let mut made = Vec::new();
    let direction = test.runner_sends()?;
    if trace.head.test != Test::Codec {
        return None;
    }
    for line in &trace.lines {
        let Step::Wire(wire) = &line.step else { continue };
        let (Item::Hex(bytes), Some(Verdict::Bad { codes, .. })) = (&wire.item, &wire.verdict) else {
            continue;
        };
        if wire.direction != direction {
            continue;
        }
        let Some(expected) = ask(bytes, codes) else {
            continue;
        };
        let conn = Some(format!("line-{}", line.at.line));
        let id = format!("{:x}/{}", number_of(trace), line.at.line);
        let [before, opening, after] = parts.map(|text| lines(test, &text.replace("ID", &id)));
        let opening = if is_of(bytes, opener) { Vec::new() } else { opening };
        let after = if test == Test::Client && is_of(bytes, DISCONNECT) {
            lines(test, "event Closed ..")
        } else {
            after
        };
        let refusal = [
            Step::Wire(Wire {
                verdict: None,
                ..wire.clone()
            }),
            expected,
        ];
        let steps = before.into_iter().chain(opening).chain(refusal).chain(after);
        made.extend(steps.map(|step| {
            let mut made = Line {
                at: line.at,
                maybe: false,
                step,
            };
            put(&mut made, line.at, &conn);
            made
        }));
    }
    let head = Head {
        test,
        ..trace.head.clone()
    };
    (!made.is_empty()).then(|| Trace {
        head,
        lines: made,
        source: trace.source.clone(),
    })
}

/// Tells traces apart, as their own names would (FNV-1a). Those of different versions may say the same.
fn number_of(trace: &Trace) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let versions = trace.head.versions.iter().map(|version| version.level());
    trace.head.title.bytes().chain(versions).fold(0x811c_9dc5, step)
}

fn lines(test: Test, text: &str) -> Vec<Step> {
    let test = if test == Test::Client { "client" } else { "broker" };
    let text = format!("title: t\ntest: {test}\nversion: 3.1 3.1.1 5\n{text}");
    let trace = Trace::parse("opening", &text);
    trace.map_or_else(
        |_| Vec::new(),
        |trace| trace.lines.into_iter().map(|line| line.step).collect(),
    )
}

/// Puts a line, and those in it, at a place and on a connection.
fn put(line: &mut Line, at: Position, name: &Conn) {
    line.at = at;
    match &mut line.step {
        Step::Either(branches) => {
            let inside = branches.iter_mut().flatten();
            inside.for_each(|line| put(line, at, name));
        }
        Step::Wire(Wire { conn, .. })
        | Step::Refused { conn, .. }
        | Step::Cut(conn)
        | Step::Quiet {
            on: Quiet::Conn(conn),
            ..
        } => conn.clone_from(name),
        Step::Do(call) => call.conn.clone_from(name),
        Step::Event(event) => event.conn.clone_from(name),
        Step::Quiet { on: Quiet::All, .. } | Step::Broker(_) | Step::Wait(_) | Step::AnyOrder(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_the_bytes_are_lines_of_the_language() {
        let text = "title: t\ntest: codec\nversion: 5\n-> hex c1 00 ! bad 0x81\n<- hex c0 00 ! bad 0x82\n-> hex 10 00 ! bad 0x81\n";
        let trace = Trace::parse("t", text).unwrap();
        assert_eq!(by_broker(&trace).unwrap().lines.len(), 4 + 2);
        assert_eq!(by_client(&trace).unwrap().lines.len(), 7);
    }

    /// What is asked of a live broker upon these bytes: the words of the branches of `either`, `refused` alone, or nothing.
    #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is made")]
    fn asked(version: Version, bytes: &str, codes: &str) -> Option<Vec<String>> {
        let text = format!("title: t\ntest: codec\nversion: {version}\n-> hex {bytes} ! bad {codes}\n");
        let trace = by_obliged_broker(&Trace::parse("t", &text).unwrap(), version)?;
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
            (Version::V5, "40 03 00 01 01", "0x82|0x81", closed.clone()),
            (Version::V5, "60 02 00 01", "0x81|0x82", closed.clone()),
        ] {
            assert_eq!(asked(version, bytes, codes), expected, "{version}: {bytes}");
        }
    }

    #[test]
    fn another_protocol_name_is_left_to_a_server_of_3_1_1_3_1_1_mqtt_3_1_2_1() {
        let named = |name: &str| format!("10 0d 00 04 {name} 04 02 00 3c 00 01 61");
        let closed = Some(vec!["refused".to_owned()]);
        assert_eq!(asked(Version::V311, &named("4d 51 54 58"), "0x84"), None);
        assert_eq!(asked(Version::V5, &named("4d 51 54 58"), "0x84"), closed);
        assert_eq!(asked(Version::V311, &named("4d 51 54 54"), "0x81"), closed);
        assert_eq!(asked(Version::V311, "10 00", "0x81"), closed, "no name at all");
    }

    #[test]
    fn a_server_of_3_1_closes_an_open_connection_by_two_rules_alone() {
        let closes = |version: Version, covers: &str| {
            let text = format!("title: t\ntest: broker\nversion: {version}\ncovers: {covers}\n");
            broker_must_close(&Trace::parse("t", &text).unwrap(), version)
        };
        assert!(closes(Version::V31, "3.1/3.1-16") && closes(Version::V31, "3.1/3.1-20"));
        assert!(!closes(Version::V31, "3.1/2.1-3"));
        assert!(closes(Version::V311, "3.1.1/MQTT-4.8.0-1") && closes(Version::V5, "5/MQTT-4.13.1-1"));
    }
}
