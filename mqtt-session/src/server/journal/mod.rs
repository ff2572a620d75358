//! What has changed of a broker's durable state since it was last polled, and how far that is safe.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | [`Journal`]: keys that have changed, messages and who holds them, batches |
//! | `log` | [`Log`]: what one session's parts tell the journal; changing them takes one |
//! | `changes` | [`Changes`]: a batch of encoded entries |
//! | `polling` | the entry that a key has at the moment: for changes and snapshots |
//!
//! A key is noted when what it is about changes; what is written is how things are when they are polled. So what changes twice
//! is written once, and what came and went in between not at all.

mod changes;
mod log;
mod polling;

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

pub use changes::Changes;
pub(crate) use log::Log;

use super::{ConnId, Pool, message::Message, route::SessionKey, session::Session};
use crate::record::{Seq, broker::Key};

/// Names a set of changes that become safe together. Each is the one after the last; 0 is before all.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch(u64);

/// What a session is in the journal: nothing, where nothing is recorded; a number; and whether what it holds is recorded.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Owner {
    /// The session outlives its connection, so what it holds is recorded.
    const STORED: u64 = 1 << 63;
    /// It has an entry.
    const NOTED: u64 = 1 << 62;

    /// A session that is read back.
    pub(super) const fn restored(number: u64) -> Self {
        Self(number | Self::STORED | Self::NOTED)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0 & !(Self::STORED | Self::NOTED)
    }

    /// What it holds is recorded.
    pub(crate) const fn is_stored(self) -> bool {
        self.0 & Self::STORED != 0
    }
}

/// Nothing at all unless [`ServerConfig::durable`](super::ServerConfig::durable).
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Option<Box<State>>);

#[derive(Clone, Debug)]
struct State {
    /// Keys that have changed, and whether the store has an entry of them.
    changed: BTreeMap<Vec<u8>, bool>,
    /// Messages that have entries, and how many hold them.
    messages: BTreeMap<u64, (Message, u32)>,
    sessions: BTreeMap<u64, SessionKey>,
    last_session: u64,
    last_message: u64,
    /// The last batch that was polled, and the last one that is safe.
    polled: Batch,
    persisted: Batch,
    /// The present request has changed something.
    touched: bool,
    /// Something waits for the batch that is not polled yet.
    awaited: bool,
    /// Connections that something is withheld from.
    waiting: Vec<ConnId>,
}

impl Journal {
    pub(crate) fn new(on: bool) -> Self {
        Self(on.then(|| {
            Box::new(State {
                changed: BTreeMap::new(),
                messages: BTreeMap::new(),
                sessions: BTreeMap::new(),
                last_session: 0,
                last_message: 0,
                polled: Batch(0),
                persisted: Batch(0),
                touched: false,
                awaited: false,
                waiting: Vec::new(),
            })
        }))
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    // Sessions.

    /// A session has begun.
    pub(crate) fn begin_session(&mut self, key: SessionKey) -> Owner {
        let Some(state) = self.0.as_deref_mut() else {
            return Owner::default();
        };
        state.last_session += 1;
        state.sessions.insert(state.last_session, key);
        Owner(state.last_session)
    }

    /// What is known of a session has changed; `stored`: what it holds is to outlive its connection. True if that is so from
    /// now on and was not before.
    pub(crate) fn note_session(&mut self, owner: &mut Owner, stored: bool, has_will: bool) -> bool {
        let Some(state) = self.0.as_deref_mut().filter(|_| owner.number() > 0) else {
            return false;
        };
        let begins = stored && !owner.is_stored();
        if stored {
            owner.0 |= Owner::STORED;
        }
        let key = Key::Session(owner.number());
        if owner.0 & Owner::NOTED != 0 {
            state.changed(key);
        } else if owner.is_stored() || has_will {
            owner.0 |= Owner::NOTED;
            state.created(key);
        }
        begins
    }

    /// A session has ended, with all that it holds.
    pub(crate) fn end_session(&mut self, session: &Session) {
        let Some(state) = self.0.as_deref_mut() else {
            return;
        };
        let owner = session.owner;
        state.sessions.remove(&owner.number());
        if owner.is_stored() {
            session.each_key(owner.number(), &mut |key, message| {
                if let Some(message) = message {
                    state.let_go(message);
                }
                state.gone(key);
            });
        }
        if owner.0 & Owner::NOTED != 0 {
            state.gone(Key::Session(owner.number()));
        }
    }

    /// What a session holds outlives its connection from now on.
    pub(crate) fn store_session(&mut self, session: &Session) {
        let Some(state) = self.0.as_deref_mut() else {
            return;
        };
        session.each_key(session.owner.number(), &mut |key, message| {
            if let Some(message) = message {
                state.hold(message);
            }
            state.created(key);
        });
    }

    /// A session was read back, and what it holds; likewise.
    pub(crate) fn restored_session(&mut self, key: SessionKey, session: &Session) {
        let Some(state) = self.0.as_deref_mut() else {
            return;
        };
        let number = session.owner.number();
        state.sessions.insert(number, key);
        state.last_session = state.last_session.max(number);
        session.each_key(number, &mut |_, message| {
            if let Some(message) = message {
                state.restored(message);
            }
        });
    }

    /// A retained message was read back.
    pub(crate) fn restored_retained(&mut self, message: &Message) {
        if let Some(state) = self.0.as_deref_mut() {
            state.restored(message);
        }
    }

    /// A message was read back that nobody holds.
    pub(crate) fn orphan(&mut self, number: u64) {
        if let Some(state) = self.0.as_deref_mut() {
            state.last_message = state.last_message.max(number);
            if !state.messages.contains_key(&number) {
                state.gone(Key::Message(number));
            }
        }
    }

    fn session_key(&self, number: u64) -> Option<SessionKey> {
        self.0.as_deref()?.sessions.get(&number).copied()
    }

    /// Where the parts of this session tell what happens to them.
    pub(crate) fn log(&mut self, owner: Owner) -> Log<'_> {
        Log::new(
            self.0.as_deref_mut().filter(|_| owner.is_stored()),
            owner.number(),
        )
    }

    // Messages.

    /// Gives a message its number if it has none; best while it has but one owner.
    pub(crate) fn number(&mut self, message: &mut Message) {
        if let Some(state) = self.0.as_deref_mut().filter(|_| message.number() == 0) {
            state.last_message += 1;
            message.set_number(state.last_message);
        }
    }

    /// A retained message was stored in the place of none.
    pub(crate) fn retained(&mut self, pool: Pool, topic: &str, message: &Message) {
        if let Some(state) = self.0.as_deref_mut() {
            state.hold(message);
            state.created(Key::Retained { pool, topic });
        }
    }

    /// A retained message is forgotten.
    pub(crate) fn forgotten(&mut self, pool: Pool, topic: &str, message: &Message) {
        if let Some(state) = self.0.as_deref_mut() {
            state.let_go(message);
            state.gone(Key::Retained { pool, topic });
        }
    }

    /// A client id was invented.
    pub(crate) fn counted(&mut self) {
        if let Some(state) = self.0.as_deref_mut() {
            state.changed(Key::Counters);
        }
    }

    // Batches.

    /// A request begins: nothing has come of it yet.
    pub(crate) fn begin_request(&mut self) {
        if let Some(state) = self.0.as_deref_mut() {
            state.touched = false;
        }
    }

    /// The batch that is not safe and has what the present request has changed.
    pub(crate) fn of_request(&mut self) -> Option<Batch> {
        let state = self.0.as_deref_mut().filter(|state| state.touched)?;
        Some(state.await_open())
    }

    /// The batch with all that has changed until now; safe already if there is nothing.
    pub(crate) fn of_all(&mut self) -> Option<Batch> {
        let state = self.0.as_deref_mut()?;
        if state.changed.is_empty() {
            Some(state.polled)
        } else {
            Some(state.await_open())
        }
    }

    /// All of this batch is safe.
    pub(crate) fn is_persisted(&self, batch: Batch) -> bool {
        self.0.as_deref().is_none_or(|state| batch <= state.persisted)
    }

    /// Something is withheld from this connection.
    pub(crate) fn withhold(&mut self, conn: ConnId) {
        if let Some(state) = self.0.as_deref_mut() {
            state.waiting.push(conn);
        }
    }

    /// All batches up to this one are safe: gives the connections that something was withheld from. A name that was not
    /// given, or is known to be safe, says nothing new.
    pub(crate) fn persisted(&mut self, upto: Seq) -> Vec<ConnId> {
        let Some(state) = self.0.as_deref_mut() else {
            return Vec::new();
        };
        let behind = state.polled.seq().get().wrapping_sub(upto.get());
        let batch = Batch(state.polled.0.saturating_sub(behind.into()));
        if batch <= state.persisted {
            return Vec::new();
        }
        state.persisted = batch;
        core::mem::take(&mut state.waiting)
    }
}

impl State {
    fn await_open(&mut self) -> Batch {
        self.awaited = true;
        Batch(self.polled.0 + 1)
    }

    /// There is an entry where there was none.
    fn created(&mut self, key: Key<'_>) {
        self.touched = true;
        self.changed.entry(key.encode()).or_insert(false);
    }

    /// An entry is another.
    fn changed(&mut self, key: Key<'_>) {
        self.touched = true;
        self.changed.entry(key.encode()).or_insert(true);
    }

    /// There is no entry any more. One that the store has never seen is not spoken of.
    fn gone(&mut self, key: Key<'_>) {
        self.touched = true;
        let key = key.encode();
        if self.changed.get(&key) == Some(&false) {
            self.changed.remove(&key);
        } else {
            self.changed.insert(key, true);
        }
    }

    /// One more entry speaks of this message.
    fn hold(&mut self, message: &Message) {
        let number = message.number();
        if let Some((_, holders)) = self.messages.get_mut(&number) {
            *holders += 1;
            return;
        }
        self.messages.insert(number, (message.clone(), 1));
        let key = Key::Message(number);
        // A message never changes: if it was to be removed, it stays.
        if self.changed.remove(&key.encode()).is_none() {
            self.created(key);
        }
    }

    /// As [`hold`](Self::hold), of an entry that the store has.
    fn restored(&mut self, message: &Message) {
        let number = message.number();
        self.last_message = self.last_message.max(number);
        let held = self.messages.entry(number);
        held.or_insert_with(|| (message.clone(), 0)).1 += 1;
    }

    /// One entry less speaks of it.
    fn let_go(&mut self, message: &Message) {
        let number = message.number();
        let Some((_, holders)) = self.messages.get_mut(&number) else {
            debug_assert!(false, "nobody held message {number}");
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            self.messages.remove(&number);
            self.gone(Key::Message(number));
        }
    }
}

impl Batch {
    /// As the outside knows it.
    fn seq(self) -> Seq {
        #[allow(clippy::cast_possible_truncation, reason = "after the greatest comes zero")]
        Seq::new(self.0 as u32)
    }
}
