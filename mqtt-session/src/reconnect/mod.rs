//! When to connect again, to which server, in which version, and why: a policy as a plain value.
//!
//! ```text
//! start(now)                                   the first attempt is due at once
//! loop {
//!     wait until poll_timeout(); handle_timeout(now) -> Attempt     the moment for fresh tokens and changed options
//!     open a transport to attempt.server, Client::connect in attempt.version
//!     on Event::Connected     handle_connected(now)
//!     on Event::Closed, or if no transport could be opened
//!                             handle_closed(now, &ended) -> Next { at, .. } or Stop { .. }, with the reason
//! }
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `policy` | what the caller decides |
//! | `delay` | how long to wait: back-off, jitter, the seed |
//! | `verdict` | what each reason code means for another attempt, in one table |
//! | `decision` | what goes in and comes out |
//!
//! It keeps no host names and needs no allocator: the text of a Server Reference is the caller's to keep, see
//! [`Referral`].
//!
//! ```
//! use core::time::Duration;
//! use mqtt_proto::{ReasonCode, Version};
//! use mqtt_session::{Instant, client::ClosedBy};
//! use mqtt_session::reconnect::{Decision, Ended, Policy, Reconnect, Verdict};
//!
//! let mut policy = Policy::DEFAULT;
//! policy.minimum = Duration::from_secs(2);
//! // This program asks for a fresh token before each attempt, so a refused one is no reason to give up.
//! policy.overrides = &[(ReasonCode::NOT_AUTHORIZED, Verdict::RetryLate)];
//! let mut reconnect = Reconnect::new(policy, 42);
//!
//! let now = Instant::from_secs(1_000);
//! reconnect.start(now);
//! let attempt = reconnect.handle_timeout(now).expect("the first attempt waits for nothing");
//! assert_eq!((attempt.number, attempt.version), (1, Version::V5));
//!
//! // The server could not be reached.
//! let decision = reconnect.handle_closed(now, &Ended::UNREACHABLE);
//! let Decision::Next { at, attempt, because, .. } = decision else { panic!("no reason to stop") };
//! assert!(at >= now + Duration::from_secs(2));
//! assert_eq!((attempt, because.to_string().as_str()), (2, "the transport ended"));
//! assert_eq!(reconnect.poll_timeout(), Some(at));
//! assert!(reconnect.handle_timeout(at).is_some());
//!
//! // It was, but a user name is wrong: nothing gets better by asking again.
//! let refused = Ended::new(ClosedBy::Server, true, Some(ReasonCode::BAD_USER_NAME_OR_PASSWORD));
//! assert!(matches!(reconnect.handle_closed(at, &refused), Decision::Stop { .. }));
//! assert_eq!(reconnect.poll_timeout(), None);
//! ```

mod decision;
mod delay;
mod policy;
mod verdict;

pub use decision::{Attempt, Because, Decision, Ended, Referral, ServerChoice, StopBecause};
pub use policy::Policy;
pub use verdict::{VERDICTS, Verdict, VerdictRow, verdict};

use mqtt_proto::{ReasonCode, Version};

use crate::{Instant, client::ClosedBy};
use delay::{Bounds, SplitMix64};

/// Decides when a client connects again. See the [module](self).
///
/// Total: a call that does not fit the moment changes nothing and gives what stands. Time that goes back is no time.
#[derive(Clone, Debug)]
pub struct Reconnect {
    policy: Policy,
    random: SplitMix64,
    state: State,
    /// Attempts since `start` or the last stable connection, the one that is due counted.
    attempts: u32,
    /// Of those, the ones that waited for a growing delay.
    rung: u32,
    /// Referrals followed without such a wait between them.
    referrals: u8,
    version: Version,
    server: ServerChoice,
    /// A temporary referral is known.
    away: bool,
}

#[derive(Copy, Clone, Debug)]
enum State {
    Stopped(StopBecause),
    Waiting { at: Instant, because: Because },
    Attempting,
    Connected { since: Instant },
}

/// What to do about an end.
enum Course<'b> {
    Stop(StopBecause),
    Retry,
    RetryLate,
    FallBack,
    Follow(Referral<'b>),
}

impl Reconnect {
    /// A policy that waits for [`start`](Self::start). The seed is all its randomness: clients that shall not come back
    /// all at once need different ones, for example a hash of the client id, or what the hardware offers.
    pub const fn new(policy: Policy, seed: u64) -> Self {
        Self {
            version: policy.version,
            policy,
            random: SplitMix64::new(seed),
            state: State::Stopped(StopBecause::NotStarted),
            attempts: 0,
            rung: 0,
            referrals: 0,
            server: ServerChoice::Home,
            away: false,
        }
    }

    /// What it was made with.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Begins, or begins anew after a stop, in the policy's version: an attempt is due at once.
    ///
    /// While one waits for its time, it becomes due now, as when the network is known to be back, and the count goes
    /// on. While one is under way, nothing changes.
    pub fn start(&mut self, now: Instant) {
        match &mut self.state {
            State::Stopped(_) => {
                self.settle();
                self.version = self.policy.version;
                self.attempts = 1;
                self.state = State::Waiting {
                    at: now,
                    because: Because::Started,
                };
            }
            State::Waiting { at, .. } => *at = now.min(*at),
            State::Attempting | State::Connected { .. } => {}
        }
    }

    /// No more attempts, whatever happens, until [`start`](Self::start). Call it before
    /// [`Client::disconnect`](crate::Client::disconnect) with a failure code, which looks like a fault that was found.
    pub const fn stop(&mut self) {
        self.state = State::Stopped(StopBecause::Asked);
    }

    /// A connection has ended, was refused, or its transport could not be opened. Tells what comes next, and why.
    ///
    /// While nothing is under way, the decision that was made before is given again, without its referral.
    pub fn handle_closed<'b>(&mut self, now: Instant, ended: &Ended<'b>) -> Decision<'b> {
        let opened = match self.state {
            State::Stopped(because) => return Decision::Stop { because },
            State::Waiting { at, because } => return self.next(at, because, None),
            State::Attempting => false,
            State::Connected { since } => {
                if now.saturating_duration_since(since) >= self.policy.stable_after {
                    self.settle();
                }
                true
            }
        };
        let because = Because::Ended {
            by: ended.by,
            refused: ended.refused,
            code: ended.code,
        };
        let policy = self.policy;
        match self.course(ended, opened) {
            Course::Stop(because) => self.give_up(because),
            Course::Retry => {
                self.rung = self.rung.saturating_add(1);
                self.climb(opened);
                self.wait(now, policy.bounds(self.rung), because, None)
            }
            Course::RetryLate => {
                self.rung = self.rung.saturating_add(1);
                self.climb(opened);
                self.wait(now, policy.longest(), because, None)
            }
            Course::FallBack => {
                self.version = Version::V311;
                self.wait(now, policy.bounds(1), Because::VersionRefused, None)
            }
            Course::Follow(referral) => {
                self.referrals = self.referrals.saturating_add(1);
                self.away = !referral.permanent;
                // Another server may speak another version.
                self.version = policy.version;
                self.server = if referral.permanent {
                    ServerChoice::Home
                } else {
                    ServerChoice::Away
                };
                let because = Because::Referred {
                    permanent: referral.permanent,
                };
                self.wait(now, policy.bounds(1), because, Some(referral))
            }
        }
    }

    /// The server has accepted the connection.
    pub const fn handle_connected(&mut self, now: Instant) {
        if let State::Attempting = self.state {
            self.state = State::Connected { since: now };
            if let ServerChoice::Home = self.server {
                self.away = false;
            }
        }
    }

    /// When the next attempt is due; none while one is under way, while connected and after a stop.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { at, .. } => Some(at),
            State::Stopped(_) | State::Attempting | State::Connected { .. } => None,
        }
    }

    /// If an attempt is due, it begins now: given once, before each attempt. From here on the policy waits for
    /// [`handle_connected`](Self::handle_connected) or [`handle_closed`](Self::handle_closed).
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Attempt> {
        match self.state {
            State::Waiting { at, because } if at <= now => {
                self.state = State::Attempting;
                Some(Attempt {
                    number: self.attempts,
                    version: self.version,
                    server: self.server,
                    because,
                })
            }
            State::Waiting { .. } | State::Stopped(_) | State::Attempting | State::Connected { .. } => None,
        }
    }

    fn course<'b>(&self, ended: &Ended<'b>, opened: bool) -> Course<'b> {
        if ended.asked {
            return Course::Stop(StopBecause::Asked);
        }
        let Some(code) = ended.code else {
            return Course::Retry;
        };
        if matches!(ended.by, ClosedBy::Client) && !code.is_failure() {
            return Course::Stop(StopBecause::Asked);
        }
        let chosen = self.policy.overrides.iter().find(|(wanted, _)| *wanted == code);
        if chosen.is_none() {
            if self.policy.fall_back && self.version.has_properties() && version_refused(ended, code, opened)
            {
                return Course::FallBack;
            }
            if let Some(referral) = self.referral(ended, code) {
                return Course::Follow(referral);
            }
        }
        match chosen.map_or_else(|| verdict(code, ended.refused), |(_, verdict)| *verdict) {
            Verdict::Retry => Course::Retry,
            Verdict::RetryLate => Course::RetryLate,
            Verdict::Stop => Course::Stop(StopBecause::Ended {
                by: ended.by,
                refused: ended.refused,
                code,
            }),
        }
    }

    /// 5.0, 4.11: only the server refers, and only where the caller lets it.
    fn referral<'b>(&self, ended: &Ended<'b>, code: ReasonCode) -> Option<Referral<'b>> {
        let permanent = match code {
            ReasonCode::USE_ANOTHER_SERVER => false,
            ReasonCode::SERVER_MOVED => true,
            _ => return None,
        };
        let reference = ended.server_reference.filter(|text| !text.trim().is_empty())?;
        let followed = matches!(ended.by, ClosedBy::Server) && self.referrals < self.policy.referrals;
        followed.then_some(Referral { reference, permanent })
    }

    /// Before a wait: a chain of referrals is over, and a server that did not let us in is not the only one we know.
    const fn climb(&mut self, opened: bool) {
        self.referrals = 0;
        if opened || !self.away {
            return;
        }
        self.server = match self.server {
            ServerChoice::Home => ServerChoice::Away,
            ServerChoice::Away => ServerChoice::Home,
        };
        self.version = self.policy.version;
    }

    fn wait<'b>(
        &mut self,
        now: Instant,
        bounds: Bounds,
        because: Because,
        referral: Option<Referral<'b>>,
    ) -> Decision<'b> {
        let limit = self.policy.max_attempts.map_or(u32::MAX, u32::from);
        if self.policy.max_attempts.is_some() && self.attempts >= limit {
            return self.give_up(StopBecause::TooManyAttempts);
        }
        self.attempts = self.attempts.saturating_add(1);
        let at = now + bounds.draw(&mut self.random);
        self.state = State::Waiting { at, because };
        self.next(at, because, referral)
    }

    const fn next<'b>(&self, at: Instant, because: Because, referral: Option<Referral<'b>>) -> Decision<'b> {
        Decision::Next {
            at,
            attempt: self.attempts,
            because,
            referral,
        }
    }

    const fn give_up<'b>(&mut self, because: StopBecause) -> Decision<'b> {
        self.state = State::Stopped(because);
        Decision::Stop { because }
    }

    /// Everything went well for long enough: what comes next is counted from the beginning.
    const fn settle(&mut self) {
        self.attempts = 0;
        self.rung = 0;
        self.referrals = 0;
    }
}

/// 0x84; or, from a server of 3.x, a CONNACK that is none of 5.0, because its return code 1 comes in the form of 3.x.
const fn version_refused(ended: &Ended<'_>, code: ReasonCode, opened: bool) -> bool {
    match code {
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => true,
        ReasonCode::MALFORMED_PACKET | ReasonCode::PROTOCOL_ERROR => {
            matches!(ended.by, ClosedBy::Client) && !opened
        }
        _ => false,
    }
}
