//! What the server offers and how much it takes. All of it is data; every limit has a default.

use core::time::Duration;

use mqtt_proto::QoS;

/// How a [`Server`](super::Server) or [`Broker`](super::Broker) is set up.
///
/// ```
/// use mqtt_session::server::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.seed = 42;
/// config.limits.max_packet_size = 64 * 1024;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Seed of the client ids that are invented for clients without one. The only randomness there is: with the same
    /// seed and the same input the server does the same.
    pub seed: u64,
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
    /// Messages of QoS 0 wait for clients that are away, too. Default: no.
    pub queue_qos_0_while_away: bool,
    /// What happens to a message that finds its queue full. Default: [`DropPolicy::Newest`].
    pub drop_policy: DropPolicy,
    /// How much of everything.
    pub limits: Limits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_available: true,
            subscription_ids_available: true,
            shared_available: true,
            queue_qos_0_while_away: false,
            drop_policy: DropPolicy::Newest,
            limits: Limits::default(),
        }
    }
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

/// Upper bounds. What would pass one is refused or dropped, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time. Default: 1,000,000.
    pub connections: usize,
    /// Sessions, connected or kept. Default: 1,000,000.
    pub sessions: usize,
    /// Bytes of one packet from a client, its fixed header included; announced as Maximum Packet Size. 0 counts as 1.
    /// Default: 16 MiB.
    pub max_packet_size: u32,
    /// Messages of QoS 1 and 2 that a client may have under way to the server; announced as Receive Maximum. Clients of
    /// 3.1 and 3.1.1 are not told, and are not held to it. 0 counts as 1. Default: 1,024.
    pub receive_maximum: u16,
    /// Messages of QoS 1 and 2 under way to one client; its own Receive Maximum may be lower. 0 counts as 1. Default:
    /// 1,024.
    pub max_in_flight: u16,
    /// Topic aliases that a client may use; announced as Topic Alias Maximum. Each costs its topic while the connection
    /// lasts. Default: 16.
    pub topic_alias_maximum: u16,
    /// Topic aliases that the server gives one client of its own accord, for topics that come more than once; the
    /// client's Topic Alias Maximum may be lower. Each costs its topic while the connection lasts. Default: 16.
    pub topic_aliases_to_client: u16,
    /// Messages that wait for one session, those under way not counted. Default: 100,000.
    pub queue_messages: usize,
    /// Bytes of the messages that wait for one session; a shared message counts in full in each queue. Default: 64 MiB.
    pub queue_bytes: usize,
    /// Retained messages. Default: 1,000,000.
    pub retained_messages: usize,
    /// Bytes of all retained messages. Default: 1 GiB.
    pub retained_bytes: usize,
    /// Subscriptions of one session. Default: 100,000.
    pub subscriptions_per_session: usize,
    /// Levels of a topic or filter. More than 1,024 count as 1,024. Default: 128.
    pub topic_levels: usize,
    /// How long a connection may take to send its CONNECT, and to take the last bytes once it is over. Default: 10 s.
    pub connect_timeout: Duration,
    /// The longest Keep Alive in seconds; a longer one, or none, is shortened for clients of 5.0 (Server Keep Alive).
    /// Default: none.
    pub keep_alive_max: Option<u16>,
    /// The longest Session Expiry Interval in seconds; what a client of 3.x asks to be kept is kept this long.
    /// `u32::MAX` is for ever. Default: for ever.
    pub session_expiry_max: u32,
    /// Events that wait to be polled; when there are more, the oldest are forgotten and counted. Default: 10,000.
    pub events: usize,
}

impl Limits {
    /// With what cannot be said on the wire, or would not end, put right.
    pub(super) fn sane(mut self) -> Self {
        self.max_packet_size = self.max_packet_size.max(1); // 5.0, 3.2.2.3.6
        self.receive_maximum = self.receive_maximum.max(1); // 5.0, 3.2.2.3.3
        self.max_in_flight = self.max_in_flight.max(1);
        // A search goes down the levels by recursion.
        self.topic_levels = self.topic_levels.min(1_024);
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            sessions: 1_000_000,
            max_packet_size: 16 * 1024 * 1024,
            receive_maximum: 1_024,
            max_in_flight: 1_024,
            topic_alias_maximum: 16,
            topic_aliases_to_client: 16,
            queue_messages: 100_000,
            queue_bytes: 64 * 1024 * 1024,
            retained_messages: 1_000_000,
            retained_bytes: 1024 * 1024 * 1024,
            subscriptions_per_session: 100_000,
            topic_levels: 128,
            connect_timeout: Duration::from_secs(10),
            keep_alive_max: None,
            session_expiry_max: u32::MAX,
            events: 10_000,
        }
    }
}
