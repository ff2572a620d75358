//! A client with its end of a link.

use core::time::Duration;

use mqtt_proto::Version;
use mqtt_session::storage::Heap;
use mqtt_session::{Body, Client, Event, Instant};

use super::{calls, events};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::world::Refusal;
use crate::target::setup::NewClient;
use crate::trace::ast::{Command, Direction};

#[derive(Debug)]
pub(in crate::target) struct ClientSide {
    client: Client<Heap>,
    rx: Vec<u8>,
    link: bool,
    /// The end was told: when everything is written the client closes the link.
    closed: bool,
}

/// What a client has written, and what became of its link then.
#[derive(Debug)]
pub(in crate::target) struct Sent {
    pub(in crate::target) bytes: Vec<u8>,
    pub(in crate::target) ending: Option<Ending>,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::target) enum Ending {
    /// The trace cuts it.
    Cut,
    /// The client closed it.
    Closed,
}

impl ClientSide {
    pub(in crate::target) fn new(new: NewClient) -> Self {
        Self {
            client: Client::new(new.config, Heap::with_limits(new.limits)),
            rx: Vec::new(),
            link: false,
            closed: false,
        }
    }

    pub(in crate::target) fn has_link(&self) -> bool {
        self.link
    }

    pub(in crate::target) fn receive(&mut self, bytes: &[u8]) {
        self.rx.extend_from_slice(bytes);
    }

    /// The link is gone.
    pub(in crate::target) fn lose(&mut self, now: Instant) {
        if core::mem::take(&mut self.link) {
            self.rx.clear();
            self.client.handle_disconnect(now);
        }
    }

    pub(in crate::target) fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(in crate::target) fn call(
        &mut self,
        now: Instant,
        version: Version,
        call: &Call,
    ) -> Result<Option<Val>, Refusal> {
        let given = calls::call(&mut self.client, now, version, call)?;
        if call.command == Command::Connect {
            (self.link, self.closed) = (true, false);
        }
        Ok(given)
    }

    /// Takes what was received and the time, tells the events, and writes what there is to write.
    pub(in crate::target) fn pump(
        &mut self,
        now: Instant,
        at: Duration,
        conn: usize,
        inbox: &mut Inbox<'_>,
    ) -> Sent {
        let mut sent = Sent {
            bytes: Vec::new(),
            ending: None,
        };
        loop {
            self.tell_events(now, at, conn, inbox);
            let before = sent.bytes.len();
            while let Some(transmit) = self.client.poll_transmit().filter(|_| self.link) {
                let mut packet = transmit.head.to_vec();
                if let Body::Bytes(body) = transmit.body {
                    packet.extend_from_slice(body);
                }
                if let Some(n) = inbox.cut_after(conn, Direction::ToServer, &packet) {
                    self.client.handle_written(now, n);
                    inbox.cut_packet(at, conn, Direction::ToServer, &packet, n);
                    sent.bytes.extend_from_slice(&packet[..n]);
                    sent.ending = Some(Ending::Cut);
                    self.lose(now);
                    self.tell_events(now, at, conn, inbox);
                    return sent;
                }
                self.client.handle_written(now, packet.len());
                inbox.bytes(at, conn, Direction::ToServer, &packet);
                sent.bytes.extend_from_slice(&packet);
            }
            if sent.bytes.len() == before {
                break;
            }
        }
        if self.link && self.closed {
            inbox.end(at, conn, Direction::ToServer);
            sent.ending = Some(Ending::Closed);
            self.lose(now);
            self.tell_events(now, at, conn, inbox);
        }
        sent
    }

    fn tell_events(&mut self, now: Instant, at: Duration, conn: usize, inbox: &mut Inbox<'_>) {
        loop {
            let handled = self.client.handle_input(now, &self.rx);
            let (consumed, event) = (handled.consumed, handled.event);
            let is_none = event.is_none();
            if let Some(event) = event {
                self.closed |= matches!(event, Event::Closed(_));
                inbox.event(at, conn, events::happened(self.client.resolve(event)));
            }
            self.rx.drain(..consumed);
            if is_none {
                return;
            }
        }
    }
}
