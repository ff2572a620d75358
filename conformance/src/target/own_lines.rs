//! Lines that stand in no trace.

use crate::trace::ast::{Conn, Line, Position, Quiet, Step, Wire};
use crate::trace::{Test, Trace};

/// The lines of this text, as if they stood here on this connection.
///
/// # Errors
///
/// They are no lines of such a test.
pub(in crate::target) fn own_lines(
    test: Test,
    text: &str,
    at: Position,
    conn: &Conn,
) -> Result<Vec<Line>, String> {
    let test = test.name();
    let text = format!("title: t\ntest: {test}\nversion: 3.1 3.1.1 5\n{text}\n");
    let mut lines = Trace::parse("own", &text).map_err(|e| e.to_string())?.lines;
    lines.iter_mut().for_each(|line| put(line, at, conn));
    Ok(lines)
}

/// Puts a line, and those in it, at a place and on a connection.
pub(in crate::target) fn put(line: &mut Line, at: Position, name: &Conn) {
    line.at = at;
    match &mut line.step {
        Step::Either(branches) => {
            let inside = branches.iter_mut().flatten();
            inside.for_each(|line| put(line, at, name));
        }
        Step::AnyOrder(inside) => inside.iter_mut().for_each(|line| put(line, at, name)),
        Step::Wire(Wire { conn, .. })
        | Step::Refused { conn, .. }
        | Step::Cut(conn)
        | Step::Quiet {
            on: Quiet::Conn(conn),
            ..
        } => conn.clone_from(name),
        Step::Do(call) => call.conn.clone_from(name),
        Step::Event(event) => event.conn.clone_from(name),
        Step::Quiet { on: Quiet::All, .. } | Step::Broker(_) | Step::Wait(_) => {}
    }
}
