//! What differs, and how values are shown.

use core::fmt;

use mqtt_proto::PacketType;
use mqtt_proto::notation::{Data, Text};

use crate::fields::Val;
use crate::trace::ast::{Atom, Field, Group, Name, PacketPattern};

/// A difference between what was expected and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field; empty if the packet is another one.
    pub field: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub found: String,
}

impl Mismatch {
    pub(super) fn new(field: &str, expected: &str, found: String) -> Self {
        Self {
            field: field.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }

    pub(super) fn packet(expected: PacketType, found: PacketType) -> Self {
        Self::new("", expected.name(), found.name().to_owned())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// A value as it is written in a trace.
#[must_use]
pub fn shown(value: &Val) -> String {
    let fields = |list: &[(&'static str, Val)]| {
        list.iter()
            .map(|(name, value)| format!("{name}={}", shown(value)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match value {
        Val::Int(number) => number.to_string(),
        Val::Data(data) => Data(data).to_string(),
        Val::List(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Val::Group { text: None, list } => format!("{{{}}}", fields(list)),
        Val::Group {
            text: Some(text),
            list,
        } => {
            let gap = if list.is_empty() { "" } else { " " };
            format!("{{{}{gap}{}}}", Data(text), fields(list))
        }
        Val::Pair(name, value) => format!("({} {})", Text(name), Text(value)),
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |f: &mut fmt::Formatter<'_>, times: usize| {
            if times == 1 { Ok(()) } else { write!(f, "*{times}") }
        };
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Range(from, to) => write!(f, "{from}..{to}"),
            Self::Text(text, n) => {
                Text(text).fmt(f)?;
                times(f, *n)
            }
            Self::Hex(bytes, n) => {
                f.write_str("x\"")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("\"")?;
                times(f, *n)
            }
            Self::Any => f.write_str("*"),
            Self::Capture(name) => write!(f, "${name}"),
            Self::Name(name) => f.write_str(name),
            Self::Pair(name, value) => write!(f, "({} {})", Text(name), Text(value)),
            Self::Group(group) => group.fmt(f),
            Self::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    let gap = if i > 0 { " " } else { "" };
                    write!(f, "{gap}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for crate::trace::ast::Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, atom) in self.atoms.iter().enumerate() {
            let gap = if i > 0 { "|" } else { "" };
            write!(f, "{gap}{atom}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.iter().map(|text| Text(text).to_string());
        let fields = self.fields.iter().map(ToString::to_string);
        let absent = self.absent.iter().map(|Name { text, .. }| format!("!{text}"));
        write!(
            f,
            "{{{}}}",
            text.chain(fields).chain(absent).collect::<Vec<_>>().join(" ")
        )
    }
}

/// As a line has it, without its bytes.
impl fmt::Display for PacketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.packet_type.name())?;
        self.fields.iter().try_for_each(|field| write!(f, " {field}"))?;
        self.absent
            .iter()
            .try_for_each(|name| write!(f, " !{}", name.text))?;
        f.write_str(if self.open { " .." } else { "" })
    }
}
