//! A line, from what came in its place.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named cannot be written anew"
)]

use core::ops::Range;

use mqtt_proto::{PacketType, Version};

use crate::expect::{fits_event, matches, shown};
use crate::fields::table::{Place, Spec};
use crate::fields::{Bindings, Fields, Val, values};
use crate::play::inbox::Happened;
use crate::play::instead::{Came, Instead};
use crate::report::failure::hex;
use crate::trace::ast::{Direction, Event, Field, Item, Line, Name, PacketPattern, Position, Step};
use crate::trace::{Trace, extent};

/// The text of the trace with the line written anew; `None` if it cannot be, or would stay as it is.
pub(super) fn rewrite(trace: &Trace, instead: &Instead) -> Option<String> {
    let line = find(&trace.lines, instead.at)?;
    let number = usize::try_from(instead.at.line).ok()?.checked_sub(1)?;
    let mut lines: Vec<&str> = trace.source.split_inclusive('\n').collect();
    let whole = *lines.get(number)?;
    let text = whole.trim_end_matches(['\r', '\n']);
    let edits = edits(trace, line, text, instead)?;
    let written = apply(text, edits);
    if written == text {
        return None;
    }
    let written = format!("{written}{}", &whole[text.len()..]);
    lines[number] = &written;
    Some(lines.concat())
}

fn find(lines: &[Line], at: Position) -> Option<&Line> {
    lines.iter().find_map(|line| match &line.step {
        Step::AnyOrder(inside) => find(inside, at),
        Step::Either(branches) => branches.iter().find_map(|lines| find(lines, at)),
        _ => (line.at == at).then_some(line),
    })
}

/// What is to stand in place of a part of the line.
type Edit = (Range<usize>, String);

/// Makes the changes, and leaves a comment where it is as long as there is room.
fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let end = extent::code(text);
    let mut written = String::new();
    let mut from = 0;
    for (range, new) in edits {
        written.push_str(&text[from..range.start]);
        written.push_str(&new);
        from = range.end;
    }
    written.push_str(&text[from..end]);
    let comment = text[end..].trim_start_matches([' ', '\t']);
    if comment.is_empty() {
        written.push_str(&text[end..]);
        return written;
    }
    let column = text.chars().count() - comment.chars().count();
    let gap = column.saturating_sub(written.chars().count()).max(1);
    format!("{written}{}{comment}", " ".repeat(gap))
}

fn edits(trace: &Trace, line: &Line, text: &str, instead: &Instead) -> Option<Vec<Edit>> {
    let Instead {
        version, bindings, ..
    } = instead;
    let about = About {
        text,
        version: *version,
        bindings: bindings.clone(),
    };
    match (&line.step, &instead.came) {
        (Step::Wire(wire), came) => {
            if let (Item::Packet(pattern), Came::Packet(Some(fields), bytes)) = (&wire.item, came) {
                if pattern.packet_type == fields.packet_type {
                    return Some(about.same_packet(pattern, fields, bytes));
                }
            }
            let item = item(text, &wire.item)?;
            let new = match (&wire.item, came) {
                (_, Came::End) => "close".to_owned(),
                (Item::Packet(pattern), Came::Packet(Some(fields), _)) => {
                    about.other_packet(Some(pattern), fields)
                }
                (Item::Close, Came::Packet(Some(fields), _)) => about.other_packet(None, fields),
                (_, Came::Packet(_, bytes)) => format!("hex {}", hex(bytes)),
                (_, Came::Event(_)) => return None,
            };
            Some(vec![(item, new)])
        }
        (Step::Refused { .. }, Came::Packet(fields, bytes)) => {
            let word = refused(text, line.at)?;
            let codes = extent::codes(text, extent::blanks(text, word.end));
            if let Some(code) = fields.as_ref().and_then(refusing_code) {
                if !codes.is_empty() {
                    return Some(vec![(codes, format!("{code:#04x}"))]);
                }
            }
            let arrow = match trace.head.test.runner_sends() {
                Some(Direction::ToClient) => "->",
                Some(Direction::ToServer) | None => "<-",
            };
            let what = match fields {
                Some(fields) => about.other_packet(None, fields),
                None => format!("hex {}", hex(bytes)),
            };
            let end = if codes.is_empty() { word.end } else { codes.end };
            Some(vec![(word.start..end, format!("{arrow} {what}"))])
        }
        (Step::Event(event), Came::Event(happened)) => Some(about.event(event, happened)),
        _ => None,
    }
}

/// The code of a packet that refuses.
fn refusing_code(fields: &Fields) -> Option<u8> {
    if !matches!(fields.packet_type, PacketType::ConnAck | PacketType::Disconnect) {
        return None;
    }
    match values(&fields.list, "code").next() {
        Some(Val::Int(code)) => u8::try_from(*code).ok().filter(|code| *code >= 0x80),
        _ => None,
    }
}

/// Packet, bytes or `close` behind the arrow.
fn item(text: &str, item: &Item) -> Option<Range<usize>> {
    let arrow = ["->", "<-"].iter().filter_map(|arrow| text.find(arrow)).min()?;
    let from = extent::blanks(text, arrow + 2);
    let end = match item {
        Item::Packet(pattern) => {
            let end = fields_end(
                text,
                from + pattern.packet_type.name().len(),
                &pattern.fields,
                &pattern.absent,
            );
            let end = extent::word(text, end, "..").map_or(end, |dots| dots.end);
            encoding(text, end).map_or(end, |bytes| bytes.end)
        }
        Item::Hex(_) => extent::bytes(text, extent::blanks(text, from + "hex".len())).end,
        Item::Close => from + "close".len(),
    };
    Some(from..end)
}

/// The bytes of `= 30 00`.
fn encoding(text: &str, from: usize) -> Option<Range<usize>> {
    let from = extent::blanks(text, from);
    let from = text[from..].starts_with('=').then_some(from + 1)?;
    Some(extent::bytes(text, extent::blanks(text, from)))
}

/// The word `refused` of a line that begins there.
fn refused(text: &str, at: Position) -> Option<Range<usize>> {
    let mut from = extent::start(text, at);
    // `maybe` and the connection stand before it.
    for _ in 0..3 {
        if let Some(word) = extent::word(text, from, "refused") {
            return Some(word);
        }
        let rest = &text[extent::blanks(text, from)..];
        from = text.len() - rest.len() + rest.find([' ', '\t'])?;
    }
    None
}

/// Behind the last field.
fn fields_end(text: &str, from: usize, fields: &[Field], absent: &[Name]) -> usize {
    let fields = fields.iter().map(|field| extent::field(text, field).end);
    let absent = absent.iter().map(|name| extent::absent(text, name).end);
    fields.chain(absent).max().unwrap_or(from)
}

/// A line and the run in which it failed.
struct About<'t> {
    text: &'t str,
    version: Version,
    bindings: Bindings,
}

impl About<'_> {
    /// The same type of packet: only fields that differ change.
    fn same_packet(&self, pattern: &PacketPattern, found: &Fields, bytes: &[u8]) -> Vec<Edit> {
        let sub = |fields: Vec<Field>, open: bool| PacketPattern {
            fields,
            absent: Vec::new(),
            open,
            bytes: None,
            ..pattern.clone()
        };
        let mut bindings = self.bindings.clone();
        let from = extent::start(self.text, pattern.at) + pattern.packet_type.name().len();
        let mut edits = self.fields(
            from,
            (&pattern.fields, &pattern.absent, pattern.open),
            &found.list,
            &mut |fields| matches(&sub(fields, true), found, self.version, &mut bindings).is_ok(),
            &|name, value| {
                let alone = Fields {
                    packet_type: found.packet_type,
                    list: vec![(name, value.clone())],
                };
                matches(
                    &sub(Vec::new(), false),
                    &alone,
                    self.version,
                    &mut Bindings::new(),
                )
                .is_ok()
            },
        );
        if let (Some(wanted), true) = (&pattern.bytes, edits.is_empty()) {
            if wanted != bytes {
                let end = fields_end(self.text, from, &pattern.fields, &pattern.absent);
                let end = extent::word(self.text, end, "..").map_or(end, |dots| dots.end);
                edits.extend(encoding(self.text, end).map(|range| (range, hex(bytes))));
            }
        }
        edits
    }

    fn event(&self, event: &Event, happened: &Happened) -> Vec<Edit> {
        let from = extent::start(self.text, event.name.at) + event.name.text.len();
        let mut bindings = self.bindings.clone();
        let mut fits =
            |fields: Vec<Field>| fits_event(&fields, &[], true, &happened.list, &mut bindings).is_ok();
        if event.name.text == happened.name {
            let says_nothing = |name: &'static str, value: &Val| {
                fits_event(&[], &[], false, &[(name, value.clone())], &mut Bindings::new()).is_ok()
            };
            let line = (&event.fields[..], &event.absent[..], event.open);
            return self.fields(from, line, &happened.list, &mut fits, &says_nothing);
        }
        let end = fields_end(self.text, from, &event.fields, &event.absent);
        let mut end = extent::word(self.text, end, "..").map_or(end, |dots| dots.end);
        if let (Some(result), None) = (&event.result, &happened.gives) {
            let name =
                extent::word(self.text, end, "as").and_then(|word| extent::word(self.text, word.end, result));
            end = name.map_or(end, |name| name.end);
        }
        let mut new = happened.name.to_owned();
        for (name, value) in &happened.list {
            let same: Vec<Field> = event
                .fields
                .iter()
                .filter(|field| field.name == *name)
                .cloned()
                .collect();
            if same.len() == 1 && fits(same.clone()) {
                new.push_str(&format!(" {}", &self.text[extent::field(self.text, &same[0])]));
            } else if !event.open || !same.is_empty() || matches!(*name, "by" | "code" | "codes" | "topic") {
                new.push_str(&format!(" {name}={}", written(name, value)));
            }
        }
        if event.open {
            new.push_str(" ..");
        }
        vec![(extent::start(self.text, event.name.at)..end, new)]
    }

    /// Field by field: what fits stays; the value of what does not is that which came; what did not come goes; what came and must
    /// not be left out is added.
    fn fields(
        &self,
        from: usize,
        (fields, absent, open): (&[Field], &[Name], bool),
        found: &[(&'static str, Val)],
        fits: &mut dyn FnMut(Vec<Field>) -> bool,
        says_nothing: &dyn Fn(&'static str, &Val) -> bool,
    ) -> Vec<Edit> {
        let text = self.text;
        let mut edits = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for field in fields {
            if names.contains(&field.name.as_str()) {
                continue;
            }
            names.push(&field.name);
            let same: Vec<Field> = fields
                .iter()
                .filter(|other| other.name == field.name)
                .cloned()
                .collect();
            if fits(same.clone()) {
                continue;
            }
            let came: Vec<&Val> = values(found, &field.name).collect();
            if let ([one], [value]) = (&same[..], &came[..]) {
                edits.push((extent::value_of(text, one), written(&field.name, value)));
                continue;
            }
            let mut all: Vec<String> = came
                .iter()
                .map(|value| format!("{}={}", field.name, written(&field.name, value)))
                .collect();
            for one in &same {
                let mut range = extent::field(text, one);
                if all.is_empty() {
                    let before = text[..range.start].trim_end_matches([' ', '\t']);
                    range.start = before.len();
                }
                edits.push((range, core::mem::take(&mut all).join(" ")));
            }
        }
        for name in absent {
            names.push(&name.text);
            let came: Vec<String> = values(found, &name.text)
                .map(|value| format!("{}={}", name.text, written(&name.text, value)))
                .collect();
            if !came.is_empty() {
                edits.push((extent::absent(text, name), came.join(" ")));
            }
        }
        let mut more = String::new();
        for (name, value) in found {
            if !open && !names.contains(name) && !says_nothing(name, value) {
                more.push_str(&format!(" {name}={}", written(name, value)));
            }
        }
        if !more.is_empty() {
            let end = fields_end(text, from, fields, absent);
            edits.push((end..end, more));
        }
        edits
    }

    /// A packet of another type: of the fields that the line has, those that fit stay.
    fn other_packet(&self, old: Option<&PacketPattern>, found: &Fields) -> String {
        let place = Place::Packet(found.packet_type);
        let mut new = found.packet_type.name().to_owned();
        let own = |spec: &Spec| place.own().iter().any(|own| own.name == spec.name);
        for spec in place.all().filter(|spec| spec.is_in(self.version)) {
            let came: Vec<&Val> = values(&found.list, spec.name).collect();
            let same: Vec<&Field> = old
                .iter()
                .flat_map(|old| &old.fields)
                .filter(|field| field.name == spec.name)
                .collect();
            let open = old.is_some_and(|old| old.open);
            if let ([field], true) = (&same[..], came.len() == 1) {
                let alone = PacketPattern {
                    at: field.at,
                    packet_type: found.packet_type,
                    fields: vec![(*field).clone()],
                    absent: Vec::new(),
                    open: true,
                    bytes: None,
                };
                if matches(&alone, found, self.version, &mut self.bindings.clone()).is_ok() {
                    new.push_str(&format!(" {}", &self.text[extent::field(self.text, field)]));
                    continue;
                }
            }
            for value in came {
                let is_default = spec.default().as_ref() == Some(value);
                if !is_default && (!open || own(&spec)) {
                    new.push_str(&format!(" {}={}", spec.name, written(spec.name, value)));
                }
            }
        }
        if old.is_some_and(|old| old.open) {
            new.push_str(" ..");
        }
        new
    }
}

/// A value as traces write it: codes of errors in hex, and in wills and subscriptions nothing that is left out there.
fn written(name: &str, value: &Val) -> String {
    match value {
        Val::Int(code) if name == "code" && *code >= 0x10 => format!("{code:#04x}"),
        Val::List(list) if name == "codes" => {
            let all: Vec<String> = list.iter().map(|code| written("code", code)).collect();
            format!("[{}]", all.join(" "))
        }
        Val::List(list) => {
            let all: Vec<String> = list.iter().map(|one| written("", one)).collect();
            format!("[{}]", all.join(" "))
        }
        Val::Group { text, list } => {
            let place = if text.is_some() {
                Place::Subscription
            } else {
                Place::Will
            };
            let is_default = |name: &str, value: &Val| {
                place.field(name).and_then(|spec| spec.default()).as_ref() == Some(value)
            };
            let list = list.iter().filter(|(name, value)| !is_default(name, value));
            shown(&Val::Group {
                text: text.clone(),
                list: list.cloned().collect(),
            })
        }
        Val::Int(_) | Val::Data(_) | Val::Pair(..) => shown(value),
    }
}
