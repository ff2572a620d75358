//! Our server.

use core::time::Duration;

use mqtt_session::Body;
use mqtt_session::server::{ConnId, Peer, Server};
use mqtt_session::testing::Store;

use super::BrokerUnderTest;
use crate::fields::Val;
use crate::target::judge::Judge;
use crate::target::setup;
use crate::target::time::{instant, since_start};
use crate::target::wanted::Wanted;

/// [`mqtt_session::server::Server`] with what its clients have written and it has not taken yet.
#[derive(Debug)]
pub(in crate::target) struct OurBroker {
    server: Server,
    judge: Judge,
    /// What is durable, if anything is to be.
    store: Option<Store>,
    /// By the number of the connection.
    links: Vec<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    id: ConnId,
    unread: Vec<u8>,
    /// The server has said that there is something to do. Nobody else may find that out for it.
    ready: bool,
}

impl OurBroker {
    /// As the trace wants it.
    pub(in crate::target) fn wanted(wanted: &Wanted<'_>) -> Result<Self, String> {
        let trace = wanted.trace();
        let mut config = setup::server(trace)?;
        let judge = Judge::new(trace, &mut config);
        Ok(Self {
            store: config.durable.then(Store::default),
            server: Server::new(config),
            judge,
            links: Vec::new(),
        })
    }

    /// Notes who is ready.
    fn poll_ready(&mut self) {
        while let Some(id) = self.server.poll_ready() {
            let mut links = self.links.iter_mut().flatten();
            if let Some(link) = links.find(|link| link.id == id) {
                link.ready = true;
            }
        }
    }

    fn take_in(&mut self, now: Duration, conn: usize) {
        if let Some(Some(link)) = self.links.get_mut(conn) {
            if !link.unread.is_empty() {
                let taken = self.server.handle_input(instant(now), link.id, &link.unread);
                link.unread.drain(..taken);
            }
            self.judge.sit(&mut self.server, instant(now));
        }
        self.persist(now);
    }

    /// Makes safe what has changed, and lets go what was withheld until then.
    fn persist(&mut self, now: Duration) {
        if let Some(store) = &mut self.store {
            while store.turn(&mut self.server, instant(now)) {}
        }
    }
}

impl BrokerUnderTest for OurBroker {
    fn open(&mut self, now: Duration, conn: usize) -> Result<(), String> {
        let opened = self.server.open(instant(now), Peer::default());
        let id = opened.map_err(|e| format!("the server refuses the link: {e}"))?;
        if self.links.len() <= conn {
            self.links.resize_with(conn + 1, || None);
        }
        self.links[conn] = Some(Link {
            id,
            unread: Vec::new(),
            ready: false,
        });
        Ok(())
    }

    fn handle_input(&mut self, now: Duration, conn: usize, bytes: &[u8]) {
        if let Some(Some(link)) = self.links.get_mut(conn) {
            link.unread.extend_from_slice(bytes);
        }
        self.take_in(now, conn);
    }

    fn handle_disconnect(&mut self, now: Duration, conn: usize) {
        if let Some(link) = self.links.get_mut(conn).and_then(Option::take) {
            self.server.handle_disconnect(instant(now), link.id);
            self.persist(now);
        }
    }

    fn poll_transmit(&mut self, now: Duration, conn: usize) -> Option<Vec<u8>> {
        self.poll_ready();
        let id = self.links.get(conn)?.as_ref().filter(|link| link.ready)?.id;
        if let Some(transmit) = self.server.poll_transmit(instant(now), id) {
            let mut packet = transmit.head.to_vec();
            if let Body::Bytes(body) = transmit.body {
                packet.extend_from_slice(body);
            }
            self.persist(now);
            return Some(packet);
        }
        self.links.get_mut(conn)?.as_mut()?.ready = false;
        // What is written has made room for what was left.
        self.take_in(now, conn);
        None
    }

    fn handle_written(&mut self, now: Duration, conn: usize, n: usize) {
        if let Some(Some(link)) = self.links.get(conn) {
            self.server.handle_written(instant(now), link.id, n);
            self.persist(now);
        }
    }

    fn wants_close(&self, conn: usize) -> bool {
        let link = self.links.get(conn).and_then(Option::as_ref);
        link.is_some_and(|link| self.server.wants_close(link.id))
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.server.poll_timeout().map(since_start)
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.server.handle_timeout(instant(now));
        self.persist(now);
    }

    fn shutdown(&mut self, now: Duration) -> Result<(), String> {
        self.server.shutdown(instant(now));
        self.persist(now);
        Ok(())
    }

    fn restore(&mut self, now: Duration) -> Result<(), String> {
        let Some(store) = &mut self.store else {
            return Err("nothing is durable here".to_owned());
        };
        // What the process had written is there, what it had not is not.
        store.cut(usize::MAX);
        let config = self.server.broker().config().clone();
        self.server = Server::restore(config, instant(now), store.safe())
            .map_err(|e| format!("the server cannot go on from what it left: {e}"))?;
        self.links.clear();
        self.persist(now);
        Ok(())
    }

    fn deny(&mut self, _: Duration, what: &[(String, Val)]) -> Result<(), String> {
        self.judge.deny(what)
    }
}
