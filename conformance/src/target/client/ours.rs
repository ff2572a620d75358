//! Our client on the heap.

use core::time::Duration;

use mqtt_proto::Version;
use mqtt_session::storage::Heap;
use mqtt_session::{Body, Client, Event};

use super::{ClientUnderTest, calls, events};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Happened;
use crate::play::world::Refusal;
use crate::target::setup;
use crate::target::time::instant;
use crate::target::wanted::Wanted;

/// [`mqtt_session::Client`] with the bytes that it has not taken yet.
#[derive(Debug)]
pub(in crate::target) struct OurClient {
    client: Client<Heap>,
    version: Version,
    rx: Vec<u8>,
    /// The end was told: when everything is written the client closes the link.
    closed: bool,
}

impl OurClient {
    /// As the trace wants it.
    pub(in crate::target) fn wanted(wanted: &Wanted<'_>) -> Result<Self, String> {
        Ok(Self::new(setup::client(wanted.trace())?, wanted.version()))
    }

    /// As it is without settings. Those of a pair are for the server.
    pub(in crate::target) fn plain(wanted: &Wanted<'_>) -> Result<Self, String> {
        Ok(Self::new(setup::NewClient::default(), wanted.version()))
    }

    fn new(new: setup::NewClient, version: Version) -> Self {
        Self {
            client: Client::new(new.config, Heap::with_limits(new.limits)),
            version,
            rx: Vec::new(),
            closed: false,
        }
    }
}

impl ClientUnderTest for OurClient {
    fn call(&mut self, now: Duration, call: &Call) -> Result<Option<Val>, Refusal> {
        let given = calls::call(&mut self.client, instant(now), self.version, call)?;
        if call.packet_type() == mqtt_proto::PacketType::Connect {
            self.closed = false;
        }
        Ok(given)
    }

    fn handle_input(&mut self, _: Duration, bytes: &[u8]) {
        self.rx.extend_from_slice(bytes);
    }

    fn handle_disconnect(&mut self, now: Duration) {
        self.rx.clear();
        self.client.handle_disconnect(instant(now));
    }

    fn poll_event(&mut self, now: Duration) -> Option<Happened> {
        let handled = self.client.handle_input(instant(now), &self.rx);
        let consumed = handled.consumed;
        let event = handled.event.map(|event| {
            self.closed |= matches!(event, Event::Closed(_));
            events::happened(self.client.resolve(event))
        });
        self.rx.drain(..consumed);
        event
    }

    fn poll_transmit(&mut self, _: Duration) -> Option<Vec<u8>> {
        let transmit = self.client.poll_transmit()?;
        let mut packet = transmit.head.to_vec();
        if let Body::Bytes(body) = transmit.body {
            packet.extend_from_slice(body);
        }
        Some(packet)
    }

    fn handle_written(&mut self, now: Duration, n: usize) {
        self.client.handle_written(instant(now), n);
    }

    fn wants_close(&self) -> bool {
        self.closed
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.client.poll_timeout().map(crate::target::time::since_start)
    }
}
