//! Packets as lists of named fields: the form in which traces, patterns and packets meet.
//!
//! - [`table`]: which fields there are, of what kind, with which default, in which version.
//! - [`event`]: what the events of a client say, and which arguments its calls take.
//! - [`Fields::of`]: a packet's fields; [`Fields::with_packet`]: the packet of fields.
//! - [`resolve`]: the fields that a line of a trace says to send.

mod encoded;
pub mod event;
mod from_packet;
mod resolve;
pub mod table;
mod to_packet;

use std::collections::BTreeMap;

use mqtt_proto::PacketType;

pub(crate) use encoded::encode;
pub(crate) use from_packet::{codes, properties};
pub use resolve::{Unresolved, resolve, resolve_value};
pub use to_packet::NotAPacket;

/// The fields of a packet in order, names repeated where a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Which packet.
    pub packet_type: PacketType,
    /// What it says.
    pub list: Vec<(&'static str, Val)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the language")]
pub enum Val {
    /// A number, flag or code.
    Int(u64),
    /// Text or bytes.
    Data(Vec<u8>),
    /// Codes, filters.
    List(Vec<Self>),
    /// A will, or a filter with its options.
    Group {
        /// The filter.
        text: Option<Vec<u8>>,
        /// The fields in order.
        list: Vec<(&'static str, Self)>,
    },
    /// A user property.
    Pair(String, String),
}

impl Val {
    /// Text as a value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Data(text.as_bytes().to_vec())
    }
}

impl From<u64> for Val {
    fn from(number: u64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Val {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u16> for Val {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl From<u8> for Val {
    fn from(number: u8) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Val {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<&[u8]> for Val {
    fn from(data: &[u8]) -> Self {
        Self::Data(data.to_vec())
    }
}

impl From<(&str, &str)> for Val {
    fn from((name, value): (&str, &str)) -> Self {
        Self::Pair(name.to_owned(), value.to_owned())
    }
}

/// What the captures of a trace are bound to.
pub type Bindings = BTreeMap<String, Val>;

/// All values of a field, in order.
pub fn values<'f>(list: &'f [(&'static str, Val)], name: &str) -> impl Iterator<Item = &'f Val> {
    list.iter()
        .filter(move |(other, _)| *other == name)
        .map(|(_, value)| value)
}
