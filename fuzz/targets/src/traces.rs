//! Any text into the reader of traces.

use mqtt_conformance::trace::{
    Line, Step, Trace,
    ast::{Item, PacketPattern},
    parse_packet,
};

/// Reads a trace.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines = text.lines().count();
    match Trace::parse("f", &text) {
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.starts_with("f:") && !shown.contains('\n'), "{shown:?}");
            assert!(!error.expected.is_empty());
            let at = error.at.unwrap_or_else(|| panic!("{shown} has no place"));
            assert!(at.line >= 1 && at.line as usize <= lines + 1, "{shown}");
            let width = text
                .lines()
                .nth(at.line as usize - 1)
                .map_or(0, |line| line.chars().count());
            assert!(at.column >= 1 && at.column as usize <= width + 1, "{shown}");
        }
        Ok(trace) => {
            let _ = trace.check_names("f");
            // Comments and blank lines say nothing.
            let more = format!("# before\n\n{text}\n\n\t# behind");
            let again = Trace::parse("f", &more).unwrap_or_else(|e| panic!("{more:?}: {e}"));
            assert_eq!(again.lines.len(), trace.lines.len());
            assert_eq!(again.head.title, trace.head.title);
            look(&trace, &trace.lines);
        }
    }
    if let Some(Ok(packet)) = text.lines().next().map(parse_packet) {
        prints_as_it_is_read(&packet);
    }
}

fn look(trace: &Trace, lines: &[Line]) {
    for line in lines {
        assert!(!trace.line(line.at).is_empty(), "{:?}", line.at);
        match &line.step {
            Step::AnyOrder(lines) => look(trace, lines),
            Step::Either(branches) => branches.iter().for_each(|lines| look(trace, lines)),
            Step::Wire(wire) => {
                if let Item::Packet(packet) = &wire.item {
                    prints_as_it_is_read(packet);
                }
            }
            _ => {}
        }
    }
}

/// What a pattern prints is read as a pattern that prints the same.
fn prints_as_it_is_read(packet: &PacketPattern) {
    let printed = packet.to_string();
    let again = parse_packet(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
    assert_eq!(again.to_string(), printed);
}
