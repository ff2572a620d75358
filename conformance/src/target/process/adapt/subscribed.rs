//! A subscription for a client that hands out only what it has subscribed to.

use super::look::{has_limits, is_an_end, number, says_connack};
use crate::target::own_lines::own_lines;
use crate::trace::Test;
use crate::trace::ast::{Command, Conn, Direction, Item, Line, Step, Wire};

/// What such a client is told where a session begins. It may be told of the answer.
const SUBSCRIBE: &str = r##"do subscribe filter="#" qos=2
-> SUBSCRIBE id=$all filters=[{"#" qos=2}] ..
<- SUBACK id=$all codes=[2]
maybe event Completed .."##;

/// Has the client subscribe to everything where a session begins, if the trace wants to be told of messages and does not subscribe
/// itself. In the standard a client acknowledges what it has not asked for, and is free to hand it out or not
/// (3.1.1/MQTT-4.5.0-2, 5/MQTT-4.5.0-2).
///
/// # Errors
///
/// The server of the trace may not take that subscription.
pub(super) fn subscribed(lines: Vec<Line>) -> Result<Vec<Line>, String> {
    let subscribes = |line: &Line| matches!(&line.step, Step::Do(call) if call.command == Command::Subscribe);
    if !lines.iter().any(is_message) || lines.iter().any(subscribes) {
        return Ok(lines);
    }
    let mut made: Vec<Line> = Vec::new();
    let mut times = 0;
    let mut begun: Option<Conn> = None;
    for (i, line) in lines.iter().enumerate() {
        // What CONNACK makes the client tell comes before.
        if !matches!(line.step, Step::Event(_)) {
            if let Some(conn) = begun.take() {
                times += 1;
                let text = SUBSCRIBE.replace("$all", &format!("$all{times}"));
                made.extend(own_lines(Test::Client, &text, line.at, &conn)?);
            }
        }
        made.push(line.clone());
        let Step::Wire(wire) = &line.step else { continue };
        if begins(wire) && !is_an_end(lines.get(i + 1..).unwrap_or_default()) {
            if has_limits(wire) {
                return Err(format!(
                    "line {}: the client hands out only what it has subscribed to, and the server may not take that",
                    line.at.line
                ));
            }
            begun = Some(wire.conn.clone());
        }
    }
    Ok(made)
}

fn is_message(line: &Line) -> bool {
    match &line.step {
        Step::Event(event) => event.name.text == "Message",
        Step::AnyOrder(inside) => inside.iter().any(is_message),
        Step::Either(branches) => branches.iter().flatten().any(is_message),
        _ => false,
    }
}

/// A CONNACK that accepts and has no session: in one that goes on the subscription is there.
fn begins(wire: &Wire) -> bool {
    let is_present = match &wire.item {
        Item::Packet(packet) => number(&packet.fields, "session_present") == 1,
        Item::Hex(bytes) => bytes.get(2) == Some(&1),
        Item::Close => false,
    };
    wire.direction == Direction::ToClient && says_connack(wire) == Some(0) && !is_present
}
