//! Packets on one line: `PUBLISH topic="a/b" qos=1 id=10 message_expiry_interval=60 payload="hi"`.
//!
//! This is the notation of packet traces. What a log shows can be pasted into a trace, and parsing it gives the packet back.
//! It names no version: a packet prints the same for all.
//!
//! Fields stand as in the table, after them the properties in their order, each by [`PropertyId::name`], repeated as often
//! as it stands in the packet; the payload is last. Fields marked `?` are printed only if they differ from the default.
//!
//! | packet | fields |
//! | --- | --- |
//! | CONNECT | `client_id="…"` `clean_start=0\|1` (3.x: Clean Session) `keep_alive=n` `user_name="…"`? `password="…"`? `will={…}`? |
//! | will | `topic="…"` `qos=n`? `retain=1`? will properties `payload="…"`? |
//! | CONNACK | `session_present=0\|1` `code=n` |
//! | PUBLISH | `topic="…"` (not printed if it is empty, as beside a topic alias) `qos=n`? `dup=1`? `retain=1`? `id=n`? properties `payload="…"`? |
//! | PUBACK, PUBREC, PUBREL, PUBCOMP | `id=n` `code=n`? |
//! | SUBSCRIBE | `id=n` `filters=[{"a/+" qos=n no_local=1? retain_as_published=1? retain_handling=n?} …]` |
//! | SUBACK | `id=n` `codes=[n …]` |
//! | UNSUBSCRIBE | `id=n` `filters=["a/+" …]` |
//! | UNSUBACK | `id=n` `codes=[n …]`? |
//! | PINGREQ, PINGRESP | none |
//! | DISCONNECT, AUTH | `code=n`? |
//!
//! - Defaults: numbers and flags 0, text and bytes empty, lists empty, the rest not there.
//! - Numbers are decimal; reason codes from 10 on are in hex, `0x87`, as everybody knows them. In 3.x too a code is the
//!   reason code that means the same.
//! - Text stands in quotes, with `\"`, `\\`, `\n`, `\t` and `\u{…}` for what would not be seen, or break the line.
//! - Bytes stand as text if they are UTF-8, else as `x"00ff"`; 32 and more of the same byte as `"x"*300`.
//! - A user property is a pair: `user_property=("name" "value")`.
//! - Passwords and authentication data print as `***`, which no parser of the notation takes. [`Packet::with_secrets`]
//!   prints them.
//! - The alternate form, `{:#}`, ends with what the codes mean, as a comment: `# Not authorized`; for CONNECT with the
//!   version.
//!
//! ```
//! use mqtt_proto::packet::{Ack, Packet};
//! use mqtt_proto::{PacketId, ReasonCode};
//!
//! let packet = Packet::PubAck(Ack::new(PacketId::MIN, ReasonCode::NOT_AUTHORIZED));
//! assert_eq!(packet.to_string(), "PUBACK id=1 code=0x87");
//! assert_eq!(format!("{packet:#}"), "PUBACK id=1 code=0x87 # Not authorized");
//! ```

mod line;
mod text;

use core::fmt::{self, Display, Formatter};

use crate::packet::{
    Auth, ConnAck, Connect, Disconnect, Packet, Publish, PublishHead, SubAck, Subscribe, Subscription,
    UnsubAck, Unsubscribe, Will,
};
#[cfg(doc)]
use crate::property::PropertyId;
use crate::property::{Properties, Property};
use line::Line;

pub use text::{Data, Text};

impl<'a> Packet<'a> {
    /// Prints the packet with its passwords and authentication data.
    #[must_use]
    pub const fn with_secrets(&self) -> WithSecrets<'a> {
        WithSecrets(*self)
    }
}

/// A packet that prints its secrets: see [`Packet::with_secrets`].
#[derive(Clone, Copy)]
pub struct WithSecrets<'a>(Packet<'a>);

impl Display for WithSecrets<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::new(f, true).packet(&self.0)
    }
}

impl fmt::Debug for WithSecrets<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// One line in the [notation](crate::notation), secrets masked.
impl Display for Packet<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::new(f, false).packet(self)
    }
}

/// `PUBLISH topic="a/b" ..`: as the packet prints, without its payload.
impl Display for PublishHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("PUBLISH")?;
        Line::new(f, false).publish_head(self)
    }
}

/// `{"a/b" qos=1}`
impl Display for Subscription<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::new(f, false).subscription(self)
    }
}

/// `{topic="a/b" qos=1 payload="gone"}`
impl Display for Will<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::new(f, false).will(self)
    }
}

/// `message_expiry_interval=60`
impl Display for Property<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::inside(f, false).property(self)
    }
}

/// The properties in order, with blanks between them.
impl Display for Properties<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Line::inside(f, false).properties(self)
    }
}

macro_rules! as_packet {
    ($($body:ident => $packet:ident),* $(,)?) => {$(
        /// As the packet prints.
        impl Display for $body<'_> {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                Packet::$packet(*self).fmt(f)
            }
        }
    )*};
}

as_packet! {
    Connect => Connect,
    ConnAck => ConnAck,
    Publish => Publish,
    Subscribe => Subscribe,
    SubAck => SubAck,
    Unsubscribe => Unsubscribe,
    UnsubAck => UnsubAck,
    Disconnect => Disconnect,
    Auth => Auth,
}

#[cfg(test)]
mod tests;
