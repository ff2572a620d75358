//! A codec trace as a test of a whole machine: the bytes that the codec must refuse, each on a connection of its own.
//!
//! What is asked of a [server](broker) and of a [client] is two things: ours refuse all that the codec does, others what the standard
//! obliges them to.

pub(super) mod broker;
pub(super) mod client;

use super::own_lines::{own_lines, put};
use crate::trace::ast::{Head, Item, Line, Step, Verdict, Wire};
use crate::trace::{Test, Trace};

/// After this the connection is over in any case, and the standard does not ask which end was the first to say so.
const DISCONNECT: u8 = 0xe0;

/// What is expected upon these bytes, of which the codec says one of these codes, as text; if anything.
type Ask<'a> = dyn Fn(&[u8], &[u8]) -> Option<String> + 'a;

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
        let Some(asked) = ask(bytes, codes) else {
            continue;
        };
        let conn = Some(format!("line-{}", line.at.line));
        let id = format!("{:x}/{}", number_of(trace), line.at.line);
        let [before, opening, after] = parts;
        let opening = if is_of(bytes, opener) { "" } else { opening };
        let after = if test == Test::Client && is_of(bytes, DISCONNECT) {
            "event Closed .."
        } else {
            after
        };
        let lines =
            |text: &str| own_lines(test, &text.replace("ID", &id), line.at, &conn).unwrap_or_default();
        let mut sent = Line {
            at: line.at,
            maybe: false,
            step: Step::Wire(Wire {
                verdict: None,
                ..wire.clone()
            }),
        };
        put(&mut sent, line.at, &conn);
        made.extend(lines(&format!("{before}\n{opening}")));
        made.push(sent);
        made.extend(lines(&format!("{asked}\n{after}")));
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

/// The refusal, with one of these codes if a packet says why.
fn refused(codes: &[u8]) -> String {
    let codes: Vec<String> = codes.iter().map(u8::to_string).collect();
    format!("refused {}", codes.join("|"))
}

fn is_of(bytes: &[u8], packet: u8) -> bool {
    bytes.first().is_some_and(|first| first & 0xf0 == packet)
}

fn covers(trace: &Trace, label: &str) -> bool {
    let mut covers = trace.head.covers.iter();
    covers.any(|(_, statement)| statement.to_string() == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_the_bytes_are_lines_of_the_language() {
        let text = "title: t\ntest: codec\nversion: 5\n-> hex c1 00 ! bad 0x81\n<- hex c0 00 ! bad 0x82\n-> hex 10 00 ! bad 0x81\n";
        let trace = Trace::parse("t", text).unwrap();
        assert_eq!(broker::asked(&trace).unwrap().lines.len(), 4 + 2);
        assert_eq!(client::asked(&trace).unwrap().lines.len(), 7);
    }
}
