//! Messages that wait for one session: bounded by count and bytes.

use alloc::{boxed::Box, collections::VecDeque};

use mqtt_proto::QoS;

use crate::server::{
    Delivery, DropPolicy,
    journal::Log,
    message::Message,
    route::{GroupFilter, Match, SubscriptionIds},
};

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Message,
    pub(crate) ids: SubscriptionIds,
    /// The shared subscription it comes from.
    pub(crate) group: Option<GroupFilter>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Its place among all that ever waited here.
    place: u64,
}

impl Waiting {
    pub(crate) const fn place(&self) -> u64 {
        self.place
    }

    /// As it was kept.
    pub(crate) fn restored(
        (place, message): (u64, Message),
        qos: QoS,
        retain: bool,
        ids: SubscriptionIds,
        group: Option<GroupFilter>,
    ) -> Self {
        Self {
            message,
            ids,
            group,
            qos,
            retain,
            place,
        }
    }
}

impl Waiting {
    pub(crate) fn new(message: Message, found: Match) -> Self {
        Self {
            // 5/MQTT-3.8.4-8, 3.1.1/MQTT-3.8.4-6, 3.1/3.8-6
            qos: found.qos.min(message.qos()),
            // 5/MQTT-3.3.1-12, 5/MQTT-3.3.1-13, 3.1.1/MQTT-3.3.1-9, 3.1/2.1-8
            retain: message.retain() && found.retain_as_published,
            ids: found.ids,
            group: found.group,
            message,
            place: 0,
        }
    }

    pub(crate) fn retained(message: Message, qos: QoS, ids: SubscriptionIds) -> Self {
        // With RETAIN: 5.0, 3.3.1.3, 3.1.1/MQTT-3.3.1-8, 3.1/2.1-7
        Self {
            qos: qos.min(message.qos()),
            retain: true,
            ids,
            group: None,
            message,
            place: 0,
        }
    }

    /// What it adds to the bytes of its queue.
    fn size(&self) -> usize {
        self.message.size().saturating_add(self.ids.more_bytes())
    }

    pub(crate) fn into_delivery(self) -> Delivery {
        Delivery {
            message: self.message,
            ids: self.ids,
            packet_id: None,
            qos: self.qos,
            retain: self.retain,
            // Whatever the publisher set (5/MQTT-3.3.1-3, 3.1.1/MQTT-3.3.1-3): it is sent for the first time, or but once
            // (5/MQTT-4.3.1-1, 3.1.1/MQTT-4.3.1-1, 5/MQTT-4.3.2-2, 5/MQTT-4.3.3-2).
            dup: false,
        }
    }
}

/// What waits for all sessions, and what is under way to all clients; counted where it changes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) queued_messages: usize,
    pub(crate) queued_bytes: usize,
    pub(crate) in_flight: usize,
}

impl Backlog {
    fn remove(&mut self, messages: usize, bytes: usize) {
        self.queued_messages = self.queued_messages.saturating_sub(messages);
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
    }
}

/// What became of a message that was to be queued.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It waits.
    Waits,
    /// It waits, and these many older ones were dropped for it.
    Displaced(u64),
    /// It was dropped.
    Dropped,
    /// It was dropped, and its client is to be disconnected.
    Disconnect,
}

/// Two rows, because a full window holds back QoS 1 and 2 only (`5/MQTT-4.9.0-3`); they are sent in the order of
/// arrival while the window has room. Of an idle session there is neither.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    rows: Option<Box<Rows>>,
    places: u64,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    qos_0: VecDeque<Waiting>,
    above: VecDeque<Waiting>,
    bytes: usize,
}

static NO_ROWS: Rows = Rows {
    qos_0: VecDeque::new(),
    above: VecDeque::new(),
    bytes: 0,
};

impl Queue {
    fn rows(&self) -> &Rows {
        self.rows.as_deref().unwrap_or(&NO_ROWS)
    }

    pub(crate) fn len(&self) -> usize {
        let rows = self.rows();
        rows.qos_0.len() + rows.above.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows().bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn has_room(&self, max_count: usize, max_bytes: usize, bytes: usize) -> bool {
        self.len() < max_count && self.bytes().saturating_add(bytes) <= max_bytes
    }

    pub(crate) fn push(
        &mut self,
        mut waiting: Waiting,
        max: (usize, usize),
        policy: DropPolicy,
        backlog: &mut Backlog,
        log: &mut Log<'_>,
    ) -> Queued {
        let size = waiting.size();
        let mut displaced = 0;
        while !self.has_room(max.0, max.1, size) {
            match policy {
                DropPolicy::Newest => return Queued::Dropped,
                DropPolicy::Disconnect => return Queued::Disconnect,
                DropPolicy::Oldest => {
                    // What could never fit must not empty the queue.
                    if size > max.1 || self.pop(true, backlog, log).is_none() {
                        return Queued::Dropped;
                    }
                    displaced += 1;
                }
            }
        }
        waiting.place = self.places;
        self.places = self.places.wrapping_add(1);
        let rows = self.rows.get_or_insert_default();
        rows.bytes += size;
        backlog.queued_messages += 1;
        backlog.queued_bytes += size;
        if waiting.qos == QoS::AtMostOnce {
            rows.qos_0.push_back(waiting)
        } else {
            log.queued(waiting.place, &waiting.message);
            rows.above.push_back(waiting)
        }
        if displaced > 0 {
            Queued::Displaced(displaced)
        } else {
            Queued::Waits
        }
    }

    /// The message that is next, if the window has room for it.
    pub(crate) fn pop(
        &mut self,
        window_has_room: bool,
        backlog: &mut Backlog,
        log: &mut Log<'_>,
    ) -> Option<Waiting> {
        let rows = self.rows.as_deref_mut()?;
        let above_first = match (rows.qos_0.front(), rows.above.front()) {
            (Some(low), Some(above)) => window_has_room && above.place < low.place,
            (None, Some(_)) => window_has_room,
            (Some(_) | None, None) => false,
        };
        let waiting = if above_first {
            rows.above.pop_front()
        } else {
            rows.qos_0.pop_front()
        }?;
        if above_first {
            log.unqueued(waiting.place, &waiting.message);
        }
        let size = waiting.size();
        rows.bytes = rows.bytes.saturating_sub(size);
        backlog.remove(1, size);
        Some(waiting)
    }

    /// All that waits, in the order in which it goes out if no window holds anything back.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        let rows = self.rows();
        let (mut low, mut above) = (rows.qos_0.iter().peekable(), rows.above.iter().peekable());
        core::iter::from_fn(move || match (low.peek(), above.peek()) {
            (Some(a), Some(b)) if b.place < a.place => above.next(),
            (None, Some(_)) => above.next(),
            (Some(_) | None, _) => low.next(),
        })
    }

    /// What outlives a process, in order: QoS 0 does not.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Waiting> {
        self.rows().above.iter()
    }

    /// What waits at this place, if it outlives a process.
    pub(crate) fn at(&self, place: u64) -> Option<&Waiting> {
        let above = &self.rows().above;
        let at = above.binary_search_by_key(&place, |waiting| waiting.place);
        above.get(at.ok()?)
    }

    /// Puts back what was kept, one after the other as they waited.
    pub(crate) fn restore(&mut self, waiting: Waiting, backlog: &mut Backlog) {
        let size = waiting.size();
        self.places = waiting.place.wrapping_add(1);
        let rows = self.rows.get_or_insert_default();
        rows.bytes = rows.bytes.saturating_add(size);
        backlog.queued_messages += 1;
        backlog.queued_bytes += size;
        rows.above.push_back(waiting);
    }

    /// Drops what is of QoS 0; says how many they were.
    pub(crate) fn drop_qos_0(&mut self, backlog: &mut Backlog) -> u64 {
        let Some(rows) = self.rows.as_deref_mut() else {
            return 0;
        };
        let dropped = core::mem::take(&mut rows.qos_0);
        let size = dropped.iter().map(Waiting::size).sum();
        rows.bytes = rows.bytes.saturating_sub(size);
        backlog.remove(dropped.len(), size);
        dropped.len() as u64
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.rows = None;
        } else if let Some(rows) = self.rows.as_deref_mut() {
            for row in [&mut rows.qos_0, &mut rows.above] {
                if row.is_empty() {
                    *row = VecDeque::new();
                }
            }
        }
    }
}
