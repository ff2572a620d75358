//! The codec: every line of a trace that has bytes, by itself.

use mqtt_proto::packet::Packet;
use mqtt_proto::{DecodeError, Frame, Sender, Version, frame_len};

use super::{Failure, Outcome, Target};
use crate::expect::shown;
use crate::fields::{Bindings, Fields, resolve};
use crate::report::failure::hex;
use crate::trace::ast::{Direction, Item, Line, PacketPattern, Position, Step, Verdict};
use crate::trace::{Test, Trace, parse_packet};

/// The codec of `mqtt-proto`.
///
/// A packet line whose fields are all known is encoded; the encoding is compared with the `= bytes` of the line, decoded, and
/// compared with the fields; no part of it may decode; and what the packet prints parses to the same packet. Lines that leave
/// something open are left to the other targets. A `hex` line is decoded; its verdict must be the one the line says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codec;

impl Target for Codec {
    fn name(&self) -> &str {
        "codec"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Codec
    }

    fn takes(&self, _: &Trace) -> bool {
        true
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let mut run = Run {
            version,
            checked: 0,
            failures: Vec::new(),
        };
        run.lines(&trace.lines);
        match (run.checked, run.failures.is_empty()) {
            (0, true) => Outcome::NotApplicable("no packet of it is complete without a peer".to_owned()),
            (checked, true) => Outcome::Passed { checked },
            (_, false) => Outcome::Failed(run.failures),
        }
    }
}

struct Run {
    version: Version,
    checked: usize,
    failures: Vec<Failure>,
}

impl Run {
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
                        Item::Hex(bytes) => {
                            judge(bytes, wire.verdict.as_ref(), self.version, from).map(|()| true)
                        }
                        Item::Packet(pattern) => check_packet(pattern, self.version, from),
                    };
                    self.note(line.at, checked);
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

    fn note(&mut self, at: Position, checked: Result<bool, String>) {
        match checked {
            Ok(checked) => self.checked += usize::from(checked),
            Err(why) => self.failures.push(Failure::new(at, why)),
        }
    }
}

/// Checks a packet line. `Ok(false)`: it leaves something open.
fn check_packet(pattern: &PacketPattern, version: Version, from: Sender) -> Result<bool, String> {
    if pattern.packet_type == mqtt_proto::PacketType::Auth && version != Version::V5 {
        return Ok(false);
    }
    let Ok(fields) = resolve(pattern, version, &Bindings::new()) else {
        return Ok(false);
    };
    fields
        .with_packet(version, |packet| {
            let bytes = encode(packet, version)?;
            if let Some(wanted) = &pattern.bytes {
                if *wanted != bytes {
                    return Err(format!("encoded as {}, expected {}", hex(&bytes), hex(wanted)));
                }
            }
            no_part_decodes(&bytes)?;
            let again = Packet::decode(version, from, &bytes)
                .map_err(|e| format!("its own encoding {} is refused: {e}", hex(&bytes)))?;
            same(packet, &again, "decoded")?;
            printed_packet_parses(packet, version)
        })
        .map_err(|e| e.to_string())?
        .map(|()| true)
}

pub(crate) fn encode(packet: &Packet<'_>, version: Version) -> Result<Vec<u8>, String> {
    let len = packet
        .encoded_len(version)
        .map_err(|e| format!("cannot be encoded: {e}"))?;
    let mut buffer = vec![0; len];
    let written = packet
        .encode(version, &mut buffer)
        .map_err(|e| format!("cannot be encoded: {e}"))?
        .len();
    if written == len {
        Ok(buffer)
    } else {
        Err(format!("{len} bytes were promised, {written} written"))
    }
}

/// Every beginning of a packet asks for more, and for no more than there is.
fn no_part_decodes(bytes: &[u8]) -> Result<(), String> {
    // Behind the fixed header all beginnings are alike.
    for n in (0..bytes.len()).take(16).chain(bytes.len().checked_sub(1)) {
        match frame_len(&bytes[..n], u32::MAX) {
            Ok(Frame::Need(need)) if need > n && need <= bytes.len() => {}
            other => return Err(format!("its first {n} bytes give {other:?}")),
        }
    }
    Ok(())
}

fn same(packet: &Packet<'_>, again: &Packet<'_>, how: &str) -> Result<(), String> {
    if packet == again {
        return Ok(());
    }
    let (wanted, found) = (Fields::of(packet), Fields::of(again));
    let difference = wanted
        .list
        .iter()
        .zip(&found.list)
        .find(|(a, b)| a != b)
        .map_or_else(
            || format!("{} fields, {} expected", found.list.len(), wanted.list.len()),
            |((name, wanted), (other, found))| {
                format!("{other}={} instead of {name}={}", shown(found), shown(wanted))
            },
        );
    Err(format!("{how} it is another packet: {difference}"))
}

/// What a packet prints, parsed, is the packet.
fn printed_packet_parses(packet: &Packet<'_>, version: Version) -> Result<(), String> {
    let printed = packet.with_secrets().to_string();
    let pattern =
        parse_packet(&printed).map_err(|e| format!("prints as `{printed}`, which does not parse: {e}"))?;
    let fields =
        resolve(&pattern, version, &Bindings::new()).map_err(|e| format!("prints as `{printed}`: {e}"))?;
    fields
        .with_packet(version, |again| same(packet, again, "printed and parsed"))
        .map_err(|e| format!("prints as `{printed}`: {e}"))?
}

/// Decodes bytes and compares with the verdict of the line.
fn judge(bytes: &[u8], verdict: Option<&Verdict>, version: Version, from: Sender) -> Result<(), String> {
    match (decode_all(bytes, version, from), verdict) {
        (Decoded::Whole, None) => Ok(()),
        (Decoded::Need(need), Some(Verdict::Incomplete(wanted))) if need == *wanted => Ok(()),
        (Decoded::Need(need), Some(Verdict::Incomplete(wanted))) => {
            Err(format!("{need} bytes are wanted, {wanted} expected"))
        }
        (
            Decoded::Bad(start, error),
            Some(Verdict::Bad {
                codes,
                statements,
                at,
            }),
        ) => {
            // 3.x has no answer but to close, or a CONNACK that other rules choose.
            if version == Version::V5 && !codes.contains(&error.reason_code().0) {
                let codes: Vec<String> = codes.iter().map(|code| format!("{code:#04x}")).collect();
                return Err(format!(
                    "refused with {}, expected {}: {error}",
                    error.reason_code(),
                    codes.join("|")
                ));
            }
            let statement = statements.iter().find(|statement| statement.version() == version);
            if statement.is_some() && statement.copied() != error.statement() {
                let wanted = statement.map(ToString::to_string).unwrap_or_default();
                return Err(format!("refused, but not for {wanted}: {error}"));
            }
            let offset = start + error.offset();
            match at {
                Some(at) if *at != offset => Err(format!("refused at byte {offset}, expected {at}: {error}")),
                _ => Ok(()),
            }
        }
        (Decoded::Whole, Some(_)) => Err("accepted, but should not be".to_owned()),
        (Decoded::Need(need), _) => Err(format!("incomplete: {need} bytes are wanted")),
        (Decoded::Bad(_, error), _) => Err(format!("refused: {error}")),
    }
}

enum Decoded {
    /// One or more packets.
    Whole,
    /// The last packet is not complete: its length.
    Need(usize),
    /// The packet that begins there is refused.
    Bad(usize, DecodeError),
}

fn decode_all(bytes: &[u8], version: Version, from: Sender) -> Decoded {
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        match frame_len(rest, u32::MAX) {
            Err(error) => return Decoded::Bad(start, error.for_peer(version, from)),
            Ok(Frame::Need(need)) => return Decoded::Need(need),
            Ok(Frame::Len(len)) => {
                if let Err(error) = Packet::decode(version, from, &rest[..len]) {
                    return Decoded::Bad(start, error);
                }
                start += len;
            }
        }
    }
    Decoded::Whole
}
