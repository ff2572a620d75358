//! What the parts of one session tell the journal.

use mqtt_proto::PacketId;

use super::{Batch, State};
use crate::{record::broker::Key, server::message::Message};

/// The journal for one session; nothing happens if what that holds is not recorded. Whatever changes a queue, what is in flight or
/// what was received takes one, so that no change can be forgotten.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    state: Option<&'a mut State>,
    session: u64,
}

impl<'a> Log<'a> {
    pub(super) fn new(state: Option<&'a mut State>, session: u64) -> Self {
        Self { state, session }
    }

    /// Nothing is recorded.
    pub(crate) const fn off() -> Self {
        Self {
            state: None,
            session: 0,
        }
    }

    /// The batch of what it was told last.
    pub(crate) fn batch(&mut self) -> Option<Batch> {
        self.state.as_deref_mut().map(State::await_open)
    }

    /// A message waits.
    pub(crate) fn queued(&mut self, place: u64, message: &Message) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.hold(message);
            state.created(Key::Waiting { session, place });
        }
    }

    /// It does not wait any more.
    pub(crate) fn unqueued(&mut self, place: u64, message: &Message) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.let_go(message);
            state.gone(Key::Waiting { session, place });
        }
    }

    /// A message has got a packet id.
    pub(crate) fn begun(&mut self, order: u64, message: Option<&Message>) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            if let Some(message) = message {
                state.hold(message);
            }
            state.created(Key::InFlight { session, order });
        }
    }

    /// It is the receiver's, and only its id is left; `message` if that was not so before.
    pub(crate) fn released(&mut self, order: u64, message: Option<&Message>) {
        let session = self.session;
        if let (Some(state), Some(message)) = (&mut self.state, message) {
            state.let_go(message);
            state.changed(Key::InFlight { session, order });
        }
    }

    /// Its exchange has ended.
    pub(crate) fn ended(&mut self, order: u64, message: Option<&Message>) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            if let Some(message) = message {
                state.let_go(message);
            }
            state.gone(Key::InFlight { session, order });
        }
    }

    /// A message of QoS 2 came under this id.
    pub(crate) fn received(&mut self, id: PacketId) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.created(Key::Received { session, id });
        }
    }

    /// The id is free again.
    pub(crate) fn completed(&mut self, id: PacketId) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.gone(Key::Received { session, id });
        }
    }

    /// A filter was subscribed; `new`: for the first time.
    pub(crate) fn subscribed(&mut self, filter: &str, new: bool) {
        let session = self.session;
        self.put(Key::Subscription { session, filter }, new);
    }

    /// A filter is not subscribed any more.
    pub(crate) fn unsubscribed(&mut self, filter: &str) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.gone(Key::Subscription { session, filter });
        }
    }

    /// Retained messages are to be sent for a filter, or some of them were; `new`: there was nothing to send before.
    pub(crate) fn pulling(&mut self, filter: &str, new: bool) {
        let session = self.session;
        self.put(Key::Pull { session, filter }, new);
    }

    /// All retained messages of a filter were sent, or are not wanted any more.
    pub(crate) fn pulled(&mut self, filter: &str) {
        let session = self.session;
        if let Some(state) = &mut self.state {
            state.gone(Key::Pull { session, filter });
        }
    }

    fn put(&mut self, key: Key<'_>, new: bool) {
        match &mut self.state {
            Some(state) if new => state.created(key),
            Some(state) => state.changed(key),
            None => {}
        }
    }
}
