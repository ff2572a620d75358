//! The server: connections, sessions and routing as one value.
//!
//! [`Server`] is the whole: bytes and time go in, bytes and events come out, for any number of connections. Beneath it
//! are its two halves, for those who want them on threads of their own: [`ServerConn`] is one connection's bytes,
//! [`Broker`] is everything in which one client meets another. They speak [`Request`]s and [`Reply`]s.
//!
//! A server's loop, whatever the transport (`examples/server_loop.rs` is a whole one):
//!
//! ```
//! use mqtt_session::{Instant, server::{Peer, Server, ServerConfig}};
//!
//! let mut server = Server::new(ServerConfig::default());
//! let now = Instant::from_secs(1);
//! let conn = server.open(now, Peer::default())?;
//!
//! // What came from the client: here a CONNECT of MQTT 3.1.1.
//! let received = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
//! assert_eq!(server.handle_input(now, conn, received), received.len());
//!
//! // What is to be written, for every connection that has something to do.
//! while let Some(conn) = server.poll_ready() {
//!     let mut out = [0; 1024];
//!     let n = server.take_transmit(now, conn, &mut out);
//!     assert_eq!(&out[..n], [0x20, 0x02, 0x00, 0x00]); // CONNACK
//! }
//! // Then wait for bytes, or for this moment, and call `handle_timeout`.
//! assert!(server.poll_timeout().is_some());
//! # Ok::<(), mqtt_session::server::Overloaded>(())
//! ```
//!
//! # What outlives the process
//!
//! Nothing, unless [`ServerConfig::durable`]. Then [`poll_changes`](Server::poll_changes) tells what has changed, a store makes that
//! safe, all at once, and [`handle_persisted`](Server::handle_persisted) lets go what was withheld until then;
//! [`Server::restore`] makes a server of what is in the store. Several batches may be under way, in order.
//!
//! | state | durable |
//! |---|---|
//! | sessions with an expiry above 0, what their clients were granted, when they end | yes |
//! | their subscriptions, retained messages that these have not had, received ids of QoS 2 | yes |
//! | messages of QoS 1 and 2 that wait for them or are under way to them, packet ids, order | yes |
//! | retained messages, whatever their QoS | yes |
//! | wills, of every session: published as if all connections were lost when the server is restored | yes |
//! | messages of QoS 0 that wait | no |
//! | sessions that end with their connection, but for their wills; a message of a shared subscription that such a session has | no |
//! | connections, local ones too; topic aliases; open questions; `$SYS`; counters and events; whose turn it is in a group | no |
//!
//! A publisher whose answer waits is held to its receive maximum as ever. While a store is slow, clients that need it wait, and all
//! others are served.
//!
//! Where to find what:
//! - [`conn`](ServerConn): framing, version, keep-alive, encoding.
//! - [`broker`](Broker): sessions, packet ids, queues, subscriptions, retained messages, wills, limits.
//! - `config`, `grant`: what is offered, what one client is granted, and all limits. `pool`: where clients meet.
//! - `metrics`: what is counted. `sys`: what of it is published. `rate`: token buckets.
//! - `route`: the tree of filters, merging, shared subscriptions. `retained`: the tree of retained messages.
//! - `session`: what is kept of one client. `message`: a message that many share. `journal`: what has changed of all that.
//! - [`question`](Question), [`decision`](Decision): what the owner is asked, and may answer.
//! - [`local`](Broker::open_local): connections without a wire. [`inspect`](SessionInfo): sessions as their owner sees them.
//! - [`driver`]: the shape of a fast server loop, without a runtime.

mod broker;
mod config;
mod conn;
mod conn_id;
mod deadlines;
mod decision;
pub mod driver;
mod event;
mod grant;
mod inspect;
mod journal;
mod local;
mod message;
mod metrics;
mod pool;
mod question;
mod rate;
mod request;
mod retained;
mod route;
mod session;
mod sys;

use alloc::{collections::VecDeque, vec::Vec};

pub use broker::{Broker, Holdings, Restore, RestoreError};
pub use config::{Asks, DropPolicy, Limits, Offer, RetainedPolicy, ServerConfig};
pub use conn::{Heard, ServerConn};
pub use conn_id::{ConnId, Overloaded, Peer, PeerNames};
pub use decision::{Challenge, Decision, Refusal, Remarks, Terms};
pub use event::{DropCause, Ended, ServerEvent};
pub use grant::{ClientLimits, Grant, Pool};
pub use inspect::{Revoked, SessionInfo, SubscriptionInfo, TakenQueue};
pub use journal::Changes;
pub use local::{LocalDelivery, LocalOptions, LocalSubscription, NotPublished};
pub use message::Message;
pub use metrics::{Average, Load, Metrics, PoolMetrics, TopBy, Totals, Traffic};
pub use question::{Asked, Question, QuestionCounts, Ticket};
pub use rate::{Bucket, Rate};
pub use request::{Accepted, Authenticate, Delivery, Explained, Pace, Reply, Request};

use mqtt_proto::{Frame, ReasonCode};

use crate::{Instant, Seq, Transmit};
use deadlines::{Armed, Deadlines};

/// An MQTT server for any number of connections, without IO. See the [module](self) for its loop.
///
/// It is a plain value: no thread, no clock, no randomness but [`ServerConfig::seed`]. Whatever a client sends, no call
/// fails or panics; a client that breaks a rule is told so as its version allows, and disconnected. Ids of connections
/// that are gone are ignored.
#[derive(Clone, Debug)]
pub struct Server {
    broker: Broker,
    /// By the index of the [`ConnId`].
    places: Vec<Option<Place>>,
    deadlines: Deadlines<ConnId>,
    ready: VecDeque<ConnId>,
}

#[derive(Clone, Debug)]
struct Place {
    conn: ServerConn,
    generation: u32,
    /// No later than its deadline: what is heard of a client does not move it each time.
    armed: Armed,
    listed: bool,
    /// It was asked to wait until answers to its pings are written.
    stalled: bool,
}

impl Server {
    /// A server without connections.
    pub fn new(config: ServerConfig) -> Self {
        Self::from(Broker::new(config))
    }

    /// A server that goes on where another one was: see [`Broker::restore`].
    ///
    /// # Errors
    ///
    /// [`RestoreError`]: the entries are not what a server left.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: ServerConfig,
        now: Instant,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, RestoreError> {
        Broker::restore(config, now, entries).map(Self::from)
    }

    /// What has changed and is to be made durable: see [`Broker::poll_changes`].
    pub fn poll_changes(&mut self) -> Option<Changes> {
        self.broker.poll_changes()
    }

    /// These changes and all before them are safe: see [`Broker::handle_persisted`].
    pub fn handle_persisted(&mut self, now: Instant, upto: Seq) {
        self.broker.handle_persisted(now, upto);
    }

    /// Everything that is durable: see [`Broker::snapshot`].
    pub fn snapshot(&mut self) -> Changes {
        self.broker.snapshot()
    }

    /// What is behind the connections.
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// For the owner's own business: [local connections](Broker::open_local), and looking after [sessions](Broker::sessions).
    /// The requests and replies of the connections that were opened here are the server's.
    pub const fn broker_mut(&mut self) -> &mut Broker {
        &mut self.broker
    }

    /// A client has connected. Its place is kept until [`handle_disconnect`](Self::handle_disconnect).
    ///
    /// # Errors
    ///
    /// There are as many connections as the limit allows; nothing has changed.
    pub fn open(&mut self, now: Instant, peer: Peer) -> Result<ConnId, Overloaded> {
        let listener = peer.listener;
        let id = self.broker.open(peer)?;
        let now = self.broker.clock(now);
        let conn = ServerConn::new(now, self.broker.config().offer(listener));
        if self.places.len() <= id.index() {
            self.places.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.places.get_mut(id.index()) {
            *place = Some(Place {
                conn,
                generation: id.generation,
                armed: Armed::default(),
                listed: false,
                stalled: false,
            });
        }
        self.arm(id);
        Ok(id)
    }

    /// Bytes that came from the client. Says how many are done with; the rest, an incomplete packet or what there is no
    /// room for now ([`wants_input`](Self::wants_input)), is to be given again with what follows it.
    pub fn handle_input(&mut self, now: Instant, c: ConnId, rx: &[u8]) -> usize {
        let Self { broker, places, .. } = self;
        let Some(place) = place(places, c) else {
            return rx.len();
        };
        let mut consumed = 0;
        let pings = place.conn.pings_waiting();
        while consumed < rx.len() && !broker.is_paused(c) {
            let rest = rx.get(consumed..).unwrap_or_default();
            let asking = broker.is_asking(c);
            if asking && broker.has_left(c) {
                // 5/MQTT-3.14.4-1, 3.1.1/MQTT-3.14.4-2: it is not even alive.
                consumed = rx.len();
                break;
            }
            let heard = if asking {
                // One packet, so that it can be left where it is.
                let len = match mqtt_proto::frame_len(rest, u32::MAX) {
                    Ok(Frame::Len(len)) => len,
                    Ok(Frame::Need(_)) | Err(_) => rest.len(),
                };
                place.conn.handle_input(now, rest.get(..len).unwrap_or_default())
            } else {
                place.conn.handle_input(now, rest)
            };
            let Some(request) = heard.request else {
                consumed += heard.consumed;
                if asking && heard.consumed > 0 {
                    continue;
                }
                break;
            };
            if asking && !broker.has_room_for(c, &request) {
                broker.pause(c);
                break;
            }
            consumed += heard.consumed;
            // Whether to pause is asked again above.
            let _ = broker.handle_request(now, c, request);
            if broker.is_over(c) {
                consumed = rx.len();
            }
        }
        let pings = place.conn.pings_waiting().saturating_sub(pings);
        broker.handle_traffic(Traffic {
            bytes_in: consumed as u64,
            bytes_out: 0,
            pings: pings.into(),
        });
        place.stalled = !place.conn.wants_input();
        if place.conn.owes_pong() {
            self.make_ready(c);
        }
        self.arm(c);
        consumed
    }

    /// False: do not read from this client now. It is ready again when it may be read.
    pub fn wants_input(&self, c: ConnId) -> bool {
        self.broker.wants_input(c) && self.get(c).is_some_and(|place| place.conn.wants_input())
    }

    /// The packet to write next to this client, what is left of it: head and payload, never copied together.
    pub fn poll_transmit(&mut self, now: Instant, c: ConnId) -> Option<Transmit<'_>> {
        let Self { broker, places, .. } = self;
        let conn = &mut place(places, c)?.conn;
        while conn.wants_reply() {
            let Some(reply) = broker.poll_reply(now, c) else {
                break;
            };
            conn.handle_reply(now, reply);
        }
        place(places, c)?.conn.poll_transmit()
    }

    /// So many bytes of what [`poll_transmit`](Self::poll_transmit) gave were written.
    pub fn handle_written(&mut self, _now: Instant, c: ConnId, n: usize) {
        if let Some(place) = place(&mut self.places, c) {
            place.conn.handle_written(n);
            self.broker.handle_traffic(Traffic {
                bytes_out: n as u64,
                ..Traffic::default()
            });
        }
        self.written(c);
    }

    /// Copies as many packets as there are, and fit, to `out`: many small ones for one write. They count as written.
    /// Says how many bytes; as many as there is room for means that there may be more.
    pub fn take_transmit(&mut self, now: Instant, c: ConnId, out: &mut [u8]) -> usize {
        let Self { broker, places, .. } = self;
        let Some(place) = place(places, c) else { return 0 };
        let conn = &mut place.conn;
        let mut taken = conn.take_transmit(out);
        while taken < out.len() && conn.wants_reply() {
            let Some(reply) = broker.poll_reply(now, c) else {
                break;
            };
            taken += conn.write_reply(now, reply, out.get_mut(taken..).unwrap_or_default());
            taken += conn.take_transmit(out.get_mut(taken..).unwrap_or_default());
        }
        broker.handle_traffic(Traffic {
            bytes_out: taken as u64,
            ..Traffic::default()
        });
        self.written(c);
        taken
    }

    /// What is written may have made room for what is to be read.
    fn written(&mut self, c: ConnId) {
        if let Some(place) = place(&mut self.places, c) {
            if place.stalled && place.conn.wants_input() {
                place.stalled = false;
                self.make_ready(c);
            }
        }
        self.arm(c);
    }

    /// Everything was written and nothing will be read: close the transport, then call
    /// [`handle_disconnect`](Self::handle_disconnect). True also of an id that is gone.
    pub fn wants_close(&self, c: ConnId) -> bool {
        self.get(c).is_none_or(|place| place.conn.wants_close())
    }

    /// The connection was over for [`Offer::connect_timeout`]: close the transport, whatever it has not taken. True also of
    /// an id that is gone.
    pub fn is_late(&self, c: ConnId) -> bool {
        self.get(c).is_none_or(|place| place.conn.is_late())
    }

    /// The transport is closed, by whomever. The id is gone.
    pub fn handle_disconnect(&mut self, now: Instant, c: ConnId) {
        let Self {
            broker,
            places,
            deadlines,
            ..
        } = self;
        let Some(place) = place(places, c) else { return };
        deadlines.set(c, &mut place.armed, None);
        if let Some(place) = places.get_mut(c.index()) {
            *place = None;
        }
        let _ = broker.handle_request(now, c, Request::Lost);
    }

    /// Ends a connection with this code: see [`Broker::disconnect_client`].
    pub fn disconnect(&mut self, now: Instant, c: ConnId, code: ReasonCode) {
        self.broker.disconnect_client(now, c, code);
    }

    /// The same, with what there is to say about it: see [`Broker::disconnect_with`].
    pub fn disconnect_with(&mut self, now: Instant, c: ConnId, refusal: Refusal) {
        self.broker.disconnect_with(now, c, refusal);
    }

    /// Ends all connections with 0x8B (Server shutting down). Write what they are owed, until each wants to be closed.
    pub fn shutdown(&mut self, now: Instant) {
        self.broker.shutdown(now);
    }

    /// A connection that has something to write, may be read again, or is to be closed. Each is given once until it has
    /// something again.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        while let Some(c) = self.ready.pop_front() {
            if let Some(place) = place(&mut self.places, c) {
                place.listed = false;
                return Some(c);
            }
        }
        let c = self.broker.poll_ready()?;
        if self.broker.is_over(c) {
            // Whatever it takes of what it is owed, from now on it has but so much time.
            let now = self.broker.clock(Instant::ZERO);
            if let Some(place) = place(&mut self.places, c) {
                place.conn.handle_over(now);
            }
            self.arm(c);
        }
        Some(c)
    }

    /// Everything that is counted: see [`Broker::metrics`].
    pub fn metrics(&self, now: Instant) -> Metrics {
        self.broker.metrics(now)
    }

    /// The sessions that have most: see [`Broker::top_sessions`].
    pub fn top_sessions(&self, by: TopBy, n: usize) -> Vec<SessionInfo<'_>> {
        self.broker.top_sessions(by, n)
    }

    /// What happened. Nothing depends on this being called; events that nobody polls are forgotten, the oldest first.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.broker.poll_event()
    }

    /// The next question that was not polled yet: see [`Broker::poll_question`]. Poll after
    /// [`handle_input`](Self::handle_input) and after [`handle_decision`](Self::handle_decision), which may have come to
    /// the next one of its connection. A policy that decides at once is a loop of three lines:
    ///
    /// ```
    /// # use mqtt_session::{Instant, server::{Decision, Server, ServerConfig}};
    /// # let (mut server, now) = (Server::new(ServerConfig::default()), Instant::from_secs(1));
    /// while let Some(ticket) = server.poll_question() {
    ///     let decision = server.question(ticket).map_or(Decision::Allow, |question| {
    ///         // Look at `question.asked`.
    ///         Decision::Allow
    ///     });
    ///     server.handle_decision(now, ticket, decision);
    /// }
    /// ```
    pub fn poll_question(&mut self) -> Option<Ticket> {
        self.broker.poll_question()
    }

    /// What is asked; `None` if it is no longer open.
    pub fn question(&self, ticket: Ticket) -> Option<Question<'_>> {
        self.broker.question(ticket)
    }

    /// The answer to a question. One that comes too late, or again, is ignored and counted.
    pub fn handle_decision(&mut self, now: Instant, ticket: Ticket, decision: Decision) {
        let conn = self.broker.asks_about(ticket);
        self.broker.handle_decision(now, ticket, decision);
        if let Some(c) = conn {
            if let Some(place) = place(&mut self.places, c) {
                place.conn.handle_resumed(now);
            }
            self.arm(c);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called. It may find that there is nothing to do yet.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadlines.next(), self.broker.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Time has passed: keep-alive, late CONNECTs, sessions, wills, retained messages.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(c) = self.deadlines.pop_due(now) {
            let reading = self.wants_input(c) && !self.broker.is_asking(c);
            let Some(place) = place(&mut self.places, c) else {
                continue;
            };
            place.armed = Armed::default();
            let request = place.conn.handle_timeout(now, reading);
            if place.conn.wants_close() {
                self.make_ready(c);
            }
            match request {
                Some(request) => {
                    let _ = self.broker.handle_request(now, c, request);
                }
                None => self.broker.shrink(c),
            }
            self.rearm(c, now);
        }
        self.broker.handle_timeout(now);
    }

    /// Puts a connection on the list that [`poll_ready`](Self::poll_ready) gives.
    pub(crate) fn make_ready(&mut self, c: ConnId) {
        if let Some(place) = place(&mut self.places, c) {
            if !place.listed {
                place.listed = true;
                self.ready.push_back(c);
            }
        }
    }

    fn get(&self, c: ConnId) -> Option<&Place> {
        self.places
            .get(c.index())?
            .as_ref()
            .filter(|place| place.generation == c.generation)
    }

    /// Sees to it that a deadline stands no later than the connection's own.
    fn arm(&mut self, c: ConnId) {
        let Self {
            places, deadlines, ..
        } = self;
        let Some(place) = place(places, c) else { return };
        if let Some(at) = place.conn.poll_timeout() {
            if place.armed.is_later_than(at) {
                deadlines.set(c, &mut place.armed, Some(at));
            }
        }
    }

    /// As `arm`, after a deadline has come; one that is due still is put off until time has passed.
    fn rearm(&mut self, c: ConnId, now: Instant) {
        let Self {
            places, deadlines, ..
        } = self;
        let Some(place) = place(places, c) else { return };
        let at = place.conn.poll_timeout().filter(|&at| at > now);
        deadlines.set(c, &mut place.armed, at);
    }
}

/// A server of a broker that was made from entries. Connections of the broker, if it has any, are not known to the server.
impl From<Broker> for Server {
    fn from(broker: Broker) -> Self {
        Self {
            broker,
            places: Vec::new(),
            deadlines: Deadlines::new(),
            ready: VecDeque::new(),
        }
    }
}

fn place(places: &mut [Option<Place>], c: ConnId) -> Option<&mut Place> {
    places
        .get_mut(c.index())?
        .as_mut()
        .filter(|place| place.generation == c.generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send_sync_unpin<T: Send + Sync + Unpin>() {}

    #[test]
    fn public_types_go_anywhere() {
        is_send_sync_unpin::<Server>();
        is_send_sync_unpin::<Broker>();
        is_send_sync_unpin::<ServerConn>();
        is_send_sync_unpin::<Message>();
        is_send_sync_unpin::<Reply>();
        is_send_sync_unpin::<driver::Driver>();
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn what_every_connection_costs_is_small() {
        let sizes = [
            ("ServerConn", size_of::<ServerConn>(), 48),
            ("place of a connection", size_of::<Option<Place>>(), 64),
            ("Link", broker::LINK_SIZE, 72),
            ("Session", size_of::<session::Session>(), 184),
            ("Reply", size_of::<Reply>(), 40),
            ("queue entry", size_of::<session::Waiting>(), 56),
        ];
        for (name, size, most) in sizes {
            std::println!("{name}: {size} bytes");
            assert!(size <= most, "{name}: {size}");
        }
    }
}
