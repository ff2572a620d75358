//! The lines of the side under test.

use core::time::Duration;

use mqtt_proto::{PacketType, Version};

use super::inbox::{Arrival, Happened, What, is_packet};
use super::wanted::Unlike;
use super::world::World;
use super::{Link, Played, Player};
use crate::expect::{Mismatch, fits_event};
use crate::fields::{Bindings, Val, values};
use crate::report::failure::hex;
use crate::trace::ast::{Direction, Event, Item, Line, Span, Step, Wire};

/// How a line compares with what has come so far.
pub(super) enum Fit {
    /// It is this.
    Yes,
    /// Nothing has come yet.
    NotYet,
    /// Something else has come.
    No(Box<Unlike>),
}

impl<'t> Player<'t, '_> {
    /// An event that the client under test does not tell.
    pub(super) fn is_untold(&self, line: &Line) -> bool {
        matches!(&line.step, Step::Event(event) if !self.world.tells(&event.name.text, None))
    }

    /// Waits for what the line expects; false if it may be and is not.
    pub(super) fn expect(&mut self, line: &'t Line) -> Played<bool> {
        if self.is_untold(line) {
            return Ok(false);
        }
        let limit = self.limit(line);
        loop {
            match self.fit(line)? {
                Fit::Yes => {
                    self.take(line, limit)?;
                    return Ok(true);
                }
                Fit::No(_) if line.maybe => return Ok(false),
                Fit::No(unlike) => {
                    self.note_instead(&[line]);
                    return self.unlike(line, *unlike);
                }
                Fit::NotYet if self.world.now() < limit => {
                    self.wait(line.at, limit)?;
                }
                Fit::NotYet if line.maybe => return Ok(false),
                Fit::NotYet if self.is_refused_without_end(line) => {
                    self.take(line, limit)?;
                    return Ok(true);
                }
                Fit::NotYet => {
                    self.note_instead(&[line]);
                    let waited = whole_millis(limit.saturating_sub(self.last));
                    let seen = match self.half_refused(line) {
                        Some(what) => Unlike::in_words(
                            format!(
                                "{} and not the end of the stream within {waited:?}",
                                what.decoded()
                            ),
                            what.bytes().map(<[u8]>::to_vec),
                        ),
                        None => Unlike::in_words(format!("nothing within {waited:?}"), None),
                    };
                    return self.unlike(line, seen);
                }
            }
        }
    }

    /// The packet that refuses, where the end of the stream is still to come.
    fn half_refused(&mut self, line: &Line) -> Option<What> {
        let Step::Refused { conn, .. } = &line.step else {
            return None;
        };
        let (conn, _) = self.link(conn);
        let unread = self.inbox.unread(conn, self.direction());
        unread.front().map(|arrival| arrival.what.clone())
    }

    /// 3.1 has no sentence on the end of a connection behind a CONNACK that refuses.
    fn is_refused_without_end(&mut self, line: &Line) -> bool {
        self.version == Version::V31
            && self.world.sends() == Some(Direction::ToServer)
            && matches!(self.half_refused(line), Some(What::Packet { .. }))
            && matches!(&line.step, Step::Refused { conn, .. } if !self.link(conn).1.accepted)
    }

    fn within(line: &Line) -> Option<Span> {
        if let Step::Wire(Wire { within, .. }) | Step::Refused { within, .. } = &line.step {
            *within
        } else {
            None
        }
    }

    /// Until when to wait for a line.
    pub(super) fn limit(&self, line: &Line) -> Duration {
        let pace = self.world.pace();
        match Self::within(line) {
            Some(span) => self.last + span.to + pace.slack,
            None => self.world.now() + pace.patience,
        }
    }

    pub(super) fn direction(&self) -> Direction {
        match self.world.sends() {
            Some(Direction::ToClient) => Direction::ToServer,
            Some(Direction::ToServer) | None => Direction::ToClient,
        }
    }

    /// Whether what has come is what the line expects. Nothing is read.
    pub(super) fn fit(&mut self, line: &'t Line) -> Played<Fit> {
        let mut bindings = self.inbox.bindings.clone();
        Ok(match &line.step {
            Step::Wire(wire) => {
                let (conn, _) = self.link(&wire.conn);
                let mut unread = self.inbox.unread(conn, wire.direction).iter();
                if self.world.sends().is_none() {
                    // What no line names is passed over.
                    match unread.find(|one| self.fits(wire, one, &mut bindings).is_ok()) {
                        Some(_) => Fit::Yes,
                        None => Fit::NotYet,
                    }
                } else {
                    match unread.next() {
                        None => Fit::NotYet,
                        Some(one) => match self.fits(wire, one, &mut bindings) {
                            Ok(()) => Fit::Yes,
                            Err(differs) => Fit::No(Box::new(Unlike::new(&one.what, differs))),
                        },
                    }
                }
            }
            Step::Refused { conn, codes, .. } => {
                let (conn, link) = self.link(conn);
                let link = *link;
                let direction = self.direction();
                let unread = self.inbox.unread(conn, direction);
                match unread.front() {
                    None => Fit::NotYet,
                    Some(one) => match self.refuses(link, &one.what, codes) {
                        Err(differs) => Fit::No(Box::new(Unlike::new(&one.what, differs))),
                        Ok(()) if matches!(one.what, What::End) => Fit::Yes,
                        // The packet is right; the end must follow it.
                        Ok(()) => match unread.get(1) {
                            None => Fit::NotYet,
                            Some(next) if matches!(next.what, What::End) => Fit::Yes,
                            Some(next) => {
                                let (first, then) = (one.what.decoded(), next.what.decoded());
                                let words = format!("{first} and then {then}, not the end of the stream");
                                let bytes = [first.bytes, then.bytes].into_iter().flatten().flatten();
                                Fit::No(Box::new(Unlike::in_words(words, Some(bytes.collect()))))
                            }
                        },
                    },
                }
            }
            Step::Event(event) => {
                let (conn, _) = self.link(&event.conn);
                match self.inbox.events(conn).front() {
                    None => Fit::NotYet,
                    Some(one) => match is_event(event, one, &*self.world, &mut bindings) {
                        Ok(()) => Fit::Yes,
                        Err(differs) => {
                            let mut unlike = Unlike::in_words(one.describe(), None);
                            (unlike.seen.in_words, unlike.differs) = (false, differs);
                            Fit::No(Box::new(unlike))
                        }
                    },
                }
            }
            Step::Cut(_)
            | Step::Quiet { .. }
            | Step::Do(_)
            | Step::Broker(_)
            | Step::Wait(_)
            | Step::AnyOrder(_)
            | Step::Either(_) => return self.fail(line.at, "this line is no expectation"),
        })
    }

    fn fits(&self, wire: &Wire, one: &Arrival, bindings: &mut Bindings) -> Result<(), Vec<String>> {
        match (&wire.item, &one.what) {
            (Item::Close, What::End) => Ok(()),
            (Item::Close, What::Packet { .. }) => Err(vec!["the stream goes on".to_owned()]),
            (Item::Packet(pattern), what) => is_packet(pattern, what, self.version, bindings),
            (Item::Hex(wanted), What::Packet { bytes, .. }) if wanted == bytes => Ok(()),
            (Item::Hex(_), What::Packet { bytes, .. }) => Err(vec![format!("found {}", hex(bytes))]),
            (Item::Hex(_), What::End) => Err(vec!["the stream has ended".to_owned()]),
        }
    }

    /// Whether this refuses, with one of these codes; how not.
    fn refuses(&self, link: Link, what: &What, codes: &[u8]) -> Result<(), Vec<String>> {
        let fields = match what {
            What::End => return Ok(()),
            // Who speaks a version that the server does not know is answered in the oldest form, which 3.1.1/MQTT-3.1.2-2 asks
            // for and 5/MQTT-3.1.2-2 leaves open.
            What::Packet { bytes, .. }
                if !link.accepted && *bytes == [0x20, 0x02, 0x00, 0x01] && codes.contains(&0x84) =>
            {
                return Ok(());
            }
            // A client of 3.x may take leave before it closes; there is no code in it.
            What::Packet {
                fields: Ok(fields), ..
            } if fields.packet_type == PacketType::Disconnect
                && self.version < Version::V5
                && self.world.sends() == Some(Direction::ToClient) =>
            {
                return Ok(());
            }
            What::Packet {
                fields: Ok(fields), ..
            } => fields,
            What::Packet { fields: Err(why), .. } => return Err(vec![why.clone()]),
        };
        let speaks = if link.accepted {
            fields.packet_type == PacketType::Disconnect && self.version == Version::V5
        } else {
            fields.packet_type == PacketType::ConnAck
        };
        let code = match values(&fields.list, "code").next() {
            Some(Val::Int(code)) => u8::try_from(*code).unwrap_or_default(),
            _ => 0,
        };
        let right = if codes.is_empty() {
            code >= 0x80
        } else {
            codes.contains(&code)
        };
        match (speaks, right) {
            (true, true) => Ok(()),
            (true, false) => Err(vec![format!("the code is {code:#04x}")]),
            (false, _) => Err(Vec::new()),
        }
    }

    /// Reads what the line expects and what has come.
    pub(super) fn take(&mut self, line: &'t Line, limit: Duration) -> Played {
        let at = line.at;
        match &line.step {
            Step::Wire(wire) => {
                let (conn, _) = self.link(&wire.conn);
                let arrival = loop {
                    let Some(arrival) = self.inbox.unread_mut(conn, wire.direction).pop_front() else {
                        return self.fail(at, "what was there is gone");
                    };
                    let mut bindings = self.inbox.bindings.clone();
                    if self.fits(wire, &arrival, &mut bindings).is_ok() {
                        self.inbox.bindings = bindings;
                        break arrival;
                    }
                };
                self.is_in_time(line, arrival.at, limit)?;
                self.packet_passed(conn, &arrival.what);
                let len = match &arrival.what {
                    What::Packet { bytes, .. } => bytes.len(),
                    What::End => 0,
                };
                if self.cut_bytes(at, wire, len)?.is_some() {
                    if arrival.cut {
                        self.inbox.forget(conn);
                        self.links[conn] = Link::default();
                    } else {
                        self.cut(conn);
                    }
                } else if matches!(arrival.what, What::End) {
                    self.links[conn] = Link::default();
                }
            }
            Step::Refused { conn, .. } => {
                let (conn, _) = self.link(conn);
                let direction = self.direction();
                let unread = self.inbox.unread_mut(conn, direction);
                let came = unread.front().map_or(Duration::ZERO, |arrival| arrival.at);
                let mut last = None;
                while let Some(arrival) = unread.pop_front() {
                    let is_over = matches!(arrival.what, What::End);
                    last = Some(arrival.what);
                    if is_over {
                        break;
                    }
                }
                self.is_in_time(line, came, limit)?;
                match last {
                    // The end may still come.
                    Some(what @ What::Packet { .. }) => self.packet_passed(conn, &what),
                    Some(What::End) | None => self.links[conn] = Link::default(),
                }
            }
            Step::Event(event) => {
                let (conn, _) = self.link(&event.conn);
                if let Some(happened) = self.inbox.events(conn).pop_front() {
                    let mut bindings = self.inbox.bindings.clone();
                    if let Err(differs) = is_event(event, &happened, &*self.world, &mut bindings) {
                        return self.fail(at, differs.join("; "));
                    }
                    match (&event.result, happened.gives) {
                        (Some(name), Some(given)) => {
                            bindings.insert(name.clone(), given);
                        }
                        (Some(name), None) => {
                            return self.fail(at, format!("the event gives nothing to bind ${name} to"));
                        }
                        (None, _) => {}
                    }
                    self.inbox.bindings = bindings;
                }
            }
            Step::Cut(_)
            | Step::Quiet { .. }
            | Step::Do(_)
            | Step::Broker(_)
            | Step::Wait(_)
            | Step::AnyOrder(_)
            | Step::Either(_) => {}
        }
        Ok(())
    }

    fn is_in_time(&self, line: &Line, came: Duration, limit: Duration) -> Played {
        let Some(span) = Self::within(line) else {
            return Ok(());
        };
        let early = came + self.world.pace().slack < self.last + span.from;
        if early || came > limit {
            let after = whole_millis(came.saturating_sub(self.last));
            let how = if early { "already" } else { "only" };
            return self.unlike(line, Unlike::in_words(format!("{how} after {after:?}"), None));
        }
        Ok(())
    }
}

fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn is_event(
    event: &Event,
    happened: &Happened,
    world: &dyn World,
    bindings: &mut Bindings,
) -> Result<(), Vec<String>> {
    if event.name.text != happened.name {
        let differs = format!("expected {}, found {}", event.name.text, happened.name);
        return Err(vec![differs]);
    }
    let told = event
        .fields
        .iter()
        .filter(|field| world.tells(happened.name, Some(&field.name)));
    let told: Vec<_> = told.cloned().collect();
    fits_event(&told, &event.absent, event.open, &happened.list, bindings)
        .map_err(|all| all.iter().map(Mismatch::to_string).collect())
}
