//! The client: a deterministic session.
//!
//! # The loop
//!
//! ```text
//! loop {
//!     handle_input(now, received bytes)      until it gives no event; drop what was consumed
//!     write poll_transmit(), say handle_written(now, n)
//!     read if wants_input(); wait at most until poll_timeout()
//! }
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `config` | what the caller decides |
//! | `event` | what the caller is told |
//! | `link` | one connection: what was agreed with the server, and how it ends |
//! | `connect` | CONNECT, CONNACK, DISCONNECT, sessions that are resumed or lost |
//! | `input` | bytes in: frames, time, one event a call |
//! | `arrivals` | PUBLISH and PUBREL in, acknowledging |
//! | `answers` | PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, PINGRESP in |
//! | `publish`, `requests` | commands |
//! | `block` | what is kept of a message, and where in its bytes |
//! | `room`, `ends` | what a full outbox gives away |
//! | `expiry` | messages that wait too long |
//! | `resend` | sending again on the same connection (3.x) |
//! | `inspect` | what is in the outbox, and taking it back |
//! | `alias` | topic aliases, in and out |
//! | [`authenticate`] | enhanced authentication, with an example |
//! | `owed` | answers to packets that have no message here |
//! | `counters` | what has been done, in numbers |
//! | `choose`, `turns` | which packet comes next |
//! | `output` | bytes out, and what their being written means |
//! | `shutdown` | ending when everything is done, or at once |
//! | `stream` | messages that are larger than the receive buffer |
//! | `timing` | deadlines |
//! | `journal` | records, and what waits for them |
//! | `restore`, `places` | a client from records |
//! | `owned` | events with bytes of their own |

mod alias;
mod answers;
mod arrivals;
pub mod authenticate;
mod block;
mod choose;
#[cfg(test)]
mod composition;
mod config;
mod connect;
mod counters;
mod ends;
mod event;
mod expiry;
mod input;
mod inspect;
mod journal;
mod link;
mod output;
mod owed;
#[cfg(feature = "bytes")]
mod owned;
mod places;
mod publish;
mod requests;
mod resend;
mod restore;
mod room;
mod shutdown;
mod stream;
mod timing;
mod turns;

pub use arrivals::Ack;
pub use authenticate::Authenticate;
pub use config::{Acknowledge, Config, Offline, OnSessionLost, Oversize, UnknownSession, WhenFull};
pub use counters::{Counters, RoundTrips};
pub use event::{
    AbortReason, Broken, Closed, ClosedBy, Connected, Event, Found, Message, MessageStart, Outcome,
};
pub use input::Handled;
pub use inspect::{OutboxMessage, OutboxMessages, OutboxStage, OutboxState};
#[cfg(feature = "bytes")]
pub use owned::{
    OwnedAuthenticate, OwnedClosed, OwnedConnected, OwnedEvent, OwnedMessage, OwnedMessageStart,
    OwnedOutcome, OwnedProperties, Unresolved,
};
pub use publish::Publish;
pub use restore::{RestoreError, Restoring};

/// What [`Client::connect`] is told: the CONNECT packet itself. Borrowed at each connect and never kept.
pub type ConnectOptions<'a> = mqtt_proto::packet::Connect<'a>;

use mqtt_proto::PacketId;

use crate::{
    Instant, Token,
    storage::{End, Kind, List, NONE, Nodes, Slot, Stage, Storage},
};
use arrivals::{Arrivals, Rows};
use config::Settings;
use ends::Ends;
use journal::Journal;
use link::{Connection, Link};
use output::{Loss, Losses, Output};
use stream::Stream;

/// An MQTT client of any version, without IO. See the [module](self) for its loop.
///
/// Everything it keeps lies in `storage`; receive buffers, sockets and the clock are the caller's.
#[derive(Clone, Debug)]
pub struct Client<S: Storage> {
    config: Settings,
    storage: S,
    /// The latest time that was told.
    now: Instant,
    connection: Option<Connection>,
    session: Session,
    outbox: Outbox,
    arrivals: Arrivals,
    /// The message that is arriving in pieces.
    stream: Option<Stream>,
    output: Output,
    journal: Journal,
    next_token: Token,
    last_id: Option<PacketId>,
}

/// What is known of the session with the server.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    /// The server may have one of ours: a CONNECT that asked for it to be kept has begun to leave.
    exists: bool,
    /// What is kept here does not belong to it: a CONNECT that asked for another one has begun to leave since, and its
    /// CONNACK never came.
    outdated: bool,
    /// Whose it is: the fingerprint of the client id, which journals know too. Two ids in four thousand million have the same.
    client: u32,
}

/// The operations, in order.
#[derive(Copy, Clone, Debug)]
struct Outbox {
    free: List,
    /// QoS 0 publishes.
    plain: List,
    /// QoS 1 and 2 publishes up to PUBREC, oldest first: sent ones, then those from `next_message` on.
    messages: List,
    next_message: u16,
    /// With a journal: the first of them that has no place in this link's window, and perhaps no packet id.
    unprepared: u16,
    /// QoS 2 publishes from PUBREC on, in the order of their PUBRECs.
    releases: List,
    next_release: u16,
    /// SUBSCRIBE and UNSUBSCRIBE.
    requests: List,
    next_request: u16,
    /// Operations whose last event is owed.
    ended: List,
    /// And those before them, whose slots were needed.
    ends: Ends,
    /// Before then, no message that waits is overdue.
    look_at: Instant,
    /// What this link's server was told of aliases, oldest first.
    bindings: List,
}

impl Outbox {
    const EMPTY: Self = Self {
        free: List::EMPTY,
        plain: List::EMPTY,
        messages: List::EMPTY,
        next_message: NONE,
        unprepared: NONE,
        releases: List::EMPTY,
        next_release: NONE,
        requests: List::EMPTY,
        next_request: NONE,
        ended: List::EMPTY,
        ends: Ends::EMPTY,
        look_at: Instant::MAX,
        bindings: List::EMPTY,
    };
}

/// The slots of a storage as nodes of lists.
struct Slots<'a, S>(&'a mut S);

impl<S: Storage> Nodes for Slots<'_, S> {
    fn links(&self, index: u16) -> crate::storage::Links {
        self.0.slot(index).links
    }
    fn links_mut(&mut self, index: u16) -> &mut crate::storage::Links {
        &mut self.0.slot_mut(index).links
    }
}

impl<S: Storage> Client<S> {
    /// A client that has never been connected.
    pub fn new(config: Config, storage: S) -> Self {
        let mut client = Self {
            config: config.into(),
            storage,
            now: Instant::ZERO,
            connection: None,
            session: Session::default(),
            outbox: Outbox::EMPTY,
            arrivals: Arrivals::EMPTY,
            stream: None,
            output: Output::EMPTY,
            journal: Journal::EMPTY,
            next_token: Token::FIRST,
            last_id: None,
        };
        for index in 1..=client.storage.slots() {
            client
                .outbox
                .free
                .push_back(&mut Slots(&mut client.storage), index);
        }
        client.free_all_arrivals();
        client
    }

    /// What the client was made with.
    pub fn config(&self) -> Config {
        self.config.into()
    }

    /// The memory it was made with.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// What has been done so far. None if the storage does not count: `Heap` does, and [`Fixed`](crate::storage::Fixed) and
    /// [`Borrowed`](crate::storage::Borrowed) do if they were made so.
    pub fn counters(&self) -> Option<&Counters> {
        self.storage.counters()
    }

    /// Counts, if the storage does.
    fn count(&mut self, change: impl FnOnce(&mut Counters)) {
        if let Some(counters) = self.storage.counters_mut() {
            change(counters);
        }
    }

    /// CONNACK has come, and nothing has ended the connection since.
    pub const fn is_connected(&self) -> bool {
        matches!(self.link(), Link::Connected)
    }

    /// Nothing is under way: no operation waits for its end, nothing is to be written or told, and what is to be recorded
    /// is persisted.
    pub fn is_idle(&mut self) -> bool {
        let outbox = &self.outbox;
        [
            outbox.plain,
            outbox.messages,
            outbox.releases,
            outbox.requests,
            outbox.ended,
        ]
        .iter()
        .all(|l| l.is_empty())
            && !self.reauthenticates()
            && !self.has_event()
            && self.is_journal_settled()
            && !self.has_output()
    }

    fn advance(&mut self, now: Instant) {
        // Time that goes back is clamped: a deadline that has passed stays passed.
        self.now = self.now.max(now);
    }

    fn take_token(&mut self) -> Token {
        let token = self.next_token;
        self.next_token = token.next();
        token
    }

    /// A free slot, not yet in use: it goes back by itself as long as `occupy` was not called.
    fn free_slot(&mut self) -> Option<u16> {
        if self.outbox.free.is_empty() && self.storage.grow_slots() {
            let index = self.storage.slots();
            self.outbox.free.push_back(&mut Slots(&mut self.storage), index);
        }
        self.shelve_ends();
        if self.outbox.free.is_empty() {
            self.drop_binding();
        }
        let first = self.outbox.free.first();
        (first != NONE).then_some(first)
    }

    /// If no slot is free, takes one from an operation that has ended and whose event is owed: that is kept elsewhere, as
    /// long as there is room for it.
    fn shelve_ends(&mut self) {
        while self.outbox.free.is_empty() {
            let index = self.outbox.ended.first();
            if index == NONE {
                return;
            }
            let slot = self.storage.slot(index);
            let Stage::Ended(end) = slot.stage else { return };
            // What a journal is still to be told keeps its slot all the same.
            if slot.trail.is_kept() {
                return;
            }
            if !self.outbox.ends.push(slot.token, end) {
                return;
            }
            self.outbox.ended.remove(&mut Slots(&mut self.storage), index);
            self.forget_ended(index);
        }
    }

    /// Takes a slot from the free ones, fills it and puts it at the end of a list.
    fn occupy(&mut self, index: u16, list: fn(&mut Outbox) -> &mut List) {
        self.outbox.free.remove(&mut Slots(&mut self.storage), index);
        list(&mut self.outbox).push_back(&mut Slots(&mut self.storage), index);
    }

    fn unlink(&mut self, index: u16, list: fn(&mut Outbox) -> &mut List) {
        list(&mut self.outbox).remove(&mut Slots(&mut self.storage), index);
    }

    /// Frees a slot that is on no list.
    fn free(&mut self, index: u16) {
        self.storage.release(index);
        self.storage.set_id(index, None);
        let slot = self.storage.slot_mut(index);
        if slot.trail.is_owed() {
            // It stands in the queue of records, and has nothing to say there any more.
            (slot.kind, slot.stage, slot.trail) = (Kind::Over, Stage::Queued, slot.trail.cleared());
            return;
        }
        *slot = Slot::EMPTY;
        self.outbox.free.push_back(&mut Slots(&mut self.storage), index);
    }

    /// Ends an operation, whose slot is on no list, with an event to come.
    fn end(&mut self, index: u16, end: End) {
        self.storage.release(index);
        self.give_window_back(index);
        let slot = self.storage.slot_mut(index);
        slot.stage = Stage::Ended(end);
        let recorded = slot.trail.is_recorded();
        self.outbox.ended.push_back(&mut Slots(&mut self.storage), index);
        if recorded {
            self.note_slot(index);
        }
    }

    /// The next event that input does not bring: ends of operations, then the end of the connection.
    fn owed_event(&mut self) -> Option<Event<'static>> {
        if self.output.lost.take(Loss::Message) {
            return Some(Event::MessageEnd(Err(Broken)));
        }
        if let Some((token, end)) = self.outbox.ends.pop().or_else(|| self.pop_ended()) {
            return Some(match end {
                End::Aborted(why) => self.aborted(token, why),
                End::Written => Event::Completed {
                    token,
                    outcome: Outcome::Written,
                },
            });
        }
        if self.output.lost.take(Loss::Ping) {
            if let Some(token) = self.output.ping.take() {
                return Some(self.aborted(token, AbortReason::ConnectionLost));
            }
        }
        if let Some(token) = self.take_aborted_auth() {
            return Some(self.aborted(token, AbortReason::ConnectionLost));
        }
        let ending = self.output.closed.take()?;
        Some(Event::Closed(ending.closed()))
    }

    fn aborted(&mut self, token: Token, why: AbortReason) -> Event<'static> {
        self.count(|counters| counters.abort(why));
        Event::Aborted { token, why }
    }

    fn pop_ended(&mut self) -> Option<(Token, End)> {
        let index = self.outbox.ended.pop_front(&mut Slots(&mut self.storage))?;
        let slot = self.storage.slot(index);
        let (token, stage) = (slot.token, slot.stage);
        self.forget_ended(index);
        match stage {
            Stage::Ended(end) => Some((token, end)),
            Stage::Queued | Stage::Requested | Stage::Flow { .. } => None,
        }
    }

    /// The end of the operation in this slot, which is on no list, is told or kept elsewhere.
    fn forget_ended(&mut self, index: u16) {
        let slot = self.storage.slot_mut(index);
        if slot.id.is_some() && slot.kind == Kind::Retired {
            // Its id stays out of use until the session ends.
            slot.stage = Stage::Queued;
            self.note_slot(index);
        } else {
            self.conclude(index);
        }
    }

    fn has_event(&self) -> bool {
        self.output.lost != Losses::NONE
            || !self.outbox.ends.is_empty()
            || !self.outbox.ended.is_empty()
            || self.output.closed.is_some()
    }
}
