//! Playing a trace, line by line, in a [`World`].
//!
//! - [`world`]: what the lines act on: our machines in memory, or a broker behind sockets.
//! - [`inbox`]: what has come and was not read yet, by connection and direction; the record of the exchange.
//! - `sending`: the lines of the side that the runner plays.
//! - `expecting`: the lines of the side under test, `refused` and `quiet`.
//! - `wanted`: what a line expects, with its bytes, beside what came.
//! - `blocks`: `either` and `any-order`.
//! - [`instead`]: what came in place of what a line expects.
//! - [`call`]: the calls of a client's interface; [`act`]: what is done to a broker.
//!
//! Each step has a time at which it is done; spans (`in`) count from the last step that happened.

pub mod act;
mod blocks;
pub mod call;
mod expecting;
pub mod inbox;
pub mod instead;
mod sending;
mod wanted;
pub mod world;

use core::time::Duration;

use mqtt_proto::Version;

use crate::fields::resolve_value;
use crate::report::failure::Failure;
use crate::target::Outcome;
use crate::trace::Trace;
use crate::trace::ast::{Atom, BrokerAct, Conn, Direction, Do, Line, Position, Quiet, Step};
use act::Act;
use call::Call;
use inbox::{Inbox, What};
use instead::Instead;
use wanted::Unlike;
use world::{Refusal, World};

/// Plays a trace; one that has `cut *` once for every number of bytes, each time in a new world.
pub fn play<'w>(
    trace: &Trace,
    version: Version,
    mut world: impl FnMut() -> Result<Box<dyn World + 'w>, String>,
) -> Outcome {
    let mut checked = 0;
    for n in 1.. {
        let mut world = match world() {
            Ok(world) => world,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let mut player = Player::new(trace, version, world.as_mut(), n);
        match player.run() {
            Ok(()) => checked += player.steps,
            Err(Stop::NotApplicable(why)) => return Outcome::NotApplicable(why),
            Err(Stop::Failed(mut failure)) => {
                if player.every_len.is_some() {
                    failure.notes.push(format!("with `cut *` after {n} bytes"));
                }
                failure.exchange = player.inbox.take_record();
                failure.instead = player.instead.take();
                return Outcome::Failed(vec![*failure]);
            }
        }
        // Inside the packet: what happens without it and after it can be written without `*`.
        if player.every_len.is_none_or(|len| n + 1 >= len) {
            break;
        }
    }
    Outcome::Passed { checked }
}

/// Why a run ends early.
enum Stop {
    Failed(Box<Failure>),
    NotApplicable(String),
}

type Played<T = ()> = Result<T, Stop>;

/// A trace that is being played.
struct Player<'t, 'w> {
    trace: &'t Trace,
    version: Version,
    world: &'w mut dyn World,
    inbox: Inbox<'t>,
    links: Vec<Link>,
    /// When the last step that happened was done.
    last: Duration,
    /// The length of the packet that `cut *` cuts.
    every_len: Option<usize>,
    /// What came in place of what a line expects, once it has failed.
    instead: Option<Instead>,
    steps: usize,
}

/// What is known of the link of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    open: bool,
    /// A CONNACK that accepts has passed.
    accepted: bool,
    /// A packet has passed after which the end of the stream is a matter of course.
    leaving: bool,
}

impl<'t, 'w> Player<'t, 'w> {
    fn new(trace: &'t Trace, version: Version, world: &'w mut dyn World, every: usize) -> Self {
        let passes_over = world.sends().is_none();
        let last = world.now();
        let secret = world.secret().cloned();
        Self {
            trace,
            version,
            world,
            inbox: Inbox::new(version, passes_over, every, secret),
            links: Vec::new(),
            last,
            every_len: None,
            instead: None,
            steps: 0,
        }
    }

    fn run(&mut self) -> Played {
        self.lines(&self.trace.lines)?;
        let end = self
            .trace
            .lines
            .last()
            .map_or_else(Position::default, |line| line.at);
        self.settle(end)?;
        self.nothing_is_left(end, "at the end of the trace")
    }

    fn lines(&mut self, lines: &'t [Line]) -> Played {
        for (i, line) in lines.iter().enumerate() {
            self.inbox.ahead = &lines[i..];
            if self.line(line)? {
                self.last = self.world.now();
                self.steps += 1;
            }
        }
        Ok(())
    }

    /// Plays a line; false if it was one that may be, and was not.
    fn line(&mut self, line: &'t Line) -> Played<bool> {
        let at = line.at;
        match &line.step {
            Step::Wire(wire) if self.world.sends() == Some(wire.direction) => {
                self.send(at, wire)?;
                self.settle(at)?;
            }
            Step::Wire(_) | Step::Event(_) => return self.expect(line),
            Step::Refused { conn, .. } => {
                // A CONNECT is refused by every server.
                let is_asked = self.world.sends() == Some(Direction::ToServer) && !self.link(conn).1.accepted;
                let refused = self.expect(line);
                if matches!(refused, Err(Stop::Failed(..))) && !is_asked && !self.is_garbled(conn) {
                    if let Some(why) = self.world.need_not_refuse() {
                        return Err(Stop::NotApplicable(format!("line {}: {why}", at.line)));
                    }
                }
                return refused;
            }
            Step::Cut(conn) => {
                let (conn, link) = self.link(conn);
                if !link.open && self.world.sends() == Some(Direction::ToServer) {
                    return self.fail(at, "there is no connection to cut");
                }
                self.cut(conn);
                self.pass(at, self.world.pace().pause)?;
            }
            Step::Quiet { on, time } => self.quiet(at, on, *time)?,
            Step::Do(call) => {
                self.call(line, call)?;
                self.settle(at)?;
            }
            Step::Broker(act) => {
                self.act(at, act)?;
                self.settle(at)?;
            }
            Step::Wait(time) => self.pass(at, *time)?,
            Step::AnyOrder(lines) => self.any_order(at, lines)?,
            Step::Either(branches) => self.either(at, branches)?,
        }
        Ok(true)
    }

    fn is_expectation(&self, step: &Step) -> bool {
        self.trace.head.test.expects(step)
    }

    fn fail<T>(&self, at: Position, why: impl Into<String>) -> Played<T> {
        Err(Stop::Failed(Box::new(Failure::new(at, why))))
    }

    /// Something else came than the line says.
    fn unlike<T>(&self, line: &Line, unlike: Unlike) -> Played<T> {
        let compared = self.compared(line, unlike);
        Err(Stop::Failed(Box::new(Failure::unlike(line.at, compared))))
    }

    /// Lets happen what happens at once.
    fn settle(&mut self, at: Position) -> Played {
        let now = self.world.now();
        while self.wait(at, now)? {}
        Ok(())
    }

    /// Lets time pass.
    fn pass(&mut self, at: Position, time: Duration) -> Played {
        let until = self.world.now() + time;
        while self.world.now() < until {
            self.wait(at, until)?;
        }
        self.settle(at)
    }

    fn wait(&mut self, at: Position, until: Duration) -> Played<bool> {
        match self.world.wait(until, &mut self.inbox) {
            Ok(came) => Ok(came),
            Err(why) => self.fail(at, why),
        }
    }

    fn link(&mut self, conn: &Conn) -> (usize, &mut Link) {
        let number = self.inbox.number(conn);
        if self.links.len() < self.inbox.count() {
            self.links.resize(self.inbox.count(), Link::default());
        }
        (number, &mut self.links[number])
    }

    /// The link is gone, and what was still on it.
    fn cut(&mut self, conn: usize) {
        self.inbox.note(self.world.now(), conn, "cut");
        self.world.cut(conn);
        self.inbox.forget(conn);
        self.links[conn] = Link::default();
    }

    /// Does something to the broker. One that was stopped has no links any more.
    fn act(&mut self, at: Position, act: &BrokerAct) -> Played {
        let act = Act::of(act, self.version, &self.inbox.bindings)
            .map_err(|e| Stop::Failed(Box::new(Failure::new(e.at, e.to_string()))))?;
        self.settle(at)?;
        self.inbox.note_for_all(self.world.now(), &act.to_string());
        match self.world.act(&act, &mut self.inbox) {
            Ok(()) => {}
            Err(Refusal::NotApplicable(why)) => {
                return Err(Stop::NotApplicable(format!("line {}: {why}", at.line)));
            }
            Err(Refusal::Refused(_, why) | Refusal::Invalid(why)) => return self.fail(at, why),
        }
        // The clients of a pair see the end of their links themselves.
        if act.stops() && self.world.sends().is_some() {
            for conn in 0..self.inbox.count() {
                self.inbox.forget(conn);
            }
            self.links.fill(Link::default());
        }
        Ok(())
    }

    /// The directions in which the side under test sends.
    fn expected_directions(&self) -> &'static [Direction] {
        match self.world.sends() {
            Some(Direction::ToServer) => &[Direction::ToClient],
            Some(Direction::ToClient) => &[Direction::ToServer],
            None => &[],
        }
    }

    /// What is unread on a connection and should have been read.
    fn left_on(&mut self, conn: usize) -> Option<String> {
        let leaving = self.links.get(conn).is_some_and(|link| link.leaving);
        for &direction in self.expected_directions() {
            let unread = self.inbox.unread(conn, direction);
            let first = unread
                .iter()
                .find(|arrival| !(leaving && matches!(arrival.what, What::End)));
            if let Some(arrival) = first {
                return Some(arrival.what.decoded().to_string());
            }
        }
        self.inbox
            .events(conn)
            .front()
            .map(|event| format!("`{}`", event.describe()))
    }

    fn nothing_is_left(&mut self, at: Position, when: &str) -> Played {
        for conn in 0..self.inbox.count() {
            if let Some(what) = self.left_on(conn) {
                let name = self.inbox.name(conn);
                let on = if name.is_empty() {
                    String::new()
                } else {
                    format!(" on `{name}`")
                };
                return self.fail(at, format!("{what} came{on} and no line has read it {when}"));
            }
        }
        Ok(())
    }

    fn quiet(&mut self, at: Position, on: &Quiet, time: Duration) -> Played {
        let only = match on {
            Quiet::Conn(conn) => Some(self.link(conn).0),
            Quiet::All => None,
        };
        let until = self.world.now() + time;
        let start = self.inbox.arrivals();
        loop {
            let conns = only.map_or_else(|| 0..self.inbox.count(), |conn| conn..conn + 1);
            for conn in conns {
                if let Some(what) = self.left_on(conn) {
                    return self.fail(at, format!("expected quiet, seen {what}"));
                }
            }
            // Between two of ours nobody reads: whatever moves is not quiet.
            if self.world.sends().is_none() && self.inbox.arrivals() > start {
                return self.fail(
                    at,
                    "expected quiet, but something was sent: see the last line of the exchange",
                );
            }
            if self.world.now() >= until {
                return Ok(());
            }
            self.wait(at, until)?;
        }
    }

    fn call(&mut self, line: &Line, call: &Do) -> Played {
        let at = line.at;
        let value = |player: &Self, value: &crate::trace::ast::Value| match &value.atoms[..] {
            [Atom::Name(name)] => Ok(crate::fields::Val::text(name)),
            _ => resolve_value(value, player.version, &player.inbox.bindings)
                .map_err(|e| Stop::Failed(Box::new(Failure::new(e.at, e.to_string())))),
        };
        let mut ready = Call {
            command: call.command,
            values: Vec::new(),
            fields: Vec::new(),
        };
        for one in &call.values {
            ready.values.push(value(self, one)?);
        }
        let mut refused = None;
        for field in &call.fields {
            match (&field.name[..], &field.value.atoms[..]) {
                ("refused", [Atom::Name(name)]) => refused = Some(name.as_str()),
                _ => ready
                    .fields
                    .push((field.name.clone(), value(self, &field.value)?)),
            }
        }
        let (conn, _) = self.link(&call.conn);
        let written = self.trace.line(at);
        let text = written.find("do ").map_or(written, |start| &written[start..]);
        let text = text.split(" #").next().unwrap_or(text).trim();
        self.inbox.note(self.world.now(), conn, text);
        let given = self.world.call(conn, &ready);
        // A call that may be refused and is taken is like any other.
        let refused = refused.filter(|_| !(line.maybe && given.is_ok()));
        match (given, refused) {
            (Ok(given), None) => {
                match (&call.result, given) {
                    (Some(name), Some(given)) => {
                        self.inbox.bindings.insert(name.clone(), given);
                    }
                    (Some(name), None) => {
                        return self.fail(at, format!("the call gives nothing to bind ${name} to"));
                    }
                    (None, _) => {}
                }
                Ok(())
            }
            (Ok(_), Some(wanted)) => self.fail(
                at,
                format!("expected the call to be refused as {wanted}, but it was taken"),
            ),
            (Err(Refusal::Refused(name, _)), Some(wanted)) if name.is_empty() || name == wanted => Ok(()),
            (Err(Refusal::Refused(name, why)), None) if name.is_empty() => {
                Err(Stop::NotApplicable(format!("the client refuses `{text}`: {why}")))
            }
            (Err(Refusal::Refused(name, why)), _) => {
                self.fail(at, format!("the call was refused as {name}: {why}"))
            }
            (Err(Refusal::Invalid(why)), _) => self.fail(at, why),
            (Err(Refusal::NotApplicable(why)), _) => Err(Stop::NotApplicable(why)),
        }
    }

    /// Whether what has come first is no packet at all.
    ///
    /// In 5.0 an acknowledgment of id 0 is one: who takes a packet with that id has to repeat it (5/MQTT-2.2.1-5), and no statement
    /// speaks of 0 there.
    fn is_garbled(&mut self, conn: &Conn) -> bool {
        let is_5 = self.version == Version::V5;
        let (conn, _) = self.link(conn);
        let unread = self.inbox.unread(conn, Direction::ToServer).front();
        unread.is_some_and(|arrival| match &arrival.what {
            What::Packet { fields, bytes, .. } => fields.is_err() && !(is_5 && acknowledges_id_0(bytes)),
            What::End => false,
        })
    }

    /// What a link knows after this packet has passed on it.
    fn packet_passed(&mut self, conn: usize, what: &What) {
        use mqtt_proto::PacketType::{ConnAck, Disconnect};
        let What::Packet {
            fields: Ok(fields), ..
        } = what
        else {
            return;
        };
        let code = crate::fields::values(&fields.list, "code").next();
        let failed = matches!(code, Some(crate::fields::Val::Int(code)) if *code >= 0x80);
        let link = &mut self.links[conn];
        if fields.packet_type == ConnAck {
            link.accepted = !failed;
            link.leaving |= failed;
        }
        link.leaving |= fields.packet_type == Disconnect;
    }

    /// `cut` of a line, in numbers, for a packet of this length.
    fn cut_bytes(
        &mut self,
        at: Position,
        wire: &crate::trace::ast::Wire,
        len: usize,
    ) -> Played<Option<usize>> {
        use crate::trace::ast::CutAfter;
        match wire.cut {
            None => Ok(None),
            Some(CutAfter::Bytes(n)) if n > len => self.fail(
                at,
                format!("the packet has {len} bytes: it cannot be cut after {n}"),
            ),
            Some(CutAfter::Bytes(n)) => Ok(Some(n)),
            Some(CutAfter::Every) => {
                self.every_len = Some(len);
                Ok(Some(self.inbox.every))
            }
        }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with Packet Identifier 0.
fn acknowledges_id_0(bytes: &[u8]) -> bool {
    matches!(bytes, [0x40 | 0x50 | 0x62 | 0x70, 2..=127, 0, 0, ..])
}
