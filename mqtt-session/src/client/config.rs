//! How a client behaves.

use core::{ops::Add, time::Duration};

use crate::Instant;

/// What a client decides by itself. A plain value; start from [`Config::DEFAULT`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// Bytes that the caller's receive buffer can hold: the largest packet that is taken whole. Below 5, not even CONNACK
    /// fits. Default 64 KiB.
    pub receive_buffer: u32,
    /// What becomes of messages that are larger. Default: they are refused.
    pub oversize: Oversize,
    /// When messages of QoS 1 and 2 are acknowledged. Default automatic.
    pub acknowledge: Acknowledge,
    /// Whether a publish is taken while there is no connection. Default: yes.
    pub offline: Offline,
    /// What a publish does that finds no room. Default: it is refused.
    pub when_full: WhenFull,
    /// Messages of which nothing has been sent for so long are dropped, if there is such a limit. Default: none; more than
    /// 49 days are none too.
    pub max_age: Option<Duration>,
    /// What becomes of messages in flight when the server has lost the session. Default: they are aborted.
    pub on_session_lost: OnSessionLost,
    /// What to do when the server has a session that this client knows nothing of. Default: close in 5.0, as
    /// `5/MQTT-3.2.2-4` demands; in 3.x go on, which 3.1.1 leaves to the client.
    pub unknown_session: UnknownSession,
    /// On connections of 3.1 and 3.1.1: when no answer has come for so long, whatever has none is sent again, in its
    /// order, PUBLISH with DUP. Default: never, and more than 49 days are never too. 5.0 forbids it
    /// (`5/MQTT-4.4.0-1`), and what is lost with a link is sent again on the next in every version.
    pub resend_after: Option<Duration>,
    /// What has to outlive the process is told as records ([`poll_record`](crate::Client::poll_record)), and nothing is sent
    /// that depends on a record before that is persisted ([`handle_persisted`](crate::Client::handle_persisted)). Without
    /// both, messages of QoS 1 and 2 never leave. Default: no.
    pub journal: bool,
    /// How long to wait for CONNACK, from `connect` on. Default 30 s. This and the other spans of time are kept in
    /// milliseconds, rounded up; 49 days are the longest.
    pub connect_timeout: Duration,
    /// How long to wait for PINGRESP (3.1.2.10), and for a transport that takes no byte while PINGREQ is to be written.
    /// Default 20 s.
    pub ping_timeout: Duration,
    /// How long the last packet of a connection, DISCONNECT, may take to be written. After that the transport is given
    /// up. Default 5 s.
    pub close_timeout: Duration,
}

impl Config {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        receive_buffer: 64 << 10,
        oversize: Oversize::Refuse,
        acknowledge: Acknowledge::Automatic,
        offline: Offline::Accept,
        when_full: WhenFull::Refuse,
        max_age: None,
        on_session_lost: OnSessionLost::Abort,
        unknown_session: UnknownSession::AsVersionSays,
        resend_after: None,
        journal: false,
        connect_timeout: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(20),
        close_timeout: Duration::from_secs(5),
    };
}

/// A [`Config`] in the memory of a client: fewer bytes.
#[derive(Copy, Clone, Debug)]
pub(super) struct Settings {
    pub(super) receive_buffer: u32,
    pub(super) connect_timeout: Millis,
    pub(super) ping_timeout: Millis,
    pub(super) close_timeout: Millis,
    pub(super) oversize: Oversize,
    pub(super) acknowledge: Acknowledge,
    pub(super) offline: Offline,
    pub(super) when_full: WhenFull,
    /// Longer than anything waits, if there is none.
    pub(super) max_age: Millis,
    /// The same.
    pub(super) resend_after: Millis,
    pub(super) on_session_lost: OnSessionLost,
    pub(super) unknown_session: UnknownSession,
    pub(super) journal: bool,
}

/// A span of time in whole milliseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(u32);

impl Millis {
    pub(super) const LONGEST: Self = Self(u32::MAX);
    const SHORTEST: Self = Self(1);

    fn unless_longest(self) -> Option<Duration> {
        (self != Self::LONGEST).then(|| self.into())
    }
}

impl From<Duration> for Millis {
    /// Rounded up, so that nothing is due too early; what is too long is as long as can be.
    fn from(span: Duration) -> Self {
        Self(u32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Self {
        Self::from_millis(span.0.into())
    }
}

impl Add<Millis> for Instant {
    type Output = Self;

    fn add(self, span: Millis) -> Self {
        self + Duration::from(span)
    }
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self {
            receive_buffer: config.receive_buffer,
            connect_timeout: config.connect_timeout.into(),
            ping_timeout: config.ping_timeout.into(),
            close_timeout: config.close_timeout.into(),
            oversize: config.oversize,
            acknowledge: config.acknowledge,
            offline: config.offline,
            when_full: config.when_full,
            max_age: config.max_age.map_or(Millis::LONGEST, Millis::from),
            // After no time at all, nothing else would ever be done.
            resend_after: config
                .resend_after
                .map_or(Millis::LONGEST, |span| Millis::from(span).max(Millis::SHORTEST)),
            on_session_lost: config.on_session_lost,
            unknown_session: config.unknown_session,
            journal: config.journal,
        }
    }
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        Self {
            receive_buffer: settings.receive_buffer,
            connect_timeout: settings.connect_timeout.into(),
            ping_timeout: settings.ping_timeout.into(),
            close_timeout: settings.close_timeout.into(),
            oversize: settings.oversize,
            acknowledge: settings.acknowledge,
            offline: settings.offline,
            when_full: settings.when_full,
            max_age: settings.max_age.unless_longest(),
            resend_after: settings.resend_after.unless_longest(),
            on_session_lost: settings.on_session_lost,
            unknown_session: settings.unknown_session,
            journal: settings.journal,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What becomes of a PUBLISH that is larger than the receive buffer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Oversize {
    /// In 5.0 the size of the buffer is announced as Maximum Packet Size; a server that sends more is disconnected with
    /// 0x95, in 3.x cut off.
    Refuse,
    /// It is told in pieces: [`MessageStart`](crate::Event::MessageStart), [`MessageData`](crate::Event::MessageData),
    /// [`MessageEnd`](crate::Event::MessageEnd). Its head, topic and properties, must fit the buffer all the same.
    Stream,
}

/// When messages of QoS 1 and 2 are acknowledged.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Acknowledge {
    /// As soon as the event was handed out.
    Automatic,
    /// When the caller gives the [`AckToken`](crate::AckToken) back.
    Manual,
}

/// Whether a publish is taken while there is no connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Offline {
    /// Yes: it waits in its slot.
    Accept,
    /// No: [`Refused::NotConnected`](crate::Refused::NotConnected).
    Refuse,
}

/// What becomes of what waits in the outbox when there is no room for more. No policy touches a message of which a byte
/// has been sent; what is dropped ends as [`Aborted`](crate::Event::Aborted), and what is refused has dropped nothing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WhenFull {
    /// The new message is refused: [`Refused::Slots`](crate::Refused::Slots) or
    /// [`Refused::Bytes`](crate::Refused::Bytes).
    Refuse,
    /// The oldest messages make room, as many as it takes. Refused if even all of them would not. With a journal, a slot is
    /// needed for each end that is not recorded yet: the oldest goes when the last slot is taken.
    DropOldest,
    /// The oldest messages of QoS 0 make room; refused if even all of them would not.
    DropQoS0,
    /// Nothing is kept for a later connection: a publish is taken on a connection only
    /// ([`Refused::NotConnected`](crate::Refused::NotConnected)), and what was not sent when it ends is dropped, with
    /// half a message of QoS 0. If there is no room, the new message is refused.
    KeepNothing,
}

/// What becomes of messages in flight when the server has lost the session.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OnSessionLost {
    /// They end as [`Aborted`](crate::Event::Aborted): whether they arrived is not known.
    Abort,
    /// Those that the server has not taken over are sent as new messages, with the risk that they arrive twice. A QoS 2
    /// message after PUBREC is the server's, and is aborted.
    SendAgainAsNew,
}

/// What to do with Session Present when this client has no session.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum UnknownSession {
    /// 5.0: close (`5/MQTT-3.2.2-4`). 3.x: go on.
    AsVersionSays,
    /// Go on in any version: for programs that end and come back under the same client id, and keep no state.
    Accept,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_kept_in_milliseconds_and_never_shorter_than_asked_for() {
        for (asked, kept) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_nanos(1), Duration::from_millis(1)),
            (Duration::from_millis(1), Duration::from_millis(1)),
            (Duration::from_micros(5_000_001), Duration::from_millis(5_001)),
            (Duration::MAX, Duration::from_millis(u32::MAX.into())),
        ] {
            assert_eq!(Duration::from(Millis::from(asked)), kept);
        }
    }

    #[test]
    fn a_client_keeps_all_of_its_configuration() {
        let mut config = Config {
            receive_buffer: 1,
            oversize: Oversize::Stream,
            acknowledge: Acknowledge::Manual,
            offline: Offline::Refuse,
            when_full: WhenFull::DropQoS0,
            max_age: Some(Duration::from_secs(4)),
            resend_after: Some(Duration::from_secs(5)),
            on_session_lost: OnSessionLost::SendAgainAsNew,
            unknown_session: UnknownSession::Accept,
            journal: true,
            connect_timeout: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(2),
            close_timeout: Duration::from_secs(3),
        };
        assert_eq!(Config::from(Settings::from(config)), config);
        config = Config::DEFAULT;
        assert_eq!(Config::from(Settings::from(config)), config);
    }
}
