//! The calls of a trace as one command line.

use std::ffi::OsString;

use mqtt_proto::{PacketType, Version};

use super::lines::place;
use crate::expect::shown;
use crate::fields::table::{Place, Spec};
use crate::fields::{Bindings, Val, resolve_value};
use crate::profile::{Client as ClientProfile, Templates};
use crate::trace::Trace;
use crate::trace::ast::{Atom, Command, Do, Field, Item, Step};

/// The arguments that make a program do what the trace tells it.
///
/// # Errors
///
/// Why no arguments can.
pub(super) fn arguments(
    trace: &Trace,
    version: Version,
    profile: &ClientProfile,
) -> Result<Vec<OsString>, String> {
    let Some(of_version) = profile.version(version) else {
        return Err(format!("the client does not speak MQTT {version}"));
    };
    let mut made: Vec<OsString> = profile.start.iter().map(OsString::from).collect();
    made.extend(of_version.iter().map(OsString::from));
    let (mut connect, mut told): (Option<&Do>, Option<&Do>) = (None, None);
    let mut is_at_once = true;
    for line in &trace.lines {
        let wrong = |why: &str| Err(format!("line {}: {why}", line.at.line));
        let call = match &line.step {
            Step::Do(call) => call,
            // A program does what it is told as soon as it is connected.
            Step::Event(_) => continue,
            Step::Wire(wire) => {
                is_at_once &= matches!(
                    &wire.item,
                    Item::Packet(packet) if matches!(packet.packet_type, PacketType::Connect | PacketType::ConnAck)
                );
                continue;
            }
            _ => {
                is_at_once = false;
                continue;
            }
        };
        match (call.command, connect) {
            (Command::Connect, None) => {
                fields(&mut made, call, version, &profile.connect)?;
                connect = Some(call);
            }
            (Command::Connect, Some(first)) if !same(first, call) => {
                return wrong("the command connects again as before, not like this");
            }
            (Command::Connect, Some(_)) if !profile.reconnects => {
                return wrong("the command does not connect again");
            }
            (Command::Connect, Some(_)) if told.is_some_and(|call| call.command == Command::Subscribe) => {
                return wrong("the command subscribes again when it connects again");
            }
            (Command::Connect, Some(_)) => is_at_once = false,
            (_, None) => return wrong("the command connects first"),
            _ if told.is_some() => return wrong("the command can be told one thing"),
            _ if !is_at_once => return wrong("the command does at once what it is told"),
            (Command::Publish, _) => {
                fields(&mut made, call, version, &profile.publish)?;
                told = Some(call);
            }
            (Command::Subscribe, _) => {
                fields(&mut made, call, version, &profile.subscribe)?;
                told = Some(call);
            }
            (other, _) => {
                let name = super::lines::name(other);
                return wrong(&format!("the command cannot be told to {name}"));
            }
        }
    }
    if told.is_none() {
        made.extend(profile.by_itself.arguments.iter().map(OsString::from));
    }
    Ok(made)
}

/// Arguments with the address in its places.
pub(super) fn addressed(arguments: &[OsString], host: &str, port: u16) -> Vec<OsString> {
    let put = |argument: &OsString| match argument.to_str() {
        Some(text) if text.contains("{host}") || text.contains("{port}") => text
            .replace("{host}", host)
            .replace("{port}", &port.to_string())
            .into(),
        _ => argument.clone(),
    };
    arguments.iter().map(put).collect()
}

fn same(first: &Do, again: &Do) -> bool {
    let of = |call: &Do| {
        let mut fields: Vec<String> = call.fields.iter().map(ToString::to_string).collect();
        fields.sort();
        fields
    };
    of(first) == of(again)
}

/// The arguments for the fields of a call, its defaults included where there is a template for them.
fn fields(
    made: &mut Vec<OsString>,
    call: &Do,
    version: Version,
    templates: &Templates,
) -> Result<(), String> {
    let place = place(call.command);
    let mut given = Vec::new();
    for field in &call.fields {
        let spec = match (call.command, field.name.as_str()) {
            (Command::Subscribe, "filters") => {
                given.extend(filters(&value_of(field, version)?)?);
                continue;
            }
            (Command::Subscribe, "filter") => None,
            (Command::Subscribe, name) => Place::Subscription.field(name).or_else(|| place.field(name)),
            (_, name) => place.field(name),
        };
        if spec.is_some_and(|spec| !spec.is_in(version)) {
            continue;
        }
        given.push((field.name.clone(), value_of(field, version)?));
    }
    let options = if call.command == Command::Subscribe {
        Place::Subscription.all().collect()
    } else {
        Vec::new()
    };
    let all: Vec<Spec> = place.all().chain(options).collect();
    with_defaults(&mut given, &all, version, "", templates);
    if let Some(at) = given.iter().position(|(name, _)| name == "will") {
        if let Val::Group { list, .. } = given.remove(at).1 {
            let mut will: Vec<(String, Val)> = list
                .into_iter()
                .map(|(name, value)| (format!("will.{name}"), value))
                .collect();
            let all: Vec<Spec> = Place::Will.all().collect();
            with_defaults(&mut will, &all, version, "will.", templates);
            given.extend(will);
        }
    }
    for (name, value) in &given {
        field(made, name, value, templates, &all)?;
    }
    Ok(())
}

fn value_of(field: &Field, version: Version) -> Result<Val, String> {
    match &field.value.atoms[..] {
        [Atom::Name(name)] => Ok(Val::text(name)),
        _ => resolve_value(&field.value, version, &Bindings::new()).map_err(|e| e.to_string()),
    }
}

/// Several filters, each a `filter`, and the options that they have in common.
fn filters(list: &Val) -> Result<Vec<(String, Val)>, String> {
    let Val::List(list) = list else {
        return Ok(Vec::new());
    };
    let (mut given, mut common) = (Vec::new(), None);
    for one in list {
        let Val::Group { text, list: options } = one else {
            continue;
        };
        if common.get_or_insert(options) != &options {
            return Err("the command can be told one set of options for all filters".to_owned());
        }
        given.push(("filter".to_owned(), Val::Data(text.clone().unwrap_or_default())));
    }
    let options = common.into_iter().flatten();
    given.extend(options.map(|(name, value)| ((*name).to_owned(), value.clone())));
    Ok(given)
}

/// Adds what the call leaves to its default, where a template says it.
fn with_defaults(
    given: &mut Vec<(String, Val)>,
    all: &[Spec],
    version: Version,
    prefix: &str,
    templates: &Templates,
) {
    for spec in all.iter().filter(|spec| spec.is_in(version)) {
        let name = format!("{prefix}{}", spec.name);
        let Some(value) = spec.default() else { continue };
        let is_said = templates.contains_key(&format!("{name}={}", shown(&value)));
        if is_said && !given.iter().any(|(other, _)| *other == name) {
            given.push((name, value));
        }
    }
}

fn field(
    made: &mut Vec<OsString>,
    name: &str,
    value: &Val,
    templates: &Templates,
    all: &[Spec],
) -> Result<(), String> {
    let template = templates
        .get(&format!("{name}={}", shown(value)))
        .or_else(|| templates.get(name));
    let Some(template) = template else {
        let spec = all.iter().find(|spec| spec.name == name);
        let is_default = spec.and_then(Spec::default).as_ref() == Some(value);
        // A field with its default is one that is not there.
        return if is_default {
            Ok(())
        } else {
            Err(format!("the command cannot be told {name}={}", shown(value)))
        };
    };
    for part in template {
        made.push(
            filled(part, value).ok_or_else(|| format!("{name}={} cannot be an argument", shown(value)))?,
        );
    }
    Ok(())
}

/// A part of a template with the value in its place; `None` if no argument can hold it.
fn filled(part: &str, value: &Val) -> Option<OsString> {
    let (name, bytes) = match value {
        Val::Int(number) => (None, number.to_string().into_bytes()),
        Val::Data(data) => (None, data.clone()),
        Val::Pair(name, value) => (Some(name), value.clone().into_bytes()),
        Val::List(_) | Val::Group { .. } => return None,
    };
    let part = match name {
        Some(name) => part.replace("{name}", name),
        None => part.to_owned(),
    };
    let Some((before, after)) = part.split_once("{value}") else {
        return Some(part.into());
    };
    if bytes.contains(&0) {
        return None;
    }
    let whole = [before.as_bytes(), &bytes, after.as_bytes()].concat();
    #[cfg(unix)]
    return Some(std::os::unix::ffi::OsStringExt::from_vec(whole));
    #[cfg(not(unix))]
    String::from_utf8(whole).ok().map(OsString::from)
}
