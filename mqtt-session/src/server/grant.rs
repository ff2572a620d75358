//! What one client is granted: decided once, kept in its session, asked for nothing later.

use super::Rate;

/// What a client is granted when it is accepted. It stands in its session, so that delivery asks nobody.
///
/// ```
/// use mqtt_session::server::{Grant, Pool};
///
/// let mut grant = Grant::default();
/// grant.pool = Pool(7);
/// grant.limits.queue_messages = 1_000;
/// assert!(grant.sees_sys);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// Whom it can meet. Default: [`Pool::DEFAULT`].
    pub pool: Pool,
    /// The owner's own: given back with every question about this client. Default: 0.
    pub context: u64,
    /// It may subscribe to `$SYS/...`, whatever its pool. Default: yes.
    pub sees_sys: bool,
    /// How much of everything it may use.
    pub limits: ClientLimits,
}

impl Grant {
    /// All that a client can have.
    pub const DEFAULT: Self = Self {
        pool: Pool::DEFAULT,
        context: 0,
        sees_sys: true,
        limits: ClientLimits::DEFAULT,
    };
}

impl Default for Grant {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A namespace: clients of different pools meet in nothing. Each has its own topics, retained messages, shared
/// subscriptions and client ids. It is there while something is in it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a number, its meaning the owner's")]
pub struct Pool(pub u32);

impl Pool {
    /// Where everybody is who was put nowhere else.
    pub const DEFAULT: Self = Self(0);
}

/// Upper bounds of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Messages that wait for its session, those under way not counted. Default: 100,000.
    pub queue_messages: usize,
    /// Bytes of the messages that wait for its session; a shared message counts in full in each queue. While as many bytes
    /// are under way to it, and not answered, no more is sent but QoS 0. Default: 64 MiB.
    pub queue_bytes: usize,
    /// Messages of QoS 1 and 2 under way to it; its own Receive Maximum may be lower. 0 counts as 1. Default: 1,024.
    pub max_in_flight: u16,
    /// Its subscriptions. Default: 100,000.
    pub subscriptions: usize,
    /// Retained messages in its pool beyond which none of its own is kept, unless in place of another. Default: no limit
    /// beside [`Limits::retained_messages`](super::Limits::retained_messages).
    pub retained_messages: usize,
    /// The same for the bytes of retained messages.
    pub retained_bytes: usize,
    /// The longest Session Expiry Interval in seconds; what a client of 3.x asks to be kept is kept this long.
    /// `u32::MAX` is for ever. Default: for ever.
    pub session_expiry_max: u32,
    /// How fast it may publish. Default: as fast as it can.
    pub rate: Rate,
}

impl ClientLimits {
    /// Much of everything.
    pub const DEFAULT: Self = Self {
        queue_messages: 100_000,
        queue_bytes: 64 * 1024 * 1024,
        max_in_flight: 1_024,
        subscriptions: 100_000,
        retained_messages: usize::MAX,
        retained_bytes: usize::MAX,
        session_expiry_max: u32::MAX,
        rate: Rate::UNLIMITED,
    };
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
