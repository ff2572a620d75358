//! A trace as a given client program can be asked it.
//!
//! What a program does not tell is taken out of the expectations, what it does by itself is put into them, and what it may
//! leave to the server is done by the runner. What cannot be asked is not applicable, with the reason: nothing is relaxed
//! that the standard decides.

use core::time::Duration;

use mqtt_proto::{PacketType, Version};

use super::lines::place;
use crate::fields::{Bindings, Val, resolve_value};
use crate::profile::{Client as ClientProfile, Drive};
use crate::trace::ast::{
    Atom, Command, Conn, Direction, Do, Event, Field, Item, Line, PacketPattern, Position, Quiet, Step,
    Value, Wire,
};
use crate::trace::{Test, Trace};

/// How long a client that is left by the server is watched.
const WATCHED: Duration = Duration::from_millis(300);

/// The parts of a trace whose connections have nothing to do with each other, in their order.
pub(super) fn parts(trace: &Trace) -> Vec<Trace> {
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
fn conn_of(step: &Step) -> Option<Conn> {
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

/// The trace for this program.
///
/// # Errors
///
/// Why the program cannot be asked it.
pub(super) fn adapt(trace: &Trace, version: Version, profile: &ClientProfile) -> Result<Trace, String> {
    for field in &trace.head.config {
        // 3.x does not tell the server of limits.
        let is_said = version == Version::V5 || place(Command::Connect).field(&field.name).is_none();
        if !is_said || !profile.config.contains(&field.name) {
            return Err(format!("the client cannot be set up with {field}"));
        }
    }
    let waits = waits(&trace.lines);
    if waits > profile.longest {
        return Err(format!(
            "it waits for {waits:?}, the profile for {:?} at most",
            profile.longest
        ));
    }
    let mut adapted = trace.clone();
    if profile.drive == Drive::Arguments {
        for line in &trace.lines {
            one_command_line(line, profile)?;
        }
    }
    if let Some(least) = profile.least_keep_alive {
        if let Some(asked) = connects(&trace.lines).find(|asked| (1..u64::from(least)).contains(asked)) {
            return Err(format!(
                "the client takes no keep alive under {least} s, such as {asked}"
            ));
        }
    }
    if let Some(seconds) = profile.no_keep_alive {
        if connects(&trace.lines).any(|asked| asked == 0) {
            if waits >= Duration::from_secs(seconds.into()) {
                return Err(format!(
                    "the client cannot do without a keep alive, and {seconds} s are not more than the waits of {waits:?}"
                ));
            }
            keep_alive(&mut adapted.lines, seconds)?;
        }
    }
    let mut adapter = Adapter {
        profile,
        version,
        dropped: Vec::new(),
        own: 0,
        messages: Vec::new(),
        held: Vec::new(),
    };
    adapted.lines = adapter.lines(&adapted.lines)?;
    Ok(adapted)
}

/// The time that passes at least.
fn waits(lines: &[Line]) -> Duration {
    let of = |line: &Line| match &line.step {
        Step::Quiet { time, .. } | Step::Wait(time) => *time,
        Step::AnyOrder(lines) => waits(lines),
        Step::Either(branches) => branches
            .iter()
            .map(|lines| waits(lines))
            .max()
            .unwrap_or_default(),
        Step::Wire(Wire {
            within: Some(span), ..
        })
        | Step::Refused {
            within: Some(span), ..
        } => span.from,
        Step::Wire(_)
        | Step::Cut(_)
        | Step::Refused { .. }
        | Step::Do(_)
        | Step::Event(_)
        | Step::Broker(_) => Duration::ZERO,
    };
    lines.iter().map(of).sum()
}

/// Whether the value is this number.
fn is(field: &Field, name: &str, number: u64) -> bool {
    field.name == name && matches!(field.value.atoms[..], [Atom::Int(n)] if n == number)
}

/// The keep alive of each `do connect`.
fn connects(lines: &[Line]) -> impl Iterator<Item = u64> + '_ {
    lines.iter().filter_map(|line| match &line.step {
        Step::Do(call) if call.command == Command::Connect => Some(number(&call.fields, "keep_alive")),
        _ => None,
    })
}

/// Asks for this keep alive instead of none, and expects it.
fn keep_alive(lines: &mut [Line], seconds: u16) -> Result<(), String> {
    let set = |at: Position, fields: &mut Vec<Field>, open: bool| {
        let value = Value {
            at,
            atoms: vec![Atom::Int(seconds.into())],
        };
        match fields.iter_mut().find(|field| field.name == "keep_alive") {
            Some(field) if is(field, "keep_alive", 0) => field.value = value,
            Some(_) => {}
            None if open => {}
            None => fields.push(Field {
                at,
                name: "keep_alive".to_owned(),
                value,
            }),
        }
    };
    for line in lines {
        match &mut line.step {
            Step::Do(call) if call.command == Command::Connect => set(line.at, &mut call.fields, false),
            Step::Wire(Wire {
                item: Item::Packet(packet),
                ..
            }) if packet.packet_type == PacketType::Connect => {
                if packet.bytes.is_some() {
                    return Err(format!(
                        "line {}: the client cannot do without a keep alive, and has other bytes",
                        line.at.line
                    ));
                }
                set(packet.at, &mut packet.fields, packet.open);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a line is none that asks more than a command line can say.
fn one_command_line(line: &Line, profile: &ClientProfile) -> Result<(), String> {
    let Step::Do(call) = &line.step else { return Ok(()) };
    let refused = call.fields.iter().find(|field| field.name == "refused");
    if let Some(field) = refused {
        return Err(format!("line {}: a command cannot say {field}", line.at.line));
    }
    let known = match call.command {
        Command::Connect => true,
        Command::Publish => !profile.publish.is_empty(),
        Command::Subscribe => !profile.subscribe.is_empty(),
        _ => false,
    };
    if known {
        Ok(())
    } else {
        let name = super::lines::name(call.command);
        Err(format!(
            "line {}: the command cannot be told to {name}",
            line.at.line
        ))
    }
}

struct Adapter<'p> {
    profile: &'p ClientProfile,
    version: Version,
    /// What events that are not told would have bound.
    dropped: Vec<String>,
    /// How often the program has done something by itself.
    own: usize,
    /// Topic and payload of the messages that it was sent, and the packet id where QoS is 2.
    messages: Vec<(Option<String>, Option<String>, Option<u64>)>,
    /// Messages of which it tells after the PUBREL of this packet id.
    held: Vec<(u64, Line)>,
}

impl Adapter<'_> {
    fn lines(&mut self, lines: &[Line]) -> Result<Vec<Line>, String> {
        let mut made = Vec::new();
        // The packet that the program was told to publish, until it is acknowledged.
        let mut publishing: Option<(u64, Conn)> = None;
        let mut is_left = false;
        let is_told = lines
            .iter()
            .any(|line| matches!(&line.step, Step::Do(call) if call.command != Command::Connect));
        for (i, line) in lines.iter().enumerate() {
            let at = line.at;
            match &line.step {
                Step::Event(event) => {
                    let Some(told) = self.event(event) else { continue };
                    let told = Line {
                        step: Step::Event(told),
                        ..line.clone()
                    };
                    match self.waits_for_pubrel(event) {
                        None => made.push(told),
                        Some(_) if event.result.is_some() => {
                            return Err(format!(
                                "line {}: the client tells of a message of QoS 2 when PUBREL has come",
                                at.line
                            ));
                        }
                        Some(id) => self.held.push((id, told)),
                    }
                }
                Step::Do(call) => {
                    if call.command == Command::Publish && !self.profile.by_itself.published.is_empty() {
                        publishing = Some((number(&call.fields, "qos"), call.conn.clone()));
                    }
                    self.call(line, call, &mut made)?;
                }
                Step::AnyOrder(inside) => made.push(Line {
                    step: Step::AnyOrder(self.block(inside)?),
                    ..line.clone()
                }),
                Step::Either(branches) => {
                    let branches = branches.iter().map(|inside| self.block(inside));
                    made.push(Line {
                        step: Step::Either(branches.collect::<Result<_, _>>()?),
                        ..line.clone()
                    });
                }
                // After its last word the server closes, and the client may wait for that.
                Step::Wire(Wire {
                    item: Item::Close,
                    direction: Direction::ToServer,
                    conn,
                    ..
                }) if is_left => {
                    let step = |step| Line {
                        at,
                        maybe: false,
                        step,
                    };
                    let quiet = Step::Quiet {
                        on: Quiet::Conn(conn.clone()),
                        time: WATCHED,
                    };
                    made.push(step(Step::Either(vec![
                        vec![line.clone()],
                        vec![step(quiet), step(Step::Cut(conn.clone()))],
                    ])));
                    is_left = false;
                }
                Step::Wire(wire) => {
                    made.push(line.clone());
                    self.sent(wire, &mut made);
                    let connack = says_connack(wire);
                    is_left = connack.is_some_and(|code| code != 0) || (is_left && connack.is_none());
                    is_left |=
                        wire.direction == Direction::ToClient && is_packet(wire, PacketType::Disconnect);
                    let by_itself = &self.profile.by_itself.connected;
                    if connack == Some(0) && !is_told && !by_itself.is_empty() && has_limits(wire) {
                        return Err(format!(
                            "line {}: it may limit what the client does by itself",
                            at.line
                        ));
                    }
                    if connack == Some(0) && !is_told && !is_an_end(lines.get(i + 1..).unwrap_or_default()) {
                        self.by_itself(at, &wire.conn, &self.profile.by_itself.connected, &mut made)?;
                    }
                    if publishing
                        .as_ref()
                        .is_some_and(|(qos, _)| ends_publish(wire, *qos))
                    {
                        let (_, conn) = publishing.take().unwrap_or_default();
                        if let Some(line) = lines
                            .get(i + 1..)
                            .unwrap_or_default()
                            .iter()
                            .find(|line| goes_on(&line.step))
                        {
                            return Err(format!(
                                "line {}: the program ends when it has published",
                                line.at.line
                            ));
                        }
                        self.by_itself(at, &conn, &self.profile.by_itself.published, &mut made)?;
                    }
                }
                Step::Broker(_) => {
                    return Err(format!("line {}: there is no broker", at.line));
                }
                Step::Cut(_) | Step::Refused { .. } => {
                    is_left = false;
                    made.push(line.clone());
                }
                Step::Quiet { .. } | Step::Wait(_) => made.push(line.clone()),
            }
        }
        Ok(made)
    }

    /// Notes what the program is sent; what PUBREL releases is told then.
    fn sent(&mut self, wire: &Wire, made: &mut Vec<Line>) {
        let (Item::Packet(packet), Direction::ToClient) = (&wire.item, wire.direction) else {
            return;
        };
        let id = number(&packet.fields, "id");
        if packet.packet_type == PacketType::Publish {
            let id = (number(&packet.fields, "qos") == 2).then_some(id);
            let (topic, payload) = (text(&packet.fields, "topic"), text(&packet.fields, "payload"));
            self.messages.push((topic, payload, id));
        }
        if packet.packet_type == PacketType::PubRel {
            let released = self.held.iter().filter(|(held, _)| *held == id);
            made.extend(released.map(|(_, line)| line.clone()));
            self.held.retain(|(held, _)| *held != id);
        }
    }

    /// The packet id of the message that an event tells, if the client tells it only when PUBREL has come. The standard lets
    /// it choose (5/4.3.3, 3.1.1/4.3.3).
    fn waits_for_pubrel(&self, event: &Event) -> Option<u64> {
        if !self.profile.tells_qos_2_after_pubrel || event.name.text != "Message" {
            return None;
        }
        let (topic, payload) = (text(&event.fields, "topic"), text(&event.fields, "payload"));
        let agree = |told: &Option<String>, sent: &Option<String>| told.is_none() || told == sent;
        let mut messages = self.messages.iter().rev();
        let (_, _, id) = messages.find(|(sent, with, _)| agree(&topic, sent) && agree(&payload, with))?;
        *id
    }

    /// The lines of a block: expectations.
    fn block(&mut self, lines: &[Line]) -> Result<Vec<Line>, String> {
        let mut made = Vec::new();
        for line in lines {
            match &line.step {
                Step::Event(event) => made.extend(self.event(event).map(|event| Line {
                    step: Step::Event(event),
                    ..line.clone()
                })),
                Step::AnyOrder(inside) => made.push(Line {
                    step: Step::AnyOrder(self.block(inside)?),
                    ..line.clone()
                }),
                Step::Do(call) => self.call(line, call, &mut made)?,
                _ => made.push(line.clone()),
            }
        }
        Ok(made)
    }

    /// What of an event the program tells; `None` if nothing.
    fn event(&mut self, event: &Event) -> Option<Event> {
        let Some(names) = self.profile.events.get(&event.name.text) else {
            self.dropped.extend(event.result.clone());
            return None;
        };
        let tells = |name: &str| names.iter().any(|one| one == name);
        let mut event = event.clone();
        event.fields.retain(|field| tells(&field.name));
        event.absent.retain(|name| tells(&name.text));
        if self.version == Version::V31 {
            // 3.1 has no such flag.
            event.fields.retain(|field| field.name != "session_present");
        }
        event.open = true;
        Some(event)
    }

    fn call(&self, line: &Line, call: &Do, made: &mut Vec<Line>) -> Result<(), String> {
        let uses = |value: &Value| {
            let mut captures = value.atoms.iter().filter_map(|atom| match atom {
                Atom::Capture(name) => Some(name),
                _ => None,
            });
            captures.find(|name| self.dropped.contains(name)).cloned()
        };
        if let Some(name) = call.values.iter().find_map(uses) {
            return Err(format!("line {}: the client does not tell ${name}", line.at.line));
        }
        let mut call = call.clone();
        if self.profile.drive == Drive::Arguments {
            call.result = None;
        }
        let mut may_be_refused = false;
        for field in call.fields.iter_mut().filter(|field| field.name == "refused") {
            // How a refusal is called is the client's business. One that takes the call and does nothing is as good: what
            // counts is on the wire.
            field.value.atoms = vec![Atom::Int(1)];
            may_be_refused = true;
        }
        let conn = call.conn.clone();
        made.push(Line {
            step: Step::Do(call),
            ..line.clone()
        });
        if may_be_refused {
            made.push(Line {
                at: line.at,
                maybe: false,
                step: Step::Quiet {
                    on: Quiet::Conn(conn),
                    time: WATCHED,
                },
            });
        }
        Ok(())
    }

    /// Adds what the program does without being told, each time with captures of its own.
    fn by_itself(
        &mut self,
        at: Position,
        conn: &Conn,
        lines: &[String],
        made: &mut Vec<Line>,
    ) -> Result<(), String> {
        self.own += 1;
        let text = lines.join("\n").replace("$own", &format!("$own{}", self.own));
        let text = format!("title: t\ntest: client\nversion: 3.1 3.1.1 5\n{text}\n");
        let trace = Trace::parse("by_itself", &text).map_err(|e| format!("the profile: {e}"))?;
        debug_assert_eq!(trace.head.test, Test::Client);
        made.extend(trace.lines.into_iter().map(|mut line| {
            if let Step::Wire(wire) = &mut line.step {
                wire.conn.clone_from(conn);
            }
            Line { at, ..line }
        }));
        Ok(())
    }
}

fn number(fields: &[Field], name: &str) -> u64 {
    let field = fields.iter().find(|field| field.name == name);
    match field.map(|field| resolve_value(&field.value, Version::V5, &Bindings::new())) {
        Some(Ok(Val::Int(number))) => number,
        _ => 0,
    }
}

/// Whether a CONNACK names anything that the server cannot do.
fn has_limits(wire: &Wire) -> bool {
    let limits = [
        "maximum_packet_size",
        "maximum_qos",
        "receive_maximum",
        "wildcard_subscription_available",
    ];
    matches!(&wire.item, Item::Packet(packet) if packet.fields.iter().any(|field| limits.contains(&field.name.as_str())))
}

fn text(fields: &[Field], name: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.name == name);
    field.map(|field| field.value.to_string())
}

fn is_packet(wire: &Wire, packet_type: PacketType) -> bool {
    matches!(&wire.item, Item::Packet(packet) if packet.packet_type == packet_type)
}

/// The code of a CONNACK that is sent.
fn says_connack(wire: &Wire) -> Option<u64> {
    match &wire.item {
        Item::Packet(PacketPattern {
            packet_type: PacketType::ConnAck,
            fields,
            ..
        }) => Some(number(fields, "code")),
        // The flags of 3.1 say nothing; in the others they are the client's to judge.
        Item::Hex(bytes) if bytes.first() == Some(&0x20) => bytes.get(3).map(|code| u64::from(*code)),
        _ => None,
    }
}

/// Whether the client is expected to end the link next.
fn is_an_end(lines: &[Line]) -> bool {
    let next = lines.iter().find(|line| !matches!(line.step, Step::Event(_)));
    next.is_some_and(|line| match &line.step {
        Step::Refused { .. } | Step::Cut(_) => true,
        Step::Wire(wire) => wire.direction == Direction::ToServer && matches!(wire.item, Item::Close),
        _ => false,
    })
}

/// Whether this is the last packet of what was published at this QoS.
fn ends_publish(wire: &Wire, qos: u64) -> bool {
    match (&wire.item, qos) {
        (Item::Packet(packet), 0) => packet.packet_type == PacketType::Publish,
        (Item::Packet(packet), 1) => packet.packet_type == PacketType::PubAck,
        (Item::Packet(packet), _) => {
            packet.packet_type == PacketType::PubComp
                || (packet.packet_type == PacketType::PubRec && number(&packet.fields, "code") >= 0x80)
        }
        (Item::Hex(_) | Item::Close, _) => false,
    }
}

/// Whether a line needs a program that still runs.
fn goes_on(step: &Step) -> bool {
    match step {
        Step::Event(_) | Step::Quiet { .. } | Step::Wait(_) | Step::Cut(_) => false,
        Step::Wire(_)
        | Step::Refused { .. }
        | Step::Do(_)
        | Step::Broker(_)
        | Step::AnyOrder(_)
        | Step::Either(_) => true,
    }
}
