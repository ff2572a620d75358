//! What is missing, cut into SUBSCRIBE packets.

use alloc::{string::String, vec::Vec};

use mqtt_proto::{
    Packet, PacketId, Properties, Property, TopicFilter, Version,
    packet::{RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions},
};

use super::{NotRestored, Presence, Registry, RegistryEvent};
use crate::Refused;

/// What fits into one SUBSCRIBE.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The version of the connection.
    pub version: Version,
    /// The server's Maximum Packet Size (5.0, 3.2.2.3.6). Default: none.
    pub packet_size: u32,
    /// Filters in one packet, of which some servers take few; 0 counts as 1. Default 64.
    pub filters: u16,
}

impl Limits {
    /// The defaults.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            packet_size: u32::MAX,
            filters: 64,
        }
    }

    /// With the Maximum Packet Size of CONNACK, whose properties these are.
    pub fn of(version: Version, connack: Properties<'_>) -> Self {
        Self {
            packet_size: connack.maximum_packet_size().unwrap_or(u32::MAX),
            ..Self::new(version)
        }
    }
}

/// Subscriptions for one SUBSCRIBE: what [`Client::subscribe`](crate::Client::subscribe) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    subscriptions: Vec<Subscription<'a>>,
    identifier: Option<Property<'static>>,
}

impl<'a> Batch<'a> {
    /// The filters and their options; at least one.
    pub fn subscriptions(&self) -> &[Subscription<'a>] {
        &self.subscriptions
    }

    /// Their Subscription Identifier, if they have one.
    pub const fn properties(&self) -> Properties<'_> {
        Properties::new(self.identifier.as_slice())
    }

    /// The length of the packet. All packet ids have the same.
    fn len(&self, version: Version) -> Result<usize, Refused> {
        let packet = Packet::Subscribe(Subscribe {
            packet_id: PacketId::MIN,
            properties: self.properties(),
            filters: Subscriptions::new(&self.subscriptions),
        });
        Ok(packet.encoded_len(version)?)
    }
}

fn subscription((filter, options): &(String, SubscriptionOptions)) -> Option<Subscription<'_>> {
    Some(Subscription {
        filter: TopicFilter::new(filter).ok()?,
        options: *options,
    })
}

fn batch(filters: &[(String, SubscriptionOptions)], identifier: Option<u32>) -> Batch<'_> {
    Batch {
        subscriptions: filters.iter().filter_map(subscription).collect(),
        identifier: identifier.map(Property::SubscriptionIdentifier),
    }
}

/// This packet can be sent.
fn check(packet: &Batch<'_>, limits: &Limits) -> Result<(), Refused> {
    let len = packet.len(limits.version)?;
    if len as u64 > u64::from(limits.packet_size) {
        return Err(Refused::TooLarge); // 5/MQTT-3.2.2-15
    }
    Ok(())
}

impl Registry {
    /// What to ask for next, if something is missing on this connection. Give it to
    /// [`Client::subscribe`](crate::Client::subscribe), and say [`handle_restoring`](Self::handle_restoring) with the
    /// token or [`handle_not_taken`](Self::handle_not_taken) with the error; otherwise the same is given out again.
    ///
    /// Filters for which a request of the application's is under way are left out: it is newer.
    pub fn poll_restore(&mut self, limits: &Limits) -> Option<Batch<'_>> {
        self.take_back();
        if !self.connected {
            return None;
        }
        let most = self
            .most
            .unwrap_or(usize::MAX)
            .min(usize::from(limits.filters.max(1)));
        while self.offered.len() < most {
            let Some(filter) = self.queue.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&filter) else {
                continue;
            };
            if entry.presence != Presence::Queued {
                continue;
            }
            if entry.under_way > 0 {
                entry.presence = Presence::Missing;
                continue;
            }
            if !self.offered.is_empty() && entry.identifier != self.offered_identifier {
                self.queue.push_front(filter);
                break;
            }
            let mut options = entry.options;
            if self.offers_if_new
                && limits.version.has_properties()
                && options.retain_handling == RetainHandling::Send
            {
                options.retain_handling = RetainHandling::SendIfNew;
            }
            let (identifier, one) = (entry.identifier, (filter, options));
            if let Err(why) = check(&batch(core::slice::from_ref(&one), identifier), limits) {
                self.give_up(one.0, NotRestored::NotTaken(why));
                continue;
            }
            self.offered_identifier = identifier;
            self.offered.push(one);
        }
        self.cut(limits);
        if self.offered.is_empty() {
            self.tell_progress();
            return None;
        }
        Some(batch(&self.offered, self.offered_identifier))
    }

    /// [`Client::subscribe`](crate::Client::subscribe) has refused the batch that [`poll_restore`](Self::poll_restore)
    /// gave out last. True if it makes sense to call that again now: the batch comes in smaller ones, until the filter
    /// is found that cannot be asked for, which ends as [`RegistryEvent::Refused`]. False if the client has no room at
    /// the moment: call it again after the next event.
    pub fn handle_not_taken(&mut self, why: Refused) -> bool {
        if why.is_temporary() {
            self.take_back();
            return false;
        }
        if self.offered.len() > 1 {
            self.most = Some(self.offered.len() / 2);
            self.take_back();
        } else if let Some((filter, _)) = self.offered.pop() {
            self.most = None;
            self.give_up(filter, NotRestored::NotTaken(why));
        }
        self.tell_progress();
        true
    }

    /// Leaves as many filters offered as fit into one packet. Each of them fits alone.
    fn cut(&mut self, limits: &Limits) {
        let fits = |n: usize| {
            let some = self.offered.get(..n).unwrap_or_default();
            check(&batch(some, self.offered_identifier), limits).is_ok()
        };
        let mut fitting = self.offered.len();
        if fitting > 1 && !fits(fitting) {
            let (mut low, mut high) = (1, fitting);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if fits(middle) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            fitting = low;
        }
        for (filter, _) in self.offered.drain(fitting..).rev() {
            self.queue.push_front(filter);
        }
    }

    /// What was offered waits again.
    fn take_back(&mut self) {
        for (filter, _) in self.offered.drain(..).rev() {
            self.queue.push_front(filter);
        }
    }

    /// A subscription cannot be restored: it is held no longer, and the application gets it back.
    pub(super) fn give_up(&mut self, filter: String, why: NotRestored) {
        let Some(entry) = self.entries.remove(&filter) else {
            return;
        };
        if let Some(progress) = &mut self.restoring {
            progress.refused += 1;
        }
        self.events.push_back(RegistryEvent::Refused {
            filter,
            options: entry.options,
            identifier: entry.identifier,
            why,
        });
    }

    /// Tells it once when nothing is missing any more.
    pub(super) fn tell_progress(&mut self) {
        if !self.connected || !self.offered.is_empty() || self.is_asking() {
            return;
        }
        let missing = |filter: &String| {
            let entry = self.entries.get(filter);
            entry.is_some_and(|entry| entry.presence == Presence::Queued && entry.under_way == 0)
        };
        if self.queue.iter().any(missing) {
            return;
        }
        if let Some(progress) = self.restoring.take() {
            self.events.push_back(RegistryEvent::Restored {
                restored: progress.restored,
                refused: progress.refused,
            });
        }
    }
}
