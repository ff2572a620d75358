//! Sessions, subscriptions and retained messages: everything in which one client meets another.
//!
//! A [`Broker`] knows no bytes. Connections bring it [`Request`]s and take [`Reply`]s from it; sessions stay when
//! connections go.
//!
//! - `link`: a connection as seen from here: who is on it, what is owed to it, its windows.
//! - `connect`: CONNECT, client ids, taking over.
//! - `publish`: messages from clients, and wills, to the queues of subscribers and the retained store.
//! - `deliver`: messages from a queue to its client, and the answers to them.
//! - `subscribe`: SUBSCRIBE and UNSUBSCRIBE.
//! - `decide`: what is in question, and how it goes on; `inbox` holds what waits.
//! - `authenticate`: AUTH.
//! - `local`: connections without a wire.
//! - `inspect`, `manage`: what the owner sees and does.
//! - `withheld`: what a connection is not told until what it depends on is safe.
//! - `restore`: a broker made from the entries that another one wrote.
//! - `observe`: metrics, the greatest sessions, `$SYS`.
//! - `ending`: the ends of connections and sessions, wills, time.

mod authenticate;
mod connect;
mod decide;
mod deliver;
mod ending;
mod inbox;
mod inspect;
mod link;
mod local;
mod manage;
mod observe;
mod publish;
mod restore;
mod subscribe;
mod withheld;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};

use mqtt_proto::{ReasonCode, Version};
use slab::Slab;

use super::{
    ConnId, Ended, Grant, Offer, Overloaded, Pace, Peer, Pool, Refusal, Reply, Request, ServerConfig,
    ServerEvent,
    deadlines::Deadlines,
    event::Events,
    journal::{Journal, Log},
    message::Message,
    metrics::{Averages, Totals},
    pool::{RealmKey, Realms},
    question::{Kind, Questions},
    retained::{Quota, Retained},
    route::{Match, SessionKey, Subscribed},
    session::{Backlog, Session},
    sys::Sys,
};
use crate::{
    Instant,
    flow::rules::{self, Rule, Violation},
};
use decide::Verdict;
use inbox::Inbox;
use link::{Link, Phase};
use local::Local;
pub(super) use publish::Origin;
pub use restore::{Restore, RestoreError};

#[cfg(test)]
pub(super) const LINK_SIZE: usize = size_of::<Link>();

/// Sessions apart from connections, routing, retained messages, wills.
///
/// The part of a [`Server`](super::Server) that is not about bytes; by itself for those who keep connections on threads
/// of their own. [`handle_request`](Self::handle_request) brings what a client asks,
/// [`poll_reply`](Self::poll_reply) takes what it is to be sent, one packet at a time: a message leaves its queue only
/// when its connection asks for it, so a slow client holds up nobody.
#[derive(Clone, Debug)]
pub struct Broker {
    config: ServerConfig,
    /// What clients are granted that nobody asks about, by listener as the offers.
    grants: Vec<Arc<Grant>>,
    /// The latest time seen; time that goes backwards stands still.
    now: Instant,
    /// The first time seen.
    started: Option<Instant>,
    links: Slab<Link>,
    generation: u32,
    pub(super) sessions: Slab<Session>,
    by_client: BTreeMap<(Pool, Arc<str>), SessionKey>,
    pub(super) journal: Journal,
    realms: Realms,
    pub(super) retained: Retained,
    sys: Sys,
    totals: Totals,
    averages: Averages,
    /// Sessions whose client is connected, now and at most.
    connected: usize,
    connected_maximum: usize,
    /// What waits in all sessions.
    backlog: Backlog,
    /// Links whose client has not been accepted yet.
    handshakes: usize,
    /// Of all sessions, and the bytes of their filters.
    subscriptions: usize,
    subscription_bytes: usize,
    deadlines: Deadlines<SessionKey>,
    ready: VecDeque<ConnId>,
    /// Local connections, by the index of their [`ConnId`].
    locals: BTreeMap<u32, Local>,
    ready_locals: VecDeque<ConnId>,
    events: Events,
    /// Client ids that were invented so far.
    pub(super) invented: u64,
    /// Wills and overflows wait here until what caused them is done, so that one cannot cause the next within it.
    wills: VecDeque<(Origin, Message)>,
    overflowed: VecDeque<SessionKey>,
    questions: Questions,
    /// Kept for their memory.
    matches: Vec<Match>,
    spare_inbox: Option<Box<Inbox>>,
}

/// What a [`Broker`] holds at the moment.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// Connections.
    pub connections: usize,
    /// Sessions, connected or kept.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Messages that wait for sessions, in all queues; one that waits in several counts in each.
    pub queued_messages: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Messages of QoS 1 and 2 on their way to clients.
    pub in_flight: usize,
    /// Retained messages.
    pub retained_messages: usize,
    /// What they count against [`Limits::retained_bytes`](super::Limits::retained_bytes).
    pub retained_bytes: usize,
}

impl Broker {
    /// A broker without sessions.
    pub fn new(config: ServerConfig) -> Self {
        let config = config.sane();
        let limits = &config.limits;
        Self {
            now: Instant::ZERO,
            started: None,
            totals: Totals::default(),
            averages: Averages::new(Instant::ZERO),
            connected: 0,
            connected_maximum: 0,
            links: Slab::new(),
            generation: 0,
            sessions: Slab::new(),
            by_client: BTreeMap::new(),
            journal: Journal::new(config.durable),
            realms: Realms::default(),
            retained: Retained::new(
                Quota {
                    messages: limits.retained_messages,
                    bytes: limits.retained_bytes,
                },
                config.retained_policy,
            ),
            sys: Sys::new(),
            backlog: Backlog::default(),
            handshakes: 0,
            subscriptions: 0,
            subscription_bytes: 0,
            deadlines: Deadlines::new(),
            ready: VecDeque::new(),
            locals: BTreeMap::new(),
            ready_locals: VecDeque::new(),
            events: Events::new(limits.events),
            invented: 0,
            wills: VecDeque::new(),
            overflowed: VecDeque::new(),
            questions: Questions::default(),
            matches: Vec::new(),
            spare_inbox: None,
            grants: config
                .offers
                .iter()
                .map(|offer| Arc::new(offer.grant.clone()))
                .collect(),
            config,
        }
    }

    /// How it is set up.
    pub const fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// What it holds.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            connections: self.links.len(),
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions,
            queued_messages: self.backlog.queued_messages,
            queued_bytes: self.backlog.queued_bytes,
            in_flight: self.backlog.in_flight,
            retained_messages: self.retained.count(),
            retained_bytes: self.retained.bytes(),
        }
    }

    /// A new connection, which stays until [`Request::Lost`].
    ///
    /// # Errors
    ///
    /// There are as many connections as the limit allows, or as many whose client was not accepted yet.
    pub fn open(&mut self, peer: Peer) -> Result<ConnId, Overloaded> {
        let limits = &self.config.limits;
        if self.links.len() >= limits.connections || self.handshakes >= limits.handshakes {
            return Err(Overloaded);
        }
        let conn = self.new_link(peer)?;
        self.handshakes += 1;
        Ok(conn)
    }

    fn new_link(&mut self, peer: Peer) -> Result<ConnId, Overloaded> {
        let index = u32::try_from(self.links.vacant_key()).map_err(|_| Overloaded)?;
        self.generation = self.generation.wrapping_add(1);
        self.links.insert(Link::new(self.generation, peer));
        self.totals.opened += 1;
        Ok(ConnId {
            index,
            generation: self.generation,
        })
    }

    /// Where this connection comes from; `None` if it is gone.
    pub fn peer(&self, conn: ConnId) -> Option<Peer> {
        self.link(conn).map(|link| link.peer.get())
    }

    /// What a connection asks. It is accepted at any time; requests of a connection that is over are ignored.
    pub fn handle_request(&mut self, now: Instant, conn: ConnId, request: Request<'_>) -> Pace {
        let now = self.clock(now);
        self.journal.begin_request();
        self.count_request(conn, &request);
        if let Some((phase, is_asking)) = self.link(conn).map(|link| (link.phase, link.is_asking())) {
            if matches!(request, Request::Lost) && phase != Phase::Local {
                self.lost(now, conn);
            } else if is_asking {
                self.wait(now, conn, request);
            } else if let Some(kind) = self.take(now, conn, phase, request, None) {
                self.ask(now, conn, kind, &request);
            }
        }
        self.settle(now);
        if self.is_paused(conn) {
            Pace::Pause
        } else {
            Pace::Go
        }
    }

    /// Does what is asked, or says that it is to be asked about first. With a verdict it was.
    fn take(
        &mut self,
        now: Instant,
        conn: ConnId,
        phase: Phase,
        request: Request<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        match phase {
            Phase::Fresh => self.fresh_request(now, conn, request),
            Phase::Connecting => match (request, verdict) {
                (Request::Connect(connect), Some(verdict)) => {
                    self.connect_decided(now, conn, &connect, verdict);
                    None
                }
                (Request::Auth(_), Some(verdict)) => {
                    self.auth_decided(now, conn, verdict);
                    None
                }
                (request, _) => self.authenticating_request(now, conn, request),
            },
            Phase::Open => self.open_request(now, conn, request, verdict),
            // 5/MQTT-3.1.4-6, 3.1.1/MQTT-3.1.4-5; 3.14.4: what comes behind the end has no effect.
            // A local connection asks by calls.
            Phase::Over | Phase::Local => None,
        }
    }

    fn fresh_request(&mut self, now: Instant, conn: ConnId, request: Request<'_>) -> Option<Kind> {
        match request {
            Request::Connect(connect) => return self.connect(now, conn, &connect),
            Request::Violation(violation) => {
                self.end_link(
                    now,
                    conn,
                    Ended::Violation(violation),
                    Some(Reply::Refuse(violation.code)),
                );
            }
            Request::NoConnect => self.end_link(now, conn, Ended::NoConnect, Some(Reply::Close)),
            Request::Publish(_)
            | Request::Answer(..)
            | Request::Release(_)
            | Request::Subscribe(_)
            | Request::Unsubscribe(_)
            | Request::Auth(_)
            | Request::Disconnect(_)
            | Request::Lost => {
                let violation = rules::FIRST_NOT_CONNECT.broken(Version::V5);
                self.end_link(now, conn, Ended::Violation(violation), Some(Reply::Close));
            }
        }
        None
    }

    fn open_request(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: Request<'_>,
        verdict: Option<Verdict>,
    ) -> Option<Kind> {
        match request {
            Request::Connect(_) => self.violation(now, conn, &rules::SECOND_CONNECT),
            Request::Publish(publish) => return self.publish(now, conn, &publish, verdict),
            Request::Answer(answer, ack) => self.answer(now, conn, answer, ack),
            Request::Release(ack) => self.release(now, conn, ack),
            Request::Subscribe(subscribe) => return self.subscribe(now, conn, &subscribe, verdict),
            Request::Unsubscribe(unsubscribe) => {
                return self.unsubscribe(now, conn, &unsubscribe, verdict);
            }
            Request::Auth(auth) => return self.authenticate(now, conn, &auth, verdict),
            Request::Disconnect(disconnect) => self.disconnect(now, conn, &disconnect),
            Request::Violation(violation) => self.broken(now, conn, violation),
            Request::NoConnect | Request::Lost => {}
        }
        None
    }

    /// The next packet for this connection: what is owed first, then what must be sent again, then retained messages of
    /// new subscriptions, then messages as they came. What is taken counts as sent.
    pub fn poll_reply(&mut self, now: Instant, conn: ConnId) -> Option<Reply> {
        let now = self.clock(now);
        let Self { links, journal, .. } = self;
        let link = links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation)?;
        let Some(reply) = link.take_owed(journal) else {
            let reply = (link.phase == Phase::Open && !link.awaits_connack())
                .then(|| self.next_delivery(now, conn))
                .flatten();
            self.settle(now);
            return reply;
        };
        if !matches!(reply, Reply::Close) {
            self.count_reply(conn);
        }
        if self.link_mut(conn)?.go_on() {
            self.wake(conn);
        }
        match reply {
            Reply::PubAck(id, code) | Reply::PubRec(id, code) => self.answered(conn, id, code),
            // It was withheld.
            Reply::Deliver(ref delivery) => self.count_delivery(delivery),
            Reply::Accept(_)
            | Reply::Auth(_)
            // Only what is refused is explained, and that ends no exchange.
            | Reply::Explained(_)
            | Reply::Refuse(_)
            | Reply::PubRel(..)
            | Reply::PubComp(..)
            | Reply::SubAck(..)
            | Reply::UnsubAck(..)
            | Reply::Disconnect(_)
            | Reply::Close => {}
        }
        Some(reply)
    }

    /// True unless the connection was asked to pause, or is over.
    pub fn wants_input(&self, conn: ConnId) -> bool {
        !self.is_paused(conn) && !self.is_over(conn)
    }

    /// The client was asked to wait: it takes no answers, or was too fast.
    pub(super) fn is_paused(&self, conn: ConnId) -> bool {
        self.link(conn).is_some_and(|link| {
            let session = || self.sessions.get(link.session?.0 as usize);
            link.paused || session().is_some_and(|session| session.resumes_at().is_some())
        })
    }

    /// Nothing is taken from this client any more: what it is owed is still to be written, and then the transport closed.
    pub fn is_over(&self, conn: ConnId) -> bool {
        self.link(conn).is_none_or(|link| link.phase == Phase::Over)
    }

    /// A connection that has something to be taken by [`poll_reply`](Self::poll_reply), or may be read again.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        loop {
            let conn = self.ready.pop_front()?;
            if let Some(link) = self.link_mut(conn) {
                link.listed = false;
                return Some(conn);
            }
        }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.poll()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.deadlines.next(),
            self.retained.deadline(),
            self.questions.deadline(),
            self.sys_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Gives memory back that this connection and its session do not need while nothing happens.
    pub fn shrink(&mut self, conn: ConnId) {
        let now = self.now;
        let Self { links, journal, .. } = self;
        let link = links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation);
        if let Some(link) = link {
            link.shrink(journal);
        }
        if let Some((_, session)) = self.session_of(conn) {
            session.queue.shrink();
            session.in_flight.shrink();
            session.forget_full_meter(now);
            session.tidy();
        }
    }

    /// Ends a connection with this code: DISCONNECT in 5.0, a close without a word in 3.x and before CONNACK. A will is published.
    pub fn disconnect_client(&mut self, now: Instant, conn: ConnId, code: ReasonCode) {
        self.disconnect_with(now, conn, Refusal::new(code));
    }

    /// Ends all connections with 0x8B (Server shutting down).
    pub fn shutdown(&mut self, now: Instant) {
        let all: Vec<ConnId> = self
            .links
            .iter()
            .filter_map(|(index, link)| {
                Some(ConnId {
                    index: u32::try_from(index).ok()?,
                    generation: link.generation,
                })
            })
            .collect();
        for conn in all {
            self.disconnect_client(now, conn, ReasonCode::SERVER_SHUTTING_DOWN);
        }
    }

    pub(super) fn clock(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        if self.started.is_none() {
            // The first look that anybody has at a clock may be at none.
            self.started = Some(self.now).filter(|&now| now != Instant::ZERO);
            self.averages = Averages::new(self.now);
        } else if self.averages.is_due(self.now) {
            let drops = self.events.totals().iter().sum();
            self.averages.look(self.now, &self.totals, drops);
        }
        self.now
    }

    fn link(&self, conn: ConnId) -> Option<&Link> {
        self.links
            .get(conn.index())
            .filter(|link| link.generation == conn.generation)
    }

    fn link_mut(&mut self, conn: ConnId) -> Option<&mut Link> {
        self.links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation)
    }

    /// What the listener of this connection offers.
    fn offer(&self, conn: ConnId) -> &Offer {
        self.config
            .offer(self.link(conn).map_or(0, |link| link.peer.listener()))
    }

    /// What its clients are granted that nobody asks about.
    fn default_grant(&self, conn: ConnId) -> Arc<Grant> {
        self.grant_of(self.link(conn).map_or(0, |link| link.peer.listener()))
    }

    /// What clients of this listener are granted that nobody asks about.
    fn grant_of(&self, listener: u16) -> Arc<Grant> {
        self.grants
            .get(usize::from(listener))
            .or_else(|| self.grants.first())
            .cloned()
            .unwrap_or_default()
    }

    /// The only place where a link goes on.
    fn set_phase(&mut self, conn: ConnId, phase: Phase) {
        if let Some(link) = self.link_mut(conn) {
            let was_handshake = link.phase.is_handshake();
            link.phase = phase;
            if was_handshake && !phase.is_handshake() {
                self.handshakes = self.handshakes.saturating_sub(1);
            }
        }
    }

    fn session(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key.0 as usize)
    }

    fn session_of(&mut self, conn: ConnId) -> Option<(&mut Link, &mut Session)> {
        self.parts_of(conn).map(|(link, session, ..)| (link, session))
    }

    /// A connection and its session, and what changes of them are told to.
    fn parts_of(&mut self, conn: ConnId) -> Option<(&mut Link, &mut Session, &mut Backlog, Log<'_>)> {
        let link = self
            .links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation)?;
        let session = self.sessions.get_mut(link.session?.0 as usize)?;
        let log = self.journal.log(session.owner);
        Some((link, session, &mut self.backlog, log))
    }

    /// What is known of a session has changed, beside what its parts tell themselves.
    fn note(&mut self, key: SessionKey) {
        let Self {
            sessions, journal, ..
        } = self;
        let Some(session) = sessions.get_mut(key.0 as usize) else {
            return;
        };
        let has_will = session.rare.as_ref().is_some_and(|rare| rare.will.is_some());
        if journal.note_session(&mut session.owner, session.expiry > 0, has_will) {
            journal.store_session(session);
        }
    }

    /// Which listener's clients are granted this, if nobody decided about it.
    pub(super) fn listener_of(&self, grant: &Arc<Grant>) -> Option<u16> {
        let at = self.grants.iter().position(|of| Arc::ptr_eq(of, grant))?;
        u16::try_from(at).ok()
    }

    /// How a session of this pool is subscribed.
    pub(super) fn subscribed(
        &self,
        pool: Pool,
        key: SessionKey,
        filter: &str,
        group: Option<&str>,
    ) -> Option<Subscribed> {
        let realm = self.realms.get(RealmKey::of(pool, filter))?;
        realm.routes.find(key, filter, group)
    }

    /// Puts the connection on the list of those that have something to do.
    fn wake(&mut self, conn: ConnId) {
        let Some(link) = self.link_mut(conn) else { return };
        if !link.listed && !link.is_gone() {
            link.listed = true;
            if link.phase == Phase::Local {
                self.ready_locals.push_back(conn);
            } else {
                self.ready.push_back(conn);
            }
        }
    }

    fn owe(&mut self, conn: ConnId, reply: Reply) {
        let after = self.journal.of_request();
        let Self { links, journal, .. } = self;
        let link = links
            .get_mut(conn.index())
            .filter(|link| link.generation == conn.generation && !link.is_gone());
        if let Some(link) = link {
            if let Some(after) = after {
                link.depend(after);
            }
            if link.owe(reply) {
                journal.withhold(conn);
            }
            self.wake(conn);
        }
    }

    fn violation(&mut self, now: Instant, conn: ConnId, rule: &'static Rule) {
        let version = self.link(conn).map_or(Version::V5, |link| link.version);
        self.broken(now, conn, rule.broken(version));
    }

    fn broken(&mut self, now: Instant, conn: ConnId, violation: Violation) {
        // 5/MQTT-4.13.1-1, 5/MQTT-3.1.4-1, 3.1/3.1-4: with a last word or without, the connection is over.
        let last = self.last_word(conn, violation.code);
        self.end_link(now, conn, Ended::Violation(violation), Some(last));
    }
}
