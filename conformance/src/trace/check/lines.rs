//! The steps of a trace, in their order.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named has no parts to look into"
)]

use std::collections::BTreeMap;

use mqtt_proto::{PacketType, Version};

use super::values::{self, Class};
use super::{counts, unknown};
use crate::fields::event::{EVENTS, EventSpec};
use crate::fields::table::{Kind, Place, Spec};
use crate::trace::Trace;
use crate::trace::ast::{
    Atom, BrokerAct, Command, Conn, CutAfter, Do, Event, Field, Item, Line, PacketPattern, Position, Quiet,
    Step, Test, Value, Verdict, Wire,
};
use crate::trace::error::{Misfit, nearest};

/// Checks all lines.
pub(super) fn all(trace: &Trace) -> Result<(), Misfit> {
    let mut checker = Checker {
        trace,
        newest: trace.head.versions.iter().copied().max().unwrap_or(Version::V5),
        bound: BTreeMap::new(),
        sometimes: BTreeMap::new(),
        named: None,
        cut_every: None,
    };
    checker.lines(&trace.lines)
}

/// Where captures are bound, and to what.
type Bound = BTreeMap<String, (Class, Position)>;

struct Checker<'t> {
    trace: &'t Trace,
    /// The newest version that the trace is run for.
    newest: Version,
    /// Captures that an earlier line binds.
    bound: Bound,
    /// Those that are bound in some branches of an `either` alone.
    sometimes: Bound,
    /// Whether connections have names, once a line has told.
    named: Option<bool>,
    /// Where `cut *` stands.
    cut_every: Option<Position>,
}

impl Checker<'_> {
    fn test(&self) -> Test {
        self.trace.head.test
    }

    fn lines(&mut self, lines: &[Line]) -> Result<(), Misfit> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    fn line(&mut self, line: &Line) -> Result<(), Misfit> {
        let at = line.at;
        let test = self.test();
        if line.maybe {
            self.wire_only(at, "maybe")?;
        }
        let is_call = match &line.step {
            Step::Do(call) => Some(call.fields.iter().any(is_refused)),
            _ => None,
        };
        if line.maybe && is_call == Some(false) {
            return Err(
                Misfit::new(at, "maybe", "`maybe` before a call with `refused=` only")
                    .hint("it says that the call is refused, or taken"),
            );
        }
        if line.maybe && is_call.is_none() && !test.expects(&line.step) {
            return Err(Misfit::new(at, "maybe", "`maybe` before an expectation only")
                .hint("this line is none: the runner does it"));
        }
        match &line.step {
            Step::Wire(wire) => {
                self.connection(at, &wire.conn)?;
                if let Item::Close = wire.item {
                    self.wire_only(at, "close")?;
                }
                self.wire(at, wire)
            }
            Step::Cut(conn) => {
                self.wire_only(at, "cut")?;
                self.connection(at, conn)
            }
            Step::Refused { conn, .. } => {
                self.wire_only(at, "refused")?;
                self.connection(at, conn)
            }
            Step::Quiet { on, .. } => {
                self.wire_only(at, "quiet")?;
                match on {
                    Quiet::Conn(conn) => self.connection(at, conn),
                    Quiet::All => Ok(()),
                }
            }
            Step::Do(call) => {
                self.only_with_calls(at, "do")?;
                self.connection(at, &call.conn)?;
                self.call(at, call)
            }
            Step::Event(event) => {
                self.only_with_calls(at, "event")?;
                self.connection(at, &event.conn)?;
                self.event(event)
            }
            Step::Broker(act) => {
                if !matches!(test, Test::Broker | Test::Pair) {
                    return Err(Misfit::new(at, "broker", "broker in a broker or pair trace only"));
                }
                match act {
                    BrokerAct::Deny(fields) => self.deny(fields),
                    BrokerAct::Restart | BrokerAct::Crash => Ok(()),
                }
            }
            Step::Wait(_) => self.wire_only(at, "+"),
            Step::AnyOrder(lines) => {
                self.wire_only(at, "any-order")?;
                if let Some(line) = lines.iter().find(|line| !test.expects(&line.step)) {
                    let found = self.trace.word_at(line.at);
                    return Err(Misfit::new(line.at, found, "an expectation")
                        .hint("`any-order` holds expectations only"));
                }
                self.lines(lines)
            }
            Step::Either(branches) => {
                self.wire_only(at, "either")?;
                self.either(branches)
            }
        }
    }

    fn deny(&self, fields: &[Field]) -> Result<(), Misfit> {
        const KNOWN: [&str; 3] = ["topic", "filter", "client_id"];
        for field in fields {
            if !KNOWN.contains(&field.name.as_str()) {
                let expected = "what `broker deny` refuses";
                return Err(unknown(field.at, &field.name, expected, KNOWN));
            }
            values::value(Kind::Text, &field.value, &mut |at, name, class| {
                self.is_bound(at, name, class)
            })?;
            self.one_value(&field.value)?;
        }
        Ok(())
    }

    fn wire_only(&self, at: Position, what: &str) -> Result<(), Misfit> {
        if self.test() == Test::Codec {
            let expected = "a packet or bytes: the codec knows nothing else";
            return Err(Misfit::new(at, what, expected));
        }
        Ok(())
    }

    fn only_with_calls(&self, at: Position, what: &str) -> Result<(), Misfit> {
        if matches!(self.test(), Test::Client | Test::Pair) {
            return Ok(());
        }
        Err(Misfit::new(
            at,
            what,
            format!("{what} in a client or pair trace only"),
        ))
    }

    /// After it only what every branch binds is bound for certain.
    fn either(&mut self, branches: &[Vec<Line>]) -> Result<(), Misfit> {
        let before = self.bound.clone();
        let mut after: Option<Bound> = None;
        for branch in branches {
            self.bound.clone_from(&before);
            self.lines(branch)?;
            let mine = core::mem::take(&mut self.bound);
            self.sometimes.extend(mine.clone());
            after = Some(match after {
                None => mine,
                Some(mut all) => {
                    all.retain(|name, _| mine.contains_key(name));
                    all
                }
            });
        }
        self.bound = after.unwrap_or(before);
        Ok(())
    }

    fn connection(&mut self, at: Position, conn: &Conn) -> Result<(), Misfit> {
        let has_name = conn.is_some();
        if *self.named.get_or_insert(has_name) == has_name {
            return Ok(());
        }
        let found = conn.as_deref().unwrap_or_else(|| self.trace.word_at(at));
        Err(Misfit::new(
            at,
            found,
            "either all connections with a name, or the only one without",
        ))
    }

    fn wire(&mut self, at: Position, wire: &Wire) -> Result<(), Misfit> {
        self.suffixes(at, wire)?;
        let pattern = match (&wire.item, &wire.verdict) {
            (Item::Hex(_), Some(Verdict::Bad { statements, .. })) => {
                for statement in statements {
                    let token = statement.to_string();
                    let place = self.trace.token_after(at, &token).unwrap_or(at);
                    counts(&self.trace.head, place, *statement)?;
                }
                return Ok(());
            }
            (Item::Hex(_) | Item::Close, _) => return Ok(()),
            (Item::Packet(pattern), None) => pattern,
            (Item::Packet(_), Some(_)) => {
                let place = self.trace.token_after(at, "!").unwrap_or(at);
                return Err(Misfit::new(place, "!", "a verdict on `hex` bytes only")
                    .hint("a packet that can be written by its fields is a good one"));
            }
        };
        let name = pattern.packet_type.name();
        if pattern.packet_type == PacketType::Auth && self.newest < Version::V5 {
            return Err(Misfit::new(
                pattern.at,
                name,
                format!("a packet that MQTT {} has", self.newest),
            )
            .hint("this trace is not run for 5; write the packet as `hex`"));
        }
        let is_sent = match self.test().runner_sends() {
            // The codec has to be told all.
            _ if self.test() == Test::Codec => true,
            sends => sends == Some(wire.direction),
        };
        let place = Place::Packet(pattern.packet_type);
        values::fields(
            place,
            name,
            &pattern.fields,
            &pattern.absent,
            &mut |at, name, class| {
                if is_sent {
                    self.is_bound(at, name, class)
                } else {
                    self.bind(at, name, class)
                }
            },
        )?;
        self.no_newer_fields(place, &pattern.fields)?;
        self.no_newer_names(place, pattern)?;
        if is_sent {
            self.is_complete(pattern)
        } else {
            Ok(())
        }
    }

    /// `in`, `split` and `cut` stand where they mean something.
    fn suffixes(&mut self, at: Position, wire: &Wire) -> Result<(), Misfit> {
        let misfit = |token: &str, expected: &str, hint: &str| {
            let place = self.trace.token_after(at, token).unwrap_or(at);
            Err(Misfit::new(place, token, expected).hint(hint))
        };
        let runner = self.test().runner_sends() == Some(wire.direction);
        let codec = self.test() == Test::Codec;
        let is_close = matches!(wire.item, Item::Close);
        let only = "a packet or bytes: the codec knows nothing else";
        if wire.within.is_some() {
            if codec {
                return misfit("in", only, "time does not pass in a codec trace");
            }
            if runner {
                return misfit(
                    "in",
                    "`in` behind an expectation only",
                    "the runner sends this line: write `+` before it",
                );
            }
        }
        if !wire.split.is_empty() {
            if codec {
                return misfit("split", only, "the codec is given every part of a packet anyway");
            }
            if !runner {
                return misfit(
                    "split",
                    "`split` behind what the runner sends only",
                    "how the side under test writes is its own affair",
                );
            }
            if is_close {
                return misfit(
                    "split",
                    "the end of the line",
                    "the end of a stream has no pieces",
                );
            }
        }
        match wire.cut {
            None => return Ok(()),
            Some(_) if codec => return misfit("cut", only, "there is no link in a codec trace"),
            Some(_) if is_close => return misfit("cut", "the end of the line", "the stream has ended here"),
            Some(CutAfter::Bytes(_)) => return Ok(()),
            Some(CutAfter::Every) => {}
        }
        if let Some(first) = self.cut_every.replace(at) {
            return misfit(
                "cut",
                "one `cut *` in a trace",
                &format!("line {} has one", first.line),
            );
        }
        Ok(())
    }

    fn call(&mut self, at: Position, call: &Do) -> Result<(), Misfit> {
        let name = call.command.name();
        let known = call.command.arguments();
        for field in &call.fields {
            if is_refused(field) {
                continue;
            }
            let Some(spec) = known.iter().find(|spec| spec.name == field.name) else {
                let names = known.iter().map(|spec| spec.name);
                return Err(unknown(
                    field.at,
                    &field.name,
                    &format!("an argument of `do {name}`"),
                    names,
                ));
            };
            let before = call.fields.iter().take_while(|other| other.at != field.at);
            if !spec.repeats && before.into_iter().any(|other| other.name == field.name) {
                return Err(values::twice(field));
            }
            values::value(spec.kind, &field.value, &mut |at, name, class| {
                self.is_bound(at, name, class)
            })?;
            self.is_in_a_version(field, *spec)?;
            self.one_value(&field.value)?;
        }
        let is_ack = call.command == Command::Ack;
        match (&call.values[..], is_ack) {
            ([], false) => {}
            ([value], true) => match &value.atoms[..] {
                [Atom::Capture(name)] => self.is_bound(value.at, name, Class::Duty)?,
                _ => return Err(no_duty(value.at, &value.to_string())),
            },
            ([], true) => return Err(no_duty(at, "do")),
            ([_, value, ..], true) => return Err(no_duty(value.at, &value.to_string())),
            ([value, ..], false) => {
                return Err(
                    Misfit::new(value.at, value.to_string(), "an argument `name=value`").hint(format!(
                        "`do {name}` takes the fields of {}",
                        call.command.packet_type()
                    )),
                );
            }
        }
        if let Some(result) = &call.result {
            if matches!(
                call.command,
                Command::Connect | Command::Ack | Command::Disconnect
            ) {
                let place = self.trace.token_after(at, "as").unwrap_or(at);
                return Err(Misfit::new(place, "as", "the end of the line").hint(format!(
                    "`do {name}` has no token: what comes of it are other events"
                )));
            }
            self.bind(at, result, Class::Token)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), Misfit> {
        let Some(spec) = EventSpec::of(&event.name.text) else {
            let mut misfit = Misfit::new(event.name.at, &event.name.text, "the name of an event");
            let names = EVENTS.map(|event| event.name);
            misfit.hint =
                nearest(&event.name.text, names).or_else(|| Some(format!("there are: {}", names.join(", "))));
            return Err(misfit);
        };
        values::said(spec, &event.fields, &event.absent, &mut |at, name, class| {
            self.bind(at, name, class)
        })?;
        if self.newest < Version::V5 {
            let property = event.fields.iter().find(|field| spec.is_property(&field.name));
            if let Some(field) = property {
                return Err(self.too_new(field.at, &field.name));
            }
        }
        if let Some(result) = &event.result {
            if !spec.gives_duty {
                let place = self
                    .trace
                    .token_after(event.name.at, "as")
                    .unwrap_or(event.name.at);
                return Err(Misfit::new(place, "as", "the end of the line")
                    .hint("only Message and MessageEnd give something: the duty to acknowledge"));
            }
            self.bind(event.name.at, result, Class::Duty)?;
        }
        Ok(())
    }

    fn too_new(&self, at: Position, name: &str) -> Misfit {
        Misfit::new(at, name, format!("a field that MQTT {} has", self.newest))
            .hint("this trace is not run for 5")
    }

    fn is_in_a_version(&self, field: &Field, spec: Spec) -> Result<(), Misfit> {
        if spec.is_in(self.newest) {
            return Ok(());
        }
        Err(self.too_new(field.at, &field.name))
    }

    /// No field that only newer versions have, here or in a will or a subscription.
    fn no_newer_fields(&self, place: Place, fields: &[Field]) -> Result<(), Misfit> {
        for field in fields {
            if let Some(spec) = place.field(&field.name) {
                self.is_in_a_version(field, spec)?;
            }
            self.no_newer_parts(&field.value)?;
        }
        Ok(())
    }

    fn no_newer_parts(&self, value: &Value) -> Result<(), Misfit> {
        value.atoms.iter().try_for_each(|atom| match atom {
            Atom::Group(group) => {
                let place = if group.text.is_some() {
                    Place::Subscription
                } else {
                    Place::Will
                };
                self.no_newer_fields(place, &group.fields)
            }
            Atom::List(list) => list.iter().try_for_each(|value| self.no_newer_parts(value)),
            _ => Ok(()),
        })
    }

    fn no_newer_names(&self, place: Place, pattern: &PacketPattern) -> Result<(), Misfit> {
        let newer = |name: &str| place.field(name).is_some_and(|spec| !spec.is_in(self.newest));
        match pattern.absent.iter().find(|name| newer(&name.text)) {
            Some(name) => Err(self.too_new(name.at, &format!("!{}", name.text))),
            None => Ok(()),
        }
    }

    /// What the runner sends must be one packet, and no pattern for many.
    fn is_complete(&self, pattern: &PacketPattern) -> Result<(), Misfit> {
        let hint = self.must_say_all();
        if pattern.open {
            let at = self.trace.token_after(pattern.at, "..").unwrap_or(pattern.at);
            return Err(Misfit::new(at, "..", "a complete packet").hint(hint));
        }
        if let Some(name) = pattern.absent.first() {
            return Err(Misfit::new(name.at, format!("!{}", name.text), "a complete packet").hint(hint));
        }
        pattern
            .fields
            .iter()
            .try_for_each(|field| self.one_value(&field.value))
    }

    fn must_say_all(&self) -> &'static str {
        if self.test() == Test::Codec {
            "the codec is given this packet: it must say all"
        } else {
            "the runner sends this: it must say all"
        }
    }

    fn one_value(&self, value: &Value) -> Result<(), Misfit> {
        let open = |token: String| Err(Misfit::new(value.at, token, "one value").hint(self.must_say_all()));
        match &value.atoms[..] {
            [Atom::Any | Atom::Range(..)] => open(value.to_string()),
            [Atom::List(list)] => list.iter().try_for_each(|value| self.one_value(value)),
            [Atom::Group(group)] if group.absent.is_empty() => group
                .fields
                .iter()
                .try_for_each(|field| self.one_value(&field.value)),
            [Atom::Group(_)] => open("!".to_owned()),
            [_] => Ok(()),
            _ => open(value.to_string()),
        }
    }

    /// A capture in what is sent: an earlier line has bound it, to what may stand here.
    fn is_bound(&self, at: Position, name: &str, class: Class) -> Result<(), Misfit> {
        match self.bound.get(name) {
            Some(bound) => same_class(at, name, class, *bound),
            None => {
                let mut misfit = Misfit::new(at, format!("${name}"), "a capture that an earlier line binds");
                misfit.hint = match self.sometimes.get(name) {
                    Some((_, place)) => Some(format!(
                        "line {} binds it, but other branches of that `either` do not",
                        place.line
                    )),
                    None => nearest(name, self.bound.keys().map(String::as_str)),
                };
                Err(misfit)
            }
        }
    }

    /// A capture in what is expected.
    fn bind(&mut self, at: Position, name: &str, class: Class) -> Result<(), Misfit> {
        match self.bound.get(name) {
            Some(bound) => same_class(at, name, class, *bound),
            // Nobody but a call has a token, and nobody but a message a duty: that line would bind a plain number.
            None if class == Class::Token && self.trace.word_at(at).starts_with('$') => {
                self.is_bound(at, name, class)
            }
            None => {
                self.bound.insert(name.to_owned(), (class, at));
                Ok(())
            }
        }
    }
}

fn same_class(at: Position, name: &str, wanted: Class, bound: (Class, Position)) -> Result<(), Misfit> {
    let (class, place) = bound;
    if class == wanted {
        return Ok(());
    }
    Err(
        Misfit::new(at, format!("${name}"), wanted.describe()).hint(format!(
            "line {} binds ${name} to {}",
            place.line,
            class.describe()
        )),
    )
}

fn no_duty(at: Position, found: &str) -> Misfit {
    Misfit::new(at, found, "one `$m`, the duty to acknowledge a message")
        .hint("`event Message .. as m` binds it")
}

/// `refused=Name` of a call.
fn is_refused(field: &Field) -> bool {
    field.name == "refused" && matches!(field.value.atoms[..], [Atom::Name(_)])
}
