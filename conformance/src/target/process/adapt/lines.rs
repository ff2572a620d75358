//! The lines of a trace, one after the other, as a program can be asked them.

use core::time::Duration;

use mqtt_proto::{PacketType, Version};

use super::look::{ends_publish, goes_on, has_limits, is_an_end, is_packet, number, says_connack, text};
use crate::profile::{Client as ClientProfile, Drive};
use crate::target::own_lines::own_lines;
use crate::trace::Test;
use crate::trace::ast::{
    Atom, Command, Conn, Direction, Do, Event, Item, Line, Position, Quiet, Step, Value, Wire,
};

/// How long a client that is left by the server is watched.
const WATCHED: Duration = Duration::from_millis(300);

pub(super) struct Adapter<'p> {
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

impl<'p> Adapter<'p> {
    pub(super) fn new(profile: &'p ClientProfile, version: Version) -> Self {
        Self {
            profile,
            version,
            dropped: Vec::new(),
            own: 0,
            messages: Vec::new(),
            held: Vec::new(),
        }
    }

    pub(super) fn lines(&mut self, lines: &[Line]) -> Result<Vec<Line>, String> {
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
        // What it leads to if it is taken stands in the lines after one that may be refused.
        if may_be_refused && !line.maybe {
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
        made.extend(own_lines(Test::Client, &text, at, conn).map_err(|e| format!("the profile: {e}"))?);
        Ok(())
    }
}
