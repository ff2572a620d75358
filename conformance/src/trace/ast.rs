//! What a trace is made of.

use core::fmt;
use core::time::Duration;

use mqtt_proto::{PacketType, Statement, Version};

/// A place in a trace, counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What stands before the first step.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// One sentence: the claim.
    pub title: String,
    /// Who is under test.
    pub test: Test,
    /// The trace is run once for each.
    pub versions: Vec<Version>,
    /// What a pass shows; each counts in its own version.
    pub covers: Vec<(Position, Statement)>,
    /// Rows of `spec/mqtt-errors.tsv`: errors whose action a pass shows, in each version of the trace.
    pub errors: Vec<(Position, String)>,
    /// What the target must be able to do.
    pub requires: Vec<String>,
    /// How the target is set up.
    pub config: Vec<Field>,
}

/// Who is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Test {
    /// The codec alone.
    Codec,
    /// A client; the runner plays the server.
    Client,
    /// A broker; the runner plays the clients.
    Broker,
    /// Client and broker joined; the runner only calls, cuts and watches.
    Pair,
}

impl Test {
    /// The word in the head of a trace.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Client => "client",
            Self::Broker => "broker",
            Self::Pair => "pair",
        }
    }

    /// Which way the packets of the runner go; none if it plays no side.
    #[must_use]
    pub fn runner_sends(self) -> Option<Direction> {
        match self {
            Self::Client => Some(Direction::ToClient),
            Self::Broker => Some(Direction::ToServer),
            Self::Codec | Self::Pair => None,
        }
    }

    /// Whether a step is an expectation: something that the side under test does.
    #[must_use]
    pub fn expects(self, step: &Step) -> bool {
        match step {
            Step::Wire(wire) => self.runner_sends() != Some(wire.direction),
            Step::Refused { .. } | Step::Event(_) => true,
            Step::Cut(_)
            | Step::Quiet { .. }
            | Step::Do(_)
            | Step::Broker(_)
            | Step::Wait(_)
            | Step::AnyOrder(_)
            | Step::Either(_) => false,
        }
    }
}

/// A line that does something.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stands.
    pub at: Position,
    /// It may happen or not.
    pub maybe: bool,
    /// What it does.
    pub step: Step,
}

/// What a line does.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Step {
    /// Bytes on a connection.
    Wire(Wire),
    /// The link is lost both ways, without a DISCONNECT.
    Cut(Conn),
    /// The server refuses what came: a failing code and the end of the stream, or the end alone.
    Refused {
        /// On this connection.
        conn: Conn,
        /// One of these; empty: any from 0x80.
        codes: Vec<u8>,
        /// In this span after the step before.
        within: Option<Span>,
    },
    /// Nothing more arrives for so long.
    Quiet {
        /// Where.
        on: Quiet,
        /// How long.
        time: Duration,
    },
    /// A call of the client's interface.
    Do(Do),
    /// An event of the client.
    Event(Event),
    /// Something is done to the broker.
    Broker(BrokerAct),
    /// Time passes.
    Wait(Duration),
    /// All of these, in whatever order.
    AnyOrder(Vec<Line>),
    /// The first branch whose first expectation fits.
    Either(Vec<Vec<Line>>),
}

/// The name of a connection; `None` in a trace that has one connection.
pub type Conn = Option<String>;

/// Where it is quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Quiet {
    /// On one connection.
    Conn(Conn),
    /// On all.
    All,
}

/// From when to when, after the step before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not sooner.
    pub from: Duration,
    /// Not later.
    pub to: Duration,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Direction {
    /// `->`: client to server.
    ToServer,
    /// `<-`: server to client.
    ToClient,
}

/// Bytes on a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire {
    /// On this connection.
    pub conn: Conn,
    /// Which way.
    pub direction: Direction,
    /// What.
    pub item: Item,
    /// Arrives in this span after the step before.
    pub within: Option<Span>,
    /// Written in pieces of these sizes, then the rest.
    pub split: Vec<usize>,
    /// The link is lost on the way.
    pub cut: Option<CutAfter>,
    /// What the codec says.
    pub verdict: Option<Verdict>,
}

/// What is on the wire.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Item {
    /// A packet.
    Packet(PacketPattern),
    /// Bytes, right or wrong.
    Hex(Vec<u8>),
    /// The end of the stream, by that side.
    Close,
}

/// After how many bytes the link is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum CutAfter {
    /// After so many.
    Bytes(usize),
    /// `*`: the trace is run once for every number.
    Every,
}

/// What the codec says to bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Verdict {
    /// It refuses them.
    Bad {
        /// With one of these reason codes.
        codes: Vec<u8>,
        /// Naming these statements, each in its own version.
        statements: Vec<Statement>,
        /// At this byte.
        at: Option<usize>,
    },
    /// It wants this many in whole.
    Incomplete(usize),
}

/// A packet as it is sent, or as it is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketPattern {
    /// Where it stands.
    pub at: Position,
    /// Its type.
    pub packet_type: PacketType,
    /// Fields by name, in the order written.
    pub fields: Vec<Field>,
    /// Fields that must not be there.
    pub absent: Vec<Name>,
    /// `..`: other fields may have any value.
    pub open: bool,
    /// Its encoding.
    pub bytes: Option<Vec<u8>>,
}

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Where.
    pub at: Position,
    /// The name.
    pub text: String,
}

/// `name=value`
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where it stands.
    pub at: Position,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A value, or several of which one fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Where it stands.
    pub at: Position,
    /// The alternatives: one at least.
    pub atoms: Vec<Atom>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Atom {
    /// A number.
    Int(u64),
    /// A number from this to that.
    Range(u64, u64),
    /// Text, so many times.
    Text(String, usize),
    /// Bytes, so many times.
    Hex(Vec<u8>, usize),
    /// `*`: anything.
    Any,
    /// `$name`: bound by the first expectation, compared or sent afterwards.
    Capture(String),
    /// A word.
    Name(String),
    /// `[..]`
    List(Vec<Value>),
    /// `{..}`
    Group(Group),
    /// `("name" "value")`
    Pair(String, String),
}

impl Atom {
    /// The values that stand inside this one.
    pub fn parts(&self) -> impl Iterator<Item = &Value> {
        let (list, fields): (&[Value], &[Field]) = match self {
            Self::List(list) => (list, &[]),
            Self::Group(group) => (&[], &group.fields),
            Self::Int(_)
            | Self::Range(..)
            | Self::Text(..)
            | Self::Hex(..)
            | Self::Any
            | Self::Capture(_)
            | Self::Name(_)
            | Self::Pair(..) => (&[], &[]),
        };
        list.iter().chain(fields.iter().map(|field| &field.value))
    }
}

/// A filter with options, or a will.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The filter.
    pub text: Option<String>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Fields that must not be there.
    pub absent: Vec<Name>,
}

/// A call of the client's interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Do {
    /// Of this client.
    pub conn: Conn,
    /// Which call.
    pub command: Command,
    /// Arguments without a name.
    pub values: Vec<Value>,
    /// Arguments with one.
    pub fields: Vec<Field>,
    /// The name of what it gives back.
    pub result: Option<String>,
}

/// The calls of the client's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Command {
    /// Open a session.
    Connect,
    /// Publish a message.
    Publish,
    /// Subscribe.
    Subscribe,
    /// Unsubscribe.
    Unsubscribe,
    /// Acknowledge a message.
    Ack,
    /// Send authentication data.
    Authenticate,
    /// Send a PINGREQ.
    Ping,
    /// Disconnect.
    Disconnect,
}

/// An event of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Of this client.
    pub conn: Conn,
    /// Which event.
    pub name: Name,
    /// What it says.
    pub fields: Vec<Field>,
    /// What it does not say.
    pub absent: Vec<Name>,
    /// `..`: it may say more.
    pub open: bool,
    /// The name of what it gives.
    pub result: Option<String>,
}

/// Something that is done to the broker.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum BrokerAct {
    /// It is stopped and started.
    Restart,
    /// It is killed and started.
    Crash,
    /// It refuses such requests from now on.
    Deny(Vec<Field>),
}
