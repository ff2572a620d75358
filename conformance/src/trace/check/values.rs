//! Whether fields are fields of what they stand in, and values of their kind.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a value that is none of the right ones is a wrong one"
)]

use std::collections::BTreeSet;

use crate::fields::event::Says;
use crate::fields::table::{Kind, Place, Spec};
use crate::trace::ast::{Atom, Field, Group, Name, Position, Value};
use crate::trace::error::{Misfit, nearest};

/// What a capture stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Number,
    Text,
    Pair,
    List,
    Will,
    Token,
    Duty,
}

impl Class {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Int(..) => Self::Number,
            Kind::Text | Kind::Data => Self::Text,
            Kind::Pair => Self::Pair,
            Kind::Codes | Kind::Subscriptions | Kind::Filters => Self::List,
            Kind::Will => Self::Will,
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "text",
            Self::Pair => "a pair",
            Self::List => "a list",
            Self::Will => "a will",
            Self::Token => "the token of a call",
            Self::Duty => "the duty to acknowledge a message",
        }
    }
}

/// Called with every capture: where, which, and what has to be bound to it there.
pub(super) type Captures<'c> = dyn FnMut(Position, &str, Class) -> Result<(), Misfit> + 'c;

/// Checks the fields of a packet, a will or the options of a subscription.
pub(super) fn fields(
    place: Place,
    owner: &str,
    written: &[Field],
    absent: &[Name],
    captures: &mut Captures<'_>,
) -> Result<(), Misfit> {
    let spec = |at: Position, name: &str| -> Result<Spec, Misfit> {
        place.field(name).ok_or_else(|| {
            unknown(
                at,
                name,
                &format!("a field of {owner}"),
                place.all().map(|spec| spec.name),
            )
        })
    };
    let mut seen = BTreeSet::new();
    for field in written {
        let spec = spec(field.at, &field.name)?;
        if !seen.insert(spec.name) && !spec.repeats {
            return Err(twice(field));
        }
        value(spec.kind, &field.value, captures)?;
    }
    for name in absent {
        let spec = spec(name.at, &name.text)?;
        either_or(seen.insert(spec.name), name)?;
    }
    Ok(())
}

/// Checks what an event says.
pub(super) fn said(
    event: &'static crate::fields::event::EventSpec,
    written: &[Field],
    absent: &[Name],
    captures: &mut Captures<'_>,
) -> Result<(), Misfit> {
    let says = |at: Position, name: &str| {
        event.field(name).ok_or_else(|| {
            unknown(
                at,
                name,
                &format!("a field of the event {}", event.name),
                event.names(),
            )
        })
    };
    let mut seen = BTreeSet::new();
    for field in written {
        let (says, repeats) = says(field.at, &field.name)?;
        if !seen.insert(field.name.as_str()) && !repeats {
            return Err(twice(field));
        }
        match says {
            Says::Field(kind) => value(kind, &field.value, captures)?,
            Says::Token => token(&field.value, captures)?,
            Says::Word(words) => word(words, &field.value)?,
        }
    }
    for name in absent {
        says(name.at, &name.text)?;
        either_or(seen.insert(name.text.as_str()), name)?;
    }
    Ok(())
}

/// A name of which nobody knows.
pub(super) fn unknown<'n>(
    at: Position,
    name: &str,
    expected: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Misfit {
    let names: Vec<&str> = known.into_iter().collect();
    let mut misfit = Misfit::new(at, name, expected);
    misfit.hint = nearest(name, names.iter().copied()).or_else(|| {
        Some(if names.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        })
    });
    misfit
}

pub(super) fn twice(field: &Field) -> Misfit {
    Misfit::new(field.at, &field.name, format!("`{}` once", field.name))
}

fn either_or(is_new: bool, name: &Name) -> Result<(), Misfit> {
    if is_new {
        return Ok(());
    }
    let found = format!("!{}", name.text);
    Err(Misfit::new(
        name.at,
        found,
        "a field either with a value or absent",
    ))
}

/// Checks a value.
pub(super) fn value(kind: Kind, written: &Value, captures: &mut Captures<'_>) -> Result<(), Misfit> {
    for atom in &written.atoms {
        match (kind, atom) {
            (_, Atom::Any) => {}
            (kind, Atom::Capture(name)) => captures(written.at, name, Class::of(kind))?,
            (Kind::Int(from, to), Atom::Int(number)) if (from..=to).contains(number) => {}
            (Kind::Int(from, to), Atom::Range(low, high)) if from <= *low && *low <= *high && *high <= to => {
            }
            (Kind::Text | Kind::Data, Atom::Text(..))
            | (Kind::Data, Atom::Hex(..))
            | (Kind::Pair, Atom::Pair(..)) => {}
            (Kind::Codes, Atom::List(list)) => list
                .iter()
                .try_for_each(|code| value(Kind::Int(0, 0xff), code, captures))?,
            (Kind::Filters, Atom::List(list)) => list
                .iter()
                .try_for_each(|filter| value(Kind::Text, filter, captures))?,
            (Kind::Subscriptions, Atom::List(list)) => {
                list.iter().try_for_each(|one| subscription(one, captures))?
            }
            (
                Kind::Will,
                Atom::Group(Group {
                    text: None,
                    fields: inside,
                    absent,
                }),
            ) => {
                fields(Place::Will, "a will", inside, absent, captures)?;
            }
            _ => return Err(Misfit::new(written.at, atom.to_string(), kind.describe())),
        }
    }
    Ok(())
}

fn subscription(written: &Value, captures: &mut Captures<'_>) -> Result<(), Misfit> {
    for atom in &written.atoms {
        match atom {
            Atom::Any => {}
            Atom::Capture(name) => captures(written.at, name, Class::List)?,
            Atom::Group(Group {
                text: Some(_),
                fields: inside,
                absent,
            }) => {
                fields(Place::Subscription, "a subscription", inside, absent, captures)?;
            }
            Atom::Int(_)
            | Atom::Range(..)
            | Atom::Text(..)
            | Atom::Hex(..)
            | Atom::Name(_)
            | Atom::List(_)
            | Atom::Group(_)
            | Atom::Pair(..) => {
                return Err(Misfit::new(
                    written.at,
                    atom.to_string(),
                    "a filter with options `{\"a/+\" qos=1}`",
                ));
            }
        }
    }
    Ok(())
}

/// The token of a call: nobody knows its number.
fn token(written: &Value, captures: &mut Captures<'_>) -> Result<(), Misfit> {
    written.atoms.iter().try_for_each(|atom| match atom {
        Atom::Any => Ok(()),
        Atom::Capture(name) => captures(written.at, name, Class::Token),
        _ => Err(
            Misfit::new(written.at, atom.to_string(), "the token of a call, such as `$p`")
                .hint("`do publish .. as p` binds it"),
        ),
    })
}

/// One of these words; any if there are none.
fn word(words: &[&str], written: &Value) -> Result<(), Misfit> {
    written.atoms.iter().try_for_each(|atom| match atom {
        Atom::Any => Ok(()),
        Atom::Name(name) | Atom::Text(name, 1) if words.is_empty() || words.contains(&name.as_str()) => {
            Ok(())
        }
        _ if words.is_empty() => Err(Misfit::new(written.at, atom.to_string(), "a word")),
        _ => {
            let found = atom.to_string();
            let all: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let mut misfit = Misfit::new(written.at, found.clone(), all.join(" or "));
            misfit.hint = nearest(&found, words.iter().copied());
            Err(misfit)
        }
    })
}
