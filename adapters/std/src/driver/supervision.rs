//! Connecting again, and bringing subscriptions back: the session's reconnect policy and registry, joined to a driver.
//!
//! ```text
//! loop {
//!     next_news()                         until there is none
//!     take_attempt()                      the hook: open a transport, then opened() or not_opened()
//!     is_stopped()                        there will be no more
//!     the loop of the driver
//! }
//! ```

use core::hash::BuildHasher;
use std::{collections::VecDeque, hash::RandomState, io};

use mqtt_proto::{Properties, TopicFilter, Version, packet::Subscription};
use mqtt_session::{
    Client, Event, Instant, Token,
    client::{ClosedBy, Found},
    reconnect::{Decision, Ended, Policy, Reconnect, ServerChoice, StopBecause},
    registry::{Held, Limits, Registry},
    storage::Storage,
};

use super::{Driver, Link};
use crate::{Attempt, ConnectError, News, Options, Stop, Stopped, Waiting};

/// What a client that reconnects has beside its driver.
pub(super) struct Supervision {
    reconnect: Reconnect,
    registry: Registry,
    limits: Limits,
    /// Server References that are followed.
    home: Option<String>,
    away: Option<String>,
    opening: Opening,
    /// The version of the connection.
    version: Version,
    pub(super) drain_until: Option<Instant>,
    /// No further attempt is to be made.
    stopping: bool,
    /// That was told.
    stopped: bool,
    news: VecDeque<News<(Found, usize)>>,
}

/// What has become of the attempt that has begun.
#[derive(Debug)]
enum Opening {
    None,
    /// Nobody has taken it up.
    Due(Attempt),
    /// A transport is being opened; then it has taken too long.
    UnderWay {
        by: Instant,
    },
}

impl Supervision {
    fn new(policy: Policy, seed: u64) -> Self {
        Self {
            reconnect: Reconnect::new(policy, seed),
            registry: Registry::new(),
            limits: Limits::new(policy.version),
            home: None,
            away: None,
            opening: Opening::None,
            version: policy.version,
            drain_until: None,
            stopping: false,
            stopped: false,
            news: VecDeque::new(),
        }
    }

    /// Hears of an event before it is told. `true`: it is to be told to nobody.
    pub(super) fn observe(&mut self, now: Instant, event: &Event<'_>, error: Option<io::Error>) -> bool {
        let mut own = false;
        if let Event::Connected(connected) = event {
            self.reconnect.handle_connected(now);
            self.limits = Limits::of(self.version, connected.properties);
            // A CONNACK of 3.1 does not tell whether there is a session: rather ask twice than never.
            let tells = self.version != Version::V31;
            self.registry.handle_connected(tells && connected.session_present);
        } else {
            own = self.registry.handle_event(event);
        }
        if let Event::Closed(closed) = event {
            let decision = self.reconnect.handle_closed(now, &closed.into());
            self.decided(now, decision, error.map(Into::into));
        }
        self.pass_on();
        own
    }

    fn decided(&mut self, now: Instant, decision: Decision<'_>, error: Option<ConnectError>) {
        match decision {
            Decision::Next {
                at,
                attempt,
                because,
                referral,
            } => {
                if let Some(referral) = referral {
                    let place = if referral.permanent {
                        &mut self.home
                    } else {
                        &mut self.away
                    };
                    *place = Some(referral.reference.into());
                }
                self.news.push_back(News::Waiting(Waiting {
                    at,
                    wait: at.saturating_duration_since(now),
                    attempt,
                    because,
                    error,
                }));
            }
            Decision::Stop { because } => {
                let error = match error {
                    Some(ConnectError::Io(error)) => Some(error),
                    Some(ConnectError::Refused(_)) | None => None,
                };
                self.tell_stopped(Stop::Policy(because), error);
            }
        }
    }

    fn tell_stopped(&mut self, because: Stop, error: Option<io::Error>) {
        self.opening = Opening::None;
        self.drain_until = None;
        if !self.stopped {
            self.stopped = true;
            self.news.push_back(News::Stopped(Stopped { because, error }));
        }
    }

    /// What the registry has to tell becomes news.
    fn pass_on(&mut self) {
        while let Some(event) = self.registry.poll_event() {
            self.news.push_back(News::Subscriptions(event));
        }
    }

    /// Asks for what is missing, as much as the machine takes now.
    pub(super) fn restore<S: Storage>(&mut self, now: Instant, machine: &mut Client<S>) {
        while let Some(batch) = self.registry.poll_restore(&self.limits) {
            match machine.subscribe(now, batch.subscriptions(), batch.properties()) {
                Ok(token) => self.registry.handle_restoring(token),
                Err(why) if self.registry.handle_not_taken(why) => {}
                Err(_) => break,
            }
        }
        self.pass_on();
    }

    pub(super) fn subscribed(
        &mut self,
        token: Token,
        filters: &[Subscription<'_>],
        properties: Properties<'_>,
    ) {
        self.registry.handle_subscribe(token, filters, properties);
    }

    pub(super) fn unsubscribed(&mut self, token: Token, filters: &[TopicFilter<'_>]) {
        self.registry.handle_unsubscribe(token, filters);
    }

    /// No further attempt, whatever happens. Told now, or after the end of the connection if there is one.
    pub(super) fn stop(&mut self, link: Link) {
        self.stopping = true;
        self.reconnect.stop();
        if link == Link::Idle {
            self.tell_stopped(Stop::Policy(StopBecause::Asked), None);
        }
    }

    /// No further attempt will be made, but the last connection may not have ended yet.
    pub(super) const fn is_stopping(&self) -> bool {
        self.stopping || self.stopped
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let opened = match self.opening {
            Opening::UnderWay { by } => Some(by),
            Opening::None | Opening::Due(_) => None,
        };
        [self.reconnect.poll_timeout(), self.drain_until, opened]
            .into_iter()
            .flatten()
            .min()
    }

    /// The attempt that is due, if one is.
    fn begin(&mut self, now: Instant) -> bool {
        let Opening::None = self.opening else {
            return false;
        };
        let Some(attempt) = self.reconnect.handle_timeout(now) else {
            return false;
        };
        self.version = attempt.version;
        let away = self
            .away
            .as_ref()
            .filter(|_| attempt.server == ServerChoice::Away);
        let attempt = Attempt {
            number: attempt.number,
            version: attempt.version,
            because: attempt.because,
            reference: away.or(self.home.as_ref()).cloned(),
        };
        self.news.push_back(News::Connecting(attempt.clone()));
        self.opening = Opening::Due(attempt);
        true
    }
}

impl<S: Storage> Driver<S> {
    /// From now on connections are opened by policy; the first is due at once. The seed for the jitter is drawn.
    pub fn supervise(&mut self, policy: Policy) {
        let mut supervision = Supervision::new(policy, RandomState::new().hash_one(self.now.as_micros()));
        self.look();
        supervision.reconnect.start(self.now);
        self.supervision = Some(Box::new(supervision));
    }

    /// Another seed for the jitter.
    pub fn set_seed(&mut self, seed: u64) {
        if let Some(supervision) = &mut self.supervision {
            let policy = *supervision.reconnect.policy();
            supervision.reconnect = Reconnect::new(policy, seed);
            supervision.reconnect.start(self.now);
        }
    }

    /// Supervises no more; what is connected stays so.
    pub fn leave_alone(&mut self) {
        self.supervision = None;
    }

    /// The next thing to tell, its event to be seen with [`view`](Self::view).
    pub fn next_news(&mut self) -> Option<News<(Found, usize)>> {
        loop {
            if let Some(news) = self.supervision.as_mut()?.news.pop_front() {
                return Some(news);
            }
            if let Some(event) = self.next_event() {
                return Some(News::Event(event));
            }
            if !self.is_due() && self.supervision.as_ref()?.news.is_empty() {
                return None;
            }
        }
    }

    /// Without a connection: ends draining, ends or begins an attempt. `true`: there is something to tell.
    fn is_due(&mut self) -> bool {
        let Some(supervision) = &mut self.supervision else {
            return false;
        };
        if self.link != Link::Idle || supervision.stopped {
            return false;
        }
        let drain_until = supervision.drain_until;
        if drain_until.is_some_and(|until| until <= self.now || self.machine.is_idle()) {
            supervision.stop(self.link);
            return true;
        }
        match supervision.opening {
            Opening::UnderWay { by } if by <= self.now => {
                self.not_opened(io::ErrorKind::TimedOut.into());
                true
            }
            Opening::None | Opening::Due(_) | Opening::UnderWay { .. } => supervision.begin(self.now),
        }
    }

    /// If an attempt has begun: what it is. Open a transport, and say [`opened`](Self::opened) or
    /// [`not_opened`](Self::not_opened); if neither was said after
    /// [`connect_timeout`](mqtt_session::Config::connect_timeout), the attempt has failed.
    pub fn take_attempt(&mut self) -> Option<Attempt> {
        let by = self.now + self.machine.config().connect_timeout;
        let supervision = self.supervision.as_mut()?;
        match core::mem::replace(&mut supervision.opening, Opening::UnderWay { by }) {
            Opening::Due(attempt) => Some(attempt),
            other @ (Opening::None | Opening::UnderWay { .. }) => {
                supervision.opening = other;
                None
            }
        }
    }

    /// An attempt is under way, and has no transport yet.
    pub fn is_opening(&self) -> bool {
        self.supervision
            .as_ref()
            .is_some_and(|supervision| matches!(supervision.opening, Opening::UnderWay { .. }))
    }

    /// A transport is ready. `false`: it is not wanted, and to be closed; [`next_news`](Self::next_news) says why.
    pub fn opened(&mut self, options: &Options) -> bool {
        self.look();
        if !self.is_opening() {
            return false;
        }
        let version = self
            .supervision
            .as_ref()
            .map_or(Version::V5, |supervision| supervision.version);
        let attached = options.lend(version, |options| self.attach(options));
        let Some(supervision) = &mut self.supervision else {
            return false;
        };
        supervision.opening = Opening::None;
        match attached {
            Ok(()) => {
                if let Some(until) = supervision.drain_until {
                    // There is a link now: it cannot be refused.
                    let _ = self.machine.shutdown(self.now, until);
                }
                return true;
            }
            Err(why) if why.is_temporary() => {
                let decision = supervision.reconnect.handle_closed(self.now, &Ended::UNREACHABLE);
                supervision.decided(self.now, decision, Some(why.into()));
            }
            Err(why) => {
                supervision.reconnect.stop();
                supervision.tell_stopped(Stop::Refused(why), None);
            }
        }
        false
    }

    /// No transport could be opened.
    pub fn not_opened(&mut self, error: io::Error) {
        self.look();
        if !self.is_opening() {
            return;
        }
        if let Some(supervision) = &mut self.supervision {
            supervision.opening = Opening::None;
            let ended = Ended::new(ClosedBy::Transport, false, None);
            let decision = supervision.reconnect.handle_closed(self.now, &ended);
            supervision.decided(self.now, decision, Some(error.into()));
        }
    }

    /// There will be no further attempt, and this was told.
    pub fn is_stopped(&self) -> bool {
        self.link == Link::Idle
            && self
                .supervision
                .as_ref()
                .is_some_and(|supervision| supervision.stopped && supervision.news.is_empty())
    }

    /// Begins anew after a stop; while an attempt waits for its time, it begins now, as when the network is known to be
    /// back.
    pub fn start(&mut self) {
        self.look();
        if let Some(supervision) = &mut self.supervision {
            if self.link == Link::Idle || !supervision.is_stopping() {
                (supervision.stopping, supervision.stopped) = (false, false);
                supervision.drain_until = None;
                supervision.reconnect.start(self.now);
            }
        }
    }

    /// Which subscriptions are held.
    pub fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let supervision = self.supervision.as_ref();
        supervision
            .into_iter()
            .flat_map(|supervision| supervision.registry.held())
    }

    /// See [`Registry::hold`].
    pub fn hold(&mut self, subscription: &Subscription<'_>, identifier: Option<u32>) {
        if let Some(supervision) = &mut self.supervision {
            supervision.registry.hold(subscription, identifier);
        }
    }

    /// See [`Registry::forget`].
    pub fn forget(&mut self, filter: TopicFilter<'_>) -> bool {
        let supervision = self.supervision.as_mut();
        supervision.is_some_and(|supervision| supervision.registry.forget(filter))
    }
}

/// Gives a client that reconnects what it has beside the [`commands!`](crate::commands), from the [`Driver`] in this field.
/// For adapters.
#[macro_export]
macro_rules! supervised {
    ($($driver:ident).+) => {
        /// With this seed for the jitter, instead of one that is drawn: for tests that shall always run the same way.
        #[must_use]
        pub fn with_seed(mut self, seed: u64) -> Self {
            self.$($driver).+.set_seed(seed);
            self
        }

        /// Begins anew after a stop. While an attempt waits for its time, it begins now, as when the network is known to
        /// be back.
        pub fn start(&mut self) {
            self.$($driver).+.start();
        }

        /// There will be no further attempt, and this was told.
        pub fn is_stopped(&self) -> bool {
            self.$($driver).+.is_stopped()
        }

        /// Which subscriptions are held, and which of them the server has.
        pub fn held(&self) -> impl Iterator<Item = ::mqtt_session::registry::Held<'_>> {
            self.$($driver).+.held()
        }

        /// Holds a subscription without asking for it now: see
        /// [`Registry::hold`](mqtt_session::registry::Registry::hold). Before the first connection, it is made there if
        /// the server has no session.
        pub fn hold(
            &mut self,
            subscription: &::mqtt_proto::packet::Subscription<'_>,
            identifier: Option<u32>,
        ) {
            self.$($driver).+.hold(subscription, identifier);
        }

        /// Holds a subscription no longer, without giving it up at the server. `true`: it was held.
        pub fn forget(&mut self, filter: ::mqtt_proto::TopicFilter<'_>) -> bool {
            self.$($driver).+.forget(filter)
        }
    };
}
