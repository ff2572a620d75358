//! The connections of a trace that have nothing to do with each other.

use crate::trace::Trace;
use crate::trace::ast::{Conn, Line, Quiet, Step};

/// The parts of a trace whose connections have nothing to do with each other, in their order.
pub(in crate::target::process) fn parts(trace: &Trace) -> Vec<Trace> {
    let mut parts: Vec<(Conn, Vec<Line>)> = Vec::new();
    for line in &trace.lines {
        let Some(conn) = conn_of(&line.step) else {
            return vec![trace.clone()];
        };
        let is_known = parts.iter().any(|(earlier, _)| *earlier == conn);
        match parts.last_mut() {
            Some((last, lines)) if *last == conn => lines.push(line.clone()),
            _ if is_known => return vec![trace.clone()],
            _ => parts.push((conn, vec![line.clone()])),
        }
    }
    parts
        .into_iter()
        .map(|(_, lines)| Trace {
            lines,
            ..trace.clone()
        })
        .collect()
}

/// The one connection of a step.
pub(in crate::target::process) fn conn_of(step: &Step) -> Option<Conn> {
    let one = |lines: &[Line]| {
        let mut conns = lines.iter().map(|line| conn_of(&line.step));
        let first = conns.next()??;
        conns.all(|conn| conn.as_ref() == Some(&first)).then_some(first)
    };
    match step {
        Step::Wire(wire) => Some(wire.conn.clone()),
        Step::Cut(conn)
        | Step::Refused { conn, .. }
        | Step::Quiet {
            on: Quiet::Conn(conn),
            ..
        } => Some(conn.clone()),
        Step::Do(call) => Some(call.conn.clone()),
        Step::Event(event) => Some(event.conn.clone()),
        Step::AnyOrder(lines) => one(lines),
        Step::Either(branches) => {
            let mut conns = branches.iter().map(|lines| one(lines));
            let first = conns.next()??;
            conns.all(|conn| conn.as_ref() == Some(&first)).then_some(first)
        }
        Step::Quiet { on: Quiet::All, .. } | Step::Broker(_) | Step::Wait(_) => None,
    }
}
