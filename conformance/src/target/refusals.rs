//! A codec trace as a test of a whole machine: the bytes that the codec must refuse, each on a connection of its own.

use mqtt_proto::Version;

use crate::trace::ast::{Conn, Direction, Head, Item, Line, Quiet, Step, Verdict, Wire};
use crate::trace::{Test, Trace};

/// The first bytes of a CONNECT and of a CONNACK: these open a connection, and come instead of the plain one.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
/// After this the connection is over in any case, and the standard does not ask which end was the first to say so.
const DISCONNECT: u8 = 0xe0;

/// A plain CONNECT, then the bytes, which the broker refuses. `None` if it is no codec trace or has no such bytes.
pub(super) fn by_broker(trace: &Trace) -> Option<Trace> {
    let opening = "-> CONNECT client_id=\"ID\" clean_start=1\n<- CONNACK session_present=0 code=0 ..";
    convert(
        trace,
        Test::Broker,
        Direction::ToServer,
        CONNECT,
        ["", opening, ""],
    )
}

/// A plain CONNACK, then the bytes, which the client refuses. `None` if it is no codec trace or has no such bytes.
pub(super) fn by_client(trace: &Trace) -> Option<Trace> {
    let connect = "do connect client_id=\"ID\" clean_start=1\n-> CONNECT client_id=\"ID\" clean_start=1 ..";
    let connack = "<- CONNACK session_present=0 code=0\nevent Connected ..";
    let closed = "event Closed by=client ..";
    convert(
        trace,
        Test::Client,
        Direction::ToClient,
        CONNACK,
        [connect, connack, closed],
    )
}

/// Whether the standard obliges a client to close where the trace says `refused`.
///
/// 3.1.1 does so for each violation (3.1.1/MQTT-4.8.0-1). 5.0 leaves it to the client how strictly it looks, and says SHOULD
/// (5/4.13.1) but for some rules; 3.1 says nothing.
pub(super) fn must_close(trace: &Trace, version: Version) -> bool {
    let covers = |label: &str| {
        let mut covers = trace.head.covers.iter();
        covers.any(|(_, statement)| statement.to_string() == label)
    };
    match version {
        Version::V311 => true,
        Version::V5 => MUST_CLOSE.iter().any(|label| covers(label)),
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
pub(super) fn need_not_close(version: Version) -> String {
    let section = match version {
        Version::V5 => "section 4.13.1 of 5.0 says that a client SHOULD",
        Version::V31 | Version::V311 => "3.1 does not say that a client does",
    };
    format!("the client does not close here as the trace says, and need not: {section}")
}

/// `parts`: what comes first, what opens the connection unless the bytes do, and what comes at the end.
fn convert(trace: &Trace, test: Test, direction: Direction, opener: u8, parts: [&str; 3]) -> Option<Trace> {
    let mut made = Vec::new();
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
        let conn = Some(format!("line-{}", line.at.line));
        let id = format!("{:x}/{}", number_of(trace), line.at.line);
        let [before, opening, after] = parts.map(|text| lines(test, &text.replace("ID", &id)));
        let is = |packet: u8| bytes.first().is_some_and(|first| first & 0xf0 == packet);
        let opening = if is(opener) { Vec::new() } else { opening };
        let after = if test == Test::Client && is(DISCONNECT) {
            lines(test, "event Closed ..")
        } else {
            after
        };
        let refusal = [
            Step::Wire(Wire {
                verdict: None,
                ..wire.clone()
            }),
            Step::Refused {
                conn: None,
                codes: codes.clone(),
                within: None,
            },
        ];
        let steps = before.into_iter().chain(opening).chain(refusal).chain(after);
        made.extend(steps.map(|mut step| {
            on(&mut step, &conn);
            Line {
                at: line.at,
                maybe: false,
                step,
            }
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

/// Puts a step on a connection.
fn on(step: &mut Step, name: &Conn) {
    match step {
        Step::Wire(Wire { conn, .. })
        | Step::Refused { conn, .. }
        | Step::Cut(conn)
        | Step::Quiet {
            on: Quiet::Conn(conn),
            ..
        } => conn.clone_from(name),
        Step::Do(call) => call.conn.clone_from(name),
        Step::Event(event) => event.conn.clone_from(name),
        Step::Quiet { on: Quiet::All, .. }
        | Step::Broker(_)
        | Step::Wait(_)
        | Step::AnyOrder(_)
        | Step::Either(_) => {}
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
}
