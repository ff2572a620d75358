//! Clients and a server joined in memory, on a clock that jumps: for tests of what is built on this crate.
//!
//! ```
//! use core::time::Duration;
//! use mqtt_proto::{Properties, QoS, TopicFilter, TopicName, Version};
//! use mqtt_proto::packet::{Connect, Subscription, SubscriptionOptions};
//! use mqtt_session::{Client, Config, Publish, client::OwnedEvent, storage::Heap, testing::Net};
//!
//! let mut net = Net::new(Default::default());
//! let c = net.add(Client::new(Config::DEFAULT, Heap::new()));
//! net.connect(c, &Connect::new(Version::V5, "me"))?;
//! net.settle();
//!
//! let now = net.now();
//! let everything = Subscription { filter: TopicFilter::new("#")?, options: SubscriptionOptions::new(QoS::AtLeastOnce) };
//! net.client(c).subscribe(now, &[everything], Properties::EMPTY)?;
//! net.settle();
//! let message = Publish::new(TopicName::new("a/b")?, QoS::AtLeastOnce);
//! net.client(c).publish(now, &message, "hello").expect("there is room");
//! net.advance(Duration::from_secs(1));
//!
//! let events = net.take_events(c);
//! assert!(events.iter().any(|event| matches!(event, OwnedEvent::Message(m) if m.payload == "hello")));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod disk;
mod store;
mod wire;

use alloc::{vec, vec::Vec};
use core::time::Duration;

pub use disk::Disk;
pub use store::{Entries, Store};
pub use wire::{Faults, Way};

use crate::{
    Body, Client, ConnectOptions, Instant, ReceiveBuffer, Refused,
    client::{OwnedEvent, RestoreError},
    server::{self, ConnId, Peer, Server, ServerConfig},
    storage::{Heap, Storage},
};
use wire::Wire;

/// A server and its clients, joined by byte queues, on a virtual clock. Nothing happens but in [`turn`](Self::turn),
/// [`settle`](Self::settle) and [`advance`](Self::advance), and the same calls give the same result.
#[derive(Debug)]
pub struct Net<S: Storage = Heap> {
    server: Server,
    store: Store,
    now: Instant,
    ends: Vec<End<S>>,
    /// Connections whose clients are gone, which the server does not know.
    abandoned: Vec<ConnId>,
    turns: u64,
}

/// A client with its link.
#[derive(Debug)]
struct End<S: Storage> {
    client: Client<S>,
    rx: ReceiveBuffer<Vec<u8>>,
    conn: Option<ConnId>,
    /// To the server, and from it.
    up: Wire,
    down: Wire,
    /// Received by the server and not consumed.
    rest: Vec<u8>,
    events: Vec<OwnedEvent>,
    disk: Disk,
}

impl<S: Storage> Net<S> {
    /// A server without clients, some time after zero.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            server: Server::new(config),
            store: Store::default(),
            now: Instant::from_secs(1_000),
            ends: Vec::new(),
            abandoned: Vec::new(),
            turns: 0,
        }
    }

    /// Adds a client that is not connected; its number is the count of clients before it.
    pub fn add(&mut self, client: Client<S>) -> usize {
        let rx = ReceiveBuffer::new(vec![0; client.config().receive_buffer as usize]);
        self.ends.push(End {
            client,
            rx,
            conn: None,
            up: Wire::default(),
            down: Wire::default(),
            rest: Vec::new(),
            events: Vec::new(),
            disk: Disk::default(),
        });
        self.ends.len() - 1
    }

    /// What time it is.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How many turns there have been: what spins shows here.
    pub const fn turns(&self) -> u64 {
        self.turns
    }

    /// The server.
    pub const fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// What the server's durable state is put into, at each turn, if it has any.
    pub const fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The server's process dies, with all links and all that was not written, and begins anew with what is safe and `keep`
    /// of the batches that are not. Clients find out that their links are lost.
    ///
    /// # Errors
    /// As of [`Server::restore`]; the server is as it was, without a link.
    pub fn restart_server(&mut self, keep: usize) -> Result<(), server::RestoreError> {
        self.store.cut(keep);
        let config = self.server.broker().config().clone();
        let restored = Server::restore(config, self.now, self.store.safe());
        for c in 0..self.ends.len() {
            self.cut(c);
        }
        self.server = restored?;
        self.abandoned.clear();
        Ok(())
    }

    /// A client; panics if there is none with this number, as do all methods that take one.
    pub fn client(&mut self, c: usize) -> &mut Client<S> {
        &mut self.ends[c].client
    }

    /// What has happened to a client since this was called last.
    pub fn take_events(&mut self, c: usize) -> Vec<OwnedEvent> {
        core::mem::take(&mut self.ends[c].events)
    }

    /// What a client's journal is written to, at each turn, if it has one.
    pub fn disk(&mut self, c: usize) -> &mut Disk {
        &mut self.ends[c].disk
    }

    /// Puts a snapshot in the place of a client's journal, and makes it safe.
    pub fn compact(&mut self, c: usize) {
        let end = &mut self.ends[c];
        end.disk.compact(&mut end.client, self.now);
    }

    /// A client's process dies, with its link and all that was not recorded, and begins anew with the first `keep` records;
    /// with those that were safe at least, and with no more than there are. What it had told and nobody took is gone.
    ///
    /// # Errors
    /// As of [`Client::restore`]; the client is as it was, without a link.
    pub fn restart(&mut self, c: usize, storage: S, keep: usize) -> Result<(), RestoreError> {
        self.cut(c);
        let end = &mut self.ends[c];
        end.events.clear();
        end.disk.cut(keep);
        let (config, all) = (end.client.config(), end.disk.len());
        end.client = Client::restore(config, storage, self.now, end.disk.records(all))?;
        Ok(())
    }

    /// What goes wrong on a client's link; stays so until it is set anew.
    pub fn faults(&mut self, c: usize, way: Way) -> &mut Faults {
        let end = &mut self.ends[c];
        match way {
            Way::Up => &mut end.up.faults,
            Way::Down => &mut end.down.faults,
        }
    }

    /// Opens a link for a client and has it send CONNECT. A link that it still has is lost first.
    ///
    /// # Errors
    /// As of [`Client::connect`]; the server's limit of connections is [`Refused::NotConnected`].
    pub fn connect(&mut self, c: usize, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.cut(c);
        self.ends[c].client.connect(self.now, options)?;
        let conn = self
            .server
            .open(self.now, Peer::default())
            .map_err(|_| Refused::NotConnected)?;
        self.ends[c].conn = Some(conn);
        Ok(())
    }

    /// A client's link is lost, with all that is on it; both ends are told.
    pub fn cut(&mut self, c: usize) {
        let end = &mut self.ends[c];
        if let Some(conn) = end.conn.take() {
            self.server.handle_disconnect(self.now, conn);
        }
        end.client.handle_disconnect(self.now);
        end.rx.clear();
        end.up.clear();
        end.down.clear();
        end.rest.clear();
        end.hear(self.now);
    }

    /// A client's link is lost, with all that is on it; the server is not told, and finds out by itself, or when the client
    /// connects again.
    pub fn abandon(&mut self, c: usize) {
        if let Some(conn) = self.ends[c].conn.take() {
            self.abandoned.push(conn);
        }
        self.cut(c);
    }

    /// The client has a link.
    pub fn is_linked(&self, c: usize) -> bool {
        self.ends[c].conn.is_some()
    }

    /// Everybody gets one turn to read and write what the wires let through. False: nothing happened.
    pub fn turn(&mut self) -> bool {
        self.turns += 1;
        let mut happened = false;
        for c in 0..self.ends.len() {
            let end = &mut self.ends[c];
            happened |= end.hear(self.now);
            happened |= end.disk.turn(&mut end.client, self.now);
            let Some(conn) = end.conn else { continue };
            happened |= end.write(self.now);
            happened |= end.up.carry();
            happened |= end.feed(&mut self.server, conn, self.now);
            happened |= end.drain(&mut self.server, conn, self.now);
            happened |= end.down.carry();
            happened |= end.read();
            happened |= end.hear(self.now);
            let lost = end.up.is_cut() || end.down.is_cut();
            // The end of the stream comes after the last bytes.
            let closed_by_server = self.server.wants_close(conn) && end.down.is_empty();
            let closed_by_client = end.is_over() && end.client.poll_transmit().is_none() && end.up.is_empty();
            if lost || closed_by_server || closed_by_client {
                self.cut(c);
                happened = true;
            }
        }
        let (server, now) = (&mut self.server, self.now);
        self.abandoned.retain(|&conn| {
            // What is written goes nowhere.
            let mut nowhere = [0; 1024];
            while server.take_transmit(now, conn, &mut nowhere) > 0 {}
            let over = server.wants_close(conn);
            if over {
                server.handle_disconnect(now, conn);
                happened = true;
            }
            !over
        });
        while self.server.poll_ready().is_some() {}
        happened |= self.store.turn(&mut self.server, self.now);
        happened
    }

    /// Turns until nothing happens any more at this moment.
    ///
    /// # Panics
    /// If that never comes: somebody spins.
    pub fn settle(&mut self) {
        let mut turns = 0_u32;
        while self.turn() {
            turns += 1;
            assert!(turns < 10_000_000, "does not come to rest");
        }
    }

    /// Lets time pass, jumping from deadline to deadline.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let deadlines = self.ends.iter().map(|end| end.client.poll_timeout());
            let next = deadlines.chain([self.server.poll_timeout()]).flatten().min();
            match next {
                // A deadline that stands still would have been met by settling.
                Some(at) if at <= end => {
                    self.now = at.max(self.now + Duration::from_micros(1)).min(end);
                    self.server.handle_timeout(self.now);
                    if self.now >= end {
                        break;
                    }
                }
                _ => break,
            }
        }
        self.now = end;
        self.server.handle_timeout(end);
        self.settle();
    }
}

impl<S: Storage> End<S> {
    /// Takes the client's events.
    fn hear(&mut self, now: Instant) -> bool {
        let mut happened = false;
        loop {
            let handled = self.client.handle_input(now, self.rx.filled());
            let consumed = handled.consumed;
            let event = handled.event.map(|event| self.client.own(event));
            self.rx.consume(consumed);
            happened |= consumed > 0 || event.is_some();
            match event {
                Some(event) => self.events.push(event),
                None => return happened,
            }
        }
    }

    /// The client has told that its connection is over.
    fn is_over(&self) -> bool {
        let closed = |event: &OwnedEvent| matches!(event, OwnedEvent::Closed(_));
        !self.client.is_connected() && self.events.last().is_some_and(closed)
    }

    fn write(&mut self, now: Instant) -> bool {
        let room = self.up.room();
        let Some(transmit) = self.client.poll_transmit().filter(|_| room > 0) else {
            return false;
        };
        let mut n = self.up.push(transmit.head);
        if n == transmit.head.len() {
            n += match transmit.body {
                Body::Bytes(body) => self.up.push(body),
                // The bytes of a payload that lies elsewhere are of no matter here.
                Body::External { len, .. } => self.up.push(&vec![0; (len as usize).min(room - n)]),
            };
        }
        self.client.handle_written(now, n);
        n > 0
    }

    fn feed(&mut self, server: &mut Server, conn: ConnId, now: Instant) -> bool {
        if !server.wants_input(conn) {
            return false;
        }
        let before = self.rest.len();
        self.up.pull(&mut self.rest);
        let came = self.rest.len() > before;
        let consumed = server.handle_input(now, conn, &self.rest);
        self.rest.drain(..consumed);
        came || consumed > 0
    }

    fn drain(&mut self, server: &mut Server, conn: ConnId, now: Instant) -> bool {
        let mut out = vec![0; self.down.room().min(64 << 10)];
        let mut taken = server.take_transmit(now, conn, &mut out);
        // What does not fit whole goes in pieces.
        let whole = if taken == 0 {
            server.poll_transmit(now, conn)
        } else {
            None
        };
        if let Some(transmit) = whole {
            let (head, body) = (transmit.head, transmit.body);
            let mut pieces = head.iter().copied().chain(match body {
                Body::Bytes(body) => body.iter().copied(),
                Body::External { .. } => [].iter().copied(),
            });
            for place in &mut out {
                let Some(byte) = pieces.next() else { break };
                *place = byte;
                taken += 1;
            }
            server.handle_written(now, conn, taken);
        }
        self.down.push(out.get(..taken).unwrap_or_default());
        taken > 0
    }

    fn read(&mut self) -> bool {
        if !self.client.wants_input() {
            return false;
        }
        let n = self.down.pull_into(self.rx.spare());
        self.rx.commit(n);
        n > 0
    }
}
