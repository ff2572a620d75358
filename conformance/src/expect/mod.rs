//! Whether a packet is the one that a line expects.

mod mismatch;

use mqtt_proto::Version;

pub use mismatch::{Mismatch, shown};

use crate::fields::table::{Place, Spec};
use crate::fields::{Bindings, Fields, Val, values};
use crate::trace::ast::{Atom, Field, Group, Name, PacketPattern, Value};

/// Compares a packet with what is expected. If it fits, captures that were not bound are bound now.
///
/// Fields that are left out must have their default, unless the pattern ends with `..`; fields that this version does not
/// have do not count.
///
/// # Errors
///
/// All differences. Nothing is bound then.
pub fn matches(
    expected: &PacketPattern,
    found: &Fields,
    version: Version,
    bindings: &mut Bindings,
) -> Result<(), Vec<Mismatch>> {
    if expected.packet_type != found.packet_type {
        return Err(vec![Mismatch::packet(expected.packet_type, found.packet_type)]);
    }
    let mut matcher = Matcher {
        version,
        bindings: bindings.clone(),
        mismatches: Vec::new(),
    };
    let place = Place::Packet(expected.packet_type);
    matcher.fields(
        place,
        "",
        &expected.fields,
        &expected.absent,
        expected.open,
        &found.list,
    );
    if matcher.mismatches.is_empty() {
        *bindings = matcher.bindings;
        Ok(())
    } else {
        Err(matcher.mismatches)
    }
}

/// Compares what an event says with what is expected, and binds captures as [`matches()`] does.
///
/// Without `..` everything that the event says must be named, but what is 0 or empty.
///
/// # Errors
///
/// All differences. Nothing is bound then.
pub fn fits_event(
    expected: &[Field],
    absent: &[Name],
    open: bool,
    found: &[(&'static str, Val)],
    bindings: &mut Bindings,
) -> Result<(), Vec<Mismatch>> {
    let mut matcher = Matcher {
        version: Version::V5,
        bindings: bindings.clone(),
        mismatches: Vec::new(),
    };
    let mut rest: Vec<&(&'static str, Val)> = found.iter().collect();
    for field in expected {
        let mismatch = match rest.iter().position(|(name, _)| *name == field.name) {
            Some(at) => matcher.value(&field.name, &field.value, &rest.remove(at).1),
            None => Some(Mismatch::new(
                &field.name,
                &field.value.to_string(),
                "nothing of this name".to_owned(),
            )),
        };
        matcher.mismatches.extend(mismatch);
    }
    for (name, value) in rest {
        let says_nothing = match value {
            Val::Int(number) => *number == 0,
            Val::Data(data) => data.is_empty(),
            Val::List(list) => list.is_empty(),
            Val::Group { .. } | Val::Pair(..) => false,
        };
        if absent.iter().any(|one| one.text == *name) || !(open || says_nothing) {
            matcher
                .mismatches
                .push(Mismatch::new(name, "absent", shown(value)));
        }
    }
    if matcher.mismatches.is_empty() {
        *bindings = matcher.bindings;
        Ok(())
    } else {
        Err(matcher.mismatches)
    }
}

struct Matcher {
    version: Version,
    bindings: Bindings,
    mismatches: Vec<Mismatch>,
}

impl Matcher {
    fn fields(
        &mut self,
        place: Place,
        path: &str,
        expected: &[Field],
        absent: &[Name],
        open: bool,
        found: &[(&'static str, Val)],
    ) {
        let version = self.version;
        for spec in place.all().filter(|spec| spec.is_in(version)) {
            let expected: Vec<&Value> = expected
                .iter()
                .filter(|f| f.name == spec.name)
                .map(|f| &f.value)
                .collect();
            let found: Vec<&Val> = values(found, spec.name).collect();
            let path = format!("{path}{}", spec.name);
            if absent.iter().any(|name| name.text == spec.name) {
                if let Some(value) = found.first() {
                    self.mismatches.push(Mismatch::new(&path, "absent", shown(value)));
                }
            } else if !expected.is_empty() {
                self.field(spec, &path, &expected, &found);
            } else if !open {
                self.left_out(spec, &path, &found);
            }
        }
    }

    /// A field that the line does not name, where it names all that matter.
    fn left_out(&mut self, spec: Spec, path: &str, found: &[&Val]) {
        let default = spec.default();
        for value in found {
            if Some(*value) != default.as_ref() {
                let wanted = default.as_ref().map_or_else(|| "absent".to_owned(), shown);
                self.mismatches.push(Mismatch::new(path, &wanted, shown(value)));
            }
        }
    }

    fn field(&mut self, spec: Spec, path: &str, expected: &[&Value], found: &[&Val]) {
        let default = spec.default();
        let mut found = found.to_vec();
        if found.is_empty() {
            found.extend(&default);
        }
        if expected.len() != found.len() {
            let wanted = format!("{} of them", expected.len());
            self.mismatches
                .push(Mismatch::new(path, &wanted, found.len().to_string()));
            return;
        }
        // Several subscription identifiers may come in any order (5.0 section 3.3.4); user properties may not.
        let any_order = spec.repeats && spec.name == "subscription_identifier";
        for one in expected {
            let fitting = |matcher: &mut Self| {
                found
                    .iter()
                    .position(|value| matcher.value(path, one, value).is_none())
            };
            let index = if any_order { fitting(self) } else { None };
            let value = found.remove(index.unwrap_or(0));
            let mismatch = self.value(path, one, value);
            self.mismatches.extend(mismatch);
        }
    }

    /// `None` if one of the alternatives fits. What was bound on the way stays only then.
    fn value(&mut self, path: &str, expected: &Value, found: &Val) -> Option<Mismatch> {
        let mut first = None;
        for atom in &expected.atoms {
            let before = self.bindings.clone();
            let mismatch = self.atom(path, atom, found)?;
            self.bindings = before;
            first.get_or_insert(mismatch);
        }
        if expected.atoms.len() == 1 {
            return first;
        }
        let wanted: Vec<String> = expected.atoms.iter().map(ToString::to_string).collect();
        Some(Mismatch::new(path, &wanted.join("|"), shown(found)))
    }

    /// `None` if it fits.
    fn atom(&mut self, path: &str, expected: &Atom, found: &Val) -> Option<Mismatch> {
        let fits = match (expected, found) {
            (Atom::Any, _) => true,
            (Atom::Capture(name), found) => match self.bindings.get(name) {
                Some(bound) if bound == found => true,
                Some(bound) => {
                    let wanted = format!("${name}, which is {}", shown(bound));
                    return Some(Mismatch::new(path, &wanted, shown(found)));
                }
                None => {
                    self.bindings.insert(name.clone(), found.clone());
                    true
                }
            },
            (Atom::Int(wanted), Val::Int(found)) => wanted == found,
            (Atom::Range(from, to), Val::Int(found)) => (from..=to).contains(&found),
            (Atom::Text(text, times), Val::Data(found)) => is_repeated(text.as_bytes(), *times, found),
            (Atom::Hex(bytes, times), Val::Data(found)) => is_repeated(bytes, *times, found),
            // A word is the value of a field of an event: `by=transport`.
            (Atom::Name(name), Val::Data(found)) => name.as_bytes() == found,
            (Atom::Pair(name, value), Val::Pair(other, found)) => name == other && value == found,
            (Atom::List(wanted), Val::List(found)) => return self.list(path, wanted, found),
            (Atom::Group(wanted), Val::Group { text, list }) => {
                return self.group(path, wanted, text.as_deref(), list);
            }
            _ => false,
        };
        (!fits).then(|| Mismatch::new(path, &expected.to_string(), shown(found)))
    }

    fn list(&mut self, path: &str, expected: &[Value], found: &[Val]) -> Option<Mismatch> {
        if expected.len() != found.len() {
            return Some(Mismatch::new(
                path,
                &format!("{} of them", expected.len()),
                found.len().to_string(),
            ));
        }
        expected
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(i, (expected, found))| self.value(&format!("{path}[{i}]"), expected, found))
    }

    fn group(
        &mut self,
        path: &str,
        expected: &Group,
        text: Option<&[u8]>,
        found: &[(&'static str, Val)],
    ) -> Option<Mismatch> {
        if expected.text.as_deref().map(str::as_bytes) != text {
            let show = |text: Option<&[u8]>| {
                text.map_or_else(|| "none".to_owned(), |t| shown(&Val::Data(t.to_vec())))
            };
            let wanted = show(expected.text.as_deref().map(str::as_bytes));
            return Some(Mismatch::new(path, &wanted, show(text)));
        }
        let place = if text.is_some() {
            Place::Subscription
        } else {
            Place::Will
        };
        let mut inside = Self {
            version: self.version,
            bindings: self.bindings.clone(),
            mismatches: Vec::new(),
        };
        inside.fields(
            place,
            &format!("{path}."),
            &expected.fields,
            &expected.absent,
            false,
            found,
        );
        match inside.mismatches.into_iter().next() {
            None => {
                self.bindings = inside.bindings;
                None
            }
            mismatch => mismatch,
        }
    }
}

fn is_repeated(part: &[u8], times: usize, whole: &[u8]) -> bool {
    if part.is_empty() || times == 0 {
        return whole.is_empty();
    }
    part.len().checked_mul(times) == Some(whole.len())
        && whole.chunks_exact(part.len()).all(|chunk| chunk == part)
}

#[cfg(test)]
mod tests;
