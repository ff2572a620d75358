//! What came instead of what a line expects, for whoever writes the line anew.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "only expectations have something that comes in their place"
)]

use mqtt_proto::Version;

use super::Player;
use super::inbox::{Happened, What};
use crate::fields::{Bindings, Fields};
use crate::trace::ast::{Item, Line, Position, Step};

/// An expectation that failed, what came in its place, and what the captures were bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instead {
    /// The line that expects something else.
    pub at: Position,
    /// What came.
    pub came: Came,
    /// In this version.
    pub version: Version,
    /// What captures are bound to before the line.
    pub bindings: Bindings,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "closed by the runner")]
pub enum Came {
    /// A packet: its fields if it decodes, and its bytes.
    Packet(Option<Fields>, Vec<u8>),
    /// The end of the stream.
    End,
    /// An event.
    Event(Happened),
}

impl Player<'_, '_> {
    /// Notes what has come for the first of these lines for which something has.
    pub(super) fn note_instead(&mut self, lines: &[&Line]) {
        let mut all = Vec::new();
        for line in lines {
            if let Some(came) = self.came(line) {
                all.push((line.at, came, self.is_like(line)));
            }
        }
        let best = all.iter().position(|(.., like)| *like).unwrap_or(0);
        if best < all.len() {
            let (at, came, _) = all.swap_remove(best);
            self.instead = Some(Instead {
                at,
                came,
                version: self.version,
                bindings: self.inbox.bindings.clone(),
            });
        }
    }

    fn came(&mut self, line: &Line) -> Option<Came> {
        let conn = match &line.step {
            Step::Wire(wire) => &wire.conn,
            Step::Refused { conn, .. } => conn,
            Step::Event(event) => {
                let (conn, _) = self.link(&event.conn);
                return self.inbox.events(conn).front().cloned().map(Came::Event);
            }
            _ => return None,
        };
        let (conn, _) = self.link(conn);
        let unread = match &line.step {
            // Of what passes between two, the first of the type that the line names.
            Step::Wire(wire) if self.world.sends().is_none() => {
                let mut unread = self.inbox.unread(conn, wire.direction).iter();
                unread.find(|arrival| is_type(line, &arrival.what))
            }
            Step::Wire(wire) => self.inbox.unread(conn, wire.direction).front(),
            _ => self.inbox.unread(conn, self.direction()).front(),
        };
        Some(match &unread?.what {
            What::Packet { fields, bytes, .. } => Came::Packet(fields.as_ref().ok().cloned(), bytes.clone()),
            What::End => Came::End,
        })
    }

    /// The line expects a packet or event of the type that came.
    fn is_like(&mut self, line: &Line) -> bool {
        match self.came(line) {
            Some(Came::Packet(Some(fields), _)) => {
                matches!(&line.step, Step::Wire(wire) if matches!(&wire.item, Item::Packet(packet) if packet.packet_type == fields.packet_type))
            }
            Some(Came::Event(happened)) => {
                matches!(&line.step, Step::Event(event) if event.name.text == happened.name)
            }
            _ => false,
        }
    }
}

fn is_type(line: &Line, what: &What) -> bool {
    match (&line.step, what) {
        (
            Step::Wire(wire),
            What::Packet {
                fields: Ok(fields), ..
            },
        ) => {
            matches!(&wire.item, Item::Packet(packet) if packet.packet_type == fields.packet_type)
        }
        _ => false,
    }
}
