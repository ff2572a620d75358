//! Whether a codec does what the lines of a trace say.

use mqtt_proto::packet::Packet;
use mqtt_proto::{Sender, Version};

use super::{CodecUnderTest, Decoded, Read, Refused};
use crate::expect::shown;
use crate::fields::table::{Place, property_id};
use crate::fields::{Bindings, Fields, Val, encode, resolve};
use crate::report::failure::{Compared, Decoded as Seen, hex};
use crate::target::{Failure, Outcome, guarded};
use crate::trace::ast::{Direction, Item, Line, PacketPattern, Position, Step, Verdict};
use crate::trace::{Trace, parse_packet};

/// All lines of a trace.
pub(super) fn trace(codec: &mut dyn CodecUnderTest, trace: &Trace, version: Version) -> Outcome {
    let mut run = Run {
        trace,
        codec,
        version,
        checked: 0,
        unsupported: None,
        failures: Vec::new(),
    };
    run.lines(&trace.lines);
    match (run.checked, run.failures.is_empty()) {
        (0, true) => {
            let open = || "no packet of it is complete without a peer".to_owned();
            Outcome::NotApplicable(run.unsupported.unwrap_or_else(open))
        }
        (checked, true) => Outcome::Passed { checked },
        (_, false) => Outcome::Failed(run.failures),
    }
}

struct Run<'c> {
    trace: &'c Trace,
    codec: &'c mut dyn CodecUnderTest,
    version: Version,
    checked: usize,
    unsupported: Option<String>,
    failures: Vec<Failure>,
}

/// Why a line is not fulfilled.
enum Fault {
    /// It says otherwise: why, and the packet that was made instead of that of the line.
    Otherwise(String, Option<Seen>),
    /// The codec has nothing like it.
    Unsupported(String),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Otherwise(why, None)
    }
}

type Checked<T> = Result<T, Fault>;

impl Run<'_> {
    fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            match &line.step {
                Step::AnyOrder(lines) => self.lines(lines),
                Step::Either(branches) => branches.iter().for_each(|lines| self.lines(lines)),
                Step::Wire(wire) => {
                    let from = match wire.direction {
                        Direction::ToServer => Sender::Client,
                        Direction::ToClient => Sender::Server,
                    };
                    let checked = match &wire.item {
                        Item::Close => continue,
                        Item::Hex(bytes) => self.judge(bytes, wire.verdict.as_ref(), from).map(|()| true),
                        Item::Packet(pattern) => self.packet(pattern, from),
                    };
                    let bytes = match &wire.item {
                        Item::Hex(bytes) => Some(bytes.clone()),
                        Item::Packet(pattern) => self.bytes_of(pattern),
                        Item::Close => None,
                    };
                    self.note(line.at, bytes, wire.direction, checked);
                }
                Step::Cut(_)
                | Step::Refused { .. }
                | Step::Quiet { .. }
                | Step::Do(_)
                | Step::Event(_)
                | Step::Broker(_)
                | Step::Wait(_) => {}
            }
        }
    }

    /// What a packet line means on the wire, if it leaves nothing open.
    fn bytes_of(&self, pattern: &PacketPattern) -> Option<Vec<u8>> {
        if pattern.bytes.is_some() {
            return pattern.bytes.clone();
        }
        let fields = resolve(pattern, self.version, &Bindings::new()).ok()?;
        let bytes = fields.with_packet(self.version, |packet| encode(packet, self.version));
        bytes.ok().and_then(Result::ok)
    }

    fn note(&mut self, at: Position, bytes: Option<Vec<u8>>, direction: Direction, checked: Checked<bool>) {
        match checked {
            Ok(checked) => self.checked += usize::from(checked),
            Err(Fault::Unsupported(why)) => self.unsupported = Some(why),
            Err(Fault::Otherwise(why, seen)) => {
                let arrow = match direction {
                    Direction::ToServer => "-> ",
                    Direction::ToClient => "<- ",
                };
                let mut seen = seen.unwrap_or_else(|| Seen::in_words(&why));
                if !seen.in_words {
                    arrow.clone_into(&mut seen.on);
                }
                let line = self.trace.line(at);
                let line = line.split(" #").next().unwrap_or(line).trim();
                let mut failure = Failure::new(at, why);
                failure.compared.push(Compared {
                    expected: vec![Seen::as_written(line, bytes)],
                    seen,
                    differs: Vec::new(),
                });
                self.failures.push(failure);
            }
        }
    }

    fn read(&mut self, from: Sender, bytes: &[u8]) -> Checked<Read> {
        let (codec, version) = (&mut *self.codec, self.version);
        match guarded(|| codec.read(version, from, bytes)) {
            Err(why) => Err(Fault::from(format!("reading {}: {why}", hex(bytes)))),
            Ok(Read::Unsupported(why)) => Err(Fault::Unsupported(why)),
            Ok(read) => Ok(read),
        }
    }

    /// Checks a packet line. `Ok(false)`: it leaves something open.
    fn packet(&mut self, pattern: &PacketPattern, from: Sender) -> Checked<bool> {
        let version = self.version;
        if pattern.packet_type == mqtt_proto::PacketType::Auth && version != Version::V5 {
            return Ok(false);
        }
        let Ok(fields) = resolve(pattern, version, &Bindings::new()) else {
            return Ok(false);
        };
        let encoded = fields.with_packet(version, |packet| {
            encode(packet, version).map(|bytes| (bytes, Fields::of(packet)))
        });
        let (bytes, fields) = encoded.map_err(|e| e.to_string())??;
        if let Some(wanted) = &pattern.bytes {
            if *wanted != bytes {
                let why = format!("encoded as {}, expected {}", hex(&bytes), hex(wanted));
                return Err(Fault::Otherwise(why, said(&fields, version)));
            }
        }
        self.no_part_is_whole(&bytes, from)?;
        let decoded = match self.read(from, &bytes)? {
            Read::Packet(decoded) => decoded,
            Read::Incomplete(_) => return Err(format!("{}: asks for more", hex(&bytes)).into()),
            Read::Refused(refused) => {
                let why = refused.why;
                return Err(format!("the packet {} is refused: {why}", hex(&bytes)).into());
            }
            Read::Unsupported(why) => return Err(Fault::Unsupported(why)),
        };
        if decoded.len != bytes.len() {
            let (len, all) = (decoded.len, bytes.len());
            return Err(format!("{}: {len} bytes are taken of {all}", hex(&bytes)).into());
        }
        self.is_said(&decoded, &fields, from)?;
        Ok(true)
    }

    /// Every beginning of a packet asks for more, and for no more than there is.
    fn no_part_is_whole(&mut self, bytes: &[u8], from: Sender) -> Checked<()> {
        // Behind the fixed header all beginnings are alike.
        for n in (0..bytes.len()).take(16).chain(bytes.len().checked_sub(1)) {
            match self.read(from, &bytes[..n])? {
                Read::Incomplete(None) => {}
                Read::Incomplete(Some(need)) if need > n && need <= bytes.len() => {}
                other @ (Read::Packet(_) | Read::Incomplete(_) | Read::Refused(_) | Read::Unsupported(_)) => {
                    return Err(format!("its first {n} bytes give {other:?}").into());
                }
            }
        }
        Ok(())
    }

    /// What the codec makes of a packet is that packet.
    fn is_said(&self, decoded: &Decoded, wanted: &Fields, from: Sender) -> Checked<()> {
        let version = self.version;
        if let Some(found) = &decoded.fields {
            same(wanted, found, "decoded").map_err(|why| Fault::Otherwise(why, said(found, version)))?;
        }
        match &decoded.again {
            None => {}
            Some(Err(why)) => return Err(format!("decoded, it cannot be encoded: {why}").into()),
            Some(Ok(bytes)) => {
                let again = Packet::decode(version, from, bytes);
                let found = again.map_err(|e| format!("encoded again it is {}: {e}", hex(bytes)))?;
                same(wanted, &Fields::of(&found), "encoded again").map_err(|why| {
                    let seen = Seen::as_written(found.with_secrets().to_string(), Some(bytes.clone()));
                    Fault::Otherwise(format!("{why}; the bytes are {}", hex(bytes)), Some(seen))
                })?;
            }
        }
        if let Some(printed) = &decoded.printed {
            let wrong = |e: &dyn core::fmt::Display| format!("prints as `{printed}`: {e}");
            let pattern = parse_packet(printed).map_err(|e| wrong(&e))?;
            let fields = resolve(&pattern, version, &Bindings::new()).map_err(|e| wrong(&e))?;
            let found = fields.with_packet(version, Fields::of);
            same(wanted, &found.map_err(|e| wrong(&e))?, "printed and parsed")?;
        }
        Ok(())
    }

    /// Reads bytes and compares with the verdict of the line.
    fn judge(&mut self, bytes: &[u8], verdict: Option<&Verdict>, from: Sender) -> Checked<()> {
        let version = self.version;
        if !self.codec.knows_sender() && is_wrong_for_its_sender(bytes, version) {
            return Err(Fault::Unsupported("the codec does not know who sends".to_owned()));
        }
        let mut start = 0;
        let read = loop {
            match self.read(from, &bytes[start..])? {
                Read::Packet(decoded) if decoded.len > 0 => start += decoded.len,
                other @ (Read::Packet(_) | Read::Incomplete(_) | Read::Refused(_) | Read::Unsupported(_)) => {
                    break Some(other);
                }
            }
            if start >= bytes.len() {
                break None;
            }
        };
        Err(Fault::from(match (read, verdict) {
            (None, None) => return Ok(()),
            (Some(Read::Incomplete(need)), Some(Verdict::Incomplete(wanted))) => match need {
                Some(need) if need != *wanted => format!("{need} bytes are wanted, {wanted} expected"),
                _ => return Ok(()),
            },
            (
                Some(Read::Refused(refused)),
                Some(Verdict::Bad {
                    codes,
                    statements,
                    at,
                }),
            ) => {
                let Refused {
                    why,
                    code,
                    statement,
                    offset,
                } = refused;
                // 3.x has no answer but to close, or a CONNACK that other rules choose.
                if let Some(code) = code.filter(|code| version == Version::V5 && !codes.contains(&code.0)) {
                    let codes: Vec<String> = codes.iter().map(|code| format!("{code:#04x}")).collect();
                    return Err(format!("refused with {code}, expected {}: {why}", codes.join("|")).into());
                }
                let wanted = statements.iter().find(|statement| statement.version() == version);
                if let (Some(wanted), Some(found)) = (wanted, statement) {
                    if found != Some(*wanted) {
                        return Err(format!("refused, but not for {wanted}: {why}").into());
                    }
                }
                match (at, offset.map(|offset| start + offset)) {
                    (Some(at), Some(offset)) if *at != offset => {
                        format!("refused at byte {offset}, expected {at}: {why}")
                    }
                    _ => return Ok(()),
                }
            }
            (None, Some(_)) => "accepted, but should not be".to_owned(),
            (Some(Read::Incomplete(Some(need))), _) => format!("incomplete: {need} bytes are wanted"),
            (Some(Read::Incomplete(None)), _) => "incomplete: more bytes are wanted".to_owned(),
            (Some(Read::Refused(refused)), _) => format!("refused: {}", refused.why),
            (Some(Read::Packet(_)), _) => "a packet of no bytes is found".to_owned(),
            (Some(Read::Unsupported(why)), _) => return Err(Fault::Unsupported(why)),
        }))
    }
}

/// From somebody else these bytes would be a packet.
fn is_wrong_for_its_sender(bytes: &[u8], version: Version) -> bool {
    let is_one = |from| Packet::decode(version, from, bytes).is_ok();
    is_one(Sender::Client) != is_one(Sender::Server)
}

/// What these fields are as a packet, if they are one.
fn said(fields: &Fields, version: Version) -> Option<Seen> {
    let seen = fields.with_packet(version, |packet| {
        let bytes = encode(packet, version).ok();
        Seen::as_written(packet.with_secrets().to_string(), bytes)
    });
    seen.ok()
}

fn same(wanted: &Fields, found: &Fields, how: &str) -> Result<(), String> {
    if wanted.packet_type != found.packet_type {
        return Err(format!("{how} it is {}", found.packet_type));
    }
    let place = Place::Packet(wanted.packet_type);
    let (wanted, found) = (plain(&wanted.list, place), plain(&found.list, place));
    if wanted == found {
        return Ok(());
    }
    let missing = wanted.iter().find(|one| !found.contains(one));
    let foreign = found.iter().find(|one| !wanted.contains(one));
    let text = |one: &(&str, Val)| format!("{}={}", one.0, shown(&one.1));
    let difference = match (foreign, missing) {
        (Some(foreign), Some(missing)) => format!("{} instead of {}", text(foreign), text(missing)),
        (Some(foreign), None) => format!("{} is not in it", text(foreign)),
        (None, Some(missing)) => format!("{} is missing", text(missing)),
        (None, None) => "fields of one name stand in another order or number".to_owned(),
    };
    Err(format!("{how} it is another packet: {difference}"))
}

/// Fields in the order of their names, without what says no more than the default. Those of one name keep their order,
/// which User Properties must (5/MQTT-3.1.3-10 and others).
fn plain(list: &[(&'static str, Val)], place: Place) -> Vec<(&'static str, Val)> {
    let is_default = |(name, value): &(&'static str, Val)| {
        let default = place.field(name).and_then(|spec| spec.default());
        default.as_ref() == Some(value)
    };
    let mut plain: Vec<_> = list
        .iter()
        .filter(|one| !is_default(one))
        .map(|(name, value)| (*name, inside(value)))
        .collect();
    plain.sort_by_key(|(name, _)| (property_id(name).is_some(), *name));
    plain
}

fn inside(value: &Val) -> Val {
    match value {
        Val::Group { text, list } => Val::Group {
            text: text.clone(),
            list: plain(
                list,
                if text.is_some() {
                    Place::Subscription
                } else {
                    Place::Will
                },
            ),
        },
        Val::List(list) => Val::List(list.iter().map(inside).collect()),
        Val::Int(_) | Val::Data(_) | Val::Pair(..) => value.clone(),
    }
}
