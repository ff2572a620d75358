//! One connection of a server: bytes to requests, replies to bytes.
//!
//! - `input`: where a packet ends, what it asks; PINGREQ is answered here and never waits.
//! - `output`: replies as packets of the client's version.
//! - `remarks`: what they say beside what they have to.
//! - `naming`: topic aliases, both ways.

mod input;
mod naming;
mod output;
mod remarks;

use alloc::boxed::Box;
use core::time::Duration;

use mqtt_proto::Version;

use super::{Offer, Request};
use crate::{Instant, flow::rules};
use naming::ConnAliases;
use output::Unsent;

/// A connection of a server, for its bytes: framing, version, keep-alive, encoding.
///
/// It knows no other client, and may live on any thread: [`handle_input`](Self::handle_input) gives [`Request`]s for the
/// broker, [`handle_reply`](Self::handle_reply) takes its replies. While nothing is on its way it owns no memory.
#[derive(Clone, Debug)]
pub struct ServerConn {
    phase: Phase,
    version: Version,
    /// PINGREQs that are not answered yet.
    pings: u8,
    /// Keep Alive in seconds; 0 for none.
    keep_alive: u16,
    /// The largest packet that is taken.
    max_packet: u32,
    /// The largest packet that the client takes.
    client_max_packet: u32,
    /// The highest topic alias that is taken.
    max_alias: u16,
    /// How many topic aliases are given of our own accord, at most.
    max_given: u16,
    /// The broker has ended the connection; nothing is taken any more.
    over: bool,
    /// It was over for too long.
    late: bool,
    /// Problems are explained in CONNACK and DISCONNECT alone (`5/MQTT-3.1.2-29`).
    quiet: bool,
    /// When the last whole packet came; before CONNECT, when the connection was opened; in the end, when that began.
    heard: Instant,
    /// How long CONNECT, and the last bytes, may take; in milliseconds.
    patience: u32,
    unsent: Option<Box<Unsent>>,
    /// Of clients that use aliases, or may be sent some.
    aliases: Option<Box<ConnAliases>>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet, or not enough to know the version.
    Fresh,
    /// The CONNECT told a version in which it can be answered.
    Answerable,
    /// The same, and it named an Authentication Method.
    Authenticating,
    /// CONNACK was sent.
    Open,
    /// Nothing is taken, and nothing sent but what is on its way.
    Closing,
}

/// What came of received bytes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Heard<'b> {
    /// How many bytes are done with; give the others again, with what follows them.
    pub consumed: usize,
    /// What the client asks. `None`: more bytes are needed, or there is no room for another answer.
    pub request: Option<Request<'b>>,
}

/// Answers to PINGREQ that may wait.
const PINGS_MAX: u8 = 64;

impl ServerConn {
    /// A connection that was opened now, through the listener of this offer.
    pub fn new(now: Instant, offer: &Offer) -> Self {
        Self {
            phase: Phase::Fresh,
            version: Version::V311,
            pings: 0,
            keep_alive: 0,
            max_packet: offer.max_packet_size,
            client_max_packet: u32::MAX,
            max_alias: offer.topic_alias_maximum,
            max_given: offer.topic_aliases_to_client,
            over: false,
            late: false,
            quiet: false,
            heard: now,
            // 3.1/3.1-23
            patience: u32::try_from(offer.connect_timeout.as_millis()).unwrap_or(u32::MAX),
            unsent: None,
            aliases: None,
        }
    }

    /// The version that the client speaks; a guess before its CONNECT.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// False while answers to pings must be written before more is read, and when the connection is over.
    pub const fn wants_input(&self) -> bool {
        !self.over && self.pings < PINGS_MAX
    }

    /// PINGREQs that came and are not answered yet.
    pub const fn pings_waiting(&self) -> u8 {
        self.pings
    }

    /// Nothing is taken and nothing is left to write: close the transport.
    pub const fn wants_close(&self) -> bool {
        matches!(self.phase, Phase::Closing) && self.unsent.is_none()
    }

    /// The time for the last bytes has passed: close the transport, whatever it has not taken.
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// The broker has ended this connection ([`Broker::is_over`](super::Broker::is_over)): what is owed may still be
    /// written for as long as a CONNECT may take. Without this, a client that takes no bytes is never found out.
    pub fn handle_over(&mut self, now: Instant) {
        if !self.over {
            self.over = true;
            self.heard = self.heard.max(now);
        }
    }

    /// Until now the client was kept from being heard: its silence was not its fault.
    pub fn handle_resumed(&mut self, now: Instant) {
        if !self.over {
            self.heard = self.heard.max(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            _ if self.over => (!self.late).then(|| self.heard + Duration::from_millis(self.patience.into())),
            Phase::Fresh | Phase::Answerable | Phase::Authenticating => {
                Some(self.heard + Duration::from_millis(self.patience.into()))
            }
            Phase::Open if self.keep_alive == 0 => None,
            // 5/MQTT-3.1.2-22, 3.1.1/MQTT-3.1.2-24, 3.1/3.1-20: one and a half times the Keep Alive.
            Phase::Open => Some(self.heard + Duration::from_millis(u64::from(self.keep_alive) * 1_500)),
            Phase::Closing => None,
        }
    }

    /// The time may have come; gives what the broker is to be told. `reading` is false if the client was kept from being
    /// heard: its silence is not its fault.
    pub fn handle_timeout(&mut self, now: Instant, reading: bool) -> Option<Request<'static>> {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return None;
        }
        match self.phase {
            _ if self.over => {
                self.late = true;
                self.unsent = None;
                self.close(now);
                None
            }
            Phase::Answerable | Phase::Authenticating | Phase::Open if !reading => {
                self.heard = now;
                None
            }
            Phase::Fresh => Some(Request::NoConnect),
            Phase::Answerable | Phase::Authenticating => {
                // The broker knows whether it is the client that is late, or its CONNACK that waits for a store.
                self.heard = now;
                Some(Request::NoConnect)
            }
            Phase::Open => Some(Request::Violation(rules::KEEP_ALIVE.broken(self.version))),
            Phase::Closing => None,
        }
    }
}
