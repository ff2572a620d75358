//! What the broker knows of one client, connected or not (4.1).
//!
//! - [`Queue`]: messages that wait.
//! - [`InFlight`]: messages that were sent and are not finished.
//! - [`Session`]: both, with the subscriptions, the ids of messages received at QoS 2, the will, and when all that ends.

mod in_flight;
mod queue;

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc};
use core::num::NonZeroU32;

use mqtt_proto::{PacketId, QoS};

use super::{
    ConnId, Grant,
    broker::Origin,
    deadlines::Armed,
    journal::{Log, Owner},
    message::Message,
    rate::Meter,
    retained::{Quota, Serial},
    route::{SessionKey, Subscribed},
};
use crate::{
    Instant,
    flow::{Incoming, Window},
    level_tree::small_map::SmallMap,
};
pub(crate) use in_flight::{Exchange, InFlight};
pub(crate) use queue::{Backlog, Queue, Queued, Waiting};

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Arc<str>,
    /// What its client may do, shared by all who were granted the same.
    pub(crate) grant: Arc<Grant>,
    /// The connection it is bound to.
    pub(crate) conn: Option<ConnId>,
    /// Seconds it is kept after its connection; `u32::MAX` for ever.
    pub(crate) expiry: u32,
    /// The client's own filters, `$share/group/` included.
    pub(crate) filters: SmallMap<Box<str>, ()>,
    pub(crate) queue: Queue,
    pub(crate) in_flight: InFlight,
    /// Messages received from the client and not finished.
    pub(crate) received: SmallMap<PacketId, Incoming>,
    pub(crate) rare: Option<Box<Rare>>,
    /// Packets from its client and to it.
    pub(crate) packets: u64,
    /// When it ends, if its client stays away.
    pub(crate) expires_at: Option<Instant>,
    /// The deadline that stands for it.
    pub(crate) armed: Armed,
    /// What it is in the journal.
    pub(crate) owner: Owner,
}

/// What few sessions have at any moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    pub(crate) will: Option<Will>,
    /// When the will is published, its connection being gone.
    pub(crate) will_at: Option<Instant>,
    /// Retained messages that are still to be sent, by the filter of their new subscription; one after the other.
    pub(crate) retained: BTreeMap<Box<str>, RetainedPull>,
    /// What is in its buckets; they are full if there is none.
    pub(crate) meter: Option<Meter>,
    /// When its client is read again that was too fast.
    pub(crate) resumes_at: Option<Instant>,
}

/// A will as CONNECT left it.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    /// The message; its expiry does not run yet.
    pub(crate) message: Message,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
}

/// Retained messages for one subscription, found one by one as the client takes them.
#[derive(Clone, Debug)]
pub(crate) struct RetainedPull {
    pub(crate) qos: QoS,
    pub(crate) dollar: bool,
    pub(crate) id: Option<NonZeroU32>,
    /// What was stored later comes as an ordinary message.
    pub(crate) until: Serial,
    /// How far the search has come: the topic of the last one that was sent, or a path past it.
    pub(crate) after: Option<Box<str>>,
}

impl Session {
    pub(crate) fn new(client_id: Arc<str>, grant: Arc<Grant>, owner: Owner) -> Self {
        Self {
            client_id,
            grant,
            conn: None,
            expiry: 0,
            filters: SmallMap::Empty,
            queue: Queue::default(),
            in_flight: InFlight::default(),
            received: SmallMap::Empty,
            rare: None,
            packets: 0,
            expires_at: None,
            armed: Armed::default(),
            owner,
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Where its messages come from; it is at this place.
    pub(crate) fn origin(&self, key: SessionKey) -> Origin {
        let limits = &self.grant.limits;
        Origin {
            pool: self.grant.pool,
            session: key,
            retained: Quota {
                messages: limits.retained_messages,
                bytes: limits.retained_bytes,
            },
        }
    }

    /// Another message of QoS 1 or 2 may be under way: the client allows it, and those whose answers it owes are not more
    /// bytes than may wait.
    pub(crate) fn may_begin(&self, window: &Window) -> bool {
        window.has_room() && self.in_flight.has_room(self.grant.limits.queue_bytes)
    }

    /// No other message can wait here.
    pub(crate) fn is_full(&self) -> bool {
        let limits = &self.grant.limits;
        !self.queue.has_room(limits.queue_messages, limits.queue_bytes, 0)
    }

    pub(crate) fn has_retained_pulls(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.retained.is_empty())
    }

    pub(crate) fn will_at(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|rare| rare.will_at)
    }

    pub(crate) fn resumes_at(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|rare| rare.resumes_at)
    }

    /// Buckets that are full need not be kept.
    pub(crate) fn forget_full_meter(&mut self, now: Instant) {
        if let Some(rare) = &mut self.rare {
            let rate = &self.grant.limits.rate;
            if rare.meter.as_mut().is_some_and(|meter| meter.is_full(rate, now)) {
                rare.meter = None;
            }
        }
    }

    pub(crate) fn take_will(&mut self) -> Option<Will> {
        let rare = self.rare.as_mut()?;
        rare.will_at = None;
        rare.will.take()
    }

    /// A message of QoS 1 or 2 came under this id.
    pub(crate) fn receive(&mut self, id: PacketId, stage: Incoming, log: &mut Log<'_>) {
        if stage.outlives_link() {
            log.received(id);
        }
        self.received.insert(id, stage);
    }

    /// The exchange of such a message is over.
    pub(crate) fn complete(&mut self, id: PacketId, log: &mut Log<'_>) {
        if self.received.remove(&id).is_some_and(Incoming::outlives_link) {
            log.completed(id);
        }
    }

    /// A filter is subscribed.
    pub(crate) fn subscribe(&mut self, filter: &str, log: &mut Log<'_>) {
        let new = self.filters.get(filter).is_none();
        if new {
            self.filters.insert(filter.into(), ());
        }
        log.subscribed(filter, new);
    }

    /// A filter is not subscribed any more; false if it was not.
    pub(crate) fn unsubscribe(&mut self, filter: &str, log: &mut Log<'_>) -> bool {
        if self.filters.remove(filter).is_none() {
            return false;
        }
        log.unsubscribed(filter);
        // What was not begun is not sent any more (5.0, 3.10.4).
        if let Some(rare) = &mut self.rare {
            if rare.retained.remove(filter).is_some() {
                log.pulled(filter);
            }
        }
        true
    }

    /// Retained messages are to be sent for this filter.
    pub(crate) fn pull(&mut self, filter: &str, pull: RetainedPull, log: &mut Log<'_>) {
        let old = self.rare().retained.insert(filter.into(), pull);
        log.pulling(filter, old.is_none());
    }

    /// The subscription to this filter was replaced (`5/MQTT-3.8.4-3`): what is still to be sent of its retained messages is sent
    /// as it is now.
    pub(crate) fn pull_as(&mut self, filter: &str, how: Subscribed, log: &mut Log<'_>) {
        let rare = self.rare.as_mut();
        if let Some(pull) = rare.and_then(|rare| rare.retained.get_mut(filter)) {
            (pull.qos, pull.dollar, pull.id) = (how.qos, how.dollar, how.id);
            log.pulling(filter, false);
        }
    }

    /// Frees the box of rare things when nothing is in it.
    pub(crate) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|r| {
            r.will.is_none()
                && r.will_at.is_none()
                && r.retained.is_empty()
                && r.meter.is_none()
                && r.resumes_at.is_none()
        }) {
            self.rare = None;
        }
    }

    /// Another link, or none: what belonged to the old one is gone, the rest is the session.
    pub(crate) fn unbind(&mut self) {
        self.conn = None;
        if let Some(rare) = &mut self.rare {
            rare.resumes_at = None;
        }
        self.in_flight.reset();
        self.received.retain(|_, stage| {
            let keep = stage.outlives_link();
            if keep {
                // The PUBREC may be lost with the link: a repeat of the PUBLISH is answered by another one.
                *stage = stage.on_answered(false).unwrap_or(*stage);
            }
            keep
        });
    }
}
