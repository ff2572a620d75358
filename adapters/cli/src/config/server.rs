//! Keys of the whole server: those at the top, and `[limits]`.

use core::time::Duration;

use mqtt_session::server::Limits;

use super::{
    Settings,
    key::{Key, keys},
    setting::Setting as _,
};

pub(super) const KEYS: &[Key<Settings>] = keys! { Settings {
    /// The directory in which sessions, what waits for them and is under way, retained messages and wills outlive the
    /// process. Whatever a client is told is safe there before it is told. Without it, all is gone with the process.
    data = "\"/var/lib/mqtt\"",
    /// Whether messages of QoS 0 wait for clients that are away, too.
    queue_qos_0_while_away: server.queue_qos_0_while_away,
    /// What happens to a message that finds the queue of a session full: it is dropped ("newest"), the messages that wait
    /// longest are dropped for it ("oldest"), or the client is disconnected with 0x97, quota exceeded ("disconnect").
    drop_policy: server.drop_policy,
    /// What happens when there is no room for another retained message: it is not kept ("refuse-new"), those that were
    /// stored first make room ("evict-oldest"), or those that would expire first do ("evict-soonest-to-expire"; never one
    /// that does not expire).
    retained_policy: server.retained_policy,
    /// Threads that verify passwords. Each uses the memory that the hash asks for, usually 19 MiB, while it works.
    password_threads,
    /// Passwords that may wait to be verified. A client that comes when there are more is told to come later;
    /// one that had to wait longer than a decision may take is refused.
    password_queue,
}};

pub(super) const SYS: &[Key<Settings>] = &[Key {
    name: "sys_interval",
    doc: " Seconds from one time that the broker publishes how it is, in $SYS/broker/..., to the next; 0 is never.\n \
          Nothing is published while nobody is subscribed.\n",
    set: |settings, value| {
        settings.server.sys_interval = Some(Duration::read(value)?).filter(|interval| !interval.is_zero());
        Ok(())
    },
    get: |settings| settings.server.sys_interval.unwrap_or_default().write(),
    example: "",
}];

pub(super) const LIMITS: &[Key<Limits>] = keys! { Limits {
    /// Connections at a time.
    connections,
    /// Connections whose client has not been accepted yet.
    handshakes,
    /// Sessions, connected or kept.
    sessions,
    /// Subscriptions of all sessions.
    subscriptions,
    /// Bytes of the filters of all subscriptions; each level counts as what it may take of memory, about 100.
    subscription_bytes,
    /// Retained messages.
    retained_messages,
    /// Bytes of all retained messages; the levels of their topics count likewise.
    retained_bytes,
    /// Bytes of the packets that wait on one connection behind one that is being decided.
    inbox_bytes,
    /// Seconds that a decision may take: to verify a password, say.
    decision_timeout,
    /// Levels of a topic or filter. More than 1024 count as 1024.
    topic_levels,
    /// Events that wait to be logged; when there are more, the oldest are forgotten and counted.
    events,
}};
