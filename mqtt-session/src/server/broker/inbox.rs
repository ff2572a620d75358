//! Packets of one connection that wait for a decision, encoded: what is in question first, then what followed it.

use alloc::{boxed::Box, vec::Vec};

use mqtt_proto::{Frame, Packet, Version, frame_len};

use super::authenticate::Authentication;
use crate::server::question::Ticket;

/// What few connections have at any moment: a question, what waits behind it, an authentication method.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    /// The open question. It is about the first packet.
    pub(super) question: Option<Ticket>,
    /// There while the connection is, if CONNECT named a method.
    pub(super) authentication: Option<Box<Authentication>>,
    pub(super) frames: Frames,
    /// DISCONNECT waits: the client has gone in order, and what it says behind that means nothing.
    pub(super) ends: bool,
    /// The transport is gone, too: what is before that DISCONNECT is still to be decided.
    pub(super) gone: bool,
}

/// Memory that is kept for the next inbox.
const SPARE_BYTES: usize = 4 * 1024;

impl Inbox {
    /// Puts a packet behind the others; false if no packet can be written so.
    pub(super) fn hold(&mut self, version: Version, packet: &Packet<'_>) -> bool {
        self.ends |= matches!(packet, Packet::Disconnect(_));
        self.frames.push(version, packet)
    }

    /// Bytes behind the packet in question.
    pub(super) fn waiting(&self) -> usize {
        self.frames.len() - self.frames.first().map_or(0, <[u8]>::len)
    }

    /// Nothing is in it.
    pub(super) fn is_idle(&self) -> bool {
        self.question.is_none() && self.authentication.is_none() && self.frames.len() == 0
    }

    /// Empty, for another connection, with a little of its memory.
    pub(super) fn recycled(mut self: Box<Self>) -> Box<Self> {
        let mut frames = core::mem::take(&mut self.frames);
        frames.clear();
        *self = Self {
            frames,
            ..Self::default()
        };
        self
    }
}

/// Packets as bytes, in a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where the first one begins.
    at: usize,
}

impl Frames {
    fn push(&mut self, version: Version, packet: &Packet<'_>) -> bool {
        if self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        let from = self.bytes.len();
        let Ok(len) = packet.encoded_len(version) else {
            return false;
        };
        self.bytes.resize(from.saturating_add(len), 0);
        let room = self.bytes.get_mut(from..).unwrap_or_default();
        let is_written = packet.encode(version, room).is_ok();
        if !is_written {
            self.bytes.truncate(from);
        }
        is_written
    }

    /// The first packet.
    pub(super) fn first(&self) -> Option<&[u8]> {
        let waiting = self.bytes.get(self.at..)?;
        match frame_len(waiting, u32::MAX) {
            Ok(Frame::Len(len)) => waiting.get(..len),
            Ok(Frame::Need(_)) | Err(_) => None,
        }
    }

    /// The first packet is done.
    pub(super) fn advance(&mut self) {
        let len = self.first().map_or(self.len(), <[u8]>::len);
        self.at += len;
        if self.at >= self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
    }

    /// Bytes of all packets.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(SPARE_BYTES);
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{
        Properties, QoS, TopicName,
        packet::{Publish, PublishHead},
    };
    use std::{format, string::String, vec::Vec};

    use super::*;

    #[test]
    fn packets_come_out_as_and_in_the_order_they_went_in_whenever_they_are_taken() {
        for taken_after in 1..5_usize {
            let mut inbox = Inbox::default();
            let (mut given, mut got): (Vec<String>, Vec<String>) = Default::default();
            for n in 0..200_usize {
                let payload = format!("{n}");
                let head = PublishHead {
                    dup: false,
                    qos: QoS::AtMostOnce,
                    retain: false,
                    topic: TopicName::new("t").unwrap(),
                    packet_id: None,
                    properties: Properties::EMPTY,
                };
                let packet = Packet::Publish(Publish {
                    head,
                    payload: payload.as_bytes(),
                });
                given.push(format!("{packet}"));
                assert!(inbox.hold(Version::V5, &packet));
                while inbox.frames.len() > 0 && n % taken_after == 0 {
                    let packet = Packet::decode(
                        Version::V5,
                        mqtt_proto::Sender::Client,
                        inbox.frames.first().unwrap(),
                    );
                    got.push(format!("{}", packet.unwrap()));
                    inbox.frames.advance();
                    if got.len() % 3 == 0 {
                        break;
                    }
                }
            }
            while let Some(first) = inbox.frames.first() {
                got.push(format!(
                    "{}",
                    Packet::decode(Version::V5, mqtt_proto::Sender::Client, first).unwrap()
                ));
                inbox.frames.advance();
            }
            assert_eq!(got, given);
            assert!(inbox.is_idle());
            assert!(inbox.frames.bytes.is_empty());
        }
    }
}
