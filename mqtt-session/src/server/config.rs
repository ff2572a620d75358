//! What the server offers and how much it takes. All of it is data; every limit has a default.
//!
//! For the whole server: [`Limits`].
//!
//! | limit | default | what would pass it |
//! |---|---|---|
//! | [`Limits::connections`] | 1,000,000 | is not opened |
//! | [`Limits::handshakes`] | 100,000 | is not opened |
//! | [`Limits::sessions`] | 1,000,000 | CONNECT is refused with 0x97, in 3.x with return code 3 |
//! | [`Limits::subscriptions`] | 10,000,000 | is refused with 0x97, in 3.1.1 with 0x80 |
//! | [`Limits::subscription_bytes`] | 1 GiB | is refused with 0x97, in 3.1.1 with 0x80 |
//! | [`Limits::retained_messages`] | 1,000,000 | is not kept, or displaces others, as [`RetainedPolicy`] says |
//! | [`Limits::retained_bytes`] | 1 GiB | is not kept, or displaces others, as [`RetainedPolicy`] says |
//! | [`Limits::topic_levels`] | 128 | is refused with 0x90 or 0x8F |
//! | [`Limits::inbox_bytes`] | 128 KiB | is not read |
//! | [`Limits::decision_timeout`] | 10 s | is refused |
//! | [`Limits::events`] | 10,000 | displaces the oldest |
//!
//! For those who come through one listener: [`Offer`].
//!
//! | limit | default | what would pass it |
//! |---|---|---|
//! | [`Offer::max_packet_size`] | 16 MiB | ends the connection with 0x95 |
//! | [`Offer::receive_maximum`] | 1,024 | ends the connection with 0x93 |
//! | [`Offer::topic_alias_maximum`] | 16 | ends the connection with 0x94 |
//! | [`Offer::topic_aliases_to_client`] | 16 | is sent without an alias |
//! | [`Offer::connect_timeout`] | 10 s | ends the connection |
//! | [`Offer::keep_alive_max`] | none | is shortened |
//!
//! For one client: [`ClientLimits`](super::ClientLimits), in its [`Grant`].
//!
//! | limit | default | what would pass it |
//! |---|---|---|
//! | [`ClientLimits::queue_messages`](super::ClientLimits::queue_messages) | 100,000 | is dropped, as [`DropPolicy`] says |
//! | [`ClientLimits::queue_bytes`](super::ClientLimits::queue_bytes) | 64 MiB | is dropped, as [`DropPolicy`] says |
//! | [`ClientLimits::max_in_flight`](super::ClientLimits::max_in_flight) | 1,024 | waits in the queue |
//! | [`ClientLimits::subscriptions`](super::ClientLimits::subscriptions) | 100,000 | is refused with 0x97, in 3.1.1 with 0x80 |
//! | [`ClientLimits::retained_messages`](super::ClientLimits::retained_messages) | none | is not kept |
//! | [`ClientLimits::retained_bytes`](super::ClientLimits::retained_bytes) | none | is not kept |
//! | [`ClientLimits::session_expiry_max`](super::ClientLimits::session_expiry_max) | for ever | is shortened |
//! | [`ClientLimits::rate`](super::ClientLimits::rate) | none | is dropped, refused or waits, as [`Rate`](super::Rate) says |

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use mqtt_proto::QoS;

use super::Grant;

/// How a [`Server`](super::Server) or [`Broker`](super::Broker) is set up.
///
/// ```
/// use mqtt_session::server::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.seed = 42;
/// config.limits.topic_levels = 16;
/// config.offer_mut(0).max_packet_size = 64 * 1024;
/// // Listener 1 has all that listener 0 has, but for retained messages.
/// config.offer_mut(1).retain_available = false;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Seed of the client ids that are invented for clients without one. The only randomness there is: with the same
    /// seed and the same input the server does the same.
    pub seed: u64,
    /// What those are offered who come through one listener, by [`Peer::listener`](super::Peer::listener); the first
    /// serves for listeners that have none. Default: one [`Offer::DEFAULT`].
    pub offers: Vec<Offer>,
    /// Messages of QoS 0 wait for clients that are away, too. Default: no.
    pub queue_qos_0_while_away: bool,
    /// What happens to a message that finds its queue full. Default: [`DropPolicy::Newest`].
    pub drop_policy: DropPolicy,
    /// What happens when there is no room for another retained message. Default: [`RetainedPolicy::RefuseNew`].
    pub retained_policy: RetainedPolicy,
    /// Sessions, what waits for them and is under way, retained messages and wills are to outlive the process: the server
    /// tells what changes ([`poll_changes`](super::Broker::poll_changes)), and withholds what depends on it until that is
    /// safe ([`handle_persisted`](super::Broker::handle_persisted)). Default: no, and then it costs nothing.
    pub durable: bool,
    /// How often `$SYS/broker/...` is published while somebody is subscribed to it; never if `None`. Default: 10 s.
    pub sys_interval: Option<Duration>,
    /// How much of everything there may be in all.
    pub limits: Limits,
}

impl ServerConfig {
    /// What those are offered who come through this listener.
    pub fn offer(&self, listener: u16) -> &Offer {
        static DEFAULT: Offer = Offer::DEFAULT;
        self.offers
            .get(usize::from(listener))
            .or_else(|| self.offers.first())
            .unwrap_or(&DEFAULT)
    }

    /// The same, to be changed. Where it is not there yet, it and those before it begin as copies of the first.
    pub fn offer_mut(&mut self, listener: u16) -> &mut Offer {
        let at = usize::from(listener);
        if self.offers.len() <= at {
            let first = self.offer(0).clone();
            self.offers.resize(at + 1, first);
        }
        #[allow(clippy::indexing_slicing, reason = "it was made above, if it was not there")]
        &mut self.offers[at]
    }

    /// With what cannot be said on the wire, or would not end, put right.
    pub(super) fn sane(mut self) -> Self {
        if self.offers.is_empty() {
            self.offers.push(Offer::DEFAULT);
        }
        for offer in &mut self.offers {
            offer.max_packet_size = offer.max_packet_size.max(1); // 5.0, 3.2.2.3.6
            offer.receive_maximum = offer.receive_maximum.max(1); // 5.0, 3.2.2.3.3
        }
        // A search goes down the levels by recursion.
        self.limits.topic_levels = self.limits.topic_levels.min(1_024);
        self
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            offers: alloc::vec![Offer::DEFAULT],
            queue_qos_0_while_away: false,
            drop_policy: DropPolicy::Newest,
            retained_policy: RetainedPolicy::RefuseNew,
            durable: false,
            sys_interval: Some(Duration::from_secs(10)),
            limits: Limits::default(),
        }
    }
}

/// What those are offered who come through one listener. Most of it stands in CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The highest QoS a client may publish with (5.0, 3.2.2.3.4). Default: 2.
    pub maximum_qos: QoS,
    /// Retained messages are kept (5.0, 3.2.2.3.5). Default: yes.
    pub retain_available: bool,
    /// Filters may have wildcards (5.0, 3.2.2.3.11). Default: yes.
    pub wildcard_available: bool,
    /// Subscriptions may have identifiers (5.0, 3.2.2.3.12). Default: yes.
    pub subscription_ids_available: bool,
    /// `$share/group/filter` is a shared subscription for clients of 5.0 (5.0, 3.2.2.3.13). Default: yes.
    pub shared_available: bool,
    /// Messages of QoS 1 and 2 that a client may have under way to the server; announced as Receive Maximum. Clients of
    /// 3.1 and 3.1.1 are not told, and are not held to it. 0 counts as 1. Default: 1,024.
    pub receive_maximum: u16,
    /// Bytes of one packet from a client, its fixed header included; announced as Maximum Packet Size. 0 counts as 1.
    /// Default: 16 MiB.
    pub max_packet_size: u32,
    /// Topic aliases that a client may use; announced as Topic Alias Maximum. Each costs its topic while the connection
    /// lasts. Default: 16.
    pub topic_alias_maximum: u16,
    /// Topic aliases that the server gives one client of its own accord, for topics that come more than once; the
    /// client's Topic Alias Maximum may be lower. Each costs its topic while the connection lasts. Default: 16.
    pub topic_aliases_to_client: u16,
    /// The longest Keep Alive in seconds; a longer one, or none, is shortened for clients of 5.0 (Server Keep Alive).
    /// Default: none.
    pub keep_alive_max: Option<u16>,
    /// How long a connection may take to send its CONNECT, and to take the last bytes once it is over. Default: 10 s.
    pub connect_timeout: Duration,
    /// Response Information for those who request it (5.0, 3.2.2.3.14). Default: none.
    pub response_information: Option<Box<str>>,
    /// What is asked before it is granted. Default: nothing.
    pub asks: Asks,
    /// What a client is granted whose CONNECT is not asked about, and the beginning of what it is granted otherwise.
    pub grant: Grant,
}

impl Offer {
    /// All that MQTT has, for everybody.
    pub const DEFAULT: Self = Self {
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_available: true,
        subscription_ids_available: true,
        shared_available: true,
        receive_maximum: 1_024,
        max_packet_size: 16 * 1024 * 1024,
        topic_alias_maximum: 16,
        topic_aliases_to_client: 16,
        keep_alive_max: None,
        connect_timeout: Duration::from_secs(10),
        response_information: None,
        asks: Asks::NOTHING,
        grant: Grant::DEFAULT,
    };
}

impl Default for Offer {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which kinds of request are asked about before they are done. What is not asked about is allowed, and costs nothing.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Asks {
    /// CONNECT, and AUTH: without it there is no Authentication Method.
    pub connect: bool,
    /// PUBLISH.
    pub publish: bool,
    /// SUBSCRIBE.
    pub subscribe: bool,
    /// UNSUBSCRIBE.
    pub unsubscribe: bool,
}

impl Asks {
    /// Everybody may do everything.
    pub const NOTHING: Self = Self {
        connect: false,
        publish: false,
        subscribe: false,
        unsubscribe: false,
    };

    /// Every request is asked about.
    pub const EVERYTHING: Self = Self {
        connect: true,
        publish: true,
        subscribe: true,
        unsubscribe: true,
    };
}

/// What happens when a session's queue is full.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropPolicy {
    /// The message that finds no room is dropped.
    #[default]
    Newest,
    /// The messages that wait longest are dropped for it.
    Oldest,
    /// The message is dropped, and the client is disconnected with 0x97 (Quota exceeded).
    Disconnect,
}

/// What happens when [`Limits::retained_messages`] or [`Limits::retained_bytes`] would be passed.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetainedPolicy {
    /// The new message is not kept.
    #[default]
    RefuseNew,
    /// Those that were stored first make room.
    EvictOldest,
    /// Those that would expire first make room; never one without Message Expiry Interval, nor for a message that would
    /// expire sooner itself.
    EvictSoonestToExpire,
}

/// Upper bounds of the whole server. What would pass one is refused or dropped, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time. Default: 1,000,000.
    pub connections: usize,
    /// Connections whose client has not been accepted yet. Default: 100,000.
    pub handshakes: usize,
    /// Sessions, connected or kept. Default: 1,000,000.
    pub sessions: usize,
    /// Subscriptions of all sessions. Default: 10,000,000.
    pub subscriptions: usize,
    /// Bytes of the filters of all subscriptions, and of what their levels take in the tree of filters if no two share one (about
    /// 100 each). Default: 1 GiB.
    pub subscription_bytes: usize,
    /// Retained messages. Default: 1,000,000.
    pub retained_messages: usize,
    /// Bytes of all retained messages, and of the levels of their topics likewise. Default: 1 GiB.
    pub retained_bytes: usize,
    /// Levels of a topic or filter. More than 1,024 count as 1,024. Default: 128.
    pub topic_levels: usize,
    /// Bytes of the packets that wait on one connection behind one that is in question. Default: 128 KiB.
    pub inbox_bytes: usize,
    /// How long a decision may take, and a client's answer to an AUTH while it is connected. Default: 10 s.
    pub decision_timeout: Duration,
    /// Events that wait to be polled; when there are more, the oldest are forgotten and counted. Default: 10,000.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            handshakes: 100_000,
            sessions: 1_000_000,
            subscriptions: 10_000_000,
            subscription_bytes: 1024 * 1024 * 1024,
            retained_messages: 1_000_000,
            retained_bytes: 1024 * 1024 * 1024,
            topic_levels: 128,
            inbox_bytes: 128 * 1024,
            decision_timeout: Duration::from_secs(10),
            events: 10_000,
        }
    }
}
