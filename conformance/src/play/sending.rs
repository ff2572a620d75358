//! The lines of the side that the runner plays.

use mqtt_proto::PacketType;

use super::inbox::What;
use super::{Link, Played, Player};
use crate::fields::{encode, resolve};
use crate::report::failure::hex;
use crate::trace::ast::{Direction, Item, PacketPattern, Position, Wire};

/// The first byte of a CONNECT, without its flags.
const CONNECT: u8 = 0x10;

impl Player<'_, '_> {
    pub(super) fn send(&mut self, at: Position, wire: &Wire) -> Played {
        let (conn, _) = self.link(&wire.conn);
        let bytes = match &wire.item {
            Item::Packet(pattern) => self.encoded(at, pattern)?,
            Item::Hex(bytes) => bytes.clone(),
            Item::Close => return self.close(at, conn),
        };
        let is_connect = bytes.first().is_some_and(|first| first & 0xf0 == CONNECT);
        if wire.direction == Direction::ToServer {
            self.open(at, conn, is_connect)?;
        }
        self.inbox.sent(
            self.world.now(),
            conn,
            wire.direction,
            &bytes,
            matches!(wire.item, Item::Hex(_)),
        );

        let cut = self.cut_bytes(at, wire, bytes.len())?;
        let mut rest = &bytes[..cut.unwrap_or(bytes.len())];
        for &size in &wire.split {
            let Some((piece, after)) = rest.split_at_checked(size) else {
                break;
            };
            self.transmit(at, conn, piece)?;
            self.pass(at, self.world.pace().pause)?;
            rest = after;
        }
        self.transmit(at, conn, rest)?;
        if let Item::Packet(pattern) = &wire.item {
            let code = pattern.fields.iter().find(|field| field.name == "code");
            let failed = code.is_some_and(
                |field| matches!(field.value.atoms[..], [crate::trace::ast::Atom::Int(code)] if code >= 0x80),
            );
            let link = &mut self.links[conn];
            link.leaving |= pattern.packet_type == PacketType::Disconnect;
            if pattern.packet_type == PacketType::ConnAck {
                link.accepted = !failed;
                link.leaving |= failed;
            }
        }
        if cut.is_some() {
            self.pass(at, self.world.pace().pause)?;
            self.cut(conn);
        }
        Ok(())
    }

    fn transmit(&mut self, at: Position, conn: usize, bytes: &[u8]) -> Played {
        match self.world.send(conn, bytes) {
            Ok(()) => Ok(()),
            Err(why) => self.fail(at, why),
        }
    }

    fn encoded(&self, at: Position, pattern: &PacketPattern) -> Played<Vec<u8>> {
        let fields = match resolve(pattern, self.version, &self.inbox.bindings) {
            Ok(fields) => fields,
            Err(error) => return self.fail(error.at, error.to_string()),
        };
        let encoded = fields.with_packet(self.version, |packet| encode(packet, self.version));
        match (encoded, &pattern.bytes) {
            (Err(error), _) => self.fail(at, error.to_string()),
            (Ok(Err(why)), _) => self.fail(at, why),
            (Ok(Ok(bytes)), Some(wanted)) if bytes != *wanted => self.fail(
                at,
                format!("encoded as {}, expected {}", hex(&bytes), hex(wanted)),
            ),
            (Ok(Ok(bytes)), _) => Ok(bytes),
        }
    }

    /// Sees to it that there is a link to send on. A CONNECT opens a new one if the old one is over.
    fn open(&mut self, at: Position, conn: usize, is_connect: bool) -> Played {
        let came = |player: &Self| {
            let mut unread = player.inbox.unread(conn, Direction::ToClient).iter();
            unread.any(|arrival| matches!(arrival.what, What::End))
        };
        let Link { open, leaving, .. } = self.links[conn];
        if open && is_connect && leaving {
            // The broker closes after DISCONNECT; not to wait for it would be a race between two links.
            let until = self.world.now() + self.world.pace().patience;
            while !came(self) && self.world.now() < until {
                self.wait(at, until)?;
            }
            if let Some(what) = self.left_on(conn) {
                return self.fail(
                    at,
                    format!("{what} came and no line has read it before the next CONNECT"),
                );
            }
            self.cut(conn);
        } else if open && came(self) {
            return self.fail(at, "the stream has ended, and no line says so");
        }
        if !self.links[conn].open {
            if let Err(why) = self.world.open(conn) {
                return self.fail(at, why);
            }
            self.links[conn] = Link {
                open: true,
                ..Link::default()
            };
        }
        Ok(())
    }

    /// The runner ends the stream.
    fn close(&mut self, at: Position, conn: usize) -> Played {
        if !self.links[conn].open && self.world.sends() == Some(Direction::ToServer) {
            return self.fail(at, "there is no connection to close");
        }
        if let Some(what) = self.left_on(conn) {
            return self.fail(
                at,
                format!("{what} came and no line has read it before the stream was closed"),
            );
        }
        self.cut(conn);
        self.pass(at, self.world.pace().pause)
    }
}
