//! Lines that stand in no trace.

use crate::trace::Trace;
use crate::trace::ast::{Conn, Line, Position, Step};

/// The lines of this text, each on this connection and as if it stood here.
///
/// # Errors
///
/// They are no lines of a client's trace.
pub(super) fn own(text: &str, at: Position, conn: &Conn) -> Result<Vec<Line>, String> {
    let text = format!("title: t\ntest: client\nversion: 3.1 3.1.1 5\n{text}\n");
    let trace = Trace::parse("own", &text).map_err(|e| e.to_string())?;
    let mut lines = trace.lines;
    for line in &mut lines {
        line.at = at;
        match &mut line.step {
            Step::Wire(wire) => wire.conn.clone_from(conn),
            Step::Do(call) => call.conn.clone_from(conn),
            Step::Event(event) => event.conn.clone_from(conn),
            _ => {}
        }
    }
    Ok(lines)
}
