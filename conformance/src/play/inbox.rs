//! What has come and was not read yet.

use core::time::Duration;
use std::collections::VecDeque;

use mqtt_proto::packet::Packet;
use mqtt_proto::{Frame, PacketType, Sender, Version, frame_len};

use crate::expect::{self, Mismatch};
use crate::fields::{Bindings, Fields, Val};
use crate::profile::Secret;
use crate::report::failure::{Decoded, Exchanged, hex};
use crate::trace::ast::{Conn, CutAfter, Direction, Item, Line, PacketPattern, Step, Wire};

/// The queues of all connections, and the record of what was exchanged.
#[derive(Debug)]
pub struct Inbox<'t> {
    version: Version,
    /// Wire lines that no line names are passed over.
    passes_over: bool,
    names: Vec<Conn>,
    boxes: Vec<Boxes>,
    pub(super) bindings: Bindings,
    /// The lines from the one that is being played to the end of its block.
    pub(super) ahead: &'t [Line],
    /// What `cut *` means in this run.
    pub(super) every: usize,
    arrivals: u64,
    record: Vec<Exchanged>,
    /// Is not recorded.
    secret: Option<Secret>,
}

#[derive(Debug, Default)]
struct Boxes {
    to_server: Queue,
    to_client: Queue,
    events: VecDeque<Happened>,
}

#[derive(Debug, Default)]
struct Queue {
    partial: Vec<u8>,
    items: VecDeque<Arrival>,
}

/// Something that came on a link.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    pub(super) what: What,
    /// The link was cut inside it.
    pub(super) cut: bool,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Packet {
        bytes: Vec<u8>,
        /// Its fields, or why it is no packet.
        fields: Result<Fields, String>,
        text: String,
    },
    End,
}

/// An event of the client under test.
///
/// ```
/// use mqtt_conformance::play::inbox::Happened;
///
/// // What `event Message topic="t" qos=1 payload="x" as m` expects.
/// let message = Happened::new("Message")
///     .with("topic", "t")
///     .with("qos", 1_u8)
///     .with("payload", &b"x"[..])
///     .giving(7_u64);
/// assert_eq!(message.list.len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub list: Vec<(&'static str, Val)>,
    /// What `as` binds.
    pub gives: Option<Val>,
}

impl What {
    pub(super) fn decoded(&self) -> Decoded {
        match self {
            Self::Packet { text, bytes, .. } => Decoded::as_written(text, Some(bytes.clone())),
            Self::End => Decoded::in_words("the end of the stream"),
        }
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Packet { bytes, .. } => Some(bytes),
            Self::End => None,
        }
    }
}

impl Happened {
    /// An event of this name. The names, and what each has to say, are listed at
    /// [`ClientUnderTest`](crate::target::client::ClientUnderTest#events).
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            list: Vec::new(),
            gives: None,
        }
    }

    /// It says this, too. What is 0 or empty may be left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Val>) -> Self {
        self.list.push((name, value.into()));
        self
    }

    /// It says what these properties say.
    #[must_use]
    pub fn with_properties(mut self, properties: &mqtt_proto::Properties<'_>) -> Self {
        crate::fields::properties(&mut self.list, properties);
        self
    }

    /// What `as` binds: of a message the duty to acknowledge it, for `do ack`.
    #[must_use]
    pub fn giving(mut self, value: impl Into<Val>) -> Self {
        self.gives = Some(value.into());
        self
    }

    pub(super) fn describe(&self) -> String {
        let fields = self
            .list
            .iter()
            .map(|(name, value)| format!(" {name}={}", expect::shown(value)));
        format!("event {}{}", self.name, fields.collect::<String>())
    }
}

impl<'t> Inbox<'t> {
    pub(super) fn new(version: Version, passes_over: bool, every: usize, secret: Option<Secret>) -> Self {
        Self {
            version,
            passes_over,
            names: Vec::new(),
            boxes: Vec::new(),
            bindings: Bindings::new(),
            ahead: &[],
            every,
            arrivals: 0,
            record: Vec::new(),
            secret,
        }
    }

    /// The number of a connection.
    pub(super) fn number(&mut self, conn: &Conn) -> usize {
        if let Some(found) = self.names.iter().position(|name| name == conn) {
            return found;
        }
        self.names.push(conn.clone());
        self.boxes.push(Boxes::default());
        self.names.len() - 1
    }

    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, conn: usize) -> &str {
        self.names.get(conn).and_then(Option::as_deref).unwrap_or("")
    }

    /// How much has come so far.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    fn queue(&self, conn: usize, direction: Direction) -> &Queue {
        let boxes = &self.boxes[conn];
        match direction {
            Direction::ToServer => &boxes.to_server,
            Direction::ToClient => &boxes.to_client,
        }
    }

    fn queue_mut(&mut self, conn: usize, direction: Direction) -> &mut Queue {
        let boxes = &mut self.boxes[conn];
        match direction {
            Direction::ToServer => &mut boxes.to_server,
            Direction::ToClient => &mut boxes.to_client,
        }
    }

    /// What came on a link and was not read.
    pub(super) fn unread(&self, conn: usize, direction: Direction) -> &VecDeque<Arrival> {
        &self.queue(conn, direction).items
    }

    pub(super) fn unread_mut(&mut self, conn: usize, direction: Direction) -> &mut VecDeque<Arrival> {
        &mut self.queue_mut(conn, direction).items
    }

    pub(super) fn events(&mut self, conn: usize) -> &mut VecDeque<Happened> {
        &mut self.boxes[conn].events
    }

    /// Bytes have come.
    pub fn bytes(&mut self, now: Duration, conn: usize, direction: Direction, bytes: &[u8]) {
        let version = self.version;
        let queue = self.queue_mut(conn, direction);
        queue.partial.extend_from_slice(bytes);
        let mut rest = core::mem::take(&mut queue.partial);
        loop {
            let len = match frame_len(&rest, u32::MAX) {
                Ok(Frame::Len(len)) => len,
                Ok(Frame::Need(_)) => break,
                Err(error) => {
                    let why = error.to_string();
                    self.arrived(
                        now,
                        conn,
                        direction,
                        garbage(core::mem::take(&mut rest), why),
                        false,
                    );
                    break;
                }
            };
            let after = rest.split_off(len);
            let packet = packet(rest, version, direction);
            self.arrived(now, conn, direction, packet, false);
            rest = after;
        }
        self.queue_mut(conn, direction).partial = rest;
    }

    /// A packet came, of which the link let only a part through.
    pub fn cut_packet(&mut self, now: Duration, conn: usize, direction: Direction, bytes: &[u8], n: usize) {
        let packet = packet(bytes.to_vec(), self.version, direction);
        self.arrived(now, conn, direction, packet, true);
        self.note(now, conn, format!("cut after {n} of {} bytes", bytes.len()));
    }

    /// The stream has ended.
    pub fn end(&mut self, now: Duration, conn: usize, direction: Direction) {
        let partial = core::mem::take(&mut self.queue_mut(conn, direction).partial);
        if !partial.is_empty() {
            let packet = garbage(partial, "the stream ends inside a packet".to_owned());
            self.arrived(now, conn, direction, packet, false);
        }
        self.arrived(now, conn, direction, What::End, false);
    }

    /// The client under test has told something.
    pub fn event(&mut self, now: Duration, conn: usize, event: Happened) {
        self.note(now, conn, event.describe());
        self.arrivals += 1;
        self.boxes[conn].events.push_back(event);
    }

    fn arrived(&mut self, at: Duration, conn: usize, direction: Direction, what: What, cut: bool) {
        let text = match &what {
            What::Packet {
                text, fields: Ok(_), ..
            } => text.clone(),
            What::Packet {
                fields: Err(why),
                text,
                ..
            } => format!("{text}   # {why}"),
            What::End => "close".to_owned(),
        };
        self.passed(at, conn, direction, text, what.bytes());
        self.arrivals += 1;
        self.unread_mut(conn, direction)
            .push_back(Arrival { at, what, cut });
    }

    /// The runner sends this: a packet, or bytes that may be none.
    pub(super) fn sent(&mut self, now: Duration, conn: usize, direction: Direction, bytes: &[u8], raw: bool) {
        let secret = self.secret.as_ref();
        let shown = secret.map_or_else(|| bytes.to_vec(), |secret| secret.hidden_in(bytes));
        let bytes = &shown[..];
        let text = match packet(bytes.to_vec(), self.version, direction) {
            What::Packet { text, .. } if !raw => text,
            What::Packet { .. } | What::End => format!("hex {}", hex(bytes)),
        };
        self.passed(now, conn, direction, text, Some(bytes));
    }

    /// Forgets what came on a link: it is gone.
    pub(super) fn forget(&mut self, conn: usize) {
        let boxes = &mut self.boxes[conn];
        (boxes.to_server, boxes.to_client) = Default::default();
    }

    /// Records what is not on the wire.
    pub(crate) fn note(&mut self, at: Duration, conn: usize, text: impl Into<String>) {
        let conn = self.name(conn).to_owned();
        self.record.push(Exchanged {
            at,
            conn,
            direction: None,
            text: text.into(),
            bytes: None,
        });
    }

    /// Records what is of no connection.
    pub(super) fn note_for_all(&mut self, at: Duration, text: &str) {
        self.record.push(Exchanged {
            at,
            conn: String::new(),
            direction: None,
            text: text.to_owned(),
            bytes: None,
        });
    }

    /// Records what was on the wire.
    fn passed(
        &mut self,
        at: Duration,
        conn: usize,
        direction: Direction,
        text: String,
        bytes: Option<&[u8]>,
    ) {
        let conn = self.name(conn).to_owned();
        self.record.push(Exchanged {
            at,
            conn,
            direction: Some(direction),
            text,
            bytes: bytes.map(<[u8]>::to_vec),
        });
    }

    pub(super) fn take_record(&mut self) -> Vec<Exchanged> {
        core::mem::take(&mut self.record)
    }

    /// The lines from the one that is being played to the end of its block.
    pub(crate) fn ahead(&self) -> &'t [Line] {
        self.ahead
    }

    /// Whether a CONNECT is what is expected next on this connection.
    #[must_use]
    pub fn awaits_connect(&self, conn: usize) -> bool {
        let Some(name) = self.names.get(conn) else {
            return false;
        };
        let next = self
            .ahead
            .iter()
            .find(|line| !line.maybe && !matches!(line.step, Step::Event(_)));
        let Some(Step::Wire(wire)) = next.map(|line| &line.step) else {
            return false;
        };
        wire.conn == *name
            && wire.direction == Direction::ToServer
            && match &wire.item {
                Item::Packet(packet) => packet.packet_type == PacketType::Connect,
                Item::Hex(bytes) => bytes.first().is_some_and(|first| first & 0xf0 == 0x10),
                Item::Close => false,
            }
    }

    /// Whether the link is to be cut inside this packet, which is about to pass: after so many bytes.
    ///
    /// It is if the next line of this connection and direction that cuts expects it, and all that came before it is
    /// expected by the lines before that one.
    #[must_use]
    pub fn cut_after(&self, conn: usize, direction: Direction, bytes: &[u8]) -> Option<usize> {
        let name = &self.names[conn];
        let mine = |wire: &&Wire| wire.conn == *name && wire.direction == direction;
        let wires = self.ahead.iter().filter_map(|line| {
            if let Step::Wire(wire) = &line.step {
                Some(wire)
            } else {
                None
            }
        });
        let mut bindings = self.bindings.clone();
        let mut came = self.unread(conn, direction).iter();
        for wire in wires.filter(mine) {
            let Item::Packet(pattern) = &wire.item else {
                return None;
            };
            let mut fits = |what: &What| is_packet(pattern, what, self.version, &mut bindings).is_ok();
            if let Some(cut) = wire.cut {
                let rest = came.next();
                if !fits(&packet(bytes.to_vec(), self.version, direction))
                    || (rest.is_some() && !self.passes_over)
                {
                    return None;
                }
                let n = match cut {
                    CutAfter::Bytes(n) => n,
                    CutAfter::Every => self.every,
                };
                return Some(n.min(bytes.len()));
            }
            let taken = if self.passes_over {
                came.any(|arrival| fits(&arrival.what))
            } else {
                came.next().is_some()
            };
            if !taken {
                return None;
            }
        }
        None
    }
}

/// Compares what came with the packet of a line.
pub(super) fn is_packet(
    pattern: &PacketPattern,
    what: &What,
    version: Version,
    bindings: &mut Bindings,
) -> Result<(), Vec<String>> {
    match what {
        What::Packet {
            fields: Ok(fields),
            bytes,
            ..
        } => {
            let before = bindings.clone();
            expect::matches(pattern, fields, version, bindings)
                .map_err(|all| all.iter().map(Mismatch::to_string).collect::<Vec<_>>())?;
            match &pattern.bytes {
                Some(wanted) if wanted != bytes => {
                    *bindings = before;
                    Err(vec![format!(
                        "expected the bytes {}, found {}",
                        hex(wanted),
                        hex(bytes)
                    )])
                }
                _ => Ok(()),
            }
        }
        What::Packet { fields: Err(why), .. } => Err(vec![why.clone()]),
        What::End => Err(vec![format!(
            "expected {}, found the end of the stream",
            pattern.packet_type
        )]),
    }
}

fn packet(bytes: Vec<u8>, version: Version, direction: Direction) -> What {
    let from = match direction {
        Direction::ToServer => Sender::Client,
        Direction::ToClient => Sender::Server,
    };
    match Packet::decode(version, from, &bytes) {
        Ok(packet) => What::Packet {
            fields: Ok(Fields::of(&packet)),
            text: packet.with_secrets().to_string(),
            bytes,
        },
        Err(error) => {
            let why = error.to_string();
            garbage(bytes, why)
        }
    }
}

fn garbage(bytes: Vec<u8>, why: String) -> What {
    What::Packet {
        text: format!("hex {}", hex(&bytes)),
        fields: Err(why),
        bytes,
    }
}
