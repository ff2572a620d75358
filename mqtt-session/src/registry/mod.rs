//! Which subscriptions the application holds, and how they come back when a server has lost the session.
//!
//! The registry hears of each request and of each event; it remembers what the server has accepted. When a connection
//! begins and the server does not have all of it, it gives out what is to be asked for again, as lists that fit into
//! SUBSCRIBE packets, and tells as [`RegistryEvent`]s what became of it. Nothing is restored, given up or lowered in
//! silence.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | what is held |
//! | `requests` | what is under way, in its order |
//! | `restore` | what is missing, cut into packets |
//! | `event` | what the caller is told |
//!
//! ```
//! use mqtt_proto::{Properties, QoS, TopicFilter, Version, packet::{Connect, Subscription, SubscriptionOptions}};
//! use mqtt_session::{Client, Config, storage::Heap, testing::Net};
//! use mqtt_session::registry::{Limits, Registry, RegistryEvent};
//!
//! let mut net = Net::new(Default::default());
//! let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
//! let options = Connect { clean_start: false, ..Connect::new(Version::V5, "me") };
//! let mut registry = Registry::new();
//!
//! net.connect(c, &options)?;
//! net.settle();
//! let filter = TopicFilter::new("room/+/temp")?;
//! let wanted = [Subscription { filter, options: SubscriptionOptions::new(QoS::AtLeastOnce) }];
//! let now = net.now();
//! let token = net.client(c).subscribe(now, &wanted, Properties::EMPTY)?;
//! registry.handle_subscribe(token, &wanted, Properties::EMPTY);
//! net.settle();
//! for event in net.take_events(c) {
//!     registry.handle_owned_event(&event);
//! }
//!
//! // The link is lost, and with it the session, which was not to be kept.
//! net.connect(c, &options)?;
//! net.settle();
//! for event in net.take_events(c) {
//!     registry.handle_owned_event(&event);
//! }
//! let told = core::iter::from_fn(|| registry.poll_event()).last();
//! assert!(matches!(told, Some(RegistryEvent::Connected { session_present: false, to_restore: 1, .. })));
//!
//! // After each event: ask for what is missing, as much as the client takes now.
//! let limits = Limits::new(Version::V5); // Limits::of, where CONNACK's properties are at hand
//! while let Some(batch) = registry.poll_restore(&limits) {
//!     match net.client(c).subscribe(now, batch.subscriptions(), batch.properties()) {
//!         Ok(token) => registry.handle_restoring(token),
//!         Err(why) if registry.handle_not_taken(why) => {}
//!         Err(_) => break, // no room at the moment
//!     }
//! }
//! net.settle();
//! for event in net.take_events(c) {
//!     registry.handle_owned_event(&event);
//! }
//! assert_eq!(registry.poll_event(), Some(RegistryEvent::Restored { restored: 1, refused: 0 }));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod event;
mod requests;
mod restore;

pub use event::{NotRestored, RegistryEvent};
pub use restore::{Batch, Limits};

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};

use mqtt_proto::{
    QoS, TopicFilter,
    packet::{Subscription, SubscriptionOptions},
};

use crate::client::{Event, Outcome};
#[cfg(feature = "bytes")]
use crate::client::{OwnedEvent, OwnedOutcome};
use requests::Request;

/// The subscriptions that an application holds. See the [module](self).
///
/// Its memory is what the application subscribes to; a server cannot make it grow. User Properties of SUBSCRIBE are not
/// remembered. One registry belongs to one client.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    /// Requests of which the server has them all, oldest first.
    requests: VecDeque<Request>,
    /// What is missing; may hold filters that no longer are.
    queue: VecDeque<String>,
    /// What `poll_restore` gave out last and nobody has answered for.
    offered: Vec<(String, SubscriptionOptions)>,
    offered_identifier: Option<u32>,
    /// What is offered may be there, and then its retained messages have come.
    offers_if_new: bool,
    /// The next batch has at most so many filters, because a larger one was not taken.
    most: Option<usize>,
    connected: bool,
    /// A connection ended before its CONNACK: the server may have begun a new session, without anything in it.
    unsure: bool,
    restoring: Option<Progress>,
    events: VecDeque<RegistryEvent>,
}

/// One filter that is held.
#[derive(Copy, Clone, Debug)]
struct Entry {
    options: SubscriptionOptions,
    identifier: Option<u32>,
    granted: QoS,
    presence: Presence,
    /// The application's own requests under way for this filter: what they ask for is newer than what is held.
    under_way: usize,
}

/// What the server of this session has of a filter.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Presence {
    Held,
    Missing,
    /// It is missing, and in the queue or offered.
    Queued,
    /// It is missing, and was asked for.
    Asked,
}

#[derive(Copy, Clone, Debug, Default)]
struct Progress {
    restored: usize,
    refused: usize,
}

/// A subscription that is held.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held<'a> {
    /// The filter, and the options that were asked for.
    pub subscription: Subscription<'a>,
    /// Its Subscription Identifier.
    pub identifier: Option<u32>,
    /// The QoS that the server granted when it was accepted last.
    pub granted: QoS,
    /// The server has it; otherwise it is still to be restored.
    pub on_server: bool,
}

impl Registry {
    /// Nothing is held.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many subscriptions are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// None is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is held, in the order of the filters.
    pub fn held(&self) -> impl Iterator<Item = Held<'_>> {
        self.entries.iter().filter_map(|(filter, entry)| {
            Some(Held {
                subscription: Subscription {
                    filter: TopicFilter::new(filter).ok()?,
                    options: entry.options,
                },
                identifier: entry.identifier,
                granted: entry.granted,
                on_server: entry.presence == Presence::Held,
            })
        })
    }

    /// Holds a subscription that this registry has not seen being made: one of an earlier run of the program, or one
    /// that the program always wants. The server is taken to have it until a connection without a session says
    /// otherwise.
    pub fn hold(&mut self, subscription: &Subscription<'_>, identifier: Option<u32>) {
        let entry = Entry {
            options: subscription.options,
            identifier,
            granted: subscription.options.qos,
            presence: Presence::Held,
            under_way: self.under_way(subscription.filter.as_str()),
        };
        self.entries.insert(subscription.filter.as_str().into(), entry);
    }

    /// Holds a subscription no longer, whatever the server has of it. True if it was held.
    pub fn forget(&mut self, filter: TopicFilter<'_>) -> bool {
        self.entries.remove(filter.as_str()).is_some()
    }

    /// Hears of an event of the client; give it every one, in their order, at any time after. True if it ends a request
    /// that [`handle_restoring`](Self::handle_restoring) named: nobody else waits for it.
    pub fn handle_event(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Connected(connected) => self.handle_connected(connected.session_present),
            Event::Closed(closed) => self.ended(closed.refused),
            Event::Aborted { token, .. } => return self.handle_aborted(*token),
            Event::Completed { token, outcome } => match outcome {
                Outcome::Subscribed { codes, .. } | Outcome::Unsubscribed { codes, .. } => {
                    return self.handle_codes(*token, codes.iter());
                }
                Outcome::Written
                | Outcome::Acknowledged { .. }
                | Outcome::Authenticated { .. }
                | Outcome::Ponged { .. } => {}
            },
            Event::Authenticate(_)
            | Event::Message(_)
            | Event::MessageStart(_)
            | Event::MessageData { .. }
            | Event::MessageEnd(_) => {}
        }
        false
    }

    /// As [`handle_event`](Self::handle_event), for events with bytes of their own.
    #[cfg(feature = "bytes")]
    pub fn handle_owned_event(&mut self, event: &OwnedEvent) -> bool {
        match event {
            OwnedEvent::Connected(connected) => self.handle_connected(connected.session_present),
            OwnedEvent::Closed(closed) => self.ended(closed.refused),
            OwnedEvent::Aborted { token, .. } => return self.handle_aborted(*token),
            OwnedEvent::Completed { token, outcome } => match outcome {
                OwnedOutcome::Subscribed { codes, .. } | OwnedOutcome::Unsubscribed { codes, .. } => {
                    return self.handle_codes(*token, codes.iter().copied());
                }
                OwnedOutcome::Written
                | OwnedOutcome::Acknowledged { .. }
                | OwnedOutcome::Authenticated { .. }
                | OwnedOutcome::Ponged { .. } => {}
            },
            OwnedEvent::Authenticate(_)
            | OwnedEvent::Message(_)
            | OwnedEvent::MessageStart(_)
            | OwnedEvent::MessageData { .. }
            | OwnedEvent::MessageEnd(_) => {}
        }
        false
    }

    /// The next thing to know. Take all of them: they wait here until somebody does.
    pub fn poll_event(&mut self) -> Option<RegistryEvent> {
        self.events.pop_front()
    }

    /// A connection has begun. Without a session the server has nothing of what is held; with one it may still lack
    /// what an earlier connection was lost over. If the last connection ended before its CONNACK, the session may be one
    /// that the server began then, with nothing in it: all is asked for again, in 5.0 without the retained messages of
    /// subscriptions that are there. A CONNACK of 3.1 does not tell whether there is one: whoever would
    /// rather ask for all again says false there.
    pub fn handle_connected(&mut self, session_present: bool) {
        self.end();
        self.connected = true;
        let unsure = core::mem::take(&mut self.unsure);
        self.offers_if_new = session_present;
        let mut missing: Vec<(Option<u32>, &String)> = Vec::new();
        for (filter, entry) in &mut self.entries {
            if !session_present || unsure || entry.presence != Presence::Held {
                entry.presence = Presence::Queued;
                missing.push((entry.identifier, filter));
            }
        }
        // SUBSCRIBE has one Subscription Identifier for all its filters (5.0, 3.8.2.1.2).
        missing.sort();
        self.queue = missing.into_iter().map(|(_, filter)| filter.clone()).collect();
        let to_restore = self.queue.len();
        self.restoring = (to_restore > 0).then(Progress::default);
        self.events.push_back(RegistryEvent::Connected {
            session_present,
            kept: self.entries.len() - to_restore,
            to_restore,
        });
    }

    /// The connection has ended, or an attempt at one, after a transport was there: what is missing waits for the next one. Requests end by themselves, each as aborted.
    pub fn handle_closed(&mut self) {
        self.ended(false);
    }

    fn ended(&mut self, refused: bool) {
        // A server that refuses a connection does not touch the session.
        self.unsure |= !self.connected && !refused;
        self.end();
    }

    fn end(&mut self) {
        self.connected = false;
        self.queue.clear();
        self.offered.clear();
        self.most = None;
        self.restoring = None;
    }
}
