//! Ending a connection when everything is done, when that takes too long, or at once.

use mqtt_proto::{ReasonCode, packet::Disconnect};

use super::{
    Client,
    link::{Link, Moment},
    output::Ending,
};
use crate::{Instant, Refused, storage::Storage};

impl<S: Storage> Client<S> {
    /// Ends the connection in order as soon as nothing is under way, at the latest at `drain_until`: takes no more
    /// publishes and requests, waits for the answers to those there are, and then disconnects.
    /// [`Closed`](super::Closed) follows. What has not ended by then stays in its slot, for the next connection.
    ///
    /// # Errors
    /// [`Refused::NotConnected`] without a connection, open or being made, and when it is ending already.
    pub fn shutdown(&mut self, now: Instant, drain_until: Instant) -> Result<(), Refused> {
        self.advance(now);
        let connection = self.connection.as_mut().ok_or(Refused::NotConnected)?;
        if !matches!(connection.state, Link::Connecting | Link::Connected) {
            return Err(Refused::NotConnected);
        }
        connection.drain_until = Moment::at(drain_until);
        self.disconnect_if_drained();
        Ok(())
    }

    /// Ends the connection at once: nothing more is written, no DISCONNECT and not the rest of a packet, and nothing more
    /// is taken. To the server the link is lost, so that it publishes the will (`5/MQTT-3.1.2-8`, `3.1.1/MQTT-3.1.2-8`) and keeps
    /// the session as CONNECT said. [`Closed`](super::Closed) follows, with [`Cause::Aborted`](crate::flow::Cause::Aborted) and without a code; then close
    /// the transport.
    ///
    /// Without a connection it does nothing. After [`Closed`](super::Closed) it drops the last words that are left to write.
    pub fn abort(&mut self, now: Instant) {
        self.advance(now);
        match self.link() {
            Link::Idle => {}
            Link::Closed => self.output.wind_up(None),
            Link::Connecting | Link::Connected | Link::Ending | Link::Closing => {
                self.close(None);
                self.output.closed = Some(Ending::Aborted);
            }
        }
    }

    /// Commands that would put something under way are refused from `shutdown` on.
    pub(super) fn check_not_draining(&self) -> Result<(), Refused> {
        match &self.connection {
            Some(connection) if connection.drain_until.is_some() => Err(Refused::ShuttingDown),
            Some(_) | None => Ok(()),
        }
    }

    /// Disconnects if `shutdown` was called and everything has ended since.
    pub(super) fn disconnect_if_drained(&mut self) {
        let outbox = &self.outbox;
        let lists = [outbox.plain, outbox.messages, outbox.releases, outbox.requests];
        if self.check_not_draining().is_err()
            && self.is_connected()
            && lists.iter().all(|list| list.is_empty())
            && !self.reauthenticates()
            // An answer may wait for its record.
            && self.is_journal_settled()
        {
            self.drained();
        }
    }

    pub(super) fn drained(&mut self) {
        let now = self.now;
        // A plain DISCONNECT is right in any version. Before CONNACK there is nothing to disconnect.
        if self
            .disconnect(now, &Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
            .is_err()
        {
            self.disconnected();
        }
    }
}
